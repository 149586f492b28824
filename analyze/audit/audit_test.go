package audit_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/audit"
)

// run is a healthy closed-loop run: c users, N tokens, and throughput that
// follows from the latencies. Tests bend one number at a time.
func run(c, n, ttft, tpot float64) audit.Run {
	r := audit.NewRun()
	r.MaxConcurrency, r.ClosedLoop, r.Concurrency = c, true, c
	r.OutputThroughput, r.TTFT, r.TPOT, r.OutputLen = c*n/(ttft+(n-1)*tpot), ttft, tpot, n
	r.Requests, r.Completed, r.Failed, r.Suspect, r.Gaps = 200, 200, 0, 0, int64(200*(n-1))
	return r
}

func fired(r audit.Run) string {
	var out []string
	for _, f := range audit.Fired(audit.Check(r)) {
		out = append(out, fmt.Sprintf("%s %s", strings.Fields(f.Check)[0], f.Severity))
	}
	return strings.Join(out, ", ")
}

func TestHealthyRunIsSilent(t *testing.T) {
	for _, r := range []audit.Run{run(1, 128, 0.06, 0.014), run(32, 128, 0.7, 0.066), run(1, 256, 7.65, 0.027)} {
		if got := fired(r); got != "" {
			t.Errorf("fired %s", got)
		}
	}
}

// The article's two c=1 rows: 65.67 tok/s at 14.18 ms fits, 19.04 tok/s at
// 14.32 ms leaves 73 % of the wall time unexplained. Neither gives a TTFT.
func TestArticlesTwoRowsAtConcurrencyOne(t *testing.T) {
	published := func(x, tpot float64) audit.Run {
		r := audit.NewRun()
		r.MaxConcurrency, r.ClosedLoop, r.OutputThroughput, r.TPOT = 1, true, x, tpot
		return r
	}
	if got := fired(published(65.67, 0.01418)); got != "" {
		t.Errorf("65.67 tok/s at 14.18 ms fired %s", got)
	}
	found := audit.Fired(audit.Check(published(19.04, 0.01432)))
	if len(found) != 1 || found[0].Severity != audit.Fail {
		t.Fatalf("19.04 tok/s at 14.32 ms: %v", found)
	}
	for _, want := range []string{"0.273", "69.8 tokens/s", "73 %"} {
		if !strings.Contains(found[0].Message, want) {
			t.Errorf("%q does not say %s", found[0].Message, want)
		}
	}
}

// Vultr's Nemotron Nano table (2xB200, N=512): the 1024 row has the achieved
// concurrency of the 512 row. L by Little's law from the published averages.
func TestVultrsHighestRowIsNotReached(t *testing.T) {
	r := audit.NewRun()
	r.MaxConcurrency, r.ClosedLoop, r.Concurrency = 1024, true, 384.8
	if got := fired(r); got != "T1 FAIL" {
		t.Errorf("asked 1024, achieved 385: fired %q", got)
	}
	r.MaxConcurrency, r.Concurrency = 128, 114.5
	if got := fired(r); got != "T1 WARN" {
		t.Errorf("asked 128, achieved 114.5: fired %q", got)
	}
}

