package sglang

import (
	"bytes"
	"testing"

	"github.com/servestat/servestat/ingest/jsonrun/jsonruntest"
	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
)

// TestReal reads a real sweep of 2024, seven load points in one file, and
// reproduces the one rate of it that is a quotient of its own numbers. The file
// has no detail, so its latencies cannot be recomputed.
func TestReal(t *testing.T) {
	f := jsonruntest.RealFile(t, "sglang/datacrunch/llama_3_3_70b_online_output.jsonl")
	runs := jsonruntest.Runs(t, producer.Read(t, f))
	want := []struct {
		dataset   string
		rate      float64
		completed int64
	}{
		{"random", 1, 300}, {"random", 2, 600}, {"random", 4, 1200}, {"random", 8, 2400}, {"random", 16, 3200},
		{"sharegpt", 4, 1200}, {"sharegpt", 8, 2400},
	}
	if len(runs) != len(want) {
		t.Fatalf("%d runs, want %d", len(runs), len(want))
	}
	for i, run := range runs {
		if w := want[i]; run.Dataset.V != w.dataset || run.RequestRate.V != w.rate || run.Completed.V != w.completed || run.Detailed || run.Dialect != "2024" {
			t.Errorf("run %d: %s", i, recordtest.Shorthand(run))
		}
		seconds := float64(run.DurationNS.V) / 1e9
		jsonruntest.Near(t, "output_throughput", float64(run.OutputTokens.V)/seconds, jsonruntest.Number(t, run, "output_throughput"))
		if len(run.Extra) != 4 {
			t.Errorf("run %d: extra %v", i, run.Extra)
		}
	}
}

// TestFresh reproduces the summaries of the real tool from its own arrays. Its
// TPOT and E2E latency cannot be: they run until [DONE] was read, E2EL to the
// last chunk with text, which is less.
func TestFresh(t *testing.T) {
	for file, kind := range map[string]schemas.GapKind{
		"v0.5.23/native.jsonl": schemas.Synthetic, "v0.5.23/chat.jsonl": schemas.ChunkGaps,
		"v0.5.23/completions.jsonl": schemas.ChunkGaps, "v0.5.23/vllm.jsonl": schemas.ChunkGaps,
	} {
		records := producer.Read(t, bytes.NewReader(recordtest.File(t, file)))
		run := jsonruntest.Runs(t, records)[0]
		values := map[string][]float64{}
		for _, rec := range records {
			switch rec := rec.(type) {
			case *schemas.Gaps:
				for _, ns := range rec.Nanos {
					values["itl"] = append(values["itl"], float64(ns)/1e6)
				}
			case *schemas.Request:
				values["ttft"] = append(values["ttft"], float64(rec.TTFT.V)/1e6)
				values["e2e_latency"] = append(values["e2e_latency"], float64(rec.E2EL.V)/1e6)
			}
		}
		for _, metric := range []string{"ttft", "itl"} {
			v := values[metric]
			jsonruntest.Near(t, "mean "+metric, jsonruntest.Mean(v), jsonruntest.Number(t, run, "mean_"+metric+"_ms"))
			jsonruntest.Near(t, "median "+metric, jsonruntest.Percentile(v, 50), jsonruntest.Number(t, run, "median_"+metric+"_ms"))
			jsonruntest.Near(t, "p99 "+metric, jsonruntest.Percentile(v, 99), jsonruntest.Number(t, run, "p99_"+metric+"_ms"))
		}
		if ours, tools := jsonruntest.Mean(values["e2e_latency"]), jsonruntest.Number(t, run, "mean_e2e_latency_ms"); ours >= tools || ours < tools-20 {
			t.Errorf("%s: mean E2EL %v ms, the tool's latency is %v ms", file, ours, tools)
		}
		seconds := float64(run.DurationNS.V) / 1e9
		jsonruntest.Near(t, "output_throughput", float64(run.OutputTokens.V)/seconds, jsonruntest.Number(t, run, "output_throughput"))
		if run.GapKind != kind || run.Completed.V != 5 || run.Model.V != "acme/seven" {
			t.Errorf("%s: %s", file, recordtest.Shorthand(run))
		}
	}
}
