package parquetscan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// magic begins and ends a Parquet file.
const magic = "PAR1"

// Is reports whether a file that begins with head says that it is Parquet.
func Is(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }

// Limits bound what reading a file can cost. The zero value of a field means its
// default.
type Limits struct {
	Rows    int64 // 100 million
	Columns int   // 256
	Memory  int64 // bytes of the pages that are held at a time; 128 MiB
}

func (l Limits) orDefaults() Limits {
	if l.Rows <= 0 {
		l.Rows = 100_000_000
	}
	if l.Columns <= 0 {
		l.Columns = 256
	}
	if l.Memory <= 0 {
		l.Memory = 128 << 20
	}
	return l
}

// maxFooter bounds the footer, which is held whole: see maxStructs.
const maxFooter = 16 << 20

// A Type is what a column holds, as far as it can be read.
type Type int

// The types of columns.
const (
	Other Type = iota // is not read
	Text
	Int   // of 64 bits
	Float // of 64 bits
)

func (t Type) String() string {
	return [...]string{"another type", "text", "an integer", "a double"}[t]
}

// A Column is a column of a file.
type Column struct {
	Name string
	Type Type
	Said string // its type as the file says it
	leaf int
}

// A Fault is what is wrong with a file, and not with the machine that reads it.
type Fault struct{ err error }

func fault(format string, args ...any) error { return &Fault{fmt.Errorf(format, args...)} }

func (f *Fault) Error() string { return f.err.Error() }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return errors.Unwrap(f.err) }

// A File is an open Parquet file.
type File struct {
	source  *source
	size    int64
	limits  Limits
	file    *file.Reader
	columns []Column
}

// Open reads the footer of a file of size bytes.
func Open(r io.ReaderAt, size int64, l Limits) (f *File, err error) {
	f = &File{source: &source{r: r}, size: size, limits: l.orDefaults()}
	defer f.recover(&err)
	footer, err := f.footer()
	if err != nil {
		return nil, err
	}
	walk := compact{data: footer}
	if _, err := walk.walk(); err != nil {
		return nil, fault("the footer cannot be read: %w", err)
	}
	props := parquet.NewReaderProperties(memory.NewGoAllocator())
	props.BufferedStreamEnabled = true // of pages, and not of whole columns
	if f.file, err = file.NewParquetReader(io.NewSectionReader(f.source, 0, size), file.WithReadProps(props)); err != nil {
		return nil, f.because(fault("the footer cannot be read: %w", err))
	}
	return f, f.readSchema()
}

// footer returns the bytes of the footer.
func (f *File) footer() ([]byte, error) {
	const tail = 4 + len(magic)
	if f.size < int64(len(magic)+tail) {
		return nil, fault("it ends early: %d bytes are no Parquet file", f.size)
	}
	end, err := f.bytes(f.size-int64(tail), int64(tail))
	if err != nil {
		return nil, err
	}
	switch text := string(end[4:]); text {
	case magic:
	case "PARE":
		return nil, fault("it is encrypted")
	default:
		return nil, fault("it has no footer: it was cut short, or its writer did not end")
	}
	n := int64(binary.LittleEndian.Uint32(end))
	if n > f.size-int64(len(magic)+tail) || n > maxFooter {
		return nil, fault("its footer is said to have %d bytes of a file of %d; want at most %d", n, f.size, maxFooter)
	}
	return f.bytes(f.size-int64(tail)-n, n)
}

func (f *File) readSchema() error {
	meta := f.file.MetaData()
	if meta.IsSetEncryptionAlgorithm() {
		return fault("it is encrypted")
	}
	root := meta.Schema.Root()
	if n := root.NumFields(); n > f.limits.Columns || n != meta.Schema.NumColumns() && n > 0 && meta.Schema.NumColumns() > f.limits.Columns {
		return fault("it has %d columns; want at most %d", max(n, meta.Schema.NumColumns()), f.limits.Columns)
	}
	for i := range root.NumFields() {
		node := root.Field(i)
		c := Column{Name: node.Name(), Said: "a group of columns", leaf: -1}
		if leaf, flat := node.(*schema.PrimitiveNode); flat {
			c.leaf = meta.Schema.ColumnIndexByNode(leaf)
			c.Type, c.Said = typeOf(leaf), said(leaf)
		}
		f.columns = append(f.columns, c)
	}
	return f.countRows()
}

func typeOf(n *schema.PrimitiveNode) Type {
	if n.RepetitionType() == parquet.Repetitions.Repeated {
		return Other
	}
	plain := n.LogicalType().IsNone() || !n.LogicalType().IsValid()
	switch kind := n.PhysicalType(); {
	case kind == parquet.Types.ByteArray && (plain || n.LogicalType().Equals(schema.StringLogicalType{})):
		return Text
	case kind == parquet.Types.Int64 && (plain || n.LogicalType().Equals(schema.NewIntLogicalType(64, true))):
		return Int
	case kind == parquet.Types.Double:
		return Float
	}
	return Other
}

func said(n *schema.PrimitiveNode) string {
	text := n.PhysicalType().String()
	if l := n.LogicalType(); l.IsValid() && !l.IsNone() {
		text += " " + l.String()
	}
	if n.RepetitionType() == parquet.Repetitions.Repeated {
		text = "a list of " + text
	}
	return text
}

// countRows holds the row groups against the limits.
func (f *File) countRows() error {
	rows := int64(0)
	for g := range f.file.NumRowGroups() {
		n := f.file.MetaData().RowGroup(g).NumRows()
		if n < 0 || rows+n > f.limits.Rows {
			return fault("it is said to have %d rows or more; want at most %d", max(n, rows+n), f.limits.Rows)
		}
		rows += n
	}
	return nil
}

// Columns are the columns of the file, in its order. Those of groups are left out.
func (f *File) Columns() []Column { return f.columns }

// Column returns the column of a name.
func (f *File) Column(name string) (Column, bool) {
	i := slices.IndexFunc(f.columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}, false
	}
	return f.columns[i], true
}

// Metadata returns what the file says of itself under a key.
func (f *File) Metadata(key string) (string, bool) {
	if v := f.file.MetaData().KeyValueMetadata().FindValue(key); v != nil {
		return *v, true
	}
	return "", false
}

func (f *File) optional(c *Column) bool {
	return f.file.MetaData().Schema.Column(c.leaf).MaxDefinitionLevel() > 0
}

// because prefers the fault of the machine to what followed from it.
func (f *File) because(err error) error {
	if f.source.err != nil {
		return f.source.err
	}
	return err
}

// recover turns a panic of Arrow's reader, which is how it says that some files are
// damaged, into an error.
func (f *File) recover(err *error) {
	if p := recover(); p != nil {
		*err = f.because(fault("it cannot be read as Parquet: %v", p))
	}
}

// A source remembers why it could not be read.
type source struct {
	r   io.ReaderAt
	err error
}

func (s *source) ReadAt(p []byte, at int64) (int, error) {
	n, err := s.r.ReadAt(p, at)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// quoted shortens a name that a file gives.
func quoted(name string) string {
	const most = 60
	if len(name) > most {
		name = name[:most] + "…"
	}
	return fmt.Sprintf("%q", name)
}
