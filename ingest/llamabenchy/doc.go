// Package llamabenchy reads the results of llama-benchy, which measures an
// OpenAI endpoint at several prompt lengths, context sizes and concurrencies:
//
//	{"version": "0.2.2", "timestamp": "2026-02-07 19:09:00Z", "latency_mode": "api", "latency_ms": 1.3, "model": "…",
//	 "prefix_caching_enabled": true, "max_concurrency": 2,
//	 "benchmarks": [{"concurrency": 1, "context_size": 0, "prompt_size": 2048, "response_size": 32,
//	                 "is_context_prefill_phase": false, "tg_throughput": {"mean": 49.9, "std": 0.03, "values": [50.0, 49.9]},
//	                 "e2e_ttft": {…}, …}, …]}
//
// Each of the benchmarks is a run: one load point, aggregates only. The values
// of a metric are those of its repetitions or of its requests, in milliseconds
// where they are times. tg_throughput is a rate of decoding alone, and with a
// concurrency above one that of all requests together; est_ppt is the time to
// the first response less latency_ms, an estimate. The series over time
// (…_over_time) are rates in a moving window of a second, and are left out.
package llamabenchy
