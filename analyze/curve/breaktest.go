package curve

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// BreakTest is the test of a breakpoint: does [Hinge] fit better than [Affine] by
// more than chance gives?
//
// A breakpoint is not an ordinary parameter. Without a break it means nothing, the
// likelihood ratio is the largest of many, and neither its chi-square nor AICc
// allow for that: AICc alone finds a break in 7 to 12 % of affine sweeps. So the
// ratio is compared with those of simulated sweeps without a break.
type BreakTest struct {
	Statistic  float64 // points × log(RSS affine / RSS hinge); +Inf if the hinge is exact
	P          float64 // (1 + as large by chance) / (1 + Replicates)
	Replicates int
	At         float64 // where the hinge bends
}

// breakLevel is the p-value from which on a break is not believed.
const breakLevel = 0.05

// How finely a break is looked for in simulated sweeps.
const (
	placesPerSegment = 6
	maxPlaces        = 64
)

// testBreak fits both models to latencies and simulates the ratio.
//
// The bootstrap is Hansen's (1996, Econometrica 64; 2000, J. Econometrics 97) with
// fixed regressors: noise is drawn, normal and as correlated as the server starts
// make it, and both models are fitted to it as they are linear at the affine fit.
// Refitting the curves themselves gives the same p-values to the noise of the
// simulation and takes a thousand times as long.
func testBreak(d *data, replicates int, rng *rand.Rand) (BreakTest, error) {
	affine, err := Affine.search(d)
	if err != nil {
		return BreakTest{}, err
	}
	hinge, err := Hinge.search(d)
	if err != nil {
		return BreakTest{}, err
	}
	test := BreakTest{Replicates: replicates, At: Hinge.natural(hinge.theta)[3]}
	if d.exact(affine.rss) {
		test.P = 1
		return test, nil
	}
	n := float64(len(d.x))
	test.Statistic = n * math.Log(affine.rss/hinge.rss)
	null := newNoBreak(d.breakDirections(Affine.natural(affine.theta)))
	larger := 0
	for range replicates {
		if n*null.ratio(rng) >= test.Statistic {
			larger++
		}
	}
	test.P = float64(1+larger) / float64(1+replicates)
	return test, nil
}

// breakDirections returns, as orthonormal vectors, how residuals change with the
// parameters of the affine fit and, orthogonal to these, with a break at each of
// many places.
func (d *data) breakDirections(theta []float64) (smooth, breaks [][]float64) {
	jac := mat.NewDense(len(d.x), 2, nil)
	d.jacobian(Affine, theta, jac)
	d.whitenRows(jac)
	for j := range 2 {
		smooth = appendOrthogonal(smooth, mat.Col(nil, j, jac), smooth)
	}
	g := make([]float64, 4)
	for _, at := range d.breakPlaces(placesPerSegment, maxPlaces) {
		bent := []float64{theta[0], theta[1], theta[1], at}
		column := make([]float64, len(d.x))
		for i, x := range d.x {
			Hinge.slope(bent, x, d.noise, g)
			column[i] = g[2]
		}
		d.whiten(column, 1)
		breaks = appendOrthogonal(breaks, column, smooth)
	}
	return smooth, breaks
}

// breakPlaces returns places all over the range that a breakpoint may lie in, so
// many in each segment but not more than most of them.
func (d *data) breakPlaces(perSegment, most int) []float64 {
	var places []float64
	for _, s := range d.segments() {
		for k := range perSegment {
			places = append(places, s.low*math.Pow(s.high/s.low, (float64(k)+0.5)/float64(perSegment)))
		}
	}
	return thin(places, most)
}

// noBreak draws log(RSS affine / RSS hinge) of noise. What counts of the noise is
// its coordinates in the space of the breaks and the length of all the rest, which
// is chi-square; so they are drawn instead of it.
type noBreak struct {
	breaks [][]float64 // in coordinates of their space
	rest   distuv.ChiSquared
	noise  []float64
}

func newNoBreak(smooth, breaks [][]float64) *noBreak {
	if len(breaks) == 0 {
		return &noBreak{}
	}
	var basis [][]float64
	for _, v := range breaks {
		basis = appendOrthogonal(basis, slices.Clone(v), basis)
	}
	null := &noBreak{noise: make([]float64, len(basis))}
	null.rest.K = float64(len(breaks[0]) - len(smooth) - len(basis))
	for _, v := range breaks {
		coordinates := make([]float64, len(basis))
		for j, b := range basis {
			coordinates[j] = floats.Dot(v, b)
		}
		null.breaks = append(null.breaks, coordinates)
	}
	return null
}

func (n *noBreak) ratio(rng *rand.Rand) float64 {
	var rss float64
	for i := range n.noise {
		n.noise[i] = rng.NormFloat64()
		rss += n.noise[i] * n.noise[i]
	}
	if n.rest.K > 0 {
		n.rest.Src = rng
		rss += n.rest.Rand()
	}
	var gain float64
	for _, v := range n.breaks {
		along := floats.Dot(v, n.noise)
		gain = math.Max(gain, along*along)
	}
	if gain >= rss {
		return 0
	}
	return math.Log(rss / (rss - gain))
}

// appendOrthogonal appends column to the vectors, at length 1, after taking from
// it what lies along others. A column of which nothing is left is not appended.
func appendOrthogonal(vectors [][]float64, column []float64, others [][]float64) [][]float64 {
	before := floats.Norm(column, 2)
	for range 2 { // once more for the rounding of the first time
		for _, v := range others {
			floats.AddScaled(column, -floats.Dot(v, column), v)
		}
	}
	length := floats.Norm(column, 2)
	if !(length > 1e-10*before) {
		return vectors
	}
	floats.Scale(1/length, column)
	return append(vectors, column)
}
