// Package audit checks whether a run's numbers can be true and mean what they
// seem to mean, before anybody compares them.
//
// Each check is a formula with a threshold, named as in the catalogue of truth
// checks (T1, T2, …). A check whose inputs are missing is not computable, and is
// silent. [Run] holds the inputs: recomputed from raw times where a run has
// them, otherwise what its tool reported, so that a published row of a table can
// be checked too.
package audit

import (
	"fmt"
	"math"
)

// A Severity says how bad a finding is.
type Severity string

// The severities. A FAIL means that the number it is about must not be used.
const (
	Warn Severity = "WARN"
	Fail Severity = "FAIL"
)

// TokensPerChunk is the check that fires where ITL is no time between tokens.
const TokensPerChunk = "T6 tokens per chunk"

// A Finding is a check that fired.
type Finding struct {
	Check    string // T1, T2, …
	Severity Severity
	Message  string // what was found, with the formula's values
	Do       string // what to do about it
}

// A Run is what the checks look at. A value that is not known is NaN; a count
// that is not known is negative.
type Run struct {
	MaxConcurrency float64 // asked; NaN: unlimited or unknown
	ClosedLoop     bool    // the next request waits for the one before: no request rate was set
	Concurrency    float64 // achieved: measured from the requests, or by Little's law from averages
	Measured       bool    // the values are recomputed from raw times

	OutputThroughput float64 // X, tokens/s
	TTFT, TPOT       float64 // means, s
	OutputLen        float64 // N, mean output tokens of a completed request

	Requests, Completed, Failed, Suspect int64
	Gaps                                 int64 // chunk gaps of completed requests
}

// checks in order of presentation.
var checks = []func(Run) (Finding, bool){failures, suspects, reached, identity, occupancy, chunks}

// Check returns what fired for r.
func Check(r Run) []Finding {
	var out []Finding
	for _, check := range checks {
		if f, fired := check(r); fired {
			out = append(out, f)
		}
	}
	return out
}

