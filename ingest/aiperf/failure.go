package aiperf

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/servestat/servestat/ingest/jsonscan"
)

// Classes of failure.
const (
	classCancelled  = "cancelled" // by the client, which AIPerf does when it is told to
	classTimeout    = "timeout"
	classConnection = "connection"
	classHTTP       = "http"     // the server answered, with an error
	classNoChunk    = "no_chunk" // the answer held no content
	classOther      = "other"
	classBadRecord  = "bad_record" // the log's record of the request is malformed
)

// A failure is what an error says, in short. The zero failure is none.
type failure struct {
	class string
	line  string
}

// maxFailures bounds how many different failures are kept: a run of which every
// request fails in words of its own must not fill the memory.
const maxFailures = 10_000

// failures holds the failures of a run, each once. The first is none.
type failures struct {
	kinds   []failure
	index   map[failure]uint32
	dropped bool
}

func newFailures() failures {
	return failures{kinds: []failure{{}}, index: map[failure]uint32{{}: 0}}
}

func (c *failures) add(f failure) uint32 {
	k, ok := c.index[f]
	if !ok && len(c.kinds) >= maxFailures {
		c.dropped = true
		f.line = ""
		k, ok = c.index[f]
	}
	if !ok {
		k = uint32(len(c.kinds))
		c.kinds = append(c.kinds, f)
		c.index[f] = k
	}
	return k
}

// unreadable stands in for a message that is no string, or too long.
const unreadable = "unreadable error message"

// readFailure consumes the value of "error".
func readFailure(s *jsonscan.Scanner, sum *jsonscan.Bag) (f failure, failed bool) {
	if s.Peek() != jsonscan.Object {
		failed = s.Peek() != jsonscan.Null
		sum.AddNext(s, "error")
		return failure{classOther, unreadable}, failed
	}
	var code int64
	var kind, message string
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		switch string(key) {
		case "code":
			text, _ := s.Raw(nil, 64)
			sum.AddText("error.code", text)
			code, _ = jsonscan.ParseInt(text)
		case "type":
			kind = errorText(s, sum, "error.type")
		case "message":
			message = errorText(s, sum, "error.message")
		default:
			sum.AddNext(s, "error."+string(key))
		}
	}
	return failure{classify(code, kind, message), firstLine(message, kind)}, true
}

func errorText(s *jsonscan.Scanner, sum *jsonscan.Bag, path string) string {
	if s.Peek() == jsonscan.Null {
		s.Skip()
		return ""
	}
	text, err := s.Text(nil)
	var value *jsonscan.ValueError
	if errors.As(err, &value) {
		return unreadable
	}
	sum.AddText(path, text)
	return string(text)
}

// classify tells the class of an error by its code, which is the status of HTTP
// or 499, AIPerf's own for a cancelled request, and by the name of its exception.
func classify(code int64, kind, message string) string {
	has := func(text string, words ...string) bool {
		text = strings.ToLower(text)
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	switch {
	case code == 499, has(kind, "cancel"):
		return classCancelled
	case code >= 400 && code < 600: // "Gateway Timeout" is an answer of a server
		return classHTTP
	case has(kind, "timeout"):
		return classTimeout
	case has(kind, "connect", "disconnect", "clientos", "clientpayload", "brokenpipe"):
		return classConnection
	case has(kind, "invalidinferenceresult"), has(message, "no responses", "no content"):
		return classNoChunk
	case has(message, "timed out", "timeout"):
		return classTimeout
	case has(message, "connection", "disconnected"):
		return classConnection
	}
	return classOther
}

// firstLine returns the first line of a message, capped; where it is empty, that
// of what stands in for it.
func firstLine(message, other string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	if line = strings.TrimSpace(line); line == "" && other != "" {
		return firstLine(other, "")
	}
	const most = 500
	if len(line) > most {
		cut := most
		for !utf8.RuneStart(line[cut]) {
			cut--
		}
		line = line[:cut]
	}
	return line
}
