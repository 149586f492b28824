package specimen

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze"
)

// Weekly is a whole report: one group regressed, one is fine, one cannot be
// compared; some runs carry only a summary, and some identity is missing.
func Weekly() *analyze.Result {
	res := &analyze.Result{
		Kind: "weekly", Title: "Weekly regression report 2025-W47",
		Totals: analyze.Totals{
			Runs: 66, Detailed: 63, SummaryOnly: 3, Simulated: 66, ServerStarts: 10,
			Requests: 20_480, Failed: 2, Gaps: 2_438_400, From: "2025-11-17", To: "2025-11-21",
		},
		Comparisons: []analyze.Comparison{Fine(), Comparison(), Refused()},
		Sweeps:      []analyze.Sweep{Sweep()},
		Findings:    findings(),
		Agreement:   agreement(),
		Unknown: []analyze.Unknown{{
			Column: "server_start", Runs: 6, Of: 66,
			Hint: "say which runs shared a server start (servestat.yaml: server_start); until then each repeat counts as a replicate",
		}},
		Notes: []string{"Qwen/Qwen3-8B, Jetson AGX Thor, generic: nothing to compare 0.20.2 with: no run of another known version"},
	}
	res.Sweeps[0].Series[1].Levels[5].Failed = 2
	res.Sweeps[0].Series[1].Levels[5].Notes = []string{"asked 32, achieved 30.6"}
	res.Sweeps[0].Series[0].Levels[5].Notes = []string{"asked 32, achieved 30.6"}
	few := nothing("need >= 368 completed requests in each run for a p99 of TTFT, have 320")
	for i := range res.Sweeps[0].Series {
		s := &res.Sweeps[0].Series[i]
		for j := range s.Levels {
			s.Levels[j].TTFTp99 = few
		}
		s.Objectives = []analyze.Objective{{
			Text: "itl_p99<100ms", Largest: 16,
			Sentence: fmt.Sprintf("itl_p99<100ms: met in every run up to max concurrency 16; then itl_p99 is %.4g ms in run %s at 32", 1e3*s.Points[28].ITLp99, s.Points[28].RunID),
		}}
	}
	res.Week, res.Histories, res.Evidence, res.Freshness, res.Preflight, res.Checks = "2025-W47", pasts(), evidence(), freshness(), preflights(), checks()
	res.Runs = lines(res.Sweeps[0])
	res.Runs[7].Notes = []string{"2 requests whose output length the server did not report"}
	return res
}

// Compare is the report of the one comparison.
func Compare() *analyze.Result {
	res := &analyze.Result{
		Kind: "compare", Title: "runtime_version=0.20.2 against runtime_version=0.19.0",
		Totals: totals(60), Comparisons: []analyze.Comparison{Comparison()}, Sweeps: []analyze.Sweep{Sweep()}, Agreement: agreement()[:3],
	}
	res.Runs = lines(res.Sweeps[0])
	return res
}

// Swept is the report of a sweep of one version.
func Swept() *analyze.Result {
	s := analyze.Sweep{Group: Group, Series: []analyze.Series{Baseline()}}
	return &analyze.Result{
		Kind: "sweep", Title: "Latency and throughput against concurrency", Selection: "runtime_version = '0.19.0'",
		Totals: totals(30), Sweeps: []analyze.Sweep{s}, Runs: lines(s), Agreement: agreement()[:3],
	}
}

