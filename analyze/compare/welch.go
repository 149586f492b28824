package compare

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/servestat/servestat/analyze/sample"
)

// MeanTest is the result of Welch's test of candidate - baseline.
type MeanTest struct {
	NBaseline, NCandidate int

	Value    float64 // difference of the means
	T, DF    float64
	TwoSided float64         // p-value
	CI       sample.Interval // two-sided
	Lower    Bound
	Upper    Bound
}

// errConstant says that Welch's t has no denominator.
var errConstant = errors.New("compare: the runs of each version do not vary, so a t test is undefined")

// Welch compares means without assuming equal variances (Welch 1947, with the
// Welch-Satterthwaite degrees of freedom; R: t.test). It needs at least two
// values an arm, and some variation in one of them.
func Welch(baseline, candidate []float64, conf float64) (MeanTest, error) {
	if err := checkArms(baseline, candidate); err != nil {
		return MeanTest{}, err
	}
	if err := checkConfidence(conf); err != nil {
		return MeanTest{}, err
	}
	m, n := len(baseline), len(candidate)
	if min(m, n) < 2 {
		return MeanTest{}, fmt.Errorf("compare: need >= 2 values an arm for a t test, have %d and %d", m, n)
	}
	for _, v := range slices.Concat(baseline, candidate) {
		if math.IsInf(v, 0) {
			return MeanTest{}, fmt.Errorf("compare: value %g has no place in a mean", v)
		}
	}
	diff, se, df, err := welchT(baseline, candidate)
	if err != nil {
		return MeanTest{}, err
	}
	t := distuv.StudentsT{Sigma: 1, Nu: df}
	half, one := t.Quantile((1+conf)/2)*se, t.Quantile(conf)*se
	return MeanTest{
		NBaseline: m, NCandidate: n,
		Value: diff, T: diff / se, DF: df,
		TwoSided: 2 * studentTail(math.Abs(diff/se), df),
		CI:       sample.Interval{Low: diff - half, High: diff + half, Level: conf},
		Lower:    Bound{Value: diff - one, Level: conf},
		Upper:    Bound{Value: diff + one, Level: conf},
	}, nil
}

// welchT returns the difference of means, its standard error and the degrees of
// freedom, for finite values, two an arm at least.
func welchT(baseline, candidate []float64) (diff, se, df float64, err error) {
	m, n := float64(len(baseline)), float64(len(candidate))
	meanB, squaresB := meanAndSquares(baseline)
	meanC, squaresC := meanAndSquares(candidate)
	vb, vc := squaresB/(m-1)/m, squaresC/(n-1)/n
	se = math.Sqrt(vb + vc)
	// R's criterion for "data are essentially constant".
	if se <= 10*epsilon*math.Max(math.Abs(meanB), math.Abs(meanC)) {
		return 0, 0, 0, errConstant
	}
	df = (vb + vc) * (vb + vc) / (vb*vb/(m-1) + vc*vc/(n-1))
	return meanC - meanB, se, df, nil
}

// meanAndSquares returns the mean and the sum of squares about it, in two passes
// over differences from the first value, so that digits that all values have in
// common cost none.
func meanAndSquares(xs []float64) (mean, squares float64) {
	var shift float64
	for _, x := range xs {
		shift += (x - xs[0]) / float64(len(xs))
	}
	for _, x := range xs {
		d := (x - xs[0]) - shift
		squares += d * d
	}
	return xs[0] + shift, squares
}

// epsilon is the spacing of float64 at 1.
const epsilon = 0x1p-52
