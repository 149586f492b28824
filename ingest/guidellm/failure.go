package guidellm

import "github.com/servestat/servestat/ingest/failures"

// classWords are of what str or repr make of an exception of httpx. The first class
// that matches wins.
var classWords = []failures.Words{
	{Class: failures.HTTP, Words: []string{"httpstatuserror", "client error '", "server error '", "status code", "for url '", "gateway time"}},
	{Class: failures.Timeout, Words: []string{"timeout", "timed out"}},
	{Class: failures.Connection, Words: []string{
		"connecterror", "readerror", "writeerror", "closeerror", "remoteprotocolerror", "connection", "disconnected",
		"peer closed", "broken pipe", "name or service not known", "unreachable",
	}},
	{Class: failures.Cancelled, Words: []string{"cancel"}},
	{Class: failures.NoChunk, Words: []string{"no response", "no content", "empty response", "no iterations"}},
}
