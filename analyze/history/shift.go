package history

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/servestat/servestat/analyze/sample"
)

// exactPairs bounds the pairs of values up to which the null distribution of U is
// counted; the normal approximation is good long before.
const exactPairs = 2500

// hodgesLehmann returns the median of all differences b - a, with the interval of
// shifts that the Mann-Whitney test does not reject (Hodges & Lehmann 1963). Its
// level is the one attained, which with few values is below the one asked for.
func hodgesLehmann(a, b []float64, conf float64) (float64, sample.Interval) {
	diffs := make([]float64, 0, len(a)*len(b))
	for _, u := range a {
		for _, v := range b {
			diffs = append(diffs, v-u)
		}
	}
	slices.Sort(diffs)
	drop, level := mannWhitneyCut(len(a), len(b), (1-conf)/2)
	return sample.QuantileSorted(diffs, 0.5), sample.Interval{
		Low: diffs[drop], High: diffs[len(diffs)-1-drop], Level: level,
	}
}

// mannWhitneyCut returns how many of the least and of the greatest differences an
// interval may leave out, and its confidence: the largest i with P(U <= i) <= tail.
func mannWhitneyCut(m, n int, tail float64) (drop int, level float64) {
	if m*n > exactPairs {
		mean, sd := float64(m*n)/2, math.Sqrt(float64(m*n*(m+n+1))/12)
		z := distuv.UnitNormal.Quantile(1 - tail)
		return int(math.Max(0, math.Floor(mean-z*sd-0.5))), 1 - 2*tail
	}
	counts := mannWhitneyCounts(m, n)
	var total, below float64
	for _, c := range counts {
		total += c
	}
	below = counts[0]
	for i := 1; i < len(counts) && below+counts[i] <= tail*total*(1+1e-12); i++ {
		drop, below = i, below+counts[i]
	}
	return drop, 1 - 2*below/total
}

// mannWhitneyCounts returns the number of arrangements with each U: the
// coefficients of the Gaussian binomial, the product of (1-q^(n+i))/(1-q^i) for
// i = 1 … m (Mann & Whitney 1947).
func mannWhitneyCounts(m, n int) []float64 {
	counts := make([]float64, m*n+1)
	counts[0] = 1
	for i := 1; i <= m; i++ {
		for u := len(counts) - 1; u >= n+i; u-- {
			counts[u] -= counts[u-n-i]
		}
		for u := i; u < len(counts); u++ {
			counts[u] += counts[u-i]
		}
	}
	return counts
}
