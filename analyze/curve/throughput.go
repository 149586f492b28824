package curve

import "math"

// Saturating is throughput on a server with a limited number of slots: [Amdahl]
// up to it, and flat beyond.
//
//	X(N) = gamma n / (1 + a (n-1)),  n = min(N, slots)
//
// It is the throughput of [Plateau] latency: min(c, slots)/(alpha + beta min(c,
// slots)).
var Saturating = &Model{
	name: "saturating",
	parameters: []parameter{
		{name: "gamma", positive: true},
		{name: "a", advice: "no contention shows below the slots"},
		{name: "slots", positive: true},
	},
	value: func(t []float64, n float64) float64 { return Amdahl.value(t, math.Min(n, t[2])) },
	gradient: func(t []float64, n float64, g []float64) {
		Amdahl.gradient(t, math.Min(n, t[2]), g)
		g[2] = 0
		if n > t[2] {
			cost := uslCost(t[1], 0, t[2])
			g[2] = t[0] * (1 - t[1]) / (cost * cost)
		}
	},
	breakAt: func(d *data, at float64) []float64 {
		// n/X = (1-a)/gamma + a n/gamma is a straight line.
		n := func(i int) float64 { return math.Min(d.x[i], at) }
		inverse := make([]float64, len(d.x))
		for i, y := range d.y {
			inverse[i] = n(i) / y
		}
		line := d.relativeLinear(2, inverse, func(i int, row []float64) { row[0], row[1] = 1, n(i) })
		gamma := 1 / (line[0] + line[1])
		a := math.Min(math.Max(line[1]*gamma, 1e-6), 0.99)
		if !(gamma > 0) {
			gamma = d.scaleOf(func(x float64) float64 { return Amdahl.value([]float64{1, a}, math.Min(x, at)) })
		}
		return []float64{gamma, a, at}
	},
	simpler: []simpler{{model: Amdahl}},
}

// ALA is the throughput curve of IBM (arXiv:2505.09319): an
// exponential approach to a limit, which no queueing model stands behind.
//
//	X(N) = limit - a exp(-b N)
var ALA = &Model{
	name: "ala",
	parameters: []parameter{
		{name: "limit", positive: true},
		{name: "a", advice: "throughput does not depend on concurrency: check that the concurrency asked for was reached"},
		{name: "b", positive: true},
	},
	value: func(t []float64, n float64) float64 {
		x := t[0] - t[1]*math.Exp(-t[2]*n)
		if x <= 0 {
			return math.NaN()
		}
		return x
	},
	gradient: func(t []float64, n float64, g []float64) {
		decay := math.Exp(-t[2] * n)
		g[0], g[1], g[2] = 1, -decay, t[1]*n*decay
	},
	starts:  alaStarts,
	simpler: []simpler{{model: Amdahl}},
}

// alaStarts takes rates from one that is through at the lowest level to one that
// has hardly begun at the highest, and for each the straight line in exp(-b N).
func alaStarts(d *data) [][]float64 {
	var starts [][]float64
	lowest, highest := 0.1/d.xMax(), 3/d.xMin()
	const rates = 12
	for k := range rates {
		b := lowest * math.Pow(highest/lowest, float64(k)/(rates-1))
		line := d.relativeLinear(2, d.y, func(i int, row []float64) { row[0], row[1] = 1, -math.Exp(-b*d.x[i]) })
		limit := math.Max(line[0], 0.5*d.yMax())
		// Positive at the lowest level, whatever the line says.
		most := 0.99 * limit * math.Exp(b*d.xMin())
		starts = append(starts, []float64{limit, math.Min(math.Max(line[1], 1e-3*most), most), b})
	}
	return starts
}
