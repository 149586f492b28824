package jsonrun

import (
	"cmp"
	"math"
	"slices"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/schemas"
)

// None stands in a Row for a value that was not recorded.
const None int64 = math.MinInt64

// A Row is a request of a run that has not ended, in about 100 bytes. Its times
// are nanoseconds, Start on the producer's own clock.
type Row struct {
	Offset                int64
	Start, TTFT, E2EL     int64
	Input, Cached, Output int64
	Reasoning, Chunks     int64
	failure               uint32
	Status                Status
	LowerBound            bool // E2EL is at least this
	Bad                   bool // the log's record of it is malformed
}

// A Status is a [schemas.Status] in one byte.
type Status byte

// The statuses.
const (
	OK Status = iota
	Failed
	Suspect
	Warmup
)

var statusNames = [...]schemas.Status{schemas.StatusOK, schemas.StatusFailed, schemas.StatusSuspect, schemas.StatusWarmup}

// NewRow returns a Row of which nothing is known but where it is.
func NewRow(offset int64) Row {
	return Row{
		Offset: offset, Start: None, TTFT: None, E2EL: None, Input: None, Cached: None, Output: None,
		Reasoning: None, Chunks: None,
	}
}

// Requests holds the requests of a run until it ends.
type Requests struct {
	rows     []Row
	failures failures.Set
	emitted  int
	origin   int64
}

// Len is how many requests there are.
func (q *Requests) Len() int { return len(q.rows) }

// Rows returns the requests, which stay the receiver's.
func (q *Requests) Rows() []Row { return q.rows }

// Add appends a request, and its failure where it has one.
func (q *Requests) Add(row Row, f failures.Failure) {
	row.failure = q.failures.Add(f)
	q.rows = append(q.rows, row)
}

// Row returns request i, which comes to be where it was not: for formats that
// list one value of all requests after the other. It is valid until the next
// call.
func (q *Requests) Row(i int, offset int64) *Row {
	for len(q.rows) <= i {
		q.rows = append(q.rows, NewRow(offset))
	}
	q.rows[i].Offset = offset
	return &q.rows[i]
}

// Cut forgets all requests but the first n.
func (q *Requests) Cut(n int) { q.rows = q.rows[:n] }

// Fail sets the failure of request i.
func (q *Requests) Fail(i int, f failures.Failure) { q.rows[i].failure = q.failures.Add(f) }

// Failure returns the failure of request i.
func (q *Requests) Failure(i int) failures.Failure { return q.failures.At(q.rows[i].failure) }

// close counts up what the run's requests come to, and finds its origin.
func (q *Requests) close(run *schemas.Run) {
	var count [len(statusNames)]int64
	var input, output int64
	inputs, outputs := true, true // of every completed request it is known
	q.origin = None
	for i := range q.rows {
		row := &q.rows[i]
		count[row.Status]++
		if row.Start != None && (q.origin == None || row.Start < q.origin) {
			q.origin = row.Start
		}
		if row.Status != OK {
			continue
		}
		inputs, outputs = inputs && row.Input != None, outputs && row.Output != None
		input += max(row.Input, 0)
		output += max(row.Output, 0)
	}
	run.Requests = schemas.Some(int64(len(q.rows)))
	run.Completed, run.Failed, run.Suspect = schemas.Some(count[OK]), schemas.Some(count[Failed]), schemas.Some(count[Suspect])
	if inputs && count[OK] > 0 && !run.InputTokens.OK {
		run.InputTokens = schemas.Some(input)
	}
	if outputs && count[OK] > 0 && !run.OutputTokens.OK {
		run.OutputTokens = schemas.Some(output)
	}
	run.WorkloadDigest = q.workload()
	if note := q.failures.Note(); note != "" {
		run.Notes = append(run.Notes, note)
	}
}

// workload identifies the input lengths in order of submission, as far as it is
// known: some tools list requests in order of completion.
func (q *Requests) workload() schemas.Opt[string] {
	order := make([]int, len(q.rows))
	started := true
	for i, row := range q.rows {
		if row.Input == None {
			return schemas.Opt[string]{}
		}
		order[i] = i
		started = started && row.Start != None
	}
	if started {
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(q.rows[a].Start, q.rows[b].Start) })
	}
	if len(order) == 0 {
		return schemas.Opt[string]{}
	}
	lens := make([]int64, len(order))
	for i, at := range order {
		lens[i] = q.rows[at].Input
	}
	return schemas.Some(schemas.WorkloadDigest(lens))
}

// take returns the next request's record, nil where none is left.
func (q *Requests) take(u *Upload) schemas.Record {
	if q.emitted == len(q.rows) {
		return nil
	}
	i := q.emitted
	q.emitted++
	row := &q.rows[i]
	f := q.failures.At(row.failure)
	rec := &schemas.Request{
		At: u.Pos(row.Offset, i), Index: i, Status: statusNames[row.Status],
		TTFT: known(row.TTFT), E2EL: known(row.E2EL),
		InputTokens: known(row.Input), CachedTokens: known(row.Cached), OutputTokens: known(row.Output),
		Reasoning: known(row.Reasoning), Chunks: known(row.Chunks),
		ErrorClass: nonEmpty(f.Class), Error: nonEmpty(f.Line),
	}
	if row.Start != None {
		rec.Start = schemas.Some(row.Start - q.origin)
	}
	if rec.E2EL.OK {
		rec.E2ELMethod = schemas.Some("exact")
		if row.LowerBound || row.Status == Failed {
			rec.E2ELMethod = schemas.Some("lower_bound")
		}
	}
	return rec
}

func known(n int64) schemas.Opt[int64] {
	if n == None {
		return schemas.Opt[int64]{}
	}
	return schemas.Some(n)
}

func nonEmpty(s string) schemas.Opt[string] {
	if s == "" {
		return schemas.Opt[string]{}
	}
	return schemas.Some(s)
}
