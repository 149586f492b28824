package analyze

import (
	"fmt"
	"slices"
	"strings"
)

// Evidence is where the numbers of a confirmed change come from.
type Evidence struct {
	Group         Group    `json:"group"`
	Baseline      string   `json:"baseline"` // label of the side
	Candidate     string   `json:"candidate"`
	BaselineRuns  []string `json:"baseline_run_ids"` // that the numbers rest on
	CandidateRuns []string `json:"candidate_run_ids"`
	// SQL yields baseline, candidate and change of every metric, a row a level and
	// one, with max_concurrency NULL, for the curve. Intervals and p-values are of
	// tests that SQL does not have.
	SQL string `json:"sql"`
}

// evidence is that of the comparisons that confirm a change.
func (f family) evidence(cs []Comparison) []Evidence {
	var out []Evidence
	for i, c := range f {
		if len(cs[i].Confirmed()) == 0 {
			continue
		}
		e := Evidence{Group: c.Group, Baseline: c.Baseline.Label, Candidate: c.Candidate.Label}
		e.BaselineRuns, e.CandidateRuns = runIDs(c.base.runs), runIDs(c.cand.runs)
		e.SQL = c.statement(e)
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

// columns are where a measure stands in the view run_summary, as SQL: of whole
// runs, and of steady windows where that is another.
var columns = map[string]struct{ whole, steady string }{
	"ttft_p50":          {"ttft_p50_s", "steady_ttft_p50_s"},
	"ttft_p99":          {fmt.Sprintf("CASE WHEN completed >= %d THEN ttft_p99_s END", p99Floor), ""},
	"itl_mean":          {"itl_mean_s", "steady_itl_mean_s"},
	"itl_p99":           {fmt.Sprintf("CASE WHEN gaps >= %d THEN itl_p99_s END", p99Floor), ""},
	"tpot_mean":         {"tpot_mean_s", "steady_tpot_mean_s"},
	"e2el_p50":          {"e2el_p50_s", "steady_e2el_p50_s"},
	"e2el_p99":          {fmt.Sprintf("CASE WHEN completed >= %d THEN e2el_p99_s END", p99Floor), ""},
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
    SELECT *, %s AS start FROM side JOIN run_summary USING (run_id)
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

// startColumn is what a replicate is told by: its server start, or which repeat of
// its level it is.
func (c *contest) startColumn() string {
	repeat := "CAST(row_number() OVER (PARTITION BY candidate, max_concurrency ORDER BY started_at NULLS FIRST, source_name, run_id) AS VARCHAR)"
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

func quoted(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = "'" + strings.ReplaceAll(id, "'", "''") + "'"
	}
	return strings.Join(out, ", ")
}
