package simulate

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// never is later than everything.
const never = time.Duration(math.MaxInt64)

// Run simulates one load point. The same Config gives the same Trace.
func Run(cfg Config) (Trace, error) { return run(context.Background(), cfg) }

func run(ctx context.Context, cfg Config) (Trace, error) {
	if err := cfg.Validate(); err != nil {
		return Trace{}, fmt.Errorf("cannot simulate: %w", err)
	}
	e := newEngine(cfg)
	if err := e.run(ctx); err != nil {
		return Trace{}, err
	}
	trace := Trace{Requests: e.requests}
	for i := range trace.Requests {
		trace.Duration = max(trace.Duration, trace.Requests[i].End)
	}
	return trace, nil
}

// An engine is a client, a queue and a batch of sequences that step together.
// A request is named by its index and is in one place at a time: not yet sent,
// in queue (waiting for a slot), in prefilling, in running, or ended.
//
// All times are integer nanoseconds since the client began, so that sequences
// that ought to stay in step do so for ever.
type engine struct {
	cfg Config
	now time.Duration // the current step boundary

	requests []Request
	arrivals []time.Duration // when the client wants to send each request
	lengths  []int           // tokens to generate
	fails    []bool

	next, inFlight, ended int // of the client: first unsent request, sent and not ended, ended

	queue      []int           // first come, first served
	prefilling []int           // hold a slot, produce nothing yet
	running    []int           // get one token a step
	latest     []time.Duration // arrival of each request's latest token
	produced   []int           // tokens so far

	steps, prefills *rand.Rand
	jitter          float64 // variance of log step time
}

func newEngine(cfg Config) *engine {
	if cfg.Slowdown == 0 {
		cfg.Slowdown = 1
	}
	n := cfg.Requests
	e := &engine{
		cfg:      cfg,
		requests: make([]Request, n),
		arrivals: arrivals(cfg),
		lengths:  lengths(cfg),
		fails:    make([]bool, n),
		latest:   make([]time.Duration, n),
		produced: make([]int, n),
		steps:    stream(cfg.Seed, "steps"),
		prefills: stream(cfg.Seed, "prefills"),
		jitter:   logVariance(cfg.GapJitter),
	}
	failures := stream(cfg.Seed, "failures")
	for i := range e.fails {
		e.fails[i] = failures.Float64() < cfg.FailureRate
	}
	return e
}

// arrivals returns when the client wants to send each request: all at once, or
// as a Poisson process.
//
// Note: vLLM's client stretches its arrival times so that the last one falls on
// requests/rate exactly. We don't, because then they are not Poisson.
func arrivals(cfg Config) []time.Duration {
	at := make([]time.Duration, cfg.Requests)
	if !cfg.openLoop() {
		return at
	}
	rng := stream(cfg.WorkloadSeed, "arrivals")
	seconds := 0.0
	for i := range at {
		seconds += rng.ExpFloat64() / cfg.RequestRate
		at[i] = time.Duration(math.Round(seconds * 1e9))
	}
	return at
}

// lengths returns the number of tokens that each request generates.
func lengths(cfg Config) []int {
	n := make([]int, cfg.Requests)
	rng := stream(cfg.WorkloadSeed, "lengths")
	for i := range n {
		n[i] = cfg.OutputLen
		if cfg.OutputLenSpread > 0 {
			share := float64(cfg.OutputLenSpread * (2*rng.Float64() - 1))
			n[i] = max(1, int(math.Round(float64(cfg.OutputLen)*(1+share))))
		}
	}
	return n
}

// run goes from step boundary to step boundary until every request has ended.
func (e *engine) run(ctx context.Context) error {
	for i := 0; ; i++ {
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}

		// 1. At a boundary: the client sends what is due, free slots are given
		// out, and requests whose prefill is over join the batch.
		e.send(e.now)
		e.admit(e.now)
		e.join()

		// 2. An empty batch waits for whatever comes first.
		if len(e.running) == 0 {
			if e.now = e.nextEvent(); e.now == never {
				return nil
			}
			continue
		}

		// 3. One step. Requests that arrive meanwhile take free slots at once;
		// slots get free, and the batch changes, only at its end.
		end := e.now + e.stepTime()
		e.send(end)
		e.now = end
		e.emit()
	}
}

