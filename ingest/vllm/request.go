package vllm

import (
	"time"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// A verdict says how a request ended.
type verdict struct {
	status  schemas.Status
	failure failures.Failure
}

// spoiltRequest reports whether the record of request i is malformed.
func (u *run) spoiltRequest(i int) bool {
	return u.lost(i) || u.inputLens.at(i) == bad || u.outputLens.at(i) == bad || u.ttfts.at(i) == bad ||
		u.startTimes.at(i) == bad || u.latencies.at(i) == bad || u.queueTimes.at(i) == bad || u.gapSum(i) == bad
}

func (u *run) gapSum(i int) int64 {
	if !u.gaps.seen {
		return missing
	}
	return u.gaps.sum[i]
}

func (u *run) gapCount(i int) int64 {
	if !u.gaps.seen {
		return 0
	}
	return u.gaps.count[i]
}

// silent reports whether the log has no chunk of request i and no error either.
// Two things look like this: an HTTP error without a reason phrase; and, on the
// chat endpoint, an answer of status 200 that never held a choice, which the
// tool counts as completed.
func (u *run) silent(i int) bool {
	return u.ttfts.at(i) <= 0 && u.gapCount(i) == 0 && u.failures.at(i) == failures.Failure{} &&
		u.ttfts.seen && u.gaps.seen
}

// judge sets how verdicts are reached, given how many requests the tool says
// have completed.
func (u *run) judge(completed schemas.Opt[int64]) {
	if !u.outputLens.seen { // a pooling run
		u.verdicts = func(i int) verdict { return u.judgeByError(i) }
		return
	}
	var produced, silent, spoilt int64
	for i := range u.requests {
		switch {
		case u.spoiltRequest(i):
			spoilt++
		case u.outputLens.at(i) > 0:
			produced++
		case u.silent(i):
			silent++
		}
	}
	silentCompleted := u.chat && silent > 0 && completed.V > produced+spoilt
	u.verdicts = func(i int) verdict { return u.judgeByOutput(i, silentCompleted) }
	if silentCompleted && completed.V-produced != silent {
		u.note("%d requests have no chunk and no error, and the tool counts %d of them as completed: which ones cannot be told, so all have status suspect",
			silent, completed.V-produced)
	}
}

// judgeByOutput: success is an output length above zero, the rule that
// reproduces the tool's own count.
func (u *run) judgeByOutput(i int, silentCompleted bool) verdict {
	switch {
	case u.spoiltRequest(i):
		return u.malformed(i)
	case u.silent(i) && (silentCompleted || u.outputLens.at(i) > 0):
		return verdict{status: schemas.StatusSuspect}
	case u.outputLens.at(i) > 0:
		return verdict{status: schemas.StatusOK}
	}
	return u.failed(i)
}

func (u *run) judgeByError(i int) verdict {
	switch {
	case u.spoiltRequest(i):
		return u.malformed(i)
	case u.failures.at(i) == failures.Failure{}:
		return verdict{status: schemas.StatusOK}
	}
	return u.failed(i)
}

func (u *run) malformed(i int) verdict {
	f := failures.Failure{Class: failures.BadRecord}
	if u.lost(i) {
		f.Line = "the file breaks off in its record"
	}
	return verdict{schemas.StatusFailed, f}
}

// failed: an empty message is that of an HTTP error without a reason phrase; where
// the log has none, nothing is known of the failure.
func (u *run) failed(i int) verdict {
	f := u.failures.at(i)
	switch {
	case f != failures.Failure{}:
	case i < len(u.failures.of):
		f.Class = failures.HTTP
	default:
		f.Class = failures.Other
	}
	return verdict{schemas.StatusFailed, f}
}

// requestRecord makes the record of request i.
func (u *run) requestRecord(i int) *schemas.Request {
	if u.turns != nil {
		return u.turnRecord(i)
	}
	v := u.verdicts(i)
	rec := &schemas.Request{
		At: u.pos, Index: i, Status: v.status,
		ErrorClass: nonEmpty(v.failure.Class), Error: nonEmpty(v.failure.Line),
	}
	rec.At.Request = i
	rec.At.Offset = u.offsets[i]
	if u.lost(i) {
		return rec
	}
	rec.InputTokens = recorded(u.inputLens.at(i))
	if start := u.startTimes.at(i); start >= 0 {
		rec.Start = schemas.Some(start - u.origin)
		if waited := u.queueTimes.at(i); waited >= 0 && u.scheduled() {
			rec.Scheduled = schemas.Some(rec.Start.V - waited)
		}
	}
	// The output length of a request that did not succeed is 0 in the log,
	// whatever it produced.
	if n := u.outputLens.at(i); n > 0 {
		rec.OutputTokens = schemas.Some(n)
	}
	if u.record.Bench == "latency" {
		if rec.E2EL = recorded(u.latencies.at(i)); rec.E2EL.OK {
			rec.E2ELMethod = schemas.Some("exact")
		}
		return rec
	}
	u.setTimes(rec, i)
	return rec
}

// setTimes fills in TTFT, E2EL and the number of chunks. A TTFT of 0 means that
// no chunk came.
func (u *run) setTimes(rec *schemas.Request, i int) {
	ttft, sum := u.ttfts.at(i), u.gapSum(i)
	if ttft > 0 {
		rec.TTFT = schemas.Some(ttft)
	}
	if sum < 0 {
		return
	}
	switch {
	case ttft > 0:
		rec.Chunks = schemas.Some(u.gapCount(i) + 1)
	case ttft == 0 && u.gapCount(i) == 0:
		rec.Chunks = schemas.Some[int64](0)
	}
	if ttft <= 0 || ttft+sum < 0 {
		return
	}
	rec.E2EL = schemas.Some(ttft + sum)
	rec.E2ELMethod = schemas.Some("exact")
	if u.chat || rec.Status == schemas.StatusFailed {
		rec.E2ELMethod = schemas.Some("lower_bound") // it went on behind the last chunk
	}
}

// addNotes says what the arrays as a whole show.
func (u *run) addNotes() {
	var suspect, spoilt int64
	var chunked, echoes, roleOnly int // requests with gaps, and which first gap they have
	var gaps, tokens int64
	for i := range u.requests {
		v := u.verdicts(i)
		switch {
		case v.status == schemas.StatusSuspect:
			suspect++
		case v.failure.Class == failures.BadRecord && !u.lost(i):
			spoilt++
		}
		if v.status != schemas.StatusOK || !u.gaps.seen {
			continue
		}
		gaps += u.gapCount(i)
		tokens += max(u.outputLens.at(i)-1, 0)
		if u.gapCount(i) == 0 {
			continue
		}
		chunked++
		first := u.gaps.first[i]
		if first == u.ttfts.at(i) {
			echoes++
		}
		if u.gapCount(i) == u.outputLens.at(i) && first < int64(time.Millisecond) {
			roleOnly++
		}
	}
	if suspect > 0 {
		u.note("suspect requests: %d, which the tool counts as completed though no chunk ever came", suspect)
	}
	if spoilt > 0 {
		u.note("requests with a malformed record, counted as failed: %d", spoilt)
	}
	if gaps < tokens && gaps > 0 {
		u.note("a chunk is not a token: %d gaps for %d tokens after the first, %.2f tokens per chunk; ITL is per chunk", gaps, tokens, float64(tokens)/float64(gaps))
	}
	if u.chat && roleOnly*2 > chunked {
		u.note("the first chunk of a chat stream carries only the role: TTFT is the time of that chunk, and the first gap of a request is near zero")
	}
	if !u.chat && chunked > 0 && echoes == chunked {
		u.note("the first gap of every request equals its TTFT: a fault of the client of vLLM v0.5.1 to v0.5.4, which counts the TTFT twice in gaps and E2EL")
	}
	u.noteEarlyEnds()
	if note := u.failures.Note(); note != "" {
		u.note("%s", note)
	}
}

// noteEarlyEnds: a stream that ends behind its first chunk, because the server
// died, looks like a completed request; only its length gives it away, where it
// is known how long it should be.
func (u *run) noteEarlyEnds() {
	lengths := map[int64]int{} // completed requests by output length
	var completed, longest int64
	gone := 0 // requests that failed for want of a server
	for i := range u.requests {
		switch v := u.verdicts(i); {
		case v.status == schemas.StatusOK:
			completed++
			lengths[u.outputLens.at(i)]++
			longest = max(longest, u.outputLens.at(i))
		case v.failure.Class == failures.NoChunk || v.failure.Class == failures.Connection:
			gone++
		}
	}
	if longest <= 0 {
		return // a pooling run, or nothing completed
	}
	asked, known := u.askedOutput()
	if most := int64(lengths[longest]); !known && most > completed/2 {
		asked, known = longest, true
	}
	short := 0
	for n, requests := range lengths {
		if n < asked {
			short += requests
		}
	}
	switch {
	case known && short > 0:
		u.note("completed requests with fewer than the %d output tokens that were asked for, or that most have: %d. Unless they came to an end of their own, their streams broke off, which the tool counts as completed", asked, short)
	case !known && gone > 0 && len(lengths) > 1:
		u.note("requests that failed for want of a server: %d. Of the %d that completed, some may be streams that broke off with it, which the tool counts as completed", gone, completed)
	}
}

// askedOutput returns the output length that every request asked for, where a
// parameter of a sweep or metadata say so.
func (u *run) askedOutput() (int64, bool) {
	for _, key := range []string{"random_output_len", "random-output-len", "output_len", "output-len"} {
		if n, ok := jsonscan.ParseInt(u.settings[key].text); ok && n > 0 {
			return n, true
		}
	}
	return 0, false
}

// noteSwapped: benchmark_serving.py had total_token_throughput from v0.6.0 on,
// and always burstiness and max_concurrency from v0.6.4 on.
func (u *run) noteSwapped() {
	if d := u.record.Dialect; d != "script" && d != "script-legacy" {
		return
	}
	if u.has("total_token_throughput", "mean_e2el_ms", "median_e2el_ms") && !u.hasAny("burstiness", "max_concurrency") {
		u.note("by its keys this is a result of vLLM v0.6.0 to v0.6.3, where the values of mean_e2el_ms and median_e2el_ms are swapped")
	}
}

func recorded(v int64) schemas.Opt[int64] {
	if v < 0 {
		return schemas.Opt[int64]{}
	}
	return schemas.Some(v)
}

func nonEmpty(s string) schemas.Opt[string] {
	if s == "" {
		return schemas.Opt[string]{}
	}
	return schemas.Some(s)
}
