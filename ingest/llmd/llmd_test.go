package llmd

import (
	"bytes"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/ingest/jsonrun/jsonruntest"
	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

var producer = jsonruntest.Producer{
	Open:   func(r io.Reader, name string) recordtest.Reader { return NewReader(r, name) },
	Detect: Detect,
	NoEnd:  true,
	// All synthetic.
	Cases: []jsonruntest.Case{
		{File: "v0.1/report.yaml", Format: Format, Story: "the first version: two engines, milliseconds, rates that are numbers, seconds of the epoch"},
		{File: "v0.2/report.yaml", Format: Format, Story: "everything there is: keys in arguments are not shown, environment and configuration are not kept, a concurrency without bound is none, NaN and 1e+3 are numbers"},
		{File: "v0.2/two_engines.yaml", Format: Format, Story: "0.2.1 with sorted keys, so that the version comes last; prefill and decode have arguments of their own"},
		{File: "v0.2/report.json", Format: Format, Story: "the same format as JSON"},
		{File: "hostile/values.yaml", Format: Format, Story: "values of the wrong kind are left out; a key twice, a list, a report without results are lost, and the next one is not; the last is no YAML"},
		{File: "hostile/cut.yaml", Format: Format, Story: "the copy was cut inside a number: the run is marked, for its last number is not what it was"},
	},
}

func TestProducer(t *testing.T) { producer.Test(t) }

func FuzzReader(f *testing.F) { producer.Fuzz(f) }

// TestCut: wherever a report is cut, inside of a line it is marked or lost.
func TestCut(t *testing.T) {
	text := recordtest.File(t, "v0.2/report.yaml")
	for n := range text {
		for _, rec := range producer.Read(t, bytes.NewReader(text[:n])) {
			if run, ok := rec.(*schemas.Run); ok && !run.Truncated && text[n-1] != '\n' {
				t.Fatalf("cut at %d: %s", n, recordtest.Shorthand(run))
			}
		}
	}
}

// TestReal reads the reports that inference-perf made of the stages of its
// validator's run, and finds in them what the stages say.
func TestReal(t *testing.T) {
	const folder = "inference-perf/validation/full-runs/"
	for _, run := range []string{"v0_5_0-clean-two-stage-run/", "v0_5_0-summary-count-off-by-one/"} {
		for stage, want := range map[string]struct{ total, failed int64 }{
			"inference-perf.partial.stage_0.yaml": {4, 1}, "inference-perf.partial.stage_1.yaml": {2, 0},
		} {
			runs := jsonruntest.Runs(t, producer.Read(t, jsonruntest.RealFile(t, folder+run+stage)))
			if len(runs) != 1 {
				t.Fatalf("%s: %d runs", stage, len(runs))
			}
			r := runs[0]
			if r.Requests.V != want.total || r.Failed.V != want.failed || r.Completed.V != want.total-want.failed || r.Dialect != "0.2.1" || len(r.Notes) > 0 {
				t.Errorf("%s%s: %s", run, stage, recordtest.Shorthand(r))
			}
			seconds := float64(r.DurationNS.V) / 1e9
			jsonruntest.Near(t, "request_rate", float64(r.Completed.V)/seconds, jsonruntest.Number(t, r, "throughput.request_rate.mean"))
			tokens := jsonruntest.Number(t, r, "requests.output_length.mean") * float64(r.Completed.V)
			jsonruntest.Near(t, "output_token_rate", tokens/seconds, jsonruntest.Number(t, r, "throughput.output_token_rate.mean"))
		}
	}
}

func TestDetect(t *testing.T) {
	for head, want := range map[string]bool{
		"version: '0.2'\nrun:\n  uid: x\n":                                  true,
		"# a comment\nversion: 0.2.1 # of the schema\nscenario:\n":          true,
		"results:\n  component_health:\n  - a: 1\n":                         true,
		"version: '2.0'\nrun:\n":                                            false,
		"version: '3.8'\nservices:\n  vllm:\n":                              false, // docker compose
		"version: '0.2'\nservices:\n":                                       false,
		"load:\n  stages:\n  - rate: 1\n":                                   false,
		"results:\n  a: 1\n":                                                false,
		`{"version": "0.2", "run": {"uid": "x"}, "results": {"request_perf`: true,
		`{"version": "0.2.2", "benchmarks": []}`:                            false,
		`{"metadata": {"version": 2}, "benchmarks": [{"results": {}}]}`:     false,
	} {
		if _, got := Detect([]byte(head)); got != want {
			t.Errorf("Detect(%q) = %v", head, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]int64{
		"PT2.200S": 2_200_000_000, "PT49.97206788184121S": 49_972_067_882, "P1DT2H3M4S": 93784_000_000_000, "PT0S": 0, "PT00.5S": 500_000_000, "PT1M": 60_000_000_000,
		"": -1, "P": -1, "PT": -1, "PT-1S": -1, "2.2": -1, "PT1e3S": -1, "P1Y": -1,
	} {
		got, ok := duration(text)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("duration(%q) = %d, %v, want %d", text, got, ok, want)
		}
	}
}

func value(f float64) *float64 { return &f }

// full is a report with everything in it. What Export makes of it was checked
// against the JSON schema of version 0.2 in llm-d-benchmark's repository.
var full = Report{
	UID: "b7a1", EID: "sweep-1", Start: time.Date(2026, 1, 26, 10, 15, 0, 0, time.UTC), End: time.Date(2026, 1, 26, 10, 15, 2, 500, time.UTC),
	Duration: 2*time.Second + 500, Description: "no: surprises", Keywords: []string{"0.2", "yes"},
	Engine: &Engine{
		ConfigID: "c0ffee", Tool: "vllm", Version: "0.11", Model: "acme/seven", Accelerator: "NVIDIA-Thor", Accelerators: 1,
		Parallelism: Parallelism{Tensor: 1}, Args: map[string]string{"max_model_len": "1024", "dtype": "auto"},
	},
	Load:     &Load{Tool: "vllm bench serve", Version: "0.11", Source: "random", RequestRate: 2.5, Concurrency: 8, InputLength: 1024, OutputLength: 128, Distribution: "fixed"},
	Requests: Requests{Total: 10, Failures: 1, InputLength: &Statistics{Mean: 1024}, OutputLength: &Statistics{Mean: 127.5, Min: value(1)}},
	Latency: Latency{
		TimeToFirstToken:  &Statistics{Mean: 0.0368578234128654, StdDev: value(0.001), Min: value(0), P0P1: value(0.01), P50: value(0.03), P99P9: value(0.05), Max: value(0.06)},
		InterTokenLatency: &Statistics{Mean: 1e-05}, RequestLatency: &Statistics{Mean: 1.25},
	},
	Throughput: Throughput{OutputTokens: &Statistics{Mean: 51.2}, Requests: &Statistics{Mean: 4}},
}

// TestExport: what is written is read again as it was.
func TestExport(t *testing.T) {
	small := Report{UID: "x", Engine: &Engine{ConfigID: "1", Tool: "vllm", Model: "acme/seven"}, Requests: Requests{Total: 3}}
	for name, r := range map[string]Report{"full": full, "small": small} {
		var text bytes.Buffer
		if err := Export(&text, r); err != nil {
			t.Fatal(err)
		}
		schematest.Golden(t, filepath.Join("testdata", "export_"+name+".yaml.golden"), text.Bytes())
		if _, ok := Detect(text.Bytes()); !ok {
			t.Errorf("%s: not detected", name)
		}
		run := jsonruntest.Runs(t, producer.Read(t, &text))[0]
		if run.Requests.V != r.Requests.Total || run.Failed.V != r.Requests.Failures || run.Dialect != "0.2" || run.Labels["uid"] != r.UID {
			t.Errorf("%s comes back as %s", name, recordtest.Shorthand(run))
		}
		if name == "small" {
			continue
		}
		if run.DurationNS.V != int64(r.Duration) || !run.EndedAt.V.Equal(r.End) || run.Model.V != "acme/seven" || run.Hardware.V != "NVIDIA-Thor" ||
			run.RequestRate.V != 2.5 || run.MaxConcurrency.V != 8 || run.EngineArgs["max_model_len"] != "1024" || run.RuntimeVersion.V != "0.11" {
			t.Errorf("%s comes back as %s", name, recordtest.Shorthand(run))
		}
		jsonruntest.Near(t, "TTFT", r.Latency.TimeToFirstToken.Mean, jsonruntest.Number(t, run, "latency.time_to_first_token.mean"))
		jsonruntest.Near(t, "ITL", r.Latency.InterTokenLatency.Mean, jsonruntest.Number(t, run, "latency.inter_token_latency.mean"))
	}
}

// TestExportRefuses: what the format cannot say is an error, and nothing is
// written.
func TestExportRefuses(t *testing.T) {
	for want, r := range map[string]Report{
		"needs a UID":                        {},
		"mean of request_latency is NaN":     {UID: "x", Latency: Latency{RequestLatency: &Statistics{Mean: math.NaN()}}},
		"p99 of time_to_first_token is +Inf": {UID: "x", Latency: Latency{TimeToFirstToken: &Statistics{P99: value(math.Inf(1))}}},
		"an engine needs a ConfigID":         {UID: "x", Engine: &Engine{Tool: "vllm"}},
		`role "chief": it can be replica`:    {UID: "x", Engine: &Engine{Tool: "vllm", ConfigID: "1", Role: "chief"}},
		`source "air": it can be random`:     {UID: "x", Load: &Load{Source: "air"}},
		"a negative count of requests":       {UID: "x", Requests: Requests{Failures: -1}},
	} {
		var text bytes.Buffer
		if err := Export(&text, r); err == nil || !strings.Contains(err.Error(), want) || text.Len() > 0 {
			t.Errorf("got %v and %d bytes, want %q", err, text.Len(), want)
		}
	}
}
