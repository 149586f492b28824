package curve

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// derived is a positive quantity that follows from the parameters.
type derived struct {
	// of returns it, and whether the parameters determine it.
	of func(theta []float64) (float64, bool)

	// logGradient writes the derivatives of its logarithm.
	logGradient func(theta, g []float64)
}

// profile returns the quantity with its profile-likelihood interval: all the
// values with which the model still fits so well that
//
//	RSS(value) - RSS <= t² × variance
//
// (Bates & Watts 1988, Nonlinear Regression Analysis, section 6.1.1), RSS(value)
// being the least of all the parameters that give the value. For a quantity that
// is linear in the parameters this is the delta method's interval; a knee or a
// peak is not, and its interval is longer on the side that the data say less of.
// An end that is not reached within a factor of 1000 is 0 or +Inf.
func (f *Fit) profile(q derived) Estimate {
	value, _ := q.of(f.theta)
	g := make([]float64, len(f.theta))
	q.logGradient(f.theta, g)
	e := f.positive(value, g...)
	if f.cov == nil || f.exact {
		return e
	}
	half := f.cov.halfWidth(g)
	naive := quadratic(f.cov.naive, g)
	if !(half > 0) || !(naive > 0) || math.IsInf(half, 1) {
		return e
	}
	p := profiling{Fit: f, derived: q, limit: half * half / naive}
	p.weight = 1e3 * math.Sqrt(p.limit) / half
	e.Low, e.High = value*math.Exp(p.reach(math.Log(value), -half)), value*math.Exp(p.reach(math.Log(value), half))
	return e
}

// maxReach is how far, as a logarithm, an end of an interval is looked for.
var maxReach = math.Log(1000)

// profiling looks for the end of a profile interval.
type profiling struct {
	*Fit
	derived
	limit  float64 // of how much more the sum of squares may be
	weight float64 // of the one residual that holds the quantity where it is wanted
}

// reach returns how far from the logarithm at the sum of squares has risen by the
// limit, in the direction of step, which is about how far that ought to be. The
// root of the rise is nearly a straight line there, so that it is found by
// secants, kept between what is known to be too near and too far.
func (p profiling) reach(at, step float64) float64 {
	near, far := 0.0, math.Inf(1)
	theta := p.theta
	distance := math.Abs(step)
	sign := math.Copysign(1, step)
	for range 40 {
		if distance > maxReach {
			distance = maxReach
		}
		rise, end := p.rise(at+sign*distance, theta)
		if rise <= p.limit {
			near, theta = distance, end
			if near >= maxReach {
				return sign * math.Inf(1)
			}
		} else {
			far = distance
		}
		ratio := math.Sqrt(rise / p.limit)
		if math.Abs(ratio-1) < 1e-3 || far-near < 1e-4*near {
			break
		}
		next := distance / ratio
		switch {
		case math.IsInf(far, 1):
			distance = math.Min(math.Max(next, 1.2*near), 4*near)
		case !(next > near+0.05*(far-near) && next < far-0.05*(far-near)):
			distance = (near + far) / 2
		default:
			distance = next
		}
	}
	return sign * distance
}

// rise is by how much the least sum of squares with the quantity held at that
// logarithm exceeds the least of all; +Inf where there is none.
func (p profiling) rise(log float64, from []float64) (float64, []float64) {
	best, end := math.Inf(1), from
	for _, t := range p.criterion.triesAt(p.data, from) {
		held := p.held(log)
		if p.criterion.breakAt != nil {
			p.criterion.bound(&held, t)
		}
		d, ok := descend(held, p.criterion.working(t.theta))
		if !ok {
			continue
		}
		if miss := d.r[len(d.r)-1]; d.rss-miss*miss < best {
			best, end = d.rss-miss*miss, p.criterion.natural(d.theta)
		}
	}
	return math.Max(0, best-p.RSS), end
}

// held is the problem of the fit with one residual more, whose weight is so large
// that it holds the quantity.
func (p profiling) held(log float64) problem {
	inner := p.data.problem(p.criterion)
	n, parameters := inner.residuals, inner.parameters
	g := make([]float64, parameters)
	held := inner
	held.residuals = n + 1
	held.eval = func(working, r []float64, jac *mat.Dense) bool {
		theta := p.criterion.natural(working)
		value, ok := p.of(theta)
		if !ok {
			return false
		}
		r[n] = p.weight * (math.Log(value) - log)
		if jac == nil {
			return inner.eval(working, r[:n], nil)
		}
		if !inner.eval(working, r[:n], jac.Slice(0, n, 0, parameters).(*mat.Dense)) {
			return false
		}
		p.logGradient(theta, g)
		for j, parameter := range p.criterion.parameters {
			if parameter.positive {
				g[j] *= theta[j]
			}
			jac.Set(n, j, p.weight*g[j])
		}
		return true
	}
	return held
}

// profileBreak is the profile-likelihood interval of a breakpoint. The sum of
// squares has a corner at every level and may have several valleys, so it is
// taken at places all over the range that a breakpoint may lie in; ends are where
// it first and last is within the limit. An end at the end of that range is open:
// 0 or +Inf.
func (f *Fit) profileBreak() Estimate {
	last := len(f.theta) - 1
	at := f.theta[last]
	g := make([]float64, len(f.theta))
	g[last] = 1 / at
	e := f.positive(at, g...)
	if f.cov == nil || f.exact {
		return e
	}
	half, naive := f.cov.halfWidth(g), quadratic(f.cov.naive, g)
	if !(half > 0) || !(naive > 0) || math.IsInf(half, 1) {
		return e
	}
	limit := f.RSS + half*half/naive
	e.Low, e.High = f.breakEnd(limit, -1), f.breakEnd(limit, 1)
	return e
}

// At how many places the sum of squares is taken.
const (
	profilePlaces    = 4 // of a segment
	maxProfilePlaces = 96
)

// breakEnd goes from the end of the range towards the estimate, to where the sum
// of squares falls below the limit, and halves from there.
func (f *Fit) breakEnd(limit, sign float64) float64 {
	last := len(f.theta) - 1
	at := f.theta[last]
	open := 0.0
	if sign > 0 {
		open = math.Inf(1)
	}
	low, high := f.data.breakRange()
	places := []float64{low}
	places = append(places, f.data.breakPlaces(profilePlaces, maxProfilePlaces)...)
	places = slices.DeleteFunc(append(places, high), func(place float64) bool { return sign*(place-at) <= 0 })
	inside, outside := at, math.NaN()
	for i := range places {
		place := places[i]
		if sign > 0 {
			place = places[len(places)-1-i]
		}
		if f.rssWithBreak(place) <= limit {
			if i == 0 {
				return open
			}
			inside = place
			break
		}
		outside = place
	}
	if math.IsNaN(outside) {
		return open // the estimate is at the end of the range
	}
	for range 20 {
		middle := math.Sqrt(inside * outside)
		if math.Abs(math.Log(outside/inside)) < 1e-4 {
			break
		}
		if f.rssWithBreak(middle) <= limit {
			inside = middle
		} else {
			outside = middle
		}
	}
	return inside
}

// rssWithBreak is the least sum of squares with the breakpoint held there.
func (f *Fit) rssWithBreak(at float64) float64 {
	theta := f.criterion.breakAt(f.data, at)
	p := f.data.problem(f.criterion)
	f.criterion.bound(&p, try{low: at, high: at})
	d, ok := descend(p, f.criterion.working(theta))
	if !ok {
		return math.Inf(1)
	}
	return d.rss
}
