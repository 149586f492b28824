package curve

import (
	"errors"
	"fmt"
	"math"
)

// Estimate is a quantity that follows from a fit, with its interval.
type Estimate struct {
	Value     float64
	Low, High float64
	Level     float64 // confidence
	Points    int     // it rests on
	DF        int
}

// What a fit can be found not to determine.
var (
	ErrNoKnee     = errors.New("curve: no knee")
	ErrNoDownturn = errors.New("curve: no downturn within the tested range")
	ErrNoLimit    = errors.New("curve: no limit")
)

// Knee returns the concurrency alpha/beta of an affine latency: where it is twice
// what one decode step costs without any sequence, and where throughput divided
// by latency is largest (Kleinrock 1979, "Power and deterministic rules of
// thumb"). It fails with [ErrNoKnee] if latency does not rise.
//
// The interval is by the delta method on the log of the ratio.
func (f *Fit) Knee() (Estimate, error) {
	if f.model != Affine {
		return Estimate{}, fmt.Errorf("%w: need the model affine, have %s", ErrNoKnee, f.Model)
	}
	alpha, beta := f.theta[0], f.theta[1]
	if alpha <= 0 || beta <= 0 {
		return Estimate{}, fmt.Errorf("%w: alpha = %.3g, beta = %.3g: latency has to have a constant and a rising part", ErrNoKnee, alpha, beta)
	}
	return f.positive(alpha/beta, 1/alpha, -1/beta)
}

// Peak is where the throughput of a [USL] fit is largest.
type Peak struct {
	Concurrency Estimate // sqrt((1-a)/b)
	Throughput  Estimate // there
}

// maxPeakReach is how far beyond the tested range a peak is reported, as a ratio.
// In simulated sweeps of 8 levels with a CV of 3 %, intervals of peaks inside the
// range hold what they promise; 2.4 times beyond it they begin to fail, and 8
// times beyond it estimates go up to 2.7e5.
const maxPeakReach = 1.5

// Peak returns where throughput turns down. It fails with [ErrNoDownturn] unless
// the interval of b excludes 0 and the peak is at most 1.5 times beyond the
// tested range.
func (f *Fit) Peak() (Peak, error) {
	if f.model != USL {
		return Peak{}, fmt.Errorf("%w: need the model usl, have %s", ErrNoDownturn, f.Model)
	}
	gamma, a, b := f.theta[0], f.theta[1], f.theta[2]
	shown := fmt.Errorf("%w (%.4g to %.4g): the peak, if there is one, is beyond: test higher concurrency", ErrNoDownturn, f.xMin, f.xMax)
	if a >= 1 {
		return Peak{}, fmt.Errorf("%w: contention a = %.3g leaves nothing to gain from concurrency", ErrNoDownturn, a)
	}
	at := math.Sqrt((1 - a) / b)
	if f.Params[2].Low <= 0 || at > maxPeakReach*f.xMax {
		return Peak{}, shown
	}
	concurrency, err := f.positive(at, 0, -1/(2*(1-a)), -1/(2*b))
	if err != nil {
		return Peak{}, err
	}
	// At the peak the curve is level, so that to first order an error of its place
	// does not change its height.
	cost := uslCost(a, b, at)
	throughput, err := f.positive(gamma*at/cost, 1/gamma, -(at-1)/cost, -at*(at-1)/cost)
	return Peak{Concurrency: concurrency, Throughput: throughput}, err
}

// Limit returns the throughput gamma/a that a [USL] or [Amdahl] fit would level
// off at without coherency cost. It fails with [ErrNoLimit] if a is 0.
func (f *Fit) Limit() (Estimate, error) {
	if err := f.needContention(); err != nil {
		return Estimate{}, err
	}
	gamma, a := f.theta[0], f.theta[1]
	return f.positive(gamma/a, f.pad(1/gamma, -1/a)...)
}

// Optimum returns the concurrency 1/a at which linear growth of a [USL] or
// [Amdahl] fit would meet its limit. It fails with [ErrNoLimit] if a is 0.
func (f *Fit) Optimum() (Estimate, error) {
	if err := f.needContention(); err != nil {
		return Estimate{}, err
	}
	return f.positive(1/f.theta[1], f.pad(0, -1/f.theta[1])...)
}

func (f *Fit) needContention() error {
	if f.model != USL && f.model != Amdahl {
		return fmt.Errorf("%w: need the model usl or amdahl, have %s", ErrNoLimit, f.Model)
	}
	if f.theta[1] <= 0 {
		return fmt.Errorf("%w: no contention shows up to concurrency %.4g: test higher", ErrNoLimit, f.xMax)
	}
	return nil
}

// pad completes a gradient with zeros.
func (f *Fit) pad(g ...float64) []float64 {
	return append(g, make([]float64, len(f.theta)-len(g))...)
}

// positive makes an Estimate of a positive quantity, given the gradient of its
// log.
func (f *Fit) positive(value float64, logGradient ...float64) (Estimate, error) {
	e := Estimate{Value: value, Low: 0, High: math.Inf(1), Level: f.Confidence, Points: f.Points, DF: f.DF}
	if f.cov == nil {
		return e, nil
	}
	half := f.t() * f.standardError(logGradient)
	e.Low, e.High = value*math.Exp(-half), value*math.Exp(half)
	return e, nil
}
