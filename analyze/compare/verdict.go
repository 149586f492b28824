package compare

import (
	"fmt"
	"math"

	"github.com/servestat/servestat/analyze/sample"
)

// Verdict is the answer for one metric. The zero value claims nothing.
type Verdict int

const (
	Inconclusive Verdict = iota // neither shown worse nor shown not to be
	Regressed                   // shown worse
	NotRegressed                // shown not to be worse by the margin
	Improved                    // shown better
	Invalid                     // the input cannot be compared; Result.Err says why
	Suspect                     // a single run beyond what its history leads to expect; see [Single]
)

var verdictWords = [...]string{"inconclusive", "regressed", "not regressed", "improved", "invalid", "suspect"}

func (v Verdict) String() string {
	if v < 0 || int(v) >= len(verdictWords) {
		return fmt.Sprintf("verdict(%d)", int(v))
	}
	return verdictWords[v]
}

// Better is the direction in which a metric is good. It is always said, never
// inferred.
type Better string

const (
	Lower  Better = "lower"
	Higher Better = "higher"
)

// Method names how a result was obtained.
type Method string

const (
	ExactRanks  Method = "exact Mann-Whitney, Hodges-Lehmann"
	NormalRanks Method = "Mann-Whitney by normal approximation, Hodges-Lehmann"
	WelchOnLogs Method = "Welch on logs"
)

// Options sets what counts as worse. A zero field takes its default.
type Options struct {
	// Alpha is the probability of any false "regressed" or "improved" in the
	// family, and of a false "not regressed" for a metric. Default 0.05.
	Alpha float64

	// DeltaMin is the relative worsening up to which a difference, however sure,
	// is too small to be called a regression. Default 0.01.
	DeltaMin float64

	// Margin is the relative worsening that "not regressed" rules out. It must
	// be above DeltaMin. Default 0.03.
	Margin float64

	// Seed starts the drawing of permutations where there are too many to count
	// them all. Equal seeds give equal results; the default is 0.
	Seed uint64
}

// The defaults: 5 % by convention; 1 % because a difference between two builds
// below it is seldom acted upon, and 3 % because five server starts a version
// see it in nine cases of ten at the run-to-run CV of 1.13 % that
// tokenspeed issue 1355 shows for 36 identical runs.
const (
	defaultAlpha    = 0.05
	defaultDeltaMin = 0.01
	defaultMargin   = 0.03
)

// TailMargin is the margin to use for p99: three repeats of a thousand requests gave
// p99 TTFTs that vary by 17 % (vllm issue 7062), of which no practicable number of
// runs could exclude 3 %. Their p95s vary by 4.7 %: thirty runs a side exclude 3 %.
const TailMargin = 0.10

// An input is one metric, on two versions.
type input struct {
	Metric string
	Better Better

	// Baseline and Candidate hold one value per replicate (server start), on the
	// metric's natural scale, positive.
	Baseline, Candidate []float64

	// Margin replaces Options.Margin for this metric, if it is not zero. A p99
	// varies too much for 3 %: see [TailMargin].
	Margin float64
}

// Result is the verdict on one metric and everything it rests on.
type Result struct {
	Metric  string
	Better  Better
	Verdict Verdict
	Weak    bool  // rests on Welch's test with three runs an arm
	Err     error // why the verdict is Invalid; else nil

	Ratio  Ratio
	Margin float64 // the relative worsening that "not regressed" rules out

	// P is the two-sided p-value, AdjustedP the same after adjustment for the
	// family (by max-T, or Holm with three runs), and FDR after
	// Benjamini-Hochberg, which is for information. NaN: not tested.
	P, AdjustedP, FDR float64

	// Share is set for metrics that are shares, which have no Ratio.
	Share *ShareEffect

	Detectable Detectable

	// RunsNeeded is how many runs of each version would settle an inconclusive
	// verdict with probability 0.8, if the true change is the one estimated and
	// runs vary as they did. 0: not inconclusive, or not within 100,000 runs.
	RunsNeeded int

	Warnings []sample.Warning
}

// Ratio is an estimate of candidate/baseline, on logs.
type Ratio struct {
	NBaseline, NCandidate int
	Method                Method

	Value float64
	CI    sample.Interval // two-sided, at the level it has
	Lower Bound           // the ratio is at least this
	Upper Bound           // the ratio is at most this
}

// WorseBound returns the one-sided bound on the side on which the metric is
// worse: "not worse than this".
func (r Result) WorseBound() Bound {
	if r.Better == Higher {
		return r.Ratio.Lower
	}
	return r.Ratio.Upper
}

// Detectable is the smallest worsening that a comparison could have seen.
type Detectable struct {
	// Ratio is that worsening as candidate/baseline: above 1 where lower is
	// better, below 1 where higher is. +Inf or 0: none, however large. NaN: the
	// between-run variation is not known. That the variation is itself an
	// estimate from few runs is allowed for: see [Plan].
	Ratio float64

	Power float64 // the probability of seeing it
	Alpha float64 // the level at which: what a single test must reach to pass for the family
	SD    float64 // of log values between runs, pooled over both versions
	DF    int     // the degrees of freedom that SD rests on
}

// The warnings that this package attaches to results.
const (
	TooFewRuns  sample.Code = "too-few-runs" // no verdict at this size
	WeakTest    sample.Code = "weak-test"    // a verdict, from three runs an arm
	LevelShort  sample.Code = "level-short"  // the interval has less confidence than asked for
	Approximate sample.Code = "approximate"  // p-value and interval are approximations
	Unbalanced  sample.Code = "unbalanced"   // one version has many more runs
	NoVariation sample.Code = "no-variation" // runs of one version do not vary
)

func warn(code sample.Code, format string, args ...any) sample.Warning {
	return sample.Warning{Code: code, Text: fmt.Sprintf(format, args...)}
}

// worseLog returns the log of ratio, with positive values for worse.
func (b Better) worseLog(ratio float64) float64 {
	if b == Higher {
		return -math.Log(ratio)
	}
	return math.Log(ratio)
}

// worseRatio is the ratio candidate/baseline of a worsening by that log.
func (b Better) worseRatio(log float64) float64 {
	if b == Higher {
		return math.Exp(-log)
	}
	return math.Exp(log)
}
