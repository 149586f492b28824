package curve

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// spread is what the Jacobian at the minimum says about the uncertainty of the
// parameters.
type spread struct {
	inverse   *mat.Dense // (J'J)^-1; nil if the parameters are not determined
	condition float64    // of J with its columns scaled to length 1
}

// newSpread works on the R factor of J with its columns brought to length 1, so
// that neither the inverse nor the condition number depends on units.
func newSpread(jac *mat.Dense) spread {
	rows, n := jac.Dims()
	augmented := mat.NewDense(max(rows, n+1), n+1, nil)
	augmented.Slice(0, rows, 0, n).(*mat.Dense).Copy(jac)
	lengths := make([]float64, n)
	for j := range lengths {
		lengths[j] = mat.Norm(jac.ColView(j), 2)
		scaleColumn(augmented, j, 1/lengths[j])
	}
	upper, _ := triangle(augmented)
	s := spread{condition: condition(upper)}
	if !(s.condition < 1e14) {
		return s
	}

	// (J'J)^-1 = (S^-1 R^-1)(S^-1 R^-1)', S the lengths.
	half := mat.NewDense(n, n, nil)
	for j := range n {
		unit := make([]float64, n)
		unit[j] = 1
		half.SetCol(j, backSubstitute(upper, unit))
	}
	for i, length := range lengths {
		row := half.RawRowView(i)
		for j := range row {
			row[j] /= length
		}
	}
	s.inverse = mat.NewDense(n, n, nil)
	s.inverse.Mul(half, half.T())
	return s
}

// condition is the ratio of the largest to the smallest singular value.
func condition(upper *mat.Dense) float64 {
	var svd mat.SVD
	if !finite(upper.RawMatrix().Data) || !svd.Factorize(upper, mat.SVDNone) {
		return math.Inf(1)
	}
	values := svd.Values(nil)
	return values[0] / values[len(values)-1]
}

// independent is the covariance of the parameters if all residuals are: the
// inverse times the residual variance.
func (s spread) independent(variance float64) *mat.Dense {
	cov := mat.DenseCopyOf(s.inverse)
	cov.Scale(variance, cov)
	return cov
}
