package genaiperf

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/servestat/servestat/ingest/jsonrun/jsonruntest"
	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
)

var producers = jsonruntest.Producer{
	Open:   func(r io.Reader, name string) recordtest.Reader { return NewReader(r, name) },
	Detect: Detect,
	// All synthetic, after the tool's source: no real file is published.
	Cases: []jsonruntest.Case{
		{File: "profile/chat.json", Format: FormatProfile, Story: "request 0: a role, three responses with text of which the last is two events, usage, [DONE]. Request 1: an event that came in two parts, the second with the next event behind it. Request 2: reasoning. Request 3: no text at all. Requests 4 and 5: errors, with text before it and without"},
		{File: "profile/two_levels.json", Format: FormatProfile, Story: "two experiments are two runs; the kind of service comes behind both, and the first does without it"},
		{File: "profile/triton.json", Format: FormatProfile, Story: "Triton: every response is one, and the kind of service comes first"},
		{File: "summary/profile_export_genai_perf.json", Format: FormatSummary, Story: "the summary; inter_token_latency is our TPOT, and a header with a key is left out"},
		{File: "summary/old_config.json", Format: FormatSummary, Story: "the flat settings of older versions"},
		{File: "hostile/profile.json", Format: FormatProfile, Story: "times that fall, lie before the request, are too many, a word, NaN, or missing: all of these requests fail by their records, and the last is well"},
		{File: "hostile/neither.json", Format: "", Story: "neither a profile nor a summary; a key twice; an experiment without requests"},
	},
}

func TestProducer(t *testing.T) { producers.Test(t) }

func FuzzReader(f *testing.F) { producers.Fuzz(f) }

// TestComplete: the summary beside a profile has the tool's own findings.
func TestComplete(t *testing.T) {
	var run *schemas.Run
	for _, rec := range producers.Read(t, bytes.NewReader(recordtest.File(t, "profile/chat.json"))) {
		run, _ = rec.(*schemas.Run)
	}
	counted := run.Completed
	summary := recordtest.File(t, "summary/profile_export_genai_perf.json")
	if err := Complete(run, "profile_export_genai_perf.json", bytes.NewReader(summary)); err != nil {
		t.Fatal(err)
	}
	if run.Reported["inter_token_latency.avg"] != "50.0" || run.Tokenizer.V != "acme/seven-tokenizer" || run.Completed != counted || run.MaxConcurrency.V != 2 {
		t.Errorf("completed: %s", recordtest.Shorthand(run))
	}
	if err := Complete(run, "x_genai_perf.json", strings.NewReader(`{"request_throughput":`)); err == nil {
		t.Error("a summary that was cut: no error")
	}
}

// TestDetect: AIPerf's summary looks alike and is not ours.
func TestDetect(t *testing.T) {
	for head, want := range map[string]string{
		`{"request_throughput": {"unit": "requests/sec", "avg": 1}, "input_config": {}}`:                                   FormatSummary,
		`{"schema_version": "1.3", "request_throughput": {"unit": "requests/sec", "avg": 1}, "input_config": {}}`:          "",
		`{"request_throughput": {"unit": "requests/sec", "avg": 1}, "input_config": {}, "was_cancelled": false}`:           "",
		`{"experiments":[{"experiment":{"mode":"concurrency","value":2},"requests":[{"timestamp":1,"request_inputs":{"pay`: FormatProfile,
		`{"experiments": []}`: "",
	} {
		if got, _ := Detect([]byte(head)); got != want {
			t.Errorf("Detect(%s) = %q, want %q", head, got, want)
		}
	}
	real := jsonruntest.RealFile(t, "aiperf/run1/profile_export_aiperf.json")
	head, err := io.ReadAll(real)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := Detect(head); ok {
		t.Errorf("AIPerf's summary is taken for %q", got)
	}
}
