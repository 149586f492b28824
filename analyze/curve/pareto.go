package curve

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Operating is where a system can be run: the throughput and the latency of one
// load point of one version, path or model.
type Operating struct {
	Label               string
	Concurrency         float64
	Throughput, Latency Interval
}

// Interval is a value and where it may be. An interval of no length is a value
// that is taken for exact.
type Interval struct{ Value, Low, High float64 }

// Standing says where a point stands on the trade of throughput for latency.
type Standing int

const (
	// Front: no other point has both more throughput and less latency.
	Front Standing = iota
	// Undecided: another point has, by the values, and their intervals overlap.
	Undecided
	// Dominated: another point has, beyond their intervals.
	Dominated
)

func (s Standing) String() string {
	switch s {
	case Front:
		return "on the front"
	case Undecided:
		return "undecided"
	case Dominated:
		return "dominated"
	}
	return fmt.Sprintf("standing(%d)", int(s))
}

// Trade is a point and its standing.
type Trade struct {
	Operating
	Standing Standing
	By       int // the point, in the order given, that it is dominated by, or may be; -1 on the front
}

// Pareto returns the standing of every point, in the order given. One point
// dominates another if it is no worse in throughput and in latency and better in
// one of them, both by the ends of the intervals: the worst that the one may be
// against the best that the other may be.
func Pareto(points []Operating) ([]Trade, error) {
	trades := make([]Trade, len(points))
	for i, p := range points {
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("curve: point %d (%s): %w", i, p.Label, err)
		}
		trades[i] = Trade{Operating: p, By: -1}
	}
	for i := range trades {
		trades[i].stand(points, i)
	}
	return trades, nil
}

func (t *Trade) stand(points []Operating, self int) {
	for j, other := range points {
		if j == self {
			continue
		}
		switch {
		case other.dominates(t.Operating) && t.Standing != Dominated:
			t.Standing, t.By = Dominated, j
		case other.better(t.Operating) && t.Standing == Front:
			t.Standing, t.By = Undecided, j
		}
	}
}

// dominates compares the worst of p with the best of other.
func (p Operating) dominates(other Operating) bool {
	return p.Throughput.Low >= other.Throughput.High && p.Latency.High <= other.Latency.Low &&
		(p.Throughput.Low > other.Throughput.High || p.Latency.High < other.Latency.Low)
}

// better compares the values.
func (p Operating) better(other Operating) bool {
	return p.Throughput.Value >= other.Throughput.Value && p.Latency.Value <= other.Latency.Value &&
		(p.Throughput.Value > other.Throughput.Value || p.Latency.Value < other.Latency.Value)
}

func (p Operating) check() error {
	for name, v := range p.axes {
		if !(v.Value > 0) || math.IsInf(v.Value, 1) || !(v.Low <= v.Value && v.Value <= v.High) {
			return fmt.Errorf("%s %g (%g to %g): need a value > 0 within its interval", name, v.Value, v.Low, v.High)
		}
	}
	return nil
}

func (p Operating) axes(yield func(string, Interval) bool) {
	_ = yield("throughput", p.Throughput) && yield("latency", p.Latency)
}

// FrontOf returns the points that are on the front or may be, by throughput, the
// least first: what to draw a line through, and what to mark as undecided.
func FrontOf(trades []Trade) []Trade {
	front := slices.DeleteFunc(slices.Clone(trades), func(t Trade) bool { return t.Standing == Dominated })
	slices.SortStableFunc(front, func(a, b Trade) int { return cmp.Compare(a.Throughput.Value, b.Throughput.Value) })
	return front
}
