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

func newResult(in input, opts Options) Result {
	nan := math.NaN()
	return Result{
		Metric: in.Metric, Better: in.Better,
		Margin: orDefault(in.Margin, opts.Margin),
		Ratio:  Ratio{NBaseline: len(in.Baseline), NCandidate: len(in.Candidate), Value: nan},
		P:      nan, AdjustedP: nan, FDR: nan,
		Detectable: Detectable{Ratio: nan, SD: nan},
	}
}

// measure sets the estimate, and the p-value if there are runs enough.
func (r *Result) measure(in input, opts Options) error {
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

// judge applies the rule that [Judge] states.
func (r *Result) judge(opts Options) {
	worse := r.Better.worseLog(r.Ratio.Value)
	relevant := math.Log1p(opts.DeltaMin)
	changed := r.AdjustedP <= opts.Alpha
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

// plan states what could have been seen, and what it would take to see. A change
// must meet all goals.
func (r *Result) plan(in input, opts Options, goals []goal, plans planner) {
	g := goals[0]
	df := g.m + g.n - 2
	r.Detectable = Detectable{Ratio: math.NaN(), Power: detectPower, Alpha: g.alpha, SD: pooledSD(in), DF: df}
	if !math.IsNaN(r.P) {
		r.Detectable.Ratio = r.Better.worseRatio(g.detectable(plans.largestShift(goals, df), r.Detectable.SD, opts.DeltaMin))
	}
	if r.Verdict == Inconclusive {
		r.RunsNeeded = r.runsNeeded(goals, opts, plans)
	}
}

// runsNeeded is the smallest number of runs an arm, more than those of now, with
// which either "regressed" (or "improved") or "not regressed" comes out with
// [detectPower], if the estimate is true.
func (r *Result) runsNeeded(goals []goal, opts Options, plans planner) int {
	least := max(min(goals[0].m, goals[0].n)+1, plannedRuns)
	sd := r.Detectable.SD
	worse := r.Better.worseLog(r.Ratio.Value)
	room := math.Log1p(r.Margin) - worse
	if math.IsNaN(sd) {
		return least
	}
	shows := func(n int) bool {
		for _, g := range goals {
			if !plans.shows(goal{m: n, n: n, alpha: g.alpha, ranks: g.ranks}, math.Abs(worse), sd, opts.DeltaMin) {
				return false
			}
		}
		return true
	}
	n, ok := runsFor(least, func(n int) bool { return shows(n) || plans.excludes(n, room, sd, opts.Alpha) })
	if !ok {
		return 0
	}
	return n
}

// pooledSD is the standard deviation of log values between the runs of one
// version, pooled over both. NaN where no version has two runs.
func pooledSD(in input) float64 {
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

// warnings lists what qualifies a result, each with what to do about it.
func warnings(r *Result, in input, opts Options) []sample.Warning {
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
	return ws
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
