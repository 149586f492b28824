package markdown

import (
	"fmt"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/plot"
	"github.com/servestat/servestat/report/scale"
)

// confirmed reports whether something changed beyond doubt.
func confirmed(c analyze.Comparison) bool {
	return c.Verdict == analyze.Regressed || c.Verdict == analyze.Improved
}

// historiesOf are the histories of what a comparison confirms, in the order of
// its metrics.
func (r *report) historiesOf(c analyze.Comparison) []*analyze.History {
	var out []*analyze.History
	for _, m := range c.Confirmed() {
		for i := range r.Histories {
			if h := &r.Histories[i]; h.Group == c.Group && h.Name == m.Name {
				out = append(out, h)
			}
		}
	}
	return out
}

// step is the last change in the direction of a verdict that a history has.
func step(h *analyze.History, v analyze.Verdict) (analyze.ChangePoint, bool) {
	for _, c := range slices.Backward(h.ChangePoints) {
		if c.Verdict == v {
			return c, true
		}
	}
	return analyze.ChangePoint{}, false
}

// firstStep is the step of the metric that a verdict rests on most, or else of
// the first that has one.
func (r *report) firstStep(c analyze.Comparison) (analyze.ChangePoint, bool) {
	hs := r.historiesOf(c)
	if worst, ok := worstMetric(c); ok {
		slices.SortStableFunc(hs, func(a, b *analyze.History) int {
			return boolRank(a.Name != worst.Name) - boolRank(b.Name != worst.Name)
		})
	}
	for _, h := range hs {
		if s, ok := step(h, c.Verdict); ok {
			return s, true
		}
	}
	return analyze.ChangePoint{}, false
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// since says in a table since when a change is there.
func (r *report) since(c analyze.Comparison) string {
	if !confirmed(c) {
		return ""
	}
	s, ok := r.firstStep(c)
	switch {
	case !ok:
		return "no step found"
	case s.Earliest.RunID == s.Latest.RunID || s.Earliest.String() == s.Latest.String():
		return pastPoint(s.At)
	}
	return fmt.Sprintf("%s (%s … %s)", pastPoint(s.At), pastPoint(s.Earliest), pastPoint(s.Latest))
}

// alsoChanged says in a table what else changed at the step.
func (r *report) alsoChanged(c analyze.Comparison) string {
	if !confirmed(c) {
		return ""
	}
	s, ok := r.firstStep(c)
	others := otherChanges(s)
	switch {
	case !ok:
		return ""
	case len(others) == 0:
		return "nothing recorded"
	}
	var keys []string
	for _, a := range others {
		keys = append(keys, code(a.Key))
	}
	return strings.Join(capped(keys, 3, ""), ", ")
}

// otherChanges are what changed besides the version under test.
func otherChanges(s analyze.ChangePoint) []analyze.AttributeChange {
	return slices.DeleteFunc(slices.Clone(s.Changed), func(a analyze.AttributeChange) bool { return a.Key == "runtime_version" })
}

// told writes since when a change is there, the picture of its history, what else
// changed, what to do, and where the numbers come from.
func (r *report) told(p *page, i int) {
	c := r.comparisons[i]
	hs := r.historiesOf(c)
	if len(hs) > 0 {
		p.text("**Since when.**")
		var lines []string
		for _, h := range hs {
			lines = append(lines, sinceInWords(h, c.Verdict))
		}
		p.bullets(lines)
		r.picture(p, figureOf("comparison", i, "history"))
		r.whatElse(p, c)
	}
	if c.Verdict == analyze.Regressed {
		p.block("**What to do.** %s", r.whatToDo(c))
	}
	r.evidence(p, c)
}

// evidence is where the numbers of a comparison come from.
func (r *report) evidence(p *page, c analyze.Comparison) {
	for _, e := range r.Evidence {
		if e.Group == c.Group && e.Baseline == c.Baseline.Label && e.Candidate == c.Candidate.Label {
			evidence(p, e)
		}
	}
}

func sinceInWords(h *analyze.History, v analyze.Verdict) string {
	where := fmt.Sprintf("%s at %s", prose(h.Name), asked(h.MaxConcurrency))
	s, ok := step(h, v)
	if !ok {
		n := 0
		for _, point := range h.Points {
			if point.Excluded == "" {
				n++
			}
		}
		return fmt.Sprintf("%s: no step is found in its history of %s; the comparison sees more because it knows where to look", where, plural(n, "start"))
	}
	words := fmt.Sprintf("%s: since %s, %s", where, pastPoint(s.At), scale.ChangeWithInterval(number(s.Ratio)))
	if s.Earliest.String() != s.Latest.String() {
		words += fmt.Sprintf("; the first start of the new level is one of %s … %s", pastPoint(s.Earliest), pastPoint(s.Latest))
	}
	return words + fmt.Sprintf(" (%s over the series, %d and %d starts)", scale.PEquals(s.Adjusted), s.NBefore, s.NAfter)
}

// whatElse lists what else changed at the step of a comparison.
func (r *report) whatElse(p *page, c analyze.Comparison) {
	s, ok := r.firstStep(c)
	if !ok {
		return
	}
	others := otherChanges(s)
	if len(others) == 0 {
		p.block("**What else changed:** nothing that was recorded.")
		return
	}
	var words []string
	for _, a := range others {
		words = append(words, fmt.Sprintf("%s (%s → %s)", code(a.Key), code(a.Before), code(a.After)))
	}
	p.block("**What else changed** between %s and %s; it need not be the cause: %s.", pastPoint(s.Previous), pastPoint(s.At), strings.Join(capped(words, 12, ""), ", "))
}

// whatToDo is the next step with a regression.
func (r *report) whatToDo(c analyze.Comparison) string {
	baseline, candidate := plot.SideNames(c)
	s, ok := r.firstStep(c)
	others := otherChanges(s)
	switch {
	case !ok:
		return fmt.Sprintf("Keep %s where this matters; run the versions between it and %s, and `servestat history` says which one it was.", code(baseline), code(candidate))
	case len(others) > 0:
		return fmt.Sprintf("Run %s with %s as before: more than the version changed, and only that tells them apart. Until then keep %s where this matters.",
			code(s.At.Version), listedKeys(others), code(s.Previous.Version))
	case s.Previous.Version != s.At.Version:
		return fmt.Sprintf("Keep %s where this matters. Nothing recorded changed but the version: look for the change between %s and %s, and report it with the run ids below.",
			code(s.Previous.Version), code(s.Previous.Version), code(s.At.Version))
	}
	return fmt.Sprintf("It got worse on %s between %s and %s without a change of version: look at the machine (driver, clocks, neighbours) and at what is not recorded, before %s is blamed.",
		machine(c.Group), pastPoint(s.Previous), pastPoint(s.At), code(candidate))
}

func listedKeys(changes []analyze.AttributeChange) string {
	var keys []string
	for _, a := range changes[:min(len(changes), 3)] {
		keys = append(keys, code(a.Key))
	}
	return listed(keys)
}

// evidence names the runs and gives the SQL of the numbers.
func evidence(p *page, e analyze.Evidence) {
	p.details(fmt.Sprintf("Run ids (%d and %d) and the SQL of these numbers", len(e.BaselineRuns), len(e.CandidateRuns)), func(p *page) {
		p.block("Baseline: %s.", runNames(e.BaselineRuns))
		p.block("Candidate: %s.", runNames(e.CandidateRuns))
		p.text("A row a metric and level, with `max_concurrency` NULL for the curve; seconds and tokens per second.")
		p.text(strings.TrimSuffix(escape.Fence("sql", e.SQL), "\n"))
		if e.TestsSQL == "" {
			p.text("The intervals and p-values are of tests that SQL does not have; [report.json](report.json) has them.")
			return
		}
		p.text("Intervals and p-values are of tests that SQL does not have. `servestat analyze` keeps them of every version against the one before it, p adjusted within that one comparison:")
		p.text(strings.TrimSuffix(escape.Fence("sql", e.TestsSQL), "\n"))
	})
}

func runNames(ids []string) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = code(beginning(id))
	}
	return strings.Join(capped(names, 20, " in the SQL"), ", ")
}

