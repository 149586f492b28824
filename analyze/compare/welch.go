package compare

import (
	"errors"
	"fmt"
	"math"

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
	b, err := sample.Summarize(baseline, conf)
	if err != nil {
		return MeanTest{}, err
	}
	c, err := sample.Summarize(candidate, conf)
	if err != nil {
		return MeanTest{}, err
	}

	vb, vc := b.SD*b.SD/float64(m), c.SD*c.SD/float64(n)
	se := math.Sqrt(vb + vc)
	// R's criterion for "data are essentially constant".
	if se <= 10*epsilon*math.Max(math.Abs(b.Mean), math.Abs(c.Mean)) {
		return MeanTest{}, errConstant
	}
	df := (vb + vc) * (vb + vc) / (vb*vb/float64(m-1) + vc*vc/float64(n-1))
	t := distuv.StudentsT{Sigma: 1, Nu: df}
	diff := c.Mean - b.Mean
	half, one := t.Quantile((1+conf)/2)*se, t.Quantile(conf)*se
	return MeanTest{
		NBaseline: m, NCandidate: n,
		Value: diff, T: diff / se, DF: df,
		TwoSided: 2 * t.CDF(-math.Abs(diff/se)),
		CI:       sample.Interval{Low: diff - half, High: diff + half, Level: conf},
		Lower:    Bound{Value: diff - one, Level: conf},
		Upper:    Bound{Value: diff + one, Level: conf},
	}, nil
}

// epsilon is the spacing of float64 at 1.
const epsilon = 0x1p-52
