package vllm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// realFiles are result files of real runs, which are not ours to distribute, and
// what is in them: runs, requests and
// gaps.
var realFiles = map[string]string{
	"LambdaLabsML/prompt_10/1xA100-80GB-SXM/Meta-Llama-3-8B-Instruct_tp1_len2048.json":                    "serve script-legacy: 1 runs, 10 requests, 197 gaps",
	"alint77/baseline/batch1-32k-256out-hbm90-warm.json":                                                  "serve cli+backend: 1 runs, 1 requests, 255 gaps",
	"alint77/baseline/batch1-32k-256out.json":                                                             "serve cli+backend: 1 runs, 1 requests, 0 gaps",
	"alint77/baseline/batch1-399744-256out.json":                                                          "serve cli+backend: 1 runs, 1 requests, 0 gaps",
	"alint77/dcp-port/c4-dcp4-399744-256-c4.json":                                                         "serve cli+backend: 1 runs, 4 requests, 120 gaps",
	"alint77/dspark/dspark-c1-t7-realistic-c1-r1.json":                                                    "serve cli+backend: 1 runs, 24 requests, 1956 gaps",
	"alint77/mtp-depth-sweep/mtp6-4k-256.json":                                                            "serve cli+backend: 1 runs, 1 requests, 60 gaps",
	"alint77/replicated-expert-scheduling/samenode-1128623-greedy-c1-r1.json":                             "serve cli+backend: 1 runs, 16 requests, 1492 gaps",
	"alint77/replicated-expert-scheduling/samenode-1128623-greedy-c1-r2.json":                             "serve cli+backend: 1 runs, 16 requests, 1408 gaps",
	"alint77/replicated-expert-scheduling/samenode-1128623-greedy-c1-r3.json":                             "serve cli+backend: 1 runs, 16 requests, 1449 gaps",
	"alint77/replicated-expert-scheduling/samenode-1128623-off-c1-r1.json":                                "serve cli+backend: 1 runs, 16 requests, 1468 gaps",
	"alint77/replicated-expert-scheduling/samenode-1128623-off-c1-r2.json":                                "serve cli+backend: 1 runs, 16 requests, 1452 gaps",
	"alint77/replicated-expert-scheduling/samenode-1128623-off-c1-r3.json":                                "serve cli+backend: 1 runs, 16 requests, 1544 gaps",
	"dariustanrd/vllm-0.19/vllm-latency-qwen3-8b-a100.json":                                               "latency latency: 1 runs, 30 requests, 0 gaps",
	"dariustanrd/vllm-0.19.1/vllm-direct-serving-qwen3-8b-a100-detailed.first-8-requests.json":            "serve cli+backend: 1 runs, 8 requests, 512 gaps",
	"dariustanrd/vllm-0.19.1/vllm-direct-serving-qwen3-8b-a100.json":                                      "serve cli+backend: 1 runs, 0 requests, 0 gaps",
	"dariustanrd/vllm-0.19.1/vllm-throughput-qwen3-8b-a100.json":                                          "throughput throughput: 1 runs, 0 requests, 0 gaps",
	"dariustanrd/vllm-0.9.2/vllm-direct-serving-qwen3-8b-a100.json":                                       "serve cli: 1 runs, 0 requests, 0 gaps",
	"er0080/bench_serve/bench_serve_all_requests_failed_v0.25.1.json":                                     "serve cli+backend: 1 runs, 0 requests, 0 gaps",
	"er0080/bench_serve/bench_serve_v0.25.1.json":                                                         "serve cli+backend: 1 runs, 0 requests, 0 gaps",
	"er0080/vllm_sweep_v0.25.1/SERVE--max_num_seqs=4-BENCH--max_concurrency=2-num_prompts=8/run=0.json":   "serve cli+backend: 1 runs, 0 requests, 0 gaps",
	"er0080/vllm_sweep_v0.25.1/SERVE--max_num_seqs=4-BENCH--max_concurrency=2-num_prompts=8/run=1.json":   "serve cli+backend: 1 runs, 0 requests, 0 gaps",
	"er0080/vllm_sweep_v0.25.1/SERVE--max_num_seqs=4-BENCH--max_concurrency=2-num_prompts=8/summary.json": "serve cli+backend: 2 runs, 0 requests, 0 gaps",
	"er0080/vllm_sweep_v0.25.1/SERVE--max_num_seqs=8-BENCH--max_concurrency=2-num_prompts=8/run=0.json":   "serve cli+backend: 1 runs, 0 requests, 0 gaps",
	"er0080/vllm_sweep_v0.25.1/SERVE--max_num_seqs=8-BENCH--max_concurrency=2-num_prompts=8/run=1.json":   "serve cli+backend: 1 runs, 0 requests, 0 gaps",
	"er0080/vllm_sweep_v0.25.1/SERVE--max_num_seqs=8-BENCH--max_concurrency=2-num_prompts=8/summary.json": "serve cli+backend: 2 runs, 0 requests, 0 gaps",
}

