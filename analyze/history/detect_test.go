package history_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/history"
	"github.com/servestat/servestat/schemas/schematest"
)

// step is twelve runs at 20 ms, then twelve at 21 ms, with noise of 0.2 %.
func step() history.Series {
	rng := rand.New(rand.NewPCG(1, 1))
	logs := make([]float64, 24)
	for i := range logs {
		logs[i] = 0.002 * rng.NormFloat64()
		if i >= 12 {
			logs[i] += math.Log(1.05)
		}
	}
	return daily("itl", logs, 1)
}

func indices(r history.Result) []int {
	var is []int
	for _, c := range r.ChangePoints {
		is = append(is, c.Index)
	}
	return is
}

func hasWarning(ws []history.Warning, code history.Code) bool {
	return slices.ContainsFunc(ws, func(w history.Warning) bool { return w.Code == code })
}

func TestAStepIsFoundAtTheFirstRunOfTheNewLevel(t *testing.T) {
	r := detect(t, step(), history.Options{})
	if got := indices(r); !slices.Equal(got, []int{12}) {
		t.Fatalf("change points at %v, want [12]: the first index of the right segment", got)
	}
	c := r.ChangePoints[0]
	// Not 12 alone: that the one run which would have to be an exception stands at
	// the very edge is a chance of one in thirteen, which ranks cannot exclude.
	if c.Previous != 11 || c.Location != (history.Location{Low: 11, High: 13, Level: 0.95}) {
		t.Errorf("previous %d, location %+v", c.Previous, c.Location)
	}
	if !c.Ratio.CI.Contains(1.05) || math.Abs(c.Ratio.Value-1.05) > 0.003 {
		t.Errorf("ratio %+v, want 1.05", c.Ratio)
	}
	// No permutation of 999 reaches a perfect separation of twelve from twelve.
	if c.P != 1.0/1000 || c.AdjustedP != c.P {
		t.Errorf("p = %v, adjusted %v, want 0.001", c.P, c.AdjustedP)
	}
	if len(r.Drifts) > 0 || len(r.Levels) != 2 || r.Levels[1].First != 12 || r.Levels[1].Runs != 12 {
		t.Errorf("drifts %v, levels %+v", r.Drifts, r.Levels)
	}
	if got := r.Baseline(); len(got) != 12 || got[0] != 12 {
		t.Errorf("baseline %v, want runs 12 to 23", got)
	}
}

// The same times in another unit, and the throughput that is their reciprocal,
// change at the same place with the same p.
func TestUnitsAndReciprocalsDoNotMatter(t *testing.T) {
	s := step()
	want := detect(t, s, history.Options{})
	for _, convert := range []func(float64) float64{
		func(v float64) float64 { return 1000 * v },
		func(v float64) float64 { return 1 / v },
	} {
		other := history.Series{Name: s.Name, Runs: slices.Clone(s.Runs)}
		for i := range other.Runs {
			other.Runs[i].Value = convert(other.Runs[i].Value)
		}
		got := detect(t, other, history.Options{})
		if !slices.Equal(indices(got), indices(want)) || got.P != want.P || got.ChangePoints[0].Location != want.ChangePoints[0].Location {
			t.Errorf("%v with p %v, want %v with %v", indices(got), got.P, indices(want), want.P)
		}
		ratio := got.ChangePoints[0].Ratio.Value
		if r := want.ChangePoints[0].Ratio.Value; math.Min(math.Abs(ratio/r-1), math.Abs(ratio*r-1)) > 1e-9 {
			t.Errorf("ratio %v, want %v or its reciprocal", ratio, r)
		}
	}
}

