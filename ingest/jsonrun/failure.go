package jsonrun

import (
	"strings"
	"unicode/utf8"
)

// Classes of failure; see [schemas.Request.ErrorClass].
const (
	ClassTimeout    = "timeout"
	ClassConnection = "connection"
	ClassHTTP       = "http"     // the server answered, with an error
	ClassNoChunk    = "no_chunk" // the answer held no chunk
	ClassCancelled  = "cancelled"
	ClassBadRecord  = "bad_record" // the log's record of the request is malformed
	ClassOther      = "other"
)

// A Failure is what an error message says, in short.
type Failure struct {
	Class string
	Line  string
}

// failures holds the failures of a run, each once.
type failures struct {
	kinds   []Failure
	indexes map[Failure]uint32
	dropped bool // there were too many different lines to keep
}

// maxFailures bounds how many different lines are kept: a run of which every
// request fails in words of its own must not fill the memory.
const maxFailures = 10_000

func (f *failures) index(failure Failure) uint32 {
	if f.indexes == nil {
		f.kinds = []Failure{{}}
		f.indexes = map[Failure]uint32{{}: 0} // most requests have none
	}
	i, ok := f.indexes[failure]
	if !ok && len(f.kinds) >= maxFailures {
		f.dropped = true
		failure.Line = ""
		i, ok = f.indexes[failure]
	}
	if !ok {
		i = uint32(len(f.kinds))
		f.kinds = append(f.kinds, failure)
		f.indexes[failure] = i
	}
	return i
}

func (f *failures) at(i uint32) Failure {
	if int(i) >= len(f.kinds) {
		return Failure{}
	}
	return f.kinds[i]
}

// Classify tells what a client's error message says: the class of the failure,
// by the words in it, and the one line that says what happened. An empty
// message is no failure.
func Classify(message string) Failure {
	line := FirstLine(message)
	if line == "" {
		return Failure{}
	}
	lower := strings.ToLower(line)
	for _, c := range classWords {
		for _, word := range c.words {
			if strings.Contains(lower, word) {
				return Failure{c.class, line}
			}
		}
	}
	return Failure{ClassOther, line}
}

// classWords lists what messages of a class contain, in lower case. The first
// class that matches wins: "504 Gateway Timeout" is an answer of a server. The
// clients are aiohttp's, so most are names of its exceptions and of HTTP's
// reason phrases.
var classWords = []struct {
	class string
	words []string
}{
	{ClassNoChunk, []string{"never received a valid chunk"}},
	{ClassHTTP, []string{
		"http error", "http 4", "http 5", "gateway time", "request timeout", "bad request", "unauthorized", "forbidden",
		"not found", "method not allowed", "conflict", "payload too large", "content too large", "entity too large",
		"uri too long", "unsupported media type", "unprocessable", "too many requests", "internal server error",
		"not implemented", "bad gateway", "service unavailable", "contenttypeerror", "clientresponseerror",
	}},
	{ClassTimeout, []string{"timeout", "timed out"}},
	{ClassCancelled, []string{"cancelled", "canceled"}},
	{ClassConnection, []string{
		"connection", "connect call failed", "connector", "cannot connect", "disconnected", "broken pipe", "clientoserror",
		"clientpayloaderror", "payload is not completed", "stream error", "name or service not known", "unreachable",
	}},
}

// FirstLine returns the line of a message that says what happened: the last of
// a traceback, otherwise the first; capped.
func FirstLine(text string) string {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "Traceback (most recent call last)") {
		text = text[strings.LastIndexByte(text, '\n')+1:]
	} else if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	const most = 500
	text = strings.TrimSpace(text)
	if len(text) > most {
		cut := most
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	return text
}
