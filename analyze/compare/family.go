package compare

import (
	"errors"
	"fmt"
	"math"

	"github.com/servestat/servestat/analyze/sample"
)

// Sizes of an arm, in runs.
const (
	verdictRuns = 3 // below: never a verdict
	rankRuns    = 4 // below: Welch, because three against three give p >= 0.1 by ranks
	plannedRuns = 5 // the least that is ever recommended
)

// detectPower is the power at which effects and numbers of runs are stated, by
// convention (Cohen 1988).
const detectPower = 0.8

// unbalancedBy is the ratio of arm sizes beyond which a warning is due: with
// unequal spread, rank and t tests keep their level only for similar sizes.
const unbalancedBy = 4

// Family judges the metrics of one comparison together. The result has one
// entry for each input, in the same order.
//
// For each metric, with w the ratio candidate/baseline turned so that above 1 is
// worse (its reciprocal where higher is better), in this order:
//
//   - regressed: p <= alpha after Holm over the family, w > 1 + delta_min, and
//     no dissent of Welch's test on logs, which is asked where no run stalled
//     and keeps its level where one version varies more than the other;
//   - improved: the same with 1/w;
//   - not regressed: the one-sided bound of w at confidence 1 - alpha is below
//     1 + margin. This needs no adjustment: that all of several metrics are not
//     worse is claimed only if each shows it (intersection-union; Berger 1982);
//   - inconclusive otherwise.
//
// Estimate, interval, bounds and p-value come from ranks, from four runs an arm
// on; with three from Welch's test on logs, marked weak. With fewer there is an
// estimate and no verdict. A metric without a test is not counted in the family.
// For single load points as members of the family, for shares and for stalls see
// [Judge].
// An input that cannot be compared (a value that is not positive and finite,
// no direction) is Invalid and leaves the others alone; so do bad options, which
// make every result Invalid.
func Family(inputs []Input, opts Options) []Result {
	opts, err := opts.complete()
	results := make([]Result, len(inputs))
	ps := nans(len(inputs))
	for i, in := range inputs {
		results[i] = newResult(in, opts)
		if results[i].Err = err; err == nil {
			results[i].Err = results[i].measure(in, opts)
		}
		ps[i] = results[i].P
	}

	plans := newPlanner()
	holm, fdr := Holm(ps), BenjaminiHochberg(ps)
	tests := len(ascending(ps))
	for i, in := range inputs {
		r := &results[i]
		r.AdjustedP, r.FDR = holm[i], fdr[i]
		if r.Err != nil {
			r.Verdict = Invalid
			continue
		}
		r.secondOpinion(in, opts)
		r.judge(opts)
		r.plan(in, opts, r.goal(tests, opts), plans)
		r.Cells = locate(in.Cells, opts)
		r.Warnings = warnings(r, in, opts)
		r.warnUnattainable(tests, opts)
	}
	return results
}

// complete fills in defaults and refuses what has no meaning.
func (o Options) complete() (Options, error) {
	o.Alpha = orDefault(o.Alpha, defaultAlpha)
	o.DeltaMin = orDefault(o.DeltaMin, defaultDeltaMin)
	o.Margin = orDefault(o.Margin, defaultMargin)
	switch {
	case !(o.Alpha > 0 && o.Alpha < 0.5):
		return o, fmt.Errorf("compare: alpha %g is not between 0 and 0.5", o.Alpha)
	case !(o.DeltaMin > 0 && o.DeltaMin < 1):
		return o, fmt.Errorf("compare: smallest relevant change %g is not between 0 and 1: 1 %% is 0.01", o.DeltaMin)
	}
	return o, o.checkMargin(o.Margin)
}

func (o Options) checkMargin(margin float64) error {
	if !(margin > o.DeltaMin && margin < 1) {
		return fmt.Errorf("compare: margin %g is not between the smallest relevant change, %g, and 1", margin, o.DeltaMin)
	}
	return nil
}

func orDefault(v, otherwise float64) float64 {
	if v == 0 {
		return otherwise
	}
	return v
}

func newResult(in Input, opts Options) Result {
	nan := math.NaN()
	return Result{
		Metric: in.Metric, Better: in.Better,
		Margin: orDefault(in.Margin, opts.Margin),
		Ratio:  Ratio{NBaseline: len(in.Baseline), NCandidate: len(in.Candidate), Value: nan},
		P:      nan, AdjustedP: nan, FDR: nan, WelchP: nan,
		Detectable: Detectable{Ratio: nan, SD: nan},
	}
}

