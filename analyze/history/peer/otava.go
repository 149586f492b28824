package peer

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// OtavaOptions are the parameters of compute_change_points. Otava's own defaults
// are window 50, p 0.001 and magnitude 0.
type OtavaOptions struct {
	Window       int     // runs in a window; windows overlap by half
	MaxP         float64 // of a change point that stays
	MinMagnitude float64 // relative change of a change point that stays

	// Array is what passing a numpy array for a list does: no window is cut, the
	// whole series is searched in its stead, and what is found is moved by the
	// window's start. Where that leaves the series, Otava raises ValueError.
	Array bool
}

// errOutside is Otava's ValueError for a change point with nothing after it.
var errOutside = errors.New("peer: otava: a candidate lies beyond the series: an array was passed where a list is needed")

// Otava finds change points as Apache Otava does (apache/otava at 1ceb153;
// Fleming et al. 2023, arXiv:2301.03034): e-divisive in overlapping windows with
// a t-test at ten times MaxP, then the weakest points are removed one by one.
//
// What is wrong with it is kept:
//   - The t-test follows the choice of the best split, which it does not know, so
//     MaxP is not the rate of false change points.
//   - Its standard deviations divide by n, which makes p smaller still.
//   - When a point is removed, the statistics of its left neighbour are not brought
//     up to date.
//   - Two equal runs on both sides give p = 0/0, which is taken for no change, and
//     two constant levels p = 0.
func Otava(series []float64, opts OtavaOptions) ([]int, error) {
	if opts.Window < 2 {
		return nil, fmt.Errorf("peer: otava: window of %d runs: at least 2", opts.Window)
	}
	weak, err := otavaSplit(series, opts, firstPassP(opts.MaxP))
	if err != nil {
		return nil, err
	}
	kept := otavaMerge(weak, series, opts)
	indices := make([]int, len(kept))
	for i, c := range kept {
		indices[i] = c.index
	}
	return indices, nil
}

// firstPassP is the threshold of the split step.
func firstPassP(p float64) float64 {
	switch {
	case p < 0.05:
		return p * 10
	case p < 0.5:
		return p * 2
	}
	return p
}

// An otavaPoint is a change point with the statistics of its two sides.
type otavaPoint struct {
	index       int
	p           float64
	left, right float64 // means
}

// magnitude is the larger relative change, forward or backward.
func (c otavaPoint) magnitude() float64 {
	return math.Max(math.Abs(relative(c.left, c.right)), math.Abs(relative(c.right, c.left)))
}

func relative(from, to float64) float64 {
	if from == 0 {
		return 0
	}
	return to/from - 1
}

// interval is [lo, hi).
type interval struct{ lo, hi int }

// intervals returns the segments between points, without empty ones.
func intervals(points []otavaPoint, n int) []interval {
	var ivs []interval
	lo := 0
	for i := 0; i <= len(points); i++ {
		hi := n
		if i < len(points) {
			hi = points[i].index
		}
		if lo != hi {
			ivs = append(ivs, interval{lo, hi})
		}
		lo = hi
	}
	return ivs
}

// otavaTest tests the point at index, either inside an interval or between two.
func otavaTest(index int, series []float64, ivs []interval) (otavaPoint, error) {
	for i, iv := range ivs {
		if iv.hi == index && i+1 < len(ivs) {
			return tTest(index, series[iv.lo:iv.hi], series[ivs[i+1].lo:ivs[i+1].hi]), nil
		}
		if iv.lo < index && index < iv.hi {
			return tTest(index, series[iv.lo:index], series[index:iv.hi]), nil
		}
	}
	return otavaPoint{}, errOutside
}

// tTest is Student's with a pooled variance, from standard deviations that divide
// by n.
func tTest(index int, left, right []float64) otavaPoint {
	ml, vl := populationMoments(left)
	mr, vr := populationMoments(right)
	c := otavaPoint{index: index, left: ml, right: mr, p: 1}
	nl, nr := float64(len(left)), float64(len(right))
	df := nl + nr - 2
	if df <= 0 {
		return c
	}
	pooled := ((nl-1)*vl + (nr-1)*vr) / df
	t := (ml - mr) / math.Sqrt(pooled*(1/nl+1/nr))
	c.p = math.NaN()
	switch {
	case math.IsInf(t, 0):
		c.p = 0
	case !math.IsNaN(t):
		c.p = mathext.RegIncBeta(df/2, 0.5, df/(df+t*t))
	}
	return c
}

