package analyze

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/audit"
	"github.com/servestat/servestat/analyze/compare"
)

// CompareOptions set what counts as a change. The zero value takes defaults.
type CompareOptions struct {
	Thresholds
	Metrics []string // of those that can be compared, as MetricKeys has them; empty: all
	Allow   []string // checks and factors to accept, by name; see AllowKeys
	// QualityMargin is the loss that "answers did not get worse" must exclude, as a
	// share of all items; default 5 %.
	QualityMargin float64
	// History are runs that a single run of a side may be held against: what else
	// is known of the same group. Runs of the candidate in it are passed over.
	History *Data
	// Unread says, for each side, which of its uploads could not be read.
	Unread map[Side]string
}

// Thresholds say what a change is. Those that are 0 take defaults.
type Thresholds struct {
	Margin    float64 // relative worsening that "not regressed" must exclude; default 3 %
	MarginP99 float64 // the same for p99; default 10 %
	MinEffect float64 // least relative worsening that is called a regression; default 1 %
}

func (t Thresholds) options() compare.Options {
	return compare.Options{Margin: t.Margin, DeltaMin: t.MinEffect}
}

// marginOf is the margin of a measure where it is not that of all.
func (t Thresholds) marginOf(m measure) float64 {
	switch {
	case m.statistic != p99:
		return 0
	case t.MarginP99 == 0:
		return compare.TailMargin
	}
	return t.MarginP99
}

// A Side is one of the two that are compared.
type Side string

// The sides.
const (
	BaselineSide  Side = "baseline"
	CandidateSide Side = "candidate"
)

// What a comparison may be refused for, or left incomplete by, besides checks and
// factors.
const (
	sameRuns       = "same_runs"
	olderCandidate = "older_candidate"
	missingGroup   = "missing_group"
	incomplete     = "incomplete"
)

// Compare sets candidate against baseline, one Comparison a group of model,
// hardware and path that the baseline has. The labels name the sides. All groups
// are one family: the chance of any false "regressed" among them is 5 %.
//
// What cannot be compared is refused before any statistics, with the reasons.
func Compare(baseline, candidate *Data, baseLabel, candLabel string, opts CompareOptions) []Comparison {
	var f family
	f.add(baseline, candidate, baseLabel, candLabel, opts)
	return f.judge(opts)
}

// A family is the contests of one report.
type family []*contest

// A contest is a comparison while it is being made.
type contest struct {
	Comparison
	opts       CompareOptions
	base, cand *arm
	knownBase  *knowledge // what was judged of the sides' servers; nil: nothing was
	knownCand  *knowledge
	past       []*Run // of the group, that a single run may be held against
	bundled    bool   // chunks carry several tokens
	measures   []measure
	sweep      compare.Sweep
}

// add prepares the comparisons of two selections.
func (f *family) add(baseline, candidate *Data, baseLabel, candLabel string, opts CompareOptions) {
	pairs, orphans := matchGroups(baseline, candidate)
	if len(pairs) == 0 {
		*f = append(*f, nothingInCommon(baseline, candidate, baseLabel, candLabel, orphans))
		return
	}
	for i, p := range pairs {
		c := &contest{opts: opts, Comparison: Comparison{Group: p.group}, knownBase: baseline.answered(), knownCand: candidate.answered()}
		c.Warnings = append(c.Warnings, p.warnings...)
		if i == 0 {
			c.Warnings = append(c.Warnings, orphans.newcomers...)
		}
		c.prepare(p, baseLabel, candLabel)
		*f = append(*f, c)
	}
	first := (*f)[len(*f)-len(pairs)]
	for _, o := range orphans.lost {
		if allowances(opts.Allow).has(missingGroup) {
			first.Allowed = append(first.Allowed, "--allow "+missingGroup+": "+o.String())
			continue
		}
		*f = append(*f, lost(o, baseLabel, candLabel, opts))
	}
}

// prepare refuses what cannot be compared and makes a sweep of the rest.
func (c *contest) prepare(p pair, baseLabel, candLabel string) {
	p.baseline = c.unbroken(p)
	base, cand := c.usableRuns(p.baseline, BaselineSide), c.usableRuns(p.candidate, CandidateSide)
	refuseSpoiledLevels(&c.Comparison, p, c.opts.Allow)
	c.refuseSameRuns(p)
	c.refuseSwapped(p)
	c.Baseline, c.Candidate = describeArm(baseLabel, p.baseline, base), describeArm(candLabel, p.candidate, cand)
	c.noteUnread()
	c.label(p)
	c.compareArms(base, cand)
}

// A pair is one group on both sides.
type pair struct {
	group               Group
	baseline, candidate []*Run
	warnings            []string
}

