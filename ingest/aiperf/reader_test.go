package aiperf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// cases are the files of testdata: what each is there for, and which format its
// beginning shows. Those under a full version were written by the tool itself
// (see make.sh); the others are synthetic. The records that a file gives are in
// the .golden file beside it.
var cases = []struct {
	file   string
	format string
	story  string
}{
	{"v0.1/ok.jsonl", FormatRecords, "the first dialect: ttft and ttst, timestamp_ns and credit_phase, nulls. Request 0 was cancelled by the client; 464.66410099999996 ms is 464664101 ns"},
	{"v0.1/summary.json", FormatSummary, "the first summary, with its metrics under records; its key and its command line hold a secret, which goes no further"},
	{"v0.10/ok.jsonl", FormatRecords, "no nulls; usage beside the client's count, and not equal to it; a gap of 0; one failure; one answer of a single token. inter_token_latency, a mean, is not read"},
	{"v0.10/reordered.jsonl", FormatRecords, "the same records with every key in another place: the same run"},
	{"v0.10/warmup.jsonl", FormatRecords, "requests of the warm-up, one of which failed: they count in no number"},
	{"v0.10/no_lists.jsonl", FormatRecords, "the writer that leaves lists out unless asked: no ITL, and nothing else is lost"},
	{"v0.10/multi_turn.jsonl", FormatRecords, "two conversations, one with a second turn whose prompt was in the cache in part"},
	{"v0.10/cancelled.jsonl", FormatRecords, "was_cancelled and code 499"},
	{"v0.10/failures.jsonl", FormatRecords, "errors of every class; and a record with neither an error nor a response"},
	{"v0.10/old_latency.jsonl", FormatRecords, "a version whose request_latency ran until the usage message: E2EL ends with the last content, 1.5 ms earlier"},
	{"v0.10/no_stream.jsonl", FormatRecords, "no streaming: no TTFT, no chunks"},
	{"v0.10/units.jsonl", FormatRecords, "units are believed, not assumed; a count may be written 40.0"},
	{"v0.10/summary.json", FormatSummary, "a summary with phases, of which the warm-up comes first; a sweep's point; times in an unknown zone"},
	{"v0.10/summary_all_failed.json", FormatSummary, "nothing succeeded: there are no metrics rather than zeros; the run was cancelled and is incomplete"},
	{"raw/chat.jsonl", FormatRaw, "role-only, usage and [DONE] are no content; reasoning comes first; two chunks in one read; a tool call; an error; an answer without content"},
	{"raw/usage_per_chunk.jsonl", FormatRaw, "a server that counts with every chunk: how many tokens each carried is known"},
	{"raw/whole.jsonl", FormatRaw, "a response in one piece"},
	{"raw/responses_api.jsonl", FormatRaw, "events of the responses API"},
	{"raw/sorted_keys.jsonl", FormatRaw, "the times of messages come before the time that they count from"},
	{"v0.1.1/profile_export_aiperf.json", FormatSummary, "written by AIPerf 0.1.1, which left no records"},
	{"v0.3.0/profile_export.jsonl", FormatRecords, "written by AIPerf 0.3.0"},
	{"v0.3.0/profile_export_raw.jsonl", FormatRaw, "the same run, raw"},
	{"v0.3.0/profile_export_aiperf.json", FormatSummary, "the same run, its summary"},
	{"v0.13.0/profile_export.jsonl", FormatRecords, "written by AIPerf 0.13.0, warm-up and all"},
	{"v0.13.0/profile_export_raw.jsonl", FormatRaw, "the same run, raw"},
	{"v0.13.0/profile_export_aiperf.json", FormatSummary, "the same run, its summary"},
	{"hostile/bad_values.jsonl", FormatRecords, "values of the wrong kind everywhere: their requests fail, the others stand"},
	{"hostile/cut_line.jsonl", FormatRecords, "a line that was cut short, a line of garbage, a list, an object of nothing: three requests remain"},
	{"hostile/truncated.jsonl", FormatRecords, "the file ends inside of a record: the run is closed with what is whole"},
	{"hostile/not_records.jsonl", "", "nothing that is a record"},
	{"hostile/twice.jsonl", FormatRecords, "keys that come twice: Python would take the last, we take none"},
	{"hostile/crlf.jsonl", FormatRecords, "lines that end as on Windows"},
	{"hostile/backwards.jsonl", FormatRaw, "a message that came before the one before it"},
	{"hostile/late_first.jsonl", FormatRecords, "a first chunk that comes after the last, a first one of the answer outside of both, and times that cannot be added: none is kept"},
	{"hostile/aggregate.json", "", "an aggregate over runs has metadata and metrics too: not ours"},
	{"hostile/mixed.jsonl", FormatSummary, "a summary, a record, a summary: the second summary comes too late"},
}