func populationMoments(xs []float64) (mean, variance float64) {
	n := float64(len(xs))
	for _, v := range xs {
		mean += v
	}
	mean /= n
	for _, v := range xs {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / n
}

// otavaSplit collects the change points of all windows.
func otavaSplit(series []float64, opts OtavaOptions, maxP float64) ([]otavaPoint, error) {
	var indices []int
	for start := 0; start < len(series); {
		window, offset := series[start:min(start+opts.Window, len(series))], start
		if opts.Array {
			window = series
		}
		last := 0
		for _, i := range divide(window, maxP) {
			last = i + offset
			if !slices.Contains(indices, last) {
				indices = append(indices, last)
			}
		}
		start = max(last, start+opts.Window/2)
	}
	slices.Sort(indices)
	points := make([]otavaPoint, len(indices))
	for i, index := range indices {
		if index >= len(series) {
			return nil, errOutside
		}
		points[i].index = index
	}
	ivs := intervals(points, len(series))
	for i := range points {
		var err error
		if points[i], err = otavaTest(points[i].index, series, ivs); err != nil {
			return nil, err
		}
	}
	return points, nil
}

// divide is the e-divisive search of one window: split where Q is largest until
// the t-test finds the split not significant.
func divide(series []float64, maxP float64) []int {
	var points []otavaPoint
	for {
		ivs := intervals(points, len(series))
		best, bestQ := -1, math.Inf(-1)
		for _, iv := range ivs {
			if iv.hi-iv.lo > 1 {
				if at, q := candidate(series[iv.lo:iv.hi]); q > bestQ {
					best, bestQ = iv.lo+at, q
				}
			}
		}
		if best < 0 {
			break
		}
		c, err := otavaTest(best, series, ivs)
		if err != nil || !(c.p <= maxP) {
			break
		}
		points = append(points, c)
		slices.SortFunc(points, func(a, b otavaPoint) int { return cmp.Compare(a.index, b.index) })
	}
	indices := make([]int, len(points))
	for i, c := range points {
		indices[i] = c.index
	}
	return indices
}

// otavaMerge removes the weakest point until all are significant and large.
func otavaMerge(points []otavaPoint, series []float64, opts OtavaOptions) []otavaPoint {
	for len(points) > 0 {
		weakest := 0
		for i, c := range points {
			if c.p > points[weakest].p {
				weakest = i
			}
		}
		if points[weakest].p < opts.MaxP {
			weakest = 0
			for i, c := range points {
				if c.magnitude() < points[weakest].magnitude() {
					weakest = i
				}
			}
			if points[weakest].magnitude() > opts.MinMagnitude {
				return points
			}
		}
		points = slices.Delete(points, weakest, weakest+1)
		// The neighbours of what was removed are now weakest-1 and weakest. Otava
		// brings weakest and weakest+1 up to date, so the one on the left stays stale.
		ivs := intervals(points, len(series))
		for i := weakest; i <= weakest+1 && i < len(points); i++ {
			if c, err := otavaTest(points[i].index, series, ivs); err == nil {
				points[i] = c
			}
		}
	}
	return points
}

// candidate returns the split of a series where the divergence Q(τ, κ) of
// [0, τ) from [τ, κ) is largest over τ and κ, and that divergence (Matteson &
// James 2014, with exponent 1):
//
//	2/(m+n) Σ|x-y| - 2m/((m+n)(n-1)) Σ|x-x'| - 2n/((m+n)(m-1)) Σ|y-y'|
//
// for n values x before τ and m values y from τ up to κ. It is 0 where a side has
// one value and the other none to differ from.
func candidate(series []float64) (at int, q float64) {
	at, q = 1, math.Inf(-1)
	for tau := 1; tau < len(series); tau++ {
		for _, v := range divergences(series, tau) {
			if v > q {
				at, q = tau, v
			}
		}
	}
	return at, q
}

// divergences returns Q(τ, κ) for κ = τ+1 … the length of the series.
func divergences(series []float64, tau int) []float64 {
	left := pairDistances(series[:tau])
	qs := make([]float64, 0, len(series)-tau)
	var between, right float64
	for k := tau; k < len(series); k++ {
		for _, x := range series[:tau] {
			between += math.Abs(x - series[k])
		}
		for _, y := range series[tau:k] {
			right += math.Abs(y - series[k])
		}
		n, m := float64(tau), float64(k-tau+1)
		q := 2 / (m + n) * between
		if n > 1 {
			q -= 2 * m / (m + n) / (n - 1) * left
		}
		if m > 1 {
			q -= 2 * n / (m + n) / (m - 1) * right
		}
		qs = append(qs, q)
	}
	return qs
}

// pairDistances is the sum over all pairs.
func pairDistances(xs []float64) float64 {
	var sum float64
	for i, x := range xs {
		for _, y := range xs[:i] {
			sum += math.Abs(x - y)
		}
	}
	return sum
}
