package peers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/analyze/compare"
)

// A simulated week: three models at seven load points with eleven metrics each,
// 231 comparisons, as many as vLLM's nightly benchmarks make. Of each model
// there are 40 earlier runs and five of each version; a run is one server start,
// whose luck half of the variance of all its metrics shares.
const (
	models, levels, past, runs = 3, 7, 40, 5
	sharedLuck                 = 0.5
)

// weeklyMetrics are the metrics with their run-to-run CV: 1.13 % for times
// between tokens (tokenspeed issue 1355), 3.4, 4.7 and 17 % for the tails of TTFT
// (vllm issue 7062).
var weeklyMetrics = []struct {
	name   string
	better compare.Better
	cv     float64
	decode bool // moves with the speed of decoding
}{
	{"ttft_mean", compare.Lower, 0.025, false},
	{"ttft_p50", compare.Lower, 0.02, false},
	{"ttft_p90", compare.Lower, 0.034, false},
	{"ttft_p95", compare.Lower, 0.047, false},
	{"ttft_p99", compare.Lower, 0.17, false},
	{"itl_mean", compare.Lower, 0.0113, true},
	{"itl_p50", compare.Lower, 0.0113, true},
	{"itl_p99", compare.Lower, 0.03, true},
	{"tpot_mean", compare.Lower, 0.0113, true},
	{"e2el_mean", compare.Lower, 0.015, true},
	{"output_throughput", compare.Higher, 0.0113, true},
}

// A scenario is what a week is like.
type scenario struct {
	stalls float64                                // share of runs that are 36 % slower
	effect func(model, level, metric int) float64 // slowdown of the candidate; nil: none
}

// start simulates one run of one model.
func (s scenario) start(rng *rand.Rand, model int, candidate bool) compare.Start {
	luck, stall := rng.NormFloat64(), 0.0
	if rng.Float64() < s.stalls {
		stall = math.Log(1.36)
	}
	values := make([][]float64, len(weeklyMetrics))
	for m, metric := range weeklyMetrics {
		for level := range levels {
			noise := math.Sqrt(sharedLuck)*luck + math.Sqrt(1-sharedLuck)*rng.NormFloat64()
			slow := metric.cv*noise + stall
			if candidate && s.effect != nil {
				slow += math.Log(s.effect(model, level, m))
			}
			// TTFT p50 ends at 240 ms, just below where Prism's threshold lies.
			v := 30 * float64(level+1) / 7 * 8 * math.Exp(slow)
			if metric.better == compare.Higher {
				v = 1000 * math.Exp(-slow)
			}
			values[m] = append(values[m], v)
		}
	}
	return compare.Start{Values: values}
}

// week simulates the sweeps of a week and, in the same order of model, level and
// metric, the same runs as the evidence for the peers.
func (s scenario) week(rng *rand.Rand) ([]compare.Sweep, []Evidence) {
	var sweeps []compare.Sweep
	var report []Evidence
	for model := range models {
		sweep := compare.Sweep{Name: fmt.Sprint("model ", model)}
		for _, m := range weeklyMetrics {
			sweep.Metrics = append(sweep.Metrics, compare.Metric{Name: m.name, Better: m.better})
		}
		var history []compare.Start
		for range past {
			history = append(history, s.start(rng, model, false))
		}
		for range runs {
			sweep.Baseline = append(sweep.Baseline, s.start(rng, model, false))
			sweep.Candidate = append(sweep.Candidate, s.start(rng, model, true))
		}
		for level := range levels {
			sweep.Levels = append(sweep.Levels, float64(int(1)<<level))
			for m, metric := range weeklyMetrics {
				report = append(report, Evidence{
					Metric: metric.name, Unit: "ms", Better: metric.better,
					History: column(history, m, level), Baseline: column(sweep.Baseline, m, level), Candidate: column(sweep.Candidate, m, level),
				})
			}
		}
		sweeps = append(sweeps, sweep)
	}
	return sweeps, report
}

func column(starts []compare.Start, metric, level int) []float64 {
	var values []float64
	for _, s := range starts {
		values = append(values, s.Values[metric][level])
	}
	return values
}

// A score counts, for one rule over many weeks.
type score struct {
	weeks  float64 // with an alarm where it is looked for
	alarms float64 // in all
}

// looked selects comparisons.
type looked func(model, level, metric int) bool

func everywhere(int, int, int) bool { return true }

