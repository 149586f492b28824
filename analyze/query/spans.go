package query

/*
extern void servestat_in_spans(void *info, void *input, void *output);
*/
import "C"

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/marcboeker/go-duckdb/mapping"
	duckdb "github.com/marcboeker/go-duckdb/v2"
)

// inSpansName is a function of SQL, in_spans(key, value, spans): is a value in one
// of the spans of its key? Spans are a list of {key, least, most}, by ascending key.
// Where an argument is missing it says no. It is for our own macros: the guard lets
// no statement call it.
//
// A join of the same meaning costs several times what reading the value does, and
// exact_percentiles asks it of every token. Keys of neighbouring tokens are the
// same, so that here the spans are looked up once and compared after that.
const inSpansName = "in_spans"

// registerInSpans makes the function known to a database, through any connection.
func registerInSpans(ctx context.Context, db *sql.DB) error {
	key, value := mapping.CreateLogicalType(mapping.TypeUBigInt), mapping.CreateLogicalType(mapping.TypeBigInt)
	span := mapping.CreateStructType([]mapping.LogicalType{key, value, value}, []string{"key", "least", "most"})
	spans, boolean := mapping.CreateListType(span), mapping.CreateLogicalType(mapping.TypeBoolean)
	f := mapping.CreateScalarFunction()
	defer func() {
		mapping.DestroyScalarFunction(&f)
		for _, t := range []*mapping.LogicalType{&key, &value, &span, &spans, &boolean} {
			mapping.DestroyLogicalType(t)
		}
	}()
	mapping.ScalarFunctionSetName(f, inSpansName)
	for _, t := range []mapping.LogicalType{key, value, spans} {
		mapping.ScalarFunctionAddParameter(f, t)
	}
	mapping.ScalarFunctionSetReturnType(f, boolean)
	mapping.ScalarFunctionSetFunction(f, C.servestat_in_spans)

	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(c any) error {
		handle, err := nativeConnection(c)
		if err != nil {
			return err
		}
		if mapping.RegisterScalarFunction(handle, f) == mapping.StateError {
			return fmt.Errorf("function %s cannot be registered", inSpansName)
		}
		return nil
	})
}

// nativeConnection is the engine's own handle of a connection of the driver, for
// functions that take a chunk of rows at a time.
//
// Note: the driver keeps it to itself, and registers functions of one row only, which
// are a hundred times slower. Its one public way to a database that others can connect
// to, GetInstanceCache, is for databases in files: the names of shared ones in memory
// do not parse as its URLs. So the field is read here, never written, and
// TestTheDriverHasItsHandle says what to do when it is gone.
func nativeConnection(c any) (mapping.Connection, error) {
	if driver, ok := c.(*duckdb.Conn); ok {
		field := reflect.ValueOf(driver).Elem().FieldByName("conn")
		if field.IsValid() && field.Type() == reflect.TypeFor[mapping.Connection]() {
			return *(*mapping.Connection)(field.Addr().UnsafePointer()), nil
		}
	}
	return mapping.Connection{}, fmt.Errorf("the driver's connection is a %T without a field conn that is a %T: this servestat was built with a driver that it does not know", c, mapping.Connection{})
}

//export servestat_in_spans
func servestat_in_spans(_, input, output unsafe.Pointer) {
	chunk := mapping.DataChunk{Ptr: input}
	rows := int(mapping.DataChunkGetSize(chunk))
	keys, keyMask := vector[uint64](mapping.DataChunkGetVector(chunk, 0), rows)
	values, valueMask := vector[int64](mapping.DataChunkGetVector(chunk, 1), rows)
	list := mapping.DataChunkGetVector(chunk, 2)
	lists, listMask := vector[stretch](list, rows)
	all := spansOf(mapping.ListVectorGetChild(list), int(mapping.ListVectorGetSize(list)))
	out, _ := vector[byte](mapping.Vector{Ptr: output}, rows)
	for i := 0; i < rows; {
		from, key, in := i, keys[i], lists[i]
		for i++; i < rows && keys[i] == key && lists[i] == in; i++ {
		}
		sought := spans{}
		if listMask.has(from) {
			sought = all.within(in).of(key)
		}
		sought.mark(out[from:i], values[from:i])
	}
	keyMask.clear(out)
	valueMask.clear(out)
}

// spans are columns of spans, by ascending key.
type spans struct {
	key         []uint64
	least, most []int64
}

// A stretch is a list among the elements of all lists of a column.
type stretch struct{ offset, length uint64 }

func spansOf(child mapping.Vector, n int) spans {
	key, _ := vector[uint64](mapping.StructVectorGetChild(child, 0), n)
	least, _ := vector[int64](mapping.StructVectorGetChild(child, 1), n)
	most, _ := vector[int64](mapping.StructVectorGetChild(child, 2), n)
	return spans{key, least, most}
}

func (s spans) within(in stretch) spans { return s.slice(int(in.offset), int(in.offset+in.length)) }

func (s spans) slice(from, to int) spans {
	return spans{s.key[from:to], s.least[from:to], s.most[from:to]}
}

// of returns the spans of a key.
func (s spans) of(key uint64) spans {
	from, _ := slices.BinarySearch(s.key, key)
	to := from
	for to < len(s.key) && s.key[to] == key {
		to++
	}
	return s.slice(from, to)
}

// mark says of every value whether it is in one of the spans.
func (s spans) mark(out []byte, values []int64) {
	clear(out)
	values = values[:len(out)]
	for i, least := range s.least {
		if s.most[i] < least {
			continue
		}
		width := uint64(s.most[i] - least)
		for j, v := range values {
			if uint64(v-least) <= width { // below least it wraps around
				out[j] = 1
			}
		}
	}
}

// A mask has a bit a row that says it is not NULL; an empty one says it of all.
type mask []uint64

// clear says no where there is NULL.
func (m mask) clear(out []byte) {
	if len(m) == 0 {
		return
	}
	for i := range out {
		if !m.has(i) {
			out[i] = 0
		}
	}
}

func (m mask) has(row int) bool { return len(m) == 0 || m[row/64]>>(row%64)&1 == 1 }

// vector is a column of a chunk, as DuckDB holds it.
func vector[T any](v mapping.Vector, rows int) ([]T, mask) {
	data := unsafe.Slice((*T)(mapping.VectorGetData(v)), rows)
	if valid := mapping.VectorGetValidity(v); valid != nil {
		return data, unsafe.Slice((*uint64)(valid), (rows+63)/64)
	}
	return data, nil
}
