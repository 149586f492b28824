package history

import (
	"math"

	"github.com/servestat/servestat/analyze/sample"
)

// dependentFrom is the lag-1 autocorrelation of residuals above which runs are
// not taken for exchangeable.
const dependentFrom = 0.2

// Dependence says how much runs resemble their neighbours once the levels and
// drifts that were found are taken off, and what was permuted in consequence.
type Dependence struct {
	// Runs is the lag-1 autocorrelation of the ranked residuals of runs, or that
	// of neighbours within a block if it is larger; Blocks that of the blocks'
	// means. NaN: too few.
	Runs, Blocks float64

	// Group is the number of consecutive blocks that were permuted as one; 0 says
	// that single runs were permuted.
	Group int
}

// measureDependence decides what may be permuted, from the residuals and the
// starts of the stretches whose means or trends were taken off.
func measureDependence(h history, residuals []float64, cuts []int) Dependence {
	ranks := centredRanks(residuals)
	all := lagOne(ranks, cuts, nil)
	within := math.NaN()
	if h.blocks < len(h.at) {
		within = lagOne(ranks, cuts, h.first)
	}
	d := Dependence{Runs: larger(all, within), Blocks: math.NaN()}
	if !(d.Runs > dependentFrom) {
		return d
	}
	means, meanCuts := blockMeans(h, ranks, cuts)
	d.Blocks = lagOne(means, meanCuts, nil)
	d.Group = groupLength(d.Blocks, len(means))
	return d
}

func larger(a, b float64) float64 {
	if math.IsNaN(b) || a > b {
		return a
	}
	return b
}

// lagOne estimates the autocorrelation at lag 1 from pairs of neighbours that lie
// in one stretch and, with first, in one block. Each stretch costs a mean, which
// makes the plain estimate too low by 1/n if runs are independent (Moran 1948);
// that is given back. What dependent runs cost beyond that (Marriott & Pope 1954)
// is not: the more exact estimate varies more, and takes more independent series
// of twenty runs for dependent ones.
func lagOne(e []float64, cuts []int, first []bool) float64 {
	cut := make([]bool, len(e))
	for _, c := range cuts {
		cut[c] = true
	}
	var products, squares float64
	pairs := 0
	for i := range e {
		squares += e[i] * e[i]
		if i > 0 && !cut[i] && (first == nil || !first[i]) {
			products += e[i] * e[i-1]
			pairs++
		}
	}
	if pairs < 3 || squares == 0 {
		return math.NaN()
	}
	n, s := float64(len(e)), float64(len(cuts))
	if n <= 6*s {
		return math.NaN()
	}
	r := products / float64(pairs) / (squares / n)
	return math.Min(1, r+s/n)
}

// blockMeans reduces ranks to one mean for each block, or part of a block where a
// cut goes through it.
func blockMeans(h history, ranks []float64, cuts []int) (means []float64, meanCuts []int) {
	cut := make([]bool, len(ranks)+1)
	for _, c := range cuts {
		cut[c] = true
	}
	for lo := 0; lo < len(ranks); {
		hi := lo + 1
		for hi < len(ranks) && !h.first[hi] && !cut[hi] {
			hi++
		}
		if cut[lo] {
			meanCuts = append(meanCuts, len(means))
		}
		var sum float64
		for _, r := range ranks[lo:hi] {
			sum += r
		}
		means = append(means, sum/float64(hi-lo))
		lo = hi
	}
	return means, meanCuts
}

// groupLength is the number of consecutive blocks to keep together, which is
// (sqrt(6) r / (1-r²))^(2/3) n^(1/3) for an autoregression with coefficient r
// (Carlstein 1986), and one where blocks do not resemble their neighbours.
func groupLength(r float64, blocks int) int {
	if !(r > dependentFrom) {
		return 1
	}
	r = math.Min(r, 0.9)
	l := math.Pow(math.Sqrt(6)*r/(1-r*r), 2.0/3) * math.Cbrt(float64(blocks))
	return max(2, int(math.Round(l)))
}

// stepResiduals takes the median of each stretch off it. cuts starts with 0.
func stepResiduals(logs []float64, cuts []int) []float64 {
	e := make([]float64, len(logs))
	for s, lo := range cuts {
		hi := len(logs)
		if s+1 < len(cuts) {
			hi = cuts[s+1]
		}
		centre := sample.Quantile(logs[lo:hi], 0.5)
		for i := lo; i < hi; i++ {
			e[i] = logs[i] - centre
		}
	}
	return e
}
