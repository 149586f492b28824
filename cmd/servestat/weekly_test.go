package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	printed "github.com/servestat/servestat/report/scale"
)

// The SQL that a weekly report prints beside its confirmed changes yields the
// numbers that it prints: baseline, candidate and change of every metric, over the
// curve and at every level.
func TestWeeklyNumbersFollowFromTheirSQL(t *testing.T) {
	dir := t.TempDir()
	lake, out := filepath.Join(dir, "lake"), filepath.Join(dir, "out")
	servestat(t, "ingest", "--lake", lake, "testdata/demo/logs")
	servestat(t, "report", "weekly", "--lake", lake, "--out", out)
	readme, err := os.ReadFile(filepath.Join(out, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(readme)
	derived := rows(t, servestat(t, "sql", "--lake", lake, "--format", "json", statements(t, page)[0]))
	checked := 0
	for _, m := range comparedMetrics(t, filepath.Join(out, "report.json")) {
		key := m.Metric + "_" + m.Statistic
		if m.Statistic == "run" {
			key = m.Metric
		}
		agrees(t, derived, key, nil, m.numbers)
		if text := printedChange(m.numbers); !strings.Contains(page, text) {
			t.Errorf("%s: the page does not print %q", m.Name, text)
		}
		checked++
		for _, cell := range m.Cells {
			agrees(t, derived, key, &cell.Level, cell.numbers)
			checked++
		}
	}
	if checked < 6*7 {
		t.Errorf("%d numbers were checked, want those of 6 metrics and more over the curve and at 6 levels", checked)
	}
}

// statements are the SQL that a page prints.
func statements(t *testing.T, page string) []string {
	t.Helper()
	var out []string
	for {
		_, rest, ok := strings.Cut(page, "```sql\n")
		if !ok {
			break
		}
		statement, after, closed := strings.Cut(rest, "\n```")
		if !closed {
			t.Fatal("a fence does not end")
		}
		out, page = append(out, statement), after
	}
	if len(out) == 0 {
		t.Fatal("the page prints no SQL")
	}
	return out
}

// A comparison prints the SQL of its numbers whatever the verdict, and of its
// intervals and p-values where analyze has kept them.
func TestComparedNumbersFollowFromTheirSQL(t *testing.T) {
	dir := t.TempDir()
	lake, out := filepath.Join(dir, "lake"), filepath.Join(dir, "out")
	servestat(t, "ingest", "--lake", lake, "testdata/demo/logs")
	servestat(t, "report", "compare", "--lake", lake, "--out", out, "runtime_version=0.19.0", "runtime_version=0.20.0")
	servestat(t, "analyze", "--lake", lake)
	all := statements(t, read(t, filepath.Join(out, "README.md")))
	derived := rows(t, servestat(t, "sql", "--lake", lake, "--format", "json", all[0]))
	var tests struct {
		Rows []struct {
			Metric, Statistic, Verdict string
			Level                      *int64 `json:"max_concurrency"`
			Ratio, Lo, Hi, P           float64
			Adjusted                   float64 `json:"p_adjusted"`
		}
	}
	if err := json.Unmarshal([]byte(servestat(t, "sql", "--lake", lake, "--format", "json", all[1])), &tests); err != nil {
		t.Fatal(err)
	}
	checked := 0
	wantTests := func(m comparedMetric, level *int64, n numbers) {
		for _, r := range tests.Rows {
			if r.Metric != m.Metric || r.Statistic != m.Statistic || !same(r.Level, level) {
				continue
			}
			checked++
			for _, pair := range [][2]float64{{r.Ratio, n.Ratio.Value}, {r.Lo, n.Ratio.Lo}, {r.Hi, n.Ratio.Hi}, {r.P, n.P}, {r.Adjusted, n.PAdjusted}} {
				if pair[0] != pair[1] {
					t.Errorf("%s %s: the table of verdicts says %v, the report %v", m.Metric, m.Statistic, pair[0], pair[1])
				}
			}
		}
	}
	for _, m := range comparedMetrics(t, filepath.Join(out, "report.json")) {
		key := m.Metric + "_" + m.Statistic
		if m.Statistic == "run" {
			key = m.Metric
		}
		agrees(t, derived, key, nil, m.numbers)
		wantTests(m, nil, m.numbers)
		for _, cell := range m.Cells {
			agrees(t, derived, key, &cell.Level, cell.numbers)
			wantTests(m, &cell.Level, cell.numbers)
		}
	}
	if checked < 6*7 {
		t.Errorf("%d tests were found in the table of verdicts", checked)
	}
}

// A table of load points prints the SQL of its numbers, of many runs and of one.
func TestLoadPointsFollowFromTheirSQL(t *testing.T) {
	dir := t.TempDir()
	lake := filepath.Join(dir, "lake")
	servestat(t, "ingest", "--lake", lake, "testdata/demo/logs")
	var runs struct {
		Rows []struct {
			ID string `json:"run_id"`
		}
	}
	if err := json.Unmarshal([]byte(servestat(t, "sql", "--lake", lake, "--format", "json", "SELECT run_id FROM runs WHERE max_concurrency = 8 ORDER BY 1 LIMIT 1")), &runs); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args   []string
		levels int
	}{
		"sweep": {[]string{"sweep"}, 12},
		"run":   {[]string{"run", runs.Rows[0].ID}, 1},
	} {
		out := filepath.Join(dir, name)
		servestat(t, slices.Concat([]string{"report"}, c.args, []string{"--lake", lake, "--out", out})...)
		var res struct {
			Sweeps []struct {
				Series []struct {
					SQL    string
					Levels []map[string]any
				}
			}
		}
		if err := json.Unmarshal([]byte(read(t, filepath.Join(out, "report.json"))), &res); err != nil {
			t.Fatal(err)
		}
		page, levels := read(t, filepath.Join(out, "README.md")), 0
		for _, s := range res.Sweeps[0].Series {
			if !strings.Contains(page, s.SQL) {
				t.Errorf("%s: the page does not print\n%s", name, s.SQL)
			}
			levels += wantLevels(t, servestat(t, "sql", "--lake", lake, "--format", "json", s.SQL), s.Levels)
		}
		if levels != c.levels {
			t.Errorf("%s: %d load points were checked, want %d", name, levels, c.levels)
		}
	}
}

// wantLevels compares what SQL says of load points with the numbers of a report.
func wantLevels(t *testing.T, derived string, levels []map[string]any) (checked int) {
	t.Helper()
	var got struct{ Rows []map[string]any }
	if err := json.Unmarshal([]byte(derived), &got); err != nil || len(got.Rows) != len(levels) {
		t.Fatalf("%d rows for %d levels, %v", len(got.Rows), len(levels), err)
	}
	for i, level := range levels {
		numbers := 0
		for name, sql := range got.Rows[i] {
			want, ok := level[name].(map[string]any)
			value, is := want["value"].(float64)
			if name == "max_concurrency" || !ok || !is { // the report says why it has none
				continue
			}
			numbers++
			if v, _ := sql.(float64); !(math.Abs(v/value-1) < 1e-9) {
				t.Errorf("level %v: %s is %v by SQL, %v in the report", level["max_concurrency"], name, sql, value)
			}
		}
		if numbers < 7 {
			t.Errorf("level %v: %d numbers were compared", level["max_concurrency"], numbers)
		}
		checked++
	}
	return checked
}

// The SQL that a sweep prints of its curves yields every coefficient, knee and peak
// with its interval, from what analyze keeps. Of a part of the runs it yields nothing,
// since the curves that are kept are of all.
func TestCurvesFollowFromTheirSQL(t *testing.T) {
	dir := t.TempDir()
	lake, out := filepath.Join(dir, "lake"), filepath.Join(dir, "out")
	servestat(t, "ingest", "--lake", lake, "testdata/demo/logs")
	servestat(t, "analyze", "--lake", lake)
	servestat(t, "report", "sweep", "--lake", lake, "--out", out)
	sweep := fittedSweep(t, out)
	kept := keptCurves(t, lake, sweep.SQL)
	if !strings.Contains(read(t, filepath.Join(out, "README.md")), sweep.SQL) {
		t.Errorf("the page does not print\n%s", sweep.SQL)
	}
	checked := 0
	for _, s := range sweep.Series {
		for _, f := range s.Fits {
			for _, q := range slices.Concat(f.Params, f.Derived) {
				key := curveKey{s.Version, f.Metric, f.Model, q.Name}
				got, ok := kept[key]
				if !ok || !sameEnd(got.Value, q.Estimate.Value) || q.Estimate.Confidence > 0 && (!sameEnd(got.Lo, q.Estimate.Lo) || !sameEnd(got.Hi, q.Estimate.Hi)) {
					t.Errorf("%v: the table of curves says %v, the report %v", key, got, q.Estimate)
				}
				checked++
			}
		}
	}
	if checked < 2*2*3 {
		t.Errorf("%d quantities were checked, want those of two versions and two curves at least", checked)
	}

	servestat(t, "report", "sweep", "--lake", lake, "--out", out, "--where", "repeat > 1")
	if rest := keptCurves(t, lake, fittedSweep(t, out).SQL); len(rest) > 0 {
		t.Errorf("of a part of the runs the SQL yields the curves of all: %v", rest)
	}
}

type curveKey struct{ version, metric, model, name string }

type ends struct {
	Value, Lo, Hi *float64 // nil: none, or open
	Confidence    float64
}

type sweepInJSON struct {
	SQL    string `json:"curves_sql"`
	Series []struct {
		Version string
		Fits    []struct {
			Metric, Model   string
			Params, Derived []struct {
				Name     string
				Estimate ends
			}
		}
	}
}

func fittedSweep(t *testing.T, dir string) sweepInJSON {
	t.Helper()
	var res struct{ Sweeps []sweepInJSON }
	if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, "report.json"))), &res); err != nil || len(res.Sweeps) != 1 || res.Sweeps[0].SQL == "" {
		t.Fatalf("%+v, %v", res, err)
	}
	return res.Sweeps[0]
}

