package columnar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/servestat/servestat/schemas"
)

// A Block is a Parquet file of one table, open for reading. Its columns are found
// by field id.
type Block struct {
	table schemas.TableInfo
	file  *file.Reader
	arrow *pqarrow.FileReader
	field []int   // of each of the table's columns in the file; -1 where it has none
	rows  []int64 // of each row group
	last  group   // the row group that was read last
}

// A group is a row group that was decoded: runs lie in them by the dozen, and one is
// read after the other.
type group struct {
	number  int
	records []arrow.Record // nil where none was
}

func (g *group) release() {
	for _, rec := range g.records {
		rec.Release()
	}
	*g = group{}
}

// OpenBlock opens the file at path as a block of table t.
func OpenBlock(path string, t schemas.TableInfo) (b *Block, err error) {
	defer recovered(path, &err)
	f, err := file.OpenParquetFile(path, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b = &Block{table: t, file: f, rows: groupRows(f)}
	// A row group at a time: where a page of a nullable delta-encoded column spans two
	// batches, the reader of this Arrow version begins the second with the state of
	// the first one's start, and gives wrong values or panics.
	props := pqarrow.ArrowReadProperties{BatchSize: slices.Max(append([]int64{0}, b.rows...))}
	if b.arrow, err = pqarrow.NewFileReader(f, props, memory.DefaultAllocator); err == nil {
		err = b.bind()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

func groupRows(f *file.Reader) []int64 {
	rows := make([]int64, f.NumRowGroups())
	for g := range rows {
		rows[g] = f.MetaData().RowGroup(g).NumRows()
	}
	return rows
}

// recovered turns a panic of the Parquet reader, which is how it says that some
// files are damaged, into an error.
func recovered(path string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: cannot be read as Parquet: %v", path, p)
	}
}

// bind finds the table's columns by field id.
func (b *Block) bind() error {
	root := b.file.MetaData().Schema.Root()
	byID := map[int32]int{}
	for i := range root.NumFields() {
		id := root.Field(i).FieldID()
		if id < 0 {
			id = b.listNamed(root.Field(i).Name())
		}
		if id < 0 {
			return fmt.Errorf("column %s has no field id", root.Field(i).Name())
		}
		byID[id] = i
	}
	for _, c := range b.table.Columns {
		at, ok := byID[c.ID]
		switch {
		case !ok && c.Required:
			return fmt.Errorf("column %s (field id %d) is missing", c.Name, c.ID)
		case !ok:
			at = -1
		}
		b.field = append(b.field, at)
		delete(byID, c.ID)
	}
	for id, i := range byID {
		return fmt.Errorf("%w: %s (field id %d)", ErrUnknownColumn, root.Field(i).Name(), id)
	}
	return nil
}

// listNamed is the field id of a list column, which the Arrow version in use writes
// without one, or -1.
func (b *Block) listNamed(name string) int32 {
	for _, c := range b.table.Columns {
		if c.Name == name && (c.Type == schemas.Int32List || c.Type == schemas.Int64List) {
			return c.ID
		}
	}
	return -1
}

// ErrUnknownColumn is returned for a block that a newer servestat wrote.
var ErrUnknownColumn = errors.New("column that this servestat does not know: upgrade servestat")

// Close ends reading.
func (b *Block) Close() error {
	b.last.release()
	return b.file.Close()
}

// Rows is the number of rows in the block.
func (b *Block) Rows() int64 { return b.file.NumRows() }

// Read calls each for the rows [from, to), in batches that depend on the rows only,
// and not on how the file holds them. A record is valid until each returns.
func (b *Block) Read(ctx context.Context, from, to int64, each func(arrow.Record) error) error {
	re := &rebatcher{each: each}
	defer re.release()
	at := int64(0) // first row of the row group
	for g, n := range b.rows {
		if at < to && at+n > from {
			if err := b.readGroup(ctx, g, max(from-at, 0), min(to-at, n), re.add); err != nil {
				return err
			}
		}
		at += n
	}
	if to > at {
		return fmt.Errorf("rows %d to %d of a block that has %d", from, to, at)
	}
	return re.flush()
}

// readGroup reads the rows [from, to) of one row group.
func (b *Block) readGroup(ctx context.Context, number int, from, to int64, each func(arrow.Record) error) error {
	if err := b.decode(ctx, number); err != nil {
		return err
	}
	at := int64(0)
	for _, rec := range b.last.records {
		first, last := max(from-at, 0), min(to-at, rec.NumRows())
		at += rec.NumRows()
		if first >= last {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.conform(rec, first, last, each); err != nil {
			return err
		}
	}
	return nil
}

// decode makes a row group the last one. The one before goes first, so that there is
// one in memory.
func (b *Block) decode(ctx context.Context, number int) (err error) {
	if b.last.records != nil && b.last.number == number {
		return nil
	}
	b.last.release()
	defer recovered(fmt.Sprintf("row group %d", number), &err)
	rr, err := b.arrow.GetRecordReader(ctx, nil, []int{number})
	if err != nil {
		return err
	}
	defer rr.Release()
	got := group{number: number}
	for rr.Next() {
		rec := rr.Record()
		rec.Retain()
		got.records = append(got.records, rec)
	}
	if err := rr.Err(); err != nil && !errors.Is(err, io.EOF) { // its normal end
		got.release()
		return err
	}
	b.last = got
	return nil
}

// conform gives rows the table's own schema.
func (b *Block) conform(rec arrow.Record, first, last int64, each func(arrow.Record) error) error {
	schema := b.table.Arrow()
	cols := make([]arrow.Array, len(b.field))
	defer releaseAll(cols)
	for i, at := range b.field {
		want := schema.Field(i).Type
		if at < 0 {
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, want, int(last-first))
			continue
		}
		got := rec.Column(at).Data()
		if got.DataType().ID() != want.ID() {
			return fmt.Errorf("column %s is %s, want %s", schema.Field(i).Name, got.DataType(), want)
		}
		// The same layout, under the names that the schema gives to list elements.
		data := array.NewData(want, got.Len(), got.Buffers(), got.Children(), got.NullN(), got.Offset())
		whole := array.MakeFromData(data)
		data.Release()
		cols[i] = array.NewSlice(whole, first, last)
		whole.Release()
	}
	out := array.NewRecord(schema, cols, last-first)
	defer out.Release()
	return each(out)
}

func releaseAll(cols []arrow.Array) {
	for _, c := range cols {
		if c != nil {
			c.Release()
		}
	}
}

// A rebatcher passes rows on in batches of batchRows.
type rebatcher struct {
	each    func(arrow.Record) error
	pending []arrow.Record
	rows    int64
}

func (r *rebatcher) add(rec arrow.Record) error {
	for from := int64(0); from < rec.NumRows(); {
		n := min(rec.NumRows()-from, batchRows-r.rows)
		r.pending = append(r.pending, rec.NewSlice(from, from+n))
		r.rows, from = r.rows+n, from+n
		if r.rows < batchRows {
			continue
		}
		if err := r.flush(); err != nil {
			return err
		}
	}
	return nil
}

// flush passes on what is pending as one record.
func (r *rebatcher) flush() error {
	defer r.release()
	if len(r.pending) == 0 {
		return nil
	}
	if len(r.pending) == 1 {
		return r.each(r.pending[0])
	}
	cols := make([]arrow.Array, r.pending[0].NumCols())
	defer releaseAll(cols)
	for i := range cols {
		var pieces []arrow.Array
		for _, rec := range r.pending {
			pieces = append(pieces, rec.Column(i))
		}
		var err error
		if cols[i], err = array.Concatenate(pieces, memory.DefaultAllocator); err != nil {
			return err
		}
	}
	rec := array.NewRecord(r.pending[0].Schema(), cols, r.rows)
	defer rec.Release()
	return r.each(rec)
}

func (r *rebatcher) release() {
	for _, rec := range r.pending {
		rec.Release()
	}
	r.pending, r.rows = nil, 0
}

// Verify decodes every value of the block. Columns that may not be NULL are not. It
// calls each, where it is not nil, for the stretches of equal values in the column key,
// in their order.
func (b *Block) Verify(ctx context.Context, key string, each func(value string, rows int64) error) error {
	at := slices.IndexFunc(b.table.Columns, func(c schemas.Column) bool { return c.Name == key })
	rows := int64(0)
	err := b.Read(ctx, 0, b.Rows(), func(rec arrow.Record) error {
		rows += rec.NumRows()
		for i, c := range b.table.Columns {
			if c.Required && rec.Column(i).NullN() > 0 {
				return fmt.Errorf("column %s, which is never NULL, is", c.Name)
			}
		}
		if each == nil {
			return nil
		}
		return stretches(rec.Column(at).(*array.String), each)
	})
	if err == nil && rows != b.Rows() {
		err = fmt.Errorf("%d rows can be read of %d", rows, b.Rows())
	}
	return err
}

func stretches(values *array.String, each func(value string, rows int64) error) error {
	for from := 0; from < values.Len(); {
		to := from + 1
		for to < values.Len() && values.Value(to) == values.Value(from) {
			to++
		}
		if err := each(values.Value(from), int64(to-from)); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// Values calls each with the values of the named columns, row by row: nil, or what
// [schemas.Table.Row] gives. Only these columns are read; none may be a list.
func (b *Block) Values(ctx context.Context, names []string, each func(values []any) error) error {
	var columns, order []int
	for _, name := range names {
		i := slices.IndexFunc(b.table.Columns, func(c schemas.Column) bool { return c.Name == name })
		order = append(order, b.field[i])
		if b.field[i] >= 0 {
			columns = append(columns, b.field[i])
		}
	}
	slices.Sort(columns)
	rr, err := b.arrow.GetRecordReader(ctx, columns, nil)
	if err != nil {
		return err
	}
	defer rr.Release()
	values := make([]any, len(names))
	for rr.Next() {
		rec := rr.Record()
		for row := range int(rec.NumRows()) {
			for i, field := range order {
				values[i] = nil
				if field >= 0 {
					values[i] = value(rec.Column(slices.Index(columns, field)), row)
				}
			}
			if err := each(values); err != nil {
				return err
			}
		}
	}
	if err := rr.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func value(a arrow.Array, row int) any {
	if a.IsNull(row) {
		return nil
	}
	switch a := a.(type) {
	case *array.String:
		return a.Value(row)
	case *array.Int64:
		return a.Value(row)
	}
	panic(fmt.Sprintf("columnar: no value of %s", a.DataType()))
}
