package parquetscan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// flat is a schema of every kind of column that is read.
var flat = arrow.NewSchema([]arrow.Field{
	{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "at", Type: arrow.PrimitiveTypes.Int64},
	{Name: "value", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
}, nil)

// fill appends n rows of flat: names repeat, and every third name and fourth value
// is NULL.
func fill(b *array.RecordBuilder, n int) {
	for i := range n {
		if i%3 == 2 {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.StringBuilder).Append(fmt.Sprint("name ", i%7))
		}
		b.Field(1).(*array.Int64Builder).Append(int64(i) * 1_000_003)
		if i%4 == 3 {
			b.Field(2).AppendNull()
		} else {
			b.Field(2).(*array.Float64Builder).Append(float64(i) / 8)
		}
	}
}

// write is a Parquet file as Arrow's own writer makes it, group rows at a time.
func write(t testing.TB, schema *arrow.Schema, fill func(*array.RecordBuilder, int), rows, group int, opts ...parquet.WriterProperty) []byte {
	t.Helper()
	var out bytes.Buffer
	opts = append([]parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Snappy), parquet.WithDataPageVersion(parquet.DataPageV1), parquet.WithDataPageSize(2048)}, opts...)
	w, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(opts...), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for ; rows > 0; rows -= group {
		fill(b, min(rows, group))
		rec := b.NewRecord()
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
		rec.Release()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// read returns every row of a file as a line.
func read(data []byte, l Limits, names ...string) (lines []string, err error) {
	f, err := Open(bytes.NewReader(data), int64(len(data)), l)
	if err != nil {
		return nil, err
	}
	rows, err := f.Rows(names...)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var b strings.Builder
		for i, c := range rows.columns {
			value, ok := any(nil), false
			switch c.Type {
			case Text:
				var text []byte
				text, ok = rows.Text(i)
				value = string(text)
			case Int:
				value, ok = rows.Int(i)
			case Float:
				value, ok = rows.Float(i)
			}
			if !ok {
				value = "NULL"
			}
			fmt.Fprintf(&b, "%v|", value)
		}
		lines = append(lines, b.String())
	}
	return lines, rows.Err()
}

// TestRows: what Arrow's writer writes comes back, over many pages and row groups,
// by dictionary and plain, compressed and not.
func TestRows(t *testing.T) {
	const rows = 5000
	var want []string
	for range 2 {
		for i := range rows / 2 {
			line := fmt.Sprintf("name %d|%d|%v|", i%7, i*1_000_003, float64(i)/8)
			if i%3 == 2 {
				line = fmt.Sprintf("NULL|%d|%v|", i*1_000_003, float64(i)/8)
			}
			if i%4 == 3 {
				line = line[:strings.LastIndex(line[:len(line)-1], "|")+1] + "NULL|"
			}
			want = append(want, line)
		}
	}
	for name, opts := range map[string][]parquet.WriterProperty{
		"Snappy, dictionaries": nil,
		"plain":                {parquet.WithDictionaryDefault(false)},
		"as it is":             {parquet.WithCompression(compress.Codecs.Uncompressed)},
		"a small dictionary":   {parquet.WithDictionaryPageSizeLimit(512)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(write(t, flat, fill, rows, rows/2, opts...), Limits{}, "name", "at", "value")
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != rows {
				t.Fatalf("%d rows", len(got))
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("row %d is %s, want %s", i+1, got[i], want[i])
				}
			}
		})
	}
}

