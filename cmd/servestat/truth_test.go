package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A truth is a small log and what its numbers are, worked out by hand.
type truth struct {
	story string
	log   string
	want  map[string]any // column of run_summary -> value; nil is NULL
	check string         // the check that must fire; empty: none need
}

// vllmLog is a detailed result of vllm bench serve.
func vllmLog(backend string, seconds float64, ttfts, itls, outputs, starts, errors string) string {
	n := strings.Count(outputs, ",") + 1
	inputs := strings.TrimSuffix(strings.Repeat("10, ", n), ", ")
	if errors == "" {
		errors = strings.TrimSuffix(strings.Repeat(`"", `, n), ", ")
	}
	return fmt.Sprintf(`{"date": "20260701-120000", "endpoint_type": %q, "backend": %q, "label": null, "model_id": "m", "tokenizer_id": "m",
"num_prompts": %d, "request_rate": "inf", "burstiness": 1.0, "max_concurrency": %d, "duration": %g, "input_lens": [%s],
"ttfts": [%s], "itls": [%s], "output_lens": [%s], "start_times": [%s], "errors": [%s]}`,
		backend, backend, n, n, seconds, inputs, ttfts, itls, outputs, starts, errors)
}

func repeated(value string, n int) string {
	return strings.TrimSuffix(strings.Repeat(value+", ", n), ", ")
}

// scheduled is an AIPerf log of a client that may keep one request in flight and
// means to send one every 100 ms, to a server that takes 506.7 ms a request.
func scheduled(n int) string {
	var b strings.Builder
	const epoch, service, every = 1_795_000_000_000_000_000, 506_700_000, 100_000_000
	free := 0
	for i := range n {
		start := max(i*every, free)
		free = start + service
		fmt.Fprintf(&b, `{"metadata": {"session_num": %d, "x_request_id": "r%d", "x_correlation_id": "c%d", "credit_issued_ns": %d, "request_start_ns": %d, "request_ack_ns": %d, "request_end_ns": %d, "worker_id": "w", "record_processor_id": "p", "benchmark_phase": "profiling", "was_cancelled": false}, "metrics": {"request_latency": {"value": 506.7, "unit": "ms"}, "time_to_first_token": {"value": 6.7, "unit": "ms"}, "output_sequence_length": {"value": 11, "unit": "tokens"}, "output_token_count": {"value": 11, "unit": "tokens"}, "input_sequence_length": {"value": 10, "unit": "tokens"}, "inter_chunk_latency": {"value": [%s], "unit": "ms"}}, "error": null}`+"\n",
			i, i, i, epoch+i*every, epoch+start, epoch+start, epoch+free, repeated("50", 10))
	}
	return b.String()
}

