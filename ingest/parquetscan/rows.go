package parquetscan

import (
	"fmt"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
)

// batch is how many rows are decoded at a time.
const batch = 1024

// Rows are the rows of a file, some columns of them.
type Rows struct {
	file    *File
	columns []*values
	group   int   // the next row group
	left    int64 // rows of this group that are not decoded yet
	decoded int   // rows at hand
	at      int   // the current one of them
	row     int64
	err     error
}

// values are those of one column, a batch at a time.
type values struct {
	Column
	reader file.ColumnChunkReader
	levels []int16
	index  []int // of each row's value; -1 where it is NULL
	texts  []parquet.ByteArray
	ints   []int64
	floats []float64
}

// Rows returns the rows with the named columns, which must be of a type that is
// read.
func (f *File) Rows(names ...string) (*Rows, error) {
	r := &Rows{file: f}
	for _, name := range names {
		c, ok := f.Column(name)
		if !ok {
			return nil, fault("there is no column %s", quoted(name))
		}
		if c.Type == Other {
			return nil, fault("column %s is %s, which is not read", quoted(name), c.Said)
		}
		r.columns = append(r.columns, &values{Column: c, levels: make([]int16, batch), index: make([]int, batch)})
	}
	return r, nil
}

// Next goes to the next row. It returns false at the end, and where the file
// cannot be read any further: see [Rows.Err].
func (r *Rows) Next() bool {
	if r.err != nil {
		return false
	}
	if r.at++; r.at >= r.decoded {
		if ok := r.decode(); !ok {
			return false
		}
	}
	r.row++
	return true
}

// Err returns why Next stopped before the end: a [*Fault], or why the file itself
// could not be read.
func (r *Rows) Err() error { return r.err }

// Row is the number of the current row, from 1.
func (r *Rows) Row() int64 { return r.row }

// Text returns the value of column i, which is text; false where it is NULL. It is
// valid until the next row.
func (r *Rows) Text(i int) ([]byte, bool) {
	c := r.columns[i]
	if k := c.index[r.at]; k >= 0 {
		return c.texts[k], true
	}
	return nil, false
}

// Int returns the value of column i, which is an integer.
func (r *Rows) Int(i int) (int64, bool) {
	c := r.columns[i]
	if k := c.index[r.at]; k >= 0 {
		return c.ints[k], true
	}
	return 0, false
}

// Float returns the value of column i, which is a double.
func (r *Rows) Float(i int) (float64, bool) {
	c := r.columns[i]
	if k := c.index[r.at]; k >= 0 {
		return c.floats[k], true
	}
	return 0, false
}

// decode decodes the next rows. What panics is Arrow's.
func (r *Rows) decode() (ok bool) {
	defer r.file.recover(&r.err)
	for r.left == 0 {
		if r.group == r.file.file.NumRowGroups() {
			return false
		}
		if r.err = r.open(r.group); r.err != nil {
			return false
		}
		r.group++
	}
	n := min(r.left, batch)
	for _, c := range r.columns {
		if err := c.read(n); err != nil {
			r.err = r.file.because(err)
			return false
		}
	}
	r.left -= n
	r.decoded, r.at = int(n), 0
	return true
}

// open begins to read a row group, once its pages are what they should be.
func (r *Rows) open(group int) error {
	meta, rows := r.file.file.MetaData().RowGroup(group), r.file.file.RowGroup(group)
	held := int64(0)
	for _, c := range r.columns {
		chunk, err := meta.ColumnChunk(c.leaf)
		if err != nil {
			return r.file.because(fault("row group %d: %w", group, err))
		}
		n, err := r.file.vet(&c.Column, chunk, meta.NumRows())
		if err != nil {
			return r.file.because(fmt.Errorf("row group %d: %w", group, err))
		}
		if held += n; held > r.file.limits.Memory {
			return fault("row group %d has pages of more than %d bytes together", group, r.file.limits.Memory)
		}
		if c.reader, err = rows.Column(c.leaf); err != nil {
			return r.file.because(fault("row group %d: %w", group, err))
		}
	}
	r.left = meta.NumRows()
	return nil
}

// read decodes the next n values.
func (c *values) read(n int64) (err error) {
	var rows int64
	var there int
	switch reader := c.reader.(type) {
	case *file.ByteArrayColumnChunkReader:
		c.texts = sized(c.texts)
		rows, there, err = reader.ReadBatch(n, c.texts, c.levels, nil)
	case *file.Int64ColumnChunkReader:
		c.ints = sized(c.ints)
		rows, there, err = reader.ReadBatch(n, c.ints, c.levels, nil)
	case *file.Float64ColumnChunkReader:
		c.floats = sized(c.floats)
		rows, there, err = reader.ReadBatch(n, c.floats, c.levels, nil)
	}
	if err == nil {
		err = c.reader.Err()
	}
	if err != nil {
		return fault("column %s cannot be decoded: %w", quoted(c.Name), err)
	}
	if rows != n || c.place(int(n)) != there {
		return fault("column %s has fewer values than its row group has rows", quoted(c.Name))
	}
	return nil
}

// place finds the value of each row, and returns how many there should be.
func (c *values) place(n int) (there int) {
	required := c.reader.Descriptor().MaxDefinitionLevel() == 0
	for i := range n {
		c.index[i] = -1
		if required || c.levels[i] > 0 {
			c.index[i] = there
			there++
		}
	}
	return there
}

func sized[T any](s []T) []T {
	if s == nil {
		return make([]T, batch)
	}
	return s
}
