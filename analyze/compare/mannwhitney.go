package compare

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// RankTest is the result of a Mann-Whitney test of candidate against baseline.
// Its p-values are probabilities under the hypothesis that the two arms are
// exchangeable.
type RankTest struct {
	NBaseline, NCandidate int

	// U is the number of pairs in which the candidate's value is the larger, a
	// tie counting one half: from 0 to NBaseline*NCandidate.
	U float64

	TwoSided float64 // P(|U-mu| >= |u-mu|), mu the mean of U
	Less     float64 // P(U <= u): small if the candidate's values are smaller
	Greater  float64 // P(U >= u): small if they are larger

	Ties  bool // some values are equal
	Exact bool // all arrangements were counted; else the normal approximation
}

// exactWork is the number of additions, about a tenth of a second, up to which
// the null distribution is counted exactly: up to 68 values an arm without ties,
// 57 with them, or 8 against a thousand.
const exactWork = 1 << 26

// maxPairs bounds the pairs of values that are compared. Nobody starts two
// thousand servers; who passes that many values is passing requests or tokens.
const maxPairs = 4_000_000

// MannWhitney tests whether candidate tends to larger or smaller values than
// baseline (Wilcoxon 1945; Mann & Whitney 1947).
//
// The p-values are exact: they count all ways of choosing the candidate's ranks
// out of the pooled midranks. With ties that is the full conditional permutation
// distribution (Klotz 1966; R: exactRankTests::wilcox.exact, coin), which is not
// symmetric about its mean, so the two-sided p-value is the probability of a U
// at least as far from the mean, and not twice a tail. Doubling the tail of the
// smaller U on the untied side, as golang/perf and go-moremath do, gives p = 0
// for {2, 1, 3, 5} against {1, 1, 1, 1, 1}; the answer is 6/126.
//
// Beyond sizes at which counting is cheap it is the normal approximation with
// the corrections for ties and continuity (R: wilcox.test(exact = FALSE)), and
// Exact is false.
//
// Only the order of values matters, so +Inf is a legal value; NaN is not.
func MannWhitney(baseline, candidate []float64) (RankTest, error) {
	if err := checkArms(baseline, candidate); err != nil {
		return RankTest{}, err
	}
	m, n := len(baseline), len(candidate)
	scores, ties := doubledMidranks(baseline, candidate)
	test := RankTest{NBaseline: m, NCandidate: n, Ties: ties > 0}

	// The doubled U is the doubled rank sum less its least possible value.
	doubledU := -n * (n + 1)
	for _, s := range scores[m:] {
		doubledU += s
	}
	test.U = float64(doubledU) / 2

	if work(scores, min(m, n)) > exactWork {
		test.approximate(ties)
		return test, nil
	}
	test.count(scores, doubledU)
	return test, nil
}

// count sets the exact p-values. It counts subsets for the smaller arm, whose
// doubled U is 2mn less that of the larger.
func (t *RankTest) count(scores []int, doubledU int) {
	m, n := t.NBaseline, t.NCandidate
	k, u := n, doubledU
	if m < n {
		k, u = m, 2*m*n-doubledU
	}
	null := newNullDist(scores, k)
	least, mean := k*(k+1), m*n
	away := abs(u - mean)
	t.Exact = true
	t.TwoSided = null.probability(func(sum int) bool { return abs(sum-least-mean) >= away })
	t.Less = null.probability(func(sum int) bool { return sum-least <= u })
	t.Greater = null.probability(func(sum int) bool { return sum-least >= u })
	if m < n {
		t.Less, t.Greater = t.Greater, t.Less
	}
}

// approximate sets the p-values by the normal approximation, with the variance
// corrected for ties and half a unit of continuity towards the mean.
func (t *RankTest) approximate(ties float64) {
	m, n := float64(t.NBaseline), float64(t.NCandidate)
	total := m + n
	variance := m * n / 12 * (total + 1 - ties/(total*(total-1)))
	if variance == 0 {
		t.TwoSided, t.Less, t.Greater = 1, 1, 1
		return
	}
	sd, away := math.Sqrt(variance), t.U-m*n/2
	t.TwoSided = math.Min(1, 2*normalTail((math.Abs(away)-0.5)/sd))
	t.Less = normalTail(-(away + 0.5) / sd)
	t.Greater = normalTail((away - 0.5) / sd)
}

// normalTail is P(Z > z).
func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// doubledMidranks returns twice the rank of each value in the pooled sample,
// baseline first, equal values sharing the mean of their ranks; doubling makes
// that an integer. ties is the sum of t^3 - t over groups of t equal values.
func doubledMidranks(baseline, candidate []float64) (scores []int, ties float64) {
	pooled := slices.Concat(baseline, candidate)
	order := make([]int, len(pooled))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(pooled[i], pooled[j]) })

	scores = make([]int, len(pooled))
	for first := 0; first < len(order); {
		end := first + 1
		for end < len(order) && pooled[order[end]] == pooled[order[first]] {
			end++
		}
		// Ranks first+1 … end: twice their mean is first+1+end.
		for _, i := range order[first:end] {
			scores[i] = first + 1 + end
		}
		size := float64(end - first)
		ties += size*size*size - size
		first = end
	}
	return scores, ties
}

var errNoValues = errors.New("compare: no values: need >= 1 run of the baseline and of the candidate")

// checkArms refuses what no test or estimate of two arms is defined for.
func checkArms(baseline, candidate []float64) error {
	m, n := len(baseline), len(candidate)
	if m == 0 || n == 0 {
		return errNoValues
	}
	if m*n > maxPairs {
		return fmt.Errorf("compare: %d and %d values: pass one value per server start, not requests or tokens", m, n)
	}
	for i, v := range baseline {
		if math.IsNaN(v) {
			return fmt.Errorf("compare: baseline value %d is NaN: leave out what was not measured", i)
		}
	}
	for i, v := range candidate {
		if math.IsNaN(v) {
			return fmt.Errorf("compare: candidate value %d is NaN: leave out what was not measured", i)
		}
	}
	return nil
}

func abs(i int) int { return max(i, -i) }
