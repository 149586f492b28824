package simulate

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

// closedLoop is the closed_loop table of queue_known_answers.json in the
// project's known answers: alpha 10 ms, beta 0.4 ms, 64 slots, 100 tokens, no
// prefill. It was computed from the formulas and confirmed by an independent
// simulation.
var closedLoop = []struct {
	users                 int
	itl, throughput, ttft float64 // s, tokens/s, s
}{
	{1, 0.0104, 96.15384615384616, 0.0104},
	{2, 0.0108, 185.18518518518516, 0.0108},
	{4, 0.0116, 344.8275862068965, 0.0116},
	{8, 0.0132, 606.0606060606061, 0.0132},
	{16, 0.0164, 975.6097560975609, 0.0164},
	{32, 0.0228, 1403.5087719298244, 0.0228},
	{64, 0.0356, 1797.7528089887642, 0.0356},
	{96, 0.0356, 1797.7528089887642, 1.8156},
	{128, 0.0356, 1797.7528089887642, 3.5956},
	{192, 0.0356, 1797.7528089887642, 7.1556},
	{256, 0.0356, 1797.7528089887642, 10.7156},
}

func closedLoopConfig(users int) Config {
	return Config{
		Requests: 10 * users, Concurrency: users, Slots: 64, OutputLen: 100,
		ITLBase: 10 * time.Millisecond, ITLSlope: 400 * time.Microsecond,
	}
}

func TestClosedLoopHasTheKnownLatencyAndThroughput(t *testing.T) {
	for _, want := range closedLoop {
		t.Run(fmt.Sprint(want.users, " users"), func(t *testing.T) {
			trace := mustRun(t, closedLoopConfig(want.users))
			steady := trace.steady(want.users)
			near(t, "ITL", steady.itl, want.itl, 0.005)
			near(t, "throughput", steady.throughput, want.throughput, 0.005)
			near(t, "TTFT", steady.ttft, want.ttft, 0.005)
		})
	}
}

// A prefill occupies its slot without slowing anyone, so it shows in TTFT and in
// throughput and not in ITL.
func TestPrefillHoldsASlotAndLeavesITLAlone(t *testing.T) {
	const prefill, tokens, slots = 0.060, 100, 64
	for _, users := range []int{1, 8, 64, 128, 256} {
		t.Run(fmt.Sprint(users, " users"), func(t *testing.T) {
			cfg := closedLoopConfig(users)
			cfg.TTFTBase = 60 * time.Millisecond
			steady := mustRun(t, cfg).steady(users)

			running := float64(min(users, slots))
			itl := 0.010 + 0.0004*running
			hold := prefill + tokens*itl
			near(t, "ITL", steady.itl, itl, 0.005)
			near(t, "slot hold", steady.hold, hold, 0.005)
			near(t, "throughput", steady.throughput, running*tokens/hold, 0.005)
			near(t, "TTFT", steady.ttft, prefill+itl+max(0, float64(users)-slots)/slots*hold, 0.005)
		})
	}
}

func TestPrefillGrowsWithTheOtherRequestsInSlots(t *testing.T) {
	cfg := closedLoopConfig(8)
	cfg.TTFTBase, cfg.TTFTSlope = 60*time.Millisecond, 10*time.Millisecond
	near(t, "TTFT", mustRun(t, cfg).steady(8).ttft, 0.060+7*0.010+0.0132, 1e-9)
}

// Ragged lengths break the step of the users: some prefill while others decode,
// and the batch gets thinner by their share.
func TestRaggedLengthsThinTheBatch(t *testing.T) {
	cfg := closedLoopConfig(16)
	cfg.Requests, cfg.OutputLenSpread, cfg.TTFTBase = 4000, 0.5, 233*time.Millisecond
	steady := mustRun(t, cfg).steady(16)

	notDecoding := 0.233 + steady.itl/2 // prefill and the wait for a step boundary
	near(t, "ITL of the thinned batch", steady.itl, 0.010+0.0004*16*(1-notDecoding/steady.hold), 0.005)
}

// Steps take 10 ms whatever runs, arrivals come at any time, and the batch is
// never empty: a request waits 5 ms for the step boundary, and one step.
func TestAnArrivalWaitsHalfAStepToJoinTheBatch(t *testing.T) {
	trace := mustRun(t, Config{Requests: 20_000, RequestRate: 50, OutputLen: 100, ITLBase: 10 * time.Millisecond})
	near(t, "TTFT", trace.steady(100).ttft, 0.015, 0.01)
}