// TestGolden reads every file of testdata and compares its records with the
// golden text beside it.
func TestGolden(t *testing.T) {
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			text := recordtest.File(t, c.file)
			var got strings.Builder
			fmt.Fprintf(&got, "# %s\n", c.story)
			for _, rec := range read(t, bytes.NewReader(text)) {
				got.WriteString(recordtest.Shorthand(rec))
			}
			schematest.Golden(t, filepath.Join("testdata", c.file+".golden"), []byte(got.String()))
			if format, ok := Detect(text); format != c.format || ok != (c.format != "") {
				t.Errorf("Detect = %q, %v, want %q", format, ok, c.format)
			}
		})
	}
}

// TestCasesAreComplete: no file lies in testdata that no case tells of.
func TestCasesAreComplete(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.json*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		known := strings.HasSuffix(file, ".golden")
		for _, c := range cases {
			known = known || filepath.Join("testdata", c.file) == file
		}
		if !known {
			t.Errorf("%s is in no case", file)
		}
	}
}

// read returns all records of an upload, which are in the order that
// [schemas.Record] promises.
func read(t testing.TB, r io.Reader, opts ...Option) []schemas.Record {
	t.Helper()
	return readNamed(t, r, "profile_export.jsonl", opts...)
}

func readNamed(t testing.TB, r io.Reader, name string, opts ...Option) []schemas.Record {
	t.Helper()
	return recordtest.Read(t, NewReader(r, name, opts...))
}

// TestArrival: how the bytes arrive makes no difference.
func TestArrival(t *testing.T) {
	for _, c := range cases {
		text := recordtest.File(t, c.file)
		want := read(t, bytes.NewReader(text))
		for name, got := range map[string][]schemas.Record{
			"byte by byte": read(t, iotest.OneByteReader(bytes.NewReader(text))),
			"buffer of 3":  read(t, bytes.NewReader(text), Buffer(3)),
			"buffer of 64": read(t, iotest.HalfReader(bytes.NewReader(text)), Buffer(64)),
		} {
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s: other records", c.file, name)
			}
		}
	}
}

// TestTruncated: a file of records that was cut anywhere gives those that are
// whole, and says so once.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"v0.1/ok.jsonl", "v0.10/ok.jsonl", "raw/chat.jsonl"} {
		text := bytes.TrimSpace(recordtest.File(t, name))
		for n := 1; n < len(text); n++ {
			whole := 0
			for i := range n + 1 {
				// A record is whole with its last brace, before its line ends.
				if i == len(text) || text[i] == '\n' {
					whole++
				}
			}
			between := n == len(text) || text[n] == '\n' || text[n-1] == '\n'
			checkTruncated(t, fmt.Sprintf("%s cut at %d", name, n), read(t, bytes.NewReader(text[:n]), Buffer(1000)), whole, between)
		}
	}
}

func checkTruncated(t *testing.T, name string, records []schemas.Record, whole int, between bool) {
	t.Helper()
	requests, rejects := 0, 0
	var run *schemas.Run
	for _, rec := range records {
		switch rec := rec.(type) {
		case *schemas.Request:
			requests++
		case *schemas.Reject:
			rejects++
		case *schemas.Run:
			run = rec
		}
	}
	switch {
	case requests != whole:
		t.Fatalf("%s: %d requests, want %d", name, requests, whole)
	case (run != nil) != (whole > 0):
		t.Fatalf("%s: closed: %v", name, run != nil)
	case run != nil && run.Truncated == between:
		t.Fatalf("%s: truncated: %v", name, run.Truncated)
	case run != nil && rejects > 1 || run == nil && rejects != 2:
		t.Fatalf("%s: %d rejects", name, rejects)
	}
}

