package curve

import (
	"cmp"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// problem is a nonlinear least-squares problem with simple bounds: find the
// parameters, each at or above its lower bound, that minimise the sum of the
// squared residuals.
type problem struct {
	residuals  int // more than parameters
	parameters int

	// eval writes the residuals at theta and, unless jac is nil, their
	// derivatives by the parameters (a row for each residual). It reports false
	// where the model is not defined.
	eval func(theta, r []float64, jac *mat.Dense) bool

	lower, upper []float64 // nil: unbounded
	steps        int       // at most; 0: maxSteps
}

// solution is where a minimisation ended.
type solution struct {
	theta []float64
	rss   float64

	// slope is the largest cosine of an angle between the residuals and a column
	// of the Jacobian, over the parameters that are free to move: 0 at a minimum
	// (the condition of Karush, Kuhn and Tucker, freed of units).
	slope float64
}

// Constants of the trust region, as in MINPACK's lmder (Moré, Garbow & Hillstrom
// 1980, User Guide for MINPACK-1). Its first radius may be 0.1 to 100 times the
// scaled length of the start; with the usual 100 NIST's BoxBOD diverges from its
// far start, with 1 all 27 problems converge from both.
const (
	firstRadius = 1
	leastGain   = 1e-4    // a step is taken if it gains this share of what was predicted
	progress    = 0x1p-52 // relative gain, or relative radius, below which to stop
	maxSteps    = 2000
	maxPolish   = 100
)

// minimise finds a local minimum near start by the method of Levenberg (1944)
// and Marquardt (1963) as Moré (1978) gave it: a trust region whose shape follows
// the lengths of the Jacobian's columns, so that the units of the parameters do
// not matter, and QR factors throughout. The normal equations, which square the
// condition number, are never formed.
//
// Bounds are kept by an active set: a parameter on its bound that would be pushed
// through it is left out of the step (Bertsekas 1982), and one that a step takes
// through its bound stops there, and the others' step is taken again. Putting back
// alone, as R's nlsLM does, can end at a point that is no minimum.
//
// ok is false if the model is not defined at start.
func minimise(p problem, start []float64) (s solution, ok bool) {
	d, ok := descend(p, start)
	if !ok {
		return solution{}, false
	}
	return d.polished(), true
}

// descend goes down as far as the sum of squares shows.
func descend(p problem, start []float64) (d *descent, ok bool) {
	d = newDescent(p, start)
	if !d.evaluate() {
		return nil, false
	}
	d.radius = firstRadius * d.scaledLength(d.theta)
	if d.radius == 0 {
		d.radius = firstRadius
	}
	for range cmp.Or(p.steps, maxSteps) {
		if !d.step() {
			break
		}
	}
	return d, true
}

func (d *descent) polished() solution {
	d.polish()
	return solution{theta: d.theta, rss: d.rss, slope: d.slope()}
}

// descent is the state of a minimisation.
type descent struct {
	problem
	theta []float64
	r     []float64
	jac   *mat.Dense
	rss   float64

	scale  []float64 // of each parameter: its longest Jacobian column so far
	radius float64   // of the trust region, in scaled parameters
	moved  bool      // some step was taken

	move   []float64 // from theta to trial
	trial  []float64
	trialR []float64
}

func newDescent(p problem, start []float64) *descent {
	d := &descent{
		problem: p,
		theta:   make([]float64, p.parameters),
		r:       make([]float64, p.residuals),
		jac:     mat.NewDense(p.residuals, p.parameters, nil),
		scale:   make([]float64, p.parameters),
		move:    make([]float64, p.parameters),
		trial:   make([]float64, p.parameters),
		trialR:  make([]float64, p.residuals),
	}
	copy(d.theta, start)
	d.project(d.theta)
	return d
}

// project puts theta within the bounds.
func (d *descent) project(theta []float64) {
	for j, low := range d.lower {
		theta[j] = math.Max(theta[j], low)
	}
	for j, high := range d.upper {
		theta[j] = math.Min(theta[j], high)
	}
}

// evaluate brings residuals, Jacobian and scale up to date with theta.
func (d *descent) evaluate() bool {
	if !d.eval(d.theta, d.r, d.jac) || !finite(d.r) || !finite(d.jac.RawMatrix().Data) {
		return false
	}
	d.rss = floats.Dot(d.r, d.r)
	for j := range d.scale {
		d.scale[j] = math.Max(d.scale[j], d.columnLength(j))
	}
	return true
}

func (d *descent) columnLength(j int) float64 { return columnLength(d.jac, j) }

// columnLength is that of column j of m. It scales nothing, since residuals are
// far from the ends of what a float64 can hold.
func columnLength(m *mat.Dense, j int) float64 {
	raw := m.RawMatrix()
	var squares float64
	for i := range raw.Rows {
		v := raw.Data[i*raw.Stride+j]
		squares += v * v
	}
	return math.Sqrt(squares)
}

// gradient is half the derivative of the sum of squares by parameter j.
func (d *descent) gradient(j int) float64 {
	raw := d.jac.RawMatrix()
	var g float64
	for i, r := range d.r {
		g += raw.Data[i*raw.Stride+j] * r
	}
	return g
}

// free lists the parameters that may move.
func (d *descent) free() []int {
	var free []int
	for j := range d.theta {
		g := d.gradient(j)
		blocked := d.lower != nil && d.theta[j] <= d.lower[j] && g >= 0 ||
			d.upper != nil && d.theta[j] >= d.upper[j] && g <= 0
		if !blocked && d.scale[j] > 0 {
			free = append(free, j)
		}
	}
	return free
}

func (d *descent) slope() float64 { return d.slopeOf(-1) }

// slopeOf leaves one parameter out.
func (d *descent) slopeOf(except int) float64 {
	var steepest float64
	for _, j := range d.free() {
		if j == except {
			continue
		}
		if length := d.columnLength(j) * math.Sqrt(d.rss); length > 0 {
			steepest = math.Max(steepest, math.Abs(d.gradient(j))/length)
		}
	}
	return steepest
}

func (d *descent) scaledLength(v []float64) float64 {
	scaled := make([]float64, len(v))
	floats.MulTo(scaled, v, d.scale)
	return floats.Norm(scaled, 2)
}

// step moves theta to a better point, shrinking the trust region until there is
// one, and reports whether it is worth going on.
func (d *descent) step() bool {
	free := d.free()
	if len(free) == 0 || d.rss == 0 {
		return false
	}
	linear := d.linearise(free, d.r)
	for {
		d.propose(free, linear, d.radius)
		length := d.scaledLength(d.move)
		if !d.moved {
			d.radius = math.Min(d.radius, length)
		}
		predicted, falling := d.predict()
		gained := d.tryOut()

		d.resize(gained, predicted, falling, length)
		small := math.Abs(gained) <= progress && predicted <= progress
		if predicted > 0 && gained >= leastGain*predicted {
			return d.accept() && !small
		}
		if small || !(d.radius > progress*d.scaledLength(d.theta)) {
			return false
		}
	}
}

// propose sets trial to theta plus the best step of the free parameters, and move
// to the step. Where it would leave the bounds, the parameters that do so go to
// their bounds, and the others make the best of that. linear is the problem of the
// free parameters.
func (d *descent) propose(free []int, linear linearModel, radius float64) {
	copy(d.trial, d.theta)
	for {
		step := linear.stepWithin(radius)
		var inside []int
		for i, j := range free {
			d.trial[j] = d.theta[j] + step[i]
			if bound, beyond := d.beyond(j, d.trial[j]); beyond {
				d.trial[j] = bound
			} else {
				inside = append(inside, j)
			}
		}
		floats.SubTo(d.move, d.trial, d.theta)
		if len(inside) == len(free) || len(inside) == 0 {
			return
		}
		free = inside
		linear = d.lineariseRest(free)
	}
}

// beyond returns the bound that parameter j would exceed.
func (d *descent) beyond(j int, v float64) (bound float64, beyond bool) {
	if d.lower != nil && v < d.lower[j] {
		return d.lower[j], true
	}
	if d.upper != nil && v > d.upper[j] {
		return d.upper[j], true
	}
	return 0, false
}

// lineariseRest is the problem of the free parameters if the others move as they
// do in move.
func (d *descent) lineariseRest(free []int) linearModel {
	others := append([]float64(nil), d.move...)
	for _, j := range free {
		others[j] = 0
	}
	r := mat.NewVecDense(len(d.r), nil)
	r.MulVec(d.jac, mat.NewVecDense(len(others), others))
	r.AddVec(r, mat.NewVecDense(len(d.r), d.r))
	return d.linearise(free, r.RawVector().Data)
}

// predict returns the share of the sum of squares that move would gain if the
// residuals were linear, and half the slope along move (negative: downhill).
func (d *descent) predict() (gain, falling float64) {
	change := mat.NewVecDense(len(d.r), nil)
	change.MulVec(d.jac, mat.NewVecDense(len(d.move), d.move))
	across := mat.Dot(change, mat.NewVecDense(len(d.r), d.r))
	along := mat.Dot(change, change)
	return -(2*across + along) / d.rss, across / d.rss
}

// tryOut returns the share of the sum of squares that trial gains; -1 stands for
// any great loss, or no value at all.
func (d *descent) tryOut() float64 {
	if !d.eval(d.trial, d.trialR, nil) || !finite(d.trialR) {
		return -1
	}
	return math.Max(-1, 1-floats.Dot(d.trialR, d.trialR)/d.rss)
}

// resize adapts the trust region to how well the step was predicted.
func (d *descent) resize(gained, predicted, falling, length float64) {
	ratio := gained / predicted
	if !(predicted > 0) {
		ratio = 0
	}
	switch {
	case ratio <= 0.25:
		shrink := 0.5
		if gained < 0 {
			shrink = falling / (2*falling + gained) // the minimum of the parabola
		}
		// Rounding can make it anything where there is nothing left to gain.
		if !(shrink >= 0.1 && shrink <= 0.5) || gained <= -1 {
			shrink = 0.1
		}
		d.radius = shrink * math.Min(d.radius, 10*length)
	case ratio >= 0.75 || length < 0.9*d.radius:
		d.radius = 2 * length
	}
}

func (d *descent) accept() bool {
	before, beforeR := append([]float64(nil), d.theta...), append([]float64(nil), d.r...)
	copy(d.theta, d.trial)
	d.moved = true
	if d.evaluate() {
		return true
	}
	// The model has a value here and no derivative: stay.
	copy(d.theta, before)
	copy(d.r, beforeR)
	d.evaluate()
	return false
}

// polish adds the digits that the sum of squares cannot show: near its minimum it
// is flat, so that half of the digits of the parameters are below its rounding,
// while the slope still tells better from worse. It takes undamped steps as long
// as each takes 5 % off the slope.
func (d *descent) polish() {
	for range maxPolish {
		free, slope := d.free(), d.slope()
		if len(free) == 0 || slope == 0 {
			return
		}
		before, rss := append([]float64(nil), d.theta...), d.rss
		d.propose(free, d.linearise(free, d.r), d.scaledLength(d.theta))
		copy(d.theta, d.trial)
		if d.evaluate() && d.slope() < 0.95*slope && d.rss <= rss*(1+1e-9) {
			continue
		}
		copy(d.theta, before)
		d.evaluate()
		return
	}
}

func finite(xs []float64) bool {
	for _, x := range xs {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}
