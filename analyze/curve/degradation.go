package curve

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Run is the summary of one run at one level.
type Run struct {
	Start string  // the server start it was measured on; empty: not known
	Value float64 // positive
}

// Factor is a ratio of two levels with its interval.
type Factor struct {
	Value     float64 // geometric mean at the high level over that at the low
	Low, High float64 // t interval on logs; 0 and +Inf where there are too few
	Level     float64 // confidence
	DF        float64
	Paired    bool // by server start, so that what starts differ by cancels

	// The replicates that it rests on at each level: server starts where they are
	// known, else runs. Equal if Paired.
	NLow, NHigh int
	Warnings    []Warning
}

// Degradation returns by what factor a metric at a high concurrency is what it
// is at a low one, without a model between them: ITL(c_max) / ITL(c_min).
//
// Where three server starts, or all, were measured at both levels, it is the
// geometric mean of the ratios within each start, with a t interval on their
// logs; starts measured at one level only are left out, with a warning. Otherwise
// it is the ratio of the two geometric means, with Welch's interval (Welch 1947).
// Several runs of one start at one level count as one, their geometric mean.
func Degradation(low, high []Run, confidence float64) (Factor, error) {
	if !(confidence > 0 && confidence < 1) {
		return Factor{}, fmt.Errorf("curve: confidence %g is not between 0 and 1", confidence)
	}
	a, err := replicates("low", low)
	if err != nil {
		return Factor{}, err
	}
	b, err := replicates("high", high)
	if err != nil {
		return Factor{}, err
	}
	ratios := pair(a, b)
	if len(ratios) >= leastPairs || len(ratios) > 0 && len(ratios) == len(a) && len(ratios) == len(b) {
		return pairedFactor(ratios, len(a)+len(b)-2*len(ratios), confidence), nil
	}
	return welchFactor(a, b, confidence), nil
}

// leastPairs is the number of pairs from which on unpaired starts are dropped for
// pairing: with two, one degree of freedom is left, and t is 12.7.
const leastPairs = 3

// replicate is the mean log value of one server start, or of one run where the
// start is not known.
type replicate struct {
	start string
	log   float64
}

// replicates reduces runs to one value for each server start, in order of
// appearance.
func replicates(level string, runs []Run) ([]replicate, error) {
	if len(runs) == 0 {
		return nil, fmt.Errorf("curve: no runs at the %s level: need >= 1", level)
	}
	var rs []replicate
	var counts []float64
	index := map[string]int{}
	for i, run := range runs {
		if !(run.Value > 0) || math.IsInf(run.Value, 1) {
			return nil, fmt.Errorf("curve: run %d at the %s level is %g: need a value > 0, leave out what was not measured", i, level, run.Value)
		}
		at, seen := index[run.Start]
		if !seen || run.Start == "" {
			at = len(rs)
			index[run.Start] = at
			rs, counts = append(rs, replicate{start: run.Start}), append(counts, 0)
		}
		counts[at]++
		rs[at].log += (math.Log(run.Value) - rs[at].log) / counts[at]
	}
	return rs, nil
}

// pair returns the log ratios high/low of the starts in both.
func pair(low, high []replicate) []float64 {
	at := map[string]float64{}
	for _, r := range low {
		if r.start != "" {
			at[r.start] = r.log
		}
	}
	var ratios []float64
	for _, r := range high {
		if base, ok := at[r.start]; ok {
			ratios = append(ratios, r.log-base)
		}
	}
	return ratios
}

func pairedFactor(ratios []float64, dropped int, confidence float64) Factor {
	n := len(ratios)
	mean, variance := meanVariance(ratios)
	f := newFactor(mean, math.Sqrt(variance/float64(n)), float64(n-1), confidence)
	f.Paired, f.NLow, f.NHigh = true, n, n
	if n < 2 {
		f.Warnings = append(f.Warnings, warn(TooFew, "need >= 2 server starts for an interval, have %d", n))
	}
	if dropped > 0 {
		f.Warnings = append(f.Warnings, warn(Unpaired,
			"%d runs have no counterpart on the same server start and are left out: measure both levels on every start", dropped))
	}
	return f
}

func welchFactor(low, high []replicate, confidence float64) Factor {
	m, n := float64(len(low)), float64(len(high))
	meanLow, varLow := meanVariance(logsOf(low))
	meanHigh, varHigh := meanVariance(logsOf(high))
	vl, vh := varLow/m, varHigh/n
	df := m + n - 2 // the limit for no variance at all
	if vl+vh > 0 {
		df = (vl + vh) * (vl + vh) / (vl*vl/(m-1) + vh*vh/(n-1))
	}
	if min(m, n) < 2 {
		df = 0
	}
	f := newFactor(meanHigh-meanLow, math.Sqrt(vl+vh), df, confidence)
	f.NLow, f.NHigh = len(low), len(high)
	if min(m, n) < 2 {
		f.Warnings = append(f.Warnings, warn(TooFew,
			"need >= 2 runs at each level for an interval, have %d and %d", len(low), len(high)))
	}
	return f
}

// newFactor makes the interval of exp(log); without degrees of freedom there is
// none.
func newFactor(log, se, df, confidence float64) Factor {
	f := Factor{Value: math.Exp(log), Low: 0, High: math.Inf(1), Level: confidence, DF: df}
	if df > 0 {
		half := distuv.StudentsT{Sigma: 1, Nu: df}.Quantile((1+confidence)/2) * se
		f.Low, f.High = math.Exp(log-half), math.Exp(log+half)
	}
	return f
}

func logsOf(rs []replicate) []float64 {
	logs := make([]float64, len(rs))
	for i, r := range rs {
		logs[i] = r.log
	}
	return logs
}

// meanVariance returns the mean and the variance (n-1; 0 for one value).
func meanVariance(xs []float64) (mean, variance float64) {
	n := float64(len(xs))
	for _, x := range xs {
		mean += x / n
	}
	for _, x := range xs {
		variance += (x - mean) * (x - mean)
	}
	return mean, variance / math.Max(1, n-1)
}
