package audit

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A Run is what the checks look at. A value that is not known is NaN, a count
// that is not known is negative; [NewRun] gives a run of which nothing is known.
type Run struct {
	MaxConcurrency float64 // asked; NaN: unlimited or unknown
	ClosedLoop     bool    // the next request waits for the one before: no request rate was set
	Concurrency    float64 // achieved: measured from the requests, or by Little's law from averages
	SteadyLoad     float64 // the same inside the steady window
	SteadyE2ELs    float64 // length of that window in mean latencies

	OutputThroughput float64 // X, tokens/s
	TTFT, TPOT       float64 // means, s
	OutputLen        float64 // N, mean output tokens of a completed request
	InputLen         float64 // mean prompt tokens of a completed request
	MostInFlight     float64 // most requests that the client had in flight at once
	OneToken         float64 // share of completed requests with a single output token
	ITL, ITLMedian   float64 // mean and median chunk gap, s
	ITLp99           float64
	Crowded          float64 // share of gaps below a tenth of the median: chunks that came in one go
	Idle             float64 // share of the run in which nothing was in flight
	FirstTTFT        float64 // of the first request, over the median of the run
	ColdStart        float64 // s that were cut off the steady window as a cold start
	ColdSlowdown     float64 // mean TPOT of what was cut over that of the rest
	CachedShare      float64 // prompt tokens that came from the prefix cache, of all
	DispatchDelay    float64 // mean of sent less scheduled, s
	FromSchedule     float64 // mean E2EL counted from the schedule, s
	E2EL             float64 // mean, s

	Requests, Completed, Failed, Suspect int64
	Gaps                                 int64 // chunk gaps of completed requests
	Prompts                              int64 // asked for
	Truncated                            bool
	Synthetic                            bool     // its gaps were made up by the tool
	ZeroStatistics                       []string // statistics of the tool that are 0.0 where nothing was measured
	SwappedE2EL                          bool     // its mean and median of E2EL stand for each other

	// From the server's side, where it was recorded.
	ServerRequests         float64 // finished between the samples around the run
	ServerTokens           float64 // output tokens, likewise
	ServerPrompt           float64 // prompt tokens, likewise
	ServerTTFT, ServerE2EL float64 // means, likewise, s
	ServerWider            float64 // s that those samples lie further apart than the run is long
	ServerInFlight         float64 // mean requests running and waiting on the server, of samples inside the run
	ServerMost             float64 // most of them
	CountedBy, SeenBy      string  // who said what was finished, and what was running and waiting
	ServerMissing          string  // what is missing where nothing of this is known
	// Of the GPU's clock while it was busy, Hz.
	ClockMedian, ClockTop, ClockRatio float64
	ClockCapped                       bool         // by its power cap, for half of the run or more
	ClockLimits                       []ClockLimit // what held it down, the worst first
	BytesPerToken                     float64      // weights and cache read for one decode step of one sequence
	MemoryBandwidth                   float64      // bytes/s
}

// A ClockLimit is what held the GPU's clock down, by its driver.
type ClockLimit struct {
	Reason string
	Share  float64 // of the samples of the run
	Fault  bool    // heat or supply, and no setting
}

// NewRun returns a Run of which nothing is known.
func NewRun() Run {
	nan := math.NaN()
	return Run{
		MaxConcurrency: nan, Concurrency: nan, SteadyLoad: nan, SteadyE2ELs: nan, OutputThroughput: nan, TTFT: nan, TPOT: nan,
		OutputLen: nan, InputLen: nan, MostInFlight: nan, OneToken: nan, ITL: nan, ITLMedian: nan, ITLp99: nan, Crowded: nan, Idle: nan,
		FirstTTFT: nan, ColdStart: nan, ColdSlowdown: nan, CachedShare: nan, DispatchDelay: nan, FromSchedule: nan, E2EL: nan,
		Requests: -1, Completed: -1, Failed: -1, Suspect: -1, Gaps: -1, Prompts: -1,
		ServerRequests: nan, ServerTokens: nan, ServerPrompt: nan, ServerTTFT: nan, ServerE2EL: nan, ServerWider: nan, ServerInFlight: nan, ServerMost: nan,
		ClockMedian: nan, ClockTop: nan, ClockRatio: nan, BytesPerToken: nan, MemoryBandwidth: nan,
	}
}

