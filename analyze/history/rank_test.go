package history

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/servestat/servestat/schemas/schematest"
)

func TestCentredRanksShareTies(t *testing.T) {
	if got, want := centredRanks([]float64{3, 1, 3, 9}), []float64{0, -1.5, 0, 1.5}; !slices.Equal(got, want) {
		t.Errorf("ranks %v, want %v", got, want)
	}
}

// The statistic is the rank sum in units of its standard deviation over all
// permutations, which are few enough here to go through.
func TestScanIsStandardised(t *testing.T) {
	ranks := centredRanks([]float64{4, 4, 7, 1, 2, 9, 5})
	sc := newScan(ranks, 3)
	for k := 3; k <= 4; k++ {
		var squares, count float64
		permutations(slices.Clone(ranks), 0, func(p []float64) {
			z := sc.splitAt(p, k)
			squares, count = squares+z*z, count+1
		})
		if math.Abs(squares/count-1) > 1e-12 {
			t.Errorf("split %d: variance %v over %v permutations, want 1", k, squares/count, count)
		}
	}
}

func permutations(xs []float64, from int, visit func([]float64)) {
	if from == len(xs) {
		visit(xs)
		return
	}
	for i := from; i < len(xs); i++ {
		xs[from], xs[i] = xs[i], xs[from]
		permutations(xs, from+1, visit)
		xs[from], xs[i] = xs[i], xs[from]
	}
}

func TestScanKeepsToBlocksAndLeastRuns(t *testing.T) {
	ranks := centredRanks([]float64{1, 2, 3, 4, 5, 6, 7, 8})
	all := slices.Repeat([]bool{true}, 8)
	if _, at := newScan(ranks, 3).best(ranks, all); at != 4 {
		t.Errorf("split at %d, want the middle, 4", at)
	}
	blocks := slices.Clone(all)
	blocks[4] = false
	if _, at := newScan(ranks, 3).best(ranks, blocks); at != 3 {
		t.Errorf("split at %d, want 3, the first of the next best", at)
	}
	spike := centredRanks([]float64{0, 0, 0, 0, 0, 0, 0, 9})
	if _, at := newScan(spike, 3).best(spike, all); at != 5 {
		t.Errorf("split at %d, want 5: three runs to a side", at)
	}
}

// Early stopping must not change what is significant, and p is never 0.
func TestTailCountsAsItShould(t *testing.T) {
	draws := func(values ...float64) func() float64 {
		i := -1
		return func() float64 { i++; return values[i%len(values)] }
	}
	if got := (tail{999, 10}).p(5, draws(1)); got != 0.001 {
		t.Errorf("no hits: p = %v, want 1/1000: ours is never 0", got)
	}
	if got := (tail{9, 10}).p(5, draws(1, 5, 9)); got != 0.7 {
		t.Errorf("6 hits of 9: p = %v, want 0.7", got)
	}
	if got := (tail{999, 10}).p(5, draws(5)); got != 1 {
		t.Errorf("only hits: p = %v, want 1 after ten draws", got)
	}
	// The tenth hit comes with the very last draw: 10/999 is not below 0.01, as
	// 11/1000 is not; nine hits would give 10/1000.
	i := 0
	if got := (tail{999, 10}).p(5, func() float64 {
		i++
		if i <= 9 || i == 999 {
			return 6
		}
		return 0
	}); got <= 0.01 {
		t.Errorf("ten hits of 999: p = %v, want above 0.01", got)
	}
}

// A unit keeps its runs and their order; all units are kept; where blocks begin
// moves with them.
func TestShufflerMovesWholeBlocks(t *testing.T) {
	ranks := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	first := make([]bool, len(ranks))
	for i := range first {
		first[i] = i%2 == 0
	}
	seen := make(map[string]bool)
	for _, group := range []int{1, 2, 3} {
		sh := newShuffler(rand.New(rand.NewPCG(1, uint64(group))), ranks, first, group)
		for range 200 {
			got, starts := sh.next()
			sorted := slices.Sorted(slices.Values(got))
			if !slices.Equal(sorted, ranks) {
				t.Fatalf("group %d: %v has not the same values", group, got)
			}
			for i := 0; i < len(got); i += 2 {
				if !starts[i] || starts[i+1] || got[i+1] != got[i]+1 || math.Mod(got[i], 2) != 0 {
					t.Fatalf("group %d: %v tears a block", group, got)
				}
			}
			seen[fmt.Sprint(group, got)] = true
		}
	}
	if len(seen) < 100 {
		t.Errorf("only %d different permutations of 600", len(seen))
	}
}

