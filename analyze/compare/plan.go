package compare

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Plan is a comparison that is yet to be made, or was made with too few runs:
// what can it see, and how many runs see more?
//
// All effects are for a single metric at the level that a family of Tests leaves
// to its most demanding test, and stated at a power of 0.8. A family is gated by
// max-T, which with independent tests asks of each what Student's t does at
// alpha/Tests, and less of tests that move together: there the plan is cautious.
type Plan struct {
	// SD is the standard deviation of log values between runs of one version,
	// for small values their coefficient of variation; DF is the degrees of
	// freedom that it rests on, 0 for a value that is taken as known. On few
	// degrees of freedom the stated effect is larger, so that it is seen with
	// probability 0.8 also when the SD may be too low.
	SD float64
	DF int

	Runs  int // of each version
	Tests int // in the family; 0 is 1
}

// Detectable returns the smallest relative worsening, 0.041 for 4.1 %, that a
// comparison of that many runs calls a regression with probability 0.8; +Inf if
// there is none.
//
// It is the effect d that solves
//
//	E Phi(d s/se - c S) = 0.8
//
// with c the critical value of Student's t, S and s the standard deviation that
// the comparison will estimate and the one that the plan rests on, both relative
// to the true one, and se = sqrt(2/runs). Ranks reach only certain levels, so c
// is that of the level which the exact test has, and need 4 % more effect than t
// (8 % where only separated arms are significant); both are found by
// simulation, which TestCalibrateDetectable repeats. An effect near DeltaMin
// must besides be estimated above it.
func (p Plan) Detectable(opts Options) (float64, error) {
	opts, err := p.complete(opts)
	if err != nil {
		return math.NaN(), err
	}
	return math.Expm1(p.detectable(p.Runs, newPlanner(), opts)), nil
}

// RunsFor returns the least number of runs of each version with which a
// worsening by target, 0.02 for 2 %, is called a regression with probability
// 0.8. 0: not within 100,000, as for a target below DeltaMin.
func (p Plan) RunsFor(target float64, opts Options) (int, error) {
	opts, err := p.complete(opts)
	if err != nil {
		return 0, err
	}
	if !(target > 0) {
		return 0, fmt.Errorf("compare: target effect %g is not > 0: 2 %% is 0.02", target)
	}
	plans := newPlanner()
	n, ok := runsFor(rankRuns, func(n int) bool { return p.detectable(n, plans, opts) <= math.Log1p(target) })
	if !ok {
		n = 0
	}
	return n, nil
}

// RunsToClear returns the least number of runs of each version with which "not
// regressed" comes out with probability 0.8 if nothing has changed. 0: not
// within 100,000.
func (p Plan) RunsToClear(opts Options) (int, error) {
	opts, err := p.complete(opts)
	if err != nil {
		return 0, err
	}
	plans := newPlanner()
	n, ok := runsFor(rankRuns, func(n int) bool { return plans.excludes(n, math.Log1p(opts.Margin), p.SD, opts.Alpha) })
	if !ok {
		n = 0
	}
	return n, nil
}

func (p Plan) complete(opts Options) (Options, error) {
	if !(p.SD >= 0) || math.IsInf(p.SD, 1) || p.DF < 0 || p.Runs < 0 || p.Tests < 0 {
		return opts, fmt.Errorf("compare: plan %+v: need an SD between runs, and no negative numbers", p)
	}
	return opts.complete()
}

// detectable is the log ratio that a number of runs detects.
func (p Plan) detectable(runs int, plans planner, opts Options) float64 {
	goals := p.goals(runs, opts)
	return goals[0].detectable(plans.largestShift(goals, p.DF), p.SD, opts.DeltaMin)
}

// goals are the tests that a change must pass: its own ranks, and, as one of
// several, the gate.
func (p Plan) goals(runs int, opts Options) []goal {
	family := opts.Alpha / float64(max(1, p.Tests))
	if runs < rankRuns {
		return []goal{{m: runs, n: runs, alpha: family, welch: runs == verdictRuns}}
	}
	own := goal{m: runs, n: runs, alpha: opts.Alpha, ranks: true}
	if p.Tests <= 1 {
		return []goal{own}
	}
	return []goal{own, {m: runs, n: runs, alpha: family}}
}

// A goal is a two-sided test at a level, of which the power is asked for.
type goal struct {
	m, n  int
	alpha float64
	ranks bool // exact ranks; else Student's t
	welch bool // Welch's t on three runs
}

// The effect that a test needs beyond what Student's t does at the level that it
// reaches, by simulation (TestCalibrateDetectable). Ranks: 1.02 is Pitman's
// efficiency, 3/pi, and the rest is that of small samples and of the second
// opinion; where only separated arms are significant it is more. Welch's t on
// three runs has fewer degrees of freedom than Student's.
const (
	rankLoss      = 1.04
	separatedLoss = 1.08
	welchLoss     = 1.09
)

// attainable reports whether any outcome is significant.
func (g goal) attainable() bool {
	return min(g.m, g.n) >= verdictRuns && (!g.ranks || leastP(g.m, g.n) <= g.alpha*(1+1e-12))
}

// level returns the level that the test has, and what it loses against t.
func (g goal) level() (alpha, loss float64) {
	switch {
	case g.welch:
		return g.alpha, welchLoss
	case !g.ranks:
		return g.alpha, 1
	case max(g.m, g.n) > tabulated:
		return g.alpha, rankLoss
	}
	left, missed := newUTails(g.m, g.n).cut(g.alpha / 2)
	if left == 0 {
		return 2 * missed, separatedLoss
	}
	return 2 * missed, rankLoss
}

