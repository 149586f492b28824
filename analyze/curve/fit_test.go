package curve

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/servestat/servestat/schemas/schematest"
)

// A decode step of 10 ms and 0.4 ms a sequence: the closed form of a closed loop
// without queueing.
func itl(c float64) float64 { return 0.010 + 0.0004*c }

// The simulated closed loop's ITL, up to its 64 slots, is the formula; beyond them
// it is flat and does not belong to this model.
func TestAffineIsTheClosedLoopBelowSaturation(t *testing.T) {
	var known1 struct {
		ClosedLoop struct {
			A    float64 `json:"a"`
			B    float64 `json:"b"`
			S    float64 `json:"S"`
			Rows []struct{ C, ITL, Thr float64 }
		} `json:"closed_loop"`
	}
	schematest.Known(t, "serving_real/queue_known_answers.json", &known1)
	loop := known1.ClosedLoop
	var latency, throughput []Point
	for _, row := range loop.Rows {
		if row.C <= loop.S {
			latency = append(latency, Point{X: row.C, Y: row.ITL})
			throughput = append(throughput, Point{X: row.C, Y: row.Thr})
		}
	}
	f := fit(t, Affine, latency, Options{})
	wantNear(t, "alpha", f.Params[0].Value, loop.A, 1e-10)
	wantNear(t, "beta", f.Params[1].Value, loop.B, 1e-10)
	knee, err := f.Knee()
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "knee", knee.Value, loop.A/loop.B, 1e-9)
	wantCode(t, f.Warnings, ExactFit)

	x := fit(t, Amdahl, throughput, Options{})
	wantNear(t, "gamma", x.Params[0].Value, 1/(loop.A+loop.B), 1e-9)
	wantNear(t, "a", x.Params[1].Value, loop.B/(loop.A+loop.B), 1e-9)
}

// Latency and throughput of the same runs are one curve, noise and all: the same
// residuals, the knee one below the optimum, the same intervals.
func TestAffineLatencyIsAmdahlThroughput(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 13))
	var latency, throughput []Point
	for range 3 {
		for _, p := range sweep(levels, noisy(rng, 0.02, itl)) {
			latency = append(latency, p)
			throughput = append(throughput, Point{X: p.X, Y: p.X / p.Y})
		}
	}
	l, x := fit(t, Affine, latency, Options{}), fit(t, Amdahl, throughput, Options{})
	alpha, beta := l.Params[0].Value, l.Params[1].Value
	wantNear(t, "gamma", x.Params[0].Value, 1/(alpha+beta), 1e-9)
	wantNear(t, "a", x.Params[1].Value, beta/(alpha+beta), 1e-9)
	wantNear(t, "RSS", x.RSS, l.RSS, 1e-9)
	knee, _ := l.Knee()
	optimum, _ := x.Optimum()
	wantNear(t, "optimum", optimum.Value, knee.Value+1, 1e-9)
	at, _ := l.Predict(48)
	back, _ := x.Predict(48)
	wantNear(t, "band", back.Low, 48/at.High, 1e-9)
}

// Seconds or milliseconds must not matter, to the fit or to its intervals.
func TestUnitsDoNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	points := sweep(levels, noisy(rng, 0.02, itl))
	scaled := slices.Clone(points)
	for i := range scaled {
		scaled[i].Y *= 1e9
	}
	a, b := fit(t, Affine, points, Options{}), fit(t, Affine, scaled, Options{})
	for j := range a.Params {
		wantNear(t, "value", b.Params[j].Value, 1e9*a.Params[j].Value, 1e-9)
		wantNear(t, "SE", b.Params[j].SE, 1e9*a.Params[j].SE, 1e-9)
	}
	wantNear(t, "RSS", b.RSS, a.RSS, 1e-9)
	wantNear(t, "condition", b.Condition, a.Condition, 1e-9)
}