// runChecks in order of presentation.
var runChecks = []check{
	{Definition{"failed requests", "did requests fail?", "failed / requests", "WARN from one, FAIL from half of them", "counts of completed and failed requests"}, failures},
	{Definition{"suspect requests", "were empty streams counted as completed?", "requests without any chunk that count as completed", "WARN from one", "per-request times"}, suspects},
	{Definition{"truncated log", "is the log whole?", "", "WARN where the upload ended before the run", "the upload"}, truncated},
	{Definition{"T1 achieved concurrency", "was the asked concurrency reached?", "L = sum of E2EL / (last end - first start)", "WARN below 0.9 of what was asked; FAIL below 0.7, in the steady window too", "a max concurrency and per-request times, or throughput, TTFT and TPOT"}, reached},
	{Definition{"T2 throughput identity", "do throughput and latencies agree?", "X against c N / (TTFT + (N-1) TPOT)", "WARN outside 0.9 to 1.05, FAIL outside 0.7 to 1.2", "max concurrency, output length, throughput, TTFT, TPOT"}, identity},
	{Definition{"T3 idle share", "was the server ever without work?", "time with nothing in flight / duration", "WARN above 5 % in a closed loop", "start times"}, idle},
	{Definition{"T4 decode occupancy", "do as many streams decode as were asked for?", "X x TPOT", "FAIL above c; FAIL below c/2 where TTFT is not known", "throughput and TPOT"}, occupancy},
	{Definition{"T5 counted tokens", "were all tokens counted?", "chunks, and the server's own count, against the output tokens", "WARN where up to two chunks a request hold no token, or the server read 5 % other prompt tokens; FAIL where more by 1 %, or the server counted 1 % otherwise", "chunks and output lengths"}, counted},
	{Definition{TokensPerChunk, "is a chunk a token?", "gaps / (completed x (N-1))", "WARN below 0.9: ITL is a time between chunks", "chunk gaps and output lengths"}, chunks},
	{Definition{"T7 burst gaps", "do chunks come evenly?", "median ITL / mean ITL; share of gaps below a tenth of the median", "WARN below 0.8, or below 0.9 with a p99 of four medians; or above 5 %", "chunk gaps"}, bursts},
	{Definition{"one-token outputs", "was anything generated?", "share of completed requests with one output token", "FAIL above one half", "output lengths"}, oneToken},
	{Definition{"T11 sample size", "are there enough requests?", "prompts / c; the steady window in mean latencies", "WARN below 5 prompts a user, or below 5 latencies", "number of prompts and max concurrency"}, sampleSize},
	{Definition{"cold start", "was the engine warm?", "TPOT before the MSER-5 cut / after it; TTFT of the first request / median", "WARN from 1.1, and from 10", "start times"}, coldStart},
	{Definition{"prefix cache", "did prompts come from the cache?", "cached prompt tokens / prompt tokens", "WARN above 10 %", "cached token counts in the responses, or vLLM's /metrics scraped before and after the run"}, prefixCache},
	{Definition{"coordinated omission", "did waiting in the client stay uncounted?", "E2EL from schedule / E2EL", "WARN above 1.1", "a schedule"}, omission},
	{Definition{"synthetic gaps", "were gaps measured?", "", "WARN where the tool made them up", "chunk gaps"}, synthetic},
	{Definition{"T12 server and client", "does the server see the same load?", "L on the server against L on the client: L x E2EL on the server / E2EL, or requests running and waiting", "WARN where the client has 10 % and half a request more", "vLLM's /metrics scraped before and after the run, or its log"}, serverLoad},
	{Definition{"client saturation", "is the client the bottleneck?", "mean TTFT on the client less that on the server", "WARN above 10 % of TTFT, FAIL above one half", "vLLM's /metrics scraped before and after the run"}, clientSaturation},
	{Definition{"T13 roofline", "is the rate physically possible?", "bytes a token x rate / memory bandwidth", "FAIL above 1", "labels bytes_per_token and memory_bandwidth (bytes/s)"}, roofline},
	{Definition{"GPU clocks", "did the GPU run at its clock?", "median clock while the GPU is busy / the highest that was seen, or label max_clock_mhz; share of the samples in which the driver says that heat or supply held it down", "WARN below 0.75, FAIL below 0.6 unless it was at its power cap for half of the samples; WARN from 5 %", "samples of the GPU's clock and load (nvidia-smi, tegrastats, DCGM) over the run, or clocks_event_reasons.active"}, clocks},
	{Definition{"T14 missing is not zero", "did the tool print zero for missing?", "statistics of 0.0 where nothing was measured", "WARN from one", "the tool's summary"}, zeros},
	{Definition{"swapped E2EL", "are the tool's mean and median of E2EL what they say?", "", "WARN where they stand for each other (vLLM v0.6.0 to v0.6.3)", "the tool's summary"}, swapped},
	{Definition{"T15 shared endpoint", "was anybody else on the server?", "most requests on the server against our own in flight; requests that it finished against ours", "FAIL where the server has 10 % and one request more; WARN where it finished 10 % more than a warm-up explains", "vLLM's /metrics scraped during the run, or its log"}, shared},
}

