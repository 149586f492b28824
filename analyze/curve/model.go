package curve

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Model is a curve with parameters to fit. Parameters are at least 0, which for
// some is a simpler model, so that 0 must be within reach; those that must be
// positive for the model to mean anything are fitted as logs.
type Model struct {
	name       string
	parameters []parameter

	value    func(theta []float64, x float64) float64
	gradient func(theta []float64, x float64, g []float64) // of value, by theta

	// starts proposes where to start, from the data alone. What the proposals
	// have in common is that every shape the model can take is near one of them.
	starts func(d *data) [][]float64

	// breakAt is set for a model with a breakpoint, which is its last parameter,
	// and proposes the others, given that one.
	breakAt func(d *data, at float64) []float64

	// simpler are the models to compare with, next simpler first.
	simpler []simpler
}

// simpler is a model that another one contains, or is only to be compared with.
type simpler struct {
	model *Model

	// embed turns its parameters into those of the model that contains it; nil: it
	// is not contained.
	embed func(d *data, theta []float64) []float64
}

// withoutLast says that a model becomes m when its last parameter is 0.
func withoutLast(m *Model) []simpler {
	return []simpler{{m, func(_ *data, theta []float64) []float64 { return append(slices.Clone(theta), 0) }}}
}

// instead names the two-parameter model to fit if there are too few levels.
func (m *Model) instead() string {
	for _, s := range m.simpler {
		if len(s.model.parameters) == 2 {
			return s.model.name
		}
	}
	return ""
}

type parameter struct {
	name     string
	positive bool   // fitted as a log
	advice   string // what to do when it is 0
}

// Name returns the model's name.
func (m *Model) Name() string { return m.name }

// Affine is latency that grows with every sequence in the batch:
//
//	ITL(c) = alpha + beta c
//
// alpha is the cost of a decode step (reading the weights), beta that of one
// sequence in it (reading its cache). It holds below saturation.
var Affine = &Model{
	name: "affine",
	parameters: []parameter{
		{name: "alpha", advice: "latency is proportional to concurrency: check that the server was not queueing"},
		{name: "beta", advice: "latency does not rise with concurrency: check that the concurrency asked for was reached"},
	},
	value: func(t []float64, x float64) float64 { return t[0] + t[1]*x },
	gradient: func(_ []float64, x float64, g []float64) {
		g[0], g[1] = 1, x
	},
	starts:  affineStarts,
	simpler: withoutLast(constant),
}

// USL is the Universal Scalability Law (Gunther 2007, Guerrilla Capacity
// Planning; R package usl):
//
//	X(N) = gamma N / (1 + a (N-1) + b N (N-1))
//
// gamma is the throughput of one user, a the cost of contention, and b that of
// coherency, with which throughput peaks at sqrt((1-a)/b) and turns down.
var USL = &Model{
	name: "usl",
	parameters: []parameter{
		{name: "gamma", positive: true},
		{name: "a", advice: "no contention shows: test higher concurrency"},
		{name: "b", advice: "no downturn shows: use the model amdahl, or test higher concurrency"},
	},
	value: func(t []float64, n float64) float64 { return t[0] * n / uslCost(t[1], t[2], n) },
	gradient: func(t []float64, n float64, g []float64) {
		cost := uslCost(t[1], t[2], n)
		x := n / cost
		g[0] = x
		g[1] = -t[0] * x * (n - 1) / cost
		g[2] = -t[0] * x * n * (n - 1) / cost
	},
	starts:  uslStarts,
	simpler: withoutLast(Amdahl),
}

// Amdahl is the [USL] without its last term: throughput that levels off, at
// gamma/a, and never turns down. With affine latency alpha + beta c in a closed
// loop it is the same curve: gamma = 1/(alpha+beta), a = beta/(alpha+beta).
var Amdahl = &Model{
	name: "amdahl",
	parameters: []parameter{
		{name: "gamma", positive: true},
		{name: "a", advice: "no contention shows: test higher concurrency"},
	},
	value: func(t []float64, n float64) float64 { return t[0] * n / uslCost(t[1], 0, n) },
	gradient: func(t []float64, n float64, g []float64) {
		cost := uslCost(t[1], 0, n)
		g[0] = n / cost
		g[1] = -t[0] * n * (n - 1) / (cost * cost)
	},
	starts:  amdahlStarts,
	simpler: withoutLast(proportional),
}

