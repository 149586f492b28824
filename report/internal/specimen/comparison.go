package specimen

import (
	"math"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/schemas"
)

// Comparison is 0.19.0 against 0.20.2: ITL regressed under load, TTFT p99 is too
// noisy to say.
func Comparison() analyze.Comparison {
	return analyze.Comparison{
		Group:     Group,
		Baseline:  analyze.Arm{Label: "runtime_version=0.19.0", Runs: 30, Starts: 5, StartsKnown: true, Simulated: true},
		Candidate: analyze.Arm{Label: "runtime_version=0.20.2", Runs: 30, Starts: 5, StartsKnown: true, Simulated: true},
		Verdict:   analyze.Regressed,
		Sentence: "Regressed: runtime_version=0.20.2 against runtime_version=0.19.0 on nvidia/Nemotron-3-Nano-30B-A3B-NVFP4, Jetson AGX Thor, generic: " +
			"ITL mean +4.0 % [+3.3, +4.8], TPOT mean +4.0 % [+3.2, +4.8], output throughput -3.8 % [-4.6, -3.1].",
		Levels:  []int64{1, 2, 4, 8, 16, 32},
		Metrics: metrics(),
		Rates:   []analyze.RateDiff{failures()},
		Stalls:  &analyze.StallDiff{Baseline: []string{}, Candidate: []string{"0.20.2-start4"}, P: 1, PAdjusted: 1, RateAtMost: 0.66, Verdict: analyze.Inconclusive},
		Gate:    &analyze.Gate{Method: "step-down max-T of Welch's t, whole runs permuted", Tests: 43, Permutations: 126, Exact: true},
		Context: []string{"under test: the runtime version differs: 0.19.0 in the baseline, 0.20.2 in the candidate"},
		Method: "Each metric over its curve (one value a server start, the geometric mean over the levels) and at every level: " +
			"Hodges-Lehmann ratio with its exact Mann-Whitney interval. P-values are adjusted over 43 tests: step-down max-T of Welch's t, " +
			"whole runs permuted (family-wise 5 %). Not regressed: the one-sided 95 % bound excludes the margin.",
	}
}

// failures is a failure rate that did not change.
func failures() analyze.RateDiff {
	change := analyze.RateChange{
		Baseline: 0, Candidate: 0.0002, NBaseline: 5, NCandidate: 5, P: 1, PAdjusted: 1, Detectable: math.NaN(), Margin: 0.01,
		Difference: analyze.Estimate{HasInterval: true, Confidence: 0.968, N: 5},
	}
	d := analyze.RateDiff{Metric: "failure_rate", Name: "failed requests", Verdict: analyze.NotRegressed, RateChange: change}
	for _, l := range loads {
		d.Cells = append(d.Cells, analyze.RateCell{MaxConcurrency: l.asked, Verdict: analyze.NotRegressed, RateChange: change})
	}
	return d
}

func metrics() []analyze.MetricDiff {
	return []analyze.MetricDiff{
		withNote(latency("ttft", "p50", "TTFT p50", 0.197, ratio(1.041, 0.952, 1.139), 0.31, analyze.Inconclusive, 0.12),
			"between-start spread is 4.6 %: one start of the candidate was slow at every level", 9),
		latency("itl", "mean", "ITL mean", 0.0262, ratio(1.040, 1.033, 1.048), 0.04, analyze.Regressed, 0.011),
		latency("tpot", "mean", "TPOT mean", 0.0264, ratio(1.040, 1.032, 1.048), 0.04, analyze.Regressed, 0.011),
		latency("e2el", "p50", "E2EL p50", 3.552, ratio(1.012, 1.001, 1.024), 0.11, analyze.NotRegressed, 0.019),
		throughput(),
	}
}

func latency(metric, statistic, name string, base float64, r analyze.Estimate, p float64, v analyze.Verdict, detectable float64) analyze.MetricDiff {
	return analyze.MetricDiff{
		Metric: metric, Statistic: statistic, Name: name, Unit: "s", Better: schemas.Lower,
		Baseline: spread(base, 0.006), Candidate: spread(base*r.Value, 0.006), Verdict: v, CurveVerdict: v,
		CurveLevels: []int64{1, 2, 4, 8, 16, 32}, Change: change(r, p, detectable),
		Method: "exact Mann-Whitney, Hodges-Lehmann", Cells: cells(base, r.Value, v, 1),
	}
}

