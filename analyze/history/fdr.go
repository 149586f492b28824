package history

import (
	"cmp"
	"math"
	"slices"
)

// benjaminiHochberg adjusts p-values for the false discovery rate (Benjamini &
// Hochberg 1995; R: p.adjust(method = "BH")). NaN is a test that was not made.
func benjaminiHochberg(ps []float64) []float64 {
	var order []int
	for i, p := range ps {
		if !math.IsNaN(p) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(ps[i], ps[j]) })
	adjusted := slices.Repeat([]float64{math.NaN()}, len(ps))
	lowest := 1.0
	for rank, i := range slices.Backward(order) {
		lowest = math.Min(lowest, float64(len(order))/float64(rank+1)*ps[i])
		adjusted[i] = lowest
	}
	return adjusted
}
