package curve

import (
	"fmt"
	"math"
	"slices"
)

// Change is one quantity of two fitted curves.
type Change struct {
	Quantity string // base, slope, slope beyond, onset, knee, service, limit, peak
	Meaning  string

	// nil where the curve has no such quantity, which Note then says.
	Baseline, Candidate *Estimate

	Ratio   *Estimate // candidate over baseline; nil unless both are there
	Changed bool      // the interval of Ratio excludes 1, or the quantity is in one only
	Note    string
}

// quantity is a positive property that curves of several models have.
type quantity struct {
	name, meaning string
	of            map[*Model]derived
	onset         bool // its interval is that of a breakpoint
}

// parameter j as a quantity.
func parameterOf(j int) derived {
	return derived{
		of: func(t []float64) (float64, bool) { return t[j], t[j] > 0 },
		logGradient: func(t, g []float64) {
			clear(g)
			g[j] = 1 / t[j]
		},
	}
}

// quantities are what can change, in the order in which it is told. Parameters of
// different models that mean the same are one quantity.
var quantities = []quantity{
	{"base", "latency without load", map[*Model]derived{
		Affine: parameterOf(0), Plateau: parameterOf(0), Hinge: parameterOf(0), Quadratic: parameterOf(0), Queueing: parameterOf(0)}, false},
	{"slope", "what each request adds", map[*Model]derived{
		Affine: parameterOf(1), Plateau: parameterOf(1), Hinge: parameterOf(1), Quadratic: parameterOf(1), Queueing: parameterOf(1)}, false},
	{"slope beyond", "what each request adds beyond the onset", map[*Model]derived{Hinge: parameterOf(2)}, false},
	{"bend", "what each pair of requests adds", map[*Model]derived{Quadratic: parameterOf(2)}, false},
	{"knee", "where latency doubles", knees, false},
	{"base", "throughput of one request alone", map[*Model]derived{
		Amdahl: parameterOf(0), USL: parameterOf(0), Saturating: parameterOf(0)}, false},
	{"contention", "what adding requests costs", map[*Model]derived{
		Amdahl: parameterOf(1), USL: parameterOf(1), Saturating: parameterOf(1)}, false},
	{"limit", "throughput that the curve levels off at", map[*Model]derived{
		Amdahl: ratioOf(0, 1), USL: ratioOf(0, 1), ALA: parameterOf(0), Saturating: saturatedThroughput}, false},
	{"service", "how long a request holds its slot", map[*Model]derived{Queueing: parameterOf(2)}, false},
	{"onset", "the concurrency at which the curve breaks", map[*Model]derived{
		Plateau: parameterOf(2), Hinge: parameterOf(3), Queueing: parameterOf(3), Saturating: parameterOf(2)}, true},
}

// ratioOf is parameter i over parameter j.
func ratioOf(i, j int) derived {
	return derived{
		of: func(t []float64) (float64, bool) { return t[i] / t[j], t[i] > 0 && t[j] > 0 },
		logGradient: func(t, g []float64) {
			clear(g)
			g[i], g[j] = 1/t[i], -1/t[j]
		},
	}
}

var saturatedThroughput = derived{
	of:          func(t []float64) (float64, bool) { return Amdahl.value(t, t[2]), true },
	logGradient: func(t, g []float64) { Saturating.slope(t, math.Inf(1), Multiplicative, g) },
}

// Compare tells what changed between two fitted curves of the same response, whose
// runs are independent. The intervals of the ratios hold together with the
// confidence of the baseline's fit (Bonferroni): if nothing changed, all of them
// contain 1 that often.
//
// A breakpoint or a peak that only one of the curves has is a change too; so that
// it is one beyond chance, fit both with [Choose].
func Compare(baseline, candidate *Fit) ([]Change, error) {
	if !sameResponse(baseline.model, candidate.model) {
		return nil, fmt.Errorf("curve: %s and %s are not curves of the same response", baseline.Model, candidate.Model)
	}
	var changes []Change
	var compared int
	for _, q := range quantities {
		b, inBaseline := q.in(baseline)
		c, inCandidate := q.in(candidate)
		if !inBaseline && !inCandidate {
			continue
		}
		change := Change{Quantity: q.name, Meaning: q.meaning, Baseline: b, Candidate: c}
		if inBaseline && inCandidate {
			compared++
		}
		changes = append(changes, change)
	}
	level := 1 - (1-baseline.Confidence)/math.Max(1, float64(compared))
	for i := range changes {
		changes[i].judge(baseline, candidate, level)
	}
	return appendPeak(changes, baseline, candidate), nil
}

// in returns the quantity of a fit.
func (q quantity) in(f *Fit) (*Estimate, bool) {
	d, ok := q.of[f.model]
	if !ok {
		return nil, false
	}
	if _, ok := d.of(f.theta); !ok {
		return nil, false
	}
	e := f.delta(d)
	if q.onset {
		e = f.profileBreak()
	}
	return &e, true
}

