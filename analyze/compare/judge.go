package compare

import (
	"fmt"
	"math"
	"slices"

	"github.com/servestat/servestat/analyze/sample"
)

// gateRanks is the number of runs an arm from which on ranks can carry a family:
// two extreme arrangements among 12,870 are far beyond any adjustment, while
// with five runs they are two in 252.
const gateRanks = 8

// Judge gives one verdict over all metrics and load points of a sweep.
//
// The family that is tested together has, for each metric, its curve, which is
// each run's mean over the load points, and its single load points, called
// cells; shares such as that of failed requests likewise; and the number of runs
// that stalled. Its p-values are adjusted by Westfall & Young's step-down max-T
// with whole runs permuted, so that the probability of any false "regressed" or
// "improved" in all of it is at most alpha, however metrics depend on each
// other. The statistic is Welch's t of logs; where runs stalled, and there are
// eight or more of each version, it is the rank sum, which stalls do not blunt.
// The adjusted p of a cell or curve is at least its own exact Mann-Whitney p, so
// a change needs the evidence of both.
//
// That holds where versions that do not differ are exchangeable. A candidate of
// the same centre whose runs vary three times as much is not: among 48 cells
// some one then stands out too often, with six runs in about one comparison of
// six (TestCalibrateFamilyUnderUnequalSpread). It comes with a warning.
//
// Each curve and cell is then judged by effect and bounds of Hodges-Lehmann. With
// w the ratio candidate/baseline turned so that above 1 is worse (its reciprocal
// where higher is better), it is, in this order,
//
//   - regressed if adjusted p <= alpha and w > 1 + delta_min;
//   - improved by the same with 1/w;
//   - not regressed if the one-sided bound of w at confidence 1 - alpha is below
//     1 + margin. This needs no adjustment: that all of several metrics are not
//     worse is claimed only if each shows it (intersection-union; Berger 1982);
//   - else inconclusive.
//
// A value that cannot be compared, not positive or not finite, makes its metric
// Invalid and leaves the others alone; so do bad options, which make every result
// Invalid. A metric is regressed if its curve or any of its cells is. The sweep is
//
//   - regressed if any metric is, or runs stall more often;
//   - else inconclusive if any metric's curve is, or is invalid;
//   - else improved if any metric is;
//   - else not regressed.
//
// With three runs of a version the tests are Welch's, adjusted by Holm, and the
// judgement is weak. With fewer there are estimates and no verdict.
func Judge(s Sweep, opts Options) Judgement { return JudgeAll([]Sweep{s}, opts)[0] }

// JudgeAll judges the sweeps of one report, such as several models on one
// night, as one family: the probability of any false "regressed" or "improved"
// in the whole report is at most alpha. The result has one entry for each sweep,
// in the same order. A sweep that cannot be judged is Invalid and leaves the
// others alone.
func JudgeAll(sweeps []Sweep, opts Options) []Judgement {
	opts, err := opts.complete()
	all := make([]*trial, len(sweeps))
	for i, s := range sweeps {
		all[i] = newTrial(s, opts, err)
	}
	plans := newPlanner()
	strong, weak := adjustAll(all, opts)
	judgements := make([]Judgement, len(sweeps))
	for i, t := range all {
		switch {
		case t.Err != nil:
			t.Verdict = Invalid
		case t.runs() >= rankRuns:
			t.finish(strong, plans)
		default:
			t.finish(weak, plans)
		}
		judgements[i] = t.Judgement
	}
	return judgements
}

// A trial is a sweep while it is being judged.
type trial struct {
	Judgement
	sweep Sweep
	opts  Options
	tests []test
}

// A test is one member of the family, with a value for each run, baseline first.
type test struct {
	metric Metric
	in     input // the runs that have a value
	result *Result
	values []float64 // NaN: the run has none
	tested bool
}