// The least number of runs for a significant change, against all arrangements.
func TestLeastUnitsAgainstEnumeration(t *testing.T) {
	for _, c := range []struct {
		alpha float64
		want  int
	}{{0.01, 10}, {0.05, 8}, {0.2, 6}} {
		if got := leastUnits(c.alpha); got != c.want {
			t.Errorf("alpha %v: %d units, want %d", c.alpha, got, c.want)
		}
	}
	for _, n := range []int{7, 8} {
		ranks := centredRanks(slices.Collect(func(yield func(float64) bool) {
			for i := range n {
				if !yield(float64(i)) {
					return
				}
			}
		}))
		sc, first := newScan(ranks, 3), slices.Repeat([]bool{true}, n)
		top, _ := sc.best(ranks, first)
		hits, count := 0.0, 0.0
		permutations(slices.Clone(ranks), 0, func(p []float64) {
			if z, _ := sc.best(p, first); z >= top*(1-tieTolerance) {
				hits++
			}
			count++
		})
		ways := map[int]float64{7: 3.5 / 35, 8: 2.0 / 70}[n]
		if math.Abs(hits/count-ways) > 1e-12 {
			t.Errorf("n = %d: least p %v, want %v", n, hits/count, ways)
		}
	}
}

// p.adjust of R, on the p-values of Benjamini & Hochberg 1995.
func TestBenjaminiHochbergIsR(t *testing.T) {
	var golden struct{ PAdjust struct{ P, BH []float64 } }
	schematest.Known(t, "r_golden.json", &golden)
	if len(golden.PAdjust.P) == 0 {
		t.Fatal("no p-values")
	}
	for i, got := range benjaminiHochberg(golden.PAdjust.P) {
		if math.Abs(got-golden.PAdjust.BH[i]) > 1e-12 {
			t.Errorf("p %v: %v, want %v", golden.PAdjust.P[i], got, golden.PAdjust.BH[i])
		}
	}
	if got := benjaminiHochberg([]float64{math.NaN(), 0.01}); !math.IsNaN(got[0]) || got[1] != 0.01 {
		t.Errorf("a test that was not made counts: %v", got)
	}
}

// The distribution of U over all subsets of small samples, and the ends that the
// printed tables of Mann & Whitney (1947) give.
func TestMannWhitneyCounts(t *testing.T) {
	if got, want := mannWhitneyCounts(2, 3), []float64{1, 1, 2, 2, 2, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("2 and 3: %v, want %v", got, want)
	}
	var total float64
	for _, c := range mannWhitneyCounts(8, 8) {
		total += c
	}
	if total != 12870 {
		t.Errorf("8 and 8: %v arrangements, want C(16, 8) = 12870", total)
	}
	// wilcox.test's 95 % interval of 5 and 5 leaves out two differences a side: P(U
	// <= 2) = 4/252.
	if drop, level := mannWhitneyCut(5, 5, 0.025); drop != 2 || math.Abs(level-(1-8.0/252)) > 1e-12 {
		t.Errorf("5 and 5: drop %d at %v", drop, level)
	}
	// Three and three cannot have one: the widest is at 90 %.
	if drop, level := mannWhitneyCut(3, 3, 0.025); drop != 0 || math.Abs(level-0.9) > 1e-12 {
		t.Errorf("3 and 3: drop %d at %v", drop, level)
	}
	// Counted and approximated agree where one takes over.
	exact, _ := mannWhitneyCut(50, 50, 0.025)
	approximate, _ := mannWhitneyCut(50, 51, 0.025)
	if d := approximate - exact; d < 0 || d > 30 {
		t.Errorf("50 and 50 leave out %d, 50 and 51 %d", exact, approximate)
	}
}

// The correction gives back what the means cost: on average, runs without
// dependence have an autocorrelation of 0.
func TestLagOneIsUnbiased(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	cuts := []int{0, 12, 20}
	var sum float64
	const reps = 3000
	for range reps {
		logs := make([]float64, 40)
		for i := range logs {
			logs[i] = rng.NormFloat64()
		}
		for s, lo := range cuts {
			hi := append(cuts, 40)[s+1]
			var mean float64
			for _, v := range logs[lo:hi] {
				mean += v / float64(hi-lo)
			}
			for i := lo; i < hi; i++ {
				logs[i] -= mean
			}
		}
		sum += lagOne(logs, cuts, nil)
	}
	if got := sum / reps; math.Abs(got) > 0.02 {
		t.Errorf("mean autocorrelation of independent runs %v, want 0", got)
	}
}

// Independent draws of the autoregression at 0.5 ask for groups of about five
// days in fifty and eight in two hundred.
func TestGroupLength(t *testing.T) {
	for _, c := range []struct {
		r    float64
		n    int
		want int
	}{{0.5, 50, 5}, {0.5, 200, 8}, {0.1, 50, 1}, {math.NaN(), 50, 1}, {0.21, 20, 2}} {
		if got := groupLength(c.r, c.n); got != c.want {
			t.Errorf("r %v, %d blocks: %d, want %d", c.r, c.n, got, c.want)
		}
	}
}
