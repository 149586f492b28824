// Package vllm reads the result files of vLLM's own benchmarks: vllm bench
// serve (and benchmark_serving.py before it, and the Rust client after it),
// vllm bench latency, vllm bench throughput, and the lists of runs that vllm
// bench sweep leaves behind.
//
// A [Reader] turns bytes into records and holds no policy: what a record is
// worth, and what belongs together, is for its callers. It is used like a
// bufio.Scanner:
//
//	r := vllm.NewReader(f, "bench.json")
//	for r.Scan() {
//		switch rec := r.Record().(type) {
//		case *schemas.Gaps:    // chunk gaps of one request, or a part of them
//		case *schemas.Request: // one request
//		case *schemas.Run:     // ends the run that the records before it belong to
//		case *schemas.Reject:  // something that could not be used, and where it is
//		}
//	}
//	if err := r.Err(); err != nil { … } // the underlying reader failed
//
// # What a file looks like
//
// One JSON object a run, on one line; or several, one a line, with
// --append-result; or an array of them. The keys of an object are the settings,
// the tool's own summary, and with --save-detailed one array for each thing
// known about a request, all in order of submission:
//
//	{"date": "20260731-103303", "backend": "openai", …, "duration": 44.62,
//	 "input_lens": [2277, 1602], "output_lens": [256, 256],
//	 "ttfts": [0.567, 0.325], "itls": [[0.023, 0.025, …], […]],
//	 "start_times": [1299382.6, 1299385.7], "generated_texts": […], "errors": ["", ""],
//	 …, "mean_ttft_ms": 280.19, …}
//
// The keys come in any order, for files get rewritten. The gaps, which are all
// but a few per mille of a long log, are handed on while their array is being
// read; the other arrays are held until the object ends, because a request is
// known only when all of them are. Generated texts are skipped.
//
// # What the file does not say
//
// It carries no success flags. A request counts as completed where its
// output_lens is above zero, which reproduces the tool's own count. A zero in
// ttfts is a request that got no chunk, and no measurement. A request of a chat
// run that the tool counts as completed though nothing ever came has
// [schemas.StatusSuspect].
//
// It carries no version of vLLM. The dialect (see [schemas.Run.Dialect]) tells
// some ages apart: "script-legacy" (benchmark_serving.py up to v0.6.2),
// "script" (after it), "cli" (v0.8 to v0.10), "cli+backend" (v0.11 and later),
// "rust", "structured" (benchmark_serving_structured_output.py), "latency",
// "throughput", and "unknown".
//
// # Faults
//
// A fault is local where it can be. A time that is negative or no number spoils
// its request, which becomes a failed one of error class "bad_record". Arrays of
// different lengths, a key that comes twice, or text that is no JSON spoil their
// run, which then has no closing [*schemas.Run]; reading goes on with the next
// run that can be found. Every fault is a [*schemas.Reject] with its place.
package vllm
