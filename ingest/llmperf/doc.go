// Package llmperf reads what llmperf (Ray) leaves: the list of its requests and
// the summary, two files of a results folder.
//
//	<model>_<in>_<out>_individual_responses.json
//	[{"error_code": null, "error_msg": "", "inter_token_latency_s": 0.03, "ttft_s": 1.13, "end_to_end_latency_s": 4.54,
//	  "request_output_throughput_token_per_s": 11.4, "number_total_tokens": 701, "number_output_tokens": 151, "number_input_tokens": 550}, …]
//
//	<model>_<in>_<out>_summary.json
//	{"version": "2023-08-31", "name": "…_summary", "model": "…", "num_concurrent_requests": 5, "results_ttft_s_mean": 1.11, …}
//
// Requests are in the order in which they ended. There are durations and no
// clock, so their concurrency over time is lost. The list says neither model nor
// concurrency: the summary beside it does, see [Complete].
//
// # What its numbers are
//
// inter_token_latency_s is the sum of TTFT and all gaps over the number of
// chunks: it includes the TTFT, and is neither our ITL nor our TPOT. Where a
// chunk is several tokens, request_output_throughput_token_per_s counts chunks.
// Numbers of tokens are those of the Llama-2 tokenizer, whatever model was run,
// its mark at the beginning included. The tool waits for requests in rounds.
//
// A request that failed has zeros for times, and a one for its tokens: none of
// it is a measurement. A failed request may leave only the names of its keys in
// the list, for the tool extends a list by a dictionary.
package llmperf
