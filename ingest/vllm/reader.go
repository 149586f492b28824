package vllm

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// ParserVersion names the state of this reader. It changes when the same bytes
// begin to give other records.
const ParserVersion = "vllm-4"

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
// message; by default 1 MiB. Generated texts have no limit: they are not looked at.
func MaxString(n int) Option { return func(l *limits) { l.scan.String = n } }

// MaxDepth bounds how deep values may be nested; by default 1000.
func MaxDepth(n int) Option { return func(l *limits) { l.scan.Depth = n } }

// Buffer sets how many bytes are read ahead; by default 256 KiB.
func Buffer(n int) Option { return func(l *limits) { l.scan.Buffer = n } }

const (
	// maxKeys bounds the keys of a run, and maxKey the length of each. vLLM
	// writes a hundred.
	maxKeys = 10_000
	maxKey  = 1024
	// gapsPerRecord bounds a Gaps record: enough to make the cost of a record
	// vanish, and small enough to stay in the processor's cache.
	gapsPerRecord = 4096
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

	inList bool // the runs are elements of a top-level array
	index  int  // of the run being read, or to be read next
	run    *run
	turns  *turns  // of a multi-turn benchmark, whose requests are elements of the array
	broken bool    // the text breaks off: it is to be resumed behind the run
	nanos  []int64 // of the latest Gaps
	chunk  int     // chunk_idx of the next gap of the request being read
	emit   int     // next request to hand out
}

// A state says what step does next.
type state int

const (
	betweenRuns state = iota
	inObject          // between two keys of a run
	betweenGaps       // in itls, between two requests
	inGaps            // in itls, inside the array of a request
	afterObject       // handing out requests
	atEnd             // nothing is left
)

// NewReader returns a Reader of the decompressed upload r, which positions call name.
func NewReader(r io.Reader, name string, opts ...Option) *Reader {
	l := limits{requests: 10_000_000}
	for _, opt := range opts {
		opt(&l)
	}
	return &Reader{s: jsonscan.NewScanner(r, l.scan), limits: l, name: name, nanos: make([]int64, 0, gapsPerRecord)}
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

// Record returns the latest record. It belongs to the caller, except for
// [schemas.Gaps.Nanos], which the next call of Scan overwrites.
func (r *Reader) Record() schemas.Record { return r.rec }

// Err returns the fault of the underlying reader that ended the scan, if one did.
func (r *Reader) Err() error { return r.err }

// step reads on a little and queues what it found, if anything.
func (r *Reader) step() {
	switch r.state {
	case betweenRuns:
		r.stepStream()
	case inObject:
		r.stepKey()
	case betweenGaps:
		r.stepRequestGaps()
	case inGaps:
		r.stepGaps()
	case afterObject:
		r.stepRequest()
		return // what the text is like was told before
	}
	if err := r.s.Err(); err != nil {
		r.fault(err)
	}
}

// fault ends the run where the text breaks off or is no JSON, and looks for the
// next one.
func (r *Reader) fault(err error) {
	var syntax *jsonscan.SyntaxError
	cut := r.s.Cut()
	if !cut && !errors.As(err, &syntax) {
		r.err = fmt.Errorf("%s: %w", r.name, err)
		r.state = atEnd
		return
	}
	reject := &schemas.Reject{At: r.pos(r.s.Offset()), Reason: "truncated: the text ends " + r.where()}
	if !cut {
		reject.Reason = "cannot be read as JSON: " + syntax.Msg
	}
	if r.run != nil {
		reject.At.Request = r.run.request
		r.tellUnreported()
	}
	r.queue = append(r.queue, reject)
	r.broken = true
	switch {
	case r.turns != nil:
		r.closeTurns(true)
	case cut && r.run != nil && !r.run.spoilt && r.run.salvage(r, reject):
		r.handOut()
	default:
		// Between two runs nothing is lost that is known of.
		reject.Fatal = !cut || r.run != nil || r.index == 0
		r.endRun()
	}
	reject.Hint = "its line may have been cut short: reading goes on at the next line that begins with {"
	if errors.Is(err, io.ErrUnexpectedEOF) {
		reject.Hint = "the benchmark may have been stopped while it wrote its result, or the copy was cut short: copy the file again, or leave the run out"
	}
}

// resume looks for the next run behind a place where the text broke off.
func (r *Reader) resume() {
	r.broken, r.inList = false, false
	if r.s.Resync() {
		return
	}
	r.state = atEnd
	if err := r.s.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		r.err = fmt.Errorf("%s: %w", r.name, err)
	}
}

// where describes the place in the run that has been reached.
func (r *Reader) where() string {
	switch {
	case r.run == nil:
		return "between two runs"
	case r.run.key == "":
		return "between two keys"
	}
	return fmt.Sprintf("inside the value of %q", r.run.key)
}

