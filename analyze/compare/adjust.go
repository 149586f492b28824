package compare

import (
	"cmp"
	"math"
	"slices"
)

// Holm adjusts p-values so that rejecting those <= alpha makes any false
// rejection, in the whole family, with probability at most alpha, whatever the
// dependence between tests (Holm 1979; R: p.adjust(method = "holm")).
//
// A NaN is a test that was not made: it stays NaN and does not count.
func Holm(ps []float64) []float64 {
	order := ascending(ps)
	adjusted := nans(len(ps))
	var highest float64
	for rank, i := range order {
		highest = math.Max(highest, math.Min(1, float64(len(order)-rank)*ps[i]))
		adjusted[i] = highest
	}
	return adjusted
}

// BenjaminiHochberg adjusts p-values so that of those <= q a share of at most q
// is false, on average, for independent or positively dependent tests (Benjamini
// & Hochberg 1995; R: p.adjust(method = "BH")). It is for lists of what to look
// at, not for blocking a release. NaN as in [Holm].
func BenjaminiHochberg(ps []float64) []float64 {
	order := ascending(ps)
	adjusted := nans(len(ps))
	lowest := 1.0
	for rank, i := range slices.Backward(order) {
		lowest = math.Min(lowest, float64(len(order))/float64(rank+1)*ps[i])
		adjusted[i] = lowest
	}
	return adjusted
}

// ascending returns the indices of the values that are not NaN, in order of
// value.
func ascending(ps []float64) []int {
	var order []int
	for i, p := range ps {
		if !math.IsNaN(p) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(ps[i], ps[j]) })
	return order
}

func nans(n int) []float64 { return slices.Repeat([]float64{math.NaN()}, n) }
