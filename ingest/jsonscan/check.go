package jsonscan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// Decode reads one small JSON text into v, as encoding/json does, and says where and
// why it cannot. Of a key that comes twice in one object encoding/json would take the
// last, without a word: here it is a fault, as it is to the readers of results.
func Decode(text []byte, v any) error {
	if err := check(text); err != nil {
		return err
	}
	err := json.Unmarshal(text, v)
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		return &SyntaxError{Offset: kind.Offset, Msg: fmt.Sprintf("%s: found %s, expected %s", cmp.Or(kind.Field, "the value"), kind.Value, nameOf(kind.Type))}
	case errors.As(err, &syntax):
		return &SyntaxError{Offset: syntax.Offset, Msg: "cannot be read as JSON: " + syntax.Error()}
	case err != nil:
		return &SyntaxError{Msg: err.Error()}
	}
	return nil
}

// decodeDepth is how deep encoding/json goes.
const decodeDepth = 10_000

// check finds text that is no JSON, and keys that come twice.
func check(text []byte) error {
	s := NewScanner(bytes.NewReader(text), Options{Depth: decodeDepth, String: max(len(text), 1), Buffer: max(min(len(text)+1, DefaultBuffer), 1)})
	if s.Peek(); s.Err() == nil {
		if err := s.checkValue(); err != nil {
			return err
		}
		if s.More() {
			return &SyntaxError{Offset: s.Offset(), Msg: "cannot be read as JSON: there is more behind the value"}
		}
	}
	var fault *SyntaxError
	switch {
	case s.Err() == nil:
		return nil
	case errors.Is(s.Err(), io.ErrUnexpectedEOF):
		return &SyntaxError{Offset: s.Offset(), Msg: "truncated: the text ends too early", Err: io.ErrUnexpectedEOF}
	case errors.As(s.Err(), &fault) && fault.limit:
		return &SyntaxError{Offset: s.Offset(), Msg: fmt.Sprintf("values are nested more than %d deep", decodeDepth)}
	case fault != nil:
		return &SyntaxError{Offset: fault.Offset, Msg: "cannot be read as JSON: " + fault.Msg}
	}
	return s.Err()
}

// checkValue passes the next value; the error is of a key that comes twice.
func (s *Scanner) checkValue() error {
	switch s.Peek() {
	case Object:
		seen := map[string]bool{}
		s.Object()
		for key, ok := s.Key(); ok; key, ok = s.Key() {
			name := string(key)
			if s.Peek(); seen[name] && s.Err() == nil {
				return &SyntaxError{Offset: s.Offset(), Msg: fmt.Sprintf("key %q comes twice in one object", name[:min(len(name), 100)])}
			}
			seen[name] = true
			if err := s.checkValue(); err != nil {
				return err
			}
		}
	case Array:
		s.Array()
		for s.Next() {
			if err := s.checkValue(); err != nil {
				return err
			}
		}
	default:
		s.Skip()
	}
	return nil
}

// nameOf is what a type of Go is to the writer of a file.
func nameOf(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	}
	return "an integer"
}
