package vllm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

type testCase struct{ file, format, story string }

// cases are the files of testdata, all synthetic but v0.33.0: what each is there for, and
// which format its beginning shows. The records that a file gives are in the
// .golden file beside it.
var cases = []testCase{
	{"v0.3.1/ok.json", FormatServe, "the oldest result: no detail, and keys of names long gone"},
	{"v0.4.2/nan_tpot.json", FormatServe, "NaN in statistics of which there were no values: one token has no TPOT"},
	{"v0.5.3/ttft_twice.json", FormatServe, "the client that put the TTFT in front of the gaps: noted, not repaired"},
	{"v0.6.1/swapped_e2el.json", FormatServe, "mean and median of E2EL swapped; the keys give the version away"},
	{"v0.6.4/goodput_colon.json", FormatServe, "the key request_goodput with a colon in it, and a request_rate that is a number"},
	{"v0.8.5/summary.json", FormatServe, "the first CLI: endpoint_type without backend; a label; metadata among the keys; nulls"},
	{"v0.9.2/ramp_up.json", FormatServe, "a ramp: its strategy is a setting, its rates and events are reported"},
	{"v0.10.2/pooling.json", FormatServe, "no output and no times: success is the absence of an error"},
	{"v0.11.1/inf_burstiness.json", FormatServe, "the bare token Infinity"},
	{"v0.15.0/ok.json", FormatServe, "everything there is. Times round to the nearest nanosecond, ties to even; starts count from the earliest, which is not the first"},
	{"v0.15.0/sorted_keys.json", FormatServe, "the same run, rewritten with indentation and sorted keys: gaps come before lengths"},
	{"v0.15.0/failed_requests.json", FormatServe, "one success and four failures: no chunk; a broken connection after two chunks; an HTTP error without a reason; a timeout"},
	{"v0.15.0/all_failed.json", FormatServe, "nothing succeeded, and the tool writes 0.0 for every statistic"},
	{"v0.15.0/truncated.json", FormatServe, "the disk was full inside the gaps of the second request: the first is whole. The duration was that of all three, and is left out"},
	{"v0.15.0/cut_before_gaps.json", FormatServe, "no gaps came before the cut, so that no request is whole: the summary stands in front of the columns and is"},
	{"v0.15.0/cut_gaps_only.json", FormatServe, "rewritten with sorted keys, so that the gaps came and the TTFTs did not: without them no request is worth anything"},
	{"v0.15.0/cut_in_last_column.json", FormatServe, "sorted keys again, and the last TTFT may have had more digits: its request is lost, though its gaps were handed on"},
	{"v0.15.0/append_after_crash.json", FormatServe, "--append-result, and the second of three runs was cut short in a text: its requests are whole, the messages of those that failed are gone"},
	{"v0.15.0/early_ends.json", FormatServe, "the server died: two requests failed, and a third had two of four tokens when its stream ended, which the tool counts as completed"},
	{"v0.15.0/spec_decode.json", FormatServe, "three gaps for nine tokens: a chunk is not a token"},
	{"v0.15.0/metadata.json", FormatServe, "--metadata overwrites the keys in front of it, and its values are strings: a date and a number of prompts that are none are rejected and kept as they stand, a model is believed"},
	{"tensorrt-llm/detailed.json", FormatServe, "TensorRT-LLM's copy of the script: E2EL in an array of its own, which is kept; ours is that of TTFT and gaps"},
	{"v0.19.1/chat.json", FormatServe, "a chat stream starts with a chunk that carries the role only; its E2EL is a lower bound"},
	{"v0.19.1/chat_silent.json", FormatServe, "HTTP 200, and then nothing: the tool counts request 1 as completed, request 2 has failed"},
	{"v0.33.0/completions.json", FormatServe, "by the real tool: E2EL is in an array of its own again, latencies, and how long requests waited for a slot in another"},
	{"v0.33.0/chat.json", FormatServe, "by the real tool: a chat stream"},
	{"v0.33.0/broken.json", FormatServe, "by the real tool: ten requests at a rate, for two slots; the stream of the seventh breaks off"},
	{"rust/detailed.json", FormatServe, "the Rust client: null for what is no number, starts that count from 0"},
	{"rust/failed_summary.json", FormatServe, "the Rust client lists what failed even without detail: of those only, so they are reported and no requests; its steady state is nested"},
	{"rust/multi_turn.json", FormatServe, "the Rust client's conversations: a concurrency of their own, and statistics by turn"},
	{"structured/json_schema.txt", FormatServe, "the structured-output benchmark: answers in front of everything, which are dropped, and a NaN among pandas' statistics"},
	{"multi-turn/stats.json", FormatMultiTurn, "a list of requests, out of order. TTFTs are estimates where the first chunk had several tokens: request 3's is 30 ms + 2 × 5 ms, request 0's is beyond repair. Request 2 is malformed"},
	{"multi-turn/unstreamed.json", FormatMultiTurn, "--no-stream: what the tool calls TTFT is the time of the whole answer"},
	{"multi-turn/late_first.json", FormatMultiTurn, "a first chunk that comes after the last: neither time is kept; of 0.3 µs, which the tool's arithmetic may lose, both are"},
	{"multi-turn/conversations.json", "", "the answers, without times: no result"},
	{"sweep/SERVE--max_num_seqs=4-BENCH--max_concurrency=2-num_prompts=2/run=0.json", FormatServe, "the folder's name tells that max_num_seqs is a parameter of the server"},
	{"sweep/SERVE--max_num_seqs=4-BENCH--max_concurrency=2-num_prompts=2/run=1.json", FormatServe, "the sweep was interrupted before it appended the parameters, and never came back to this file: its number is in its name"},
	{"sweep/SERVE--max_num_seqs=4-BENCH--max_concurrency=2-num_prompts=2/warmup.json", FormatServe, "the warm-up of a sweep is no measurement"},
	{"sweep/SERVE--max_num_seqs=4-BENCH--max_concurrency=2-num_prompts=2/run=2.failure.json", "", "the note of a failure"},
	{"sweep/SERVE--max_num_seqs=4-BENCH--max_concurrency=2-num_prompts=2/summary.json", FormatSweep, "the list of the folder's runs"},
	{"sweep/SERVE--dtype=bfloat16-max-num-seqs=8-BENCH--random_output_len=4/run=0.json", FormatServe, "names with dashes; the output length that was asked for shows that two streams ended early; statistics of speculative decoding; a waiting that nobody measured"},
	{"sweep/summary.json", FormatSweep, "two runs in a list, with the overrides of the sweep among their keys"},
	{"offline/latency.json", FormatLatency, "every iteration is a request of which only the duration is known"},
	{"offline/throughput.json", FormatThroughput, "sums only"},
	{"offline/startup.json", FormatStartup, "how long an engine takes to start: no requests"},
	{"offline/mm_processor.json", FormatProcessor, "how long images take to prepare: sums only"},
	{"offline/serve.pytorch.json", "", "a result of bench serve, told again in the PyTorch benchmark format: read beside the result"},
	{"offline/pytorch.json", "", "another tool's list of metrics, which lies in the same directories: not ours"},
	{"hostile/bad_times.json", FormatServe, "values of the wrong kind everywhere: settings are left out, requests 1 to 5 fail, the run stands"},
	{"hostile/lengths.json", FormatServe, "arrays of different lengths: which request is which cannot be told, so the run is lost, and the next is not"},
	{"hostile/twice.json", FormatServe, "a key that comes twice: Python would take the last, we take none"},
	{"hostile/not_a_run.json", "", "values that are no runs"},
}

