package sample

import (
	"fmt"
	"math"
	"slices"
)

// RunSummary is what one run (server start) at one load point says about one
// latency: one number for each statistic, which is then one replicate in a
// comparison. How much requests vary within the run is deliberately not in it,
// because nothing about two versions can be concluded from that.
type RunSummary struct {
	N      int // requests, failed ones included
	Failed int // those that failed, which count as +Inf

	P50, P95, P99 Percentile
}

// Percentile is one quantile of the requests of one run.
type Percentile struct {
	P       float64
	Compare float64 // [HarrellDavis]: what runs are compared by
	Parity  float64 // [Quantile]: what vLLM's benchmark would print

	// Err is a [*TooFewError] where the run has too few requests to bracket the
	// quantile; Compare and Parity are then NaN.
	Err error
}

// Log is the logarithm of Compare, the scale that runs are compared on: run
// noise is multiplicative. NaN where there is none.
func (p Percentile) Log() float64 {
	if !(p.Compare > 0) {
		return math.NaN()
	}
	return math.Log(p.Compare)
}

// TooFewError says that a run has too few values for a quantile.
type TooFewError struct {
	P          float64
	Have, Need int
}

func (e *TooFewError) Error() string {
	return fmt.Sprintf("sample: p%g needs >= %d requests in a run, have %d: send more, or read a lower percentile", 100*e.P, e.Need, e.Have)
}

// floorConfidence is the confidence at which the requests of a run must be able
// to bracket a quantile before the run has a value for it.
const floorConfidence = 0.95

// SummarizeRun reduces the request latencies of one run at one load point.
// Failed requests are passed as +Inf, not left out: a server that drops its
// slowest requests must not look faster for it. A percentile that they reach is
// +Inf.
//
// A percentile exists from [MinNForQuantile] requests on (6, 72 and 368).
//
// It fails if there are no values, or one is negative or NaN.
func SummarizeRun(latencies []float64) (RunSummary, error) {
	if len(latencies) == 0 {
		return RunSummary{}, fmt.Errorf("sample: no requests: need >= 1")
	}
	failed := 0
	for i, v := range latencies {
		if !(v >= 0) {
			return RunSummary{}, fmt.Errorf("sample: latency %d is %g: pass failed requests as +Inf and leave out what was not measured", i, v)
		}
		if math.IsInf(v, 1) {
			failed++
		}
	}
	sorted := slices.Sorted(slices.Values(latencies))
	return RunSummary{
		N: len(sorted), Failed: failed,
		P50: percentile(sorted, 0.50),
		P95: percentile(sorted, 0.95),
		P99: percentile(sorted, 0.99),
	}, nil
}

func percentile(sorted []float64, p float64) Percentile {
	if need := MinNForQuantile(p, floorConfidence); len(sorted) < need {
		return Percentile{
			P: p, Compare: math.NaN(), Parity: math.NaN(),
			Err: &TooFewError{P: p, Have: len(sorted), Need: need},
		}
	}
	return Percentile{P: p, Compare: HarrellDavis(sorted, p), Parity: QuantileSorted(sorted, p)}
}

// Decode is the decode phase of one answer: how long it took from the first
// token to the last, and how many tokens came after the first.
type Decode struct {
	Seconds float64
	Tokens  int
}

// TokenWeighted returns the token-weighted mean time between tokens of one run,
//
//	sum of decode times / sum of tokens after the first,
//
// in which a long answer counts for more than a short one. The mean of the
// requests' own means, TPOT, differs from it as soon as speed depends on length,
// and is not what a server's speed is. Answers of one token have no decode phase
// and add nothing.
//
// It fails if no answer has a second token, or if an answer's numbers make no
// sense.
func TokenWeighted(answers []Decode) (float64, error) {
	var seconds float64
	var tokens int
	for i, a := range answers {
		if !(a.Seconds >= 0) || math.IsInf(a.Seconds, 1) || a.Tokens < 0 {
			return math.NaN(), fmt.Errorf("sample: answer %d has %d tokens in %g s: pass only answers that were completed", i, a.Tokens, a.Seconds)
		}
		if a.Tokens == 0 {
			continue
		}
		seconds += a.Seconds
		tokens += a.Tokens
	}
	if tokens == 0 {
		return math.NaN(), fmt.Errorf("sample: no answer of more than one token: there is no time between tokens")
	}
	return seconds / float64(tokens), nil
}