// failures: percentiles exclude failed requests, so a run in which the slow ones
// failed looks fast.
func failures(r Run) Finding {
	switch {
	case r.Failed < 0 || r.Requests < 0:
		return unknown("")
	case r.Failed == 0:
		return fine("none of %d failed", r.Requests)
	case r.Completed == 0:
		return Finding{
			Severity: Fail, Message: fmt.Sprintf("all %d requests failed: the run has no latency", r.Requests),
			Do: "read the errors (requests.error) before reading the latencies",
		}
	case 2*r.Failed >= r.Requests:
		return Finding{
			Severity: Fail, Message: fmt.Sprintf("%d of %d requests failed: what is left is a selection, and its latencies are of another load", r.Failed, r.Requests),
			Do: "read the errors (requests.error), and run again when they are gone",
		}
	}
	return Finding{
		Severity: Warn, Message: fmt.Sprintf("%d of %d requests failed; latencies are of the others", r.Failed, r.Requests),
		Do: "read the errors (requests.error) before reading the latencies",
	}
}

func suspects(r Run) Finding {
	switch {
	case r.Suspect < 0:
		return unknown("")
	case r.Suspect == 0:
		return fine("none")
	}
	return Finding{
		Severity: Warn,
		Message:  fmt.Sprintf("%d of %d requests count as completed though no chunk ever came; they are left out here and count as 0 ms in the tool's own summary", r.Suspect, r.Requests),
		Do:       "look for error events in the stream and in the server log",
	}
}

func truncated(r Run) Finding {
	if !r.Truncated {
		return fine("the run is closed")
	}
	return Finding{
		Severity: Warn, Message: fmt.Sprintf("the upload ended before the run did: %d requests were read", r.Requests),
		Do: "upload the whole file; what is missing may be the slowest requests",
	}
}

// reached is T1. Ramp and drain lower the average over the whole run; a level
// that the steady window reached was measured, and one that it did not was not.
func reached(r Run) Finding {
	if !r.ClosedLoop {
		return unknown("a closed loop: the run was offered at a rate")
	}
	if !known(r.MaxConcurrency, r.Concurrency) || r.MaxConcurrency == 0 {
		return unknown("")
	}
	share, best := r.Concurrency/r.MaxConcurrency, r.Concurrency/r.MaxConcurrency
	values := fmt.Sprintf("asked %.0f, achieved %.1f (%.0f %%)", r.MaxConcurrency, r.Concurrency, 100*share)
	if known(r.SteadyLoad) {
		best = max(best, r.SteadyLoad/r.MaxConcurrency)
		values += fmt.Sprintf(" over the whole run, %.1f in its steady window", r.SteadyLoad)
	}
	switch {
	case share >= 0.9:
		return fine("%s", values)
	case best < 0.7:
		return Finding{
			Severity: Fail, Message: values,
			Do: "this is not a measurement of the asked level: look for a client limit, a rate limit or too few prompts",
		}
	}
	return Finding{
		Severity: Warn, Message: values,
		Do: "read the point at the achieved concurrency; more prompts per user shorten the share of ramp and drain",
	}
}

