package markdown

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/plot"
	"github.com/servestat/servestat/report/scale"
	"github.com/servestat/servestat/schemas"
)

// summary is the first screen: what happened, and what is not known.
func (r *report) summary(p *page) {
	title := prose(r.Title)
	if title == "" {
		title = "Report"
	}
	p.heading(1, "", title)
	r.simulated(p)
	p.text(r.headline())
	r.summaryTable(p)
	r.nextSteps(p)
	if open := r.notJudged(); len(open) > 0 {
		p.block("**What could not be judged, and what to do**")
		p.bullets(capped(open, 20, ", in the sections below"))
	}
	p.text(r.basis())
}

// simulated warns before the first number.
func (r *report) simulated(p *page) {
	t := r.Totals
	switch {
	case t.Simulated == 0:
	case t.Simulated == t.Runs:
		p.block("> **Simulated data.** Every run was made by a simulator. No server was measured, and nothing here says how one behaves.")
	default:
		p.block("> **Partly simulated data.** %s of %s were made by a simulator, not measured on a server; what rests on them is marked.",
			scale.Count(int64(t.Simulated)), plural(t.Runs, "run"))
	}
}

// headline is the answer in a sentence or two.
func (r *report) headline() string {
	switch {
	case r.Totals.Runs == 0:
		return "**Nothing to report.** " + r.nothingSelected()
	case len(r.comparisons) == 1:
		return answer(r.comparisons[0]) + r.howSure()
	case len(r.comparisons) > 1:
		return r.countVerdicts() + r.howSure()
	case len(r.sweeps) > 0:
		return r.sweepsInWords()
	}
	return fmt.Sprintf("**No curve and no comparison.** %s here, of which %s per-token times; a curve needs runs at a max concurrency, with per-token times.",
		plural(r.Totals.Runs, "run"), countHave(r.Totals.Detailed))
}

// howSure says how often a week without a change would say otherwise.
func (r *report) howSure() string {
	if r.Kind != "weekly" || !slices.ContainsFunc(r.comparisons, func(c analyze.Comparison) bool { return c.Verdict == analyze.Regressed }) {
		return ""
	}
	return " Had nothing changed, one such week in twenty would name any regression at all."
}

func countHave(n int) string {
	if n == 1 {
		return "1 carries"
	}
	return fmt.Sprintf("%d carry", n)
}

func (r *report) nothingSelected() string {
	if r.Kind == "weekly" && r.Week != "" {
		return fmt.Sprintf("No run is of week %s, by the clients' clocks. `servestat sql \"SELECT started_at, run_id FROM runs ORDER BY 1\"` lists those that there are.", prose(r.Week))
	}
	if r.Selection == "" {
		return "There is no run in the lake. `servestat ingest PATH` puts some there."
	}
	return fmt.Sprintf("No run satisfies %s. `servestat sql \"SELECT run_id, source_name FROM runs\"` lists those that there are.", escape.Code(escape.Cut(r.Selection, maxMessage)))
}

// answer says in a sentence or two how a comparison ended, and why.
func answer(c analyze.Comparison) string {
	start := fmt.Sprintf("**%s**: %s", capital(string(c.Verdict))+lostQuality(c), whatWasCompared(c))
	switch c.Verdict {
	case analyze.NotComparable:
		return fmt.Sprintf("%s: %s.", start, strings.Join(proses(c.Refusals), "; "))
	case analyze.Inconclusive:
		return fmt.Sprintf("%s: %s.%s", start, strings.Join(slices.DeleteFunc(append([]string{unsettled(c)}, proses(c.Incomplete)...), func(s string) bool { return s == "" }), "; "), others(c))
	case analyze.NotRegressed:
		return fmt.Sprintf("%s: a worsening beyond the margin is ruled out for %s.", start, listed(namesOf(c, analyze.NotRegressed)))
	}
	var changes []string
	for _, m := range c.Metrics {
		if m.Verdict == c.Verdict {
			changes = append(changes, changeOf(m))
		}
	}
	for _, rate := range c.Rates {
		if rate.Verdict == c.Verdict {
			changes = append(changes, fmt.Sprintf("%s %s to %s", prose(rate.Name), rateOf(rate.Baseline), rateOf(rate.Candidate)))
		}
	}
	if c.Stalls != nil && c.Stalls.Verdict == c.Verdict {
		changes = append(changes, fmt.Sprintf("%d of %d starts stalled", len(c.Stalls.Candidate), c.Candidate.Starts))
	}
	return fmt.Sprintf("%s: %s.%s", start, strings.Join(changes, ", "), others(c))
}

