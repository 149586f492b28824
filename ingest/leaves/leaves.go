// Package leaves holds the values inside an object under their paths
// ("input_config.endpoint.type"), as they were written: the settings and
// statistics of producers whose objects lie deep inside each other, and of which
// little is known by name.
package leaves

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

const (
	// maxLeaves bounds the values of an object; the largest that is known has three
	// thousand. maxText bounds the text of one, and maxTexts those of all. A longer
	// one is left out and counted, and is a fault where something would have come of it.
	maxLeaves = 20_000
	maxText   = 64 << 10
	maxTexts  = 4 << 20
)

// Leaves are values under their paths, as JSON text. Of nulls there are none.
type Leaves struct {
	// Skip says of a path that its value is to be left out; nil: of none.
	Skip func(path string) bool
	// Seen is told the path of each single value; it may be nil.
	Seen func(path string)

	Twice   string // a path that came twice; "" if none did
	Dropped int    // values that were too long to keep, or too many

	all    map[string]leaf
	over   map[string]int64 // where values begin that were not kept
	told   map[string]bool  // paths of faults
	faults []Fault
	kept   int
}

type leaf struct {
	text []byte
	at   int64
}

// A Fault is a value that was asked for and cannot be used.
type Fault struct {
	At     int64
	Reason string
}

// Read reads the next value under path, and adds it to sum.
func (l *Leaves) Read(s *jsonscan.Scanner, path string, sum *jsonscan.Bag) {
	if l.all == nil {
		l.all, l.over, l.told = map[string]leaf{}, map[string]int64{}, map[string]bool{}
	}
	if l.Skip != nil && l.Skip(path) {
		sum.AddNext(s, path)
		return
	}
	switch s.Peek() {
	case jsonscan.Null:
		s.Skip()
	case jsonscan.Object:
		s.Object()
		for key, ok := s.Key(); ok; key, ok = s.Key() {
			l.Read(s, path+"."+string(key), sum)
		}
	case jsonscan.Array:
		l.readArray(s, path, sum)
	default:
		l.readValue(s, path, sum)
	}
}

func (l *Leaves) readValue(s *jsonscan.Scanner, path string, sum *jsonscan.Bag) {
	at := s.Offset()
	text, over, err := sum.AddCapture(s, path, maxText)
	if err != nil {
		return
	}
	if l.keep(path, leaf{text, at}, over); l.Seen != nil {
		l.Seen(path)
	}
}

// readArray reads objects under the path of their index, and scalars as one text.
func (l *Leaves) readArray(s *jsonscan.Scanner, path string, sum *jsonscan.Bag) {
	at := s.Offset()
	s.Array()
	text := []byte("[")
	objects, over := false, false
	all := sha256.New() // for what is not kept of it
	for i := 0; s.Next(); i++ {
		if s.Peek() == jsonscan.Object {
			objects = true
			l.Read(s, path+"."+strconv.Itoa(i), sum)
			continue
		}
		if i > 0 {
			text = append(text, ',')
		}
		elementAt := s.Offset()
		c := jsonscan.Capture{Limit: maxText - min(len(text), maxText), Hash: all}
		if s.CopyTo(&c) != nil {
			return
		}
		if c.Over {
			l.leaveOut(path, elementAt)
			over, c.Text = true, []byte("null")
		}
		text = append(text, c.Text...)
	}
	if over {
		sum.AddText(path+"[]", all.Sum(nil))
	}
	if objects {
		return
	}
	text = append(text, ']')
	sum.AddText(path, text)
	l.keep(path, leaf{text, at}, false)
}

func (l *Leaves) keep(path string, v leaf, over bool) {
	if _, ok := l.all[path]; ok && l.Twice == "" {
		l.Twice = path
	}
	if over || l.kept+len(path)+len(v.text) > maxTexts || len(l.all) >= maxLeaves {
		l.leaveOut(path, v.at)
		return
	}
	l.kept += len(path) + len(v.text)
	l.all[path] = v
}