// strips are the histories of a comparison as a picture.
func strips(c analyze.Comparison, hs []*analyze.History) (plot.Figure, error) {
	var all []plot.History
	for _, h := range hs {
		all = append(all, stripOf(h))
	}
	if c.Baseline.Simulated || c.Candidate.Simulated {
		return plot.HistoryStrips(c.Group, all, "simulated, no server was measured")
	}
	return plot.HistoryStrips(c.Group, all)
}

func stripOf(h *analyze.History) plot.History {
	out := plot.History{Name: fmt.Sprintf("%s at %d", h.Name, h.MaxConcurrency), Unit: h.Unit, Better: h.Better}
	at := map[string]int{}
	for i, point := range h.Points {
		at[point.RunID] = i
		out.Starts = append(out.Starts, plot.HistoryStart{Label: point.Version, Value: point.Value, Excluded: point.Excluded != ""})
	}
	for _, l := range h.Levels {
		out.Levels = append(out.Levels, plot.HistoryLevel{First: at[l.First.RunID], Last: at[l.Last.RunID], Value: l.Value})
	}
	for _, c := range h.ChangePoints {
		out.Changes = append(out.Changes, plot.HistoryChange{
			Index: at[c.At.RunID], Low: at[c.Earliest.RunID], High: at[c.Latest.RunID], Ratio: c.Ratio, Verdict: c.Verdict,
		})
	}
	return out
}
