package simulate

import (
	"fmt"
	"math"
	"time"
)

// Config is one load point on one server: the load, the model of the server and
// what disturbs it. The zero value of whatever disturbs is "not at all", so a
// Config of the first two groups is deterministic.
type Config struct {
	// The load.
	Requests        int
	Concurrency     int     // requests that the client keeps in flight at most; 0 means no limit
	RequestRate     float64 // Poisson arrivals a second; 0 or +Inf offers every request at once
	InputLen        int     // prompt tokens; recorded, and held in the KV cache
	OutputLen       int     // tokens to generate
	OutputLenSpread float64 // lengths are uniform on OutputLen·(1±spread); 0 means constant

	// The server.
	Slots     int           // sequences that it runs at once (max_num_seqs); 0 means no limit
	ITLBase   time.Duration // a decode step takes ITLBase + ITLSlope × running sequences
	ITLSlope  time.Duration
	TTFTBase  time.Duration // a prefill takes TTFTBase + TTFTSlope × other requests that hold a slot
	TTFTSlope time.Duration

	// What disturbs it.
	Slowdown            float64 // multiplies every step and prefill; 0 means 1
	GapJitter           float64 // coefficient of variation of one step and of one prefill
	Warmup              float64 // steps and prefills of the first wave take 1+Warmup times as long
	PrefillInterference float64 // a step takes 1+PrefillInterference×k times as long beside k prefills
	FailureRate         float64 // probability that a request fails where its first token was due

	// Seed draws the noise. WorkloadSeed draws what the client sends, lengths and
	// arrival times: like the --seed of vllm bench serve it is normally the same
	// for everything that is to be compared.
	Seed, WorkloadSeed uint64
}

// openLoop reports whether requests arrive by the clock and not as others end.
func (c Config) openLoop() bool { return c.RequestRate > 0 && !math.IsInf(c.RequestRate, 1) }

// firstWave is the number of requests that must have ended before the server
// counts as warm: as many as it can hold at once.
func (c Config) firstWave() int {
	n := c.Requests
	if c.Concurrency > 0 {
		n = min(n, c.Concurrency)
	}
	if c.Slots > 0 {
		n = min(n, c.Slots)
	}
	return n
}

// Validate reports the first thing about c that cannot be simulated.
func (c Config) Validate() error {
	switch {
	case c.Requests < 1:
		return fmt.Errorf("requests is %d: give at least 1", c.Requests)
	case c.Concurrency < 0:
		return fmt.Errorf("concurrency is %d: give a positive number", c.Concurrency)
	case c.Slots < 0:
		return fmt.Errorf("slots is %d: give a positive number", c.Slots)
	case c.InputLen < 0:
		return fmt.Errorf("input length is %d: give 0 or more tokens", c.InputLen)
	case c.OutputLen < 1:
		return fmt.Errorf("output length is %d: give at least 1 token", c.OutputLen)
	case c.ITLBase < 0 || c.ITLSlope < 0 || c.ITLBase+c.ITLSlope <= 0:
		return fmt.Errorf("a decode step of %v + %v per sequence takes no time: give a positive itl base or slope", c.ITLBase, c.ITLSlope)
	case c.TTFTBase < 0 || c.TTFTSlope < 0:
		return fmt.Errorf("a prefill of %v + %v per other request is negative: give 0 or more", c.TTFTBase, c.TTFTSlope)
	case !(c.RequestRate >= 0):
		return fmt.Errorf("request rate is %g: give a positive number, or 0 for a closed loop", c.RequestRate)
	case !(c.OutputLenSpread >= 0 && c.OutputLenSpread <= 1):
		return fmt.Errorf("output length spread is %g: give 0 to 1", c.OutputLenSpread)
	case !(c.FailureRate >= 0 && c.FailureRate <= 1):
		return fmt.Errorf("failure rate is %g: give 0 to 1", c.FailureRate)
	case !finite(c.Slowdown):
		return fmt.Errorf("slowdown is %g: give a positive factor", c.Slowdown)
	case !finite(c.GapJitter):
		return fmt.Errorf("gap jitter is %g: give a coefficient of variation, such as 0.05", c.GapJitter)
	case !finite(c.Warmup):
		return fmt.Errorf("warmup is %g: give a share, such as 0.4 for 40 %% slower", c.Warmup)
	case !finite(c.PrefillInterference):
		return fmt.Errorf("prefill interference is %g: give a share, such as 0.2", c.PrefillInterference)
	}
	return nil
}

// finite reports whether x is a usable factor or share: not negative, not
// infinite, a number.
func finite(x float64) bool { return x >= 0 && !math.IsInf(x, 1) }
