package table

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A kind is what the values of a column are.
type kind int

const (
	other kind = iota // written as text
	boolean
	signed
	unsigned
	huge
	decimal
	float
	varchar
	blob
	date
	clock
	timestamp
	uuid
	document // JSON
	list
)

// A columnType is a database type, taken apart.
type columnType struct {
	kind kind

	bits             int // of integers and floats
	precision, scale int // of decimals
	unit             string
	zoned            bool        // of times and timestamps
	elem             *columnType // of lists
}

// simple are the types without parameters, by the database's name.
var simple = map[string]columnType{
	"BOOLEAN":  {kind: boolean},
	"TINYINT":  {kind: signed, bits: 8},
	"SMALLINT": {kind: signed, bits: 16},
	"INTEGER":  {kind: signed, bits: 32},
	"BIGINT":   {kind: signed, bits: 64},

	"UTINYINT":  {kind: unsigned, bits: 8},
	"USMALLINT": {kind: unsigned, bits: 16},
	"UINTEGER":  {kind: unsigned, bits: 32},
	"UBIGINT":   {kind: unsigned, bits: 64},

	"HUGEINT": {kind: huge, precision: 38},
	"FLOAT":   {kind: float, bits: 32},
	"DOUBLE":  {kind: float, bits: 64},
	"VARCHAR": {kind: varchar},
	"ENUM":    {kind: varchar},
	"BLOB":    {kind: blob},
	"UUID":    {kind: uuid},
	"DATE":    {kind: date},
	"TIME":    {kind: clock},
	"TIMETZ":  {kind: clock, zoned: true},
	"JSON":    {kind: document},

	"TIMESTAMP":                {kind: timestamp, unit: "us"},
	"TIMESTAMP_S":              {kind: timestamp, unit: "us"},
	"TIMESTAMP_MS":             {kind: timestamp, unit: "ms"},
	"TIMESTAMP_NS":             {kind: timestamp, unit: "ns"},
	"TIMESTAMPTZ":              {kind: timestamp, unit: "us", zoned: true},
	"TIMESTAMP WITH TIME ZONE": {kind: timestamp, unit: "us", zoned: true},
}

// parseType takes a type's name apart. What it does not know is written as text.
func parseType(name string) columnType {
	if t, ok := simple[name]; ok {
		return t
	}
	if elem, ok := listOf(name); ok {
		t := parseType(elem)
		return columnType{kind: list, elem: &t}
	}
	var t columnType
	if n, _ := fmt.Sscanf(name, "DECIMAL(%d,%d)", &t.precision, &t.scale); n == 2 && t.precision >= 1 && t.precision <= 38 && t.scale >= 0 && t.scale <= t.precision {
		t.kind = decimal
		return t
	}
	return columnType{kind: other}
}

// listOf returns the element type of T[] and T[3].
func listOf(name string) (elem string, ok bool) {
	open := strings.LastIndexByte(name, '[')
	if open <= 0 || !strings.HasSuffix(name, "]") {
		return "", false
	}
	size := name[open+1 : len(name)-1]
	if _, err := strconv.Atoi(size); err != nil && size != "" {
		return "", false
	}
	return name[:open], true
}

// numeric reports whether values are numbers, which stand to the right.
func (t columnType) numeric() bool {
	switch t.kind {
	case signed, unsigned, huge, decimal, float:
		return true
	}
	return false
}

// A column is a column with its type taken apart and a name of its own.
type column struct {
	Column
	columnType
	unique string // Name, with a number where it occurs twice
}

func newColumns(in []Column) ([]column, error) {
	if len(in) == 0 {
		return nil, errors.New("the result has no columns")
	}
	taken := map[string]bool{}
	for _, c := range in {
		taken[c.Name] = true
	}
	seen := map[string]bool{}
	out := make([]column, len(in))
	for i, c := range in {
		out[i] = column{c, parseType(c.DatabaseType), c.Name}
		for n := 2; seen[out[i].unique]; n++ {
			// Not a name that another column has by right.
			if name := fmt.Sprintf("%s_%d", c.Name, n); !taken[name] {
				out[i].unique = name
			}
		}
		seen[out[i].unique] = true
	}
	return out, nil
}
