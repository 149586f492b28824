package sample

import (
	"math"
	"slices"

	"github.com/servestat/servestat/schemas/quantile"
)

// Quantile returns the p-quantile of xs by linear interpolation between order
// statistics: type 7 of Hyndman & Fan (1996), the default of R's quantile and
// of numpy.percentile, which vLLM's benchmark calls. Results agree with
// numpy's to the last bit for finite values.
//
// xs need not be sorted and is left as it is. A quantile that falls on an
// order statistic is that value, and one between two equal values is that
// value, so +Inf (a failed request) is a legal value. The result is NaN if xs
// is empty or holds a NaN, or if p is not in [0, 1].
func Quantile(xs []float64, p float64) float64 {
	return QuantileSorted(slices.Sorted(slices.Values(xs)), p)
}

// QuantileSorted is [Quantile] for values that are already in ascending order,
// for callers that take several quantiles of one sample.
func QuantileSorted(sorted []float64, p float64) float64 {
	if !quantileDefined(sorted, p) {
		return math.NaN()
	}
	at := float64(len(sorted)-1) * p
	below := math.Floor(at)
	i := int(below)
	if i == len(sorted)-1 {
		return sorted[i]
	}
	return lerp(sorted[i], sorted[i+1], at-below)
}

// lerp goes the fraction t of the way from a to b exactly as numpy does it
// (numpy/lib/_function_base_impl.py, _lerp): from the nearer end, so that the
// result never passes b. The conversions keep the compiler from fusing a
// multiply with an add on machines that can, which would change the last bit.
func lerp(a, b, t float64) float64 {
	switch {
	case t == 0 || a == b:
		return a
	case t >= 0.5:
		return b - float64((b-a)*(1-t))
	}
	return a + float64((b-a)*t)
}

// HarrellDavis returns the Harrell-Davis estimate of the p-quantile, as
// [quantile.HarrellDavis] defines it: smoother than [Quantile], and therefore the
// one to compare between runs. NaN as in [Quantile].
func HarrellDavis(xs []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(xs))
	upto := make([]int64, len(sorted))
	for i := range upto {
		upto[i] = int64(i + 1)
	}
	return quantile.HarrellDavis(sorted, upto, p)
}

// quantileDefined reports whether sorted has a p-quantile. Sorting puts a NaN
// first.
func quantileDefined(sorted []float64, p float64) bool {
	return len(sorted) > 0 && p >= 0 && p <= 1 && !math.IsNaN(sorted[0])
}

// MinNForQuantile returns the smallest number of independent values with which
// order statistics can bracket the p-quantile at confidence conf, with at most
// (1-conf)/2 of error on each side: the smallest n with
//
//	max(p, 1-p)^n <= (1-conf)/2
//
// (David & Nagaraja 2003, Order Statistics, section 7.1). At 95 % that is 6 for
// the median, 72 for p95, 368 for p99 and 3688 for p99.9. Where no number
// suffices (p or conf outside the open interval from 0 to 1) it is
// [math.MaxInt].
func MinNForQuantile(p, conf float64) int {
	if !(p > 0 && p < 1 && conf > 0 && conf < 1) {
		return math.MaxInt
	}
	side, tail := max(p, 1-p), (1-conf)/2
	n := int(math.Ceil(math.Log(tail) / math.Log(side)))
	// The quotient of two logarithms may be off by one ulp around an integer.
	if n > 1 && math.Pow(side, float64(n-1)) <= tail {
		return n - 1
	}
	return n
}