// TestReadError: a fault of the reader is an error, not a record, and the run
// that it struck is not closed.
func TestReadError(t *testing.T) {
	text := recordtest.File(t, "v0.10/ok.jsonl")
	broken := errors.New("the network is gone")
	for n := range len(text) {
		r := NewReader(io.MultiReader(bytes.NewReader(text[:n]), iotest.ErrReader(broken)), "bench.jsonl", Buffer(100))
		for r.Scan() {
			if _, ok := r.Record().(*schemas.Gaps); !ok {
				t.Fatalf("after %d bytes: %s", n, recordtest.Shorthand(r.Record()))
			}
		}
		if !errors.Is(r.Err(), broken) || !strings.Contains(r.Err().Error(), fmt.Sprintf("bench.jsonl: byte %d: ", n)) {
			t.Fatalf("after %d bytes: %v", n, r.Err())
		}
	}
}

func runOf(t testing.TB, text []byte, name string) *schemas.Run {
	t.Helper()
	for _, rec := range readNamed(t, bytes.NewReader(text), name) {
		if run, ok := rec.(*schemas.Run); ok {
			return run
		}
	}
	t.Fatalf("no run in %s", name)
	return nil
}

// TestContentDigest: the digest of a run stays what it is when the file is
// rewritten, and changes with any value.
func TestContentDigest(t *testing.T) {
	digest := func(text []byte) string { return runOf(t, text, "x.jsonl").ContentDigest }
	text := recordtest.File(t, "v0.10/ok.jsonl")
	want := digest(text)
	if got := digest(recordtest.File(t, "v0.10/reordered.jsonl")); got != want {
		t.Errorf("reordered: digest %s, want %s", got, want)
	}
	if got := digest(bytes.ReplaceAll(text, []byte(`},`), []byte("} ,\t"))); got != want {
		t.Errorf("spaced: digest %s, want %s", got, want)
	}
	for _, change := range [][2]string{
		{`"session_num":0`, `"session_num":9`}, {`"value":31.25`, `"value":31.26`}, {`8.000001,0.0`, `0.0,8.000001`},
		{`"worker_id":"worker_1"`, `"worker_id":"worker_2"`}, {`overloaded`, `overjoyed`}, {`"unit":"%"`, `"unit":"1"`},
		{`"code":503`, `"code":502`}, {`,100]`, `,101]`},
	} {
		changed := bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, text) {
			t.Fatalf("%s is not in the file", change[0])
		}
		if digest(changed) == want {
			t.Errorf("%s for %s: the digest is still the same", change[1], change[0])
		}
	}
}

// TestComplete: a summary completes the records that it lies beside, and no
// others.
func TestComplete(t *testing.T) {
	records := recordtest.File(t, "v0.10/ok.jsonl")
	summary := recordtest.File(t, "v0.10/summary.json")
	for _, c := range []struct {
		upload, name string
		want         bool
	}{
		{"a/profile_export.jsonl", "a/profile_export_aiperf.json", true},
		{"a/profile_export_raw.jsonl", "profile_export_aiperf.json", true},
		{"foo.jsonl.gz", "foo.json", true},
		{"foo.jsonl", "bar.json", false},
	} {
		run := runOf(t, records, c.upload)
		if err := Complete(run, c.name, bytes.NewReader(summary)); err != nil {
			t.Fatal(err)
		}
		if run.Version.OK != c.want {
			t.Errorf("%s beside %s: completed: %v", c.name, c.upload, run.Version.OK)
		}
	}
	run := runOf(t, records, "profile_export.jsonl")
	if err := Complete(run, "profile_export_aiperf.json", bytes.NewReader(summary)); err != nil {
		t.Fatal(err)
	}
	schematest.Golden(t, "testdata/v0.10/completed.golden", []byte("# the records of ok.jsonl and the settings of summary.json\n"+recordtest.Shorthand(run)))
	for _, other := range []string{`{"data": [{"session_id": "a"}]}`, `[1]`, `{"metadata": {}, "metrics": {}}`} {
		run := runOf(t, records, "profile_export.jsonl")
		before := *run
		if err := Complete(run, "profile_export.json", strings.NewReader(other)); err != nil || !reflect.DeepEqual(*run, before) {
			t.Errorf("%s: %v, or something was filled in", other, err)
		}
	}
	if err := Complete(run, "profile_export.json", strings.NewReader(`{"a": `)); err == nil {
		t.Error("a summary that breaks off: no error")
	}
}

