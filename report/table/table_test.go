package table

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/servestat/servestat/schemas/schematest"
)

// slice is a Rows over values in memory. Like a database's, its Values are
// overwritten by the next row.
type slice struct {
	columns []Column
	rows    [][]any
	err     error
	next    int
	buf     []any
}

func (s *slice) Columns() []Column { return s.columns }
func (s *slice) Next() bool        { s.next++; return s.next <= len(s.rows) }
func (s *slice) Err() error        { return s.err }
func (s *slice) Values() []any {
	s.buf = append(s.buf[:0], s.rows[s.next-1]...)
	return s.buf
}

// cents is a decimal as a driver delivers it: something that prints itself.
type cents int64

func (c cents) String() string {
	s := big.NewInt(int64(c)).String()
	return s[:len(s)-2] + "." + s[len(s)-2:]
}

// pair is a map as a driver delivers it, with keys of any type.
type pair map[any]any

var (
	day  = time.Date(2025, 11, 17, 0, 0, 0, 0, time.UTC)
	noon = time.Date(2025, 11, 17, 12, 3, 4, 250_000_000, time.UTC)
	far  = time.Date(2025, 11, 17, 13, 3, 4, 0, time.FixedZone("CET", 3600))
)

// everyType has a column of every type, and NULLs, odd floats and text that would
// break a format that does not escape it.
func everyType() *slice {
	return &slice{
		columns: []Column{
			{"flag", "BOOLEAN"}, {"tiny", "TINYINT"}, {"n", "BIGINT"}, {"u", "UBIGINT"}, {"huge", "HUGEINT"}, {"price", "DECIMAL(9,2)"},
			{"f", "FLOAT"}, {"x", "DOUBLE"}, {"name", "VARCHAR"}, {"raw", "BLOB"}, {"id", "UUID"}, {"d", "DATE"}, {"t", "TIME"},
			{"ts", "TIMESTAMP"}, {"tz", "TIMESTAMPTZ"}, {"l", "DOUBLE[]"}, {"ll", "INTEGER[][]"}, {"s", `STRUCT("b" INTEGER, "a" VARCHAR)`},
			{"m", "MAP(INTEGER, VARCHAR)"}, {"n", "INTEGER"}, {"ttz", "TIMETZ"}, {"doc", "JSON"},
		},
		rows: [][]any{
			{
				true, int8(-1), int64(math.MaxInt64), uint64(math.MaxUint64), new(big.Int).Lsh(big.NewInt(1), 100), cents(-1230),
				float32(0.1), 14.18, "plain", []byte("ab\x00\xff"), bytes.Repeat([]byte{0xab}, 16), day, noon, noon, far,
				[]any{1.5, nil, math.NaN()}, []any{[]any{int32(1)}, nil, []any{}}, map[string]any{"b": int32(1), "a": "x"},
				pair{int32(2): "two", int32(1): nil}, int32(7), far, "a text",
			},
			make([]any, 22),
			{
				false, int8(0), int64(-1), uint64(0), big.NewInt(-5), cents(100),
				float32(math.Inf(1)), math.NaN(), "comma, \"quote\"\nline | pipe <b> \x1b[31mred\u202e", []byte{}, bytes.Repeat([]byte{0}, 16), day, noon, noon, far,
				[]any{}, []any{}, map[string]any{}, pair{}, int32(0), noon, map[string]any{"k": []any{1.0, 2.5}},
			},
		},
	}
}

func render(t *testing.T, rows Rows, f Format, o Options) []byte {
	t.Helper()
	var buf bytes.Buffer
	if _, err := Write(&buf, rows, f, o); err != nil {
		t.Fatalf("%s: %v", f, err)
	}
	return buf.Bytes()
}

// Every text format on every type.
func TestFormats(t *testing.T) {
	for f, ext := range map[Format]string{Table: "txt", CSV: "csv", JSON: "json", JSONL: "jsonl", Markdown: "md"} {
		schematest.Golden(t, "testdata/every_type."+ext, render(t, everyType(), f, Options{}))
	}
}

// loadPoints is a result as people look at them.
func loadPoints() *slice {
	return &slice{
		columns: []Column{{"model", "VARCHAR"}, {"runtime_version", "VARCHAR"}, {"max_concurrency", "BIGINT"}, {"itl_mean_ms", "DOUBLE"}, {"server_start", "VARCHAR"}},
		rows: [][]any{
			{"nvidia/Nemotron-3-Nano-30B-A3B-NVFP4", "0.19.0", int64(1), 14.18, "start 1"},
			{"nvidia/Nemotron-3-Nano-30B-A3B-NVFP4", "0.19.0", int64(32), 65.9, nil},
			{"日本語のとても長いモデルの名前、端末よりも広い", "0.20.2", int64(1024), 713.25, "start 1"},
		},
	}
}

