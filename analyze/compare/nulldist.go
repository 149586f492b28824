package compare

import (
	"math"
	"slices"
)

// nullDist is the distribution of the sum of the scores of a random k-subset of
// all scores: what a rank sum does when the arms are exchangeable. Counting
// subsets by dynamic programming takes all ties into account as they are, so
// the same code serves tied and untied data.
type nullDist struct {
	first  int       // the score sum that counts[0] is for
	step   int       // from one entry of counts to the next
	counts []float64 // subsets with that sum; exact up to 2^53, to 1e-13 beyond
	total  float64   // all subsets
}

// newNullDist counts the k-subsets of scores by their sum.
func newNullDist(scores []int, k int) nullDist {
	least := slices.Min(scores)
	step := commonStep(scores, least)
	steps := make([]int, len(scores))
	for i, s := range scores {
		steps[i] = (s - least) / step
	}
	counts := countSubsets(steps, k)
	var total float64
	for _, c := range counts {
		total += c
	}
	return nullDist{first: k * least, step: step, counts: counts, total: total}
}

// commonStep returns 2 if all scores differ from least by even numbers, as the
// doubled ranks of untied values do, and else 1.
func commonStep(scores []int, least int) int {
	for _, s := range scores {
		if (s-least)%2 != 0 {
			return 1
		}
	}
	return 2
}

// countSubsets returns how many k-subsets of the non-negative scores have each
// sum. by[j][s] counts the j-subsets, of the scores so far, that sum to s.
func countSubsets(scores []int, k int) []float64 {
	largest := largestSum(scores, k)
	by := make([][]float64, k+1)
	for j := range by {
		by[j] = make([]float64, largest+1)
	}
	by[0][0] = 1
	reach := make([]int, k+1) // the largest sum in by[j] so far
	for i, score := range scores {
		for j := min(i+1, k); j >= 1; j-- {
			from, to := by[j-1], by[j]
			for s := min(reach[j-1], largest-score); s >= 0; s-- {
				to[s+score] += from[s]
			}
			reach[j] = min(largest, max(reach[j], reach[j-1]+score))
		}
	}
	return by[k]
}

// largestSum is the sum of the k largest scores.
func largestSum(scores []int, k int) int {
	sorted := slices.Sorted(slices.Values(scores))
	var sum int
	for _, s := range sorted[len(sorted)-k:] {
		sum += s
	}
	return sum
}

// work is the number of additions that newNullDist makes, at most.
func work(scores []int, k int) float64 {
	least := slices.Min(scores)
	sums := largestSum(scores, k) - k*least
	return float64(len(scores)) * float64(k) * float64(sums/commonStep(scores, least))
}

// probability sums the probabilities of the score sums that keep accepts.
func (d nullDist) probability(keep func(sum int) bool) float64 {
	var count float64
	for i, c := range d.counts {
		if c > 0 && keep(d.first+i*d.step) {
			count += c
		}
	}
	return math.Min(1, count/d.total)
}
