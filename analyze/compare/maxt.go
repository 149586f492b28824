package compare

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// A block is the runs of one comparison of two versions, as columns of
// measurements. Runs are exchanged whole: a permutation moves a run with all
// its columns, so how columns depend on each other is kept and need not be
// known.
type block struct {
	m, n    int         // runs of the baseline, which come first, and of the candidate
	columns [][]float64 // m+n values each; NaN: not measured
}

// A gate is the family of columns, over all blocks, that is tested together.
type gate struct {
	ranks bool // rank sums instead of means
	seed  uint64
}

// gated is what a gate found.
type gated struct {
	p            [][]float64 // adjusted, by block and column
	permutations int
	exact        bool    // all permutations were counted
	critical     float64 // what the largest statistic of the family exceeds with probability alpha
}

// Numbers of permutations. Up to the first all are counted: all ways of
// dividing 16 runs in halves are 12,870. Beyond, the second are drawn, and the
// p-value is (1+k)/(B+1), which is a p-value in its own right (Phipson & Smyth
// 2010) and never 0.
const (
	maxEnumerated     = 20_000
	drawnPermutations = 9_999
)

// test adjusts for testing all columns at once by the step-down max-T procedure
// of Westfall & Young (1993, algorithm 4.1): a column's adjusted p is the share
// of permutations in which the largest statistic, among this column and those
// less significant, is at least the column's own. The probability of any false
// rejection is at most alpha, whatever the dependence between columns. Several
// blocks are permuted independently of each other, as they have no run in
// common.
func (g gate) test(blocks []block, alpha float64) gated {
	var kernels []*kernel
	for _, b := range blocks {
		kernels = append(kernels, newKernel(b, g.ranks))
	}
	observed := make([]float64, 0, 64)
	for _, k := range kernels {
		observed = append(observed, k.statistics(k.identity())...)
	}
	order := descending(observed)
	// A permutation equal to the observed arrangement must count as such, also
	// where its sums were added in another order.
	for i := range observed {
		observed[i] *= 1 - 1e-9
	}

	counts := make([]int, len(observed))
	var highest []float64
	statistics := make([]float64, len(observed))
	tally := func() {
		most := math.Inf(-1)
		for _, i := range slices.Backward(order) {
			most = math.Max(most, statistics[i])
			if most >= observed[i] {
				counts[i]++
			}
		}
		highest = append(highest, most)
	}
	exact := permute(kernels, g.seed, statistics, tally)

	ps := stepDown(counts, order, len(highest), exact)
	slices.Sort(highest)
	found := gated{permutations: len(highest), exact: exact}
	if len(observed) > 0 {
		// Of the permutations at most alpha are above.
		above := int(alpha * float64(len(highest)))
		found.critical = math.Sqrt(highest[len(highest)-1-above])
	}
	for _, k := range kernels {
		found.p = append(found.p, ps[:k.columns])
		ps = ps[k.columns:]
	}
	return found
}

// stepDown turns counts into p-values, which must not fall along the order.
func stepDown(counts, order []int, permutations int, exact bool) []float64 {
	own := 1.0 // the observed arrangement, which is among those counted but not drawn
	if exact {
		own = 0
	}
	ps := make([]float64, len(counts))
	var most float64
	for _, i := range order {
		most = math.Max(most, (float64(counts[i])+own)/(float64(permutations)+own))
		ps[i] = most
	}
	return ps
}

// permute fills statistics, all kernels' one after another, for each
// permutation and calls tally. It reports whether it went through all there are.
func permute(kernels []*kernel, seed uint64, statistics []float64, tally func()) (exact bool) {
	if len(kernels) == 1 && arrangements(kernels[0].m+kernels[0].n, kernels[0].n) <= maxEnumerated {
		k := kernels[0]
		combinations(k.m+k.n, k.n, k.m == k.n, func(candidate []int) {
			copy(statistics, k.statistics(candidate))
			tally()
		})
		return true
	}
	rng := rand.New(rand.NewPCG(seed, drawnPermutations))
	for range drawnPermutations {
		at := 0
		for _, k := range kernels {
			at += copy(statistics[at:], k.statistics(k.shuffle(rng)))
		}
		tally()
	}
	return false
}