func keptCurves(t *testing.T, lake, statement string) map[curveKey]ends {
	t.Helper()
	var got struct {
		Rows []struct {
			Version             string `json:"runtime_version"`
			Metric, Curve, Name string
			ends
		}
	}
	if err := json.Unmarshal([]byte(servestat(t, "sql", "--lake", lake, "--format", "json", statement)), &got); err != nil {
		t.Fatal(err)
	}
	out := map[curveKey]ends{}
	for _, r := range got.Rows {
		out[curveKey{r.Version, r.Metric, r.Curve, r.Name}] = r.ends
	}
	return out
}

func sameEnd(a, b *float64) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// The weekly report reads runs, requests and cells, and no token: where the blocks
// of tokens are gone, it is the same to the byte.
func TestWeeklyReadsNoTokens(t *testing.T) {
	dir := t.TempDir()
	lake := filepath.Join(dir, "lake")
	servestat(t, "ingest", "--lake", lake, "testdata/demo/logs")
	with, without := filepath.Join(dir, "with"), filepath.Join(dir, "without")
	servestat(t, "report", "weekly", "--lake", lake, "--out", with)
	if err := os.RemoveAll(filepath.Join(lake, "blocks", "v1", "tokens")); err != nil {
		t.Fatal(err)
	}
	servestat(t, "report", "weekly", "--lake", lake, "--out", without)
	for _, name := range []string{"README.md", "report.json"} {
		if read(t, filepath.Join(with, name)) != read(t, filepath.Join(without, name)) {
			t.Errorf("%s is another without tokens", name)
		}
	}
}

