package inferenceperf

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/ingest/jsonrun/jsonruntest"
	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
)

var producers = jsonruntest.Producer{
	Open:   func(r io.Reader, name string) recordtest.Reader { return NewReader(r, name) },
	Detect: Detect,
	// All synthetic but those of head.
	Cases: []jsonruntest.Case{
		{File: "v0.2/no_info.json", Format: FormatRequests, Story: "0.1: nothing but start, end and error"},
		{File: "v0.2/lines.json", Format: FormatRequests, Story: "request 0 has two stamps for a token, for the blank line behind each event is stamped too: its gaps would be half of the truth, so it has none. Request 1 has a stamp a token, in the same version: the count decides"},
		{File: "v0.2/stage_2_lifecycle_metrics.json", Format: FormatSummary, Story: "a stage whose TPOT is half of what latency, TTFT and length say: its numbers stand as reported, with a note"},
		{File: "v0.2/server.json", Format: FormatSummary, Story: "what the server's metrics said: no counts of the client, and another bench"},
		{File: "v0.5/bos.json", Format: FormatRequests, Story: "0.5.0 counts a mark before every chunk as a token: the chunks are true, the tokens in them are not"},
		{File: "v0.6/requests.json", Format: FormatRequests, Story: "requests in the order in which they ended: cached and reasoning tokens, several tokens in a chunk, a server that counts otherwise, an HTTP error, an answer without a token, a timeout without info, an answer that was no stream"},
		{File: "v0.6/stage_0.json", Format: FormatSummary, Story: "a stage at a concurrency, with totals and errors by label"},
		{File: "v0.6/summary_count.json", Format: FormatSummary, Story: "a summary of all stages whose counts do not add up"},
		{File: "head/per_request_lifecycle_metrics.json", Format: FormatRequests, Story: "by the real tool: a token a chunk, two stages in one list"},
		{File: "head/summary_lifecycle_metrics.json", Format: FormatSummary, Story: "by the real tool: the summary of the same requests"},
		{File: "head/stage_1_lifecycle_metrics.json", Format: FormatSummary, Story: "by the real tool: the second of the two stages"},
		{File: "hostile/bad_requests.json", Format: FormatRequests, Story: "values of the wrong kind everywhere: requests 0 to 3 fail by their records, 4 by an error that is no object, two elements are no requests, the last is well"},
		{File: "hostile/bad_summary.json", Format: FormatSummary, Story: "a negative rate and a count that is a word are left out; the second object is no summary"},
		{File: "hostile/cut.json", Format: FormatRequests, Story: "the copy was cut short: what came whole is here, and the run is marked"},
	},
}

func TestProducer(t *testing.T) { producers.Test(t) }

func FuzzReader(f *testing.F) { producers.Fuzz(f) }

// TestComplete: what the folder says besides.
func TestComplete(t *testing.T) {
	runOf := func(file string) *schemas.Run {
		t.Helper()
		for _, rec := range producers.Read(t, bytes.NewReader(recordtest.File(t, file))) {
			if run, ok := rec.(*schemas.Run); ok {
				return run
			}
		}
		t.Fatal("no run")
		return nil
	}
	complete := func(run *schemas.Run, name string) {
		t.Helper()
		if err := Complete(run, name, bytes.NewReader(recordtest.File(t, name))); err != nil {
			t.Fatal(err)
		}
	}

	one := runOf("v0.6/requests.json")
	complete(one, "companions/config.yaml")
	if one.RequestRate.V != 2.5 || one.Backend.V != "completion" || one.Runtime.V != "vllm" || one.Tokenizer.V != "acme/seven-tokenizer" ||
		one.Dataset.V != "shared_prefix" || one.Model.V != "acme/seven" || one.Provenance["request_rate"] != "config.yaml" || one.Provenance["model"] != "the first request" {
		t.Errorf("completed by config.yaml: %s%v", recordtest.Shorthand(one), one.Provenance)
	}
	complete(one, "v0.6/summary_count.json")
	if one.Reported["successes.latency.request_latency.median"] != "1.1" || !slices.ContainsFunc(one.Notes, func(note string) bool {
		return strings.Contains(note, "tells of 5 requests, the list has 7")
	}) {
		t.Errorf("completed by its summary: %s", recordtest.Shorthand(one))
	}

	several := runOf("v0.6/requests.json")
	complete(several, "companions/two_stages.yaml")
	if several.RequestRate.OK || !strings.Contains(strings.Join(several.Notes, "\n"), "2 stages are mixed") {
		t.Errorf("of two stages: %s", recordtest.Shorthand(several))
	}

	stage := runOf("v0.6/stage_0.json")
	complete(stage, "companions/config.yaml")
	if stage.RequestRate.V != 12.5 || stage.Model.V != "acme/seven" {
		t.Errorf("a stage: %s", recordtest.Shorthand(stage))
	}

	for _, text := range []string{"", "load: [", "load: 7\n", "{"} {
		if err := Complete(one, "config.yaml", strings.NewReader(text)); err == nil {
			t.Errorf("config.yaml of %q: no error", text)
		}
	}
	if err := Complete(one, "summary_lifecycle_metrics.json", strings.NewReader(`{"load_summary":`)); err == nil {
		t.Errorf("a summary that was cut: no error")
	}
}

// TestDetect: a head that is cut inside the first prompt, and other tools' files.
func TestDetect(t *testing.T) {
	for head, want := range map[string]string{
		`[{"start_time": 1.5, "end_time": 2.5, "request": "{\"prompt\": \"` + strings.Repeat("x", 64<<10): FormatRequests,
		`{"load_summary": {"count": 3}, "successes": {"count": 3, "lat`:                                   FormatSummary,
		`[{"error_code": null, "ttft_s": 1}]`:                                                             "",
		`{"start_time": 1, "end_time": 2, "request": ""}`:                                                 "",
		`{"load_summary": {}}`: "",
	} {
		if got, _ := Detect([]byte(head)); got != want {
			t.Errorf("Detect(%.40s) = %q, want %q", head, got, want)
		}
	}
}
