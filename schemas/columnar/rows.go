package columnar

import (
	"io"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/servestat/servestat/schemas"
)

// A RowWriter writes a table row by row, as rows are read. It holds one batch of
// rows, and the encoded row group that they go to.
type RowWriter[T any] struct {
	table *schemas.Table[T]
	fw    *fileWriter
	batch *array.RecordBuilder
	held  int // rows in batch
	rows  int64
}

// streamGroupRows bounds what a RowWriter holds of a table that may be of any
// length. Rows with text are ten times as large as a token's.
const streamGroupRows = 1 << 17

// NewRowWriter begins a table.
func NewRowWriter[T any](w io.Writer, t *schemas.Table[T]) (*RowWriter[T], error) {
	return newRowWriter(w, t, streamGroupRows)
}

func newRowWriter[T any](w io.Writer, t *schemas.Table[T], groupRows int64) (*RowWriter[T], error) {
	fw, err := newFileWriter(w, t.TableInfo, groupRows)
	if err != nil {
		return nil, err
	}
	return &RowWriter[T]{table: t, fw: fw, batch: array.NewRecordBuilder(memory.DefaultAllocator, t.Arrow())}, nil
}

// Append adds a row. It copies what it needs of it.
func (w *RowWriter[T]) Append(row *T) error {
	for i, v := range w.table.Row(row) {
		appendValue(w.batch.Field(i), v)
	}
	w.rows++
	if w.held++; w.held < batchRows {
		return nil
	}
	return w.flush()
}

func (w *RowWriter[T]) flush() error {
	rec := w.batch.NewRecord()
	defer rec.Release()
	w.held = 0
	return w.fw.WriteBuffered(rec)
}

// Close completes the file and returns the number of rows in it.
func (w *RowWriter[T]) Close() (rows int64, err error) {
	defer w.batch.Release()
	if w.held > 0 {
		if err := w.flush(); err != nil {
			return w.rows, err
		}
	}
	return w.rows, w.fw.Close()
}
