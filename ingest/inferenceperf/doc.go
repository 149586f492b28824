// Package inferenceperf reads what inference-perf (kubernetes-sigs) leaves in
// its folder reports-…: the list of requests, the summaries of each stage and
// of the whole sweep, and the server's own metrics.
//
// # The list of requests
//
// per_request_lifecycle_metrics.json is one array, written with
// report.request_lifecycle.per_request only:
//
//	[{"start_time": 353399.701, "end_time": 353400.9, "request": "{…}", "response": "data: …", "error": null,
//	  "info": {"request_metrics": {"text": {"input_tokens": 90}, …},
//	           "response_metrics": {"output_tokens": 12, "server_usage": {"completion_tokens": 12, …},
//	                                "chunk_times": [353399.8, …], "output_token_times": [353399.8, …], …}}}, …]
//
// Times are seconds of the client's perf_counter. Requests are in the order in
// which they ended, and have that index; their start tells the order of
// submission. A file may be gigabytes of prompts and answers, which are skipped.
//
// The dialects are those of info: "0.1" has none; "0.2" (to 0.4) lists
// output_token_times in info itself; "0.5" has info.response_info, and "0.6"
// info.response_metrics as above.
//
// No request says to which stage it belongs, so the list of a sweep of several
// stages is one run that mixes its load points. The summaries of the stages are
// runs of one load point each.
//
// # Three accounts of one request
//
// Each request is in the list, in the summary of its stage and in that of the
// whole sweep. In a folder one of them is taken in: of several stages their
// summaries, for each is a load point; of one stage the list, for it has the
// times of every request; the summary of the sweep where it is alone. The others
// are skipped, and say so. A file that is named outright is always taken in.
//
// # Times that are not what they are called
//
// Before 0.5 output_token_times are stamps of lines or messages, the blank line
// behind each event, the role, the usage and [DONE] among them: about two for a
// token. TPOT and ITL of that tool are then half of the truth, in its summaries
// too. In 0.5.0 each token is counted twice once more, by a tokenizer that puts
// a mark before every chunk. Which of it happened is told by counting, not by
// the version: where there are more than 1.1 stamps for an output token, the
// stamps are no chunks. The first is kept, as TTFT, E2EL runs until the response
// was whole, and there are no gaps. A summary is checked by its means: TTFT and
// TPOT have to make up the latency.
//
// # Summaries
//
// A summary is a run without detail. Its [schemas.Run.Dialect] is "stage" where
// it is one load point, "summary" where it is all of them together, and "server"
// where it is not what the client saw but what the server's metrics said; its
// Bench is then "server-metrics", for such numbers must not be held against
// those of a client.
package inferenceperf
