package vllm

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Classes of failure.
const (
	classTimeout    = "timeout"
	classConnection = "connection"
	classHTTP       = "http"     // the server answered, with an error
	classNoChunk    = "no_chunk" // the answer held no chunk
	classOther      = "other"
	classBadRecord  = "bad_record" // the log's record of the request is malformed
)

// unreadable stands in for a message that is no string, or too long.
const unreadable = "unreadable error message"

// A failure is what an error message says, in short.
type failure struct {
	class string
	line  string
}

// A failureColumn holds the failures of a run: each once, and which request had
// which.
type failureColumn struct {
	seen    bool
	of      []uint32 // index in kinds, by request
	kinds   []failure
	index   map[failure]uint32
	dropped bool // there were too many different lines to keep
}

// maxFailures bounds how many different lines are kept: a run of which every
// request fails in words of its own must not fill the memory.
const maxFailures = 10_000

// add appends the failure of the next request, whose message is text.
func (c *failureColumn) add(text []byte) {
	if c.index == nil {
		c.kinds = []failure{{}}
		c.index = map[failure]uint32{{}: 0} // most requests have none
	}
	f := classify(text)
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
	c.of = append(c.of, k)
}

func (c *failureColumn) at(i int) failure {
	if i >= len(c.of) {
		return failure{}
	}
	return c.kinds[c.of[i]]
}

func classify(text []byte) failure {
	line := meaningfulLine(text)
	if line == "" {
		return failure{}
	}
	f := failure{classOther, line}
	lower := strings.ToLower(line)
	for _, c := range classWords {
		for _, word := range c.words {
			if strings.Contains(lower, word) {
				f.class = c.class
				return f
			}
		}
	}
	return f
}

// classWords lists what messages of a class contain, in lower case. The first
// class that matches wins: "504 Gateway Timeout" is an answer of a server.
//
// The vLLM client saves a traceback of aiohttp or asyncio where the connection
// failed, the reason phrase where the server answered with an error status, and
// a sentence of its own where the stream held nothing. The Rust client writes
// "HTTP 4xx: body" and "Stream error: …".
var classWords = []struct {
	class string
	words []string
}{
	{classNoChunk, []string{"never received a valid chunk"}},
	{classHTTP, []string{
		"http 4", "http 5", "gateway time", "request timeout", "bad request", "unauthorized", "forbidden", "not found",
		"method not allowed", "conflict", "payload too large", "content too large", "entity too large", "uri too long",
		"unsupported media type", "unprocessable", "too many requests", "internal server error", "not implemented",
		"bad gateway", "service unavailable", "contenttypeerror", "clientresponseerror",
	}},
	{classTimeout, []string{"timeout", "timed out"}},
	{classConnection, []string{
		"connection", "connect call failed", "connector", "cannot connect", "disconnected", "broken pipe", "clientoserror",
		"clientpayloaderror", "payload is not completed", "stream error", "name or service not known", "unreachable",
	}},
}

// meaningfulLine returns the line of a message that says what happened: the
// last of a traceback, otherwise the first; capped.
func meaningfulLine(text []byte) string {
	text = bytes.TrimSpace(text)
	if bytes.HasPrefix(text, []byte("Traceback (most recent call last)")) {
		text = text[bytes.LastIndexByte(text, '\n')+1:]
	} else if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	const most = 500
	text = bytes.TrimSpace(text)
	if len(text) > most {
		cut := most
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	return string(text)
}
