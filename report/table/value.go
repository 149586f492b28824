package table

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// null is NULL where people read it.
const null = "NULL"

// format returns a value as text: what csv holds, and table and markdown before
// they escape it. v is not nil.
func (t columnType) format(v any) string {
	if t.kind == document { // the driver has taken it apart: a text in it has its quotes
		return string(t.appendJSON(nil, v))
	}
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return formatFloat(v, 64)
	case float32:
		return formatFloat(float64(v), 32)
	case *big.Int:
		return v.String()
	case []byte:
		return t.formatBytes(v)
	case time.Time:
		return t.formatTime(v, " ", "+00")
	case fmt.Stringer: // decimals
		return v.String()
	}
	if i, ok := toInt(v); ok {
		return strconv.FormatInt(i, 10)
	}
	if u, ok := toUint(v); ok {
		return strconv.FormatUint(u, 10)
	}
	return string(t.appendJSON(nil, v))
}

// formatFloat prints the shortest digits that read back as v, without an
// exponent as long as that is no longer than about sixteen digits.
func formatFloat(v float64, bits int) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e16) {
		return strconv.FormatFloat(v, 'e', -1, bits)
	}
	return strconv.FormatFloat(v, 'f', -1, bits)
}

func (t columnType) formatBytes(b []byte) string {
	if t.kind == uuid && len(b) == 16 {
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	}
	if t.kind == varchar {
		return string(b)
	}
	var out strings.Builder
	for _, c := range b {
		if c >= ' ' && c < 0x7f && c != '\\' {
			out.WriteByte(c)
			continue
		}
		fmt.Fprintf(&out, `\x%02X`, c)
	}
	return out.String()
}

// formatTime prints a time by the column's type; between stands between day and
// time, and utc after a time that has a zone.
func (t columnType) formatTime(v time.Time, between, utc string) string {
	if t.kind == clock && t.zoned {
		return v.Format("15:04:05.999999Z07:00") // in its own zone: there is no day to move it by
	}
	v = v.UTC()
	switch t.kind {
	case date:
		return v.Format("2006-01-02")
	case clock:
		return v.Format("15:04:05.999999")
	case timestamp:
		s := v.Format("2006-01-02" + between + "15:04:05.999999999")
		if t.zoned {
			s += utc
		}
		return s
	}
	return v.Format("2006-01-02" + between + "15:04:05.999999999")
}

// appendJSON appends a value as JSON.
func (t columnType) appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case float64:
		return appendFloat(b, v, 64)
	case float32:
		return appendFloat(b, float64(v), 32)
	case *big.Int:
		return v.Append(b, 10)
	case []byte:
		return appendString(b, t.formatBytes(v))
	case time.Time:
		return appendString(b, t.formatTime(v, "T", "Z"))
	case []any:
		return t.appendList(b, v)
	case fmt.Stringer:
		if s := v.String(); t.kind == decimal && json.Valid([]byte(s)) {
			return append(b, s...)
		}
		return appendString(b, v.String())
	}
	if i, ok := toInt(v); ok {
		return strconv.AppendInt(b, i, 10)
	}
	if u, ok := toUint(v); ok {
		return strconv.AppendUint(b, u, 10)
	}
	return appendReflected(b, reflect.ValueOf(v))
}

func appendFloat(b []byte, v float64, bits int) []byte {
	s := formatFloat(v, bits)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return appendString(b, s)
	}
	return append(b, s...)
}

// appendString appends s as a JSON string. Unlike encoding/json it leaves < and >
// as they are: nothing here ends up in a web page unescaped.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s { // of broken UTF-8, U+FFFD comes out
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

func (t columnType) appendList(b []byte, values []any) []byte {
	var elem columnType
	if t.elem != nil {
		elem = *t.elem
	}
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = elem.appendJSON(b, v)
	}
	return append(b, ']')
}

// appendReflected appends what only reflection can take apart: structs, which
// come as map[string]any, maps with keys of any type, and the driver's own types.
func appendReflected(b []byte, v reflect.Value) []byte {
	if v.Kind() != reflect.Map {
		data, err := json.Marshal(v.Interface())
		if err != nil {
			return appendString(b, fmt.Sprint(v.Interface()))
		}
		return append(b, data...)
	}
	type entry struct {
		key   string
		value any
	}
	var entries []entry
	for it := v.MapRange(); it.Next(); {
		entries = append(entries, entry{columnType{}.format(it.Key().Interface()), it.Value().Interface()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	b = append(b, '{')
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, e.key), ':')
		b = columnType{}.appendJSON(b, e.value)
	}
	return append(b, '}')
}

// toInt returns an integer of any signed type.
func toInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int32:
		return int64(v), true
	case int16:
		return int64(v), true
	case int8:
		return int64(v), true
	case int:
		return int64(v), true
	}
	return 0, false
}

// toUint returns an integer of any unsigned type.
func toUint(v any) (uint64, bool) {
	switch v := v.(type) {
	case uint64:
		return v, true
	case uint32:
		return uint64(v), true
	case uint16:
		return uint64(v), true
	case uint8:
		return uint64(v), true
	case uint:
		return uint64(v), true
	}
	return 0, false
}

func toFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case float32:
		return float64(v), true
	}
	return 0, false
}
