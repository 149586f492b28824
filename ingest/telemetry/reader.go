package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/servestat/servestat/schemas"
)

// ParserVersion names this parser in what it produced.
const ParserVersion = "telemetry/3"

// maxSamples bounds the samples of a line. The most that were seen are 200 or so:
// tegrastats on a machine of many cores.
const maxSamples = 4096

// A Reader reads the samples of an upload. See the package documentation.
type Reader struct {
	lines *lines
	file  string
	begun bool
	done  bool
	err   error

	format format
	queue  []schemas.Record // of the current line
	next   int              // in queue
	cur    schemas.Record

	at  schemas.Pos // of the current line
	row int64

	east schemas.Opt[time.Duration] // of UTC, of a clock that prints no zone
}

// A format reads the lines of one source. It hands what it finds to the reader.
type format interface {
	line(r *Reader, text string)
}

// NewReader returns a reader of the upload r, which positions call name. What
// kind of telemetry it is shows in its beginning.
func NewReader(r io.Reader, name string) *Reader {
	return &Reader{lines: newLines(r), file: name}
}

// SetOffset says how far east of UTC the clock is of times that are printed
// without a zone, which makes them instants. It must be called before Scan.
func (r *Reader) SetOffset(east time.Duration) { r.east = schemas.Some(east) }

// Scan reads the next record: a [*schemas.Sample] or a [*schemas.Reject]. It
// returns false at the end and where the upload cannot be read; Err tells the two
// apart.
func (r *Reader) Scan() bool {
	if !r.begun {
		r.begin()
	}
	for r.next == len(r.queue) {
		if r.done {
			return false
		}
		r.read()
	}
	r.cur = r.queue[r.next]
	r.queue[r.next] = nil
	r.next++
	return true
}

// Record returns the record that Scan read. It is the caller's, but for the
// labels of a sample: samples of one series share them.
func (r *Reader) Record() schemas.Record { return r.cur }

// Err returns the error of the underlying reader, if there was one.
func (r *Reader) Err() error { return r.err }

// begin finds out which format the upload has.
func (r *Reader) begin() {
	r.begun = true
	r.at = schemas.Pos{File: r.file, Request: -1}
	head, err := r.lines.r.Peek(headSize)
	name, ok := Detect(head)
	switch {
	case name == FormatParquet:
		r.push(&schemas.Reject{At: r.at, Reason: "a Parquet file is no stream: NewTableReader reads it", Fatal: true})
		r.done = true
	case ok:
		r.format = formats[name]()
	case len(head) == 0: // an empty upload, or a fault that comes again
	case isUTF16(head):
		r.push(&schemas.Reject{At: r.at, Reason: "the file is UTF-16 and not UTF-8", Hint: "convert it: iconv -f UTF-16 -t UTF-8", Fatal: true})
		r.done = true
	case err != nil && !errors.Is(err, io.EOF): // the fault is what matters
		r.done, r.err = true, fmt.Errorf("%s: byte %d: %w", r.file, len(head), err)
	default:
		r.push(&schemas.Reject{At: r.at, Reason: "no telemetry that is known", Hint: "known are tegrastats, nvidia-smi --query-gpu --format=csv, nvidia-smi dmon, dcgmi dmon, Prometheus text, and engine counters as CSV", Fatal: true})
		r.done = true
	}
}

func isUTF16(head []byte) bool {
	return bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff"))
}

// read takes in one line.
func (r *Reader) read() {
	r.queue, r.next = r.queue[:0], 0
	text, at, whole, err := r.lines.next()
	if err != nil {
		r.done = true
		if !errors.Is(err, io.EOF) {
			r.err = fmt.Errorf("%s: byte %d: %w", r.file, at, err)
		}
		return
	}
	r.at.Offset, r.row = at, r.lines.row
	if r.row == 1 {
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
	}
	if !whole {
		// A part of it may end inside a figure.
		r.reject("a line of more than %d bytes: it is left out", maxLine)
		return
	}
	if text = bytes.Trim(text, "\x00"); len(text) == 0 {
		return
	}
	if !utf8.Valid(text) {
		r.reject("the line is no UTF-8")
		return
	}
	if r.lines.cut {
		// Half a figure looks like a figure.
		r.reject("the last line has no end: it may be cut short and is left out")
		return
	}
	r.format.line(r, string(text))
}

func (r *Reader) push(record schemas.Record) {
	if len(r.queue) < maxSamples {
		r.queue = append(r.queue, record)
	}
}

// sample hands on a sample of the current line.
func (r *Reader) sample(s schemas.Sample) {
	s.At, s.Line = r.at, r.row
	if r.east.OK && s.Time.OK && !s.Zone {
		s.Time.V, s.Zone = s.Time.V.Add(-r.east.V), true
	}
	r.push(&s)
}

// reject says that something of the current line could not be used.
func (r *Reader) reject(reason string, args ...any) {
	r.push(&schemas.Reject{At: r.at, Reason: fmt.Sprintf(reason, args...)})
}

// quoted shortens a text for a message.
func quoted(text string) string {
	const most = 60
	if len(text) > most {
		n := most
		for !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n] + "…"
	}
	return fmt.Sprintf("%q", strings.TrimSpace(text))
}
