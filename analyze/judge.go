package analyze

import (
	"fmt"
	"math"
	"slices"
	"unique"

	"github.com/servestat/servestat/analyze/compare"
	"github.com/servestat/servestat/analyze/sample"
)

// failureRate is the metric that failed requests are compared by.
const failureRate = "failure_rate"

// makeSweep puts the values of both sides into the form that a judge reads: one
// for each start, metric and level, NaN where there is none.
func (c *contest) makeSweep() {
	c.sweep = compare.Sweep{Name: c.Group.String()}
	for _, level := range c.Levels {
		c.sweep.Levels = append(c.sweep.Levels, float64(level))
	}
	for _, m := range measures {
		if c.wanted(m) {
			c.measures = append(c.measures, m)
			c.sweep.Metrics = append(c.sweep.Metrics, c.sweepMetric(m))
		}
	}
	if c.asked(failureRate) {
		c.sweep.Metrics = append(c.sweep.Metrics, compare.Metric{Name: failureRate, Better: compare.Lower, Kind: compare.Share})
	}
	c.sweep.Baseline, c.sweep.Candidate = c.starts(c.base), c.starts(c.cand)
}

func (c *contest) asked(key string) bool {
	return len(c.opts.Metrics) == 0 || slices.Contains(c.opts.Metrics, key)
}

// wanted reports whether a measure is asked for and there to be compared. A tail
// that most runs are too short for is said to be left out.
func (c *contest) wanted(m measure) bool {
	if c.bundled && m.metric == "itl" || !c.asked(m.key()) {
		return false
	}
	most, some := 0.0, false
	for _, level := range c.Levels {
		b, d := c.base.shareOf(level, m), c.cand.shareOf(level, m)
		most, some = math.Max(most, math.Min(b, d)), some || b > 0 || d > 0
	}
	if m.leastValues() > 0 && most < 0.8 {
		c.Context = append(c.Context, fmt.Sprintf("%s is not compared: it needs %d values in a run", m.name, m.leastValues()))
		return false
	}
	return some
}

// shareOf is the part of the replicates that have a measure at a level.
func (a *arm) shareOf(level int64, m measure) float64 {
	values, _ := a.at(level, m.of)
	return float64(len(values)) / float64(max(len(a.starts), 1))
}

func (c *contest) sweepMetric(m measure) compare.Metric {
	return compare.Metric{Name: m.name, Better: compare.Better(m.definition().Better), Margin: c.opts.marginOf(m)}
}

func (c *contest) starts(a *arm) []compare.Start {
	var out []compare.Start
	for _, start := range a.starts {
		var s compare.Start
		for _, m := range c.measures {
			s.Values = append(s.Values, c.along(func(level int64) (float64, bool) { return fold(a.cells[start][level], m.of) }))
		}
		if c.asked(failureRate) {
			s.Values = append(s.Values, c.along(func(level int64) (float64, bool) { return failedShare(a.cells[start][level]) }))
		}
		out = append(out, s)
	}
	return out
}

// along is a value at every level.
func (c *contest) along(of func(level int64) (float64, bool)) []float64 {
	out := make([]float64, len(c.Levels))
	for i, level := range c.Levels {
		v, ok := of(level)
		if !ok {
			v = math.NaN()
		}
		out[i] = v
	}
	return out
}

// failedShare is the share of the requests of runs that failed.
func failedShare(runs []*Run) (float64, bool) {
	var failed, all int64
	for _, r := range runs {
		if r.Sum != nil {
			failed, all = failed+r.Sum.Failed, all+r.Sum.Requests
		} else {
			failed, all = failed+r.Requests.V-r.Completed.V, all+r.Requests.V
		}
	}
	return float64(failed) / float64(all), all > 0
}

// judge judges all contests as one family, and says each in words.
func (f family) judge(opts CompareOptions) []Comparison {
	var judged []*contest
	var sweeps []compare.Sweep
	past := map[Group][]*Run{}
	if opts.History != nil {
		past = byGroup(opts.History.Runs)
	}
	for _, c := range f {
		c.past = past[c.Group]
		if len(c.Refusals) > 0 {
			c.Verdict = NotComparable
			continue
		}
		judged, sweeps = append(judged, c), append(sweeps, c.sweep)
	}
	judgements := compare.JudgeAll(sweeps, opts.options())
	for i := range judgements {
		judged[i].take(judgements[i])
		judgements[i] = compare.Judgement{} // thousands of them, with what is made of them, are memory
		judged[i].holdSingleRun()
		judged[i].settle()
	}
	out := make([]Comparison, len(f))
	for i, c := range f {
		c.Method = methodOf(&c.Comparison)
		c.Sentence = sentence(&c.Comparison)
		for _, a := range c.Allowed {
			c.Warnings = append(c.Warnings, "allowed: "+a)
		}
		out[i] = c.Comparison
	}
	return out
}