// measure sets the estimate, and the p-value if there are runs enough.
func (r *Result) measure(in Input, opts Options) error {
	if in.Better != Lower && in.Better != Higher {
		return fmt.Errorf("%s: direction %q: say whether lower or higher is better", in.Metric, in.Better)
	}
	if err := opts.checkMargin(r.Margin); err != nil {
		return fmt.Errorf("%s: %w", in.Metric, err)
	}
	ratio, p, err := estimate(in.Baseline, in.Candidate, 1-opts.Alpha)
	if err != nil {
		return fmt.Errorf("%s: %w", in.Metric, err)
	}
	r.Ratio, r.P = ratio, p
	r.Weak = ratio.Method == WelchOnLogs
	return nil
}

// estimate returns the ratio candidate/baseline and the p-value of no
// difference, which is NaN where there are too few runs for a test.
func estimate(baseline, candidate []float64, conf float64) (Ratio, float64, error) {
	b, err := logs("baseline", baseline)
	if err != nil {
		return Ratio{}, math.NaN(), err
	}
	c, err := logs("candidate", candidate)
	if err != nil {
		return Ratio{}, math.NaN(), err
	}
	if least := min(len(b), len(c)); least >= verdictRuns && least < rankRuns {
		if test, err := Welch(b, c, conf); !errors.Is(err, errConstant) {
			return welchRatio(test), test.TwoSided, err
		}
	}
	shift, err := HodgesLehmann(b, c, conf)
	if err != nil {
		return Ratio{}, math.NaN(), err
	}
	if min(len(b), len(c)) < rankRuns {
		return rankRatio(shift), math.NaN(), nil
	}
	// Ranks of the values themselves: taking logs may make neighbours equal.
	test, err := MannWhitney(baseline, candidate)
	return rankRatio(shift), test.TwoSided, err
}

func welchRatio(t MeanTest) Ratio {
	return exponentiate(Ratio{
		NBaseline: t.NBaseline, NCandidate: t.NCandidate, Method: WelchOnLogs,
		Value: t.Value, CI: t.CI, Lower: t.Lower, Upper: t.Upper,
	})
}

func rankRatio(s Shift) Ratio {
	method := ExactRanks
	if !s.Exact {
		method = NormalRanks
	}
	return exponentiate(Ratio{
		NBaseline: s.NBaseline, NCandidate: s.NCandidate, Method: method,
		Value: s.Value, CI: s.CI, Lower: s.Lower, Upper: s.Upper,
	})
}

// exponentiate turns a difference of logs into a ratio.
func exponentiate(r Ratio) Ratio {
	for _, v := range []*float64{&r.Value, &r.CI.Low, &r.CI.High, &r.Lower.Value, &r.Upper.Value} {
		*v = math.Exp(*v)
	}
	return r
}

// logs returns the logs of values, which must be positive and finite.
func logs(arm string, values []float64) ([]float64, error) {
	ls := make([]float64, len(values))
	for i, v := range values {
		if !(v > 0) || math.IsInf(v, 1) {
			return nil, fmt.Errorf("compare: %s value %d is %g: ratios need values > 0", arm, i, v)
		}
		ls[i] = math.Log(v)
	}
	return ls, nil
}

// secondOpinion asks Welch's test about a change that ranks have found, unless
// runs stalled, when it has none worth hearing. The Mann-Whitney test assumes
// that both versions vary alike: if one varies three times as much it rejects in
// 6 to 8 % instead of 5, and Welch's does not.
func (r *Result) secondOpinion(in Input, opts Options) {
	if !(r.AdjustedP <= opts.Alpha) || r.Weak || sample.FindMixture(in.Baseline, in.Candidate).Stalled() {
		return
	}
	b, errB := logs("baseline", in.Baseline)
	c, errC := logs("candidate", in.Candidate)
	if errors.Join(errB, errC) != nil {
		return
	}
	if diff, se, df, err := welchT(b, c); err == nil {
		r.WelchP = 2 * studentTail(math.Abs(diff)/se, df)
	}
}

// judge applies the rule that [Family] states.
func (r *Result) judge(opts Options) {
	worse := r.Better.worseLog(r.Ratio.Value)
	relevant := math.Log1p(opts.DeltaMin)
	changed := r.AdjustedP <= opts.Alpha && !(r.WelchP > opts.Alpha)
	switch {
	case math.IsNaN(r.P) || math.IsNaN(r.AdjustedP):
		r.Verdict = Inconclusive
	case changed && worse > relevant:
		r.Verdict = Regressed
	case changed && worse < -relevant:
		r.Verdict = Improved
	case r.Better.worseLog(r.WorseBound().Value) < math.Log1p(r.Margin):
		r.Verdict = NotRegressed
	default:
		r.Verdict = Inconclusive
	}
}

