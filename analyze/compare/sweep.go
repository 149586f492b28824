package compare

import (
	"fmt"
	"math"

	"github.com/servestat/servestat/analyze/sample"
)

// A Sweep is one comparison of two versions: several metrics, each at several
// load points, from several server starts of each version.
type Sweep struct {
	Name      string
	Levels    []float64 // load points, ascending; usually concurrency
	Metrics   []Metric
	Baseline  []Start
	Candidate []Start
}

// A Start is one replicate: one server start and what it measured at all load
// points, Values[metric][level], each already reduced to one number. NaN is
// what it did not measure.
type Start struct {
	Values [][]float64
}

// Metric says how to read the values of a [Sweep].
type Metric struct {
	Name   string
	Better Better
	Kind   Kind

	// Margin and DeltaMin replace those of [Options] for this metric, if they
	// are not zero. For a share they are differences of shares.
	Margin, DeltaMin float64
}

// Kind is the scale of a metric.
type Kind string

const (
	Positive Kind = ""      // latencies and throughputs: compared as ratios
	Share    Kind = "share" // such as of failed requests, from 0 to 1: compared as differences
)

// The thresholds of shares, as differences: a tenth of a percentage point is a
// change, and "not regressed" rules out one point.
const (
	shareDeltaMin = 0.001
	shareMargin   = 0.01
)

// usualShare is the share of an arm's runs that must have measured a load point
// for it to be part of the metric's curve: else a few incomplete runs would
// take it from all others.
const usualShare = 0.8

// check refuses a sweep that is not a grid.
func (s Sweep) check() error {
	if len(s.Metrics) == 0 || len(s.Levels) == 0 {
		return fmt.Errorf("compare: %d metrics at %d load points: nothing to compare", len(s.Metrics), len(s.Levels))
	}
	if len(s.Baseline) == 0 || len(s.Candidate) == 0 {
		return errNoValues
	}
	for i := 1; i < len(s.Levels); i++ {
		if !(s.Levels[i-1] < s.Levels[i]) {
			return fmt.Errorf("compare: load points %v are not in ascending order", s.Levels)
		}
	}
	for _, arm := range []struct {
		name   string
		starts []Start
	}{{"baseline", s.Baseline}, {"candidate", s.Candidate}} {
		for i, start := range arm.starts {
			if len(start.Values) != len(s.Metrics) {
				return fmt.Errorf("compare: %s run %d has %d metrics, want %d", arm.name, i, len(start.Values), len(s.Metrics))
			}
			for j, values := range start.Values {
				if len(values) != len(s.Levels) {
					return fmt.Errorf("compare: %s run %d has %s at %d load points, want %d", arm.name, i, s.Metrics[j].Name, len(values), len(s.Levels))
				}
			}
		}
	}
	return nil
}

// cell returns one metric at one load point, a value for each run.
func (s Sweep) cell(metric, level int) (baseline, candidate []float64) {
	at := func(starts []Start) []float64 {
		values := make([]float64, len(starts))
		for i, start := range starts {
			values[i] = start.Values[metric][level]
		}
		return values
	}
	return at(s.Baseline), at(s.Candidate)
}

// usualLevels are the load points that make up a metric's curve.
func (s Sweep) usualLevels(metric int) []int {
	var levels []int
	for level := range s.Levels {
		b, c := s.cell(metric, level)
		if measuredShare(b) >= usualShare && measuredShare(c) >= usualShare {
			levels = append(levels, level)
		}
	}
	return levels
}

func measuredShare(values []float64) float64 {
	return float64(len(measured(values))) / float64(len(values))
}

// curve reduces a metric to one value for each run: the geometric mean over the
// load points, or the mean of shares. A run that lacks one of them has none,
// because a mean over others would differ for that alone.
func (s Sweep) curve(metric int, levels []int) (baseline, candidate []float64) {
	if len(levels) == 1 {
		return s.cell(metric, levels[0])
	}
	share := s.Metrics[metric].Kind == Share
	over := func(starts []Start) []float64 {
		values := make([]float64, len(starts))
		for i, start := range starts {
			var sum float64
			for _, level := range levels {
				v := start.Values[metric][level]
				if !share {
					v = math.Log(v)
				}
				sum += v / float64(len(levels))
			}
			values[i] = sum
			if !share {
				values[i] = math.Exp(sum)
			}
		}
		return values
	}
	return over(s.Baseline), over(s.Candidate)
}

