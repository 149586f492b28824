package plot

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

const (
	runRadius = 3.6
	barWidth  = 1.5
	capWidth  = 13
)

// A curve is one version's measurements of one quantity, checked and in display
// units.
type curve struct {
	name      string
	look      look
	simulated bool
	fitted    bool
	runs      plotter.XYs
	levels    []levelMark
	line      plotter.XYs // the fit, or the levels joined
	band      plotter.XYs // its outline; empty where there is no fit
	knee      *knee
	kept      []capacity // how far objectives are kept
	notes     []string
}

// A levelMark is the summary of one level.
type levelMark struct {
	asked      int64
	x, y       float64
	lo, hi     float64
	bounded    bool
	confidence float64
	stored     scale.Number // the same value in its stored unit
}

// A knee is where a fit bends, at its height on the curve.
type knee struct{ x, lo, hi, y float64 }

// newCurve checks the numbers of a series and brings them into the unit.
func newCurve(s analyze.Series, q quantity, u scale.Unit, l look) (curve, error) {
	c := curve{name: seriesName(s), look: l, simulated: s.Simulated}
	for _, step := range []func(analyze.Series, quantity, scale.Unit) error{c.takeRuns, c.takeLevels, c.takeFit} {
		if err := step(s, q, u); err != nil {
			return curve{}, err
		}
	}
	if !c.fitted {
		for _, l := range c.levels {
			c.line = append(c.line, plotter.XY{X: l.x, Y: l.y})
		}
	}
	c.takeObjectives(s)
	return c, nil
}

func (c *curve) takeRuns(s analyze.Series, q quantity, u scale.Unit) error {
	without := 0
	for _, p := range s.Points {
		if math.IsNaN(q.point(p)) || math.IsNaN(p.Concurrency) { // the run does not have it
			without++
			continue
		}
		where := fmt.Sprintf("run %s, c=%d", printable(p.RunID), p.MaxConcurrency)
		if err := positive(where, "achieved concurrency", p.Concurrency); err != nil {
			return err
		}
		if err := positive(where, q.name, q.point(p)); err != nil {
			return err
		}
		c.runs = append(c.runs, plotter.XY{X: p.Concurrency, Y: u.In(q.point(p))})
	}
	if without > 0 {
		c.notes = append(c.notes, fmt.Sprintf("%s: %s without a value not drawn", c.name, plural(without, "run")))
	}
	return nil
}

func (c *curve) takeLevels(s analyze.Series, q quantity, u scale.Unit) error {
	for _, l := range s.Levels {
		e := q.level(l)
		if e.N == 0 { // nothing behind it: no run of the level has a value
			continue
		}
		where := fmt.Sprintf("c=%d", l.MaxConcurrency)
		if err := positive(where, "achieved concurrency", l.Concurrency.Value); err != nil {
			return err
		}
		if err := positive(where, q.name, e.Value); err != nil {
			return err
		}
		m := levelMark{asked: l.MaxConcurrency, x: l.Concurrency.Value, y: u.In(e.Value), confidence: e.Confidence, stored: scale.Bare(e.Value)}
		if e.HasInterval {
			if err := finite(where, "the interval of "+q.name, e.Lo, e.Hi); err != nil {
				return err
			}
			m.lo, m.hi, m.bounded = u.In(e.Lo), u.In(e.Hi), true
			m.stored = scale.Within(e.Value, e.Lo, e.Hi)
		}
		c.levels = append(c.levels, m)
	}
	return nil
}

func (c *curve) takeFit(s analyze.Series, q quantity, u scale.Unit) error {
	for _, f := range s.Fits {
		if q.fit == "" || f.Metric != q.fit {
			continue
		}
		if f.Refused != "" || len(f.Band) == 0 {
			c.notes = append(c.notes, fmt.Sprintf("%s: no fit", c.name))
			continue
		}
		if err := c.takeBand(f, u); err != nil {
			return err
		}
		c.takeKnee(f)
		c.fitted = true
	}
	return nil
}

