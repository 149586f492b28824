package peers

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/servestat/servestat/analyze/sample"
)

// Otava looks for change points in the series of all runs by E-divisive and
// keeps those whose two neighbouring segments differ by a t test with p <=
// 0.001. Within the last 50 runs one window covers them all. It alerts about a
// change point that lies where the candidate begins or later.
//
// The t test divides by n, not n-1, as theirs does, which costs at short
// segments: p is too small.
func Otava(e Evidence) bool {
	series := append(e.past(), e.Candidate...)
	series = series[max(0, len(series)-50):]
	begin := len(series) - len(e.Candidate)
	for _, c := range otavaPoints(series, 0.001) {
		before, after := meanOf(series[c.left:c.at]), meanOf(series[c.at:c.right])
		if c.at >= begin && worseBy(e, after-before) > 0 {
			return true
		}
	}
	return false
}

// split is a change point between two segments.
type split struct{ left, at, right int }

// otavaPoints splits recursively where the energy statistic is largest, while
// the split is significant, and then removes what is not in the end.
func otavaPoints(series []float64, maxP float64) []split {
	var points []int
	var divide func(left, right int)
	divide = func(left, right int) {
		at := largestEnergy(series[left:right])
		if at == 0 || tTestP(series[left:left+at], series[left+at:right]) > maxP {
			return
		}
		points = append(points, left+at)
		divide(left, left+at)
		divide(left+at, right)
	}
	divide(0, len(series))
	slices.Sort(points)
	for {
		splits := neighbours(points, len(series))
		weakest, p := -1, maxP
		for i, s := range splits {
			if q := tTestP(series[s.left:s.at], series[s.at:s.right]); q > p {
				weakest, p = i, q
			}
		}
		if weakest < 0 {
			return splits
		}
		points = slices.Delete(points, weakest, weakest+1)
	}
}

func neighbours(points []int, n int) []split {
	var splits []split
	for i, at := range points {
		s := split{0, at, n}
		if i > 0 {
			s.left = points[i-1]
		}
		if i+1 < len(points) {
			s.right = points[i+1]
		}
		splits = append(splits, s)
	}
	return splits
}

// largestEnergy returns the split of xs with the largest
//
//	Q = mn/(m+n) (2 E|X-Y| - E|X-X'| - E|Y-Y'|)
//
// (Matteson & James 2014), or 0 where there is none.
func largestEnergy(xs []float64) (at int) {
	n := len(xs)
	var left, cross, right float64 // sums over pairs
	for i := range xs {
		for j := range i {
			right += math.Abs(xs[i] - xs[j])
		}
	}
	best := 0.0
	for m := 1; m < n; m++ {
		// Value m-1 changes sides.
		x := xs[m-1]
		var toLeft, toRight float64
		for _, y := range xs[:m-1] {
			toLeft += math.Abs(x - y)
		}
		for _, y := range xs[m:] {
			toRight += math.Abs(x - y)
		}
		left, right, cross = left+toLeft, right-toRight, cross-toLeft+toRight
		if m < 2 || n-m < 2 {
			continue
		}
		fm, fn := float64(m), float64(n-m)
		q := fm * fn / (fm + fn) * (2*cross/(fm*fn) - 2*left/(fm*(fm-1)) - 2*right/(fn*(fn-1)))
		if q > best {
			best, at = q, m
		}
	}
	return at
}

// tTestP is Student's t test with the standard deviations of ddof = 0.
func tTestP(a, b []float64) float64 {
	m, n := float64(len(a)), float64(len(b))
	if m+n <= 2 {
		return 1
	}
	meanA, meanB := meanOf(a), meanOf(b)
	var squares float64
	for _, x := range a {
		squares += (x - meanA) * (x - meanA) / m
	}
	va := squares
	squares = 0
	for _, x := range b {
		squares += (x - meanB) * (x - meanB) / n
	}
	pooled := (va*(m-1) + squares*(n-1)) / (m + n - 2)
	se := math.Sqrt(pooled * (1/m + 1/n))
	if se == 0 {
		return 1
	}
	return 2 * distuv.StudentsT{Sigma: 1, Nu: m + n - 2}.CDF(-math.Abs(meanA-meanB)/se)
}

func meanOf(xs []float64) (mean float64) {
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	return mean
}

// ASV fits a step function in the least absolute deviations, with the number of
// steps by an information criterion, and reports a step of 5 % or more that at
// least two runs bear out.
func ASV(e Evidence) bool {
	series := append(e.past(), e.Candidate...)
	steps := potts(series)
	if len(steps) < 2 {
		return false
	}
	last, before := steps[len(steps)-1], steps[len(steps)-2]
	return len(series)-last.begin >= 2 && last.begin >= len(series)-len(e.Candidate) && e.worse(before.median, last.median) >= 1.05
}

// step is one constant piece.
type step struct {
	begin  int
	median float64
}

// mostSteps bounds the pieces that are tried.
const mostSteps = 6

// potts returns the piecewise constant fit that minimises
//
//	4 ln(n)/n * pieces + ln(mean absolute deviation)
//
// over the fits with the least sum of absolute deviations for each number of
// pieces (asv's criterion, without its allowance for correlated noise).
func potts(xs []float64) []step {
	n := len(xs)
	cost := deviations(xs)
	// total[k][j]: the least sum over xs[:j] in k+1 pieces, the last of which
	// begins at from[k][j].
	total, from := make([][]float64, mostSteps), make([][]int, mostSteps)
	best, bestAt := math.Inf(1), 0
	for k := range total {
		total[k], from[k] = make([]float64, n+1), make([]int, n+1)
		for j := 1; j <= n; j++ {
			if k == 0 {
				total[k][j] = cost[0][j]
				continue
			}
			total[k][j] = math.Inf(1)
			for i := k; i < j; i++ {
				if c := total[k-1][i] + cost[i][j]; c < total[k][j] {
					total[k][j], from[k][j] = c, i
				}
			}
		}
		if c := 4*math.Log(float64(n))/float64(n)*float64(k+1) + math.Log(total[k][n]/float64(n)); c < best {
			best, bestAt = c, k
		}
	}
	var steps []step
	for end, k := n, bestAt; k >= 0; k-- {
		begin := from[k][end]
		steps = append(steps, step{begin, sample.Quantile(xs[begin:end], 0.5)})
		end = begin
	}
	slices.Reverse(steps)
	return steps
}

// deviations returns the sum of absolute deviations from the median of every
// piece xs[i:j].
func deviations(xs []float64) [][]float64 {
	n := len(xs)
	cost := make([][]float64, n)
	for i := range xs {
		cost[i] = make([]float64, n+1)
		var sorted []float64
		for j := i + 1; j <= n; j++ {
			at, _ := slices.BinarySearch(sorted, xs[j-1])
			sorted = slices.Insert(sorted, at, xs[j-1])
			// The upper half less the lower half.
			for k := range len(sorted) / 2 {
				cost[i][j] += sorted[len(sorted)-1-k] - sorted[k]
			}
		}
	}
	return cost
}
