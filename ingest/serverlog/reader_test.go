package serverlog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// read returns all records of a log.
func read(t testing.TB, r io.Reader) []schemas.Record {
	t.Helper()
	reader := NewReader(r, "server.log")
	var all []schemas.Record
	for reader.Scan() {
		all = append(all, reader.Record())
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// recordShorthand writes records so that they can be checked against the log:
// samples of one line stand on one line.
func recordShorthand(all []schemas.Record) string {
	var b strings.Builder
	for i, rec := range all {
		switch rec := rec.(type) {
		case *schemas.LogEvent:
			writeEvent(&b, rec)
		case *schemas.Sample:
			if before, ok := previous(all, i).(*schemas.Sample); !ok || before.Line != rec.Line {
				fmt.Fprintf(&b, "  samples %s%s:", clockOf(rec.Time, rec.Zone), worded(" ", rec.Device))
			}
			writeSample(&b, rec)
			if after, ok := next(all, i).(*schemas.Sample); !ok || after.Line != rec.Line {
				b.WriteByte('\n')
			}
		case *schemas.Reject:
			fmt.Fprintf(&b, "reject at byte %d: %s\n", rec.At.Offset, rec.Reason)
		}
	}
	return b.String()
}

func previous(all []schemas.Record, i int) schemas.Record {
	if i == 0 {
		return nil
	}
	return all[i-1]
}

func next(all []schemas.Record, i int) schemas.Record {
	if i == len(all)-1 {
		return nil
	}
	return all[i+1]
}

func writeEvent(b *strings.Builder, e *schemas.LogEvent) {
	fmt.Fprintf(b, "%d %s%s%s", e.Line, clockOf(e.Time, false), worded(" ", e.Level), worded(" ", e.Process))
	if e.PID.OK {
		fmt.Fprintf(b, "/%d", e.PID.V)
	}
	fmt.Fprintf(b, "%s%s: %s\n", worded(" ", e.Source), worded(" ", e.Kind), strings.ReplaceAll(e.Message, "\n", "\n  | "))
	for _, name := range slices.Sorted(maps.Keys(e.Facts)) {
		fmt.Fprintf(b, "    %s: %s\n", name, e.Facts[name])
	}
}

func writeSample(b *strings.Builder, s *schemas.Sample) {
	fmt.Fprintf(b, " %s", s.Name)
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		fmt.Fprintf(b, "{%s=%s}", name, s.Labels[name])
	}
	if s.Value.OK {
		fmt.Fprintf(b, "=%v", s.Value.V)
	} else {
		b.WriteString("=missing")
	}
	b.WriteString(worded(" ", s.Unit) + ";")
}

func clockOf(t schemas.Opt[time.Time], zone bool) string {
	switch {
	case !t.OK:
		return "-"
	case zone:
		return t.V.Format(time.RFC3339Nano)
	}
	return t.V.Format("2006-01-02T15:04:05.999")
}

func worded(before string, o schemas.Opt[string]) string {
	if !o.OK {
		return ""
	}
	return before + o.V
}

// lineForm is what parseLine looks for, as formats of real logs were found.
var lineForm = regexp.MustCompile(`((?:\([^()]*\bpid=\d+[^()]*\) )*)(DEBUG|INFO|WARNING|ERROR|CRITICAL) (\d\d-\d\d \d\d:\d\d:\d\d) \[?([^\s:\]]+:\d+)\] ?(.*)$`)

// TestParseLineAgainstForm holds the hand-written parser against the regular
// expression, on all logs there are.
func TestParseLineAgainstForm(t *testing.T) {
	lines := 0
	for _, text := range allLogs(t) {
		reader := newLineReader(bytes.NewReader(text))
		for {
			text, _, err := reader.next()
			if err != nil {
				break
			}
			lines++
			want := lineForm.FindSubmatch(text)
			l, ok := parseLine(text)
			if ok != (want != nil) {
				t.Fatalf("%q: found %v", text, ok)
			}
			got := [][]byte{l.procs, []byte(l.level), l.stamp, l.source, l.message}
			for i := range want[min(1, len(want)):] {
				if !bytes.Equal(got[i], want[i+1]) {
					t.Fatalf("%q: part %d is %q, want %q", text, i, got[i], want[i+1])
				}
			}
		}
	}
	t.Logf("%d lines", lines)
}

// allLogs returns the logs of testdata, and the real ones where they are at hand.
func allLogs(t *testing.T) [][]byte {
	files, err := filepath.Glob("testdata/*.log")
	if err != nil || len(files) < len(cases) {
		t.Fatalf("found %q, %v", files, err)
	}
	for file := range realLogs {
		files = append(files, filepath.Join(schematest.Shared(t, "real"), file))
	}
	var all [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return all
}

// TestCasesAreComplete: no log lies in testdata that no case tells of.
func TestCasesAreComplete(t *testing.T) {
	files, err := filepath.Glob("testdata/*.log")
	if err != nil || len(files) != len(cases) {
		t.Errorf("%d cases for %q, %v", len(cases), files, err)
	}
}

// TestTruncated: a log that ends anywhere gives what the whole log gives up to
// the line before.
func TestTruncated(t *testing.T) {
	for _, c := range cases {
		text, err := os.ReadFile(filepath.Join("testdata", c.file))
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(text); n += 7 {
			checkOrder(t, read(t, bytes.NewReader(text[:n])))
		}
	}
}

// checkOrder checks what holds for the records of any log.
func checkOrder(t *testing.T, all []schemas.Record) {
	t.Helper()
	var at int64
	for _, rec := range all {
		pos := rec.Pos()
		if pos.Offset < at || pos.File != "server.log" || pos.Request != -1 {
			t.Fatalf("%v behind byte %d", pos, at)
		}
		at = pos.Offset
		switch rec := rec.(type) {
		case *schemas.LogEvent:
			checkEvent(t, rec)
		case *schemas.Sample:
			if rec.Name == "" && rec.Value.OK || rec.Source != Source || rec.Line < 1 {
				t.Fatalf("sample %+v", rec)
			}
		case *schemas.Reject:
			if rec.Reason == "" {
				t.Fatalf("reject %+v", rec)
			}
		}
	}
}

func checkEvent(t *testing.T, e *schemas.LogEvent) {
	t.Helper()
	if e.Line < 1 || len(e.Message) > maxMessage || !utf8.ValidString(e.Message) {
		t.Fatalf("event of line %d: %d bytes, %.100q", e.Line, len(e.Message), e.Message)
	}
	for name, value := range e.Facts {
		if len(value) > maxMessage || !utf8.ValidString(name) || !utf8.ValidString(value) {
			t.Fatalf("fact %.100q: %.100q", name, value)
		}
	}
}

// TestHostile reads what no server writes.
func TestHostile(t *testing.T) {
	prefix := "ERROR 01-02 03:04:05 [a.py:1] "
	tests := []struct {
		name, text string
		records    int
		first      string // of what the first record says
	}{
		{"nothing", "", 0, ""},
		{"blank lines", "\r\n\n\r", 0, ""},
		{"UTF-16", "\xff\xfeI\x00N\x00", 1, "UTF-16"},
		{"a message of 10 MB", prefix + strings.Repeat("x", 10<<20) + "\n", 2, "of which the rest was not read"},
		{"a traceback of 10 MB", prefix + traceback + "\n" + strings.Repeat(prefix+"  File \"a.py\", line 1, in f\n", 200_000), 1, "bytes left out"},
		{"deep nesting", prefix[:0] + "INFO 01-02 03:04:05 [a.py:1] non-default args: {'a': " + strings.Repeat("[", 100_000) + "}", 2, "non-default args"},
		{"many arguments", "INFO 01-02 03:04:05 [a.py:1] non-default args: {" + strings.Repeat("'a': 1, ", 100_000) + "}", 1, "bytes left out"},
		{"many figures", "INFO 01-02 03:04:05 [a.py:1] Avg prompt throughput: 1" + strings.Repeat(", 1", 100_000) + "\n", maxValues + 3, "bytes left out"},
		{"many processes", manyProcesses(), 10_000, "of process 0"},
		{"half a figure", "INFO 01-02 03:04:05 [a.py:1] Avg prompt throughput: 1", 2, "engine_stats"},
		{"binary", strings.Repeat("\x00\xff\x1b[", 10_000), 0, ""},
		{"JSON", `{"a": "` + prefix + `x"}`, 1, "x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			all := read(t, strings.NewReader(test.text))
			checkOrder(t, all)
			if len(all) != test.records || len(all) > 0 && !strings.Contains(recordShorthand(all[:1]), test.first) {
				t.Errorf("%d records, want %d: %.300s", len(all), test.records, recordShorthand(all[:min(3, len(all))]))
			}
		})
	}
}

func manyProcesses() string {
	var b strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&b, "(Worker pid=%d) WARNING 01-02 03:04:05 [a.py:1] of process %d\n", i, i)
	}
	return b.String()
}