// tabulated is the number of runs an arm up to which it matters that ranks reach
// only certain levels.
const tabulated = 30

// critical is the value of Student's t from which on the test rejects, and the
// loss as in level.
func (g goal) critical() (c, loss float64) {
	alpha, loss := g.level()
	return distuv.StudentsT{Sigma: 1, Nu: float64(g.m + g.n - 2)}.Quantile(1 - alpha/2), loss
}

// shift is the effect, in estimated standard deviations on df degrees of
// freedom, that is found with [detectPower]: the solution of the equation at
// [Plan.Detectable].
func (g goal) shift(df int) float64 {
	if !g.attainable() {
		return math.Inf(1)
	}
	c, loss := g.critical()
	if math.IsInf(c, 1) || math.IsNaN(c) {
		return math.Inf(1)
	}
	test, known := spread(g.m+g.n-2), spread(df)
	found := solve(c, detectPower, func(ncp float64) float64 { return expected(ncp, c, known, test) })
	return found * standardError(g.m, g.n) * loss
}

// weighted is one node of an integral.
type weighted struct{ at, weight float64 }

// spread returns nodes for the distribution of an estimated standard deviation,
// relative to the true one: sqrt(chi^2/df). On 0 degrees it is known.
func spread(df int) []weighted {
	if df == 0 {
		return []weighted{{1, 1}}
	}
	nu := float64(df)
	lg, _ := math.Lgamma(nu / 2)
	constant := math.Ln2 + nu/2*math.Log(nu/2) - lg
	width := 7 / math.Sqrt(2*nu)
	low, high := math.Max(0, 1-width), 1+width
	nodes := make([]weighted, len(spreadNodes))
	for i, node := range spreadNodes {
		s := low + (high-low)*node
		density := math.Exp(constant + (nu-1)*math.Log(s) - nu*s*s/2)
		nodes[i] = weighted{s, (high - low) * spreadWeights[i] * density}
	}
	return nodes
}

var spreadNodes, spreadWeights = legendre(24)

// expected is E Phi(ncp s - c S).
func expected(ncp, c float64, known, test []weighted) float64 {
	var power float64
	for _, s := range known {
		for _, t := range test {
			power += s.weight * t.weight * normalTail(c*t.at-ncp*s.at)
		}
	}
	return power
}

// detectable turns a shift in standard deviations into the log ratio that is
// called a change: it must also be estimated above deltaMin.
func (g goal) detectable(shift, sd, deltaMin float64) float64 {
	if math.IsInf(shift, 1) || math.IsNaN(sd) {
		return shift + sd // +Inf, or NaN where the SD is not known
	}
	se := standardError(g.m, g.n) * sd
	above := math.Log1p(deltaMin) + distuv.UnitNormal.Quantile(detectPower)*se
	return bothNeeds(shift*sd, above, bothScale*se)
}

// bothNeeds is the effect that meets two needs at once, each of which is met
// with [detectPower] at its own. Where they lie far apart the larger decides;
// where they are equal, meeting both is less probable than either, and
// scale*ln 2 more is needed.
func bothNeeds(a, b, scale float64) float64 {
	if scale == 0 {
		return math.Max(a, b)
	}
	return math.Max(a, b) + scale*math.Log1p(math.Exp(-math.Abs(a-b)/scale))
}

// bothScale is that scale, in standard errors, for two conditions on one
// estimate (TestCalibrateDetectable has runs and variations where both bind).
const bothScale = 0.3

// A planner answers what a family asks again and again.
type planner struct {
	shifts map[plannerKey]float64
	needs  map[plannerKey]float64
}

type plannerKey struct {
	goal
	df, sides int
}

func newPlanner() planner {
	return planner{shifts: map[plannerKey]float64{}, needs: map[plannerKey]float64{}}
}

func (p planner) shift(g goal, df int) float64 {
	return remember(p.shifts, plannerKey{goal: g, df: df}, func() float64 { return g.shift(df) })
}

// largestShift is the effect that meets all goals: that of the most demanding.
func (p planner) largestShift(goals []goal, df int) float64 {
	most := 0.0
	for _, g := range goals {
		most = math.Max(most, p.shift(g, df))
	}
	return most
}

// need is the effect, in known standard deviations, that Student's t finds with
// [detectPower].
func (p planner) need(m, n int, alpha float64, sides int) float64 {
	key := plannerKey{goal: goal{m: m, n: n, alpha: alpha}, sides: sides}
	return remember(p.needs, key, func() float64 { return detectable(m, n, alpha*2/float64(sides), detectPower) })
}

func remember(known map[plannerKey]float64, key plannerKey, find func() float64) float64 {
	v, ok := known[key]
	if !ok {
		v = find()
		known[key] = v
	}
	return v
}

// shows reports whether a true log ratio is called a change with [detectPower],
// at a known standard deviation.
func (p planner) shows(g goal, effect, sd, deltaMin float64) bool {
	if !g.attainable() || effect < g.detectable(0, sd, deltaMin) {
		return false
	}
	alpha, loss := g.level()
	return effect >= loss*sd*p.need(g.m, g.n, alpha, 2)
}

// excludes reports whether a worsening that is room away is excluded by the
// one-sided bound of n runs an arm with [detectPower].
func (p planner) excludes(n int, room, sd, alpha float64) bool {
	return room > 0 && room >= sd*p.need(n, n, alpha, 1)
}

// studentTail is P(T > t).
func studentTail(t, df float64) float64 {
	if math.IsInf(t, 1) {
		return 0
	}
	return distuv.StudentsT{Sigma: 1, Nu: df}.CDF(-t)
}
