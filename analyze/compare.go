package analyze

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/audit"
	"github.com/servestat/servestat/analyze/compare"
	"github.com/servestat/servestat/analyze/sample"
)

// CompareOptions set what counts as a change. The zero value takes defaults.
type CompareOptions struct {
	Margin    float64  // relative worsening that "not regressed" must exclude; default 3 %
	MinEffect float64  // least relative worsening that is called a regression; default 1 %
	Allow     []string // checks and factors to accept, by name; see AllowKeys
}

// Compare sets candidate against baseline, one Comparison a group of model,
// hardware and path that both have. The labels name the sides.
//
// What cannot be compared is refused before any statistics, with the reasons.
func Compare(baseline, candidate *Data, baseLabel, candLabel string, opts CompareOptions) []Comparison {
	pairs, orphans := matchGroups(baseline, candidate)
	var out []Comparison
	for _, p := range pairs {
		c := Comparison{Group: p.group, Method: method}
		c.Warnings = append(c.Warnings, p.warnings...)
		base, cand := usableRuns(p.baseline, "baseline", &c, opts.Allow), usableRuns(p.candidate, "candidate", &c, opts.Allow)
		refuseSpoiledLevels(&c, p, opts.Allow)
		c.Baseline, c.Candidate = describeArm(baseLabel, p.baseline, base), describeArm(candLabel, p.candidate, cand)
		compareArms(&c, base, cand, opts)
		c.Sentence = sentence(&c)
		out = append(out, c)
	}
	if len(out) == 0 {
		out = append(out, nothingInCommon(baseline, candidate, baseLabel, candLabel, orphans))
	} else if len(orphans) > 0 {
		out[0].Warnings = append(out[0].Warnings, orphans...)
	}
	return out
}

const method = "Per metric, one value a server start: the geometric mean over the concurrency levels that both sides ran. " +
	"Hodges-Lehmann ratio with its exact Mann-Whitney interval; p-values adjusted by Holm over the metrics (family-wise 5 %). " +
	"Not regressed: the one-sided 95 % bound excludes the margin."

// A pair is one group on both sides.
type pair struct {
	group               Group
	baseline, candidate []*Run
	warnings            []string
}

// matchGroups pairs the groups of the two sides. A value that one side did not
// record matches any: it is said, and not held against the comparison.
func matchGroups(baseline, candidate *Data) (pairs []pair, orphans []string) {
	base, cand := byGroup(baseline.Runs), byGroup(candidate.Runs)
	used := map[Group]bool{}
	for _, g := range sortedGroups(base) {
		match, warnings, ok := findGroup(g, cand, used)
		if !ok {
			orphans = append(orphans, fmt.Sprintf("only in the baseline: %s (%d runs)", g, len(base[g])))
			continue
		}
		used[match] = true
		pairs = append(pairs, pair{group: g.merge(match), baseline: base[g], candidate: cand[match], warnings: warnings})
	}
	for _, g := range sortedGroups(cand) {
		if !used[g] {
			orphans = append(orphans, fmt.Sprintf("only in the candidate: %s (%d runs)", g, len(cand[g])))
		}
	}
	return pairs, orphans
}

func byGroup(runs []*Run) map[Group][]*Run {
	out := map[Group][]*Run{}
	for _, r := range runs {
		out[r.group()] = append(out[r.group()], r)
	}
	return out
}

func sortedGroups(m map[Group][]*Run) []Group {
	return slices.SortedFunc(maps.Keys(m), func(a, b Group) int { return strings.Compare(a.String(), b.String()) })
}