// plan states what could have been seen, and what it would take to see.
func (r *Result) plan(in Input, opts Options, g goal, plans planner) {
	df := g.m + g.n - 2
	r.Detectable = Detectable{Ratio: math.NaN(), Power: detectPower, Alpha: g.alpha, SD: pooledSD(in), DF: df}
	if !math.IsNaN(r.P) {
		r.Detectable.Ratio = r.Better.worseRatio(g.detectable(plans.shift(g, df), r.Detectable.SD, opts.DeltaMin))
	}
	if r.Verdict == Inconclusive {
		r.RunsNeeded = r.runsNeeded(g, opts, plans)
	}
}

// runsNeeded is the smallest number of runs an arm, more than those of now, with
// which either "regressed" (or "improved") or "not regressed" comes out with
// [detectPower], if the estimate is true.
func (r *Result) runsNeeded(g goal, opts Options, plans planner) int {
	least := max(min(g.m, g.n)+1, plannedRuns)
	sd := r.Detectable.SD
	worse := r.Better.worseLog(r.Ratio.Value)
	room := math.Log1p(r.Margin) - worse
	if math.IsNaN(sd) {
		return least
	}
	n, ok := runsFor(least, func(n int) bool {
		return plans.shows(goal{m: n, n: n, alpha: g.alpha, ranks: g.ranks}, math.Abs(worse), sd, opts.DeltaMin) ||
			plans.excludes(n, room, sd, opts.Alpha)
	})
	if !ok {
		return 0
	}
	return n
}

// pooledSD is the standard deviation of log values between the runs of one
// version, pooled over both. NaN where no version has two runs.
func pooledSD(in Input) float64 {
	var squares, df float64
	for _, arm := range [][]float64{in.Baseline, in.Candidate} {
		if values, err := logs("", arm); err == nil && len(arm) > 1 {
			_, s := meanAndSquares(values)
			squares += s
			df += float64(len(arm) - 1)
		}
	}
	return math.Sqrt(squares / df)
}

// locate estimates the cells.
func locate(cells []Cell, opts Options) []CellResult {
	var results []CellResult
	for _, c := range cells {
		ratio, _, err := estimate(c.Baseline, c.Candidate, 1-opts.Alpha)
		if err != nil {
			ratio = Ratio{NBaseline: len(c.Baseline), NCandidate: len(c.Candidate), Value: math.NaN()}
		}
		results = append(results, CellResult{Name: c.Name, Ratio: ratio, Err: err})
	}
	return results
}

// warnings lists what qualifies a result, each with what to do about it.
func warnings(r *Result, in Input, opts Options) []sample.Warning {
	var ws []sample.Warning
	add := func(applies bool, w sample.Warning) {
		if applies {
			ws = append(ws, w)
		}
	}
	m, n := len(in.Baseline), len(in.Candidate)
	least, most := min(m, n), max(m, n)

	add(least < verdictRuns, warn(TooFewRuns,
		"need >= %d runs of each version, on fresh server starts, for a verdict (>= %d for a strong one), have %d and %d",
		verdictRuns, plannedRuns, m, n))
	add(r.Weak, warn(WeakTest,
		"with %d runs of a version the verdict assumes normal noise: make >= %d runs of each", least, plannedRuns))
	add(r.Ratio.CI.Level < 1-opts.Alpha-1e-12, warn(LevelShort,
		"the interval has %.3g %% confidence, not %.3g %%: make >= %d runs of each version",
		100*r.Ratio.CI.Level, 100*(1-opts.Alpha), rankRuns))
	add(r.Ratio.Method == NormalRanks, warn(Approximate,
		"p-value and interval are approximations at %d and %d runs: check that each value is one server start", m, n))
	add(most > unbalancedBy*least && least >= verdictRuns, warn(Unbalanced,
		"%d runs against %d: make the numbers similar, or a difference in spread may pass for one in speed", m, n))
	add(constant(in.Baseline) || constant(in.Candidate), warn(NoVariation,
		"all runs of a version have the same value: check that they are separate server starts"))
	add(len(in.Cells) > 0, warn(CellsUnadjusted,
		"intervals of single load points are not adjusted for their number: read them for where, not for whether"))
	return ws
}

// warnUnattainable says that Holm's first step asks more of ranks than that many
// runs can give.
func (r *Result) warnUnattainable(tests int, opts Options) {
	m, n, alpha := r.Ratio.NBaseline, r.Ratio.NCandidate, opts.Alpha/float64(max(1, tests))
	if math.IsNaN(r.P) || r.Weak || leastP(m, n) <= alpha {
		return
	}
	needed, _ := runsFor(rankRuns, func(n int) bool { return leastP(n, n) <= alpha })
	r.Warnings = append(r.Warnings, warn(Unattainable,
		"with %d and %d runs p is at least %.2g, which over %d metrics cannot show a change: make >= %d runs of each version",
		m, n, leastP(m, n), tests, needed))
}

// constant reports whether there are several values and all are equal.
func constant(values []float64) bool {
	for _, v := range values {
		if v != values[0] {
			return false
		}
	}
	return len(values) > 1
}
