package query

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"
)

// An Object is a JSON object as the lake keeps it, its members in the order of their
// names and each value as it was written. It stays text: a map of it takes several
// times the memory, and a lake has tens of thousands of runs.
type Object struct{ text string }

// ParseObject returns the object that a text is; null is one without members.
func ParseObject(text string) (Object, error) {
	if text = strings.TrimSpace(text); text == "null" {
		return Object{}, nil
	}
	if !strings.HasPrefix(text, "{") || !json.Valid([]byte(text)) {
		return Object{}, fmt.Errorf("no JSON object: %.40q", text)
	}
	return Object{text}, nil
}

// Get returns the value of a member, "" where there is none.
func (o Object) Get(name string) string {
	for n, value := range o.All() {
		if n == name {
			return value
		}
	}
	return ""
}

// All gives the members with their values.
func (o Object) All() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if o.text == "" {
			return
		}
		rest := trimBlanks(o.text[1:])
		for rest[0] != '}' {
			n := valueLength(rest)
			name := nameOf(rest[:n])
			rest = trimBlanks(trimBlanks(rest[n:])[1:]) // behind the colon
			n = valueLength(rest)
			if !yield(name, rest[:n]) {
				return
			}
			if rest = trimBlanks(rest[n:]); rest[0] == ',' {
				rest = trimBlanks(rest[1:])
			}
		}
	}
}

// nameOf is the string that a literal stands for.
func nameOf(literal string) string {
	plain := literal[1 : len(literal)-1]
	if strings.IndexByte(plain, '\\') < 0 {
		return plain
	}
	json.Unmarshal([]byte(literal), &plain) // is valid: ParseObject looked
	return plain
}

func trimBlanks(text string) string { return strings.TrimLeft(text, " \t\r\n") }

// valueLength returns how long the value is that valid JSON begins with.
func valueLength(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // of what is around a number
			}
			depth--
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(text)
}
