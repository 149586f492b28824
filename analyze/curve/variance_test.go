package curve

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// In a balanced sweep the components are those of the analysis of variance of the
// residuals, one way by server start.
func TestComponentsAreTheAnalysisOfVariance(t *testing.T) {
	const starts = 4
	points := closed(1000).measure(rand.New(rand.NewPCG(15, 1)), starts, 0.05)
	f := fit(t, Affine, points, Options{})
	var between, total float64
	for s := range starts {
		var mean float64
		for _, r := range f.Residuals[8*s : 8*s+8] {
			mean += r / 8
			total += r * r
		}
		between += 8 * mean * mean
	}
	run := (total - between) / (32 - 2 - (starts - 1))
	start := between / (starts - 1)
	wantNear(t, "within starts", f.SigmaRun, math.Sqrt(run), 1e-6)
	wantNear(t, "between starts", f.SigmaStart, math.Sqrt(math.Max(0, (start-run)/8)), 1e-6)
	// The band's variance where leverage is h: run (h - 1/n) + start/n.
	if !f.Clustered || f.DF != starts-1 || f.cov.dfRun != 27 {
		t.Errorf("%+v", f)
	}
}

// Starts that were each measured at some levels only, so that a slow one bends the
// curve, and one that has a single run.
func TestIntervalsCoverUnbalancedStarts(t *testing.T) {
	const reps, starts = 300, 6
	rng := rand.New(rand.NewPCG(15, 2))
	c := covered{}
	for range reps {
		var points []Point
		for i, p := range closed(1000).measure(rng, starts, 0.03) {
			start, level := i/8, i%8
			if (start+level)%starts < 4 && (start > 0 || level == 0) {
				p.Start = strconv.Itoa(start)
				points = append(points, p)
			}
		}
		f := fit(t, Affine, points, Options{})
		if !f.Clustered {
			t.Fatal("not clustered")
		}
		for _, x := range []float64{1, 20, 128} {
			p, err := f.Predict(x)
			if err != nil {
				t.Fatal(err)
			}
			c.add("band at "+strconv.Itoa(int(x)), p.Low, itl(x), p.High)
		}
		knee, err := f.Knee()
		if err != nil {
			t.Fatal(err)
		}
		c.add("knee", knee.Low, 25, knee.High)
	}
	for _, what := range []string{"band at 1", "band at 20", "band at 128", "knee"} {
		c.want(t, what, reps, 0.92, 0.99)
	}
}

// A start that is slower by half moves the curve and not its shape, and generalised
// least squares gives it the weight of one start.
func TestWhiteningIsGeneralisedLeastSquares(t *testing.T) {
	d := collect(closed(1000).measure(rand.New(rand.NewPCG(15, 3)), 3, 0.05), Multiplicative)
	d.setRatio(2)
	// W'W has to be the inverse of I + 2 ZZ': multiply by it and get the same back.
	v := make([]float64, len(d.x))
	for i := range v {
		v[i] = float64(i%5) - 1.3*float64(i%3)
	}
	want := append([]float64(nil), v...)
	sums := make([]float64, d.starts)
	for i, g := range d.groups {
		sums[g] += v[i]
	}
	for i, g := range d.groups {
		v[i] += 2 * sums[g]
	}
	d.whiten(v, 1)
	d.whiten(v, 1)
	for i := range v {
		if math.Abs(v[i]-want[i]) > 1e-12 {
			t.Errorf("%d: %g, want %g", i, v[i], want[i])
		}
	}
}
