package quality

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestMcNemar: the published BFCL series of one model over four versions of a
// server: noise, a gain, a larger one. The p-values were computed from its files.
func TestMcNemar(t *testing.T) {
	for _, test := range []struct {
		story     string
		lost, won int64
		want      float64
		digits    float64
	}{
		{"v0.10.2 to v0.11.0: a quarter of the items flip, and nothing changed", 24, 25, 1, 1e-12},
		{"v0.11.0 to main", 15, 31, 0.026, 5e-4},
		{"main to the parser's fix", 17, 41, 0.0022, 5e-5},
		{"nothing flips", 0, 0, 1, 0},
		{"one flips", 0, 1, 1, 0},
		{"ten of ten", 0, 10, 2 * math.Pow(0.5, 10), 1e-12},
		{"very many", 100_000, 100_000, 1, 1e-9},
	} {
		if got := McNemar(test.lost, test.won); math.Abs(got-test.want) > test.digits {
			t.Errorf("%s: p = %.6g, want %g", test.story, got, test.want)
		}
		if McNemar(test.won, test.lost) != McNemar(test.lost, test.won) {
			t.Errorf("%s: depends on the order", test.story)
		}
	}
}

// TestWilson against the values of Newcombe 1998, table I.
func TestWilson(t *testing.T) {
	for _, test := range []struct {
		k, n   int64
		lo, hi float64
	}{
		{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}, {0, 0, 0, 1}, {20, 20, 0.8389, 1},
	} {
		lo, hi := Wilson(test.k, test.n)
		if math.Abs(lo-test.lo) > 5e-5 || math.Abs(hi-test.hi) > 5e-5 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", test.k, test.n, lo, hi, test.lo, test.hi)
		}
	}
}

// TestK2: the figures of the K2 vendor verifier, one model on several serving paths.
func TestK2(t *testing.T) {
	if got := NewShare(1856, 2128).String(); got != "87.2 % [85.7, 88.6] (1856 of 2128)" {
		t.Errorf("vLLM: %s", got)
	}
	if got := NewShare(1958, 1958).String(); got != "100.0 % [99.8, 100.0] (1958 of 1958)" {
		t.Errorf("the vendor: %s", got)
	}
	if got := NewShare(1007, 1325).String(); got != "76.0 % [73.6, 78.2] (1007 of 1325)" {
		t.Errorf("K2-0905: %s", got)
	}
}

func TestPaired(t *testing.T) {
	was := map[string]bool{"a": true, "b": true, "c": false, "d": false, "gone": true}
	now := map[string]bool{"a": true, "b": false, "c": true, "d": false, "new": false}
	d := Paired(was, now)
	if fmt.Sprint(d.Lost, d.Won, d.OnlyOne, d.Baseline.Items, d.P, d.Uniform) != "[b] [c] 2 4 1 false" {
		t.Errorf("%+v", d)
	}
	// A suite on which nothing passes anywhere: 0 of 200 on every version.
	zero := map[string]bool{}
	for i := range 200 {
		zero[fmt.Sprint(i)] = false
	}
	if d := Paired(zero, zero); !d.Uniform || d.P != 1 {
		t.Errorf("%+v", d)
	}
	if d := Paired(nil, nil); d.Uniform || d.P != 1 {
		t.Errorf("%+v", d)
	}
}

