// Package guidellm reads the reports of GuideLLM (benchmarks.json), of all
// versions since 0.2.
//
// A [Reader] turns bytes into records and holds no policy, as that of package
// vllm does; it is used in the same way.
//
// # What a file looks like
//
// One object, on one line. Its benchmarks, of which each is a run, have a load
// each; what they share comes before them:
//
//	{"metadata": {"version": 2, "guidellm_version": "0.8.1", …}, "config": {…},
//	 "benchmarks": [{"config": {"strategy": {"type_": "concurrent", "streams": 3}, …},
//	                 "scheduler_metrics": {"measure_start_time": 1786…, …},
//	                 "metrics": {"request_latency": {"successful": {"mean": 0.12, …}, …}, …},
//	                 "requests": {"successful": [{…}, …], "incomplete": […], "errored": […]}}]}
//
// Dialects are told apart by the age of their schema: "0.2" (and 0.3: a
// benchmark has args and run_stats), "0.4" (the file has args, and no metadata),
// "1" (0.5 and 0.6) and "2" (0.7 and later, with config in place of args).
//
// # What the words mean
//
// GuideLLM stamps the first and the last chunk of a response and counts those
// between: no version has gaps, and its series of tokens over time is drawn with
// a ruler. A run has no ITL. Its inter_token_latency_ms is the mean of one
// request, which is our TPOT. Its time_per_output_token_ms is a third thing: from
// 0.4 on it includes the first token, before that it divides by one token more.
// Its request_latency runs to the end of the stream; our E2EL ends with the last
// chunk that has content.
//
// Up to 0.6 it does not see reasoning: the first chunk that it stamps, and the
// chunks that it counts, are those of the answer, while the tokens are all that
// the server counts. There TTFT is the time to the answer, and TPOT is too short;
// a note says so where it shows.
//
// Its summary covers a window, which may leave out requests at the beginning and
// at the end; requests that lie wholly outside of it have [schemas.StatusWarmup]
// here and count in no number. The window is the run's duration. Where no
// request has a distribution's value, the tool writes zeros: these are left out.
// (Where one request has none, it writes a zero among the others' values. That
// cannot be told.)
//
// An incomplete request was under way when the benchmark ended. It has failed,
// with error class "cancelled".
//
// A file may hold a sample of the requests, or none. Then counts are those of
// the summary, and a note says so.
//
// # Times
//
// Times are seconds since 1970 in float64, which near the year 2026 can tell
// apart no more than 0.24 µs: a difference of two is good to that.
//
// # Faults
//
// A request with a value that cannot be used becomes a failed one of error class
// "bad_record". A file that breaks off gives what was whole until then.
package guidellm
