package curve

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func changeOf(t *testing.T, changes []Change, quantity string) Change {
	t.Helper()
	for _, c := range changes {
		if c.Quantity == quantity {
			return c
		}
	}
	t.Fatalf("no %s in %+v", quantity, changes)
	return Change{}
}

// scaled is a closed loop with another base cost, slope and slots.
func scaled(base, slope, slots float64) campaign {
	c := closed(slots)
	c.itl = func(x float64) float64 { return base*0.010 + slope*0.0004*math.Min(x, slots) }
	c.run = func(level int, slow float64) Point {
		return Point{X: levels[level], Y: slow * c.itl(levels[level])}
	}
	return c
}

func compared(t *testing.T, baseline, candidate *Fit) []Change {
	t.Helper()
	changes, err := Compare(baseline, candidate)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// What was changed is what is found changed.
func TestWhatChangedIsFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 1))
	baseline := fit(t, Affine, scaled(1, 1, 1000).measure(rng, 5, 0.01), Options{})
	base := compared(t, baseline, fit(t, Affine, scaled(1.1, 1, 1000).measure(rng, 5, 0.01), Options{}))
	if c := changeOf(t, base, "base"); !c.Changed || !(c.Ratio.Low < 1.1 && 1.1 < c.Ratio.High) || c.Meaning != "latency without load" {
		t.Errorf("%+v %+v", c, c.Ratio)
	}
	if c := changeOf(t, base, "slope"); c.Changed {
		t.Errorf("%+v %+v", c, c.Ratio)
	}
	slope := compared(t, baseline, fit(t, Affine, scaled(1, 1.2, 1000).measure(rng, 5, 0.01), Options{}))
	if c := changeOf(t, slope, "slope"); !c.Changed || !(c.Ratio.Low < 1.2 && 1.2 < c.Ratio.High) {
		t.Errorf("%+v %+v", c, c.Ratio)
	}
	if c := changeOf(t, slope, "base"); c.Changed {
		t.Errorf("%+v %+v", c, c.Ratio)
	}
	ratio, err := Ratio(baseline, baseline, 20)
	if err != nil || ratio.Value != 1 || !(ratio.Low < 1 && 1 < ratio.High) {
		t.Errorf("%+v, %v", ratio, err)
	}
}

// A queue that begins earlier, and one that was not there.
func TestQueueingOnsetChanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 2))
	at48 := fit(t, Plateau, scaled(1, 1, 48).measure(rng, 5, 0.01), Options{})
	at20 := fit(t, Plateau, scaled(1, 1, 20).measure(rng, 5, 0.01), Options{})
	if c := changeOf(t, compared(t, at48, at20), "onset"); !c.Changed || !(c.Ratio.Low < 20./48 && 20./48 < c.Ratio.High) {
		t.Errorf("%+v %+v", c, c.Ratio)
	}
	none := fit(t, Affine, scaled(1, 1, 1000).measure(rng, 5, 0.01), Options{})
	c := changeOf(t, compared(t, none, at48), "onset")
	if !c.Changed || c.Baseline != nil || c.Ratio != nil || !strings.Contains(c.Note, "the baseline's curve, affine, has none") {
		t.Errorf("%+v", c)
	}
}

func TestPeakChanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 3))
	law := func(b float64) func(n float64) float64 {
		return func(n float64) float64 { return 90 * n / (1 + 0.02*(n-1) + b*n*(n-1)) }
	}
	at := func(b float64) *Fit {
		return fit(t, USL, append(sweep(levels, noisy(rng, 0.01, law(b))), sweep(levels, noisy(rng, 0.01, law(b)))...), Options{})
	}
	if c := changeOf(t, compared(t, at(2e-4), at(8e-4)), "peak"); !c.Changed || !(c.Ratio.Low < 0.5 && 0.5 < c.Ratio.High) {
		t.Errorf("%+v %+v", c, c.Ratio)
	}
	if c := changeOf(t, compared(t, at(2e-4), at(1e-7)), "peak"); !c.Changed || c.Candidate != nil || !strings.Contains(c.Note, "no downturn") {
		t.Errorf("%+v", c)
	}
}

