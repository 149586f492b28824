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
	usl := func(b []number, n float64) number {
		cost := dual.Add(one, dual.Scale(n-1, b[1]))
		if len(b) == 3 {
			cost = dual.Add(cost, dual.Scale(n*(n-1), b[2]))
		}
		return dual.Mul(dual.Scale(n, b[0]), dual.Inv(cost))
	}
	rng := rand.New(rand.NewPCG(4, 2))
	for _, c := range []struct {
		model   *Model
		formula func(b []number, x float64) number
	}{{Affine, linear}, {USL, usl}, {Amdahl, usl}} {
		for range 50 {
			p := len(c.model.parameters)
			theta, b, g := make([]float64, p), make([]number, p), make([]float64, p)
			for j := range theta {
				theta[j] = rng.Float64()
				b[j].Real = theta[j]
			}
			x := 1 + 300*rng.Float64()
			c.model.gradient(theta, x, g)
			wantNear(t, c.model.name, c.model.value(theta, x), c.formula(b, x).Real, 1e-13)
			for j := range b {
				b[j].Emag = 1
				wantNear(t, c.model.name+" gradient", g[j], c.formula(b, x).Emag, 1e-12)
				b[j].Emag = 0
			}
		}
	}
}

// Each model has to reach its minimum from ten starts or more, the simpler
// model's among them.
func TestThereAreManyStarts(t *testing.T) {
	d, err := newData(sweep(levels, func(x float64) float64 { return x / (1 + 0.01*(x-1)) }), Multiplicative)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*Model{Affine, USL, Amdahl} {
		starts := m.starts(d)
		if len(starts)+1 < 10 {
			t.Errorf("%s: %d starts", m.name, len(starts))
		}
		for _, start := range starts {
			for _, v := range start {
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
