package curve

import "math"

// Plateau is [Affine] latency on a server with a limited number of slots: beyond
// it further requests wait, and the batch does not grow.
//
//	ITL(c) = alpha + beta min(c, slots)
var Plateau = &Model{
	name: "plateau",
	parameters: []parameter{
		{name: "alpha", advice: "latency is proportional to concurrency: check that the server was not queueing"},
		{name: "beta", advice: "latency does not rise with concurrency: check that the concurrency asked for was reached"},
		{name: "slots", positive: true},
	},
	value: func(t []float64, c float64) float64 { return t[0] + t[1]*math.Min(c, t[2]) },
	gradient: func(t []float64, c float64, g []float64) {
		g[0], g[1], g[2] = 1, math.Min(c, t[2]), 0
		if c > t[2] {
			g[2] = t[1]
		}
	},
	breakAt: func(d *data, at float64) []float64 {
		line := d.relativeLinear(2, d.y, func(i int, row []float64) { row[0], row[1] = 1, math.Min(d.x[i], at) })
		return []float64{d.atLeast(line[0]), d.slopeAtLeast(line[1]), at}
	},
	simpler: []simpler{{model: Affine}},
}

// Hinge is latency that rises at two rates: from the breakpoint on the batch costs
// more for each sequence, or less.
//
//	ITL(c) = alpha + beta min(c, onset) + beta2 max(0, c - onset)
//
// It is the segmented line of Muggeo (2003, Statistics in Medicine 22), with
// slopes that do not fall below 0. With beta2 = 0 it is [Plateau].
var Hinge = &Model{
	name: "hinge",
	parameters: []parameter{
		{name: "alpha", advice: "latency is proportional to concurrency: check that the server was not queueing"},
		{name: "beta", advice: "latency does not rise before the break"},
		{name: "beta2", advice: "latency does not rise beyond the break: the model plateau says the same"},
		{name: "onset", positive: true},
	},
	value: func(t []float64, c float64) float64 {
		return t[0] + t[1]*math.Min(c, t[3]) + t[2]*math.Max(0, c-t[3])
	},
	gradient: func(t []float64, c float64, g []float64) {
		g[0], g[1], g[2], g[3] = 1, math.Min(c, t[3]), math.Max(0, c-t[3]), 0
		if c > t[3] {
			g[3] = t[1] - t[2]
		}
	},
	breakAt: func(d *data, at float64) []float64 {
		line := d.brokenLine(at)
		return []float64{d.atLeast(line[0]), d.slopeAtLeast(line[1]), d.slopeAtLeast(line[2]), at}
	},
	simpler: []simpler{
		{Plateau, func(_ *data, t []float64) []float64 { return []float64{t[0], t[1], 0, t[2]} }},
		{Affine, func(d *data, t []float64) []float64 { return []float64{t[0], t[1], t[1], d.middleBreak()} }},
	},
}

// Quadratic is the [USL] seen from latency: a step costs something for each
// sequence and something for each pair of them.
//
//	ITL(c) = alpha + beta c + kappa c²
//
// With c times ITL(c) as the inverse of its throughput, gamma = 1/(alpha + beta +
// kappa), b = kappa gamma and a = (beta + kappa) gamma.
var Quadratic = &Model{
	name: "quadratic",
	parameters: []parameter{
		{name: "alpha", advice: "latency is proportional to concurrency: check that the server was not queueing"},
		{name: "beta", advice: "latency rises with the square of concurrency alone"},
		{name: "kappa", advice: "latency does not bend upwards: use the model affine"},
	},
	value: func(t []float64, c float64) float64 { return t[0] + c*(t[1]+c*t[2]) },
	gradient: func(_ []float64, c float64, g []float64) {
		g[0], g[1], g[2] = 1, c, c*c
	},
	starts:  quadraticStarts,
	simpler: withoutLast(Affine),
}

// Queueing is the time to first token on a server with a limited number of slots.
// Below it a request meets others' prefills; beyond it, it waits for its share of
// a whole service.
//
//	TTFT(c) = base + slope min(c, slots) + service max(0, c - slots)/slots
//
// In a closed loop with equal lengths this is exact, and service the time that a
// request holds its slot: prefill + output tokens × ITL(slots).
var Queueing = &Model{
	name: "queueing",
	parameters: []parameter{
		{name: "base", advice: "TTFT is proportional to concurrency from the lowest level on: check that the server was not queueing there"},
		{name: "slope", advice: "TTFT does not rise below the queue"},
		{name: "service", advice: "TTFT does not rise in the queue"},
		{name: "slots", positive: true},
	},
	value: func(t []float64, c float64) float64 {
		return t[0] + t[1]*math.Min(c, t[3]) + t[2]*math.Max(0, c-t[3])/t[3]
	},
	gradient: func(t []float64, c float64, g []float64) {
		g[0], g[1], g[2], g[3] = 1, math.Min(c, t[3]), math.Max(0, c-t[3])/t[3], 0
		if c > t[3] {
			g[3] = t[1] - t[2]*c/(t[3]*t[3])
		}
	},
	breakAt: func(d *data, at float64) []float64 {
		line := d.brokenLine(at)
		return []float64{d.atLeast(line[0]), d.slopeAtLeast(line[1]), at * d.slopeAtLeast(line[2]), at}
	},
	simpler: []simpler{{Affine, func(d *data, t []float64) []float64 {
		at := d.middleBreak()
		return []float64{t[0], t[1], at * t[1], at}
	}}},
}

// relativeLinear is weighted linear least squares of relative residuals.
func (d *data) relativeLinear(n int, response []float64, basis func(i int, row []float64)) []float64 {
	return d.weightedLinear(n,
		func(i int) float64 { return response[i] },
		func(i int) float64 { return 1 / response[i] }, basis)
}

// brokenLine returns the constant and both slopes of the segmented line that
// breaks there.
func (d *data) brokenLine(at float64) []float64 {
	return d.relativeLinear(3, d.y, func(i int, row []float64) {
		row[0], row[1], row[2] = 1, math.Min(d.x[i], at), math.Max(0, d.x[i]-at)
	})
}

// atLeast and slopeAtLeast bring a coefficient of a line within what a latency can
// be, off the bound, where a start would stick.
func (d *data) atLeast(constant float64) float64 { return math.Max(constant, 1e-3*d.yMin()) }

func (d *data) slopeAtLeast(slope float64) float64 { return math.Max(slope, 1e-3*d.yMin()/d.xMax()) }

// quadraticStarts takes the weighted parabola, bent less and more, and with lines
// of other slopes.
func quadraticStarts(d *data) [][]float64 {
	c := d.weightedPolynomial(2, func(i int) float64 { return d.y[i] }, func(i int) float64 { return 1 / d.y[i] })
	alpha, beta, kappa := d.atLeast(c[0]), d.slopeAtLeast(c[1]), math.Max(c[2], 1e-3*d.yMin()/(d.xMax()*d.xMax()))
	var starts [][]float64
	for _, f := range []float64{1, 0.1, 10} {
		for _, g := range []float64{1, 0.1, 10} {
			starts = append(starts, []float64{alpha, f * beta, g * kappa})
		}
	}
	return starts
}
