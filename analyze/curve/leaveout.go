package curve

import "math"

// foldsFor bounds the work on many levels and thousands of points: of more levels
// than that, every so manyth is left out.
func foldsFor(points int) int { return max(8, min(32, 40_000/max(1, points))) }

// LeaveOut is how well a model predicts a level that it was not fitted to, as a
// root mean square of log(observed/predicted) over the levels, whose runs are
// averaged first: about the relative error.
type LeaveOut struct {
	Inside float64 // over the levels that lie between others
	All    float64 // over all levels, the lowest and the highest of which are extrapolated
}

// leaveOut fits the model without each level in turn. Both are +Inf if it cannot
// be fitted without some.
func (m *Model) leaveOut(d *data) LeaveOut {
	predict := func(rest *data) func(x float64) float64 {
		s, err := m.search(rest)
		if err != nil {
			return nil
		}
		theta := m.natural(s.theta)
		return func(x float64) float64 { return m.value(theta, x) }
	}
	return d.leaveOut(predict)
}

// leaveOut takes any way to predict from the rest of the data; nil is none.
func (d *data) leaveOut(predict func(rest *data) func(x float64) float64) LeaveOut {
	indexes := make([]int, len(d.levels))
	for k := range indexes {
		indexes[k] = k
	}
	var inside, all meanSquare
	for _, k := range thin(indexes, foldsFor(len(d.x))) {
		curve := predict(d.without(k))
		var deviation float64
		for _, i := range d.levels[k].points {
			value := math.NaN()
			if curve != nil {
				value = curve(d.x[i])
			}
			deviation += math.Log(d.y[i] / value)
		}
		deviation /= float64(len(d.levels[k].points))
		all.add(deviation)
		if k > 0 && k < len(d.levels)-1 {
			inside.add(deviation)
		}
	}
	return LeaveOut{Inside: inside.root(), All: all.root()}
}

// without returns the data without one level. Fits start from where those to all
// data ended.
func (d *data) without(k int) *data {
	left := map[int]bool{}
	for _, i := range d.levels[k].points {
		left[i] = true
	}
	var points []Point
	for i, p := range d.points {
		if !left[i] {
			points = append(points, p)
		}
	}
	rest := collect(points, d.noise)
	if d.whitening != nil && rest.groups != nil {
		rest.setRatio(d.ratio)
	}
	rest.warm = map[*Model][]float64{}
	for m, s := range d.found {
		rest.warm[m] = m.natural(s.theta)
	}
	return rest
}

type meanSquare struct{ sum, n float64 }

func (m *meanSquare) add(v float64) { m.sum, m.n = m.sum+v*v, m.n+1 }

// root is +Inf if something had no value.
func (m *meanSquare) root() float64 {
	if math.IsNaN(m.sum) {
		return math.Inf(1)
	}
	return math.Sqrt(m.sum / m.n)
}
