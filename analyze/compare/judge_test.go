package compare

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// sweepOf simulates a sweep: a run's factor is common to all its cells in part,
// as metrics of one run move together.
type sweepOf struct {
	metrics, levels, runs int
	shared                float64 // share of the variance of a cell that its run has in common
	noise                 noise
	candidateNoise        noise                           // nil: the same
	effect                func(metric, level int) float64 // nil: none
}

func (o sweepOf) draw(rng *rand.Rand) Sweep {
	s := Sweep{Name: "simulated"}
	for level := range o.levels {
		s.Levels = append(s.Levels, float64(int(1)<<level))
	}
	for range o.metrics {
		s.Metrics = append(s.Metrics, Metric{Name: "latency", Better: Lower})
	}
	s.Baseline, s.Candidate = o.arm(rng, false), o.arm(rng, true)
	return s
}

func (o sweepOf) arm(rng *rand.Rand, candidate bool) []Start {
	starts := make([]Start, o.runs)
	factor := o.noise
	if candidate && o.candidateNoise != nil {
		factor = o.candidateNoise
	}
	for i := range starts {
		common := math.Log(factor(rng))
		starts[i].Values = matrix(o.metrics, o.levels)
		for m := range o.metrics {
			for l := range o.levels {
				own := math.Log(factor(rng))
				v := 100 * math.Exp(math.Sqrt(o.shared)*common+math.Sqrt(1-o.shared)*own)
				if candidate && o.effect != nil {
					v *= o.effect(m, l)
				}
				starts[i].Values[m][l] = v
			}
		}
	}
	return starts
}

// On one column without missing runs the permutation test of Welch's t, at equal
// sizes, is the textbook permutation test of a difference of means.
func TestMaxTOfOneColumnIsThePermutationTest(t *testing.T) {
	values := []float64{1, 2, 3, 4, 10, 3.5, 8, 9, 11, 12}
	got := gate{}.test([]block{{m: 5, n: 5, columns: [][]float64{values}}}, 0.05)
	var all, extreme float64
	total, observed := 0.0, 0.0
	for i, v := range values {
		total += v
		if i >= 5 {
			observed += v
		}
	}
	combinations(10, 5, false, func(c []int) {
		sum := 0.0
		for _, i := range c {
			sum += values[i]
		}
		all++
		if math.Abs(sum-total/2) >= math.Abs(observed-total/2)-1e-9 {
			extreme++
		}
	})
	wantNear(t, "p", got.p[0][0], extreme/all, 1e-12)
	if !got.exact || got.permutations != 126 || all != 252 {
		t.Errorf("%d permutations of %g, exact %v", got.permutations, all, got.exact)
	}
}

// On ranks, one column is the exact Mann-Whitney test, ties included: the trap
// that golang/perf falls into, with 6/126 and not 0.
func TestRankMaxTOfOneColumnIsMannWhitney(t *testing.T) {
	for _, c := range []struct{ b, c []float64 }{
		{[]float64{1, 1, 1, 1, 1}, []float64{2, 1, 3, 5}},
		{[]float64{1, 2, 3, 4, 5}, []float64{3, 5, 6, 7, 8}},
		{[]float64{0, 0, 0, 0, 0, 1}, []float64{0, 0, 2, 2, 3, 3}},
	} {
		want, err := MannWhitney(c.b, c.c)
		if err != nil {
			t.Fatal(err)
		}
		got := gate{ranks: true}.test([]block{{m: len(c.b), n: len(c.c), columns: [][]float64{slices.Concat(c.b, c.c)}}}, 0.05)
		wantNear(t, "p", got.p[0][0], want.TwoSided, 1e-12)
	}
}

