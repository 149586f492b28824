package compare

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Simulations of whole comparisons, seeded. The run-to-run CV is that of the 36
// identical runs of tokenspeed issue 1355; so is the
// stall: 3 of the 36 were 36 % slower, with exit code 0 and no failed request.
const (
	runCV     = 0.0113
	stallRate = 0.08
	stallBy   = 1.36
)

// noise draws the factor by which one server start differs from the truth.
type noise func(*rand.Rand) float64

func normal(rng *rand.Rand) float64 { return math.Exp(runCV * rng.NormFloat64()) }

func stalls(rng *rand.Rand) float64 {
	if rng.Float64() < stallRate {
		return stallBy * normal(rng)
	}
	return normal(rng)
}

func draw(rng *rand.Rand, n int, truth float64, factor noise) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = truth * factor(rng)
	}
	return xs
}

// share returns how often event happens in repeated comparisons of two arms of
// n runs whose true ratio is effect.
func share(reps, n int, effect float64, factor noise, event func(b, c []float64) bool) float64 {
	rng := rand.New(rand.NewPCG(1355, uint64(n)))
	var happened float64
	for range reps {
		if event(draw(rng, n, 100, factor), draw(rng, n, 100*effect, factor)) {
			happened++
		}
	}
	return happened / float64(reps)
}

func rejects(b, c []float64) bool {
	test, err := MannWhitney(b, c)
	return err == nil && test.TwoSided <= 0.05
}

// judged makes the verdict on a family of one, as [Family] does, and leaves out
// what Family adds afterwards and is slow: effects and runs needed.
func judged(verdict Verdict) func(b, c []float64) bool {
	opts, _ := Options{}.complete()
	return func(b, c []float64) bool {
		in := Input{Metric: "itl", Better: Lower, Baseline: b, Candidate: c}
		r := newResult(in, opts)
		if err := r.measure(in, opts); err != nil {
			return false
		}
		r.AdjustedP = r.P
		r.judge(opts)
		return r.Verdict == verdict
	}
}

func TestSimulatedErrorRates(t *testing.T) {
	covers := func(truth float64) func(b, c []float64) bool {
		return func(b, c []float64) bool {
			ratio, _, err := estimate(b, c, 0.95)
			return err == nil && ratio.CI.Contains(truth)
		}
	}
	for _, c := range []struct {
		what      string
		reps, n   int
		effect    float64
		noise     noise
		event     func(b, c []float64) bool
		low, high float64
	}{
		{"type I of ranks, 5 runs", 10_000, 5, 1, normal, rejects, 0, 0.06},
		{"type I of ranks, 5 runs, stalls", 10_000, 5, 1, stalls, rejects, 0, 0.06},
		{"type I of ranks, 8 runs, stalls", 10_000, 8, 1, stalls, rejects, 0, 0.06},
		{"power of ranks at +3 %, 5 runs", 10_000, 5, 1.03, normal, rejects, 0.85, 1},
		{"power of ranks at +5 %, 5 runs", 10_000, 5, 1.05, normal, rejects, 0.99, 1},
		{"power of ranks at +2 %, 8 runs", 10_000, 8, 1.02, normal, rejects, 0.85, 1},
		{"power of ranks at +3 %, 10 runs, stalls", 10_000, 10, 1.03, stalls, rejects, 0.90, 1},
		{"coverage of the interval, 5 runs", 10_000, 5, 1.02, normal, covers(1.02), 0.93, 0.98},
		{"coverage of the interval, 10 runs, stalls", 10_000, 10, 1.02, stalls, covers(1.02), 0.93, 0.98},
		{"coverage of Welch's interval, 3 runs", 10_000, 3, 1.02, normal, covers(1.02), 0.93, 0.98},
		{"regressed at 0 %, 5 runs", 4000, 5, 1, normal, judged(Regressed), 0, 0.03},
		{"regressed at 0 %, 5 runs, stalls", 4000, 5, 1, stalls, judged(Regressed), 0, 0.03},
		{"regressed at 0 %, 3 runs", 4000, 3, 1, normal, judged(Regressed), 0, 0.03},
		{"regressed at +3 %, 5 runs", 4000, 5, 1.03, normal, judged(Regressed), 0.85, 1},
		{"not regressed at exactly +3 %, 5 runs", 4000, 5, 1.03, normal, judged(NotRegressed), 0, 0.055},
		{"not regressed at exactly +3 %, 8 runs", 4000, 8, 1.03, normal, judged(NotRegressed), 0, 0.055},
		{"not regressed at exactly +3 %, 3 runs", 4000, 3, 1.03, normal, judged(NotRegressed), 0, 0.055},
		{"not regressed at 0 %, 8 runs", 4000, 8, 1, normal, judged(NotRegressed), 0.95, 1},
		{"not regressed at 0 %, 8 runs, stalls", 4000, 8, 1, stalls, judged(NotRegressed), 0.85, 1},
	} {
		got := share(c.reps, c.n, c.effect, c.noise, c.event)
		t.Logf("%-45s %.4f", c.what, got)
		if got < c.low || got > c.high {
			t.Errorf("%s: %.4f, want %.3f to %.3f", c.what, got, c.low, c.high)
		}
	}
}

