package analyze

import (
	"fmt"
	"slices"
	"strings"
)

// Evidence is where the numbers of a comparison come from.
type Evidence struct {
	Group         Group    `json:"group"`
	Baseline      string   `json:"baseline"` // label of the side
	Candidate     string   `json:"candidate"`
	BaselineRuns  []string `json:"baseline_run_ids"` // that the numbers rest on
	CandidateRuns []string `json:"candidate_run_ids"`
	// SQL yields baseline, candidate and change of every metric, a row a level and
	// one, with max_concurrency NULL, for the curve.
	SQL string `json:"sql"`
	// TestsSQL yields intervals and p-values, which are of tests that SQL does not
	// have, from the table of verdicts; empty where it has none of the kind. Its
	// adjusted p-values are over the one comparison.
	TestsSQL string `json:"tests_sql,omitempty"`
}

// evidence is that of the comparisons that were made, or of those that confirm a
// change.
func (f family) evidence(cs []Comparison, confirmed bool) []Evidence {
	var out []Evidence
	for i, c := range f {
		if c.base == nil || len(c.Metrics) == 0 || confirmed && len(cs[i].Confirmed()) == 0 {
			continue
		}
		e := Evidence{Group: c.Group, Baseline: c.Baseline.Label, Candidate: c.Candidate.Label}
		e.BaselineRuns, e.CandidateRuns = runIDs(c.base.runs), runIDs(c.cand.runs)
		e.SQL, e.TestsSQL = c.statement(e), testsStatement(e)
		out = append(out, e)
	}
	return out
}

func runIDs(runs []*Run) []string {
	var out []string
	for _, r := range runs {
		out = append(out, r.RunID)
	}
	slices.Sort(out)
	return out
}

// columns are where a measure stands in the view run_numbers, as SQL: of whole
// runs, and of steady windows where that is another.
var columns = map[string]struct{ whole, steady string }{
	"ttft_p50":          {"ttft_hd_p50_s", "steady_ttft_hd_p50_s"},
	"ttft_p95":          {fmt.Sprintf("CASE WHEN completed >= %d THEN ttft_hd_p95_s END", p95Floor), ""},
	"ttft_p99":          {fmt.Sprintf("CASE WHEN completed >= %d THEN ttft_hd_p99_s END", p99Floor), ""},
	"itl_mean":          {"itl_mean_s", "steady_itl_mean_s"},
	"itl_p50":           {"itl_hd_p50_s", ""},
	"itl_p95":           {fmt.Sprintf("CASE WHEN gaps >= %d THEN itl_hd_p95_s END", p95Floor), ""},
	"itl_p99":           {fmt.Sprintf("CASE WHEN gaps >= %d THEN itl_hd_p99_s END", p99Floor), ""},
	"tpot_mean":         {"tpot_mean_s", "steady_tpot_mean_s"},
	"e2el_p50":          {"e2el_hd_p50_s", "steady_e2el_hd_p50_s"},
	"e2el_p95":          {fmt.Sprintf("CASE WHEN completed >= %d THEN e2el_hd_p95_s END", p95Floor), ""},
	"e2el_p99":          {fmt.Sprintf("CASE WHEN completed >= %d THEN e2el_hd_p99_s END", p99Floor), ""},
	"output_throughput": {"output_throughput", "steady_output_throughput"},
}

func (m measure) column(w Window) string {
	c := columns[m.key()]
	if w == Steady && c.steady != "" {
		return c.steady
	}
	return c.whole
}

// statement is the SQL of the comparison's numbers: one value a server start, the
// geometric mean of its runs; over the curve the mean over its levels; of a side
// the geometric mean over starts; the change is Hodges' and Lehmann's.
func (c *contest) statement(e Evidence) string {
	var values, curves []string
	for i, m := range c.measures {
		values = append(values, fmt.Sprintf("{'metric': '%s', 'v': %s}", m.key(), m.column(c.Window)))
		curves = append(curves, fmt.Sprintf("('%s', %s)", m.key(), strings.ReplaceAll(fmt.Sprint(c.Metrics[i].CurveLevels), " ", ", ")))
	}
	return fmt.Sprintf(`WITH side AS (
    SELECT false AS candidate, unnest([%s]) AS run_id
    UNION ALL
    SELECT true, unnest([%s])
), replicate AS (
    SELECT *, %s AS start FROM side JOIN run_numbers USING (run_id)
), run AS (
    SELECT candidate, max_concurrency AS level, start, unnest([%s], recursive := true)
    FROM replicate
), cell AS (
    SELECT candidate, metric, level, start, CASE WHEN count(v) = count(*) THEN avg(ln(v)) END AS v
    FROM run GROUP BY ALL
), curve(metric, levels) AS (
    VALUES %s
), value AS (
    FROM cell WHERE v IS NOT NULL
    UNION ALL
    SELECT candidate, metric, NULL, start, avg(v) FROM cell JOIN curve USING (metric)
    WHERE list_contains(levels, level) GROUP BY ALL HAVING count(v) = len(any_value(levels))
)
SELECT b.metric, b.level AS max_concurrency, exp(avg(b.v)) AS baseline, exp(avg(c.v)) AS candidate, exp(median(c.v - b.v)) - 1 AS change
FROM value b JOIN value c ON b.metric = c.metric AND b.level IS NOT DISTINCT FROM c.level AND NOT b.candidate AND c.candidate
GROUP BY ALL ORDER BY ALL`,
		quoted(e.BaselineRuns), quoted(e.CandidateRuns), c.startColumn(), strings.Join(values, ", "), strings.Join(curves, ", "))
}