func newTrial(s Sweep, opts Options, err error) *trial {
	t := &trial{sweep: s, opts: opts}
	t.Name, t.NBaseline, t.NCandidate = s.Name, len(s.Baseline), len(s.Candidate)
	t.Gate = Gate{Method: NoGate, Critical: math.NaN()}
	t.Stalls.P, t.Stalls.AdjustedP = math.NaN(), math.NaN()
	if err == nil {
		err = s.check()
	}
	if t.Err = err; err != nil {
		return t
	}
	t.Metrics = make([]MetricJudgement, len(s.Metrics))
	for i := range s.Metrics {
		t.addMetric(i)
	}
	t.addStalls()
	return t
}

// runs is the number of runs of the version that has fewer.
func (t *trial) runs() int { return min(t.NBaseline, t.NCandidate) }

// addMetric makes the tests of a metric's curve and cells.
func (t *trial) addMetric(i int) {
	s, j := t.sweep, &t.Metrics[i]
	j.Metric = s.Metrics[i]
	levels := s.usualLevels(i)
	for _, level := range levels {
		j.Levels = append(j.Levels, s.Levels[level])
	}
	if len(s.Levels) > 1 {
		j.Cells = make([]LevelResult, len(s.Levels))
		for level := range s.Levels {
			j.Cells[level].Level = s.Levels[level]
			b, c := s.cell(i, level)
			t.addTest(&j.Cells[level].Result, j.Metric, b, c)
		}
	}
	if len(levels) == 0 {
		j.Curve = t.blank(j.Metric)
		j.Curve.Err = fmt.Errorf("%s: compare: no load point that four in five runs of each version measured", j.Metric.Name)
		return
	}
	b, c := s.curve(i, levels)
	t.addTest(&j.Curve, j.Metric, b, c)
	if j.Metric.Kind != Share {
		j.Mixture = sample.FindMixture(b, c)
	}
	// A curve must not be made of what its cells refuse.
	for level := range j.Cells {
		if err := j.Cells[level].Err; err != nil && slices.Contains(levels, level) && j.Curve.Err == nil {
			j.Curve.Err = err
			t.tests[len(t.tests)-1].tested = false
		}
	}
}

// blank is a result without numbers.
func (t *trial) blank(m Metric) Result {
	margin := m.Margin
	if m.Kind == Share && margin == 0 {
		margin = shareMargin
	}
	return newResult(input{Metric: m.Name, Better: m.Better, Margin: margin}, t.opts)
}

// options are those that hold for a metric.
func (t *trial) options(m Metric) Options {
	o := t.opts
	o.DeltaMin = orDefault(m.DeltaMin, o.DeltaMin)
	return o
}

// addTest measures one member of the family. It takes part in the test if no
// more runs lack it than leave every permutation two of each arm.
func (t *trial) addTest(r *Result, m Metric, baseline, candidate []float64) {
	*r = t.blank(m)
	in := input{Metric: m.Name, Better: m.Better, Baseline: measured(baseline), Candidate: measured(candidate), Margin: r.Margin}
	r.Ratio.NBaseline, r.Ratio.NCandidate = len(in.Baseline), len(in.Candidate)
	if m.Kind == Share {
		r.Err = r.measureShare(in, t.opts)
	} else {
		r.Err = r.measure(in, t.options(m))
	}
	values := slices.Concat(baseline, candidate)
	missing := len(values) - len(in.Baseline) - len(in.Candidate)
	enough := r.Weak == (t.runs() == verdictRuns) && missing <= max(0, t.runs()-2)
	if !enough {
		r.P, r.Weak = math.NaN(), false
	}
	for i, v := range values {
		if m.Kind != Share {
			values[i] = math.Log(v)
		}
	}
	t.tests = append(t.tests, test{
		metric: m, in: in, result: r, values: values,
		tested: r.Err == nil && !math.IsNaN(r.P),
	})
}

