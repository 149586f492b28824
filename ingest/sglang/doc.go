// Package sglang reads the result files of SGLang's serving benchmark
// (bench_serving): one JSON object a line, a line a run, appended to whatever
// the file held before. It was vLLM's benchmark once, and most keys still have
// its names.
//
//	{"tag": null, "backend": "sglang-oai", "dataset_name": "random", "request_rate": Infinity, "max_concurrency": 8, …,
//	 "server_info": {…}, "duration": 2.5, "completed": 2, "total_output_tokens_retokenized": 9, …, "mean_ttft_ms": 81.2, …,
//	 "input_lens": [7, 9], "output_lens": [5, 5], "ttfts": [0.08, 0.09], "itls": [[0.01, …], […]],
//	 "generated_texts": […], "errors": ["", ""]}
//
// The arrays are there with --output-details only. They have an entry for each
// request, failed ones included, in order of submission.
//
// # What the file does not say
//
// When anything was: no date, no start times. Requests of a run cannot be laid
// side by side, and its concurrency over time is lost. No model and no version,
// but for what server_info tells of newer servers. No success flags: a request
// has failed where its errors entry is not empty, and its output_lens and ttfts
// are then 0, or a true time where the stream broke off.
//
// # What a gap is
//
// The backends that speak to an OpenAI endpoint ("sglang-oai", "vllm", …) record
// the gaps between chunks. The native backend ("sglang", the default) does not:
// where a chunk brings n tokens it divides the gap before it by n and writes the
// quotient n times. Such gaps are [schemas.Synthetic]. Their sum is true, and so
// is E2EL, which is TTFT and all gaps; their distribution is not a measurement.
//
// The tool's own latency, behind its TPOT and E2E statistics, runs on until
// [DONE] has been read, and is in no array.
package sglang