// Rows that others published, and what their own numbers say of them: by the
// identity X = c N / (TTFT + (N-1) TPOT), and by Little's law from it.
func TestPublishedRowsAgainstTheirIdentity(t *testing.T) {
	const vultr = "Vultr, Nemotron Nano 30B FP8 on 2xB200"
	for _, c := range []struct {
		row        string
		c, n       float64
		x          float64 // tokens/s
		ttft, tpot float64 // ms
		want       string
		share      string // X over what the identity asks for
	}{
		{vultr, 1, 512, 277, 362, 2.91, "", "1.000"},
		{vultr, 8, 512, 1881, 152, 3.96, "", "0.999"},
		{vultr, 32, 512, 3798, 206, 7.86, "", "0.979"},
		{vultr, 64, 512, 8120, 324, 6.74, "", "0.934"},
		{vultr, 128, 512, 11556, 520, 8.91, "T1 WARN, T2 WARN", "0.895"},
		{vultr, 256, 512, 15552, 1254, 11.77, "T1 WARN, T2 WARN", "0.862"},
		{vultr, 512, 512, 18746, 2610, 15.46, "T1 WARN, T2 WARN", "0.752"},
		{vultr, 1024, 512, 18829, 2563, 15.46, "T1 FAIL, T2 FAIL", "0.376"},
		{"vllm#41306, Llama-8B, v0.19.0", 1, 512, 340, 46.2, 2.85, "", "0.998"},
		{"vllm#41306, Llama-8B, v0.20.0", 1, 512, 338, 47.3, 2.87, "", "0.999"},
		{"vllm#41306, Llama-70B, v0.19.0", 1, 512, 125, 160.6, 7.56, "", "0.982"},
		{"vllm#41306, Mixtral, v0.19.0: a sixth of the time is in neither TTFT nor TPOT, and the other models' rows close", 1, 512, 306, 55.2, 2.66, "T1 WARN, T2 WARN", "0.845"},
		{"vllm#41306, Mixtral, v0.20.0: the same, so the regression is real and its size is not known", 1, 512, 248, 87.7, 3.22, "T1 WARN, T2 WARN", "0.839"},
		{"vllm#41306, DeepSeek-V2, v0.20.0", 1, 512, 106, 167.0, 9.14, "", "1.002"},
		{"wangjunjian.com, Qwen3-8B BF16 on Thor", 8, 124.19, 82.47, 974.57, 85.33, "", "0.953"},
		{"wangjunjian.com, the same alone", 1, 128, 15.69, 78.19, 63.63, "", "1.000"},
	} {
		r := audit.NewRun()
		r.MaxConcurrency, r.ClosedLoop, r.OutputLen, r.OutputThroughput, r.TTFT, r.TPOT = c.c, true, c.n, c.x, c.ttft/1e3, c.tpot/1e3
		r.Concurrency = c.x / c.n * (r.TTFT + (c.n-1)*r.TPOT)
		if got := fired(r); got != c.want {
			t.Errorf("%s at c=%.0f: fired %q, want %q", c.row, c.c, got, c.want)
		}
		if got := messageOf(r, "T2 throughput identity"); !strings.Contains(got, c.share) {
			t.Errorf("%s at c=%.0f: %q does not say %s", c.row, c.c, got, c.share)
		}
	}
}

func messageOf(r audit.Run, check string) string {
	for _, f := range audit.Check(r) {
		if f.Check == check {
			return f.Message
		}
	}
	return ""
}

func TestEachCheckFiresAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		bend func(*audit.Run)
		want string
	}{
		{"some failed", func(r *audit.Run) { r.Failed = 2 }, "failed WARN"},
		{"most failed: what is left is a selection", func(r *audit.Run) { r.Requests, r.Failed = 400, 200 }, "failed FAIL"},
		{"all failed", func(r *audit.Run) { r.Failed, r.Completed, r.OutputThroughput = 200, 0, 0 }, "failed FAIL"},
		{"no chunk came", func(r *audit.Run) { r.Suspect = 1 }, "suspect WARN"},
		{"identity gap of 15 %", func(r *audit.Run) { r.OutputThroughput *= 0.845 }, "T2 WARN"},
		{"identity gap of 40 %", func(r *audit.Run) { r.OutputThroughput *= 0.6 }, "T2 FAIL"},
		{"more streams than users", func(r *audit.Run) { r.TTFT, r.OutputThroughput = math.NaN(), r.OutputThroughput*1.2 }, "T4 FAIL"},
		{"two tokens a chunk", func(r *audit.Run) { r.Gaps /= 2 }, "T6 WARN"},
		{"a chat stream's role chunk", func(r *audit.Run) { r.Gaps += r.Completed }, "T5 WARN"},
		{"reasoning is not counted", func(r *audit.Run) { r.Gaps *= 2 }, "T5 FAIL"},
		{"a client that tokenises the text again", func(r *audit.Run) { r.ServerRequests, r.ServerTokens = 200, 200*128*1.051 }, "T5 FAIL"},
		{"the ramp is a third of the run", func(r *audit.Run) {
			r.Concurrency, r.OutputThroughput, r.SteadyLoad = 5.2, r.OutputThroughput*0.65, 7.9
		}, "T1 WARN, T2 WARN"},
		{"idle between requests", func(r *audit.Run) { r.Idle = 0.2 }, "T3 WARN"},
		{"wangjunjian.com, Qwen3-8B on Thor, c=8: mean ITL 85.33 ms, median 72.52 ms, p99 361.74 ms", func(r *audit.Run) { r.ITL, r.ITLMedian, r.ITLp99 = 0.08533, 0.07252, 0.36174 }, "T7 WARN"},
		{"prefills interrupt decoding", func(r *audit.Run) { r.ITL, r.ITLMedian, r.ITLp99 = 0.0853, 0.0608, 0.362 }, "T7 WARN"},
		{"chunks in bundles", func(r *audit.Run) { r.ITL, r.ITLMedian, r.ITLp99, r.Crowded = 0.02, 0.02, 0.05, 0.3 }, "T7 WARN"},
		{"every answer is one token", func(r *audit.Run) { r.OneToken = 1 }, "one-token FAIL"},
		{"few prompts", func(r *audit.Run) { r.Prompts = 16 }, "T11 WARN"},
		{"kernels compiled in the run", func(r *audit.Run) { r.FirstTTFT = 40 }, "cold WARN"},
		{"a cold engine", func(r *audit.Run) { r.ColdStart, r.ColdSlowdown = 5, 1.4 }, "cold WARN"},
		{"a shared seed", func(r *audit.Run) { r.CachedShare = 0.929 }, "prefix WARN"},
		{"late dispatch", func(r *audit.Run) { r.DispatchDelay, r.E2EL, r.FromSchedule = 1.426, 0.506, 1.932 }, "coordinated WARN"},
		{"gaps made up", func(r *audit.Run) { r.Synthetic = true }, "synthetic WARN"},
		{"a slow client", func(r *audit.Run) { r.ServerRequests, r.ServerTTFT = 200, 0.02 }, "client FAIL"},
		{"faster than memory", func(r *audit.Run) { r.BytesPerToken, r.MemoryBandwidth = 8e9, 273e9 }, "T13 FAIL"},
		{"a summary of vLLM v0.6.2", func(r *audit.Run) { r.SwappedE2EL = true }, "swapped WARN"},
		{"NVIDIA's bench_vllm.sh, whose grab() returns 0.0 where it finds nothing", func(r *audit.Run) { r.ZeroStatistics = []string{"mean_itl_ms"} }, "T14 WARN"},
		{"a neighbour on the endpoint", func(r *audit.Run) { r.ServerInFlight, r.ServerMost = 14, 15 }, "T15 FAIL"},
		{"requests wait outside the server", func(r *audit.Run) { r.ServerInFlight = 4 }, "T12 WARN"},
		{"the file ends early", func(r *audit.Run) { r.Truncated = true }, "truncated WARN"},
		{"open loop may idle", func(r *audit.Run) { r.ClosedLoop, r.Concurrency = false, 1; r.OutputThroughput /= 10 }, ""},
	} {
		r := run(8, 128, 0.1, 0.02)
		c.bend(&r)
		if got := fired(r); got != c.want {
			t.Errorf("%s: fired %q, want %q", c.name, got, c.want)
		}
	}
}