var truths = []truth{
	{
		story: "a chat stream whose first chunk carries only the role: TTFT is to the role, and the gap to the first token is an ITL",
		log:   vllmLog("openai-chat", 0.54, "0.05", "[0.45, 0.02, 0.02]", "3", "100", ""),
		want:  map[string]any{"ttft_p50_s": 0.05, "itl_mean_s": 0.49 / 3, "tpot_mean_s": 0.245, "e2el_p50_s": 0.54, "gaps": 3.0},
		check: "T5 counted tokens",
	},
	{
		story: "reasoning that the server counts and the client does not show: five tokens, two chunks",
		log:   vllmLog("openai-chat", 1, "0.6", "[0.4]", "5", "100", ""),
		want:  map[string]any{"ttft_p50_s": 0.6, "itl_mean_s": 0.4, "tpot_mean_s": 0.1, "output_throughput": 5.0},
		check: "T6 tokens per chunk",
	},
	{
		story: "inference-perf#566: a BOS tokenised again with each chunk doubles the tokens, and halves the time per token",
		log:   vllmLog("openai", 0.22, "0.1", "[0.04, 0.04, 0.04]", "8", "100", ""),
		want:  map[string]any{"itl_mean_s": 0.04, "tpot_mean_s": 0.12 / 7, "e2el_p50_s": 0.22},
		check: "T6 tokens per chunk",
	},
	{
		story: "one token: no gap, so no ITL and no TPOT, and neither is zero",
		log:   vllmLog("openai", 0.2, "0.2", "[]", "1", "100", ""),
		want:  map[string]any{"ttft_p50_s": 0.2, "itl_mean_s": nil, "tpot_mean_s": nil, "e2el_p50_s": 0.2, "output_throughput": 5.0},
		check: "one-token outputs",
	},
	{
		story: "a failed request's times are in no average",
		log:   vllmLog("openai", 2, "0.1, 0.9", "[0.1, 0.1], [0.9]", "3, 0", "100, 100", `"", "Internal Server Error"`),
		want:  map[string]any{"requests": 2.0, "completed": 1.0, "failed": 1.0, "ttft_mean_s": 0.1, "itl_mean_s": 0.1, "e2el_mean_s": 0.3, "output_throughput": 1.5},
		check: "failed requests",
	},
	{
		story: "a request cancelled by a time-out before any chunk",
		log:   vllmLog("openai", 10, "0.1, 0", "[0.1], []", "2, 0", "100, 100", `"", "asyncio.TimeoutError"`),
		want:  map[string]any{"completed": 1.0, "failed": 1.0, "ttft_p50_s": 0.1, "request_throughput": 0.1},
		check: "failed requests",
	},
	{
		story: "vllm#54101: a cap of one and a request every 100 ms: 507 ms reported, 1.93 s from the schedule",
		log:   scheduled(8),
		want:  map[string]any{"e2el_mean_s": 0.5067, "e2el_p99_s": 0.5067, "ttft_p50_s": 0.0067, "itl_mean_s": 0.05, "concurrency": 1.0},
		check: "coordinated omission",
	},
	{
		story: "start times that do not rise: submission order is not the order of time",
		log:   vllmLog("openai", 2, "0.1, 0.1", "[0.9], [0.9]", "2, 2", "101, 100", ""),
		want:  map[string]any{"concurrency": 1.0, "e2el_mean_s": 1.0, "steady_to_s": 2.0},
	},
	{
		story: "zero-length output: a request without tokens is not completed",
		log:   vllmLog("openai", 1, "0.1, 0", "[0.1], []", "2, 0", "100, 100", ""),
		want:  map[string]any{"completed": 1.0, "output_tokens": 2.0},
	},
	{
		story: "vLLM's documentation on speculative decoding: TTFT 100 ms, five tokens in three chunks, done after 180 ms",
		log:   vllmLog("openai", 0.18, "0.1", "[0.04, 0.04]", "5", "100", ""),
		want:  map[string]any{"ttft_p50_s": 0.1, "itl_mean_s": 0.04, "tpot_mean_s": 0.02, "tpot_token_weighted_s": 0.02, "e2el_p50_s": 0.18},
		check: "T6 tokens per chunk",
	},
	{
		story: "sglang#12064: median ITL 8.72 ms where a token takes 3.42 ms, for a chunk carries 2.55",
		log:   vllmLog("openai", 1, "0.1", "["+repeated("0.00872", 100)+"]", "256", "100", ""),
		want:  map[string]any{"itl_p50_s": 0.00872, "tpot_token_weighted_s": 0.872 / 255},
		check: "T6 tokens per chunk",
	},
	{
		story: "trap 80: a reasoning parser sends 214 deltas for 384 tokens",
		log:   vllmLog("openai-chat", 7, "0.5", "["+repeated("0.03", 213)+"]", "384", "100", ""),
		want:  map[string]any{"gaps": 213.0, "itl_mean_s": 0.03, "tpot_mean_s": 6.39 / 383},
		check: "T6 tokens per chunk",
	},
	{
		story: "two requests that overlap by half: 2 s of latency in 1.5 s",
		log:   vllmLog("openai", 1.5, "0.5, 0.5", "[0.5], [0.5]", "2, 2", "100, 100.5", ""),
		want:  map[string]any{"concurrency": 2 / 1.5, "most_in_flight": 2.0, "steady_from_s": 0.5, "steady_to_s": 1.0, "steady_concurrency": 2.0},
	},
	{
		story: "chunks that arrive in one go have gaps of zero, which are gaps",
		log:   vllmLog("openai", 0.13, "0.1", "[0, 0, 0.03]", "4", "100", ""),
		want:  map[string]any{"itl_mean_s": 0.01, "itl_p50_s": 0.0, "gaps": 3.0},
		check: "T7 burst gaps",
	},
	{
		story: "a short and a long answer: the mean of requests is three times the mean over tokens",
		log:   vllmLog("openai", 0.2, "0.1, 0.1", "[0.1], ["+repeated("0.01", 10)+"]", "2, 11", "100, 100", ""),
		want:  map[string]any{"tpot_mean_s": 0.055, "tpot_token_weighted_s": 0.2 / 11, "itl_mean_s": 0.2 / 11},
	},
	{
		story: "one stall in a hundred gaps: the type-7 p99 lies a hundredth of the way up to it",
		log:   vllmLog("openai", 2.1, "0.1", "["+repeated("0.01", 99)+", 1.0]", "101", "100", ""),
		want:  map[string]any{"itl_p99_s": 0.01 + 0.01*0.99, "itl_p50_s": 0.01, "itl_mean_s": 1.99 / 100},
	},
}