// TestSummaryWithMetadata: a summary may have metadata, which tells of its data
// set; what comes behind it is read as well.
func TestSummaryWithMetadata(t *testing.T) {
	text := bytes.Replace(recordtest.File(t, "v0.10/summary.json"), []byte(`{`), []byte(`{"metadata": {"dataset": {"name": "x"}},`), 1)
	if run := runOf(t, text, "x.json"); run.Completed.V != 3 || run.Model.V != "acme/seven" {
		t.Errorf("completed %v, model %v", run.Completed, run.Model)
	}
}

// TestShard: a benchmark that was interrupted leaves a file of each worker, which AIPerf
// would have joined. Each has a part of the requests, so that the load and the
// throughput that follow from it are a part of what they were.
func TestShard(t *testing.T) {
	text := recordtest.File(t, "raw/chat.jsonl")
	whole, shard := runOf(t, text, "foo_raw.jsonl"), runOf(t, text, "raw_records/raw_records_worker_1.jsonl")
	if whole.Truncated || !shard.Truncated || len(shard.Notes) != len(whole.Notes)+1 {
		t.Errorf("truncated: %v and %v, notes %q", whole.Truncated, shard.Truncated, shard.Notes)
	}
}

// TestFailuresThatLeftNoRecord: versions of 2025 write no record of a request
// that failed before it had a metric; only the summary knows of it.
func TestFailuresThatLeftNoRecord(t *testing.T) {
	run := runOf(t, recordtest.File(t, "v0.10/ok.jsonl"), "profile_export.jsonl")
	summary := bytes.Replace(recordtest.File(t, "v0.10/summary.json"), []byte(`"error_request_count": {
    "unit": "requests",
    "avg": 1.0`), []byte(`"error_request_count": {
    "unit": "requests",
    "avg": 5.0`), 1)
	if err := Complete(run, "profile_export.json", bytes.NewReader(summary)); err != nil {
		t.Fatal(err)
	}
	if run.Failed.V != 5 || run.Requests.V != 8 || !slices.Contains(run.Notes, "the tool counts 5 failed requests, and the records 1") {
		t.Errorf("failed %d of %d, notes %q", run.Failed.V, run.Requests.V, run.Notes)
	}
}

// TestLimits: passing a limit costs the request, or the run, and says which limit it was.
func TestLimits(t *testing.T) {
	text := string(recordtest.File(t, "v0.10/ok.jsonl"))
	tests := []struct {
		text string
		opt  Option
		want string
	}{
		{text, MaxRequests(2), "fatal (run 0, byte 1683) more than 2 requests, the most that a run may have\n"},
		{text, MaxList(10), "request 0) metrics.inter_chunk_latency: found a longer value, expected at most 10 bytes\n"},
		{text, MaxDepth(2), "cannot be read as JSON: more than 2 containers inside each other\n"},
		{text, MaxString(12), "cannot be read as JSON: a key is longer than 12 bytes\n"},
	}
	for _, test := range tests {
		var got strings.Builder
		for _, rec := range read(t, strings.NewReader(test.text), test.opt) {
			if reject, ok := rec.(*schemas.Reject); ok {
				got.WriteString(recordtest.Shorthand(reject))
			}
		}
		if !strings.Contains(got.String(), test.want) {
			t.Errorf("got %s want %s", got.String(), test.want)
		}
	}
}

// TestManyRejects: a file that is wrong everywhere is told a few times and then
// counted.
func TestManyRejects(t *testing.T) {
	line := `{"metadata": {"benchmark_phase": "profiling"}, "metrics": {"request_latency": {"value": -1, "unit": "ms"}}}` + "\n"
	var rejects []string
	for _, rec := range read(t, strings.NewReader(strings.Repeat(line, 100)+strings.Repeat("garbage\n", 5)+strings.Repeat("{nonsense\n", 100))) {
		if reject, ok := rec.(*schemas.Reject); ok {
			rejects = append(rejects, reject.Reason)
		}
	}
	if len(rejects) != 22 || rejects[20] != "90 more values cannot be used" || rejects[21] != "91 more lines cannot be used" {
		t.Errorf("%d rejects: %q", len(rejects), rejects)
	}
}

