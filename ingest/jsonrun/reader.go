package jsonrun

import (
	"errors"
	"fmt"
	"io"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// A Format reads one kind of upload.
type Format interface {
	// Step reads on a little from u.S and emits what it found. It returns false
	// at the end of the upload.
	Step(u *Upload) bool
	// Broken is told that the text cannot be read on. The reject says where and
	// why and is a record already; cut means that the text simply ends. What was
	// read may be closed as a truncated run, or the reject made fatal. Broken
	// returns whether reading can go on at a later line that begins with '{'.
	Broken(u *Upload, reject *schemas.Reject, cut bool) (resync bool)
}

// A Reader reads records from one upload. It is used like a bufio.Scanner.
type Reader struct {
	u      Upload
	format Format
	rec    schemas.Record
	err    error
	done   bool
}

// An Option changes a limit of a Reader.
type Option func(*limits)

type limits struct {
	requests int
	scan     jsonscan.Options
}

// MaxRequests bounds the requests of a run; by default 10 million.
func MaxRequests(n int) Option { return func(l *limits) { l.requests = n } }

// MaxString bounds the bytes of a string that is looked at; by default 1 MiB.
// Prompts and answers have no limit: they are not looked at.
func MaxString(n int) Option { return func(l *limits) { l.scan.String = n } }

// MaxDepth bounds how deep values may be nested; by default 1000.
func MaxDepth(n int) Option { return func(l *limits) { l.scan.Depth = n } }

// NewReader returns a Reader of the decompressed upload r, which positions call
// name, in the given format.
func NewReader(r io.Reader, name string, format Format, opts ...Option) *Reader {
	l := limits{requests: 10_000_000}
	for _, opt := range opts {
		opt(&l)
	}
	return &Reader{format: format, u: Upload{S: jsonscan.NewScanner(r, l.scan), name: name, request: -1, maxRequests: l.requests}}
}

// Scan moves to the next record. It returns false at the end of the upload, or
// where the underlying reader fails.
func (r *Reader) Scan() bool {
	for {
		if rec := r.u.take(); rec != nil {
			r.rec = rec
			return true
		}
		r.rec = nil
		if r.done {
			return false
		}
		r.step()
	}
}

func (r *Reader) step() {
	more := r.format.Step(&r.u)
	if err := r.u.S.Err(); err != nil {
		r.fault(err)
	} else if !more {
		r.done = true
	}
}

// fault tells the format of text that is no JSON or was cut, and looks for where
// to go on.
func (r *Reader) fault(err error) {
	cut, ended := r.u.S.Cut(), errors.Is(err, io.ErrUnexpectedEOF)
	var syntax *jsonscan.SyntaxError
	isSyntax := errors.As(err, &syntax)
	if !isSyntax && !cut {
		r.err = fmt.Errorf("%s: %w", r.u.name, err)
		r.done = true
		return
	}
	reject := &schemas.Reject{At: r.u.Pos(r.u.S.Offset(), r.u.request)}
	if cut {
		reject.Reason = "truncated: the text ends too early"
		reject.Hint = "the benchmark may have been stopped while it wrote its result, or the copy was cut short: copy the file again, or leave the run out"
	} else {
		reject.At.Offset = syntax.Offset
		reject.Reason = "cannot be read as JSON: " + syntax.Msg
	}
	r.u.Emit(reject)
	resync := r.format.Broken(&r.u, reject, cut)
	if ended || !resync || !r.u.S.Resync() {
		r.done = true
		if !ended {
			r.readFault()
		}
		return
	}
	reject.Hint = "reading goes on at the next line that begins with {"
}

// readFault: looking for a place to go on, the underlying reader may fail.
func (r *Reader) readFault() {
	var read *jsonscan.ReadError
	if errors.As(r.u.S.Err(), &read) {
		r.err = fmt.Errorf("%s: %w", r.u.name, read)
	}
}

// Record returns the latest record. It belongs to the caller, except for
// [schemas.Gaps.Nanos] and [schemas.Gaps.Tokens], which the next call of Scan
// overwrites.
func (r *Reader) Record() schemas.Record { return r.rec }

// Err returns the fault of the underlying reader that ended the scan, if one did.
func (r *Reader) Err() error { return r.err }

// An Upload is what a Format reads from and emits to.
type Upload struct {
	S           *jsonscan.Scanner
	name        string
	maxRequests int // of a run

	run      int              // index of the run being read, or to be read next
	request  int              // that is being read, -1 where none is; for positions of faults
	rejects  int              // emitted of the current run by Reject
	withheld int              // and counted only
	queue    []schemas.Record // found and not yet taken
	next     int              // in queue
	closing  *Requests        // whose records come after queue, and then
	record   *schemas.Run     // this one
}

// take returns the next record that has been found, and nil where none is left.
func (u *Upload) take() schemas.Record {
	if u.next < len(u.queue) {
		u.next++
		return u.queue[u.next-1]
	}
	u.queue, u.next = u.queue[:0], 0
	if u.record == nil {
		return nil
	}
	if u.closing != nil {
		if rec := u.closing.take(u); rec != nil {
			return rec
		}
	}
	rec := u.record
	u.closing, u.record = nil, nil
	u.nextRun()
	return rec
}

func (u *Upload) nextRun() {
	u.run++
	u.request, u.rejects, u.withheld = -1, 0, 0
}

// Pos is the position of a byte of the upload in the current run. A request of
// -1 stands for none.
func (u *Upload) Pos(offset int64, request int) schemas.Pos {
	return schemas.Pos{File: u.name, Offset: offset, Run: u.run, Request: request}
}

// MaxRequests bounds the requests of a run: what comes beyond is to be rejected.
func (u *Upload) MaxRequests() int { return u.maxRequests }

// Reading notes which request is being read, for the positions of faults.
func (u *Upload) Reading(request int) { u.request = request }

// Emit queues records of the current run.
func (u *Upload) Emit(recs ...schemas.Record) { u.queue = append(u.queue, recs...) }

// gapsPerRecord bounds a Gaps record.
const gapsPerRecord = 4096

// EmitGaps queues the gaps of a request. The slices are the caller's, and must
// keep until the next Step; tokens may be nil.
func (u *Upload) EmitGaps(offset int64, request int, nanos []int64, tokens []int32) {
	for first := 0; first < len(nanos); first += gapsPerRecord {
		last := min(first+gapsPerRecord, len(nanos))
		gaps := &schemas.Gaps{At: u.Pos(offset, request), Request: request, FirstChunk: first + 1, Nanos: nanos[first:last]}
		if tokens != nil {
			gaps.Tokens = tokens[first:last]
		}
		u.Emit(gaps)
	}
}

// NewRun returns a Run at the byte offset, with the fields filled that every
// reader fills.
func (u *Upload) NewRun(offset int64, producer, parserVersion string) *schemas.Run {
	return &schemas.Run{
		At: u.Pos(offset, -1), SourceName: u.name, ParserVersion: parserVersion, Producer: producer, Bench: "serve",
		Reported: map[string]string{}, Extra: map[string]string{},
	}
}

// Close ends the current run: its requests, nil where it lists none, and then
// the run itself come after what has been emitted. It must not be called again,
// nor Emit, before the next Step.
func (u *Upload) Close(run *schemas.Run, requests *Requests) {
	if u.withheld > 0 {
		run.Notes = append(run.Notes, fmt.Sprintf("values that cannot be used, beyond those that were reported: %d", u.withheld))
	}
	if requests != nil {
		requests.close(run)
	}
	u.record, u.closing = run, requests
}

// Reject reports something of the current run that cannot be used, request -1
// where it is of none. When there are many of them, it counts them instead.
func (u *Upload) Reject(offset int64, request int, format string, args ...any) {
	const enough = 20
	if u.rejects++; u.rejects > enough {
		u.withheld++
		return
	}
	u.Emit(&schemas.Reject{At: u.Pos(offset, request), Reason: fmt.Sprintf(format, args...)})
}

// Lose rejects the current run as a whole and goes on to the next.
func (u *Upload) Lose(offset int64, format string, args ...any) {
	u.Emit(&schemas.Reject{At: u.Pos(offset, -1), Reason: fmt.Sprintf(format, args...), Fatal: true})
	u.nextRun()
}

// LoseBroken makes the reject of a fault one of the whole run, and goes on to
// the next.
func (u *Upload) LoseBroken(reject *schemas.Reject) {
	reject.Fatal = true
	u.nextRun()
}

// NoteBroken marks the run as truncated.
func NoteBroken(run *schemas.Run) {
	run.Truncated = true
	run.Notes = append(run.Notes, "the upload is damaged before the run ends: what came until then is here, and what is counted is a part")
}