func withNote(d analyze.MetricDiff, note string, runsNeeded int) analyze.MetricDiff {
	d.Notes = []string{note}
	d.RunsNeeded = runsNeeded
	return d
}

func throughput() analyze.MetricDiff {
	return analyze.MetricDiff{
		Metric: "output_throughput", Statistic: "run", Name: "output throughput", Unit: "tokens/s", Better: schemas.Higher,
		Baseline: spread(201, 0.005), Candidate: spread(193.9, 0.005), Verdict: analyze.Regressed, CurveVerdict: analyze.Regressed,
		CurveLevels: []int64{1, 2, 4, 8, 16, 32}, Change: change(ratio(0.962, 0.954, 0.969), 0.04, 0.011),
		Method: "exact Mann-Whitney, Hodges-Lehmann", Cells: cells(201, 0.962, analyze.Regressed, -1),
	}
}

func change(r analyze.Estimate, p, detectable float64) analyze.Change {
	return analyze.Change{
		Ratio: r, P: p / 5, PAdjusted: p, FDR: p / 2, WorseAtMost: r.Hi - 1, Detectable: detectable, Margin: 0.03, RunSD: 0.006,
	}
}

// Crossing is a candidate that is worse at low concurrency and better at high, as
// vllm issue 47047 describes.
func Crossing() analyze.Comparison {
	c := Comparison()
	m := throughput()
	m.Verdict, m.CurveVerdict, m.Crossing = analyze.Regressed, analyze.Inconclusive, &analyze.Crossing{Worse: []int64{1, 2}, Better: []int64{16, 32}}
	m.Ratio = ratio(1.002, 0.985, 1.016)
	for i := range m.Cells {
		v := 0.88 + 0.05*float64(i)
		cell := &m.Cells[i]
		cell.Ratio, cell.Verdict = ratio(v, v-0.012, v+0.012), []analyze.Verdict{analyze.Regressed, analyze.Regressed, analyze.Inconclusive,
			analyze.Inconclusive, analyze.Improved, analyze.Improved}[i]
	}
	c.Metrics = []analyze.MetricDiff{m}
	c.Sentence = "Regressed: runtime_version=0.20.2 against runtime_version=0.19.0: output throughput changes sign: worse at max concurrency 1, 2, better at 16, 32."
	return c
}

// Suspect is one run of a candidate against a history.
func Suspect() analyze.Comparison {
	c := Comparison()
	c.Verdict, c.Candidate.Starts, c.Candidate.Runs, c.History, c.Gate, c.Stalls, c.Rates = analyze.Suspect, 1, 6, 14, nil, nil, nil
	c.Metrics = c.Metrics[1:2]
	m := &c.Metrics[0]
	m.Verdict, m.CurveVerdict, m.Method, m.Cells = analyze.Suspect, analyze.Suspect, "t prediction from the history of runs", nil
	m.Notes = []string{"one run is suspect, not a regression: make >= 5 runs of each version"}
	c.Incomplete = []string{"the candidate has too few runs at max concurrency 64"}
	c.Sentence = "Suspect: runtime_version=0.20.2 against runtime_version=0.19.0: ITL mean +4.0 % [+3.3, +4.8]."
	c.Method = "Each metric over its curve: the one run against Student's t prediction interval of the history, p-values adjusted by Holm over the metrics."
	return c
}

func ratio(v, lo, hi float64) analyze.Estimate {
	return analyze.Estimate{Value: v, Lo: lo, Hi: hi, HasInterval: true, Confidence: 0.95, N: 10}
}

// cells spreads an overall change over the levels: none at the lowest, twice as
// much at the highest. worse is the sign of a change for the worse.
func cells(base, overall float64, v analyze.Verdict, worse float64) []analyze.CellDiff {
	var out []analyze.CellDiff
	for i, l := range loads {
		r := 1 + (overall-1)*float64(i)/2.5
		b := base * l.itl / 26
		cell := analyze.CellDiff{
			MaxConcurrency: l.asked, Baseline: spread(b, 0.006), Candidate: spread(b*r, 0.006), Verdict: v,
			Change: change(ratio(r, r-0.012, r+0.012), 0.04, 0.02),
		}
		if v == analyze.Regressed && worse*(r-1) < 0.012 {
			cell.Verdict, cell.PAdjusted, cell.RunsNeeded = analyze.Inconclusive, 0.4, 7
		}
		out = append(out, cell)
	}
	return out
}