// With additive noise the affine fit is the straight line of the textbooks, and
// so are its errors and its band: Draper & Smith's formulas, written out.
func TestAdditiveAffineIsLinearRegression(t *testing.T) {
	points := []Point{{X: 1, Y: 11}, {X: 2, Y: 11.5}, {X: 4, Y: 12.4}, {X: 8, Y: 16.2}, {X: 16, Y: 21}, {X: 32, Y: 35.5}}
	var n, sx, sy, sxx, sxy float64
	for _, p := range points {
		n++
		sx += p.X
		sy += p.Y
		sxx += p.X * p.X
		sxy += p.X * p.Y
	}
	beta := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	alpha := (sy - beta*sx) / n
	var rss float64
	for _, p := range points {
		r := p.Y - alpha - beta*p.X
		rss += r * r
	}
	s2, sxxC := rss/(n-2), sxx-sx*sx/n

	f := fit(t, Affine, points, Options{Noise: Additive})
	wantNear(t, "alpha", f.Params[0].Value, alpha, 1e-12)
	wantNear(t, "beta", f.Params[1].Value, beta, 1e-12)
	wantNear(t, "RSS", f.RSS, rss, 1e-12)
	wantNear(t, "SE of alpha", f.Params[0].SE, math.Sqrt(s2*sxx/(n*sxxC)), 1e-10)
	wantNear(t, "SE of beta", f.Params[1].SE, math.Sqrt(s2/sxxC), 1e-10)
	const t4 = 2.7764451051977987 // qt(0.975, 4)
	wantNear(t, "low", f.Params[1].Low, beta-t4*math.Sqrt(s2/sxxC), 1e-10)
	at, err := f.Predict(20)
	if err != nil {
		t.Fatal(err)
	}
	half := t4 * math.Sqrt(s2*(1/n+(20-sx/n)*(20-sx/n)/sxxC))
	wantNear(t, "band", at.High-at.Value, half, 1e-10)
	if f.DF != 4 || f.Points != 6 || f.Levels != 6 || at.Extrapolated {
		t.Errorf("%+v, %+v", f, at)
	}
	// AICc for k = 3 (alpha, beta, the variance).
	wantNear(t, "AICc", f.AICc, 6*math.Log(rss/6)+6+24.0/2, 1e-12)
}

func TestResidualsAreInTheOrderOfThePoints(t *testing.T) {
	points := sweep(levels, itl)
	points[3].Y *= 1.10
	f := fit(t, Affine, points, Options{})
	if len(f.Residuals) != 8 || slices.Max(f.Residuals) != f.Residuals[3] {
		t.Errorf("residuals %v", f.Residuals)
	}
	var rss float64
	for _, r := range f.Residuals {
		rss += r * r
	}
	wantNear(t, "RSS", rss, f.RSS, 1e-12)
}

// A downturn is found inside the range, and its interval covers the truth.
func TestPeakInsideTheRange(t *testing.T) {
	truth := func(n float64) float64 { return 90 * n / (1 + 0.02*(n-1) + 2e-4*n*(n-1)) }
	rng := rand.New(rand.NewPCG(99, 2))
	var points []Point
	for range 3 {
		points = append(points, sweep(levels, noisy(rng, 0.01, truth))...)
	}
	f := fit(t, USL, points, Options{})
	peak, err := f.Peak()
	if err != nil {
		t.Fatal(err)
	}
	at := math.Sqrt(0.98 / 2e-4) // 70
	if !(peak.Concurrency.Low < at && at < peak.Concurrency.High && peak.Concurrency.High < 80) {
		t.Errorf("peak at %+v, want %.1f", peak.Concurrency, at)
	}
	if height := truth(at); !(peak.Throughput.Low < height && height < peak.Throughput.High) {
		t.Errorf("peak of %+v, want %.1f", peak.Throughput, height)
	}
	// The height is the curve there, and its band is the curve's.
	band, _ := f.Predict(peak.Concurrency.Value)
	wantNear(t, "height", peak.Throughput.Value, band.Value, 1e-12)
	wantNear(t, "height, low", peak.Throughput.Low, band.Low, 1e-9)
	if f.Simpler[0].Model != "amdahl" || f.Simpler[0].AICc < f.AICc || f.Simpler[1].Model != "proportional" {
		t.Errorf("simpler %+v, AICc %g", f.Simpler, f.AICc)
	}
}

// A peak far beyond what was tested is not reported, however well b is known.
func TestPeakBeyondTheRangeIsNotReported(t *testing.T) {
	f := fit(t, USL, sweep(levels, func(n float64) float64 { return 90 * n / (1 + 0.02*(n-1) + 1e-6*n*(n-1)) }), Options{})
	_, err := f.Peak()
	wantError(t, err, ErrNoDownturn, "no downturn within the tested range (1 to 128)")
}

