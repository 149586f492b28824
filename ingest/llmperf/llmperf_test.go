package llmperf

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
	// All synthetic.
	Cases: []jsonruntest.Case{
		{File: "2023/acme_550_150_individual_responses.json", Format: FormatRequests, Story: "two requests that completed, one of HTTP 429 whose zeros and one token are no measurement, one with a code of the tool's own that has times, one that timed out, and one that completed though nothing came"},
		{File: "2023/bare_keys.json", Format: FormatRequests, Story: "the names of keys among the requests, for the tool extends its list by a dictionary"},
		{File: "2023/acme_550_150_summary.json", Format: FormatSummary, Story: "the summary: integers written as strings, and a count of errors as Python prints it"},
		{File: "hostile/requests.json", Format: FormatRequests, Story: "values of the wrong kind: requests 0 to 3 fail by their records, two elements are no requests, the last is well"},
		{File: "hostile/summary.json", Format: FormatSummary, Story: "a concurrency that is a word is left out; the second object has a key twice, the third is no summary"},
	},
}

func TestProducer(t *testing.T) { producers.Test(t) }

func FuzzReader(f *testing.F) { producers.Fuzz(f) }

// TestComplete: the summary of the same benchmark says model and concurrency,
// that of another one nothing.
func TestComplete(t *testing.T) {
	const list = "acme_550_150_individual_responses.json"
	rd := NewReader(bytes.NewReader(recordtest.File(t, "2023/"+list)), "results/"+list)
	var run *schemas.Run
	for rd.Scan() {
		run, _ = rd.Record().(*schemas.Run)
	}
	summary := recordtest.File(t, "2023/acme_550_150_summary.json")
	if err := Complete(run, "other_550_150_summary.json", bytes.NewReader(summary)); err != nil || run.Model.OK {
		t.Errorf("completed by another summary: %v, %v", run.Model, err)
	}
	if err := Complete(run, "acme_550_150_summary.json", strings.NewReader(`{"model":`)); err == nil {
		t.Error("a summary that was cut: no error")
	}
	if err := Complete(run, "acme_550_150_summary.json", bytes.NewReader(summary)); err != nil {
		t.Fatal(err)
	}
	if run.Model.V != "acme/seven" || run.MaxConcurrency.V != 5 || run.EndedAt.V.Unix() != 1703638574 || run.Reported["results_ttft_s_mean"] != "0.375" ||
		run.Provenance["model"] != "acme_550_150_summary.json" {
		t.Errorf("completed: %s", recordtest.Shorthand(run))
	}
}

// TestReal reproduces the summary of a real run from its requests, where the
// definitions match: all but inter_token_latency_s, which includes the TTFT, and
// the throughput of a request, which counts chunks. Rates are over a duration
// that is in neither file.
func TestReal(t *testing.T) {
	records := producers.Read(t, jsonruntest.RealFile(t, "llmperf/leaderboard/individual/lepton_7b.json"))
	run := jsonruntest.Runs(t, records)[0]
	sum := jsonruntest.Runs(t, producers.Read(t, jsonruntest.RealFile(t, "llmperf/leaderboard/summary/lepton_7b.json")))[0]
	if run.Requests != sum.Requests || run.Completed != sum.Completed || run.Failed != sum.Failed || run.Requests.V != 150 || run.Failed.V != 130 {
		t.Errorf("counted %v requests, %v failed; the tool says %v, %v", run.Requests, run.Failed, sum.Requests, sum.Failed)
	}
	if sum.Model.V != "llama2-7b" || sum.MaxConcurrency.V != 5 {
		t.Errorf("%s", recordtest.Shorthand(sum))
	}
	values := map[string][]float64{}
	for _, rec := range records {
		req, ok := rec.(*schemas.Request)
		switch {
		case !ok:
		case req.Status == schemas.StatusOK:
			values["ttft_s"] = append(values["ttft_s"], float64(req.TTFT.V)/1e9)
			values["end_to_end_latency_s"] = append(values["end_to_end_latency_s"], float64(req.E2EL.V)/1e9)
			values["number_input_tokens"] = append(values["number_input_tokens"], float64(req.InputTokens.V))
			values["number_output_tokens"] = append(values["number_output_tokens"], float64(req.OutputTokens.V))
		case req.ErrorClass.V != "http" || req.TTFT.OK || req.E2EL.OK || req.OutputTokens.OK:
			t.Errorf("%s", recordtest.Shorthand(req))
		}
	}
	for metric, v := range values {
		key := "results_" + metric
		jsonruntest.Near(t, metric+" mean", jsonruntest.Mean(v), jsonruntest.Number(t, sum, key+"_mean"))
		jsonruntest.Near(t, metric+" p50", jsonruntest.Percentile(v, 50), jsonruntest.Number(t, sum, key+"_quantiles_p50"))
		jsonruntest.Near(t, metric+" p99", jsonruntest.Percentile(v, 99), jsonruntest.Number(t, sum, key+"_quantiles_p99"))
	}
}

// TestDetect: other tools' files, and a head that is cut.
func TestDetect(t *testing.T) {
	for head, want := range map[string]string{
		`[{"error_code": null, "error_msg": "", "inter_token_latency_s": 0.03, "ttft_s": 1.1, "end_to_`:                                  FormatRequests,
		`{"version": "2023-08-31", "name": "x_summary", "mean_input_tokens": 1, "stddev_input_tokens": 0, "num_concurrent_requests": 5,`: FormatSummary,
		`[{"start_time": 1, "error_code": null}]`: "",
		`{"ttft_s": 1, "error_code": null}`:       "",
	} {
		if got, _ := Detect([]byte(head)); got != want {
			t.Errorf("Detect(%s) = %q, want %q", head, got, want)
		}
	}
}
