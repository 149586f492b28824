// Package text renders results for a terminal: the answer first, then a table
// whose footnotes qualify its numbers.
package text

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/scale"
	"github.com/servestat/servestat/schemas"
)

// footnotes numbers what qualifies the numbers above them, each text once.
type footnotes struct{ texts []string }

// mark returns the marks of texts, for the end of a cell.
func (f *footnotes) mark(texts ...string) string {
	var marks []string
	for _, t := range texts {
		n := 0
		for i, have := range f.texts {
			if have == t {
				n = i + 1
			}
		}
		if n == 0 {
			f.texts = append(f.texts, t)
			n = len(f.texts)
		}
		marks = append(marks, fmt.Sprint(n))
	}
	if len(marks) == 0 {
		return ""
	}
	return " (" + strings.Join(marks, ",") + ")"
}

func (f *footnotes) write(w io.Writer) {
	for i, t := range f.texts {
		fmt.Fprintf(w, "(%d) %s\n", i+1, escape.Line(t))
	}
}

// number turns an estimate into what the scale prints.
func number(e analyze.Estimate) scale.Number {
	return scale.Number{Value: e.Value, Lo: e.Lo, Hi: e.Hi, Bounded: e.HasInterval}
}

// Comparisons writes comparisons: a sentence and a table each.
func Comparisons(w io.Writer, cs []analyze.Comparison) error {
	for i := range cs {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := comparison(w, &cs[i]); err != nil {
			return err
		}
	}
	return nil
}

func comparison(w io.Writer, c *analyze.Comparison) error {
	fmt.Fprintf(w, "%s\n", escape.Line(c.Sentence))
	if c.Baseline.Simulated || c.Candidate.Simulated {
		fmt.Fprintln(w, "The logs were made by a simulator, not by a server.")
	}
	var notes footnotes
	if len(c.Metrics)+len(c.Rates) > 0 {
		fmt.Fprintf(w, "\nbaseline %s: %s; candidate %s: %s; max concurrency %s\n\n",
			escape.Line(c.Baseline.Label), starts(c.Baseline), escape.Line(c.Candidate.Label), starts(c.Candidate), levels(c.Levels))
		if err := metrics(w, c, &notes); err != nil {
			return err
		}
	}
	if len(c.Levels) > 1 && hasCells(c.Metrics) {
		fmt.Fprintln(w, "\nby max concurrency: worse and better hold over the whole family; the intervals are of single cells")
		if err := cells(w, c, &notes); err != nil {
			return err
		}
	}
	if len(notes.texts) > 0 {
		fmt.Fprintln(w)
		notes.write(w)
	}
	stalls(w, c)
	for _, missing := range c.Incomplete {
		fmt.Fprintf(w, "missing: %s\n", escape.Line(missing))
	}
	for _, context := range c.Context {
		fmt.Fprintf(w, "note: %s\n", escape.Line(context))
	}
	for _, warning := range c.Warnings {
		fmt.Fprintf(w, "warning: %s\n", escape.Line(warning))
	}
	return nil
}

func hasCells(ms []analyze.MetricDiff) bool {
	return slices.ContainsFunc(ms, func(m analyze.MetricDiff) bool { return len(m.Cells) > 0 })
}

// stalls says which starts stand apart, if any does.
func stalls(w io.Writer, c *analyze.Comparison) {
	s := c.Stalls
	if s == nil || len(s.Baseline)+len(s.Candidate) == 0 {
		return
	}
	verdict := ""
	if s.Verdict != analyze.Inconclusive {
		verdict = fmt.Sprintf("%s, adjusted %s; ", s.Verdict, scale.PEquals(s.PAdjusted))
	}
	fmt.Fprintf(w, "stalled starts: %d of %d of the baseline, %d of %d of the candidate; %sthe candidate's true rate is at most %.0f %%\n",
		len(s.Baseline), c.Baseline.Starts, len(s.Candidate), c.Candidate.Starts, verdict, 100*s.RateAtMost)
}

func starts(a analyze.Arm) string {
	if a.StartsKnown {
		return fmt.Sprintf("%d runs on %d server starts", a.Runs, a.Starts)
	}
	return fmt.Sprintf("%d runs, %d repeats", a.Runs, a.Starts)
}

func levels(ls []int64) string {
	out := make([]string, len(ls))
	for i, l := range ls {
		out[i] = fmt.Sprint(l)
	}
	return strings.Join(out, ", ")
}

func metrics(w io.Writer, c *analyze.Comparison, notes *footnotes) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "metric\tbaseline\tcandidate\tchange\tp\tadjusted\tcould see\tverdict")
	for _, m := range c.Metrics {
		u := scale.For(m.Unit, number(m.Baseline), number(m.Candidate))
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s%s\n", escape.Line(m.Name),
			u.FormatWithUnit(number(m.Baseline)), u.FormatWithUnit(number(m.Candidate)), scale.ChangeWithInterval(number(m.Ratio)),
			scale.P(m.P), scale.P(m.PAdjusted), detectable(m.Detectable), metricVerdict(m), notes.mark(m.Notes...))
	}
	for _, r := range c.Rates {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s%s\n", escape.Line(r.Name), percent(r.Baseline), percent(r.Candidate),
			points(r.Candidate-r.Baseline), scale.P(r.P), scale.P(r.PAdjusted), points(r.Detectable), r.Verdict, notes.mark(r.Notes...))
	}
	return t.Flush()
}

