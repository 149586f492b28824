package markdown

import (
	"fmt"
	"strings"
	"time"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

// confirmedChanges are the comparisons with a change beyond doubt, the worst
// first, each with since when and what to do.
func (r *report) confirmedChanges(p *page) {
	if len(r.comparisons) == 0 {
		return
	}
	p.heading(2, "confirmed", "Confirmed changes")
	methods(p, r.comparisons[:min(len(r.comparisons), perPage)])
	found := false
	for i, c := range r.comparisons[:min(len(r.comparisons), perPage)] {
		if confirmed(c) {
			found = true
			r.comparison(p, i)
			r.told(p, i)
		}
	}
	if !found {
		p.text("None: no change is beyond doubt. That is not the same as no change; what could not be shown is [below](#unconfirmed).")
	}
}

// nextSteps says on the first screen what to do about the worst regressions, or what
// is left to do where none was found.
func (r *report) nextSteps(p *page) {
	if r.Kind != "weekly" {
		return
	}
	const most = 3
	var steps []string
	for i, c := range r.comparisons {
		if c.Verdict == analyze.Regressed && len(steps) < most {
			steps = append(steps, fmt.Sprintf("[%s](%s), %s: %s", arrow(c), linkTo(i), subject(c.Group), r.whatToDo(c)))
		}
	}
	if step := r.openStep(); step != "" {
		steps = append(steps, step)
	}
	if len(steps) > 0 {
		p.text("**What to do**")
		p.bullets(steps)
	}
}

// unconfirmed are the other comparisons of a week.
func (r *report) unconfirmed(p *page) {
	if r.Kind != "weekly" || len(r.comparisons) == 0 {
		return
	}
	p.heading(2, "unconfirmed", "Without a confirmed change")
	found := false
	for i, c := range r.comparisons[:min(len(r.comparisons), perPage)] {
		if !confirmed(c) {
			found = true
			r.comparison(p, i)
			r.evidence(p, c)
		}
	}
	if !found {
		p.text("No comparison on this page.")
	}
	r.morePages(p, "comparisons", len(r.comparisons))
}

// curvesLeft says which curves a week of many models does not show.
func (r *report) curvesLeft(p *page) {
	drawn := min(len(r.sweeps), r.withPictures())
	if r.SweepsLeft == 0 && drawn == min(len(r.sweeps), perPage) {
		return
	}
	text := fmt.Sprintf("Pictures are of the first %d, in the order of the verdicts.", drawn)
	if r.SweepsLeft > 0 {
		text += fmt.Sprintf(" The curves of %s are left out.", plural(r.SweepsLeft, "further group"))
	}
	p.text(text + " `servestat report sweep --where \"model = '…' AND hardware = '…'\"` draws any other.")
}

// changePoints are those of the series in which a change was confirmed.
func (r *report) changePoints(p *page) {
	if len(r.Histories) == 0 {
		return
	}
	p.heading(2, "change-points", "Change points")
	p.text("Of every metric with a confirmed change, at the level where it changed most. `servestat history` has all metrics and levels.")
	histories(p, r.Histories)
}

// staleOrUnfit says on the first screen which nights are missing and which logs of
// servers say that nothing measured on them counts.
func (r *report) staleOrUnfit() []string {
	var out []string
	missing, groups := 0, 0
	for _, f := range r.Freshness {
		if n := len(missingDays(f)); n > 0 {
			missing, groups = missing+n, groups+1
		}
	}
	if missing > 0 {
		out = append(out, fmt.Sprintf("No runs on %s that usually have some, in %s: see [freshness](#freshness).", plural(missing, "day"), plural(groups, "group")))
	}
	fails := 0
	for _, f := range r.Preflight {
		if f.Severity == failWord {
			fails++
		}
	}
	if fails > 0 {
		out = append(out, fmt.Sprintf("The logs of the servers fail %s, the worst: %s See [preflight](#preflight).", plural(fails, "rule"), sentence(r.Preflight[0].Meaning)))
	}
	return out
}

func missingDays(f analyze.Freshness) []string {
	var out []string
	for _, n := range f.Days {
		if n.Missing {
			out = append(out, n.Date)
		}
	}
	return out
}

// preflights is what the logs of the week's servers say, a line a rule.
func (r *report) preflights(p *page) {
	if r.Totals.Runs == 0 || r.Kind != "weekly" && len(r.Preflight) == 0 {
		return
	}
	p.heading(2, "preflight", "Preflight of the servers")
	if len(r.Preflight) == 0 {
		p.text("No log of a server of this week says anything that matters, or none is in the lake. `servestat ingest` takes logs of servers beside results.")
		return
	}
	whose := "the servers"
	if r.Kind == "weekly" {
		whose = "the week's servers"
	}
	p.block("What the logs of "+whose+" say, of %s. FAIL: do not believe what was measured. WARN: say it beside the numbers.", plural(r.Preflight[0].Of, "log"))
	t := table{"llrlll", []string{"", "rule", "logs", "what it means", "what to do", "first seen"}, nil}
	for _, f := range r.Preflight[:min(len(r.Preflight), maxFindings)] {
		word := string(f.Severity)
		if word == failWord {
			word = "**" + word + "**"
		}
		first := code(f.Logs[0])
		if f.Line > 0 {
			first += fmt.Sprintf(" line %d", f.Line)
		}
		t.add(word, prose(strings.TrimSpace(f.Number+" "+f.Rule)), scale.Count(int64(len(f.Logs))), prose(f.Meaning), prose(f.Do), first)
	}
	p.table(t)
	if left := len(r.Preflight) - maxFindings; left > 0 {
		p.block("And %s in [report.json](report.json).", plural(left, "more rule"))
	}
}

// freshness is which groups ran on which days.
func (r *report) freshness(p *page) {
	if len(r.Freshness) == 0 {
		return
	}
	p.heading(2, "freshness", "Freshness")
	p.text("Runs by day, by the clients' clocks. **none**: no run, though the group had one on this day of the week in the four weeks before. " +
		"A dash: no run, and none was usual. Empty: nothing of this day or later is in the lake.")
	t := table{"lrrrrrrrl", []string{"model, hardware"}, nil}
	for _, n := range r.Freshness[0].Days {
		t.head = append(t.head, dayName(n.Date))
	}
	t.head = append(t.head, "last before")
	for _, f := range r.Freshness[:min(len(r.Freshness), maxRuns)] {
		row := []string{subject(f.Group)}
		for _, n := range f.Days {
			row = append(row, night(n))
		}
		t.add(append(row, orDash(f.Last))...)
	}
	p.table(t)
	if left := len(r.Freshness) - maxRuns; left > 0 {
		p.block("And %s in [report.json](report.json).", plural(left, "more group"))
	}
}

func dayName(date string) string {
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return prose(date)
	}
	return at.Format("Mon 2 Jan")
}

func night(n analyze.Night) string {
	switch {
	case n.Runs > 0:
		return scale.Count(int64(n.Runs))
	case n.Missing:
		return "**none**"
	case n.Ahead:
		return ""
	}
	return "–"
}
