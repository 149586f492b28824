package inferenceperf

import (
	"io"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// ParserVersion names the state of this reader. It changes when the same bytes
// begin to give other records.
const ParserVersion = "inferenceperf-1"

// The formats that Detect tells apart.
const (
	FormatRequests = "inference-perf requests"
	FormatSummary  = "inference-perf summary"
)

const producer = "inference-perf"

// Detect reports which format of this package begins with head, by its content.
func Detect(head []byte) (format string, ok bool) {
	keys := jsonrun.HeadKeys(head)
	switch {
	case keys.Has("[].start_time", "[].end_time", "[].request"):
		return FormatRequests, true
	case keys["load_summary"] == jsonscan.Object && keys["successes"] == jsonscan.Object:
		return FormatSummary, true
	}
	return "", false
}

// NewReader returns a Reader of the decompressed upload r, which positions call
// name.
func NewReader(r io.Reader, name string, opts ...jsonrun.Option) *jsonrun.Reader {
	return jsonrun.NewReader(r, name, &file{}, opts...)
}

// A file is the Format: a list of requests if it begins with '[', a summary
// otherwise.
type file struct {
	format jsonrun.Format
}

// Step reads a request, or a summary.
func (f *file) Step(u *jsonrun.Upload) bool {
	if f.format == nil {
		if !u.S.More() {
			return false
		}
		f.format = &jsonrun.Objects{Read: readSummary}
		if u.S.Peek() == jsonscan.Array {
			f.format = &requestList{}
		}
	}
	return f.format.Step(u)
}

// Broken closes the list, or gives the summary up.
func (f *file) Broken(u *jsonrun.Upload, reject *schemas.Reject, cut bool) bool {
	if f.format == nil {
		u.LoseBroken(reject)
		return false
	}
	return f.format.Broken(u, reject, cut)
}