// metricVerdict adds what would settle an open verdict, and where one is not that
// of the whole curve.
func metricVerdict(m analyze.MetricDiff) string {
	switch {
	case m.Crossing != nil:
		return fmt.Sprintf("%s: worse at %s, better at %s", m.Verdict, levels(m.Crossing.Worse), levels(m.Crossing.Better))
	case m.Verdict == analyze.Inconclusive && m.RunsNeeded > 0:
		return fmt.Sprintf("%s, about %d starts a side needed", m.Verdict, m.RunsNeeded)
	}
	if _, level := m.Telling(); level > 0 {
		return fmt.Sprintf("%s at %d", m.Verdict, level)
	}
	return string(m.Verdict)
}

func percent(share float64) string {
	if math.IsNaN(share) {
		return scale.Missing
	}
	return fmt.Sprintf("%.2f %%", 100*share)
}

// points prints a difference of shares.
func points(d float64) string {
	if math.IsNaN(d) || math.IsInf(d, 0) {
		return scale.Missing
	}
	return fmt.Sprintf("%+.2f points", 100*d)
}

// detectable says the smallest effect that would have been seen four times in
// five.
func detectable(effect float64) string {
	if math.IsNaN(effect) || math.IsInf(effect, 0) || effect <= 0 {
		return scale.Missing
	}
	return fmt.Sprintf("%.1f %%", 100*effect)
}

