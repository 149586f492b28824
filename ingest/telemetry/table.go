package telemetry

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/servestat/servestat/ingest/parquetscan"
	"github.com/servestat/servestat/schemas"
)

// The columns of server_metrics_export.parquet that are read. Every other column of
// text is a label.
//
//	endpoint_url  metric_name                       metric_type  timestamp_ns  engine  value  sum   count  bucket_le  bucket_count
//	http://…      vllm:num_requests_running         gauge        17954134592…  0       2
//	http://…      vllm:prompt_tokens                counter      17954134592…  0       128
//	http://…      vllm:time_to_first_token_seconds  histogram    17954134592…  0              0.12  4      0.05       4
//
// Counters and histograms count from the last scrape before the benchmark. When it
// began, the file says in its metadata: there, a sample of zero begins each series. A
// warm-up behind that scrape is counted with the benchmark. Of a histogram each bucket
// has a row, with the same sum and count in all rows of a scrape.
const (
	tableEndpoint = iota
	tableName
	tableKind
	tableTime
	tableValue
	tableSum
	tableCount
	tableBound
	tableBucket
	tableFixed
)

var tableColumns = [tableFixed]struct {
	name  string
	holds parquetscan.Type
}{
	tableEndpoint: {endpointLabel, parquetscan.Text},
	tableName:     {"metric_name", parquetscan.Text},
	tableKind:     {"metric_type", parquetscan.Text},
	tableTime:     {"timestamp_ns", parquetscan.Int},
	tableValue:    {"value", parquetscan.Float},
	tableSum:      {"sum", parquetscan.Float},
	tableCount:    {"count", parquetscan.Float},
	tableBound:    {"bucket_le", parquetscan.Text},
	tableBucket:   {"bucket_count", parquetscan.Float},
}

// noLabels are columns of text that tell no series apart.
var noLabels = map[string]bool{"unit": true, "description": true}

// startKey is what of the file's metadata says when the benchmark began.
const startKey = "aiperf.time_filter_start_ns"

// maxSeries bounds the series of a table, and maxBounds the buckets of one.
const (
	maxSeries = 200_000
	maxBounds = 1000
)

// maxBadRows is how many rows may be unusable before the rest is not looked at.
const maxBadRows = 1000

// A TableReader reads the samples of a Parquet file: of what AIPerf's
// server_metrics_export.parquet holds. It is like [Reader], but for a file whose
// meaning is at its end, and which therefore is no stream.
type TableReader struct {
	name     string
	file     io.ReaderAt
	size     int64
	limits   parquetscan.Limits
	begun    bool
	rows     *parquetscan.Rows
	columns  []string // that are read, the fixed ones first
	labelled []int    // of them, those that are labels of a series
	telling  []int    // and those that tell series apart
	start    schemas.Opt[time.Time]
	series   map[string]*tableSeries
	key      []byte // of the current row's series
	last     *tableSeries
	lastAt   int64 // scrape that the row before was of, and its series
	bad      int

	queue []schemas.Record
	next  int
	cur   schemas.Record
	err   error
}

// A tableSeries is a series as its first row shows it.
type tableSeries struct {
	seriesLabels
	name, kind string
	unusable   string                       // why none of its rows is
	met        bool                         // its value, or its sum and count
	bounds     map[string]map[string]string // labels of its buckets that were met
}

// NewTableReader returns a reader of a Parquet file of size bytes, which positions
// call name.
func NewTableReader(r io.ReaderAt, size int64, name string, l parquetscan.Limits) *TableReader {
	return &TableReader{name: name, file: r, size: size, limits: l, series: map[string]*tableSeries{}}
}

// CheckTable returns why a Parquet file of size bytes is not AIPerf's, by its footer:
// a [*parquetscan.Fault] where that cannot be read.
func CheckTable(r io.ReaderAt, size int64) error {
	f, err := parquetscan.Open(r, size, parquetscan.Limits{})
	if err != nil {
		return fmt.Errorf("a Parquet file that cannot be read: %w", err)
	}
	return checkTable(f)
}

// errNoTable is of a Parquet file that is not AIPerf's.
var errNoTable = errors.New("a Parquet file, and not AIPerf's server_metrics_export.parquet")

// checkTable holds the columns of a file against those of AIPerf's.
func checkTable(f *parquetscan.File) error {
	for _, want := range tableColumns {
		c, ok := f.Column(want.name)
		if !ok {
			return fmt.Errorf("%w: it has no column %s, but %s", errNoTable, want.name, columnsOf(f))
		}
		if c.Type != want.holds {
			return fmt.Errorf("%w: column %s is %s, want %s", errNoTable, want.name, c.Said, want.holds)
		}
	}
	return nil
}

