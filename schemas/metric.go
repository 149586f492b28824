package schemas

// Better says which direction of a metric is good.
type Better string

// The directions of goodness.
const (
	Lower   Better = "lower"
	Higher  Better = "higher"
	Neither Better = "neither" // a measurement of the load, not of the server
)

// Worse reports whether moving by the ratio candidate/baseline is a change for
// the worse.
func (b Better) Worse(ratio float64) bool {
	switch b {
	case Lower:
		return ratio > 1
	case Higher:
		return ratio < 1
	}
	return false
}

// A Cousin is another tool's metric that resembles ours.
type Cousin struct {
	Tool, Name string
	Same       bool   // equal by definition
	Note       string // how it differs
}

// A Metric is a named, versioned definition of a number. Changing a formula
// means a new Version; results carry the one they were computed under.
type Metric struct {
	ID      string
	Version int
	Name    string // as people say it
	Unit    string // of stored and analysed values: s, tokens/s, requests/s, 1
	Better  Better
	Per     string // what has one value: request, chunk gap, run
	Formula string
	Needs   string // what the log must carry
	Cousins []Cousin
}

// Metrics are the definitions in use, in order of presentation.
var Metrics = []Metric{
	{
		ID: "ttft", Version: 1, Name: "TTFT", Unit: "s", Better: Lower, Per: "request",
		Formula: "t(1) - s", Needs: "ttfts",
		Cousins: []Cousin{
			{"vllm bench serve", "ttft", true, "on chat streams the first chunk carries only the role"},
			{"vLLM /metrics", "vllm:time_to_first_token_seconds", false, "excludes the network and the client"},
			{"inference-perf", "time_to_first_token", false, "first non-empty token"},
		},
	},
	{
		ID: "itl", Version: 1, Name: "ITL", Unit: "s", Better: Lower, Per: "chunk gap",
		Formula: "t(j+1) - t(j), pooled over the run", Needs: "itls",
		Cousins: []Cousin{
			{"vllm bench serve", "itl", true, "a gap between chunks, never divided by the tokens in a chunk"},
			{"AIPerf", "inter_token_latency", false, "mean of one request: our TPOT"},
			{"GuideLLM", "inter_token_latency_ms", false, "mean of one request: our TPOT"},
			{"vLLM /metrics", "vllm:inter_token_latency_seconds", false, "per engine step, on the server"},
		},
	},
	{
		ID: "tpot", Version: 1, Name: "TPOT", Unit: "s", Better: Lower, Per: "request",
		Formula: "(E2EL - TTFT) / (output tokens - 1), for two or more output tokens", Needs: "ttfts, itls, output_lens",
		Cousins: []Cousin{
			{"vllm bench serve", "tpot", true, "on chat streams the tool's clock includes the final usage chunk"},
			{"GuideLLM >= 0.4", "time_per_output_token_ms", false, "includes the first token"},
		},
	},
	{
		ID: "e2el", Version: 1, Name: "E2EL", Unit: "s", Better: Lower, Per: "request",
		Formula: "t(k) - s = TTFT + sum of the gaps", Needs: "ttfts, itls",
		Cousins: []Cousin{
			{"vllm bench serve", "e2el", true, "mean and median swapped in v0.6.0 to v0.6.3; includes the usage chunk on chat streams"},
		},
	},
	{
		ID: "output_throughput", Version: 1, Name: "output throughput", Unit: "tokens/s", Better: Higher, Per: "run",
		Formula: "output tokens of successful requests / duration", Needs: "output_lens, duration",
		Cousins: []Cousin{{"vllm bench serve", "output_throughput", true, ""}},
	},
	{
		ID: "request_throughput", Version: 1, Name: "request throughput", Unit: "requests/s", Better: Higher, Per: "run",
		Formula: "successful requests / duration", Needs: "output_lens, duration",
		Cousins: []Cousin{{"vllm bench serve", "request_throughput", true, ""}},
	},
	{
		ID: "total_token_throughput", Version: 1, Name: "total token throughput", Unit: "tokens/s", Better: Higher, Per: "run",
		Formula: "(input + output tokens of successful requests) / duration", Needs: "input_lens, output_lens, duration",
		Cousins: []Cousin{{"vllm bench serve", "total_token_throughput", true, "input tokens are the server's count from v0.20.0, the client tokenizer's before"}},
	},
	{
		ID: "concurrency", Version: 1, Name: "concurrency", Unit: "requests", Better: Neither, Per: "run",
		Formula: "sum of E2EL / (last end - first start); without start times, / duration", Needs: "ttfts, itls",
		Cousins: []Cousin{
			{"vllm bench serve", "max_concurrent_requests", false, "the busiest 1-second bucket; may exceed max_concurrency"},
		},
	},
	{
		ID: "ttfat", Version: 1, Name: "time to first answer token", Unit: "s", Better: Lower, Per: "request",
		Formula: "first chunk of the answer - s, where reasoning before it is told apart", Needs: "times of both kinds of chunks",
		Cousins: []Cousin{
			{"AIPerf", "time_to_first_output_token", true, ""},
			{"vllm bench serve", "ttft", false, "to the first chunk of either kind"},
		},
	},
	{
		ID: "tpot_token_weighted", Version: 1, Name: "TPOT, token-weighted", Unit: "s", Better: Lower, Per: "run",
		Formula: "sum of (E2EL - TTFT) / sum of (output tokens - 1), over requests of two or more", Needs: "ttfts, itls, output_lens",
		Cousins: []Cousin{
			{"GuideLLM", "inter_token_latency_ms (mean)", true, ""},
			{"vllm bench serve", "mean_tpot_ms", false, "mean of requests: a short request weighs as much as a long one"},
			{"SGLang bench_serving >= 0.5", "mean_itl_ms under speculation", false, "gaps divided by the tokens of their chunk"},
		},
	},
	{
		ID: "steady_output_throughput", Version: 1, Name: "output throughput, steady", Unit: "tokens/s", Better: Higher, Per: "run",
		Formula: "output tokens inside the steady window / its length; a request that it cuts counts by the share of its decoding time inside",
		Needs:   "start_times, ttfts, itls, output_lens",
		Cousins: []Cousin{
			{"SGLang bench_serving", "steady-state throughput", false, "whole requests inside the window (sglang#30918)"},
			{"GuideLLM", "tokens_per_second", false, "over the measured phase, warm-up and cool-down taken off by share"},
		},
	},
	{
		ID: "peak_throughput", Version: 1, Name: "peak throughput", Unit: "tokens/s", Better: Higher, Per: "run",
		Formula: "the most output tokens in any second that ends with a chunk: sliding, not binned", Needs: "start_times, ttfts, itls",
		Cousins: []Cousin{{"vllm bench serve", "max_output_tokens_per_s", false, "1-second bins: may be below the mean (vllm#37666)"}},
	},
	{
		ID: "goodput", Version: 1, Name: "goodput", Unit: "requests/s", Better: Higher, Per: "run",
		Formula: "successful requests that met every objective / duration; the objectives are named with the number", Needs: "ttfts, itls, output_lens, duration",
		Cousins: []Cousin{{"vllm bench serve", "request_goodput", true, "for the same objectives (--goodput)"}},
	},
	{
		ID: "stall_share", Version: 1, Name: "stall share", Unit: "1", Better: Lower, Per: "run",
		Formula: "gaps above 10 x the run's median gap / gaps", Needs: "itls",
	},
	{
		ID: "e2el_from_schedule", Version: 1, Name: "E2EL from schedule", Unit: "s", Better: Lower, Per: "request",
		Formula: "t(k) - when the client meant to send it", Needs: "a schedule",
		Cousins: []Cousin{{"vllm bench serve", "e2el", false, "from when it was sent: waiting in the client is not in it (vllm#54101)"}},
	},
	{
		ID: "failure_rate", Version: 1, Name: "failure rate", Unit: "1", Better: Lower, Per: "run",
		Formula: "failed requests / requests", Needs: "failed, or output_lens",
	},
}

// MetricByID returns the metric called id.
func MetricByID(id string) (Metric, bool) {
	for _, m := range Metrics {
		if m.ID == id {
			return m, true
		}
	}
	return Metric{}, false
}