// A terminal gets a table that fits: text gives way, the widest column first,
// and numbers stay whole.
func TestTableFitsTheTerminal(t *testing.T) {
	for _, width := range []int{0, 100, 80, 60} {
		got := render(t, loadPoints(), Table, Options{Width: width})
		schematest.Golden(t, "testdata/width_"+big.NewInt(int64(width)).String()+".txt", got)
		for line := range strings.SplitSeq(string(got), "\n") {
			if w := text.StringWidth(line); width > 0 && w > width {
				t.Errorf("at width %d a line is %d wide: %s", width, w, line)
			}
		}
		if width >= 80 && !strings.Contains(string(got), "713.25") {
			t.Errorf("at width %d a number was cut:\n%s", width, got)
		}
	}
}

func TestTableStopsAtMaxRows(t *testing.T) {
	rows := &slice{columns: []Column{{"n", "BIGINT"}}}
	for i := range 2500 {
		rows.rows = append(rows.rows, []any{int64(i)})
	}
	var buf bytes.Buffer
	n, err := Write(&buf, rows, Table, Options{MaxRows: 2})
	if n != 2500 || err != nil {
		t.Fatalf("wrote %d rows, %v", n, err)
	}
	if got := buf.String(); !strings.HasSuffix(got, "2 of 2,500 rows; another format writes all of them\n") || strings.Count(got, "\n") != 7 {
		t.Errorf("a table of two rows at most is\n%s", got)
	}
	rows.next = 0
	if got := render(t, rows, Table, Options{MaxRows: -1}); bytes.Count(got, []byte("\n")) != 2504 {
		t.Errorf("an unlimited table has %d lines", bytes.Count(got, []byte("\n")))
	}
}

// CSV reads back as it was: NULL and the empty text differ in the file, and a
// NULL alone in its line is still a record.
func TestCSV(t *testing.T) {
	rows := &slice{columns: []Column{{"a,b", "VARCHAR"}, {"c", "VARCHAR"}}, rows: [][]any{
		{"x\r\ny", nil}, {"", " padded "}, {`say "hi"`, "ü"},
	}}
	got := render(t, rows, CSV, Options{})
	want := "\"a,b\",c\n\"x\r\ny\",\n\"\",\" padded \"\n\"say \"\"hi\"\"\",ü\n"
	if string(got) != want {
		t.Errorf("csv is %q, want %q", got, want)
	}
	records, err := csv.NewReader(bytes.NewReader(got)).ReadAll()
	if err != nil || len(records) != 4 || records[3][0] != `say "hi"` {
		t.Errorf("reading it back: %q, %v", records, err)
	}
	alone := &slice{columns: []Column{{"a", "VARCHAR"}}, rows: [][]any{{nil}, {nil}}}
	records, err = csv.NewReader(bytes.NewReader(render(t, alone, CSV, Options{}))).ReadAll()
	if err != nil || len(records) != 3 {
		t.Errorf("two NULLs in a column alone read back as %q, %v", records, err)
	}
}

// JSON is valid whatever the values, keeps integers whole, and has a column of
// its own name for each that is called alike.
func TestJSON(t *testing.T) {
	var doc struct {
		Schema  string
		Columns []struct{ Name, Type string }
		Rows    []map[string]json.RawMessage
	}
	if err := json.Unmarshal(render(t, everyType(), JSON, Options{}), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Schema != "servestat.sql/1" || len(doc.Columns) != 22 || len(doc.Rows) != 3 {
		t.Fatalf("schema %q, %d columns, %d rows", doc.Schema, len(doc.Columns), len(doc.Rows))
	}
	for key, want := range map[string]string{
		"n": "9223372036854775807", "n_2": "7", "huge": "1267650600228229401496703205376", "price": "-12.30",
		"l": `[1.5,null,"NaN"]`, "ll": "[[1],null,[]]", "s": `{"a":"x","b":1}`, "m": `{"1":null,"2":"two"}`, "ts": `"2025-11-17T12:03:04.25"`, "tz": `"2025-11-17T12:03:04Z"`,
		"ttz": `"13:03:04+01:00"`, "doc": `"a text"`,
	} {
		if got := string(doc.Rows[0][key]); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	if got := string(doc.Rows[2]["f"]) + string(doc.Rows[2]["x"]); got != `"Infinity""NaN"` {
		t.Errorf("odd floats are %s", got)
	}
	if got := string(render(t, &slice{columns: []Column{{"a", "DOUBLE"}}}, JSON, Options{})); !json.Valid([]byte(got)) {
		t.Errorf("no rows: %s", got)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(render(t, everyType(), JSONL, Options{}))), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line of jsonl is no JSON: %s", line)
		}
	}
}

// Strings survive JSON whatever is in them.
func FuzzJSONString(f *testing.F) {
	for _, s := range []string{"", "a\"b\\c", "\x00\x1f\x7f\n\r\t", "\u2028</script>", "\xff日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		// Of broken UTF-8 only the marks of what was broken are left.
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != strings.ToValidUTF8(s, "\uFFFD") && utf8.ValidString(s) {
			t.Errorf("%q came back as %q, %v", s, got, err)
		}
	})
}

