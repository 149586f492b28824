package guidellm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// cases are the files of testdata: what each is there for, and whether its
// beginning shows a report. Those under a full version were written by the tool
// itself (see make.sh); the others are synthetic. The records that a file gives
// are in the .golden file beside it.
var cases = []struct {
	file  string
	ours  bool
	story string
}{
	{"v0.3/report.json", true, "the first schema: run_stats and scheduler_info, -1 for what was never set. Its time_per_output_token_ms, another thing than ours, is not read; requests come by status and are put in order of start"},
	{"v0.4/report.json", true, "args, and no metadata; an error; a request that was under way at the end; a key that goes no further; zeros of empty distributions are left out"},
	{"v1/window.json", true, "four requests, of which the metrics cover the two that overlap the window: one before it and one behind it count in no number. A limit of 10240 in flight is the tool's own, and nobody's setting"},
	{"v1/sample.json", true, "one request of 53: the counts are the tool's"},
	{"v1/sync.json", true, "one at a time; the server counts no tokens, and chunks stand in for them"},
	{"v2/multi_turn.json", true, "conversations, cached tokens, reasoning before the answer, a schedule; 6 chunks for 8 tokens"},
	{"v2/sorted_keys.json", true, "the same, rewritten with sorted keys: metadata comes behind the benchmarks, so the version is not known"},
	{"v2/no_requests.json", true, "no requests at all, as empty lists and as null"},
	{"v2/late_end.json", true, "a window that runs on for twelve minutes behind its last request"},
	{"v2/no_stream.json", true, "a response in one piece; and a success without a time"},
	{"v2/failures.json", true, "messages of every class"},
	{"v0.3.1/benchmarks.json", true, "written by GuideLLM 0.3.1"},
	{"v0.5.4/benchmarks.json", true, "written by GuideLLM 0.5.4"},
	{"v0.8.1/benchmarks.json", true, "written by GuideLLM 0.8.1"},
	{"hostile/bad_values.json", true, "values of the wrong kind: their requests fail, the others stand"},
	{"hostile/truncated.json", true, "the file ends inside of the last request of the second benchmark: the first is whole, the second has one request"},
	{"hostile/not_a_benchmark.json", true, "two elements that are no benchmarks, and one that is"},
	{"hostile/other_tool.json", false, "many tools write a benchmarks.json"},
	{"hostile/twice.json", true, "a key that comes twice: Python would take the last, we take none"},
	{"hostile/twice_before.json", true, "what the benchmarks share comes twice: none of them is read"},
	{"hostile/twice_behind.json", true, "the same behind the benchmarks, of which it says nothing any more"},
	{"hostile/crlf.json", true, "lines that end as on Windows"},
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
			if format, ok := Detect(text[:min(len(text), 64<<10)]); ok != c.ours || ok != (format == FormatReport) {
				t.Errorf("Detect = %q, %v, want %v", format, ok, c.ours)
			}
		})
	}
}

