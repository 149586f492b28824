package guidellm

import (
	"strings"
	"unicode/utf8"
)

// Classes of failure.
const (
	classCancelled  = "cancelled" // the benchmark ended while it was under way
	classTimeout    = "timeout"
	classConnection = "connection"
	classHTTP       = "http"     // the server answered, with an error
	classNoChunk    = "no_chunk" // the answer held no chunk
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

// classify tells the class of a message, which is what str or repr make of an
// exception of httpx. The first class that matches wins.
func classify(message string) string {
	lower := strings.ToLower(message)
	for _, c := range classWords {
		for _, word := range c.words {
			if strings.Contains(lower, word) {
				return c.class
			}
		}
	}
	return classOther
}

var classWords = []struct {
	class string
	words []string
}{
	{classHTTP, []string{"httpstatuserror", "client error '", "server error '", "status code", "for url '", "gateway time"}},
	{classTimeout, []string{"timeout", "timed out"}},
	{classConnection, []string{
		"connecterror", "readerror", "writeerror", "closeerror", "remoteprotocolerror", "connection", "disconnected",
		"peer closed", "broken pipe", "name or service not known", "unreachable",
	}},
	{classCancelled, []string{"cancel"}},
	{classNoChunk, []string{"no response", "no content", "empty response", "no iterations"}},
}

// firstLine returns the first line of a message, capped.
func firstLine(message string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	line = strings.TrimSpace(line)
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
