package curve

import (
	"cmp"
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

// LevelsError refuses a fit because there are too few concurrency levels for it.
type LevelsError struct {
	Have, Need int
	Model      string // that needs them; empty: every model does
	Instead    string // the model that these levels do for, if there is one
}

func (e *LevelsError) Error() string {
	if e.Model == "" {
		return fmt.Sprintf("curve: need >= %d concurrency levels, have %d: points only", e.Need, e.Have)
	}
	text := fmt.Sprintf("curve: need >= %d concurrency levels for %s, have %d", e.Need, e.Model, e.Have)
	if e.Instead != "" {
		text += ": fit " + e.Instead
	}
	return text
}

// PointError refuses a point that was not measured.
type PointError struct {
	Index int
	Field string // "concurrency" or "value"
	Value float64
}

func (e *PointError) Error() string {
	text := fmt.Sprintf("curve: point %d: %s %g: need a value > 0", e.Index, e.Field, e.Value)
	if e.Field == "value" {
		text += ", leave out what was not measured"
	}
	return text
}

// data is what a model is fitted to.
type data struct {
	points []Point
	x, y   []float64
	noise  Noise
	levels []level // by concurrency
	groups []int   // the server start of each point, numbered; nil: not known for all
	starts int     // how many server starts

	// whitening is how much of the mean residual of each server start is taken
	// off its residuals, 0 to 1; nil: nothing.
	whitening []float64
	ratio     float64 // of the variances that whitening is for: start / run

	condensed *condensed // what these points are means of; nil: they are runs

	found map[*Model]solution  // what was fitted already
	warm  map[*Model][]float64 // where to start, if that is known: near the end
}

// level is one concurrency, as nearly as it was reached.
type level struct {
	low, high float64
	points    []int
}

// newData refuses points that no model can be fitted to.
func newData(points []Point, noise Noise) (*data, error) {
	for i, p := range points {
		if !(p.X > 0) || math.IsInf(p.X, 1) {
			return nil, &PointError{Index: i, Field: "concurrency", Value: p.X}
		}
		if !(p.Y > 0) || math.IsInf(p.Y, 1) {
			return nil, &PointError{Index: i, Field: "value", Value: p.Y}
		}
	}
	d := collect(points, noise)
	if len(d.levels) < leastLevels {
		return nil, &LevelsError{Have: len(d.levels), Need: leastLevels}
	}
	return d, nil
}

func collect(points []Point, noise Noise) *data {
	d := &data{points: points, noise: noise, found: map[*Model]solution{}}
	for _, p := range points {
		d.x, d.y = append(d.x, p.X), append(d.y, p.Y)
	}
	d.levels = levelsOf(d.x)
	d.groupByStart(points)
	return d
}

// levelsOf groups the values that are not further than levelGap apart.
func levelsOf(xs []float64) []level {
	order := make([]int, len(xs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(xs[i], xs[j]) })
	var levels []level
	for _, i := range order {
		if last := len(levels) - 1; last >= 0 && xs[i] <= levels[last].low*levelGap {
			levels[last].high = xs[i]
			levels[last].points = append(levels[last].points, i)
			continue
		}
		levels = append(levels, level{low: xs[i], high: xs[i], points: []int{i}})
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
func (d *data) yMax() float64 { return slices.Max(d.y) }

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

// curveSteps is where a descent is given up. Those that get anywhere take 5 to 50
// steps; those that follow a valley to infinity, as ALA does on throughput that is
// proportional to concurrency, would take thousands.
const curveSteps = 150

// problem is that of fitting model: its working parameters are logs where the
// parameter must be positive, and its residuals are whitened.
func (d *data) problem(m *Model) problem {
	lower := make([]float64, len(m.parameters))
	for j, p := range m.parameters {
		if p.positive {
			lower[j] = math.Inf(-1)
		}
	}
	theta := make([]float64, len(m.parameters))
	return problem{
		residuals: len(d.x), parameters: len(m.parameters), lower: lower, steps: curveSteps,
		eval: func(working, r []float64, jac *mat.Dense) bool {
			m.naturalTo(theta, working)
			if !d.residuals(m, theta, r) {
				return false
			}
			d.whiten(r, 1)
			if jac == nil {
				return true
			}
			d.jacobian(m, theta, jac)
			for j, p := range m.parameters {
				if p.positive {
					scaleColumn(jac, j, theta[j])
				}
			}
			d.whitenRows(jac)
			return true
		},
	}
}

// natural turns working parameters into those of the formula; working is its
// inverse.
func (m *Model) natural(working []float64) []float64 {
	theta := make([]float64, len(working))
	m.naturalTo(theta, working)
	return theta
}

func (m *Model) naturalTo(theta, working []float64) {
	for j, p := range m.parameters {
		theta[j] = working[j]
		if p.positive {
			theta[j] = math.Exp(working[j])
		}
	}
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
