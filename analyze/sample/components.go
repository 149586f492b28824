package sample

import (
	"fmt"
	"math"
)

// Components splits the variance of repeated measurements into what differs
// between server starts and what differs within one, by the one-way analysis of
// variance.
type Components struct {
	Starts int // groups
	Values int // in all

	Between float64 // variance between starts; 0 where the estimate is negative
	Within  float64 // variance within a start; NaN where no start has two values

	// Negative reports that the estimate of Between was negative and was set to
	// 0: starts differ by less than what is within them explains.
	Negative bool

	F float64 // mean square between / mean square within
}

// ICC is the intraclass correlation: the share of the variance of one value
// that comes from its start. At 1 repeats within a start are worthless, at 0
// they are as good as new starts.
func (c Components) ICC() float64 { return c.Between / (c.Between + c.Within) }

// RunSD is the standard deviation of a start's mean of repeats values: what a
// comparison of starts has to live with.
func (c Components) RunSD(repeats int) float64 {
	return math.Sqrt(c.Between + c.Within/float64(repeats))
}

// VarianceComponents estimates the components of variance from the values of
// each start, usually logs. With
//
//	MSB = sum n_i (mean_i - mean)^2 / (k-1)
//	MSW = sum (x_ij - mean_i)^2 / (N-k)
//	n0  = (N - sum n_i^2/N) / (k-1)
//
// Between is (MSB-MSW)/n0 and Within is MSW (Searle, Casella & McCulloch 1992,
// section 3.6). For starts of equal size these are the REML estimates and the
// corrected T^2 of Kalibera & Jones.
//
// It needs two starts, one of them with two values. Values with many leading
// digits in common are no difficulty: all sums are of differences from the first
// value.
func VarianceComponents(starts [][]float64) (Components, error) {
	c := Components{Starts: len(starts)}
	if len(starts) < 2 {
		return c, fmt.Errorf("sample: need >= 2 server starts to see what differs between them, have %d", len(starts))
	}
	for i, s := range starts {
		if err := check(s, floorConfidence); err != nil {
			return c, fmt.Errorf("start %d: %w", i, err)
		}
		c.Values += len(s)
	}
	k, n := float64(c.Starts), float64(c.Values)
	if c.Values == c.Starts {
		return c, fmt.Errorf("sample: need >= 2 values of one server start to see what differs within it, have 1 of each")
	}

	origin := starts[0][0]
	means, grand := make([]float64, len(starts)), 0.0
	var within, squares float64
	for i, s := range starts {
		mean, ss := about(s, origin)
		means[i] = mean
		grand += float64(len(s)) * mean / n
		within += ss
		squares += float64(len(s)) * float64(len(s))
	}
	var between float64
	for i, s := range starts {
		between += float64(len(s)) * (means[i] - grand) * (means[i] - grand)
	}

	msb, msw := between/(k-1), within/(n-k)
	c.Within, c.F = msw, msb/msw
	c.Between = (msb - msw) / ((n - squares/n) / (k - 1))
	if c.Between < 0 {
		c.Between, c.Negative = 0, true
	}
	return c, nil
}

// about returns the mean of xs as a difference from origin, and the sum of
// squares about it.
func about(xs []float64, origin float64) (mean, squares float64) {
	for _, x := range xs {
		mean += x - origin
	}
	mean /= float64(len(xs))
	var residuals float64
	for _, x := range xs {
		d := (x - origin) - mean
		squares += d * d
		residuals += d
	}
	return mean, squares - residuals*residuals/float64(len(xs))
}

// Nested holds the variance components of an experiment with several levels of
// repetition, highest first, for example machines, server starts, requests.
type Nested struct {
	Mean float64

	// S2 is, for each level, the mean variance of the means of the level below;
	// T2 is the level's own contribution. Both run from the lowest level to the
	// highest. A negative T2, which says that a level adds nothing, is left as it
	// is here; [Nested.Variance] takes it for 0.
	S2, T2 []float64
}

// Variance is the component of a level, counted from the lowest: T2, or 0 where
// that is negative.
func (n Nested) Variance(level int) float64 { return math.Max(0, n.T2[level]) }

// KaliberaJones splits the variance of a balanced experiment with the method of
// Kalibera & Jones (2013, Rigorous benchmarking in reasonable time), in its
// corrected form:
//
//	T_1^2 = S_1^2,  T_i^2 = S_i^2 - S_(i-1)^2 / r_(i-1)
//
// (the paper's first print has T_(i-1) on the right). reps are the repetitions
// at each level, highest first, and values lists the measurements with the
// lowest level running fastest.
func KaliberaJones(values []float64, reps []int) (Nested, error) {
	size := 1
	for i, r := range reps {
		if r < 2 {
			return Nested{}, fmt.Errorf("sample: level %d has %d repetitions: need >= 2", i, r)
		}
		size *= r
	}
	if size != len(values) || len(reps) == 0 {
		return Nested{}, fmt.Errorf("sample: %d values for repetitions %v", len(values), reps)
	}
	if err := check(values, floorConfidence); err != nil {
		return Nested{}, err
	}

	var n Nested
	means := values
	for level := len(reps) - 1; level >= 0; level-- {
		r := reps[level]
		var next []float64
		var variance float64
		for group := 0; group < len(means); group += r {
			mean, sd := moments(means[group : group+r])
			next = append(next, mean)
			variance += sd * sd
		}
		n.S2 = append(n.S2, variance/float64(len(next)))
		means = next
	}
	n.Mean = means[0]
	for i, s := range n.S2 {
		if i > 0 {
			s -= n.S2[i-1] / float64(reps[len(reps)-i])
		}
		n.T2 = append(n.T2, s)
	}
	return n, nil
}

// Repetitions returns how often to repeat each level but the highest, from the
// lowest on, for the least variance at a given cost (Kalibera & Jones 2013,
// section 9.2):
//
//	r_i = sqrt(c_(i+1)/c_i * T_i^2/T_(i+1)^2)
//
// costs runs from the lowest level to the highest, like T2. Round up. Where the
// level above adds no variance the answer is +Inf: never leave it.
func (n Nested) Repetitions(costs []float64) ([]float64, error) {
	if len(costs) != len(n.T2) {
		return nil, fmt.Errorf("sample: %d costs for %d levels", len(costs), len(n.T2))
	}
	var reps []float64
	for i := range len(costs) - 1 {
		if !(costs[i] > 0 && costs[i+1] > 0) {
			return nil, fmt.Errorf("sample: costs %v: each must be > 0", costs)
		}
		if n.Variance(i+1) == 0 {
			reps = append(reps, math.Inf(1))
			continue
		}
		reps = append(reps, math.Sqrt(costs[i+1]/costs[i]*n.Variance(i)/n.Variance(i+1)))
	}
	return reps, nil
}
