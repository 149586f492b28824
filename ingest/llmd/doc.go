// Package llmd reads and writes Benchmark Reports of llm-d, a form in which
// results of several load generators are kept: YAML, or the same as JSON, of
// aggregates only.
//
//	version: '0.2'
//	run: {uid: …, time: {start: …, end: …, duration: PT2.2S}, …}
//	scenario:
//	  stack:                 # what was run
//	  - metadata: {label: …, cfg_id: …}
//	    standardized: {kind: inference_engine, tool: vllm, tool_version: …, model: {name: …}, accelerator: {model: …, …}, …}
//	    native: {args: {…}, envars: {…}, config: …}
//	  load:                  # what was asked
//	    standardized: {tool: inference-perf, rate_qps: 10, concurrency: .inf, stage: 3, …}
//	results:
//	  request_performance:
//	    aggregate:           # what was found
//	      requests: {total: 500, failures: 0, input_length: {units: count, mean: …, p50: …, …}, …}
//	      latency: {time_to_first_token: {units: s, mean: …, …}, …}
//	      throughput: {output_token_rate: {units: tokens/s, mean: …}, …}
//
// Versions 0.1 (scenario and metrics, no run), 0.2 and 0.2.1 are read. Findings
// are in [schemas.Run.Reported] under their keys less the long beginning, with
// their units beside them: "latency.time_to_first_token.mean" and
// "latency.time_to_first_token.units". Where the generator's own files lie beside
// a report, they say more, and are of the same run. Environment and configuration
// of the stack are left out, for they may hold keys.
//
// A report has no end that could be missed. One whose last line does not end is
// taken for truncated.
//
// [Export] writes a report of version 0.2.
package llmd