// TestMemory: what a reader holds does not grow with the log.
func TestMemory(t *testing.T) {
	text := strings.Repeat(manyProcesses(), 20)
	reader := NewReader(strings.NewReader(text), "server.log")
	var peak uint64
	for n := 0; reader.Scan(); n++ {
		if n%20_000 == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
		if len(reader.open) > maxQueue+1 || len(reader.queue) > 2*maxQueue {
			t.Fatalf("%d events open, %d records waiting", len(reader.open), len(reader.queue))
		}
	}
	if grown := peak - min(peak, uint64(len(text))); grown > 8<<20 {
		t.Errorf("%d bytes beside the log's own", grown)
	}
}

// TestNear: the caller may know when a log was written.
func TestNear(t *testing.T) {
	tests := []struct{ near, stamp, want string }{
		{"2026-01-01", "12-31 23:59:59", "2025-12-31T23:59:59"},
		{"2025-12-31", "01-01 00:00:00", "2026-01-01T00:00:00"},
		{"2027-03-01", "02-29 00:00:00", "2028-02-29T00:00:00"},
	}
	for _, test := range tests {
		near, err := time.Parse(time.DateOnly, test.near)
		if err != nil {
			t.Fatal(err)
		}
		r := NewReader(strings.NewReader("ERROR "+test.stamp+" [a.py:1] x"), "server.log")
		r.Near(near)
		if !r.Scan() || clockOf(r.Record().(*schemas.LogEvent).Time, false) != test.want {
			t.Errorf("%s near %s: %v", test.stamp, test.near, r.Record())
		}
	}
}

