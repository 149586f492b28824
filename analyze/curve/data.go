package curve

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Point is one run at one load point.
type Point struct {
	X     float64 // measured mean concurrency
	Y     float64 // the summary of the run: positive
	Start string  // the server start it was measured on; empty: not known
}

// Noise says on which scale the noise has the same size everywhere.
type Noise int

const (
	// Multiplicative noise is a share of the value: residuals are log y - log f(x).
	Multiplicative Noise = iota
	// Additive noise does not depend on the value: residuals are y - f(x), as in
	// the R package usl.
	Additive
)

func (n Noise) String() string {
	switch n {
	case Multiplicative:
		return "multiplicative"
	case Additive:
		return "additive"
	}
	return fmt.Sprintf("noise(%d)", int(n))
}

// What a fit needs. Two parameters are determined by two levels; two more say
// whether the curve has that shape.
const (
	leastLevels         = 4
	leastLevelsForThree = 6
)

// levelGap is the ratio of concurrencies from which on they are two levels. A
// server at its limit, or a client at its connection limit, does not go beyond
// some concurrency, whatever it is asked for, and varies by some percent there.
const levelGap = 1.05

// data is what a model is fitted to.
type data struct {
	x, y   []float64
	noise  Noise
	levels int
	groups []int // the server start of each point, numbered; nil: not known for all
	starts int   // how many server starts
}

// newData refuses points that no model can be fitted to.
func newData(points []Point, noise Noise) (*data, error) {
	d := &data{noise: noise}
	for i, p := range points {
		if !(p.X > 0) || math.IsInf(p.X, 1) {
			return nil, fmt.Errorf("curve: point %d: concurrency %g: need a value > 0", i, p.X)
		}
		if !(p.Y > 0) || math.IsInf(p.Y, 1) {
			return nil, fmt.Errorf("curve: point %d: value %g: need a value > 0, leave out what was not measured", i, p.Y)
		}
		d.x, d.y = append(d.x, p.X), append(d.y, p.Y)
	}
	if d.levels = countLevels(d.x); d.levels < leastLevels {
		return nil, fmt.Errorf("curve: need >= %d concurrency levels, have %d: points only", leastLevels, d.levels)
	}
	d.groupByStart(points)
	return d, nil
}

// countLevels counts the values that are further than levelGap apart.
func countLevels(xs []float64) int {
	var levels int
	var first float64 // of the level
	for _, x := range slices.Sorted(slices.Values(xs)) {
		if levels == 0 || x > first*levelGap {
			levels++
			first = x
		}
	}
	return levels
}

func (d *data) groupByStart(points []Point) {
	numbers := map[string]int{}
	groups := make([]int, len(points))
	for i, p := range points {
		if p.Start == "" {
			return
		}
		if _, known := numbers[p.Start]; !known {
			numbers[p.Start] = len(numbers)
		}
		groups[i] = numbers[p.Start]
	}
	d.groups, d.starts = groups, len(numbers)
}

func (d *data) xMin() float64 { return slices.Min(d.x) }
func (d *data) xMax() float64 { return slices.Max(d.x) }
func (d *data) yMin() float64 { return slices.Min(d.y) }

// scaleOf returns the factor with which shape fits best.
func (d *data) scaleOf(shape func(x float64) float64) float64 {
	var logs, cross, squares float64
	for i, x := range d.x {
		s := shape(x)
		logs += math.Log(d.y[i] / s)
		cross += s * d.y[i]
		squares += s * s
	}
	if d.noise == Additive {
		return cross / squares
	}
	return math.Exp(logs / float64(len(d.x)))
}

// problem is that of fitting model: its working parameters are logs where the
// parameter must be positive.
func (d *data) problem(m *Model) problem {
	lower := make([]float64, len(m.parameters))
	for j, p := range m.parameters {
		if p.positive {
			lower[j] = math.Inf(-1)
		}
	}
	return problem{
		residuals: len(d.x), parameters: len(m.parameters), lower: lower,
		eval: func(working, r []float64, jac *mat.Dense) bool {
			theta := m.natural(working)
			if !d.residuals(m, theta, r) {
				return false
			}
			if jac == nil {
				return true
			}
			d.jacobian(m, theta, jac)
			for j, p := range m.parameters {
				if p.positive {
					scaleColumn(jac, j, theta[j])
				}
			}
			return true
		},
	}
}

// natural turns working parameters into those of the formula; working is its
// inverse.
func (m *Model) natural(working []float64) []float64 {
	theta := slices.Clone(working)
	for j, p := range m.parameters {
		if p.positive {
			theta[j] = math.Exp(theta[j])
		}
	}
	return theta
}

func (m *Model) working(theta []float64) []float64 {
	working := slices.Clone(theta)
	for j, p := range m.parameters {
		if p.positive {
			working[j] = math.Log(working[j])
		}
	}
	return working
}

// residuals writes fitted less observed, on the scale of the noise. It reports
// false where the model has no value there.
func (d *data) residuals(m *Model, theta, r []float64) bool {
	for i, x := range d.x {
		f := m.value(theta, x)
		r[i] = f - d.y[i]
		if d.noise == Multiplicative {
			r[i] = math.Log(f / d.y[i])
		}
	}
	return finite(r)
}

// jacobian writes the derivatives of the residuals by the natural parameters.
func (d *data) jacobian(m *Model, theta []float64, jac *mat.Dense) {
	for i, x := range d.x {
		m.slope(theta, x, d.noise, jac.RawRowView(i))
	}
}

// slope writes the derivatives of the model, on the scale of the noise.
func (m *Model) slope(theta []float64, x float64, noise Noise, g []float64) {
	m.gradient(theta, x, g)
	if noise == Additive {
		return
	}
	f := m.value(theta, x)
	for j := range g {
		g[j] /= f
	}
}

func scaleColumn(m *mat.Dense, column int, by float64) {
	rows, _ := m.Dims()
	for i := range rows {
		m.Set(i, column, m.At(i, column)*by)
	}
}
