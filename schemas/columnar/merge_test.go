package columnar

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/servestat/servestat/schemas"
)

// blockOf writes rows as a block of its own and opens it.
func blockOf(t *testing.T, write func(w io.Writer) error) *Block {
	t.Helper()
	return blockOfTable(t, schemas.RequestsTable.TableInfo, write)
}

func blockOfTable(t *testing.T, table schemas.TableInfo, write func(w io.Writer) error) *Block {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "block.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	if err := write(struct{ io.Writer }{f}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := OpenBlock(f.Name(), table)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func textOf(t *testing.T, b *Block, from, to int64) string {
	t.Helper()
	var out strings.Builder
	err := b.Read(t.Context(), from, to, func(rec arrow.Record) error {
		ttft, status := rec.Column(3), rec.Column(8)
		for row := range int(rec.NumRows()) {
			fmt.Fprintf(&out, "%v %v\n", ttft.ValueStr(row), status.ValueStr(row))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The reader of this Arrow version forgets where it was in a page of a nullable
// delta-encoded column between two batches. Blocks of many small runs have such
// pages; those of single runs seldom do, so that only check on a lake of 10,000 runs
// found it.
func TestNullableColumnsAreReadAcrossBatches(t *testing.T) {
	const n = 3*batchRows + 7
	single := blockOf(t, func(w io.Writer) error {
		_, err := WriteTable(w, schemas.RequestsTable, requests(n))
		return err
	})
	var want strings.Builder
	for r := range requests(n) {
		if r.TTFT.OK {
			fmt.Fprintf(&want, "%d %s\n", r.TTFT.V, r.Status)
		} else {
			fmt.Fprintf(&want, "(null) %s\n", r.Status)
		}
	}
	if got := textOf(t, single, 0, n); got != want.String() {
		t.Error("the rows of a block are not those that were written")
	}
	merged := blockOf(t, func(out io.Writer) error {
		w, err := NewMergeWriter(out, schemas.RequestsTable.TableInfo)
		if err != nil {
			return err
		}
		for range 2 { // the second across row groups
			if err := single.Read(t.Context(), 0, n, w.Append); err != nil {
				return err
			}
		}
		rows, err := w.Close()
		if rows != 2*n {
			t.Errorf("%d rows merged, want %d", rows, 2*n)
		}
		return err
	})
	if got := textOf(t, merged, n, 2*n); got != want.String() {
		t.Error("the rows of a merged block are not those that were merged")
	}
	if err := merged.Verify(t.Context(), "run_id", func(string, int64) error { return nil }); err != nil {
		t.Error(err)
	}
	if err := merged.Read(t.Context(), n, 2*n+1, func(arrow.Record) error { return nil }); err == nil {
		t.Error("a row after the last was read")
	}
}

// Dozens of small runs lie in one row group, which is decoded once for those of them
// that are read one after the other.
func TestARowGroupIsDecodedOnce(t *testing.T) {
	b := blockOf(t, func(w io.Writer) error {
		_, err := WriteTable(w, schemas.RequestsTable, requests(100))
		return err
	})
	seen := map[*memory.Buffer]bool{}
	for from := range int64(100) {
		err := b.Read(t.Context(), from, from+1, func(rec arrow.Record) error {
			seen[rec.Column(3).Data().Buffers()[1]] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 1 {
		t.Errorf("one row group was decoded %d times", len(seen))
	}
}