// scores simulates weeks and counts alarms of every rule and, under "", of ours,
// where look looks.
func scores(reps int, s scenario, look looked) map[string]*score {
	rng := rand.New(rand.NewPCG(231, 200))
	found := map[string]*score{"": {}, "Kayenta, score of the report < 75": {}}
	rules := Rules()
	for _, r := range rules {
		found[r.Name] = &score{}
	}
	for range reps {
		sweeps, report := s.week(rng)
		found[""].add(ours(sweeps, look))
		if KayentaScore(report) < 75 {
			found["Kayenta, score of the report < 75"].add(1)
		}
		for _, r := range rules {
			alarms := 0
			for i, e := range report {
				model, level, metric := i/(levels*len(weeklyMetrics)), i/len(weeklyMetrics)%levels, i%len(weeklyMetrics)
				if look(model, level, metric) && r.Flags(e) {
					alarms++
				}
			}
			found[r.Name].add(alarms)
		}
	}
	for _, f := range found {
		f.weeks /= float64(reps)
		f.alarms /= float64(reps)
	}
	return found
}

func (s *score) add(alarms int) {
	s.alarms += float64(alarms)
	if alarms > 0 {
		s.weeks++
	}
}

// ours counts what the report calls regressed. A curve counts if the load points
// that are looked at include all of its own.
func ours(sweeps []compare.Sweep, look looked) (alarms int) {
	for model, j := range compare.JudgeAll(sweeps, compare.Options{}) {
		if look(model, -1, -1) && j.Stalls.Verdict == compare.Regressed {
			alarms++
		}
		for m, metric := range j.Metrics {
			all := true
			for l, cell := range metric.Cells {
				if !look(model, l, m) {
					all = false
				} else if cell.Verdict == compare.Regressed {
					alarms++
				}
			}
			if all && metric.Curve.Verdict == compare.Regressed {
				alarms++
			}
		}
	}
	return alarms
}

// TestCalibratePeers scores ours and every peer's rule on the same runs: how
// often a week in which nothing changed contains an alarm, and how often a
// change is found.
func TestCalibratePeers(t *testing.T) {
	reps := calibrate.Replicates(4, 200)
	found := calibrate.Replicates(2, 100)

	quiet := scores(reps, scenario{}, everywhere)
	stalled := scores(reps, scenario{stalls: 0.08}, everywhere)
	// One model decodes 5 % slower.
	decode := func(model, _, metric int) bool { return model == 1 && metric >= 0 && weeklyMetrics[metric].decode }
	slower := scores(found, scenario{effect: when(decode, 1.05)}, decode)
	// Its mean ITL is 5 % worse at one load point.
	one := func(model, level, metric int) bool { return model == 1 && level == 3 && metric == 5 }
	cell := scores(found, scenario{effect: when(one, 1.05)}, one)

	const what = "weekly report of 231 comparisons, "
	calibrate.Bar(t, what+"ours: A/A weeks with a regression", quiet[""].weeks, calibrate.AtMost(0.05).Share(reps))
	calibrate.Figure(what+"ours: regressions per A/A week", quiet[""].alarms)
	calibrate.Bar(t, what+"ours: A/A weeks with a regression, 8 % stalls", stalled[""].weeks, calibrate.AtMost(0.05).Share(reps))
	calibrate.Bar(t, what+"ours: one model decodes 5 % slower, found", slower[""].weeks, calibrate.AtLeast(0.95).Share(found))
	calibrate.Figure(what+"ours: one of 231 cells +5 %, found there", cell[""].weeks)
	for _, name := range names() {
		calibrate.Figure(what+name+": A/A weeks with a regression", quiet[name].weeks)
		calibrate.Figure(what+name+": regressions per A/A week", quiet[name].alarms)
		calibrate.Figure(what+name+": A/A weeks with a regression, 8 % stalls", stalled[name].weeks)
		calibrate.Figure(what+name+": one model decodes 5 % slower, found", slower[name].weeks)
		calibrate.Figure(what+name+": one of 231 cells +5 %, found there", cell[name].weeks)
	}
	// What the reference works out by hand: the 2 % rule never lets a week pass.
	calibrate.Bar(t, what+"guard: the 2 % rule alarms in A/A weeks", quiet["vLLM dashboard, 2 %"].weeks, calibrate.AtLeast(0.99).Share(reps))
}

func when(where looked, factor float64) func(model, level, metric int) float64 {
	return func(model, level, metric int) float64 {
		if where(model, level, metric) {
			return factor
		}
		return 1
	}
}

func names() []string {
	var all []string
	for _, r := range Rules() {
		all = append(all, r.Name)
	}
	return append(all, "Kayenta, score of the report < 75")
}
