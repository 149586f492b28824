package table

import (
	"bufio"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

const (
	// batchRows is how many rows are held as a batch.
	batchRows = 1 << 13
	// groupRows is how many rows a Parquet row group holds, about as many as
	// DuckDB reads at a time.
	groupRows = 1 << 17
)

// A columnarWriter gathers rows into Arrow batches and hands them on.
type columnarWriter struct {
	columns []column
	builder *array.RecordBuilder
	rows    int
	write   func(arrow.Record) error
	finish  func() error
}

func newParquet(w *bufio.Writer, columns []column) (writer, error) {
	schema := arrowSchema(columns)
	props := parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithMaxRowGroupLength(groupRows),
		parquet.WithCreatedBy("servestat"),
	)
	fw, err := pqarrow.NewFileWriter(schema, w, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	return newColumnar(columns, schema, fw.WriteBuffered, fw.Close), nil
}

func newArrow(w *bufio.Writer, columns []column) (writer, error) {
	schema := arrowSchema(columns)
	iw := ipc.NewWriter(w, ipc.WithSchema(schema))
	return newColumnar(columns, schema, iw.Write, iw.Close), nil
}

func newColumnar(columns []column, schema *arrow.Schema, write func(arrow.Record) error, finish func() error) *columnarWriter {
	return &columnarWriter{columns: columns, builder: array.NewRecordBuilder(memory.DefaultAllocator, schema), write: write, finish: finish}
}

func (c *columnarWriter) head() error { return nil }

func (c *columnarWriter) row(values []any) error {
	for i, v := range values {
		if err := c.columns[i].append(c.builder.Field(i), v); err != nil {
			return fmt.Errorf("column %s: %w", c.columns[i].Name, err)
		}
	}
	c.rows++
	if c.rows < batchRows {
		return nil
	}
	return c.flush()
}

func (c *columnarWriter) flush() error {
	c.rows = 0
	rec := c.builder.NewRecord()
	defer rec.Release()
	return c.write(rec)
}

func (c *columnarWriter) close() error {
	defer c.builder.Release()
	if c.rows > 0 {
		if err := c.flush(); err != nil {
			return err
		}
	}
	return c.finish()
}

func arrowSchema(columns []column) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.unique, Type: c.arrow(), Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

// arrow returns the Arrow type of a column, see the package comment.
func (t columnType) arrow() arrow.DataType {
	switch t.kind {
	case boolean:
		return arrow.FixedWidthTypes.Boolean
	case signed:
		return map[int]arrow.DataType{8: arrow.PrimitiveTypes.Int8, 16: arrow.PrimitiveTypes.Int16, 32: arrow.PrimitiveTypes.Int32, 64: arrow.PrimitiveTypes.Int64}[t.bits]
	case unsigned:
		return map[int]arrow.DataType{8: arrow.PrimitiveTypes.Uint8, 16: arrow.PrimitiveTypes.Uint16, 32: arrow.PrimitiveTypes.Uint32, 64: arrow.PrimitiveTypes.Uint64}[t.bits]
	case float:
		if t.bits == 32 {
			return arrow.PrimitiveTypes.Float32
		}
		return arrow.PrimitiveTypes.Float64
	case huge, decimal:
		return &arrow.Decimal128Type{Precision: int32(t.precision), Scale: int32(t.scale)}
	case blob:
		return arrow.BinaryTypes.Binary
	case date:
		return arrow.FixedWidthTypes.Date32
	case clock:
		if t.zoned {
			return arrow.BinaryTypes.String
		}
		return arrow.FixedWidthTypes.Time64us
	case timestamp:
		return t.arrowTimestamp()
	case list:
		return arrow.ListOf(t.elem.arrow())
	}
	return arrow.BinaryTypes.String
}

func (t columnType) arrowTimestamp() arrow.DataType {
	out := &arrow.TimestampType{Unit: map[string]arrow.TimeUnit{"ms": arrow.Millisecond, "us": arrow.Microsecond, "ns": arrow.Nanosecond}[t.unit]}
	if t.zoned {
		out.TimeZone = "UTC"
	}
	return out
}

// append adds a value to the builder of its column. A value that is not of the
// column's type is an error, not a guess.
func (t columnType) append(to array.Builder, v any) error {
	if v == nil {
		to.AppendNull()
		return nil
	}
	ok := true
	switch b := to.(type) {
	case *array.BooleanBuilder:
		var x bool
		if x, ok = v.(bool); ok {
			b.Append(x)
		}
	case *array.Int8Builder:
		ok = appendInt(v, func(x int64) { b.Append(int8(x)) })
	case *array.Int16Builder:
		ok = appendInt(v, func(x int64) { b.Append(int16(x)) })
	case *array.Int32Builder:
		ok = appendInt(v, func(x int64) { b.Append(int32(x)) })
	case *array.Int64Builder:
		ok = appendInt(v, b.Append)
	case *array.Uint8Builder:
		ok = appendUint(v, func(x uint64) { b.Append(uint8(x)) })
	case *array.Uint16Builder:
		ok = appendUint(v, func(x uint64) { b.Append(uint16(x)) })
	case *array.Uint32Builder:
		ok = appendUint(v, func(x uint64) { b.Append(uint32(x)) })
	case *array.Uint64Builder:
		ok = appendUint(v, b.Append)
	case *array.Float32Builder:
		var x float64
		if x, ok = toFloat(v); ok {
			b.Append(float32(x))
		}
	case *array.Float64Builder:
		var x float64
		if x, ok = toFloat(v); ok {
			b.Append(x)
		}
	case *array.Decimal128Builder:
		return t.appendDecimal(b, v)
	case *array.BinaryBuilder:
		var x []byte
		if x, ok = v.([]byte); ok {
			b.Append(x)
		}
	case *array.Date32Builder:
		ok = appendTime(v, func(x time.Time) { b.Append(arrow.Date32FromTime(x)) })
	case *array.Time64Builder:
		ok = appendTime(v, func(x time.Time) { b.Append(arrow.Time64(sinceMidnight(x).Microseconds())) })
	case *array.TimestampBuilder:
		ok = appendTime(v, func(x time.Time) { b.Append(t.ticks(x)) })
	case *array.ListBuilder:
		return t.appendElements(b, v)
	case *array.StringBuilder:
		b.Append(strings.ToValidUTF8(t.format(v), "\uFFFD"))
	}
	if !ok {
		return fmt.Errorf("%T is no value of its type", v)
	}
	return nil
}

func appendInt(v any, add func(int64)) bool {
	x, ok := toInt(v)
	if ok {
		add(x)
	}
	return ok
}

func appendUint(v any, add func(uint64)) bool {
	x, ok := toUint(v)
	if ok {
		add(x)
	}
	return ok
}

func appendTime(v any, add func(time.Time)) bool {
	x, ok := v.(time.Time)
	if ok {
		add(x.UTC())
	}
	return ok
}

func sinceMidnight(t time.Time) time.Duration {
	return t.Sub(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC))
}