func TestNumbersAreTrueOnHandMadeLogs(t *testing.T) {
	dir := t.TempDir()
	for i, c := range truths {
		name := filepath.Join(dir, "logs", fmt.Sprintf("case%02d.json", i))
		if strings.HasPrefix(c.log, `{"metadata"`) {
			name += "l"
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(c.log), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lake := filepath.Join(dir, "lake")
	if code, out := answers(t, "ingest", "--lake", lake, filepath.Join(dir, "logs")); code != 0 {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	var summary struct{ Rows []map[string]any }
	if err := json.Unmarshal([]byte(servestat(t, "sql", "--lake", lake, "--format", "json", "select * from run_summary order by source_name")), &summary); err != nil {
		t.Fatal(err)
	}
	rows := summary.Rows
	var audited struct {
		Runs []struct {
			Source string
			Checks []struct{ Check, Verdict string }
		}
	}
	_, out := answers(t, "audit", "--lake", lake, "--format", "json")
	if err := json.Unmarshal([]byte(out), &audited); err != nil {
		t.Fatal(err)
	}
	fired := map[string]string{}
	for _, r := range audited.Runs {
		for _, c := range r.Checks {
			if c.Verdict == "WARN" || c.Verdict == "FAIL" {
				fired[r.Source] += c.Check + "; "
			}
		}
	}
	if len(rows) != len(truths) {
		t.Fatalf("%d runs, want %d", len(rows), len(truths))
	}
	for i, c := range truths {
		for column, want := range c.want {
			got, ok := rows[i][column]
			if !ok {
				t.Errorf("%s: no column %s", c.story, column)
			}
			if !sameNumber(got, want) {
				t.Errorf("%s: %s is %v, want %v", c.story, column, got, want)
			}
		}
		source := rows[i]["source_name"].(string)
		if !strings.Contains(fired[source], c.check) {
			t.Errorf("%s: %q did not fire, but %s", c.story, c.check, fired[source])
		}
	}
	schedule := servestat(t, "sql", "--lake", lake, "--format", "csv", `select round(avg(start_ns + e2el_ns - scheduled_ns) / 1e6) as mean_ms,
		round(quantile_cont(start_ns + e2el_ns - scheduled_ns, 0.99) / 1e6) as p99_ms from requests where scheduled_ns is not null`)
	if want := "mean_ms,p99_ms\n1930,3325\n"; strings.ReplaceAll(schedule, ".0", "") != want {
		t.Errorf("from the schedule: %s, want %s", schedule, want)
	}
}

// sameNumber allows a tenth of a per cent; nil is NULL and equals nothing else.
func sameNumber(got, want any) bool {
	w, isNumber := want.(float64)
	if !isNumber {
		return got == nil
	}
	g, ok := got.(float64)
	return ok && math.Abs(g-w) <= 1e-3*math.Abs(w)
}