// The published specsdm91 figures: peak of 1884 at 96.5.
func TestSpecsdm91Peak(t *testing.T) {
	f := fit(t, USL, reference(t, "specsdm91"), Options{Noise: Additive})
	peak, err := f.Peak()
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "throughput", peak.Throughput.Value, 1883.9, 1e-4)
	wantNear(t, "concurrency", peak.Concurrency.Value, 96.519560991782, 1e-7)
}

// R's nls(algorithm = "port") stops at an RSS of 1.34e6 from this start, and
// calls it convergence. The minimum is 27454.
func TestSpecsdm91ConvergesFromTheStartThatTraps(t *testing.T) {
	d, err := newData(reference(t, "specsdm91"), Additive)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := minimise(d.problem(USL), USL.working([]float64{64.9, 0.05, 1e-4}))
	if !ok || math.Abs(s.rss-27453.72) > 0.01 {
		t.Errorf("RSS %g", s.rss)
	}
}

// R's nlsLM, which clips steps at the bound, ends at a = .0715, RSS 1105: a point
// where the sum of squares still falls. Every start has to lead to 697.24 at b = 0,
// and that is where Amdahl's law ends too.
func TestRaytracerLeavesTheFalseBoundaryPoint(t *testing.T) {
	points := reference(t, "raytracer")
	d, err := newData(points, Additive)
	if err != nil {
		t.Fatal(err)
	}
	trap := []float64{24.93699, 0.0715261, 0}
	for _, start := range append(USL.starts(d), trap) {
		s, ok := minimise(d.problem(USL), USL.working(start))
		if !ok || math.Abs(s.rss-697.2377997) > 1e-6 || s.theta[2] != 0 || s.slope > 1e-9 {
			t.Errorf("from %v: %+v", start, s)
		}
	}
	full, nested := fit(t, USL, points, Options{Noise: Additive}), fit(t, Amdahl, points, Options{Noise: Additive})
	wantNear(t, "RSS", full.RSS, nested.RSS, 1e-12)
	if !full.Params[2].AtBound || full.Params[2].Low != 0 || !(full.Params[2].High > 0) {
		t.Errorf("b: %+v", full.Params[2])
	}
	wantCode(t, full.Warnings, AtBound)
	_, err = full.Peak()
	wantError(t, err, ErrNoDownturn, "test higher concurrency")
}

// On the bound and off it, the minimum of a convex problem is where the theory of
// Karush, Kuhn and Tucker says, whatever the start.
func TestBoundsAreKept(t *testing.T) {
	// (u-1)^2 + (v+2)^2 + (u+v)^2 with u, v >= 0: v on its bound, u = 1/2.
	p := problem{
		residuals: 3, parameters: 2, lower: []float64{0, 0},
		eval: func(x, r []float64, jac *mat.Dense) bool {
			r[0], r[1], r[2] = x[0]-1, x[1]+2, x[0]+x[1]
			if jac != nil {
				jac.Copy(mat.NewDense(3, 2, []float64{1, 0, 0, 1, 1, 1}))
			}
			return true
		},
	}
	for _, start := range [][]float64{{0, 0}, {5, 5}, {0, 9}, {-3, -3}, {1e6, 1e-6}} {
		s, ok := minimise(p, start)
		if !ok {
			t.Fatal("not defined")
		}
		wantNear(t, "u", s.theta[0], 0.5, 1e-12)
		wantNear(t, "v", s.theta[1], 0, 0)
		wantNear(t, "rss", s.rss, 0.25+4+0.25, 1e-12)
	}
}