// whatWasCompared names the sides, new against old, and the group.
func whatWasCompared(c analyze.Comparison) string {
	baseline, candidate := plot.SideNames(c)
	return fmt.Sprintf("%s against %s, %s", code(candidate), code(baseline), subject(c.Group))
}

// others says what became of the metrics that the verdict does not rest on.
func others(c analyze.Comparison) string {
	var b strings.Builder
	for _, v := range []analyze.Verdict{analyze.Improved, analyze.NotRegressed, analyze.Inconclusive} {
		if names := namesOf(c, v); v != c.Verdict && len(names) > 0 {
			fmt.Fprintf(&b, " %s: %s.", capital(string(v)), strings.Join(names, ", "))
		}
	}
	return b.String()
}

// namesOf names the metrics with a verdict.
func namesOf(c analyze.Comparison, v analyze.Verdict) []string {
	var names []string
	for _, m := range c.Metrics {
		if m.Verdict == v {
			names = append(names, prose(m.Name))
		}
	}
	return names
}

func capital(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(first)) + s[n:]
}

// countVerdicts says how many comparisons ended how, and the worst of them.
func (r *report) countVerdicts() string {
	count := map[analyze.Verdict]int{}
	for _, c := range r.comparisons {
		count[c.Verdict]++
	}
	n := len(r.comparisons)
	var parts []string
	for _, v := range []struct {
		verdict   analyze.Verdict
		one, many string
	}{
		{analyze.NotComparable, "cannot be compared", "cannot be compared"},
		{analyze.Invalid, "is invalid", "are invalid"},
		{analyze.Suspect, "is suspect", "are suspect"},
		{analyze.Inconclusive, "is inconclusive", "are inconclusive"},
		{analyze.Improved, "improved", "improved"},
		{analyze.NotRegressed, "did not regress", "did not regress"},
	} {
		switch k := count[v.verdict]; {
		case k == n:
			parts = append(parts, fmt.Sprintf("all %d %s", n, v.many))
		case k == 1:
			parts = append(parts, "1 "+v.one)
		case k > 1:
			parts = append(parts, fmt.Sprintf("%d %s", k, v.many))
		}
	}
	rest := strings.Join(parts, ", ")
	switch k := count[analyze.Regressed]; {
	case k == n:
		return fmt.Sprintf("**All %d comparisons regressed.** %s", n, r.worstOfAll())
	case k > 0:
		return fmt.Sprintf("**%d of %d comparisons regressed**; %s. %s", k, n, rest, r.worstOfAll())
	}
	if open := count[analyze.Inconclusive]; open < n && 2*open >= n {
		settled := slices.DeleteFunc(parts, func(p string) bool { return strings.HasSuffix(p, "inconclusive") })
		return fmt.Sprintf("**No regression was found, but %d of %d comparisons are inconclusive**; %s.", open, n, strings.Join(settled, ", "))
	}
	return fmt.Sprintf("**No regression was found in %d comparisons**: %s.", n, rest)
}

// worstOfAll names the largest regression.
func (r *report) worstOfAll() string {
	var worst *analyze.Comparison
	var change analyze.MetricDiff
	for i := range r.comparisons {
		c := &r.comparisons[i]
		m, ok := worstMetric(*c)
		if c.Verdict == analyze.Regressed && ok && (worst == nil || worsening(m) > worsening(change)) {
			worst, change = c, m
		}
	}
	if worst == nil {
		return ""
	}
	return fmt.Sprintf("The largest: %s, adjusted %s, %s.", changeOf(change), scale.PEquals(change.PAdjusted), whatWasCompared(*worst))
}

// changeOf names a metric and its change: "ITL mean +4.0 % [+3.3, +4.8]".
func changeOf(m analyze.MetricDiff) string {
	if m.Crossing != nil {
		return fmt.Sprintf("%s worse at %s, better at %s", prose(m.Name), levels(m.Crossing.Worse), levels(m.Crossing.Better))
	}
	ratio, level := m.Telling()
	text := prose(m.Name) + " " + scale.ChangeWithInterval(number(ratio))
	if level > 0 {
		text += " at " + asked(level)
	}
	return text
}

// arrow names the two sides: baseline → candidate.
func arrow(c analyze.Comparison) string {
	baseline, candidate := plot.SideNames(c)
	return code(baseline) + " → " + code(candidate)
}

// worstMetric is the metric on which the verdict rests most: of those with the
// gravest verdict, the one with the largest change for the worse (for an
// improvement, for the better).
func worstMetric(c analyze.Comparison) (worst analyze.MetricDiff, ok bool) {
	for _, m := range c.Metrics {
		if math.IsNaN(m.Ratio.Value) || m.Better == schemas.Neither {
			continue
		}
		if !ok || graver(m, worst, c.Verdict) {
			worst, ok = m, true
		}
	}
	return worst, ok
}

