package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// oracle is what notebooks/check_numbers.ipynb computes of the bundled logs with
// NumPy and SciPy: by where servestat says it, of what, and name.
func oracle(t *testing.T) map[string]map[[2]string]float64 {
	t.Helper()
	f, err := os.Open("../../notebooks/oracle.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[[2]string]float64{}
	for _, row := range rows[1:] {
		v, err := strconv.ParseFloat(row[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		if all[row[0]] == nil {
			all[row[0]] = map[[2]string]float64{}
		}
		all[row[0]][[2]string{row[1], row[2]}] = v
	}
	return all
}

// Means, percentiles and exact tests are those that NumPy and SciPy compute from the
// same blocks, without a line of ours.
func TestNumbersAreThoseOfTheNotebook(t *testing.T) {
	want := oracle(t)
	dir := filepath.Join(t.TempDir(), "lake")
	command(t, 0, "ingest", "--quiet", "--lake", dir, corpus)

	summaries := rowsOf(t, dir, "SELECT * FROM run_summary")
	got := map[[2]string]float64{}
	for _, r := range summaries {
		for name, v := range r {
			if x, ok := v.(float64); ok {
				got[[2]string{r["run_id"].(string), name}] = x
			}
		}
	}
	agree(t, "run_summary", got, want["run_summary"], 1900, func(a, b float64) bool { return math.Abs(a/b-1) < 1e-9 })

	got = map[[2]string]float64{}
	for _, r := range rowsOf(t, dir, "SELECT key, p, us FROM exact_percentiles([0.5, 0.99], runtime_version || ' c=' || max_concurrency, of_runs := runtime = 'vllm')") {
		got[[2]string{r["key"].(string), fmt.Sprintf("p%v_us", r["p"])}] = r["us"].(float64)
	}
	agree(t, "exact_percentiles", got, want["exact_percentiles"], 30, func(a, b float64) bool { return math.Abs(a-b) <= 1 })

	got = compared(t, command(t, 1, "compare", "--lake", dir, "--format", "json", "group=baseline", "group=neighbour"))
	agree(t, "compare", got, want["compare"], 20, func(a, b float64) bool { return math.Abs(a/b-1) < 1e-9 })
}

func command(t *testing.T, code int, args ...string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if got := run(t.Context(), args, nil, &stdout, &stderr); got != code {
		t.Fatalf("%v: exit code %d\n%s", args, got, stderr.String())
	}
	return stdout.Bytes()
}

func rowsOf(t *testing.T, dir, statement string) []map[string]any {
	t.Helper()
	var rows []map[string]any
	lines := json.NewDecoder(bytes.NewReader(command(t, 0, "sql", "--lake", dir, "--format", "jsonl", statement)))
	for lines.More() {
		var row map[string]any
		if err := lines.Decode(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// compared are ratio and p of ITL mean and TTFT p50 at every level.
func compared(t *testing.T, text []byte) map[[2]string]float64 {
	t.Helper()
	var all struct {
		Comparisons []struct {
			Metrics []struct {
				Metric, Statistic string
				Cells             []struct {
					MaxConcurrency int64 `json:"max_concurrency"`
					Ratio          struct{ Value float64 }
					P              float64
				}
			}
		}
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	got := map[[2]string]float64{}
	for _, c := range all.Comparisons {
		for _, m := range c.Metrics {
			if m.Metric+" "+m.Statistic != "itl mean" && m.Metric+" "+m.Statistic != "ttft p50" {
				continue
			}
			for _, level := range m.Cells {
				subject := fmt.Sprintf("%s c=%d", m.Metric, level.MaxConcurrency)
				got[[2]string{subject, "ratio"}], got[[2]string{subject, "p"}] = level.Ratio.Value, level.P
			}
		}
	}
	return got
}

func agree(t *testing.T, source string, got, want map[[2]string]float64, least int, same func(a, b float64) bool) {
	t.Helper()
	if len(want) < least {
		t.Errorf("%s: the notebook has %d numbers, want %d or more", source, len(want), least)
	}
	for of, w := range want {
		if g, ok := got[of]; !ok || !same(g, w) {
			t.Errorf("%s: %s of %s is %v (there: %t), and %v by the notebook", source, of[1], of[0], g, ok, w)
		}
	}
}
