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

	// DF are the degrees of freedom of the intervals: Points less parameters or, if
	// Clustered, Starts - 1 for the part that starts contribute, which is the larger
	// one for everything that a slow start shifts.
	DF        int
	Clustered bool // intervals count what server starts differ by

	RSS                  float64   // of whitened residuals, where server starts differ
	Sigma                float64   // residual standard deviation; with multiplicative noise, a share
	SigmaRun, SigmaStart float64   // its two parts, if Clustered: within and between server starts
	AICc                 float64   // comparable for the same points and the same noise; lower is better
	Residuals            []float64 // observed less fitted, on the scale of the noise, in the order of the points
	Simpler              []Rival   // the models that this one contains or is compared with, next simpler first

	// Condition is the condition number of the Jacobian with its columns scaled to
	// length 1. Beyond 30 parameters begin to make up for each other (Belsley,
	// Kuh & Welsch 1980).
	Condition float64

	// Gradient is the largest cosine between the residuals and a direction in
	// which the parameters can move: 0 at an exact minimum.
	Gradient float64

	// LackOfFit is the p-value of the F test of the levels' means against the curve:
	// small if they lie off it by more than runs differ. NaN where there are no
	// repeats to say how much runs differ.
	LackOfFit float64

	Warnings []Warning

	model      *Model // the curve
	criterion  *Model // what was fitted to the data: another function of the same parameters in a joint fit
	theta      []float64
	data       *data
	cov        *covariance // of the parameters; nil if they are not determined
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
// The sum of squares is minimised from nine or more starts, and from the best of
// the simpler models that m contains, so that it is never above theirs, and the
// gradient at the end is checked. A breakpoint keeps two levels on each side.
//
// Where points say on which of three or more server starts they were measured, a
// residual is a start's deviation plus a run's. Both variances are estimated, and
// the fit is by generalised least squares with them.
//
// Intervals are t intervals from the linearisation at the minimum. For a
// parameter at its bound they are those of the model without the bound, and only
// a guide.
func (m *Model) Fit(points []Point, opts Options) (*Fit, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	d, err := newData(points, opts.Noise)
	if err != nil {
		return nil, err
	}
	return m.fitTo(d, opts)
}

// fitTo fits by least squares; where that shows that server starts differ, it
// goes on to generalised least squares with what it showed.
func (m *Model) fitTo(d *data, opts Options) (*Fit, error) {
	best, err := m.searchIfEnough(d)
	if err != nil {
		return nil, err
	}
	if ratio := m.startRatio(d, best); ratio > 0 {
		d = d.whitened(ratio)
		if best, err = m.search(d); err != nil {
			return nil, err
		}
	}
	return newFit(m, d, best, opts), nil
}

// searchIfEnough refuses if there are too few levels for the parameters of m.
func (m *Model) searchIfEnough(d *data) (solution, error) {
	if len(m.parameters) > 2 && len(d.levels) < leastLevelsForThree {
		return solution{}, &LevelsError{Have: len(d.levels), Need: leastLevelsForThree, Model: m.name, Instead: m.instead()}
	}
	return m.search(d)
}

// startRatio is the ratio of the variance between server starts to that between
// runs that the residuals of a fit show; 0 where they show none or cannot.
func (m *Model) startRatio(d *data, best solution) float64 {
	if !d.replicated() || d.whitening != nil || d.exact(best.rss) {
		return 0
	}
	theta := m.natural(best.theta)
	r := make([]float64, len(d.x))
	d.residuals(m, theta, r)
	jac := mat.NewDense(len(d.x), len(m.parameters), nil)
	d.jacobian(m, theta, jac)
	inverse := newSpread(jac).inverse
	if inverse == nil {
		return 0
	}
	found, ok := d.components(jac, r, inverse)
	if !ok {
		return 0
	}
	return found.ratio()
}

// rivals are the simpler models of m on d, which were fitted on the way to m.
func (m *Model) rivals(d *data) []Rival {
	var rs []Rival
	for _, s := range m.simpler {
		for _, r := range append([]Rival{s.model.rival(d, d.found[s.model].rss)}, s.model.rivals(d)...) {
			if !slices.ContainsFunc(rs, func(known Rival) bool { return known.Model == r.Model }) {
				rs = append(rs, r)
			}
		}
	}
	return rs
}