// columnsOf names the first columns of a file.
func columnsOf(f *parquetscan.File) string {
	const most = 5
	var names []string
	for i, c := range f.Columns() {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(f.Columns())-most))
			break
		}
		names = append(names, quoted(c.Name))
	}
	if len(names) == 0 {
		return "none at all"
	}
	return strings.Join(names, ", ")
}

// Scan reads the next record: a [*schemas.Sample] or a [*schemas.Reject]. It
// returns false at the end and where the file cannot be read; Err tells the two
// apart.
func (t *TableReader) Scan() bool {
	if !t.begun {
		t.begun = true
		t.stop(t.begin())
	}
	for t.next == len(t.queue) {
		t.queue, t.next = t.queue[:0], 0
		if t.rows == nil {
			return false
		}
		if !t.rows.Next() {
			t.stop(t.rows.Err())
			t.rows = nil
			continue
		}
		t.row()
	}
	t.cur = t.queue[t.next]
	t.queue[t.next] = nil
	t.next++
	return true
}

// Record returns the record that Scan read.
func (t *TableReader) Record() schemas.Record { return t.cur }

// Err returns the error of the underlying reader, if there was one.
func (t *TableReader) Err() error { return t.err }

// stop takes in why reading ends: what is wrong with the file is a record, what is
// wrong with the machine an error. What was read before stays.
func (t *TableReader) stop(err error) {
	var fault *parquetscan.Fault
	switch {
	case err == nil:
	case errors.As(err, &fault):
		hint := "copy the file again, or use server_metrics_export.jsonl of the same benchmark"
		if t.rows == nil {
			t.queue = append(t.queue, &schemas.Reject{At: t.pos(), Reason: "a Parquet file that cannot be read: " + err.Error(), Hint: hint, Fatal: true})
			return
		}
		t.queue = append(t.queue, &schemas.Reject{At: t.pos(), Reason: fmt.Sprintf("row %d and those behind it cannot be read: %v", t.rows.Row()+1, err), Hint: hint})
	case errors.Is(err, errNoTable):
		t.queue = append(t.queue, &schemas.Reject{At: t.pos(), Reason: err.Error(), Fatal: true})
	default:
		t.err = fmt.Errorf("%s: %w", t.name, err)
	}
}

// pos is where every record is: a Parquet file has rows, whose bytes lie scattered.
func (t *TableReader) pos() schemas.Pos { return schemas.Pos{File: t.name, Offset: -1, Request: -1} }

func (t *TableReader) begin() error {
	f, err := parquetscan.Open(t.file, t.size, t.limits)
	if err != nil {
		return err
	}
	if err := checkTable(f); err != nil {
		return err
	}
	if text, ok := f.Metadata(startKey); ok {
		if ns, err := strconv.ParseInt(text, 10, 64); err == nil && ns > 0 {
			t.start = schemas.Some(time.Unix(0, ns).UTC())
		} else {
			t.reject("%s is %s, which is no time: counters have no sample of zero at the start", startKey, quoted(text))
		}
	}
	for _, c := range tableColumns {
		t.columns = append(t.columns, c.name)
	}
	t.labelled = []int{tableEndpoint}
	for _, c := range f.Columns() {
		if c.Type == parquetscan.Text && !noLabels[c.Name] && !slices.Contains(t.columns[:tableFixed], c.Name) {
			t.labelled = append(t.labelled, len(t.columns))
			t.columns = append(t.columns, c.Name)
		}
	}
	t.telling = append([]int{tableName, tableKind}, t.labelled...)
	t.rows, err = f.Rows(t.columns...)
	return err
}

// reject says what could not be used.
func (t *TableReader) reject(reason string, args ...any) {
	t.queue = append(t.queue, &schemas.Reject{At: t.pos(), Reason: fmt.Sprintf(reason, args...)})
}

// unusable says why a row could not be used, and of how many that is said.
func (t *TableReader) unusable(reason string, args ...any) {
	if t.bad++; t.bad > maxBadRows {
		t.reject("row %d and those behind it were not read: more than %d rows could not be used", t.rows.Row(), maxBadRows)
		t.rows = nil
		return
	}
	t.reject("row %d: "+reason, append([]any{t.rows.Row()}, args...)...)
}

