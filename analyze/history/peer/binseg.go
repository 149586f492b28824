package peer

import (
	"math"
	"slices"
)

// binSegMost is the most change points of R's default, Q = 5.
const binSegMost = 5

// BinSeg finds changes of the mean by binary segmentation with the MBIC penalty
// (Zhang & Siegmund 2007), as R's changepoint does by default and TCPDBench ran
// it: on values made to mean 0 and standard deviation 1, each split takes the
// largest decrease of the cost
//
//	Σ (x - mean)² + ln(length) over segments,
//
// up to five, and the last that still decreases it by 3 ln n is the last that
// counts.
func BinSeg(series []float64) []int {
	values := standardised(series)
	n := len(values)
	sums, squares := make([]float64, n+1), make([]float64, n+1)
	for i, v := range values {
		sums[i+1], squares[i+1] = sums[i]+v, squares[i]+v*v
	}
	cost := func(lo, hi int) float64 {
		s, length := sums[hi]-sums[lo], float64(hi-lo)
		return squares[hi] - squares[lo] - s*s/length + math.Log(length)
	}
	penalty := 3 * math.Log(float64(n))
	var found []int
	keep := 0
	gainBefore := math.Inf(1)
	for len(found) < min(binSegMost, n-1) {
		at, gain := largestGain(found, n, cost)
		// A split may gain more than the one that made it possible; R counts no more.
		gainBefore = math.Min(gainBefore, gain)
		found = append(found, at)
		if gainBefore >= penalty {
			keep = len(found)
		}
	}
	found = found[:keep]
	slices.Sort(found)
	return found
}

// largestGain returns the split that decreases the cost most.
func largestGain(found []int, n int, cost func(lo, hi int) float64) (at int, gain float64) {
	bounds := append([]int{0, n}, found...)
	slices.Sort(bounds)
	gain = math.Inf(-1)
	for i := 1; i < len(bounds); i++ {
		lo, hi := bounds[i-1], bounds[i]
		for k := lo + 1; k < hi; k++ {
			if g := cost(lo, hi) - cost(lo, k) - cost(k, hi); g > gain {
				at, gain = k, g
			}
		}
	}
	return at, gain
}

// standardised returns values with mean 0 and standard deviation 1.
func standardised(series []float64) []float64 {
	mean, variance := populationMoments(series)
	n := float64(len(series))
	sd := math.Sqrt(variance * n / (n - 1))
	values := make([]float64, len(series))
	for i, v := range series {
		values[i] = (v - mean) / sd
	}
	return values
}
