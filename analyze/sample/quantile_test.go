package sample_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/analyze/sample"

	"github.com/servestat/servestat/schemas/schematest"
)

// quantileGolden is what R 4.2.2 says. (The file's key hd_se repeats hd and is
// not a standard error, so it is not read.)
type quantileGolden struct {
	Quantiles struct {
		X       []float64   `json:"x"`
		Probs   []float64   `json:"probs"`
		Types   [][]float64 `json:"types"` // [type-1][prob]
		HD      []float64   `json:"hd"`
		HDProbs []float64   `json:"hd_probs"`
	} `json:"quantiles"`
}

func TestQuantileIsRType7(t *testing.T) {
	var g quantileGolden
	schematest.Known(t, "r_golden.json", &g)
	q := g.Quantiles
	for i, p := range q.Probs {
		wantNear(t, "quantile", sample.Quantile(q.X, p), q.Types[6][i], 1e-12)
	}
}

// Each pair of neighbouring types differs somewhere on this sample, so agreeing
// with type 7 everywhere is agreeing with no other.
func TestQuantileIsNoOtherRType(t *testing.T) {
	var g quantileGolden
	schematest.Known(t, "r_golden.json", &g)
	q := g.Quantiles
	for kind := range q.Types {
		if kind == 6 {
			continue
		}
		same := true
		for i, p := range q.Probs {
			same = same && math.Abs(sample.Quantile(q.X, p)-q.Types[kind][i]) < 1e-9
		}
		if same {
			t.Errorf("type %d cannot be told from type 7 here", kind+1)
		}
	}
}

func TestHarrellDavisIsR(t *testing.T) {
	var g quantileGolden
	schematest.Known(t, "r_golden.json", &g)
	q := g.Quantiles
	for i, p := range q.HDProbs {
		wantNear(t, "hd", sample.HarrellDavis(q.X, p), q.HD[i], 1e-12)
	}
}

// Interpolating always from the lower end gives 0.8280000000000001 in the first
// case and 0.9000000000000001, more than the maximum, in the second.
func TestQuantileInterpolatesFromTheNearerEnd(t *testing.T) {
	if got := sample.Quantile([]float64{0.54, 0.86}, 0.9); got != 0.828 {
		t.Errorf("quantile %v, want 0.828", got)
	}
	if got := sample.Quantile([]float64{0.3, 0.9}, math.Nextafter(1, 0)); got > 0.9 {
		t.Errorf("quantile %v passes the maximum", got)
	}
}

func TestQuantileLeavesItsInputAlone(t *testing.T) {
	xs := []float64{3, 1, 2}
	sample.Quantile(xs, 0.5)
	sample.HarrellDavis(xs, 0.5)
	if !slices.Equal(xs, []float64{3, 1, 2}) {
		t.Errorf("input became %v", xs)
	}
}

// Failed requests enter a latency sample as +Inf. Half of the quantiles are
// then still finite, and none may turn into NaN by Inf - Inf or 0 * Inf.
func TestQuantileWithFailuresAsInfinity(t *testing.T) {
	inf := math.Inf(1)
	xs := []float64{1, 2, 3, inf, inf}
	for p, want := range map[float64]float64{0: 1, 0.25: 2, 0.5: 3, 0.6: inf, 0.75: inf, 0.9: inf, 1: inf} {
		if got := sample.Quantile(xs, p); got != want {
			t.Errorf("p=%g: %g, want %g", p, got, want)
		}
	}
}

func TestUndefinedQuantilesAreNaN(t *testing.T) {
	nan := math.NaN()
	cases := []struct {
		xs []float64
		p  float64
	}{{nil, 0.5}, {[]float64{1, nan, 3}, 0.5}, {[]float64{1}, -0.1}, {[]float64{1}, 1.1}, {[]float64{1}, nan}}
	for _, c := range cases {
		if got := sample.Quantile(c.xs, c.p); !math.IsNaN(got) {
			t.Errorf("Quantile(%v, %g) = %g", c.xs, c.p, got)
		}
		if got := sample.HarrellDavis(c.xs, c.p); !math.IsNaN(got) {
			t.Errorf("HarrellDavis(%v, %g) = %g", c.xs, c.p, got)
		}
	}
}