// phi1 is Inoue's bound on the mean latency of the batch-service queue.
func phi1(alpha, tau0, lambda float64) float64 {
	rho := lambda * alpha
	return 1.5*tau0/(1-rho) + alpha/2*(rho+2)/(1-rho*rho)
}

func TestBatchQueueMeetsInouesBound(t *testing.T) {
	for _, q := range []struct{ alpha, tau0, rho float64 }{
		{0.1438, 1.8874, 0.3},
		{0.1438, 1.8874, 0.5},
		{0.05, 1.0, 0.7},
	} {
		t.Run(fmt.Sprintf("rho %g", q.rho), func(t *testing.T) {
			lambda := q.rho / q.alpha
			near(t, "mean latency", BatchQueue(1, q.alpha, q.tau0, lambda, 4_000_000), phi1(q.alpha, q.tau0, lambda), 0.003)
		})
	}
}

// The engine of the simulator itself is the same queue when a request is one
// token and slots are unlimited: the step takes all who wait.
func TestEngineMeetsInouesBound(t *testing.T) {
	for _, q := range []struct{ alpha, tau0, rho float64 }{
		{0.1438, 1.8874, 0.3},
		{0.1438, 1.8874, 0.5},
		{0.05, 1.0, 0.7},
	} {
		t.Run(fmt.Sprintf("rho %g", q.rho), func(t *testing.T) {
			lambda := q.rho / q.alpha
			trace := mustRun(t, Config{
				Requests: 400_000, RequestRate: lambda, OutputLen: 1,
				ITLBase: time.Duration(q.tau0 * 1e9), ITLSlope: time.Duration(q.alpha * 1e9),
			})
			near(t, "mean latency", trace.Summary().E2EL.Mean/1000, phi1(q.alpha, q.tau0, lambda), 0.003)
		})
	}
}

// With one slot and constant lengths the engine is the M/D/1 queue. Request by
// request it must follow Lindley's recursion; on average the wait must be
// rho/(2(1-rho)) services (Pollaczek and Khinchine), to about three standard
// errors.
func TestOneSlotIsTheMD1Queue(t *testing.T) {
	for _, rho := range []float64{0.3, 0.6} {
		const service = 100 * time.Millisecond // 2 tokens of 50 ms
		trace := mustRun(t, Config{
			Requests: 400_000, RequestRate: rho / service.Seconds(), Slots: 1, OutputLen: 2, ITLBase: 50 * time.Millisecond,
		})
		var free time.Duration
		for i := range trace.Requests {
			r := &trace.Requests[i]
			if free = max(free, r.Start) + service; r.End != free {
				t.Fatalf("rho %g: request %d ended at %v, want %v", rho, i, r.End, free)
			}
		}
		near(t, fmt.Sprintf("latency at rho %g", rho), trace.Summary().E2EL.Mean/1000, service.Seconds()*(1+rho/(2*(1-rho))), 0.009)
	}
}

func TestOpenLoopArrivalsArePoisson(t *testing.T) {
	const n, rate = 50_000, 20.0
	trace := mustRun(t, Config{Requests: n, RequestRate: rate, OutputLen: 1, ITLBase: time.Millisecond})
	var gaps []float64
	for i := 1; i < n; i++ {
		gaps = append(gaps, seconds(trace.Requests[i].Start-trace.Requests[i-1].Start))
	}
	d := distribution(gaps)
	// The mean of n exponential gaps has a standard error of 1/sqrt(n); their
	// standard deviation equals their mean, with about twice that error.
	near(t, "mean gap", d.Mean, 1000/rate, 4/math.Sqrt(n))
	near(t, "standard deviation of the gaps", d.Std, 1000/rate, 8/math.Sqrt(n))
}

// Little's law: the in-flight curve, integrated over time, is the sum of the
// latencies. It holds for any load, and fails if a request is lost, counted
// twice or ended at another time than its tokens say.
func TestInFlightCurveObeysLittlesLaw(t *testing.T) {
	loads := map[string]Config{
		"closed loop": {Concurrency: 24},
		"open loop":   {RequestRate: 12},
		"capped":      {RequestRate: 12, Concurrency: 10},
	}
	for name, cfg := range loads {
		t.Run(name, func(t *testing.T) {
			cfg.Requests, cfg.Slots, cfg.OutputLen, cfg.OutputLenSpread = 2000, 16, 50, 0.8
			cfg.ITLBase, cfg.ITLSlope, cfg.TTFTBase = 10*time.Millisecond, time.Millisecond, 30*time.Millisecond
			cfg.GapJitter, cfg.PrefillInterference, cfg.FailureRate = 0.1, 0.2, 0.05
			trace := mustRun(t, cfg)

			var latencies time.Duration
			for i := range trace.Requests {
				latencies += trace.Requests[i].E2EL()
			}
			area, peak := trace.inFlight()
			if area != latencies {
				t.Errorf("in-flight curve holds %v request time, the latencies sum to %v", area, latencies)
			}
			if cfg.Concurrency > 0 && peak != cfg.Concurrency {
				t.Errorf("client had up to %d requests in flight, want %d", peak, cfg.Concurrency)
			}
			trace.check(t, cfg)
		})
	}
}

