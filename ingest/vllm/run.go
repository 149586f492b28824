package vllm

import (
	"fmt"
	"math"
	"strings"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/schemas"
)

// A run is what has been read of a run's object.
type run struct {
	pos         schemas.Pos
	spoilt      bool // a fatal reject was reported
	maxRequests int

	// Where the reader is.
	key        string
	request    int // -1 outside of arrays
	rejects    int // entries of the current array that were reported
	unreported int // and that were not, there being too many
	hash       *hasher
	text       []byte // latest error message
	sure       bool   // a comma or a bracket follows the latest entry: it has no more digits
	last       string // key of the setting that was read just now
	handedOut  int    // one more than the last request of which gaps were handed out

	// What was found.
	digests                                                         map[string]digest // of every key's value
	settings                                                        map[string]setting
	kept                                                            int // bytes in settings
	dropped                                                         []droppedSetting
	inputLens, outputLens, ttfts, startTimes, latencies, queueTimes column

	gaps     gapColumn
	failures failureColumn
	offsets  []int64 // where each request's latest entry is

	// What it comes to; see close.
	requests int // how many records to hand out
	cut      *cut
	turns    []turn // of a multi-turn benchmark, and then there are no columns
	verdicts func(i int) verdict
	chat     bool
	origin   int64 // the earliest start, ns of the client's clock; missing where there is none
	record   *schemas.Run
}

func newRun(pos schemas.Pos, maxRequests int) *run {
	return &run{
		pos: pos, maxRequests: maxRequests, request: -1, origin: missing,
		digests: map[string]digest{}, settings: map[string]setting{},
		inputLens: column{tokens: true}, outputLens: column{tokens: true},
	}
}

// column returns the column of numbers that key fills, if it does.
func (u *run) column(key string) *column {
	switch key {
	case keyInputLens:
		return &u.inputLens
	case keyOutputLens:
		return &u.outputLens
	case keyTTFTs:
		return &u.ttfts
	case keyStartTimes:
		return &u.startTimes
	case keyLatencies:
		return &u.latencies
	case keyQueueTimes:
		return &u.queueTimes
	}
	return nil
}

func (u *run) has(keys ...string) bool {
	for _, key := range keys {
		if _, ok := u.digests[key]; !ok {
			return false
		}
	}
	return true
}

func (u *run) hasAny(keys ...string) bool {
	for _, key := range keys {
		if u.has(key) {
			return true
		}
	}
	return false
}

// close decides which benchmark's result this is and makes the run's record.
func (u *run) close(r *Reader) {
	switch {
	case u.has("benchmark", "metric", "model"):
		r.spoil(u.pos.Offset, "a record of the PyTorch benchmark format, which repeats numbers of the result beside it: "+pytorchAdvice)
	case u.isLatency():
		u.closeLatency(r)
	case u.isThroughput():
		u.closeThroughput(r)
	case u.isStartup():
		u.closeStartup()
	case u.isProcessor():
		u.closeProcessor(r)
	case !u.isServe():
		r.spoil(u.pos.Offset, fmt.Sprintf("no result of a vLLM benchmark: its keys are %s", keysOf(u.digests)))
	case u.isWarmup():
		r.spoil(u.pos.Offset, "the warm-up of a sweep (run_number -1), which the sweep leaves out of its own summary")
	default:
		u.closeServe(r)
	}
	if !u.spoilt {
		u.setSweep()
	}
}

func (u *run) isLatency() bool {
	return u.has("avg_latency") && u.latencies.seen && !u.gaps.seen
}

func (u *run) isThroughput() bool {
	return u.has("elapsed_time", "num_requests", "total_num_tokens") && !u.hasRequests()
}

func (u *run) isStartup() bool {
	return u.hasAny("avg_cold_startup_time", "avg_warm_startup_time") && !u.hasRequests()
}

func (u *run) isProcessor() bool { return u.has("mm_processor_stats") && !u.hasRequests() }

// isWarmup: a sweep numbers its runs from 0, and gives its warm-up the number -1.
func (u *run) isWarmup() bool { return string(u.settings[keyRunNumber].text) == "-1" }

// isServe reports whether the object is a result of the serving benchmark, be
// it an excerpt: it says what was benchmarked, and what came of it.
func (u *run) isServe() bool {
	return u.hasAny("backend", "endpoint_type", "model_id") &&
		u.hasAny("completed", "request_throughput", "output_throughput", keyTTFTs, keyITLs, keyOutputLens)
}

