package analyze

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/columnar"
	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/schematest"
	"github.com/servestat/servestat/schemas/simulate"
)

// A laken is a lake that tests put simulated runs into.
type laken struct {
	t *testing.T
	*lake.Lake
	session *lake.Session
}

func newLake(t *testing.T) laken {
	t.Helper()
	l, err := lake.CreateTemporary(filepath.Join(t.TempDir(), "lake"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return laken{t, l, s}
}

// sweep adds a sweep of six levels of one version, on a number of server starts.
func (l laken) sweep(version string, starts int) {
	l.t.Helper()
	for start := range starts {
		for _, level := range []int{1, 2, 4, 8, 16, 32} {
			l.add(version, start, level)
		}
	}
}

// add puts one run into the lake.
func (l laken) add(version string, start, level int) {
	l.t.Helper()
	trace, err := simulate.Run(simulate.Config{
		Requests: 8 * level, Concurrency: level, InputLen: 64, OutputLen: 32, ITLBase: 10 * time.Millisecond, ITLSlope: 400 * time.Microsecond,
		TTFTBase: 40 * time.Millisecond, Slowdown: 1 + 0.01*float64(start), GapJitter: 0.02, Seed: uint64(100*start + level), WorkloadSeed: 7,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	id := fmt.Sprintf("%s-%d-%d", version, start, level)
	run := &schemas.Run{
		ID: id, UploadSHA256: id, ContentDigest: id, SourceName: id, ParserVersion: "test", Producer: "test", Dialect: "test", Bench: "serve", Detailed: true,
		GapKind: schemas.ChunkGaps, Model: schemas.Some("m"), Hardware: schemas.Some("h"), RuntimeVersion: schemas.Some(version),
		ServerStart: schemas.Some(fmt.Sprint(version, " start ", start)), MaxConcurrency: schemas.Some(int64(level)),
		DurationNS: schemas.Some(int64(trace.Duration)), Requests: schemas.Some(int64(len(trace.Requests))),
		Completed: schemas.Some(int64(len(trace.Requests))), NumPrompts: schemas.Some(int64(len(trace.Requests))),
	}
	var requests []*schemas.RequestRow
	itl := schemas.NewCell(id, "itl")
	var tokens bytes.Buffer
	w, err := columnar.NewTokensWriter(&tokens, itl)
	if err != nil {
		l.t.Fatal(err)
	}
	for i, r := range trace.Requests {
		gaps := make([]int64, len(r.Gaps))
		e2el := int64(r.TTFT)
		for k, g := range r.Gaps {
			gaps[k] = int64(g)
			e2el += int64(g)
		}
		if err := w.Append(&schemas.Gaps{Request: i, FirstChunk: 1, Nanos: gaps}); err != nil {
			l.t.Fatal(err)
		}
		requests = append(requests, &schemas.RequestRow{RunID: id, Request: &schemas.Request{
			Index: i, Status: schemas.StatusOK, Start: schemas.Some(int64(r.Start)), TTFT: schemas.Some(int64(r.TTFT)), E2EL: schemas.Some(e2el),
			InputTokens: schemas.Some(int64(r.InputTokens)), OutputTokens: schemas.Some(int64(r.OutputTokens)), Chunks: schemas.Some(int64(len(r.Gaps) + 1)),
		}})
	}
	if _, err := w.Close(id); err != nil {
		l.t.Fatal(err)
	}
	m := &lake.Manifest{RunID: id, ContentDigest: id, Identity: "i", Blocks: []lake.Block{
		l.block("tokens", tokens.Bytes()), blockOf(l, schemas.RequestsTable, slices.Values(requests)),
		blockOf(l, schemas.CellsTable, slices.Values([]*schemas.Cell{itl})), blockOf(l, schemas.RunsTable, slices.Values([]*schemas.Run{run})),
	}}
	if _, err := l.session.Commit(m); err != nil {
		l.t.Fatal(err)
	}
}

func blockOf[T any](l laken, t *schemas.Table[T], rows iter.Seq[*T]) lake.Block {
	l.t.Helper()
	var b bytes.Buffer
	if _, err := columnar.WriteTable(&b, t, rows); err != nil {
		l.t.Fatal(err)
	}
	return l.block(t.Name, b.Bytes())
}

func (l laken) block(table string, data []byte) lake.Block {
	l.t.Helper()
	blob, err := l.session.Create()
	if err != nil {
		l.t.Fatal(err)
	}
	defer blob.Discard()
	if _, err := blob.Write(data); err != nil {
		l.t.Fatal(err)
	}
	b := lake.Block{Table: table, Name: lake.BlockName(table, "unknown", blob.SHA256()), SHA256: blob.SHA256(), Bytes: blob.Size()}
	if _, err := blob.Publish(b.Name); err != nil {
		l.t.Fatal(err)
	}
	return b
}

func (l laken) open() *query.DB {
	l.t.Helper()
	db, err := query.Open(l.t.Context(), l.Lake)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { db.Close() })
	return db
}

func (l laken) update(ctx context.Context, opts UpdateOptions) (Updated, error) {
	return Update(ctx, l.Lake, l.open(), opts)
}

func (l laken) lines(statement string) []string {
	l.t.Helper()
	rows, err := l.open().Query(l.t.Context(), statement)
	if err != nil {
		l.t.Fatalf("%s: %v", statement, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			l.t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		l.t.Fatal(err)
	}
	return out
}

// files are the names of all results, and so their digests.
func (l laken) files() string {
	l.t.Helper()
	var names []string
	for _, pattern := range []string{"results/v1/*/*", "analyses/v1/*"} {
		found, err := filepath.Glob(l.Path(pattern))
		if err != nil {
			l.t.Fatal(err)
		}
		for _, f := range found {
			names = append(names, strings.TrimPrefix(f, l.Dir()))
		}
	}
	return strings.Join(names, "\n")
}

// Results of unchanged runs are found by the version of the code that made them.
// If this golden changes, so did what the same runs give: schemas.SeriesAnalysis
// has to get another version, or lakes would keep showing what older code said.
func TestResultsOfOneVersionOfTheCodeAreTheSame(t *testing.T) {
	l := newLake(t)
	l.sweep("1.0", 3)
	if _, err := l.update(t.Context(), UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	fmt.Fprintf(&got, "%s %s\n", schemas.SeriesAnalysis.Name, schemas.SeriesAnalysis.Version)
	for _, statement := range []string{
		`SELECT concat_ws(' | ', metric, kind, curve, name, max_concurrency, format('{:.4g}', concurrency), format('{:.4g}', value), format('{:.3g} {:.3g}', lo, hi),
			n, chosen, format('{:.4g} {:.2g}', aicc, leave_out), text, warnings, run_window, starts) FROM curves
		 WHERE kind <> 'band' OR concurrency = 1 ORDER BY metric, kind, name, curve, max_concurrency`,
		`SELECT concat_ws(' | ', check_name, verdict, min(message), count(*)) FROM findings GROUP BY check_name, verdict ORDER BY ALL`,
	} {
		got.WriteString(strings.Join(l.lines(statement), "\n") + "\n")
	}
	const golden = "testdata/results.golden.txt"
	if before, err := os.ReadFile(golden); err == nil && schematest.Update() && string(before) != got.String() {
		if first, _, _ := strings.Cut(string(before), "\n"); strings.HasPrefix(got.String(), first+"\n") {
			t.Fatal("the same runs give other results: change the version of schemas.SeriesAnalysis, then update")
		}
	}
	schematest.Golden(t, golden, []byte(got.String()))
}

// An Update that is interrupted after every unit, and begun again, ends in the
// bytes of one that is not.
func TestInterruptedUpdateIsCompletedByTheNext(t *testing.T) {
	const units = 6 // three series, two comparisons, one history
	whole, pieces := newLake(t), newLake(t)
	for _, l := range []laken{whole, pieces} {
		for _, version := range []string{"1.0", "1.1", "1.2"} {
			l.add(version, 0, 4)
		}
	}
	if u, err := whole.update(t.Context(), UpdateOptions{}); err != nil || u != (Updated{Units: units, Computed: units}) {
		t.Fatalf("%+v, %v", u, err)
	}
	for round := range units {
		ctx, cancel := context.WithCancel(t.Context())
		u, err := pieces.update(ctx, UpdateOptions{Progress: func(int, int) { cancel() }})
		if last := round == units-1; (err == nil) != last || u != (Updated{Units: units, Reused: round, Computed: 1}) {
			t.Errorf("round %d: %+v, %v", round, u, err)
		}
		cancel()
	}
	if a, b := whole.files(), pieces.files(); a != b || a == "" {
		t.Errorf("uninterrupted\n%s\ninterrupted\n%s", a, b)
	}
}

// Results of comparisons and histories are published in the same way. Those of two
// series are current as long as no run joins either; those of a model's history,
// whatever the version, until any run of it comes.
func TestResultsAreShownWhileTheyAreOfAllTheirRuns(t *testing.T) {
	l := newLake(t)
	l.add("1.0", 0, 4)
	l.add("1.1", 0, 4)
	l.add("2.0", 0, 4)
	text := func(s string) *string { return &s }
	of := func(version string) lake.Subject {
		return lake.Subject{"model": text("m"), "hardware": text("h"), "path_label": nil, "runtime_version": text(version)}
	}
	input := func(version string) string { return "manifests/v1/" + version + "-0-4-i-r0.json" }
	verdicts := lake.Analysis{Kind: "comparison", Version: schemas.ComparisonAnalysis.Version, Of: []lake.Subject{of("1.0"), of("1.1")}, Inputs: []string{input("1.0"), input("1.1")}}
	history := lake.Analysis{Kind: "history", Version: schemas.HistoryAnalysis.Version,
		Of: []lake.Subject{{"model": text("m"), "hardware": text("h"), "path_label": nil}}, Inputs: []string{input("1.0"), input("1.1"), input("2.0")}}
	other := verdicts
	other.Version = "of older code"
	elsewhere := verdicts
	elsewhere.Inputs = []string{input("1.0"), input("0.9")}
	for _, a := range []*lake.Analysis{&verdicts, &other, &elsewhere} {
		row := &schemas.VerdictRow{Analysis: a.Key(), Baseline: "1.0", Candidate: "1.1", Metric: "itl", Statistic: "mean"}
		commitRows(l, a, schemas.VerdictsTable, row)
	}
	commitRows(l, &history, schemas.ChangePointsTable, &schemas.ChangePointRow{Analysis: history.Key(), Metric: "itl", Statistic: "mean", Kind: "shift"})

	const shown = "SELECT format('{} verdicts, {} changepoints', (SELECT count(*) FROM verdicts), (SELECT count(*) FROM changepoints))"
	for _, c := range []struct {
		then func()
		want string
	}{
		{func() {}, "1 verdicts, 1 changepoints"},
		{func() { l.add("2.1", 0, 4) }, "1 verdicts, 0 changepoints"},
		{func() { l.add("1.1", 1, 4) }, "0 verdicts, 0 changepoints"},
	} {
		c.then()
		if got := l.lines(shown)[0]; got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func commitRows[T any](l laken, a *lake.Analysis, table *schemas.Table[T], rows ...*T) {
	l.t.Helper()
	if err := publishRows(l.session, a, table, rows); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.session.CommitAnalysis(a); err != nil {
		l.t.Fatal(err)
	}
}

// Two processes that analyse the same lake at once do no harm to each other.
func TestTwoUpdatesAtOnceEndInTheSameBytes(t *testing.T) {
	alone, together := newLake(t), newLake(t)
	for _, l := range []laken{alone, together} {
		l.add("1.0", 0, 4)
		l.add("1.1", 0, 4)
	}
	if _, err := alone.update(t.Context(), UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 2 {
		db := together.open()
		go func() {
			_, err := Update(t.Context(), together.Lake, db, UpdateOptions{})
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if a, b := alone.files(), together.files(); a != b {
		t.Errorf("alone\n%s\ntogether\n%s", a, b)
	}
}
