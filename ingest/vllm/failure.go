package vllm

import "github.com/servestat/servestat/ingest/failures"

// A failureColumn says which request of a run failed, and of what.
type failureColumn struct {
	failures.Set
	seen bool
	of   []uint32 // index in the set, by request
}

// add appends the failure of the next request, whose message is text.
func (c *failureColumn) add(text []byte) { c.of = append(c.of, c.Add(classify(string(text)))) }

func (c *failureColumn) at(i int) failures.Failure {
	if i >= len(c.of) {
		return failures.Failure{}
	}
	return c.At(c.of[i])
}

func classify(message string) failures.Failure {
	line := failures.Line(message)
	if line == "" {
		return failures.Failure{}
	}
	return failures.Failure{Class: failures.ClassOf(line, classWords), Line: line}
}

// classWords lists what messages of a class contain, in lower case. The first
// class that matches wins: "504 Gateway Timeout" is an answer of a server.
//
// The vLLM client saves a traceback of aiohttp or asyncio where the connection
// failed, the reason phrase where the server answered with an error status, and
// a sentence of its own where the stream held nothing. The Rust client writes
// "HTTP 4xx: body" and "Stream error: …".
var classWords = []failures.Words{
	{Class: failures.NoChunk, Words: []string{"never received a valid chunk"}},
	{Class: failures.HTTP, Words: []string{
		"http 4", "http 5", "gateway time", "request timeout", "bad request", "unauthorized", "forbidden", "not found",
		"method not allowed", "conflict", "payload too large", "content too large", "entity too large", "uri too long",
		"unsupported media type", "unprocessable", "too many requests", "internal server error", "not implemented",
		"bad gateway", "service unavailable", "contenttypeerror", "clientresponseerror",
	}},
	{Class: failures.Timeout, Words: []string{"timeout", "timed out"}},
	{Class: failures.Connection, Words: []string{
		"connection", "connect call failed", "connector", "cannot connect", "disconnected", "broken pipe", "clientoserror",
		"clientpayloaderror", "payload is not completed", "stream error", "name or service not known", "unreachable",
	}},
}