// The step-down procedure written out for two columns: the more significant one
// is compared with the larger of both statistics, the other with its own.
func TestMaxTStepsDown(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for range 20 {
		columns := [][]float64{make([]float64, 10), make([]float64, 10)}
		for i := range 10 {
			columns[0][i] = rng.NormFloat64() + 2*float64(i/5)
			columns[1][i] = columns[0][i]/2 + rng.NormFloat64()
		}
		b := block{m: 5, n: 5, columns: columns}
		got := gate{}.test([]block{b}, 0.05).p[0]

		k := newKernel(b, false)
		obs := slices.Clone(k.statistics(k.identity()))
		first, second := 0, 1
		if obs[1] > obs[0] {
			first, second = 1, 0
		}
		var all, both, own float64
		combinations(10, 5, false, func(c []int) {
			s := k.statistics(c)
			all++
			if max(s[0], s[1]) >= obs[first]*(1-1e-9) {
				both++
			}
			if s[second] >= obs[second]*(1-1e-9) {
				own++
			}
		})
		wantNear(t, "first", got[first], both/all, 1e-12)
		wantNear(t, "second", got[second], max(both, own)/all, 1e-12)
	}
}

// The statistic is Welch's t, also where arms differ in size and runs are
// missing.
func TestTheStatisticIsWelchsT(t *testing.T) {
	nan := math.NaN()
	columns := [][]float64{
		{1, 2, 4, 3, 2.5, 6, 7, 9, 8},
		{1, nan, 4, 3, 2.5, 6, nan, 9, 8},
	}
	for _, m := range []int{5, 4} { // of the nine, and of the first eight, which are halves
		for j, c := range columns {
			c = c[:m+4]
			k := newKernel(block{m: m, n: 4, columns: [][]float64{c}}, false)
			got := k.statistics(k.identity())
			want, err := Welch(measured(c[:m]), measured(c[m:]), 0.95)
			if err != nil {
				t.Fatal(err)
			}
			wantNear(t, "t", math.Sqrt(got[0]), math.Abs(want.T), 1e-12)
			if k.balanced != (m == 4 && j == 0) {
				t.Errorf("%d and 4 runs, column %d: balanced is %v", m, j, k.balanced)
			}
		}
	}
}

// All arrangements are counted up to 20,000, with eight runs an arm; with ten
// they are drawn, and then no p-value is 0.
func TestPermutationsAreCountedOrDrawn(t *testing.T) {
	for _, c := range []struct {
		runs, permutations int
		exact              bool
	}{{4, 35, true}, {5, 126, true}, {8, 6435, true}, {10, 9999, false}} {
		column := append(ramp(c.runs, 0), ramp(c.runs, 1000)...)
		got := gate{}.test([]block{{m: c.runs, n: c.runs, columns: [][]float64{column}}}, 0.05)
		if got.exact != c.exact || got.permutations != c.permutations {
			t.Errorf("%d runs: %d permutations, exact %v", c.runs, got.permutations, got.exact)
		}
		least := 2 / arrangements(2*c.runs, c.runs)
		if c.exact {
			wantNear(t, "p", got.p[0][0], least, 1e-12)
		} else if got.p[0][0] < 1.0/10_000 || got.p[0][0] > 3.0/10_000 {
			t.Errorf("p = %g", got.p[0][0])
		}
	}
}

func judged1(t *testing.T, s Sweep) Judgement {
	t.Helper()
	j := Judge(s, Options{})
	if j.Err != nil {
		t.Fatal(j.Err)
	}
	return j
}

func at(metric, level int, effect float64) func(int, int) float64 {
	return func(m, l int) float64 {
		if m == metric && l == level {
			return effect
		}
		return 1
	}
}

func TestOneSlowCellIsFoundAndNamed(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	j := judged1(t, sweepOf{metrics: 6, levels: 8, runs: 6, noise: normal, effect: at(2, 5, 1.08)}.draw(rng))
	if j.Verdict != Regressed || j.Metrics[2].Verdict != Regressed || j.Metrics[2].Crossing != nil {
		t.Fatalf("%v, %v", j.Verdict, j.Metrics[2].Verdict)
	}
	for m := range j.Metrics {
		for _, c := range j.Metrics[m].Cells {
			if (c.Verdict == Regressed) != (m == 2 && c.Level == 32) {
				t.Errorf("metric %d at %g: %v", m, c.Level, c.Verdict)
			}
			if !(c.P <= c.AdjustedP) || !(c.Detectable.Ratio > 1) || c.Ratio.NBaseline != 6 || !(c.Ratio.CI.Level >= 0.95) {
				t.Errorf("cell %+v", c)
			}
		}
	}
	if j.Gate.Method != StudentisedMaxT || !j.Gate.Exact || j.Gate.Tests != 55 || j.Gate.Permutations != 462 {
		t.Errorf("gate %+v", j.Gate)
	}
}