// TestEventsOnly: the events are the same without samples.
func TestEventsOnly(t *testing.T) {
	text, err := os.ReadFile("testdata/v0.25-kubernetes.log")
	if err != nil {
		t.Fatal(err)
	}
	var all, only []schemas.Record
	for _, eventsOnly := range []bool{false, true} {
		r := NewReader(bytes.NewReader(text), "server.log")
		if eventsOnly {
			r.EventsOnly()
		}
		for r.Scan() {
			switch {
			case eventsOnly:
				only = append(only, r.Record())
			default:
				if _, ok := r.Record().(*schemas.Sample); !ok {
					all = append(all, r.Record())
				}
			}
		}
	}
	if len(all) == 0 || !reflect.DeepEqual(all, only) {
		t.Errorf("%d events with samples, %d without", len(all), len(only))
	}
}

func TestReaderError(t *testing.T) {
	broken := errors.New("no such pod")
	r := NewReader(io.MultiReader(strings.NewReader("ERROR 01-02 03:04:05 [a.py:1] x\nhalf a li"), iotest.ErrReader(broken)), "server.log")
	if !r.Scan() {
		t.Error("nothing read in front of the fault")
	}
	if r.Scan() || !errors.Is(r.Err(), broken) {
		t.Errorf("error %v", r.Err())
	}
}

