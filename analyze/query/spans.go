package query

/*
#cgo CFLAGS: -O3
#include <stdint.h>
extern void servestat_in_spans(void *info, void *input, void *output);
extern void servestat_mark(uint8_t *out, const int64_t *values, size_t n, int64_t least, uint64_t width);
*/
import "C"

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"reflect"
	"sort"
	"unsafe"

	"github.com/marcboeker/go-duckdb/mapping"
	duckdb "github.com/marcboeker/go-duckdb/v2"
)

// inSpansName is a function of SQL, in_spans(key, value, spans): is a value in one
// of the spans of its key? Spans are records of three big-endian numbers, {key, least,
// most}, by ascending key, one after the other in a BLOB. Where an argument is missing
// it says no. It is for our own macros: the guard lets no statement call it.
//
// A join of the same meaning costs several times what reading the value does, and
// exact_percentiles asks it of every token. Keys of neighbouring tokens are the
// same, so that here the spans are looked up once and compared after that. A BLOB is
// handed on to each chunk of rows as an address; a list of structs would be copied.
const inSpansName = "in_spans"

// registerInSpans makes the function known to a database, through any connection.
func registerInSpans(ctx context.Context, db *sql.DB) error {
	key, value := mapping.CreateLogicalType(mapping.TypeUBigInt), mapping.CreateLogicalType(mapping.TypeBigInt)
	blob, boolean := mapping.CreateLogicalType(mapping.TypeBlob), mapping.CreateLogicalType(mapping.TypeBoolean)
	f := mapping.CreateScalarFunction()
	defer func() {
		mapping.DestroyScalarFunction(&f)
		for _, t := range []*mapping.LogicalType{&key, &value, &blob, &boolean} {
			mapping.DestroyLogicalType(t)
		}
	}()
	mapping.ScalarFunctionSetName(f, inSpansName)
	for _, t := range []mapping.LogicalType{key, value, blob} {
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
	blobs, blobMask := vector[blob](mapping.DataChunkGetVector(chunk, 2), rows)
	out, _ := vector[byte](mapping.Vector{Ptr: output}, rows)
	for from := 0; from < rows; {
		if !blobMask.has(from) { // what stands there is nothing
			from++
			continue
		}
		to := from + min(alike(keys[from:]), alike(blobs[from:]))
		spans(blobs[from].bytes()).of(keys[from]).mark(out[from:to], values[from:to])
		from = to
	}
	for _, m := range []mask{keyMask, valueMask, blobMask} {
		m.clear(out)
	}
}

// alike is how many values at the beginning are the same: most often all of them.
func alike[T comparable](values []T) int {
	raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(values[0])))
	if size := int(unsafe.Sizeof(values[0])); bytes.Equal(raw[size:], raw[:len(raw)-size]) {
		return len(values)
	}
	n := 1
	for n < len(values) && values[n] == values[0] {
		n++
	}
	return n
}

// A blob is a text of any bytes as DuckDB holds it: its length, and where it is, or,
// where it is short, the bytes themselves.
type blob [2]uint64

// bytes are those of the blob, until the chunk is gone.
func (b *blob) bytes() []byte {
	const most = 12
	n := *(*uint32)(unsafe.Pointer(b))
	if n <= most {
		return (*[16]byte)(unsafe.Pointer(b))[4 : 4+n]
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&b[1])), n)
}

// spans are records of a key, the least and the most value, by ascending key.
type spans []byte

const spanBytes = 3 * 8

func (s spans) len() int { return len(s) / spanBytes }

// at is number n of a span.
func (s spans) at(span, n int) uint64 { return binary.BigEndian.Uint64(s[span*spanBytes+n*8:]) }

// of returns the spans of a key.
func (s spans) of(key uint64) spans {
	from := sort.Search(s.len(), func(i int) bool { return s.at(i, 0) >= key })
	to := from
	for to < s.len() && s.at(to, 0) == key {
		to++
	}
	return s[from*spanBytes : to*spanBytes]
}

// mark says of every value whether it is in one of the spans.
func (s spans) mark(out []byte, values []int64) {
	clear(out)
	for i := range s.len() {
		least, most := int64(s.at(i, 1)), int64(s.at(i, 2))
		if most < least {
			continue
		}
		C.servestat_mark((*C.uint8_t)(&out[0]), (*C.int64_t)(&values[0]), C.size_t(len(out)), C.int64_t(least), C.uint64_t(most-least))
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
