package schemas

import (
	"encoding/json"
	"slices"
)

// RunsTable has one row per run.
var RunsTable = newTable(
	TableInfo{
		Name: "runs", RowPer: "run: one load point executed once",
		Doc: "Identity, settings and the tool's own summary of a run. Identity that the result file cannot say " +
			"comes from labels, side-cars, metadata keys, the server log or the path; `provenance` says which.",
	},
	field[Run]{Column{1, "run_id", String, "", "identity of the run: digest of its upload and its place in it", true}, func(r *Run) any { return r.ID }},
	field[Run]{Column{2, "upload_sha256", String, "", "digest of the decompressed upload that the run came in", true}, func(r *Run) any { return r.UploadSHA256 }},
	field[Run]{Column{3, "content_digest", String, "", "digest of the run's values, independent of key order and white space, and of prompts and answers beside them: equal means uploaded twice", true}, func(r *Run) any { return r.ContentDigest }},
	field[Run]{Column{4, "source_name", String, "", "the upload's name as it was given", true}, func(r *Run) any { return r.SourceName }},
	field[Run]{Column{5, "parser_version", String, "", "version of the reader that made this row", true}, func(r *Run) any { return r.ParserVersion }},
	field[Run]{Column{6, "producer", String, "", "tool that wrote the upload", true}, func(r *Run) any { return r.Producer }},
	field[Run]{Column{7, "dialect", String, "", "which of the producer's formats it is", true}, func(r *Run) any { return r.Dialect }},
	field[Run]{Column{8, "bench", String, "", "kind of benchmark: serve, latency, throughput", true}, func(r *Run) any { return r.Bench }},
	field[Run]{Column{9, "backend", String, "", "request backend of the client: vllm, openai, openai-chat, …", false}, func(r *Run) any { return r.Backend.any() }},
	field[Run]{Column{10, "detailed", Bool, "", "the upload carries per-request and per-chunk times", true}, func(r *Run) any { return r.Detailed }},
	field[Run]{Column{11, "started_at", Timestamp, "", "client wall clock at the start, good to 1 s, zone unknown: end less duration", false}, func(r *Run) any { return r.StartedAt().any() }},
	field[Run]{Column{12, "ended_at", Timestamp, "", "client wall clock at the end, resolution 1 s, zone unknown", false}, func(r *Run) any { return r.EndedAt.any() }},
	field[Run]{Column{13, "duration_ns", Int64, "ns", "the tool's clock around the whole run, ramp and tail included", false}, func(r *Run) any { return r.DurationNS.any() }},
	field[Run]{Column{14, "clock", String, "", "clock behind start times; its epoch is arbitrary", false}, func(r *Run) any { return r.Clock.any() }},
	field[Run]{Column{15, "model", String, "", "model asked for", false}, func(r *Run) any { return r.Model.any() }},
	field[Run]{Column{16, "tokenizer", String, "", "tokenizer of the client", false}, func(r *Run) any { return r.Tokenizer.any() }},
	field[Run]{Column{17, "num_prompts", Int64, "requests", "requests asked for", false}, func(r *Run) any { return r.NumPrompts.any() }},
	field[Run]{Column{18, "request_rate", Float64, "requests/s", "offered load; infinity: all at once", false}, func(r *Run) any { return r.RequestRate.any() }},
	field[Run]{Column{19, "burstiness", Float64, "1", "shape of the gamma-distributed gaps between arrivals; 1 is Poisson", false}, func(r *Run) any { return r.Burstiness.any() }},
	field[Run]{Column{20, "max_concurrency", Int64, "requests", "most requests kept in flight: a setting, not a measurement", false}, func(r *Run) any { return r.MaxConcurrency.any() }},
	field[Run]{Column{21, "ramp_up", String, "", "ramp-up strategy", false}, func(r *Run) any { return r.RampUp.any() }},
	field[Run]{Column{22, "runtime", String, "", "serving runtime: vllm, sglang, …", false}, func(r *Run) any { return r.Runtime.any() }},
	field[Run]{Column{23, "runtime_version", String, "", "version of the runtime", false}, func(r *Run) any { return r.RuntimeVersion.any() }},
	field[Run]{Column{24, "runtime_commit", String, "", "source commit of the runtime", false}, func(r *Run) any { return r.RuntimeCommit.any() }},
	field[Run]{Column{25, "hardware", String, "", "accelerator and host, as labelled", false}, func(r *Run) any { return r.Hardware.any() }},
	field[Run]{Column{26, "image", String, "", "container image", false}, func(r *Run) any { return r.Image.any() }},
	field[Run]{Column{27, "server_start", String, "", "which start of the server the run was measured on: the unit of replication", false}, func(r *Run) any { return r.ServerStart.any() }},
	field[Run]{Column{28, "repeat", Int64, "", "number of the repeat, as labelled", false}, func(r *Run) any { return r.Repeat.any() }},
	field[Run]{Column{29, "path_label", String, "", "serving path: generic, tuned, …", false}, func(r *Run) any { return r.PathLabel.any() }},
	field[Run]{Column{30, "dataset", String, "", "dataset of the prompts", false}, func(r *Run) any { return r.Dataset.any() }},
	field[Run]{Column{31, "seed", Int64, "", "seed of the prompts", false}, func(r *Run) any { return r.Seed.any() }},
	field[Run]{Column{32, "simulated", Bool, "", "the log was made by a simulator, not by a server", false}, func(r *Run) any { return r.Simulated.any() }},
	field[Run]{Column{33, "requests", Int64, "requests", "requests in the log", false}, func(r *Run) any { return r.Requests.any() }},
	field[Run]{Column{34, "completed", Int64, "requests", "requests that completed; suspect ones are not among them", false}, func(r *Run) any { return r.Completed.any() }},
	field[Run]{Column{35, "failed", Int64, "requests", "requests that failed", false}, func(r *Run) any { return r.Failed.any() }},
	field[Run]{Column{36, "suspect", Int64, "requests", "requests that the tool counts as completed though no chunk ever came", false}, func(r *Run) any { return r.Suspect.any() }},
	field[Run]{Column{37, "input_tokens", Int64, "tokens", "input tokens of completed requests", false}, func(r *Run) any { return r.InputTokens.any() }},
	field[Run]{Column{38, "output_tokens", Int64, "tokens", "output tokens of completed requests", false}, func(r *Run) any { return r.OutputTokens.any() }},
	field[Run]{Column{39, "workload_digest", String, "", "digest of the input lengths in order: equal means the same prompts, as far as lengths can tell", false}, func(r *Run) any { return r.WorkloadDigest.any() }},
	field[Run]{Column{40, "engine_args", String, "", "engine arguments as recorded, a JSON object; secrets are redacted", false}, func(r *Run) any { return jsonMap(r.EngineArgs) }},
	field[Run]{Column{41, "labels", String, "", "free labels, a JSON object", false}, func(r *Run) any { return jsonMap(r.Labels) }},
	field[Run]{Column{42, "provenance", String, "", "where each identity value came from: label, sidecar, metadata, server_log or path; a JSON object", false}, func(r *Run) any { return jsonMap(r.Provenance) }},
	field[Run]{Column{43, "reported", String, "", "the tool's own summary, verbatim, a JSON object", false}, func(r *Run) any { return jsonRaw(r.Reported) }},
	field[Run]{Column{44, "extra", String, "", "keys of the upload that servestat does not know, a JSON object", false}, func(r *Run) any { return jsonRaw(r.Extra) }},
	field[Run]{Column{45, "notes", String, "", "what a reader of the run's numbers must know, a JSON array", false}, func(r *Run) any { return jsonList(r.Notes) }},
	field[Run]{Column{46, "producer_version", String, "", "version of the tool that wrote the upload", false}, func(r *Run) any { return r.Version.any() }},
	field[Run]{Column{47, "gap_kind", String, "", "what the gaps lie between: chunk, token, or synthetic (made up by the tool, never a measurement); NULL where there are none", false}, func(r *Run) any { return text(string(r.GapKind)) }},
	field[Run]{Column{48, "truncated", Bool, "", "the upload ended before the run did", false}, func(r *Run) any { return r.Truncated }},
)

