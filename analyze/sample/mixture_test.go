package sample_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/analyze/sample"
)

// The shape of tokenspeed issue 1355: most runs within a percent, two a third
// slower. The centre is that of the clean ones, and the stalls are named.
func TestStalledRunsAreToldFromTheCentre(t *testing.T) {
	baseline := []float64{100, 101, 99, 100.5, 136, 99.5, 100.2, 98.9}
	candidate := []float64{105, 106, 104, 105.5, 104.5, 105.2, 142.8, 105.1}
	m := sample.FindMixture(baseline, candidate)
	if !m.Stalled() || !slices.Equal(m.Arms[0].Slow, []int{4}) || !slices.Equal(m.Arms[1].Slow, []int{6}) {
		t.Fatalf("%+v", m)
	}
	wantNear(t, "centre", m.Arms[0].Centre, 99.87, 1e-3)
	wantNear(t, "candidate's centre", m.Arms[1].Centre, 105.04, 1e-3)
	wantNear(t, "rate", m.Arms[0].SlowRate(), 1.0/8, 0)
	if m.Arms[0].FastRate() != 0 {
		t.Errorf("fast: %v", m.Arms[0].Fast)
	}
}

// A regression is no stall, however large: all runs of the arm have it.
func TestAShiftIsNoStall(t *testing.T) {
	base := []float64{100, 101, 99, 100.5, 99.5}
	slow := make([]float64, len(base))
	for i, v := range base {
		slow[i] = 2 * v
	}
	if m := sample.FindMixture(base, slow); m.Stalled() {
		t.Errorf("%+v", m)
	}
}

// For a throughput the stalled run is the low one.
func TestALowRunStandsApartToo(t *testing.T) {
	m := sample.FindMixture([]float64{100, 101, 99, 100.5, 70})
	if !slices.Equal(m.Arms[0].Fast, []int{4}) || m.Arms[0].FastRate() != 0.2 {
		t.Errorf("%+v", m)
	}
}

// Equal runs, as of a simulator, have no spread; a per mille is then no stall.
func TestRunsThatHardlyVaryHaveNoStalls(t *testing.T) {
	m := sample.FindMixture([]float64{100, 100, 100, 100, 100.1})
	if m.Stalled() || m.Spread != 0 {
		t.Errorf("%+v", m)
	}
	if m := sample.FindMixture([]float64{100, 100, 100, 100, 120}); !m.Stalled() {
		t.Error("20 % is a stall")
	}
}

func TestWhatWasNotMeasuredIsPassedOver(t *testing.T) {
	m := sample.FindMixture([]float64{100, math.NaN(), 101, math.Inf(1), 99, 140}, nil)
	if m.Arms[0].N != 4 || !slices.Equal(m.Arms[0].Slow, []int{5}) || m.Arms[1].N != 0 {
		t.Errorf("%+v", m)
	}
}

// How often clean runs are called stalled, and stalled ones are found, at the
// CV and the stall of tokenspeed issue 1355, with five and with eight runs in
// each of two arms.
func TestCalibrateMixture(t *testing.T) {
	reps := calibrate.Replicates(1000, 20_000)
	for _, n := range []int{5, 8, 20} {
		rng := rand.New(rand.NewPCG(1355, uint64(n)))
		var falsely, found float64
		for range reps {
			arms := [2][]float64{}
			for a := range arms {
				for range n {
					arms[a] = append(arms[a], 100*math.Exp(0.0113*rng.NormFloat64()))
				}
			}
			if sample.FindMixture(arms[0], arms[1]).Stalled() {
				falsely++
			}
			arms[0][0] *= 1.36
			if slices.Contains(sample.FindMixture(arms[0], arms[1]).Arms[0].Slow, 0) {
				found++
			}
		}
		size := map[int]string{5: "5 + 5", 8: "8 + 8", 20: "20 + 20"}[n]
		calibrate.Bar(t, "mixture: clean families with a run called stalled, "+size+" runs", falsely/float64(reps), calibrate.AtMost(0.02).Share(reps))
		calibrate.Bar(t, "mixture: a run 36 % slower is found, "+size+" runs", found/float64(reps), calibrate.AtLeast(0.98).Share(reps))
	}
}
