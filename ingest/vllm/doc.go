// Package vllm reads the result files of vLLM's own benchmarks: vllm bench
// serve (and benchmark_serving.py before it, and the Rust client after it), the
// structured-output and multi-turn benchmarks, vllm bench latency, throughput,
// startup and mm-processor, and what vllm bench sweep leaves behind.
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
// [schemas.StatusSuspect]. One whose stream broke off behind its first chunk looks
// completed; where its length gives it away, a note says so.
//
// It carries no version of vLLM. The dialect (see [schemas.Run.Dialect]) tells
// some ages apart: "script-legacy" (benchmark_serving.py up to v0.6.2),
// "script" (after it), "cli" (v0.8 to v0.10), "cli+backend" (v0.11 and later),
// "rust", "structured" (benchmark_serving_structured_output.py), "multi-turn"
// (benchmark_serving_multi_turn.py --stats-json-output), "latency", "throughput",
// "startup", "mm-processor", and "unknown".
//
// It does not say when a request was meant to be sent, though a run may have had
// a request rate: arrivals are drawn at random, and only starts are saved. It
// does not say how many tokens a chunk carried.
//
// # Sweeps
//
// A sweep appends its parameters to the results, in the order server, client, and
// without saying which is which; the name of the folder tells, see [Complete],
// which also reads what lies beside a result. The run number is kept in
// [schemas.Run.Extra] as run_number. A warm-up, which has the number -1, is
// rejected. Files that are no results, such as the note of a failure, are told by
// [Explain].
//
// # Faults
//
// A fault is local where it can be. A time that is negative or no number spoils
// its request, which becomes a failed one of error class "bad_record". Arrays of
// different lengths, a key that comes twice, or text that is no JSON spoil their
// run, which then has no closing [*schemas.Run]; reading goes on with the next
// run that can be found. Every fault is a [*schemas.Reject] with its place.
//
// A file that was cut, be it plain or compressed, gives what is whole. In the
// order in which the clients write their keys, that is
//
//	cut before or inside         what is left
//	the summary                  nothing
//	input_lens, output_lens, ttfts   the summary, as far as it stands in front
//	itls                         the requests whose gaps are whole
//	start_times                  all requests, without their starts
//	generated_texts, errors      all requests, of the failed ones not all classes
//	the statistics               all requests, and the statistics before the cut
//
// and in files that were rewritten in another order a request is whole where its
// output length, its TTFT and its gaps are. Requests of which only gaps had been
// handed on are failed ones of class "bad_record". The run is marked
// [schemas.Run.Truncated]; it has no duration where requests were lost, for the
// tool's is that of all. The same holds for the end of a line that was cut in a
// file of JSON Lines.
package vllm
