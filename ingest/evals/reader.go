package evals

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// ParserVersion names this parser in what it produced.
const ParserVersion = "evals/1"

// Limits of an upload: a line, and a document that is read whole.
const (
	maxLine     = 16 << 20
	maxDocument = 256 << 20
)

// headSize is how much of an upload can be looked at before it is read.
const headSize = 64 << 10

// A Reader reads the judged answers of one upload. See the package documentation.
type Reader struct {
	r      *bufio.Reader
	file   string
	begun  bool
	done   bool
	err    error
	format format

	queue []schemas.Record
	cur   schemas.Record
	line  int64
	at    int64           // offset of the current line
	next  int64           // offset of the next one
	told  map[string]bool // texts of a document that are too long
}

// A format reads one kind of upload: a line after the other, or a document.
type format interface {
	// read takes in a line, or the document. What it finds, it hands to the reader.
	read(r *Reader, text []byte)
	lines() bool
}

// formats by their names, which Detect returns.
var formats = map[string]func() format{
	"tool_calls":                 func() format { return &toolCalls{} },
	"bfcl score":                 func() format { return &bfclScore{} },
	"bfcl result":                func() format { return bfclResult{} },
	"k2_vendor_verifier":         func() format { return k2Lines{} },
	"k2_vendor_verifier summary": func() format { return k2Summary{} },
	"tau2":                       func() format { return tau2{} },
	"lm_eval":                    func() format { return lmEval{} },
	"lm_eval samples":            func() format { return lmEvalSamples{} },
}

// NewReader returns a reader of the upload r, which positions call name.
func NewReader(r io.Reader, name string) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, headSize), file: name, told: map[string]bool{}}
}

// Scan reads the next record: a [*schemas.Eval] or a [*schemas.Reject]. It returns
// false at the end and where the upload cannot be read; Err tells the two apart.
func (r *Reader) Scan() bool {
	r.begin()
	for len(r.queue) == 0 {
		if r.done {
			return false
		}
		r.step()
	}
	r.cur, r.queue = r.queue[0], r.queue[1:]
	return true
}

// Record returns the record that Scan read. It is the caller's.
func (r *Reader) Record() schemas.Record { return r.cur }

// Err returns the error of the underlying reader, if there was one.
func (r *Reader) Err() error { return r.err }

// begin finds out which format the upload has.
func (r *Reader) begin() {
	if r.begun {
		return
	}
	r.begun = true
	head, err := r.r.Peek(headSize)
	name, ok := Detect(head)
	switch {
	case ok:
		r.format = formats[name]()
	case len(head) == 0 && errors.Is(err, io.EOF):
		r.done = true
	case err != nil && !errors.Is(err, io.EOF):
		r.fail(err)
	default:
		r.push(&schemas.Reject{At: r.pos(), Reason: "no judged answers that are known", Hint: "known are tool-call lines, BFCL, the K2 vendor verifier, tau2 and lm-eval", Fatal: true})
		r.done = true
	}
}

// step reads one line, or the document.
func (r *Reader) step() {
	if !r.format.lines() {
		r.done = true
		text, err := io.ReadAll(io.LimitReader(r.r, maxDocument+1))
		switch {
		case err != nil:
			r.fail(err)
		case len(text) > maxDocument:
			r.push(&schemas.Reject{At: r.pos(), Reason: fmt.Sprintf("a document of more than %d bytes", maxDocument), Fatal: true})
		default:
			r.format.read(r, text)
		}
		return
	}
	text, whole, err := r.readLine()
	if err != nil {
		r.done = true
		if !errors.Is(err, io.EOF) {
			r.fail(err)
		}
		return
	}
	text = bytes.TrimSpace(text)
	switch {
	case !whole:
		r.reject("a line of more than %d bytes", maxLine)
	case len(text) > 0:
		r.format.read(r, text)
	}
}

// readLine returns the next line; one that is too long is read and not returned.
func (r *Reader) readLine() (text []byte, whole bool, err error) {
	r.at, whole = r.next, true
	for {
		piece, err := r.r.ReadSlice('\n')
		r.next += int64(len(piece))
		if len(text)+len(piece) > maxLine {
			whole, piece = false, nil
		}
		text = append(text, piece...)
		switch {
		case err == nil, errors.Is(err, io.EOF) && r.next > r.at:
			r.line++
			return text, whole, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, err
		}
	}
}

func (r *Reader) fail(err error) {
	r.done, r.err = true, fmt.Errorf("%s: byte %d: %w", r.file, r.next, err)
}

func (r *Reader) pos() schemas.Pos { return schemas.Pos{File: r.file, Offset: r.at, Request: -1} }

func (r *Reader) push(record schemas.Record) { r.queue = append(r.queue, record) }

// maxText bounds a name or another text of an answer.
const maxText = 64 << 10

// eval hands on a judged answer of the current line. A text that is too long is
// left out.
func (r *Reader) eval(e schemas.Eval) {
	for _, f := range []struct {
		name string
		text *schemas.Opt[string]
	}{{"item", &e.Item}, {"class", &e.Class}, {"model", &e.Model}, {"finish reason", &e.Finish}} {
		if len(f.text.V) > maxText {
			r.tooLong(f.name, len(f.text.V))
			*f.text = schemas.Opt[string]{}
		}
	}
	if len(e.Task) > maxText {
		r.tooLong("task", len(e.Task))
		e.Task = cut(e.Task)
	}
	for _, key := range slices.Sorted(maps.Keys(e.Facts)) {
		if n := max(len(key), len(e.Facts[key])); n > maxText {
			r.tooLong(cut(key), n)
			delete(e.Facts, key)
		}
	}
	r.dropNegative(&e)
	e.At, e.Line = r.pos(), r.line
	r.push(&e)
}

// dropNegative leaves out counts and times below zero.
func (r *Reader) dropNegative(e *schemas.Eval) {
	for _, f := range []struct {
		name  string
		value *schemas.Opt[int64]
	}{
		{"latency", &e.Latency}, {"input tokens", &e.Input}, {"output tokens", &e.Output}, {"concurrency", &e.Concurrency},
		{"trial", &e.Trial}, {"items that passed", &e.Count}, {"items", &e.Of},
	} {
		if f.value.V < 0 {
			r.reject("%s: found a value below zero", f.name)
			*f.value = schemas.Opt[int64]{}
		}
	}
	if e.Start.OK && e.Start.V.Unix() < 0 {
		r.reject("start: found a time before 1970")
		e.Start = schemas.Opt[time.Time]{}
	}
}

// tooLong tells once of a document that a text is too long for its answers.
func (r *Reader) tooLong(name string, bytes int) {
	if !r.format.lines() {
		if r.told[name] {
			return
		}
		r.told[name] = true
	}
	r.reject("%s: found a text of %d bytes, expected at most %d", name, bytes, maxText)
}

// reject says that something of the current line could not be used.
func (r *Reader) reject(reason string, args ...any) {
	r.push(&schemas.Reject{At: r.pos(), Reason: fmt.Sprintf(reason, args...)})
}

// decode reads JSON into v and says where it is none.
func (r *Reader) decode(text []byte, v any) bool {
	err := jsonscan.Decode(text, v)
	if err == nil {
		return true
	}
	at := r.pos()
	var fault *jsonscan.SyntaxError
	if errors.As(err, &fault) {
		at.Offset += fault.Offset
		r.push(&schemas.Reject{At: at, Reason: fault.Msg})
		return false
	}
	r.reject("%v", err)
	return false
}