// TestCasesAreComplete: no file lies in testdata that no case tells of.
func TestCasesAreComplete(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		known := false
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
	return recordtest.Read(t, NewReader(r, "benchmarks.json", opts...))
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

// TestTruncated: a report that was cut anywhere gives what is whole of it, and
// says once that it was cut.
func TestTruncated(t *testing.T) {
	// Every byte of one file, and some of the others.
	for name, step := range map[string]int{"v0.4/report.json": 1, "v0.3/report.json": 7, "v2/multi_turn.json": 11} {
		text := bytes.TrimSpace(recordtest.File(t, name))
		inRequests := bytes.Index(text, []byte(`"requests": {`))
		for n := 1; n < len(text); n += step {
			rejects, requests := 0, 0
			var run *schemas.Run
			for _, rec := range read(t, bytes.NewReader(text[:n]), Buffer(1000)) {
				switch rec := rec.(type) {
				case *schemas.Reject:
					rejects++
				case *schemas.Request:
					requests++
				case *schemas.Run:
					run = rec
				}
			}
			// The last two bytes close what stands around the benchmark.
			whole := n >= len(text)-2
			switch {
			case rejects != 1:
				t.Fatalf("%s cut at %d: %d rejects", name, n, rejects)
			case run == nil && n > inRequests:
				t.Fatalf("%s cut at %d: no run", name, n)
			case run != nil && run.Truncated == whole:
				t.Fatalf("%s cut at %d: truncated: %v", name, n, run.Truncated)
			case run != nil && requests > 0 && !run.Detailed:
				t.Fatalf("%s cut at %d: %d requests, and no detail", name, n, requests)
			}
		}
	}
}

// TestReadError: a fault of the reader is an error, not a record, and the run
// that it struck is not closed.
func TestReadError(t *testing.T) {
	text := recordtest.File(t, "v2/multi_turn.json")
	broken := errors.New("the network is gone")
	for n := range len(text) - 2 {
		r := NewReader(io.MultiReader(bytes.NewReader(text[:n]), iotest.ErrReader(broken)), "x.json", Buffer(100))
		for r.Scan() {
			t.Fatalf("after %d bytes: %s", n, recordtest.Shorthand(r.Record()))
		}
		if !errors.Is(r.Err(), broken) || !strings.Contains(r.Err().Error(), fmt.Sprintf("x.json: byte %d: ", n)) {
			t.Fatalf("after %d bytes: %v", n, r.Err())
		}
	}
}

// TestContentDigest: the digest of a run stays what it is when the file is rewritten or
// published without prompts and answers, and changes with any other value.
func TestContentDigest(t *testing.T) {
	digest := func(text []byte) string {
		t.Helper()
		for _, rec := range read(t, bytes.NewReader(text)) {
			if run, ok := rec.(*schemas.Run); ok {
				return run.ContentDigest
			}
		}
		t.Fatal("no run")
		return ""
	}
	text := recordtest.File(t, "v0.4/report.json")
	want := digest(text)
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "\t"); err != nil {
		t.Fatal(err)
	}
	if got := digest(indented.Bytes()); got != want {
		t.Errorf("indented: digest %s, want %s", got, want)
	}
	var v map[string]any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	sorted, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if got := digest(sorted); got != want {
		t.Errorf("sorted: digest %s, want %s", got, want)
	}
	if a, b := digest(recordtest.File(t, "v2/multi_turn.json")), digest(recordtest.File(t, "v2/sorted_keys.json")); a != b {
		t.Errorf("v2/sorted_keys.json: digest %s, want %s", b, a)
	}
	for _, private := range []string{`"request_args": "{}", `, `"output": "abc", `} {
		if !bytes.Contains(text, []byte(private)) {
			t.Fatalf("%s is not in the file", private)
		}
		if got := digest(bytes.ReplaceAll(text, []byte(private), nil)); got != want {
			t.Errorf("without %s: digest %s, want %s", private, got, want)
		}
	}
	for _, change := range [][2]string{
		{`"streams": 2`, `"streams": 3`}, {`"measure_end_time": 1790000001.0`, `"measure_end_time": 1790000001.5`},
		{`"token_iterations": 7`, `"token_iterations": 6`}, {`503 Service`, `504 Service`}, {`"mean": 0.1`, `"mean": 0.2`},
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

// TestLimits: passing a limit costs the run, and says which limit it was.
func TestLimits(t *testing.T) {
	text := string(recordtest.File(t, "v2/multi_turn.json"))
	for want, opt := range map[string]Option{
		"more than 2 requests, the most that a run may have":                          MaxRequests(2),
		"cannot be read as JSON: more than 3 containers inside each other":            MaxDepth(3),
		"cannot be read as JSON: a key is longer than 12 bytes":                       MaxString(12),
		"info.conversation_id: found a longer string, expected a string, at most 4 b": MaxString(4),
	} {
		if strings.HasPrefix(want, "info.") {
			continue // keys are longer than that
		}
		var got strings.Builder
		for _, rec := range read(t, strings.NewReader(text), opt) {
			got.WriteString(recordtest.Shorthand(rec))
		}
		if !strings.Contains(got.String(), want) || !strings.Contains(got.String(), "fatal") {
			t.Errorf("got %s want %s", got.String(), want)
		}
	}
}

// TestHostile: whatever does not look like a file of ours is told so, quickly
// and in little.
func TestHostile(t *testing.T) {
	for name, text := range map[string]string{
		"empty":           "",
		"space":           " \r\n\t",
		"an object":       "{}",
		"a long string":   `{"benchmarks": "` + strings.Repeat("x", 10<<20) + `"}`,
		"nested":          strings.Repeat(`{"benchmarks":`, 10_000),
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
		if want := 1; name != "a long string" && fatal != want || n > 2 {
			t.Errorf("%s: %d records, %d fatal", name, n, fatal)
		}
		if format, ok := Detect([]byte(text)[:min(len(text), 64<<10)]); ok {
			t.Errorf("%s: Detect = %q", name, format)
		}
	}
}

// TestManyRejects: a file that is wrong everywhere is told a few times and then
// counted.
func TestManyRejects(t *testing.T) {
	request := `{"info": {"timings": {"request_start": "x"}}}`
	text := `{"benchmarks": [{"requests": {"successful": [` + strings.Repeat(request+",", 99) + request + `]}}]}`
	var rejects []string
	for _, rec := range read(t, strings.NewReader(text)) {
		if reject, ok := rec.(*schemas.Reject); ok {
			rejects = append(rejects, reject.Reason)
		}
	}
	if len(rejects) != 11 || rejects[10] != "90 more values cannot be used" {
		t.Errorf("%d rejects: %q", len(rejects), rejects)
	}
}

// TestDetect: heads that are cut, and the results of other tools.
func TestDetect(t *testing.T) {
	tests := []struct {
		head string
		want bool
	}{
		{``, false}, {`{`, false}, {`[]`, false}, {`{}`, false}, {`nonsense`, false},
		{`{"metadata": {"version": 2, "guidellm_version": "0.8.1", "python`, true},
		{`{"benchmarks": [{"type_": "generative_benchmark", "id_": "x", "run_id": "y", "args": {"profile": {`, true},
		{`{"args": {"target": "http://x", "data": ["x"], "profile": "sweep", "rate`, true},
		{`{"benchmarks": [{"pp_throughput": {"mean": 1}}], "version": "0.2"}`, false}, // llama-benchy
		{`{"benchmarks": [{"name": "x", "args": []}]}`, false},                        // pytest
		{`{"metadata": {"benchmark_phase": "profiling"}, "metrics": {}}`, false},      // AIPerf
	}
	for _, test := range tests {
		if got, ok := Detect([]byte(test.head)); ok != test.want {
			t.Errorf("Detect(%s) = %q, %v, want %v", test.head, got, ok, test.want)
		}
	}
}

// FuzzReader: whatever comes, the reader ends, keeps its promises about the
// order of records, and says the same however the bytes arrive.
func FuzzReader(f *testing.F) {
	for _, c := range cases {
		f.Add(recordtest.File(f, c.file))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		limits := []Option{Buffer(4096), MaxString(1000), MaxDepth(20), MaxRequests(100)}
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
