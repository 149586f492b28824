// Package simulate is a seeded simulator of an LLM server with continuous
// batching and of the client that benchmarks it. It writes what vLLM would have
// written: result files of vllm bench serve, and the server's log. servestat
// uses it for its demonstration, for tests in which the truth is known, and to
// measure how often its own verdicts are wrong.
//
// # The server
//
// A server has [Config].Slots slots. A request waits for a slot, first come
// first served, is prefilled in it, and then joins the batch. All sequences of
// the batch step together: a step with n sequences takes
//
//	ITLBase + ITLSlope × n
//
// and gives each of them one token. The batch changes only between steps. So
//
//	TTFT = wait for a slot + prefill + wait for the step boundary + one step
//
// A prefill takes TTFTBase + TTFTSlope × (other requests that hold a slot). It
// does not delay the steps of others, unless PrefillInterference says so.
// Requests that get their slots at the same moment are prefilled together.
//
// # What must come out
//
// The model is simple enough to have closed forms, and the tests hold it to
// them. With c users who send the next request when the last one ended
// (RequestRate 0), S slots and L tokens a request,
//
//	ITL        = ITLBase + ITLSlope × min(c, S)
//	throughput = min(c, S) / ITL                    without prefill, in tokens/s
//	throughput = min(c, S) × L / (prefill + L×ITL)  with it
//	TTFT       = prefill + ITL + max(0, c-S)/S × (prefill + L×ITL)
//
// They are exact where all lengths are equal, because the users then stay in
// step for ever: all prefill, all decode, all end. Ragged lengths
// (OutputLenSpread) and open-loop arrivals (RequestRate) break the step. Then a
// request waits half a step on average to join the batch, and where prefill
// takes a share p of a request's time, only (1-p)×c sequences decode at once, so
// that ITL is ITLBase + ITLSlope×(1-p)×c.
//
// With one token a request and no limit on slots the engine is Inoue's
// batch-service queue, of which [BatchQueue] is the bare version; with one slot
// it is the M/D/1 queue.
//
// # Noise
//
// Every source of randomness has a stream of its own, which depends on the seed
// and on its name only. A [Sweep] that gets another version, level or start
// keeps everything that it had. What is random:
//
//   - a run is slower or faster as a whole (RunCV): half of the variance belongs
//     to the server start and is common to all its levels, half to the run;
//   - a whole server start is slow, for no visible reason (StallRate);
//   - a step and a prefill vary (GapJitter), the same for all who share it;
//   - lengths and arrival times, which are the same in every run, as they are
//     with a fixed --seed of vllm bench serve;
//   - which requests fail (FailureRate).
//
// All factors are log-normal with mean 1. A run's warm-up (Warmup) is not
// random: until as many requests have ended as the server can hold at once,
// everything takes longer.
package simulate