// OneRun is the report of a single run, of which little is known.
func OneRun() *analyze.Result {
	s := Baseline()
	s.Version, s.Starts, s.StartsKnown, s.Simulated = "unknown", 1, false, false
	s.Points, s.Levels, s.ITL, s.Degradation = s.Points[15:16], s.Levels[3:4], s.ITL[:1], nil
	s.ITL[0].MaxConcurrency = 8
	s.Notes = []string{"server starts are not recorded: repeats count as replicates"}
	alone := "need >= 2 runs for an interval, have 1"
	l := &s.Levels[0]
	l.Runs, l.Requests = 1, 320
	pt := s.Points[0]
	for e, v := range map[*analyze.Estimate]float64{
		&l.Concurrency: pt.Concurrency, &l.TTFTp50: pt.TTFTp50, &l.ITLMean: pt.ITLMean, &l.ITLp99: pt.ITLp99,
		&l.TPOTMean: pt.TPOTMean, &l.E2ELp50: pt.E2ELp50, &l.Output: pt.Output,
	} {
		*e = analyze.Estimate{Value: v, N: 1, Notes: []string{alone}}
	}
	l.TTFTp99 = nothing("need >= 368 completed requests in each run for a p99 of TTFT, have 320")
	why := "1 level, and a curve needs >= 4: measure more levels of concurrency"
	s.Fits = []analyze.Fit{{Metric: "itl", Model: "affine", Refused: why}, {Metric: "output_throughput", Model: "amdahl", Refused: why}}
	sweep := analyze.Sweep{Group: analyze.Group{Model: Group.Model}, Series: []analyze.Series{s}}
	runs, stalls := lines(sweep), 0.0123
	runs[0].Stalls = &stalls
	return &analyze.Result{
		Trace: trace(runs[0].RunID),
		Kind:  "run", Title: "Run 0.19.0-c08-s1", Selection: "starts_with(run_id, '0.19.0-c08')",
		Totals: analyze.Totals{Runs: 1, Detailed: 1, Requests: 320, Gaps: 40_640, From: "2025-11-17", To: "2025-11-17"},
		Sweeps: []analyze.Sweep{sweep}, Runs: runs,
		Unknown: []analyze.Unknown{
			{Column: "runtime_version", Runs: 1, Of: 1, Hint: "ingest with --label runtime_version=…, a servestat.yaml, or the server log beside the results"},
			{Column: "hardware", Runs: 1, Of: 1, Hint: "ingest with --label hardware=… or a servestat.yaml"},
		},
	}
}

// Empty is the report of a selection that names no run.
func Empty() *analyze.Result {
	return &analyze.Result{Kind: "sweep", Title: "Latency and throughput against concurrency", Selection: "runtime_version = '0.91.0'"}
}

// Undecided is a comparison of two versions with two starts each: nothing can be
// shown.
func Undecided() *analyze.Result {
	c := Comparison()
	c.Verdict, c.Baseline.Starts, c.Candidate.Starts, c.Baseline.Runs, c.Candidate.Runs = analyze.Inconclusive, 2, 2, 12, 12
	c.Gate, c.Rates, c.Stalls, c.Context = nil, nil, nil, nil
	c.Baseline.Simulated, c.Candidate.Simulated = false, false
	c.Sentence = "Inconclusive: runtime_version=0.20.2 against runtime_version=0.19.0 on nvidia/Nemotron-3-Nano-30B-A3B-NVFP4, Jetson AGX Thor, generic: " +
		"TTFT p50, ITL mean, TPOT mean, E2EL p50, output throughput could not be settled with 2 server starts a side; about 6 a side would."
	for i := range c.Metrics {
		m := &c.Metrics[i]
		m.Verdict, m.CurveVerdict, m.RunsNeeded = analyze.Inconclusive, analyze.Inconclusive, 6
		m.P, m.PAdjusted, m.FDR, m.Detectable, m.WorseAtMost = math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
		m.Ratio = analyze.Estimate{Value: m.Ratio.Value, N: 2}
		m.Notes = []string{"need >= 3 runs of each version for a verdict, have 2 and 2"}
		for j := range m.Cells {
			cell := &m.Cells[j]
			cell.Ratio, cell.Verdict = analyze.Estimate{Value: cell.Ratio.Value, N: 2}, analyze.Inconclusive
			cell.P, cell.PAdjusted, cell.Detectable = math.NaN(), math.NaN(), math.NaN()
		}
	}
	t := totals(24)
	t.Simulated = 0
	return &analyze.Result{Kind: "compare", Title: "runtime_version=0.20.2 against runtime_version=0.19.0", Totals: t, Comparisons: []analyze.Comparison{c}}
}

