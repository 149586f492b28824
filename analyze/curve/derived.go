package curve

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Estimate is a quantity that follows from a fit, with its interval.
type Estimate struct {
	Value     float64
	Low, High float64 // 0 and +Inf where the data do not bound it
	Level     float64 // confidence
	Points    int     // it rests on
	DF        int

	Extrapolated bool // the quantity is a concurrency outside the tested range
}

// What a fit can be found not to determine.
var (
	ErrNoKnee     = errors.New("curve: no knee")
	ErrNoDownturn = errors.New("curve: no downturn within the tested range")
	ErrNoLimit    = errors.New("curve: no limit")
	ErrNoOnset    = errors.New("curve: no breakpoint")
)

// Knee returns the concurrency at which a latency is twice what it is without any
// load, its parameter alpha. For an affine latency that is alpha/beta, and where
// throughput divided by latency is largest (Kleinrock 1979, "Power and
// deterministic rules of thumb"). It fails with [ErrNoKnee] if latency does not
// rise so far.
//
// The interval is that of the profile likelihood.
func (f *Fit) Knee() (Estimate, error) {
	knee, ok := knees[f.model]
	if !ok {
		return Estimate{}, fmt.Errorf("%w: need a model of latency, have %s", ErrNoKnee, f.Model)
	}
	if _, ok := knee.of(f.theta); !ok {
		return Estimate{}, fmt.Errorf("%w: %s: latency has to have a constant and a rising part, and to double", ErrNoKnee, f.formula())
	}
	return f.concurrency(f.profile(knee)), nil
}

// concurrency marks an estimate of a concurrency that was not tested.
func (f *Fit) concurrency(e Estimate) Estimate {
	e.Extrapolated = e.Value < f.xMin || e.Value > f.xMax
	return e
}

// formula lists the parameters.
func (f *Fit) formula() string {
	var parts []string
	for _, p := range f.Params {
		parts = append(parts, fmt.Sprintf("%s = %.3g", p.Name, p.Value))
	}
	return strings.Join(parts, ", ")
}

// knees are where the models of latency double.
var knees = map[*Model]derived{
	Affine: {
		of: func(t []float64) (float64, bool) { return t[0] / t[1], t[0] > 0 && t[1] > 0 },
		logGradient: func(t, g []float64) {
			g[0], g[1] = 1/t[0], -1/t[1]
		},
	},
	Plateau: {
		of: func(t []float64) (float64, bool) {
			return t[0] / t[1], t[0] > 0 && t[1] > 0 && t[0] <= t[1]*t[2]
		},
		logGradient: func(t, g []float64) {
			g[0], g[1], g[2] = 1/t[0], -1/t[1], 0
		},
	},
	Hinge: {
		of: func(t []float64) (float64, bool) {
			switch {
			case !(t[0] > 0):
				return 0, false
			case t[0] <= t[1]*t[3]:
				return t[0] / t[1], true
			}
			return t[3] + (t[0]-t[1]*t[3])/t[2], t[2] > 0
		},
		logGradient: func(t, g []float64) {
			if t[0] <= t[1]*t[3] {
				g[0], g[1], g[2], g[3] = 1/t[0], -1/t[1], 0, 0
				return
			}
			beyond := (t[0] - t[1]*t[3]) / t[2]
			knee := t[3] + beyond
			g[0], g[1], g[2], g[3] = 1/t[2]/knee, -t[3]/t[2]/knee, -beyond/t[2]/knee, (1-t[1]/t[2])/knee
		},
	},
	// The root of kappa c² + beta c = alpha, in the form that does not cancel.
	Quadratic: {
		of: func(t []float64) (float64, bool) {
			return 2 * t[0] / (t[1] + math.Sqrt(t[1]*t[1]+4*t[2]*t[0])), t[0] > 0 && t[1]+t[2] > 0
		},
		logGradient: func(t, g []float64) {
			root := math.Sqrt(t[1]*t[1] + 4*t[2]*t[0])
			knee := 2 * t[0] / (t[1] + root)
			// Of F = kappa c² + beta c - alpha, whose slope in c is the root.
			g[0], g[1], g[2] = 1/root/knee, -1/root, -knee/root
		},
	},
}

// Onset returns the breakpoint of a model that has one: the slots of [Plateau],
// [Saturating] and [Queueing], where a [Hinge] bends. It fails with [ErrNoOnset]
// for other models.
//
// The interval is that of the profile likelihood, and open where a breakpoint
// nearer to the end of the tested range than two levels cannot be excluded.
func (f *Fit) Onset() (Estimate, error) {
	if f.model.breakAt == nil {
		return Estimate{}, fmt.Errorf("%w: %s has none", ErrNoOnset, f.Model)
	}
	return f.profileBreak(), nil
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
	at := math.Sqrt(math.Max(0, 1-a) / b)
	if f.Params[2].Low <= 0 || at > maxPeakReach*f.xMax {
		return Peak{}, shown
	}
	if at < f.xMin {
		return Peak{}, fmt.Errorf("%w: contention a = %.3g leaves nothing to gain from concurrency", ErrNoDownturn, a)
	}
	// At the peak the curve is level, so that to first order an error of its place
	// does not change its height.
	cost := uslCost(a, b, at)
	return Peak{
		Concurrency: f.concurrency(f.profile(peakPlace)),
		Throughput:  f.positive(gamma*at/cost, 1/gamma, -(at-1)/cost, -at*(at-1)/cost),
	}, nil
}

// peakPlace is sqrt((1-a)/b).
var peakPlace = derived{
	of: func(t []float64) (float64, bool) { return math.Sqrt((1 - t[1]) / t[2]), t[1] < 1 && t[2] > 0 },
	logGradient: func(t, g []float64) {
		g[0], g[1], g[2] = 0, -1/(2*(1-t[1])), -1/(2*t[2])
	},
}

// Limit returns the throughput that a model levels off at: gamma/a for [Amdahl],
// and for [USL] if there were no coherency cost; that of all slots for
// [Saturating]; the parameter limit of [ALA]. It fails with [ErrNoLimit] if
// contention a is 0.
func (f *Fit) Limit() (Estimate, error) {
	t := f.theta
	switch f.model {
	case ALA:
		return f.positive(t[0], 1/t[0], 0, 0), nil
	case Saturating:
		g := make([]float64, len(t))
		f.model.slope(t, math.Inf(1), Multiplicative, g)
		return f.positive(f.model.value(t, math.Inf(1)), g...), nil
	}
	if err := f.needContention(); err != nil {
		return Estimate{}, err
	}
	return f.positive(t[0]/t[1], f.pad(1/t[0], -1/t[1])...), nil
}

// Optimum returns the concurrency 1/a at which linear growth of a [USL] or
// [Amdahl] fit would meet its limit. It fails with [ErrNoLimit] if a is 0.
func (f *Fit) Optimum() (Estimate, error) {
	if err := f.needContention(); err != nil {
		return Estimate{}, err
	}
	return f.concurrency(f.positive(1/f.theta[1], f.pad(0, -1/f.theta[1])...)), nil
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
func (f *Fit) positive(value float64, logGradient ...float64) Estimate {
	e := Estimate{Value: value, Low: 0, High: math.Inf(1), Level: f.Confidence, Points: f.Points, DF: f.DF}
	if f.cov == nil {
		return e
	}
	half := f.cov.halfWidth(logGradient)
	e.Low, e.High = value*math.Exp(-half), value*math.Exp(half)
	return e
}
