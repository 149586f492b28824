package upkeep

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/columnar"
	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/simulate"
)

// sweep writes simulated logs of a few small runs.
func sweep(t *testing.T, change func(*simulate.Sweep)) string {
	t.Helper()
	s := simulate.DefaultSweep()
	s.Runs, s.Concurrency, s.RequestsPerUser, s.OutputLen = 2, []int{1, 2, 4}, 2, 32
	if change != nil {
		change(&s)
	}
	dir := t.TempDir()
	if err := s.Write(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newLake(t *testing.T) *lake.Lake {
	t.Helper()
	l, err := lake.CreateTemporary(filepath.Join(t.TempDir(), "lake"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func take(t *testing.T, l *lake.Lake, opts ingest.Options, paths ...string) {
	t.Helper()
	in, err := ingest.New(l, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	uploads, _, err := ingest.Find(paths, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads {
		if _, err := in.Ingest(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
}

func compact(t *testing.T, l *lake.Lake, target int64) {
	t.Helper()
	c, err := Plan(t.Context(), l, Options{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// collect removes what nobody reads, as if a day had passed.
func collect(t *testing.T, l *lake.Lake) {
	t.Helper()
	if _, err := l.Collect(t.Context(), time.Now().Add(48*time.Hour), 24*time.Hour, nil); err != nil {
		t.Fatal(err)
	}
}

// rows digests what a reader sees of each run in each table, in order.
func rows(t *testing.T, l *lake.Lake) map[string]string {
	t.Helper()
	seen, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, table := range schemas.Tables() {
		for _, f := range seen.Files(table.Name) {
			b, err := columnar.OpenBlock(l.Path(f.Name), table)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			for _, p := range f.Live() {
				key := table.Name + " " + p.Key
				if out[key] != "" {
					t.Errorf("%s is read twice", key)
				}
				out[key] = digestRows(t, b, p)
			}
		}
	}
	return out
}

func digestRows(t *testing.T, b *columnar.Block, p lake.LivePart) string {
	t.Helper()
	sum := sha256.New()
	err := b.Read(t.Context(), p.From, p.From+p.Rows, func(rec arrow.Record) error {
		_, err := fmt.Fprint(sum, rec)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d rows %x", p.Rows, sum.Sum(nil)[:8])
}

func check(t *testing.T, l *lake.Lake) {
	t.Helper()
	h, err := Check(t.Context(), l, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !h.Whole() || len(h.Orphans) > 0 {
		t.Errorf("faults %v, orphans %v", h.Faults, h.Orphans)
	}
}

func sameRows(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: readers see other rows:\n%v\nwant\n%v", what, got, want)
	}
}

// Whatever is done to a lake, its readers see the same rows of each run, and its
// check finds it whole.
func TestCompactionChangesNoRow(t *testing.T) {
	for _, target := range []int64{DefaultTarget, 4_000} {
		l := newLake(t)
		take(t, l, ingest.Options{}, sweep(t, nil))
		want := rows(t, l)
		compact(t, l, target)
		sameRows(t, "compacted", rows(t, l), want)
		check(t, l)
		c, err := Plan(t.Context(), l, Options{Target: target})
		if err != nil || len(c.Merges()) > 0 {
			t.Errorf("target %d: %d merges are planned in a compacted lake, %v", target, len(c.Merges()), err)
		}
		collect(t, l)
		sameRows(t, "collected", rows(t, l), want)
		check(t, l)

		// More of the same day arrives, and some labels are corrected.
		more := sweep(t, func(s *simulate.Sweep) { s.Seed = 2 })
		take(t, l, ingest.Options{}, more)
		take(t, l, ingest.Options{Relabel: true, Labels: map[string]string{"hardware": "H100"}}, filepath.Join(more, "0.20.0", "c1"))
		want = rows(t, l)
		compact(t, l, target)
		sameRows(t, "compacted again", rows(t, l), want)
		collect(t, l)
		sameRows(t, "collected again", rows(t, l), want)
		check(t, l)
	}
}

// The same runs give the same blocks, whether they are merged from the blocks that
// came with them or from compacted ones.
func TestCompactionIsDeterministic(t *testing.T) {
	logs := sweep(t, nil)
	straight, detour := newLake(t), newLake(t)
	take(t, straight, ingest.Options{}, filepath.Join(logs, "0.19.0"), filepath.Join(logs, "0.20.0"))
	compact(t, straight, 0)
	take(t, detour, ingest.Options{}, filepath.Join(logs, "0.20.0"))
	compact(t, detour, 0)
	collect(t, detour)
	take(t, detour, ingest.Options{}, filepath.Join(logs, "0.19.0"))
	compact(t, detour, 0)
	if a, b := blocks(t, straight), blocks(t, detour); !slices.Equal(a, b) {
		t.Errorf("merged at once: %v\nmerged in two steps: %v", a, b)
	}
}

// However many read for the one who writes, and however their stretches are cut, the
// blocks are the same; of blocks as ingested, and of compacted ones among them.
func TestReadersDoNotChangeBlocks(t *testing.T) {
	logs := sweep(t, nil)
	var want []string
	for _, readers := range []int{1, 2, 3, 16} {
		l := newLake(t)
		for _, version := range []string{"0.20.0", "0.19.0"} {
			take(t, l, ingest.Options{}, filepath.Join(logs, version))
			c, err := Plan(t.Context(), l, Options{Readers: readers})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Run(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			check(t, l)
		}
		got := blocks(t, l)
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d readers made %v\none made %v", readers, got, want)
		}
	}
}

// Parts that lie in one file are read in one go, as many as go into memory, and what
// does not go there is read by the one who writes.
func TestStretchesAreBounded(t *testing.T) {
	table := schemas.RequestsTable.TableInfo
	one := aheadBytes / 8 / int64(len(table.Columns)) // rows that fill a stretch
	old, other := &lake.File{}, &lake.File{}
	part := func(f *lake.File, rows int64) row {
		return row{file: f, part: lake.LivePart{Part: lake.Part{Rows: rows}}}
	}
	var got []string
	for _, st := range stretchesOf([]row{
		part(old, 1), part(old, one/2), part(old, one/2), part(other, one), part(old, one+1), part(old, 1), part(old, 1),
	}, table) {
		got = append(got, fmt.Sprintf("%d %t", len(st.rows), st.large))
	}
	if want := []string{"2 false", "1 false", "1 false", "1 true", "2 false"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A lake that is compacted every night has one large block and a few runs more. Their
// parts come in turns, and each night took the square of what it should: 9 minutes
// and more for 200 runs beside 9,800, where all 10,000 at once took 2. A row group is
// decoded once for the parts that follow each other in it, and a block opened once.
func TestPartsOfABlockAreReadInOneGo(t *testing.T) {
	l := newLake(t)
	logs := sweep(t, nil)
	take(t, l, ingest.Options{}, filepath.Join(logs, "0.20.0"))
	compact(t, l, 0)
	take(t, l, ingest.Options{}, filepath.Join(logs, "0.19.0"))
	c, err := Plan(t.Context(), l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	local, err := l.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	tables := 0
	for _, m := range c.Merges() {
		src := &source{local: local, table: tableOf(m.Table)}
		opened := map[*columnar.Block]bool{}
		for _, r := range m.inside(src.table) {
			if r.file.Compaction == nil {
				continue
			}
			b, err := src.open(r.file)
			if err != nil {
				t.Fatal(err)
			}
			opened[b] = true
		}
		if len(opened) > 1 {
			t.Errorf("%s: one block was opened %d times", m.Table, len(opened))
		}
		tables += len(opened)
		src.close()
	}
	if tables < 4 {
		t.Errorf("%d tables have a compacted block, want runs, requests, tokens and cells", tables)
	}
}

// blocks names the compacted blocks that readers read.
func blocks(t *testing.T, l *lake.Lake) []string {
	t.Helper()
	seen, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, table := range schemas.Tables() {
		for _, f := range seen.Files(table.Name) {
			if f.Compaction == nil {
				t.Errorf("%s is not compacted", f.Name)
			}
			out = append(out, f.Name)
		}
	}
	return out
}

// Runs that are compared lie in the same block: a block holds a stretch of the
// order by model, hardware, version, concurrency.
func TestBlocksHoldRunsThatAreCompared(t *testing.T) {
	l := newLake(t)
	take(t, l, ingest.Options{}, sweep(t, func(s *simulate.Sweep) { s.Runs = 4 }))
	seen, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	version := map[string]string{}
	for _, m := range seen.Manifests {
		version[m.RunID] = m.Values["runtime_version"]
	}
	compact(t, l, 1_500) // a few runs
	if seen, err = l.Snapshot(); err != nil {
		t.Fatal(err)
	}
	files := seen.Files(schemas.TokensTable.Name)
	if len(files) < 2 {
		t.Fatalf("%d files", len(files))
	}
	mixed := 0
	for _, f := range files {
		versions := map[string]bool{}
		for _, p := range f.Live() {
			versions[version[p.Key]] = true
		}
		if len(versions) > 1 {
			mixed++
		}
	}
	if mixed > 1 {
		t.Errorf("%d of %d blocks hold both versions", mixed, len(files))
	}
}

// Two processes may compact at the same time, and a third ingest.
func TestRacingCompactions(t *testing.T) {
	l := newLake(t)
	logs := sweep(t, nil)
	take(t, l, ingest.Options{}, filepath.Join(logs, "0.19.0"))
	stale, err := Plan(t.Context(), l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	take(t, l, ingest.Options{}, filepath.Join(logs, "0.20.0"))
	want := rows(t, l)
	fresh, err := Plan(t.Context(), l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	same, err := Plan(t.Context(), l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, c := range []*Compactor{stale, fresh, same} {
		wg.Go(func() {
			if err := c.Run(t.Context(), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sameRows(t, "raced", rows(t, l), want)
	check(t, l)
	collect(t, l)
	sameRows(t, "collected", rows(t, l), want)
	check(t, l)
}

func TestCompactionCanBeCancelled(t *testing.T) {
	l := newLake(t)
	take(t, l, ingest.Options{}, sweep(t, nil))
	want := rows(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Plan(ctx, l, Options{Progress: func(int64) { cancel() }})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	sameRows(t, "cancelled", rows(t, l), want)
	check(t, l)
	if _, err := Check(ctx, l, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled check: %v", err)
	}
}

// Everything that a lake keeps can be damaged or lost, and check finds it.
func TestCheckFindsEveryFault(t *testing.T) {
	logs := sweep(t, func(s *simulate.Sweep) { s.Runs, s.Concurrency, s.Versions = 1, []int{1, 2}, []string{"0.19.0"} })
	for _, c := range []struct{ name, folder, what, want string }{
		{"flip", "blocks", lake.Damaged, "its digest is"},
		{"cut", "blocks", lake.Damaged, "bytes, not"},
		{"remove", "blocks/v1/tokens", lake.Missing, "a block of a run that readers see"},
		{"flip", "raw", lake.Damaged, ""},
		{"remove", "raw", lake.Missing, "a kept upload"},
		{"cut", "receipts", lake.Damaged, ""},
		{"remove", "manifests", lake.Missing, "the manifest of a run"},
		{"cut", "manifests", lake.Damaged, ""},
		{"cut", "compactions", lake.Damaged, ""},
	} {
		l := newLake(t)
		take(t, l, ingest.Options{}, logs)
		if c.folder == "compactions" {
			compact(t, l, 0)
		}
		victim := damage(t, l, c.name, c.folder)
		h, err := Check(t.Context(), l, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(h.Faults, func(f lake.Fault) bool {
			return f.Name == victim && f.What == c.what && strings.Contains(f.Why, c.want)
		})
		if !found {
			t.Errorf("%s %s: faults are %+v, want %s %s", c.name, victim, h.Faults, c.what, c.want)
		}
	}
}

// damage harms the first file of a folder of the lake, and returns its name.
func damage(t *testing.T, l *lake.Lake, how, folder string) string {
	t.Helper()
	var victim string
	err := filepath.WalkDir(l.Path(folder), func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && victim == "" {
			victim = p
		}
		return err
	})
	if err != nil || victim == "" {
		t.Fatal("nothing to damage: ", err)
	}
	text, err := os.ReadFile(victim)
	if err != nil {
		t.Fatal(err)
	}
	switch how {
	case "flip":
		text = bytes.Clone(text)
		text[len(text)/2] ^= 1
		err = os.WriteFile(victim, text, 0o666)
	case "cut":
		err = os.WriteFile(victim, text[:len(text)/2], 0o666)
	case "remove":
		err = os.Remove(victim)
	}
	if err != nil {
		t.Fatal(err)
	}
	name, err := filepath.Rel(l.Dir(), victim)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.ToSlash(name)
}

// A compacted block whose digest is right can still be described wrongly, by a
// compaction that credits one run's rows to another.
func TestCheckCountsTheRowsOfEachRun(t *testing.T) {
	l := newLake(t)
	take(t, l, ingest.Options{}, sweep(t, nil))
	compact(t, l, 0)
	cs, err := l.Compactions()
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Begin()
	if err != nil {
		t.Fatal(err)
	}
	wrong := *cs[0]
	wrong.Parts = slices.Clone(wrong.Parts)
	wrong.Parts[0].Key, wrong.Parts[1].Key = wrong.Parts[1].Key, wrong.Parts[0].Key
	if err := os.Remove(l.Path(cs[0].Name())); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PublishCompaction(&wrong); err != nil {
		t.Fatal(err)
	}
	s.Close()
	h, err := Check(t.Context(), l, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Faults) != 1 || !strings.Contains(h.Faults[0].Why, "stands among those of") {
		t.Errorf("faults: %+v", h.Faults)
	}
}

// The rows of a run may lie across row groups, and a run may have none.
func TestPartsAreCounted(t *testing.T) {
	of := []lake.Part{{Key: "a", Rows: 3}, {Key: "b"}, {Key: "b", Rows: 1}, {Key: "b", Rows: 1}, {Key: "c"}}
	for _, c := range []struct {
		rows string
		want string
	}{
		{"aaabb", ""},
		{"aa", "less than the 3 rows of a"},
		{"aaab", "less than the 1 rows of b"},
		{"aab", "a row of b stands among those of a"},
		{"aaaab", "a row of a stands among those of b"},
		{"aaabbb", "more rows than its 5 runs"},
	} {
		for _, apart := range []bool{false, true} {
			p := &parts{of: of}
			var err error
			for i := 0; i < len(c.rows) && err == nil; {
				n := 1
				for !apart && i+n < len(c.rows) && c.rows[i+n] == c.rows[i] {
					n++
				}
				err = p.see(c.rows[i:i+1], int64(n))
				i += n
			}
			if err == nil {
				err = p.whole()
			}
			if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, c.want) {
				t.Errorf("%s (row by row: %t): %v, want %q", c.rows, apart, err, c.want)
			}
		}
	}
}

func TestCheckListsOrphansAsNoFault(t *testing.T) {
	l := newLake(t)
	take(t, l, ingest.Options{}, sweep(t, nil))
	s, err := l.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{lake.BlockName("tokens", "unknown", strings.Repeat("e", 64)), lake.RawName(lakeOfNothing)} {
		if _, err := s.Put(name, emptyZstd); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	h, err := Check(t.Context(), l, nil, nil)
	if err != nil || !h.Whole() || len(h.Orphans) != 2 {
		t.Errorf("faults %v, orphans %v, %v", h.Faults, h.Orphans, err)
	}
}

// An upload of no bytes: its digest, and its compressed form.
const lakeOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

var emptyZstd = []byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x00, 0x01, 0x00, 0x00, 0x99, 0xe9, 0xd8, 0x51}
