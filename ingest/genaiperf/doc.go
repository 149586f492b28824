// Package genaiperf reads what NVIDIA's GenAI-Perf leaves, and perf_analyzer
// under it: the profile of all requests and the summary of its metrics. AIPerf
// has taken its place, and its files have a package of their own.
//
// # The profile
//
// profile_export.json holds every response as it came, hundreds of megabytes of
// them:
//
//	{"experiments": [{"experiment": {"mode": "concurrency", "value": 2},
//	   "requests": [{"timestamp": 1722973900000000000, "request_inputs": {"payload": "{…}", …},
//	                 "response_timestamps": [1722973900100000000, …],
//	                 "response_outputs": [{"response": "data: {…}\n\n"}, …]}, …],
//	   "window_boundaries": []}], "version": "", "service_kind": "openai", "endpoint": "v1/chat/completions"}
//
// Each experiment is a run. Times are nanoseconds of the Unix epoch.
//
// A response is what one read of the socket gave: a part of an event, an event,
// or several. As GenAI-Perf does, a part without "data:" is put to the response
// before it, and events that came together are one chunk. Role, usage and [DONE]
// carry no text and are no chunks: their times are dropped. Reasoning counts as
// text here, which GenAI-Perf does not know.
//
// It counts tokens by a tokenizer that may not be the model's, and writes none
// of its counts into the profile. Output tokens are here where the server sent
// its usage, and missing otherwise; so is then TPOT.
//
// There is no sign of failure but an event that says error. A request without
// any text is counted by the tool's throughput, and in nothing else of its.
//
// # The summary
//
// <prefix>_genai_perf.json has an object of statistics for each metric, in
// milliseconds, and the settings under input_config. Its inter_token_latency is
// a mean for each request, (latency - TTFT) / (tokens - 1), which is our TPOT.
package genaiperf