// tolerance is how far a recomputed number may be from the tool's own. The tool
// computes in float64 seconds and we in integer nanoseconds: gaps of 10 ms are
// rounded by 5e-8 at most.
const tolerance = 1e-6

// exceptions are numbers of the tool that follow another definition than ours,
// with the deviation that is accepted.
var exceptions = []struct {
	file, metric string
	tolerance    float64
	why          string // told when the test runs with -v
}{
	{"LambdaLabsML/", "tpot", 0.03, "before v0.7.0 the tool's latency runs until [DONE] has been read, here 12 ms behind the last chunk with text"},
}

// TestRealFiles reads every real result and reproduces the tool's own summary
// from the records.
func TestRealFiles(t *testing.T) {
	files := realResults(t)
	for _, file := range slices.Sorted(maps.Keys(realFiles)) {
		if !slices.Contains(files, file) {
			t.Errorf("%s is missing", file)
		}
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) { checkRealFile(t, file) })
	}
}

func realResults(t *testing.T) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(schematest.Shared(t, "real/vllm")), ".", func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".json") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func checkRealFile(t *testing.T, file string) {
	f, err := os.Open(filepath.Join(schematest.Shared(t, "real/vllm"), file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var d distributions
	var runs, requests, gaps int
	var kind string
	for _, rec := range read(t, f) {
		switch rec := rec.(type) {
		case *schemas.Gaps:
			gaps += len(rec.Nanos)
			d.addGaps(rec)
		case *schemas.Request:
			requests++
			d.addRequest(rec)
		case *schemas.Run:
			runs++
			kind = rec.Bench + " " + rec.Dialect
			checkSummary(t, file, &d, rec)
			d = distributions{}
		case *schemas.Reject:
			t.Errorf("rejected: %v", rec)
		}
	}
	if got := fmt.Sprintf("%s: %d runs, %d requests, %d gaps", kind, runs, requests, gaps); got != realFiles[file] {
		t.Errorf("got  %q,\nwant %q", got, realFiles[file])
	}
	head, err := os.ReadFile(filepath.Join(schematest.Shared(t, "real/vllm"), file))
	if err != nil {
		t.Fatal(err)
	}
	if format, ok := Detect(head[:min(len(head), 64<<10)]); !ok {
		t.Errorf("Detect = %q, %v", format, ok)
	}
}

// TestRealSweep: a run of a sweep is the same in its own file and in the list of
// its folder, and the folder's name gives away the parameters of the server.
func TestRealSweep(t *testing.T) {
	for _, seqs := range []string{"4", "8"} {
		folder := "er0080/vllm_sweep_v0.25.1/SERVE--max_num_seqs=" + seqs + "-BENCH--max_concurrency=2-num_prompts=8/"
		var listed []string
		for _, rec := range readReal(t, folder+"summary.json", -1) {
			listed = append(listed, rec.(*schemas.Run).ContentDigest)
		}
		for i, digest := range listed {
			run := readReal(t, fmt.Sprintf("%srun=%d.json", folder, i), -1)[0].(*schemas.Run)
			if run.ContentDigest != digest || run.Extra["run_number"] != fmt.Sprint(i) || run.EngineArgs["max_num_seqs"] != seqs || len(run.EngineArgs) != 1 {
				t.Errorf("%s", recordtest.Shorthand(run))
			}
		}
	}
}

// TestRealEarlyEnds: 256 tokens were asked for, two requests failed, and the
// others stopped at 253 and 92, which the tool counts as completed.
func TestRealEarlyEnds(t *testing.T) {
	records := readReal(t, "alint77/dcp-port/c4-dcp4-399744-256-c4.json", -1)
	run := records[len(records)-1].(*schemas.Run)
	if !slices.ContainsFunc(run.Notes, func(note string) bool { return strings.Contains(note, "broke off") }) {
		t.Errorf("notes %q", run.Notes)
	}
}

// TestRealCut cuts real results at a few places.
func TestRealCut(t *testing.T) {
	saved := 0
	for _, file := range realResults(t) {
		text, err := os.ReadFile(filepath.Join(schematest.Shared(t, "real/vllm"), file))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.TrimSpace(text)
		whole := requestsOf(readReal(t, file, -1))
		for part := 1; part < 16 && text[0] == '{'; part++ {
			n := len(text) * part / 16
			records := readReal(t, file, n)
			checkCut(t, records, n)
			for i, rec := range wholeOf(requestsOf(records)) {
				if err := sameRequest(rec, whole[i]); err != nil {
					t.Errorf("%s cut at %d: %v\n%s%s", file, n, err, recordtest.Shorthand(rec), recordtest.Shorthand(whole[i]))
				}
				saved++
			}
		}
	}
	t.Logf("%d requests", saved)
}

// readReal returns the records of a real result, or of its first n bytes.
func readReal(t *testing.T, file string, n int) []schemas.Record {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(schematest.Shared(t, "real/vllm"), file))
	if err != nil {
		t.Fatal(err)
	}
	if n >= 0 {
		text = text[:n]
	}
	return readNamed(t, bytes.NewReader(text), file)
}

// distributions gathers the values of a run that the tool summarizes, in ms.
type distributions struct {
	gaps   map[int][]float64 // by request, for gaps come before the verdict
	values map[string][]float64
}

func (d *distributions) addGaps(rec *schemas.Gaps) {
	if d.gaps == nil {
		d.gaps = map[int][]float64{}
	}
	for _, ns := range rec.Nanos {
		d.gaps[rec.Request] = append(d.gaps[rec.Request], float64(ns)/1e6)
	}
}

func (d *distributions) addRequest(rec *schemas.Request) {
	if rec.Status != schemas.StatusOK {
		return
	}
	if d.values == nil {
		d.values = map[string][]float64{}
	}
	if rec.TTFT.OK {
		d.add("ttft", float64(rec.TTFT.V)/1e6)
	}
	if rec.E2EL.OK {
		d.add("e2el", float64(rec.E2EL.V)/1e6)
	}
	if tpot := rec.TPOT(); tpot.OK {
		d.add("tpot", tpot.V/1e6)
	}
	d.add("itl", d.gaps[rec.Index]...)
}

func (d *distributions) add(metric string, v ...float64) {
	d.values[metric] = append(d.values[metric], v...)
}

// checkSummary compares what the records come to with what the tool says.
func checkSummary(t *testing.T, file string, d *distributions, run *schemas.Run) {
	t.Helper()
	checkThroughput(t, file, run)
	if run.Bench == "latency" {
		compare(t, file, "avg_latency", mean(d.values["e2el"])/1e3, reported(t, run, "avg_latency"))
	}
	worst := map[string]float64{}
	for metric, values := range d.values {
		if len(values) == 0 {
			continue
		}
		slices.Sort(values)
		for key, got := range map[string]float64{
			"mean": mean(values), "median": percentile(values, 50), "std": deviation(values), "p99": percentile(values, 99),
		} {
			key += "_" + metric + "_ms"
			if _, ok := run.Reported[key]; ok {
				worst[metric] = max(worst[metric], compare(t, file, key, got, reported(t, run, key)))
			}
		}
	}
	for _, metric := range slices.Sorted(maps.Keys(worst)) {
		t.Logf("%-5s n=%-5d deviates by %.1e at most", metric, len(d.values[metric]), worst[metric])
	}
}

func checkThroughput(t *testing.T, file string, run *schemas.Run) {
	t.Helper()
	if run.Bench != "serve" || !run.DurationNS.OK {
		return
	}
	seconds := float64(run.DurationNS.V) / 1e9
	worst := 0.0
	for key, count := range map[string]int64{
		"request_throughput": run.Completed.V, "output_throughput": run.OutputTokens.V,
		"input_throughput": run.InputTokens.V, "total_token_throughput": run.InputTokens.V + run.OutputTokens.V,
	} {
		if _, ok := run.Reported[key]; ok {
			worst = max(worst, compare(t, file, key, float64(count)/seconds, reported(t, run, key)))
		}
	}
	for key, count := range map[string]schemas.Opt[int64]{
		"completed": run.Completed, "failed": run.Failed, "total_input_tokens": run.InputTokens, "total_output_tokens": run.OutputTokens,
	} {
		if text, ok := run.Reported[key]; ok && text != fmt.Sprint(count.V) {
			t.Errorf("%s: counted %d, the tool says %s", key, count.V, text)
		}
	}
	t.Logf("throughput deviates by %.1e at most", worst)
}

func reported(t *testing.T, run *schemas.Run, key string) float64 {
	t.Helper()
	var v float64
	if err := json.Unmarshal([]byte(run.Reported[key]), &v); err != nil {
		t.Errorf("%s: %v", key, err)
	}
	return v
}

// compare returns the relative deviation and fails where it is too large.
func compare(t *testing.T, file, key string, got, want float64) float64 {
	t.Helper()
	off := math.Abs(got - want)
	if want != 0 {
		off /= math.Abs(want)
	}
	allowed := tolerance
	for _, e := range exceptions {
		if strings.HasPrefix(file, e.file) && strings.Contains(key, e.metric) {
			allowed = e.tolerance
			t.Logf("%s: up to %v is accepted: %s", key, e.tolerance, e.why)
		}
	}
	if !(off <= allowed) {
		t.Errorf("%s: recomputed %v, the tool says %v: off by %.1e", key, got, want, off)
	}
	return off
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// deviation is numpy's std: that of the values themselves, not of a population.
func deviation(v []float64) float64 {
	m, sum := mean(v), 0.0
	for _, x := range v {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(len(v)))
}

// percentile is numpy's: linear between the values of sorted v.
func percentile(v []float64, p float64) float64 {
	at := p / 100 * float64(len(v)-1)
	i := int(at)
	if i+1 >= len(v) {
		return v[len(v)-1]
	}
	return v[i] + (v[i+1]-v[i])*(at-float64(i))
}
