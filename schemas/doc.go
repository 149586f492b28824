// Package schemas holds servestat's words and tables: what every number means,
// how it is computed, and which columns carry it. It imports nothing else of
// ours, so that the halves of servestat, which meet only at files, speak the
// same language.
//
// Read it in this order: the words below, [Metrics] (the same definitions as
// data), [Run] and [Request] (what a log is turned into), [RunsTable] and its
// neighbours (how it is stored). FORMAT.md beside this file is the tables as a
// page, generated from them.
//
// # Words
//
// The field does not agree with itself, so each word states its formula and
// its false friends. For one request let s be the time at which it was sent,
// t(1) … t(k) the times at which its k content chunks arrived at the client,
// and n the number of output tokens that the server says it produced.
//
//   - chunk, token: a client sees chunks. One chunk may carry several tokens
//     (speculative decoding, a stream interval, a parser that holds text back)
//     or none (a chat stream's first chunk carries only a role). Nothing here
//     counts chunks to count tokens.
//   - TTFT, time to first token = t(1) - s. Measured on the client, so it
//     includes network and queueing in the server, but not queueing in the
//     client: vLLM's client takes s after it got past --max-concurrency.
//     Cousins: the server's vllm:time_to_first_token_seconds excludes the
//     network; inference-perf waits for the first non-empty text.
//   - ITL, inter-token latency = the list t(j+1) - t(j), one value a gap
//     between consecutive chunks, pooled over requests. Cousins: AIPerf and
//     GuideLLM give the name to the mean of one request, which is our TPOT.
//   - TPOT, time per output token = (E2EL - TTFT) / (n - 1), one value a
//     request, undefined (NULL) for n < 2. Cousins: GuideLLM from 0.4 includes
//     the first token, (t(k) - s)/n.
//   - E2EL, end-to-end latency = t(k) - s, to the last chunk, not to the close
//     of the stream. vLLM does not save it per request; it is TTFT + the sum of
//     the gaps, exact for the completions endpoint (but for the fraction of a
//     microsecond between two readings of the client's clock at the first
//     chunk), and a lower bound for chat, whose last chunk (usage) is no content
//     chunk.
//   - output throughput = output tokens of successful requests / duration;
//     request throughput = successful requests / duration; total token
//     throughput adds the input tokens. The duration is the tool's own clock
//     around the whole run, ramp and tail included.
//   - goodput = successful requests that met every service-level objective /
//     duration.
//   - in flight = sent and not yet at its last chunk. Steady window = the longest
//     stretch with at least 0.9 of the most requests ever in flight (sglang#30918),
//     less a cold start (MSER-5); dips shorter than a tenth of the mean E2EL, the
//     client's turn-around, end no stretch. Numbers of a steady window leave ramp
//     and drain out, which with two prompts a user are a fifth of the run.
//   - stall = a gap above ten times the run's median gap.
//   - max concurrency = the number of requests that the client was asked to
//     keep in flight, at most. A setting.
//   - concurrency = the number that was in flight, averaged over time: the sum
//     of E2EL divided by the time from the first start to the last end (Little's
//     law). A measurement. An axis says which of the two it shows.
//   - request rate = offered load in requests a second; infinity is legal and
//     means that every request was offered at once. Never the same as request
//     throughput.
//   - run = one execution of one load point; load point = one combination of
//     settings; sweep = a set of load points, repeated.
//   - server start = the start of the server on which a run was measured. Runs
//     that share one share its luck (memory layout, clocks, compiled kernels),
//     so everything measured on one start counts as one replicate.
//   - baseline, candidate: always in this order, old before new. A delta is
//     (candidate - baseline) / baseline, a ratio candidate / baseline; whether
//     it is good or bad follows from [Metric.Better] alone.
//   - regression = worse performance, and nothing else. Curves are fitted.
//
// # Time
//
// A stored time is an integer number of nanoseconds since the run's origin (the
// start of its first request); a run carries one wall-clock anchor. Clients
// stamp with a clock of arbitrary epoch, so times of two runs cannot be
// subtracted.
//
// # Missing values
//
// What was not recorded is NULL: never zero, never a default. In Go it is an
// [Opt] that is not OK.
package schemas