// addStalls counts the runs that stand apart on the bad side of any metric.
func (t *trial) addStalls() {
	stalled := make([]map[int]bool, 2)
	for arm := range stalled {
		stalled[arm] = map[int]bool{}
		for _, m := range t.Metrics {
			if m.Mixture.Arms == nil {
				continue
			}
			bad := m.Mixture.Arms[arm].Slow
			if m.Metric.Better == Higher {
				bad = m.Mixture.Arms[arm].Fast
			}
			for _, run := range bad {
				stalled[arm][run] = true
			}
		}
	}
	indicators := func(runs map[int]bool, n int) (list []int, values []float64) {
		for i := range n {
			v := 0.0
			if runs[i] {
				v, list = 1, append(list, i)
			}
			values = append(values, v)
		}
		return list, values
	}
	var b, c []float64
	t.Stalls.Baseline, b = indicators(stalled[0], t.NBaseline)
	t.Stalls.Candidate, c = indicators(stalled[1], t.NCandidate)
	t.Stalls.Upper = upperRate(len(t.Stalls.Candidate), t.NCandidate, 1-t.opts.Alpha)
	if t.runs() < rankRuns {
		return
	}
	var r Result
	t.addTest(&r, Metric{Name: "stalled runs", Better: Lower, Kind: Share}, b, c)
	t.Stalls.P = r.P
}

// stalled reports whether any run stands apart.
func (t *trial) stalled() bool { return len(t.Stalls.Baseline)+len(t.Stalls.Candidate) > 0 }

// adjustAll sets the adjusted p-values of all trials and returns the gates that
// strong and weak ones passed. Where a report has both, each family gets half of
// alpha, by doubling its p-values.
func adjustAll(all []*trial, opts Options) (strong, weak Gate) {
	var strongs, weaks []*trial
	for _, t := range all {
		switch {
		case t.Err != nil || t.runs() < verdictRuns:
		case t.runs() >= rankRuns:
			strongs = append(strongs, t)
		default:
			weaks = append(weaks, t)
		}
	}
	share := 1.0
	if len(strongs) > 0 && len(weaks) > 0 {
		share = 2
	}
	return adjustStrong(strongs, opts, share), adjustWeak(weaks, share)
}

func adjustStrong(trials []*trial, opts Options, share float64) Gate {
	none := Gate{Method: NoGate, Critical: math.NaN()}
	if len(trials) == 0 {
		return none
	}
	ranks := slices.ContainsFunc(trials, (*trial).stalled) &&
		!slices.ContainsFunc(trials, func(t *trial) bool { return t.runs() < gateRanks })
	var blocks []block
	tests := 0
	for _, t := range trials {
		b := block{m: t.NBaseline, n: t.NCandidate}
		for _, test := range t.tests {
			if test.tested {
				b.columns = append(b.columns, test.values)
			}
		}
		tests += len(b.columns)
		blocks = append(blocks, b)
	}
	if tests == 0 {
		return none
	}
	found := gate{ranks: ranks, seed: opts.Seed}.test(blocks, opts.Alpha/share)
	for i, t := range trials {
		at := 0
		for _, test := range t.tests {
			if test.tested {
				test.result.AdjustedP = math.Min(1, math.Max(test.result.P, share*found.p[i][at]))
				at++
			}
		}
		t.discover()
	}
	method := StudentisedMaxT
	if ranks {
		method = RankMaxT
	}
	return Gate{Method: method, Tests: tests, Permutations: found.permutations, Exact: found.exact, Critical: found.critical}
}

// discover sets the false discovery rates, for information. They are of Welch's
// p-values, because among many cells no rank test of five runs can pass.
func (t *trial) discover() {
	ps := nans(len(t.tests))
	for i, test := range t.tests {
		if !test.tested || test.metric.Kind == Share {
			continue
		}
		m := len(test.in.Baseline)
		values := measured(test.values)
		if diff, se, df, err := welchT(values[:m], values[m:]); err == nil {
			ps[i] = 2 * studentTail(math.Abs(diff)/se, df)
		}
	}
	for i, q := range BenjaminiHochberg(ps) {
		t.tests[i].result.FDR = q
	}
}

