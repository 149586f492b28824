package inferenceperf

import (
	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonrun"
)

// tooMany reports whether there are more of something than 1.1 for each of n:
// see the package comment. The 2 keep short answers out of it.
func tooMany(count int, n int64) bool {
	return n != jsonrun.None && float64(count) > 1.1*float64(n)+2
}

// add makes the request's row, and hands on its gaps.
func (l *requestList) add(u *jsonrun.Upload, at int64) {
	q := &l.one
	l.digestOne()
	i := l.requests.Len()
	row := jsonrun.NewRow(at)
	row.Start = q.start
	row.Input, row.Output = q.input, q.output
	if row.Input == jsonrun.None {
		row.Input = q.usageInput
	}
	if q.usageOutput != jsonrun.None {
		if q.output != jsonrun.None && q.output != q.usageOutput {
			l.recounted++
		}
		row.Output = q.usageOutput
	}
	row.Cached, row.Reasoning = q.cached, q.reasoning
	l.end = max(l.end, q.end)
	if q.start != jsonrun.None && q.end != jsonrun.None {
		if q.end < q.start {
			u.Reject(at, i, "end_time: it lies before start_time")
			q.bad = true
		} else {
			row.E2EL = q.end - q.start
		}
	}
	if !q.bad && q.start != jsonrun.None {
		l.addTimes(u, at, &row)
	}
	l.judge(&row)
	l.requests.Add(row, q.failure)
}

// digestOne adds what was read of the request to the run's digest.
func (l *requestList) digestOne() {
	q := &l.one
	l.digest.Int64(q.start, q.end, q.input, q.output, q.usageInput, q.usageOutput, q.cached, q.reasoning,
		int64(len(q.tokenTimes)), int64(len(q.chunkTimes)))
	l.digest.Int64(q.tokenTimes...)
	l.digest.Int64(q.chunkTimes...)
	l.digest.Text(q.failure.Class + " " + q.failure.Line)
}

// addTimes takes TTFT, E2EL and the gaps from the stamps of the request, as far
// as they are what they are called.
func (l *requestList) addTimes(u *jsonrun.Upload, at int64, row *jsonrun.Row) {
	q := &l.one
	stamps := q.chunkTimes
	if len(stamps) == 0 {
		stamps = distinct(q.tokenTimes)
	}
	if len(stamps) == 0 {
		if q.hasChunks || row.Output != jsonrun.None && row.Output == 0 {
			row.Chunks = 0
		}
		return
	}
	if stamps[0] < q.start || !rising(stamps) {
		u.Reject(at, l.requests.Len(), "the times of its tokens do not rise from its start_time")
		q.bad = true
		return
	}
	row.TTFT = stamps[0] - q.start
	if tooMany(len(stamps), row.Output) {
		l.falseTimes++
		if row.E2EL != jsonrun.None && row.TTFT > row.E2EL {
			row.TTFT = jsonrun.None
		}
		return
	}
	row.Chunks = int64(len(stamps))
	row.E2EL = stamps[len(stamps)-1] - q.start
	for k := 1; k < len(stamps); k++ {
		q.nanos = append(q.nanos, stamps[k]-stamps[k-1])
	}
	if len(q.nanos) > 0 {
		l.gaps = true
		u.EmitGaps(at, l.requests.Len(), q.nanos, l.tokensOf(stamps, row.Output))
	}
}

// tokensOf counts the tokens of each chunk but the first: the tool stamps every
// token with the time of its chunk. It returns nil where that cannot be.
func (l *requestList) tokensOf(stamps []int64, output int64) []int32 {
	q := &l.one
	if len(q.tokenTimes) == 0 {
		return nil
	}
	if tooMany(len(q.tokenTimes), output) {
		l.inflated++
		return nil
	}
	next := 0
	for k, stamp := range stamps {
		var n int32
		for next < len(q.tokenTimes) && q.tokenTimes[next] == stamp {
			next++
			n++
		}
		if k > 0 {
			q.tokens = append(q.tokens, n)
		}
	}
	if next < len(q.tokenTimes) { // a token that came with no chunk
		return nil
	}
	return q.tokens
}

// distinct returns the times that differ from the one before. It overwrites
// nothing.
func distinct(times []int64) []int64 {
	var out []int64
	for i, t := range times {
		if i == 0 || t != times[i-1] {
			out = append(out, t)
		}
	}
	return out
}

func rising(times []int64) bool {
	for i := 1; i < len(times); i++ {
		if times[i] < times[i-1] {
			return false
		}
	}
	return true
}

// judge says how the request ended.
func (l *requestList) judge(row *jsonrun.Row) {
	q := &l.one
	switch {
	case q.bad:
		l.bad++
		row.Status = jsonrun.Failed
		q.failure = failures.Failure{Class: failures.BadRecord}
	case q.failed:
		row.Status = jsonrun.Failed
		if q.failure.Class == "" {
			q.failure.Class = failures.Other
		}
		if row.Output == 0 {
			row.Output = jsonrun.None // not counted, whatever it produced
		}
	case row.Output == 0 && row.TTFT == jsonrun.None:
		l.suspect++
		row.Status = jsonrun.Suspect
		row.E2EL = jsonrun.None
	}
}
