package markdown

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/scale"
	"github.com/servestat/servestat/schemas"
)

const (
	maxFindings = 60
	maxRuns     = 60
	failWord    = "FAIL"
)

func (r *report) failedChecks() int {
	n := 0
	for _, f := range r.Findings {
		if f.Verdict == failWord {
			n++
		}
	}
	return n
}

// findings are the truth checks that fired, failures first.
func (r *report) findings(p *page) {
	if r.Totals.Runs == 0 {
		return
	}
	p.heading(2, "truth-checks", "Truth checks")
	defer r.picture(p, checksPicture)
	if len(r.Findings) == 0 {
		p.block("No check fired.")
		return
	}
	p.block("WARN qualifies a number. FAIL means that it must not be used: such runs are in no curve and no comparison.")
	all := slices.Clone(r.Findings)
	slices.SortStableFunc(all, func(a, b analyze.Finding) int { return rank(a) - rank(b) })
	t := table{"llllrl", []string{"", "check", "where", "found", "runs", "what to do"}, nil}
	for _, f := range all[:min(len(all), maxFindings)] {
		t.add(findingWord(f), prose(f.Check), prose(f.Subject), prose(f.Message), scale.Count(int64(len(f.RunIDs))), prose(f.Do))
	}
	p.table(t)
	if left := len(all) - maxFindings; left > 0 {
		p.block("And %s in [report.json](report.json).", plural(left, "more line"))
	}
}

func rank(f analyze.Finding) int {
	if f.Verdict == failWord {
		return 0
	}
	return 1
}

func findingWord(f analyze.Finding) string {
	if f.Verdict == failWord {
		return "**FAIL**"
	}
	return prose(f.Verdict)
}

// agreement sets our numbers beside those that the tools reported.
func (r *report) agreement(p *page) {
	if len(r.Agreement) == 0 {
		return
	}
	p.heading(2, "agreement", "Our numbers against the tool's own")
	compared, equal := 0, 0
	differ := table{"lrrrll", []string{"reported", "compared", "equal", "largest deviation", "why", "where"}, nil}
	agree := table{"lr", []string{"reported", "equal"}, nil}
	for _, a := range r.Agreement {
		compared, equal = compared+a.Compared, equal+a.Equal
		if a.Equal == a.Compared {
			agree.add(code(a.Key), fmt.Sprintf("%s of %s", scale.Count(int64(a.Equal)), scale.Count(int64(a.Compared))))
			continue
		}
		differ.add(code(a.Key), scale.Count(int64(a.Compared)), scale.Count(int64(a.Equal)), deviation(a.MaxDev), prose(a.Why), prose(a.Where))
	}
	p.block("Every number is recomputed from the raw times. Of %s that the benchmark tools reported, %s equal ours to 1 in a million, the file's rounding apart.",
		plural(compared, "number"), share(equal, compared))
	p.table(differ)
	if len(agree.rows) > 0 {
		p.details(fmt.Sprintf("%s that agree everywhere", plural(len(agree.rows), "key")), func(p *page) { p.table(agree) })
	}
}

func share(part, whole int) string {
	if part == whole {
		return "all"
	}
	return fmt.Sprintf("%s (%s)", scale.Count(int64(part)), scale.Share(int64(part), int64(whole)))
}

// deviation prints a largest relative deviation. Infinite means that the tool
// reported 0. One that is there is never printed as none.
func deviation(d float64) string {
	switch {
	case math.IsInf(d, 0):
		return "reported 0"
	case d > 0 && d < 1e-4:
		return fmt.Sprintf("%.2g in a million", 1e6*d)
	}
	return scale.Percent(d)
}