// TestHostile: whatever does not look like a file of ours is told so, quickly
// and in little.
func TestHostile(t *testing.T) {
	for name, text := range map[string]string{
		"empty":           "",
		"space":           " \r\n\t",
		"a long string":   `{"metadata": "` + strings.Repeat("x", 10<<20) + `"}`,
		"nested":          strings.Repeat(`{"metadata":`, 10_000),
		"nested lists":    strings.Repeat(`[`, 10_000),
		"UTF-16":          "\xff\xfe{\x00}\x00",
		"byte order mark": "\xef\xbb\xbf{}",
		"zeros":           strings.Repeat("\x00", 1000),
	} {
		fatal, n := 0, 0
		for _, rec := range read(t, strings.NewReader(text)) {
			n++
			if reject, ok := rec.(*schemas.Reject); ok && reject.Fatal {
				fatal++
			}
		}
		if fatal != 1 || n > 3 {
			t.Errorf("%s: %d records, %d fatal", name, n, fatal)
		}
		if format, ok := Detect([]byte(text)[:min(len(text), 64<<10)]); ok {
			t.Errorf("%s: Detect = %q", name, format)
		}
	}
}

// TestDetect: heads that are cut, and the results of other tools.
func TestDetect(t *testing.T) {
	long := `"payload": {"messages": "` + strings.Repeat("x", 1000)
	tests := []struct{ head, want string }{
		{``, ""}, {`{`, ""}, {`[]`, ""}, {`{}`, ""}, {`nonsense`, ""},
		{`{"metadata": {"session_num": 0, "benchmark_phase": "profiling"}, "metrics": {"inter_chunk_latency": {"value": [1.0, 2`, FormatRecords},
		{`{"metadata": {"benchmark_phase": "profiling"}, "start_perf_ns": 1, ` + long, FormatRaw},
		{`{"metadata": {"benchmark_phase": "profiling"}, ` + long, FormatRaw},
		{`{"schema_version": "1.3", "aiperf_version": "0.10.0", "request_throughput": {"unit": "requests/sec", "avg": 1`, FormatSummary},
		{`{"request_throughput": {"unit": "requests/sec", "avg": 1.0}, "input_config": {"model": ["x"]}}`, ""}, // GenAI-Perf
		{`{"timeslices": [{"timeslice_index": 0}], "input_config": {}}`, ""},
		{`{"timestamp_ns": 1, "dcgm_url": "x", "telemetry_data": {"gpu_power_usage": 1}}`, ""},
		{`{"schema_version": "1.0", "aiperf_version": "0.10.0", "metrics": {"vllm:x": {"type": "gauge", "unit": "x"}}}`, ""}, // server metrics
		{`{"data": [{"session_id": "a", "payloads": [{}]}]}`, ""},
		{`{"date": "x", "backend": "vllm", "model_id": "m", "completed": 1}`, ""},
		{`{"metadata": {"version": 1, "guidellm_version": "0.5.0"}, "args": {}, "benchmarks": []}`, ""},
	}
	for _, test := range tests {
		if got, ok := Detect([]byte(test.head)); got != test.want || ok != (test.want != "") {
			t.Errorf("Detect(%.60s) = %q, %v, want %q", test.head, got, ok, test.want)
		}
	}
}