// identity is T2: in a closed loop with N output tokens a request, throughput
// and latencies determine each other: X = c N / (TTFT + (N-1) TPOT).
func identity(r Run) Finding {
	predicted := r.predictedThroughput()
	if !r.ClosedLoop || !known(predicted, r.OutputThroughput) || r.OutputThroughput == 0 {
		return unknown("")
	}
	ratio := r.OutputThroughput / predicted
	values := fmt.Sprintf("X = %.4g tokens/s is %.3f of c N / (TTFT + (N-1) TPOT) = %.0f x %.4g / (%.4g s + %.4g x %.4g s) = %.4g tokens/s",
		r.OutputThroughput, ratio, r.MaxConcurrency, r.OutputLen, r.TTFT, r.OutputLen-1, r.TPOT, predicted)
	if ratio >= 0.9 && ratio <= 1.05 {
		return fine("%s", values)
	}
	f := Finding{Severity: Warn, Message: values, Do: "look for idle time between requests, a level that was not reached, or tokens that were not counted"}
	// Ramp and drain explain a low ratio where the level was reached in between.
	drained := known(r.SteadyLoad) && r.SteadyLoad >= 0.9*r.MaxConcurrency && ratio < 1
	if (ratio < 0.7 && !drained) || ratio > 1.2 {
		f.Severity = Fail
	}
	return f
}

func (r Run) predictedThroughput() float64 {
	if !known(r.MaxConcurrency, r.OutputLen, r.TTFT, r.TPOT) {
		return math.NaN()
	}
	return r.MaxConcurrency * r.OutputLen / (r.TTFT + (r.OutputLen-1)*r.TPOT)
}

func idle(r Run) Finding {
	switch {
	case !known(r.Idle):
		return unknown("")
	case !r.ClosedLoop || r.Idle <= 0.05:
		return fine("nothing was in flight for %.1f %% of the run", 100*r.Idle)
	}
	return Finding{
		Severity: Warn, Message: fmt.Sprintf("nothing was in flight for %.0f %% of a closed-loop run", 100*r.Idle),
		Do: "look for think time, a client that pauses, or a warm-up inside the clock: throughput counts this time",
	}
}

// occupancy is T4: X x TPOT is how many streams decode on average. It cannot
// exceed what was asked; far below, the time went somewhere else. Where TTFT is
// known, T2 knows better: a long prefill is no idle time.
func occupancy(r Run) Finding {
	if !r.ClosedLoop || !known(r.MaxConcurrency, r.OutputThroughput, r.TPOT) || r.OutputThroughput == 0 {
		return unknown("")
	}
	busy := r.OutputThroughput * r.TPOT
	values := fmt.Sprintf("X x TPOT = %.4g tokens/s x %.4g ms = ", r.OutputThroughput, 1e3*r.TPOT)
	switch {
	case busy > 1.05*r.MaxConcurrency:
		return Finding{
			Severity: Fail, Message: values + fmt.Sprintf("%.3g streams decoding, more than the %.0f that were asked for", busy, r.MaxConcurrency),
			Do: "one of the two numbers is wrong, or they are not of the same run",
		}
	case busy < 0.5*r.MaxConcurrency && !known(r.predictedThroughput()):
		return Finding{
			Severity: Fail,
			Message: values + fmt.Sprintf("%.3f streams decoding of %.0f: TPOT alone means %.1f tokens/s, and %.0f %% of the wall time is unexplained",
				busy, r.MaxConcurrency, r.MaxConcurrency/r.TPOT, 100*(1-busy/r.MaxConcurrency)),
			Do: "throughput and TPOT of this row do not belong to one saturated run: get the raw log before quoting either",
		}
	}
	return fine("%s%.3g streams decoding of %.0f", values, busy, r.MaxConcurrency)
}

