package markdown

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
	"github.com/servestat/servestat/schemas"
)

// comparison is the section of the i-th comparison.
func (r *report) comparison(p *page, i int) {
	c := r.comparisons[i]
	p.heading(3, fmt.Sprintf("comparison-%d", i+1), fmt.Sprintf("%d. %s: %s", i+1, arrow(c), c.Verdict))
	p.block("%s. Baseline %s; candidate %s.", capital(subject(c.Group)), arm(c.Baseline), arm(c.Candidate))
	switch {
	case len(c.Refusals) > 0:
		p.text("Not compared, because:")
		p.bullets(proses(c.Refusals))
	case len(r.comparisons) > 1: // of one, the headline has said it
		p.text(answer(c))
	}
	p.answers(c)
	if len(c.Incomplete) > 0 {
		p.text("Missing, so that nothing is called \"not regressed\":")
		p.bullets(proses(c.Incomplete))
	}
	if len(c.Context) > 0 {
		p.bullets(proses(c.Context))
	}
	if len(c.Warnings) > 0 {
		p.text("To know before reading on:")
		p.bullets(capped(proses(c.Warnings), 20, " in [report.json](report.json)"))
	}
	if len(c.Metrics)+len(c.Rates) == 0 {
		return
	}
	r.metricTable(p, c)
	r.picture(p, figureOf("comparison", i, "forest"))
	r.cellTable(p, c)
}

// methods says once how the comparisons of a page were made.
func methods(p *page, cs []analyze.Comparison) {
	var said []string
	for _, c := range cs {
		if c.Method != "" && len(c.Metrics) > 0 && !slices.Contains(said, c.Method) {
			said = append(said, c.Method)
			p.text(prose(c.Method))
		}
	}
}

// arm says what a side rests on.
func arm(a analyze.Arm) string {
	words := fmt.Sprintf("%s: %s, %s", code(a.Label), plural(a.Runs, "run"), starts(a.Starts, a.StartsKnown))
	if a.Simulated {
		words += ", simulated"
	}
	return words
}

// starts says what was replicated.
func starts(n int, known bool) string {
	if known {
		return plural(n, "server start")
	}
	return plural(n, "repeat") + " (server starts not recorded)"
}

func (r *report) metricTable(p *page, c analyze.Comparison) {
	t := table{"lrrrrlr", []string{"metric", "baseline", "candidate", "change", "adjusted p", "verdict", "could see"}, nil}
	var notes footnotes
	for _, m := range c.Metrics {
		u := scale.For(m.Unit, number(m.Baseline), number(m.Candidate))
		t.add(
			metricHeading(m, u),
			u.FormatSpread(number(m.Baseline))+notes.mark(m.Baseline.Notes...),
			u.FormatSpread(number(m.Candidate))+notes.mark(m.Candidate.Notes...),
			scale.ChangeWithInterval(number(m.Ratio))+notes.mark(m.Ratio.Notes...),
			scale.P(m.PAdjusted),
			metricVerdict(m)+notes.mark(m.Notes...),
			detectable(m.Detectable),
		)
	}
	for _, rate := range c.Rates {
		t.addRate(rate, &notes)
	}
	p.table(t)
	notes.write(p)
	p.block("Over the levels that both sides ran: %s.", levels(c.Levels))
	stalls(p, c)
}

// addRate adds a line for a share.
func (t *table) addRate(r analyze.RateDiff, notes *footnotes) {
	t.add(prose(r.Name), rateOf(r.Baseline), rateOf(r.Candidate), points(r.Candidate-r.Baseline),
		scale.P(r.PAdjusted), verdict(r.Verdict)+notes.mark(r.Notes...), points(r.Detectable))
}

func rateOf(v float64) string {
	if math.IsNaN(v) {
		return scale.Missing
	}
	return fmt.Sprintf("%.2f %%", 100*v)
}

// points is a difference of shares.
func points(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return scale.Missing
	}
	return fmt.Sprintf("%+.2f points", 100*v)
}

