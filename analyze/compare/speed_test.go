package compare

import (
	"math/rand/v2"
	"testing"
)

// The bars: one comparison in a second, a week's in a minute.

func BenchmarkOneComparison(b *testing.B) {
	s := sweepOf{metrics: 11, levels: 8, runs: 10, shared: 0.6, noise: stalls}.draw(rand.New(rand.NewPCG(1, 60)))
	for b.Loop() {
		Judge(s, Options{})
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/comparison(bar:1)")
}

// 21 sweeps of one load point each with eleven metrics are what a night of vLLM's
// benchmarks is.
func BenchmarkWeekOf231Comparisons(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 61))
	var week []Sweep
	for range 21 {
		week = append(week, sweepOf{metrics: 11, levels: 1, runs: 10, shared: 0.6, noise: stalls}.draw(rng))
	}
	for b.Loop() {
		JudgeAll(week, Options{})
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/week(bar:60)")
}
