package quality

import (
	"cmp"
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
	return wilson(float64(k)/float64(n), float64(n))
}

func wilson(p, n float64) (lo, hi float64) {
	centre := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
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

// Clustered returns the share of passed answers, several of which may be to the same
// item. Its interval is as wide as if all answers to an item were alike, which is
// the worst that they can be.
func Clustered(passed, answers, items int64) Share {
	s := NewShare(passed, answers)
	if items > 0 && items < answers {
		s.Lo, s.Hi = wilson(s.Value, float64(items))
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
	NotPaired           bool     // the items are not known, or not the same
	// Uniform says that no item passed, or every one, on both sides: a harness that
	// cannot tell, and no result.
	Uniform bool
}

// Paired compares two servers item by item: whether each passed, by its id.
func Paired(baseline, candidate map[string]bool) Difference {
	once := func(items map[string]bool) map[string][]bool {
		out := make(map[string][]bool, len(items))
		for id, passed := range items {
			out[id] = []bool{passed}
		}
		return out
	}
	return Repeated(once(baseline), once(candidate))
}

// Repeated is [Paired] for items that were asked several times: in trials, or on
// several starts. Of an item that one side asked more often, only as many answers
// count as the other has, the first ones, so that both had as many chances. An item
// is lost where it passed less often; the test is then the exact sign test, of which
// McNemar's is the case of one answer. Items are the unit: answers to the same item
// are not independent, and make no interval narrower.
func Repeated(baseline, candidate map[string][]bool) Difference {
	var d Difference
	var was, now []float64
	var answers, before, after int64
	for _, id := range slices.Sorted(maps.Keys(baseline)) {
		k := min(len(baseline[id]), len(candidate[id]))
		if k == 0 {
			d.OnlyOne++
			continue
		}
		b, c := passes(baseline[id][:k]), passes(candidate[id][:k])
		answers, before, after = answers+int64(k), before+b, after+c
		was, now = append(was, float64(b)/float64(k)), append(now, float64(c)/float64(k))
		switch {
		case c < b:
			d.Lost = append(d.Lost, id)
		case c > b:
			d.Won = append(d.Won, id)
		}
	}
	for id := range candidate {
		if len(baseline[id]) == 0 {
			d.OnlyOne++
		}
	}
	items := int64(len(was))
	d.Baseline, d.Candidate = Clustered(before, answers, items), Clustered(after, answers, items)
	d.conclude(correlation(was, now))
	d.Uniform = items > 0 && before == after && (before == 0 || before == answers)
	return d
}

// FailuresOnly is [Paired] for suites that list what failed, of a total that both
// sides answered: everything else passed.
func FailuresOnly(baseline, candidate []string, total int64) Difference {
	was, now := map[string]bool{}, map[string]bool{}
	for _, id := range baseline {
		was[id] = true
	}
	for _, id := range candidate {
		now[id] = true
	}
	var d Difference
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if !was[id] {
			d.Lost = append(d.Lost, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(was)) {
		if !now[id] {
			d.Won = append(d.Won, id)
		}
	}
	before, after := total-int64(len(was)), total-int64(len(now))
	d.Baseline, d.Candidate = NewShare(before, total), NewShare(after, total)
	d.conclude(phi(total, before, after, int64(len(d.Lost))))
	d.Uniform = total > 0 && len(d.Lost)+len(d.Won) == 0 && (before == 0 || before == total)
	return d
}

// Unpaired compares two shares of which the items are not known, or not the same. P
// is Fisher's, exact. It sees less than [Paired].
func Unpaired(baseline, candidate Share) Difference {
	d := Difference{Baseline: baseline, Candidate: candidate, NotPaired: true}
	d.P = fisher(baseline.Passed, baseline.Items-baseline.Passed, candidate.Passed, candidate.Items-candidate.Passed)
	d.Lo, d.Hi = newcombe(baseline, candidate, 0)
	d.Uniform = baseline.Items > 0 && candidate.Items > 0 && baseline.Value == candidate.Value && (baseline.Value == 0 || baseline.Value == 1)
	return d
}

// conclude fills in the test and the interval of paired items.
func (d *Difference) conclude(correlation float64) {
	d.P = McNemar(int64(len(d.Lost)), int64(len(d.Won)))
	d.Lo, d.Hi = newcombe(d.Baseline, d.Candidate, correlation)
}

func passes(answers []bool) (n int64) {
	for _, passed := range answers {
		if passed {
			n++
		}
	}
	return n
}

// correlation is Pearson's; 0 where one side does not vary.
func correlation(x, y []float64) float64 {
	n := float64(len(x))
	var sx, sy, xx, yy, xy float64
	for i := range x {
		sx, sy, xx, yy, xy = sx+x[i], sy+y[i], xx+x[i]*x[i], yy+y[i]*y[i], xy+x[i]*y[i]
	}
	vx, vy := n*xx-sx*sx, n*yy-sy*sy
	if vx <= 0 || vy <= 0 {
		return 0
	}
	return (n*xy - sx*sy) / math.Sqrt(vx*vy)
}

// fisher returns the exact two-sided p-value of a table of two by two: the tables
// with the same margins that are at most as likely (Fisher 1934).
func fisher(a, b, c, d int64) float64 {
	n, row, column := a+b+c+d, a+b, a+c
	if n == 0 {
		return 1
	}
	probability := func(k int64) float64 {
		return math.Exp(logChoose(row, k) + logChoose(n-row, column-k) - logChoose(n, column))
	}
	seen, total := probability(a), 0.0
	for k := max(0, column-(n-row)); k <= min(row, column); k++ {
		if p := probability(k); p <= seen*(1+1e-7) {
			total += p
		}
	}
	return min(1, total)
}

// Holm returns p-values that hold over all of them together (Holm 1979).
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	out, most := make([]float64, len(p)), 0.0
	for rank, i := range order {
		most = max(most, min(1, p[i]*float64(len(p)-rank)))
		out[i] = most
	}
	return out
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