// text is a text that is missing where it is empty.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// RequestsTable has one row per request, failed ones included.
var RequestsTable = newTable(
	TableInfo{
		Name: "requests", RowPer: "request, in order of submission; failed ones included",
		Doc:      "The per-request times of a run. Summary-only uploads have none.",
		Constant: []string{"run_id"},
	},
	field[RequestRow]{Column{1, "run_id", String, "", "run of the request", true}, func(r *RequestRow) any { return r.RunID }},
	field[RequestRow]{Column{2, "request_idx", Int32, "", "position in the run, in order of submission, from 0", true}, func(r *RequestRow) any { return int32(r.Index) }},
	field[RequestRow]{Column{3, "start_ns", Int64, "ns", "sent, since the run's first request; NULL before vLLM v0.15.0, which saved none", false}, func(r *RequestRow) any { return r.Start.any() }},
	field[RequestRow]{Column{4, "ttft_ns", Int64, "ns", "time to first token", false}, func(r *RequestRow) any { return r.TTFT.any() }},
	field[RequestRow]{Column{5, "e2el_ns", Int64, "ns", "end-to-end latency, to the last content chunk", false}, func(r *RequestRow) any { return r.E2EL.any() }},
	field[RequestRow]{Column{6, "input_tokens", Int64, "tokens", "prompt length", false}, func(r *RequestRow) any { return r.InputTokens.any() }},
	field[RequestRow]{Column{7, "output_tokens", Int64, "tokens", "tokens produced, as the server counted them where it said so", false}, func(r *RequestRow) any { return r.OutputTokens.any() }},
	field[RequestRow]{Column{8, "chunks", Int64, "chunks", "content chunks received, the first included", false}, func(r *RequestRow) any { return r.Chunks.any() }},
	field[RequestRow]{Column{9, "status", String, "", "ok, failed, suspect (counted as completed though no chunk came), or warmup (before the measurement began)", true}, func(r *RequestRow) any { return string(r.Status) }},
	field[RequestRow]{Column{10, "error_class", String, "", "timeout, connection, http, no_chunk, cancelled, bad_record (its numbers contradict each other, or cannot be), other (the log may not say)", false}, func(r *RequestRow) any { return r.ErrorClass.any() }},
	field[RequestRow]{Column{11, "error", String, "", "first line of the tool's error message, at most 500 bytes", false}, func(r *RequestRow) any { return r.Error.any() }},
	field[RequestRow]{Column{12, "finish_reason", String, "", "why generation ended, where the log says so", false}, func(r *RequestRow) any { return r.FinishReason.any() }},
	field[RequestRow]{Column{13, "e2el_method", String, "", "exact, or lower_bound where the last chunk carried no content or the request failed on the way", false}, func(r *RequestRow) any { return r.E2ELMethod.any() }},
	field[RequestRow]{Column{14, "scheduled_ns", Int64, "ns", "when the client meant to send it, since the run's first request; NULL where it follows no schedule", false}, func(r *RequestRow) any { return r.Scheduled.any() }},
	field[RequestRow]{Column{15, "first_answer_ns", Int64, "ns", "from start to the first chunk of the answer, where reasoning before it is told apart", false}, func(r *RequestRow) any { return r.FirstAnswer.any() }},
	field[RequestRow]{Column{16, "cached_tokens", Int64, "tokens", "prompt tokens that the server took from its prefix cache", false}, func(r *RequestRow) any { return r.CachedTokens.any() }},
	field[RequestRow]{Column{17, "reasoning_tokens", Int64, "tokens", "tokens of reasoning among the output tokens", false}, func(r *RequestRow) any { return r.Reasoning.any() }},
	field[RequestRow]{Column{18, "session", String, "", "conversation that the request is a turn of", false}, func(r *RequestRow) any { return r.Session.any() }},
	field[RequestRow]{Column{19, "turn", Int64, "", "its number in the conversation, from 0", false}, func(r *RequestRow) any { return r.Turn.any() }},
)

