// Package quantile is the one piece of mathematics that both ends of the lake
// need: the quantile that runs are compared by. Ingest takes it of a run's times
// as they stream past, analysis of lists; both must mean the same.
package quantile

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// HarrellDavis returns the Harrell-Davis estimate of the p-quantile (Harrell &
// Davis 1982, Biometrika 69) of values in ascending order, of which upto[i] are at
// most values[i]: the mean of all order statistics, weighted by how probable each
// is to be the quantile,
//
//	w(i) = I(i/n) - I((i-1)/n),  I = Beta((n+1)p, (n+1)(1-p)) distribution.
//
// It is smoother than a quantile between two order statistics and therefore the one
// to compare between runs; R: Hmisc::hdquantile. For p of 0 and 1, where the weights
// degenerate, it is the minimum and the maximum. An infinite value makes it infinite
// wherever its weight is not negligible. It is NaN where there is no value, where
// the first is NaN, and where p is not in [0, 1].
func HarrellDavis(values []float64, upto []int64, p float64) float64 {
	k := len(values)
	switch {
	case k == 0 || !(p >= 0 && p <= 1) || math.IsNaN(values[0]):
		return math.NaN()
	case p == 0:
		return values[0]
	case p == 1:
		return values[k-1]
	}
	w := weigher{values: values, upto: upto, n: float64(upto[k-1])}
	w.a, w.b = (w.n+1)*p, (w.n+1)*(1-p)
	centre := 0
	for centre < k-1 && float64(upto[centre]) <= w.n*p {
		centre++
	}
	below, w1 := w.lower(centre)
	above, w2 := w.upper(centre)
	// The weights sum to one but for the error of the Beta function's constant
	// factor, 1e-9 at a million values, which they have in common.
	return (below + above) / (w1 + w2)
}

// negligible is the weight below which the rest of a tail is left out: a hundredth
// of a float64's resolution. A quantile of a million values then costs some thousand
// weights instead of a million.
const negligible = 1e-18

type weigher struct {
	values  []float64
	upto    []int64
	n, a, b float64
}

// before is how many values come before the i-th of the distinct ones.
func (w *weigher) before(i int) float64 {
	if i == 0 {
		return 0
	}
	return float64(w.upto[i-1])
}

// lower sums the weighted values, and the weights, from the centre downwards, with
// the weights as differences of the lower tail.
func (w *weigher) lower(centre int) (sum, weight float64) {
	upper := mathext.RegIncBeta(w.a, w.b, w.before(centre)/w.n)
	for i := centre - 1; i >= 0 && upper > negligible; i-- {
		lower := mathext.RegIncBeta(w.a, w.b, w.before(i)/w.n)
		if d := upper - lower; d > 0 {
			sum += d * w.values[i]
			weight += d
		}
		upper = lower
	}
	return sum, weight
}

// upper does the same from the centre upwards. The weights are differences of the
// upper tail, I(1-x; b, a), because near 1 the lower tail has no digits left to
// differ in.
func (w *weigher) upper(centre int) (sum, weight float64) {
	lower := mathext.RegIncBeta(w.b, w.a, (w.n-w.before(centre))/w.n)
	for i := centre; i < len(w.values) && lower > negligible; i++ {
		upper := mathext.RegIncBeta(w.b, w.a, (w.n-float64(w.upto[i]))/w.n)
		if d := lower - upper; d > 0 {
			sum += d * w.values[i]
			weight += d
		}
		lower = upper
	}
	return sum, weight
}