func adjustWeak(trials []*trial, share float64) Gate {
	gate := Gate{Method: NoGate, Critical: math.NaN()}
	var ps []float64
	for _, t := range trials {
		for _, test := range t.tests {
			p := math.NaN()
			if test.tested {
				p = test.result.P
				gate.Tests++
			}
			ps = append(ps, p)
		}
	}
	if gate.Tests == 0 {
		return gate
	}
	gate.Method = HolmOfWelch
	holm, at := Holm(ps), 0
	for _, t := range trials {
		for _, test := range t.tests {
			test.result.AdjustedP = math.Min(1, share*holm[at])
			at++
		}
		t.discover()
	}
	return gate
}

// finish judges what was measured and adjusted.
func (t *trial) finish(gate Gate, plans planner) {
	t.Weak = t.runs() == verdictRuns
	if t.runs() >= verdictRuns {
		t.Gate = gate
	}
	for i := range t.tests {
		t.finishTest(&t.tests[i], plans)
	}
	for i := range t.Metrics {
		t.Metrics[i].decide()
	}
	t.decideStalls()
	t.Verdict = t.overall()
	t.warn()
}

// finishTest judges one curve or cell.
func (t *trial) finishTest(test *test, plans planner) {
	r := test.result
	if r.Err != nil {
		r.Verdict = Invalid
		return
	}
	m, n := len(test.in.Baseline), len(test.in.Candidate)
	goals := t.goals(m, n, r.Weak)
	if test.metric.Kind == Share {
		r.judgeShare(orDefault(test.metric.DeltaMin, shareDeltaMin), t.opts.Alpha)
		_, sb := meanAndSquares(test.in.Baseline)
		_, sc := meanAndSquares(test.in.Candidate)
		if sd := math.Sqrt((sb + sc) / float64(m+n-2)); sd > 0 && test.tested {
			r.Share.Detectable = plans.largestShift(goals, m+n-2) * sd
		}
		return
	}
	opts := t.options(test.metric)
	r.judge(opts)
	r.plan(test.in, opts, goals, plans)
	r.Warnings = warnings(r, test.in, opts)
	if ratio := spreadRatio(test.in); ratio >= unequalSpread && (r.Verdict == Regressed || r.Verdict == Improved) {
		r.Warnings = append(r.Warnings, warn(UnequalSpread,
			"runs of one version vary %.1f times as much as those of the other: the change may be in that alone, make more runs to tell", ratio))
	}
	if missing := t.NBaseline + t.NCandidate - m - n; missing > 0 {
		r.Warnings = append(r.Warnings, warn(MissingRuns,
			"%d of %d runs have no value here: find out why before reading anything into the others", missing, t.NBaseline+t.NCandidate))
	}
}

// unequalSpread is the ratio of standard deviations from which on a warning is
// due. Of versions that vary alike, 6 % have it with five runs each, 1 % with
// eight.
const unequalSpread = 3

// spreadRatio is the ratio of the larger standard deviation of logs to the
// smaller.
func spreadRatio(in input) float64 {
	b, errB := logs("", in.Baseline)
	c, errC := logs("", in.Candidate)
	if errB != nil || errC != nil || min(len(b), len(c)) < 2 {
		return math.NaN()
	}
	_, sb := meanAndSquares(b)
	_, sc := meanAndSquares(c)
	ratio := math.Sqrt(sc / float64(len(c)-1) / (sb / float64(len(b)-1)))
	return math.Max(ratio, 1/ratio)
}

// goals are the tests that a change must pass: that of the gate at the level that
// it leaves a single test, and, where the gate is not of ranks, its own ranks at
// alpha.
func (t *trial) goals(m, n int, weak bool) []goal {
	g := goal{m: m, n: n, alpha: t.singleAlpha(m + n - 2), ranks: !weak && t.Gate.Method == RankMaxT, welch: weak}
	if weak || g.ranks {
		return []goal{g}
	}
	return []goal{g, {m: m, n: n, alpha: t.opts.Alpha, ranks: true}}
}