// A RequestRow is a request with the run it belongs to.
type RequestRow struct {
	RunID string
	*Request
}

// TokensTable has one row per chunk after the first. It is flat and lossless;
// writers fill it from [Gaps], column by column.
var TokensTable = TableInfo{
	Name: "tokens", RowPer: "chunk after the first of a request",
	Doc: "The gaps between consecutive chunks: the raw material of ITL. The time of a chunk is the request's start + TTFT + " +
		"the running sum of its gaps.",
	Columns: []Column{
		{1, "run_id", String, "", "run of the chunk", true},
		{2, "request_idx", Int32, "", "request of the chunk", true},
		{3, "chunk_idx", Int32, "", "position in the request; the first chunk, whose time is the TTFT, has 0 and no row", true},
		{4, "gap_ns", Int64, "ns", "time since the chunk before", true},
		{5, "tokens", Int32, "tokens", "tokens that the chunk carried; NULL where the log does not say", false},
	},
	Constant: []string{"run_id"},
}

// A Cell is the distribution of one metric over one run.
type Cell struct {
	RunID    string
	Metric   string // ttft, itl, tpot, e2el
	Count    int64
	Sum      int64   // ns
	SumSq    float64 // ns^2
	Min, Max int64   // ns
	Hist     Histogram
	// P50, P95 and P99 are what runs are compared by, ns.
	P50, P95, P99 Opt[float64]
}

