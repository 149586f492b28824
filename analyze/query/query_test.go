package query

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

func open(t *testing.T) *DB {
	t.Helper()
	l, err := lake.CreateTemporary(filepath.Join(t.TempDir(), "a [strange] *lake?"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func texts(t *testing.T, db *DB, statement string) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func TestEmptyLakeHasEveryTableWithEveryColumn(t *testing.T) {
	db := open(t)
	for _, table := range schemas.Tables() {
		got := texts(t, db, "SELECT column_name || ' ' || data_type FROM information_schema.columns WHERE table_name = '"+table.Name+"' ORDER BY ordinal_position")
		var want []string
		for _, c := range table.Columns {
			want = append(want, c.Name+" "+c.Type.SQL())
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s has %v\nwant %v", table.Name, got, want)
		}
		for _, c := range table.Columns { // none of which has to be quoted
			texts(t, db, "SELECT "+c.Name+" FROM "+table.Name)
		}
	}
	for _, view := range views {
		if got := texts(t, db, "SELECT CAST(count(*) AS VARCHAR) FROM "+view); got[0] != "0" {
			t.Errorf("%s of an empty lake has %s rows", view, got)
		}
	}
}

// What a statement may do is read the lake, and nothing else.
func TestStatementsAreContained(t *testing.T) {
	db := open(t)
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("a\n1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "out.csv")
	for _, statement := range []string{
		"SELECT * FROM '" + secret + "'",
		"SELECT * FROM read_csv('" + secret + "')",
		"SELECT * FROM read_text('" + secret + "')",
		"SELECT * FROM glob('/etc/*')",
		"COPY runs TO '" + target + "'",
		"ATTACH '" + target + "' AS x",
		"INSTALL httpfs",
		"LOAD httpfs",
		"SET memory_limit = '100GB'",
		"SET enable_external_access = true",
		"CREATE TABLE x AS SELECT 1",
		"CREATE MACRO m() AS 1",
		"DROP VIEW runs",
		"SELECT 1; COPY runs TO '" + target + "'",
		"COPY runs TO '" + target + "'; SELECT 1",
		"EXPORT DATABASE '" + target + "'",
		"CALL pragma_version()",
		"",
		";",
		"-- nothing",
	} {
		rows, err := db.Query(t.Context(), statement)
		if err == nil {
			rows.Close()
			t.Errorf("%q was run", statement)
		}
	}
	if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was written: %v", err)
	}
	for _, statement := range []string{"SELECT 1", "select 1;", "WITH x AS (SELECT 1) FROM x", "EXPLAIN SELECT 1", "DESCRIBE runs", "SUMMARIZE runs", "SHOW TABLES", "-- why\nSELECT 1 -- so"} {
		rows, err := db.Query(t.Context(), statement)
		if err != nil {
			t.Errorf("%q was refused: %v", statement, err)
			continue
		}
		rows.Close()
	}
}

func TestQueryCanBeCancelled(t *testing.T) {
	db := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	rows, err := db.Query(ctx, "SELECT count(*) FROM range(100000000000)")
	if err == nil {
		rows.Close()
		t.Error("the query came to an end")
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("cancelling took %v", took)
	}
	if got := texts(t, db, "SELECT 'alive'"); len(got) != 1 {
		t.Error("the database is of no use afterwards")
	}
}

func TestSelector(t *testing.T) {
	for text, want := range map[string]string{
		"runtime_version=0.20.0":    "CAST(runtime_version AS VARCHAR) = '0.20.0'",
		"model=m , hardware = it's": "CAST(model AS VARCHAR) = 'm' AND CAST(hardware AS VARCHAR) = 'it''s'",
		"team=serving":              `json_extract_string(labels, '$."team"') = 'serving'`,
		`x"]') or true --=1`:        `json_extract_string(labels, '$."x\"]'') or true --"') = '1'`,
	} {
		got, err := Selector(text)
		if err != nil || got != want {
			t.Errorf("%s: %s %v\nwant %s", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "0.20.0", "=x", "x=", "a=1,,b=2"} {
		if _, err := Selector(bad); err == nil {
			t.Errorf("%q passes for a selector", bad)
		}
	}
	if got := Labels("model=m,team=serving"); len(got) != 1 || got[0] != "team" {
		t.Errorf("labels are %v", got)
	}
}

func TestRunPrefixTakesHexOnly(t *testing.T) {
	if _, err := RunPrefix("3f2a"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "3f2", "' or 1", "xyzw"} {
		if _, err := RunPrefix(bad); err == nil {
			t.Errorf("%q passes for a run id", bad)
		}
	}
}

// Every lake that a release may have made opens for ever: columns are found by
// their field ids, and those that its blocks lack read as NULL. Each folder of
// testdata/lakes was written by the servestat of its day, and is never rewritten.
func TestLakesOfEarlierVersionsOpen(t *testing.T) {
	folders, err := filepath.Glob("testdata/lakes/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no lakes: %v", err)
	}
	for _, folder := range folders {
		l, err := lake.Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		db, err := Open(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, table := range schemas.Tables() {
			for _, c := range table.Columns {
				rows := texts(t, db, "SELECT format('{} of {}', count(\""+c.Name+"\"), count(*)) FROM "+table.Name)
				if n, of, _ := strings.Cut(rows[0], " of "); c.Required && n != of {
					t.Errorf("%s: %s.%s, which is never NULL, has %s values in %s rows", folder, table.Name, c.Name, n, of)
				}
			}
		}
		got := texts(t, db, "SELECT format('{} c={}: {} requests, {} gaps, ITL {:.6f} ms', runtime_version, max_concurrency, requests, gaps, 1e3 * itl_mean_s) FROM run_summary ORDER BY ALL")
		want := []string{
			"0.19.0 c=1: 4 requests, 508 gaps, ITL 15.688106 ms", "0.19.0 c=2: 8 requests, 1016 gaps, ITL 17.376820 ms",
			"0.20.0 c=1: 4 requests, 508 gaps, ITL 16.397693 ms", "0.20.0 c=2: 8 requests, 1016 gaps, ITL 17.861895 ms",
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:\n%s\nwant:\n%s", folder, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// Over each of these lakes every view answers, and every question of the cookbook,
// with the parameters that it has: what is not there is NULL, or no row.
func TestLakesOfEarlierVersionsAnswer(t *testing.T) {
	folders, err := filepath.Glob("testdata/lakes/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no lakes: %v", err)
	}
	all, err := Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		l, err := lake.Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		db, err := Open(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		asked := 0
		for _, r := range all {
			statement := "SELECT * FROM " + r.Name
			if r.Kind == MacroKind || r.Kind == TableMacroKind {
				statement = r.Example
			}
			answers(t, db, folder, statement)
			asked++
		}
		for _, r := range Cookbook() {
			answers(t, db, folder, r.SQL)
			asked++
		}
		if asked < 50 {
			t.Errorf("%s: %d statements", folder, asked)
		}
	}
}

// answers wants all rows of a statement.
func answers(t *testing.T, db *DB, folder, statement string) {
	t.Helper()
	rows, err := db.Query(t.Context(), statement)
	if err != nil {
		t.Errorf("%s: %s\n%v", folder, statement, err)
		return
	}
	defer rows.Close()
	for rows.Next() {
	}
	if err := rows.Err(); err != nil {
		t.Errorf("%s: %s\n%v", folder, statement, err)
	}
}

// A join of tokens and runs held all tokens in its hash table: told the columns of
// blocks, DuckDB did not look how many rows they have, and took both tables for
// equally small. The median by version of 10^8 tokens took 8 GB.
func TestJoinsKeepTheSmallTable(t *testing.T) {
	db := openGolden(t)
	for join, want := range map[string]string{"tokens JOIN runs USING (run_id)": "3048 4 ", "requests JOIN tokens USING (run_id, request_idx)": "3048 24 "} {
		rows, err := db.Query(t.Context(), "EXPLAIN (FORMAT json) SELECT max(gap_ns) FROM "+join)
		if err != nil {
			t.Fatal(err)
		}
		var key, plan string
		for rows.Next() {
			if err := rows.Scan(&key, &plan); err != nil {
				t.Fatal(err)
			}
		}
		rows.Close()
		var estimates string
		for _, part := range strings.Split(plan, `"Estimated Cardinality": "`)[1:] {
			n, _, _ := strings.Cut(part, `"`)
			estimates += n + " "
		}
		// The first is the side that is read past the hash table of the second.
		if !strings.HasPrefix(estimates, want) {
			t.Errorf("%s: rows of the plan are %s, want them to begin with %s:\n%s", join, estimates, want, plan)
		}
	}
}

// A part of a lake answers of its runs what the whole answers of them, and of no
// others.
func TestAPartAnswersAsTheWhole(t *testing.T) {
	db := openGolden(t)
	whole, err := db.RunSummaries(t.Context(), "")
	if err != nil || len(whole) < 3 {
		t.Fatalf("%d runs, %v", len(whole), err)
	}
	part, err := db.Of(t.Context(), []string{whole[0].RunID, whole[2].RunID})
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	got, err := part.RunSummaries(t.Context(), "")
	if err != nil || len(got) != 2 || got[0] != whole[0] || got[1] != whole[2] {
		t.Errorf("got %+v, %v\nwant %+v\n%+v", got, err, whole[0], whole[2])
	}
	for _, ask := range []func(*DB, string) (any, error){
		func(d *DB, where string) (any, error) { return d.RunChecks(t.Context(), where) },
		func(d *DB, where string) (any, error) { return d.Recomputed(t.Context(), where, []float64{50, 99}) },
	} {
		want, err := ask(db, "run_id IN ("+quotedList([]string{whole[0].RunID, whole[2].RunID})+")")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ask(part, ""); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	}
	none, err := db.Of(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if got, err := none.RunSummaries(t.Context(), ""); err != nil || len(got) != 0 {
		t.Errorf("of no runs: %+v, %v", got, err)
	}
	if tokens := texts(t, part, "SELECT DISTINCT run_id FROM tokens ORDER BY 1"); len(tokens) != 2 {
		t.Errorf("tokens are of the runs %v", tokens)
	}
}

// Names that a statement defines hold where SQL says they do: in what comes after, in
// what is inside, and for a recursive expression in its second part.
func TestNamesOfAStatementsOwn(t *testing.T) {
	db := openGolden(t)
	for statement, want := range map[string]string{
		"WITH a AS (SELECT '1' AS x), b AS (SELECT x || '2' AS x FROM a) SELECT x FROM b":                                                              "12",
		"WITH a AS MATERIALIZED (SELECT '1' AS x), b AS MATERIALIZED (SELECT x || '2' AS x FROM a) SELECT a.x || b.x FROM a, b":                        "112",
		"WITH a AS (SELECT '1' AS x) SELECT (SELECT x FROM A) || (WITH b AS (SELECT x || '3' AS x FROM a) SELECT x FROM b)":                            "113",
		"WITH a AS (SELECT '1' AS x) (SELECT x FROM a) UNION (SELECT x FROM a)":                                                                        "1",
		"WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 4) SELECT max(i)::VARCHAR FROM r":                                  "4",
		"WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM (SELECT i FROM r) WHERE i < 4), s AS (FROM r) SELECT count(*)::VARCHAR FROM s": "4",
		"WITH runs AS (SELECT '5' AS x) SELECT x FROM runs":                                                                                            "5",
		"WITH runs AS (SELECT count(*)::VARCHAR AS n FROM runs) SELECT n FROM runs":                                                                    "4",
		"SELECT (WITH c AS (SELECT '6' AS x) SELECT x FROM c WHERE EXISTS (FROM c))":                                                                   "6",
	} {
		if got := texts(t, db, statement); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v, want %s", statement, got, want)
		}
	}
	for _, statement := range []string{
		"FROM c, (WITH c AS (SELECT 1) FROM c) d", "WITH a AS (FROM b), b AS (SELECT 1) FROM a", "WITH a AS (FROM a) FROM a",
		"WITH RECURSIVE r AS (FROM r UNION ALL FROM r) FROM r", "(WITH a AS (SELECT 1) FROM a) UNION ALL FROM a",
	} {
		if rows, err := db.Query(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "there is no table") {
			t.Errorf("%s: %v", statement, err)
			if err == nil {
				rows.Close()
			}
		}
	}
}