// delta is the estimate of a quantity with the interval of the delta method.
func (f *Fit) delta(d derived) Estimate {
	value, _ := d.of(f.theta)
	g := make([]float64, len(f.theta))
	d.logGradient(f.theta, g)
	return f.positive(value, g...)
}

// judge compares the two estimates of a change, at the level that is left to it.
func (c *Change) judge(baseline, candidate *Fit, level float64) {
	switch {
	case c.Baseline == nil:
		c.Changed, c.Note = c.structural(), fmt.Sprintf("the baseline's curve, %s, has none", baseline.Model)
		return
	case c.Candidate == nil:
		c.Changed, c.Note = c.structural(), fmt.Sprintf("the candidate's curve, %s, has none", candidate.Model)
		return
	}
	i := slices.IndexFunc(quantities, func(q quantity) bool { return q.name == c.Quantity && q.meaning == c.Meaning })
	ratio := Estimate{Value: c.Candidate.Value / c.Baseline.Value, High: math.Inf(1), Level: level,
		Points: baseline.Points + candidate.Points, DF: min(baseline.DF, candidate.DF)}
	if baseline.cov != nil && candidate.cov != nil {
		half := halfWidthOfDifference(baseline.cov, quantities[i].gradient(baseline), candidate.cov, quantities[i].gradient(candidate), level)
		ratio.Low, ratio.High = ratio.Value*math.Exp(-half), ratio.Value*math.Exp(half)
	}
	c.Ratio = &ratio
	c.Changed = ratio.Low > 1 || ratio.High < 1
}

// structural reports whether having the quantity is itself a finding, rather than
// a matter of which parameters the models have.
func (c *Change) structural() bool { return c.Quantity == "onset" || c.Quantity == "bend" }

// gradient is that of the logarithm of the quantity, by the parameters of a fit.
func (q quantity) gradient(f *Fit) []float64 {
	g := make([]float64, len(f.theta))
	q.of[f.model].logGradient(f.theta, g)
	return g
}

// appendPeak compares where throughput turns down, which is not there unless it
// was seen.
func appendPeak(changes []Change, baseline, candidate *Fit) []Change {
	b, noBaseline := baseline.Peak()
	c, noCandidate := candidate.Peak()
	change := Change{Quantity: "peak", Meaning: "the concurrency at which throughput turns down"}
	switch {
	case noBaseline != nil && noCandidate != nil:
		return changes
	case noBaseline != nil:
		change.Candidate, change.Changed, change.Note = &c.Concurrency, true, "the baseline has no downturn within its tested range"
	case noCandidate != nil:
		change.Baseline, change.Changed, change.Note = &b.Concurrency, true, "the candidate has no downturn within its tested range"
	default:
		q := quantity{of: map[*Model]derived{USL: peakPlace}}
		half := halfWidthOfDifference(baseline.cov, q.gradient(baseline), candidate.cov, q.gradient(candidate), baseline.Confidence)
		value := c.Concurrency.Value / b.Concurrency.Value
		change.Baseline, change.Candidate = &b.Concurrency, &c.Concurrency
		change.Ratio = &Estimate{Value: value, Low: value * math.Exp(-half), High: value * math.Exp(half),
			Level: baseline.Confidence, Points: baseline.Points + candidate.Points, DF: min(baseline.DF, candidate.DF)}
		change.Changed = change.Ratio.Low > 1 || change.Ratio.High < 1
	}
	return append(changes, change)
}

// sameResponse reports whether two models are of one response.
func sameResponse(a, b *Model) bool {
	for _, r := range []Response{Latency, Throughput, FirstToken} {
		if slices.Contains(r.Models(), a) && slices.Contains(r.Models(), b) {
			return true
		}
	}
	return false
}

// Ratio returns the candidate's curve over the baseline's at one concurrency, with
// the interval for independent runs.
func Ratio(baseline, candidate *Fit, x float64) (Estimate, error) {
	b, err := baseline.Predict(x)
	if err != nil {
		return Estimate{}, err
	}
	c, err := candidate.Predict(x)
	if err != nil {
		return Estimate{}, err
	}
	e := Estimate{Value: c.Value / b.Value, High: math.Inf(1), Level: baseline.Confidence,
		Points: baseline.Points + candidate.Points, DF: min(baseline.DF, candidate.DF),
		Extrapolated: b.Extrapolated || c.Extrapolated}
	if baseline.cov == nil || candidate.cov == nil {
		return e, nil
	}
	g, h := make([]float64, len(baseline.theta)), make([]float64, len(candidate.theta))
	baseline.model.slope(baseline.theta, x, Multiplicative, g)
	candidate.model.slope(candidate.theta, x, Multiplicative, h)
	half := halfWidthOfDifference(baseline.cov, g, candidate.cov, h, e.Level)
	e.Low, e.High = e.Value*math.Exp(-half), e.Value*math.Exp(half)
	return e, nil
}