// row takes in one row.
func (t *TableReader) row() {
	series := t.seriesOf()
	switch {
	case series == nil:
		t.unusable("it is of one more series than the %d that are read", maxSeries)
		return
	case series.unusable != "":
		t.unusable("%s", series.unusable)
		return
	}
	at, ok := t.rows.Int(tableTime)
	if !ok || at <= 0 {
		t.unusable("%s has no time", quoted(series.name))
		return
	}
	s := schemas.Sample{
		At: t.pos(), Line: t.rows.Row(), Time: schemas.Some(time.Unix(0, at).UTC()), Zone: true,
		Source: "prometheus", Device: series.device, Labels: series.labels,
	}
	switch series.kind {
	case "histogram":
		t.histogram(s, series, at)
	case "counter":
		t.cumulative(s, series.name, tableValue, !series.met)
	default:
		t.sample(s, series.name, tableValue)
	}
	series.met, t.last, t.lastAt = true, series, at
}

// seriesOf returns the series of the current row; nil where there are too many.
func (t *TableReader) seriesOf() *tableSeries {
	t.key = t.key[:0]
	for _, i := range t.telling {
		text, ok := t.rows.Text(i)
		if ok {
			t.key = append(t.key, '=')
		}
		t.key = append(append(t.key, text...), 0)
	}
	if s, ok := t.series[string(t.key)]; ok {
		return s
	}
	if len(t.series) == maxSeries {
		return nil
	}
	s := t.newSeries()
	t.series[string(t.key)] = s
	return s
}

// newSeries is the series of the current row.
func (t *TableReader) newSeries() *tableSeries {
	s := &tableSeries{bounds: map[string]map[string]string{}}
	s.name, s.kind = t.text(tableName), t.text(tableKind)
	for _, i := range t.labelled {
		value, ok := t.rows.Text(i)
		if ok {
			s.set(t.columns[i], string(value))
		}
		if !utf8.Valid(value) {
			s.unusable = "the label " + quoted(t.columns[i]) + " is no UTF-8"
		}
	}
	switch {
	case s.name == "" || !utf8.ValidString(s.name):
		s.unusable = "it has no name of a metric"
	case s.kind == "counter":
		if !strings.HasSuffix(s.name, "_total") {
			s.name += "_total"
		}
	case s.kind != "gauge" && s.kind != "histogram" && s.kind != "unknown":
		s.unusable = quoted(s.name) + " is of type " + quoted(s.kind) + "; want gauge, counter, histogram or unknown"
	}
	return s
}

func (t *TableReader) text(i int) string {
	text, _ := t.rows.Text(i)
	return string(text)
}

// histogram takes in a bucket, and with the first of a scrape its sum and count.
func (t *TableReader) histogram(s schemas.Sample, series *tableSeries, at int64) {
	if series != t.last || at != t.lastAt {
		t.cumulative(s, series.name+"_sum", tableSum, !series.met)
		t.cumulative(s, series.name+"_count", tableCount, !series.met)
	}
	le, ok := t.rows.Text(tableBound)
	if !ok {
		return // without buckets
	}
	labels, met := series.bounds[string(le)]
	if !met {
		if !utf8.Valid(le) || len(series.bounds) == maxBounds {
			t.unusable("the bound %s of a bucket of %s is no UTF-8, or one of more than %d", quoted(string(le)), quoted(series.name), maxBounds)
			return
		}
		labels = series.bounded(string(le))
		series.bounds[string(le)] = labels
	}
	s.Labels = labels
	t.cumulative(s, series.name+"_bucket", tableBucket, !met)
}

// bounded are the labels of one of its buckets.
func (s *tableSeries) bounded(le string) map[string]string {
	labels := maps.Clone(s.labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels["le"] = le
	if strings.HasSuffix(s.name, "_milliseconds") {
		return boundInSeconds(labels)
	}
	return labels
}

// cumulative hands on a count since the start of the benchmark; the first behind the
// zero that it began with.
func (t *TableReader) cumulative(s schemas.Sample, name string, column int, first bool) {
	if first && t.start.OK && t.start.V.Before(s.Time.V) {
		zero := s
		zero.Name, zero.Time, zero.Value, zero.Unit = name, t.start, schemas.Some(0.0), unitOf(name).in()
		t.queue = append(t.queue, &zero)
	}
	t.sample(s, name, column)
}

// sample hands on the value of a column.
func (t *TableReader) sample(s schemas.Sample, name string, column int) {
	m := unitOf(name)
	s.Name, s.Unit = name, m.in()
	if v, ok := t.rows.Float(column); ok {
		s.Value = m.of(v)
	}
	t.queue = append(t.queue, &s)
}
