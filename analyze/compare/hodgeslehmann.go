package compare

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/servestat/servestat/analyze/sample"
)

// Bound is one end of a one-sided confidence interval, at the level it has.
type Bound struct {
	Value float64
	Level float64
}

// Shift is an estimate of candidate - baseline.
type Shift struct {
	NBaseline, NCandidate int

	Value float64
	CI    sample.Interval // two-sided
	Lower Bound           // the shift is at least this
	Upper Bound           // the shift is at most this

	Exact bool // the levels are exact; else from a normal approximation
}

// HodgesLehmann estimates by how much candidate is shifted against baseline: the
// median of all differences candidate - baseline (Hodges & Lehmann 1963), with
// the interval of the shifts that the exact Mann-Whitney test would not reject
// (Moses; R: wilcox.test(conf.int = TRUE, exact = TRUE)).
//
// The interval's ends are two of the differences. So only certain levels exist;
// the one taken is the lowest that is at least conf, and Level says which it is.
// Where even the widest interval, from the smallest to the largest difference,
// falls short of conf, it is given with the level that it has: 90 % for 3
// values an arm. With ties the closed interval covers at least as often as Level
// says (Noether 1967).
func HodgesLehmann(baseline, candidate []float64, conf float64) (Shift, error) {
	if err := checkArms(baseline, candidate); err != nil {
		return Shift{}, err
	}
	if err := checkConfidence(conf); err != nil {
		return Shift{}, err
	}
	m, n := len(baseline), len(candidate)
	diffs := make([]float64, 0, m*n)
	for _, c := range candidate {
		for _, b := range baseline {
			diffs = append(diffs, c-b)
		}
	}
	slices.Sort(diffs)
	if math.IsNaN(diffs[0]) {
		return Shift{}, fmt.Errorf("compare: infinite values in both arms have no difference")
	}

	tails := newUTails(m, n)
	both, bothTail := tails.cut((1 - conf) / 2)
	one, oneTail := tails.cut(1 - conf)
	last := len(diffs) - 1
	return Shift{
		NBaseline: m, NCandidate: n,
		Value: sample.QuantileSorted(diffs, 0.5),
		CI:    sample.Interval{Low: diffs[both], High: diffs[last-both], Level: 1 - 2*bothTail},
		Lower: Bound{Value: diffs[one], Level: 1 - oneTail},
		Upper: Bound{Value: diffs[last-one], Level: 1 - oneTail},
		Exact: tails.counts != nil,
	}, nil
}

// uTails holds the lower tail of the untied null distribution of U.
type uTails struct {
	m, n   int
	counts []float64 // by U; nil beyond exactWork
	total  float64
}

func newUTails(m, n int) uTails {
	ranks := make([]int, m+n)
	for i := range ranks {
		ranks[i] = 2 * i
	}
	k := min(m, n)
	if work(ranks, k) > exactWork {
		return uTails{m: m, n: n}
	}
	null := newNullDist(ranks, k)
	least := k * (k - 1) / 2 // the sum of the k least of the ranks 0, 1, 2 …
	return uTails{m: m, n: n, counts: null.counts[least:], total: null.total}
}

// cut returns how many of the smallest (and of the largest) differences an
// interval may leave out if it may miss with probability tail on that side, and
// the probability with which it then does: the largest i with P(U <= i) <= tail.
// At least the smallest difference is an end, so where even P(U <= 0) exceeds
// tail, the probability returned does too.
func (t uTails) cut(tail float64) (left int, missed float64) {
	if t.counts == nil {
		return t.cutNormal(tail)
	}
	// Tails are ratios of integers, such as 1/20, that tail may mean to equal.
	tail *= 1 + 1e-12
	missed = t.counts[0] / t.total
	for u := 1; u < len(t.counts); u++ {
		next := missed + t.counts[u]/t.total
		if next > tail {
			return u - 1, missed
		}
		left, missed = u, next
	}
	return left, missed
}

// cutNormal is cut by the normal approximation with continuity correction.
func (t uTails) cutNormal(tail float64) (left int, missed float64) {
	m, n := float64(t.m), float64(t.n)
	mean, sd := m*n/2, math.Sqrt(m*n*(m+n+1)/12)
	z := distuv.UnitNormal.Quantile(1 - tail)
	u := math.Max(0, math.Floor(mean-z*sd-0.5))
	return int(u), normalTail((mean - u - 0.5) / sd)
}

func checkConfidence(conf float64) error {
	if !(conf > 0.5 && conf < 1) {
		return fmt.Errorf("compare: confidence %g is not between 0.5 and 1", conf)
	}
	return nil
}
