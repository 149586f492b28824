package columnar

import (
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/servestat/servestat/schemas"
)

const tokenBatch = 1 << 16

// A TokensWriter writes the tokens table of one run, from gaps as they are read.
type TokensWriter struct {
	fw     *pqarrow.FileWriter
	schema *arrow.Schema
	runID  arrow.Array // the run id, as a dictionary of one value

	request, chunk []int32
	gap            []int64
	tokens         []int32 // of each chunk; unknown where known is false
	known          []bool
	rows           int64
}

// NewTokensWriter begins the tokens table of a run.
func NewTokensWriter(w io.Writer, runID string) (*TokensWriter, error) {
	schema := tokensSchema()
	fw, err := pqarrow.NewFileWriter(schema, w, properties(schemas.TokensTable, rowGroupRows), pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, err
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.Append(runID)
	return &TokensWriter{fw: fw, schema: schema, runID: b.NewArray()}, nil
}

// tokensSchema is the table's schema with run_id as a dictionary. The file is the
// same; writing it is not: one hash a batch instead of one a token, which was
// half the time of an ingest.
func tokensSchema() *arrow.Schema {
	fields := schemas.TokensTable.Arrow().Fields()
	fields[0].Type = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	return arrow.NewSchema(fields, nil)
}

// Append adds gaps, which come by request and in order. It copies them.
func (t *TokensWriter) Append(g *schemas.Gaps) error {
	if g.Request > math.MaxInt32 || g.FirstChunk+len(g.Nanos) > math.MaxInt32 {
		return fmt.Errorf("%s: more requests or chunks than the tokens table can number", g.Pos())
	}
	for i, ns := range g.Nanos {
		t.request = append(t.request, int32(g.Request))
		t.chunk = append(t.chunk, int32(g.FirstChunk+i))
		t.gap = append(t.gap, ns)
		n, known := int32(0), g.Tokens != nil
		if known {
			n = g.Tokens[i]
		}
		t.tokens, t.known = append(t.tokens, n), append(t.known, known)
		if len(t.gap) == tokenBatch {
			if err := t.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *TokensWriter) flush() error {
	n := len(t.gap)
	if n == 0 {
		return nil
	}
	mem := memory.DefaultAllocator
	first := int32Array(mem, make([]int32, n), nil) // every row has the dictionary's value 0
	defer first.Release()
	run := array.NewDictionaryArray(t.schema.Field(0).Type, first, t.runID)
	cols := []arrow.Array{run, int32Array(mem, t.request, nil), int32Array(mem, t.chunk, nil), int64Array(mem, t.gap), int32Array(mem, t.tokens, t.known)}
	rec := array.NewRecord(t.schema, cols, int64(n))
	defer rec.Release()
	for _, c := range cols {
		c.Release()
	}
	t.rows += int64(n)
	t.request, t.chunk, t.gap = t.request[:0], t.chunk[:0], t.gap[:0]
	t.tokens, t.known = t.tokens[:0], t.known[:0]
	return t.fw.WriteBuffered(rec)
}

// int32Array makes a column; where valid is not nil, only those values count.
func int32Array(mem memory.Allocator, v []int32, valid []bool) arrow.Array {
	b := array.NewInt32Builder(mem)
	defer b.Release()
	b.AppendValues(v, valid)
	return b.NewArray()
}

func int64Array(mem memory.Allocator, v []int64) arrow.Array {
	b := array.NewInt64Builder(mem)
	defer b.Release()
	b.AppendValues(v, nil)
	return b.NewArray()
}

// Close completes the file and returns the number of rows in it.
func (t *TokensWriter) Close() (rows int64, err error) {
	if err := t.flush(); err != nil {
		return t.rows, err
	}
	return t.rows, t.fw.Close()
}