// matchGroups pairs the groups of the two sides. A value that one side did not
// record matches any: it is said, and not held against the comparison.
func matchGroups(baseline, candidate *Data) (pairs []pair, left orphans) {
	base, cand := byGroup(baseline.Runs), byGroup(candidate.Runs)
	used := map[Group]bool{}
	for _, g := range sortedGroups(base) {
		match, warnings, ok := findGroup(g, cand, used)
		if !ok {
			left.lost = append(left.lost, orphan{g, base[g]})
			continue
		}
		used[match] = true
		pairs = append(pairs, pair{group: g.merge(match), baseline: base[g], candidate: cand[match], warnings: warnings})
	}
	for _, g := range sortedGroups(cand) {
		if !used[g] {
			left.newcomers = append(left.newcomers, fmt.Sprintf("only in the candidate: %s (%d runs)", g, len(cand[g])))
		}
	}
	return pairs, left
}

// orphans are the groups that one side only has.
type orphans struct {
	lost      []orphan // by the candidate: what it was to be compared in
	newcomers []string // in words
}

// An orphan is a group that only the baseline has.
type orphan struct {
	group Group
	runs  []*Run
}

func (o orphan) String() string {
	return fmt.Sprintf("only in the baseline: %s (%d runs)", o.group, len(o.runs))
}