func (l *Leaves) leaveOut(path string, at int64) {
	if l.Dropped++; len(l.over) < maxLeaves {
		l.over[path] = at
	}
}

// Faults returns what was asked for and could not be used since the last call.
func (l *Leaves) Faults() []Fault {
	faults := l.faults
	l.faults = nil
	return faults
}

func (l *Leaves) fault(path string, at int64, format string, args ...any) {
	if l.told[path] {
		return
	}
	l.told[path] = true
	l.faults = append(l.faults, Fault{at, path + ": " + fmt.Sprintf(format, args...)})
}

// All yields the paths, in order, and the texts of their values.
func (l *Leaves) All() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, path := range slices.Sorted(maps.Keys(l.all)) {
			if !yield(path, l.all[path].text) {
				return
			}
		}
	}
}

// Get returns the text of the first of the paths that is there.
func (l *Leaves) Get(paths ...string) []byte {
	_, v := l.first(paths)
	return v.text
}

func (l *Leaves) first(paths []string) (string, leaf) {
	for _, path := range paths {
		if v, ok := l.all[path]; ok {
			return path, v
		}
	}
	return "", leaf{}
}

// want returns the first of the paths that is there, for a reader that makes
// something of it. One that was left out, or that is not of a kind, is a fault:
// a run without its model is compared with nothing, and nobody would know why.
func (l *Leaves) want(paths []string, is func(first byte) bool, what string) []byte {
	path, v := l.first(paths)
	for _, p := range paths {
		if at, ok := l.over[p]; ok {
			l.fault(p, at, "found a longer value, expected %s of at most %d bytes", what, maxText)
		}
		if p == path {
			break // what comes behind it is not looked at
		}
	}
	// An object in place of a value has other paths, and a list may say what a
	// sweep goes through.
	if len(v.text) > 0 && v.text[0] != '[' && !is(v.text[0]) {
		l.fault(path, v.at, "found %s, expected %s", shorten(v.text), what)
		return nil
	}
	return v.text
}

func isString(first byte) bool { return first == '"' }

// isNumber: NaN and Infinity are numbers to Python.
func isNumber(first byte) bool { return first != '"' && first != 't' && first != 'f' }

// String returns a string that is not empty, alone or the only one of a list.
func (l *Leaves) String(paths ...string) schemas.Opt[string] {
	text := l.want(paths, isString, "a string")
	s, ok := jsonscan.Unquote(text)
	if !ok && len(text) > 0 && text[0] == '[' {
		s, ok = jsonscan.Unquote(text[1 : len(text)-1])
		ok = ok && !strings.Contains(s, `","`)
	}
	if !ok || s == "" {
		return schemas.Opt[string]{}
	}
	return schemas.Some(s)
}

// Integer returns an integer of zero or more.
func (l *Leaves) Integer(paths ...string) schemas.Opt[int64] {
	v, ok := jsonscan.ParseInt(l.want(paths, isNumber, "an integer"))
	return asked(v, ok && v >= 0)
}

// Float returns a number above zero.
func (l *Leaves) Float(paths ...string) schemas.Opt[float64] {
	v, ok := jsonscan.ParseFloat(l.want(paths, isNumber, "a number"))
	return asked(v, ok && v > 0)
}

// Seconds returns a time or a duration in nanoseconds. Negative stands for unset.
func (l *Leaves) Seconds(paths ...string) schemas.Opt[int64] {
	v, ok := jsonscan.ParseNanos(l.want(paths, isNumber, "a time in seconds"))
	return asked(v, ok && v >= 0)
}

func asked[T any](v T, ok bool) schemas.Opt[T] {
	if !ok {
		return schemas.Opt[T]{}
	}
	return schemas.Some(v)
}

// shorten returns the beginning of a text, for a message.
func shorten(text []byte) string {
	const enough = 40
	if len(text) > enough {
		return strings.ToValidUTF8(string(text[:enough]), "") + "…"
	}
	return string(text)
}