// take turns a judgement into the words and numbers of a Comparison.
func (c *contest) take(j compare.Judgement) {
	c.Verdict, c.Weak = verdictOf(j.Verdict), j.Weak
	if j.Err != nil {
		c.Refusals, c.Verdict = append(c.Refusals, j.Err.Error()), NotComparable
		return
	}
	if j.Gate.Method != compare.NoGate {
		c.Gate = &Gate{Method: string(j.Gate.Method), Tests: j.Gate.Tests, Permutations: j.Gate.Permutations, Exact: j.Gate.Exact}
	}
	for i, m := range j.Metrics {
		if m.Metric.Kind == compare.Share {
			c.Rates = append(c.Rates, c.rateDiff(i, m))
		} else {
			c.Metrics = append(c.Metrics, c.metricDiff(i, m))
		}
	}
	c.Stalls = c.stallDiff(j.Stalls)
	for _, w := range j.Warnings {
		if w.Code != compare.TooFewRuns && w.Code != compare.WeakTest { // every metric says so
			c.Warnings = append(c.Warnings, w.Text)
		}
	}
}

func (c *contest) metricDiff(i int, j compare.MetricJudgement) MetricDiff {
	m := c.measures[i]
	def := m.definition()
	levels := integers(j.Levels)
	d := MetricDiff{
		Metric: m.metric, Statistic: m.statistic, Name: m.name, Unit: def.Unit, Better: def.Better,
		Verdict: verdictOf(j.Verdict), CurveVerdict: verdictOf(j.Curve.Verdict), CurveLevels: levels,
		Baseline: estimate(c.base.over(levels, m.of)), Candidate: estimate(c.cand.over(levels, m.of)),
		Change: changeOf(j.Curve), Method: string(j.Curve.Ratio.Method),
	}
	if j.Crossing != nil {
		d.Crossing = &Crossing{Worse: integers(j.Crossing.Worse), Better: integers(j.Crossing.Better)}
	}
	if len(j.Cells) == 0 { // one level: the curve is the cell
		return d.withCell(c.Levels[0])
	}
	d.Cells = make([]CellDiff, 0, len(j.Cells))
	for l, cell := range j.Cells {
		b, _ := c.base.at(c.Levels[l], m.of)
		k, _ := c.cand.at(c.Levels[l], m.of)
		if len(b)+len(k) == 0 {
			continue
		}
		d.Cells = append(d.Cells, CellDiff{
			MaxConcurrency: c.Levels[l], Verdict: verdictOf(cell.Verdict), Baseline: estimate(b), Candidate: estimate(k), Change: changeOf(cell.Result),
		})
	}
	return d
}

// withCell repeats a curve of one level as its cell.
func (m MetricDiff) withCell(level int64) MetricDiff {
	m.Cells = []CellDiff{{MaxConcurrency: level, Verdict: m.CurveVerdict, Baseline: m.Baseline, Candidate: m.Candidate, Change: m.Change}}
	return m
}

// changeOf is a result of the mathematics as a Change.
func changeOf(r compare.Result) Change {
	c := Change{
		Ratio: ratioEstimate(r.Ratio), P: r.P, PAdjusted: r.AdjustedP, FDR: r.FDR,
		WorseAtMost: worsening(r.Better, r.WorseBound().Value), Detectable: math.Abs(r.Detectable.Ratio - 1),
		Margin: r.Margin, RunsNeeded: r.RunsNeeded, RunSD: r.Detectable.SD, Weak: r.Weak,
	}
	if !(r.WorseBound().Level > 0) {
		c.WorseAtMost = math.NaN()
	}
	for _, w := range r.Warnings { // thousands of cells have the same
		c.Notes = append(c.Notes, unique.Make(w.Text).Value())
	}
	if r.Err != nil {
		c.Notes = append(c.Notes, r.Err.Error())
	}
	return c
}

