package schemas

import "fmt"

// A Type is the storage type of a column.
type Type int

// The storage types. Timestamps are microseconds without a zone.
const (
	String Type = iota
	Bool
	Int32
	Int64
	Float64
	Timestamp
	Int32List
	Int64List
)

var typeNames = [...]string{"string", "bool", "int32", "int64", "float64", "timestamp[us]", "list<int32>", "list<int64>"}

func (t Type) String() string { return typeNames[t] }

// SQL returns the type's name in DuckDB.
func (t Type) SQL() string {
	return [...]string{"VARCHAR", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "TIMESTAMP", "INTEGER[]", "BIGINT[]"}[t]
}

// A Column describes one column of a table. Its ID is the Parquet field id: it
// identifies the column for ever, is never reused, and is what table formats
// such as Iceberg bind to.
type Column struct {
	ID       int32
	Name     string
	Type     Type
	Unit     string // empty where the value has none
	Doc      string
	Required bool // never NULL
}

// A TableInfo describes a table without its Go row type.
type TableInfo struct {
	Name    string
	RowPer  string // "one row per …"
	Doc     string
	Columns []Column
	// Constant names columns that have one value in a whole block.
	Constant []string
}

// A field is a column and how a row of type T fills it; nil is NULL.
type field[T any] struct {
	Column
	value func(*T) any
}

// A Table is a stored table whose rows are made from T.
type Table[T any] struct {
	TableInfo
	fields []field[T]
}

func newTable[T any](info TableInfo, fields ...field[T]) *Table[T] {
	seen := map[int32]string{}
	for _, f := range fields {
		if other, dup := seen[f.ID]; dup {
			panic(fmt.Sprintf("schemas: table %s: field id %d of %s is taken by %s", info.Name, f.ID, f.Name, other))
		}
		seen[f.ID] = f.Name
		info.Columns = append(info.Columns, f.Column)
	}
	return &Table[T]{TableInfo: info, fields: fields}
}

// Row returns the values of row in column order; nil is NULL. The dynamic type
// of a value is the Go type of its column: string, bool, int32, int64, float64,
// time.Time, []int32 or []int64.
func (t *Table[T]) Row(row *T) []any {
	vals := make([]any, len(t.fields))
	for i, f := range t.fields {
		vals[i] = f.value(row)
		if vals[i] == nil && f.Required {
			panic(fmt.Sprintf("schemas: %s.%s is required and NULL", t.Name, f.Name))
		}
	}
	return vals
}

// Tables lists every stored table, in the order in which to read about them.
func Tables() []TableInfo { return append(MeasuredTables(), ResultTables()...) }

// MeasuredTables lists the tables that ingest writes.
func MeasuredTables() []TableInfo {
	return []TableInfo{
		RunsTable.TableInfo, RequestsTable.TableInfo, TokensTable, CellsTable.TableInfo,
		LogEventsTable.TableInfo, SamplesTable.TableInfo, EvalsTable.TableInfo,
	}
}
