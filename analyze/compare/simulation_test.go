package compare

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/servestat/servestat/analyze/calibrate"
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

// The noise families beside the normal one and that with stalls: heavy tails,
// skewness, and a candidate that varies three times as much. All have the
// standard deviation runCV on logs.
func heavyTails(rng *rand.Rand) float64 {
	chi := 0.0
	for range 3 {
		z := rng.NormFloat64()
		chi += z * z
	}
	return math.Exp(runCV * rng.NormFloat64() / math.Sqrt(chi)) // t with 3 degrees of freedom has variance 3
}

func skewed(rng *rand.Rand) float64 {
	mean, variance := math.Exp(0.5), math.E*(math.E-1)
	return math.Exp(runCV * (math.Exp(rng.NormFloat64()) - mean) / math.Sqrt(variance))
}

func wide(rng *rand.Rand) float64 { return math.Exp(3 * runCV * rng.NormFloat64()) }

// A noiseFamily is the noise of both arms.
type noiseFamily struct {
	name                string
	baseline, candidate noise
}

var noiseFamilies = []noiseFamily{
	{"normal", normal, normal},
	{"t with 3 df", heavyTails, heavyTails},
	{"lognormal", skewed, skewed},
	{"3x spread", normal, wide},
	{"8 % stalls", stalls, stalls},
}

func draw(rng *rand.Rand, n int, truth float64, factor noise) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = truth * factor(rng)
	}
	return xs
}

// judgedOne judges one metric at one load point, as [Judge] does, and leaves out
// what Judge adds afterwards and is slow: effects and runs needed.
func judgedOne(b, c []float64, opts Options) Result {
	t := newTrial(Sweep{
		Levels: []float64{1}, Metrics: []Metric{{Name: "itl", Better: Lower}}, Baseline: startsOf(b), Candidate: startsOf(c),
	}, opts, nil)
	adjustAll([]*trial{t}, opts)
	r := t.tests[0].result
	r.judge(opts)
	return *r
}

func judged(verdict Verdict) func(b, c []float64) bool {
	opts, _ := Options{}.complete()
	return func(b, c []float64) bool { return judgedOne(b, c, opts).Verdict == verdict }
}

// The guard: what this package is against. The same t test on all tokens of five
// runs a version, as if they were independent, calls two equal versions
// different most of the time; on the means of the runs it does so in 5 %. If
// this test fails, the simulation does not contain the problem, and the rates of
// the other calibrations prove nothing.
func TestCalibrateTokensCryWolf(t *testing.T) {
	const (
		runs, requests, tokens = 5, 64, 50
		requestCV, tokenCV     = 0.05, 0.20
	)
	reps := calibrate.Replicates(150, 4000)
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
	n := float64(reps)
	calibrate.Bar(t, "guard: t test on the tokens of 5 equal runs, false positives", onTokens/n, calibrate.AtLeast(0.5).Share(reps))
	calibrate.Bar(t, "guard: the same on the means of the runs", onRuns/n, calibrate.AtMost(0.06).Share(reps))
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