// findGroup returns the group of cand that g can stand against: the same, or
// else the only one that differs in nothing but what was not recorded.
func findGroup(g Group, cand map[Group][]*Run, used map[Group]bool) (match Group, warnings []string, ok bool) {
	if _, same := cand[g]; same && !used[g] {
		return g, nil, true
	}
	var found []Group
	for _, o := range sortedGroups(cand) {
		if !used[o] && compatible(g.Model, o.Model) && compatible(g.Hardware, o.Hardware) && compatible(g.Path, o.Path) {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		return Group{}, nil, false
	}
	o := found[0]
	for _, c := range []struct{ name, a, b string }{{"model", g.Model, o.Model}, {"hardware", g.Hardware, o.Hardware}, {"path", g.Path, o.Path}} {
		if c.a != c.b {
			warnings = append(warnings, fmt.Sprintf("%s is recorded on one side only (%s): taken to be the same", c.name, c.a+c.b))
		}
	}
	return o, warnings, true
}

func compatible(a, b string) bool { return a == b || a == "" || b == "" }

func (g Group) merge(o Group) Group {
	pick := func(a, b string) string {
		if a == "" {
			return b
		}
		return a
	}
	return Group{pick(g.Model, o.Model), pick(g.Hardware, o.Hardware), pick(g.Path, o.Path)}
}

// String names the group in words.
func (g Group) String() string {
	var parts []string
	for _, p := range []struct{ value, unknown string }{{g.Model, "unknown model"}, {g.Hardware, "unknown hardware"}, {g.Path, ""}} {
		if p.value != "" {
			parts = append(parts, p.value)
		} else if p.unknown != "" {
			parts = append(parts, p.unknown)
		}
	}
	return strings.Join(parts, ", ")
}

func nothingInCommon(baseline, candidate *Data, baseLabel, candLabel string, orphans []string) Comparison {
	c := Comparison{
		Baseline: describeArm(baseLabel, baseline.Runs, nil), Candidate: describeArm(candLabel, candidate.Runs, nil),
		Verdict: NotComparable, Method: method, Refusals: orphans,
	}
	if len(baseline.Runs) == 0 {
		c.Refusals = append(c.Refusals, "no run is "+baseLabel)
	}
	if len(candidate.Runs) == 0 {
		c.Refusals = append(c.Refusals, "no run is "+candLabel)
	}
	c.Sentence = sentence(&c)
	return c
}

// usableRuns are the closed-loop runs of a side whose times can be compared.
// What is left out is said.
func usableRuns(runs []*Run, side string, c *Comparison, allowed allowances) []*Run {
	var out []*Run
	summaries, open, other := 0, 0, 0
	for _, r := range runs {
		switch {
		case r.Bench != "serve":
			other++
		case !r.Detailed:
			summaries++
		case !r.closedLoop():
			open++
		case r.Sum == nil || r.Sum.Completed == 0:
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s: left out %s (%s): no request completed", side, r.SourceName, r.load()))
		case r.spoiledBy(allowed) != nil || !r.measured():
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s: left out %s (%s): %s", side, r.SourceName, r.load(), r.whyUnusable(allowed)))
		default:
			out = append(out, r)
		}
	}
	note := func(n int, format string) {
		if n > 0 {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s: left out %d runs that "+format, side, n))
		}
	}
	note(summaries, "carry only their tool's summary: measure again with --save-detailed")
	note(open, "were offered at a request rate or all at once: only runs at a max concurrency are compared so far")
	note(other, "are offline benchmarks, not served requests")
	return out
}

// whyUnusable says in words why a run cannot be compared; empty where it can.
func (r *Run) whyUnusable(allowed allowances) string {
	if f := r.spoiledBy(allowed); f != nil {
		return f.Check + ": " + f.Message
	}
	if !r.measured() {
		return "its times are not whole"
	}
	return ""
}

// refuseSpoiledLevels refuses the comparison where a check forbids at least half
// of a side's runs at a level that both sides ran: what is left of it would not
// be the level that was asked about. Fewer are left out, and named.
func refuseSpoiledLevels(c *Comparison, p pair, allowed allowances) {
	atLevel := func(runs []*Run) map[int64][]*Run {
		out := map[int64][]*Run{}
		for _, r := range runs {
			if r.Bench == "serve" && r.Detailed && r.closedLoop() {
				out[r.MaxConcurrency.V] = append(out[r.MaxConcurrency.V], r)
			}
		}
		return out
	}
	base, cand := atLevel(p.baseline), atLevel(p.candidate)
	for _, s := range []struct {
		name       string
		own, other map[int64][]*Run
	}{{"baseline", base, cand}, {"candidate", cand, base}} {
		for _, level := range slices.Sorted(maps.Keys(s.own)) {
			if len(s.other[level]) == 0 {
				continue
			}
			byCheck := map[string]int{}
			for _, r := range s.own[level] {
				if f := r.spoiledBy(allowed); f != nil {
					byCheck[f.Check]++
					if n := byCheck[f.Check]; 2*n >= len(s.own[level]) && 2*(n-1) < len(s.own[level]) {
						c.refuse(nil, checkKey(f.Check), fmt.Sprintf("%s at max concurrency %d: %s: %s", s.name, level, f.Check, f.Message))
					}
				}
			}
		}
	}
}

func describeArm(label string, all, usable []*Run) Arm {
	a := newArm(usable)
	arm := Arm{Label: label, Runs: len(all), Starts: len(a.starts), StartsKnown: a.startsKnown}
	for _, r := range all {
		arm.Simulated = arm.Simulated || r.Simulated.V
	}
	return arm
}

func compareArms(c *Comparison, baseline, candidate []*Run, opts CompareOptions) {
	window, sets := inSteadyWindow(baseline, candidate)
	base, cand := newArm(sets[0]), newArm(sets[1])
	checkComparable(c, base, cand, opts.Allow)
	if len(c.Refusals) == 0 {
		c.Levels = commonLevels(c, base, cand)
	}
	if len(c.Refusals) > 0 {
		c.Verdict = NotComparable
		return
	}
	for side, a := range map[string]*arm{"baseline": base, "candidate": cand} {
		if !a.startsKnown {
			c.Warnings = append(c.Warnings, side+": server starts are not recorded, so repeats count as replicates; if they shared a start, the interval is too narrow")
		}
	}
	bundled := c.addAuditWarnings("baseline", base.runs)
	bundled = c.addAuditWarnings("candidate", cand.runs) || bundled
	if bundled {
		c.Warnings = append(c.Warnings, "ITL is left out: chunks carry several tokens, so a gap is no time between tokens; TPOT is compared")
	}
	slices.Sort(c.Warnings)
	c.Window = window
	c.Context = whatIsCompared(c)
	for _, a := range c.Allowed {
		c.Warnings = append(c.Warnings, "allowed: "+a)
	}
	c.Metrics = compareMetrics(c.Levels, base, cand, bundled, opts)
	c.Verdict = overall(c.Metrics)
}

// commonLevels are the levels that at least four in five replicates of each side
// ran. A replicate that lacks one of them is left out, so that every value is a
// mean over the same levels.
func commonLevels(c *Comparison, base, cand *arm) []int64 {
	var levels []int64
	for _, level := range base.levels() {
		if base.share(level) >= 0.8 && cand.share(level) >= 0.8 {
			levels = append(levels, level)
		} else {
			c.Warnings = append(c.Warnings, fmt.Sprintf("max concurrency %d is left out: not both sides ran it", level))
		}
	}
	for _, level := range cand.levels() {
		if !slices.Contains(base.levels(), level) {
			c.Warnings = append(c.Warnings, fmt.Sprintf("max concurrency %d is left out: not both sides ran it", level))
		}
	}
	if len(levels) == 0 {
		c.Refusals = append(c.Refusals, fmt.Sprintf("no max concurrency in common: the baseline ran %v, the candidate %v", base.levels(), cand.levels()))
	}
	return levels
}

// share is the part of the replicates that ran a level.
func (a *arm) share(level int64) float64 {
	n := 0
	for _, byLevel := range a.cells {
		if len(byLevel[level]) > 0 {
			n++
		}
	}
	return float64(n) / float64(max(len(a.starts), 1))
}

// addAuditWarnings carries what the truth checks found, once a check, and
// reports whether chunks of any run carry several tokens.
func (c *Comparison) addAuditWarnings(side string, runs []*Run) (bundled bool) {
	seen := map[string]bool{}
	for _, r := range runs {
		for _, f := range audit.Fired(r.audit) {
			bundled = bundled || f.Check == audit.TokensPerChunk
			if !seen[f.Check] {
				seen[f.Check] = true
				c.Warnings = append(c.Warnings, fmt.Sprintf("%s, %s: %s: %s", side, r.load(), f.Check, f.Message))
			}
		}
	}
	return bundled
}

func compareMetrics(levels []int64, base, cand *arm, bundled bool, opts CompareOptions) []MetricDiff {
	var inputs []compare.Input
	var used []measure
	for _, m := range measures {
		if bundled && m.metric == "itl" {
			continue
		}
		in := compare.Input{
			Metric: m.metric, Better: compare.Better(m.definition().Better),
			Baseline: base.over(levels, m.of), Candidate: cand.over(levels, m.of),
		}
		if len(in.Baseline) == 0 || len(in.Candidate) == 0 {
			continue // e.g. no gaps: every answer came in one chunk
		}
		for _, level := range levels {
			b, _ := base.at(level, m.of)
			cd, _ := cand.at(level, m.of)
			in.Cells = append(in.Cells, compare.Cell{Name: fmt.Sprint(level), Baseline: b, Candidate: cd})
		}
		inputs, used = append(inputs, in), append(used, m)
	}
	results := compare.Family(inputs, compare.Options{Margin: opts.Margin, DeltaMin: opts.MinEffect})
	out := make([]MetricDiff, len(results))
	for i, r := range results {
		out[i] = metricDiff(used[i], inputs[i], r, levels)
	}
	return out
}

func metricDiff(m measure, in compare.Input, r compare.Result, levels []int64) MetricDiff {
	def := m.definition()
	d := MetricDiff{
		Metric: m.metric, Statistic: m.statistic, Name: m.name, Unit: def.Unit, Better: def.Better,
		Baseline: estimate(in.Baseline), Candidate: estimate(in.Candidate), Ratio: ratioEstimate(r.Ratio),
		P: r.P, PAdjusted: r.AdjustedP, Verdict: verdictOf(r.Verdict), Detectable: math.Abs(r.Detectable.Ratio - 1), Margin: r.Margin,
		RunsNeeded: r.RunsNeeded, Method: string(r.Ratio.Method),
	}
	for _, w := range r.Warnings {
		if w.Code != compare.CellsUnadjusted { // the table of cells says so itself
			d.Notes = append(d.Notes, w.Text)
		}
	}
	if r.Err != nil {
		d.Notes = append(d.Notes, r.Err.Error())
	}
	for i, cell := range r.Cells {
		d.Cells = append(d.Cells, CellDiff{
			MaxConcurrency: levels[i], Baseline: estimate(in.Cells[i].Baseline), Candidate: estimate(in.Cells[i].Candidate),
			Ratio: ratioEstimate(cell.Ratio),
		})
	}
	return d
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
		return NotComparable
	}
	return Inconclusive
}