// worsening is a ratio as a relative change for the worse: a throughput of half
// is worse by 100 %, as is a latency of twice.
func worsening(b compare.Better, ratio float64) float64 {
	if b == compare.Higher {
		return 1/ratio - 1
	}
	return ratio - 1
}

func (c *contest) rateDiff(i int, j compare.MetricJudgement) RateDiff {
	d := RateDiff{Metric: failureRate, Name: "failed requests", Verdict: verdictOf(j.Verdict), RateChange: rateChange(j.Curve)}
	for l, cell := range j.Cells {
		d.Cells = append(d.Cells, RateCell{MaxConcurrency: c.Levels[l], Verdict: verdictOf(cell.Verdict), RateChange: rateChange(cell.Result)})
	}
	return d
}

func rateChange(r compare.Result) RateChange {
	nan := math.NaN()
	out := RateChange{
		Baseline: nan, Candidate: nan, Difference: missing(""), P: r.P, PAdjusted: r.AdjustedP, Detectable: nan, Margin: r.Margin,
		NBaseline: r.Ratio.NBaseline, NCandidate: r.Ratio.NCandidate,
	}
	if s := r.Share; s != nil {
		out.Baseline, out.Candidate, out.Detectable = s.Baseline, s.Candidate, s.Detectable
		out.NBaseline, out.NCandidate = s.Typical.NBaseline, s.Typical.NCandidate
		out.Difference = Estimate{
			Value: s.Typical.Value, Lo: s.Typical.CI.Low, Hi: s.Typical.CI.High, N: min(s.Typical.NBaseline, s.Typical.NCandidate),
			HasInterval: finite(s.Typical.CI.Low, s.Typical.CI.High), Confidence: s.Typical.CI.Level,
		}
	}
	for _, w := range r.Warnings {
		out.Notes = append(out.Notes, w.Text)
	}
	if r.Err != nil {
		out.Notes = append(out.Notes, r.Err.Error())
	}
	return out
}

func (c *contest) stallDiff(s compare.Stalls) *StallDiff {
	names := func(a *arm, runs []int) []string {
		out := make([]string, len(runs))
		for i, run := range runs {
			out[i] = a.starts[run]
		}
		return out
	}
	return &StallDiff{
		Baseline: names(c.base, s.Baseline), Candidate: names(c.cand, s.Candidate),
		P: s.P, PAdjusted: s.AdjustedP, RateAtMost: s.Upper.Value, Verdict: verdictOf(s.Verdict),
	}
}

func integers(levels []float64) []int64 {
	out := make([]int64, len(levels))
	for i, l := range levels {
		out[i] = int64(l)
	}
	return out
}

func ratioEstimate(r compare.Ratio) Estimate {
	return withInterval(Estimate{Value: r.Value, N: min(r.NBaseline, r.NCandidate)}, sample.Interval(r.CI), nil)
}

func verdictOf(v compare.Verdict) Verdict {
	switch v {
	case compare.Regressed:
		return Regressed
	case compare.NotRegressed:
		return NotRegressed
	case compare.Improved:
		return Improved
	case compare.Invalid:
		return Invalid
	case compare.Suspect:
		return Suspect
	}
	return Inconclusive
}

// settle makes the verdict over everything. What is missing may be what went
// worst, so without it nothing is called good.
func (c *contest) settle() {
	if (c.Verdict == NotRegressed || c.Verdict == Improved) && len(c.Incomplete) > 0 {
		c.Verdict = Inconclusive
	}
}

func methodOf(c *Comparison) string {
	if len(c.Metrics)+len(c.Rates) == 0 {
		return ""
	}
	text := "Each metric over its curve (one value a server start, the geometric mean over the levels) and at every level: "
	switch {
	case c.History > 0:
		return text + "the one run against Student's t prediction interval of the history, p-values adjusted by Holm over the metrics."
	case c.Gate == nil:
		return text + "estimates only, for want of server starts."
	case c.Weak:
		return text + "Welch's t test on logs, p-values adjusted by Holm over all metrics and levels (family-wise 5 %)."
	}
	return text + "Hodges-Lehmann ratio with its exact Mann-Whitney interval. " +
		fmt.Sprintf("P-values are adjusted over %d tests: %s (family-wise 5 %%). ", c.Gate.Tests, c.Gate.Method) +
		"Not regressed: the one-sided 95 % bound excludes the margin."
}
