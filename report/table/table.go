package table

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Column is a column of a result.
type Column struct {
	Name         string
	DatabaseType string // as the database calls it: BIGINT, DECIMAL(18,3), DOUBLE[]
}

// Rows is a result that is read once, row by row. Next reports whether there is
// a further row; after it reported false, Err says whether that was the end.
// The slice that Values returns has a value a column, nil for NULL, and may be
// overwritten by the next Next.
type Rows interface {
	Columns() []Column
	Next() bool
	Values() []any
	Err() error
}

// A Format is a way to write rows.
type Format string

// The formats.
const (
	Table    Format = "table"
	CSV      Format = "csv"
	JSON     Format = "json"
	JSONL    Format = "jsonl"
	Markdown Format = "markdown"
	Parquet  Format = "parquet"
	Arrow    Format = "arrow"
)

// Formats lists the formats, those for people first.
var Formats = []Format{Table, Markdown, CSV, JSON, JSONL, Parquet, Arrow}

// ParseFormat returns the format called name.
func ParseFormat(name string) (Format, error) {
	if f := Format(strings.ToLower(name)); slices.Contains(Formats, f) {
		return f, nil
	}
	words := make([]string, len(Formats))
	for i, f := range Formats {
		words[i] = string(f)
	}
	return "", fmt.Errorf("no format is called %q; there are %s", name, strings.Join(words, ", "))
}

// Binary reports whether the format is no text, and should not be written to a
// terminal.
func (f Format) Binary() bool { return f == Parquet || f == Arrow }

// DefaultMaxRows is how many rows a table shows unless told otherwise.
const DefaultMaxRows = 1000

// Options are for the table format.
type Options struct {
	Width   int // of the terminal, in columns; 0: not limited
	MaxRows int // 0: DefaultMaxRows; below 0: not limited
}

// A writer writes one format: a head, then rows, then what closes it. Values are
// its own until row returns.
type writer interface {
	head() error
	row(values []any) error
	close() error
}

// Write writes all rows to w and returns how many there were. After an error
// what was written is incomplete, and in no format reads as if it were whole,
// but csv, jsonl and markdown, which have no end.
func Write(w io.Writer, rows Rows, f Format, o Options) (n int64, err error) {
	out := bufio.NewWriterSize(w, 1<<16)
	columns, err := newColumns(rows.Columns())
	if err != nil {
		return 0, err
	}
	to, err := newWriter(out, f, columns, o)
	if err != nil {
		return 0, err
	}
	if err := to.head(); err != nil {
		return 0, err
	}
	for rows.Next() {
		values := rows.Values()
		if len(values) != len(columns) {
			return n, fmt.Errorf("row %d has %d values for %d columns", n+1, len(values), len(columns))
		}
		if err := to.row(values); err != nil {
			return n, fmt.Errorf("row %d: %w", n+1, err)
		}
		n++
	}
	if err := rows.Err(); err != nil {
		out.Flush() // what came before the error may help; its own error would hide it
		return n, err
	}
	if err := to.close(); err != nil {
		return n, err
	}
	return n, out.Flush()
}

func newWriter(w *bufio.Writer, f Format, columns []column, o Options) (writer, error) {
	switch f {
	case Table:
		return newGrid(w, columns, o), nil
	case Markdown:
		return &markdownWriter{w, columns}, nil
	case CSV:
		return &csvWriter{w, columns}, nil
	case JSON:
		return &jsonWriter{w: w, columns: columns}, nil
	case JSONL:
		return &jsonlWriter{w, columns, nil}, nil
	case Parquet:
		return newParquet(w, columns)
	case Arrow:
		return newArrow(w, columns)
	}
	return nil, fmt.Errorf("no format is called %q", f)
}
