// Package aiperf reads what AIPerf leaves behind: its records, one a line
// (profile_export.jsonl), its raw records (profile_export_raw.jsonl), and the
// summary of a run (profile_export_aiperf.json), of all versions since 0.1.
//
// A [Reader] turns bytes into records and holds no policy, as that of package
// vllm does; it is used in the same way.
//
// # What a file looks like
//
// A file of records has one object a line, in the order in which requests ended:
//
//	{"metadata": {"session_num": 3, "x_correlation_id": "…", "turn_index": 0, "benchmark_phase": "profiling",
//	              "credit_issued_ns": 1783…, "request_start_ns": 1783…, "request_end_ns": 1783…, …},
//	 "metrics": {"time_to_first_token": {"value": 31.2, "unit": "ms"},
//	             "inter_chunk_latency": {"value": [8.1, 8.0], "unit": "ms"}, …},
//	 "error": {"code": 503, "type": "Service Unavailable", "message": "…"}}
//
// Three dialects are told apart. "jsonl-0.1", of 2025, has timestamp_ns and
// credit_phase among the metadata and calls the first two metrics ttft and ttst;
// "jsonl" is what came after it. "raw" has, in place of metrics, the request and
// every message of the response with the time at which it came:
//
//	{"metadata": {…}, "start_perf_ns": 1299…, "payload": {…}, "status": 200,
//	 "responses": [{"perf_ns": 1299…, "packets": [{"name": "data", "value": "{\"choices\": …}"}]}, …]}
//
// What is null in one version is left out by another: both are missing.
//
// A "summary" is one object with an object for each metric, of which an average
// is the least, and the settings of the run. It is a run without requests if it
// comes alone; beside records it completes them (see [Complete]), which know
// neither the version nor the model nor the load.
//
// # What the words mean
//
// AIPerf's inter_token_latency is the mean of one request: our TPOT, and never
// read. Its inter_chunk_latency holds the gaps between content chunks: our ITL.
// Recent versions leave it out unless asked; then a run has no gaps. Chunks that
// carry only a role, usage or [DONE] are in neither.
//
// Its output_sequence_length is what its own tokenizer makes of the text, and
// what all of its own numbers rest on. Where the server's usage is recorded as
// well, a request has the server's count, as everywhere in servestat, and a note
// says how far apart the two are.
//
// Its benchmark_duration, from the first request to the last response, is the
// run's duration. Recent versions (0.13, not 0.3) report it and divide by another
// one, from the start of the phase to its end: their throughput is lower.
//
// Times are those of the wall clock, in nanoseconds. The times in a summary,
// however, are in the zone of the client, which it does not name.
//
// # Requests
//
// A request's index is its place in the file, which is the order of ends; Start
// tells the order of submission. Requests of the warm-up phase have
// [schemas.StatusWarmup] and count in no number. A cancelled one, which AIPerf
// can be told to produce, has failed with error class "cancelled".
//
// A line that cannot be read is rejected and leaves no request; one whose values
// cannot be used leaves a failed request of error class "bad_record".
//
// # What is not read
//
// Aggregates over several runs, time slices, inputs and outputs, GPU telemetry,
// and server metrics, be they JSON or Parquet: [Detect] does not know them. The
// trace of a transport (trace_data) counts reads of a socket and is skipped.
package aiperf