// newRecord starts the record of the run with what all benchmarks share.
func (u *run) newRecord(producer, bench string) *schemas.Run {
	rec := &schemas.Run{
		At: u.pos, SourceName: u.pos.File, ParserVersion: ParserVersion,
		Producer: producer, Bench: bench,
		ContentDigest: contentDigest(u.digests),
		Reported:      map[string]string{}, Extra: map[string]string{},
	}
	for key, v := range u.settings {
		switch {
		case identityKeys[key]:
		case isSummary(key):
			// request_goodput had a colon at its end from v0.6.4 to v0.9.1.
			flatten(rec.Reported, strings.TrimSuffix(key, ":"), v.text)
		default:
			rec.Extra[key] = string(v.text)
		}
	}
	for _, d := range u.dropped {
		rec.Notes = append(rec.Notes, fmt.Sprintf("the value of %q is left out: it is longer than %d bytes, or the run's values together than %d", d.key, maxSetting, maxSettings))
	}
	return rec
}

// closeLatency: every iteration of bench latency is a request of which only the
// duration is known.
func (u *run) closeLatency(r *Reader) {
	if u.cut == nil && !u.aligned(r) {
		return
	}
	u.record = u.newRecord("vllm bench latency", "latency")
	u.record.Dialect = "latency"
	u.verdicts = func(i int) verdict {
		if u.latencies.at(i) < 0 {
			return verdict{schemas.StatusFailed, failures.Failure{Class: failures.BadRecord}}
		}
		return verdict{status: schemas.StatusOK}
	}
	u.count()
}

// closeStartup: bench startup measures how long the engine takes to start, and
// sends no requests.
func (u *run) closeStartup() {
	u.record = u.newRecord("vllm bench startup", "startup")
	u.record.Dialect = "startup"
}

// closeProcessor: bench mm-processor measures the preparation of images and
// sounds, in sums only.
func (u *run) closeProcessor(r *Reader) {
	rec := u.newRecord("vllm bench mm-processor", "mm-processor")
	u.record = rec
	rec.Dialect = "mm-processor"
	rec.Completed = setInt(u, r, "completed")
	rec.Failed = setInt(u, r, "failed")
	if rec.Completed.OK && rec.Failed.OK {
		rec.Requests = schemas.Some(rec.Completed.V + rec.Failed.V)
	}
}

// closeThroughput: bench throughput saves sums only, and fails as a whole.
func (u *run) closeThroughput(r *Reader) {
	rec := u.newRecord("vllm bench throughput", "throughput")
	u.record = rec
	rec.Dialect = "throughput"
	rec.Requests = setInt(u, r, "num_requests")
	rec.Completed = rec.Requests
	rec.DurationNS = setNanos(u, r, "elapsed_time")
}

func (u *run) closeServe(r *Reader) {
	if u.cut == nil && !u.aligned(r) {
		return
	}
	rec := u.newRecord("vllm bench serve", "serve")
	u.record = rec
	rec.Dialect = u.dialect()
	rec.EndedAt = setDate(u, r, "date")
	rec.DurationNS = setNanos(u, r, "duration")
	rec.Backend = setText(u, r, "backend")
	if endpoint := setText(u, r, "endpoint_type"); !rec.Backend.OK {
		rec.Backend = endpoint
	} else if endpoint.OK && endpoint != rec.Backend {
		u.keepExtra("endpoint_type")
	}
	u.chat = strings.Contains(rec.Backend.V, "chat")
	rec.Model = setText(u, r, "model_id")
	rec.Tokenizer = setText(u, r, "tokenizer_id")
	rec.NumPrompts = setInt(u, r, "num_prompts")
	rec.RequestRate = setRate(u, r, "request_rate")
	rec.Burstiness = setRate(u, r, "burstiness")
	rec.MaxConcurrency = setInt(u, r, "max_concurrency")
	rec.RampUp = setText(u, r, "ramp_up_strategy")
	if string(u.settings["mode"].text) == `"multi_turn"` {
		rec.MaxConcurrency = setInt(u, r, "multi_turn_concurrency")
		u.note("a multi-turn benchmark: the requests of a conversation follow each other, and max_concurrency is of conversations")
	}
	if u.scheduled() && rec.MaxConcurrency.OK && !u.queueTimes.seen {
		u.note("request_rate and max_concurrency are both set: a request that found no free slot started its clock when it got one, and its waiting is in no number")
	}
	if label := setText(u, r, "label"); label.OK {
		rec.Labels = map[string]string{"label": label.V}
	}
	rec.Detailed = u.ttfts.seen && u.gaps.seen
	if u.gaps.seen {
		rec.GapKind = schemas.ChunkGaps
	}
	u.setOrigin()
	u.setWorkload()
	if u.setCounts(r); u.requests > 0 {
		u.addNotes()
	}
	if !u.cut.partial() && rec.Completed == schemas.Some[int64](0) && (rec.Failed.V > 0 || !rec.Failed.OK && rec.NumPrompts.V > 0) {
		u.note("all requests failed: the tool's 0.0 statistics are not measurements")
	}
	u.noteSwapped()
}

