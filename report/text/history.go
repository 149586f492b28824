package text

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/scale"
)

// Histories writes what changed, series by series: first how many did, then those
// that did with what else changed there, then how many did not.
func Histories(w io.Writer, hs []analyze.History) error {
	changed, points := 0, 0
	for i := range hs {
		points = max(points, len(hs[i].Points))
		if len(hs[i].ChangePoints)+len(hs[i].Drifts) > 0 {
			changed++
		}
	}
	fmt.Fprintf(w, "%d of %d series changed; the longest has %d server starts\n", changed, len(hs), points)
	for i := range hs {
		h := &hs[i]
		if len(h.ChangePoints)+len(h.Drifts) > 0 {
			fmt.Fprintln(w)
			if err := past(w, h); err != nil {
				return err
			}
		}
	}
	quiet(w, hs)
	return nil
}

func past(w io.Writer, h *analyze.History) error {
	fmt.Fprintf(w, "%s: %d starts by %s\n", pastName(h), counting(h), h.Order)
	var notes footnotes
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range h.ChangePoints {
		fmt.Fprintf(t, "  %s\tat %s\t%s\t%s\t%s%s\n", pastVerdict(c.Verdict), escape.Line(c.At.String()), between(c), scale.ChangeWithInterval(number(c.Ratio)), scale.PEquals(c.Adjusted), notes.mark(c.Notes...))
	}
	for _, d := range h.Drifts {
		fmt.Fprintf(t, "  %s little by little\tfrom %s\tto %s\t%s, %s per %s\t%s%s\n", pastVerdict(d.Verdict), escape.Line(d.From.String()), escape.Line(d.To.String()),
			scale.ChangeWithInterval(number(d.Total)), scale.Change(number(d.Rate)), d.Unit, scale.PEquals(d.Adjusted), notes.mark(d.Notes...))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range h.ChangePoints {
		for _, a := range c.Changed {
			fmt.Fprintf(w, "  at %s also: %s\n", escape.Line(c.At.String()), escape.Line(a.String()))
		}
	}
	u := scale.For(h.Unit, levelNumbers(h)...)
	var levels []string
	for _, l := range h.Levels {
		levels = append(levels, fmt.Sprintf("%s (%d starts)", u.FormatWithUnit(scale.Bare(l.Value)), l.Runs))
	}
	fmt.Fprintf(w, "  levels: %s\n", strings.Join(levels, ", "))
	for _, s := range h.Spikes {
		fmt.Fprintf(w, "  no change, but one start apart: %s, %s\n", escape.Line(s.At.String()), scale.Change(scale.Bare(s.Ratio)))
	}
	for _, n := range h.Warnings {
		fmt.Fprintf(w, "  warning: %s\n", escape.Line(n))
	}
	if !h.Discovery {
		fmt.Fprintln(w, "  over all series together this one is no discovery (false discovery rate above 5 %)")
	}
	notes.write(w)
	return nil
}

// quiet lists the series without a change, what stands apart in them, and what
// does not count.
func quiet(w io.Writer, hs []analyze.History) {
	excluded := map[string]string{}
	var order []string
	said := false
	for i := range hs {
		h := &hs[i]
		for _, p := range h.Points {
			if _, known := excluded[p.RunID]; p.Excluded != "" && !known {
				excluded[p.RunID] = p.Excluded
				order = append(order, p.RunID)
			}
		}
		if len(h.ChangePoints)+len(h.Drifts) > 0 {
			continue
		}
		if !said {
			fmt.Fprintln(w, "\nwithout a change:")
			said = true
		}
		fmt.Fprintf(w, "  %s: %d starts", pastName(h), counting(h))
		for _, s := range h.Spikes {
			fmt.Fprintf(w, "; one apart: %s, %s", escape.Line(s.At.String()), scale.Change(scale.Bare(s.Ratio)))
		}
		for _, n := range h.Warnings {
			fmt.Fprintf(w, "; %s", escape.Line(n))
		}
		fmt.Fprintln(w)
	}
	for _, id := range order {
		fmt.Fprintf(w, "left out: run %s: %s\n", escape.Line(id), escape.Line(excluded[id]))
	}
}

// between says where else the change may lie.
func between(c analyze.ChangePoint) string {
	first, last := c.Earliest.String(), c.Latest.String()
	if first == last && first == c.At.String() {
		return "surely there"
	}
	return fmt.Sprintf("between %s and %s", escape.Line(first), escape.Line(last))
}

func pastName(h *analyze.History) string {
	name := fmt.Sprintf("%s, %s at max concurrency %d", h.Group, h.Name, h.MaxConcurrency)
	if h.Workload != "" {
		name += ", " + h.Workload
	}
	return escape.Line(name)
}

func counting(h *analyze.History) int {
	n := 0
	for _, p := range h.Points {
		if p.Excluded == "" {
			n++
		}
	}
	return n
}

func levelNumbers(h *analyze.History) []scale.Number {
	var out []scale.Number
	for _, l := range h.Levels {
		out = append(out, scale.Bare(l.Value))
	}
	return out
}

// pastVerdict is a direction in the words of a history.
func pastVerdict(v analyze.Verdict) string {
	if v == analyze.Regressed {
		return "worse"
	}
	return "better"
}
