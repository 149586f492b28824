package query

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas"
)

// inMemory is a database whose tables are the given statements.
func inMemory(t *testing.T, tables map[string]string) *DB {
	t.Helper()
	d, err := openEmpty(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	for i, def := range d.made.definitions {
		if statement, ok := tables[def.Name]; ok {
			d.made.definitions[i].sql = "CREATE TABLE " + def.Name + " AS " + statement
		}
	}
	return d
}

// hostileRuns are runs with gaps of every size, with ties, stalls of minutes, gaps
// of zero and below, failed requests that left gaps, and a run without a version.
func hostileRuns(t *testing.T, seed uint64) *DB {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 4))
	sizes := []func() int64{
		func() int64 { return 14e6 + rnd.Int64N(4e6) },      // decode steps
		func() int64 { return rnd.Int64N(200_000) },         // buffered chunks: microseconds and less
		func() int64 { return 15_000_000 },                  // a tie
		func() int64 { return 60e9 + rnd.Int64N(120e9) },    // a stall
		func() int64 { return -rnd.Int64N(3) },              // no gap
		func() int64 { return 1 << rnd.IntN(62) },           // anything
		func() int64 { return 999_000 + rnd.Int64N(2_000) }, // across the edge of two buckets
	}
	var tokens, requests, runs, cells []string
	for run := range 9 {
		id := fmt.Sprintf("%032x", rnd.Uint64())
		version := fmt.Sprintf("'v%d'", run%3)
		if run == 8 {
			version = "NULL"
		}
		runs = append(runs, fmt.Sprintf("('%s', %s, %d)", id, version, 1<<(run/3)))
		cell := schemas.NewCell(id, "itl")
		for request := range 12 {
			status := "ok"
			if rnd.IntN(5) == 0 {
				status = []string{"failed", "warmup", "suspect"}[rnd.IntN(3)]
			}
			requests = append(requests, fmt.Sprintf("('%s', %d, '%s')", id, request, status))
			for chunk := range 1 + rnd.IntN(30) {
				gap := sizes[(run+rnd.IntN(3))%len(sizes)]()
				tokens = append(tokens, fmt.Sprintf("('%s', %d, %d, %d)", id, request, chunk+1, gap))
				if status == "ok" {
					cell.Add(gap)
				}
			}
		}
		buckets, counts := cell.Hist.Buckets()
		cells = append(cells, fmt.Sprintf("('%s', 'itl', CAST(%s AS INTEGER[]), CAST(%s AS BIGINT[]))", id, listed(buckets), listed(counts)))
	}
	values := func(rows []string, columns string) string {
		return "SELECT * FROM (VALUES " + strings.Join(rows, ", ") + ") v(" + columns + ")"
	}
	return inMemory(t, map[string]string{
		"tokens":   "SELECT * REPLACE (CAST(gap_ns AS BIGINT) AS gap_ns) FROM (" + values(tokens, "run_id, request_idx, chunk_idx, gap_ns") + ")",
		"requests": values(requests, "run_id, request_idx, status"),
		"runs":     values(runs, "run_id, runtime_version, max_concurrency"),
		"cells":    values(cells, "run_id, metric, hist_bucket, hist_count"),
	})
}

func listed[T any](values []T) string {
	return strings.ReplaceAll(fmt.Sprint(values), " ", ", ")
}

// The exact percentiles look at a small part of the tokens, which the cells tell
// them, and give what quantile_cont gives over all of them.
func TestExactPercentilesAreThoseOfQuantileCont(t *testing.T) {
	const ps = "[0, 0.001, 0.25, 0.5, 0.500001, 0.9, 0.99, 0.999, 1]"
	for seed := range uint64(4) {
		db := hostileRuns(t, seed)
		for grouping, groups := range map[string]int{"runtime_version": 4, "{v: runtime_version, c: max_concurrency}": 9, "1": 1, "run_id": 9} {
			got := texts(t, db, `
				WITH wanted AS (
					SELECT `+grouping+` AS key, count(*) AS n, unnest(`+ps+`) AS p, unnest(quantile_cont(gap_ns, `+ps+`)) / 1e3 AS us
					FROM tokens JOIN requests USING (run_id, request_idx) JOIN runs USING (run_id) WHERE status = 'ok' GROUP BY 1
				)
				SELECT format('{} p{}: {} of {}, quantile_cont {} of {}', g.key, g.p, g.us, g.n, w.us, w.n)
				FROM exact_percentiles(`+ps+`, `+grouping+`) g FULL JOIN wanted w ON g.key IS NOT DISTINCT FROM w.key AND g.p = w.p
				WHERE g.n IS DISTINCT FROM w.n OR NOT coalesce(abs(g.us - w.us) <= 1 + 1e-12 * abs(w.us), false)`)
			if len(got) > 0 {
				t.Errorf("seed %d by %s:\n%s", seed, grouping, strings.Join(got, "\n"))
			}
			if n := len(texts(t, db, "SELECT 'row' FROM exact_percentiles("+ps+", "+grouping+")")); n != 9*groups {
				t.Errorf("by %s there are %d rows", grouping, n)
			}
		}
	}
}

