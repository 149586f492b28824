package markdown

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

// An openKind is a way in which a comparison has no answer.
type openKind string

const (
	openInPart    openKind = "Open in part"
	notComparable openKind = "Not comparable"
	inconclusive  openKind = "Inconclusive"
)

// An openCase is what comparisons without an answer have in common.
type openCase struct {
	kind openKind
	why  string
	of   []int // their numbers
}

// undecided lists the comparisons that are open: those for the same reason in one
// line, or a week of fourteen would fill the first screen with one sentence.
func (r *report) undecided() []string {
	cases := r.openCases()
	var out []string
	for _, kind := range []openKind{openInPart, notComparable, inconclusive} {
		lines, left := 0, 0
		for _, c := range cases {
			switch {
			case c.kind != kind:
			case lines < mostAlike:
				out = append(out, r.openInWords(c))
				lines++
			default:
				left += len(c.of)
			}
		}
		if left > 0 {
			out = append(out, fmt.Sprintf("%s: %s, below.", kind, plural(left, "further comparison")))
		}
	}
	return out
}

// openCases are those of the report, in the order of their first comparisons. The
// headline of a single comparison has said it.
func (r *report) openCases() []openCase {
	var out []openCase
	for i, c := range r.comparisons {
		kind, why, ok := openness(c)
		if !ok || len(r.comparisons) == 1 && kind != openInPart {
			continue
		}
		at := slices.IndexFunc(out, func(o openCase) bool { return o.kind == kind && o.why == why })
		if at < 0 {
			at, out = len(out), append(out, openCase{kind: kind, why: why})
		}
		out[at].of = append(out[at].of, i)
	}
	return out
}

// openness is what of a comparison is open and why, in words that those for the same
// reason share.
func openness(c analyze.Comparison) (kind openKind, why string, ok bool) {
	switch {
	case c.Verdict == analyze.NotComparable:
		return notComparable, strings.Join(proses(c.Refusals), "; "), true
	case c.Verdict == analyze.Inconclusive:
		return inconclusive, tooFew(c), true
	case len(unsettledMetrics(c)) > 0:
		return openInPart, tooFew(c), true
	}
	return "", "", false
}

// tooFew says with how many starts something could not be settled, and what all of
// its metrics are held up by.
func tooFew(c analyze.Comparison) string {
	open := unsettledMetrics(c)
	if len(open) == 0 {
		return unsettled(c)
	}
	notes := slices.Clone(open[0].Notes)
	for _, m := range open[1:] {
		notes = slices.DeleteFunc(notes, func(n string) bool { return !slices.Contains(m.Notes, n) })
	}
	why := "with " + startsOfBoth(c)
	if len(notes) > 0 {
		why += " (" + strings.Join(proses(notes), "; ") + ")"
	}
	return why
}

// openInWords is a case in a line.
func (r *report) openInWords(o openCase) string {
	if len(o.of) == 1 {
		i := o.of[0]
		c := r.comparisons[i]
		why := o.why
		if o.kind != notComparable {
			why = unsettled(c)
		}
		return fmt.Sprintf("%s: [%s](%s), %s: %s.", o.kind, arrow(c), linkTo(i), subject(c.Group), why)
	}
	var names []string
	for _, i := range o.of {
		names = append(names, fmt.Sprintf("[%s](%s)", subject(r.comparisons[i].Group), linkTo(i)))
	}
	text := fmt.Sprintf("%s: %d of %d comparisons, ", o.kind, len(o.of), len(r.comparisons))
	if o.kind == notComparable {
		text += "since " + o.why
	} else {
		text += o.why + r.wouldSettle(o.of)
	}
	return text + ". " + strings.Join(capped(names, mostAlike, " below"), ", ") + "."
}

// wouldSettle says how many starts would settle some comparisons.
func (r *report) wouldSettle(of []int) string {
	least, most := math.MaxInt, 0
	for _, i := range of {
		if n := startsNeeded(r.comparisons[i]); n > 0 {
			least, most = min(least, n), max(most, n)
		}
	}
	switch {
	case most == 0:
		return "; the notes below their tables say why"
	case least == most:
		return fmt.Sprintf("; about %d a side would settle them, `servestat plan` says what fewer see", most)
	}
	return fmt.Sprintf("; about %d to %d a side would settle them, `servestat plan` says what fewer see", least, most)
}

