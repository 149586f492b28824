package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/calibrate"
)

// rateOf is share for two arms of different noise.
func rateOf(reps, n int, effect float64, f noiseFamily, event func(b, c []float64) bool) float64 {
	rng := rand.New(rand.NewPCG(1355, uint64(n)))
	var happened float64
	for range reps {
		if event(draw(rng, n, 100, f.baseline), draw(rng, n, 100*effect, f.candidate)) {
			happened++
		}
	}
	return happened / float64(reps)
}

// changed reports whether the judgement of one metric claims any change, however
// small: the type I error of the test that verdicts rest on.
func changed(b, c []float64) bool {
	v := judgedOne(b, c, Options{Alpha: 0.05, DeltaMin: 1e-9, Margin: 0.03}).Verdict
	return v == Regressed || v == Improved
}

func TestCalibrateTypeI(t *testing.T) {
	reps := calibrate.Replicates(300, 4000)
	for _, f := range noiseFamilies {
		worst, at := 0.0, 0
		for _, n := range []int{4, 5, 6, 8, 10, 14, 20} {
			if !calibrate.Full() && n > 10 {
				continue
			}
			if got := rateOf(reps, n, 1, f, changed); got > worst {
				worst, at = got, n
			}
		}
		what := fmt.Sprintf("type I error of the test of one metric, %s, worst of 4 to 20 runs (%d)", f.name, at)
		calibrate.Bar(t, what, worst, calibrate.AtMost(0.06).Share(reps))
	}
}

func TestCalibrateVerdicts(t *testing.T) {
	byName := map[string]noiseFamily{}
	for _, f := range noiseFamilies {
		byName[f.name] = f
	}
	reps := calibrate.Replicates(300, 10_000)
	for _, c := range []struct {
		n       int
		effect  float64
		noise   string
		verdict Verdict
		bound   calibrate.Bound
	}{
		{5, 1.03, "normal", Regressed, calibrate.AtLeast(0.85)},
		{5, 1.05, "normal", Regressed, calibrate.AtLeast(0.99)},
		{8, 1.02, "normal", Regressed, calibrate.AtLeast(0.85)},
		{10, 1.03, "8 % stalls", Regressed, calibrate.AtLeast(0.90)},
		{5, 1.00, "normal", Regressed, calibrate.AtMost(0.03)},
		{5, 1.00, "8 % stalls", Regressed, calibrate.AtMost(0.03)},
		{3, 1.00, "normal", Regressed, calibrate.AtMost(0.03)},
		{3, 1.03, "normal", NotRegressed, calibrate.AtMost(0.055)},
		{4, 1.03, "normal", NotRegressed, calibrate.AtMost(0.055)},
		{5, 1.03, "normal", NotRegressed, calibrate.AtMost(0.055)},
		{8, 1.03, "normal", NotRegressed, calibrate.AtMost(0.055)},
		{8, 1.03, "8 % stalls", NotRegressed, calibrate.AtMost(0.055)},
		{8, 1.00, "normal", NotRegressed, calibrate.AtLeast(0.95)},
		{8, 1.00, "8 % stalls", NotRegressed, calibrate.AtLeast(0.85)},
	} {
		got := rateOf(reps, c.n, c.effect, byName[c.noise], judged(c.verdict))
		what := fmt.Sprintf("%q at %+.0f %%, %d runs, %s", c.verdict, 100*(c.effect-1), c.n, c.noise)
		calibrate.Bar(t, what, got, c.bound.Share(reps))
	}
}

// Of Welch's intervals over five lognormal runs, which no verdict uses, 97.99 % hold
// the truth: so near the bar that ten thousand replicates cannot tell.
func TestCalibrateCoverage(t *testing.T) {
	reps := calibrate.Replicates(300, 100_000)
	rank := func(b, c []float64) bool {
		ratio, _, err := estimate(b, c, 0.95)
		return err == nil && ratio.CI.Contains(1.02)
	}
	welch := func(b, c []float64) bool {
		x, _ := logs("", b)
		y, _ := logs("", c)
		test, err := Welch(x, y, 0.95)
		return err == nil && test.CI.Contains(math.Log(1.02))
	}
	for _, f := range noiseFamilies {
		for _, n := range []int{5, 8, 10} {
			// The 3x spread is no shift, which ranks assume: 92 to 94 % there.
			if f.name != "3x spread" {
				calibrate.Bar(t, fmt.Sprintf("coverage of the 95 %% interval by ranks, %d runs, %s", n, f.name),
					rateOf(reps, n, 1.02, f, rank), calibrate.Between(0.93, 0.98).Share(reps))
			}
			if f.name != "8 % stalls" {
				calibrate.Bar(t, fmt.Sprintf("coverage of the 95 %% interval by Welch, %d runs, %s", n, f.name),
					rateOf(reps, n, 1.02, f, welch), calibrate.Between(0.93, 0.98).Share(reps))
			}
		}
	}
	calibrate.Bar(t, "coverage of the 95 % interval by Welch, 3 runs, normal",
		rateOf(reps, 3, 1.02, noiseFamilies[0], rank), calibrate.Between(0.93, 0.98).Share(reps))
}

