package specimen

import (
	"fmt"
	"math"
	"time"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/schemas"
)

// pasts are histories of two metrics over three versions: ITL stepped up with the
// last, together with the driver; that of TPOT shows nothing.
func pasts() []analyze.History {
	itl := past("itl", "ITL mean", 32, 0.0644)
	at, before := itl.Points[10], itl.Points[9]
	itl.ChangePoints = []analyze.ChangePoint{{
		At: at, Earliest: before, Latest: at, Previous: before, Level: 0.95, Verdict: analyze.Regressed,
		Ratio: ratio(1.058, 1.041, 1.071), NBefore: 10, NAfter: 5, P: 0.0004, Adjusted: 0.0008,
		Changed: []analyze.AttributeChange{
			{Key: "runtime_version", Kind: "differs", Before: "0.20.0", After: "0.20.2"},
			{Key: "driver", Kind: "differs", Before: "580.65", After: "580.95"},
		},
	}}
	itl.Levels = []analyze.PastLevel{{First: itl.Points[0], Last: before, Runs: 10, Value: 0.0644}, {First: at, Last: itl.Points[14], Runs: 5, Value: 0.0644 * 1.058}}
	tpot := past("tpot", "TPOT mean", 32, 0.065)
	tpot.Levels = []analyze.PastLevel{{First: tpot.Points[0], Last: tpot.Points[14], Runs: 15, Value: 0.0655}}
	return []analyze.History{itl, tpot}
}

func past(metric, name string, level int64, base float64) analyze.History {
	h := analyze.History{
		Group: Group, MaxConcurrency: level, Metric: metric, Statistic: "mean", Name: name, Unit: "s", Better: schemas.Lower,
		Order: analyze.ByDate, Window: analyze.Steady, ChangePoints: []analyze.ChangePoint{}, P: 0.001,
	}
	for i := range 15 {
		value := base * (1 + 0.004*math.Sin(float64(3*i)))
		if i >= 10 {
			value *= 1.058
		}
		h.Points = append(h.Points, analyze.PastPoint{
			RunID: fmt.Sprintf("past-%02d-%s", i, metric), Start: fmt.Sprint("start ", i), Version: []string{"0.19.0", "0.20.0", "0.20.2"}[i/5],
			Time: time.Date(2025, 11, 3+i, 2, 0, 0, 0, time.UTC), Value: value,
		})
	}
	return h
}

func evidence() []analyze.Evidence {
	return []analyze.Evidence{{
		Group: Group, Baseline: "runtime_version=0.19.0", Candidate: "runtime_version=0.20.2",
		BaselineRuns: []string{"0.19.0-c01-s1", "0.19.0-c02-s1"}, CandidateRuns: []string{"0.20.2-c01-s1", "0.20.2-c02-s1"},
		SQL:      "SELECT metric, max_concurrency, baseline, candidate, change\nFROM made_up",
		TestsSQL: "SELECT metric, max_concurrency, ratio, lo, hi, p\nFROM made_up",
	}}
}

// freshness has a group that missed a night, and one that did not run at all.
func freshness() []analyze.Freshness {
	days := func(runs ...int) []analyze.Night {
		var out []analyze.Night
		for i, n := range runs {
			out = append(out, analyze.Night{Date: fmt.Sprintf("2025-11-%d", 17+i), Runs: n, Missing: n == 0 && i < 5, Ahead: i > 5})
		}
		return out
	}
	return []analyze.Freshness{
		{Group: Group, Days: days(12, 0, 12, 12, 12, 0, 0), Last: "2025-11-14"},
		{Group: analyze.Group{Model: "Qwen/Qwen3-30B-A3B", Hardware: "Jetson AGX Thor", Path: "tuned"}, Days: days(0, 0, 0, 0, 0, 0, 0), Last: "2025-11-09"},
	}
}

func preflights() []analyze.LogFinding {
	return []analyze.LogFinding{
		{
			Severity: analyze.PreflightFail, Rule: "dummy_weights", Meaning: "The weights are random: neither output nor lengths nor routing are the model's.",
			Do: "leave --load-format dummy out, or call the result what it is", Logs: []string{"nightly/thor/server.log"}, Of: 5, Line: 18,
		},
		{
			Severity: analyze.PreflightWarn, Rule: "eager_mode", Number: "P4", Meaning: "--enforce-eager: neither compiled nor captured, so each step pays for its launches.",
			Do: "leave --enforce-eager out of a measurement", Logs: []string{"nightly/thor/server.log", "nightly/spark/server.log"}, Of: 5, Line: 12,
		},
	}
}

// checks are the answers of a few checks for two load points.
func checks() *analyze.Audit {
	a := &analyze.Audit{Totals: totals(60), Checks: []analyze.CheckCount{
		{Check: "T1 achieved concurrency", OK: 55, Fail: 5}, {Check: "failed requests", OK: 59, Warn: 1}, {Check: "T5 counted tokens", NotComputable: 60},
	}}
	for i, verdict := range []string{"OK", "FAIL"} {
		a.Runs = append(a.Runs, analyze.AuditedRun{Subject: fmt.Sprintf("Jetson AGX Thor, c=%d", 8<<(2*i)), Checks: []analyze.CheckAnswer{
			{Check: "T1 achieved concurrency", Verdict: verdict}, {Check: "failed requests", Verdict: []string{"OK", "WARN"}[i]},
		}})
	}
	return a
}

// trace is a run of eight at a time with one stall.
func trace(id string) *analyze.Trace {
	t := &analyze.Trace{RunID: id, Group: Group, Version: "0.19.0", MaxConcurrency: 8, SteadyFrom: 1, SteadyTo: 19}
	for i := range 40 {
		start := 4*float64(i/8) + 0.05*float64(i%8)
		t.Requests = append(t.Requests, analyze.TracedRequest{Start: start, FirstChunk: start + 0.2 + 0.01*float64(i%8), End: start + 3.9})
	}
	for i := range analyze.GapColumns {
		gap := 0.03 * (1 + 0.05*math.Sin(float64(i)))
		if i > 90 && i < 96 {
			gap = 0.5
		}
		t.Gaps = append(t.Gaps, analyze.GapCell{From: 0, To: 20, Shortest: 0.02, Longest: 0.6, At: 20 * (float64(i) + 0.5) / analyze.GapColumns, Gap: gap, N: 60})
	}
	return t
}
