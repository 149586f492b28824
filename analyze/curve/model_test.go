package curve

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/num/dual"
)

// The shipped derivatives against those of dual numbers, which cannot be wrong in
// the same way.
func TestGradientsAreThoseOfTheFormulas(t *testing.T) {
	one := number{Real: 1}
	linear := func(b []number, x float64) number { return dual.Add(b[0], dual.Scale(x, b[1])) }
	usl := func(b []number, n number) number {
		less := dual.Sub(n, one)
		cost := dual.Add(one, dual.Mul(less, b[1]))
		if len(b) == 3 {
			cost = dual.Add(cost, dual.Mul(dual.Mul(n, less), b[2]))
		}
		return dual.Mul(dual.Mul(n, b[0]), dual.Inv(cost))
	}
	lesser := func(x float64, at number) number {
		if x > at.Real {
			return at
		}
		return k(x)
	}
	beyond := func(x float64, at number) number { return dual.Sub(k(x), lesser(x, at)) }
	plateau := func(b []number, x float64) number { return dual.Add(b[0], dual.Mul(b[1], lesser(x, b[2]))) }
	hinge := func(b []number, x float64) number {
		return sum(b[0], dual.Mul(b[1], lesser(x, b[3])), dual.Mul(b[2], beyond(x, b[3])))
	}
	quadratic := func(b []number, x float64) number { return poly(x, b...) }
	perRoot := func(f func([]number, float64) number, n func([]number, float64) number) func([]number, float64) number {
		return func(b []number, x float64) number { return div(f(b, x), dual.PowReal(n(b, x), 0.5)) }
	}
	everyone := func(_ []number, x float64) number { return k(x) }
	rng := rand.New(rand.NewPCG(4, 2))
	for _, c := range []struct {
		what    string
		model   *Model
		formula func(b []number, x float64) number
	}{
		{"affine", Affine, linear},
		{"usl", USL, func(b []number, x float64) number { return usl(b, k(x)) }},
		{"amdahl", Amdahl, func(b []number, x float64) number { return usl(b, k(x)) }},
		{"plateau", Plateau, plateau},
		{"hinge", Hinge, hinge},
		{"quadratic", Quadratic, quadratic},
		{"queueing", Queueing, func(b []number, x float64) number {
			return sum(b[0], dual.Mul(b[1], lesser(x, b[3])), div(dual.Mul(b[2], beyond(x, b[3])), b[3]))
		}},
		{"saturating", Saturating, func(b []number, x float64) number { return usl(b[:2], lesser(x, b[2])) }},
		{"ala", ALA, func(b []number, x float64) number { return dual.Sub(b[0], decay(b[1], b[2], x)) }},
		{"joint affine", joint[Affine], perRoot(linear, everyone)},
		{"joint quadratic", joint[Quadratic], perRoot(quadratic, everyone)},
		{"joint hinge", joint[Hinge], perRoot(hinge, everyone)},
		{"joint plateau", joint[Plateau], perRoot(plateau, func(b []number, x float64) number { return lesser(x, b[2]) })},
	} {
		for i := range 50 {
			p := len(c.model.parameters)
			theta, b, g := make([]float64, p), make([]number, p), make([]float64, p)
			for j := range theta {
				theta[j] = rng.Float64()
				b[j].Real = theta[j]
			}
			x := 1 + 300*rng.Float64()
			if c.model.breakAt != nil && i%2 == 0 {
				theta[p-1] = x * (0.1 + 3*rng.Float64())
				b[p-1].Real = theta[p-1]
			}
			if c.model == ALA {
				theta[0] += theta[1]
				b[0].Real = theta[0]
			}
			c.model.gradient(theta, x, g)
			wantNear(t, c.what, c.model.value(theta, x), c.formula(b, x).Real, 1e-13)
			for j := range b {
				b[j].Emag = 1
				wantNear(t, c.what+" gradient", g[j], c.formula(b, x).Emag, 1e-11)
				b[j].Emag = 0
			}
		}
	}
}

// The gradients of what follows from the parameters, against differences.
func TestDerivedGradients(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 3))
	check := func(what string, m *Model, q derived) {
		for range 50 {
			theta, g := make([]float64, len(m.parameters)), make([]float64, len(m.parameters))
			for j := range theta {
				theta[j] = 0.05 + 0.9*rng.Float64()
			}
			if _, ok := q.of(theta); !ok {
				continue
			}
			q.logGradient(theta, g)
			for j := range theta {
				const h = 1e-6
				at := theta[j]
				theta[j] = at * (1 + h)
				up, ok1 := q.of(theta)
				theta[j] = at * (1 - h)
				down, ok2 := q.of(theta)
				theta[j] = at
				if want := math.Log(up/down) / (2 * h); ok1 && ok2 && math.Abs(g[j]*at-want) > 1e-6*(1+math.Abs(want)) {
					t.Errorf("%s: derivative by parameter %d %g, want %g", what, j, g[j]*at, want)
				}
			}
		}
	}
	for _, q := range quantities {
		for m, d := range q.of {
			check(q.name+" of "+m.name, m, d)
		}
	}
	check("peak", USL, peakPlace)
}

// Each model has to reach its minimum from nine starts or more, besides those of
// the simpler models.
func TestThereAreManyStarts(t *testing.T) {
	d, err := newData(sweep(levels, func(x float64) float64 { return x / (1 + 0.01*(x-1)) }), Multiplicative)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*Model{Affine, USL, Amdahl, Plateau, Hinge, Quadratic, Queueing, Saturating, ALA} {
		starts := m.tries(d)
		if len(starts) < leastTries {
			t.Errorf("%s: %d starts", m.name, len(starts))
		}
		for _, start := range starts {
			for _, v := range start.theta {
				if !(v > 0) || math.IsInf(v, 1) {
					t.Errorf("%s: start %v", m.name, start)
				}
			}
		}
	}
}

// levels are those of a usual sweep.
var levels = []float64{1, 2, 4, 8, 16, 32, 64, 128}

// sweep returns one point a level.
func sweep(levels []float64, f func(x float64) float64) []Point {
	var points []Point
	for _, x := range levels {
		points = append(points, Point{X: x, Y: f(x)})
	}
	return points
}

// noisy multiplies each value by a factor drawn with that CV.
func noisy(rng *rand.Rand, cv float64, f func(x float64) float64) func(x float64) float64 {
	return func(x float64) float64 { return f(x) * math.Exp(cv*rng.NormFloat64()) }
}
