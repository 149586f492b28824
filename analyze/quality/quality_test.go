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