// takeBand takes the fitted line and its band. A band that is unbounded
// somewhere is left out whole: the fit has an estimate and no interval.
func (c *curve) takeBand(f analyze.Fit, u scale.Unit) error {
	var upper, lower plotter.XYs
	for _, b := range f.Band {
		where := fmt.Sprintf("fit %s at concurrency %.3g", f.Model, b.X)
		if err := positive(where, "concurrency", b.X); err != nil {
			return err
		}
		if err := finite(where, "the fitted value", b.Y); err != nil {
			return err
		}
		c.line = append(c.line, plotter.XY{X: b.X, Y: u.In(b.Y)})
		if finite(where, "the band", b.Lo, b.Hi) == nil {
			upper = append(upper, plotter.XY{X: b.X, Y: u.In(b.Hi)})
			lower = append(lower, plotter.XY{X: b.X, Y: u.In(b.Lo)})
		}
	}
	if len(upper) < len(f.Band) {
		c.notes = append(c.notes, c.name+": the band of the fit is not bounded")
		return nil
	}
	slices.Reverse(lower)
	c.band = append(upper, lower...)
	return nil
}

// takeKnee notes the knee where there is one inside the fitted range. A knee
// outside it is an extrapolation, which a picture should not dignify.
func (c *curve) takeKnee(f analyze.Fit) {
	first, last := f.Band[0].X, f.Band[len(f.Band)-1].X
	for _, d := range f.Derived {
		x := d.Value.Value
		if d.Name != "knee" || d.Text != "" || !(x > first && x < last) {
			continue
		}
		k := &knee{x: x, lo: x, hi: x, y: c.heightAt(x)}
		if d.Value.HasInterval && d.Value.Lo > 0 && d.Value.Hi >= d.Value.Lo {
			k.lo, k.hi = math.Max(d.Value.Lo, first), math.Min(d.Value.Hi, last)
		}
		c.knee = k
	}
}

// heightAt interpolates the line at x.
func (c *curve) heightAt(x float64) float64 {
	for i := 1; i < len(c.line); i++ {
		a, b := c.line[i-1], c.line[i]
		if x <= b.X {
			return a.Y + (b.Y-a.Y)*(x-a.X)/(b.X-a.X)
		}
	}
	return c.line[len(c.line)-1].Y
}

// positive refuses what has no place on a picture of latencies and rates.
func positive(where, what string, v float64) error {
	if err := finite(where, what, v); err != nil {
		return err
	}
	if v <= 0 {
		return fmt.Errorf("%s: %s is %v, which cannot be", where, what, v)
	}
	return nil
}

func finite(where, what string, values ...float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s: %s is %v", where, what, v)
		}
	}
	return nil
}

// asked returns the levels of the curve that were asked for by number.
func (c *curve) asked() []int64 {
	var out []int64
	for _, l := range c.levels {
		if l.asked > 0 {
			out = append(out, l.asked)
		}
	}
	return out
}

// xs and ys return everything that the axes must hold.
func (c *curve) xs() []float64 {
	var out []float64
	for _, l := range c.levels {
		out = append(out, l.x)
	}
	return append(append(out, xsOf(c.runs)...), xsOf(c.line)...)
}

func (c *curve) ys() []float64 {
	var out []float64
	for _, l := range c.levels {
		out = append(out, l.y)
		if l.bounded {
			out = append(out, l.lo, l.hi)
		}
	}
	out = append(append(out, ysOf(c.runs)...), ysOf(c.line)...)
	return append(out, c.bandTop(slices.Max(append(out, 0))))
}

// bandTop is how high the band reaches, if that leaves two thirds of the picture
// to the data, whose highest value is given. A taller band is cut off.
func (c *curve) bandTop(highest float64) float64 {
	top := highest
	for _, p := range c.band {
		top = math.Max(top, p.Y)
	}
	return math.Min(top, 1.5*highest)
}

func xsOf(pts plotter.XYs) []float64 {
	out := make([]float64, len(pts))
	for i, p := range pts {
		out[i] = p.X
	}
	return out
}

