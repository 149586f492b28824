package curve

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// leastStarts is the number of server starts from which on their differences are
// estimated. With two there is one degree of freedom, and t is 12.7.
const leastStarts = 3

// components are the variances of the residuals within and between server starts:
// a run deviates by its own luck and by that of the start that it was measured
// on. They are estimated by fitting constants (Henderson 1953, method 3; Searle,
// Casella & McCulloch 1992, Variance Components, section 5.5), which for a
// balanced sweep is the analysis of variance.
type components struct {
	run, start     float64 // mean squares: within starts; between them
	dfRun, dfStart float64

	// effective is how many runs a start counts for in its mean square, whose
	// expectation is run + effective × the variance between starts.
	effective float64
}

// replicated reports whether there are server starts enough to estimate how they
// differ, and more than one point on some.
func (d *data) replicated() bool { return d.starts >= leastStarts && d.starts < len(d.x) }

// components splits the residuals r of a fit whose Jacobian is jac, both not
// whitened. inverse is (J'J)^-1.
func (d *data) components(jac *mat.Dense, r []float64, inverse *mat.Dense) (components, bool) {
	rows, parameters := jac.Dims()
	rest := orthogonal(jac, r, inverse)
	var total float64
	for _, v := range rest {
		total += v * v
	}
	sums := mat.NewVecDense(d.starts, nil) // Z'r, Z being which point is on which start
	within := mat.NewSymDense(d.starts, nil)
	loads := mat.NewDense(d.starts, parameters, nil) // Z'J
	for i, g := range d.groups {
		sums.SetVec(g, sums.AtVec(g)+rest[i])
		within.SetSym(g, g, within.At(g, g)+1)
		for j := range parameters {
			loads.Set(g, j, loads.At(g, j)+jac.At(i, j))
		}
	}
	// Z'MZ, M projecting out what the curve can follow.
	var half, followed mat.Dense
	half.Mul(loads, inverse)
	followed.Mul(&half, loads.T())
	for a := range d.starts {
		for b := a; b < d.starts; b++ {
			within.SetSym(a, b, within.At(a, b)-(followed.At(a, b)+followed.At(b, a))/2)
		}
	}
	var eigen mat.EigenSym
	if !finite(sums.RawVector().Data) || !finite(within.RawSymmetric().Data) || !eigen.Factorize(within, true) {
		return components{}, false
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	values := eigen.Values(nil)
	var c components
	var between, trace float64
	for j, v := range values {
		if v <= 1e-9*slices.Max(values) {
			continue // the curve follows this difference between starts
		}
		along := mat.Dot(vectors.ColView(j), sums)
		between += along * along / v
		trace += v
		c.dfStart++
	}
	c.dfRun = float64(rows-parameters) - c.dfStart
	if c.dfStart < 1 || c.dfRun < 1 {
		return components{}, false
	}
	c.start = between / c.dfStart
	c.run = math.Max(0, total-between) / c.dfRun
	c.effective = trace / c.dfStart
	return c, true
}

// orthogonal returns what is left of r without its projection on the columns of
// jac.
func orthogonal(jac *mat.Dense, r []float64, inverse *mat.Dense) []float64 {
	v := mat.NewVecDense(len(r), slices.Clone(r))
	var score, step, along mat.VecDense
	score.MulVec(jac.T(), v)
	step.MulVec(inverse, &score)
	along.MulVec(jac, &step)
	v.SubVec(v, &along)
	return v.RawVector().Data
}

// betweenStarts is the variance that starts add to that of a run, 0 where the
// estimate is negative.
func (c components) betweenStarts() float64 {
	return math.Max(0, (c.start-c.run)/c.effective)
}

// maxRatio keeps whitened data from losing all that the level of a start says.
const maxRatio = 1e4

// ratio is the variance between starts in units of that between runs.
func (c components) ratio() float64 {
	if v := c.betweenStarts(); v > 0 {
		return math.Min(maxRatio, v/c.run)
	}
	return 0
}

// whitened returns the data with residuals such that least squares is generalised
// least squares for that ratio of variances: from each residual a share of the
// mean of its start is taken (Fuller & Battese 1974, J. Econometrics 2).
func (d *data) whitened(ratio float64) *data {
	w := *d
	w.found, w.warm = map[*Model]solution{}, map[*Model][]float64{}
	for m, s := range d.found {
		w.warm[m] = m.natural(s.theta)
	}
	w.setRatio(ratio)
	return &w
}

func (d *data) setRatio(ratio float64) {
	d.ratio = ratio
	d.whitening = make([]float64, d.starts)
	for g, n := range d.startSizes() {
		d.whitening[g] = 1 - 1/math.Sqrt(1+n*ratio)
	}
}

// startSizes counts the points on each start.
func (d *data) startSizes() []float64 {
	n := make([]float64, d.starts)
	for _, g := range d.groups {
		n[g]++
	}
	return n
}

// logVolume is the logarithm of the determinant of the covariance that whitening
// is for, in units of the variance of a run.
func (d *data) logVolume() float64 {
	if d.whitening == nil {
		return 0
	}
	var sum float64
	for _, n := range d.startSizes() {
		sum += math.Log1p(n * d.ratio)
	}
	return sum
}

// whiten whitens one column of a matrix whose rows are stride apart.
func (d *data) whiten(column []float64, stride int) {
	if d.whitening == nil {
		return
	}
	means, n := make([]float64, d.starts), make([]float64, d.starts)
	for i, g := range d.groups {
		means[g] += column[i*stride]
		n[g]++
	}
	for g := range means {
		means[g] *= d.whitening[g] / n[g]
	}
	for i, g := range d.groups {
		column[i*stride] -= means[g]
	}
}

func (d *data) whitenRows(m *mat.Dense) {
	raw := m.RawMatrix()
	for j := range raw.Cols {
		d.whiten(raw.Data[j:], raw.Stride)
	}
}

// A covariance is that of the parameters of a fit, in two parts where starts are
// known: what runs contribute and what starts do.
type covariance struct {
	run, start     *mat.Dense // start is nil if runs count as independent
	dfRun, dfStart float64

	tRun, tStart float64 // quantiles of Student's t for the intervals

	// naive is (J'J)^-1 of the whitened Jacobian: the covariance of the parameters
	// in units of the variance of a whitened residual.
	naive *mat.Dense
}

// newCovariance needs the Jacobian of the residuals, which it whitens, and the
// residuals r, neither of them whitened yet.
func (d *data) newCovariance(jac *mat.Dense, r []float64, variance, confidence float64) (c *covariance, found components, condition float64) {
	plain := newSpread(jac)
	var split bool
	if d.replicated() && plain.inverse != nil {
		found, split = d.components(jac, r, plain.inverse)
	}
	white := mat.DenseCopyOf(jac)
	d.whitenRows(white)
	s := newSpread(white)
	if s.inverse == nil {
		return nil, components{}, s.condition
	}
	rows, parameters := jac.Dims()
	c = &covariance{naive: s.inverse, dfRun: float64(rows - parameters)}
	if !split {
		c.run = s.independent(variance)
		c.tRun = studentT(c.dfRun, confidence)
		return c, components{}, s.condition
	}

	// The parameters are linear in the residuals: theta = C'r, C = W J_w (J_w'J_w)^-1.
	// So is their covariance in the two variances: run C'C + start C'ZZ'C.
	var weights mat.Dense
	weights.Mul(white, s.inverse)
	d.whitenRows(&weights) // W is symmetric
	perStart := mat.NewDense(d.starts, parameters, nil)
	for i, g := range d.groups {
		for j := range parameters {
			perStart.Set(g, j, perStart.At(g, j)+weights.At(i, j))
		}
	}
	var own, shared mat.Dense
	own.Mul(weights.T(), &weights)
	shared.Mul(perStart.T(), perStart)
	shared.Scale(1/found.effective, &shared)
	own.Sub(&own, &shared)
	own.Scale(found.run, &own)
	shared.Scale(found.start, &shared)
	c.run, c.start = &own, &shared
	c.dfRun, c.dfStart = found.dfRun, found.dfStart
	c.tRun, c.tStart = studentT(c.dfRun, confidence), studentT(c.dfStart, confidence)
	return c, found, s.condition
}

// parts are those of the variance of a function of the parameters with gradient g:
// what runs contribute and what starts do.
func (c *covariance) parts(g []float64) (run, start float64) {
	run = quadratic(c.run, g)
	if c.start != nil {
		start = quadratic(c.start, g)
	}
	return run, start
}

// standardError is that of a function of the parameters with gradient g.
func (c *covariance) standardError(g []float64) float64 {
	run, start := c.parts(g)
	return math.Sqrt(math.Max(0, run+start)) // rounding may take an exact 0 below
}

// halfWidth is half the length of the interval for a function of the parameters
// with gradient g. Each part of the variance is estimated with its own degrees of
// freedom and has its own t:
//
//	half² = t²(dfRun) × run part + t²(dfStart) × start part
//
// as for sums of mean squares in Graybill & Wang (1980, JASA 75). One t for
// Satterthwaite's degrees of freedom, the usual way, covers 92.5 to 93 % for
// three starts that differ as much as their runs do; this covers 95 to 97 %.
func (c *covariance) halfWidth(g []float64) float64 {
	run, start := c.parts(g)
	return math.Sqrt(math.Max(0, c.tRun*c.tRun*run+c.tStart*c.tStart*start))
}

// halfWidthOfDifference is the same for the difference of a function of one fit,
// with gradient g, and a function of another, with gradient h, whose runs are
// independent. The two parts of a kind are one, with Welch's degrees of freedom.
func halfWidthOfDifference(a *covariance, g []float64, b *covariance, h []float64, confidence float64) float64 {
	runA, startA := a.parts(g)
	runB, startB := b.parts(h)
	half := func(va, dfA, vb, dfB float64) float64 {
		va, vb = math.Max(0, va), math.Max(0, vb)
		if va+vb == 0 {
			return 0
		}
		var terms float64
		if va > 0 {
			terms += va * va / dfA
		}
		if vb > 0 {
			terms += vb * vb / dfB
		}
		t := studentT((va+vb)*(va+vb)/terms, confidence)
		return t * math.Sqrt(va+vb)
	}
	return math.Hypot(half(runA, a.dfRun, runB, b.dfRun), half(startA, a.dfStart, startB, b.dfStart))
}

func quadratic(m *mat.Dense, g []float64) float64 {
	v := mat.NewVecDense(len(g), g)
	return mat.Inner(v, m, v)
}

// studentT is the quantile for a two-sided interval.
func studentT(df, confidence float64) float64 {
	return distuv.StudentsT{Sigma: 1, Nu: df}.Quantile((1 + confidence) / 2)
}
