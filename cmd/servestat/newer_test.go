package main

import (
	"bytes"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/servestat/servestat/ingest/upkeep"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/columnar"
	"github.com/servestat/servestat/schemas/lake"
)

// lakes are those that servestat of their days wrote.
const lakes = "../../analyze/query/testdata/lakes"

// servestatHere runs the command in this process.
func servestatHere(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &talk)
	return code, out.String(), talk.String()
}

// golden is a copy of the lake that has rows in all tables but one. Results of an
// earlier version's analyses are not current: there are those of this one besides.
func golden(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "lake")
	copyTree(t, lakes+"/2026-11-23-results", dir)
	if code, _, talk := servestatHere(t, "analyze", "--quiet", "--lake", dir); code != 0 {
		t.Fatal(talk)
	}
	return dir
}

// What an earlier servestat wrote is whole to this one, too: every digest, value and
// name. The first of the lakes is kept without its uploads.
func TestLakesOfEarlierVersionsAreWhole(t *testing.T) {
	folders, err := filepath.Glob(lakes + "/*")
	if err != nil || len(folders) < 3 {
		t.Fatal(folders, err)
	}
	for _, folder := range folders {
		dir := filepath.Join(t.TempDir(), "lake")
		copyTree(t, folder, dir)
		code, out, talk := servestatHere(t, "lake", "check", "--no-progress", "--lake", dir)
		faults := strings.Count(out, "missing  ") + strings.Count(out, "damaged  ")
		if filepath.Base(folder) == "2026-11-22" {
			faults -= strings.Count(out, "missing  raw/")
		} else if code != 0 {
			faults++
		}
		if faults > 0 || !strings.Contains(out, "4 runs") {
			t.Errorf("%s: exit code %d\n%s%s", folder, code, out, talk)
		}
	}
}

// Each file of a lake says which schema it has. One of a newer number is refused by
// name with the advice to upgrade, whatever is asked for. A checkpoint only repeats:
// without it, everything is there.
func TestLakesOfNewerSchemasAreRefused(t *testing.T) {
	for _, c := range []struct{ folder, schema string }{
		{"manifests/v1", "servestat.manifest/1"},
		{"compactions/v1", "servestat.compaction/1"}, // of the lake once it is compacted
		{"analyses/v1", "servestat.analysis/1"},
	} {
		dir := golden(t)
		if code, _, talk := servestatHere(t, "lake", "compact", "--quiet", "--lake", dir); code != 0 {
			t.Fatal(talk)
		}
		name := newerSchema(t, dir, c.folder, c.schema)
		code, _, talk := servestatHere(t, "sql", "--lake", dir, "select count(*) from verdicts join runs on true")
		if code != exitFailed || !strings.Contains(talk, filepath.Base(name)) || !strings.Contains(talk, "upgrade servestat") {
			t.Errorf("%s: sql ends with %d: %s", c.schema, code, talk)
		}
	}
	dir := golden(t)
	newerSchema(t, dir, "receipts/v1", "servestat.receipt/1")
	if code, _, talk := servestatHere(t, "rejects", "--lake", dir); code != exitFailed || !strings.Contains(talk, "upgrade servestat") {
		t.Errorf("rejects ends with %d: %s", code, talk)
	}

	t.Run("checkpoint", func(t *testing.T) {
		dir := golden(t)
		at := filepath.Join(dir, "checkpoints/v1/"+strings.Repeat("0", 64)+".json")
		writeText(t, at, `{"schema":"servestat.checkpoint/2","manifests":[]}`)
		if code, out, talk := servestatHere(t, "sql", "--lake", dir, "--format", "csv", "select count(*) from runs"); code != 0 || !strings.HasSuffix(out, "\n4\n") {
			t.Errorf("a newer checkpoint: exit code %d, %s%s", code, out, talk)
		}
	})
	t.Run("requirement", func(t *testing.T) {
		dir := golden(t)
		writeText(t, filepath.Join(dir, "manifests/v1/requires-sharding.json"), `{"schema":"servestat.requires/1","feature":"sharding"}`)
		for _, args := range [][]string{{"sql", "select 1"}, {"lake", "check"}, {"lake", "compact"}, {"lake", "gc"}, {"audit"}} {
			code, _, talk := servestatHere(t, append(args, "--lake", dir)...)
			if code != exitFailed || !strings.Contains(talk, `the lake uses "sharding", which this servestat does not know: upgrade servestat`) {
				t.Errorf("%v of a lake that requires more: exit code %d, %s", args, code, talk)
			}
		}
	})
	t.Run("lake", func(t *testing.T) {
		dir := golden(t)
		writeText(t, filepath.Join(dir, "lake.json"), `{"format":"servestat.lake","version":2}`)
		if code, _, talk := servestatHere(t, "sql", "--lake", dir, "select 1"); code != exitFailed || !strings.Contains(talk, "lake version 2 is newer than this servestat") {
			t.Errorf("a newer lake: exit code %d, %s", code, talk)
		}
	})
}