// graver reports whether m says more about a verdict than o does.
func graver(m, o analyze.MetricDiff, v analyze.Verdict) bool {
	if a, b := m.Verdict == v, o.Verdict == v; a != b {
		return a
	}
	if v == analyze.Improved {
		return worsening(m) < worsening(o)
	}
	return worsening(m) > worsening(o)
}

// worsening is the log ratio in the direction that is worse.
func worsening(m analyze.MetricDiff) float64 {
	l := math.Log(m.Ratio.Value)
	if m.Better == schemas.Higher {
		return -l
	}
	return l
}

const (
	// maxSummaryRows keeps the table on the first screens.
	maxSummaryRows = 40
	// someSummaryRows are shown even where nothing is wrong.
	someSummaryRows = 12
)

// summaryTable shows every comparison that somebody must look at, and counts the
// others where they are many.
func (r *report) summaryTable(p *page) {
	if len(r.comparisons) == 0 {
		return
	}
	urgent := 0
	for _, c := range r.comparisons {
		if c.Verdict != analyze.NotRegressed && c.Verdict != analyze.Improved {
			urgent++
		}
	}
	most := maxSummaryRows
	if r.Kind == "weekly" { // what else is on its first screen needs the room
		most = someSummaryRows
	}
	n := min(len(r.comparisons), most, max(urgent, someSummaryRows))
	p.table(r.comparisonTable(0, n))
	if left := len(r.comparisons) - n; left > 0 {
		p.block("%s, none of them graver than the last of these.", plural(left, "further comparison"))
	}
	r.morePages(p, "comparisons", len(r.comparisons))
	if len(r.comparisons) > n {
		p.table(r.tally())
	}
}

// tally counts verdicts by hardware, where the table has not all of them.
func (r *report) tally() table {
	t := table{"lrrrrr", []string{"hardware", "regressed", "improved", "not regressed", "inconclusive", "invalid or not comparable"}, nil}
	counts, total := map[string]*[5]int{}, [5]int{}
	var names []string
	for _, c := range r.comparisons {
		name := machine(c.Group)
		if counts[name] == nil {
			counts[name] = &[5]int{}
			names = append(names, name)
		}
		i := slices.Index([]analyze.Verdict{analyze.Regressed, analyze.Improved, analyze.NotRegressed, analyze.Inconclusive}, c.Verdict)
		if c.Verdict == analyze.Suspect {
			i = 3
		} else if i < 0 {
			i = 4
		}
		counts[name][i]++
		total[i]++
	}
	row := func(name string, n [5]int) {
		cells := []string{name}
		for _, k := range n {
			cells = append(cells, scale.Count(int64(k)))
		}
		t.add(cells...)
	}
	slices.SortStableFunc(names, func(a, b string) int { return counts[b][0] - counts[a][0] })
	for _, name := range names[:min(len(names), someSummaryRows)] {
		row(name, *counts[name])
	}
	if len(names) > 1 {
		row(fmt.Sprintf("all %d", len(names)), total)
	}
	return t
}

// comparisonTable has a line a comparison; a weekly report's says since when, and
// what else changed then.
func (r *report) comparisonTable(from, to int) table {
	t := table{"lllll", []string{"verdict", "versions", "worst metric", "model", "hardware"}, nil}
	if r.Kind == "weekly" {
		t.align, t.head = t.align+"ll", append(t.head, "since", "what else changed")
	}
	for i := from; i < to; i++ {
		c := r.comparisons[i]
		row := []string{verdict(c.Verdict) + lostQuality(c), fmt.Sprintf("[%s](%s)", arrow(c), linkTo(i)), worstInWords(c), code(c.Group.Model), machine(c.Group)}
		if r.Kind == "weekly" {
			row = append(row, r.since(c), r.alsoChanged(c))
		}
		t.add(row...)
	}
	return t
}

// verdict is a verdict in a table: bold where somebody must act.
func verdict(v analyze.Verdict) string {
	if v == analyze.Regressed {
		return "**regressed**"
	}
	return string(v)
}

func worstInWords(c analyze.Comparison) string {
	m, ok := worstMetric(c)
	if !ok {
		return "not compared"
	}
	return changeOf(m)
}

