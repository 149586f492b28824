package sample

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is a confidence interval. Level is the confidence that it has, which
// for rank methods on few values differs from the one asked for. Where values
// are too few for an interval it reaches to infinity.
type Interval struct {
	Low, High float64
	Level     float64
}

// Contains reports whether x lies in the interval, its ends included.
func (iv Interval) Contains(x float64) bool { return iv.Low <= x && x <= iv.High }

// Summary describes one sample of independent values.
type Summary struct {
	N        int
	Mean     float64
	SD       float64 // n-1 in the denominator; NaN for one value
	Median   float64
	Min, Max float64
	CI       Interval // of the mean, by Student's t
	Warnings []Warning
}

// GeoMean is the geometric mean of one sample of independent positive values.
type GeoMean struct {
	N        int
	Value    float64
	LogSD    float64  // standard deviation of the logs: for small values the CV; NaN for one value
	CI       Interval // of the geometric mean, by Student's t on logs
	Warnings []Warning
}

// recommendedN is the number of values from which on a t interval is given
// without a warning: at 5 the half-width is 1.24 SD, at 3 it is 2.48 SD, of an
// SD that is itself hardly known.
const recommendedN = 5

// Summarize describes xs, with a t interval of the mean at confidence conf. It
// fails if xs is empty or holds a value that is not finite.
func Summarize(xs []float64, conf float64) (Summary, error) {
	if err := check(xs, conf); err != nil {
		return Summary{}, err
	}
	sorted := slices.Sorted(slices.Values(xs))
	mean, sd := moments(xs)
	return Summary{
		N: len(xs), Mean: mean, SD: sd,
		Median:   QuantileSorted(sorted, 0.5),
		Min:      sorted[0],
		Max:      sorted[len(sorted)-1],
		CI:       tInterval(len(xs), mean, sd, conf),
		Warnings: sizeWarnings(len(xs), sd),
	}, nil
}

// GeometricMean describes xs on the scale of logs, with a t interval at
// confidence conf. It fails if xs is empty or holds a value that is not
// positive and finite.
func GeometricMean(xs []float64, conf float64) (GeoMean, error) {
	if err := check(xs, conf); err != nil {
		return GeoMean{}, err
	}
	logs := make([]float64, len(xs))
	for i, x := range xs {
		if x <= 0 {
			return GeoMean{}, fmt.Errorf("sample: value %d is %g: a geometric mean needs values > 0", i, x)
		}
		logs[i] = math.Log(x)
	}
	mean, sd := moments(logs)
	ci := tInterval(len(xs), mean, sd, conf)
	ci.Low, ci.High = math.Exp(ci.Low), math.Exp(ci.High)
	return GeoMean{
		N: len(xs), Value: math.Exp(mean), LogSD: sd, CI: ci,
		Warnings: sizeWarnings(len(xs), sd),
	}, nil
}

// moments returns the mean and the standard deviation (n-1) in two passes, the
// first over differences from the first value. Values with many leading digits
// in common keep their digits this way: it is the method that passes the NIST
// StRD sets with 13 constant leading digits.
func moments(xs []float64) (mean, sd float64) {
	n := float64(len(xs))
	var shift float64
	for _, x := range xs {
		shift += x - xs[0]
	}
	shift /= n
	if len(xs) == 1 {
		return xs[0], math.NaN()
	}
	// The sum of the residuals is zero in exact arithmetic; what is left of it
	// corrects the rounding of the mean (Chan, Golub & LeVeque 1983).
	var squares, residuals float64
	for _, x := range xs {
		d := (x - xs[0]) - shift
		squares += d * d
		residuals += d
	}
	return xs[0] + shift, math.Sqrt((squares - residuals*residuals/n) / (n - 1))
}

// tInterval is the interval of a mean: mean -+ t(n-1) * sd / sqrt(n).
func tInterval(n int, mean, sd, conf float64) Interval {
	if n < 2 {
		return Interval{Low: math.Inf(-1), High: math.Inf(1), Level: conf}
	}
	t := distuv.StudentsT{Sigma: 1, Nu: float64(n - 1)}.Quantile((1 + conf) / 2)
	half := t * sd / math.Sqrt(float64(n))
	return Interval{Low: mean - half, High: mean + half, Level: conf}
}

func sizeWarnings(n int, sd float64) []Warning {
	switch {
	case n < 2:
		return []Warning{warn(TooFew, "need >= 2 values for an interval, have %d", n)}
	case sd == 0:
		return []Warning{warn(NoVariation, "all %d values are equal: check that they are separate measurements", n)}
	case n < recommendedN:
		return []Warning{warn(FewValues, "need >= %d values for a steady interval, have %d", recommendedN, n)}
	}
	return nil
}

func check(xs []float64, conf float64) error {
	if !(conf > 0 && conf < 1) {
		return fmt.Errorf("sample: confidence %g is not between 0 and 1", conf)
	}
	if len(xs) == 0 {
		return fmt.Errorf("sample: no values: need >= 1")
	}
	for i, x := range xs {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("sample: value %d is %g: leave out what was not measured", i, x)
		}
	}
	return nil
}