// vLLM issue 47047: slower at low concurrency, faster at high. The mean over the
// curve says little; the crossing is said.
func TestCrossingCurvesAreSaid(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	s := sweepOf{metrics: 1, levels: 3, runs: 6, noise: normal, effect: func(_, l int) float64 {
		return []float64{1482.0 / 1781, 5312.0 / 5110, 7686.0 / 6960}[l]
	}}.draw(rng)
	s.Metrics[0] = Metric{Name: "output throughput", Better: Higher}
	j := judged1(t, s)
	c := j.Metrics[0].Crossing
	if j.Verdict != Regressed || c == nil || !slices.Equal(c.Worse, []float64{1}) || !slices.Equal(c.Better, []float64{2, 4}) {
		t.Fatalf("%v, %+v", j.Verdict, c)
	}
	if !hasWarning(j, "crosses-over") {
		t.Errorf("warnings %v", j.Warnings)
	}
}

func hasWarning(j Judgement, code string) bool {
	for _, w := range j.Warnings {
		if string(w.Code) == code {
			return true
		}
	}
	return false
}

func TestAnImprovementEverywhereIsImproved(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	j := judged1(t, sweepOf{metrics: 2, levels: 4, runs: 8, noise: normal, effect: func(int, int) float64 { return 0.95 }}.draw(rng))
	if j.Verdict != Improved || j.Metrics[0].Crossing != nil {
		t.Errorf("%v", j.Verdict)
	}
	same := judged1(t, sweepOf{metrics: 2, levels: 4, runs: 8, noise: normal}.draw(rng))
	if same.Verdict != NotRegressed {
		t.Errorf("A/A: %v", same.Verdict)
	}
}

// With stalls and eight runs the gate works on ranks, and the stalls are counted
// beside it.
func TestStallsAreReportedAndDoNotHideChanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	s := sweepOf{metrics: 2, levels: 3, runs: 10, noise: normal, effect: func(int, int) float64 { return 1.04 }}.draw(rng)
	slow := func(start Start) {
		for _, values := range start.Values {
			for l := range values {
				values[l] *= stallBy
			}
		}
	}
	slow(s.Baseline[3])
	slow(s.Candidate[7])
	j := judged1(t, s)
	if j.Gate.Method != RankMaxT || !slices.Equal(j.Stalls.Baseline, []int{3}) || !slices.Equal(j.Stalls.Candidate, []int{7}) {
		t.Fatalf("%+v, %+v", j.Gate, j.Stalls)
	}
	if j.Verdict != Regressed || j.Stalls.Verdict != Inconclusive || !hasWarning(j, "stalls-found") {
		t.Errorf("%v, %+v, %v", j.Verdict, j.Stalls, j.Warnings)
	}
	// One of ten: the 95 % bound of a binomial rate is 39.4 %.
	wantNear(t, "upper", j.Stalls.Upper.Value, 0.3942, 1e-3)

	for i := range 8 {
		if i != 7 {
			slow(s.Candidate[i])
		}
	}
	few := Sweep{Levels: s.Levels, Metrics: s.Metrics, Baseline: s.Baseline[:5], Candidate: s.Candidate[5:]}
	if j := judged1(t, few); j.Gate.Method != StudentisedMaxT || !hasWarning(j, "stalls-found") {
		t.Errorf("%+v, %v", j.Gate, j.Warnings)
	}
}

