package schemas

import (
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
)

// FieldIDKey is the Arrow metadata key from which Parquet writers take field ids.
const FieldIDKey = "PARQUET:field_id"

// Arrow returns the table's Arrow schema. Every field carries its field id, its
// unit and its meaning as metadata.
func (t TableInfo) Arrow() *arrow.Schema {
	fields := make([]arrow.Field, len(t.Columns))
	for i, c := range t.Columns {
		fields[i] = arrow.Field{Name: c.Name, Type: c.Type.arrow(), Nullable: !c.Required, Metadata: c.metadata()}
	}
	return arrow.NewSchema(fields, nil)
}

func (c Column) metadata() arrow.Metadata {
	keys := []string{FieldIDKey, "doc"}
	vals := []string{strconv.Itoa(int(c.ID)), c.Doc}
	if c.Unit != "" {
		keys, vals = append(keys, "unit"), append(vals, c.Unit)
	}
	return arrow.NewMetadata(keys, vals)
}

func (t Type) arrow() arrow.DataType {
	switch t {
	case String:
		return arrow.BinaryTypes.String
	case Bool:
		return arrow.FixedWidthTypes.Boolean
	case Int32:
		return arrow.PrimitiveTypes.Int32
	case Int64:
		return arrow.PrimitiveTypes.Int64
	case Float64:
		return arrow.PrimitiveTypes.Float64
	case Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case Int32List:
		return arrow.ListOfNonNullable(arrow.PrimitiveTypes.Int32)
	case Int64List:
		return arrow.ListOfNonNullable(arrow.PrimitiveTypes.Int64)
	}
	panic("schemas: unknown type " + t.String())
}