// stalls says which starts stand apart, if any does.
func stalls(p *page, c analyze.Comparison) {
	s := c.Stalls
	if s == nil || len(s.Baseline)+len(s.Candidate) == 0 {
		return
	}
	words := fmt.Sprintf("Starts that stalled: %d of %d of the baseline, %d of %d of the candidate", len(s.Baseline), c.Baseline.Starts, len(s.Candidate), c.Candidate.Starts)
	if s.Verdict != analyze.Inconclusive {
		words += fmt.Sprintf(": %s (adjusted %s)", verdict(s.Verdict), scale.PEquals(s.PAdjusted))
	}
	p.block("%s; the candidate's true rate is at most %.0f %%.", words, 100*s.RateAtMost)
}

// metricHeading names a metric, its unit, and which way is good where that is
// not the usual way.
func metricHeading(m analyze.MetricDiff, u scale.Unit) string {
	name := prose(m.Name)
	switch {
	case m.Better == schemas.Higher && u.Symbol != "":
		return fmt.Sprintf("%s (%s, more is better)", name, u.Symbol)
	case m.Better == schemas.Higher:
		return name + " (more is better)"
	}
	return u.Heading(name)
}

// metricVerdict says what would settle an open one.
func metricVerdict(m analyze.MetricDiff) string {
	if m.Verdict == analyze.Inconclusive && m.RunsNeeded > 0 {
		return fmt.Sprintf("inconclusive; about %d starts a side needed", m.RunsNeeded)
	}
	if m.Crossing != nil {
		return fmt.Sprintf("%s: worse at %s, better at %s", verdict(m.Verdict), levels(m.Crossing.Worse), levels(m.Crossing.Better))
	}
	if _, level := m.Telling(); level > 0 {
		return fmt.Sprintf("%s at %s", verdict(m.Verdict), asked(level))
	}
	return verdict(m.Verdict)
}

func detectable(effect float64) string {
	if math.IsNaN(effect) || math.IsInf(effect, 0) || effect <= 0 {
		return scale.Missing
	}
	return scale.Percent(effect)
}

func levels(ls []int64) string {
	words := make([]string, len(ls))
	for i, l := range ls {
		words[i] = asked(l)
	}
	return listed(words)
}

// cellTable shows where along the curve a change sits.
func (r *report) cellTable(p *page, c analyze.Comparison) {
	metrics := slices.DeleteFunc(slices.Clone(c.Metrics), func(m analyze.MetricDiff) bool { return len(m.Cells) == 0 })
	if len(metrics) == 0 {
		return
	}
	t := table{"r" + strings.Repeat("r", len(metrics)), []string{"max concurrency"}, nil}
	for _, m := range metrics {
		t.head = append(t.head, prose(m.Name))
	}
	var notes footnotes
	for _, level := range levelsOf(metrics) {
		row := []string{asked(level)}
		for _, m := range metrics {
			row = append(row, cellAt(m, level, &notes))
		}
		t.add(row...)
	}
	p.text("**Where along the curve.** Change at each level. **Worse** and better hold over the whole family of tests, ok excludes the margin, ? may be either; the intervals are of single cells.")
	p.table(t)
	notes.write(p)
}

func levelsOf(metrics []analyze.MetricDiff) []int64 {
	var out []int64
	for _, m := range metrics {
		for _, cell := range m.Cells {
			out = append(out, cell.MaxConcurrency)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func cellAt(m analyze.MetricDiff, level int64, notes *footnotes) string {
	for _, cell := range m.Cells {
		if cell.MaxConcurrency == level {
			return scale.ChangeWithInterval(number(cell.Ratio)) + cellWord[cell.Verdict] + notes.mark(cell.Ratio.Notes...)
		}
	}
	return scale.Missing
}

// cellWord says in a word what was found at a level.
var cellWord = map[analyze.Verdict]string{
	analyze.Regressed: " **worse**", analyze.Improved: " better", analyze.NotRegressed: " ok", analyze.Inconclusive: " ?", analyze.Invalid: " invalid",
}