// TestNanos: a time is rounded from its text, once, in any unit and spelling.
func TestNanos(t *testing.T) {
	for _, c := range []struct {
		text     string
		exponent int
		want     int64
		ok       bool
	}{
		{"464.66410099999996", -3, 464664101, true},
		{"0.0000005", -3, 0, true}, {"0.0000015", -3, 2, true}, // ties to even
		{"1e-05", -3, 10, true}, {"1.5E+3", -3, 1_500_000_000, true}, {"12", 0, 12_000_000_000, true},
		{"1759522419154568925", -9, 1759522419154568925, true}, {"8499500.0", -9, 8499500, true}, {"30000.5", -6, 30000500, true},
		{"NaN", -3, 0, false}, {"", -3, 0, false}, {"-", -3, 0, false}, {"1e99999999999999999999", -3, 0, false}, {"1e", -3, 0, false}, {`"1"`, -3, 0, false},
		{"1e300", -3, 0, false},
	} {
		if got, ok := nanos([]byte(c.text), c.exponent); ok != c.ok || ok && got != c.want {
			t.Errorf("nanos(%s, %d) = %d, %v, want %d, %v", c.text, c.exponent, got, ok, c.want, c.ok)
		}
	}
}

// BenchmarkReader reads a file of 1,000 records of a thousand gaps each.
func BenchmarkReader(b *testing.B) {
	line := `{"metadata":{"session_num":1,"request_start_ns":1790000000000000000,"benchmark_phase":"profiling"},"metrics":{"time_to_first_token":{"value":31.25,"unit":"ms"},"inter_chunk_latency":{"value":[` +
		strings.Repeat("9.119858999999999,", 999) + `8.5],"unit":"ms"},"request_latency":{"value":9119.5,"unit":"ms"},"output_sequence_length":{"value":1001,"unit":"tokens"}}}` + "\n"
	text := []byte(strings.Repeat(line, 1000))
	b.SetBytes(int64(len(text)))
	gaps := 0
	for b.Loop() {
		r := NewReader(bytes.NewReader(text), "bench.jsonl")
		for r.Scan() {
			switch rec := r.Record().(type) {
			case *schemas.Gaps:
				gaps += len(rec.Nanos)
			case *schemas.Reject:
				b.Fatal(rec)
			}
		}
	}
	b.ReportMetric(float64(gaps)/b.Elapsed().Seconds()/1e6, "Mgaps/s")
}

// FuzzReader: whatever comes, the reader ends, keeps its promises about the
// order of records, and says the same however the bytes arrive.
func FuzzReader(f *testing.F) {
	for _, c := range cases {
		f.Add(recordtest.File(f, c.file))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		limits := []Option{Buffer(4096), MaxString(1000), MaxDepth(20), MaxRequests(100), MaxList(2000)}
		want := read(t, bytes.NewReader(text), limits...)
		got := read(t, iotest.HalfReader(bytes.NewReader(text)), append(limits, Buffer(17))...)
		if !slices.EqualFunc(got, want, func(a, b schemas.Record) bool {
			return a.Pos() == b.Pos() && recordtest.Shorthand(a) == recordtest.Shorthand(b)
		}) {
			t.Errorf("other records when they arrive in pieces")
		}
		if len(want) > 2*len(text)+2 {
			t.Errorf("%d records from %d bytes", len(want), len(text))
		}
		for _, rec := range want {
			if at := rec.Pos().Offset; at < 0 || at > int64(len(text)) {
				t.Errorf("a record at byte %d of %d", at, len(text))
			}
		}
		Detect(text)
	})
}

// TestMemory: a file of any length is read in little memory.
func TestMemory(t *testing.T) {
	const size, limit = 24 << 20, 6 << 20
	line := `{"metadata": {"benchmark_phase": "profiling", "request_start_ns": 1790000000000000000}, "metrics": {"inter_chunk_latency": {"value": [` +
		strings.Repeat("9.119858999999999, ", 999) + `8.5], "unit": "ms"}, "time_to_first_token": {"value": 31.25, "unit": "ms"}}}` + "\n"
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := NewReader(&repeat{line: line, left: size / len(line)}, "endless.jsonl")
	records := 0
	for r.Scan() {
		if records++; records%500 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			if now.HeapAlloc > before.HeapAlloc+limit {
				t.Fatalf("%d records took %d KiB of memory", records, (now.HeapAlloc-before.HeapAlloc)>>10)
			}
		}
	}
	if r.Err() != nil || records < size/len(line) {
		t.Errorf("%d records, %v", records, r.Err())
	}
}

// repeat reads as a line, many times.
type repeat struct {
	line, rest string
	left       int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.left == 0 {
			return 0, io.EOF
		}
		r.left--
		r.rest = r.line
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