// check holds a trace to what is true of every trace.
func (tr Trace) check(t *testing.T, cfg Config) {
	t.Helper()
	type change struct {
		at time.Duration
		by int
	}
	var slots []change
	for i := range tr.Requests {
		r := &tr.Requests[i]
		if r.Start > r.Admitted || r.Admitted > r.Ready || r.Ready >= r.End {
			t.Fatalf("request %d: sent %v, admitted %v, ready %v, ended %v: out of order", i, r.Start, r.Admitted, r.Ready, r.End)
		}
		if i > 0 && r.Admitted < tr.Requests[i-1].Admitted {
			t.Fatalf("request %d got its slot before request %d, which was sent earlier", i, i-1)
		}
		if r.OK() {
			sum := r.TTFT
			for _, gap := range r.Gaps {
				sum += gap
			}
			if sum != r.E2EL() || len(r.Gaps) != r.OutputTokens-1 {
				t.Fatalf("request %d: TTFT and %d gaps sum to %v, latency is %v for %d tokens", i, len(r.Gaps), sum, r.E2EL(), r.OutputTokens)
			}
		}
		slots = append(slots, change{r.Admitted, 1}, change{r.End, -1})
	}
	slices.SortFunc(slots, func(a, b change) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return a.by - b.by // a slot that gets free is free at once
	})
	used := 0
	for _, s := range slots {
		if used += s.by; cfg.Slots > 0 && used > cfg.Slots {
			t.Fatalf("%d slots in use at %v, there are %d", used, s.at, cfg.Slots)
		}
	}
}

// inFlight integrates the number of requests in flight over time, from the
// starts and ends alone.
func (tr Trace) inFlight() (area time.Duration, peak int) {
	var starts, ends []time.Duration
	for i := range tr.Requests {
		starts, ends = append(starts, tr.Requests[i].Start), append(ends, tr.Requests[i].End)
	}
	slices.Sort(starts)
	slices.Sort(ends)
	var now time.Duration
	for n := 0; len(ends) > 0; {
		var at time.Duration
		step := -1
		if len(starts) > 0 && starts[0] < ends[0] {
			at, starts, step = starts[0], starts[1:], 1
		} else {
			at, ends = ends[0], ends[1:]
		}
		area += time.Duration(n) * (at - now)
		now, n = at, n+step
		peak = max(peak, n)
	}
	return area, peak
}

// A steadyState is what a run showed between its ramp and its tail.
type steadyState struct {
	itl, throughput, ttft, hold float64
}

// steady leaves out the first requests of all users and the last ones, and
// averages over what is between.
func (tr Trace) steady(users int) steadyState {
	var s steadyState
	inner := tr.Requests[users : len(tr.Requests)-users]
	from, to := tr.Requests[users].Start, tr.Requests[len(tr.Requests)-users].Start
	gaps := 0
	for i := range inner {
		r := &inner[i]
		s.ttft += seconds(r.TTFT) / float64(len(inner))
		s.hold += seconds(r.End-r.Admitted) / float64(len(inner))
		for _, gap := range r.Gaps {
			s.itl += seconds(gap)
			gaps++
		}
	}
	s.itl /= float64(gaps)
	tokens := 0
	for i := range tr.Requests {
		for at := range tr.Requests[i].tokenTimes {
			if at > from && at <= to {
				tokens++
			}
		}
	}
	s.throughput = float64(tokens) / seconds(to-from)
	return s
}

func mustRun(t *testing.T, cfg Config) Trace {
	t.Helper()
	trace, err := Run(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// near checks got against want with a relative tolerance, and logs both: the log
// is the record of the validation.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	off := got/want - 1
	t.Logf("%s: expected %.6g, simulated %.6g (%+.4f %%)", what, want, got, 100*off)
	if !(math.Abs(off) <= tolerance) {
		t.Errorf("%s is %.6g, want %.6g within %.2g %%", what, got, want, 100*tolerance)
	}
}
