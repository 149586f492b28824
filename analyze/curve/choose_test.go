package curve

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"
)

func choose(t *testing.T, points []Point, r Response) *Choice {
	t.Helper()
	c, err := Choose(points, r, ChooseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each shape is recognised, with the noise of a real server on three starts.
func TestTheRightShapeIsChosen(t *testing.T) {
	loop := knownLoop(t)
	atSlots := func(c float64) float64 { return itl(math.Min(c, 40)) }
	for _, c := range []struct {
		response Response
		truth    func(c float64) float64
		want     string
	}{
		{Latency, itl, "affine"},
		{Latency, atSlots, "plateau"},
		{Latency, bending().itl, "hinge"},
		{Latency, func(c float64) float64 { return 10 + 0.1*c + 0.01*c*c }, "quadratic"},
		{Throughput, func(c float64) float64 { return c / itl(c) }, "amdahl"},
		{Throughput, func(c float64) float64 { return 90 * c / (1 + 0.02*(c-1) + 2e-4*c*(c-1)) }, "usl"},
		{Throughput, func(c float64) float64 { return math.Min(c, 40) / atSlots(c) }, "saturating"},
		{Throughput, func(c float64) float64 { return 1800 - 1750*math.Exp(-0.03*c) }, "ala"},
		{FirstToken, func(c float64) float64 { return 0.05 + 0.001*c }, "affine"},
		{FirstToken, func(c float64) float64 {
			return 0.05 + 0.001*math.Min(c, 40) + math.Max(0, c-40)/40*loop.L*itl(40)
		}, "queueing"},
	} {
		queue := campaign{at: levels, itl: c.truth, run: func(level int, slow float64) Point {
			return Point{X: levels[level], Y: slow * c.truth(levels[level])}
		}}
		got := choose(t, queue.measure(rand.New(rand.NewPCG(1, 77)), 3, 0.01), c.response)
		if got.Model != c.want {
			t.Errorf("%s of %v: chose %s", c.want, c.response, got.Model)
			for _, k := range got.Candidates {
				t.Logf("%-10s AICc %.1f, left out %.3f: %s", k.Fit.Model, k.Fit.AICc, k.LeaveOut.Inside, k.Reason)
			}
		}
		for _, k := range got.Candidates {
			if k.Chosen != (k.Reason == "") || k.Chosen && k.Fit != got.Fit {
				t.Errorf("%+v", k)
			}
		}
	}
}

// Below six levels there are models of two parameters, below four there are none,
// and both say so in a type.
func TestFewLevelsLeaveFewModels(t *testing.T) {
	c := choose(t, sweep([]float64{1, 4, 16, 64, 128}, itl), Latency)
	if c.Model != "affine" || len(c.Candidates) != 1 || len(c.Refused) != 3 || c.Break != nil {
		t.Errorf("%+v", c)
	}
	var few *LevelsError
	if !errors.As(c.Refused[0].Err, &few) || few.Need != 6 || few.Have != 5 || few.Model != "quadratic" || few.Instead != "affine" {
		t.Errorf("%+v", c.Refused)
	}
	_, err := Choose(sweep([]float64{1, 4, 16}, itl), Latency, ChooseOptions{})
	if !errors.As(err, &few) || few.Need != 4 || few.Have != 3 || few.Model != "" {
		t.Errorf("%v", err)
	}
	if want := "curve: need >= 4 concurrency levels, have 3: points only"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

// What cannot be a sweep is refused with a sentence, and what can but is odd gets
// an answer.
func TestOddData(t *testing.T) {
	good := sweep(levels, itl)
	with := func(p Point) []Point { return append(sweep(levels, itl), p) }
	var bad *PointError
	var few *LevelsError
	for what, points := range map[string][]Point{
		"NaN": with(Point{X: 3, Y: math.NaN()}), "infinite": with(Point{X: 3, Y: math.Inf(1)}),
		"no latency": with(Point{X: 3}), "negative concurrency": with(Point{X: -1, Y: 1}),
		"infinite concurrency": with(Point{X: math.Inf(1), Y: 1}),
	} {
		if _, err := Choose(points, Latency, ChooseOptions{}); !errors.As(err, &bad) || bad.Index != 8 {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, points := range map[string][]Point{
		"nothing": nil, "one level": sweep([]float64{8, 8, 8, 8}, itl), "equal levels": sweep([]float64{8, 8.01, 8.02, 8.1, 8.2}, itl),
	} {
		if _, err := Choose(points, Latency, ChooseOptions{}); !errors.As(err, &few) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, r := range []Response{Latency, Throughput, FirstToken} {
		for what, points := range map[string][]Point{
			"exact":       good,
			"no variance": append(append(sweep(levels, func(float64) float64 { return 5 }), good[:0]...), sweep(levels, func(float64) float64 { return 5 })...),
			"decreasing":  sweep(levels, func(x float64) float64 { return 100 / x }),
			"zigzag":      sweep(levels, func(x float64) float64 { return 10 + 5*math.Mod(math.Log2(x), 2) }),
			"tiny":        sweep(levels, func(x float64) float64 { return 1e-100 * itl(x) }),
			"huge":        sweep(levels, func(x float64) float64 { return 1e100 * itl(x) }),
		} {
			c, err := Choose(points, r, ChooseOptions{})
			if err != nil {
				t.Errorf("%s %v: %v", what, r, err)
				continue
			}
			p, err := c.Predict(20)
			if err != nil || math.IsNaN(p.Value) || !(p.Low <= p.Value && p.Value <= p.High) {
				t.Errorf("%s %v: %+v, %v", what, r, p, err)
			}
		}
	}
	if _, err := Choose(good, Response(7), ChooseOptions{}); err == nil {
		t.Error("a response that there is none of")
	}
	if _, err := Choose(good, Latency, ChooseOptions{Options: Options{Confidence: 95}}); err == nil {
		t.Error("a confidence of 95")
	}
}

// Ten thousand runs, at concurrencies all over the range or at eight, on unknown
// starts, on few and on thousands: the same answer as that of fitting all of them,
// in bounded time.
func TestTenThousandPointsAreChosenFor(t *testing.T) {
	const n = 10_000
	truth := func(x float64) float64 { return itl(math.Min(x, 48)) }
	anywhere := func(rng *rand.Rand, _ int) float64 { return math.Exp(rng.Float64() * math.Log(200)) }
	atLevels := func(_ *rand.Rand, i int) float64 { return levels[i%len(levels)] }
	for _, c := range []struct {
		name   string
		at     func(*rand.Rand, int) float64
		starts int
	}{
		{"anywhere", anywhere, 0}, {"at eight levels", atLevels, 0}, {"on 12 starts", anywhere, 12},
		{"on 1,250 starts", atLevels, 1250}, {"each on its own start", anywhere, n},
	} {
		rng := rand.New(rand.NewPCG(10, 5))
		slow := make([]float64, max(1, c.starts))
		for i := range slow {
			slow[i] = math.Exp(0.02 * rng.NormFloat64())
		}
		points := make([]Point, n)
		for i := range points {
			x := c.at(rng, i)
			points[i] = Point{X: x, Y: noisy(rng, 0.02, truth)(x)}
			if c.starts > 0 {
				start := i * c.starts / n
				points[i].Start, points[i].Y = strconv.Itoa(start), points[i].Y*slow[start]
			}
		}
		began := processorTime(t)
		got, err := Choose(points, Latency, ChooseOptions{})
		took := processorTime(t) - began
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d levels, in %v of a processor: %s", c.name, got.Fit.Levels, took, got.formula())
		if took > 5*time.Second {
			t.Errorf("%s: took %v", c.name, took)
		}
		if got.Model != "plateau" && c.name != "at eight levels" && c.name != "on 1,250 starts" {
			t.Errorf("%s: chose %s", c.name, got.Model)
		}
		wantNear(t, c.name+": predicts", predict(t, got.Fit, 30), truth(30), 0.03)
		if len(got.Residuals) != n || got.Points != n || got.Starts != c.starts {
			t.Errorf("%s: %d residuals of %d points on %d starts", c.name, len(got.Residuals), got.Points, got.Starts)
		}
		wantCode(t, got.Warnings, Condensed)
	}
}

// Means of neighbours give the estimates and the intervals that all runs give.
func TestCondensedPointsSayTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 6))
	var points []Point
	for start := range 10 {
		slow := math.Exp(0.01 * rng.NormFloat64())
		for range 300 {
			x := math.Exp(rng.Float64() * math.Log(128))
			points = append(points, Point{X: x, Y: slow * noisy(rng, 0.02, itl)(x), Start: strconv.Itoa(start)})
		}
	}
	for _, known := range []bool{true, false} {
		if !known {
			for i := range points {
				points[i].Start = ""
			}
		}
		all := fit(t, Affine, points, Options{})
		means, err := Affine.fitTo(collect(points, Multiplicative).condense(mostPoints), Options{Confidence: 0.95})
		if err != nil {
			t.Fatal(err)
		}
		for j, p := range all.Params {
			q := means.Params[j]
			wantNear(t, p.Name, q.Value, p.Value, 2e-3)
			wantNear(t, "half width of "+p.Name, q.High-q.Low, p.High-p.Low, 0.1)
		}
		wantNear(t, "sigma", means.Sigma, all.Sigma, 0.05)
		if all.Clustered != means.Clustered || all.Clustered != known {
			t.Errorf("clustered %v and %v", all.Clustered, means.Clustered)
		}
		for i, r := range all.Residuals {
			if math.Abs(r-means.Residuals[i]) > 1e-3 {
				t.Fatalf("residual %d is %g, of all runs %g", i, means.Residuals[i], r)
			}
		}
	}
}

func predict(t *testing.T, f *Fit, x float64) float64 {
	t.Helper()
	p, err := f.Predict(x)
	if err != nil {
		t.Fatal(err)
	}
	return p.Value
}

func TestChoiceIsDeterministic(t *testing.T) {
	points := closed(48).measure(rand.New(rand.NewPCG(6, 6)), 3, 0.03)
	first := choose(t, points, Latency)
	second := choose(t, points, Latency)
	if !reflect.DeepEqual(first.Params, second.Params) || !reflect.DeepEqual(first.Break, second.Break) || first.LeaveOut != second.LeaveOut {
		t.Errorf("%+v, then %+v", first.Params, second.Params)
	}
	other, err := Choose(points, Latency, ChooseOptions{Seed: 1, Replicates: 99})
	if err != nil || other.Break.Replicates != 99 || other.Break.P > 0.05 {
		t.Errorf("%+v, %v", other.Break, err)
	}
}

// Without a break p-values are uniform: as many below 0.05 and 0.5 as there should
// be.
func TestBreakTestKeepsItsLevel(t *testing.T) {
	const reps = 200
	rng := rand.New(rand.NewPCG(8, 1))
	var below05, below50 float64
	for range reps {
		d := collect(independently(closed(1000)).measure(rng, 3, 0.02), Multiplicative)
		test, err := testBreak(d, 199, rng)
		if err != nil {
			t.Fatal(err)
		}
		if test.P <= 0.05 {
			below05++
		}
		if test.P <= 0.5 {
			below50++
		}
	}
	t.Logf("p <= 0.05 in %.3f, <= 0.5 in %.3f", below05/reps, below50/reps)
	if below05/reps > 0.10 || below05/reps < 0.01 || below50/reps < 0.4 || below50/reps > 0.6 {
		t.Errorf("p <= 0.05 in %.3f, <= 0.5 in %.3f", below05/reps, below50/reps)
	}
}

// The linearised bootstrap gives the p-value that refitting both curves to
// simulated sweeps gives.
func TestBreakTestIsThatOfRefitting(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 3))
	truth := func(c float64) float64 { return 10 + 0.4*math.Min(c, 30) + 0.42*math.Max(0, c-30) }
	for range 3 {
		points := append(sweep(levels, noisy(rng, 0.03, truth)), sweep(levels, noisy(rng, 0.03, truth))...)
		d := collect(points, Multiplicative)
		test, err := testBreak(d, 999, rng)
		if err != nil {
			t.Fatal(err)
		}
		affine := fit(t, Affine, points, Options{})
		larger := 0
		const reps = 100
		for range reps {
			simulated := make([]Point, len(points))
			for i, p := range points {
				simulated[i] = Point{X: p.X, Y: affine.model.value(affine.theta, p.X) * math.Exp(affine.Sigma*rng.NormFloat64())}
			}
			a, h := fit(t, Affine, simulated, Options{}), fit(t, Hinge, simulated, Options{})
			if float64(len(points))*math.Log(a.RSS/h.RSS) >= test.Statistic {
				larger++
			}
		}
		refitted := float64(1+larger) / (1 + reps)
		t.Logf("p = %.3f, refitting %.3f", test.P, refitted)
		if math.Abs(refitted-test.P) > 0.15 { // three standard errors at 0.5
			t.Errorf("p = %.3f, refitting %.3f", test.P, refitted)
		}
	}
}

// A level that the curve cannot follow is said, and one that it can is not.
func TestLackOfFit(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 4))
	bent := bending().measure(rng, 3, 0.01)
	f := fit(t, Affine, bent, Options{})
	wantCode(t, f.Warnings, LackOfFit)
	if f.LackOfFit > 1e-6 {
		t.Errorf("p = %g", f.LackOfFit)
	}
	var found float64
	const reps = 200
	for range reps {
		if fit(t, Affine, closed(1000).measure(rng, 3, 0.02), Options{}).LackOfFit < 0.05 {
			found++
		}
	}
	if share := found / reps; share > 0.10 || share < 0.01 {
		t.Errorf("p < 0.05 in %.3f of curves that fit", share)
	}
	if f := fit(t, Affine, sweep(levels, noisy(rng, 0.01, itl)), Options{}); !math.IsNaN(f.LackOfFit) {
		t.Errorf("p = %g without repeats", f.LackOfFit)
	}
}

// Another model's better prediction of levels left out is a warning.
func TestSecondOpinionIsSaid(t *testing.T) {
	c := choose(t, splitwiseTable(t, "128")["splitwise llama2-70b a100-80gb tp4"], Latency)
	if c.Model != "hinge" {
		t.Fatalf("chose %s", c.Model)
	}
	wantCode(t, c.Warnings, SecondOpinion)
}