// testsStatement is the SQL of what analyze keeps of the comparison of two versions.
func testsStatement(e Evidence) string {
	for _, label := range []string{e.Baseline, e.Candidate} {
		if version, ok := strings.CutPrefix(label, "runtime_version="); !ok || strings.Contains(version, ",") {
			return ""
		}
	}
	return "SELECT metric, statistic, max_concurrency, baseline_value, candidate_value, ratio, lo, hi, p, p_adjusted, verdict\nFROM verdicts\nWHERE " +
		e.Group.condition() + "\n  AND baseline = " + quoted([]string{e.Baseline}) + " AND candidate = " + quoted([]string{e.Candidate}) + "\nORDER BY ALL"
}

// condition is the SQL condition on a group; what is empty was not recorded.
func (g Group) condition() string {
	var parts []string
	for _, c := range []struct{ column, value string }{{"model", g.Model}, {"hardware", g.Hardware}, {"path_label", g.Path}} {
		if c.value == "" {
			parts = append(parts, c.column+" IS NULL")
		} else {
			parts = append(parts, c.column+" = "+quoted([]string{c.value}))
		}
	}
	return strings.Join(parts, " AND ")
}

// levelColumns are the columns of a table of load points, by the names of their
// fields, and where run_numbers has them.
var levelColumns = []struct{ name, whole, steady string }{
	{"concurrency", "concurrency", "steady_concurrency"},
	{"ttft_p50_s", "ttft_hd_p50_s", "steady_ttft_hd_p50_s"},
	{"ttft_p99_s", "ttft_hd_p99_s", ""},
	{"itl_mean_s", "itl_mean_s", "steady_itl_mean_s"},
	{"itl_p99_s", "itl_hd_p99_s", ""},
	{"tpot_mean_s", "tpot_mean_s", "steady_tpot_mean_s"},
	{"e2el_p50_s", "e2el_hd_p50_s", "steady_e2el_hd_p50_s"},
	{"output_tokens_per_s", "output_throughput", "steady_output_throughput"},
}

// levelsStatement is the SQL of the numbers of a series' load points: of each server
// start the geometric mean of its runs, and over the starts the geometric mean.
func levelsStatement(a *arm, w Window) string {
	start := "server_start"
	if !a.startsKnown {
		start = repeatColumn("max_concurrency")
	}
	var cells, values []string
	for _, c := range levelColumns {
		from := c.whole
		if w == Steady && c.steady != "" {
			from = c.steady
		}
		cells = append(cells, fmt.Sprintf("CASE WHEN count(nullif(%[1]s, 0)) = count(*) THEN avg(ln(nullif(%[1]s, 0))) END AS %s", from, c.name))
		values = append(values, fmt.Sprintf("exp(avg(cell.%[1]s)) AS %[1]s", c.name))
	}
	return fmt.Sprintf(`WITH run AS (
    SELECT *, %s AS start FROM run_numbers WHERE run_id IN (%s)
), cell AS (
    SELECT max_concurrency, start, %s
    FROM run GROUP BY max_concurrency, start
)
SELECT max_concurrency, %s
FROM cell GROUP BY max_concurrency ORDER BY max_concurrency`, start, quoted(runIDs(a.runs)), strings.Join(cells, ", "), strings.Join(values, ", "))
}

// curvesStatement is the SQL of what analyze keeps of the curves of a group. Where the
// sweep has not all runs of a version, the table's curve is another, and is not in the
// answer.
func (s *Sweep) curvesStatement() string {
	var of []string
	for i := range s.Series {
		series := &s.Series[i]
		if !slices.ContainsFunc(series.Fits, func(f Fit) bool { return len(f.Params) > 0 }) {
			continue
		}
		version := "runtime_version IS NULL"
		if series.Version != unknownVersion {
			version = "runtime_version = " + quoted([]string{series.Version})
		}
		of = append(of, fmt.Sprintf("%s AND runs = %d", version, len(series.Points)))
	}
	if len(of) == 0 {
		return ""
	}
	return "SELECT runtime_version, metric, curve, name, value, lo, hi, unit, text\nFROM curves\nWHERE " + s.Group.condition() +
		"\n  AND kind IN ('fit', 'parameter', 'derived')\n  AND (" + strings.Join(of, " OR ") + ")\nORDER BY ALL"
}

// startColumn is what a replicate is told by: its server start, or which repeat of
// its level it is.
func (c *contest) startColumn() string {
	repeat := repeatColumn("candidate, max_concurrency")
	switch {
	case c.base.startsKnown && c.cand.startsKnown:
		return "server_start"
	case c.base.startsKnown:
		return "CASE WHEN candidate THEN " + repeat + " ELSE server_start END"
	case c.cand.startsKnown:
		return "CASE WHEN candidate THEN server_start ELSE " + repeat + " END"
	}
	return repeat
}

// repeatColumn is which repeat of its load point a run is.
func repeatColumn(point string) string {
	return "CAST(row_number() OVER (PARTITION BY " + point + " ORDER BY started_at NULLS FIRST, source_name, run_id) AS VARCHAR)"
}

func quoted(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = "'" + strings.ReplaceAll(id, "'", "''") + "'"
	}
	return strings.Join(out, ", ")
}