// counted is T5. A chunk holds at least one token, so more chunks than tokens
// means that some were not counted: reasoning, or text that the client
// tokenised again.
func counted(r Run) Finding {
	server, bad := r.countedByServer()
	if bad {
		return server
	}
	if r.Gaps < 0 || r.Completed <= 0 || !known(r.OutputLen) || r.Synthetic {
		if server.Message != "" {
			return server
		}
		return unknown("")
	}
	// The first chunk of a chat stream carries only the role, the last may carry
	// only why it ended: up to two chunks a request hold no token.
	chunks, tokens := float64(r.Gaps+r.Completed), r.OutputLen*float64(r.Completed)
	if chunks > 1.001*tokens && chunks <= tokens+2*float64(r.Completed) {
		return Finding{
			Severity: Warn, Message: fmt.Sprintf("%.0f chunks came for %.0f output tokens: %.1f a request carry none", chunks, tokens, (chunks-tokens)/float64(r.Completed)),
			Do: "the first may be the role of a chat stream: TTFT is then to the role, and one gap more is in ITL",
		}
	}
	if chunks > 1.01*tokens {
		return Finding{
			Severity: Fail, Message: fmt.Sprintf("%.0f chunks with content came for %.0f counted output tokens", chunks, tokens),
			Do: "tokens were not counted (reasoning, or a client that tokenised the text again): throughput and TPOT are of fewer tokens than were made",
		}
	}
	if server.Message != "" {
		return fine("%.0f chunks for %.0f tokens; %s", chunks, tokens, server.Message)
	}
	return fine("%.0f chunks for %.0f tokens", chunks, tokens)
}

// countedByServer compares the server's counters with the client's sums; bad says
// that they contradict each other. What the server finished besides (a warm-up, a
// first trial request) is told by its count of requests, and may have made up to
// twice as many tokens each as ours.
func (r Run) countedByServer() (f Finding, bad bool) {
	if !known(r.ServerTokens, r.OutputLen) || r.Completed <= 0 {
		return Finding{}, false
	}
	completed := float64(r.Completed)
	client, extra := r.OutputLen*completed, math.Inf(1)
	values := fmt.Sprintf("the server counted %.0f output tokens, the client %.0f", r.ServerTokens, client)
	if known(r.ServerRequests) {
		extra = r.ServerRequests - completed
		values = fmt.Sprintf("the server counted %.0f output tokens in %.0f requests (%.4g each), the client %.0f in %.0f (%.4g each)",
			r.ServerTokens, r.ServerRequests, r.ServerTokens/r.ServerRequests, client, completed, r.OutputLen)
	}
	if r.ServerTokens < 0.99*client || r.ServerTokens > 1.01*client+max(0, extra)*2*r.OutputLen {
		return Finding{Severity: Fail, Message: values, Do: "use the server's usage counts; look for a tokenizer that differs, or tokens that the client dropped"}, true
	}
	prompt := r.InputLen * completed
	if known(r.ServerPrompt, prompt) && (r.ServerPrompt < 0.95*prompt || r.ServerPrompt > 1.05*prompt+max(0, extra)*2*r.InputLen) {
		return Finding{
			Severity: Warn, Message: fmt.Sprintf("the server read %.0f prompt tokens, the client counted %.0f", r.ServerPrompt, prompt),
			Do: "a chat template or another tokenizer: input tokens a second, and comparisons by prompt length, are of other prompts than the server saw",
		}, true
	}
	return fine("%s", values), false
}

// chunks is T6: does a chunk carry one token?
func chunks(r Run) Finding {
	expected := float64(r.Completed) * (r.OutputLen - 1)
	if r.Gaps < 0 || r.Completed <= 0 || !known(r.OutputLen) || expected <= 0 || r.Synthetic {
		return unknown("")
	}
	ratio := float64(r.Gaps) / expected
	if ratio >= 0.9 {
		return fine("%d gaps for %.0f tokens", r.Gaps, expected)
	}
	perChunk := fmt.Sprintf("%.2f tokens on average", 1/ratio)
	if r.Gaps == 0 {
		perChunk = "a whole answer"
	}
	return Finding{
		Severity: Warn,
		Message:  fmt.Sprintf("a chunk carries %s (%d gaps for %.0f tokens): ITL here is a time between chunks, not tokens", perChunk, r.Gaps, expected),
		Do:       "compare TPOT, not ITL, with runs that stream otherwise (speculative decoding, stream interval, parsers)",
	}
}