// lost is the comparison of a group that the candidate has no run of: a model
// that does not start any more must not pass for one that did not get slower.
func lost(o orphan, baseLabel, candLabel string, opts CompareOptions) *contest {
	c := &contest{opts: opts, Comparison: Comparison{
		Group: o.group, Baseline: describeArm(baseLabel, o.runs, nil), Candidate: describeArm(candLabel, nil, nil),
	}}
	c.refuse(opts.Allow, missingGroup, o.String())
	return c
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

func nothingInCommon(baseline, candidate *Data, baseLabel, candLabel string, left orphans) *contest {
	c := &contest{Comparison: Comparison{
		Baseline: describeArm(baseLabel, baseline.Runs, nil), Candidate: describeArm(candLabel, candidate.Runs, nil),
	}}
	for _, o := range left.lost {
		c.Refusals = append(c.Refusals, o.String())
	}
	c.Refusals = append(c.Refusals, left.newcomers...)
	if len(baseline.Runs) == 0 {
		c.Refusals = append(c.Refusals, "no run is "+baseLabel)
	}
	if len(candidate.Runs) == 0 {
		c.Refusals = append(c.Refusals, "no run is "+candLabel)
	}
	return c
}

// refuseSameRuns refuses to compare runs with themselves: they never differ.
func (c *contest) refuseSameRuns(p pair) {
	ids := map[string]bool{}
	for _, r := range p.baseline {
		ids[r.RunID] = true
	}
	same := 0
	for _, r := range p.candidate {
		if ids[r.RunID] {
			same++
		}
	}
	if same > 0 {
		c.refuse(c.opts.Allow, sameRuns, fmt.Sprintf("%d runs are on both sides: a run does not differ from itself", same))
	}
}

// refuseSwapped refuses a candidate that is older than its baseline: taken the
// wrong way round, a regression passes for an improvement.
func (c *contest) refuseSwapped(p pair) {
	b, d := versionsOf(p.baseline), versionsOf(p.candidate)
	if slices.Contains(b, unknownVersion) || slices.Contains(d, unknownVersion) || !slices.Equal(valuesOf(p.baseline, runtimeOf), valuesOf(p.candidate, runtimeOf)) {
		return
	}
	if newest, oldest := d[len(d)-1], b[0]; compareVersions(newest, oldest) < 0 {
		c.refuse(c.opts.Allow, olderCandidate, fmt.Sprintf("the candidate, %s, is older than the baseline, %s: the baseline comes first", newest, oldest))
	}
}

func runtimeOf(r *Run) (string, bool) { return r.Runtime.V, r.Runtime.Valid }

// noteUnread says which uploads of a side could not be read. They may be those of
// the runs that went worst.
func (c *contest) noteUnread() {
	for _, side := range []Side{BaselineSide, CandidateSide} {
		if why := c.opts.Unread[side]; why != "" {
			c.miss("%s: %s", side, why)
		}
	}
}

// miss says that something is missing, which "not regressed" cannot do without.
func (c *contest) miss(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if allowances(c.opts.Allow).has(incomplete) {
		c.Allowed = append(c.Allowed, "--allow "+incomplete+": "+text)
		return
	}
	c.Incomplete = append(c.Incomplete, text)
}

// usableRuns are the closed-loop runs of a side that can be compared: with times,
// or with nothing but failed requests, which is what they are compared by. What
// is left out is said.
func (c *contest) usableRuns(runs []*Run, side Side) []*Run {
	var out []*Run
	summaries, open, other, cut := 0, 0, 0, 0
	for _, r := range runs {
		switch {
		case r.Bench != "serve":
			other++
		case !r.Detailed:
			summaries++
		case !r.closedLoop():
			open++
		case r.allFailed():
			c.miss("%s: no request completed in %s (%s)", side, r.SourceName, r.load())
			out = append(out, r)
		case r.spoiledBy(c.opts.Allow) != nil || !r.measured():
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s: left out %s (%s): %s", side, r.SourceName, r.load(), r.whyUnusable(c.opts.Allow)))
		default:
			out = append(out, r)
		}
		if r.Truncated.V {
			cut++
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
	if cut > 0 {
		c.miss("%s: %d uploads were cut short, and the slowest requests may be what is missing", side, cut)
	}
	return out
}

// allFailed reports whether requests were sent and none came back.
func (r *Run) allFailed() bool {
	return (r.Sum == nil || r.Sum.Completed == 0) && r.Requests.V > 0 && r.Completed.V == 0
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

func (c *contest) compareArms(baseline, candidate []*Run) {
	failed := func(runs []*Run) (failed, measured []*Run) {
		for _, r := range runs {
			if r.allFailed() {
				failed = append(failed, r)
			} else {
				measured = append(measured, r)
			}
		}
		return failed, measured
	}
	deadB, baseline := failed(baseline)
	deadC, candidate := failed(candidate)
	window, sets := inSteadyWindow(baseline, candidate)
	base, cand := newArm(sets[0]), newArm(sets[1])
	checkComparable(&c.Comparison, base, cand, c.opts.Allow)
	c.base, c.cand = newArm(slices.Concat(sets[0], deadB)), newArm(slices.Concat(sets[1], deadC))
	if len(c.Refusals) == 0 {
		c.Levels = c.commonLevels()
	}
	if len(c.Refusals) > 0 {
		return
	}
	for side, a := range map[Side]*arm{BaselineSide: c.base, CandidateSide: c.cand} {
		if !a.startsKnown {
			c.Warnings = append(c.Warnings, string(side)+": server starts are not recorded, so repeats count as replicates; if they shared a start, the interval is too narrow")
		}
	}
	c.bundled = c.addAuditWarnings(string(BaselineSide), base.runs)
	c.bundled = c.addAuditWarnings(string(CandidateSide), cand.runs) || c.bundled
	if c.bundled {
		c.Warnings = append(c.Warnings, "ITL is left out: chunks carry several tokens, so a gap is no time between tokens; TPOT is compared")
	}
	slices.Sort(c.Warnings)
	c.Window = window
	c.Context = whatIsCompared(&c.Comparison)
	c.makeSweep()
}

// commonLevels are the levels that at least four in five replicates of each side
// ran. A replicate that lacks one of them has no value there, and none on the
// curve, so that every value is a mean over the same levels.
func (c *contest) commonLevels() []int64 {
	var levels []int64
	out := func(level int64) {
		c.Warnings = append(c.Warnings, fmt.Sprintf("max concurrency %d is left out: not both sides ran it", level))
	}
	for _, level := range c.base.levels() {
		switch b, d := c.base.share(level), c.cand.share(level); {
		case b >= 0.8 && d >= 0.8:
			levels = append(levels, level)
		default:
			out(level)
			if d < b {
				c.miss("the candidate has too few runs at max concurrency %d", level)
			}
		}
	}
	for _, level := range c.cand.levels() {
		if !slices.Contains(c.base.levels(), level) {
			out(level)
		}
	}
	if len(levels) == 0 {
		c.Refusals = append(c.Refusals, fmt.Sprintf("no max concurrency in common: the baseline ran %v, the candidate %v", c.base.levels(), c.cand.levels()))
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
		for _, f := range r.fired {
			bundled = bundled || f.Check == audit.TokensPerChunk
			if !seen[f.Check] {
				seen[f.Check] = true
				c.Warnings = append(c.Warnings, fmt.Sprintf("%s, %s: %s: %s", side, r.load(), f.Check, f.Message))
			}
		}
	}
	return bundled
}

// describeArm counts what a side rests on.
func describeArm(label string, all, usable []*Run) Arm {
	a := newArm(usable)
	arm := Arm{Label: label, Runs: len(all), Starts: len(a.starts), StartsKnown: a.startsKnown}
	for _, r := range all {
		arm.Simulated = arm.Simulated || r.Simulated.V
	}
	return arm
}
