package query

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/schematest"
)

func openGolden(t *testing.T) *DB {
	t.Helper()
	l, err := lake.Open("testdata/lakes/2026-11-22")
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

// Whoever adds a column to a view says what it means in the view's file, and
// whoever takes one away takes its line.
func TestEveryColumnIsDocumented(t *testing.T) {
	all, err := Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if len(r.Doc) < 20 {
			t.Errorf("%s %s has no doc", r.Kind, r.Name)
		}
		if r.Kind == MacroKind || r.Kind == TableMacroKind {
			continue
		}
		for _, c := range r.Columns {
			if c.Doc == "" || c.Source == "" || c.Type == "" {
				t.Errorf("%s.%s: meaning %q, source %q, type %q: add its line to the comment of %s.sql", r.Name, c.Name, c.Doc, c.Source, c.Type, r.Name)
			}
		}
		if r.Kind != ViewKind {
			continue
		}
		_, lines := viewDoc(text(r.Name))
		for i, line := range lines {
			if i >= len(r.Columns) || r.Columns[i].Name != line.Name {
				t.Errorf("%s.sql: the comment speaks of %s where the view has another column, or none", r.Name, line.Name)
			}
		}
	}
}

func TestDictionaryPage(t *testing.T) {
	all, err := Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := WriteDictionary(&page, all); err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexFunc(page.Bytes(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("a character that nobody sees: %q", page.Bytes()[max(i-40, 0):i+4])
	}
	schematest.Golden(t, "DICTIONARY.md", page.Bytes())
}

func TestEveryMacroHasAnExampleThatRuns(t *testing.T) {
	db := openGolden(t)
	n := 0
	for _, r := range db.Relations() {
		if r.Kind != MacroKind && r.Kind != TableMacroKind {
			continue
		}
		n++
		if r.Example == "" || !strings.Contains(r.Example, r.Name) {
			t.Errorf("%s has no example of its own", r.Name)
			continue
		}
		rows, err := db.Query(t.Context(), r.Example)
		if err != nil {
			t.Errorf("%s: %v", r.Example, err)
			continue
		}
		if !rows.Next() {
			t.Errorf("%s: no row: %v", r.Example, rows.Err())
		}
		rows.Close()
	}
	if n < 12 {
		t.Errorf("found %d macros", n)
	}
}

// A view that nobody names is not made: its blocks are not opened.
func TestRelationsAreMadeWhenTheyAreNamed(t *testing.T) {
	db := openGolden(t)
	names := func() []string {
		var out []string
		for name := range db.made.done {
			out = append(out, name)
		}
		slices.Sort(out)
		return out
	}
	for _, step := range []struct {
		statement string
		want      string
	}{
		{"SELECT 1", ""},
		{"SELECT count(*) FROM Runs", "runs"},
		{"SELECT count(*) FROM in_flight", "in_flight requests runs"},
		{"SELECT * FROM percentile('itl', 0.5, model)", "bucket_ns cells in_flight ms percentile requests runs"},
	} {
		rows, err := db.Query(t.Context(), step.statement)
		if err != nil {
			t.Fatal(err)
		}
		rows.Close()
		if got := strings.Join(names(), " "); got != step.want {
			t.Errorf("after %s there are %q, want %q", step.statement, got, step.want)
		}
	}
}

// Percentiles from histograms of cells are within 0.5 % of the exact ones over the
// same gaps; those of the tokens are exact to the microsecond. Pooling two runs is
// adding their histograms.
func TestPercentileMacrosAgreeWithQuantiles(t *testing.T) {
	db := openGolden(t)
	for _, p := range []string{"0", "0.01", "0.5", "0.9", "0.99", "1"} {
		got := texts(t, db, `
			WITH exact AS (
				SELECT runtime_version AS key, quantile_disc(gap_ns, `+p+`) / 1e6 AS ms, quantile_cont(gap_ns, `+p+`) / 1e3 AS us, count(*) AS n
				FROM tokens JOIN requests USING (run_id, request_idx) JOIN runs USING (run_id) WHERE status = 'ok' GROUP BY ALL
			)
			SELECT format('{}: {} n {} from cells {} to the us {}', key, `+p+`, e.n = c.n AND e.n = u.n, abs(c.ms / e.ms - 1) <= 0.005, abs(u.us - e.us) <= 1)
			FROM exact e JOIN percentile('itl', `+p+`, runtime_version) c USING (key) JOIN exact_percentiles([`+p+`], runtime_version) u USING (key) ORDER BY key`)
		for i, version := range []string{"0.19.0", "0.20.0"} {
			if want := version + ": " + p + " n true from cells true to the us true"; i >= len(got) || got[i] != want {
				t.Errorf("got %v\nwant %s", got, want)
			}
		}
	}
	for metric, column := range map[string]string{"ttft": "ttft_ns", "e2el": "e2el_ns"} {
		got := texts(t, db, `
			WITH exact AS (
				SELECT count(*) AS n, quantile_disc(`+column+`, 0.5) / 1e6 AS p50, avg(`+column+`) / 1e6 AS mean, min(`+column+`) / 1e6 AS least, max(`+column+`) / 1e6 AS most
				FROM requests WHERE status = 'ok'
			)
			SELECT CAST(abs(p50_ms / p50 - 1) <= 0.005 AND d.n = exact.n AND abs(mean_ms / mean - 1) < 1e-12 AND min_ms = least AND max_ms = most AS VARCHAR)
			FROM distribution('`+metric+`', true) d, exact`)
		if len(got) != 1 || got[0] != "true" {
			t.Errorf("%s: %v", metric, got)
		}
	}
}
