package guidellm

import (
	"errors"
	"fmt"
	"io"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/ingest/leaves"
	"github.com/servestat/servestat/schemas"
)

// ParserVersion names the state of this reader. It changes when the same bytes
// begin to give other records.
const ParserVersion = "guidellm-3"

// An Option changes a limit of a Reader.
type Option func(*limits)

type limits struct {
	requests int
	scan     jsonscan.Options
}

// MaxRequests bounds the requests of a run; by default 10 million. A run of
// more is rejected.
func MaxRequests(n int) Option { return func(l *limits) { l.requests = n } }

// MaxString bounds the bytes of a string that is looked at, such as an error
// message; by default 1 MiB. Prompts and answers have no limit: they are not
// looked at.
func MaxString(n int) Option { return func(l *limits) { l.scan.String = n } }

// MaxDepth bounds how deep values may be nested; by default 1000.
func MaxDepth(n int) Option { return func(l *limits) { l.scan.Depth = n } }

// Buffer sets how many bytes are read ahead; by default 256 KiB.
func Buffer(n int) Option { return func(l *limits) { l.scan.Buffer = n } }

// maxRejects bounds how many values that cannot be used are told one by one;
// further ones are counted.
const maxRejects = 10

// A Reader reads records from one upload.
type Reader struct {
	s      *jsonscan.Scanner
	limits limits
	name   string
	err    error

	state state
	queue []schemas.Record // found and not yet handed out
	next  int              // in queue
	rec   schemas.Record

	shared *report // what the benchmarks of the file share
	index  int     // of the run being read, or to be read next
	run    *run
	emit   int // next request to hand out
	broken bool
}

// A report is what is known of a file besides its benchmarks.
type report struct {
	flat *leaves.Leaves
	sum  jsonscan.Bag // not part of any run: see contentDigest
	keys map[string]bool
	// first is the number of its first benchmark in the file.
	first int
}

// A state says what step does next.
type state int

const (
	betweenReports state = iota
	inReport             // between two keys of a report
	inBenchmarks         // between two benchmarks
	inRun                // handing out the requests of a run, and the run
	atEnd                // nothing is left
)

// NewReader returns a Reader of the decompressed upload r, which positions call name.
func NewReader(r io.Reader, name string, opts ...Option) *Reader {
	l := limits{requests: 10_000_000}
	for _, opt := range opts {
		opt(&l)
	}
	return &Reader{s: jsonscan.NewScanner(r, l.scan), limits: l, name: name}
}

// Scan moves to the next record. It returns false at the end of the upload, or
// where the underlying reader fails.
func (r *Reader) Scan() bool {
	for r.next == len(r.queue) {
		r.queue, r.next, r.rec = r.queue[:0], 0, nil
		if r.state == atEnd {
			return false
		}
		r.step()
	}
	r.rec = r.queue[r.next]
	r.next++
	return true
}

// Record returns the latest record. It belongs to the caller.
func (r *Reader) Record() schemas.Record { return r.rec }

// Err returns the fault of the underlying reader that ended the scan, if one did.
func (r *Reader) Err() error { return r.err }

func (r *Reader) pos(offset int64) schemas.Pos {
	return schemas.Pos{File: r.name, Offset: offset, Run: r.index, Request: -1}
}

func (r *Reader) reject(offset int64, format string, args ...any) *schemas.Reject {
	reject := &schemas.Reject{At: r.pos(offset), Reason: fmt.Sprintf(format, args...)}
	r.queue = append(r.queue, reject)
	return reject
}

// step reads on a little and queues what it found, if anything.
func (r *Reader) step() {
	switch r.state {
	case betweenReports:
		r.stepReport()
	case inReport:
		r.stepKey()
	case inBenchmarks:
		r.stepBenchmark()
	case inRun:
		r.stepRequest()
		return // there may be an error of the scanner that has been told
	}
	if err := r.s.Err(); err != nil && r.state != inRun {
		r.fault(err)
	}
}

// stepReport moves to the next object of the file, which has but one.
func (r *Reader) stepReport() {
	if !r.s.More() {
		r.state = atEnd
		if r.s.Err() == nil && r.index == 0 {
			r.reject(r.s.Offset(), "no report of GuideLLM").Fatal = true
		}
		return
	}
	kind := r.s.Peek()
	at := r.s.Offset()
	switch {
	case kind == jsonscan.Object:
		r.s.Object()
		r.shared = &report{flat: newLeaves(), keys: map[string]bool{}, first: r.index}
		r.state = inReport
	case r.s.Skip() == nil:
		r.reject(at, "found %s, expected the object of a report", kind).Fatal = true
		r.index++
	}
}