// TestGolden reads every file of testdata and compares its records with the
// golden text beside it.
func TestGolden(t *testing.T) {
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			text := recordtest.File(t, c.file)
			var got strings.Builder
			fmt.Fprintf(&got, "# %s\n", c.story)
			for _, rec := range readNamed(t, bytes.NewReader(text), c.file) {
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
	err := fs.WalkDir(os.DirFS("testdata"), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || slices.Contains([]string{".golden", ".csv", ".md", ".py"}, path.Ext(file)) || strings.HasPrefix(file, "fuzz/") {
			return err
		}
		if !slices.ContainsFunc(cases, func(c testCase) bool { return c.file == file }) {
			t.Errorf("%s is in no case", file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// read returns all records of an upload, which are in the order that
// [schemas.Record] promises.
func read(t testing.TB, r io.Reader, opts ...Option) []schemas.Record {
	t.Helper()
	return readNamed(t, r, "bench.json", opts...)
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

// TestReadError: a fault of the reader is an error, not a record, and the run
// that it struck is not closed.
func TestReadError(t *testing.T) {
	text := recordtest.File(t, "v0.15.0/ok.json")
	broken := errors.New("the network is gone")
	for n := range len(text) - 1 {
		r := NewReader(io.MultiReader(bytes.NewReader(text[:n]), iotest.ErrReader(broken)), "bench.json", Buffer(100))
		for r.Scan() {
			if _, ok := r.Record().(*schemas.Gaps); !ok {
				t.Fatalf("after %d bytes: %s", n, recordtest.Shorthand(r.Record()))
			}
		}
		if !errors.Is(r.Err(), broken) || !strings.Contains(r.Err().Error(), fmt.Sprintf("bench.json: byte %d: ", n)) {
			t.Fatalf("after %d bytes: %v", n, r.Err())
		}
	}
}

// TestContentDigest: the digest of a run stays what it is when the file is rewritten or
// published without its answers, and changes with any other value.
func TestContentDigest(t *testing.T) {
	digestOf := func(text []byte) string {
		t.Helper()
		for _, rec := range read(t, bytes.NewReader(text)) {
			if run, ok := rec.(*schemas.Run); ok {
				return run.ContentDigest
			}
		}
		t.Fatalf("no run in %s", text)
		return ""
	}
	text := recordtest.File(t, "v0.15.0/ok.json")
	want := digestOf(text)
	for _, name := range []string{"v0.15.0/sorted_keys.json", "v0.15.0/append_after_crash.json"} {
		if got := digestOf(recordtest.File(t, name)); got != want {
			t.Errorf("%s: digest %s, want %s", name, got, want)
		}
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, recordtest.File(t, "rust/detailed.json"), "", "\t"); err != nil {
		t.Fatal(err)
	}
	if got, want := digestOf(indented.Bytes()), digestOf(recordtest.File(t, "rust/detailed.json")); got != want {
		t.Errorf("indented: digest %s, want %s", got, want)
	}
	for _, answers := range []string{`so \"it\" goes`, `"generated_texts": ["so \"it\" goes", "\u00fc", "]}"], `} {
		if !bytes.Contains(text, []byte(answers)) {
			t.Fatalf("%s is not in the file", answers)
		}
		if got := digestOf(bytes.Replace(text, []byte(answers), nil, 1)); got != want {
			t.Errorf("without %s: digest %s, want %s", answers, got, want)
		}
	}
	for _, change := range [][2]string{
		{`"date": "20260126-101500"`, `"date": "20260126-101501"`},
		{`"output_lens": [3, 2, 1]`, `"output_lens": [3, 2, 2]`},
		{`0.060000000250000001`, `0.060000001`},
		{`[0.0100000005, 0.0120000015], [1.5e-05]`, `[0.0100000005], [0.0120000015, 1.5e-05]`},
		{`353399.701`, `353399.702`},
		{`"errors": ["", "", ""]`, `"errors": ["", "x", ""]`},
		{`"mean_ttft_ms": 60.0`, `"mean_ttft_ms": 60.1`},
		{`"mean_ttft_ms": 60.0`, `"mean_ttft_ms": 60.0, "new": 1`},
	} {
		changed := bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, text) {
			t.Fatalf("%s is not in the file", change[0])
		}
		if digestOf(changed) == want {
			t.Errorf("%s for %s: the digest is still the same", change[1], change[0])
		}
	}
}

// TestLimits: passing a limit spoils the run, and says which limit it was.
func TestLimits(t *testing.T) {
	long := `{"backend": "openai", "model_id": "m", "completed": 1, "ttfts": [1, 2, 3, 4], "itls": [[], [], [], []]}` + "\n" +
		`{"backend": "openai", "model_id": "m", "completed": 1}`
	tests := []struct {
		text string
		opt  Option
		want string
	}{
		{long, MaxRequests(3), "fatal (run 0, byte 74) ttfts has more than 3 entries, the most that a run may have\n"},
		{`{"backend": [[[[1]]]]}` + "\n" + `{"backend": "openai", "model_id": "m", "completed": 1}`, MaxDepth(4),
			"fatal (run 0, byte 15) cannot be read as JSON: more than 4 containers inside each other\n"},
		{`{"` + strings.Repeat("k", 100) + `": 1}` + "\n" + `{"backend": "openai", "model_id": "m", "completed": 1}`, MaxString(90),
			"fatal (run 0, byte 103) cannot be read as JSON: a key is longer than 90 bytes\n"},
		{`{"` + strings.Repeat("k", maxKey+1) + `": 1}` + "\n" + `{"backend": "openai", "model_id": "m", "completed": 1}`, Buffer(100),
			"fatal (run 0, byte 1030) a key is longer than 1024 bytes\n"},
		{manyKeys(maxKeys+1) + "\n" + `{"backend": "openai", "model_id": "m", "completed": 1}`, Buffer(100),
			"fatal (run 0, byte 88899) more than 10000 keys in one object\n"},
	}
	for _, test := range tests {
		records := read(t, strings.NewReader(test.text), test.opt)
		if len(records) != 2 || !strings.HasPrefix(recordtest.Shorthand(records[0]), test.want) {
			t.Errorf("got %d records, first %s want %s", len(records), recordtest.Shorthand(records[0]), test.want)
			continue
		}
		if run, ok := records[1].(*schemas.Run); !ok || run.At.Run != 1 {
			t.Errorf("after %s%s", test.want, recordtest.Shorthand(records[1]))
		}
	}
	turn := `{"ttft_ms": 1, "latency_ms": 2, "start_time_ms": 3, "output_num_tokens": 4, "conversation_id": "c"}`
	if turns := read(t, strings.NewReader("["+strings.Repeat(turn+",", 9)+turn+"]"), MaxRequests(3)); len(turns) != 5 ||
		!strings.Contains(recordtest.Shorthand(turns[0]), "more than 3 requests") {
		t.Errorf("%d records of turns, first %s", len(turns), recordtest.Shorthand(turns[0]))
	}
	message := strings.Repeat("x", 200)
	records := read(t, strings.NewReader(`{"backend": "openai", "completed": 0, "output_lens": [0], "errors": ["`+message+`"]}`), MaxString(100))
	want := []string{
		`reject (run 0, byte 69, request 0) errors[0]: found a longer string, expected an error message, at most 100 bytes` + "\n",
		`request r0 failed other "unreadable error message"` + "\n",
	}
	for i, want := range want {
		if got := recordtest.Shorthand(records[i]); got != want {
			t.Errorf("got  %swant %s", got, want)
		}
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%d":0`, i)
	}
	return b.String() + "}"
}

// TestManyRejects: a file that is wrong everywhere is told a few times and then
// counted.
func TestManyRejects(t *testing.T) {
	text := `{"backend": "openai", "completed": 0, "ttfts": [` + strings.Repeat("NaN, ", 999) + `NaN], "itls": [` +
		strings.Repeat("[-1], ", 999) + `[]]}`
	var rejects []string
	for _, rec := range read(t, strings.NewReader(text)) {
		if reject, ok := rec.(*schemas.Reject); ok {
			rejects = append(rejects, reject.Reason)
		}
	}
	if len(rejects) != 22 || rejects[10] != "ttfts: 990 more entries cannot be used" || rejects[21] != "itls: 989 more entries cannot be used" {
		t.Errorf("%d rejects: %q", len(rejects), rejects)
	}
}

// TestLargeSettings: what nobody knows is kept, but not without end.
func TestLargeSettings(t *testing.T) {
	big := `"` + strings.Repeat("x", maxSetting-2) + `"`
	text := `{"backend": "openai", "completed": 1, "fits": ` + big + `, "too_long": ` + big[:9] + big + `}`
	text = strings.Replace(text, big[:9]+big, `"x`+big[1:], 1)
	var run *schemas.Run
	for _, rec := range read(t, strings.NewReader(text)) {
		run, _ = rec.(*schemas.Run)
	}
	if len(run.Extra) != 1 || run.Extra["fits"] != big {
		t.Errorf("kept %d", len(run.Extra))
	}
	if want := []string{`the value of "too_long" is left out: it is longer than 65536 bytes, or the run's values together than 4194304`}; !slices.Equal(run.Notes, want) {
		t.Errorf("notes %q, want %q", run.Notes, want)
	}
}

// TestLongModel: a run whose model is a text of 10 MB, of a client that was given the
// wrong file, was taken in without a model, and a note on the run was all that told
// of it. Whoever looked at the receipt saw nothing, and found the run nowhere.
func TestLongModel(t *testing.T) {
	text := `{"backend": "openai", "model_id": "` + strings.Repeat("m", 10<<20) + `", "completed": 1}`
	records := read(t, strings.NewReader(text))
	reject, ok := records[0].(*schemas.Reject)
	if !ok || reject.Fatal || reject.At.Offset != 34 || reject.Reason != "model_id: found a longer value, expected a string of at most 65536 bytes" {
		t.Errorf("%+v", records[0])
	}
	if run, ok := records[1].(*schemas.Run); !ok || run.Model.OK || run.Completed.V != 1 || len(run.Notes) != 1 {
		t.Errorf("%+v", records[1])
	}
}

func TestClassify(t *testing.T) {
	const traceback = "Traceback (most recent call last):\n  File \"x.py\", line 1\n    await f()\n"
	tests := []struct{ message, class, line string }{
		{"", "", ""},
		{"  \n ", "", ""},
		{"Never received a valid chunk to calculate TTFT.This response will be marked as failed!", failures.NoChunk,
			"Never received a valid chunk to calculate TTFT.This response will be marked as failed!"},
		{"Bad Request", failures.HTTP, "Bad Request"},
		{"Gateway Timeout", failures.HTTP, "Gateway Timeout"},
		{"HTTP 429: slow down\nplease", failures.HTTP, "HTTP 429: slow down"},
		{traceback + "TimeoutError\n", failures.Timeout, "TimeoutError"},
		{traceback + "asyncio.exceptions.TimeoutError: \n\n", failures.Timeout, "asyncio.exceptions.TimeoutError:"},
		{traceback + "aiohttp.client_exceptions.ServerDisconnectedError: Server disconnected", failures.Connection,
			"aiohttp.client_exceptions.ServerDisconnectedError: Server disconnected"},
		{traceback + "\nThe above exception was the direct cause of the following exception:\n\n" + traceback +
			"aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host a:8000 ssl:default", failures.Connection,
			"aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host a:8000 ssl:default"},
		{"Stream error: reset", failures.Connection, "Stream error: reset"},
		{traceback + "KeyError: 'choices'", failures.Other, "KeyError: 'choices'"},
		{strings.Repeat("ü", 300), failures.Other, strings.Repeat("ü", 250)},
		{"x" + strings.Repeat("ü", 300), failures.Other, "x" + strings.Repeat("ü", 249)},
	}
	for _, test := range tests {
		if got := classify(test.message); got != (failures.Failure{Class: test.class, Line: test.line}) {
			t.Errorf("%q: got %q, want %q %q", test.message, got, test.class, test.line)
		}
	}
}

// TestDetect: heads that are cut, and the results of other tools.
func TestDetect(t *testing.T) {
	tests := []struct{ head, want string }{
		{``, ""}, {`[`, ""}, {`{`, ""}, {`[]`, ""}, {`{}`, ""}, {`nonsense`, ""}, {`[1]`, ""},
		{`{"date": "x", "endpoint_type": "vllm", "backend": "vllm", "label": null, "model_id": "m`, FormatServe},
		{`{"backend": "vllm", "burstiness": 1.0, "completed": 8, "date": "x", "duration": 1.5, "endpoint_type": "vllm", "errors": ["`, FormatServe},
		{`{"date": "20260213-120628", "model_id": "m", "tokenizer_id": "m", "num_prompts": 320, "median_ttft": 7.1}`, ""},                             // InferenceX
		{`{"backend": "sglang", "dataset_name": "random", "request_rate": 1.0, "max_concurrency": null, "duration": 298.3, "completed": 300}`, ""},    // SGLang
		{`{"metadata": {"version": 1}, "args": {}, "benchmarks": []}`, ""},                                                                            // GuideLLM
		{`{"metadata": {"request_start_ns": 1, "benchmark_phase": "profiling"}, "metrics": {"time_to_first_token": {"value": 1, "unit": "ms"}}}`, ""}, // AIPerf
		{`[{"avg_latency": 1, "latencies": [1], "percentiles": {}}]`, ""},
	}
	for _, test := range tests {
		if got, ok := Detect([]byte(test.head)); got != test.want || ok != (test.want != "") {
			t.Errorf("Detect(%s) = %q, %v, want %q", test.head, got, ok, test.want)
		}
	}
}

// TestMemory: a log of any length is read in a memory of fixed size.
func TestMemory(t *testing.T) {
	size := int64(200 << 20)
	if testing.Short() {
		size = 20 << 20
	}
	const limit = 32 << 20
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	r := NewReader(newEndless(size), "endless.json")
	var most uint64
	var gaps, records int
	for r.Scan() {
		if rec, ok := r.Record().(*schemas.Gaps); ok {
			gaps += len(rec.Nanos)
		}
		if records++; records%1000 == 0 {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
	}
	run, ok := r.Record().(*schemas.Run)
	if r.Record() != nil || r.Err() != nil {
		t.Errorf("at the end: %v, %v, %v", run, ok, r.Err())
	}
	if most > before.HeapAlloc+limit {
		t.Errorf("%d MiB of log took %d KiB of memory, want at most %d", size>>20, (most-before.HeapAlloc)>>10, limit>>10)
	}
	t.Logf("%d gaps in %d records: %d KiB at most", gaps, records, (most-min(most, before.HeapAlloc))>>10)
}

// endless generates a detailed result, request by request, of about size bytes.
type endless struct {
	left    int64
	piece   string // of the text, repeated while there is something left
	closing string
	rest    string // of the piece being read
	lens    int
}

func newEndless(size int64) *endless {
	gaps := strings.Repeat("0.029621021007187665, ", 999)
	return &endless{
		left: size, piece: "[" + gaps + "0.0256], ",
		rest: `{"date": "20260126-101500", "endpoint_type": "openai", "backend": "openai", "model_id": "acme/seven", "completed": 0, "itls": [`,
	}
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		switch {
		case e.left > 0:
			e.rest = e.piece
			e.lens++
		case e.closing == "":
			e.closing = "[]], " + `"ttfts": [` + strings.Repeat("0.5, ", e.lens) + `0.0], "output_lens": [` + strings.Repeat("1001, ", e.lens) + "0]}"
			e.rest = e.closing
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	e.left -= int64(n)
	return n, nil
}

// FuzzReader: whatever comes, the reader ends, keeps its promises about the
// order of records, and says the same however the bytes arrive.
func FuzzReader(f *testing.F) {
	for _, c := range cases {
		text := recordtest.File(f, c.file)
		f.Add(text)
		f.Add(text[:2*len(text)/3])
		f.Add(append(text[:len(text)/2:len(text)/2], "\n"+string(text)...))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want := read(t, bytes.NewReader(text), Buffer(4096), MaxString(1000), MaxDepth(20), MaxRequests(100))
		got := read(t, iotest.HalfReader(bytes.NewReader(text)), Buffer(17), MaxString(1000), MaxDepth(20), MaxRequests(100))
		if !sameRecords(got, want) {
			t.Errorf("other records when they arrive in pieces")
		}
		// A record takes a byte of text at the very least.
		if len(want) > 2*len(text)+1 {
			t.Errorf("%d records from %d bytes", len(want), len(text))
		}
		Detect(text)
		Explain(text)
	})
}

func sameRecords(a, b []schemas.Record) bool {
	return slices.EqualFunc(a, b, func(a, b schemas.Record) bool {
		// NaN is not legal in any field, so shorthand tells all there is.
		return a.Pos() == b.Pos() && recordtest.Shorthand(a) == recordtest.Shorthand(b)
	})
}