// Runs of the candidate stall, those of the baseline never do, and the clean
// ones are alike: that is a regression of its own.
func TestAHigherStallRateIsARegression(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	s := sweepOf{metrics: 1, levels: 2, runs: 20, noise: normal}.draw(rng)
	for _, i := range []int{1, 4, 6, 9, 12, 15, 17, 19} {
		for l := range s.Levels {
			s.Candidate[i].Values[0][l] *= stallBy
		}
	}
	j := judged1(t, s)
	if j.Stalls.Verdict != Regressed || j.Verdict != Regressed || len(j.Stalls.Candidate) != 8 || len(j.Stalls.Baseline) != 0 {
		t.Fatalf("%+v, %v", j.Stalls, j.Verdict)
	}
	// Fisher's exact test of 0 and 8 of 20 (R: fisher.test).
	wantNear(t, "p", j.Stalls.P, 0.003277, 1e-3)
}

func TestFailureRatesAreGated(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	build := func(base, cand []float64) Sweep {
		s := sweepOf{metrics: 2, levels: 1, runs: len(base), noise: normal}.draw(rng)
		s.Metrics[1] = Metric{Name: "failed requests", Better: Lower, Kind: Share}
		for i := range base {
			s.Baseline[i].Values[1][0], s.Candidate[i].Values[1][0] = base[i], cand[i]
		}
		return s
	}
	zeros := make([]float64, 8)
	none := judged1(t, build(zeros, zeros))
	if none.Metrics[1].Verdict != NotRegressed || none.Verdict != NotRegressed || none.Metrics[1].Curve.P != 1 {
		t.Errorf("no failures: %v, %+v", none.Verdict, none.Metrics[1].Curve)
	}
	some := judged1(t, build(zeros, []float64{0.02, 0.03, 0.01, 0.02, 0.02, 0.04, 0.03, 0.02}))
	r := some.Metrics[1].Curve
	if r.Verdict != Regressed || some.Verdict != Regressed {
		t.Errorf("2 %% fail: %v, %+v", some.Verdict, r.Share)
	}
	wantNear(t, "difference", r.Share.Difference, 0.02375, 1e-12)

	// One of eight runs in which half the requests fail: no evidence, and no
	// clearance either.
	one := judged1(t, build(zeros, []float64{0, 0, 0, 0.5, 0, 0, 0, 0}))
	if one.Metrics[1].Verdict != Inconclusive || one.Verdict != Inconclusive {
		t.Errorf("one bad run: %v", one.Metrics[1].Verdict)
	}
	// A change of a twentieth of a point is a change and no regression.
	tiny := judged1(t, build(zeros, slices.Repeat([]float64{0.0005}, 8)))
	if tiny.Metrics[1].Verdict != NotRegressed || tiny.Metrics[1].Curve.AdjustedP > 0.05 {
		t.Errorf("0.05 points: %v, p = %g", tiny.Metrics[1].Verdict, tiny.Metrics[1].Curve.AdjustedP)
	}
	// Three runs of each have no test, but a bound at 95 %; two have not.
	three, two := judged1(t, build(zeros[:3], zeros[:3])), judged1(t, build(zeros[:2], zeros[:2]))
	if three.Metrics[1].Verdict != NotRegressed || two.Metrics[1].Verdict != Inconclusive {
		t.Errorf("three runs: %v, two: %v", three.Metrics[1].Verdict, two.Metrics[1].Verdict)
	}
	bad := Judge(build(zeros, slices.Repeat([]float64{1.5}, 8)), Options{})
	if bad.Metrics[1].Verdict != Invalid || bad.Verdict != Inconclusive {
		t.Errorf("a share of 150 %%: %v, %v", bad.Metrics[1].Verdict, bad.Verdict)
	}
}