// stepKey reads one member of the report, or as far as its benchmarks.
func (r *Reader) stepKey() {
	name, ok := r.s.Key()
	if !ok {
		if r.s.Err() == nil {
			r.endReport()
		}
		return
	}
	key := string(name)
	r.s.Peek()
	at := r.s.Offset()
	switch {
	case r.shared.keys[key]:
		twice := r.reject(at, "key %q comes twice in one object", key)
		r.s.Skip()
		if r.index == r.shared.first { // what the benchmarks share cannot be told, and so none of them is read
			twice.Fatal = true
			r.index++
			r.state = atEnd
		}
		return
	case key == "benchmarks" && r.s.Peek() == jsonscan.Array:
		r.s.Array()
		r.state = inBenchmarks
	default:
		r.shared.flat.Read(r.s, key, &r.shared.sum)
	}
	r.shared.keys[key] = true
}

func (r *Reader) endReport() {
	if r.index == 0 && !r.shared.keys["benchmarks"] {
		r.reject(0, "no report of GuideLLM: it has no benchmarks").Fatal = true
		r.index++
	}
	r.state = betweenReports
}

// stepBenchmark reads a benchmark.
func (r *Reader) stepBenchmark() {
	if !r.s.Next() {
		if r.s.Err() == nil {
			r.state = inReport
		}
		return
	}
	kind := r.s.Peek()
	at := r.s.Offset()
	if kind != jsonscan.Object {
		if r.s.Skip() == nil {
			r.reject(at, "found %s, expected the object of a benchmark", kind).Fatal = true
			r.index++
		}
		return
	}
	r.run = newRun(r.pos(at), r.shared, r.limits.requests)
	r.run.read(r.s)
	if r.s.Err() == nil {
		r.closeRun()
	}
}

// closeRun tells the faults of the run and begins to hand it out, if it is one.
func (r *Reader) closeRun() {
	u := r.run
	r.run = nil
	if u.fatal == "" && !u.known() {
		u.spoil(u.pos.Offset, "no benchmark: it has neither metrics nor requests")
	}
	if u.fatal != "" {
		r.reject(u.fatalAt, "%s", u.fatal).Fatal = true
		r.index++
		return
	}
	u.close()
	for _, f := range append(u.flat.Faults(), r.shared.flat.Faults()...) {
		r.reject(f.At, "%s", f.Reason)
	}
	for _, f := range u.faults {
		r.reject(f.at, "%s", f.reason).At.Request = u.indexOf(f.request)
	}
	if u.unreported > 0 {
		r.reject(u.pos.Offset, "%d more values cannot be used", u.unreported)
	}
	r.run, r.emit, r.state = u, 0, inRun
}

// stepRequest hands out the next request, and behind the last one the run.
func (r *Reader) stepRequest() {
	u := r.run
	if r.emit < len(u.requests) {
		r.queue = append(r.queue, u.requestRecord(r.emit))
		r.emit++
		return
	}
	r.queue = append(r.queue, u.record)
	r.run = nil
	r.index++
	if r.state = inBenchmarks; r.broken {
		r.state = atEnd
	}
}

// fault ends the file at text that is no JSON. The benchmark that was being read
// is closed with what there is of it.
func (r *Reader) fault(err error) {
	var syntax *jsonscan.SyntaxError
	if !errors.As(err, &syntax) {
		r.err = fmt.Errorf("%s: %w", r.name, err)
		r.state = atEnd
		return
	}
	r.broken = true
	reject := r.reject(syntax.Offset, "cannot be read as JSON: %s", syntax.Msg)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		reject.Reason = "truncated: the text ends before the report does"
		reject.Hint = "the benchmark may have been stopped while it wrote its report, or the copy was cut short: what is whole is used"
	}
	u := r.run
	if u == nil || !u.known() || u.fatal != "" {
		reject.Fatal = true
		r.run = nil
		r.state = atEnd
		return
	}
	u.truncated = true
	r.closeRun()
}
