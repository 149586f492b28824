package text

import (
	"fmt"
	"io"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/scale"
)

// Paths writes how two ways of serving compare: the verdict, how much depends on
// the path, what it may be put down to, and everything that differs.
func Paths(w io.Writer, reports []analyze.PathReport) error {
	for i := range reports {
		if i > 0 {
			fmt.Fprintln(w)
		}
		r := &reports[i]
		fmt.Fprintf(w, "%s\n", escape.Line(r.Comparison.Sentence))
		for _, said := range PathSentences(r) {
			fmt.Fprintf(w, "  %s\n", escape.Line(said))
		}
		fmt.Fprintln(w)
		if err := writeSections(w, PathSections(r)); err != nil {
			return err
		}
	}
	return nil
}

// PathSentences are what is said first.
func PathSentences(r *analyze.PathReport) []string {
	var out []string
	if f := r.Fragility; f != nil {
		out = append(out, fragility(f))
	}
	if len(r.Comparison.Refusals) == 0 {
		out = append(out, signChanges(&r.Comparison)...)
	}
	out = append(out, r.Attribution, r.Workload, r.Order)
	return append(out, r.Comparison.Refusals...)
}

func fragility(f *analyze.Fragility) string {
	where := "over the whole curve"
	if f.MaxConcurrency > 0 {
		where = fmt.Sprintf("at max concurrency %d", f.MaxConcurrency)
	}
	change := scale.ChangeWithInterval(scale.Number{Value: f.Ratio.Value, Lo: f.Ratio.Lo, Hi: f.Ratio.Hi, Bounded: f.Ratio.HasInterval})
	if !f.Shown {
		return fmt.Sprintf("fragility: no change is shown; the largest is that of %s %s: %s", f.Metric, where, change)
	}
	return fmt.Sprintf("fragility: %s changes most, by %s %s, tuned against generic", f.Metric, change, where)
}

// signChanges are the metrics for which the tuned path helps at some levels and
// hurts at others.
func signChanges(c *analyze.Comparison) []string {
	var out []string
	for _, m := range c.Metrics {
		if m.Crossing != nil {
			out = append(out, fmt.Sprintf("%s: the tuned path helps at max concurrency %s and hurts at %s", m.Name, levels(m.Crossing.Better), levels(m.Crossing.Worse)))
		}
	}
	return out
}

// PathSections are the tables.
func PathSections(r *analyze.PathReport) []Section {
	var out []Section
	for _, s := range []Section{pathDiffers(r), pathChanges(r), pathEnergy(r), pathNotes(r)} {
		if !s.Empty() {
			out = append(out, s)
		}
	}
	return out
}

func pathDiffers(r *analyze.PathReport) Section {
	s := Section{Title: "What differs, of what was recorded", Head: []string{"of", "what", "generic", "tuned"}}
	for _, d := range r.Differs {
		s.Add(d.Kind, d.Name, strings.Join(d.Generic, ", "), strings.Join(d.Tuned, ", "))
	}
	if len(r.Differs) == 0 && len(r.Equal) > 0 {
		s.Note("Nothing.")
	}
	return s
}

func pathChanges(r *analyze.PathReport) Section {
	s := Section{Title: "Tuned against generic", Head: []string{"metric", "max concurrency", "generic", "tuned", "change", "verdict"}}
	for _, m := range r.Comparison.Metrics {
		unit := scale.For(m.Unit, number(m.Baseline), number(m.Candidate))
		row := func(level string, b, c analyze.Estimate, change analyze.Change, v analyze.Verdict) {
			s.Add(m.Name, level, unit.FormatWithUnit(number(b)), unit.FormatWithUnit(number(c)), scale.ChangeWithInterval(number(change.Ratio)), string(v))
		}
		row("curve", m.Baseline, m.Candidate, m.Change, m.CurveVerdict)
		if len(r.Comparison.Levels) < 2 {
			continue
		}
		for _, cell := range m.Cells {
			row(fmt.Sprint(cell.MaxConcurrency), cell.Baseline, cell.Candidate, cell.Change, cell.Verdict)
		}
	}
	if len(s.Rows) > 0 {
		s.Note("%s", r.Comparison.Method)
	}
	return s
}

func pathEnergy(r *analyze.PathReport) Section {
	s := Section{Title: "Energy per output token", Head: []string{"max concurrency", "generic, J", "tuned, J"}}
	for _, e := range r.Energy {
		s.Add(fmt.Sprint(e.MaxConcurrency), joules(e.Generic), joules(e.Tuned))
	}
	return s
}

func pathNotes(r *analyze.PathReport) Section {
	s := Section{Title: "What qualifies this"}
	if len(r.Confounders) > 0 {
		s.Note("confounders: %s", strings.Join(r.Confounders, "; "))
	}
	if len(r.Unknown) > 0 {
		s.Note("not recorded on both sides, so not known to be equal: %s", strings.Join(r.Unknown, ", "))
	}
	for _, w := range r.Comparison.Incomplete {
		s.Note("incomplete: %s", w)
	}
	for _, w := range r.Comparison.Warnings {
		s.Note("%s", w)
	}
	return s
}