func bursts(r Run) Finding {
	if !known(r.ITL, r.ITLMedian) || r.ITL == 0 || r.Synthetic {
		return unknown("")
	}
	ratio := r.ITLMedian / r.ITL
	values := fmt.Sprintf("ITL has mean %.4g ms, median %.4g ms, p99 %.4g ms", 1e3*r.ITL, 1e3*r.ITLMedian, 1e3*r.ITLp99)
	switch {
	case known(r.Crowded) && r.Crowded > 0.05:
		return Finding{
			Severity: Warn, Message: fmt.Sprintf("%s; %.0f %% of the gaps are below a tenth of the median: chunks came in bundles", values, 100*r.Crowded),
			Do: "look for a proxy, a parser or a client that holds chunks back: p99 ITL is then the bundle's, not the engine's",
		}
	case ratio < 0.8, ratio < 0.9 && r.ITLp99 >= 4*r.ITLMedian:
		return Finding{
			Severity: Warn, Message: values + fmt.Sprintf(": the median is %.2f of the mean, the p99 %.1f medians", ratio, r.ITLp99/r.ITLMedian),
			Do: "quote mean and p99, not the median alone: prefills of other requests interrupt decoding, or chunks are bundled",
		}
	}
	return fine("%s", values)
}

func oneToken(r Run) Finding {
	switch {
	case !known(r.OneToken):
		return unknown("")
	case r.OneToken <= 0.5:
		return fine("%.0f %% of the requests made one token", 100*r.OneToken)
	}
	return Finding{
		Severity: Fail, Message: fmt.Sprintf("%.0f %% of the completed requests made a single token: there is nothing to time", 100*r.OneToken),
		Do: "look at max_tokens, stop conditions and the endpoint (perf-eval#20): output throughput and TPOT of this run mean nothing",
	}
}

func sampleSize(r Run) Finding {
	prompts := r.Prompts
	if prompts < 0 {
		prompts = r.Requests
	}
	if !r.ClosedLoop || !known(r.MaxConcurrency) || r.MaxConcurrency == 0 || prompts < 0 {
		return unknown("")
	}
	perUser := float64(prompts) / r.MaxConcurrency
	switch {
	case perUser < 5:
		return Finding{
			Severity: Warn, Message: fmt.Sprintf("%d prompts for %.0f users: %.1f each", prompts, r.MaxConcurrency, perUser),
			Do: "ask at least 5 prompts a user: with fewer, ramp and drain are much of the run",
		}
	case known(r.SteadyE2ELs) && r.SteadyE2ELs < 5 && r.MaxConcurrency > 1:
		return Finding{
			Severity: Warn, Message: fmt.Sprintf("the steady window lasts %.1f mean latencies", r.SteadyE2ELs),
			Do: "use more prompts: below 5 latencies the window is mostly the first and the last requests",
		}
	}
	return fine("%d prompts for %.0f users", prompts, r.MaxConcurrency)
}

func coldStart(r Run) Finding {
	if known(r.ColdStart, r.ColdSlowdown) && r.ColdStart > 0 && r.ColdSlowdown >= 1.1 {
		return Finding{
			Severity: Warn,
			Message:  fmt.Sprintf("the first %.1f s of the steady window were %.2f times slower than the rest, and are left out of it", r.ColdStart, r.ColdSlowdown),
			Do:       "warm up with at least as many requests as users; look for kernels compiled during the run",
		}
	}
	switch {
	case !known(r.FirstTTFT):
		return unknown("")
	case r.FirstTTFT > 10:
		return Finding{
			Severity: Warn, Message: fmt.Sprintf("the first request's TTFT was %.0f times the median: something was compiled or loaded inside the run", r.FirstTTFT),
			Do: "warm up before the clock starts (--num-warmups); quote medians of this run, not means",
		}
	}
	return fine("TTFT of the first request is %.2g times the median", r.FirstTTFT)
}

func prefixCache(r Run) Finding {
	switch {
	case !known(r.CachedShare):
		return unknown("")
	case r.CachedShare <= 0.1:
		return fine("%.1f %% of the prompt tokens were cached", 100*r.CachedShare)
	}
	return Finding{
		Severity: Warn, Message: fmt.Sprintf("%.0f %% of the prompt tokens came from the prefix cache", 100*r.CachedShare),
		Do: "compare only with runs of the same share; for cold numbers use a new seed or --no-enable-prefix-caching",
	}
}

// omission: a client that may not send more while its cap is reached sends late,
// and counts from when it sent (vllm#54101).
func omission(r Run) Finding {
	if !known(r.FromSchedule, r.E2EL, r.DispatchDelay) || r.E2EL == 0 {
		return unknown("")
	}
	ratio := r.FromSchedule / r.E2EL
	values := fmt.Sprintf("requests were sent %.4g ms late on average: mean E2EL is %.4g ms from sending, %.4g ms from schedule", 1e3*r.DispatchDelay, 1e3*r.E2EL, 1e3*r.FromSchedule)
	if ratio <= 1.1 {
		return fine("%s", values)
	}
	return Finding{Severity: Warn, Message: values, Do: "a user waits from the schedule on: quote that latency, or call it service latency of a closed loop"}
}

