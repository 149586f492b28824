package curve

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// The capacity is where the curve and the edges of its band cross the objective.
func TestCapacity(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 1))
	f := fit(t, Affine, closed(1000).measure(rng, 5, 0.02), Options{})
	c, err := f.Capacity(0.025)
	if err != nil || c.Where != Inside || !(c.Low < c.Value && c.Value < c.High) || c.Tested != 128 || c.Lowest != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	at, _ := f.Predict(c.Value)
	wantNear(t, "curve there", at.Value, 0.025, 1e-8)
	low, _ := f.Predict(c.Low)
	wantNear(t, "upper edge at the low end", low.High, 0.025, 1e-8)
	high, _ := f.Predict(c.High)
	wantNear(t, "lower edge at the high end", high.Low, 0.025, 1e-8)

	above, _ := f.Capacity(1)
	if above.Where != Above || above.Value != 128 || above.Low != 128 || !math.IsInf(above.High, 1) {
		t.Errorf("%+v", above)
	}
	below, _ := f.Capacity(0.005)
	if below.Where != Below || below.Value != 0 || below.Low != 0 || below.High != 1 {
		t.Errorf("%+v", below)
	}
	top, _ := f.Predict(128)
	perhaps, _ := f.Capacity((top.Value + top.High) / 2)
	if perhaps.Where != Above || !(perhaps.Low < 128) || !math.IsInf(perhaps.High, 1) {
		t.Errorf("%+v", perhaps)
	}
	for _, objective := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := f.Capacity(objective); err == nil || !strings.Contains(err.Error(), "objective") {
			t.Errorf("objective %g: %v", objective, err)
		}
	}

	all, binding := Tightest(above, c, perhaps)
	if binding != 1 || all.Value != c.Value || all.Low != c.Low || all.High != c.High || all.Where != Inside {
		t.Errorf("%d: %+v", binding, all)
	}
}

// The capacity's interval holds the concurrency at which the true curve meets the
// objective.
func TestCapacityCovers(t *testing.T) {
	const reps = 300
	rng := rand.New(rand.NewPCG(12, 2))
	c := covered{}
	for range reps {
		f := fit(t, Affine, closed(1000).measure(rng, 5, 0.03), Options{})
		capacity, err := f.Capacity(itl(40))
		if err != nil {
			t.Fatal(err)
		}
		c.add("capacity", capacity.Low, 40, capacity.High)
		d, err := f.Degradation(1, 128)
		if err != nil {
			t.Fatal(err)
		}
		c.add("degradation", d.Low, itl(128)/itl(1), d.High)
	}
	c.want(t, "capacity", reps, 0.92, 0.985)
	c.want(t, "degradation", reps, 0.92, 0.985)
}

// What a slow start shifts cancels in a ratio of two points of one curve.
func TestDegradationIsSurerThanItsParts(t *testing.T) {
	f := fit(t, Affine, closed(1000).measure(rand.New(rand.NewPCG(12, 3)), 5, 0.03), Options{})
	d, err := f.Degradation(1, 128)
	if err != nil {
		t.Fatal(err)
	}
	low, _ := f.Predict(1)
	high, _ := f.Predict(128)
	wantNear(t, "factor", d.Value, high.Value/low.Value, 1e-12)
	if d.High/d.Low >= high.High/high.Low*low.High/low.Low || d.Extrapolated {
		t.Errorf("%+v", d)
	}
	if d, _ := f.Degradation(1, 256); !d.Extrapolated {
		t.Errorf("%+v", d)
	}
	if _, err := f.Degradation(0, 1); err == nil {
		t.Error("a factor from concurrency 0")
	}
}

// The knee's profile interval against the definition, for which no search is
// needed: with the knee held at k, alpha is the mean of log y - log(1 + x/k).
func TestProfileIntervalIsTheDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 4))
	points := append(sweep(levels, noisy(rng, 0.05, itl)), sweep(levels, noisy(rng, 0.05, itl))...)
	f := fit(t, Affine, points, Options{})
	knee, err := f.Knee()
	if err != nil {
		t.Fatal(err)
	}
	rss := func(k float64) float64 {
		var mean, sum float64
		for _, p := range points {
			mean += math.Log(p.Y/(1+p.X/k)) / float64(len(points))
		}
		for _, p := range points {
			r := math.Log(p.Y/(1+p.X/k)) - mean
			sum += r * r
		}
		return sum
	}
	const t14 = 2.1447866879169273 // qt(0.975, 14)
	limit := f.RSS + t14*t14*f.Sigma*f.Sigma
	wantNear(t, "RSS at the low end", rss(knee.Low)/limit, 1, 1e-3)
	wantNear(t, "RSS at the high end", rss(knee.High)/limit, 1, 1e-3)
	delta := f.delta(knees[Affine])
	if !(math.Log(knee.High/knee.Value) > math.Log(knee.Value/knee.Low)) || math.Abs(math.Log(delta.High/knee.High)) > 0.05 {
		t.Errorf("%+v, delta %+v", knee, delta)
	}
}

// Every model of latency doubles at its knee.
func TestLatencyDoublesAtTheKnee(t *testing.T) {
	for m, theta := range map[*Model][]float64{
		Affine: {10, 0.4}, Plateau: {10, 0.4, 40}, Quadratic: {10, 0.1, 0.01}, Hinge: {10, 0.1, 0.5, 40},
	} {
		knee, ok := knees[m].of(theta)
		if !ok {
			t.Fatal(m.name)
		}
		wantNear(t, m.name, m.value(theta, knee), 2*theta[0], 1e-12)
	}
	for m, theta := range map[*Model][]float64{
		Plateau: {10, 0.4, 20}, Hinge: {10, 0.1, 0, 40}, Quadratic: {10, 0, 0}, Affine: {0, 1},
	} {
		if knee, ok := knees[m].of(theta); ok {
			t.Errorf("%s %v doubles at %g", m.name, theta, knee)
		}
	}
}