func (t columnType) ticks(v time.Time) arrow.Timestamp {
	switch t.unit {
	case "ns":
		return arrow.Timestamp(v.UnixNano())
	case "ms":
		return arrow.Timestamp(v.UnixMilli())
	}
	return arrow.Timestamp(v.UnixMicro())
}

func (t columnType) appendElements(b *array.ListBuilder, v any) error {
	values, ok := v.([]any)
	if !ok {
		return fmt.Errorf("%T is no list", v)
	}
	b.Append(true)
	for _, e := range values {
		if err := t.elem.append(b.ValueBuilder(), e); err != nil {
			return err
		}
	}
	return nil
}

// appendDecimal adds a HUGEINT or a DECIMAL, exactly.
func (t columnType) appendDecimal(b *array.Decimal128Builder, v any) error {
	var n *big.Int
	switch v := v.(type) {
	case *big.Int:
		n = v
	case fmt.Stringer:
		var err error
		if n, err = unscaled(v.String(), t.scale); err != nil {
			return err
		}
	default:
		i, ok := toInt(v)
		if !ok {
			return fmt.Errorf("%T is no value of its type", v)
		}
		n = big.NewInt(i)
	}
	if digits := len(new(big.Int).Abs(n).String()); digits > t.precision {
		return fmt.Errorf("%s has %d digits, more than the %d that fit: cast it to DOUBLE or VARCHAR", n, digits, t.precision)
	}
	b.Append(decimal128.FromBigInt(n))
	return nil
}

// unscaled reads "-12.3" with scale 2 as -1230.
func unscaled(s string, scale int) (*big.Int, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > scale {
		return nil, fmt.Errorf("%s has more than %d decimals", s, scale)
	}
	n, ok := new(big.Int).SetString(whole+fraction+strings.Repeat("0", scale-len(fraction)), 10)
	if !ok || whole+fraction == "" {
		return nil, fmt.Errorf("%q is no decimal number", s)
	}
	return n, nil
}