// TestRefused: other Parquet than is read, and what is none, is refused with what it
// is.
func TestRefused(t *testing.T) {
	whole := write(t, flat, fill, 100, 100)
	nested := arrow.NewSchema([]arrow.Field{{Name: "name", Type: arrow.ListOf(arrow.BinaryTypes.String)}, {Name: "at", Type: arrow.PrimitiveTypes.Int32}}, nil)
	fillNested := func(b *array.RecordBuilder, n int) {
		for range n {
			b.Field(0).AppendNull()
			b.Field(1).AppendNull()
		}
	}
	wide := make([]arrow.Field, 300)
	for i := range wide {
		wide[i] = arrow.Field{Name: fmt.Sprint("c", i), Type: arrow.PrimitiveTypes.Int64, Nullable: true}
	}
	fillWide := func(b *array.RecordBuilder, n int) {
		for i := range wide {
			b.Field(i).AppendNulls(n)
		}
	}
	encrypted := append(bytes.Clone(whole[:len(whole)-4]), "PARE"...)
	tests := []struct {
		name, want string
		data       []byte
		limits     Limits
		column     string
	}{
		{"nothing", "0 bytes are no Parquet file", nil, Limits{}, "name"},
		{"a beginning", "8 bytes are no Parquet file", whole[:8], Limits{}, "name"},
		{"cut short", "it has no footer: it was cut short", whole[:len(whole)/2], Limits{}, "name"},
		{"encrypted", "it is encrypted", encrypted, Limits{}, "name"},
		{"a list", "is a group of columns, which is not read", write(t, nested, fillNested, 1, 1), Limits{}, "name"},
		{"32 bits", "is INT32", write(t, nested, fillNested, 1, 1), Limits{}, "at"},
		{"no such column", `there is no column "nobody"`, whole, Limits{}, "nobody"},
		{"too many rows", "it is said to have 100 rows or more; want at most 99", whole, Limits{Rows: 99}, "name"},
		{"too many columns", "it has 300 columns; want at most 256", write(t, arrow.NewSchema(wide, nil), fillWide, 1, 1), Limits{}, "c0"},
		{"too large pages", "has pages of more than 10 bytes together", whole, Limits{Memory: 10}, "name"},
		{"zstd", "is compressed by ZSTD, which is not read", write(t, flat, fill, 100, 100, parquet.WithCompression(compress.Codecs.Zstd)), Limits{}, "name"},
		{"pages of version 2", "data pages of version 2", write(t, flat, fill, 100, 100, parquet.WithDataPageVersion(parquet.DataPageV2)), Limits{}, "name"},
		{"deltas", "is of encoding 5", write(t, flat, fill, 100, 100, parquet.WithDictionaryDefault(false), parquet.WithEncodingFor("at", parquet.Encodings.DeltaBinaryPacked)), Limits{}, "at"},
		{"a footer of zeros", "the footer cannot be read", footed(make([]byte, 16)), Limits{}, "name"},
		{"a footer beyond the file", "its footer is said to have", binary.LittleEndian.AppendUint32([]byte("PAR1"), math.MaxUint32), Limits{}, "name"},
		// A list in Thrift says how long it is: Arrow would make room for it.
		{"a list of 268 million", "the footer cannot be read: it ends early", footed([]byte{0x15, 2, 0x19, 0xfc, 0xff, 0xff, 0xff, 0x7f}), Limits{}, "name"},
		{"braces", "the footer cannot be read: it is malformed", footed(bytes.Repeat([]byte{0x1c}, 1000)), Limits{}, "name"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "a footer beyond the file" {
				test.data = append(test.data, "PAR1"...)
			}
			_, err := read(test.data, test.limits, test.column)
			var fault *Fault
			if !errors.As(err, &fault) || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// footed is a file that consists of a footer.
func footed(footer []byte) []byte {
	out := append([]byte("PAR1"), footer...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(footer)))
	return append(out, "PAR1"...)
}

// TestDamage: whatever byte of a file is wrong, and whatever it is instead, reading
// ends, with rows, with a fault, never with a panic, and within the memory that a
// sound file of that size would take.
func TestDamage(t *testing.T) {
	for name, opts := range map[string][]parquet.WriterProperty{
		"packed":   nil,
		"unpacked": {parquet.WithCompression(compress.Codecs.Uncompressed), parquet.WithDictionaryPageSizeLimit(512)},
	} {
		t.Run(name, func(t *testing.T) {
			whole := write(t, flat, fill, 60, 30, opts...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			tries := 0
			for i := range whole {
				for _, to := range []byte{0xff, whole[i] ^ 1} {
					data := bytes.Clone(whole)
					data[i] = to
					tries++
					_, err := read(data, Limits{}, "name", "at", "value")
					var fault *Fault
					if err != nil && !errors.As(err, &fault) {
						t.Fatalf("byte %d as %#x: %v", i, to, err)
					}
				}
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / uint64(tries); each > 1<<20 {
				t.Errorf("%d bytes allocated for each damaged file of %d", each, len(whole))
			}
		})
	}
}

// TestIndexOfAnother: indices are not bounded by the dictionary in the format, and
// Arrow makes room for as many values as the largest says.
func TestIndexOfAnother(t *testing.T) {
	v := vetting{column: &Column{Name: "name"}, words: 70_000}
	for name, page := range map[string][]byte{
		"an index of 70,001": {17, 2, 0x71, 0x11, 1},
		"indices of 32 bits": {32, 2, 0, 0, 0, 0},
		"half an index":      {17, 2, 0},
		"no end of a length": {17, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if err := v.indices(page); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if err := v.indices([]byte{17, 2, 0x6f, 0x11, 1, 3, 1, 2, 3}); err != nil {
		t.Errorf("the last index, then a packed group: %v", err)
	}
}

// A failing file cannot be read from some byte on.
type failing struct {
	io.ReaderAt
	from int64
}

var errDisk = errors.New("no such device")

func (f failing) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.from {
		return 0, errDisk
	}
	return f.ReaderAt.ReadAt(p, at)
}

// TestReadError: a fault of the machine is no fault of the file.
func TestReadError(t *testing.T) {
	data := write(t, flat, fill, 100, 100)
	for _, from := range []int64{0, int64(len(data)) - 20} {
		if _, err := Open(failing{bytes.NewReader(data), from}, int64(len(data)), Limits{}); !errors.Is(err, errDisk) || errors.As(err, new(*Fault)) {
			t.Errorf("from byte %d: %v", from, err)
		}
	}
	f, err := Open(bytes.NewReader(data), int64(len(data)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	f.source.r = failing{f.source.r, 0}
	rows, err := f.Rows("name")
	if err != nil {
		t.Fatal(err)
	}
	if rows.Next() || !errors.Is(rows.Err(), errDisk) || errors.As(rows.Err(), new(*Fault)) {
		t.Errorf("%v", rows.Err())
	}
}

// TestMemory: of a file with many rows, no more is held than of one with few.
func TestMemory(t *testing.T) {
	data := write(t, flat, fill, 400_000, 100_000)
	f, err := Open(bytes.NewReader(data), int64(len(data)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := f.Rows("name", "at", "value")
	if err != nil {
		t.Fatal(err)
	}
	var first, peak uint64
	for n := 0; rows.Next(); n++ {
		if n%50_000 == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			if first == 0 {
				first = m.HeapAlloc
			}
			peak = max(peak, m.HeapAlloc)
		}
	}
	if rows.Err() != nil || rows.Row() != 400_000 || peak-first > 4<<20 {
		t.Errorf("%d rows, error %v, %d bytes more than at the first", rows.Row(), rows.Err(), peak-first)
	}
}

func FuzzRows(f *testing.F) {
	f.Add(write(f, flat, fill, 40, 20))
	f.Add(write(f, flat, fill, 40, 20, parquet.WithCompression(compress.Codecs.Uncompressed), parquet.WithDictionaryPageSizeLimit(64)))
	f.Add(write(f, flat, fill, 40, 40, parquet.WithDictionaryDefault(false)))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Open(bytes.NewReader(data), int64(len(data)), Limits{Rows: 1 << 16})
		if err != nil {
			return
		}
		for _, c := range file.Columns() {
			rows, err := file.Rows(c.Name)
			if err != nil {
				continue
			}
			n := int64(0)
			for rows.Next() {
				n++
			}
			if n > 1<<16 || rows.Row() != n {
				t.Errorf("%d rows, the last is %d", n, rows.Row())
			}
		}
	})
}

// BenchmarkRows reads three columns of a million rows.
func BenchmarkRows(b *testing.B) {
	data := write(b, flat, fill, 1_000_000, 10_000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		f, err := Open(bytes.NewReader(data), int64(len(data)), Limits{})
		if err != nil {
			b.Fatal(err)
		}
		rows, err := f.Rows("name", "at", "value")
		for err == nil && rows.Next() {
		}
		if err != nil || rows.Row() != 1_000_000 {
			b.Fatalf("%d rows, error %v", rows.Row(), rows.Err())
		}
	}
}