func synthetic(r Run) Finding {
	switch {
	case r.Synthetic:
		return Finding{
			Severity: Warn, Message: "the tool divided longer intervals evenly: there is no measured ITL",
			Do: "use TPOT; for ITL measure with a client that stamps every chunk",
		}
	case r.Gaps < 0:
		return unknown("")
	}
	return fine("gaps were measured")
}

// serverLoad is T12. By Little's law, the loads on both sides are as the
// latencies on both sides; samples of the load itself are fewer.
func serverLoad(r Run) Finding {
	load, how := r.ServerInFlight, "in "+r.SeenBy
	if known(r.ServerE2EL, r.E2EL) && r.E2EL > 0 && r.mostlyOurs() {
		load, how = r.Concurrency*r.ServerE2EL/r.E2EL, fmt.Sprintf("by a mean E2EL of %.4g ms in %s and %.4g ms here", 1e3*r.ServerE2EL, r.CountedBy, 1e3*r.E2EL)
	}
	if !known(load, r.Concurrency) {
		return unknown(r.ServerMissing)
	}
	values := fmt.Sprintf("%.1f requests on the server (%s), %.1f in flight on the client", load, how, r.Concurrency)
	if r.Concurrency <= 1.1*load+0.5 {
		return fine("%s", values)
	}
	return Finding{Severity: Warn, Message: values, Do: "requests wait outside the server: look at connection limits, a proxy, or the client itself"}
}

// mostlyOurs reports whether means over what the server finished between the
// samples around the run are of our requests.
func (r Run) mostlyOurs() bool {
	return r.Completed > 0 && r.ServerRequests >= float64(r.Completed) && r.ServerRequests <= 2*float64(r.Completed)
}

func clientSaturation(r Run) Finding {
	if !known(r.ServerTTFT, r.TTFT) || r.TTFT == 0 || !r.mostlyOurs() {
		return unknown(r.ServerMissing)
	}
	extra := r.TTFT - r.ServerTTFT
	values := fmt.Sprintf("mean TTFT is %.4g ms on the client, %.4g ms on the server", 1e3*r.TTFT, 1e3*r.ServerTTFT)
	f := Finding{Message: values, Do: "spread the load over more client processes, or use a faster client: its own delay is in every number (vllm#39963)"}
	switch {
	case extra <= 0.1*r.TTFT:
		return fine("%s", values)
	case extra > 0.5*r.TTFT:
		f.Severity = Fail
	default:
		f.Severity = Warn
	}
	return f
}

func roofline(r Run) Finding {
	if !known(r.BytesPerToken, r.MemoryBandwidth, r.TPOT) || r.MemoryBandwidth == 0 || r.TPOT == 0 {
		return unknown("")
	}
	share := r.BytesPerToken / r.TPOT / r.MemoryBandwidth
	values := fmt.Sprintf("%.4g bytes a step every %.4g ms are %.0f %% of the memory bandwidth", r.BytesPerToken, 1e3*r.TPOT, 100*share)
	if share <= 1 {
		return fine("%s", values)
	}
	return Finding{Severity: Fail, Message: values, Do: "no server can do that: tokens are counted that were not decoded one by one, or the clock stands"}
}

func zeros(r Run) Finding {
	if len(r.ZeroStatistics) == 0 {
		return fine("no statistic is zero for want of data")
	}
	return Finding{
		Severity: Warn, Message: "the tool prints 0.0 where it measured nothing: " + strings.Join(r.ZeroStatistics, ", "),
		Do: "read these as missing: a table that averages them is wrong",
	}
}

func swapped(r Run) Finding {
	if !r.SwappedE2EL {
		return fine("no sign of it")
	}
	return Finding{
		Severity: Warn, Message: "mean_e2el_ms and median_e2el_ms of the tool's summary stand for each other, as in vLLM v0.6.0 to v0.6.3",
		Do: "read the one for the other, or the numbers that are recomputed from the requests",
	}
}