// measured leaves out NaN.
func measured(values []float64) []float64 {
	var have []float64
	for _, v := range values {
		if !math.IsNaN(v) {
			have = append(have, v)
		}
	}
	return have
}

// A Judgement is the verdict on a sweep and everything it rests on.
type Judgement struct {
	Name    string
	Verdict Verdict // over everything; see [Judge]
	Weak    bool    // rests on Welch's test with three runs an arm
	Err     error   // why the verdict is Invalid; else nil

	NBaseline, NCandidate int

	Metrics  []MetricJudgement
	Stalls   Stalls
	Gate     Gate
	Warnings []sample.Warning
}

// MetricJudgement is the verdict on one metric.
type MetricJudgement struct {
	Metric Metric

	// Verdict is regressed if the curve or any cell is, and else the curve's. A
	// cell that could not be settled leaves it alone.
	Verdict Verdict

	Levels []float64 // those that the curve is a mean over
	Curve  Result    // over all of them
	Cells  []LevelResult

	// Mixture is what the runs' curve values look like.
	Mixture sample.Mixture

	// Crossing is set if the candidate is better at some load points and worse
	// at others, which no single figure for the metric can say.
	Crossing *Crossing
}

// LevelResult is the verdict on one metric at one load point.
type LevelResult struct {
	Level float64
	Result
}

// Crossing lists the load points at which a metric changed in either direction,
// each beyond doubt after adjustment for the whole family.
type Crossing struct {
	Worse, Better []float64
}

// Stalls compares how many runs of each version stalled, which is to say stand
// apart from their version's others, on the bad side, in the curve of some
// metric ([sample.FindMixture]). Its test is Fisher's, on runs.
//
// It can show that a version stalls more often. That it does not cannot be
// shown with any practicable number of runs: after 0 of 10 the rate may still be
// 26 %. So the verdict is Regressed, Improved or Inconclusive, and the last does
// not keep a sweep from being "not regressed"; Upper says what that leaves open.
type Stalls struct {
	Baseline, Candidate []int // the runs that stalled

	P, AdjustedP float64
	Upper        Bound // of the candidate's rate of stalls (Clopper & Pearson 1934)
	Verdict      Verdict
}

// Gate says how the p-values of a family were adjusted.
type Gate struct {
	Method       GateMethod
	Tests        int     // in the family, over all sweeps that were judged together
	Permutations int     // counted or drawn
	Exact        bool    // all were counted
	Critical     float64 // the statistic, t or standardised rank sum, from which on a single test passes; NaN: not by permutation
}

// GateMethod names the adjustment.
type GateMethod string

const (
	NoGate          GateMethod = "none: too few runs"
	StudentisedMaxT GateMethod = "step-down max-T of Welch's t, whole runs permuted"
	RankMaxT        GateMethod = "step-down max-T of rank sums, whole runs permuted"
	HolmOfWelch     GateMethod = "Holm over Welch's tests"
)

// ShareEffect is the effect on a metric that is a share. The test and the
// interval are of ranks of the runs' shares, never of pooled requests: requests
// of one run fail together.
type ShareEffect struct {
	Baseline, Candidate float64 // mean share over the runs
	Difference          float64 // of these: Candidate - Baseline
	Typical             Shift   // of the runs' shares, by Hodges-Lehmann

	// Detectable is the smallest change for the worse that could have been seen,
	// as a difference. NaN: not known.
	Detectable float64
}

// The warnings that only whole sweeps have.
const (
	MissingRuns   sample.Code = "missing-runs"    // some runs lack a load point
	StallsFound   sample.Code = "stalls-found"    // some runs stand apart
	UnequalSpread sample.Code = "unequal-spread"  // runs of one version vary much more than those of the other
	CrossesOver   sample.Code = "crosses-over"    // better at some load points, worse at others
	LevelsLeftOut sample.Code = "levels-left-out" // some load points are not part of the curve
)