// A trap: the percentile bootstrap over runs, which is what libkalibera and most
// scripts do, is too narrow at the numbers of runs that are made.
func TestCalibratePercentileBootstrapIsTooNarrow(t *testing.T) {
	reps := calibrate.Replicates(150, 4000)
	rng := rand.New(rand.NewPCG(2, 2))
	bootstrap := func(b, c []float64) bool {
		resampled := func(xs []float64) (mean float64) {
			for range xs {
				mean += math.Log(xs[rng.IntN(len(xs))]) / float64(len(xs))
			}
			return mean
		}
		differences := make([]float64, 399)
		for i := range differences {
			differences[i] = resampled(c) - resampled(b)
		}
		slices.Sort(differences)
		truth := math.Log(1.02)
		return differences[9] <= truth && truth <= differences[389]
	}
	for _, n := range []int{3, 5} {
		got := rateOf(reps, n, 1.02, noiseFamilies[0], bootstrap)
		calibrate.Bar(t, fmt.Sprintf("guard: coverage of the 95 %% percentile bootstrap over %d runs", n), got, calibrate.AtMost(0.92).Share(reps))
	}
}

// The family of 48 cells: six metrics at eight load points. Every claim of a
// change counts as false, in any cell or curve or in the stalls; then only those
// that the verdict calls a regression.
func TestCalibrateFamilyOf48(t *testing.T) {
	reps := calibrate.Replicates(60, 4000)
	for _, c := range []struct {
		runs   int
		shared float64
		noise  noise
		name   string
	}{
		{5, 0, normal, "independent cells"},
		{5, 0.6, normal, "cells that share 60 % of a run's luck"},
		{6, 0.6, heavyTails, "t with 3 df"},
		{8, 0.6, stalls, "8 % stalls"},
	} {
		if !calibrate.Full() && c.runs > 6 {
			continue
		}
		rng := rand.New(rand.NewPCG(48, uint64(c.runs)))
		var any, regressed float64
		for range reps {
			s := sweepOf{metrics: 6, levels: 8, runs: c.runs, shared: c.shared, noise: c.noise}.draw(rng)
			j := Judge(s, Options{DeltaMin: 1e-9})
			if claims(j, 1e-9) {
				any++
			}
			if claims(j, 0.01) {
				regressed++
			}
		}
		what := fmt.Sprintf("family of 48 cells, %d runs, %s: ", c.runs, c.name)
		calibrate.Bar(t, what+"any false change", any/float64(reps), calibrate.AtMost(0.055).Share(reps))
		calibrate.Bar(t, what+"any false regression", regressed/float64(reps), calibrate.AtMost(0.055).Share(reps))
	}
}

// The same where the candidate's runs vary three times as much: a worse version
// in its way, but not a slower one.
func TestCalibrateFamilyUnderUnequalSpread(t *testing.T) {
	reps := calibrate.Replicates(60, 4000)
	rng := rand.New(rand.NewPCG(48, 3))
	var any float64
	for range reps {
		s := sweepOf{metrics: 6, levels: 8, runs: 6, shared: 0.6, noise: normal, candidateNoise: wide}.draw(rng)
		if claims(Judge(s, Options{DeltaMin: 1e-9}), 1e-9) {
			any++
		}
	}
	calibrate.Figure("family of 48 cells, 6 runs, 3x spread of the candidate: any false change", any/float64(reps))
}

// claims reports whether a judgement claims any worsening by more than delta, or,
// for a delta of next to nothing, any change at all.
func claims(j Judgement, delta float64) bool {
	is := func(r Result) bool {
		return r.Verdict == Regressed && r.Ratio.Value > 1+delta || r.Verdict == Improved && delta < 1e-6
	}
	if j.Stalls.Verdict == Regressed || j.Stalls.Verdict == Improved {
		return true
	}
	for _, m := range j.Metrics {
		if is(m.Curve) || slices.ContainsFunc(m.Cells, func(c LevelResult) bool { return is(c.Result) }) {
			return true
		}
	}
	return false
}