// singleAlpha is the level that a single test must reach to pass the gate.
func (t *trial) singleAlpha(df int) float64 {
	switch t.Gate.Method {
	case StudentisedMaxT:
		return math.Min(t.opts.Alpha, 2*studentTail(t.Gate.Critical, float64(df)))
	case RankMaxT:
		return math.Min(t.opts.Alpha, 2*normalTail(t.Gate.Critical))
	}
	return t.opts.Alpha / float64(max(1, t.Gate.Tests))
}

// decide makes the verdict on a metric from those on its curve and cells.
func (m *MetricJudgement) decide() {
	m.Verdict = m.Curve.Verdict
	if m.Curve.Err != nil {
		m.Verdict = Invalid
		m.Curve.Verdict = Invalid
	}
	var crossing Crossing
	for _, c := range m.Cells {
		switch c.Verdict {
		case Regressed:
			crossing.Worse = append(crossing.Worse, c.Level)
		case Improved:
			crossing.Better = append(crossing.Better, c.Level)
		}
	}
	if len(crossing.Worse) > 0 {
		m.Verdict = Regressed
		if len(crossing.Better) > 0 {
			m.Crossing = &crossing
		}
	}
}

func (t *trial) decideStalls() {
	s := &t.Stalls
	if t.runs() < rankRuns {
		return
	}
	s.AdjustedP = t.tests[len(t.tests)-1].result.AdjustedP
	switch rate := func(stalled []int, n int) float64 { return float64(len(stalled)) / float64(n) }; {
	case !(s.AdjustedP <= t.opts.Alpha):
	case rate(s.Candidate, t.NCandidate) > rate(s.Baseline, t.NBaseline):
		s.Verdict = Regressed
	default:
		s.Verdict = Improved
	}
}

// overall applies the rule that [Judge] states.
func (t *trial) overall() Verdict {
	count := map[Verdict]int{}
	for _, m := range t.Metrics {
		count[m.Verdict]++
	}
	switch {
	case count[Regressed] > 0 || t.Stalls.Verdict == Regressed:
		return Regressed
	case count[Invalid] == len(t.Metrics):
		return Invalid
	case count[Inconclusive]+count[Invalid] > 0:
		return Inconclusive
	case count[Improved] > 0:
		return Improved
	}
	return NotRegressed
}

// warn lists what qualifies the judgement as a whole.
func (t *trial) warn() {
	add := func(w sample.Warning) { t.Warnings = append(t.Warnings, w) }
	if t.runs() < verdictRuns {
		add(warn(TooFewRuns,
			"need >= %d runs of each version, on fresh server starts, for a verdict (>= %d for a strong one), have %d and %d",
			verdictRuns, plannedRuns, t.NBaseline, t.NCandidate))
	}
	if t.Weak {
		add(warn(WeakTest, "with %d runs of a version the verdict assumes normal noise: make >= %d runs of each", verdictRuns, plannedRuns))
	}
	if t.stalled() {
		advice := "read the curves beside it as a mixture of two kinds of runs"
		if t.Gate.Method != RankMaxT {
			advice = fmt.Sprintf("make >= %d runs of each version, or stalls hide changes", gateRanks)
		}
		add(warn(StallsFound, "%d of %d runs of the baseline and %d of %d of the candidate stalled: %s",
			len(t.Stalls.Baseline), t.NBaseline, len(t.Stalls.Candidate), t.NCandidate, advice))
	}
	for _, m := range t.Metrics {
		if m.Crossing != nil {
			add(warn(CrossesOver, "%s is better at %v and worse at %v: choose by the load that you expect, not by a mean",
				m.Metric.Name, m.Crossing.Better, m.Crossing.Worse))
		}
		if out := len(t.sweep.Levels) - len(m.Levels); out > 0 {
			add(warn(LevelsLeftOut, "%s: %d of %d load points are not part of the curve, because fewer than four in five runs measured them",
				m.Metric.Name, out, len(t.sweep.Levels)))
		}
	}
}