// NewCell returns the empty cell of a run and metric.
func NewCell(runID, metric string) *Cell { return &Cell{RunID: runID, Metric: metric} }

// Add counts one value of v nanoseconds.
func (c *Cell) Add(v int64) { c.AddAll([]int64{v}) }

// AddAll counts values of so many nanoseconds, in their order.
func (c *Cell) AddAll(values []int64) {
	if len(values) == 0 {
		return
	}
	if c.Count == 0 {
		c.Min, c.Max = values[0], values[0]
	}
	least, greatest, sum, squares := c.Min, c.Max, c.Sum, c.SumSq
	for _, v := range values {
		least, greatest = min(least, v), max(greatest, v)
		sum += v
		squares += float64(v) * float64(v)
	}
	c.Min, c.Max, c.Sum, c.SumSq = least, greatest, sum, squares
	c.Count += int64(len(values))
	c.Hist.addAll(values)
}

// CellsTable has one row per run and metric.
var CellsTable = newTable(
	TableInfo{
		Name: "cells", RowPer: "run and metric",
		Doc: "Distributions of a run's completed requests, small and mergeable: exact count, sum, minimum and maximum, and a histogram " +
			"exact to three significant digits. Bucket b below 1000 holds the value b; above, with e = (b - 100) div 900 and m = b - 900 e, " +
			"it holds the values from m 10^e to (m + 1) 10^e - 1. Percentiles that are NULL are of blocks of an older servestat: servestat lake rebuild makes them.",
		Constant: []string{"run_id"},
	},
	field[Cell]{Column{1, "run_id", String, "", "run", true}, func(c *Cell) any { return c.RunID }},
	field[Cell]{Column{2, "metric", String, "", "ttft, itl, tpot or e2el", true}, func(c *Cell) any { return c.Metric }},
	field[Cell]{Column{3, "count", Int64, "", "number of values", true}, func(c *Cell) any { return c.Count }},
	field[Cell]{Column{4, "sum_ns", Int64, "ns", "exact sum", true}, func(c *Cell) any { return c.Sum }},
	field[Cell]{Column{5, "sumsq_ns2", Float64, "ns^2", "sum of squares", true}, func(c *Cell) any { return c.SumSq }},
	field[Cell]{Column{6, "min_ns", Int64, "ns", "least value", true}, func(c *Cell) any { return c.Min }},
	field[Cell]{Column{7, "max_ns", Int64, "ns", "greatest value", true}, func(c *Cell) any { return c.Max }},
	field[Cell]{Column{8, "hist_bucket", Int32List, "", "non-empty buckets, ascending", true}, func(c *Cell) any { b, _ := c.Hist.Buckets(); return b }},
	field[Cell]{Column{9, "hist_count", Int64List, "", "their counts", true}, func(c *Cell) any { _, n := c.Hist.Buckets(); return n }},
	field[Cell]{Column{10, "p50_ns", Float64, "ns", "median by Harrell and Davis, which runs are compared by; within 0.005 %", false}, func(c *Cell) any { return c.P50.any() }},
	field[Cell]{Column{11, "p95_ns", Float64, "ns", "95th percentile, likewise", false}, func(c *Cell) any { return c.P95.any() }},
	field[Cell]{Column{12, "p99_ns", Float64, "ns", "99th percentile, likewise", false}, func(c *Cell) any { return c.P99.any() }},
)

// jsonMap renders m as a JSON object with sorted keys, or nil where it is empty.
func jsonMap(m map[string]string) any {
	if len(m) == 0 {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic("schemas: " + err.Error()) // a map of strings always marshals
	}
	return string(b)
}

// jsonRaw renders m, whose values are JSON texts already, with sorted keys. Texts
// that JSON does not know (Python's NaN and Infinity) become strings.
func jsonRaw(m map[string]string) any {
	if len(m) == 0 {
		return nil
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b := []byte{'{'}
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		key, _ := json.Marshal(k)
		b = append(append(b, key...), ':')
		if json.Valid([]byte(m[k])) {
			b = append(b, m[k]...)
			continue
		}
		text, _ := json.Marshal(m[k])
		b = append(b, text...)
	}
	return string(append(b, '}'))
}

func jsonList(l []string) any {
	if len(l) == 0 {
		return nil
	}
	b, err := json.Marshal(l)
	if err != nil {
		panic("schemas: " + err.Error())
	}
	return string(b)
}
