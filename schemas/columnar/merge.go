package columnar

import (
	"io"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/servestat/servestat/schemas"
)

// A MergeWriter writes rows that were read from blocks into one Parquet file.
type MergeWriter struct {
	fw    *fileWriter
	rows  int64
	group int64 // rows in the row group
}

// NewMergeWriter begins a file of table t.
func NewMergeWriter(w io.Writer, t schemas.TableInfo) (*MergeWriter, error) {
	fw, err := newFileWriter(w, t, rowGroupRows)
	if err != nil {
		return nil, err
	}
	return &MergeWriter{fw: fw}, nil
}

// Append adds rows in the table's own schema.
func (m *MergeWriter) Append(rec arrow.Record) error {
	m.rows += rec.NumRows()
	m.group += rec.NumRows()
	return m.fw.WriteBuffered(rec)
}

// Break begins a row group, so that the statistics of the one before say nothing
// about what follows.
func (m *MergeWriter) Break() {
	if m.group > 0 {
		m.fw.NewBufferedRowGroup()
		m.group = 0
	}
}

// Close completes the file and returns the number of rows in it.
func (m *MergeWriter) Close() (rows int64, err error) { return m.rows, m.fw.Close() }