func TestDetect(t *testing.T) {
	for _, text := range []string{
		"", "{}", `{"date": "INFO 01-02 03:04:05 [a.py:1] x"}`, "[1, 2]\nINFO 01-02 03:04:05 [a.py:1] x", "timestamp, power.draw [W]\n",
		"# HELP vllm:x INFO\n", "INFO:     127.0.0.1 - \"GET\"", "08-18 02:58:03 tegrastats",
	} {
		if format, ok := Detect([]byte(text)); ok {
			t.Errorf("Detect(%q) = %q", text, format)
		}
	}
}

// realEvents are the events of real logs: how many, and how many of each kind.
var realEvents = map[string]string{
	"serverlog/deepseek-qwen/vllm_server.log":                        "attention_backend 1, batching 1, compile 3, engine_args 1, engine_config 1, engine_init 1, engine_stats 10, error 1, graph_capture 1, http_error 1, kv_cache 2, listening 1, parallel 1, platform 2, ready 1, sampler 1, samples 60, sampling_defaults 3, version 1, warning 1, weights 2",
	"serverlog/dgx-spark/gemma4-nvfp4.log":                           "architecture 1, async_scheduling 2, attention_backend 2, batching 1, checkpoint 1, compile 4, context 1, engine_args 1, engine_config 1, engine_init 1, engine_stats 31, graph_capture 4, jit_during_inference 1, jit_monitor 1, kv_cache 3, linear_backend 1, listening 1, memory 1, moe_backend 1, notice 1, parallel 1, ready 1, sampler 1, samples 186, sampling_defaults 1, shutdown 4, version 2, warning 9, weights 2",
	"serverlog/dgx-spark/qwen38-nvfp4.log":                           "architecture 2, async_scheduling 2, attention_backend 3, batching 2, checkpoint 2, compile 8, context 2, cudagraph_mode 1, engine_args 1, engine_config 1, engine_init 1, engine_stats 84, exception 1, graph_capture 4, jit_during_inference 8, jit_monitor 1, kv_cache 5, linear_backend 2, listening 1, memory 1, parallel 1, ready 1, sampler 1, samples 1179, sampling_defaults 1, shutdown 3, spec_decode 75, version 2, warning 7, weights 3",
	"serverlog/dgx-spark/vllm-run1-oom.log":                          "architecture 2, async_scheduling 2, attention_backend 2, batching 2, checkpoint 2, compile 3, context 2, engine_args 1, engine_config 1, moe_backend 1, parallel 1, sampler 1, version 2, warning 7, weights 3",
	"serverlog/er0080/vllm_serve_max_model_len_rejected_v0.25.1.log": "architecture 1, engine_args 1, exception 1, version 2, warning 1",
	"serverlog/er0080/vllm_serve_no_kv_cache_memory_v0.25.1.log":     "architecture 1, async_scheduling 1, context 1, engine_args 1, engine_config 1, error 1, exception 3, parallel 1, version 2, warning 6",
	"serverlog/er0080/vllm_serve_unrecognized_argument_v0.25.1.log":  "usage_error 1",
	"serverlog/gemma4-nvfp4-wsl/vllm-0.20.2-gemma-4-26b-nvfp4.log":   "architecture 1, async_scheduling 2, attention_backend 2, batching 1, checkpoint 2, compile 4, context 1, engine_args 1, engine_config 1, engine_init 1, engine_stats 19, graph_capture 4, kv_cache 4, listening 1, memory 1, moe_backend 1, notice 1, parallel 1, ready 1, samples 114, sampling_defaults 1, tool_choice 1, version 2, warning 9, weights 2",
	"vllm/alint77/baseline/failed-94pct-hbm-server.out":              "all_reduce 3, architecture 1, async_scheduling 2, attention_backend 2, batching 1, checkpoint 1, compile 5, context 1, engine_args 1, engine_config 1, engine_init 1, engine_stats 4, exception 11, graph_capture 13, jit_during_inference 1, jit_monitor 4, kv_cache 4, linear_backend 8, listening 1, memory 12, moe_backend 1, notice 2, parallel 1, sampler 1, samples 24, sampling_defaults 1, version 2, warning 7, weights 2",
	"vllm/alint77/baseline/server.out":                               "all_reduce 3, architecture 1, async_scheduling 2, attention_backend 2, batching 1, checkpoint 1, compile 6, context 1, engine_args 1, engine_config 1, engine_init 1, engine_stats 11, graph_capture 13, jit_during_inference 2, jit_monitor 4, kv_cache 4, linear_backend 8, listening 1, memory 12, moe_backend 1, notice 1, parallel 1, sampler 1, samples 66, sampling_defaults 1, version 2, warning 10, weights 2",
}

