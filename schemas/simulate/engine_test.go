package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// calm is a small load point in which nothing is random: 4 users, steps of
// 10 + 4×1 ms, prefills of 50 ms.
func calm() Config {
	return Config{
		Requests: 16, Concurrency: 4, Slots: 8, InputLen: 100, OutputLen: 20,
		ITLBase: 10 * time.Millisecond, ITLSlope: time.Millisecond, TTFTBase: 50 * time.Millisecond,
	}
}

func TestTheSameConfigGivesTheSameTrace(t *testing.T) {
	cfg := calm()
	cfg.GapJitter, cfg.OutputLenSpread, cfg.FailureRate, cfg.Seed = 0.1, 0.5, 0.2, 7
	first, again := mustRun(t, cfg), mustRun(t, cfg)
	if !reflect.DeepEqual(first, again) {
		t.Error("two runs of one config differ")
	}
	cfg.Seed = 8
	if reflect.DeepEqual(first, mustRun(t, cfg)) {
		t.Error("another seed gives the same trace")
	}
}

// A whole life on paper: one user, two requests of two tokens.
func TestTraceOfOneUser(t *testing.T) {
	cfg := calm()
	cfg.Requests, cfg.Concurrency, cfg.OutputLen = 2, 1, 2
	var got strings.Builder
	for _, r := range mustRun(t, cfg).Requests {
		fmt.Fprintln(&got, "sent", r.Start, "admitted", r.Admitted, "ready", r.Ready, "TTFT", r.TTFT, "gaps", r.Gaps, "end", r.End)
	}
	want := `sent 0s admitted 0s ready 50ms TTFT 61ms gaps [11ms] end 72ms
sent 72ms admitted 72ms ready 122ms TTFT 61ms gaps [11ms] end 144ms
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", &got, want)
	}
}

func TestSlowdownScalesEverythingThatTakesTime(t *testing.T) {
	cfg := calm()
	plain := mustRun(t, cfg).Summary()
	cfg.Slowdown = 1.36
	slow := mustRun(t, cfg).Summary()
	near(t, "ITL", slow.ITL.Mean/plain.ITL.Mean, 1.36, 1e-9)
	near(t, "TTFT", slow.TTFT.Mean/plain.TTFT.Mean, 1.36, 1e-9)
	near(t, "throughput", plain.OutputThroughput/slow.OutputThroughput, 1.36, 1e-9)
}

func TestWarmupSlowsTheFirstWaveAndNothingAfterIt(t *testing.T) {
	cfg := calm()
	cfg.Warmup = 0.4
	for i, r := range mustRun(t, cfg).Requests {
		want := 64 * time.Millisecond // 50 + 14
		if i < 4 {
			want = want * 14 / 10
		}
		if r.TTFT != want {
			t.Errorf("request %d has a TTFT of %v, want %v", i, r.TTFT, want)
		}
	}
}

// Jitter belongs to a step and not to a sequence, so the sequences of a batch see
// the same gaps, and the mean stays where the model puts it.
func TestGapJitterIsSharedByTheBatchAndKeepsTheMean(t *testing.T) {
	cfg := calm()
	cfg.Requests, cfg.GapJitter = 4000, 0.2
	trace := mustRun(t, cfg)
	if !reflect.DeepEqual(trace.Requests[0].Gaps, trace.Requests[3].Gaps) {
		t.Error("two sequences of one batch saw different gaps")
	}
	itl := trace.Summary().ITL
	near(t, "mean ITL", itl.Mean, 14, 0.005)
	near(t, "coefficient of variation of ITL", itl.Std/itl.Mean, 0.2, 0.03)
}

// A prefill can only disturb a batch that decodes meanwhile: requests must come
// at different times.
func TestPrefillInterferenceSlowsStepsBesideAPrefill(t *testing.T) {
	cfg := calm()
	cfg.Requests, cfg.OutputLenSpread = 400, 0.8
	plain := mustRun(t, cfg).Summary()
	cfg.PrefillInterference = 0.5
	disturbed := mustRun(t, cfg).Summary()
	if ratio := disturbed.ITL.Mean / plain.ITL.Mean; ratio < 1.1 || ratio > 1.5*1.5*1.5 {
		t.Errorf("ITL grew by a factor of %.3f; want it to grow, and by at most three prefills at once", ratio)
	}
	if disturbed.ITL.P99 <= 1.4*plain.ITL.P99 {
		t.Errorf("P99 of ITL grew from %.1f to %.1f ms; want the disturbed steps to show", plain.ITL.P99, disturbed.ITL.P99)
	}
}

func TestFailedRequestsTakeASlotUntilTheirFirstTokenAndLeaveNoTimes(t *testing.T) {
	cfg := calm()
	cfg.Requests, cfg.FailureRate = 20_000, 0.03
	failed := 0
	for i, r := range mustRun(t, cfg).Requests {
		if r.OK() {
			continue
		}
		failed++
		if r.TTFT != 0 || r.Gaps != nil || r.OutputTokens != 0 || r.Err != errNoChunk {
			t.Fatalf("failed request %d carries %+v", i, r)
		}
		if r.End <= r.Ready {
			t.Fatalf("failed request %d ended at %v, before its first token was due", i, r.End)
		}
	}
	near(t, "failure rate", float64(failed)/20_000, 0.03, 0.1)
}

// Without a limit on the client, requests at an infinite rate queue in the
// server and not in the client: TTFT contains the wait.
func TestWithoutAClientLimitTheQueueIsInTheServer(t *testing.T) {
	cfg := calm()
	cfg.Concurrency, cfg.Slots = 0, 4
	trace := mustRun(t, cfg)
	last := trace.Requests[15]
	if last.Start != 0 || last.TTFT < 3*time.Duration(20*14)*time.Millisecond {
		t.Errorf("last request was sent at %v with a TTFT of %v; want 0 and three rounds", last.Start, last.TTFT)
	}
}

func TestLengthsAreUniformAroundOutputLen(t *testing.T) {
	n := lengths(Config{Requests: 50_000, OutputLen: 100, OutputLenSpread: 0.5})
	var sum float64
	for _, l := range n {
		if l < 50 || l > 150 {
			t.Fatalf("length %d is outside 50 … 150", l)
		}
		sum += float64(l)
	}
	near(t, "mean length", sum/50_000, 100, 0.005)
}

func TestConfigThatCannotBeSimulatedSaysWhatToGive(t *testing.T) {
	for want, spoil := range map[string]func(*Config){
		"requests is 0: give at least 1":                                       func(c *Config) { c.Requests = 0 },
		"concurrency is -1: give a positive number":                            func(c *Config) { c.Concurrency = -1 },
		"output length is 0: give at least 1 token":                            func(c *Config) { c.OutputLen = 0 },
		"takes no time: give a positive itl base or slope":                     func(c *Config) { c.ITLBase, c.ITLSlope = 0, 0 },
		"request rate is NaN: give a positive number":                          func(c *Config) { c.RequestRate = math.NaN() },
		"output length spread is 1.5: give 0 to 1":                             func(c *Config) { c.OutputLenSpread = 1.5 },
		"failure rate is -0.1: give 0 to 1":                                    func(c *Config) { c.FailureRate = -0.1 },
		"slowdown is +Inf: give a positive factor":                             func(c *Config) { c.Slowdown = math.Inf(1) },
		"gap jitter is -1: give a coefficient of variation, such as 0.05":      func(c *Config) { c.GapJitter = -1 },
		"a prefill of -1ms + 0s per other request is negative: give 0 or more": func(c *Config) { c.TTFTBase = -time.Millisecond },
	} {
		cfg := calm()
		spoil(&cfg)
		if _, err := Run(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestLogNormalFactorsHaveMeanOneAndTheGivenVariation(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float64, 100_000)
	for i := range x {
		x[i] = logNormal(rng, logVariance(0.3))
	}
	d := distribution(x)
	near(t, "mean", d.Mean/1000, 1, 0.005)
	near(t, "coefficient of variation", d.Std/d.Mean, 0.3, 0.02)
}
