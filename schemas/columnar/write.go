package columnar

import (
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"

	"github.com/servestat/servestat/schemas"
)

const (
	rowGroupRows = 1 << 20
	batchRows    = 1 << 14
	createdBy    = "servestat"
)

// properties returns the writer options of a table, in row groups of at most
// groupRows.
func properties(t schemas.TableInfo, groupRows int64) *parquet.WriterProperties {
	opts := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithMaxRowGroupLength(groupRows),
		parquet.WithCreatedBy(createdBy),
		parquet.WithVersion(parquet.V2_LATEST),
		parquet.WithDataPageVersion(parquet.DataPageV1),
	}
	for _, c := range t.Columns {
		if c.Type == schemas.Int32 || c.Type == schemas.Int64 {
			opts = append(opts, parquet.WithDictionaryFor(c.Name, false),
				parquet.WithEncodingFor(c.Name, parquet.Encodings.DeltaBinaryPacked))
		}
	}
	return parquet.NewWriterProperties(opts...)
}

// WriteTable writes rows as one Parquet file and returns how many there were.
// It holds one batch of rows at a time.
func WriteTable[T any](w io.Writer, t *schemas.Table[T], rows iter.Seq[*T]) (n int64, err error) {
	rw, err := newRowWriter(w, t, rowGroupRows)
	if err != nil {
		return 0, err
	}
	for row := range rows {
		if err := rw.Append(row); err != nil {
			return rw.rows, err
		}
	}
	return rw.Close()
}

func appendValue(b array.Builder, v any) {
	if v == nil {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.Int32Builder:
		b.Append(v.(int32))
	case *array.Int64Builder:
		b.Append(v.(int64))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.(time.Time).UnixMicro()))
	case *array.ListBuilder:
		b.Append(true)
		switch list := v.(type) {
		case []int32:
			b.ValueBuilder().(*array.Int32Builder).AppendValues(list, nil)
		case []int64:
			b.ValueBuilder().(*array.Int64Builder).AppendValues(list, nil)
		default:
			panic(fmt.Sprintf("columnar: list of %T", v))
		}
	default:
		panic(fmt.Sprintf("columnar: no builder for %T", v))
	}
}
