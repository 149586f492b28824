package columnar

import (
	"bytes"
	"iter"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/servestat/servestat/schemas"
)

func requests(n int) iter.Seq[*schemas.RequestRow] {
	return func(yield func(*schemas.RequestRow) bool) {
		for i := range n {
			r := &schemas.Request{Index: i, Status: schemas.StatusOK, TTFT: schemas.Some(int64(1000 * i))}
			if i%3 == 0 {
				r = &schemas.Request{Index: i, Status: schemas.StatusFailed, Error: schemas.Some("boom")}
			}
			if !yield(&schemas.RequestRow{RunID: "r", Request: r}) {
				return
			}
		}
	}
}

func TestSameRowsSameBytes(t *testing.T) {
	var a, b bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		n, err := WriteTable(w, schemas.RequestsTable, requests(3*batchRows+7))
		if err != nil || n != 3*batchRows+7 {
			t.Fatal(n, err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same rows gave different bytes")
	}
}

func TestFieldIDsAndCountsAreInTheFile(t *testing.T) {
	var buf bytes.Buffer
	if _, err := WriteTable(&buf, schemas.RequestsTable, requests(10)); err != nil {
		t.Fatal(err)
	}
	r, err := file.NewParquetReader(bytes.NewReader(buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range schemas.RequestsTable.Columns {
		node := r.MetaData().Schema.Root().Field(i)
		if node.Name() != c.Name || node.FieldID() != c.ID {
			t.Errorf("column %d is %s with field id %d, want %s with %d", i, node.Name(), node.FieldID(), c.Name, c.ID)
		}
	}
	if r.NumRows() != 10 {
		t.Errorf("%d rows, want 10", r.NumRows())
	}
}

// Gaps wider than 32 bits of nanoseconds (4.3 s: a stalled stream) must survive
// the delta encoding, which on INT32 columns of this Arrow version they would not.
func TestTokensRoundTrip(t *testing.T) {
	var buf bytes.Buffer
	itl := schemas.NewCell("run", "itl")
	w, err := NewTokensWriter(&buf, itl)
	if err != nil {
		t.Fatal(err)
	}
	want := []int64{14_000_000, 0, 9_000_000_000, 1, 307_368_883_741}
	for req := range 3 {
		for i := range 30_000 { // crosses the batch size
			g := &schemas.Gaps{Request: req, FirstChunk: 1 + i*len(want), Nanos: want}
			if err := w.Append(g); err != nil {
				t.Fatal(err)
			}
		}
	}
	rows, err := w.Close("run")
	if err != nil || rows != 3*30_000*5 || itl.Count != rows {
		t.Fatal(rows, itl.Count, err)
	}
	got := readGaps(t, buf.Bytes())
	if int64(len(got)) != rows {
		t.Fatalf("read %d gaps, wrote %d", len(got), rows)
	}
	for i := 0; i < len(got); i += len(want) {
		if !slices.Equal(got[i:i+len(want)], want) {
			t.Fatalf("gaps %d.. are %v, want %v", i, got[i:i+len(want)], want)
		}
	}
	if perToken := float64(buf.Len()) / float64(rows); perToken > 8 {
		t.Errorf("%.2f bytes a token: run_id or the indices are not folded away", perToken)
	}
}

func readGaps(t *testing.T, data []byte) []int64 {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	fr, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tbl, err := fr.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tbl.Release()
	var out []int64
	for _, chunk := range tbl.Column(3).Data().Chunks() {
		out = append(out, chunk.(interface{ Int64Values() []int64 }).Int64Values()...)
	}
	return out
}