// TestRealEvents reads every real log: every line of vLLM's logger above INFO is
// in an event, every periodic line gives its samples, nothing is rejected.
func TestRealEvents(t *testing.T) {
	for file := range realLogs {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(schematest.Shared(t, "real"), file))
			if err != nil {
				t.Fatal(err)
			}
			all := read(t, bytes.NewReader(text))
			checkOrder(t, all)
			got := summary(all)
			t.Log(got)
			if got != realEvents[file] {
				t.Errorf("got\n%s\nwant\n%s", got, realEvents[file])
			}
			checkLoud(t, text, all)
			if lines := bytes.Count(text, []byte("Avg prompt throughput: ")); lines > 0 && !strings.Contains(got, fmt.Sprintf("engine_stats %d,", lines)) {
				t.Errorf("%d periodic lines in %s", lines, got)
			}
		})
	}
}

// summary counts records by kind.
func summary(all []schemas.Record) string {
	counts := map[string]int{}
	for _, rec := range all {
		switch rec := rec.(type) {
		case *schemas.LogEvent:
			counts[cmp.Or(rec.Kind.V, strings.ToLower(rec.Level.V))]++
		case *schemas.Sample:
			counts["samples"]++
		case *schemas.Reject:
			counts["rejects"]++
		}
	}
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%s %d", kind, counts[kind]))
	}
	return strings.Join(words, ", ")
}

// checkLoud checks that each line above INFO is in some event: as many lines as
// the events have, but for what was left out of long ones.
func checkLoud(t *testing.T, text []byte, all []schemas.Record) {
	want := 0
	for l := range bytes.FieldsFuncSeq(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if m := lineForm.FindSubmatch(l); m != nil && len(m[5]) > 0 && string(m[2]) != "INFO" && string(m[2]) != "DEBUG" {
			want++
		}
	}
	got, long := 0, false
	for _, rec := range all {
		e, ok := rec.(*schemas.LogEvent)
		if !ok || e.Level.V == "INFO" || !e.Time.OK && !e.Source.OK || !strings.Contains(e.Source.V, ".py:") {
			continue
		}
		long = long || strings.Contains(e.Message, "bytes left out")
		for l := range strings.SplitSeq(e.Message, "\n") {
			if l != "" {
				got++
			}
		}
	}
	if !long && got < want {
		t.Errorf("%d lines above INFO, %d in events", want, got)
	}
}

// TestOthersAreNotClaimed: no result of a benchmark and no telemetry is a log.
func TestOthersAreNotClaimed(t *testing.T) {
	dir := schematest.Shared(t, "real")
	n := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		_, want := realLogs[filepath.ToSlash(rel)]
		if format, ok := Detect(text[:min(len(text), 64<<10)]); ok != want {
			t.Errorf("%s: Detect = %q, %v", rel, format, ok)
		}
		return nil
	})
	if err != nil || n < 50 {
		t.Errorf("%d files, %v", n, err)
	}
}

