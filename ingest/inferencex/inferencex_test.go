package inferencex

import (
	"io"
	"testing"

	"github.com/servestat/servestat/ingest/jsonrun/jsonruntest"
	"github.com/servestat/servestat/ingest/recordtest"
)

var producer = jsonruntest.Producer{
	Open:   func(r io.Reader, name string) recordtest.Reader { return NewReader(r, name) },
	Detect: Detect,
	// All synthetic.
	Cases: []jsonruntest.Case{
		{File: "aggregate/agg_bmk.json", Format: Format, Story: "an array of two rows, the second of several machines with prefill and decode apart. p99_intvty is the low tail; a metric that nobody knows is kept"},
		{File: "aggregate/v1_row.json", Format: Format, Story: "a row of before December 2025, without a prefix of the model"},
		{File: "aggregate/agentic.json", Format: Format, Story: "agents, from AIPerf: counts of requests, and metrics inside objects"},
		{File: "seconds/conc32.json", Format: Format, Story: "vLLM's keys without their unit: seconds. A null goodput was not asked for"},
		{File: "hostile/rows.json", Format: Format, Story: "a concurrency that is a word, a row that is none, a number, and a row that is well"},
	},
}

func TestProducer(t *testing.T) { producer.Test(t) }

func FuzzReader(f *testing.F) { producer.Fuzz(f) }

// TestReal reads real rows and reproduces their rates. There is no detail in
// them, so latencies cannot be recomputed.
func TestReal(t *testing.T) {
	for file, model := range map[string]string{
		"glm5_fp8_vllm_tp8_isl8192_osl128_conc32.json":     "zai-org/GLM-5-FP8",
		"minimax_m25_vllm_tep8_isl8192_osl128_conc32.json": "MiniMaxAI/MiniMax-M2.5",
		"qwen35_vllm_tp8_isl8192_osl128_conc32.json":       "Qwen/Qwen3.5-397B-A17B",
	} {
		runs := jsonruntest.Runs(t, producer.Read(t, jsonruntest.RealFile(t, "inferencex/token_position_decode_slo/"+file)))
		if len(runs) != 1 {
			t.Fatalf("%s: %d runs", file, len(runs))
		}
		run := runs[0]
		if run.Dialect != "seconds" || run.Model.V != model || run.MaxConcurrency.V != 32 || run.Completed.V != 320 || !run.EndedAt.OK || len(run.Extra) != 0 {
			t.Errorf("%s: %s", file, recordtest.Shorthand(run))
		}
		seconds := float64(run.DurationNS.V) / 1e9
		jsonruntest.Near(t, "request_throughput", float64(run.Completed.V)/seconds, jsonruntest.Number(t, run, "request_throughput"))
		jsonruntest.Near(t, "input_throughput", float64(run.InputTokens.V)/seconds, jsonruntest.Number(t, run, "input_throughput"))
		jsonruntest.Near(t, "output_throughput", float64(run.OutputTokens.V)/seconds, jsonruntest.Number(t, run, "output_throughput"))
	}
}

// TestDetect: what vLLM writes is not ours.
func TestDetect(t *testing.T) {
	for head, want := range map[string]bool{
		`{"date": "20260213-120628", "model_id": "m", "tokenizer_id": "m", "num_prompts": 320, "median_ttft": 7.1}`:          true,
		`{"date": "20260213-120628", "backend": "vllm", "model_id": "m", "num_prompts": 320, "median_ttft": 7.1}`:            false,
		`{"date": "20260213-120628", "endpoint_type": "openai", "model_id": "m", "num_prompts": 320, "median_ttft_ms": 7.1}`: false,
		`[{"hw": "h200", "conc": 4, "image": "x", "model": "m", "infmax_model_prefix": "m", "framework": "vllm"}]`:           true,
		`[{"model": "m"}]`: false,
	} {
		if _, got := Detect([]byte(head)); got != want {
			t.Errorf("Detect(%s) = %v", head, got)
		}
	}
}