// arrangements is the number of ways of choosing k out of n, or +Inf if that is
// more than need be known.
func arrangements(n, k int) float64 {
	ways := 1.0
	for i := range min(k, n-k) {
		ways *= float64(n-i) / float64(i+1)
		if ways > 1e15 {
			return math.Inf(1)
		}
	}
	return math.Round(ways)
}

// combinations visits the k-subsets of 0 … n-1 in lexical order. If half, it
// leaves out the complements of those visited: for arms of equal size they have
// the same statistics.
func combinations(n, k int, half bool, visit func([]int)) {
	chosen := make([]int, k)
	for i := range chosen {
		chosen[i] = i
	}
	for {
		visit(chosen)
		i := k - 1
		for i >= 0 && chosen[i] == n-k+i {
			i--
		}
		// Lexical order visits the subsets with element 0 first; each
		// complement lacks it.
		if i < 0 || half && i == 0 {
			return
		}
		chosen[i]++
		for j := i + 1; j < k; j++ {
			chosen[j] = chosen[j-1] + 1
		}
	}
}

// descending returns the indices of xs, the largest first.
func descending(xs []float64) []int {
	order := make([]int, len(xs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(xs[j], xs[i]) })
	return order
}

// A kernel computes the squared statistics of all columns of a block for one
// way of dividing its runs.
type kernel struct {
	m, n, columns int
	ranks         bool

	balanced bool // Welch's t of arms of equal size, all runs complete

	values  [][]float64 // by run and column, about the column's mean; 0 where not measured
	squares [][]float64
	has     [][]float64 // 1 where measured; nil if everywhere

	total, totalSquares, count []float64 // by column, over all runs

	sum, sumSquares, taken, statistic []float64 // scratch, by column
	order                             []int     // scratch, by run
}

func newKernel(b block, ranks bool) *kernel {
	runs, columns := b.m+b.n, len(b.columns)
	k := &kernel{
		m: b.m, n: b.n, columns: columns, ranks: ranks,
		values: matrix(runs, columns), squares: matrix(runs, columns), has: matrix(runs, columns),
		total: make([]float64, columns), totalSquares: make([]float64, columns), count: make([]float64, columns),
		sum: make([]float64, columns), sumSquares: make([]float64, columns), taken: make([]float64, columns),
		statistic: make([]float64, columns),
		order:     make([]int, runs),
	}
	complete := true
	for j, column := range b.columns {
		complete = k.load(j, column) && complete
	}
	if complete {
		k.has = nil
	}
	k.balanced = complete && !ranks && b.m == b.n
	for i := range k.order {
		k.order[i] = i
	}
	return k
}

func matrix(rows, columns int) [][]float64 {
	all, m := make([]float64, rows*columns), make([][]float64, rows)
	for i := range m {
		m[i] = all[i*columns : (i+1)*columns]
	}
	return m
}

// load sets a column, as values or midranks about their mean, and reports
// whether all runs have it.
func (k *kernel) load(j int, column []float64) (complete bool) {
	var runs []int
	var measured []float64
	for i, v := range column {
		if !math.IsNaN(v) {
			runs, measured = append(runs, i), append(measured, v)
		}
	}
	if k.ranks && len(measured) > 0 {
		scores, _ := doubledMidranks(measured, nil)
		for i, s := range scores {
			measured[i] = float64(s)
		}
	}
	mean := 0.0
	for _, v := range measured {
		mean += (v - measured[0]) / float64(len(measured))
	}
	for i, run := range runs {
		v := (measured[i] - measured[0]) - mean
		k.values[run][j], k.squares[run][j], k.has[run][j] = v, v*v, 1
		k.total[j] += v
		k.totalSquares[j] += v * v
	}
	k.count[j] = float64(len(runs))
	return len(runs) == len(column)
}