// send lets the client send every request that is due until then. A request that
// had to wait for --max-concurrency counts from when it was sent, as in vLLM.
func (e *engine) send(until time.Duration) {
	for e.sendable(until) {
		at := max(e.arrivals[e.next], e.now)
		for e.sendable(at) {
			e.requests[e.next].Start = at
			e.requests[e.next].InputTokens = e.cfg.InputLen
			e.queue = append(e.queue, e.next)
			e.next++
			e.inFlight++
		}
		e.admit(at)
	}
}

// sendable reports whether the client may send its next request until then.
func (e *engine) sendable(until time.Duration) bool {
	limit := e.cfg.Concurrency
	return e.next < len(e.requests) && e.arrivals[e.next] <= until && (limit == 0 || e.inFlight < limit)
}

// admit gives the free slots to the head of the queue. Requests that are
// admitted together are prefilled together: they share one draw of the noise,
// and so stay in step.
func (e *engine) admit(at time.Duration) {
	first := len(e.prefilling)
	for len(e.queue) > 0 && (e.cfg.Slots == 0 || e.occupied() < e.cfg.Slots) {
		e.prefilling = append(e.prefilling, e.queue[0])
		e.queue = e.queue[1:]
	}
	admitted := e.prefilling[first:]
	if len(admitted) == 0 {
		return
	}
	others := time.Duration(e.occupied() - 1)
	factor := e.cfg.Slowdown * e.coldness() * logNormal(e.prefills, e.jitter)
	prefill := scale(e.cfg.TTFTBase+e.cfg.TTFTSlope*others, factor)
	for _, i := range admitted {
		e.requests[i].Admitted = at
		e.requests[i].Ready = at + prefill
	}
}

// occupied is the number of slots in use.
func (e *engine) occupied() int { return len(e.prefilling) + len(e.running) }

// join moves the requests whose prefill is over into the batch.
func (e *engine) join() {
	waiting := e.prefilling[:0]
	for _, i := range e.prefilling {
		if e.requests[i].Ready <= e.now {
			e.running = append(e.running, i)
		} else {
			waiting = append(waiting, i)
		}
	}
	e.prefilling = waiting
}

// nextEvent is when an idle server next has something to do: the end of a
// prefill or an arrival. Nothing is queued then, since every slot is free or
// prefilling.
func (e *engine) nextEvent() time.Duration {
	at := never
	for _, i := range e.prefilling {
		at = min(at, e.requests[i].Ready)
	}
	if e.sendable(never) {
		at = min(at, e.arrivals[e.next])
	}
	return at
}

// stepTime is how long the step that begins now takes.
func (e *engine) stepTime() time.Duration {
	step := e.cfg.ITLBase + e.cfg.ITLSlope*time.Duration(len(e.running))
	interference := 1 + float64(e.cfg.PrefillInterference*float64(len(e.prefilling)))
	factor := e.cfg.Slowdown * e.coldness() * interference * logNormal(e.steps, e.jitter)
	return max(1, scale(step, factor))
}

// coldness is how many times slower than warm the server is.
func (e *engine) coldness() float64 {
	if e.ended < e.cfg.firstWave() {
		return 1 + e.cfg.Warmup
	}
	return 1
}

// emit gives every running sequence one token at the boundary that has just been
// reached, and takes out of the batch those that are complete.
func (e *engine) emit() {
	left := e.running[:0]
	for _, i := range e.running {
		if e.token(i) {
			left = append(left, i)
		} else {
			e.requests[i].End = e.now
			e.inFlight--
			e.ended++
		}
	}
	e.running = left
}

// token gives request i one token and reports whether it wants more.
func (e *engine) token(i int) bool {
	r := &e.requests[i]
	if e.produced[i] == 0 {
		if e.fails[i] {
			r.Err = errNoChunk
			return false
		}
		r.TTFT = e.now - r.Start
		r.Gaps = make([]time.Duration, 0, e.lengths[i]-1)
	} else {
		r.Gaps = append(r.Gaps, e.now-e.latest[i])
	}
	e.latest[i] = e.now
	e.produced[i]++
	r.OutputTokens = e.produced[i]
	return e.produced[i] < e.lengths[i]
}