func ysOf(pts plotter.XYs) []float64 {
	out := make([]float64, len(pts))
	for i, p := range pts {
		out[i] = p.Y
	}
	return out
}

// end names the curve and the value of its last level.
func (c *curve) end(u scale.Unit) end {
	e := end{name: c.name, look: c.look}
	switch {
	case len(c.levels) > 0:
		last := c.levels[len(c.levels)-1]
		e.x, e.y, e.value = last.x, last.y, last.words(u)
		if last.missed() {
			e.x = float64(last.asked)
		}
	default:
		last := c.runs[len(c.runs)-1]
		e.x, e.y = last.X, last.Y
	}
	return e
}

// words prints the value of a level: "65.9 ms".
func (l levelMark) words(u scale.Unit) string { return u.FormatWithUnit(l.stored) }

// sharing returns the unit with the decimals that all of the levels support.
func sharing(u scale.Unit, levels []levelMark) scale.Unit {
	numbers := make([]scale.Number, len(levels))
	for i, l := range levels {
		numbers[i] = l.stored
	}
	return u.Sharing(numbers...)
}

func (c *curve) firstAndLast() []levelMark {
	if len(c.levels) == 0 {
		return nil
	}
	return []levelMark{c.levels[0], c.levels[len(c.levels)-1]}
}

func lastLevels(curves []curve) []levelMark {
	var out []levelMark
	for _, c := range curves {
		if n := len(c.levels); n > 0 {
			out = append(out, c.levels[n-1])
		}
	}
	return out
}

// inWords says where the curve begins and ends.
func (c *curve) inWords(u scale.Unit) string {
	if len(c.levels) == 0 {
		return fmt.Sprintf("%s, %s without levels", c.name, plural(len(c.runs), "run"))
	}
	first, last := c.levels[0], c.levels[len(c.levels)-1]
	if len(c.levels) == 1 {
		return fmt.Sprintf("%s is %s at %s", c.name, first.words(u), first.where())
	}
	words := fmt.Sprintf("%s goes from %s at %s to %s at %s", c.name, first.words(u), first.where(), last.words(u), last.where())
	if c.knee != nil {
		words += ", with a knee at " + number(c.knee.x)
	}
	return words
}

// where names the level by what was asked, and by what was achieved where the
// two read differently.
func (l levelMark) where() string {
	achieved := number(l.x)
	if l.asked == 0 {
		return "concurrency " + achieved
	}
	if math.Abs(l.x/float64(l.asked)-1) < 0.01 {
		return fmt.Sprintf("concurrency %d", l.asked)
	}
	return fmt.Sprintf("concurrency %d (achieved %s)", l.asked, achieved)
}

// number prints an achieved concurrency.
func number(v float64) string { return scale.Unit{}.Format(scale.Bare(v)) }

// addBand draws the band of the fit, under everything else.
func (c *curve) addBand(p *plot.Plot) {
	if len(c.band) == 0 {
		return
	}
	poly, err := plotter.NewPolygon(c.band)
	if err != nil {
		panic(err) // the numbers were checked
	}
	poly.Color = c.look.tint()
	poly.Width = 0
	p.Add(inside{poly})
}

// addMarks draws line, intervals and runs, in this order. Runs and intervals stand
// aside by a few points: closed loops reach the same concurrency with every
// version, and their marks would cover each other.
func (c *curve) addMarks(p *plot.Plot, aside vg.Length) {
	line, err := plotter.NewLine(c.line)
	if err == nil { // there is no line through no level
		line.LineStyle = c.look.line()
		if !c.fitted {
			line.Width = 1
		}
		p.Add(inside{line})
	}
	p.Add(shortfalls{c.levels, c.look}, bars{c.levels, c.look, aside}, marks{c.runs, c.look, aside})
}

// missed reports whether a level reached clearly less than was asked of it.
func (l levelMark) missed() bool { return l.asked > 0 && l.x < 0.95*float64(l.asked) }

// shortfalls draws, for levels that were not reached, how far what was asked lies
// from what was achieved: a dotted line that ends in an open tick.
type shortfalls struct {
	levels []levelMark
	look   look
}