// Over a family of metrics that do not change, any false "regressed" is rare.
func TestSimulatedFamilyWiseErrorRate(t *testing.T) {
	const reps, metrics, runs = 1000, 6, 6
	rng := rand.New(rand.NewPCG(6, 6))
	var any float64
	for range reps {
		inputs := make([]Input, metrics)
		for i := range inputs {
			inputs[i] = Input{Metric: "m", Better: Lower, Baseline: draw(rng, runs, 1, normal), Candidate: draw(rng, runs, 1, normal)}
		}
		for _, r := range Family(inputs, Options{}) {
			if r.Verdict == Regressed || r.Verdict == Improved {
				any++
				break
			}
		}
	}
	t.Logf("any false verdict over %d metrics: %.4f", metrics, any/reps)
	if any/reps > 0.055 {
		t.Errorf("%.4f of the families have a false verdict", any/reps)
	}
}

// The guard: what this package is against. The same t test on all tokens of five
// runs a version, as if they were independent, calls two equal versions
// different most of the time; on the means of the runs it does so in 5 %. If
// this test fails, the simulation does not contain the problem, and the rates
// above prove nothing.
func TestPooledTokensCryWolf(t *testing.T) {
	const (
		reps, runs, requests, tokens = 300, 5, 64, 50
		requestCV, tokenCV           = 0.05, 0.20
	)
	rng := rand.New(rand.NewPCG(1, 1355))
	version := func() (pooled, means []float64) {
		for range runs {
			start := normal(rng)
			var sum float64
			for range requests {
				request := start * (1 + requestCV*rng.NormFloat64())
				for range tokens {
					token := request * (1 + tokenCV*rng.NormFloat64())
					pooled = append(pooled, token)
					sum += token
				}
			}
			means = append(means, sum/(requests*tokens))
		}
		return pooled, means
	}

	var onTokens, onRuns float64
	for range reps {
		tokensA, runsA := version()
		tokensB, runsB := version()
		if welchRejects(tokensA, tokensB) {
			onTokens++
		}
		if test, err := Welch(runsA, runsB, 0.95); err == nil && test.TwoSided <= 0.05 {
			onRuns++
		}
	}
	t.Logf("false positives: %.3f on tokens, %.3f on runs", onTokens/reps, onRuns/reps)
	if onTokens/reps <= 0.5 {
		t.Errorf("tokens reject in only %.3f", onTokens/reps)
	}
	if onRuns/reps > 0.09 { // 0.05 and three standard errors
		t.Errorf("runs reject in %.3f", onRuns/reps)
	}
}

// welchRejects is the test that this package refuses to make on that many
// values, written out: at this size t is normal.
func welchRejects(a, b []float64) bool {
	meanA, varA := meanVariance(a)
	meanB, varB := meanVariance(b)
	return math.Abs(meanA-meanB) > 1.96*math.Sqrt(varA/float64(len(a))+varB/float64(len(b)))
}

func meanVariance(xs []float64) (mean, variance float64) {
	for _, x := range xs {
		mean += x
	}
	mean /= float64(len(xs))
	for _, x := range xs {
		variance += (x - mean) * (x - mean)
	}
	return mean, variance / float64(len(xs)-1)
}
