package columnar

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/servestat/servestat/schemas"
)

// A fileWriter is Arrow's writer of a Parquet file, less two faults of the version in
// use: where a column's dictionary got too large, so that its later pages have another
// encoding, the footer lists the two in the random order of a Go map, and the same
// rows give one of several files; and whether the footer could be written, Close does
// not say.
type fileWriter struct {
	*pqarrow.FileWriter
	out *sink
}

func newFileWriter(w io.Writer, t schemas.TableInfo, groupRows int64) (*fileWriter, error) {
	out := &sink{w: w}
	fw, err := pqarrow.NewFileWriter(t.Arrow(), out, properties(t, groupRows), pqarrow.DefaultWriterProps())
	return &fileWriter{fw, out}, err
}

// WriteBuffered tells of a write that failed before: Arrow itself would panic.
func (f *fileWriter) WriteBuffered(rec arrow.Record) error {
	if f.out.err != nil {
		return f.out.err
	}
	return f.FileWriter.WriteBuffered(rec)
}

func (f *fileWriter) Close() error {
	if err := f.FileWriter.Close(); err != nil {
		return err
	}
	return f.out.finish()
}

// A sink passes a file on, but for the last three writes: when the file is complete,
// they are its footer, the footer's length, and the magic bytes.
type sink struct {
	w    io.Writer
	held [][]byte
	err  error
}

func (s *sink) Write(p []byte) (int, error) {
	var free []byte
	if len(s.held) == 3 {
		s.pass(s.held[0])
		free = s.held[0][:0]
		s.held = slices.Delete(s.held, 0, 1)
	}
	s.held = append(s.held, append(free, p...))
	return len(p), nil
}

func (s *sink) pass(p []byte) {
	if s.err == nil {
		_, s.err = s.w.Write(p)
	}
}

// finish writes the footer in an order that depends on the file only.
func (s *sink) finish() error {
	if s.err != nil {
		return s.err
	}
	if len(s.held) != 3 || len(s.held[1]) != 4 || int(binary.LittleEndian.Uint32(s.held[1])) != len(s.held[0]) {
		return fmt.Errorf("the end of a Parquet file is not what it was: see columnar.sink")
	}
	footer, err := ordered(s.held[0])
	if err != nil {
		return err
	}
	s.pass(footer)
	s.pass(binary.LittleEndian.AppendUint32(nil, uint32(len(footer))))
	s.pass(s.held[2])
	return s.err
}

// ordered is a footer with the encodings of each column chunk's pages in the order of
// their numbers.
func ordered(footer []byte) ([]byte, error) {
	meta, err := metadata.NewFileMetaData(footer, nil)
	if err != nil {
		return nil, err
	}
	mixed := false
	for _, g := range meta.RowGroups {
		for _, c := range g.Columns {
			stats := c.MetaData.EncodingStats
			byNumber := func(i, j int) bool {
				if a, b := stats[i].PageType, stats[j].PageType; a != b {
					return a > b // the dictionary first, as Arrow has it
				}
				return stats[i].Encoding < stats[j].Encoding
			}
			if !sort.SliceIsSorted(stats, byNumber) {
				sort.Slice(stats, byNumber)
				mixed = true
			}
		}
	}
	if !mixed {
		return footer, nil
	}
	var out bytes.Buffer
	_, err = meta.WriteTo(&out, nil)
	return out.Bytes(), err
}
