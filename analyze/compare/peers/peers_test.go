package peers

import (
	"math"
	"slices"
	"testing"

	"github.com/servestat/servestat/analyze/compare"
	"github.com/servestat/servestat/schemas/schematest"
)

// A quiet past: 1 % around 100.
func quiet() Evidence {
	history := []float64{}
	for i := range 40 {
		history = append(history, 100+[]float64{-1, 0.5, 1, -0.5, 0, 0.8, -0.8}[i%7])
	}
	return Evidence{
		Metric: "itl", Unit: "ms", Better: compare.Lower, History: history,
		Baseline: []float64{99.5, 100.5, 100.2, 99.8, 100}, Candidate: []float64{100.3, 99.7, 100.4, 99.9, 100.1},
	}
}

func scaled(e Evidence, factor float64) Evidence {
	e.Candidate = slices.Clone(e.Candidate)
	for i := range e.Candidate {
		e.Candidate[i] *= factor
	}
	return e
}

// Each rule at the foot of what it flags and just below, as its documentation
// has it, and as a throughput too. The candidate's first run is 100.3 and the
// baseline's last is 100.
func TestRulesFlagFromTheirThresholdOn(t *testing.T) {
	for name, c := range map[string]struct{ below, above float64 }{
		"vLLM dashboard, 2 %":             {1.016, 1.018},
		"PyTorch HUD, 0.95 of the median": {1.04, 1.06},
		"PyTorch HUD, 1.15 of the median": {1.14, 1.16},
		"Red Hat heat map, 5 %":           {1.046, 1.048},
		"github-action-benchmark, 200 %":  {1.99, 2.0},
		"Bencher t test, 0.95":            {1.005, 1.02},
		"Bencher t test, 0.9999":          {1.02, 1.04},
		"benchstat, Mann-Whitney per row": {1.001, 1.02},
		"Otava, p <= 0.001":               {1.003, 1.03},
		"rustc-perf, Q3 + 3 IQR":          {1.01, 1.06},
		"Conbench, 5 sigma":               {1.02, 1.05},
		"Conbench, pairwise 5 %":          {1.046, 1.055},
		"LNT":                             {1.007, 1.02},
		"asv, step >= 5 %":                {1.045, 1.055},
		"Mozilla, 10 sigma over 7 days":   {1.02, 1.08},
		"Kayenta, per metric":             {1.001, 1.03},
	} {
		rule := find(t, name)
		for _, e := range []Evidence{quiet(), throughput(quiet())} {
			factor := func(f float64) float64 {
				if e.Better == compare.Higher {
					return 1 / f
				}
				return f
			}
			if rule.Flags(scaled(e, factor(c.below))) {
				t.Errorf("%s, %s is better: flags x%g", name, e.Better, c.below)
			}
			if !rule.Flags(scaled(e, factor(c.above))) {
				t.Errorf("%s, %s is better: does not flag x%g", name, e.Better, c.above)
			}
			if rule.Flags(scaled(e, 1/factor(c.above))) {
				t.Errorf("%s, %s is better: flags an improvement", name, e.Better)
			}
		}
	}
	if len(Rules()) != 17 {
		t.Errorf("%d rules", len(Rules()))
	}
}

// throughput is the same as reciprocals, around 100.
func throughput(e Evidence) Evidence {
	e.Better = compare.Higher
	for _, xs := range []*[]float64{&e.History, &e.Baseline, &e.Candidate} {
		*xs = slices.Clone(*xs)
		for i, x := range *xs {
			(*xs)[i] = 100 * 100 / x
		}
	}
	return e
}

func find(t *testing.T, name string) Rule {
	t.Helper()
	for _, r := range Rules() {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no rule %q", name)
	return Rule{}
}

func TestPrismsThresholdKnowsNoPast(t *testing.T) {
	e := Evidence{Metric: "ttft_p50", Unit: "ms", Baseline: []float64{260}, Candidate: []float64{251}}
	if !Prism(e) {
		t.Error("251 ms is not flagged")
	}
	e.Candidate[0] = 249
	e.Baseline[0] = 100
	if Prism(e) {
		t.Error("249 ms, after 100, is flagged")
	}
}

// The trap that lies in Otava's t test: with the standard deviation of ddof = 0
// two against two runs are significant sooner than Student's test says.
func TestOtavasTTestIsTooSure(t *testing.T) {
	a, b := []float64{1, 2, 1.5}, []float64{3, 4, 3.2}
	got := tTestP(a, b)
	want, err := compare.Welch(a, b, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	if !(got < 0.8*want.TwoSided) {
		t.Errorf("p = %g, Welch's %g", got, want.TwoSided)
	}
}

// Our Otava finds the large steps of its own test series, tigerbeetle, at p <=
// 1e-7: those that its published indices have in the first 50 runs.
func TestOtavaFindsItsOwnSteps(t *testing.T) {
	var g struct {
		Tigerbeetle struct {
			Series []float64
		}
	}
	schematest.Known(t, "changepoint_perf/otava/golden.json", &g)
	points := otavaPoints(g.Tigerbeetle.Series[:50], 0.001)
	if len(points) == 0 || points[len(points)-1].at != 15 {
		t.Errorf("%+v", points)
	}
}

func TestPottsFindsSteps(t *testing.T) {
	xs := []float64{1, 1.1, 0.9, 1, 1.05, 0.95, 3, 3.1, 2.9, 3, 3.05}
	steps := potts(xs)
	if len(steps) != 2 || steps[1].begin != 6 || steps[0].median != 1 || steps[1].median != 3 {
		t.Errorf("%+v", steps)
	}
	if flat := potts([]float64{1, 1.1, 0.9, 1, 1.05, 0.95, 1.02, 0.97}); len(flat) != 1 {
		t.Errorf("%+v", flat)
	}
}

func TestKayentaScoresReports(t *testing.T) {
	bad := scaled(quiet(), 1.1)
	if got := KayentaScore([]Evidence{quiet(), quiet(), quiet(), bad}); got != 75 {
		t.Errorf("score %g", got)
	}
}

// The recursion that fills Q by moving one value at a time, against its
// definition.
func TestEnergyIsItsDefinition(t *testing.T) {
	xs := []float64{3, 1, 4, 1, 5, 19, 12, 16, 15, 13, 15}
	mean := func(a, b []float64, same bool) float64 {
		var sum, n float64
		for i, x := range a {
			for j, y := range b {
				if !same || i != j {
					sum += math.Abs(x - y)
					n++
				}
			}
		}
		return sum / n
	}
	best, want := 0.0, 0
	for m := 2; m <= len(xs)-2; m++ {
		a, b := xs[:m], xs[m:]
		fm, fn := float64(len(a)), float64(len(b))
		q := fm * fn / (fm + fn) * (2*mean(a, b, false) - mean(a, a, true) - mean(b, b, true))
		if q > best {
			best, want = q, m
		}
	}
	if got := largestEnergy(xs); got != want || want != 5 {
		t.Errorf("split at %d, want %d", got, want)
	}
}
