package ingest

import (
	"io"

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

// A format is a kind of upload that some producer's package reads.
type format struct {
	name          string
	parserVersion string
	open          func(r io.Reader, name string) recordReader
}

// detect tells the format of an upload by its first bytes.
func detect(head []byte) (format, bool) {
	if name, ok := vllm.Detect(head); ok {
		return format{
			name:          name,
			parserVersion: vllm.ParserVersion,
			open:          func(r io.Reader, name string) recordReader { return vllm.NewReader(r, name) },
		}, true
	}
	return format{}, false
}