func TestCalibrateOneCellAmong48(t *testing.T) {
	reps := calibrate.Replicates(60, 4000)
	for _, c := range []struct {
		runs  int
		bound calibrate.Bound
	}{{5, calibrate.AtLeast(0.80)}, {6, calibrate.AtLeast(0.95)}} {
		rng := rand.New(rand.NewPCG(49, uint64(c.runs)))
		var found float64
		for range reps {
			s := sweepOf{metrics: 6, levels: 8, runs: c.runs, noise: normal, effect: at(2, 5, 1.05)}.draw(rng)
			if Judge(s, Options{}).Metrics[2].Cells[5].Verdict == Regressed {
				found++
			}
		}
		what := fmt.Sprintf("one cell +5 %% among 48 independent ones, %d runs: found there", c.runs)
		calibrate.Bar(t, what, found/float64(reps), c.bound.Share(reps))
	}
}

// What a comparison says it could have seen, it sees with probability 0.8: for
// a plan at a known variation, and for the effect stated from the variation of
// the runs themselves.
func TestCalibrateDetectable(t *testing.T) {
	reps := calibrate.Replicates(300, 4000)
	regressed := judged(Regressed)
	for _, n := range []int{3, 4, 5, 6, 8, 10, 14, 20} {
		if !calibrate.Full() && n > 8 {
			continue
		}
		var powers, statedPowers []float64
		for _, cv := range []float64{0.005, 0.01, 0.20} {
			spread := func(rng *rand.Rand) float64 { return math.Exp(cv * rng.NormFloat64()) }
			effect, err := Plan{SD: cv, Runs: n}.Detectable(Options{})
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(80, uint64(n)))
			goals := Plan{Runs: n}.goals(n, Options{Alpha: 0.05})
			shift := newPlanner().largestShift(goals, 2*n-2)
			var known, stated float64
			for range reps {
				if regressed(draw(rng, n, 1, spread), draw(rng, n, 1+effect, spread)) {
					known++
				}
				pilot := pooledSD(input{Baseline: draw(rng, n, 1, spread), Candidate: draw(rng, n, 1, spread)})
				says := math.Exp(goals[0].detectable(shift, pilot, 0.01))
				if regressed(draw(rng, n, 1, spread), draw(rng, n, says, spread)) {
					stated++
				}
			}
			powers = append(powers, known/float64(reps))
			statedPowers = append(statedPowers, stated/float64(reps))
		}
		what := fmt.Sprintf("power at the detectable effect, %d runs, CV 0.5 to 20 %%, ", n)
		calibrate.Bar(t, what+"planned, least", slices.Min(powers), calibrate.AtLeast(0.75).Share(reps))
		calibrate.Bar(t, what+"planned, most", slices.Max(powers), calibrate.AtMost(0.85).Share(reps))
		calibrate.Bar(t, what+"stated, least", slices.Min(statedPowers), calibrate.AtLeast(0.75).Share(reps))
		calibrate.Bar(t, what+"stated, most", slices.Max(statedPowers), calibrate.AtMost(0.85).Share(reps))
	}
}

// The same in the family of 48 cells: what a plan says one of them may change by
// to be seen. A plan divides alpha by the tests, which is cautious where runs move
// together, so there is no upper bar.
func TestCalibratePlannedInAFamily(t *testing.T) {
	reps := calibrate.Replicates(60, 1000)
	for _, runs := range []int{5, 8} {
		effect, err := Plan{SD: runCV, Runs: runs, Tests: 6*9 + 1}.Detectable(Options{})
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(54, uint64(runs)))
		var found float64
		for range reps {
			s := sweepOf{metrics: 6, levels: 8, runs: runs, noise: normal, effect: at(2, 5, 1+effect)}.draw(rng)
			if Judge(s, Options{}).Metrics[2].Cells[5].Verdict == Regressed {
				found++
			}
		}
		calibrate.Bar(t, fmt.Sprintf("one cell among 48 at its planned effect, %d runs: found there", runs), found/float64(reps), calibrate.AtLeast(0.75).Share(reps))
	}
}

// The time of the best of three: what the machine can, not what else it does.
func TestCalibrateSpeed(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 60))
	s := sweepOf{metrics: 11, levels: 8, runs: 10, shared: 0.6, noise: stalls}.draw(rng)
	best := math.Inf(1)
	for range 3 {
		start := time.Now()
		if j := Judge(s, Options{}); j.Err != nil {
			t.Fatal(j.Err)
		}
		best = min(best, time.Since(start).Seconds())
	}
	calibrate.Bar(t, "seconds for one comparison of 11 metrics at 8 levels, 10 + 10 runs", best, calibrate.AtMost(1))

	// 21 sweeps of one load point each: what a night of vLLM's benchmarks is.
	var week []Sweep
	for range 21 {
		week = append(week, sweepOf{metrics: 11, levels: 1, runs: 10, shared: 0.6, noise: stalls}.draw(rng))
	}
	start := time.Now()
	JudgeAll(week, Options{})
	calibrate.Bar(t, "seconds for a weekly family of 231 comparisons, 10 + 10 runs", time.Since(start).Seconds(), calibrate.AtMost(60))
}
