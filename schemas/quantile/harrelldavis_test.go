package quantile_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/quantile"
)

// Percentiles of cells stand for those of the values themselves, which nobody keeps
// sorted: they must be closer than any change that is worth a word. Buckets of three
// digits would not do, because gaps that lie close together share one, and a shift
// over its edge looks like one of a per cent.
func TestCellsQuantilesAreThoseOfTheValues(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct {
		name string
		draw func() int64
	}{
		{"log-normal gaps with stalls", func() int64 {
			v := 14e6 * math.Exp(0.12*rng.NormFloat64())
			if rng.IntN(200) == 0 {
				v += 2e8
			}
			return int64(v)
		}},
		{"all close together", func() int64 { return 10_020_000 + rng.Int64N(20_000) }},
		{"two values", func() int64 { return 9_999_999 + rng.Int64N(2) }},
		{"short", func() int64 { return rng.Int64N(300) }},
	} {
		for _, n := range []int{1, 7, 400, 20_000} {
			var h schemas.Histogram
			var values []float64
			var each []int64
			for i := range n {
				v := c.draw()
				h.Add(v)
				values, each = append(values, float64(v)), append(each, int64(i+1))
			}
			slices.Sort(values)
			middle, upto := h.Fine()
			for _, p := range []float64{0.5, 0.95, 0.99} {
				got, want := quantile.HarrellDavis(middle, upto, p), quantile.HarrellDavis(values, each, p)
				if !(math.Abs(got-want) <= 5e-5*want) {
					t.Errorf("%s, %d values: p%g is %v, want %v", c.name, n, 100*p, got, want)
				}
			}
		}
	}
}

// How many values a bucket holds is all that counts: equal values may come one by
// one or together.
func TestTiesMayComeTogether(t *testing.T) {
	one := quantile.HarrellDavis([]float64{1, 2, 2, 2, 3}, []int64{1, 2, 3, 4, 5}, 0.9)
	together := quantile.HarrellDavis([]float64{1, 2, 3}, []int64{1, 4, 5}, 0.9)
	if !(math.Abs(one-together) <= 1e-12) {
		t.Errorf("%v one by one, %v together", one, together)
	}
}
