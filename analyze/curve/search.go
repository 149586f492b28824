package curve

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// leastTries is from how many starts the sum of squares of a model is minimised
// at least.
const leastTries = 9

// try is where a minimisation starts, and for a model with a breakpoint between
// which bounds that stays.
type try struct {
	theta     []float64
	low, high float64
}

// search minimises from all starts, the last of which are the best of the simpler
// models that m contains, and returns the lowest minimum.
func (m *Model) search(d *data) (solution, error) {
	if s, ok := d.found[m]; ok {
		return s, nil
	}
	tries := m.tries(d)
	bound := math.Inf(1)
	for _, s := range m.simpler {
		simple, err := s.model.search(d)
		if err != nil {
			return solution{}, err
		}
		if s.embed == nil {
			continue
		}
		embedded := s.embed(d, s.model.natural(simple.theta))
		if d.exact(simple.rss) {
			// More parameters could only follow rounding.
			d.found[m] = solution{theta: m.working(embedded), rss: simple.rss}
			return d.found[m], nil
		}
		bound = math.Min(bound, simple.rss)
		tries = append(tries, m.triesAt(d, embedded)...)
	}
	best, ok := m.lowest(d, tries)
	if !ok || best.rss > bound*(1+1e-9) && !d.exact(best.rss) || best.slope > convergedGradient && !d.exact(best.rss) {
		return solution{}, fmt.Errorf("%w: %s on %d points", ErrNotConverged, m.name, len(d.x))
	}
	d.found[m] = best
	return best, nil
}

// lowest goes down from every start, and polishes the lowest end.
func (m *Model) lowest(d *data, tries []try) (solution, bool) {
	var best *descent
	for _, t := range tries {
		p := d.problem(m)
		if m.breakAt != nil {
			m.bound(&p, t)
		}
		if s, ok := descend(p, m.working(t.theta)); ok && (best == nil || s.rss < best.rss) {
			best = s
		}
	}
	if best == nil {
		return solution{}, false
	}
	s := best.polished()
	if m.breakAt != nil {
		// The sum of squares has a corner wherever the breakpoint passes a point.
		s.slope = best.slopeOf(len(m.parameters) - 1)
	}
	return s, true
}

// besideCorner keeps a breakpoint off the levels, as a logarithm: there the
// derivatives on its two sides differ, and only those on the side of the segment
// are right.
const besideCorner = 1e-12

// bound keeps the breakpoint of m within the bounds of the start.
func (m *Model) bound(p *problem, t try) {
	last := len(m.parameters) - 1
	low, high := math.Log(t.low), math.Log(t.high)
	if high-low > 4*besideCorner {
		low, high = low+besideCorner, high-besideCorner
	}
	p.lower[last] = low
	p.upper = make([]float64, len(m.parameters))
	for j := range p.upper {
		p.upper[j] = math.Inf(1)
	}
	p.upper[last] = high
}

// tries are where to start, from the data alone unless there was a fit before.
func (m *Model) tries(d *data) []try {
	if theta, ok := d.warm[m]; ok {
		return m.triesAt(d, theta)
	}
	if m.breakAt != nil {
		return m.breakTries(d)
	}
	var tries []try
	for _, theta := range m.starts(d) {
		tries = append(tries, try{theta: theta})
	}
	return tries
}

// triesAt starts from theta, and for a model with a breakpoint does so in the
// segment that it lies in and in those next to it.
func (m *Model) triesAt(d *data, theta []float64) []try {
	if m.breakAt == nil {
		return []try{{theta: theta}}
	}
	var tries []try
	at := theta[len(theta)-1]
	for _, s := range d.segments() {
		if s.low <= at*levelGap && s.high >= at/levelGap {
			tries = append(tries, try{theta: theta, low: s.low, high: s.high})
		}
	}
	if tries == nil { // the levels around the breakpoint are gone
		return m.breakTries(d)
	}
	return tries
}

// segment is a range of breakpoints.
type segment struct{ low, high float64 }

// maxSegments bounds the work on thousands of levels: beyond it segments are
// joined, and have corners inside.
const maxSegments = 48

// segments are the ranges that a breakpoint may lie in, so that there are two
// levels on each side of it: between levels and, where a level is not one exact
// concurrency, within.
func (d *data) segments() []segment {
	var ss []segment
	for k := 1; k+2 < len(d.levels); k++ {
		here, next := d.levels[k], d.levels[k+1]
		if k > 1 && here.high > here.low {
			ss = append(ss, segment{here.low, here.high})
		}
		ss = append(ss, segment{here.high, next.low})
	}
	if len(ss) <= maxSegments {
		return ss
	}
	joined := make([]segment, maxSegments)
	for i := range joined {
		first, beyond := i*len(ss)/maxSegments, (i+1)*len(ss)/maxSegments
		joined[i] = segment{ss[first].low, ss[beyond-1].high}
	}
	return joined
}

// breakRange is from the first segment to the last.
func (d *data) breakRange() (low, high float64) {
	n := len(d.levels)
	return d.levels[1].high, d.levels[n-2].low
}

// middleBreak is a breakpoint to start from.
func (d *data) middleBreak() float64 {
	ss := d.segments()
	s := ss[len(ss)/2]
	return math.Sqrt(s.low * s.high)
}

// breakTries starts in every segment, at three places or more, from the broken
// lines that fit best there. Of many segments it takes the most promising.
func (m *Model) breakTries(d *data) []try {
	ss := d.segments()
	if len(ss) == 0 {
		return nil
	}
	each := max(3, (leastTries+len(ss)-1)/len(ss))
	type candidate struct {
		try
		rss float64
	}
	var cs []candidate
	for _, s := range ss {
		for k := range each {
			at := s.low * math.Pow(s.high/s.low, (float64(k)+0.5)/float64(each))
			theta := m.breakAt(d, at)
			cs = append(cs, candidate{try{theta, s.low, s.high}, d.rssOf(m, theta)})
		}
	}
	slices.SortStableFunc(cs, func(a, b candidate) int { return cmp.Compare(a.rss, b.rss) })
	var tries []try
	for _, c := range cs[:min(len(cs), leastTries)] {
		tries = append(tries, c.try)
	}
	return tries
}

// thin returns at most n of xs, evenly spread.
func thin[T any](xs []T, n int) []T {
	if len(xs) <= n {
		return xs
	}
	out := make([]T, n)
	for i := range out {
		out[i] = xs[i*(len(xs)-1)/(n-1)]
	}
	return out
}

// rssOf is the sum of squares there, +Inf where the model has no value.
func (d *data) rssOf(m *Model, theta []float64) float64 {
	r := make([]float64, len(d.x))
	if !d.residuals(m, theta, r) {
		return math.Inf(1)
	}
	d.whiten(r, 1)
	var sum float64
	for _, v := range r {
		sum += v * v
	}
	return sum
}
