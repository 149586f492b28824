package history

import (
	"cmp"
	"math"
	"slices"
)

// centredRanks returns the mid-ranks of xs minus their mean, which is (n+1)/2.
func centredRanks(xs []float64) []float64 {
	order := make([]int, len(xs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(xs[i], xs[j]) })
	ranks := make([]float64, len(xs))
	mean := float64(len(xs)+1) / 2
	for lo := 0; lo < len(order); {
		hi := lo + 1
		for hi < len(order) && xs[order[hi]] == xs[order[lo]] {
			hi++
		}
		for _, i := range order[lo:hi] {
			ranks[i] = float64(lo+hi+1)/2 - mean
		}
		lo = hi
	}
	return ranks
}

// A scan looks for the split of a segment at which the rank sums differ most. It
// depends on the ranks' order only through the sums, so one scan serves the data
// and all its permutations.
type scan struct {
	least int       // runs on each side
	scale []float64 // by k: 1/sqrt(V k (n-k)/n)
}

func newScan(ranks []float64, least int) scan {
	n := float64(len(ranks))
	var squares float64
	for _, r := range ranks {
		squares += r * r
	}
	scale := make([]float64, len(ranks)+1)
	for k := 1; k < len(ranks); k++ {
		scale[k] = 1 / math.Sqrt(squares/(n-1)*float64(k)*(n-float64(k))/n)
	}
	return scan{least, scale}
}

// best returns the largest |z| over the splits that first allows, and where it
// is: the first of the right side, or 0 if there is no split.
func (s scan) best(ranks []float64, first []bool) (z float64, at int) {
	sum := 0.0
	last := len(ranks) - s.least
	for k, r := range ranks {
		if k > last {
			break
		}
		if k >= s.least && first[k] {
			// The tolerance makes the first of equal maxima win whatever the rounding.
			if v := math.Abs(sum) * s.scale[k]; v > z*(1+1e-12) {
				z, at = v, k
			}
		}
		sum += r
	}
	return z, at
}

// splitAt returns |z| of the split at k.
func (s scan) splitAt(ranks []float64, k int) float64 {
	sum := 0.0
	for _, r := range ranks[:k] {
		sum += r
	}
	return math.Abs(sum) * s.scale[k]
}
