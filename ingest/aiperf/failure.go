package aiperf

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonscan"
)

// readFailure consumes the value of "error".
func readFailure(s *jsonscan.Scanner, sum *jsonscan.Bag) (f failures.Failure, failed bool) {
	if s.Peek() != jsonscan.Object {
		failed = s.Peek() != jsonscan.Null
		sum.AddNext(s, "error")
		return failures.Failure{Class: failures.Other, Line: failures.Unreadable}, failed
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
	return failures.Failure{Class: classify(code, kind, message), Line: cmp.Or(failures.Line(message), failures.Line(kind))}, true
}

func errorText(s *jsonscan.Scanner, sum *jsonscan.Bag, path string) string {
	if s.Peek() == jsonscan.Null {
		s.Skip()
		return ""
	}
	text, err := s.Text(nil)
	var value *jsonscan.ValueError
	if errors.As(err, &value) {
		return failures.Unreadable
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
		return failures.Cancelled
	case code >= 400 && code < 600: // "Gateway Timeout" is an answer of a server
		return failures.HTTP
	case has(kind, "timeout"):
		return failures.Timeout
	case has(kind, "connect", "disconnect", "clientos", "clientpayload", "brokenpipe"):
		return failures.Connection
	case has(kind, "invalidinferenceresult"), has(message, "no responses", "no content"):
		return failures.NoChunk
	case has(message, "timed out", "timeout"):
		return failures.Timeout
	case has(message, "connection", "disconnected"):
		return failures.Connection
	}
	return failures.Other
}
