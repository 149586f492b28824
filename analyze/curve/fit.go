package curve

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Options sets how to fit. A zero field takes its default.
type Options struct {
	Noise      Noise   // default Multiplicative
	Confidence float64 // of all intervals; default 0.95
}

const defaultConfidence = 0.95

// Parameter is a fitted parameter with its t interval, which is cut off at 0, the
// least that any parameter can be.
type Parameter struct {
	Name      string
	Value     float64
	SE        float64
	Low, High float64
	AtBound   bool // Value is 0 because it can be no less
}

// Rival is a simpler model on the same points.
type Rival struct {
	Model     string
	RSS, AICc float64
}

// Fit is a fitted model.
type Fit struct {
	Model      string
	Noise      Noise
	Points     int
	Levels     int
	Starts     int     // server starts; 0 if not known
	Confidence float64 // of all intervals

	Params []Parameter

	// DF are the degrees of freedom of the intervals: Starts - 1 if Clustered,
	// else Points less parameters.
	DF        int
	Clustered bool // standard errors come from differences between server starts

	RSS       float64
	Sigma     float64   // residual standard deviation; with multiplicative noise, a share
	AICc      float64   // comparable for the same points and the same noise; lower is better
	Residuals []float64 // observed less fitted, on the scale of the noise, in the order of the points
	Simpler   []Rival   // the models that this one contains, next simpler first

	// Condition is the condition number of the Jacobian with its columns scaled to
	// length 1. Beyond 30 parameters begin to make up for each other (Belsley,
	// Kuh & Welsch 1980).
	Condition float64

	// Gradient is the largest cosine between the residuals and a direction in
	// which the parameters can move: 0 at an exact minimum.
	Gradient float64

	Warnings []Warning

	model      *Model
	theta      []float64
	cov        *mat.Dense // of the parameters; nil if they are not determined
	xMin, xMax float64
	exact      bool // what is left of the points is rounding
}

// ErrNotConverged is returned if no start led to a minimum.
var ErrNotConverged = errors.New("curve: the fit did not converge")

// Limits of what is accepted as a fit.
const (
	convergedGradient = 1e-5
	exactResidual     = 1e-10 // relative: what is left is rounding
	collinear         = 100   // condition number: Belsley, Kuh & Welsch's "strong"
)

// Fit fits the model to points, of which there have to be four concurrency
// levels (six for three parameters), further than 5 % apart.
//
// The sum of squares is minimised from ten or more starts, and from the simpler
// models' best, so that it is never above theirs, and the gradient at the end is
// checked.
//
// Intervals are t intervals from the linearisation at the minimum. For a
// parameter at its bound they are those of the model without the bound, and only
// a guide.
func (m *Model) Fit(points []Point, opts Options) (*Fit, error) {
	if opts.Confidence == 0 {
		opts.Confidence = defaultConfidence
	}
	if !(opts.Confidence > 0 && opts.Confidence < 1) {
		return nil, fmt.Errorf("curve: confidence %g is not between 0 and 1", opts.Confidence)
	}
	d, err := newData(points, opts.Noise)
	if err != nil {
		return nil, err
	}
	if len(m.parameters) > 2 && d.levels < leastLevelsForThree {
		return nil, fmt.Errorf("curve: need >= %d concurrency levels for %s, have %d: fit %s",
			leastLevelsForThree, m.name, d.levels, m.simpler.name)
	}
	best, rivals, err := m.search(d)
	if err != nil {
		return nil, err
	}
	f := newFit(m, d, best, opts)
	f.Simpler = rivals
	f.Warnings = f.warnings()
	return f, nil
}

// search minimises from all starts, the last of which is the best of the next
// simpler model, and returns the lowest minimum. rivals are the simpler models.
func (m *Model) search(d *data) (best solution, rivals []Rival, err error) {
	starts := m.starts(d)
	bound := math.Inf(1)
	if m.simpler != nil {
		simple, simpler, err := m.simpler.search(d)
		if err != nil {
			return solution{}, nil, err
		}
		bound = simple.rss
		rivals = append([]Rival{m.simpler.rival(d, simple.rss)}, simpler...)
		starts = append(starts, m.extend(m.simpler.natural(simple.theta)))
	}

	p := d.problem(m)
	best.rss = math.Inf(1)
	for _, start := range starts {
		if s, ok := minimise(p, m.working(start)); ok && s.rss < best.rss {
			best = s
		}
	}
	if best.theta == nil || best.rss > bound*(1+1e-9) || best.slope > convergedGradient && !d.exact(best.rss) {
		return solution{}, nil, fmt.Errorf("%w: %s on %d points", ErrNotConverged, m.name, len(d.x))
	}
	return best, rivals, nil
}

// extend turns parameters of the simpler model into those of m.
func (m *Model) extend(theta []float64) []float64 {
	return append(slices.Clone(theta), make([]float64, len(m.parameters)-len(theta))...)
}

func (m *Model) rival(d *data, rss float64) Rival {
	return Rival{Model: m.name, RSS: rss, AICc: aicc(rss, len(d.x), len(m.parameters))}
}

// exact reports whether what is left of the data is rounding.
func (d *data) exact(rss float64) bool {
	scale := 1.0 // of logs
	if d.noise == Additive {
		scale = slices.Max(d.y)
	}
	return math.Sqrt(rss/float64(len(d.x))) <= exactResidual*scale
}