func TestFewLevelsAreRefused(t *testing.T) {
	for _, c := range []struct {
		model  *Model
		levels []float64
		want   string
	}{
		{Affine, nil, "need >= 4 concurrency levels, have 0: points only"},
		{Affine, []float64{8, 8, 8, 8, 8}, "need >= 4 concurrency levels, have 1: points only"},
		{Affine, []float64{1, 64}, "need >= 4 concurrency levels, have 2: points only"},
		{USL, []float64{1, 2, 4}, "need >= 4 concurrency levels, have 3: points only"},
		{USL, []float64{1, 2, 4, 8, 16}, "need >= 6 concurrency levels for usl, have 5: fit amdahl"},
		// Asked for up to 512, and held at 100 by the client's connection pool.
		{Affine, []float64{1, 16, 64, 99.1, 99.8, 100.2, 101}, "need >= 6"},
	} {
		model := c.model
		if len(c.levels) == 7 {
			model = USL
		}
		_, err := model.Fit(sweep(c.levels, itl), Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.levels, err, c.want)
		}
	}
}

func TestWhatWasNotMeasuredIsRefused(t *testing.T) {
	for _, c := range []struct {
		p    Point
		want string
	}{
		{Point{X: 0, Y: 1}, "point 8: concurrency 0"},
		{Point{X: math.NaN(), Y: 1}, "point 8: concurrency NaN"},
		{Point{X: math.Inf(1), Y: 1}, "point 8: concurrency +Inf"},
		{Point{X: 1, Y: 0}, "point 8: value 0"},
		{Point{X: 1, Y: -3}, "point 8: value -3"},
		{Point{X: 1, Y: math.NaN()}, "point 8: value NaN: need a value > 0, leave out what was not measured"},
		{Point{X: 1, Y: math.Inf(1)}, "point 8: value +Inf"},
	} {
		_, err := Affine.Fit(append(sweep(levels, itl), c.p), Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.p, err, c.want)
		}
	}
	if _, err := Affine.Fit(sweep(levels, itl), Options{Confidence: 95}); err == nil {
		t.Error("confidence 95 was accepted")
	}
}

// Latency that falls, as when the batch of the highest levels was never reached:
// the model's best is flat, and says so.
func TestFallingLatencyIsFlatAndSaysSo(t *testing.T) {
	f := fit(t, Affine, sweep(levels, func(x float64) float64 { return 70 - 5*math.Log2(x) }), Options{})
	if f.Params[1].Value != 0 || !f.Params[1].AtBound {
		t.Errorf("beta %+v", f.Params[1])
	}
	wantCode(t, f.Warnings, AtBound)
	_, err := f.Knee()
	wantError(t, err, ErrNoKnee, "rising part")
}

func TestFlatDataHaveNoKneeAndNoLimit(t *testing.T) {
	flat := fit(t, Affine, sweep(levels, func(float64) float64 { return 12 }), Options{})
	wantNear(t, "alpha", flat.Params[0].Value, 12, 1e-12)
	_, err := flat.Knee()
	wantError(t, err, ErrNoKnee, "")
	wantCode(t, flat.Warnings, ExactFit)

	linear := fit(t, Amdahl, sweep(levels, func(x float64) float64 { return 7 * x }), Options{})
	wantNear(t, "gamma", linear.Params[0].Value, 7, 1e-9)
	_, err = linear.Limit()
	wantError(t, err, ErrNoLimit, "test higher")
	_, err = linear.Optimum()
	wantError(t, err, ErrNoLimit, "")
}

// A throughput that stays where it was with one user: a is 1, and 1/a too.
func TestThroughputThatDoesNotGrow(t *testing.T) {
	f := fit(t, Amdahl, sweep(levels, func(float64) float64 { return 500 }), Options{})
	wantNear(t, "a", f.Params[1].Value, 1, 1e-9)
	f = fit(t, USL, sweep(levels, func(x float64) float64 { return 500 / x }), Options{})
	_, err := f.Peak()
	wantError(t, err, ErrNoDownturn, "")
}

// Latency through the origin has no constant part.
func TestProportionalLatencyHasNoKnee(t *testing.T) {
	f := fit(t, Affine, sweep(levels, func(x float64) float64 { return 3 * x * x }), Options{})
	if f.Params[0].Value != 0 {
		t.Errorf("alpha %+v", f.Params[0])
	}
	_, err := f.Knee()
	wantError(t, err, ErrNoKnee, "")
}