// overall is the verdict over the family: one regressed metric is enough to call
// the candidate regressed; "not regressed" needs all of them.
func overall(metrics []MetricDiff) Verdict {
	count := map[Verdict]int{}
	for _, m := range metrics {
		count[m.Verdict]++
	}
	switch {
	case len(metrics) == 0:
		return Inconclusive
	case count[Regressed] > 0:
		return Regressed
	case count[Inconclusive]+count[NotComparable] > 0:
		return Inconclusive
	case count[Improved] > 0:
		return Improved
	}
	return NotRegressed
}

// sentence says the verdict in words, with the number that it rests on most.
func sentence(c *Comparison) string {
	what := fmt.Sprintf("%s against %s", shortLabel(c.Candidate.Label), shortLabel(c.Baseline.Label))
	if c.Group != (Group{}) {
		what += " on " + c.Group.String()
	}
	switch c.Verdict {
	case NotComparable:
		return fmt.Sprintf("Not comparable: %s. %s.", what, strings.Join(c.Refusals, "; "))
	case Regressed, Improved:
		var changes []string
		for _, m := range c.Metrics {
			if m.Verdict == c.Verdict {
				changes = append(changes, m.change())
			}
		}
		word := "Regressed"
		if c.Verdict == Improved {
			word = "Improved"
		}
		return fmt.Sprintf("%s: %s: %s.", word, what, strings.Join(changes, ", "))
	case NotRegressed:
		return fmt.Sprintf("Not regressed: %s: every metric's 95 %% bound is within its margin.", what)
	}
	return fmt.Sprintf("Inconclusive: %s: %s.", what, whyInconclusive(c))
}

// shortLabel drops what goes without saying: versions are what is compared most.
func shortLabel(label string) string { return strings.TrimPrefix(label, "runtime_version=") }

func (m MetricDiff) change() string {
	if !m.Ratio.HasInterval {
		return fmt.Sprintf("%s %+.1f %%", m.Name, 100*(m.Ratio.Value-1))
	}
	return fmt.Sprintf("%s %+.1f %% [%+.1f, %+.1f]", m.Name, 100*(m.Ratio.Value-1), 100*(m.Ratio.Lo-1), 100*(m.Ratio.Hi-1))
}

func whyInconclusive(c *Comparison) string {
	if len(c.Metrics) == 0 {
		return "no metric that both sides have"
	}
	var names []string
	need, replicates := 0, math.MaxInt
	for _, m := range c.Metrics {
		replicates = min(replicates, m.Baseline.N, m.Candidate.N)
		if m.Verdict == Inconclusive {
			names = append(names, m.Name)
			need = max(need, m.RunsNeeded)
		}
	}
	why := fmt.Sprintf("%s could not be settled with %d server starts a side", strings.Join(names, ", "), replicates)
	if need > replicates {
		why += fmt.Sprintf("; about %d a side would", need)
	}
	return why
}