// The server's own counters between the scrapes around a run. The client warms up
// with two requests that no result file holds, so the counters hold more than the
// client's sums, and that alone is no fault.
func TestServersCountIsHeldAgainstTheClients(t *testing.T) {
	const requests, output, input = 64, 48, 64
	for _, c := range []struct {
		story string
		bend  func(*audit.Run)
		want  string
		says  string
	}{
		{"both agree, but for a warm-up of two requests", func(*audit.Run) {}, "", "3168 output tokens in 66 requests (48 each)"},
		{"no warm-up", func(r *audit.Run) { r.ServerRequests, r.ServerTokens, r.ServerPrompt = 64, 64*output, 64*input }, "", "in 64 requests"},
		{"inference-perf#566 seen from the server: a client that counts a BOS with each chunk has twice the tokens", func(r *audit.Run) {
			r.ServerRequests, r.ServerTokens = 64, 64*output/2
		}, "T5 FAIL", "the server counted 1536 output tokens"},
		{"reasoning that the client drops: the warm-up does not explain it", func(r *audit.Run) { r.ServerTokens = 66 * output * 1.5 }, "T5 FAIL", "72 each"},
		{"a scrape too early: the server had finished 60 of 64", func(r *audit.Run) { r.ServerRequests, r.ServerTokens = 60, 60*output }, "T5 FAIL", "in 60 requests"},
		{"counters of tokens alone, and some more of them: other requests may have made them", func(r *audit.Run) {
			r.ServerRequests, r.ServerTokens = math.NaN(), 66*output
		}, "", "the server counted 3168 output tokens, the client 3072"},
		{"a chat template adds twenty tokens to each prompt", func(r *audit.Run) {
			r.ServerRequests, r.ServerTokens, r.ServerPrompt = 64, 64*output, 64*(input+20)
		}, "T5 WARN", "5376 prompt tokens"},
		{"a long queue outside the server: a connection limit of 4 for 8 users", func(r *audit.Run) { r.ServerE2EL = r.E2EL / 2 }, "T12 WARN", "4.0 requests on the server"},
		{"client and server share a core, and the client's TTFT is a fifth longer", func(r *audit.Run) { r.ServerTTFT = 0.8 * r.TTFT }, "client WARN", "100 ms on the client, 80 ms on the server"},
		{"trap 110: a neighbour's requests between the scrapes", func(r *audit.Run) { r.ServerRequests, r.ServerTokens = 110, 110*output }, "T15 WARN", "finished 110 requests"},
		{"the same between scrapes that lie a day apart says nothing", func(r *audit.Run) {
			r.ServerRequests, r.ServerTokens, r.ServerWider = 110, 110*output, 86400
		}, "", ""},
		{"one sample of 9 requests for 8 users: one ends while the next begins", func(r *audit.Run) { r.ServerMost = 9 }, "", ""},
		{"a sample of 12 requests for 8 users", func(r *audit.Run) { r.ServerMost = 12 }, "T15 FAIL", "at most 12 requests"},
	} {
		r := run(8, output, 0.1, 0.02)
		r.Requests, r.Completed, r.Gaps, r.Prompts = requests, requests, requests*(output-1), requests
		r.InputLen, r.E2EL, r.MostInFlight = input, 0.1+47*0.02, 8
		r.ServerRequests, r.ServerTokens, r.ServerPrompt, r.ServerWider = requests+2, (requests+2)*output, (requests+2)*input, 2
		r.ServerE2EL, r.ServerTTFT = r.E2EL, r.TTFT
		c.bend(&r)
		if got := fired(r); got != c.want {
			t.Errorf("%s: fired %q, want %q", c.story, got, c.want)
		}
		if said := fmt.Sprint(audit.Check(r)); !strings.Contains(said, c.says) {
			t.Errorf("%s: nothing says %q", c.story, c.says)
		}
	}
}

// Why the server's side is not known is what a check lacks.
func TestWhatTheServersSideLacksIsSaid(t *testing.T) {
	r := run(8, 128, 0.1, 0.02)
	r.ServerMissing = "the zone of the client's clock"
	for _, f := range audit.Check(r) {
		server := strings.HasPrefix(f.Check, "T12") || strings.HasPrefix(f.Check, "T15") || f.Check == "client saturation"
		if server && (f.Severity != audit.NotComputable || f.Missing != r.ServerMissing) {
			t.Errorf("%s: %+v", f.Check, f)
		}
	}
}

// Every check can be asked, answers for a run of which nothing is known that it
// cannot be computed or has nothing to say, and says what it lacks.
func TestNothingKnownIsNotOK(t *testing.T) {
	for _, f := range audit.Check(audit.NewRun()) {
		if f.Severity == audit.Warn || f.Severity == audit.Fail {
			t.Errorf("%s fired on nothing: %s", f.Check, f.Message)
		}
		if f.Severity == audit.NotComputable && f.Missing == "" {
			t.Errorf("%s does not say what it lacks", f.Check)
		}
	}
	for _, f := range audit.CheckGroup(nil) {
		if f.Severity != audit.NotComputable || f.Missing == "" {
			t.Errorf("%s of no runs: %+v", f.Check, f)
		}
	}
	seen := map[string]bool{}
	for _, d := range audit.Catalogue() {
		if seen[d.Check] || d.Question == "" || d.Fires == "" || d.Needs == "" {
			t.Errorf("catalogue: %+v", d)
		}
		seen[d.Check] = true
	}
}

