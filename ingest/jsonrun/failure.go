package jsonrun

import "github.com/servestat/servestat/ingest/failures"

// Classify tells what a client's error message says: the class of the failure,
// by the words in it, and the one line that says what happened. An empty
// message is no failure.
func Classify(message string) failures.Failure {
	line := failures.Line(message)
	if line == "" {
		return failures.Failure{}
	}
	return failures.Failure{Class: failures.ClassOf(line, classWords), Line: line}
}

// classWords lists what messages of a class contain, in lower case. The first
// class that matches wins: "504 Gateway Timeout" is an answer of a server. The
// clients are aiohttp's, so most are names of its exceptions and of HTTP's
// reason phrases.
var classWords = []failures.Words{
	{Class: failures.NoChunk, Words: []string{"never received a valid chunk"}},
	{Class: failures.HTTP, Words: []string{
		"http error", "http 4", "http 5", "gateway time", "request timeout", "bad request", "unauthorized", "forbidden",
		"not found", "method not allowed", "conflict", "payload too large", "content too large", "entity too large",
		"uri too long", "unsupported media type", "unprocessable", "too many requests", "internal server error",
		"not implemented", "bad gateway", "service unavailable", "contenttypeerror", "clientresponseerror",
	}},
	{Class: failures.Timeout, Words: []string{"timeout", "timed out"}},
	{Class: failures.Cancelled, Words: []string{"cancelled", "canceled"}},
	{Class: failures.Connection, Words: []string{
		"connection", "connect call failed", "connector", "cannot connect", "disconnected", "broken pipe", "clientoserror",
		"clientpayloaderror", "payload is not completed", "stream error", "name or service not known", "unreachable",
	}},
}