// startsNeeded is how many starts a side would settle all that is open; 0 where that
// is not known.
func startsNeeded(c analyze.Comparison) int {
	need := 0
	for _, m := range unsettledMetrics(c) {
		need = max(need, m.RunsNeeded)
	}
	return need
}

// alikeNotes are remarks as sentences, those that differ in their subject alone (what
// stands before the first colon) in one.
func alikeNotes(notes []string) []string {
	var said []string
	subjects := map[string][]string{}
	for _, n := range notes {
		subject, what, ok := strings.Cut(n, ": ")
		if !ok {
			subject, what = "", n
		}
		if subjects[what] == nil {
			said = append(said, what)
		}
		subjects[what] = append(subjects[what], subject)
	}
	var out []string
	for _, what := range said {
		of := subjects[what]
		switch {
		case of[0] == "":
			out = append(out, sentence(what))
		case len(of) == 1:
			out = append(out, sentence(of[0]+": "+what))
		default:
			out = append(out, fmt.Sprintf("%d times: %s Of %s.", len(of), sentence(what), strings.Join(capped(proses(of), mostAlike, " in [report.json](report.json)"), "; ")))
		}
	}
	return out
}

// openStep is what to do in a week without a regression in which something is open.
func (r *report) openStep() string {
	var open []int
	for i, c := range r.comparisons {
		switch c.Verdict {
		case analyze.Regressed:
			return ""
		case analyze.Inconclusive:
			open = append(open, i)
		}
	}
	switch len(open) {
	case 0:
		return ""
	case 1:
		c := r.comparisons[open[0]]
		return fmt.Sprintf("[%s](%s): nothing is shown to be worse%s. `servestat plan` says how many more server starts see how small a change.", arrow(c), linkTo(open[0]), couldHide(c))
	}
	return fmt.Sprintf("Nothing is shown to be worse; %s cannot say that nothing is. `servestat plan` says how many more server starts see how small a change.", plural(len(open), "comparison"))
}

// couldHide says from where on a change for the worse of what is open would have been
// found.
func couldHide(c analyze.Comparison) string {
	var seen []string
	for _, m := range unsettledMetrics(c) {
		if d := detectable(m.Detectable); d != scale.Missing {
			seen = append(seen, prose(m.Name)+" "+d)
		}
	}
	if len(seen) == 0 {
		return ", and with so few server starts nothing could be"
	}
	return ", though a smaller worsening than these may hide (each would be found four times in five): " + listed(seen)
}

func unsettledMetrics(c analyze.Comparison) []analyze.MetricDiff {
	return slices.DeleteFunc(slices.Clone(c.Metrics), func(m analyze.MetricDiff) bool { return m.Verdict != analyze.Inconclusive })
}

// unsettled says which metrics are open and how many starts would settle them.
func unsettled(c analyze.Comparison) string {
	open := unsettledMetrics(c)
	switch {
	case len(c.Metrics) == 0:
		return "no metric that both sides have"
	case len(open) == 0:
		return ""
	}
	var names []string
	for _, m := range open {
		names = append(names, prose(m.Name))
	}
	have := fmt.Sprintf("%s could not be settled with %s", listed(names), startsOfBoth(c))
	need := startsNeeded(c)
	if need == 0 {
		return have + "; the notes below its table say why"
	}
	return fmt.Sprintf("%s; about %d a side would settle it", have, need)
}

// startsOfBoth says what was replicated on the two sides.
func startsOfBoth(c analyze.Comparison) string {
	b, k := c.Baseline, c.Candidate
	what := "server starts"
	if !b.StartsKnown || !k.StartsKnown {
		what = "repeats"
	}
	if b.Starts == k.Starts {
		return fmt.Sprintf("%d %s a side", b.Starts, what)
	}
	return fmt.Sprintf("%d and %d %s", b.Starts, k.Starts, what)
}