// aligned reports whether all arrays have an entry for each request. Which of
// them is short cannot be told, so the run is of no use if they have not.
func (u *run) aligned(r *Reader) bool {
	n, by := -1, ""
	check := func(key string, seen bool, have int) bool {
		switch {
		case !seen || have == n:
		case n < 0:
			n, by = have, key
		default:
			at := u.pos.Offset
			if short := min(n, have); short < len(u.offsets) {
				at = u.offsets[short]
			}
			r.spoil(at, fmt.Sprintf("%s has %d entries, expected %d as in %s: one for each request", key, have, n, by))
			return false
		}
		return true
	}
	for _, key := range []string{keyInputLens, keyOutputLens, keyTTFTs, keyStartTimes, keyLatencies, keyQueueTimes} {
		if c := u.column(key); !check(key, c.seen, len(c.v)) {
			return false
		}
	}
	if !check(keyITLs, u.gaps.seen, len(u.gaps.sum)) || !check(keyErrors, u.failures.seen, len(u.failures.of)) {
		return false
	}
	u.requests = max(n, 0)
	return true
}

// dialect tells the formats apart by the keys that came and went over the
// versions of vLLM's clients.
func (u *run) dialect() string {
	switch {
	case u.has("correct_rate(%)"):
		return "structured"
	case u.has("steady_state"), u.has("max_model_len", "input_throughput"):
		// max_model_len alone may be an override that a sweep added.
		return "rust"
	case u.has("endpoint_type", "backend"):
		return "cli+backend"
	case u.has("endpoint_type"):
		return "cli"
	case u.has("backend") && u.hasAny("input_throughput", "request_inthroughput", "use_beam_search"):
		return "script-legacy"
	case u.has("backend"):
		return "script"
	}
	return "unknown"
}

// setOrigin finds the earliest start. A start of 0 on the client's clock, which
// began with its machine, was never set; the Rust client counts from 0.
func (u *run) setOrigin() {
	starts := &u.startTimes
	if !starts.seen {
		return
	}
	clock := "perf_counter"
	if u.record.Dialect == "rust" {
		clock = "bench_start"
	}
	u.record.Clock = schemas.Some(clock)
	for i, v := range starts.v {
		if v == 0 && clock == "perf_counter" {
			starts.v[i] = missing
			continue
		}
		if v >= 0 && (u.origin == missing || v < u.origin) {
			u.origin = v
		}
	}
}

func (u *run) setWorkload() {
	lens := u.inputLens.v
	if u.cut.partial() {
		return // what was asked is more than what is left
	}
	for _, v := range lens {
		if v < 0 {
			return
		}
	}
	if len(lens) > 0 {
		u.record.WorkloadDigest = schemas.Some(schemas.WorkloadDigest(lens))
	}
}

// setCounts counts requests and tokens: from the arrays, or without them from
// the tool's own summary.
func (u *run) setCounts(r *Reader) {
	completed := setInt(u, r, "completed")
	failed := setInt(u, r, "failed")
	input := setInt(u, r, "total_input_tokens")
	output := setInt(u, r, "total_output_tokens")
	rec := u.record
	if u.hasRequests() {
		if u.cut.partial() {
			completed = schemas.Opt[int64]{}
		}
		u.judge(completed)
		u.count()
	} else {
		rec.Completed, rec.Failed = completed, failed
		switch {
		case completed.OK && failed.OK:
			rec.Requests = schemas.Some(completed.V + failed.V)
		case completed.OK && completed == rec.NumPrompts:
			rec.Requests = completed
		}
	}
	if u.cut.partial() {
		return
	}
	if !rec.InputTokens.OK {
		rec.InputTokens = input
	}
	if !rec.OutputTokens.OK {
		rec.OutputTokens = output
	}
}

// scheduled reports whether requests have times to be sent at.
func (u *run) scheduled() bool {
	rate := u.record.RequestRate
	return rate.OK && !math.IsInf(rate.V, 1)
}

func (u *run) hasRequests() bool {
	return u.inputLens.seen || u.outputLens.seen || u.ttfts.seen || u.startTimes.seen || u.latencies.seen ||
		u.gaps.seen || u.failures.seen
}

// count sums up what the verdicts say.
func (u *run) count() {
	var completed, failed, suspect, input, output int64
	for i := range u.requests {
		switch u.verdicts(i).status {
		case schemas.StatusOK:
			completed++
			input += max(u.inputLens.at(i), 0)
			output += max(u.outputLens.at(i), 0)
		case schemas.StatusFailed:
			failed++
		case schemas.StatusSuspect:
			suspect++
		}
	}
	rec := u.record
	rec.Requests = schemas.Some(int64(u.requests))
	rec.Completed, rec.Failed, rec.Suspect = schemas.Some(completed), schemas.Some(failed), schemas.Some(suspect)
	if u.inputLens.seen {
		rec.InputTokens = schemas.Some(input)
	}
	if u.outputLens.seen {
		rec.OutputTokens = schemas.Some(output)
	}
}

func (u *run) note(format string, args ...any) {
	u.record.Notes = append(u.record.Notes, fmt.Sprintf(format, args...))
}

func (u *run) keepExtra(key string) {
	u.record.Extra[key] = string(u.settings[key].text)
}