func cells(w io.Writer, c *analyze.Comparison, notes *footnotes) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "metric")
	for _, l := range c.Levels {
		fmt.Fprintf(t, "\tc=%d", l)
	}
	fmt.Fprintln(t)
	for _, m := range c.Metrics {
		fmt.Fprint(t, escape.Line(m.Name))
		for _, l := range c.Levels {
			fmt.Fprintf(t, "\t%s", cellAt(m, l, notes))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func cellAt(m analyze.MetricDiff, level int64, notes *footnotes) string {
	for _, cell := range m.Cells {
		if cell.MaxConcurrency == level {
			var own []string
			for _, n := range cell.Notes {
				if !slices.Contains(m.Notes, n) {
					own = append(own, n)
				}
			}
			return scale.ChangeWithInterval(number(cell.Ratio)) + cellWord[cell.Verdict] + notes.mark(own...)
		}
	}
	return scale.Missing
}

// cellWord is what is said of a cell; a question mark says that it may be either.
var cellWord = map[analyze.Verdict]string{
	analyze.Regressed: " worse", analyze.Improved: " better", analyze.NotRegressed: " ok", analyze.Inconclusive: " ?", analyze.Invalid: " invalid",
}

// Curves writes the curves of sweeps: points, fits, degradation, objectives.
func Curves(w io.Writer, sweeps []analyze.Sweep) error {
	for i, s := range sweeps {
		if i > 0 {
			fmt.Fprintln(w)
		}
		for j := range s.Series {
			if j > 0 {
				fmt.Fprintln(w)
			}
			if err := series(w, s.Group, &s.Series[j]); err != nil {
				return err
			}
		}
		changes(w, s.Changes)
		tradeOffs(w, &s)
		for _, warning := range s.Warnings {
			fmt.Fprintf(w, "warning: %s\n", escape.Line(warning))
		}
	}
	return nil
}

// changes says what differs between the curves of consecutive versions.
func changes(w io.Writer, all []analyze.CurveChange) {
	said := ""
	for _, c := range all {
		if pair := c.Baseline + " to " + c.Candidate; pair != said {
			said = pair
			fmt.Fprintf(w, "\nthe curves from %s:\n", escape.Line(pair))
		}
		verdict := "no change shown"
		if c.Changed {
			verdict = "changed"
		}
		change := c.Note
		if c.Ratio.HasInterval {
			change = scale.ChangeWithInterval(number(c.Ratio))
		}
		fmt.Fprintf(w, "  %s %s: %s: %s  (%s)\n", c.Metric, c.Quantity, verdict, escape.Line(change), c.Meaning)
	}
}

// tradeOffs lists the load points that no other beats in both throughput and time
// per token, where there is more than one curve to choose from.
func tradeOffs(w io.Writer, s *analyze.Sweep) {
	if len(s.Series) < 2 || len(s.Pareto) == 0 {
		return
	}
	fmt.Fprintln(w, "\nthroughput against time per token, best first by throughput; what another point beats beyond the intervals is left out:")
	points := slices.Clone(s.Pareto)
	slices.SortStableFunc(points, func(a, b analyze.TradeOff) int { return cmp.Compare(b.Output.Value, a.Output.Value) })
	for _, p := range points {
		if p.Standing == "dominated" {
			continue
		}
		fmt.Fprintf(w, "  %s at %d: %s, TPOT %s: %s\n", escape.Line(p.Version), p.MaxConcurrency,
			scale.For("tokens/s", number(p.Output)).FormatWithUnit(number(p.Output)), scale.For("s", number(p.TPOT)).FormatWithUnit(number(p.TPOT)), p.Standing)
	}
}

func series(w io.Writer, g analyze.Group, s *analyze.Series) error {
	simulated := ""
	if s.Simulated {
		simulated = " (simulated)"
	}
	fmt.Fprintf(w, "%s, runtime version %s%s: %d runs on %d server starts\n\n", escape.Line(g.String()), escape.Line(s.Version), simulated, len(s.Points), s.Starts)
	var notes footnotes
	if err := loadPoints(w, s, &notes); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if d := s.Degradation; d != nil {
		u := scale.For("s", number(d.Numerator), number(d.Denominator))
		fmt.Fprintf(w, "degradation: ITL(%d)/ITL(%d) = %s = %s / %s%s\n", d.ToLevel, d.FromLevel, scale.FactorWithInterval(number(d.Value)),
			u.FormatWithUnit(number(d.Numerator)), u.FormatWithUnit(number(d.Denominator)), notes.mark(d.Value.Notes...))
	}
	for _, f := range s.Fits {
		fit(w, &f, &notes)
	}
	for _, p := range s.Predictions {
		u := scale.For(unitOf(p.Metric), number(p.Value))
		fmt.Fprintf(w, "at concurrency %.4g: %s %s %s%s\n", p.Concurrency, p.Metric, u.FormatEnds(number(p.Value)), u.Symbol, notes.mark(p.Value.Notes...))
	}
	for _, o := range s.Objectives {
		fmt.Fprintf(w, "%s\n", escape.Line(o.Sentence))
	}
	for _, n := range s.Notes {
		fmt.Fprintf(w, "note: %s\n", escape.Line(n))
	}
	notes.write(w)
	return nil
}

func loadPoints(w io.Writer, s *analyze.Series, notes *footnotes) error {
	columns := []struct {
		name, unit string
		of         func(*analyze.Level) analyze.Estimate
	}{
		{"concurrency", "requests", func(l *analyze.Level) analyze.Estimate { return l.Concurrency }},
		{"TTFT p50", "s", func(l *analyze.Level) analyze.Estimate { return l.TTFTp50 }},
		{"TTFT p99", "s", func(l *analyze.Level) analyze.Estimate { return l.TTFTp99 }},
		{"ITL mean", "s", func(l *analyze.Level) analyze.Estimate { return l.ITLMean }},
		{"ITL p99", "s", func(l *analyze.Level) analyze.Estimate { return l.ITLp99 }},
		{"TPOT mean", "s", func(l *analyze.Level) analyze.Estimate { return l.TPOTMean }},
		{"output", "tokens/s", func(l *analyze.Level) analyze.Estimate { return l.Output }},
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "asked\truns")
	units := make([]scale.Unit, len(columns))
	for i, c := range columns {
		var all []scale.Number
		for j := range s.Levels {
			all = append(all, number(c.of(&s.Levels[j])))
		}
		units[i] = scale.For(c.unit, all...)
		fmt.Fprintf(t, "\t%s", units[i].Heading(c.name))
	}
	fmt.Fprintln(t)
	for j := range s.Levels {
		l := &s.Levels[j]
		fmt.Fprintf(t, "%d\t%d", l.MaxConcurrency, l.Runs)
		for i, c := range columns {
			e := c.of(l)
			fmt.Fprintf(t, "\t%s%s", units[i].Format(number(e)), notes.mark(e.Notes...))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func fit(w io.Writer, f *analyze.Fit, notes *footnotes) {
	if f.Refused != "" {
		fmt.Fprintf(w, "%s: no fit: %s\n", f.Metric, escape.Line(f.Refused))
		return
	}
	fmt.Fprintf(w, "%s: %s: %s%s\n", f.Metric, f.Model, f.Formula, notes.mark(f.Warnings...))
	for _, p := range append(append([]analyze.Param(nil), f.Params...), f.Derived...) {
		value := p.Text
		if value == "" {
			u := scale.For(p.Unit, number(p.Value))
			value = u.FormatEnds(number(p.Value))
			if u.Symbol != "" {
				value += " " + u.Symbol
			}
		}
		fmt.Fprintf(w, "  %s = %s  (%s)%s\n", p.Name, value, p.Meaning, notes.mark(p.Value.Notes...))
	}
	for _, c := range f.Considered {
		if !c.Chosen && c.Reason != "" {
			fmt.Fprintf(w, "  not %s: %s\n", c.Model, escape.Line(c.Reason))
		}
	}
}

func unitOf(metric string) string {
	m, _ := schemas.MetricByID(metric)
	return m.Unit
}