func same(a, b *int64) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// numbers are what the SQL yields of a metric.
type numbers struct {
	Baseline, Candidate, Ratio struct{ Value, Lo, Hi float64 }
	P                          float64
	PAdjusted                  float64 `json:"p_adjusted"`
}

type comparedMetric struct {
	Metric, Statistic, Name string
	numbers
	Cells []struct {
		Level int64 `json:"max_concurrency"`
		numbers
	}
}

func comparedMetrics(t *testing.T, path string) []comparedMetric {
	t.Helper()
	var res struct {
		Comparisons []struct{ Metrics []comparedMetric }
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &res); err != nil || len(res.Comparisons) != 1 {
		t.Fatalf("%d comparisons, %v", len(res.Comparisons), err)
	}
	return res.Comparisons[0].Metrics
}

// A derivedRow is what the SQL says of a metric at a level, or over the curve.
type derivedRow struct {
	Metric                      string
	Level                       *int64 `json:"max_concurrency"`
	Baseline, Candidate, Change float64
}

func rows(t *testing.T, data string) []derivedRow {
	t.Helper()
	var got struct{ Rows []derivedRow }
	if err := json.Unmarshal([]byte(data), &got); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return got.Rows
}

func agrees(t *testing.T, derived []derivedRow, metric string, level *int64, want numbers) {
	t.Helper()
	for _, d := range derived {
		if d.Metric != metric || !same(d.Level, level) {
			continue
		}
		for _, pair := range [][2]float64{{d.Baseline, want.Baseline.Value}, {d.Candidate, want.Candidate.Value}, {1 + d.Change, want.Ratio.Value}} {
			if !(math.Abs(pair[0]/pair[1]-1) < 1e-9) {
				t.Errorf("%s: SQL says %v, the report %v", metric, pair[0], pair[1])
			}
		}
		return
	}
	t.Errorf("%s: no row of the SQL", metric)
}

// printedChange is a change as the report prints it.
func printedChange(n numbers) string {
	return printed.ChangeWithInterval(printed.Number{Value: n.Ratio.Value, Lo: n.Ratio.Lo, Hi: n.Ratio.Hi, Bounded: true})
}
