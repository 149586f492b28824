// Package specimen holds made-up analysis results for the tests of the renderers:
// two versions of a runtime, six levels of concurrency, five server starts, as an
// evening with one machine would give them. No server was measured; the numbers
// only have the size and the shape of real ones.
package specimen

import (
	"fmt"
	"math"

	"github.com/servestat/servestat/analyze"
)

// Group is the model and hardware of every specimen.
var Group = analyze.Group{
	Model:    "nvidia/Nemotron-3-Nano-30B-A3B-NVFP4",
	Hardware: "Jetson AGX Thor",
	Path:     "generic",
}

// A load is what one level looks like in the baseline: latencies in ms.
type load struct {
	asked                int64
	achieved             float64
	itl, itlP99          float64
	ttft, ttftP99        float64
	tpot, e2el           float64
	output, requestsPerS float64
}

var loads = []load{
	{1, 0.998, 14.18, 15.4, 82.1, 96.2, 14.32, 1_915, 65.7, 0.513},
	{2, 1.992, 15.87, 19.8, 96.4, 151, 15.99, 2_128, 118.9, 0.929},
	{4, 3.971, 19.40, 31.2, 128.6, 247, 19.55, 2_615, 194.2, 1.517},
	{8, 7.862, 26.21, 52.9, 197.3, 421, 26.36, 3_551, 282.8, 2.209},
	{16, 15.51, 39.54, 88.0, 364.9, 866, 39.63, 5_404, 366.7, 2.865},
	{32, 30.59, 65.90, 141, 741.7, 1_958, 65.92, 9_130, 429.6, 3.356},
}

// jitter is how much slower than usual everything was on a server start.
var jitter = []float64{0.996, 1.003, 0.999, 1.0065, 0.9975}

// slower is how much slower the candidate is at each level: nothing alone, and
// eight per cent under full load.
var slower = []float64{1.004, 1.009, 1.026, 1.051, 1.070, 1.082}

// Sweep is the usual case: 0.19.0 and 0.20.2, fitted, with distributions.
func Sweep() analyze.Sweep {
	return analyze.Sweep{
		CurvesSQL: "SELECT runtime_version, metric, curve, name, value, lo, hi, unit, text\nFROM made_up",
		Group:     Group,
		Series:    []analyze.Series{Baseline(), Candidate()},
		Warnings: []string{
			"runs vary in gpu_memory_utilization (0.85 in 36 runs, 0.90 in 24): nobody grouped by it, so it is averaged over",
		},
	}
}

// Baseline is version 0.19.0, whose five server starts were recorded.
func Baseline() analyze.Series {
	return series("0.19.0", func(int) float64 { return 1 })
}

// Candidate is version 0.20.2, slower under load.
func Candidate() analyze.Series {
	return series("0.20.2", func(level int) float64 { return slower[level] })
}

// Version is a further version, slower than the baseline by the same factor at
// every level.
func Version(name string, factor float64) analyze.Series {
	return series(name, func(int) float64 { return factor })
}

func series(version string, factor func(level int) float64) analyze.Series {
	s := analyze.Series{Version: version, Simulated: true, Starts: len(jitter), StartsKnown: true}
	for i, l := range loads {
		for start := range jitter {
			s.Points = append(s.Points, point(version, l, factor(i), i, start))
		}
		s.Levels = append(s.Levels, level(l, factor(i)))
	}
	s.Fits = fits(factor(0), factor(len(loads)-1))
	s.Degradation = degradation(s.Levels)
	s.ITL = []analyze.ECDF{
		distribution(loads[0], factor(0)),
		distribution(loads[len(loads)-1], factor(len(loads)-1)),
	}
	return s
}

func point(version string, l load, f float64, level, start int) analyze.Point {
	// The same start is not equally lucky at every level.
	j := jitter[start] * (1 + 0.002*math.Sin(float64(3*level+5*start)))
	return analyze.Point{
		RunID:  fmt.Sprintf("%s-c%02d-s%d", version, l.asked, start+1),
		Source: fmt.Sprintf("bench/%s/c%d/run%d.json", version, l.asked, start+1),
		Start:  fmt.Sprintf("start %d", start+1), MaxConcurrency: l.asked,
		Concurrency: l.achieved * (1 - (j-1)/2),
		TTFTp50:     ms(l.ttft) * f * j * j, TTFTp99: ms(l.ttftP99) * f * math.Pow(j, 5),
		ITLMean: ms(l.itl) * f * j, ITLp50: ms(l.itl) * f * j * 0.97, ITLp99: ms(l.itlP99) * f * j * j * j,
		TPOTMean: ms(l.tpot) * f * j, E2ELp50: ms(l.e2el) * f * j,
		Output: l.output / f / j, RequestsPerS: l.requestsPerS / f / j,
		Requests: 320,
	}
}

