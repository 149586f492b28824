// Package peers holds the rules by which other tools call a change a
// regression, rebuilt from their documentation, so that they can be scored on
// the same data as ours (TestCalibratePeers).
//
// They are here to be measured and not to be used. Each takes what it would take
// in its own house: most look at one run of each version, some at the history of
// runs, a few at several runs a side. None of them adjusts for the number of
// comparisons in a report, which is most of what the scores show.
package peers

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/servestat/servestat/analyze/compare"
	"github.com/servestat/servestat/analyze/sample"
)

// Evidence is one metric at one load point: everything that a rule may look at.
// Each value is one run.
type Evidence struct {
	Metric string // such as "ttft_p50"
	Unit   string // such as "ms"
	Better compare.Better

	History             []float64 // earlier runs of the baseline, the oldest first
	Baseline, Candidate []float64
}

// Rule is one tool's rule for one metric at one load point.
type Rule struct {
	Name   string
	Source string // where the rule is stated
	Flags  func(Evidence) bool
}

// Rules lists the rules, in the order of the table in the README.
func Rules() []Rule {
	return []Rule{
		{"vLLM dashboard, 2 %", "vllm-dashboard, performance view", Dashboard},
		{"Prism, TTFT p50 > 250 ms", "llm-d Prism", Prism},
		{"PyTorch HUD, 0.95 of the median", "pytorch/test-infra", hud(1 / 0.95)},
		{"PyTorch HUD, 1.15 of the median", "pytorch/test-infra", hud(1.15)},
		{"Red Hat heat map, 5 %", "Red Hat's comparison reports", HeatMap},
		{"github-action-benchmark, 200 %", "benchmark-action/github-action-benchmark, alert-threshold", ActionBenchmark},
		{"Bencher t test, 0.95", "bencher.dev, thresholds", bencher(0.95)},
		{"Bencher t test, 0.9999", "bencher.dev, thresholds", bencher(0.9999)},
		{"benchstat, Mann-Whitney per row", "golang/perf, cmd/benchstat", Benchstat},
		{"Otava, p <= 0.001", "apache/otava", Otava},
		{"rustc-perf, Q3 + 3 IQR", "rust-lang/rustc-perf, comparison", RustcPerf},
		{"Conbench, 5 sigma", "conbench/conbench, lookback z-score", ConbenchZ},
		{"Conbench, pairwise 5 %", "conbench/conbench, pairwise", ConbenchPair},
		{"LNT", "llvm/llvm-lnt, server reporting", LNT},
		{"asv, step >= 5 %", "airspeed-velocity/asv, step_detect", ASV},
		{"Mozilla, 10 sigma over 7 days", "Mozilla Perfherder, extreme alerts", MozillaExtreme},
		{"Kayenta, per metric", "spinnaker/kayenta, MannWhitneyClassifier", Kayenta},
	}
}

// worse is the ratio of now to before, turned so that above 1 is worse.
func (e Evidence) worse(before, now float64) float64 {
	if e.Better == compare.Higher {
		return before / now
	}
	return now / before
}

// past is all runs before the candidate's.
func (e Evidence) past() []float64 {
	return append(append([]float64{}, e.History...), e.Baseline...)
}

func (e Evidence) previous() float64 { return e.Baseline[len(e.Baseline)-1] }

// latest is the run that a rule for single runs judges.
func (e Evidence) latest() float64 { return e.Candidate[0] }

// Dashboard takes the latest run of each image and flags a change by more than
// 2 % for the worse. For a latency that is +2 %, for a throughput -2 %.
func Dashboard(e Evidence) bool {
	change := e.latest()/e.previous() - 1
	if e.Better == compare.Lower {
		change = -change
	}
	return change < -0.02
}

// Prism flags a TTFT p50 above 250 ms, whatever it was before.
func Prism(e Evidence) bool {
	return e.Metric == "ttft_p50" && e.Unit == "ms" && e.latest() > 250
}

// hudDays is the earlier window of days, at one run a day.
const hudDays = 7

// hud flags a ratio to the median of an earlier window beyond a fixed limit.
func hud(limit float64) func(Evidence) bool {
	return func(e Evidence) bool {
		past := e.past()
		return e.worse(sample.Quantile(past[max(0, len(past)-hudDays):], 0.5), e.latest()) > limit
	}
}

// HeatMap colours a cell that is more than 5 % worse.
func HeatMap(e Evidence) bool { return e.worse(e.previous(), e.latest()) > 1.05 }

// ActionBenchmark alerts at worse than 200 % of the previous run.
func ActionBenchmark(e Evidence) bool { return e.worse(e.previous(), e.latest()) > 2 }

// bencher flags a run outside the one-sided prediction interval of the past
// runs, of which it takes up to 64.
func bencher(boundary float64) func(Evidence) bool {
	return func(e Evidence) bool {
		past := e.past()
		past = past[max(0, len(past)-64):]
		n := float64(len(past))
		mean, sd := moments(past)
		limit := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(boundary) * sd * math.Sqrt(1+1/n)
		return worseBy(e, e.latest()-mean) > limit
	}
}

// worseBy turns a difference so that positive is worse.
func worseBy(e Evidence, difference float64) float64 {
	if e.Better == compare.Higher {
		return -difference
	}
	return difference
}

// Benchstat compares medians of rows whose Mann-Whitney test has p <= 0.05.
func Benchstat(e Evidence) bool {
	return significant(e) && e.worse(sample.Quantile(e.Baseline, 0.5), sample.Quantile(e.Candidate, 0.5)) > 1
}

func significant(e Evidence) bool {
	test, err := compare.MannWhitney(e.Baseline, e.Candidate)
	return err == nil && test.TwoSided <= 0.05
}

// RustcPerf calls a relative change significant if it is larger than Q3 + 3 IQR
// of the last 30 historical changes from run to run.
func RustcPerf(e Evidence) bool {
	past := e.past()
	var changes []float64
	for i := max(1, len(past)-30); i < len(past); i++ {
		changes = append(changes, math.Abs(past[i]/past[i-1]-1))
	}
	q1, q3 := sample.Quantile(changes, 0.25), sample.Quantile(changes, 0.75)
	change := e.latest()/e.previous() - 1
	return math.Abs(change) > q3+3*(q3-q1) && worseBy(e, change) > 0
}

// ConbenchZ flags a run more than 5 standard deviations from the mean over the
// last commits, up to 100.
func ConbenchZ(e Evidence) bool {
	past := e.past()
	mean, sd := moments(past[max(0, len(past)-100):])
	return worseBy(e, e.latest()-mean) > 5*sd
}

// ConbenchPair flags 5 % between two runs.
func ConbenchPair(e Evidence) bool {
	return worseBy(e, (e.latest()-e.previous())/math.Abs(e.previous())) > 0.05
}

// LNT asks for 1 % between the best of both sides and, with four runs a side,
// for a Mann-Whitney p of 0.05; with fewer, for 2.576 standard deviations.
func LNT(e Evidence) bool {
	best := func(xs []float64) float64 {
		if e.Better == compare.Higher {
			return sample.Quantile(xs, 1)
		}
		return sample.Quantile(xs, 0)
	}
	if worseBy(e, best(e.Candidate)/best(e.Baseline)-1) < 0.01 {
		return false
	}
	if min(len(e.Baseline), len(e.Candidate)) >= 4 {
		return significant(e)
	}
	_, sd := moments(e.past())
	return worseBy(e, best(e.Candidate)-best(e.Baseline)) > 2.576*sd
}

// MozillaExtreme flags a run more than 10 standard deviations from the mean of
// the last 7 days, at one run a day.
func MozillaExtreme(e Evidence) bool {
	past := e.past()
	mean, sd := moments(past[max(0, len(past)-7):])
	return worseBy(e, e.latest()-mean) > 10*sd
}

// Kayenta compares both sides by the Mann-Whitney interval of the shift at 98 %,
// and calls a metric high (or low) where the interval lies beyond a quarter of
// the estimated shift.
func Kayenta(e Evidence) bool {
	shift, err := compare.HodgesLehmann(e.Baseline, e.Candidate, 0.98)
	if err != nil || shift.CI.Level < 0.98 {
		return false
	}
	tolerance := 0.25 * math.Abs(shift.Value)
	if e.Better == compare.Higher {
		return shift.CI.High < -tolerance
	}
	return shift.CI.Low > tolerance
}

// KayentaScore is the weighted score of a report, at equal weights: the
// percentage of metrics that pass. Below 75 a canary fails.
func KayentaScore(report []Evidence) float64 {
	passed := 0
	for _, e := range report {
		if !Kayenta(e) {
			passed++
		}
	}
	return 100 * float64(passed) / float64(len(report))
}

func moments(xs []float64) (mean, sd float64) {
	s, err := sample.Summarize(xs, 0.95)
	if err != nil {
		return math.NaN(), math.NaN()
	}
	return s.Mean, s.SD
}
