package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	arrowmemory "github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/servestat/servestat/ingest/parquetscan"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

const parquetSample = "testdata/aiperf/v0.13.0/server_metrics_export.parquet"

// readTable returns all records of a Parquet file.
func readTable(t testing.TB, data []byte) []schemas.Record {
	t.Helper()
	reader := NewTableReader(bytes.NewReader(data), int64(len(data)), "telemetry.txt", parquetscan.Limits{})
	var all []schemas.Record
	for reader.Scan() {
		all = append(all, reader.Record())
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTableGolden: the file that AIPerf wrote of the same benchmark as
// server_metrics_export.jsonl beside it.
func TestTableGolden(t *testing.T) {
	data := readFile(t, parquetSample)
	all := readTable(t, data)
	checkRecords(t, all)
	schematest.Golden(t, parquetSample+".golden", []byte("# what AIPerf itself wrote: zero at the start, a histogram whose buckets are rows\n"+shorthand(all)))
	if format, ok := Detect(data); format != FormatParquet || !ok {
		t.Errorf("Detect = %q, %v", format, ok)
	}
	if err := CheckTable(bytes.NewReader(data), int64(len(data))); err != nil {
		t.Error(err)
	}
}

// TestTableAgreesWithLines: of one benchmark, the Parquet file and the JSON lines
// give the same scrapes under the same names, but that the Parquet file counts from
// the last scrape before the benchmark.
func TestTableAgreesWithLines(t *testing.T) {
	type moment struct{ series, at string }
	key := func(s *schemas.Sample) moment {
		var b strings.Builder
		writeSample(&b, &schemas.Sample{Name: s.Name, Device: s.Device, Labels: s.Labels})
		return moment{b.String(), clockOf(s)}
	}
	lines := samplesOf(t, readFile(t, strings.TrimSuffix(parquetSample, "parquet")+"jsonl"))
	said := map[moment]float64{}
	before := map[string]float64{} // the last scrape before the benchmark
	started := false
	table := map[moment]bool{}
	var from string
	for _, rec := range readTable(t, readFile(t, parquetSample)) {
		s, ok := rec.(*schemas.Sample)
		if !ok {
			t.Fatalf("%+v", rec)
		}
		if from == "" && strings.HasSuffix(s.Name, "_total") { // the zero of the first counter
			from = clockOf(s)
		}
		table[key(s)] = true
		said[key(s)] = s.Value.V
	}
	compared := 0
	for _, s := range lines {
		k := key(s)
		started = clockOf(s) >= from
		if !started {
			before[k.series] = s.Value.V
			continue
		}
		if !table[k] {
			continue // scrapes behind the end
		}
		want := s.Value.V
		if s.Name != "vllm:num_requests_running" {
			want -= before[k.series]
		}
		if got := said[k]; math.Abs(got-want) > 1e-12 {
			t.Errorf("%v is %v, want %v", k, got, want)
		}
		compared++
	}
	zeros := 0
	for k, v := range said {
		if k.at == from && v == 0 {
			zeros++
		}
	}
	// Three counters, and four buckets, a sum and a count. A scrape that says what the
	// one before said is no line: of these here, one.
	const series, repeated = 10, 1
	if compared < 50 || compared+zeros+repeated*series != len(said) || zeros != series-1 {
		t.Errorf("%d values compared and %d zeros of %d", compared, zeros, len(said))
	}
}

// A tableRow is a row of a table that a test makes; a nil is NULL.
type tableRow struct {
	endpoint, name, kind any
	at                   any
	engine               any
	value, sum, count    any
	le, bucket           any
}

// tableOf writes rows as AIPerf does.
func tableOf(t testing.TB, start string, rows ...tableRow) []byte {
	t.Helper()
	text, double := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64
	var fields []arrow.Field
	for _, f := range []struct {
		name string
		kind arrow.DataType
	}{
		{"endpoint_url", text}, {"metric_name", text}, {"metric_type", text}, {"unit", text}, {"description", text}, {"timestamp_ns", arrow.PrimitiveTypes.Int64},
		{"engine", text}, {"value", double}, {"sum", double}, {"count", double}, {"bucket_le", text}, {"bucket_count", double},
	} {
		fields = append(fields, arrow.Field{Name: f.name, Type: f.kind, Nullable: true})
	}
	keys, values := []string{"aiperf.schema_version"}, []string{"1.0"}
	if start != "" {
		keys, values = append(keys, startKey), append(values, start)
	}
	said := arrow.NewMetadata(keys, values)
	schema := arrow.NewSchema(fields, &said)
	b := array.NewRecordBuilder(arrowmemory.DefaultAllocator, schema)
	defer b.Release()
	for _, r := range rows {
		for i, v := range []any{r.endpoint, r.name, r.kind, nil, "said at length", r.at, r.engine, r.value, r.sum, r.count, r.le, r.bucket} {
			switch v := v.(type) {
			case nil:
				b.Field(i).AppendNull()
			case string:
				b.Field(i).(*array.StringBuilder).Append(v)
			case int:
				b.Field(i).(*array.Int64Builder).Append(int64(v))
			case float64:
				b.Field(i).(*array.Float64Builder).Append(v)
			}
		}
	}
	return written(t, schema, b)
}

func written(t testing.TB, schema *arrow.Schema, b *array.RecordBuilder) []byte {
	t.Helper()
	var out bytes.Buffer
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithDataPageVersion(parquet.DataPageV1))
	w, err := pqarrow.NewFileWriter(schema, &out, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		t.Fatal(err)
	}
	rec := b.NewRecord()
	defer rec.Release()
	if err := w.Write(rec); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestTable: rows that AIPerf could write, and such as it does not.
func TestTable(t *testing.T) {
	const at = 1795413460000000000
	tests := []struct {
		story string
		start string
		rows  []tableRow
		want  string
	}{
		{"two servers count apart, and each from zero", "1795413459000000000", []tableRow{
			{endpoint: "http://a", name: "vllm:prompt_tokens", kind: "counter", at: at, engine: "0", value: 5.0},
			{endpoint: "http://b", name: "vllm:prompt_tokens", kind: "counter", at: at, engine: "0", value: 7.0},
		}, `1 prometheus 2026-11-23T05:57:39Z
  engine 0 vllm:prompt_tokens_total{endpoint_url="http://a"} = 0 tokens
  engine 0 vllm:prompt_tokens_total{endpoint_url="http://a"} = 5 tokens
2 prometheus 2026-11-23T05:57:39Z
  engine 0 vllm:prompt_tokens_total{endpoint_url="http://b"} = 0 tokens
  engine 0 vllm:prompt_tokens_total{endpoint_url="http://b"} = 7 tokens
`},
		{"a value that is NULL, or no number, is missing and not zero", "", []tableRow{
			{endpoint: "http://a", name: "vllm:kv_cache_usage_perc", kind: "gauge", at: at},
			{endpoint: "http://a", name: "vllm:kv_cache_usage_perc", kind: "gauge", at: at + 1, value: math.NaN()},
			{endpoint: "http://a", name: "up", kind: "unknown", at: at, value: 1.0},
		}, `1 prometheus 2026-11-23T05:57:40Z
  vllm:kv_cache_usage_perc{endpoint_url="http://a"} missing 1
2 prometheus 2026-11-23T05:57:40.000000001Z
  vllm:kv_cache_usage_perc{endpoint_url="http://a"} missing 1
3 prometheus 2026-11-23T05:57:40Z
  up{endpoint_url="http://a"} = 1 
`},
		{"a histogram without buckets; milliseconds of old; nobody says when the benchmark began", "", []tableRow{
			{endpoint: "http://a", name: "x_seconds", kind: "histogram", at: at, sum: 1.5, count: 3.0},
			{endpoint: "http://a", name: "x_milliseconds", kind: "histogram", at: at, sum: 1500.0, count: 3.0, le: "250", bucket: 1.0},
			{endpoint: "http://a", name: "x_milliseconds", kind: "histogram", at: at, sum: 1500.0, count: 3.0, le: "+Inf", bucket: 3.0},
		}, `1 prometheus 2026-11-23T05:57:40Z
  x_seconds_sum{endpoint_url="http://a"} = 1.5 s
  x_seconds_count{endpoint_url="http://a"} = 3 
2 prometheus 2026-11-23T05:57:40Z
  x_milliseconds_sum{endpoint_url="http://a"} = 1.5 s
  x_milliseconds_count{endpoint_url="http://a"} = 3 
  x_milliseconds_bucket{endpoint_url="http://a"}{le="0.25"} = 1 
3 prometheus 2026-11-23T05:57:40Z
  x_milliseconds_bucket{endpoint_url="http://a"}{le="+Inf"} = 3 
`},
		{"rows that say too little, or what nobody knows", "soon", []tableRow{
			{endpoint: "http://a", kind: "gauge", at: at, value: 1.0},
			{endpoint: "http://a", name: "up", kind: "gauge", value: 1.0},
			{endpoint: "http://a", name: "up", kind: "gauge", at: -5, value: 1.0},
			{endpoint: "http://a", name: "up", kind: "summary", at: at, value: 1.0},
			{endpoint: "http://\xff", name: "up", kind: "gauge", at: at, value: 1.0},
			{name: "up", kind: "gauge", at: at, value: 1.0},
		}, `reject: aiperf.time_filter_start_ns is "soon", which is no time: counters have no sample of zero at the start
reject: row 1: it has no name of a metric
reject: row 2: "up" has no time
reject: row 3: "up" has no time
reject: row 4: "up" is of type "summary"; want gauge, counter, histogram or unknown
reject: row 5: the label "endpoint_url" is no UTF-8
6 prometheus 2026-11-23T05:57:40Z
  up = 1 
`},
	}
	for _, test := range tests {
		t.Run(test.story, func(t *testing.T) {
			all := readTable(t, tableOf(t, test.start, test.rows...))
			checkRecords(t, all)
			if got := shorthand(all); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestTableRefused: Parquet that is not AIPerf's, or of which only a part is there.
func TestTableRefused(t *testing.T) {
	whole := readFile(t, parquetSample)
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "conversations", Type: arrow.ListOf(arrow.BinaryTypes.String)}}, nil)
	b := array.NewRecordBuilder(arrowmemory.DefaultAllocator, schema)
	defer b.Release()
	foreign := written(t, schema, b)
	typed := arrow.NewSchema([]arrow.Field{{Name: "endpoint_url", Type: arrow.BinaryTypes.String}, {Name: "metric_name", Type: arrow.PrimitiveTypes.Int32}}, nil)
	c := array.NewRecordBuilder(arrowmemory.DefaultAllocator, typed)
	defer c.Release()
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"a data set":    {foreign, `a Parquet file, and not AIPerf's server_metrics_export.parquet: it has no column endpoint_url, but "id", "conversations"`},
		"another type":  {written(t, typed, c), `not AIPerf's server_metrics_export.parquet: column metric_name is INT32`},
		"cut short":     {whole[:len(whole)-100], "a Parquet file that cannot be read: it has no footer: it was cut short, or its writer did not end"},
		"its beginning": {whole[:4], "a Parquet file that cannot be read: it ends early: 4 bytes are no Parquet file"},
	} {
		t.Run(name, func(t *testing.T) {
			all := readTable(t, test.data)
			if len(all) != 1 {
				t.Fatalf("%d records", len(all))
			}
			if r, ok := all[0].(*schemas.Reject); !ok || !r.Fatal || !strings.Contains(r.Reason, test.want) {
				t.Errorf("%+v, want %q", all[0], test.want)
			}
			if err := CheckTable(bytes.NewReader(test.data), int64(len(test.data))); !strings.Contains(fmt.Sprint(err), test.want) {
				t.Errorf("CheckTable: %v, want %q", err, test.want)
			}
		})
	}
}

// TestTableOfBadRows: after a thousand rows that cannot be used nobody looks at the
// rest, for all of a file may be like that, and a page of a few bytes may hold
// millions of NULLs.
func TestTableOfBadRows(t *testing.T) {
	all := readTable(t, tableOf(t, "", make([]tableRow, 3000)...))
	last := all[len(all)-1].(*schemas.Reject)
	if len(all) != maxBadRows+1 || last.Reason != "row 1001 and those behind it were not read: more than 1000 rows could not be used" {
		t.Errorf("%d records, the last %+v", len(all), last)
	}
}

// TestTableDamaged: what was read before the damage stays, and the rest is said.
func TestTableDamaged(t *testing.T) {
	var rows []tableRow
	for i := range 20_000 {
		rows = append(rows, tableRow{endpoint: "http://a", name: "up", kind: "gauge", at: int(time.Second) + i, value: float64(i)})
	}
	whole := tableOf(t, "", rows...)
	// Bytes of the values, which are many and all different.
	damaged := bytes.Clone(whole)
	copy(damaged[len(damaged)*2/3:], "damaged")
	all := readTable(t, damaged)
	last, ok := all[len(all)-1].(*schemas.Reject)
	if !ok || !strings.Contains(last.Reason, "cannot be read") || last.Hint == "" {
		t.Errorf("%d records, the last %+v", len(all), all[len(all)-1])
	}
}

// A failingAt cannot be read.
type failingAt struct{ error }

func (f failingAt) ReadAt([]byte, int64) (int, error) { return 0, f.error }

func TestTableReadError(t *testing.T) {
	broken := errors.New("no such device")
	r := NewTableReader(failingAt{broken}, 1000, "x.parquet", parquetscan.Limits{})
	if r.Scan() || !errors.Is(r.Err(), broken) || !strings.HasPrefix(fmt.Sprint(r.Err()), "x.parquet: ") {
		t.Errorf("%v", r.Err())
	}
}

// TestParquetIsNoStream: who reads telemetry as it goes by is told.
func TestParquetIsNoStream(t *testing.T) {
	all := read(t, bytes.NewReader(readFile(t, parquetSample)))
	if len(all) != 1 || !all[0].(*schemas.Reject).Fatal {
		t.Errorf("%+v", all)
	}
}

func isFatal(rec schemas.Record) bool {
	r, ok := rec.(*schemas.Reject)
	return ok && r.Fatal
}

func FuzzTable(f *testing.F) {
	f.Add(readFile(f, parquetSample))
	f.Add(tableOf(f, "1", tableRow{endpoint: "a", name: "x", kind: "histogram", at: 5, le: "1", bucket: 2.0}))
	f.Fuzz(func(t *testing.T, data []byte) {
		all := readTable(t, data)
		checkRecords(t, all)
		refused := len(all) == 1 && isFatal(all[0])
		if err := CheckTable(bytes.NewReader(data), int64(len(data))); err != nil && !refused {
			t.Errorf("%v, and %d records", err, len(all))
		}
	})
}

// BenchmarkTable reads the scrapes of a long benchmark.
func BenchmarkTable(b *testing.B) {
	var rows []tableRow
	for i := range 200_000 {
		rows = append(rows, tableRow{
			endpoint: "http://a", name: "vllm:time_to_first_token_seconds", kind: "histogram", at: 1e9 + i/20, engine: "0", sum: float64(i / 20), count: float64(i / 20),
			le: fmt.Sprint(i % 20), bucket: float64(i),
		})
	}
	data := tableOf(b, "1", rows...)
	b.ReportAllocs()
	for b.Loop() {
		r := NewTableReader(bytes.NewReader(data), int64(len(data)), "x", parquetscan.Limits{})
		n := 0
		for r.Scan() {
			n++
		}
		if n < len(rows) {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(len(rows)*b.N)/b.Elapsed().Seconds(), "rows/s")
}