// aicc is Akaike's criterion with the correction for few points (Hurvich & Tsai
// 1989), for normal noise whose variance is fitted too: n log(RSS/n) + 2k +
// 2k(k+1)/(n-k-1), k one more than the parameters. It is +Inf where there are too
// few points for the correction.
func aicc(rss float64, points, parameters int) float64 {
	n, k := float64(points), float64(parameters+1)
	if n-k-1 <= 0 {
		return math.Inf(1)
	}
	return n*math.Log(rss/n) + 2*k + 2*k*(k+1)/(n-k-1)
}

func newFit(m *Model, d *data, best solution, opts Options) *Fit {
	theta := m.natural(best.theta)
	points, parameters := len(d.x), len(m.parameters)
	r := make([]float64, points)
	d.residuals(m, theta, r)
	jac := mat.NewDense(points, parameters, nil)
	d.jacobian(m, theta, jac)
	spread := newSpread(jac)

	f := &Fit{
		Model: m.name, Noise: d.noise, Points: points, Levels: d.levels, Starts: d.starts,
		Confidence: opts.Confidence,
		DF:         points - parameters,
		RSS:        best.rss,
		Sigma:      math.Sqrt(best.rss / float64(points-parameters)),
		AICc:       aicc(best.rss, points, parameters),
		Residuals:  make([]float64, points),
		Condition:  spread.condition,
		Gradient:   best.slope,
		model:      m, theta: theta, xMin: d.xMin(), xMax: d.xMax(), exact: d.exact(best.rss),
	}
	for i := range r {
		f.Residuals[i] = -r[i]
	}
	if f.exact {
		f.Gradient = 0 // the direction of rounding errors means nothing
	}
	switch {
	case spread.inverse == nil:
	case d.replicated(parameters):
		f.Clustered, f.DF = true, d.starts-1
		f.cov = spread.clustered(jac, r, d.groups, d.starts)
	default:
		f.cov = spread.independent(f.Sigma * f.Sigma)
	}
	f.Params = f.parameters()
	return f
}

// replicated reports whether there are server starts enough to estimate the
// covariance of the parameters from their differences, whose rank is starts - 1,
// and more than one point on some.
func (d *data) replicated(parameters int) bool {
	return d.starts > parameters && d.starts < len(d.x)
}

func (f *Fit) parameters() []Parameter {
	t := f.t()
	ps := make([]Parameter, len(f.theta))
	for j, v := range f.theta {
		p := Parameter{Name: f.model.parameters[j].name, Value: v, SE: math.NaN(), High: math.Inf(1)}
		p.AtBound = v == 0
		if f.cov != nil {
			p.SE = math.Sqrt(f.cov.At(j, j))
			p.Low, p.High = math.Max(0, v-t*p.SE), v+t*p.SE
		}
		ps[j] = p
	}
	return ps
}

// t is the quantile of Student's t for the intervals.
func (f *Fit) t() float64 {
	return distuv.StudentsT{Sigma: 1, Nu: float64(f.DF)}.Quantile((1 + f.Confidence) / 2)
}

// Param returns the parameter of that name.
func (f *Fit) Param(name string) (Parameter, bool) {
	for _, p := range f.Params {
		if p.Name == name {
			return p, true
		}
	}
	return Parameter{}, false
}

func (f *Fit) warnings() []Warning {
	var ws []Warning
	for j, p := range f.Params {
		if p.AtBound {
			ws = append(ws, warn(AtBound, "%s is 0, the least it can be: %s", p.Name, f.model.parameters[j].advice))
		}
	}
	if f.Condition > collinear {
		ws = append(ws, warn(IllConditioned,
			"parameters make up for each other (condition number %.3g): add levels where the curve bends", f.Condition))
	}
	if f.DF < 3 {
		ws = append(ws, warn(FewFreedom, "intervals rest on %d degrees of freedom: repeat the sweep on fresh server starts", f.DF))
	}
	if f.Starts > 0 && f.Starts < f.Points && !f.Clustered {
		ws = append(ws, warn(FewStarts,
			"need >= %d server starts for intervals that cover other starts, have %d", len(f.Params)+1, f.Starts))
	}
	if f.exact {
		ws = append(ws, warn(ExactFit, "the points lie on the curve exactly: check that they were measured"))
	}
	return ws
}

// Prediction is the fitted curve at one concurrency, with its band: where the
// curve is, not where the next run will be, which adds its own noise.
type Prediction struct {
	X            float64
	Value        float64
	Low, High    float64
	Level        float64 // confidence, at this x
	Extrapolated bool    // x is outside the tested range
}

// Predict returns the curve at x, which must be positive, by the delta method on
// the scale of the noise.
func (f *Fit) Predict(x float64) (Prediction, error) {
	value := f.model.value(f.theta, x)
	if !(x > 0) || math.IsInf(x, 1) || math.IsNaN(value) {
		return Prediction{}, fmt.Errorf("curve: %s has no value at concurrency %g", f.Model, x)
	}
	p := Prediction{
		X: x, Value: value, Low: 0, High: math.Inf(1), Level: f.Confidence,
		Extrapolated: x < f.xMin || x > f.xMax,
	}
	if f.cov == nil {
		return p, nil
	}
	g := make([]float64, len(f.theta))
	f.model.slope(f.theta, x, f.Noise, g)
	half := f.t() * f.standardError(g)
	if f.Noise == Multiplicative {
		p.Low, p.High = value*math.Exp(-half), value*math.Exp(half)
		return p, nil
	}
	p.Low, p.High = math.Max(0, value-half), value+half
	return p, nil
}

// standardError is that of a function of the parameters with gradient g.
func (f *Fit) standardError(g []float64) float64 {
	v := mat.NewVecDense(len(g), g)
	// Rounding may take an exact 0 below.
	return math.Sqrt(math.Max(0, mat.Inner(v, f.cov, v)))
}
