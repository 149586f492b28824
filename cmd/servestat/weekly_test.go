package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
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
	_, rest, ok := strings.Cut(page, "```sql\n")
	statement, _, closed := strings.Cut(rest, "\n```")
	if !ok || !closed {
		t.Fatal("the page prints no SQL")
	}
	derived := rows(t, servestat(t, "sql", "--lake", lake, "--format", "json", statement))
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
	if checked != 6*7 {
		t.Errorf("%d numbers were checked, want those of 6 metrics over the curve and at 6 levels", checked)
	}
}

// numbers are what the SQL yields of a metric.
type numbers struct {
	Baseline, Candidate, Ratio struct{ Value, Lo, Hi float64 }
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
	same := func(a, b *int64) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }
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