// data says what the report rests on, run by run.
func (r *report) data(p *page) {
	if r.Totals.Runs == 0 {
		return
	}
	p.heading(2, "data", "Data")
	t := r.Totals
	totals := table{"lr", []string{"", ""}, nil}
	for _, row := range []struct {
		name  string
		count int64
	}{
		{"runs", int64(t.Runs)}, {"with per-token times", int64(t.Detailed)}, {"with their tool's summary only", int64(t.SummaryOnly)},
		{"simulated", int64(t.Simulated)}, {"server starts, where recorded", int64(t.ServerStarts)}, {"requests", t.Requests}, {"failed requests", t.Failed}, {"chunk gaps", t.Gaps},
	} {
		totals.add(row.name, scale.Count(row.count))
	}
	if r.Kind == "run" && len(r.Runs) == 1 && r.Runs[0].Stalls != nil {
		totals.add("stalls: gaps above ten times the run's median", scale.Percent(*r.Runs[0].Stalls))
	}
	if days := period(t); days != "" {
		totals.add("days, by the clients' clocks", days)
	}
	p.table(totals)
	if len(r.Runs) > 0 {
		p.details(plural(len(r.Runs), "run"), r.runList)
	}
}

func (r *report) runList(p *page) {
	t := table{"lllllllll", []string{"run", "upload", "version", "from", "model", "load", "server start", "started", "detail"}, nil}
	var notes footnotes
	for _, l := range r.Runs[:min(len(r.Runs), maxRuns)] {
		t.add(
			code(beginning(l.RunID)), code(l.Source)+notes.mark(l.Notes...), code(l.Version), orDash(l.Provenance), code(l.Model), prose(l.Load),
			code(l.Start), orDash(l.StartedAt), detail(l.Detailed),
		)
	}
	p.table(t)
	notes.write(p)
	if left := len(r.Runs) - maxRuns; left > 0 {
		p.block("And %s in [report.json](report.json).", plural(left, "more run"))
	}
	p.text("A run is named by the beginning of its id; \"from\" says where its version is known from.")
}

// beginning is as much of a run's id as names it: ids are digests.
func beginning(id string) string {
	const enough = 16
	if runes := []rune(id); len(runes) > enough {
		return string(runes[:enough])
	}
	return id
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return prose(escape.Cut(s, maxLabel))
}

func detail(detailed bool) string {
	if detailed {
		return "per token"
	}
	return "summary only"
}

// definitions are those of the metrics that the report uses.
func (r *report) definitions(p *page) {
	used := r.metricsUsed()
	if len(used) == 0 {
		return
	}
	p.heading(2, "definitions", "Definitions")
	p.block("For one request let s be the time at which it was sent, t(1) … t(k) the times at which its k chunks arrived at the client.")
	t := table{"lllll", []string{"metric", "definition", "one value per", "better", "the same, and false friends"}, nil}
	for _, m := range used {
		t.add(fmt.Sprintf("%s v%d", prose(m.Name), m.Version), escape.Code(m.Formula), prose(m.Per), good(m.Better), cousins(m))
	}
	p.table(t)
	if len(r.comparisons) > 0 {
		p.text("**Regressed**: worse by more than a trifle, and the adjusted p-value is at most 5 % over all metrics of the comparison. " +
			"**Not regressed**: the 95 % bound excludes a worsening as large as the margin. " +
			"**Inconclusive**: neither could be shown; it is not good news, and the number of server starts that would settle it is given. " +
			"**Not comparable**: the sides differ in more than the factor under test; no statistics were done. " +
			"**Could see** is the smallest change for the worse that the comparison would have found four times in five.")
	}
	p.text("Intervals are for 95 %, over server starts: requests and tokens of one start share its luck and count once. " +
		"± is the half-width of such an interval. " + scale.Missing + " is what could not be had; it is never 0. " +
		"Tails (p95, p99) are by Harrell and Davis, which weighs all values and varies less from start to start than one between two of them; " +
		"those that are set beside a tool's own are linear, as the tool's are.")
}

func good(b schemas.Better) string {
	if b == schemas.Neither {
		return "–"
	}
	return string(b)
}

// cousins lists the metrics of other tools that are the same, and those that
// only sound so.
func cousins(m schemas.Metric) string {
	words := make([]string, len(m.Cousins))
	for i, c := range m.Cousins {
		sign := "="
		if !c.Same {
			sign = "≠"
		}
		words[i] = fmt.Sprintf("%s %s %s", sign, prose(c.Tool), code(c.Name))
		if c.Note != "" {
			words[i] += " (" + prose(c.Note) + ")"
		}
	}
	return strings.Join(words, "<br>")
}

