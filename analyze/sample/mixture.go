package sample

import (
	"math"
	"slices"
)

// Mixture tells apart what the runs of one or more arms have in common, their
// clean centres, from runs that stalled.
//
// Server starts are such a mixture: of 36 identical ones 3 were 36 % slower,
// with exit code 0 and no failed request (tokenspeed issue 1355). A mean over
// the mixture describes neither. Nothing is ever deleted for being in the
// minority: the runs go into the test as they are, and the mixture is reported
// beside it.
type Mixture struct {
	Arms []ArmMixture

	// Spread is the standard deviation of the clean runs, on logs: 1.4826 times
	// the median absolute deviation from the arms' medians, which a minority of
	// stalls hardly moves. 0 where most runs are equal.
	Spread float64
}

// ArmMixture is one arm's part of a mixture.
type ArmMixture struct {
	N      int
	Centre float64 // geometric mean of the runs that did not stall

	// Slow and Fast index the runs that lie further than the limit above and
	// below the arm's median. Which of the two is the bad side depends on the
	// metric.
	Slow, Fast []int
}

// SlowRate and FastRate are the shares of the arm's runs on either side.
func (a ArmMixture) SlowRate() float64 { return float64(len(a.Slow)) / float64(a.N) }

// FastRate is [ArmMixture.SlowRate] for the other side.
func (a ArmMixture) FastRate() float64 { return float64(len(a.Fast)) / float64(a.N) }

// Stalled reports whether any run of any arm stands apart on either side.
func (m Mixture) Stalled() bool {
	return slices.ContainsFunc(m.Arms, func(a ArmMixture) bool { return len(a.Slow)+len(a.Fast) > 0 })
}

// A run stands apart if it is further from its arm's median than five robust
// standard deviations and than 5 %, the second for arms that hardly vary.
const (
	stallSpreads = 5
	stallLeast   = 0.05
	madToSD      = 1.4826 // 1 / the 0.75 quantile of the normal distribution
)

// FindMixture looks for stalled runs in the arms, each a list of positive
// values, one per run. The spread is pooled over the arms; the centres are each
// arm's own, so that a shift between arms is no stall. Values that are not
// positive and finite are passed over, and three values in all are the least
// for a spread.
func FindMixture(arms ...[]float64) Mixture {
	m := Mixture{Arms: make([]ArmMixture, len(arms))}
	medians := make([]float64, len(arms))
	var deviations []float64
	for i, arm := range arms {
		logs := positiveLogs(arm)
		m.Arms[i].N = len(logs)
		slices.Sort(logs)
		medians[i] = QuantileSorted(logs, 0.5)
		for _, l := range logs {
			deviations = append(deviations, math.Abs(l-medians[i]))
		}
	}
	if len(deviations) >= 3 {
		m.Spread = madToSD * Quantile(deviations, 0.5)
	}
	limit := math.Max(stallSpreads*m.Spread, math.Log1p(stallLeast))
	for i, arm := range arms {
		m.Arms[i].divide(arm, medians[i], limit)
	}
	return m
}

// divide sorts an arm's runs into clean and stalled ones.
func (a *ArmMixture) divide(arm []float64, median, limit float64) {
	var sum float64
	clean := 0
	for i, v := range arm {
		if !(v > 0) || math.IsInf(v, 1) {
			continue
		}
		switch d := math.Log(v) - median; {
		case d > limit:
			a.Slow = append(a.Slow, i)
		case d < -limit:
			a.Fast = append(a.Fast, i)
		default:
			sum += math.Log(v)
			clean++
		}
	}
	a.Centre = math.Exp(sum / float64(clean))
}

func positiveLogs(xs []float64) []float64 {
	var logs []float64
	for _, x := range xs {
		if x > 0 && !math.IsInf(x, 1) {
			logs = append(logs, math.Log(x))
		}
	}
	return logs
}
