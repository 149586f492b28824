package curve

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// Simulated sweeps, seeded: how often do the intervals contain the truth?

// covered counts how often each of several intervals holds its truth.
type covered map[string]float64

func (c covered) add(what string, low, truth, high float64) {
	if low <= truth && truth <= high {
		c[what]++
	}
}

func (c covered) want(t *testing.T, what string, reps int, low, high float64) {
	t.Helper()
	got := c[what] / float64(reps)
	t.Logf("%-45s %.3f", what, got)
	if got < low || got > high {
		t.Errorf("%s: covered in %.3f, want %.2f to %.2f", what, got, low, high)
	}
}

func TestIntervalsCoverOnIndependentRuns(t *testing.T) {
	const reps, runs = 500, 3
	rng := rand.New(rand.NewPCG(2026, 1))
	c := covered{}
	for range reps {
		var points []Point
		for range runs {
			points = append(points, sweep(levels, noisy(rng, 0.02, itl))...)
		}
		f := fit(t, Affine, points, Options{})
		c.add("alpha", f.Params[0].Low, 0.010, f.Params[0].High)
		c.add("beta", f.Params[1].Low, 0.0004, f.Params[1].High)
		knee, err := f.Knee()
		if err != nil {
			t.Fatal(err)
		}
		c.add("knee", knee.Low, 25, knee.High)
		band, err := f.Predict(48)
		if err != nil {
			t.Fatal(err)
		}
		c.add("band", band.Low, itl(48), band.High)
	}
	for _, what := range []string{"alpha", "beta", "knee", "band"} {
		c.want(t, what, reps, 0.93, 0.975)
	}
}

func TestIntervalsCoverAPeakInsideTheRange(t *testing.T) {
	const reps = 400
	truth := func(n float64) float64 { return 90 * n / (1 + 0.02*(n-1) + 2e-4*n*(n-1)) }
	at := math.Sqrt(0.98 / 2e-4) // 70, of 128
	rng := rand.New(rand.NewPCG(2026, 2))
	c := covered{}
	for range reps {
		f := fit(t, USL, append(sweep(levels, noisy(rng, 0.03, truth)), sweep(levels, noisy(rng, 0.03, truth))...), Options{})
		peak, err := f.Peak()
		if err != nil {
			t.Fatal(err)
		}
		c.add("peak", peak.Concurrency.Low, at, peak.Concurrency.High)
		c.add("height", peak.Throughput.Low, truth(at), peak.Throughput.High)
	}
	c.want(t, "peak", reps, 0.92, 0.98)
	c.want(t, "height", reps, 0.92, 0.98)
}

// Five server starts that differ by 1.13 %, each with a full sweep whose runs
// differ by 0.5 % more. Taking the 40 runs for independent gives an interval for
// the constant part that misses it five times as often as it should, and a band
// that misses the curve in nearly half of the sweeps; the differences between
// starts give intervals that hold.
func TestIntervalsCoverOverServerStarts(t *testing.T) {
	const reps, starts = 400, 5
	rng := rand.New(rand.NewPCG(2026, 3))
	c := covered{}
	for range reps {
		var points, unlabelled []Point
		for start := range starts {
			offset := math.Exp(0.0113 * rng.NormFloat64())
			for _, p := range sweep(levels, noisy(rng, 0.005, itl)) {
				p.Y *= offset
				unlabelled = append(unlabelled, p)
				p.Start = strconv.Itoa(start)
				points = append(points, p)
			}
		}
		f, naive := fit(t, Affine, points, Options{}), fit(t, Affine, unlabelled, Options{})
		if !f.Clustered || f.DF != starts-1 || f.Starts != starts || naive.Clustered || naive.DF != 38 {
			t.Fatalf("df %d and %d", f.DF, naive.DF)
		}
		wantNear(t, "estimate", f.Params[0].Value, naive.Params[0].Value, 1e-9)
		c.add("alpha over starts", f.Params[0].Low, 0.010, f.Params[0].High)
		c.add("beta over starts", f.Params[1].Low, 0.0004, f.Params[1].High)
		c.add("alpha, runs taken for independent", naive.Params[0].Low, 0.010, naive.Params[0].High)
		knee, _ := f.Knee()
		c.add("knee over starts", knee.Low, 25, knee.High)
		band, _ := f.Predict(20)
		c.add("band over starts", band.Low, itl(20), band.High)
		band, _ = naive.Predict(20)
		c.add("band, runs taken for independent", band.Low, itl(20), band.High)
	}
	for _, what := range []string{"alpha over starts", "beta over starts", "knee over starts", "band over starts"} {
		c.want(t, what, reps, 0.92, 0.985)
	}
	c.want(t, "alpha, runs taken for independent", reps, 0, 0.8)
	c.want(t, "band, runs taken for independent", reps, 0, 0.6)
}

// Too few starts for their differences to be estimated: said, not hidden.
func TestTooFewServerStartsAreSaid(t *testing.T) {
	rng := rand.New(rand.NewPCG(2026, 4))
	var points []Point
	for _, start := range []string{"a", "b"} {
		for _, p := range sweep(levels, noisy(rng, 0.01, itl)) {
			p.Start = start
			points = append(points, p)
		}
	}
	f := fit(t, Affine, points, Options{})
	if f.Clustered || f.Starts != 2 || f.DF != 14 {
		t.Errorf("%+v", f)
	}
	wantCode(t, f.Warnings, FewStarts)
	if got, want := f.Warnings[0].String(), "need >= 3 server starts for intervals that cover other starts, have 2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}

	// One run without a start makes the starts unknown.
	points[3].Start = ""
	if f := fit(t, Affine, points, Options{}); f.Starts != 0 || f.Clustered || len(f.Warnings) != 0 {
		t.Errorf("%+v", f)
	}
}
