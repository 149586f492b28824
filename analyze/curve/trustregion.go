package curve

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// linearModel is the least-squares problem in the vicinity of one point: the
// step s that minimises |J s + r|, with J reduced to its R factor.
type linearModel struct {
	upper *mat.Dense // R, one row and column a free parameter
	right []float64  // the head of -Q'r
	scale []float64
}

// linearise factorises the Jacobian of the free parameters. Appending the
// residuals r as one more column has the factorisation apply Q' to them, without
// Q being formed.
func (d *descent) linearise(free []int, r []float64) linearModel {
	n := len(free)
	augmented := mat.NewDense(max(d.residuals, n+1), n+1, nil)
	scale := make([]float64, n)
	for i, j := range free {
		scale[i] = d.scale[j]
		for row := range d.residuals {
			augmented.Set(row, i, d.jac.At(row, j))
		}
	}
	for row, v := range r {
		augmented.Set(row, n, -v)
	}
	upper, right := triangle(augmented)
	return linearModel{upper: upper, right: right, scale: scale}
}

// triangle returns the R factor of all columns but the last, and the head of the
// last column after the same rotations. It overwrites augmented, of which upper
// is a part.
//
// Note: mat.QR does the same and copies three times; the fits of a sweep spend
// most of their time here.
func triangle(augmented *mat.Dense) (upper *mat.Dense, right []float64) {
	raw := augmented.RawMatrix()
	n := raw.Cols - 1
	work := make([]float64, 2*raw.Cols)
	lapack64.Geqrf(raw, work[:raw.Cols], work[raw.Cols:], raw.Cols)
	right = make([]float64, n)
	for i := range right {
		row := raw.Data[i*raw.Stride:]
		clear(row[:i])
		right[i] = row[n]
	}
	return augmented.Slice(0, n, 0, n).(*mat.Dense), right
}

// stepWithin returns the step that minimises the linear model among those of
// scaled length up to about radius. It is the solution of
//
//	(J'J + lambda D'D) s = -J'r
//
// with lambda = 0 if that lies within, and else with the lambda whose solution
// has length radius, to 10 %. The search for lambda is Newton's on 1/length
// (Hebden 1973), kept between bounds, as in MINPACK's lmpar.
func (m linearModel) stepWithin(radius float64) []float64 {
	var low float64
	if m.fullRank() {
		step := backSubstitute(m.upper, m.right)
		excess := m.length(step) - radius
		if excess <= 0.1*radius {
			return step
		}
		low = m.correction(m.upper, step, excess, radius)
	}
	high := m.gradientLength() / radius
	if high == 0 {
		return make([]float64, len(m.right))
	}

	low = math.Min(low, high)
	lambda := math.Max(0.001*high, math.Sqrt(low*high))
	var step []float64
	for range 10 {
		upper, right := m.damped(lambda)
		step = backSubstitute(upper, right)
		excess := m.length(step) - radius
		if math.Abs(excess) <= 0.1*radius {
			break
		}
		if excess > 0 {
			low = math.Max(low, lambda)
		} else {
			high = math.Min(high, lambda)
		}
		lambda = math.Min(high, math.Max(low, lambda+m.correction(upper, step, excess, radius)))
	}
	return step
}

// fullRank reports whether every column of the Jacobian has a part of its own,
// beyond rounding.
func (m linearModel) fullRank() bool {
	for j := range m.right {
		column := columnLength(m.upper, j)
		if math.Abs(m.upper.At(j, j)) <= 1e-14*column {
			return false
		}
	}
	return true
}

// damped returns the factor and right-hand side of the model with sqrt(lambda)*D
// stacked below: the QR way to add lambda*D'D to J'J.
func (m linearModel) damped(lambda float64) (upper *mat.Dense, right []float64) {
	n := len(m.right)
	stacked := mat.NewDense(2*n+1, n+1, nil)
	stacked.Slice(0, n, 0, n).(*mat.Dense).Copy(m.upper)
	root := math.Sqrt(lambda)
	for i := range n {
		stacked.Set(i, n, m.right[i])
		stacked.Set(n+i, i, root*m.scale[i])
	}
	return triangle(stacked)
}

// backSubstitute returns the x for which upper x = right.
func backSubstitute(upper *mat.Dense, right []float64) []float64 {
	n := len(right)
	x := make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		rest := right[i]
		for j := i + 1; j < n; j++ {
			rest -= upper.At(i, j) * x[j]
		}
		x[i] = rest / upper.At(i, i)
	}
	return x
}

// length is the scaled length of a step.
func (m linearModel) length(step []float64) float64 {
	scaled := make([]float64, len(step))
	floats.MulTo(scaled, step, m.scale)
	return floats.Norm(scaled, 2)
}

// gradientLength is |J'r| in units of the scale.
func (m linearModel) gradientLength() float64 {
	g := mat.NewVecDense(len(m.right), nil)
	g.MulVec(m.upper.T(), mat.NewVecDense(len(m.right), m.right))
	for i, s := range m.scale {
		g.SetVec(i, g.AtVec(i)/s)
	}
	return mat.Norm(g, 2)
}

// correction is Newton's step in lambda for the equation 1/length = 1/radius:
// (length - radius)/radius / |U^-T D D s / length|^2, U the damped factor.
func (m linearModel) correction(upper *mat.Dense, step []float64, excess, radius float64) float64 {
	n := len(step)
	length := excess + radius
	w := make([]float64, n)
	for i := range w {
		rest := m.scale[i] * m.scale[i] * step[i] / length
		for j := range i {
			rest -= upper.At(j, i) * w[j]
		}
		w[i] = rest / upper.At(i, i)
	}
	return excess / radius / floats.Dot(w, w)
}
