package main

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// A distribution is what cells hold of one metric over some runs.
type distribution struct {
	count, sum, min, max int64
	buckets              map[int32]int64
}

// The weekly report and everything over many runs reads cells, never tokens: cells
// that are merged must be what the tokens say, to the last integer, and percentiles
// taken from them within half a percent. Both on the bundled logs and on all real
// ones, over each version and concurrency together and over everything.
func TestCellsAreWhatTheTokensSay(t *testing.T) {
	real := schematest.Shared(t, "real/vllm")
	for _, logs := range []string{"testdata/demo/vllm/neighbour", real} {
		db := ingestAll(t, logs)
		worst, compared := 0.0, 0
		for _, by := range []string{"'all'", "concat_ws(' ', model, runtime_version, max_concurrency)", "run_id"} {
			cells, exact := mergedCells(t, db, by), gapsOf(t, db, by)
			if len(cells) != len(exact) || len(cells) == 0 {
				t.Fatalf("%s: cells of %d groups, tokens of %d", logs, len(cells), len(exact))
			}
			for group, gaps := range exact {
				wantSameCell(t, logs+" "+group, cells[group], gaps)
				worst = max(worst, percentileError(t, cells[group], gaps, &compared))
			}
		}
		t.Logf("%s: worst of %d percentiles from cells is %.3f %% off", filepath.Base(logs), compared, 100*worst)
		if worst > 0.005 || compared < 30 {
			t.Errorf("%s: of %d percentiles, the worst is %.3f %% off; half a percent is promised", logs, compared, 100*worst)
		}
	}
}

func ingestAll(t *testing.T, logs string) *query.DB {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "lake")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"ingest", "--lake", dir, logs}, nil, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	return openQuery(t, dir)
}

// mergedCells adds the ITL cells of each group up, in SQL as a user would.
func mergedCells(t *testing.T, db *query.DB, by string) map[string]*distribution {
	t.Helper()
	out := map[string]*distribution{}
	eachRow(t, db, "SELECT "+by+", sum(count)::BIGINT, sum(sum_ns)::BIGINT, min(min_ns), max(max_ns) FROM cells JOIN runs USING (run_id) WHERE metric = 'itl' GROUP BY ALL",
		func(scan func(...any)) {
			var group string
			d := &distribution{buckets: map[int32]int64{}}
			scan(&group, &d.count, &d.sum, &d.min, &d.max)
			out[group] = d
		})
	eachRow(t, db, "SELECT g, b, sum(n)::BIGINT FROM (SELECT "+by+" AS g, unnest(hist_bucket) AS b, unnest(hist_count) AS n FROM cells JOIN runs USING (run_id) WHERE metric = 'itl') GROUP BY ALL",
		func(scan func(...any)) {
			var group string
			var b int32
			var n int64
			scan(&group, &b, &n)
			out[group].buckets[b] = n
		})
	return out
}

// gapsOf returns the gaps of completed requests of each group, ascending.
func gapsOf(t *testing.T, db *query.DB, by string) map[string][]int64 {
	t.Helper()
	out := map[string][]int64{}
	eachRow(t, db, "SELECT "+by+", gap_ns FROM tokens JOIN requests USING (run_id, request_idx) JOIN runs USING (run_id) "+
		"WHERE status = 'ok' AND gap_kind IS DISTINCT FROM 'synthetic'", func(scan func(...any)) {
		var group string
		var ns int64
		scan(&group, &ns)
		out[group] = append(out[group], ns)
	})
	for _, gaps := range out {
		slices.Sort(gaps)
	}
	return out
}

func eachRow(t *testing.T, db *query.DB, statement string, each func(scan func(...any))) {
	t.Helper()
	rows, err := db.Query(t.Context(), statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	defer rows.Close()
	for rows.Next() {
		each(func(into ...any) {
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
		})
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func wantSameCell(t *testing.T, what string, merged *distribution, gaps []int64) {
	t.Helper()
	if merged == nil {
		t.Errorf("%s: no cell", what)
		return
	}
	c := schemas.NewCell("", "itl")
	for _, ns := range gaps {
		c.Add(ns)
	}
	want := &distribution{count: c.Count, sum: c.Sum, min: c.Min, max: c.Max, buckets: map[int32]int64{}}
	bucket, count := c.Hist.Buckets()
	for i, b := range bucket {
		want.buckets[b] = count[i]
	}
	same := merged.count == want.count && merged.sum == want.sum && merged.min == want.min && merged.max == want.max
	if !same || !maps.Equal(merged.buckets, want.buckets) {
		t.Errorf("%s: merged cells are %+v, the tokens say %+v", what, merged, want)
	}
}

// percentileError is the largest relative error of percentiles taken from buckets,
// by nearest rank, against those of the gaps themselves.
func percentileError(t *testing.T, d *distribution, gaps []int64, compared *int) (worst float64) {
	t.Helper()
	for _, p := range []float64{0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1} {
		rank := int64(math.Ceil(p * float64(len(gaps))))
		exact := float64(gaps[rank-1])
		if exact == 0 {
			continue // chunks that came together, exact by themselves
		}
		*compared++
		worst = max(worst, math.Abs(d.percentile(t, rank)-exact)/exact)
	}
	return worst
}

func (d *distribution) percentile(t *testing.T, rank int64) float64 {
	t.Helper()
	for _, b := range slices.Sorted(maps.Keys(d.buckets)) {
		if rank -= d.buckets[b]; rank <= 0 {
			lo, hi := schemas.HistogramBounds(b)
			return (float64(lo) + float64(hi)) / 2
		}
	}
	t.Fatal(fmt.Errorf("the buckets hold fewer values than %d", rank))
	return 0
}