func known(values ...float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// failures: percentiles exclude failed requests, so a run in which the slow ones
// failed looks fast.
func failures(r Run) (Finding, bool) {
	if r.Failed <= 0 {
		return Finding{}, false
	}
	f := Finding{
		Check: "failed requests", Severity: Warn,
		Message: fmt.Sprintf("%d of %d requests failed; latencies are of the others", r.Failed, r.Requests),
		Do:      "read the errors (requests.error) before reading the latencies",
	}
	if r.Completed == 0 {
		f.Severity = Fail
		f.Message = fmt.Sprintf("all %d requests failed: the run has no latency", r.Requests)
	}
	return f, true
}

func suspects(r Run) (Finding, bool) {
	if r.Suspect <= 0 {
		return Finding{}, false
	}
	return Finding{
		Check: "suspect requests", Severity: Warn,
		Message: fmt.Sprintf("%d of %d requests count as completed though no chunk ever came; they are left out here and count as 0 ms in the tool's own summary", r.Suspect, r.Requests),
		Do:      "look for error events in the stream and in the server log",
	}, true
}

// reached is T1: was the asked concurrency reached?
func reached(r Run) (Finding, bool) {
	if !r.ClosedLoop || !known(r.MaxConcurrency, r.Concurrency) || r.MaxConcurrency == 0 {
		return Finding{}, false
	}
	share := r.Concurrency / r.MaxConcurrency
	if share >= 0.9 {
		return Finding{}, false
	}
	f := Finding{
		Check: "T1 achieved concurrency", Severity: Warn,
		Message: fmt.Sprintf("asked %.0f, achieved %.1f (%.0f %%)", r.MaxConcurrency, r.Concurrency, 100*share),
		Do:      "read the point at the achieved concurrency; more prompts per user shorten the share of ramp and drain",
	}
	if share < 0.7 {
		f.Severity = Fail
		f.Do = "this is not a measurement of the asked level: look for a client limit, a rate limit or too few prompts"
	}
	return f, true
}

// identity is T2: in a closed loop with N output tokens a request, throughput
// and latencies determine each other: X = c N / (TTFT + (N-1) TPOT).
func identity(r Run) (Finding, bool) {
	predicted := r.predictedThroughput()
	if !r.ClosedLoop || !known(predicted, r.OutputThroughput) || r.OutputThroughput == 0 {
		return Finding{}, false
	}
	ratio := r.OutputThroughput / predicted
	if ratio >= 0.9 && ratio <= 1.05 {
		return Finding{}, false
	}
	f := Finding{
		Check: "T2 throughput identity", Severity: Warn,
		Message: fmt.Sprintf("X = %.4g tokens/s is %.3f of c N / (TTFT + (N-1) TPOT) = %.0f x %.4g / (%.4g s + %.4g x %.4g s) = %.4g tokens/s",
			r.OutputThroughput, ratio, r.MaxConcurrency, r.OutputLen, r.TTFT, r.OutputLen-1, r.TPOT, predicted),
		Do: "look for idle time between requests, a level that was not reached, or tokens that were not counted",
	}
	if ratio < 0.7 || ratio > 1.2 {
		f.Severity = Fail
	}
	return f, true
}

func (r Run) predictedThroughput() float64 {
	if !known(r.MaxConcurrency, r.OutputLen, r.TTFT, r.TPOT) {
		return math.NaN()
	}
	return r.MaxConcurrency * r.OutputLen / (r.TTFT + (r.OutputLen-1)*r.TPOT)
}

// occupancy is T4: X x TPOT is how many streams decode on average. It cannot
// exceed what was asked; far below, the time went somewhere else. Where TTFT is
// known, T2 knows better: a long prefill is no idle time.
func occupancy(r Run) (Finding, bool) {
	if !r.ClosedLoop || !known(r.MaxConcurrency, r.OutputThroughput, r.TPOT) || r.OutputThroughput == 0 {
		return Finding{}, false
	}
	busy := r.OutputThroughput * r.TPOT
	explained := known(r.predictedThroughput())
	f := Finding{Check: "T4 decode occupancy", Severity: Fail}
	switch {
	case busy > 1.05*r.MaxConcurrency:
		f.Message = fmt.Sprintf("X x TPOT = %.4g tokens/s x %.4g ms = %.3g streams decoding, more than the %.0f that were asked for",
			r.OutputThroughput, 1e3*r.TPOT, busy, r.MaxConcurrency)
		f.Do = "one of the two numbers is wrong, or they are not of the same run"
	case busy < 0.5*r.MaxConcurrency && !explained:
		f.Message = fmt.Sprintf("X x TPOT = %.4g tokens/s x %.4g ms = %.3f streams decoding of %.0f: TPOT alone means %.1f tokens/s, and %.0f %% of the wall time is unexplained",
			r.OutputThroughput, 1e3*r.TPOT, busy, r.MaxConcurrency, r.MaxConcurrency/r.TPOT, 100*(1-busy/r.MaxConcurrency))
		f.Do = "throughput and TPOT of this row do not belong to one saturated run: get the raw log before quoting either"
	default:
		return Finding{}, false
	}
	return f, true
}

// chunks is T6: does a chunk carry one token?
func chunks(r Run) (Finding, bool) {
	if r.Gaps <= 0 || r.Completed <= 0 || !known(r.OutputLen) {
		return Finding{}, false
	}
	expected := float64(r.Completed) * (r.OutputLen - 1)
	ratio := float64(r.Gaps) / expected
	if expected <= 0 || ratio >= 0.9 {
		return Finding{}, false
	}
	return Finding{
		Check: TokensPerChunk, Severity: Warn,
		Message: fmt.Sprintf("a chunk carries %.2f tokens on average (%d gaps for %.0f tokens): ITL here is a time between chunks, not tokens", 1/ratio, r.Gaps, expected),
		Do:      "compare TPOT, not ITL, with runs that stream otherwise (speculative decoding, stream interval, parsers)",
	}, true
}