func TestQuestionsForAnotherModelAreRefused(t *testing.T) {
	latency := fit(t, Affine, sweep(levels, itl), Options{})
	throughput := fit(t, Amdahl, sweep(levels, func(x float64) float64 { return x / itl(x) }), Options{})
	_, err := latency.Peak()
	wantError(t, err, ErrNoDownturn, "need the model usl, have affine")
	_, err = throughput.Peak()
	wantError(t, err, ErrNoDownturn, "need the model usl, have amdahl")
	_, err = throughput.Knee()
	wantError(t, err, ErrNoKnee, "need a model of latency, have amdahl")
	_, err = latency.Limit()
	wantError(t, err, ErrNoLimit, "need the model usl or amdahl, have affine")
}

func TestPredictionsSayWhereTheyExtrapolate(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	f := fit(t, Affine, sweep(levels, noisy(rng, 0.02, itl)), Options{})
	inside, _ := f.Predict(100)
	outside, _ := f.Predict(500)
	if inside.Extrapolated || !outside.Extrapolated {
		t.Errorf("%+v, %+v", inside, outside)
	}
	if !(outside.High/outside.Low > inside.High/inside.Low) || !(inside.Low < inside.Value && inside.Value < inside.High) {
		t.Errorf("%+v, %+v", inside, outside)
	}
	for _, x := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := f.Predict(x); err == nil {
			t.Errorf("a value at %g", x)
		}
	}
}

// Whatever the points look like, a fit ends, at a minimum, and not above that of
// a simpler model.
func TestJunkIsFittedToo(t *testing.T) {
	rng := rand.New(rand.NewPCG(66, 6))
	for range 30 {
		points := make([]Point, 6+rng.IntN(20))
		spread := 5 * rng.Float64()
		for i := range points {
			points[i] = Point{X: math.Exp(float64(i) / 3), Y: math.Exp(spread * rng.NormFloat64())}
		}
		for _, m := range []*Model{Affine, Amdahl, USL} {
			for _, noise := range []Noise{Multiplicative, Additive} {
				f, err := m.Fit(points, Options{Noise: noise})
				if err != nil {
					t.Errorf("%v: %v", noise, err)
					continue
				}
				if f.RSS > f.Simpler[0].RSS*(1+1e-9) || f.Gradient > convergedGradient {
					t.Errorf("%s: RSS %g, %+v, gradient %g", m.name, f.RSS, f.Simpler, f.Gradient)
				}
			}
		}
	}
}

func TestTenThousandPoints(t *testing.T) {
	truth := func(n float64) float64 { return 90 * n / (1 + 0.02*(n-1) + 2e-4*n*(n-1)) }
	rng := rand.New(rand.NewPCG(10, 4))
	points := make([]Point, 10_000)
	for i := range points {
		x := 1 + 199*rng.Float64()
		points[i] = Point{X: x, Y: noisy(rng, 0.02, truth)(x)}
	}
	began := time.Now()
	f := fit(t, USL, points, Options{})
	t.Logf("10,000 points in %v", time.Since(began))
	wantNear(t, "gamma", f.Params[0].Value, 90, 0.01)
	wantNear(t, "a", f.Params[1].Value, 0.02, 0.02)
	wantNear(t, "b", f.Params[2].Value, 2e-4, 0.02)
	wantNear(t, "sigma", f.Sigma, 0.02, 0.03)
}

// The smallest fit has two degrees of freedom, and too few points for AICc's
// correction.
func TestFourPoints(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	f := fit(t, Affine, sweep([]float64{1, 8, 32, 128}, noisy(rng, 0.02, itl)), Options{})
	if f.DF != 2 || !math.IsInf(f.AICc, 1) {
		t.Errorf("df %d, AICc %g", f.DF, f.AICc)
	}
	wantCode(t, f.Warnings, FewFreedom)
}

func TestFitIsDeterministic(t *testing.T) {
	points := reference(t, "specsdm91")
	first := fit(t, USL, points, Options{})
	for range 3 {
		if again := fit(t, USL, points, Options{}); !slices.Equal(again.Params, first.Params) {
			t.Fatalf("%+v, then %+v", first.Params, again.Params)
		}
	}
}

func fit(t *testing.T, m *Model, points []Point, opts Options) *Fit {
	t.Helper()
	f, err := m.Fit(points, opts)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func wantCode(t *testing.T, got []Warning, code Code) {
	t.Helper()
	if !slices.ContainsFunc(got, func(w Warning) bool { return w.Code == code }) {
		t.Errorf("warnings %q, want %s", got, code)
	}
}
