package recordtest

import (
	"fmt"

	"github.com/servestat/servestat/schemas"
)

// An order holds the records of an upload to the order of [schemas.Record], and
// a run to its own records.
type order struct {
	run      int // the run that is open
	gaps     int // request whose gaps came last
	chunk    int // its next chunk
	requests int // requests seen
	status   map[schemas.Status]int64
	origin   bool // a request starts at the run's origin
	started  bool // a request has a start
	dead     bool // a fatal reject was seen
}

func (o *order) check(rec schemas.Record) error {
	if at := rec.Pos().Run; at != o.run {
		if at < o.run {
			return fmt.Errorf("run %d comes after run %d", at, o.run)
		}
		*o = order{run: at}
	}
	switch rec := rec.(type) {
	case *schemas.Gaps:
		return o.checkGaps(rec)
	case *schemas.Request:
		return o.checkRequest(rec)
	case *schemas.Run:
		return o.checkRun(rec)
	case *schemas.Reject:
		if rec.Reason == "" {
			return fmt.Errorf("a reject without a reason")
		}
		o.dead = o.dead || rec.Fatal
	}
	return nil
}

func (o *order) checkRequest(rec *schemas.Request) error {
	if rec.Index != o.requests || rec.At.Request != rec.Index {
		return fmt.Errorf("request %d comes where %d should", rec.Index, o.requests)
	}
	if o.requests++; o.status == nil {
		o.status = map[schemas.Status]int64{}
	}
	o.status[rec.Status]++
	o.started = o.started || rec.Start.OK
	o.origin = o.origin || rec.Start.OK && rec.Start.V == 0
	for _, v := range []schemas.Opt[int64]{
		rec.Start, rec.TTFT, rec.E2EL, rec.InputTokens, rec.OutputTokens, rec.Chunks,
		rec.CachedTokens, rec.Reasoning, rec.FirstAnswer, rec.Turn,
	} {
		if v.V < 0 || !v.OK && v.V != 0 {
			return fmt.Errorf("a negative value, or one that is missing and there")
		}
	}
	switch {
	case rec.TTFT.OK && rec.E2EL.OK && rec.TTFT.V > rec.E2EL.V:
		return fmt.Errorf("the first chunk comes after the last")
	case rec.FirstAnswer.OK && (rec.FirstAnswer.V < rec.TTFT.V || rec.E2EL.OK && rec.FirstAnswer.V > rec.E2EL.V):
		return fmt.Errorf("the first chunk of the answer comes before the first of all, or after the last")
	case rec.E2EL.OK != rec.E2ELMethod.OK:
		return fmt.Errorf("E2EL without its method, or the other way round")
	case rec.Status == schemas.StatusOK && rec.ErrorClass.OK:
		return fmt.Errorf("a completed request with an error")
	case rec.Status == schemas.StatusFailed && !rec.ErrorClass.OK:
		return fmt.Errorf("a failed request without a class of error")
	}
	return nil
}

func (o *order) checkGaps(rec *schemas.Gaps) error {
	switch {
	case len(rec.Nanos) == 0 || rec.Tokens != nil && len(rec.Tokens) != len(rec.Nanos):
		return fmt.Errorf("%d gaps and %d counts in one record", len(rec.Nanos), len(rec.Tokens))
	case o.requests > 0:
		return fmt.Errorf("gaps come after requests")
	case rec.Request == o.gaps && o.chunk > 0:
		if rec.FirstChunk != o.chunk {
			return fmt.Errorf("gaps go on at chunk %d, want %d", rec.FirstChunk, o.chunk)
		}
	case rec.Request < o.gaps || rec.FirstChunk != 1:
		return fmt.Errorf("gaps of request %d from chunk %d come after those of %d", rec.Request, rec.FirstChunk, o.gaps)
	}
	for _, v := range rec.Nanos {
		if v < 0 {
			return fmt.Errorf("a negative gap")
		}
	}
	o.gaps, o.chunk = rec.Request, rec.FirstChunk+len(rec.Nanos)
	return nil
}

func (o *order) checkRun(rec *schemas.Run) error {
	switch {
	case o.dead:
		return fmt.Errorf("a run is closed that was rejected")
	case o.requests == 0 && (rec.Detailed && rec.Requests.V > 0 || o.chunk > 0):
		return fmt.Errorf("the run has no requests")
	case o.requests > 0 && rec.Suspect.OK && (rec.Requests.V != int64(o.requests)-o.status[schemas.StatusWarmup] || rec.Completed.V != o.status[schemas.StatusOK] ||
		rec.Failed.V != o.status[schemas.StatusFailed] || rec.Suspect.V != o.status[schemas.StatusSuspect]):
		return fmt.Errorf("the run's counts are not those of its requests: %v", o.status)
	case o.requests > 0 && o.gaps >= o.requests:
		return fmt.Errorf("gaps of a request that is none")
	case o.chunk > 0 && rec.GapKind == schemas.NoGaps:
		return fmt.Errorf("gaps of no kind")
	case o.started && !o.origin:
		return fmt.Errorf("no request starts at the run's origin")
	case len(rec.ContentDigest) != 64:
		return fmt.Errorf("content digest %q", rec.ContentDigest)
	case rec.Truncated && len(rec.Notes) == 0:
		return fmt.Errorf("truncated, and no note says so")
	}
	*o = order{run: o.run + 1}
	return nil
}