func TestExactPercentilesOfSomeRuns(t *testing.T) {
	db := hostileRuns(t, 1)
	got := texts(t, db, "SELECT DISTINCT key FROM exact_percentiles([0.5], runtime_version, of_runs := max_concurrency = 1 AND runtime_version <> 'v1') ORDER BY key")
	if strings.Join(got, " ") != "v0 v2" {
		t.Errorf("of v0 and v2 there are %v", got)
	}
}

// Where cells count what the tokens do not have, no number is given.
func TestExactPercentilesNeedTheTokensThatCellsCount(t *testing.T) {
	db := inMemory(t, map[string]string{
		"tokens":   "SELECT 'a' AS run_id, 0 AS request_idx, 1 AS chunk_idx, 500::BIGINT AS gap_ns",
		"requests": "SELECT 'a' AS run_id, 0 AS request_idx, 'ok' AS status",
		"runs":     "SELECT 'a' AS run_id, 'v' AS runtime_version",
		"cells":    "SELECT 'a' AS run_id, 'itl' AS metric, [500] AS hist_bucket, [2::BIGINT] AS hist_count",
	})
	rows, err := db.Query(t.Context(), "SELECT * FROM exact_percentiles([0.5], runtime_version)")
	if err == nil {
		for rows.Next() {
		}
		err = rows.Err()
		rows.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "lake check") {
		t.Errorf("two gaps where there is one: %v", err)
	}
}

func TestInSpans(t *testing.T) {
	db := open(t)
	said := func(statement string) string {
		var s string
		if err := db.db.QueryRowContext(t.Context(), statement).Scan(&s); err != nil { // past the guard
			t.Fatalf("%s: %v", statement, err)
		}
		return s
	}
	record := func(key, least, most string) string {
		return "unhex(lpad(hex(" + key + "), 16, '0') || lpad(hex(" + least + "::BIGINT), 16, '0') || lpad(hex(" + most + "::BIGINT), 16, '0'))"
	}
	spans := strings.Join([]string{
		record("1", "10", "19"), record("1", "30", "30"), record("3", "-5", "5"), record("4", "-9223372036854775807", "9223372036854775807"), record("5", "2", "1"),
	}, " || ")
	for call, want := range map[string]string{
		"1, 10, " + spans: "true", "1, 19, " + spans: "true", "1, 20, " + spans: "false", "1, 30, " + spans: "true", "1, 9, " + spans: "false",
		"2, 10, " + spans: "false", "3, -5, " + spans: "true", "3, -6, " + spans: "false", "0, 0, " + spans: "false", "9, 0, " + spans: "false",
		"4, -9223372036854775807, " + spans: "true", "4, 9223372036854775807, " + spans: "true", "5, 1, " + spans: "false",
		"1, 10, ''::BLOB": "false", "1, 10, 'short'::BLOB": "false",
	} {
		if got := said("SELECT CAST(in_spans(" + call + ") AS VARCHAR)"); got != want {
			t.Errorf("in_spans(%s) is %s", call, got)
		}
	}
	// Rows with spans of their own, among them none.
	got := said(`
		SELECT string_agg(CAST(coalesce(in_spans(k, v, CASE WHEN v % 3 = 0 THEN ` + record("k", "v", "v") + ` WHEN v % 3 = 1 THEN ` + record("k", "(v + 1)", "(v + 9)") + ` END), false) = (v % 3 = 0) AS VARCHAR), ' ' ORDER BY v)
		FROM (SELECT CASE WHEN i % 7 <> 0 THEN (i // 10)::UBIGINT END AS k, i AS v FROM range(5000) t(i)) WHERE k IS NOT NULL`)
	if strings.Contains(got, "false") {
		t.Error("a row's spans are not its own")
	}
	if got := said("SELECT CAST(count(*) FILTER (in_spans(k, 1, " + record("1", "0", "2") + ")) AS VARCHAR) FROM (SELECT CASE WHEN i % 2 = 0 THEN 1::UBIGINT END AS k FROM range(3000) t(i))"); got != "1500" {
		t.Errorf("of 1500 keys and as many NULLs, %s are in", got)
	}
}

// What reads vectors by their addresses is for our own macros: whoever calls it with
// other arguments could make it read what is not there.
func TestNoStatementCallsInSpans(t *testing.T) {
	db := open(t)
	for _, statement := range []string{
		"SELECT in_spans(1::UBIGINT, 1, ''::BLOB)", "SELECT IN_SPANS(1, 1, '')", `SELECT main."in_spans"(1, 1, '')`,
		"SELECT list_filter([1], lambda x: in_spans(x, 1, ''))", "SELECT 1 WHERE (1).in_spans(1, '')",
	} {
		if rows, err := db.Query(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "in_spans is not allowed here") {
			t.Errorf("%s: %v", statement, err)
			if err == nil {
				rows.Close()
			}
		}
	}
}

// in_spans is registered through a field of the driver that is not public. Whoever
// comes here because a new driver lacks it: give exact_percentiles another way to it
// (spans.go says why there was none), and measure it with make bench.
func TestTheDriverHasItsHandle(t *testing.T) {
	conn, err := open(t).db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		handle, err := nativeConnection(c)
		if err == nil && handle.Ptr == nil {
			err = errors.New("the handle is nil")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []any{nil, 7, &struct{ conn int }{}} {
		if _, err := nativeConnection(other); err == nil || !strings.Contains(err.Error(), "a driver that it does not know") {
			t.Errorf("%T: %v", other, err)
		}
	}
}
