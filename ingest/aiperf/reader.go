package aiperf

import (
	"errors"
	"fmt"
	"io"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// ParserVersion names the state of this reader. It changes when the same bytes
// begin to give other records.
const ParserVersion = "aiperf-2"

// An Option changes a limit of a Reader.
type Option func(*limits)

type limits struct {
	requests int
	list     int
	scan     jsonscan.Options
}

// MaxRequests bounds the requests of a run; by default 10 million. A run of
// more is rejected.
func MaxRequests(n int) Option { return func(l *limits) { l.requests = n } }

// MaxList bounds the bytes of the list of a request's gaps; by default 64 MiB,
// three million chunks. A longer one spoils its request.
func MaxList(n int) Option { return func(l *limits) { l.list = n } }

// MaxString bounds the bytes of a string that is looked at, such as a message of
// a response; by default 1 MiB. Others have no limit.
func MaxString(n int) Option { return func(l *limits) { l.scan.String = n } }

// MaxDepth bounds how deep values may be nested; by default 1000.
func MaxDepth(n int) Option { return func(l *limits) { l.scan.Depth = n } }

// Buffer sets how many bytes are read ahead; by default 256 KiB.
func Buffer(n int) Option { return func(l *limits) { l.scan.Buffer = n } }

const (
	// gapsPerRecord bounds a Gaps record.
	gapsPerRecord = 4096
	// maxRejects bounds how many requests that cannot be used are told one by
	// one; further ones are counted.
	maxRejects = 10
)

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

	index int // of the run being read
	run   *run
	line  line // being read
	emit  int  // next request to hand out
}

// A state says what step does next.
type state int

const (
	betweenLines state = iota
	inRun              // handing out the requests of the run, and the run
	atEnd              // nothing is left
)

// NewReader returns a Reader of the decompressed upload r, which positions call name.
func NewReader(r io.Reader, name string, opts ...Option) *Reader {
	l := limits{requests: 10_000_000, list: 64 << 20}
	for _, opt := range opts {
		opt(&l)
	}
	rd := &Reader{s: jsonscan.NewScanner(r, l.scan), limits: l, name: name}
	rd.run = newRun(rd.pos(0))
	return rd
}

// Scan moves to the next record. It returns false at the end of the upload, or
// where the underlying reader fails.
func (r *Reader) Scan() bool {
	for r.next == len(r.queue) {
		r.queue, r.next, r.rec = r.queue[:0], 0, nil
		switch r.state {
		case atEnd:
			return false
		case inRun:
			r.stepRequest()
		default:
			r.stepLine()
		}
	}
	r.rec = r.queue[r.next]
	r.next++
	return true
}

// Record returns the latest record. It belongs to the caller, except for the
// lists of [schemas.Gaps], which the next call of Scan overwrites.
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

// stepLine reads one object and queues what comes of it.
func (r *Reader) stepLine() {
	if !r.s.More() {
		r.endOfUpload()
		return
	}
	kind := r.s.Peek()
	at := r.s.Offset()
	switch {
	case kind == jsonscan.Invalid:
	case kind == jsonscan.Object:
		r.line.reset(at)
		if r.line.read(r.s, r.limits); r.s.Err() == nil {
			r.take(&r.line)
		}
	case r.s.Skip() == nil:
		r.run.unread++
		if r.run.unread <= maxRejects {
			r.reject(at, "found %s, expected the object of a request", kind)
		}
	}
	if r.s.Err() != nil {
		r.fault()
	}
}

// take puts a line that was read whole where it belongs.
func (r *Reader) take(l *line) {
	switch format := formatOf(l.keys); {
	case format == FormatSummary && len(r.run.requests) == 0:
		run := l.flat.summaryRun(r.pos(l.at), &l.sum)
		for _, f := range l.flat.Faults() {
			r.reject(f.At, "%s", f.Reason)
		}
		r.queue = append(r.queue, run)
		r.index++
		r.run = newRun(r.pos(0))
	case format == FormatRaw || format == FormatRecords:
		r.takeRequest(l, format)
	default:
		r.run.unread++
		if r.run.unread <= maxRejects {
			r.reject(l.at, "no record of a request: its keys are %s", keysOf(l.keys))
		}
	}
}

func (r *Reader) takeRequest(l *line, format string) {
	u := r.run
	if len(u.requests) == r.limits.requests {
		r.reject(l.at, "more than %d requests, the most that a run may have", r.limits.requests).Fatal = true
		r.state = atEnd
		return
	}
	index := len(u.requests)
	if index == 0 {
		u.pos = r.pos(l.at)
	}
	u.add(l, format)
	for _, f := range l.faults {
		if u.faults++; u.faults <= maxRejects {
			r.reject(f.at, "%s", f.reason).At.Request = index
		}
	}
	r.queueGaps(l, index)
}

func (r *Reader) queueGaps(l *line, index int) {
	for i := 0; i < len(l.gaps); i += gapsPerRecord {
		end := min(i+gapsPerRecord, len(l.gaps))
		rec := &schemas.Gaps{At: r.pos(l.at), Request: index, FirstChunk: 1 + i, Nanos: l.gaps[i:end]}
		rec.At.Request = index
		if len(l.tokens) > 0 {
			rec.Tokens = l.tokens[i:end]
		}
		r.queue = append(r.queue, rec)
	}
}

// fault gives up a line at text that is no JSON, and looks for the next one.
func (r *Reader) fault() {
	var syntax *jsonscan.SyntaxError
	if !errors.As(r.s.Err(), &syntax) {
		r.err = fmt.Errorf("%s: %w", r.name, r.s.Err())
		r.state = atEnd
		return
	}
	if errors.Is(syntax, io.ErrUnexpectedEOF) {
		r.run.truncated = true
		r.reject(syntax.Offset, "truncated: the text ends inside a record").Hint =
			"the benchmark may have been stopped while it wrote, or the copy was cut short: the records before it are used"
		r.endOfUpload()
		return
	}
	if r.run.unread++; r.run.unread <= maxRejects {
		r.reject(syntax.Offset, "cannot be read as JSON: %s", syntax.Msg).Hint =
			"its line may have been cut short: reading goes on at the next line that begins with {"
	}
	if !r.s.Resync() {
		r.endOfUpload()
	}
}

// endOfUpload closes the run of the records, if there were any.
func (r *Reader) endOfUpload() {
	if err := r.s.Err(); err != nil {
		var syntax *jsonscan.SyntaxError
		if !errors.As(err, &syntax) {
			r.err = fmt.Errorf("%s: %w", r.name, err)
			r.state = atEnd
			return
		}
	}
	u := r.run
	if n := u.faults - maxRejects; n > 0 {
		r.reject(r.s.Offset(), "%d more values cannot be used", n)
	}
	if n := u.unread - maxRejects; n > 0 {
		r.reject(r.s.Offset(), "%d more lines cannot be used", n)
	}
	r.state = inRun
	if len(u.requests) > 0 {
		u.close()
		return
	}
	r.state = atEnd
	if r.index == 0 {
		reject := r.reject(0, "no record of a request")
		reject.Fatal = true
		reject.Hint = "want AIPerf's profile_export.jsonl, profile_export_raw.jsonl or profile_export_aiperf.json"
	}
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
	r.state = atEnd
}
