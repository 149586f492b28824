// Package inferencex reads the aggregates of InferenceX, once InferenceMAX
// (SemiAnalysis): rows that its scripts make of results of a fork of vLLM's
// serving benchmark, or of AIPerf. There are no requests in them.
//
// Three dialects:
//
//   - "aggregate": a row of agg_….json, or an array of them (agg_bmk.json):
//     hardware, framework, image, parallelism, and rates for each GPU.
//   - "agentic": the same of an AIPerf run of agents, with request_metrics and
//     server_metrics.
//   - "seconds": vLLM's own keys, cut short: "median_ttft" for "median_ttft_ms".
//
// All times are seconds: every key of vLLM's that ends in _ms has lost the ending
// and was divided by a thousand. Every key with tpot has a twin with intvty,
// tokens per second and user, its reciprocal: p99_intvty is the low tail, and
// std_intvty means nothing.
package inferencex