func TestResultsAreDeterministicAndAlone(t *testing.T) {
	sim := newSimulator(4)
	var all []history.Series
	for _, name := range []string{"a", "b", "c"} {
		all = append(all, daily(name, stepped(sim.normal(40), 20, 2), 1))
	}
	first, err := history.DetectAll(all, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	again, _ := history.DetectAll(all, history.Options{})
	// As text, because NaN is not equal to itself.
	text := func(rs []history.Result) string { return fmt.Sprintf("%+v", rs) }
	if text(first) != text(again) {
		t.Error("two equal calls differ")
	}
	slices.Reverse(all)
	reversed, _ := history.DetectAll(all, history.Options{})
	slices.Reverse(reversed)
	if text(first) != text(reversed) {
		t.Error("the order of the series changes their results")
	}
	alone := detect(t, all[0], history.Options{})
	if !slices.Equal(indices(alone), indices(first[2])) {
		t.Errorf("alone %v, among others %v", indices(alone), indices(first[2]))
	}
}

// A run whose audit failed must not make a level, nor a baseline, nor hide.
func TestExcludedRunsAreListedAndDoNotCount(t *testing.T) {
	s := step()
	const reason = "audit failed: achieved concurrency 12 of 64"
	for i := 3; i < 9; i++ {
		s.Runs[i].Value = 1 // 50 times slower; six in a row would be a level
		s.Runs[i].Excluded = reason
	}
	s.Runs[20].Excluded = reason
	s.Runs[20].Value = math.NaN()
	s.Runs[20].Time = time.Time{}
	r := detect(t, s, history.Options{Alpha: 0.05})
	if got := indices(r); !slices.Equal(got, []int{12}) {
		t.Errorf("change points at %v, want [12], counted with the runs left out", got)
	}
	if len(r.Excluded) != 7 || r.Excluded[0] != (history.Exclusion{Index: 3, Reason: reason}) || r.Runs != 17 {
		t.Errorf("%d runs, excluded %v", r.Runs, r.Excluded)
	}
	if got := r.Baseline(); len(got) != 11 || slices.Contains(got, 20) {
		t.Errorf("baseline %v, want 12 to 23 without 20", got)
	}
}

// A build is one thing: a change cannot be inside of it.
func TestChangePointsLieBetweenBlocks(t *testing.T) {
	sim := newSimulator(6)
	for range 20 {
		// The step is at 17, in the middle of a build of four runs.
		s := daily("builds", stepped(sim.normal(40), 17, 4), 4)
		for _, i := range indices(detect(t, s, history.Options{})) {
			if i%4 != 0 {
				t.Fatalf("change point at run %d, inside of build %d", i, i/4)
			}
		}
	}
}

func TestOneBuildOnASideIsSaid(t *testing.T) {
	logs := stepped(newSimulator(2).normal(40), 35, 20)
	r := detect(t, daily("builds", logs, 5), history.Options{})
	if !slices.Equal(indices(r), []int{35}) || !hasWarning(r.ChangePoints[0].Warnings, history.OneBlock) {
		t.Errorf("change points %v with warnings %v, want 35 with %q", indices(r), r.ChangePoints, history.OneBlock)
	}
}

func TestMissingDaysAreNoChange(t *testing.T) {
	s := step()
	for i := 12; i < len(s.Runs); i++ {
		s.Runs[i].Time = s.Runs[i].Time.AddDate(0, 2, 0)
	}
	if got := indices(detect(t, s, history.Options{})); !slices.Equal(got, []int{12}) {
		t.Errorf("with two months missing, change points at %v, want [12]", got)
	}
}

func TestAStrictLevelGetsMorePermutations(t *testing.T) {
	// With 999, p could not be below 0.001.
	r := detect(t, step(), history.Options{Alpha: 0.0001})
	if got := indices(r); !slices.Equal(got, []int{12}) || !(r.ChangePoints[0].P <= 0.0001) {
		t.Errorf("change points %v", r.ChangePoints)
	}
	// Among 500 series, one that changed must be able to be discovered.
	all := []history.Series{step()}
	for len(all) < 100 {
		all = append(all, history.Series{Name: "constant", Runs: slices.Repeat([]history.Run{{Value: 1}}, 12)})
	}
	results, err := history.DetectAll(all, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; !r.Discovery || r.FDR > 0.05 {
		t.Errorf("adjusted p = %v of %v", r.FDR, r.P)
	}
	if r := results[1]; r.Discovery || !math.IsNaN(r.P) || !hasWarning(r.Warnings, history.NoVariation) {
		t.Errorf("constant series: %+v", r)
	}
}

func TestTooFewRunsAreSaidToBe(t *testing.T) {
	r := detect(t, daily("few", stepped(make([]float64, 9), 4, 9), 1), history.Options{})
	if anyFinding(r) || !hasWarning(r.Warnings, history.TooFewRuns) || !strings.Contains(r.Warnings[0].Text, "below 10") {
		t.Errorf("nine runs: %v, %v", indices(r), r.Warnings)
	}
	if r := detect(t, history.Series{}, history.Options{}); len(r.Levels) > 0 || r.Baseline() != nil {
		t.Errorf("no runs: %+v", r)
	}
}

func TestBadSeriesAndOptionsAreRefused(t *testing.T) {
	bad := func(change func(*history.Series, *history.Options)) {
		t.Helper()
		s, o := step(), history.Options{}
		change(&s, &o)
		if r, err := history.Detect(s, o); err == nil {
			t.Errorf("accepted: %v", indices(r))
		} else if !strings.HasPrefix(err.Error(), "history: ") {
			t.Errorf("error without a name: %v", err)
		}
	}
	bad(func(s *history.Series, _ *history.Options) { s.Runs[3].Value = 0 })
	bad(func(s *history.Series, _ *history.Options) { s.Runs[3].Value = math.NaN() })
	bad(func(s *history.Series, _ *history.Options) { s.Runs[3].Value = math.Inf(1) })
	bad(func(s *history.Series, _ *history.Options) { slices.Reverse(s.Runs) })
	bad(func(_ *history.Series, o *history.Options) { o.Alpha = -1 })
	bad(func(_ *history.Series, o *history.Options) { o.FDR = 1 })
	bad(func(_ *history.Series, o *history.Options) { o.MinRuns = 1 })
	bad(func(_ *history.Series, o *history.Options) { o.Permutations = 5 })
	bad(func(_ *history.Series, o *history.Options) { o.Confidence = 0.3 })

	results, err := history.DetectAll([]history.Series{step(), {Name: "bad", Runs: []history.Run{{Value: -1}}}}, history.Options{})
	if err == nil || len(results) != 2 || !anyChange(results[0]) || results[1].Discovery || results[1].Name != "bad" {
		t.Errorf("one bad series spoils the others, or is not told: %v, %v", results, err)
	}
}

// What is strange must give a result, not a crash, and findings that hang together.
func TestStrangeSeries(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for range 150 {
		s := history.Series{Name: "strange"}
		day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for range rng.IntN(40) {
			r := history.Run{Value: float64(1 + rng.IntN(4)), Block: string(rune('a' + rng.IntN(3))), Time: day}
			if rng.IntN(5) == 0 {
				r.Excluded = "unlucky"
			}
			if rng.IntN(3) == 0 {
				day = day.AddDate(0, 0, rng.IntN(9))
			}
			s.Runs = append(s.Runs, r)
		}
		r := detect(t, s, history.Options{Alpha: 0.2, Permutations: 99})
		last := -1
		for i, c := range r.ChangePoints {
			if c.Index <= last || c.Previous >= c.Index || c.Location.Low > c.Index || c.Location.High < c.Index || s.Runs[c.Index].Excluded != "" {
				t.Fatalf("change point %+v after %d", c, last)
			}
			last = c.Index
			if r.Levels[i+1].First != c.Index || r.Levels[i].Last != c.Previous || r.Levels[i].Runs < 3 {
				t.Fatalf("levels %+v around %+v", r.Levels, c)
			}
			history.WhatChanged(s, r, i)
		}
	}
}

// A year of TigerBeetle's throughput: an outlier at 10, a drop at 15, a rise at
// 71, and small steps. Otava needs a magnitude of 5 % to keep to 15 and 71.
func TestTigerBeetle(t *testing.T) {
	var golden struct {
		TigerBeetle struct{ Series []float64 }
	}
	schematest.Known(t, "changepoint_perf/otava/golden.json", &golden)
	s := history.Series{Name: "tigerbeetle"}
	for _, v := range golden.TigerBeetle.Series {
		s.Runs = append(s.Runs, history.Run{Value: v})
	}
	r := detect(t, s, history.Options{})
	got := indices(r)
	if !slices.Contains(got, 15) || !slices.Contains(got, 71) {
		t.Errorf("change points at %v, want 15 and 71 among them", got)
	}
	for _, i := range got {
		if i >= 9 && i <= 12 {
			t.Errorf("change point at %d: the outlier at 10 is none", i)
		}
	}
}

// The flow of the Nile in our own detector, with its own interval. 28 is the
// first year of the new level, 1899.
func TestNile(t *testing.T) {
	s := history.Series{Name: "nile"}
	for _, v := range []float64{
		1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
		1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
		831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
		781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
		744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
	} {
		s.Runs = append(s.Runs, history.Run{Value: v})
	}
	r := detect(t, s, history.Options{})
	if !slices.Equal(indices(r), []int{28}) {
		t.Fatalf("change points at %v, want [28]", indices(r))
	}
	if l := r.ChangePoints[0].Location; l.Low < 25 || l.High > 32 || l.Low == l.High {
		t.Errorf("location %+v, want within strucchange's 25 to 32, and not one year", l)
	}
}

// A drift is said as such, with its rate, and its staircase marked.
func TestADriftIsNoStaircase(t *testing.T) {
	logs := newSimulator(12).normal(70)
	for i := range logs {
		logs[i] += math.Log(1.01) * float64(i) / 7
	}
	r := detect(t, daily("drift", logs, 1), history.Options{})
	if len(r.Drifts) != 1 {
		t.Fatalf("drifts %+v, change points %v", r.Drifts, indices(r))
	}
	d := r.Drifts[0]
	if d.Unit != history.PerWeek || !d.Rate.CI.Contains(1.01) || math.Abs(d.Rate.Value-1.01) > 0.002 || d.AdjustedP > 0.01 {
		t.Errorf("drift %+v, want 1 %% a week", d)
	}
	if days := d.To - d.From; days < 50 || math.Abs(math.Log(d.Total.Value)-math.Log(d.Rate.Value)*float64(days)/7) > 1e-9 {
		t.Errorf("drift from %d to %d by %v", d.From, d.To, d.Total.Value)
	}
	if len(r.ChangePoints) == 0 {
		t.Error("ten per cent in ten weeks has no step at all")
	}
	for _, c := range r.ChangePoints {
		if !c.InDrift || !hasWarning(c.Warnings, history.PartOfDrift) {
			t.Errorf("change point at %d is not marked as a step of the drift", c.Index)
		}
	}

	s := daily("drift", logs, 1)
	for i := range s.Runs {
		s.Runs[i].Time = time.Time{}
	}
	r = detect(t, s, history.Options{})
	if len(r.Drifts) != 1 || r.Drifts[0].Unit != history.PerRun || !hasWarning(r.Warnings, history.NoDates) {
		t.Errorf("without dates: %+v, %v", r.Drifts, r.Warnings)
	}
	if got := r.Drifts[0].Rate.Value; math.Abs(math.Pow(got, 7)-1.01) > 0.003 {
		t.Errorf("rate %v a run, want 1 %% in seven", got)
	}
}

// Neighbours that resemble each other are permuted together, and it is said.
func TestDependenceIsSaid(t *testing.T) {
	r := detect(t, daily("ar", newSimulator(21).autoregressive(120, 0.7), 1), history.Options{})
	if r.Dependence.Group < 2 || !(r.Dependence.Runs > 0.4) || !hasWarning(r.Warnings, history.Dependent) {
		t.Errorf("dependence %+v, warnings %v", r.Dependence, r.Warnings)
	}
	// Days differ, runs of a day do not: the day is what is permuted.
	r = detect(t, daily("days", newSimulator(22).days(60, 4), 4), history.Options{})
	if r.Dependence.Group != 1 {
		t.Errorf("days of four runs: %+v, want one day permuted at a time", r.Dependence)
	}
	r = detect(t, daily("iid", newSimulator(23).normal(120), 1), history.Options{})
	if r.Dependence.Group != 0 || hasWarning(r.Warnings, history.Dependent) {
		t.Errorf("independent runs: %+v", r.Dependence)
	}
}