// Floats print with the fewest digits that read back, and no exponent where
// people would not write one.
func TestFloats(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 14.18: "14.18", 1e6: "1000000", 0.30000000000000004: "0.30000000000000004", 1e-6: "0.000001", 1e-7: "1e-07", 1e15: "1000000000000000", 1e16: "1e+16", -2.5: "-2.5",
	} {
		if got := formatFloat(v, 64); got != want {
			t.Errorf("%v prints as %s, want %s", v, got, want)
		}
	}
	if got := formatFloat(float64(float32(0.1)), 32); got != "0.1" {
		t.Errorf("a float of 32 bits prints as %s", got)
	}
}

// What goes to a terminal has no control character left in it.
func TestNothingBreaksTheTerminal(t *testing.T) {
	rows := &slice{columns: []Column{{"a\x1b[2J", "VARCHAR"}}, rows: [][]any{{"\x1b]0;title\x07\r\n\t\u202e\xff"}}}
	for _, f := range []Format{Table, Markdown} {
		rows.next = 0
		for _, r := range string(render(t, rows, f, Options{})) {
			if r != '\n' && !unicode.IsGraphic(r) {
				t.Errorf("%s lets %q through", f, r)
			}
		}
	}
}

func TestTypes(t *testing.T) {
	for name, want := range map[string]kind{
		"BIGINT": signed, "DECIMAL(18,3)": decimal, "DECIMAL(39,3)": other, "DECIMAL(3,5)": other, "INTEGER[]": list, "INTEGER[3]": list,
		"DECIMAL(4,1)[][2]": list, `STRUCT("a[]" INTEGER)`: other, "TIMESTAMP WITH TIME ZONE": timestamp, "GEOMETRY": other, "[]": other, "": other,
	} {
		if got := parseType(name).kind; got != want {
			t.Errorf("parseType(%q) is %v, want %v", name, got, want)
		}
	}
	if elem := parseType("DECIMAL(4,1)[][2]").elem.elem; elem.kind != decimal || elem.scale != 1 {
		t.Errorf("the element of the element is %+v", elem)
	}
}

// Names that occur twice get a number, but never the name of another column.
func TestUniqueNames(t *testing.T) {
	columns, err := newColumns([]Column{{"x", ""}, {"x", ""}, {"x_2", ""}, {"x", ""}, {"x_2", ""}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range columns {
		got = append(got, c.unique)
	}
	if want := "x x_3 x_2 x_4 x_2_2"; strings.Join(got, " ") != want {
		t.Errorf("unique names are %v, want %s", got, want)
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range Formats {
		if got, err := ParseFormat(strings.ToUpper(string(f))); got != f || err != nil {
			t.Errorf("ParseFormat(%q) = %q, %v", f, got, err)
		}
	}
	if _, err := ParseFormat("xml"); err == nil || !strings.Contains(err.Error(), "table, markdown, csv, json, jsonl, parquet, arrow") {
		t.Errorf("ParseFormat(xml): %v", err)
	}
}

// failing is a writer that is full from the start.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// An error of the query or of the output comes back from every format, and names
// the row where a value is to blame.
func TestErrors(t *testing.T) {
	for _, f := range Formats {
		rows := everyType()
		rows.err = errors.New("interrupted")
		if _, err := Write(&bytes.Buffer{}, rows, f, Options{}); err == nil || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("%s: the query's error is %v", f, err)
		}
		if _, err := Write(failing{}, everyType(), f, Options{}); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("%s: the output's error is %v", f, err)
		}
		short := &slice{columns: []Column{{"a", "BIGINT"}, {"b", "BIGINT"}}, rows: [][]any{{int64(1)}}}
		if _, err := Write(&bytes.Buffer{}, short, f, Options{}); err == nil || !strings.Contains(err.Error(), "row 1 has 1 values for 2 columns") {
			t.Errorf("%s: a short row: %v", f, err)
		}
		if _, err := Write(&bytes.Buffer{}, &slice{}, f, Options{}); err == nil {
			t.Errorf("%s: no columns: no error", f)
		}
	}
	for _, c := range []struct {
		typ  string
		v    any
		want string
	}{
		{"BIGINT", "7", "row 1: column a: string is no value of its type"},
		{"HUGEINT", new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil), "has 39 digits, more than the 38 that fit: cast it to DOUBLE or VARCHAR"},
		{"DECIMAL(3,1)", cents(12345), "123.45 has more than 1 decimals"},
		{"DECIMAL(3,2)", cents(12345), "12345 has 5 digits, more than the 3 that fit"},
		{"BIGINT[]", []any{"x"}, "string is no value of its type"},
		{"BIGINT[]", int64(3), "int64 is no list"},
	} {
		rows := &slice{columns: []Column{{"a", c.typ}}, rows: [][]any{{c.v}}}
		if _, err := Write(&bytes.Buffer{}, rows, Parquet, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %v: %v, want %q", c.typ, c.v, err, c.want)
		}
	}
}
