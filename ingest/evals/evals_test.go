package evals

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// cases are the files of testdata, all synthetic: what each is there for, and which
// format its beginning shows. The records that a file gives are in the .golden file
// beside it.
var cases = []struct{ file, format, story string }{
	{"tool_calls.jsonl", "tool_calls", "one line for each way in which a call goes right or wrong"},
	{"streams.jsonl", "tool_calls", "the same calls, streamed: fragments by index, interleaved, with arguments as text and as objects; then whole"},
	{"BFCL_v4_multiple_score.json", "bfcl score", "a total, and failures of two kinds; one item of several turns"},
	{"BFCL_v4_multiple_result.json", "bfcl result", "what was answered, one turn and several"},
	{"k2-summary.json", "k2_vendor_verifier summary", "1,856 of 2,128 calls are right"},
	{"k2-lines.jsonl", "k2_vendor_verifier", "a right call, a wrong one, none, and a request that failed"},
	{"tau2-results.json", "tau2", "solved, not solved, and two that the serving spoilt"},
	{"lm-eval-results.json", "lm_eval", "two filters of one metric, one without a standard error, a group"},
	{"samples_gsm8k_2026-01-02T03-04-05.jsonl", "lm_eval samples", "paired by document"},
	{"hostile.jsonl", "tool_calls", "wrong types, an index of a billion, a schema that is none, one that refers elsewhere, half a line"},
}

// read returns all records of an upload.
func read(t testing.TB, r io.Reader, name string) []schemas.Record {
	t.Helper()
	reader := NewReader(r, name)
	var all []schemas.Record
	for reader.Scan() {
		all = append(all, reader.Record())
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// shorthand writes records so that they can be checked against the upload.
func shorthand(all []schemas.Record) string {
	var b strings.Builder
	for _, rec := range all {
		switch rec := rec.(type) {
		case *schemas.Reject:
			fmt.Fprintf(&b, "reject at byte %d: %s\n", rec.At.Offset, rec.Reason)
		case *schemas.Eval:
			writeEval(&b, rec)
		}
	}
	return b.String()
}

func writeEval(b *strings.Builder, e *schemas.Eval) {
	fmt.Fprintf(b, "%d %s %s", e.Line, e.Suite, e.Task)
	if e.Item.OK {
		fmt.Fprintf(b, " %s", e.Item.V)
	}
	fmt.Fprintf(b, ": %s", e.Metric)
	for _, f := range []struct {
		name string
		ok   bool
		v    any
	}{
		{"trial", e.Trial.OK, e.Trial.V}, {"value", e.Value.OK, e.Value.V}, {"passed", e.Passed.OK, e.Passed.V}, {"class", e.Class.OK, e.Class.V},
		{"count", e.Count.OK, e.Count.V}, {"of", e.Of.OK, e.Of.V}, {"stderr", e.StdErr.OK, e.StdErr.V}, {"model", e.Model.OK, e.Model.V},
		{"finish", e.Finish.OK, e.Finish.V}, {"streaming", e.Streaming.OK, e.Streaming.V}, {"concurrency", e.Concurrency.OK, e.Concurrency.V},
		{"temperature", e.Temperature.OK, e.Temperature.V}, {"start", e.Start.OK, e.Start.V.Format(time.RFC3339Nano)}, {"latency", e.Latency.OK, time.Duration(e.Latency.V)},
		{"input", e.Input.OK, e.Input.V}, {"output", e.Output.OK, e.Output.V}, {"answer", e.Answer.OK, e.Answer.V},
	} {
		if f.ok {
			fmt.Fprintf(b, " %s=%v", f.name, f.v)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(e.Facts)) {
		fmt.Fprintf(b, " [%s %s]", k, e.Facts[k])
	}
	b.WriteByte('\n')
}

func TestGolden(t *testing.T) {
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			text := readFile(t, c.file)
			if format, ok := Detect(text); !ok || format != c.format {
				t.Errorf("detected as %q", format)
			}
			all := read(t, bytes.NewReader(text), c.file)
			schematest.Golden(t, filepath.Join("testdata", c.file+".golden"), []byte("# "+c.story+"\n"+shorthand(all)))
			if again := read(t, iotest.OneByteReader(bytes.NewReader(text)), c.file); !reflect.DeepEqual(again, all) {
				t.Errorf("byte by byte: %s", shorthand(again))
			}
		})
	}
}

func readFile(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestStreamingEqualsWhole: an answer means the same however it came.
func TestStreamingEqualsWhole(t *testing.T) {
	answers := map[string]map[string]bool{}
	for _, rec := range read(t, bytes.NewReader(readFile(t, "streams.jsonl")), "streams.jsonl") {
		e, ok := rec.(*schemas.Eval)
		if !ok {
			t.Fatalf("%+v", rec)
		}
		if answers[e.Item.V] == nil {
			answers[e.Item.V] = map[string]bool{}
		}
		answers[e.Item.V][e.Answer.V] = true
	}
	for item, of := range answers {
		if len(of) != 1 {
			t.Errorf("%s: %v", item, of)
		}
	}
}

// TestDetectNothing: what belongs to others, or to nobody.
func TestDetectNothing(t *testing.T) {
	for _, text := range []string{"", "[]", "{", `{"a": 1}`, `{"results": []}`, `{"request": 1}`, `{"ttfts": [], "itls": []}`, "text"} {
		if format, ok := Detect([]byte(text)); ok {
			t.Errorf("Detect(%q) = %q", text, format)
		}
	}
	all := read(t, strings.NewReader("text"), "x")
	if r, ok := all[0].(*schemas.Reject); !ok || !r.Fatal || len(all) != 1 {
		t.Errorf("%s", shorthand(all))
	}
	if all := read(t, strings.NewReader(""), "x"); len(all) != 0 {
		t.Errorf("%s", shorthand(all))
	}
}

// TestLongLine: a line beyond the limit is rejected, and the next one is read.
func TestLongLine(t *testing.T) {
	line := `{"request": {}, "response": {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}}` + "\n"
	long := io.MultiReader(strings.NewReader(line+`{"request": "`), io.LimitReader(endless{}, maxLine+1), strings.NewReader("\"}\n"+line))
	all := read(t, long, "x")
	if len(all) != 3 || !strings.Contains(shorthand(all), "a line of more than") {
		t.Errorf("%d records: %.300s", len(all), shorthand(all))
	}
}

// endless is a text without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	r := NewReader(io.MultiReader(bytes.NewReader(readFile(t, "tool_calls.jsonl")), iotest.ErrReader(broken)), "x")
	n := 0
	for ; r.Scan(); n++ {
	}
	if n == 0 || !errors.Is(r.Err(), broken) {
		t.Errorf("%d records, %v", n, r.Err())
	}
}

func FuzzReader(f *testing.F) {
	for _, c := range cases {
		f.Add(readFile(f, c.file))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all := read(t, bytes.NewReader(text), "x")
		for _, rec := range all {
			if e, ok := rec.(*schemas.Eval); ok && (e.Suite == "" || e.Metric == "" || e.Of.OK && e.Of.V < 0) {
				t.Errorf("%+v", e)
			}
		}
		if again := read(t, iotest.HalfReader(bytes.NewReader(text)), "x"); shorthand(again) != shorthand(all) {
			t.Errorf("whole %s\nin pieces %s", shorthand(all), shorthand(again))
		}
	})
}