// Many is a report of 200 comparisons, of which two regressed and a few are open.
func Many() *analyze.Result {
	res := &analyze.Result{Kind: "weekly", Title: "Weekly regression report 2025-W47", Totals: totals(12_000)}
	res.Totals.Simulated = 0
	for i := range 200 {
		c := Fine()
		switch {
		case i == 57 || i == 143:
			c = Comparison()
		case i%67 == 3:
			c = Refused()
		}
		c.Baseline.Simulated, c.Candidate.Simulated = false, false
		c.Group.Model = fmt.Sprintf("models/checkpoint-%03d", i)
		c.Sentence = strings.ReplaceAll(c.Sentence, Group.Model, c.Group.Model)
		res.Comparisons = append(res.Comparisons, c)
	}
	return res
}

// AllRegressed is a week in which everything got worse.
func AllRegressed() *analyze.Result {
	res := Many()
	for i := range res.Comparisons {
		g := res.Comparisons[i].Group
		res.Comparisons[i] = Comparison()
		res.Comparisons[i].Group = analyze.Group{Model: g.Model, Hardware: fmt.Sprintf("machine-%02d", i%20)}
		res.Notes = append(res.Notes, fmt.Sprintf("checkpoint-%d, machine-21: nothing to compare 0.20.2 with: no run of another known version", i))
	}
	return res
}

// UndecidedWeek is a week of sixteen comparisons, of which fourteen have too few
// starts for any verdict.
func UndecidedWeek() *analyze.Result {
	res := &analyze.Result{Kind: "weekly", Title: "Weekly regression report 2025-W47", Week: "2025-W47", Totals: totals(16 * 24)}
	res.Totals.Simulated = 0
	for i := range 16 {
		c := Undecided().Comparisons[0]
		if i%8 == 5 {
			c = Fine()
			c.Baseline.Simulated, c.Candidate.Simulated = false, false
		}
		c.Group = analyze.Group{Model: fmt.Sprintf("models/checkpoint-%03d", i/4), Hardware: []string{"H100", "H200", "MI300X", "L40S"}[i%4]}
		for j := range c.Metrics {
			if i >= 8 && c.Verdict == analyze.Inconclusive {
				c.Metrics[j].RunsNeeded = 12
			}
		}
		res.Comparisons = append(res.Comparisons, c)
	}
	return res
}

// OneRunWeek is a week in which one run was made.
func OneRunWeek() *analyze.Result {
	res := OneRun()
	res.Kind, res.Title, res.Week, res.Selection, res.Trace = "weekly", "Weekly regression report 2025-W47", "2025-W47", "", nil
	res.Runs[0].Stalls = nil
	res.Notes = []string{Group.Model + ": nothing to compare unknown with: no run of another known version"}
	return res
}

// NamedWeek is a week of groups whose names are long, or not of ASCII.
func NamedWeek() *analyze.Result {
	res := &analyze.Result{Kind: "weekly", Title: "Weekly regression report 2025-W47", Week: "2025-W47", Totals: totals(120)}
	res.Totals.Simulated = 0
	for i, name := range []string{"組織/モデル-三十億-命令調整済み", "организация/модель-7Б", "Ünïcödé/Größe-ß", "shared/registry/internal/" + strings.Repeat("distilled-quantised-", 8) + "v2"} {
		c := Comparison()
		if i%2 == 1 {
			c = Fine()
		}
		c.Baseline.Simulated, c.Candidate.Simulated = false, false
		c.Group = analyze.Group{Model: name, Hardware: "8 × H100 (NVLink, München)", Path: "経路"}
		res.Comparisons = append(res.Comparisons, c)
	}
	return res
}

// EmptyWeek is a week without runs.
func EmptyWeek() *analyze.Result {
	return &analyze.Result{Kind: "weekly", Title: "Weekly regression report 2025-W47", Week: "2025-W47", Selection: "false", Freshness: freshness()[1:]}
}

