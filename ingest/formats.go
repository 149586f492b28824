package ingest

import (
	"bytes"
	"fmt"
	"io"

	"github.com/servestat/servestat/ingest/aiperf"
	"github.com/servestat/servestat/ingest/genaiperf"
	"github.com/servestat/servestat/ingest/guidellm"
	"github.com/servestat/servestat/ingest/inferenceperf"
	"github.com/servestat/servestat/ingest/inferencex"
	"github.com/servestat/servestat/ingest/llamabenchy"
	"github.com/servestat/servestat/ingest/llmd"
	"github.com/servestat/servestat/ingest/llmperf"
	"github.com/servestat/servestat/ingest/parquetscan"
	"github.com/servestat/servestat/ingest/sglang"
	"github.com/servestat/servestat/ingest/vllm"
	"github.com/servestat/servestat/schemas"
)

// A recordReader is what every producer's package offers. Records are valid
// until the next Scan; Err reports I/O faults only, bad input is a record.
type recordReader interface {
	Scan() bool
	Record() schemas.Record
	Err() error
}

// A producer is a package that reads the results of one tool.
type producer struct {
	detect        func(head []byte) (format string, ok bool)
	parserVersion string
	open          func(r io.Reader, name string, l Limits) recordReader
	// companions are the names, relative to a result's folder and with wildcards,
	// of files that may know more about its runs; complete takes it from one.
	companions []string
	complete   func(run *schemas.Run, name string, r io.Reader) error
}

// producers are asked in this order.
var producers = []producer{
	{
		detect: vllm.Detect, parserVersion: vllm.ParserVersion,
		open: func(r io.Reader, name string, l Limits) recordReader {
			return vllm.NewReader(r, name, vllm.MaxRequests(l.Requests), vllm.MaxString(l.String), vllm.MaxDepth(l.Nesting))
		},
		companions: vllm.Companions, complete: vllm.Complete,
	},
	{
		detect: aiperf.Detect, parserVersion: aiperf.ParserVersion,
		open: func(r io.Reader, name string, l Limits) recordReader {
			return aiperf.NewReader(r, name, aiperf.MaxRequests(l.Requests), aiperf.MaxString(l.String), aiperf.MaxDepth(l.Nesting))
		},
		companions: aiperf.Companions, complete: aiperf.Complete,
	},
	{
		detect: guidellm.Detect, parserVersion: guidellm.ParserVersion,
		open: func(r io.Reader, name string, l Limits) recordReader {
			return guidellm.NewReader(r, name, guidellm.MaxRequests(l.Requests), guidellm.MaxString(l.String), guidellm.MaxDepth(l.Nesting))
		},
	},
	{
		detect: sglang.Detect, parserVersion: sglang.ParserVersion,
		open: func(r io.Reader, name string, l Limits) recordReader {
			return sglang.NewReader(r, name, l.options()...)
		},
	},
	{
		detect: inferenceperf.Detect, parserVersion: inferenceperf.ParserVersion,
		open: func(r io.Reader, name string, l Limits) recordReader {
			return inferenceperf.NewReader(r, name, l.options()...)
		},
		companions: inferenceperf.Companions, complete: inferenceperf.Complete,
	},
	{
		detect: genaiperf.Detect, parserVersion: genaiperf.ParserVersion,
		open: func(r io.Reader, name string, l Limits) recordReader {
			return genaiperf.NewReader(r, name, l.options()...)
		},
		companions: genaiperf.Companions, complete: genaiperf.Complete,
	},
	{
		detect: llmperf.Detect, parserVersion: llmperf.ParserVersion,
		open: func(r io.Reader, name string, l Limits) recordReader {
			return llmperf.NewReader(r, name, l.options()...)
		},
		companions: llmperf.Companions, complete: llmperf.Complete,
	},
	{
		detect: inferencex.Detect, parserVersion: inferencex.ParserVersion,
		open: func(r io.Reader, name string, l Limits) recordReader {
			return inferencex.NewReader(r, name, l.options()...)
		},
	},
	{
		detect: llamabenchy.Detect, parserVersion: llamabenchy.ParserVersion,
		open: func(r io.Reader, name string, l Limits) recordReader {
			return llamabenchy.NewReader(r, name, l.options()...)
		},
	},
	{
		detect: llmd.Detect, parserVersion: llmd.ParserVersion,
		open: func(r io.Reader, name string, _ Limits) recordReader { return llmd.NewReader(r, name) },
	},
}

// A format is a kind of upload that a producer's package reads.
type format struct {
	name string
	*producer
}

// detect tells the format of an upload by its first bytes.
func detect(head []byte) (format, bool) {
	for i := range producers {
		if name, ok := producers[i].detect(head); ok {
			return format{name, &producers[i]}, true
		}
	}
	return format{producer: &producer{}}, false
}

// explainFile says what a file met in a folder is, where it is no upload.
func explainFile(path string, head []byte) string {
	if !parquetscan.Is(head) {
		return explain(head)
	}
	return fmt.Sprint(checkTable(path))
}

// explain says what a file that begins with head is, where it is no result.
func explain(head []byte) string {
	if why, ok := noText(head); ok {
		return why
	}
	if why, ok := vllm.Explain(head); ok {
		return why
	}
	why := "no benchmark result that servestat knows"
	if at, ok := openString(head); ok {
		why += fmt.Sprintf(" by its first %d bytes, which end inside the string that begins at byte %d", len(head), at)
	}
	return why
}

// openString returns where the string begins that fills half of head and does not
// end there.
func openString(head []byte) (at int, ok bool) {
	if text := bytes.TrimLeft(head, " \t\r\n"); len(head) < headSize || len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return 0, false
	}
	at = -1
	for i := 0; i < len(head); i++ {
		switch {
		case head[i] == '"' && at < 0:
			at = i
		case head[i] == '"':
			at = -1
		case head[i] == '\\' && at >= 0:
			i++
		}
	}
	return at, at >= 0 && at < len(head)/2
}