// shared is T15: a request on the server that is not ours took part of what was
// measured.
func shared(r Run) Finding {
	most, from := r.MostInFlight, "in flight"
	if !known(most) {
		most, from = r.MaxConcurrency, "asked for"
	}
	if known(r.ServerMost, most) {
		values := fmt.Sprintf("at most %.0f requests on the server (in %s), %.0f of ours %s", r.ServerMost, r.SeenBy, most, from)
		if r.ServerMost > 1.1*most+1 {
			return Finding{Severity: Fail, Message: values, Do: "somebody else used the server: measure again alone"}
		}
		if !r.foreign() {
			return fine("%s", values)
		}
	}
	if !known(r.ServerRequests) || r.Requests < 0 || r.ServerWider > nearby {
		return unknown(r.ServerMissing)
	}
	values := fmt.Sprintf("the server finished %.0f requests between the samples around the run (of %s), the client sent %d", r.ServerRequests, r.CountedBy, r.Requests)
	if r.foreign() {
		return Finding{Severity: Warn, Message: values, Do: "a long warm-up, or somebody else: scrape right before and after each run, and keep the endpoint to yourself"}
	}
	return fine("%s", values)
}

// nearby is how much further apart than the run is long the samples around it
// may lie, in seconds, for what came between to count as during the run.
const nearby = 60

// foreign reports whether the server finished more requests than ours and a
// warm-up of two for each user.
func (r Run) foreign() bool {
	if !known(r.ServerRequests) || r.Requests < 0 || r.ServerWider > nearby {
		return false
	}
	warmup := 3.0
	if known(r.MaxConcurrency) {
		warmup += 2 * r.MaxConcurrency
	}
	return r.ServerRequests > 1.1*float64(r.Requests)+warmup
}

// throttled and stuck are the shares of its clock below which a busy GPU is slower
// than it should be, and another GPU than was asked about. A GB10 at 799 of 2281
// MHz, 96 % busy, decoded 42.7 instead of 73.9 tokens a second.
const (
	throttled = 0.75
	stuck     = 0.6
)

// leastHeld is the share of samples from which it counts that a clock was held down.
// Drivers report a slowdown for a moment where a clock only changes.
const leastHeld = 0.05

// clocks: a GPU that is hot, or was left at a low clock, measures its cooling and
// not the version under test.
func clocks(r Run) Finding {
	if !known(r.ClockRatio) && r.ClockLimits == nil {
		return unknown("")
	}
	text := clockText(r)
	switch {
	case r.ClockRatio < stuck && !r.ClockCapped:
		return Finding{Severity: Fail, Message: text, Do: "find what holds the clock (power mode, heat, a clock that was locked), and run again; where a cap is meant, label the runs with the clock that it allows: max_clock_mhz"}
	case faults(r.ClockLimits):
		return Finding{Severity: Warn, Message: text, Do: "find what heats the GPU, or what its supply lacks, and run again"}
	case r.ClockRatio < throttled && r.ClockCapped:
		return Finding{Severity: Warn, Message: text, Do: "the GPU is at its power cap: compare only runs under the same cap, of GPUs as warm"}
	case r.ClockRatio < throttled:
		return Finding{Severity: Warn, Message: text, Do: "look at temperature and power mode; compare only runs at like clocks"}
	}
	return fine("%s", text)
}

// faults reports whether heat or supply held the clock long enough to count.
func faults(limits []ClockLimit) bool {
	return slices.ContainsFunc(limits, func(l ClockLimit) bool { return l.Fault && l.Share >= leastHeld })
}

// clockText says what the clock was, and what held it down for how much of the run.
func clockText(r Run) string {
	var said, held []string
	if known(r.ClockRatio) {
		said = append(said, fmt.Sprintf("clocks %.2fx: %.0f MHz under load, where %.0f MHz are possible", r.ClockRatio, r.ClockMedian/1e6, r.ClockTop/1e6))
	}
	for _, l := range r.ClockLimits {
		if l.Share >= leastHeld {
			held = append(held, fmt.Sprintf("%s in %.0f %%", l.Reason, 100*l.Share))
		}
	}
	if len(held) > 0 {
		said = append(said, "held down by "+strings.Join(held, ", ")+" of the samples")
	}
	if len(said) == 0 {
		return "hardly ever held down"
	}
	return strings.Join(said, "; ")
}