// HostileWeek is a weekly report with the labels of Hostile.
func HostileWeek() *analyze.Result {
	res := Hostile()
	evil := res.Runs[0].RunID
	res.Kind, res.Week = "weekly", "2025-W47"
	res.Histories, res.Evidence, res.Freshness, res.Preflight, res.Checks = pasts(), evidence(), freshness(), preflights(), checks()
	c := &res.Comparisons[0]
	for i := range res.Histories {
		res.Histories[i].Group = c.Group
	}
	step := &res.Histories[0].ChangePoints[0]
	step.Changed[1] = analyze.AttributeChange{Key: evil, Before: evil, After: evil}
	step.At.Version, step.Previous.Version = evil, evil
	res.Evidence[0].Group, res.Evidence[0].Baseline, res.Evidence[0].Candidate = c.Group, c.Baseline.Label, c.Candidate.Label
	res.Evidence[0].BaselineRuns, res.Evidence[0].SQL = []string{evil}, "SELECT '"+evil+"\n```\n'"
	res.Freshness[0].Group = c.Group
	res.Preflight[0].Logs, res.Preflight[0].Meaning = []string{evil}, evil
	res.Checks.Runs[0].Subject = evil
	return res
}

// Hostile is a report whose labels come from somebody who means ill: Markdown,
// HTML, control characters, and names as long as a page.
func Hostile() *analyze.Result {
	long := strings.Repeat("very-long-name-", 40)
	evil := "x|y`z`</td><script>alert(1)</script>[a](http://evil.example)\n# not a heading\x1b[2J"
	res := Compare()
	res.Title = "# " + evil
	res.Selection = evil
	g := analyze.Group{Model: evil, Hardware: long, Path: "日本語の経路"}
	c := &res.Comparisons[0]
	c.Group = g
	c.Baseline.Label, c.Candidate.Label = "runtime_version="+evil, "runtime_version="+long
	c.Sentence = "Regressed: " + evil + long
	c.Warnings = []string{evil, "1. " + long, "see http://evil.example/?a|b and mail me@evil.example"}
	c.Metrics[0].Name, c.Metrics[0].Notes = evil, []string{evil}
	res.Sweeps[0].Group = g
	res.Sweeps[0].Series[0].Version, res.Sweeps[0].Series[1].Version = evil, long
	res.Sweeps[0].Warnings = []string{evil}
	res.Findings = []analyze.Finding{{Check: evil, Verdict: "WARN", Subject: long, Message: evil, Do: "- " + evil, RunIDs: []string{evil}}}
	res.Agreement[2].Key, res.Agreement[2].Why, res.Agreement[2].Where = evil, evil, long
	res.Agreement[2].MaxDev = math.Inf(1)
	res.Unknown = []analyze.Unknown{{Column: evil, Runs: 1, Of: 60, Hint: long}}
	res.Runs = res.Runs[:2]
	res.Runs[0] = analyze.RunLine{RunID: evil, Source: long, Version: evil, Model: long, Load: evil, Start: evil, StartedAt: evil, Provenance: evil, Notes: []string{evil}}
	res.Notes = []string{evil}
	return res
}

// Fine is a comparison in which nothing got worse.
func Fine() analyze.Comparison {
	c := Comparison()
	c.Group = analyze.Group{Model: "mistralai/Mistral-Small-24B-Instruct", Hardware: "Jetson AGX Thor", Path: "generic"}
	c.Verdict = analyze.NotRegressed
	c.Sentence = "Not regressed: runtime_version=0.20.2 against runtime_version=0.19.0 on " + c.Group.Model + ", Jetson AGX Thor, generic: every metric's 95 % bound is within its margin."
	for i := range c.Metrics {
		m := &c.Metrics[i]
		m.Verdict, m.CurveVerdict, m.Notes, m.RunsNeeded, m.Detectable, m.PAdjusted = analyze.NotRegressed, analyze.NotRegressed, nil, 0, 0.016, 1
		m.Ratio = ratio(0.998+0.002*float64(i), 0.986+0.002*float64(i), 1.011+0.002*float64(i))
		m.Candidate = spread(m.Baseline.Value*m.Ratio.Value, 0.006)
		m.Cells = slices.Clone(m.Cells)
		for j := range m.Cells {
			v := 1 + 0.003*math.Sin(float64(i+7*j))
			m.Cells[j].Ratio, m.Cells[j].Verdict, m.Cells[j].PAdjusted = ratio(v, v-0.014, v+0.014), analyze.NotRegressed, 1
		}
	}
	return c
}