func FuzzReader(f *testing.F) {
	for _, c := range cases {
		text, err := os.ReadFile(filepath.Join("testdata", c.file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all := read(t, bytes.NewReader(text))
		checkOrder(t, all)
		if again := read(t, iotest.OneByteReader(bytes.NewReader(text))); !reflect.DeepEqual(again, all) {
			t.Errorf("whole %s\nin pieces %s", recordShorthand(all), recordShorthand(again))
		}
		Detect(text)
	})
}

// TestAll reads every log ahead, and gets what it gets line by line: a row that is
// used again must not be seen in a record.
func TestAll(t *testing.T) {
	for _, text := range allLogs(t) {
		text = bytes.Repeat(text, 3) // more than there are rows
		want := read(t, bytes.NewReader(text))
		r := NewReader(bytes.NewReader(text), "server.log")
		got := slices.Collect(r.All())
		if r.Err() != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%d records ahead, %d line by line: %v", len(got), len(want), r.Err())
		}
	}
}

// TestAllEnds leaves off after a record, and reads a log that breaks: the goroutine
// that reads ahead ends, and a fault comes behind what was read before it.
func TestAllEnds(t *testing.T) {
	line := "INFO 08-21 09:54:33 [a.py:1] vLLM API server version 0.20.2\n"
	r := NewReader(&cycle{text: line, n: 1 << 20}, "server.log")
	for range r.All() {
		break
	}
	fault := errors.New("the disk is gone")
	r = NewReader(io.MultiReader(strings.NewReader(line), iotest.ErrReader(fault)), "server.log")
	records := slices.Collect(r.All())
	if len(records) != 1 || !errors.Is(r.Err(), fault) {
		t.Errorf("%d records, %v", len(records), r.Err())
	}
	if records := slices.Collect(NewReader(strings.NewReader(""), "server.log").All()); len(records) != 0 {
		t.Errorf("%d records of nothing", len(records))
	}
}

// A cycle repeats a text until it has given n bytes.
type cycle struct {
	text string
	at   int
	n    int
}

func (c *cycle) Read(p []byte) (int, error) {
	if c.n <= 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.n)], c.text[c.at:])
	c.at = (c.at + n) % len(c.text)
	c.n -= n
	return n, nil
}

// BenchmarkReader reads 100 MB of what a busy server logs: requests, and every
// ten seconds what the engine does.
func BenchmarkReader(b *testing.B) {
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, "(APIServer pid=1) INFO:     127.0.0.1:%d - \"POST /v1/chat/completions HTTP/1.1\" 200 OK\n", 40000+i)
		fmt.Fprintf(&text, "(APIServer pid=1) INFO 05-12 02:47:26 [logger.py:39] Received request cmpl-%d: prompt: '%s', params: SamplingParams(n=1)\n", i, strings.Repeat("many words ", 20))
	}
	text.WriteString("(APIServer pid=1) INFO 08-21 09:54:33 [loggers.py:273] Engine 000: Avg prompt throughput: 0.0 tokens/s, Avg generation throughput: 36.4 tokens/s, Running: 2 reqs, Waiting: 0 reqs, GPU KV cache usage: 1.8%, Prefix cache hit rate: 0.0%\n")
	text.WriteString("(EngineCore pid=2) WARNING 08-21 09:54:33 [scheduler.py:10] something of which there is not much\n")
	benchmark(b, text.String())
}

// BenchmarkPeriodic reads a log of nothing but what the engine does: the most
// expensive lines there are.
func BenchmarkPeriodic(b *testing.B) {
	benchmark(b, "(APIServer pid=1) INFO 08-21 09:54:33 [loggers.py:273] Engine 000: Avg prompt throughput: 0.0 tokens/s, Avg generation throughput: 36.4 tokens/s, Running: 2 reqs, Waiting: 0 reqs, GPU KV cache usage: 1.8%, Prefix cache hit rate: 0.0%\n")
}

func benchmark(b *testing.B, text string) {
	const size = 100_000_000
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(&cycle{text: text, n: size}, "server.log")
		for r.Scan() {
		}
		if r.Err() != nil {
			b.Fatal(r.Err())
		}
	}
}