// TestPairedCoverage: the interval of the difference holds it 93 to 98 times of 100,
// and the test is wrong at most 5 times of 100, with items as alike as real ones.
func TestPairedCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	const replicates, items = 4000, 200
	for _, loss := range []float64{0, 0.05} {
		held, called := 0, 0
		for range replicates {
			was, now := map[string]bool{}, map[string]bool{}
			for i := range items {
				id := fmt.Sprint(i)
				hard := rng.Float64() < 0.3 // flips by luck; the others do as they do
				was[id] = hard && rng.Float64() < 0.5 || !hard && i%10 < 7
				now[id] = hard && rng.Float64() < 0.5 || !hard && i%10 < 7
				if now[id] && rng.Float64() < loss {
					now[id] = false
				}
			}
			d := Paired(was, now)
			if truth := -loss * (0.3*0.5 + 0.7*0.7); d.Lo <= truth && truth <= d.Hi {
				held++
			}
			if d.P < 0.05 {
				called++
			}
		}
		if share := float64(held) / replicates; share < 0.93 || share > 0.985 {
			t.Errorf("loss %g: the interval holds the difference in %.3f", loss, share)
		}
		if share := float64(called) / replicates; loss == 0 && share > 0.05 {
			t.Errorf("a difference is called in %.3f where there is none", share)
		}
	}
}

// TestRepeated: three nights of a baseline against one of a candidate. Asked three
// times as often, an item of luck passes at least once more easily; only as many
// answers count as the other side has.
func TestRepeated(t *testing.T) {
	was := map[string][]bool{"a": {true, true, true}, "b": {true, false, false}, "c": {false, true, true}, "d": {true}}
	now := map[string][]bool{"a": {false}, "b": {true}, "c": {true}}
	d := Repeated(was, now)
	if fmt.Sprint(d.Lost, d.Won, d.OnlyOne, d.Baseline.Passed, d.Baseline.Items) != "[a] [c] 1 2 3" {
		t.Errorf("%+v", d)
	}
	// Two answers to each of ten items are ten items, not twenty.
	twice, once := map[string][]bool{}, map[string]bool{}
	for i := range 10 {
		twice[fmt.Sprint(i)], once[fmt.Sprint(i)] = []bool{i < 7, i < 7}, i < 7
	}
	many, few := Repeated(twice, twice), Paired(once, once)
	if many.Baseline.Items != 20 || many.Baseline.Lo != few.Baseline.Lo || many.Lo != few.Lo || many.Uniform {
		t.Errorf("%+v\n%+v", many, few)
	}
}

// TestFailuresOnly: BFCL's score files name what failed, of a total.
func TestFailuresOnly(t *testing.T) {
	was, now := map[string]bool{}, map[string]bool{}
	var lost, won []string
	for i := range 200 {
		id := fmt.Sprintf("%03d", i)
		was[id], now[id] = i%3 > 0, i%5 > 0
		if !was[id] {
			lost = append(lost, id)
		}
		if !now[id] {
			won = append(won, id)
		}
	}
	a, b := Paired(was, now), FailuresOnly(lost, won, 200)
	if fmt.Sprint(a.Lost, a.Won, a.Baseline, a.Candidate, a.P) != fmt.Sprint(b.Lost, b.Won, b.Baseline, b.Candidate, b.P) || math.Abs(a.Lo-b.Lo)+math.Abs(a.Hi-b.Hi) > 1e-12 {
		t.Errorf("%+v\n%+v", a, b)
	}
}

// TestUnpaired: Fisher's tea, and the verifier's totals of K2 on two serving paths.
func TestUnpaired(t *testing.T) {
	if d := Unpaired(NewShare(3, 4), NewShare(1, 4)); math.Abs(d.P-0.485714285714286) > 1e-12 {
		t.Errorf("p = %.15g, R's fisher.test says 0.485714285714286", d.P)
	}
	d := Unpaired(NewShare(1958, 1958), NewShare(1856, 2128))
	if !(d.P < 1e-60) || !(d.Hi < -0.11) || d.Uniform {
		t.Errorf("%+v", d)
	}
	if d := Unpaired(NewShare(0, 200), NewShare(0, 200)); !d.Uniform || d.P != 1 {
		t.Errorf("%+v", d)
	}
}

func TestHolm(t *testing.T) {
	if got := fmt.Sprintf("%.3g", Holm([]float64{0.04, 0.01, 0.03})); got != "[0.06 0.03 0.06]" {
		t.Error(got)
	}
	if got := Holm(nil); len(got) != 0 {
		t.Error(got)
	}
}
