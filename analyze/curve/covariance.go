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

// clustered is the covariance of the parameters if residuals of one group belong
// together: the sandwich of Liang & Zeger (1986), with the correction for few
// groups that Cameron & Miller (2015, J. Human Resources 50) call CR1. It is to
// be used with groups - 1 degrees of freedom.
func (s spread) clustered(jac *mat.Dense, r []float64, groups []int, count int) *mat.Dense {
	rows, n := jac.Dims()
	scores := mat.NewDense(count, n, nil)
	for i, g := range groups {
		row := scores.RawRowView(g)
		for j := range row {
			row[j] += jac.At(i, j) * r[i]
		}
	}
	var spreadOut, cov mat.Dense
	spreadOut.Mul(scores, s.inverse)
	cov.Mul(spreadOut.T(), &spreadOut)
	g, m, p := float64(count), float64(rows), float64(n)
	cov.Scale(g/(g-1)*(m-1)/(m-p), &cov)
	return &cov
}
