package vllm

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// The per-request arrays of a run.
const (
	keyInputLens  = "input_lens"
	keyOutputLens = "output_lens"
	keyTTFTs      = "ttfts"
	keyITLs       = "itls"
	keyStartTimes = "start_times"
	keyErrors     = "errors"
	keyLatencies  = "latencies" // of bench latency; the Rust client saves it too, and the Python client of v0.33
	// keyQueueTimes is how long each request waited in the client for a free slot, before
	// its start; v0.33.
	keyQueueTimes = "queue_times"
)

// In place of a value: the file has null there, or something that is none.
const (
	missing int64 = math.MinInt64
	bad     int64 = math.MinInt64 + 1
)

// A column is one array of a run, with a value for each request: tokens or
// nanoseconds, missing or bad.
type column struct {
	seen   bool
	tokens bool
	v      []int64
}

func (c *column) at(i int) int64 {
	if i >= len(c.v) {
		return missing
	}
	return c.v[i]
}

func (c *column) want() string {
	if c.tokens {
		return "a number of tokens, zero or more"
	}
	return wantTime
}

const wantTime = "a time in seconds, zero or more"

func seconds(ns int64) string {
	return strconv.FormatFloat(float64(ns)/1e9, 'f', -1, 64)
}

// gapColumn is what remains of itls once the gaps have been handed on.
type gapColumn struct {
	seen  bool
	sum   []int64 // ns, missing or bad
	first []int64 // ns, missing where there is no gap
	count []int64
	open  bool // the latest request's gaps have not all been read
	// reported is one more than the request whose fault was reported last.
	reported int
}

// enterColumn enters the array that is the value of key. A null stands for an
// array that was not recorded.
func (r *Reader) enterColumn(key string) bool {
	at := r.s.Offset()
	switch kind := r.s.Peek(); kind {
	case jsonscan.Invalid: // the scanner stopped here, and will be asked why
	case jsonscan.Array:
		r.s.Array()
		r.run.hash = newDigest()
		return true
	case jsonscan.Null:
		r.s.Skip()
		r.run.digests[key] = digest{}
	default:
		r.s.Skip()
		r.spoil(at, fmt.Sprintf("%s is %s, expected an array with one entry for each request", key, kind))
	}
	return false
}

// leaveColumn ends the array that was entered, if it did end.
func (r *Reader) leaveColumn() {
	if r.s.Err() != nil {
		return
	}
	u := r.run
	u.request = -1
	r.tellUnreported()
	u.rejects = 0
	u.digests[u.key] = u.hash.sum()
}

// tellUnreported reports the faults of the current array that were counted only.
func (r *Reader) tellUnreported() {
	u := r.run
	if n := u.unreported; n > 0 {
		u.unreported = 0
		r.queue = append(r.queue, &schemas.Reject{At: r.pos(r.s.Offset()), Reason: fmt.Sprintf("%s: %d more entries cannot be used", u.key, n)})
	}
}

// nextEntry moves to the next entry of the array that was entered and notes
// where it is. It returns false at the end, and where there are too many.
func (r *Reader) nextEntry(i int) bool {
	u := r.run
	u.sure = false
	if !r.s.Next() {
		return false
	}
	u.sure = true
	if r.s.Peek() == jsonscan.Invalid {
		return false
	}
	at := r.s.Offset()
	if i >= u.maxRequests {
		r.spoil(at, fmt.Sprintf("%s has more than %d entries, the most that a run may have", u.key, u.maxRequests))
		r.s.Skip()
		for r.s.Next() {
			r.s.Skip()
		}
		return false
	}
	u.request = i
	if i < len(u.offsets) {
		u.offsets[i] = at
	} else {
		u.offsets = append(u.offsets, at)
	}
	return true
}

// readColumn reads the array that was entered into c.
func (r *Reader) readColumn(key string, c *column) {
	c.seen = true
	for i := 0; r.nextEntry(i); i++ {
		v := r.readEntry(c, i)
		if r.s.Err() != nil {
			break
		}
		c.v = append(c.v, v)
		r.run.hash.int64(v)
	}
	if r.s.Err() != nil && !r.run.sure && len(c.v) > 0 {
		c.v = c.v[:len(c.v)-1] // there may have been more digits of it
	}
	r.leaveColumn()
}

// readEntry reads one entry of c.
func (r *Reader) readEntry(c *column, i int) int64 {
	at := r.s.Offset()
	if r.s.Peek() == jsonscan.Null {
		r.s.Skip()
		return missing // the Rust client's way to write a NaN
	}
	read := r.s.Nanos
	if c.tokens {
		read = r.s.Int64
	}
	v, err := read()
	var value *jsonscan.ValueError
	switch {
	case errors.As(err, &value):
		r.rejectEntry(at, "", value.Text, c.want())
		return bad
	case v < 0 && c.tokens:
		r.rejectEntry(at, "", strconv.FormatInt(v, 10), c.want())
		return bad
	case v < 0:
		r.rejectEntry(at, "", seconds(v), wantTime)
		return bad
	}
	return v
}

