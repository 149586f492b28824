package curve

import (
	"fmt"
	"math"
)

// Where says where an answer lies.
type Where int

const (
	// Inside is within the tested range of concurrency.
	Inside Where = iota
	// Above is beyond the highest concurrency tested: the objective is met there
	// too.
	Above
	// Below is under the lowest concurrency tested: the objective is missed there
	// too.
	Below
)

func (w Where) String() string {
	switch w {
	case Inside:
		return "inside the tested range"
	case Above:
		return "above the tested range"
	case Below:
		return "below the tested range"
	}
	return fmt.Sprintf("where(%d)", int(w))
}

// Capacity is the largest concurrency within an objective.
type Capacity struct {
	Objective float64 // that the curve must not exceed

	// Value is where the curve exceeds the objective: the highest concurrency
	// tested if it does not (Above), 0 if it does from the lowest one on (Below).
	Value float64

	// Low and High are where the upper and the lower edge of the band exceed it:
	// between them, with the confidence of the band, the curve itself does. High is
	// +Inf and Low is 0 where an edge does not within the tested range.
	Low, High float64

	Level          float64
	Where          Where   // Value lies
	Tested, Lowest float64 // the highest and the lowest concurrency tested
}

// edgePlaces is how finely a band is looked through for where it exceeds the
// objective first.
const edgePlaces = 96

// Capacity returns the largest concurrency up to which the fitted latency, or any
// other metric of which less is better, does not exceed the objective. It answers
// from the tested range only: what lies beyond is not extrapolated but said to be
// beyond.
func (f *Fit) Capacity(objective float64) (Capacity, error) {
	if !(objective > 0) || math.IsInf(objective, 1) {
		return Capacity{}, fmt.Errorf("curve: objective %g: need a value > 0", objective)
	}
	c := Capacity{Objective: objective, Level: f.Confidence, Lowest: f.xMin, Tested: f.xMax}
	value, where := f.exceeds(objective, func(p Prediction) float64 { return p.Value })
	low, lowWhere := f.exceeds(objective, func(p Prediction) float64 { return p.High })
	high, highWhere := f.exceeds(objective, func(p Prediction) float64 { return p.Low })
	c.Value, c.Where, c.Low, c.High = value, where, low, high
	if where == Below {
		c.Value = 0
	}
	if lowWhere == Below {
		c.Low = 0
	}
	if highWhere == Above {
		c.High = math.Inf(1)
	}
	return c, nil
}

// exceeds returns the concurrency at which an edge of the band first exceeds the
// objective.
func (f *Fit) exceeds(objective float64, edge func(Prediction) float64) (float64, Where) {
	over := func(x float64) bool {
		p, err := f.Predict(x)
		return err != nil || edge(p) > objective
	}
	if over(f.xMin) {
		return f.xMin, Below
	}
	from := f.xMin
	for k := 1; k <= edgePlaces; k++ {
		to := f.xMin * math.Pow(f.xMax/f.xMin, float64(k)/edgePlaces)
		if k == edgePlaces {
			to = f.xMax
		}
		if !over(to) {
			from = to
			continue
		}
		for to-from > 1e-9*to {
			middle := (from + to) / 2
			if over(middle) {
				to = middle
			} else {
				from = middle
			}
		}
		return from, Inside
	}
	return f.xMax, Above
}

// Tightest combines the capacities of several objectives that all have to be met,
// and returns which of them binds.
func Tightest(capacities ...Capacity) (tightest Capacity, binding int) {
	for i, c := range capacities {
		if i == 0 || c.Value < tightest.Value {
			tightest, binding = c, i
		}
	}
	for _, c := range capacities {
		tightest.Low, tightest.High = math.Min(tightest.Low, c.Low), math.Min(tightest.High, c.High)
	}
	return tightest, binding
}

// Degradation returns by what factor the curve at one concurrency is what it is at
// another: ITL(c_max)/ITL(1). What a slow server start shifts at both cancels, so
// the interval is shorter than the band is. See [Degradation] for the same without
// a model.
func (f *Fit) Degradation(from, to float64) (Estimate, error) {
	var values [2]float64
	var slopes [2][]float64
	for i, x := range []float64{from, to} {
		p, err := f.Predict(x)
		if err != nil {
			return Estimate{}, err
		}
		values[i], slopes[i] = p.Value, make([]float64, len(f.theta))
		f.model.slope(f.theta, x, Multiplicative, slopes[i])
	}
	g := slopes[1]
	for j := range g {
		g[j] -= slopes[0][j]
	}
	e := f.positive(values[1]/values[0], g...)
	e.Extrapolated = math.Min(from, to) < f.xMin || math.Max(from, to) > f.xMax
	return e, nil
}
