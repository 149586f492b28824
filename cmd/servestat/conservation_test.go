package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas/simulate"
)

// The laws that every log keeps, over the whole path from file to answer: gaps add
// up to the latency after the first chunk, and tokens are counted once. That the
// in-flight curve holds as much time as the requests take is a test of its query.
const laws = `
SELECT
    (SELECT count(*) FROM (SELECT run_id, request_idx, sum(gap_ns) AS gaps FROM tokens GROUP BY ALL) JOIN requests USING (run_id, request_idx) WHERE gaps <> e2el_ns - ttft_ns) AS gaps_off,
    (SELECT count(*) FROM requests WHERE chunks > 1 AND (run_id, request_idx) NOT IN (SELECT (run_id, request_idx) FROM tokens)) AS without_gaps,
    (SELECT count(*) FROM (SELECT run_id, count, sum_ns FROM cells WHERE metric = 'itl') JOIN (SELECT run_id, count(*) AS n, sum(gap_ns) AS s FROM tokens GROUP BY run_id) USING (run_id)
        WHERE count <> n OR sum_ns <> s) AS cells_off,
    (SELECT count(*) FROM runs) AS runs`

// summary is what is said of runs and does not name them or their requests.
const summary = `SELECT max_concurrency, repeat, COLUMNS(c -> c NOT IN ('max_concurrency', 'repeat', 'run_id', 'source_name', 'started_at', 'upload_sha256'))
	FROM run_summary ORDER BY max_concurrency, repeat`

func TestLawsOfConservation(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 5))
		s := simulate.DefaultSweep()
		s.Seed, s.Versions, s.Changes = seed+1, []string{"0.20.0"}, nil
		s.Concurrency, s.Runs, s.RequestsPerUser, s.OutputLen = []int{1, 2 + rng.IntN(6), 8 + rng.IntN(8)}, 2, 6, 5+rng.IntN(40)
		s.OutputLenSpread, s.Slots = 0.5, 6
		dir := t.TempDir()
		ordered, shuffled := filepath.Join(dir, "ordered"), filepath.Join(dir, "shuffled")
		if err := s.Write(t.Context(), ordered, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(shuffled, os.DirFS(ordered)); err != nil {
			t.Fatal(err)
		}
		results{t, filepath.Join(shuffled, "0.20.0")}.each(func(_, _ int, run map[string]any) { permute(rng, run) })
		var said []string
		for _, logs := range []string{ordered, shuffled} {
			lake := filepath.Join(logs, "lake")
			commanded(t, "ingest", "--lake", lake, filepath.Join(logs, "0.20.0"))
			if got, want := strings.TrimSpace(commanded(t, "sql", "--lake", lake, "--format", "csv", laws)), "gaps_off,without_gaps,cells_off,runs\n0,0,0,6"; got != want {
				t.Errorf("seed %d: broken laws:\n%s", seed, got)
			}
			said = append(said, commanded(t, "sql", "--lake", lake, "--format", "jsonl", summary))
		}
		if said[0] != said[1] {
			t.Errorf("seed %d: what is said depends on the order of requests:\n%s\n%s", seed, said[0], said[1])
		}
	}
}

// commanded runs a command that must answer, and returns what it says.
func commanded(t *testing.T, args ...string) string {
	t.Helper()
	code, out := answers(t, args...)
	if code != 0 {
		t.Fatalf("servestat %s: exit %d", strings.Join(args, " "), code)
	}
	return out
}

// permute puts a result's requests in another order.
func permute(rng *rand.Rand, run map[string]any) {
	n := len(run["input_lens"].([]any))
	order := rng.Perm(n)
	for _, v := range run {
		list, ok := v.([]any)
		if !ok || len(list) != n {
			continue
		}
		old := append([]any(nil), list...)
		for i, from := range order {
			list[i] = old[from]
		}
	}
}

// A log in seconds and the same in milliseconds say the same: units round-trip
// through every producer that has them, here vLLM's and AIPerf's.
func TestUnitsRoundTrip(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	vllm := write("vllm.json", `{"date": "20261101-100000", "endpoint_type": "openai", "backend": "openai", "label": null, "model_id": "m", "tokenizer_id": "m", "num_prompts": 1, "request_rate": "inf", "burstiness": 1.0, "max_concurrency": 1, "duration": 0.106, "completed": 1, "failed": 0, "input_lens": [7], "output_lens": [4], "ttfts": [0.0303], "itls": [[0.0251, 0.0252, 0.0254]], "start_times": [5.0], "errors": [""]}`)
	aiperf := write("aiperf.jsonl", `{"metadata": {"session_num": 0, "x_request_id": "r", "x_correlation_id": "c", "request_start_ns": 1000000000, "request_ack_ns": 1000001000, "request_end_ns": 1106000000, "worker_id": "w", "record_processor_id": "p", "benchmark_phase": "profiling", "was_cancelled": false}, "metrics": {"request_latency": {"value": 106, "unit": "ms"}, "time_to_first_token": {"value": 30.3, "unit": "ms"}, "output_sequence_length": {"value": 4, "unit": "tokens"}, "output_token_count": {"value": 4, "unit": "tokens"}, "input_sequence_length": {"value": 7, "unit": "tokens"}, "inter_chunk_latency": {"value": [25.1, 25.2, 25.4], "unit": "ms"}}, "error": null}`+"\n")
	lake := filepath.Join(dir, "lake")
	commanded(t, "ingest", "--lake", lake, vllm, aiperf)
	out := commanded(t, "sql", "--lake", lake, "--format", "jsonl", `SELECT r.ttft_ns, r.e2el_ns, list(t.gap_ns ORDER BY t.chunk_idx) AS gaps
		FROM requests r JOIN tokens t USING (run_id, request_idx) GROUP BY r.run_id, r.ttft_ns, r.e2el_ns ORDER BY r.run_id`)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || lines[0] != lines[1] {
		t.Fatalf("the same request, in seconds and in milliseconds:\n%s", out)
	}
	var got struct {
		TTFT int64   `json:"ttft_ns"`
		E2EL int64   `json:"e2el_ns"`
		Gaps []int64 `json:"gaps"`
	}
	if err := json.Unmarshal([]byte(lines[0]), &got); err != nil {
		t.Fatal(err)
	}
	if got.TTFT != 30_300_000 || got.E2EL != 106_000_000 || len(got.Gaps) != 3 || got.Gaps[0] != 25_100_000 || got.Gaps[2] != 25_400_000 {
		t.Errorf("%s", lines[0])
	}
}