// constant and proportional are what Affine and Amdahl are compared with.
var (
	constant = &Model{
		name:       "constant",
		parameters: []parameter{{name: "alpha", positive: true}},
		value:      func(t []float64, _ float64) float64 { return t[0] },
		gradient:   func(_ []float64, _ float64, g []float64) { g[0] = 1 },
		starts: func(d *data) [][]float64 {
			return [][]float64{{d.scaleOf(func(float64) float64 { return 1 })}}
		},
	}
	proportional = &Model{
		name:       "proportional",
		parameters: []parameter{{name: "gamma", positive: true}},
		value:      func(t []float64, n float64) float64 { return t[0] * n },
		gradient:   func(_ []float64, n float64, g []float64) { g[0] = n },
		starts: func(d *data) [][]float64 {
			return [][]float64{{d.scaleOf(func(n float64) float64 { return n })}}
		},
	}
)

// uslCost is the denominator of the USL: by what the load of n users is more than
// n times that of one. It is NaN where a load below 1 would make it negative.
func uslCost(a, b, n float64) float64 {
	cost := 1 + a*(n-1) + b*n*(n-1)
	if cost <= 0 {
		return math.NaN()
	}
	return cost
}

// affineStarts takes the weighted straight line, and scales both of its
// coefficients down and up, in case the line is bent or one of them negative.
func affineStarts(d *data) [][]float64 {
	line := d.weightedPolynomial(1, func(i int) float64 { return d.y[i] }, func(i int) float64 { return 1 / d.y[i] })
	alpha := math.Max(line[0], 1e-3*d.yMin())
	beta := math.Max(line[1], 1e-3*d.yMin()/d.xMax())
	var starts [][]float64
	for _, f := range []float64{1, 1.0 / 3, 3} {
		for _, g := range []float64{1, 1.0 / 3, 3} {
			starts = append(starts, []float64{f * alpha, g * beta})
		}
	}
	return starts
}

// uslStarts takes little, some and much contention with a peak inside, beyond and
// far beyond the tested range, gamma following from the data; and the
// linearisation x/y = (1 + a(x-1) + b x(x-1))/gamma.
//
// Note: the usual single start, a = 0.05, b = 1e-4, gamma = max(y/x), ends at a
// false convergence on specsdm91 in R's nls(algorithm = "port").
func uslStarts(d *data) [][]float64 {
	var starts [][]float64
	for _, a := range []float64{0.001, 0.03, 0.3} {
		for _, peak := range []float64{0.5, 2, 20} {
			at := peak * d.xMax()
			starts = append(starts, d.uslStart(a, (1-a)/(at*at)))
		}
	}
	c := d.linearisedUSL(2)
	return append(starts, d.uslStart(c[0], c[1]))
}

func amdahlStarts(d *data) [][]float64 {
	var starts [][]float64
	for _, a := range []float64{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9} {
		starts = append(starts, d.uslStart(a, 0)[:2])
	}
	return append(starts, d.uslStart(d.linearisedUSL(1)[0], 0)[:2])
}

// uslStart completes a and b, which are brought within reason, by the gamma that
// fits best with them.
func (d *data) uslStart(a, b float64) []float64 {
	a, b = math.Min(math.Max(a, 1e-6), 0.99), math.Max(b, 1e-12)
	gamma := d.scaleOf(func(n float64) float64 { return n / uslCost(a, b, n) })
	return []float64{gamma, a, b}
}

// linearisedUSL returns a (and b, for degree 2) from the straight line or the
// parabola of x/y in x.
func (d *data) linearisedUSL(degree int) []float64 {
	c := d.weightedPolynomial(degree, func(i int) float64 { return d.x[i] / d.y[i] }, func(i int) float64 { return d.y[i] / d.x[i] })
	// c0 + c1 x + c2 x^2 = (1 - a)/gamma + (a - b) x/gamma + b x^2/gamma.
	var b float64
	if degree == 2 {
		b = c[2]
	}
	gamma := 1 / (c[0] + c[1] + b)
	return []float64{(c[1] + b) * gamma, b * gamma}
}

// weightedPolynomial returns the coefficients, constant first, of the polynomial
// in x that fits response best by weighted linear least squares.
func (d *data) weightedPolynomial(degree int, response, weight func(i int) float64) []float64 {
	return d.weightedLinear(degree+1, response, weight, func(i int, row []float64) {
		power := 1.0
		for j := range row {
			row[j] = power
			power *= d.x[i]
		}
	})
}

// weightedLinear returns the n coefficients with which the columns, of which basis
// writes a row, fit response best by weighted linear least squares.
func (d *data) weightedLinear(n int, response, weight func(i int) float64, basis func(i int, row []float64)) []float64 {
	augmented := mat.NewDense(max(len(d.x), n+1), n+1, nil)
	for i := range d.x {
		row, w := augmented.RawRowView(i), weight(i)
		basis(i, row[:n])
		row[n] = response(i)
		for j := range row {
			row[j] *= w
		}
	}
	upper, right := triangle(augmented)
	return backSubstitute(upper, right)
}
