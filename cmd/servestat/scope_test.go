package main

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas/lake"
)

var everyJoin = flag.Bool("every-join", false, "ask all statements of TestNarrowingChangesNoAnswer, and not one in nine")

// Before a statement runs, it is found out which runs it can see, and the blocks of
// others are left alone. Whatever is found out, the answer is the one over all blocks:
// here are joins of all kinds with conditions of all kinds, many of which must narrow
// nothing. An outer join whose other side loses rows gains NULLs instead.
func TestNarrowingChangesNoAnswer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lake")
	servestat(t, "ingest", "--quiet", "--lake", dir, "testdata/demo/logs/0.19.0/c2", "testdata/demo/logs/0.19.0/c4", "testdata/demo/logs/0.20.0/c2", "testdata/demo/logs/0.20.0/c4")
	l, err := lake.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := query.Open(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	id := strings.TrimSpace(said(t, whole, "SELECT min(run_id) FROM runs"))
	statements := joined(id)
	answered, narrower := 0, 0
	for i, statement := range statements {
		if !*everyJoin && i%9 != 0 {
			continue
		}
		want, wantErr := answerOf(t, whole, statement)
		narrow, err := query.OpenNarrow(t.Context(), l, query.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		got, gotErr := answerOf(t, narrow, statement)
		if (wantErr == nil) != (gotErr == nil) || got != want {
			t.Errorf("%s:\n%s %v\nover all blocks:\n%s %v", statement, got, gotErr, want, wantErr)
		}
		if wantErr == nil {
			answered++
		}
		if narrow.Narrowed() {
			narrower++
		}
		narrow.Close()
	}
	t.Logf("%d statements, %d of them answered, %d over fewer blocks", len(statements), answered, narrower)
	if answered < 20 || narrower < 10 {
		t.Errorf("of %d statements %d are answered, and %d read fewer blocks", len(statements), answered, narrower)
	}
}

// joined are statements: each join with each condition.
func joined(id string) []string {
	froms := []string{
		"tokens WHERE", "requests r WHERE", "token_times WHERE", "run_summary r WHERE", "load_points WHERE", "steady_window() r WHERE", "goodput(ttft_ms := 200) JOIN runs USING (run_id) WHERE",
		"requests q JOIN runs r USING (run_id) WHERE",
		"requests q JOIN runs r ON q.run_id = r.run_id WHERE",
		"requests q, runs r WHERE q.run_id = r.run_id AND",
		"requests q LEFT JOIN runs r ON q.run_id = r.run_id AND r.max_concurrency = 2 WHERE",
		"runs r LEFT JOIN (requests q JOIN cells c USING (run_id)) ON q.run_id = r.run_id WHERE",
		"runs r LEFT JOIN requests q ON q.run_id = r.run_id AND q.request_idx > 5 WHERE",
		"runs r LEFT JOIN cells q ON q.count = r.requests WHERE",
		"runs b CROSS JOIN runs r LEFT JOIN cells q ON b.run_id = r.run_id AND q.run_id = b.run_id WHERE",
		"runs r RIGHT JOIN requests q USING (run_id) WHERE", "runs r FULL JOIN requests q USING (run_id) WHERE",
		"requests q ANTI JOIN runs r USING (run_id) WHERE", "runs r ANTI JOIN (SELECT * FROM requests WHERE request_idx > 1e6) q USING (run_id) WHERE", "runs r SEMI JOIN cells q USING (run_id) WHERE",
		"(SELECT * FROM requests) q JOIN runs r USING (run_id) WHERE", "runs r, (SELECT '0.20.0' AS version, run_id FROM runs) o WHERE o.run_id <> r.run_id AND",
		"run_summary r JOIN cells q USING (run_id) WHERE", "run_summary r LEFT JOIN run_steady q USING (run_id) WHERE", "runs r NATURAL JOIN cells q WHERE",
	}
	conditions := []string{
		"run_id = '" + id + "'", "r.run_id = '" + id + "'", "q.run_id <= '" + id + "'", "runtime_version = '0.20.0'", "r.runtime_version LIKE '0.2%' AND r.max_concurrency IN (2, 3)",
		"r.runtime_version IS NULL", "NOT (r.max_concurrency = 2 AND r.runtime_version = '0.19.0')", "run_id IN (SELECT run_id FROM runs WHERE runtime_version = '0.19.0')",
		"r.run_id = (SELECT max(run_id) FROM runs o WHERE o.max_concurrency = 4)", "r.run_id NOT IN (SELECT run_id FROM runs o WHERE o.runtime_version = r.runtime_version)",
		"r.max_concurrency = 2 OR q.request_idx = 3", "EXISTS (SELECT 1 FROM cells c WHERE c.run_id = r.run_id AND c.metric = 'itl' AND c.count > 1000)",
		"week_of(r.started_at) = '2026-W47' AND r.repeat = 1", "r.repeat + 0 = 2 AND random() < 2",
	}
	all := []string{
		"WITH runs AS (SELECT * FROM runs WHERE max_concurrency = 2) SELECT count(*) FROM runs WHERE runtime_version = '0.20.0'",
		"WITH requests AS (SELECT 1 AS run_id) SELECT count(*) FROM requests JOIN runs r ON r.repeat = requests.run_id WHERE r.runtime_version = '0.20.0'",
		"SELECT runtime_version AS model, count(*) FROM runs WHERE model = '0.20.0' GROUP BY ALL",
		"SELECT count(*) FROM runs r(run_id, source_name) WHERE run_id = '" + id + "'",
		"SELECT (SELECT count(*) FROM tokens) AS n, count(*) FROM runs WHERE run_id = '" + id + "'",
		"SELECT count(*) FROM requests WHERE run_id = '" + id + "' UNION ALL SELECT count(*) FROM requests WHERE run_id > '" + id + "' ORDER BY 1",
		"SELECT * FROM exact_percentiles([0.5], max_concurrency, of_runs := runtime_version = '0.20.0') ORDER BY ALL",
		"SELECT * FROM exact_percentiles([0.5], max_concurrency) WHERE key = 2 ORDER BY ALL",
		"SELECT key, p50_ms FROM distribution('itl', runtime_version) WHERE key = '0.20.0'",
		"SELECT count(*) FROM (FROM tokens WHERE run_id = '" + id + "') t JOIN requests USING (run_id, request_idx)",
		"SELECT count(*) FROM runs r, LATERAL (SELECT count(*) AS n FROM requests q WHERE q.run_id = r.run_id) x WHERE r.max_concurrency = 2 AND x.n > 0",
		"SELECT metric, sum(count) FROM cells GROUP BY metric HAVING min(run_id) > '' ORDER BY ALL",
		"SELECT column_name, count, approx_unique FROM (SUMMARIZE cells)", "SELECT count(*) FROM runs WHERE CAST(runtime_version AS DOUBLE) > 0.19",
	}
	for _, f := range froms {
		for _, c := range conditions {
			all = append(all, fmt.Sprintf("SELECT count(*) AS n, sum(hash(x)) AS rows FROM (SELECT * FROM %s %s) x", f, c))
		}
	}
	return all
}

func answerOf(t *testing.T, db *query.DB, statement string) (string, error) {
	t.Helper()
	rows, err := db.Query(t.Context(), statement)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, values...)
	}
	return b.String(), rows.Err()
}

func said(t *testing.T, db *query.DB, statement string) string {
	t.Helper()
	answer, err := answerOf(t, db, statement)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}