func level(l load, f float64) analyze.Level {
	return analyze.Level{
		MaxConcurrency: l.asked, Runs: len(jitter), Requests: 320 * int64(len(jitter)),
		Concurrency: spread(l.achieved, 0.003),
		TTFTp50:     spread(ms(l.ttft)*f, 0.011), TTFTp99: spread(ms(l.ttftP99)*f, 0.028),
		ITLMean: spread(ms(l.itl)*f, 0.0053), ITLp99: spread(ms(l.itlP99)*f, 0.016),
		TPOTMean: spread(ms(l.tpot)*f, 0.0053), E2ELp50: spread(ms(l.e2el)*f, 0.006),
		Output: spread(l.output/f, 0.0053),
	}
}

// spread is an estimate of five starts with a relative 95 % half-width.
func spread(v, half float64) analyze.Estimate {
	return analyze.Estimate{
		Value: v, Lo: v * (1 - half), Hi: v * (1 + half), HasInterval: true, Confidence: 0.95, N: len(jitter),
	}
}

func ms(v float64) float64 { return v / 1000 }

// fits are what the analysis would fit, for a version that is slower alone and
// loaded by the given factors.
func fits(alone, loaded float64) []analyze.Fit {
	beta := 0.001747 * loaded
	alpha := ms(14.18)*alone - beta
	itl := analyze.Fit{
		Metric: "itl", Model: "affine", Formula: "ITL(c) = alpha + beta c, c the achieved concurrency",
		Params: []analyze.Param{
			{Name: "alpha", Meaning: "a decode step without any sequence", Unit: "s", Value: spread(alpha, 0.011)},
			{Name: "beta", Meaning: "what each sequence in the batch adds", Unit: "s", Value: spread(beta, 0.012)},
		},
		Derived: []analyze.Param{{
			Name: "knee", Meaning: "alpha / beta, where ITL is twice alpha and throughput / latency is largest", Unit: "requests",
			Value: spread(alpha/beta, 0.021),
		}},
	}
	gamma, a, b := 66.4/alone, 0.117*loaded, 0.00021
	usl := analyze.Fit{
		Metric: "output_throughput", Model: "usl", Formula: "X(c) = gamma c / (1 + a (c-1) + b c (c-1))",
		Params: []analyze.Param{
			{Name: "gamma", Meaning: "throughput of one request alone", Unit: "tokens/s", Value: spread(gamma, 0.008)},
			{Name: "a", Meaning: "contention: what adding requests costs", Value: spread(a, 0.04)},
			{Name: "b", Meaning: "coherency: what makes throughput turn down", Value: spread(b, 0.41)},
		},
		Derived: []analyze.Param{
			{Name: "limit", Meaning: "gamma / a, what throughput levels off at without coherency cost", Unit: "tokens/s", Value: spread(gamma/a, 0.05)},
			{Name: "peak", Meaning: "the concurrency at which throughput turns down", Unit: "requests", Value: nothing(), Text: "no downturn within the tested range"},
		},
		Warnings: []string{"b is poorly determined: its interval is 82 % of its value wide"},
	}
	for i := range 64 { // to the last level achieved
		x := math.Pow(30.59, float64(i)/63)
		y, t := alpha+beta*x, gamma*x/(1+a*(x-1)+b*x*(x-1))
		itl.Band = append(itl.Band, analyze.BandPoint{X: x, Y: y, Lo: y * 0.985, Hi: y * 1.015})
		usl.Band = append(usl.Band, analyze.BandPoint{X: x, Y: t, Lo: t * 0.98, Hi: t * 1.02})
	}
	return []analyze.Fit{itl, usl}
}

// nothing is an estimate that could not be made.
func nothing(why ...string) analyze.Estimate {
	return analyze.Estimate{Value: math.NaN(), Notes: why}
}

func degradation(levels []analyze.Level) *analyze.Ratio {
	first, last := levels[0], levels[len(levels)-1]
	v := last.ITLMean.Value / first.ITLMean.Value
	return &analyze.Ratio{
		Metric: "itl", Numerator: last.ITLMean, Denominator: first.ITLMean,
		FromLevel: first.MaxConcurrency, ToLevel: last.MaxConcurrency, Value: spread(v, 0.0085),
	}
}

// distribution is the ECDF of chunk gaps at one level: most gaps near the usual
// step of the engine, and some behind another request's prefill.
func distribution(l load, f float64) analyze.ECDF {
	e := analyze.ECDF{MaxConcurrency: l.asked, N: 320 * 5 * 127}
	stalls := 0.002 + 0.004*float64(l.asked)
	usual, late := l.itl*f*0.93, l.itlP99*f*0.9
	for x := usual * 0.8; x < late*1.8; x *= 1.008 {
		p := (1-stalls)*normal(math.Log(x/usual)/0.035) + stalls*normal(math.Log(x/late)/0.18)
		e.X, e.P = append(e.X, ms(x)), append(e.P, p)
	}
	e.X, e.P = append(e.X, ms(late*2)), append(e.P, 1)
	return e
}

// normal is the cumulative distribution function of the standard normal.
func normal(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }
