// Package failures is what error messages of benchmark clients come down to: a class,
// one line, and few of them, though a run of which every request fails in words of its
// own must not fill the memory.
package failures

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Classes of failure; see [schemas.Request.ErrorClass].
const (
	Timeout    = "timeout"
	Connection = "connection"
	HTTP       = "http"       // the server answered, with an error
	NoChunk    = "no_chunk"   // the answer held no content
	Cancelled  = "cancelled"  // by the client
	BadRecord  = "bad_record" // the log's record of the request is malformed
	Other      = "other"
)

// Unreadable stands in for a message that is no string, or too long.
const Unreadable = "unreadable error message"

// A Failure is what an error message says, in short. The zero Failure is none.
type Failure struct {
	Class string
	Line  string
}

// maxKinds bounds how many different failures are kept of a run.
const maxKinds = 10_000

// A Set holds failures, each once. What comes when it is full keeps its class only.
type Set struct {
	kinds   []Failure
	index   map[Failure]uint32
	dropped bool
}

// Add returns the index of a failure; that of none is 0.
func (s *Set) Add(f Failure) uint32 {
	if s.index == nil {
		s.kinds = []Failure{{}}
		s.index = map[Failure]uint32{{}: 0} // most requests have none
	}
	i, ok := s.index[f]
	if !ok && len(s.kinds) >= maxKinds {
		s.dropped = true
		f.Line = ""
		i, ok = s.index[f]
	}
	if !ok {
		i = uint32(len(s.kinds))
		s.kinds = append(s.kinds, f)
		s.index[f] = i
	}
	return i
}

// At returns the failure of an index.
func (s *Set) At(i uint32) Failure {
	if int(i) >= len(s.kinds) {
		return Failure{}
	}
	return s.kinds[i]
}

// Note says what was left out, "" where that is nothing.
func (s *Set) Note() string {
	if !s.dropped {
		return ""
	}
	return fmt.Sprintf("more than %d different error messages: of the further ones only the class is kept", maxKinds)
}

// Words are what messages of a class contain, in lower case.
type Words struct {
	Class string
	Words []string
}

// ClassOf is the first class of which a message has a word.
func ClassOf(message string, all []Words) string {
	lower := strings.ToLower(message)
	for _, c := range all {
		for _, word := range c.Words {
			if strings.Contains(lower, word) {
				return c.Class
			}
		}
	}
	return Other
}

// Line returns the line of a message that says what happened: the last of a
// traceback, otherwise the first; capped.
func Line(message string) string {
	line := strings.TrimSpace(message)
	if strings.HasPrefix(line, "Traceback (most recent call last)") {
		line = line[strings.LastIndexByte(line, '\n')+1:]
	} else {
		line, _, _ = strings.Cut(line, "\n")
	}
	line = strings.TrimSpace(line)
	const most = 500
	if len(line) <= most {
		return line
	}
	cut := most
	for !utf8.RuneStart(line[cut]) {
		cut--
	}
	return line[:cut]
}
