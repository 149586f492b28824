package table

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/servestat/servestat/schemas/schematest"
)

// readArrow reads a stream with another implementation's eyes: only its reader.
func readArrow(t *testing.T, data []byte) arrow.Table {
	t.Helper()
	r, err := ipc.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	var records []arrow.Record
	for r.Next() {
		rec := r.Record()
		rec.Retain()
		records = append(records, rec)
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return array.NewTableFromRecords(r.Schema(), records)
}

func readParquet(t *testing.T, data []byte) arrow.Table {
	t.Helper()
	f, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tbl, err := r.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return tbl
}

// describe prints a table: a line a column, its type and its values.
func describe(tbl arrow.Table) []byte {
	var b bytes.Buffer
	for i := range int(tbl.NumCols()) {
		c := tbl.Column(i)
		fmt.Fprintf(&b, "%s %s:", c.Name(), c.DataType())
		for _, chunk := range c.Data().Chunks() {
			for k := range chunk.Len() {
				fmt.Fprintf(&b, " %s", chunk.ValueStr(k))
				if k < chunk.Len()-1 {
					b.WriteString(";")
				}
			}
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// Every type comes back from a file and from a stream as it went in, with the
// types that the package comment promises; both read the same.
func TestRoundTrip(t *testing.T) {
	fromArrow := describe(readArrow(t, render(t, everyType(), Arrow, Options{})))
	schematest.Golden(t, "testdata/every_type.columns.txt", fromArrow)
	fromParquet := describe(readParquet(t, render(t, everyType(), Parquet, Options{})))
	fromParquet = bytes.ReplaceAll(fromParquet, []byte("<list: "), []byte("<item: ")) // Parquet has its own name for elements
	if !bytes.Equal(fromArrow, fromParquet) {
		t.Errorf("parquet reads back as\n%s\narrow as\n%s", fromParquet, fromArrow)
	}
}

// A result of many batches and row groups comes back whole and in order, lists
// and NULLs included; without rows there are still columns.
func TestManyBatches(t *testing.T) {
	for _, n := range []int{0, 1, batchRows, batchRows + 1, groupRows + batchRows + 1} {
		rows := &slice{columns: []Column{{"n", "BIGINT"}, {"l", "DOUBLE[]"}}}
		for i := range n {
			var l any
			if i%3 > 0 {
				l = []any{float64(i), nil, float64(-i)}[:i%4]
			}
			rows.rows = append(rows.rows, []any{int64(i), l})
		}
		for f, read := range map[Format]func(*testing.T, []byte) arrow.Table{Parquet: readParquet, Arrow: readArrow} {
			rows.next = 0
			tbl := read(t, render(t, rows, f, Options{}))
			if tbl.NumRows() != int64(n) || tbl.NumCols() != 2 {
				t.Fatalf("%s: %d rows came back as %d, with %d columns", f, n, tbl.NumRows(), tbl.NumCols())
			}
			checkNumbers(t, f, tbl)
			checkLists(t, f, tbl)
		}
	}
}

func checkNumbers(t *testing.T, f Format, tbl arrow.Table) {
	t.Helper()
	i := int64(0)
	for _, chunk := range tbl.Column(0).Data().Chunks() {
		for _, v := range chunk.(*array.Int64).Int64Values() {
			if v != i {
				t.Fatalf("%s: row %d holds %d", f, i, v)
			}
			i++
		}
	}
}

func checkLists(t *testing.T, f Format, tbl arrow.Table) {
	t.Helper()
	i := 0
	for _, chunk := range tbl.Column(1).Data().Chunks() {
		l := chunk.(*array.List)
		values := l.ListValues().(*array.Float64)
		for k := range l.Len() {
			from, to := l.ValueOffsets(k)
			want := i % 4
			if i%3 == 0 {
				want = 0
			}
			if l.IsNull(k) != (i%3 == 0) || int(to-from) != want || want > 2 && values.Value(int(from)+2) != float64(-i) {
				t.Fatalf("%s: row %d holds the list %s", f, i, l.ValueStr(k))
			}
			i++
		}
	}
}

// The same rows give the same bytes.
func TestColumnarIsDeterministic(t *testing.T) {
	for _, f := range []Format{Parquet, Arrow} {
		if a, b := render(t, everyType(), f, Options{}), render(t, everyType(), f, Options{}); !bytes.Equal(a, b) {
			t.Errorf("%s: two files of the same rows differ", f)
		}
	}
}

func TestUnscaled(t *testing.T) {
	for _, c := range []struct {
		s     string
		scale int
		want  string
	}{{"-12.3", 2, "-1230"}, {"0", 3, "0"}, {"0.001", 3, "1"}, {"-0.5", 1, "-5"}, {"7", 0, "7"}} {
		n, err := unscaled(c.s, c.scale)
		if err != nil || n.String() != c.want {
			t.Errorf("unscaled(%q, %d) = %v, %v, want %s", c.s, c.scale, n, err, c.want)
		}
	}
	for _, s := range []string{"", "x", "1.2.3", fmt.Sprint(math.NaN())} {
		if n, err := unscaled(s, 3); err == nil {
			t.Errorf("unscaled(%q) = %v", s, n)
		}
	}
}
