package compare

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// measureShare sets the effect on a share, and the p-value if there are runs
// enough. The test is Mann-Whitney's, exact with all the ties that shares of
// zero are.
func (r *Result) measureShare(in input, opts Options) error {
	if in.Better != Lower && in.Better != Higher {
		return fmt.Errorf("%s: direction %q: say whether lower or higher is better", in.Metric, in.Better)
	}
	for _, v := range append(append([]float64{}, in.Baseline...), in.Candidate...) {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%s: share %g is not between 0 and 1", in.Metric, v)
		}
	}
	shift, err := HodgesLehmann(in.Baseline, in.Candidate, 1-opts.Alpha)
	if err != nil {
		return fmt.Errorf("%s: %w", in.Metric, err)
	}
	b, _ := meanAndSquares(in.Baseline)
	c, _ := meanAndSquares(in.Candidate)
	r.Share = &ShareEffect{Baseline: b, Candidate: c, Difference: c - b, Typical: shift, Detectable: math.NaN()}
	r.Ratio.Method = rankRatio(shift).Method
	if min(len(in.Baseline), len(in.Candidate)) < rankRuns {
		return nil
	}
	test, err := MannWhitney(in.Baseline, in.Candidate)
	r.P = test.TwoSided
	return err
}

// worse is a difference with positive values for worse.
func (b Better) worse(difference float64) float64 {
	if b == Higher {
		return -difference
	}
	return difference
}

// judgeShare is [Result.judge] for a share. A few runs in which everything fails
// move the mean and not the typical run, so both must be within the margin
// before a share is "not regressed", and the mean is what must have moved before
// it is regressed.
func (r *Result) judgeShare(deltaMin, alpha float64) {
	worse := r.Better.worse(r.Share.Difference)
	bound := r.Share.Typical.Upper.Value
	if r.Better == Higher {
		bound = -r.Share.Typical.Lower.Value
	}
	switch {
	case r.AdjustedP <= alpha && worse > deltaMin:
		r.Verdict = Regressed
	case r.AdjustedP <= alpha && worse < -deltaMin:
		r.Verdict = Improved
	case r.Share.Typical.Upper.Level >= 1-alpha-1e-12 && math.Max(bound, worse) < r.Margin:
		r.Verdict = NotRegressed
	default:
		r.Verdict = Inconclusive
	}
}

// upperRate is the one-sided Clopper-Pearson bound of a rate of which k of n
// were seen.
func upperRate(k, n int, level float64) Bound {
	if k >= n {
		return Bound{Value: 1, Level: level}
	}
	beta := distuv.Beta{Alpha: float64(k + 1), Beta: float64(n - k)}
	return Bound{Value: beta.Quantile(level), Level: level}
}
