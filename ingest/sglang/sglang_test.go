package sglang

import (
	"bytes"
	"io"
	"testing"

	"github.com/servestat/servestat/ingest/jsonrun/jsonruntest"
	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
)

var producer = jsonruntest.Producer{
	Open:   func(r io.Reader, name string) recordtest.Reader { return NewReader(r, name) },
	Detect: Detect,
	// All synthetic but those of v0.5.23.
	Cases: []jsonruntest.Case{
		{File: "2024/rates.jsonl", Format: Format, Story: "17 keys and no detail; two rates appended to one file, the second the bare token Infinity"},
		{File: "current/detailed.jsonl", Format: Format, Story: "everything there is from an OpenAI endpoint: gaps between chunks, rounded to the nearest nanosecond, ties to even; no start times"},
		{File: "current/sorted.json", Format: Format, Story: "the same run, rewritten with indentation and sorted keys"},
		{File: "current/native.jsonl", Format: Format, Story: "the native backend divides the gap before a chunk by its tokens: synthetic gaps, of which the number of chunks cannot be told. server_info says what was served, and would have said its API key"},
		{File: "current/speculative.jsonl", Format: Format, Story: "with a length of accepted drafts the tool divides gaps by tokens that it counts anew: its mean ITL of 4.6 ms is not that of the gaps, 11 ms, and a note says so"},
		{File: "current/failed.jsonl", Format: Format, Story: "success is an empty message: an HTTP error, a stream that broke after two chunks and kept its true TTFT, a timeout, and a request that the tool calls completed though nothing came"},
		{File: "current/all_failed.jsonl", Format: Format, Story: "nothing completed: NaN for every statistic"},
		{File: "current/trace.jsonl", Format: Format, Story: "a trace has no request rate; cache report and goodput are the tool's own findings"},
		{File: "current/append_after_crash.jsonl", Format: Format, Story: "the second of three lines was cut among the generated texts: its requests are whole but for their messages"},
		{File: "v0.5.23/native.jsonl", Format: Format, Story: "by the real tool: the native backend, three tokens a chunk"},
		{File: "v0.5.23/chat.jsonl", Format: Format, Story: "by the real tool: chat, a token a chunk. The chunk that carries only the role is no chunk"},
		{File: "v0.5.23/completions.jsonl", Format: Format, Story: "by the real tool: completions of the same server"},
		{File: "v0.5.23/vllm.jsonl", Format: Format, Story: "by the real tool: completions of a server that it takes for vLLM, which is no SGLang"},
		{File: "hostile/bad_values.jsonl", Format: Format, Story: "values of the wrong kind everywhere: settings are left out, requests 1 to 6 fail, the run stands"},
		{File: "hostile/lengths.jsonl", Format: Format, Story: "arrays of different lengths: which request is which cannot be told, so the run is lost, and the next is not"},
		{File: "hostile/twice.jsonl", Format: Format, Story: "keys that come twice: Python would take the last, we take none"},
	},
}

func TestProducer(t *testing.T) { producer.Test(t) }

func FuzzReader(f *testing.F) { producer.Fuzz(f) }

// TestContentDigest: the digest of a run stays what it is when the file is rewritten or
// published without its answers, and changes with any other value.
func TestContentDigest(t *testing.T) {
	digest := func(text []byte) string {
		t.Helper()
		for _, rec := range producer.Read(t, bytes.NewReader(text)) {
			if run, ok := rec.(*schemas.Run); ok {
				return run.ContentDigest
			}
		}
		t.Fatal("no run")
		return ""
	}
	text := recordtest.File(t, "current/detailed.jsonl")
	want := digest(text)
	if got := digest(recordtest.File(t, "current/sorted.json")); got != want {
		t.Errorf("sorted: digest %s, want %s", got, want)
	}
	for _, answers := range []string{`one \"two\" three`, `"generated_texts": ["one \"two\" three", "vier"], `} {
		if !bytes.Contains(text, []byte(answers)) {
			t.Fatalf("%s is not in the file", answers)
		}
		if got := digest(bytes.Replace(text, []byte(answers), nil, 1)); got != want {
			t.Errorf("without %s: digest %s, want %s", answers, got, want)
		}
	}
	for _, change := range [][2]string{
		{`"tag": "nightly"`, `"tag": "weekly"`},
		{`0.06000000025`, `0.060000001`},
		{`[0.0100000005, 0.0120000015, 0.011], [0.012, 0.01]`, `[0.0100000005, 0.0120000015], [0.011, 0.012, 0.01]`},
		{`"output_lens": [4, 3]`, `"output_lens": [4, 2]`},
		{`"mean_ttft_ms": 65.0`, `"mean_ttft_ms": 65.1`},
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

// TestDetect: the results of other tools, and heads that are cut.
func TestDetect(t *testing.T) {
	for _, test := range []struct {
		head string
		want bool
	}{
		{`{"tag": null, "backend": "sglang", "dataset_name": "random", "request_rate": Infinity, "max_concurrency": null, "sharegpt_output_len": nu`, true},
		{`{"backend": "sglang", "dataset_name": "random", "request_rate": 1.0, "max_concurrency": null, "total_output_tokens_retokenized": 160192, "dur`, true},
		{`{"date": "20260126-101500", "endpoint_type": "openai", "backend": "openai", "model_id": "m", "completed": 3}`, false}, // vLLM
		{`{"date": "x", "backend": "sglang", "model_id": "m", "accept_length": 1}`, false},
		{`{"metadata": {}, "metrics": {}}`, false},
		{`[{"backend": "sglang", "accept_length": 1}]`, false},
	} {
		if _, ok := Detect([]byte(test.head)); ok != test.want {
			t.Errorf("Detect(%s) = %v", test.head, ok)
		}
	}
}