// Refused is a comparison that was not made.
func Refused() analyze.Comparison {
	c := analyze.Comparison{
		Group:     analyze.Group{Model: "Qwen/Qwen3-30B-A3B", Hardware: "Jetson AGX Thor", Path: "tuned"},
		Baseline:  analyze.Arm{Label: "runtime_version=0.19.0", Runs: 5, Starts: 5, StartsKnown: true, Simulated: true},
		Candidate: analyze.Arm{Label: "runtime_version=0.20.2", Runs: 5, Starts: 5, StartsKnown: true, Simulated: true},
		Verdict:   analyze.NotComparable,
		Refusals: []string{
			"mean prompt length at max concurrency 8 differs: 1024.0 tokens in the baseline, 512.3 in the candidate",
			"the request backend differs: openai in the baseline, openai-chat in the candidate",
		},
		Warnings: []string{"engine argument max_num_seqs differs: 32 in the baseline, 256 in the candidate"},
	}
	c.Sentence = "Not comparable: runtime_version=0.20.2 against runtime_version=0.19.0 on Qwen/Qwen3-30B-A3B, Jetson AGX Thor, tuned: " + strings.Join(c.Refusals, "; ") + "."
	return c
}

func totals(runs int) analyze.Totals {
	return analyze.Totals{
		Runs: runs, Detailed: runs, Simulated: runs, ServerStarts: max(runs/6, 1),
		Requests: 320 * int64(runs), Gaps: 40_640 * int64(runs), From: "2025-11-17", To: "2025-11-21",
	}
}

func findings() []analyze.Finding {
	return []analyze.Finding{
		{
			Check: "failed requests", Verdict: "WARN", Subject: "nvidia/Nemotron-3-Nano-30B-A3B-NVFP4, Jetson AGX Thor, vllm 0.20.2, c=32",
			Message: "2 of 320 requests failed; latencies are of the others", Do: "read the errors (requests.error) before reading the latencies",
			RunIDs: []string{"0.20.2-c32-s4"},
		},
		{
			Check: "T1 achieved concurrency", Verdict: "FAIL", Subject: "Qwen/Qwen3-8B, Jetson AGX Thor, vllm 0.20.2, c=1024, summary only",
			Message: "asked 1024, achieved 384.8 (38 %) (this of run q3-1024-1; 3 runs alike)", Do: "this is not a measurement of the asked level: look for a client limit, a rate limit or too few prompts",
			RunIDs: []string{"q3-1024-1", "q3-1024-2", "q3-1024-3"},
		},
	}
}

func agreement() []analyze.Agreement {
	return []analyze.Agreement{
		{Key: "completed", Compared: 60, Equal: 60},
		{Key: "output_throughput", Compared: 60, Equal: 60},
		{Key: "mean_itl_ms", Compared: 60, Equal: 60},
		{
			Key: "mean_tpot_ms", Compared: 60, Equal: 36, MaxDev: 0.0031, Where: "bench/0.20.2/c1/run1.json; bench/0.20.2/c1/run2.json; …",
			Why: "chat streams: the tool's clock runs on to the final usage chunk, which carries no content",
		},
	}
}

// lines lists the runs of a sweep.
func lines(s analyze.Sweep) []analyze.RunLine {
	var out []analyze.RunLine
	for _, series := range s.Series {
		for i, p := range series.Points {
			l := analyze.RunLine{
				RunID: p.RunID, Source: p.Source, Version: series.Version, Model: s.Group.Model, Load: fmt.Sprintf("c=%d", p.MaxConcurrency),
				Start: p.Start, StartedAt: fmt.Sprintf("2025-11-%02d %02d:%02d:00", 17+i%5, 9+i/5, 3*i%60), Detailed: true,
			}
			if series.Version != "unknown" {
				l.Provenance = "sidecar"
			}
			out = append(out, l)
		}
	}
	return out
}