func TestMissingCellsAreAllowedAndSaid(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	s := sweepOf{metrics: 2, levels: 4, runs: 6, noise: normal, effect: at(0, 3, 1.10)}.draw(rng)
	s.Baseline[1].Values[0][3] = math.NaN()
	s.Candidate[4].Values[0][3] = math.NaN()
	for i := range 3 { // too many to test, and to be in the curve
		s.Candidate[i].Values[1][2] = math.NaN()
	}
	j := judged1(t, s)
	if c := j.Metrics[0].Cells[3]; c.Verdict != Regressed || c.Ratio.NBaseline != 5 || c.Warnings[0].Code != MissingRuns {
		t.Errorf("%v, %+v, %v", c.Verdict, c.Ratio, c.Warnings)
	}
	if c := j.Metrics[1].Cells[2]; c.Verdict != Inconclusive || !math.IsNaN(c.P) || !(c.Ratio.Value > 0) {
		t.Errorf("%v, %+v", c.Verdict, c)
	}
	if !slices.Equal(j.Metrics[1].Levels, []float64{1, 2, 8}) || !hasWarning(j, "levels-left-out") {
		t.Errorf("levels %v, %v", j.Metrics[1].Levels, j.Warnings)
	}
	if j.Gate.Tests != 10-1+1 { // eight cells but one, two curves, the stalls
		t.Errorf("%d tests", j.Gate.Tests)
	}
}

// Thresholds are each metric's own, whatever the metrics are called.
func TestMetricsHaveTheirOwnThresholds(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 13))
	s := sweepOf{metrics: 3, levels: 1, runs: 8, noise: normal, effect: func(int, int) float64 { return 1.05 }}.draw(rng)
	s.Metrics[1].Margin, s.Metrics[1].DeltaMin = 0.20, 0.10
	s.Metrics[2].Margin = TailMargin
	j := judged1(t, s)
	for m, want := range []Verdict{Regressed, NotRegressed, Regressed} {
		if got := j.Metrics[m].Verdict; got != want {
			t.Errorf("metric %d: %v, want %v", m, got, want)
		}
	}
	if got := j.Metrics[2].Curve.Margin; got != 0.10 {
		t.Errorf("margin %g", got)
	}
}

// A change that is found while one version varies much more than the other is
// said to be perhaps only that.
func TestUnequalSpreadIsSaid(t *testing.T) {
	s := Sweep{Levels: []float64{1}, Metrics: []Metric{{Name: "itl", Better: Lower}}}
	for i, z := range []float64{-1, -0.5, 0, 0.1, 0.6, 0.8} {
		s.Baseline = append(s.Baseline, Start{Values: [][]float64{{100 + 0.3*z}}})
		s.Candidate = append(s.Candidate, Start{Values: [][]float64{{108 + 3*z + float64(i)/10}}})
	}
	r := judged1(t, s).Metrics[0].Curve
	if r.Verdict != Regressed {
		t.Fatalf("%v", r.Verdict)
	}
	wantCode(t, r, UnequalSpread)
	for i := range s.Baseline {
		s.Baseline[i].Values[0][0] = 100 * s.Candidate[i].Values[0][0] / 115
	}
	for _, w := range judged1(t, s).Metrics[0].Curve.Warnings {
		if w.Code == UnequalSpread {
			t.Error("equal spreads are warned of")
		}
	}
}

func TestThreeRunsOfASweepAreWeak(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	j := judged1(t, sweepOf{metrics: 2, levels: 2, runs: 3, noise: normal, effect: func(int, int) float64 { return 1.5 }}.draw(rng))
	if !j.Weak || j.Verdict != Regressed || j.Gate.Method != HolmOfWelch || j.Gate.Tests != 6 || !hasWarning(j, "weak-test") {
		t.Errorf("%v, %+v, %v", j.Verdict, j.Gate, j.Warnings)
	}
}

// Two runs, however far apart.
func TestTwoRunsOfASweepAreNeverAVerdict(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, runs := range []int{1, 2} {
		j := judged1(t, sweepOf{metrics: 2, levels: 2, runs: runs, noise: normal, effect: func(int, int) float64 { return 5 }}.draw(rng))
		if j.Verdict != Inconclusive || j.Gate.Method != NoGate || !hasWarning(j, "too-few-runs") {
			t.Errorf("%d runs: %v, %+v", runs, j.Verdict, j.Gate)
		}
		if r := j.Metrics[0].Curve; r.Verdict != Inconclusive || r.Ratio.Value < 4 || r.RunsNeeded < 5 {
			t.Errorf("%+v", r)
		}
	}
}