// If nothing changed, nothing is found in 95 %, all quantities together.
func TestNothingChanged(t *testing.T) {
	const reps = 200
	rng := rand.New(rand.NewPCG(13, 4))
	var found float64
	for range reps {
		a := fit(t, Affine, closed(1000).measure(rng, 5, 0.02), Options{})
		b := fit(t, Affine, closed(1000).measure(rng, 5, 0.02), Options{})
		for _, c := range compared(t, a, b) {
			if c.Changed {
				found++
				break
			}
		}
	}
	t.Logf("something found in %.3f", found/reps)
	if found/reps > 0.09 {
		t.Errorf("something found in %.3f", found/reps)
	}
}

func TestOnlyTheSameResponseIsCompared(t *testing.T) {
	latency := fit(t, Affine, sweep(levels, itl), Options{})
	throughput := fit(t, Amdahl, sweep(levels, func(x float64) float64 { return x / itl(x) }), Options{})
	if _, err := Compare(latency, throughput); err == nil || !strings.Contains(err.Error(), "affine and amdahl are not curves of the same response") {
		t.Error(err)
	}
}

func exactly(v float64) Interval { return Interval{v, v, v} }

func TestPareto(t *testing.T) {
	about := func(v float64) Interval { return Interval{v, 0.9 * v, 1.1 * v} }
	trades, err := Pareto([]Operating{
		{Label: "fast", Throughput: exactly(100), Latency: exactly(10)},
		{Label: "wide", Throughput: exactly(500), Latency: exactly(30)},
		{Label: "worse", Throughput: exactly(90), Latency: exactly(12)},
		{Label: "same as wide", Throughput: exactly(500), Latency: exactly(30)},
		{Label: "slower only", Throughput: exactly(500), Latency: exactly(31)},
		{Label: "perhaps", Throughput: about(480), Latency: about(31)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		standing Standing
		by       int
	}{{Front, -1}, {Front, -1}, {Dominated, 0}, {Front, -1}, {Dominated, 1}, {Undecided, 1}} {
		if got := trades[i]; got.Standing != want.standing || got.By != want.by {
			t.Errorf("%s: %v by %d, want %v by %d", got.Label, got.Standing, got.By, want.standing, want.by)
		}
	}
	front := FrontOf(trades)
	if len(front) != 4 || front[0].Label != "fast" || front[1].Label != "perhaps" {
		t.Errorf("%+v", front)
	}
	for _, bad := range []Interval{{Value: 0}, {Value: math.NaN()}, {5, 6, 7}, {Value: math.Inf(1), High: math.Inf(1)}} {
		if _, err := Pareto([]Operating{{Throughput: exactly(1), Latency: bad}}); err == nil || !strings.Contains(err.Error(), "latency") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if trades, err := Pareto(nil); len(trades) != 0 || err != nil {
		t.Errorf("%v, %v", trades, err)
	}
}

// Whatever the points, some are on the front, none there is better than another
// there, and everything else has a point of the front or an undecided one that is
// better.
func TestParetoFrontIsAFront(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 5))
	for range 100 {
		points := make([]Operating, 1+rng.IntN(20))
		for i := range points {
			v, l := 1+9*rng.Float64(), 1+9*rng.Float64()
			points[i] = Operating{Throughput: Interval{v, v * 0.95, v * 1.05}, Latency: Interval{l, l * 0.95, l * 1.05}}
		}
		trades, err := Pareto(points)
		if err != nil {
			t.Fatal(err)
		}
		var front int
		for i, a := range trades {
			if a.Standing == Front {
				front++
			}
			for j, b := range trades {
				if i != j && a.Standing == Front && b.better(a.Operating) {
					t.Errorf("%+v is better than %+v", b, a)
				}
			}
			if a.By >= 0 && !points[a.By].better(a.Operating) {
				t.Errorf("%+v by %+v", a, points[a.By])
			}
		}
		if front == 0 {
			t.Error("no front")
		}
	}
}