// identity is the arrangement that was observed.
func (k *kernel) identity() []int {
	candidate := make([]int, k.n)
	for i := range candidate {
		candidate[i] = k.m + i
	}
	return candidate
}

// shuffle draws the candidate's runs.
func (k *kernel) shuffle(rng *rand.Rand) []int {
	for i := range k.n {
		j := i + rng.IntN(len(k.order)-i)
		k.order[i], k.order[j] = k.order[j], k.order[i]
	}
	return k.order[:k.n]
}

// statistics returns the squared statistics if these runs are the candidate's.
// The slice is valid until the next call.
func (k *kernel) statistics(candidate []int) []float64 {
	clear(k.sum)
	for _, run := range candidate {
		for j, v := range k.values[run] {
			k.sum[j] += v
		}
	}
	switch {
	case k.balanced:
		k.balancedStatistics()
		return k.statistic
	case k.has != nil:
		clear(k.taken)
		for _, run := range candidate {
			for j, one := range k.has[run] {
				k.taken[j] += one
			}
		}
	default:
		for j := range k.taken {
			k.taken[j] = float64(len(candidate))
		}
	}
	if k.ranks {
		for j := range k.statistic {
			k.statistic[j] = k.rankStatistic(j, k.taken[j])
		}
		return k.statistic
	}
	clear(k.sumSquares)
	for _, run := range candidate {
		for j, v := range k.squares[run] {
			k.sumSquares[j] += v
		}
	}
	for j := range k.statistic {
		k.statistic[j] = k.welchStatistic(j, k.taken[j])
	}
	return k.statistic
}

// balancedStatistics is welchStatistic for two arms of n complete runs, where
// the sum of squares within arms is what the difference of means leaves of the
// total: one sum tells all. It is what most comparisons are, and twice as fast.
func (k *kernel) balancedStatistics() {
	n := float64(k.n)
	for j, sum := range k.sum {
		d := (2*sum - k.total[j]) / n
		within := k.totalSquares[j] - k.total[j]*k.total[j]/(2*n) - n/2*d*d
		k.statistic[j] = ratioOfSquares(d*d, within/(n*(n-1)), k.totalSquares[j]/(2*n))
	}
}

// welchStatistic is the square of Welch's t. With a standard error for each arm
// the permutation test keeps its level also where the arms' spreads differ
// (Janssen 1997).
func (k *kernel) welchStatistic(j int, n float64) float64 {
	m := k.count[j] - n
	sumB, squaresB := k.total[j]-k.sum[j], k.totalSquares[j]-k.sumSquares[j]
	meanC, meanB := k.sum[j]/n, sumB/m
	varC := math.Max(0, k.sumSquares[j]-k.sum[j]*meanC) / (n - 1)
	varB := math.Max(0, squaresB-sumB*meanB) / (m - 1)
	d := meanC - meanB
	return ratioOfSquares(d*d, varC/n+varB/m, k.totalSquares[j]/k.count[j])
}

// ratioOfSquares is a squared difference over its squared standard error, for
// values whose mean square is scale. What rounding leaves of a variance of zero
// is no variance, and what it leaves of a difference is none.
func ratioOfSquares(difference, se, scale float64) float64 {
	switch {
	case difference <= 1e-18*scale:
		return 0
	case se <= 1e-14*scale:
		return math.Inf(1)
	}
	return difference / se
}

// rankStatistic is the square of the standardised rank sum. Its variance under
// permutation is that of drawing n of the midranks without replacement, so ties
// are accounted for.
func (k *kernel) rankStatistic(j int, n float64) float64 {
	all := k.count[j]
	variance := n * (all - n) / (all * (all - 1)) * k.totalSquares[j]
	if variance == 0 {
		return 0
	}
	return k.sum[j] * k.sum[j] / variance
}
