package quality

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// z is the normal quantile of a 95 % interval.
const z = 1.959963984540054

// Wilson returns the 95 % score interval of k successes of n (Wilson 1927). It
// stays inside 0 and 1, and is right where k is 0 or n, which the normal interval
// is not. Of no trials it is 0 to 1.
func Wilson(k, n int64) (lo, hi float64) {
	if n <= 0 {
		return 0, 1
	}
	nf := float64(n)
	p := float64(k) / nf
	centre := (p + z*z/(2*nf)) / (1 + z*z/nf)
	half := z / (1 + z*z/nf) * math.Sqrt(p*(1-p)/nf+z*z/(4*nf*nf))
	return max(centre-half, 0), min(centre+half, 1)
}

// McNemar returns the exact two-sided p-value of b items lost and c won among those
// that differ (McNemar 1947, with the binomial in place of its approximation). Of
// none it is 1.
func McNemar(b, c int64) float64 {
	n, k := b+c, min(b, c)
	if n == 0 {
		return 1
	}
	// Twice the lower tail of a binomial of one half, in logarithms: n may be large.
	total := 0.0
	for i := range k + 1 {
		total += math.Exp(logChoose(n, i) - float64(n)*math.Ln2)
	}
	return min(1, 2*total)
}

func logChoose(n, k int64) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// A Share is how many of some items passed.
type Share struct {
	Passed, Items int64
	Value         float64
	Lo, Hi        float64 // 95 %, Wilson
}

// NewShare returns the share of passed items.
func NewShare(passed, items int64) Share {
	s := Share{Passed: passed, Items: items}
	s.Lo, s.Hi = Wilson(passed, items)
	if items > 0 {
		s.Value = float64(passed) / float64(items)
	}
	return s
}

// String is 87.2 % [85.7, 88.6] (1856 of 2128).
func (s Share) String() string {
	return fmt.Sprintf("%.1f %% [%.1f, %.1f] (%d of %d)", 100*s.Value, 100*s.Lo, 100*s.Hi, s.Passed, s.Items)
}

// A Difference is how two servers did on the same items.
type Difference struct {
	Baseline, Candidate Share    // over the items that both answered
	Lost, Won           []string // items that flipped, in order
	P                   float64  // McNemar's, exact
	Lo, Hi              float64  // of Candidate - Baseline, 95 %
	OnlyOne             int      // items that only one of the two has: left out
	// Uniform says that no item passed, or every one, on both sides: a harness that
	// cannot tell, and no result.
	Uniform bool
}

// Paired compares two servers item by item: whether each passed, by its id.
func Paired(baseline, candidate map[string]bool) Difference {
	var d Difference
	var n, before, after int64
	for _, id := range slices.Sorted(maps.Keys(baseline)) {
		now, ok := candidate[id]
		if !ok {
			d.OnlyOne++
			continue
		}
		n++
		was := baseline[id]
		if was {
			before++
		}
		if now {
			after++
		}
		switch {
		case was && !now:
			d.Lost = append(d.Lost, id)
		case !was && now:
			d.Won = append(d.Won, id)
		}
	}
	for id := range candidate {
		if _, ok := baseline[id]; !ok {
			d.OnlyOne++
		}
	}
	d.Baseline, d.Candidate = NewShare(before, n), NewShare(after, n)
	d.P = McNemar(int64(len(d.Lost)), int64(len(d.Won)))
	d.Lo, d.Hi = newcombe(d.Baseline, d.Candidate, phi(n, before, after, int64(len(d.Lost))))
	d.Uniform = n > 0 && len(d.Lost)+len(d.Won) == 0 && (before == 0 || before == n)
	return d
}

// phi is the correlation of two paired shares.
func phi(n, before, after, lost int64) float64 {
	a := float64(before - lost) // passed both
	b, c := float64(lost), float64(after)-a
	d := float64(n) - a - b - c
	denominator := math.Sqrt((a + b) * (c + d) * (a + c) * (b + d))
	if denominator == 0 {
		return 0
	}
	return (a*d - b*c) / denominator
}

// newcombe is the interval of a paired difference of shares (Newcombe 1998, method
// 10 without continuity correction): the two score intervals, squared and added with
// their correlation.
func newcombe(before, after Share, phi float64) (lo, hi float64) {
	d := after.Value - before.Value
	lower := square(after.Value-after.Lo) - 2*phi*(after.Value-after.Lo)*(before.Hi-before.Value) + square(before.Hi-before.Value)
	upper := square(after.Hi-after.Value) - 2*phi*(after.Hi-after.Value)*(before.Value-before.Lo) + square(before.Value-before.Lo)
	return d - math.Sqrt(max(lower, 0)), d + math.Sqrt(max(upper, 0))
}

func square(v float64) float64 { return v * v }