// metricsUsed are the metrics that any table of the report shows, in their own
// order.
func (r *report) metricsUsed() []schemas.Metric {
	used := map[string]bool{}
	for _, c := range r.comparisons {
		for _, m := range c.Metrics {
			used[m.Metric] = true
		}
	}
	if len(r.sweeps) > 0 {
		for _, id := range []string{"ttft", "itl", "tpot", "e2el", "output_throughput", "concurrency"} {
			used[id] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(schemas.Metrics), func(m schemas.Metric) bool { return !used[m.ID] })
}

// metricName is the name of a metric by its ID.
func metricName(id string) string {
	if m, ok := schemas.MetricByID(id); ok {
		return m.Name
	}
	return id
}

// reproduce gives the commands that make this report and ask the same of SQL.
func (r *report) reproduce(p *page) {
	if r.Totals.Runs == 0 {
		return
	}
	p.heading(2, "reproduce", "How to reproduce")
	var lines []string
	if cmd := r.command(); cmd != "" {
		lines = append(lines, "# this report", cmd, "")
	}
	where := ""
	if condition := r.condition(); condition != "" {
		where = " WHERE " + condition
	}
	lines = append(lines,
		"# its load points, run by run",
		"servestat sql "+shell("SELECT runtime_version, server_start, max_concurrency, concurrency, ttft_p50_s, itl_mean_s, output_throughput FROM run_summary"+where+" ORDER BY ALL"),
	)
	if id := r.detailedRun(); id != "" {
		lines = append(lines, "", "# one run, down to the single chunk",
			"servestat sql "+shell("SELECT * FROM token_times WHERE run_id = "+quoteSQL(id)+" ORDER BY request_idx, chunk_idx LIMIT 20"))
	}
	for i, l := range lines {
		lines[i] = strings.ReplaceAll(l, "\n", " ") // of a label: a line stays a line
	}
	p.text(strings.TrimSuffix(escape.Fence("sh", strings.Join(lines, "\n")), "\n"))
}

// condition is the SQL condition that selects the report's runs, as far as it can
// be told from the result; empty for all.
func (r *report) condition() string {
	if r.Selection != "" {
		return strings.Join(strings.Fields(r.Selection), " ")
	}
	if r.Kind != "compare" || len(r.comparisons) != 1 {
		return ""
	}
	var versions []string
	for _, label := range []string{r.comparisons[0].Baseline.Label, r.comparisons[0].Candidate.Label} {
		v, ok := strings.CutPrefix(label, "runtime_version=")
		if !ok || strings.Contains(v, ",") {
			return ""
		}
		versions = append(versions, quoteSQL(v))
	}
	return "runtime_version IN (" + strings.Join(versions, ", ") + ")"
}

func quoteSQL(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// command is the command line that writes this report again, where it can be
// told from the result.
func (r *report) command() string {
	switch {
	case r.Kind == "compare" && len(r.comparisons) == 1 && isSelector(r.comparisons[0].Baseline.Label) && isSelector(r.comparisons[0].Candidate.Label):
		return fmt.Sprintf("servestat report compare %s %s", shell(r.comparisons[0].Baseline.Label), shell(r.comparisons[0].Candidate.Label))
	case r.Kind == "run" && len(r.Runs) == 1:
		return "servestat report run " + shell(r.Runs[0].RunID)
	case r.Kind == "weekly" || r.Kind == "sweep":
		if r.Selection == "" {
			return "servestat report " + r.Kind
		}
		return fmt.Sprintf("servestat report %s --where %s", r.Kind, shell(strings.Join(strings.Fields(r.Selection), " ")))
	}
	return ""
}

func isSelector(label string) bool { return strings.Contains(label, "=") }

func (r *report) detailedRun() string {
	for _, l := range r.Runs {
		if l.Detailed {
			return l.RunID
		}
	}
	return ""
}

// shell quotes a word for a POSIX shell: whoever copies the line runs what they
// see, whatever a label holds.
func shell(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	if !strings.ContainsAny(s, "\"\\$`!") {
		return `"` + s + `"`
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func plain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=,:+", r)
}