func (m *Model) rival(d *data, rss float64) Rival {
	return Rival{Model: m.name, RSS: rss, AICc: d.aicc(rss, len(m.parameters))}
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
//
// Where residuals are whitened, it is that of the likelihood of the correlated
// ones, and the ratio of the variances is one more parameter.
func (d *data) aicc(rss float64, parameters int) float64 {
	n, k := float64(len(d.x)), float64(parameters+1)
	if d.whitening != nil {
		k++
	}
	if n-k-1 <= 0 {
		return math.Inf(1)
	}
	return n*math.Log(rss/n) + d.logVolume() + 2*k + 2*k*(k+1)/(n-k-1)
}

func newFit(m *Model, d *data, best solution, opts Options) *Fit {
	theta := m.natural(best.theta)
	points, parameters := len(d.x), len(m.parameters)
	r := make([]float64, points)
	d.residuals(m, theta, r)
	jac := mat.NewDense(points, parameters, nil)
	d.jacobian(m, theta, jac)
	variance := best.rss / float64(points-parameters)

	f := &Fit{
		Model: m.name, Noise: d.noise, Points: points, Levels: len(d.levels), Starts: d.starts,
		Confidence: opts.Confidence,
		DF:         points - parameters,
		RSS:        best.rss,
		Sigma:      math.Sqrt(variance),
		AICc:       d.aicc(best.rss, parameters),
		Residuals:  make([]float64, points),
		Gradient:   best.slope,
		Simpler:    m.rivals(d),
		model:      m, criterion: m, theta: theta, data: d, xMin: d.xMin(), xMax: d.xMax(), exact: d.exact(best.rss),
	}
	for i := range r {
		f.Residuals[i] = -r[i]
	}
	if f.exact {
		f.Gradient = 0 // the direction of rounding errors means nothing
	}
	var found components
	f.cov, found, f.Condition = d.newCovariance(jac, r, variance, opts.Confidence)
	if f.cov != nil && f.cov.start != nil {
		f.Clustered, f.DF = true, d.starts-1
		f.SigmaRun, f.SigmaStart = math.Sqrt(found.run), math.Sqrt(found.betweenStarts())
		f.Sigma = math.Hypot(f.SigmaRun, f.SigmaStart)
	}
	f.LackOfFit = f.lackOfFit()
	f.Params = f.parameters()
	f.Warnings = f.warnings()
	if d.condensed != nil {
		f.expand(d.condensed)
	}
	return f
}

func (f *Fit) parameters() []Parameter {
	ps := make([]Parameter, len(f.theta))
	for j, v := range f.theta {
		p := Parameter{Name: f.model.parameters[j].name, Value: v, SE: math.NaN(), High: math.Inf(1)}
		p.AtBound = v == 0
		if f.cov != nil {
			unit := make([]float64, len(f.theta))
			unit[j] = 1
			p.SE = f.cov.standardError(unit)
			half := f.cov.halfWidth(unit)
			p.Low, p.High = math.Max(0, v-half), v+half
		}
		ps[j] = p
	}
	return ps
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

// offCurve is the p-value from which on a lack of fit is worth a warning.
const offCurve = 0.01

// lackOfFit compares the levels' mean residuals with what is left of residuals
// without them and without the starts' means.
func (f *Fit) lackOfFit() float64 {
	d := f.data
	r := slices.Clone(f.Residuals)
	dfRuns := float64(len(r) - len(d.levels))
	if f.Clustered {
		sums, n := make([]float64, d.starts), d.startSizes()
		for i, g := range d.groups {
			sums[g] += r[i] / n[g]
		}
		for i, g := range d.groups {
			r[i] -= sums[g]
		}
		dfRuns -= float64(d.starts - 1)
	}
	dfLevels := float64(len(d.levels) - len(f.theta))
	if dfRuns < 1 || dfLevels < 1 || f.exact {
		return math.NaN()
	}
	var levels, runs float64
	for _, l := range d.levels {
		var mean float64
		for _, i := range l.points {
			mean += r[i] / float64(len(l.points))
		}
		levels += mean * mean * float64(len(l.points))
		for _, i := range l.points {
			runs += (r[i] - mean) * (r[i] - mean)
		}
	}
	return distuv.F{D1: dfLevels, D2: dfRuns}.Survival(levels / dfLevels * dfRuns / runs)
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
			"need >= %d server starts for intervals that cover other starts, have %d", leastStarts, f.Starts))
	}
	if f.LackOfFit < offCurve {
		ws = append(ws, warn(LackOfFit,
			"levels lie off the curve by more than runs differ (p = %.1g): its band does not cover that; ask at tested levels only, or try another model", f.LackOfFit))
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
	half := f.cov.halfWidth(g)
	if f.Noise == Multiplicative {
		p.Low, p.High = value*math.Exp(-half), value*math.Exp(half)
		return p, nil
	}
	p.Low, p.High = math.Max(0, value-half), value+half
	return p, nil
}
