package curve

import (
	"math"
	"slices"
	"testing"
)

// steffen is the monotone cubic interpolation of Steffen (1990, Astronomy &
// Astrophysics 239), through the levels' geometric means, in log x and log y. It
// is the yardstick that a fitted curve has to beat at levels left out: it knows
// nothing but that curves do not wiggle. Beyond its ends it goes on straight.
type steffen struct{ x, y, slope []float64 }

func newSteffen(d *data) steffen {
	var s steffen
	for _, l := range d.levels {
		var x, y float64
		for _, i := range l.points {
			x += math.Log(d.x[i]) / float64(len(l.points))
			y += math.Log(d.y[i]) / float64(len(l.points))
		}
		s.x, s.y = append(s.x, x), append(s.y, y)
	}
	return s.withSlopes()
}

func (s steffen) withSlopes() steffen {
	n := len(s.x)
	h, g := make([]float64, n-1), make([]float64, n-1)
	for i := range h {
		h[i] = s.x[i+1] - s.x[i]
		g[i] = (s.y[i+1] - s.y[i]) / h[i]
	}
	s.slope = make([]float64, n)
	for i := 1; i < n-1; i++ {
		p := (g[i-1]*h[i] + g[i]*h[i-1]) / (h[i-1] + h[i])
		sign := math.Copysign(1, g[i-1]) + math.Copysign(1, g[i])
		s.slope[i] = sign * min(math.Abs(g[i-1]), math.Abs(g[i]), math.Abs(p)/2)
	}
	end := func(h0, h1, g0, g1 float64) float64 {
		p := g0*(1+h0/(h0+h1)) - g1*h0/(h0+h1)
		switch {
		case p*g0 <= 0:
			return 0
		case math.Abs(p) > 2*math.Abs(g0):
			return 2 * g0
		}
		return p
	}
	s.slope[0] = end(h[0], h[1], g[0], g[1])
	s.slope[n-1] = end(h[n-2], h[n-3], g[n-2], g[n-3])
	return s
}

// at returns y, not its logarithm, at x.
func (s steffen) at(x float64) float64 {
	u, n := math.Log(x), len(s.x)
	switch {
	case u <= s.x[0]:
		return math.Exp(s.y[0] + s.slope[0]*(u-s.x[0]))
	case u >= s.x[n-1]:
		return math.Exp(s.y[n-1] + s.slope[n-1]*(u-s.x[n-1]))
	}
	k, _ := slices.BinarySearch(s.x, u)
	i := k - 1
	h, t := s.x[i+1]-s.x[i], u-s.x[i]
	g := (s.y[i+1] - s.y[i]) / h
	a := (s.slope[i] + s.slope[i+1] - 2*g) / (h * h)
	b := (3*g - 2*s.slope[i] - s.slope[i+1]) / h
	return math.Exp(((a*t+b)*t+s.slope[i])*t + s.y[i])
}

func (d *data) leaveOutSpline() LeaveOut {
	return d.leaveOut(func(rest *data) func(x float64) float64 { return newSteffen(rest).at })
}

// The yardstick itself: it goes through its points, is monotone where they are,
// and reproduces a power law, which is a straight line to it.
func TestSteffenSpline(t *testing.T) {
	d := collect(sweep(levels, itl), Multiplicative)
	s := newSteffen(d)
	last := 0.0
	for x := 1.0; x <= 128; x *= 1.02 {
		if y := s.at(x); y < last {
			t.Errorf("falls at %g", x)
		} else {
			last = y
		}
	}
	for _, x := range levels {
		wantNear(t, "at a point", s.at(x), itl(x), 1e-12)
	}
	power := newSteffen(collect(sweep(levels, func(x float64) float64 { return 3 * math.Pow(x, 0.7) }), Multiplicative))
	for _, x := range []float64{0.5, 1.7, 20, 300} {
		wantNear(t, "power law", power.at(x), 3*math.Pow(x, 0.7), 1e-12)
	}
	// Up and down again: no overshoot at the top.
	hill := newSteffen(collect(sweep([]float64{1, 2, 4, 8, 16}, func(x float64) float64 { return 10 - math.Abs(math.Log2(x)-2) }), Multiplicative))
	for x := 1.0; x <= 16; x *= 1.01 {
		if hill.at(x) > 10+1e-12 {
			t.Errorf("overshoots at %g", x)
		}
	}
}