// Plot implements [plot.Plotter].
func (s shortfalls) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	for _, l := range s.levels {
		if !l.missed() {
			continue
		}
		drawShortfall(c, s.look.text(), trX(l.x)+runRadius+1, trX(float64(l.asked)), trY(l.y))
	}
}

func drawShortfall(c draw.Canvas, ink color.Color, from, to, y vg.Length) {
	c.StrokeLine2(draw.LineStyle{Color: ink, Width: 1, Dashes: []vg.Length{1.5, 2}}, from, y, to, y)
	c.StrokeLine2(draw.LineStyle{Color: ink, Width: 1.3}, to, y-4, to, y+4)
}

// inside keeps a plotter from widening the axes, which are set for the data: the
// band of a poor fit may be many times as tall.
type inside struct{ plot.Plotter }

// bars draws the intervals of levels. One that is no taller than a mark is left
// out: its caps would only smear the marks, and the foot says so.
type bars struct {
	levels []levelMark
	look   look
	aside  vg.Length
}

// Plot implements [plot.Plotter].
func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	sty := draw.LineStyle{Color: b.look.text(), Width: barWidth}
	for _, l := range b.levels {
		if !l.bounded {
			continue
		}
		x, lo, hi := trX(l.x)+b.aside, trY(l.lo), trY(l.hi)
		if hi-lo <= 2*runRadius {
			continue
		}
		c.StrokeLine2(sty, x, lo, x, hi)
		c.StrokeLine2(sty, x-capWidth/2, lo, x+capWidth/2, lo)
		c.StrokeLine2(sty, x-capWidth/2, hi, x+capWidth/2, hi)
	}
}

// marks draws one mark a run.
type marks struct {
	at    plotter.XYs
	look  look
	aside vg.Length
}

// Plot implements [plot.Plotter].
func (m marks) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	sty := draw.GlyphStyle{Color: m.look.color, Radius: runRadius}
	for _, pt := range m.at {
		m.look.mark.DrawGlyph(&c, sty, vg.Point{X: trX(pt.X) + m.aside, Y: trY(pt.Y)})
	}
}

// drawKnees marks where the fits bend: a line down from the curve, and the
// interval as a bar on the axis.
func drawKnees(c draw.Canvas, p *plot.Plot, curves []curve) {
	trX, trY := p.Transforms(&c)
	for _, curve := range curves {
		k := curve.knee
		if k == nil {
			continue
		}
		dotted := draw.LineStyle{Color: curve.look.text(), Width: 1, Dashes: []vg.Length{2, 2}}
		c.StrokeLine2(dotted, trX(k.x), c.Min.Y, trX(k.x), trY(k.y))
		c.StrokeLine2(draw.LineStyle{Color: curve.look.color, Width: 5}, trX(k.lo), c.Min.Y+2.5, trX(k.hi), c.Min.Y+2.5)
	}
}

// maxNotes is how many knees and objectives have room for their numbers inside
// the data; those of more stand in the report's table only.
const maxNotes = 4

// notesOf are the numbers of knees and objectives.
func notesOf(curves []curve) []note {
	var out []note
	for _, c := range curves {
		if c.knee != nil {
			out = append(out, note{c.knee.words(c.name), c.look.text()})
		}
		for _, k := range c.kept {
			out = append(out, note{k.words(c.name), c.look.text()})
		}
	}
	return out
}

// words says where the knee is: "knee of 0.19.0 at 9.1 [8.9, 9.3]".
func (k *knee) words(name string) string {
	n := scale.Within(k.x, k.lo, k.hi)
	at := scale.Unit{}.Format(n)
	if k.lo < k.hi {
		at = scale.Unit{}.FormatEnds(n)
	}
	return fmt.Sprintf("knee of %s at %s", name, at)
}

func grid() plot.Plotter {
	g := plotter.NewGrid()
	g.Vertical = draw.LineStyle{Color: gridInk, Width: 0.8}
	g.Horizontal = draw.LineStyle{Color: gridInk, Width: 0.8}
	return g
}
