package aiperf

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
	dead     bool // a fatal reject was seen
	closed   bool // the run was
}

func (o *order) check(rec schemas.Record) error {
	if at := rec.Pos().Run; at != o.run {
		if at < o.run {
			return fmt.Errorf("run %d comes after run %d", at, o.run)
		}
		*o = order{run: at}
	}
	if _, ok := rec.(*schemas.Reject); o.closed && !ok {
		return fmt.Errorf("a record of a run that is closed")
	}
	switch rec := rec.(type) {
	case *schemas.Gaps:
		return o.checkGaps(rec)
	case *schemas.Request:
		return o.checkRequest(rec)
	case *schemas.Run:
		return o.checkRun(rec)
	case *schemas.Reject:
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
	for _, v := range []schemas.Opt[int64]{rec.Start, rec.TTFT, rec.FirstAnswer, rec.E2EL, rec.InputTokens, rec.OutputTokens,
		rec.CachedTokens, rec.Reasoning, rec.Chunks, rec.Turn} {
		if v.V < 0 || !v.OK && v.V != 0 {
			return fmt.Errorf("a negative value, or one that is missing and there")
		}
	}
	return nil
}

func (o *order) checkGaps(rec *schemas.Gaps) error {
	switch {
	case len(rec.Nanos) == 0:
		return fmt.Errorf("a record without gaps")
	case rec.Tokens != nil && len(rec.Tokens) != len(rec.Nanos):
		return fmt.Errorf("%d gaps, and tokens of %d", len(rec.Nanos), len(rec.Tokens))
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
	n := o.status
	switch {
	case o.dead:
		return fmt.Errorf("a run is closed that was rejected")
	case rec.Detailed && o.requests == 0:
		return fmt.Errorf("the run has no requests")
	case o.requests > 0 && o.gaps >= o.requests:
		return fmt.Errorf("gaps of a request that is none")
	case len(rec.ContentDigest) != 64:
		return fmt.Errorf("content digest %q", rec.ContentDigest)
	case o.requests > 0 && rec.Suspect.OK && (rec.Requests.V != int64(o.requests)-n[schemas.StatusWarmup] ||
		rec.Completed.V != n[schemas.StatusOK] || rec.Failed.V != n[schemas.StatusFailed] || rec.Suspect.V != n[schemas.StatusSuspect]):
		return fmt.Errorf("the run's counts are not those of its requests: %v", n)
	}
	o.closed = true
	return nil
}