func (r *Reader) pos(offset int64) schemas.Pos {
	return schemas.Pos{File: r.name, Offset: offset, Run: r.index, Request: -1}
}

// endRun leaves the run, whether it came to a good end or not.
func (r *Reader) endRun() {
	r.run = nil
	r.index++
	r.state = betweenRuns
	if r.broken {
		r.resume()
	}
}

// stepStream moves to the next run.
func (r *Reader) stepStream() {
	if r.inList {
		if r.inList = r.s.Next(); !r.inList {
			if r.turns != nil && r.s.Err() == nil {
				r.closeTurns(false)
			}
			return
		}
	} else if !r.s.More() {
		r.state = atEnd
		return
	}
	kind := r.s.Peek()
	at := r.s.Offset()
	switch {
	case kind == jsonscan.Object:
		r.s.Object()
		r.run = newRun(r.pos(at), r.limits.requests)
		r.state = inObject
	case kind == jsonscan.Array && !r.inList:
		r.s.Array()
		r.inList = true
	case r.s.Skip() == nil && r.turns != nil:
		r.queue = append(r.queue, &schemas.Reject{At: r.pos(at), Reason: fmt.Sprintf("found %s, expected the object of a request", kind)})
	case r.s.Err() == nil:
		r.queue = append(r.queue, &schemas.Reject{At: r.pos(at), Reason: fmt.Sprintf("found %s, expected the object of a run", kind), Fatal: true})
		r.endRun()
	}
}

// stepKey reads one member of the run's object, or as far as its gaps.
func (r *Reader) stepKey() {
	u := r.run
	u.key, u.request = "", -1
	name, ok := r.s.Key()
	if !ok {
		if r.s.Err() == nil {
			r.finish()
		}
		return
	}
	key := string(name[:min(len(name), maxKey)])
	u.key = key
	r.s.Peek()
	at := r.s.Offset()
	_, twice := u.digests[key]
	u.last = ""
	switch {
	case u.spoilt:
		r.s.Skip()
	case twice:
		r.spoil(at, fmt.Sprintf("key %q comes twice in one object", key))
		r.s.Skip()
	case len(name) > maxKey:
		r.spoil(at, fmt.Sprintf("a key is longer than %d bytes", maxKey))
		r.s.Skip()
	case len(u.digests) == maxKeys:
		r.spoil(at, fmt.Sprintf("more than %d keys in one object", maxKeys))
		r.s.Skip()
	default:
		r.readMember(key)
	}
}

// readMember reads the value of a key that comes for the first time.
func (r *Reader) readMember(key string) {
	u := r.run
	column := u.column(key)
	switch {
	case key == keyITLs:
		if r.enterColumn(key) {
			u.gaps.seen = true
			r.state = betweenGaps
		}
	case column != nil:
		if r.enterColumn(key) {
			r.readColumn(key, column)
		}
	case key == keyErrors:
		if r.enterColumn(key) {
			r.readErrors()
		}
	case isText(key):
		r.s.Skip()
		u.digests[key] = digest{}
	default:
		r.readSetting(key)
	}
}

// spoil rejects the run being read; of a multi-turn benchmark, the request.
func (r *Reader) spoil(offset int64, reason string) {
	r.run.spoilt = true
	r.queue = append(r.queue, &schemas.Reject{At: r.pos(offset), Reason: reason, Fatal: r.turns == nil})
}

// finish closes the object: it decides what the run is and begins to hand it out.
func (r *Reader) finish() {
	u := r.run
	u.key = ""
	if r.inList && (r.turns != nil || u.isTurn() && !u.spoilt) { // a spoilt one was rejected as a run
		r.addTurn(u)
		return
	}
	if !u.spoilt {
		u.close(r)
	}
	if u.spoilt {
		r.endRun()
		return
	}
	r.handOut()
}

// handOut begins to hand out the requests of the run, and behind them the run.
func (r *Reader) handOut() {
	r.emit = 0
	r.state = afterObject
}

// stepRequest hands out the next request, and behind the last one the run.
func (r *Reader) stepRequest() {
	u := r.run
	if r.emit < u.requests {
		r.queue = append(r.queue, u.requestRecord(r.emit))
		r.emit++
		return
	}
	r.queue = append(r.queue, u.record)
	r.endRun()
}

// keysOf lists the keys that were seen, for a message.
func keysOf(digests map[string]digest) string {
	keys := slices.Sorted(maps.Keys(digests))
	const enough = 8
	if len(keys) > enough {
		keys = append(keys[:enough], "…")
	}
	return strings.Join(keys, ", ")
}
