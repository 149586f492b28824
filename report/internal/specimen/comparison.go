package specimen

import (
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
		Method: "Per metric, one value a server start: the geometric mean over the concurrency levels that both sides ran. " +
			"Hodges-Lehmann ratio with its exact Mann-Whitney interval; p-values adjusted by Holm over the metrics (family-wise 5 %). " +
			"Not regressed: the one-sided 95 % bound excludes the margin.",
	}
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
		Baseline: spread(base, 0.006), Candidate: spread(base*r.Value, 0.006), Ratio: r,
		P: p / 5, PAdjusted: p, Verdict: v, Detectable: detectable, Margin: 0.03,
		Method: "exact Mann-Whitney, Hodges-Lehmann", Cells: cells(base, r.Value),
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
		Baseline: spread(201, 0.005), Candidate: spread(193.9, 0.005), Ratio: ratio(0.962, 0.954, 0.969),
		P: 0.008, PAdjusted: 0.04, Verdict: analyze.Regressed, Detectable: 0.011, Margin: 0.03,
		Method: "exact Mann-Whitney, Hodges-Lehmann", Cells: cells(201, 0.962),
	}
}

func ratio(v, lo, hi float64) analyze.Estimate {
	return analyze.Estimate{Value: v, Lo: lo, Hi: hi, HasInterval: true, Confidence: 0.95, N: 10}
}

// cells spreads an overall change over the levels: none at the lowest, twice as
// much at the highest.
func cells(base, overall float64) []analyze.CellDiff {
	var out []analyze.CellDiff
	for i, l := range loads {
		r := 1 + (overall-1)*float64(i)/2.5
		b := base * l.itl / 26
		out = append(out, analyze.CellDiff{
			MaxConcurrency: l.asked, Baseline: spread(b, 0.006), Candidate: spread(b*r, 0.006),
			Ratio: ratio(r, r-0.012, r+0.012),
		})
	}
	return out
}
