package compare

import (
	"math"
	"testing"
)

// "You could have seen 4.1 %; more runs reach 2 %": the two questions of a plan
// answer each other.
func TestPlanAnswersBothWays(t *testing.T) {
	p := Plan{SD: 0.0113, DF: 8, Runs: 5, Tests: 1}
	seen, err := p.Detectable(Options{})
	if err != nil {
		t.Fatal(err)
	}
	// 2.02 SD by t, 15 % more for ranks of five runs, 12 % for an SD that rests
	// on 8 degrees of freedom.
	wantNear(t, "detectable", math.Log1p(seen), 0.0113*2.02*1.15*1.12, 5e-4)

	runs, err := p.RunsFor(0.02, Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := func(n int) float64 {
		q := p
		q.Runs = n
		d, err := q.Detectable(Options{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if runs <= 5 || at(runs) > 0.02 || at(runs-1) <= 0.02 {
		t.Errorf("%d runs for 2 %%: they see %g, one fewer %g", runs, at(runs), at(runs-1))
	}
	if back, _ := p.RunsFor(seen, Options{}); back != 5 {
		t.Errorf("%d runs for what 5 see", back)
	}
}

// More runs see more, whatever steps the levels of ranks make: from 4 to 60.
func TestMoreRunsSeeMore(t *testing.T) {
	least := math.Inf(1)
	for n := 4; n <= 60; n++ {
		d, err := Plan{SD: 0.05, Runs: n}.Detectable(Options{})
		if err != nil {
			t.Fatal(err)
		}
		if d > least*1.03 {
			t.Errorf("%d runs see %g, fewer saw %g", n, d, least)
		}
		least = math.Min(least, d)
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	if d, err := (Plan{SD: 0.01, Runs: 2}).Detectable(Options{}); err != nil || !math.IsInf(d, 1) {
		t.Errorf("two runs see %g, %v", d, err)
	}
	// Three runs against three give no p by ranks that could pass, four do.
	if d, _ := (Plan{SD: 0.01, Runs: 4}).Detectable(Options{}); math.IsInf(d, 1) {
		t.Error("four runs see nothing")
	}
	// More tests ask more of each.
	one, _ := Plan{SD: 0.01, Runs: 5}.Detectable(Options{})
	many, _ := Plan{SD: 0.01, Runs: 5, Tests: 48}.Detectable(Options{})
	if !(many > 1.5*one) || math.IsInf(many, 1) {
		t.Errorf("five runs see %g alone and %g among 48", one, many)
	}
	// Below DeltaMin nothing is called a regression, with any number of runs.
	if n, err := (Plan{SD: 0.01}).RunsFor(0.005, Options{}); n != 0 || err != nil {
		t.Errorf("%d runs for half a percent, %v", n, err)
	}
	for _, bad := range []Plan{{SD: math.NaN()}, {SD: -1}, {SD: 0.01, DF: -1}, {SD: 0.01, Runs: -1}} {
		if _, err := bad.Detectable(Options{}); err == nil {
			t.Errorf("%+v was planned with", bad)
		}
	}
	if _, err := (Plan{SD: 0.01}).RunsFor(0, Options{}); err == nil {
		t.Error("an effect of 0 was planned for")
	}
}

// One-sided at 5 % with power 0.8 for 3 % at a known SD of 1.13 %:
// n = 2 (1.645 + 0.842)^2 (1.13/2.96)^2 = 1.8, and 4 by the t distribution, which
// is also the least that ranks have a bound for.
func TestRunsToClear(t *testing.T) {
	for _, c := range []struct {
		sd   float64
		want int
	}{{0.0113, 4}, {0.03, 14}, {0.06, 52}} {
		if got, err := (Plan{SD: c.sd}).RunsToClear(Options{}); err != nil || got != c.want {
			t.Errorf("SD %g: %d runs, %v, want %d", c.sd, got, err, c.want)
		}
	}
}
