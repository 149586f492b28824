package compare

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/stat/distuv"
)

// power is the probability with which a two-sample t test with m and n values
// rejects at level alpha if the means differ by d standard deviations. sides is
// 1 or 2. For two sides it counts only rejections on the side of the difference,
// as R's power.t.test does: the other side's are errors.
func power(m, n int, d, alpha float64, sides int) float64 {
	df := float64(m + n - 2)
	critical := distuv.StudentsT{Sigma: 1, Nu: df}.Quantile(1 - alpha/float64(sides))
	return noncentralTTail(critical, df, d/standardError(m, n))
}

// standardError is that of a difference of two means, in standard deviations.
func standardError(m, n int) float64 { return math.Sqrt(1/float64(m) + 1/float64(n)) }

// noncentralTTail is P(T > t) for noncentral t, which is a normal variable with
// mean ncp and variance 1 over s, with s*s*df chi-squared (Johnson, Kotz &
// Balakrishnan 1995, chapter 31). Given s it is a normal tail, so what is left is
// one smooth integral over the density of s.
//
// Note: the series of Lenth (1989, AS 243), which R uses, loses digits for a
// large ncp; the integral does not.
func noncentralTTail(t, df, ncp float64) float64 {
	lg, _ := math.Lgamma(df / 2)
	constant := math.Ln2 + df/2*math.Log(df/2) - lg
	// s is concentrated within some 1/sqrt(2 df) of 1; 12 of them leave out less
	// than e^-45 on either side for df >= 1.
	spread := 12 / math.Sqrt(2*df)
	low, high := math.Max(0, 1-spread), 1+spread

	var integral float64
	for i, node := range legendreNodes {
		s := low + (high-low)*node
		logDensity := constant + (df-1)*math.Log(s) - df*s*s/2
		integral += legendreWeights[i] * math.Exp(logDensity) * normalTail(t*s-ncp)
	}
	return math.Min(1, integral*(high-low))
}

// The nodes and weights of Gauss-Legendre integration over [0, 1]; 150 agree
// with R's power.t.test to 1e-9.
var legendreNodes, legendreWeights = legendre(150)

func legendre(n int) (nodes, weights []float64) {
	nodes, weights = make([]float64, n), make([]float64, n)
	quad.Legendre{}.FixedLocations(nodes, weights, 0, 1)
	return nodes, weights
}

// detectable is the smallest difference, in standard deviations, that a
// two-sample t test of m and n values finds at level alpha (two-sided) with
// probability want: the inverse of [power], as power.t.test(n, power = want)
// gives it. For 80 % at 5 % it is 3.07 with 3 values an arm, 2.02 with 5, 1.51
// with 8 and 1.0 with 17.
func detectable(m, n int, alpha, want float64) float64 {
	df := float64(m + n - 2)
	critical := distuv.StudentsT{Sigma: 1, Nu: df}.Quantile(1 - alpha/2)
	return noncentrality(critical, df, want) * standardError(m, n)
}

// noncentrality returns the ncp at which [noncentralTTail] of critical is want.
func noncentrality(critical, df, want float64) float64 {
	return solve(critical, want, func(ncp float64) float64 { return noncentralTTail(critical, df, ncp) })
}

// solve returns the ncp at which a power that is one half near critical is want.
// On the scale of normal quantiles power is almost a straight line in ncp, so a
// few secant steps find it.
func solve(critical, want float64, power func(ncp float64) float64) float64 {
	goal := distuv.UnitNormal.Quantile(want)
	missed := func(ncp float64) float64 { return distuv.UnitNormal.Quantile(power(ncp)) - goal }
	before, ncp := critical, critical+goal
	missedBefore := missed(before)
	for range 20 {
		now := missed(ncp)
		if math.Abs(now) < 1e-9 || now == missedBefore {
			break
		}
		next := ncp - now*(ncp-before)/(now-missedBefore)
		before, missedBefore, ncp = ncp, now, next
	}
	return ncp
}

// maxRuns is where the search for a number of runs ends: more than anybody will
// make.
const maxRuns = 100_000

// runsFor returns the smallest number of runs an arm, from least to maxRuns,
// that is enough. enough must stay true once it is. ok is false if none is. It
// asks for larger and larger numbers first, as the answer is seldom far.
func runsFor(least int, enough func(n int) bool) (n int, ok bool) {
	low, step := least, 1
	for !enough(low + step - 1) {
		low += step
		step *= 2
		if low >= maxRuns {
			return maxRuns, false
		}
	}
	n = low + sort.Search(step-1, func(i int) bool { return enough(low + i) })
	return n, n < maxRuns
}

// leastP is the smallest two-sided p-value that the exact Mann-Whitney test can
// give for m and n values without ties: both extreme arrangements out of all.
func leastP(m, n int) float64 {
	lgTotal, _ := math.Lgamma(float64(m + n + 1))
	lgM, _ := math.Lgamma(float64(m + 1))
	lgN, _ := math.Lgamma(float64(n + 1))
	return math.Min(1, 2*math.Exp(lgM+lgN-lgTotal))
}