func TestGroupChecks(t *testing.T) {
	// sweep is two runs a level on starts of their own, without fault.
	sweep := func() []audit.Member {
		var out []audit.Member
		for start := range 2 {
			for i, level := range []float64{1, 8, 32} {
				out = append(out, audit.Member{
					Name: fmt.Sprintf("run%d-c%g", start, level), Start: fmt.Sprintf("s%d", start), Level: level, Order: 3*start + i,
					Workload: fmt.Sprint(level), Dataset: "random", InputLen: 512, OutputLen: 128, TTFT: 0.1 * level, TPOT: 0.01 + 0.001*level, OutputThroughput: 50 * level,
				})
			}
		}
		return out
	}
	for _, c := range []struct {
		name string
		bend func([]audit.Member) []audit.Member
		want string
	}{
		{"nothing", func(m []audit.Member) []audit.Member { return m }, ""},
		{"the article's two rows", func(m []audit.Member) []audit.Member {
			m[0].OutputThroughput, m[3].OutputThroughput = 65.67, 19.04
			return m
		}, "T8 FAIL"},
		{"a repeat 40 % faster", func(m []audit.Member) []audit.Member { m[1].OutputThroughput *= 1.4; return m }, "T8 WARN"},
		{"Vultr's c=32 against c=64", func(m []audit.Member) []audit.Member { m[2].TPOT, m[5].TPOT = 0.01, 0.01; return m }, "T10 WARN"},
		{"longer prompts at one level", func(m []audit.Member) []audit.Member { m[2].InputLen, m[5].InputLen = 600, 600; return m }, "T16 WARN"},
		{"two datasets", func(m []audit.Member) []audit.Member { m[2].Dataset = "sharegpt"; return m }, "T16 WARN"},
		{"answers get shorter", func(m []audit.Member) []audit.Member { m[4].OutputLen = 120; return m }, "T16 WARN, output-length WARN"},
		{"all repeats on one start", func(m []audit.Member) []audit.Member {
			for i := range m {
				m[i].Start = "s"
			}
			return m
		}, "repeats WARN"},
		{"a warm repeat", func(m []audit.Member) []audit.Member {
			for i := range m {
				m[i].Start = "s"
			}
			m[4].TTFT /= 49
			return m
		}, "repeats WARN, warm WARN"},
		{"one start measured by an older client", func(m []audit.Member) []audit.Member {
			for i := range m {
				m[i].Client = map[string]bool{"from v0.15.0 on x": i >= 3}
			}
			return m
		}, "one WARN"},
		{"the same with the cache off", func(m []audit.Member) []audit.Member {
			for i := range m {
				m[i].Start, m[i].CacheOff = "s", true
			}
			m[4].TTFT /= 49
			return m
		}, "repeats WARN"},
	} {
		var got []string
		for _, f := range audit.Fired(audit.CheckGroup(c.bend(sweep()))) {
			got = append(got, fmt.Sprintf("%s %s", strings.Fields(f.Check)[0], f.Severity))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: fired %q, want %q", c.name, got, c.want)
		}
	}
}

// A GPU at its clock is fine, also at its power cap, which is how it is sold. Heat
// and a weak supply are faults, a moment of which is none: drivers report a slowdown
// where a clock only changes.
func TestWhatHoldsTheClock(t *testing.T) {
	limited := func(ratio float64, limits ...audit.ClockLimit) audit.Run {
		r := run(8, 128, 0.1, 0.02)
		r.ClockRatio, r.ClockMedian, r.ClockTop, r.ClockLimits = ratio, 1980e6*ratio, 1980e6, limits
		return r
	}
	powerCap := audit.ClockLimit{Reason: "the power cap", Share: 0.98}
	for _, test := range []struct {
		name  string
		run   audit.Run
		fired string
	}{
		{"nothing", limited(1), ""},
		{"the power cap", limited(0.8, powerCap), ""},
		{"the power cap, at half of the clock", func() audit.Run { r := limited(0.5, powerCap); r.ClockCapped = true; return r }(), "GPU WARN"},
		{"a moment of slowdown", limited(1, audit.ClockLimit{Reason: "hardware slowdown", Share: 0.01, Fault: true}), ""},
		{"heat", limited(0.9, powerCap, audit.ClockLimit{Reason: "heat (driver)", Share: 0.3, Fault: true}), "GPU WARN"},
		{"heat, of a clock that nobody recorded", limited(math.NaN(), audit.ClockLimit{Reason: "heat (driver)", Share: 0.3, Fault: true}), "GPU WARN"},
		{"heat, at half of the clock", limited(0.5, audit.ClockLimit{Reason: "heat (driver)", Share: 1, Fault: true}), "GPU FAIL"},
	} {
		if got := fired(test.run); got != test.fired {
			t.Errorf("%s: fired %q, want %q", test.name, got, test.fired)
		}
	}
}