// notJudged lists what the report cannot say, with what would change that. The
// headline of a single comparison has said some of it already.
func (r *report) notJudged() []string {
	out := r.undecided()
	notes := alikeNotes(r.Notes)
	out = append(out, notes[:min(len(notes), mostAlike)]...)
	if left := len(notes) - mostAlike; left > 0 {
		out = append(out, plural(left, "more note")+" like these in [report.json](report.json).")
	}
	for _, u := range r.Unknown {
		out = append(out, fmt.Sprintf("%s is not recorded for %s: %s", code(u.Column), ofRuns(u.Runs, u.Of), sentence(u.Hint)))
	}
	if n := r.Totals.SummaryOnly; n > 0 {
		out = append(out, fmt.Sprintf("%s only a summary of their tool, and no per-token times: listed below, never compared. Measure with `--save-detailed`.", carry(n)))
	}
	if n := r.failedChecks(); n > 0 {
		out = append(out, fmt.Sprintf("%s failed: numbers that must not be used, see [truth checks](#truth-checks).", plural(n, "truth check")))
	}
	return append(out, r.staleOrUnfit()...)
}

// mostAlike is how many lines of a kind the first screen has.
const mostAlike = 5

// ofRuns says how many of the runs something is true of.
func ofRuns(n, of int) string {
	switch {
	case of == 1:
		return "this run"
	case n == of:
		return fmt.Sprintf("any of the %s", plural(of, "run"))
	}
	return fmt.Sprintf("%s of %s", scale.Count(int64(n)), plural(of, "run"))
}

func carry(n int) string {
	if n == 1 {
		return "1 run carries"
	}
	return scale.Count(int64(n)) + " runs carry"
}

// basis says what all of it rests on.
func (r *report) basis() string {
	t := r.Totals
	if t.Runs == 0 {
		return "The same as data: [report.json](report.json)."
	}
	parts := []string{plural(t.Runs, "run")}
	if t.ServerStarts > 0 {
		parts = append(parts, plural(t.ServerStarts, "server start"))
	}
	parts = append(parts, plural(t.Requests, "request")+failedOf(t))
	if t.Gaps > 0 {
		parts = append(parts, plural(t.Gaps, "chunk gap"))
	}
	if days := period(t); days != "" {
		parts = append(parts, days)
	}
	return fmt.Sprintf("Rests on %s. The same as data: [report.json](report.json).", strings.Join(parts, ", "))
}

func failedOf(t analyze.Totals) string {
	if t.Failed == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s failed, %s)", scale.Count(t.Failed), scale.Share(t.Failed, t.Requests))
}

func period(t analyze.Totals) string {
	if t.From == t.To {
		return prose(t.From)
	}
	return prose(t.From) + " to " + prose(t.To)
}

// sweepsInWords is the headline of a report without comparisons.
func (r *report) sweepsInWords() string {
	if len(r.sweeps) == 1 && len(r.sweeps[0].Series) == 1 && len(r.sweeps[0].Series[0].Points) == 1 {
		return oneRunInWords(r.sweeps[0])
	}
	var parts []string
	for _, s := range r.sweeps {
		for i := range s.Series {
			if d := degradationInWords(&s.Series[i]); d != "" {
				parts = append(parts, fmt.Sprintf("%s, %s: %s", subject(s.Group), version(s.Series[i].Version), d))
			}
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("**%s**, each at one level of concurrency only: there is no curve yet. Run at least four levels, the lowest 1.", plural(len(r.sweeps), "group"))
	}
	const most = 4
	if len(parts) > most {
		return fmt.Sprintf("**%s of models and hardware.** %s; and %d more below.", plural(len(r.sweeps), "group"), strings.Join(parts[:most], "; "), len(parts)-most)
	}
	return "**How ITL degrades under load.** " + strings.Join(parts, "; ") + "."
}

// oneRunInWords is the headline of a report on a single run.
func oneRunInWords(s analyze.Sweep) string {
	p := s.Series[0].Points[0]
	inUnit := func(unit string, v float64) string {
		n := scale.Bare(v)
		return scale.For(unit, n).FormatWithUnit(n)
	}
	return fmt.Sprintf("**One run** of %s, %s: asked %s, achieved %s; TTFT p50 %s, ITL mean %s, output %s. One run has no interval: what a second start of the server would give is not known.",
		subject(s.Group), version(s.Series[0].Version), asked(p.MaxConcurrency), scale.Unit{}.Format(scale.Bare(p.Concurrency)),
		inUnit("s", p.TTFTp50), inUnit("s", p.ITLMean), inUnit("tokens/s", p.Output))
}

// asked is a max concurrency in words.
func asked(level int64) string {
	if level == 0 {
		return "no limit"
	}
	return scale.Count(level)
}