// newerSchema gives the first file of a folder the next schema.
func newerSchema(t *testing.T, dir, folder, schema string) (name string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, folder, "*.json"))
	files = slices.DeleteFunc(files, func(f string) bool { return strings.Contains(f, "requires-") })
	if err != nil || len(files) == 0 {
		t.Fatal(folder, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	next := strings.TrimSuffix(schema, "1") + "2"
	if !bytes.Contains(text, []byte(schema)) {
		t.Fatalf("%s is no %s", files[0], schema)
	}
	writeText(t, files[0], strings.Replace(string(text), schema, next, 1))
	return files[0]
}

// Columns are only ever added. A block with one that this version does not know is
// read without it in every table; it is no fault; and it is not merged, because the
// column would be lost.
func TestColumnsOfNewerVersions(t *testing.T) {
	for _, table := range schemas.Tables() {
		dir := golden(t)
		l, err := lake.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		name := widen(t, l, table)
		if name == "" {
			if table.Name != schemas.ChangePointsTable.Name { // nothing changed
				t.Errorf("the lake has no block of %s", table.Name)
			}
			continue
		}
		code, out, talk := servestatHere(t, "sql", "--lake", dir, "--format", "csv", "select count(*) > 0 as n, count(COLUMNS(*)) from "+table.Name)
		if code != 0 || strings.Contains(out, "novelty") || !strings.Contains(out, "true") {
			t.Errorf("%s: sql ends with %d: %s%s", table.Name, code, out, talk)
		}
		if _, err := columnar.OpenBlock(l.Path(name), table); !errors.Is(err, columnar.ErrUnknownColumn) {
			t.Errorf("%s: opened to be merged: %v", table.Name, err)
		}
		h, err := upkeep.Check(t.Context(), l, nil, nil)
		if err != nil || !h.Whole() {
			t.Errorf("%s: %v, %+v", table.Name, err, h.Faults)
		}
	}
}

// widen replaces a block of a table by one with another column.
func widen(t *testing.T, l *lake.Lake, table schemas.TableInfo) (name string) {
	t.Helper()
	s, err := l.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ms, err := l.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	of := func(b lake.Block) bool { return b.Table == table.Name }
	for _, m := range lake.Effective(ms) {
		if i := slices.IndexFunc(m.Blocks, of); i >= 0 {
			next := *m
			next.Revision++
			next.Blocks = slices.Clone(m.Blocks)
			next.Blocks[i] = wider(t, l, s, m.Blocks[i], table)
			if _, err := s.Commit(&next); err != nil {
				t.Fatal(err)
			}
			return next.Blocks[i].Name
		}
	}
	all, err := l.Analyses()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all { // of which some are current
		i := slices.IndexFunc(a.Blocks, of)
		if i < 0 {
			continue
		}
		a.Blocks[i] = wider(t, l, s, a.Blocks[i], table)
		if err := os.Remove(l.Path(a.Name())); err != nil {
			t.Fatal(err)
		}
		if _, err := s.CommitAnalysis(a); err != nil {
			t.Fatal(err)
		}
		name = a.Blocks[i].Name
	}
	return name
}

// wider publishes a block with the rows of another, and a column more.
func wider(t *testing.T, l *lake.Lake, s *lake.Session, of lake.Block, table schemas.TableInfo) lake.Block {
	t.Helper()
	wide := table
	wide.Columns = append(slices.Clone(table.Columns), schemas.Column{ID: 999, Name: "novelty", Type: schemas.Int64})
	b, err := columnar.OpenBlock(l.Path(of.Name), table)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	blob, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Discard()
	w, err := columnar.NewMergeWriter(blob, wide)
	if err != nil {
		t.Fatal(err)
	}
	err = b.Read(t.Context(), 0, b.Rows(), func(rec arrow.Record) error {
		more := array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64, int(rec.NumRows()))
		return w.Append(array.NewRecord(wide.Arrow(), append(slices.Clone(rec.Columns()), more), rec.NumRows()))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	name := path.Join(path.Dir(of.Name), blob.SHA256()+".parquet")
	if _, err := blob.Publish(name); err != nil {
		t.Fatal(err)
	}
	return lake.Block{Table: of.Table, Name: name, SHA256: blob.SHA256(), Bytes: blob.Size(), Rows: of.Rows}
}

// A table that this version does not know is left alone: its blocks are verified by
// their digest, nothing removes them, and the rest of the lake is as it was.
func TestTablesOfNewerVersions(t *testing.T) {
	dir := golden(t)
	l, err := lake.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Begin()
	if err != nil {
		t.Fatal(err)
	}
	ms, err := l.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	blob, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blob.Write([]byte("a format of its own")); err != nil {
		t.Fatal(err)
	}
	next := *ms[0]
	next.Revision++
	unknown := lake.Block{Table: "prices", Name: lake.BlockName("prices", "2026-11-16", blob.SHA256()), SHA256: blob.SHA256(), Bytes: blob.Size(), Rows: 1}
	next.Blocks = append(slices.Clone(next.Blocks), unknown)
	if _, err := blob.Publish(unknown.Name); err != nil {
		t.Fatal(err)
	}
	blob.Discard()
	if _, err := s.Commit(&next); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, args := range [][]string{{"lake", "check"}, {"lake", "compact"}, {"lake", "gc", "--grace", "0s"}, {"lake", "check"}} {
		if code, out, talk := servestatHere(t, append(args, "--lake", dir)...); code != 0 {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, talk)
		}
	}
	if ok, err := l.Has(unknown.Name); !ok || err != nil {
		t.Errorf("the block of a table that is not known is gone: %v", err)
	}
	if code, out, talk := servestatHere(t, "sql", "--lake", dir, "--format", "csv", "select count(*) from runs"); code != 0 || !strings.HasSuffix(out, "\n4\n") {
		t.Errorf("exit code %d, %s%s", code, out, talk)
	}
	if code, _, talk := servestatHere(t, "sql", "--lake", dir, "select * from prices"); code != exitFailed || !strings.Contains(talk, "prices") {
		t.Errorf("exit code %d, %s", code, talk)
	}
}