// Weights that sum to one return a constant exactly; leaving out the negligible
// ones must not show, however many values there are.
func TestHarrellDavisWeightsSumToOne(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 1000, 1_000_000} {
		xs := slices.Repeat([]float64{7}, n)
		for _, p := range []float64{0.001, 0.5, 0.95, 0.999} {
			wantNear(t, "constant", sample.HarrellDavis(xs, p), 7, 1e-9)
		}
	}
}

// On the ranks 1..n the estimate is n times the mean of the Beta distribution,
// which is p, and half a rank for the steps.
func TestHarrellDavisOnRanks(t *testing.T) {
	const n = 20_000
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = float64(i + 1)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { xs[i], xs[j] = xs[j], xs[i] })
	wantNear(t, "p95 of ranks", sample.HarrellDavis(xs, 0.95), n*0.95+0.5, 1e-9)
}

// One failure in a hundred requests is in reach of p95's weights, and not of
// the median's.
func TestHarrellDavisWithAFailureAsInfinity(t *testing.T) {
	xs := slices.Repeat([]float64{1}, 99)
	xs = append(xs, math.Inf(1))
	if got := sample.HarrellDavis(xs, 0.95); !math.IsInf(got, 1) {
		t.Errorf("p95 = %g, want +Inf", got)
	}
	if got := sample.HarrellDavis(xs, 0.5); got != 1 {
		t.Errorf("median = %g, want 1", got)
	}
}

func TestHarrellDavisEndsAreTheExtremes(t *testing.T) {
	xs := []float64{4, 1, 3}
	if lo, hi := sample.HarrellDavis(xs, 0), sample.HarrellDavis(xs, 1); lo != 1 || hi != 4 {
		t.Errorf("got %g and %g, want 1 and 4", lo, hi)
	}
}

func TestSampleFloors(t *testing.T) {
	for _, c := range []struct {
		p, conf float64
		want    int
	}{
		{0.95, 0.95, 72},
		{0.99, 0.95, 368},
		{0.999, 0.95, 3688},
		{0.05, 0.95, 72}, // symmetric
		{0.5, 0.95, 6},   // the floor that benchstat states
		{0.5, 0.99, 8},
		{0.5, 0.5, 2}, // exactly on the bound: 2^-2 = 1/4
		{1, 0.95, math.MaxInt},
		{0.5, 1, math.MaxInt},
		{math.NaN(), 0.95, math.MaxInt},
	} {
		if got := sample.MinNForQuantile(c.p, c.conf); got != c.want {
			t.Errorf("MinNForQuantile(%g, %g) = %d, want %d", c.p, c.conf, got, c.want)
		}
	}
}

// wantNear fails if got is not within the relative tolerance of want.
func wantNear(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*max(1, math.Abs(want)) || math.IsNaN(got) {
		t.Errorf("%s = %.15g, want %.15g", what, got, want)
	}
}

func TestCalibrateQuantiles(t *testing.T) {
	var g quantileGolden
	schematest.Known(t, "r_golden.json", &g)
	q := g.Quantiles
	var worst float64
	for i, p := range q.Probs {
		worst = math.Max(worst, math.Abs(sample.Quantile(q.X, p)-q.Types[6][i]))
	}
	for i, p := range q.HDProbs {
		worst = math.Max(worst, math.Abs(sample.HarrellDavis(q.X, p)-q.HD[i]))
	}
	calibrate.Bar(t, "quantiles of type 7 and Harrell-Davis, largest deviation from R", worst, calibrate.AtMost(1e-9))
}