func TestSweepsThatCannotBeJudgedAreInvalid(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 10))
	ok := sweepOf{metrics: 1, levels: 2, runs: 5, noise: normal}.draw(rng)
	broken := func(change func(*Sweep)) Sweep {
		s := sweepOf{metrics: 1, levels: 2, runs: 5, noise: normal}.draw(rng)
		change(&s)
		return s
	}
	for _, c := range []struct {
		s    Sweep
		want string
	}{
		{Sweep{}, "nothing to compare"},
		{broken(func(s *Sweep) { s.Candidate = nil }), "need >= 1 run"},
		{broken(func(s *Sweep) { s.Levels = []float64{2, 1} }), "ascending"},
		{broken(func(s *Sweep) { s.Baseline[2].Values[0] = nil }), "baseline run 2"},
		{broken(func(s *Sweep) { s.Baseline[2].Values = nil }), "baseline run 2 has 0 metrics"},
	} {
		js := JudgeAll([]Sweep{ok, c.s}, Options{})
		if js[1].Verdict != Invalid || js[1].Err == nil || !strings.Contains(js[1].Err.Error(), c.want) {
			t.Errorf("%v, %v, want %q", js[1].Verdict, js[1].Err, c.want)
		}
		if js[0].Verdict == Invalid {
			t.Errorf("%q spoiled another sweep", c.want)
		}
	}
	for _, bad := range []float64{0, -1, math.Inf(1)} {
		for _, levels := range []int{1, 2} {
			s := sweepOf{metrics: 2, levels: levels, runs: 5, noise: normal}.draw(rng)
			s.Candidate[0].Values[0][0] = bad
			j := Judge(s, Options{})
			if j.Metrics[0].Verdict != Invalid || j.Metrics[1].Verdict == Invalid || j.Verdict == NotRegressed {
				t.Errorf("value %g: %v, %v, %v", bad, j.Metrics[0].Verdict, j.Metrics[1].Verdict, j.Verdict)
			}
		}
	}
	if j := Judge(ok, Options{Alpha: 3}); j.Verdict != Invalid || j.Err == nil {
		t.Errorf("%+v", j)
	}
}

func TestJudgementsAreDeterministic(t *testing.T) {
	s := sweepOf{metrics: 2, levels: 3, runs: 10, noise: stalls, effect: at(0, 1, 1.03)}.draw(rand.New(rand.NewPCG(11, 11)))
	first, again := Judge(s, Options{}), Judge(s, Options{})
	if !reflect.DeepEqual(clearNaN(first), clearNaN(again)) {
		t.Error("two judgements of the same sweep differ")
	}
	if other := Judge(s, Options{Seed: 1}); other.Gate.Critical == first.Gate.Critical {
		t.Error("the seed changes nothing")
	}
}

// clearNaN leaves what can be compared.
func clearNaN(j Judgement) []any {
	var all []any
	for _, m := range j.Metrics {
		for _, c := range m.Cells {
			all = append(all, c.Verdict, c.P, c.AdjustedP, c.Ratio, c.Detectable)
		}
	}
	return append(all, j.Verdict, j.Gate, j.Stalls)
}

// A latency and the throughput that is its reciprocal get one verdict.
func TestASweepOfReciprocalsIsJudgedAlike(t *testing.T) {
	s := sweepOf{metrics: 1, levels: 3, runs: 6, noise: normal, effect: at(0, 1, 1.04)}.draw(rand.New(rand.NewPCG(12, 12)))
	a := judged1(t, s)
	s.Metrics[0].Better = Higher
	for _, arm := range [][]Start{s.Baseline, s.Candidate} {
		for _, start := range arm {
			for l, v := range start.Values[0] {
				start.Values[0][l] = 1 / v
			}
		}
	}
	b := judged1(t, s)
	for i, c := range a.Metrics[0].Cells {
		d := b.Metrics[0].Cells[i]
		if c.Verdict != d.Verdict {
			t.Errorf("at %g: %v and %v", c.Level, c.Verdict, d.Verdict)
		}
		wantNear(t, "adjusted p", d.AdjustedP, c.AdjustedP, 1e-12)
		wantNear(t, "detectable", d.Detectable.Ratio, 1/c.Detectable.Ratio, 1e-9)
	}
}
