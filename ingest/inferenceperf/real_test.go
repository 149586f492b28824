package inferenceperf

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/ingest/jsonrun/jsonruntest"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// rejected are the real files in which something cannot be used: those that the
// tool's own validator is tested with.
var rejected = map[string]string{
	"validation/per-stage-reports/v0_5_0-negative-requested-rate/stage_0_lifecycle_metrics.json": "load_summary.requested_rate: found -1.0",
}

// TestReal reads every real file. A summary's rates are reproduced from its own
// counts, and the factor by which the times of old versions are false is found.
func TestReal(t *testing.T) {
	seen := 0
	err := fs.WalkDir(os.DirFS(schematest.Shared(t, "real/inference-perf")), ".", func(path string, d fs.DirEntry, err error) error {
		if !strings.HasSuffix(path, ".json") || strings.HasSuffix(path, "validation.json") {
			return err
		}
		seen++
		t.Run(path, func(t *testing.T) { checkReal(t, path) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen != 45 {
		t.Errorf("%d files, want 45", seen)
	}
}

func checkReal(t *testing.T, path string) {
	f := jsonruntest.RealFile(t, "inference-perf/"+path)
	rd := NewReader(f, path)
	var run *schemas.Run
	for rd.Scan() {
		switch rec := rd.Record().(type) {
		case *schemas.Reject:
			if want := rejected[path]; want == "" || !strings.HasPrefix(rec.Reason, want) {
				t.Errorf("rejected: %v", rec)
			}
		case *schemas.Run:
			run = rec
		}
	}
	if run == nil || rd.Err() != nil {
		t.Fatalf("no run: %v", rd.Err())
	}
	base := filepath.Base(path)
	stage := strings.HasPrefix(base, "stage_")
	switch {
	case strings.Contains(base, "prometheus"):
		if run.Dialect != "server" || run.Requests.OK {
			t.Errorf("%s", recordtest.Shorthand(run))
		}
	case strings.HasPrefix(base, "per_request"):
		if !run.Detailed || run.Requests.V != 6 {
			t.Errorf("%s", recordtest.Shorthand(run))
		}
	case stage != (run.Dialect == "stage") || stage != (run.Labels["stage"] != "" && strings.HasPrefix(base, "stage_"+run.Labels["stage"]+"_")):
		t.Errorf("dialect %q, labels %q", run.Dialect, run.Labels)
	default:
		checkRates(t, path, run)
	}
}

// checkRates: the demonstrations of 2025 are of the versions with false times,
// the files for the validator are of 0.5 and well.
func checkRates(t *testing.T, path string, run *schemas.Run) {
	t.Helper()
	number := func(key string) float64 { return jsonruntest.Number(t, run, key) }
	old := strings.HasPrefix(path, "kubecon")
	if run.DurationNS.OK {
		seconds := float64(run.DurationNS.V) / 1e9
		jsonruntest.Near(t, "requests_per_sec", float64(run.Completed.V)/seconds, number("successes.throughput.requests_per_sec"))
		jsonruntest.Near(t, "output_tokens_per_sec", float64(run.OutputTokens.V)/seconds, number("successes.throughput.output_tokens_per_sec"))
	} else if !old {
		t.Errorf("no duration")
	}
	isFalse := strings.Contains(strings.Join(run.Notes, "\n"), "false times: by the mean latency")
	ratio := (number("successes.latency.request_latency.mean") - number("successes.latency.time_to_first_token.mean")) /
		(number("successes.output_len.mean") - 1) / number("successes.latency.time_per_output_token.mean")
	if isFalse != old || old && (ratio < 1.7 || ratio > 2.2) {
		t.Errorf("a token takes %.2f of what the tool says; noted: %v", ratio, isFalse)
	}
}

// TestRealRequests reproduces the summaries of the validator's run from its
// requests. Its request_latency cannot be: it runs until the response was whole,
// E2EL to the last chunk with content.
func TestRealRequests(t *testing.T) {
	const folder = "inference-perf/validation/full-runs/v0_5_0-clean-two-stage-run/"
	records := producers.Read(t, jsonruntest.RealFile(t, folder+"per_request_lifecycle_metrics.json"))
	run := jsonruntest.Runs(t, records)[0]
	if err := Complete(run, folder+"summary_lifecycle_metrics.json", jsonruntest.RealFile(t, folder+"summary_lifecycle_metrics.json")); err != nil {
		t.Fatal(err)
	}
	if err := Complete(run, "config.yaml", jsonruntest.RealFile(t, folder+"config.yaml")); err != nil {
		t.Fatal(err)
	}
	values := map[string][]float64{}
	for _, rec := range records {
		switch rec := rec.(type) {
		case *schemas.Gaps:
			for _, ns := range rec.Nanos {
				values["inter_token_latency"] = append(values["inter_token_latency"], float64(ns)/1e9)
			}
		case *schemas.Request:
			if tpot := rec.TPOT(); rec.Status == schemas.StatusOK && tpot.OK {
				values["time_per_output_token"] = append(values["time_per_output_token"], tpot.V/1e9)
				values["time_to_first_token"] = append(values["time_to_first_token"], float64(rec.TTFT.V)/1e9)
			}
		}
	}
	for metric, v := range values {
		key := "successes.latency." + metric
		jsonruntest.Near(t, metric+" mean", jsonruntest.Mean(v), jsonruntest.Number(t, run, key+".mean"))
		jsonruntest.Near(t, metric+" median", jsonruntest.Percentile(v, 50), jsonruntest.Number(t, run, key+".median"))
		jsonruntest.Near(t, metric+" p90", jsonruntest.Percentile(v, 90), jsonruntest.Number(t, run, key+".p90"))
		jsonruntest.Near(t, metric+" max", jsonruntest.Percentile(v, 100), jsonruntest.Number(t, run, key+".max"))
	}
	for key, n := range map[string]int64{
		"load_summary.count": run.Requests.V, "successes.count": run.Completed.V, "failures.count": run.Failed.V,
		"successes.prompt_tokens.total": run.InputTokens.V, "successes.output_tokens.total": run.OutputTokens.V,
	} {
		if want, _ := jsonscan.ParseInt([]byte(run.Reported[key])); want != n {
			t.Errorf("%s: counted %d, the tool says %d", key, n, want)
		}
	}
	jsonruntest.Near(t, "benchmark_time_seconds", float64(run.DurationNS.V)/1e9, jsonruntest.Number(t, run, "benchmark_time_seconds"))
	if !strings.Contains(strings.Join(run.Notes, "\n"), "2 stages are mixed") {
		t.Errorf("notes %q", run.Notes)
	}
}

// TestRealOffByOne: the tool's validator finds a summary that tells of a request
// more than there are, and so do we.
func TestRealOffByOne(t *testing.T) {
	const folder = "inference-perf/validation/full-runs/v0_5_0-summary-count-off-by-one/"
	run := jsonruntest.Runs(t, producers.Read(t, jsonruntest.RealFile(t, folder+"per_request_lifecycle_metrics.json")))[0]
	if err := Complete(run, "summary_lifecycle_metrics.json", jsonruntest.RealFile(t, folder+"summary_lifecycle_metrics.json")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(run.Notes, "\n"), "tells of 7 requests, the list has 6") {
		t.Errorf("notes %q", run.Notes)
	}
	sum := jsonruntest.Runs(t, producers.Read(t, jsonruntest.RealFile(t, folder+"summary_lifecycle_metrics.json")))[0]
	if !strings.Contains(strings.Join(sum.Notes, "\n"), "5 completed and 1 failed of 7 requests") {
		t.Errorf("notes %q", sum.Notes)
	}
}

// TestFresh reproduces the summary that the real tool made of the requests in
// head/, but for request_latency; see TestRealRequests.
func TestFresh(t *testing.T) {
	records := producers.Read(t, bytes.NewReader(recordtest.File(t, "head/per_request_lifecycle_metrics.json")))
	run := jsonruntest.Runs(t, records)[0]
	for _, name := range []string{"head/summary_lifecycle_metrics.json", "head/companions/config.yaml"} {
		if err := Complete(run, name, bytes.NewReader(recordtest.File(t, name))); err != nil {
			t.Fatal(err)
		}
	}
	values := map[string][]float64{}
	for _, rec := range records {
		switch rec := rec.(type) {
		case *schemas.Gaps:
			for i, ns := range rec.Nanos {
				values["inter_token_latency"] = append(values["inter_token_latency"], float64(ns)/1e9)
				if rec.Tokens[i] != 1 {
					t.Errorf("a chunk of %d tokens", rec.Tokens[i])
				}
			}
		case *schemas.Request:
			values["time_per_output_token"] = append(values["time_per_output_token"], rec.TPOT().V/1e9)
			values["time_to_first_token"] = append(values["time_to_first_token"], float64(rec.TTFT.V)/1e9)
		}
	}
	for metric, v := range values {
		key := "successes.latency." + metric
		jsonruntest.Near(t, metric+" mean", jsonruntest.Mean(v), jsonruntest.Number(t, run, key+".mean"))
		jsonruntest.Near(t, metric+" p99", jsonruntest.Percentile(v, 99), jsonruntest.Number(t, run, key+".p99"))
	}
	seconds := float64(run.DurationNS.V) / 1e9
	jsonruntest.Near(t, "output_tokens_per_sec", float64(run.OutputTokens.V)/seconds, jsonruntest.Number(t, run, "successes.throughput.output_tokens_per_sec"))
	if run.Backend.V != "completion" || run.Dialect != "0.6" || run.GapKind != schemas.ChunkGaps {
		t.Errorf("%s", recordtest.Shorthand(run))
	}
}