// rejectEntry reports an entry of an array, or of an array inside it at index
// sub, that spoils its request. When there are many, it counts them instead.
func (r *Reader) rejectEntry(at int64, sub, found, want string) {
	u := r.run
	const enough = 10
	if u.rejects == enough {
		u.unreported++
		return
	}
	u.rejects++
	reject := &schemas.Reject{At: r.pos(at), Reason: fmt.Sprintf("%s[%d]%s: found %s, expected %s", u.key, u.request, sub, found, want)}
	reject.At.Request = u.request
	r.queue = append(r.queue, reject)
}

// readErrors reads the array of error messages that was entered.
func (r *Reader) readErrors() {
	u := r.run
	u.failures.seen = true
	for i := 0; r.nextEntry(i); i++ {
		at := r.s.Offset()
		if r.s.Peek() == jsonscan.Null {
			r.s.Skip()
			u.text = u.text[:0]
		} else {
			var err error
			u.text, err = r.s.Text(u.text[:0])
			var value *jsonscan.ValueError
			if errors.As(err, &value) {
				r.rejectEntry(at, "", value.Text, "an error message, "+value.Want)
				u.text = append(u.text[:0], failures.Unreadable...)
			}
		}
		if r.s.Err() != nil {
			break
		}
		u.hash.bytes(u.text)
		u.failures.add(u.text)
	}
	r.leaveColumn()
}

// stepRequestGaps moves to the gaps of the next request.
func (r *Reader) stepRequestGaps() {
	u := r.run
	g := &u.gaps
	i := len(g.sum)
	if !r.nextEntry(i) {
		r.leaveColumn()
		r.state = inObject
		return
	}
	g.open = true
	at := r.s.Offset()
	g.sum = append(g.sum, 0)
	g.first = append(g.first, missing)
	g.count = append(g.count, 0)
	switch kind := r.s.Peek(); kind {
	case jsonscan.Array:
		r.s.Array()
		r.chunk = 1
		r.state = inGaps
		return
	case jsonscan.Null:
		g.sum[i] = missing
	default:
		g.sum[i] = bad
		r.rejectEntry(at, "", kind.String(), "an array of chunk gaps in seconds")
	}
	if r.s.Skip() == nil {
		g.open = false
		u.hash.int64(g.sum[i])
	}
}

// stepGaps reads further gaps of a request and hands them on.
func (r *Reader) stepGaps() {
	u := r.run
	at := r.s.Offset()
	nanos, more, err := r.s.AppendNanos(r.nanos[:0], gapsPerRecord)
	var value *jsonscan.ValueError
	if err != nil && !errors.As(err, &value) {
		return
	}
	r.nanos = nanos
	u.hash.int64s(nanos)
	if good := u.gaps.add(nanos); good < len(nanos) {
		found := "gaps of more than 292 years"
		if nanos[good] < 0 {
			found = seconds(nanos[good])
		}
		r.rejectGap(at, good, found)
		nanos = nanos[:good]
	}
	if len(nanos) > 0 {
		record := &schemas.Gaps{At: r.pos(at), Request: u.request, FirstChunk: r.chunk, Nanos: nanos}
		record.At.Request = u.request
		r.queue = append(r.queue, record)
		u.handedOut = u.request + 1
	}
	r.chunk += len(r.nanos)
	if value != nil {
		r.rejectGap(value.Offset, 0, value.Text)
		u.hash.int64(bad)
		r.chunk++
	}
	if !more {
		u.gaps.open = false
		u.hash.int64(int64(r.chunk - 1))
		r.state = betweenGaps
	}
}

// rejectGap reports the gap that is skip gaps behind the current chunk, unless
// an earlier one spoilt the request already.
func (r *Reader) rejectGap(at int64, skip int, found string) {
	g := &r.run.gaps
	last := len(g.sum) - 1
	if g.sum[last] == bad && g.reported == last+1 {
		return
	}
	g.sum[last] = bad
	g.reported = last + 1
	r.rejectEntry(at, fmt.Sprintf("[%d]", r.chunk-1+skip), found, wantTime)
}

// add takes in gaps of the latest request, up to the first that cannot be used,
// and returns how many those are. A request with such a gap takes in no more.
func (g *gapColumn) add(nanos []int64) (good int) {
	last := len(g.sum) - 1
	sum := g.sum[last]
	if sum == bad || len(nanos) == 0 {
		return 0
	}
	if g.count[last] == 0 {
		g.first[last] = nanos[0]
	}
	if whole, ok := addedTo(sum, nanos); ok {
		g.sum[last] = whole
		g.count[last] += int64(len(nanos))
		return len(nanos)
	}
	for _, v := range nanos {
		// Neither a term nor the sum may be negative: a sum that passes the
		// end of its range is.
		if v < 0 || sum+v < 0 {
			g.sum[last] = bad
			break
		}
		sum += v
		good++
	}
	g.count[last] += int64(good)
	return good
}

// addedTo returns the sum and whether no term of it is negative nor any sum on the way.
func addedTo(sum int64, nanos []int64) (whole int64, ok bool) {
	all := int64(0) // negative where one of them is
	for _, v := range nanos {
		sum += v
		all |= v | sum
	}
	return sum, all >= 0
}
