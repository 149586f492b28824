package plot

import (
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

// A tradePoint is a load point: what one user gets, and what all get together.
type tradePoint struct {
	asked    int64
	x, y     float64 // tokens/s of one user, and of all
	xlo, xhi float64
	ylo, yhi float64
	standing string
}

const (
	onFront   = "on the front"
	dominated = "dominated"
)

// A tradeLine is the load points of one version.
type tradeLine struct {
	name   string
	look   look
	points []tradePoint // by level
}

// Pareto draws the trade of throughput for latency: what all users get together
// against what each of them gets (1 / TPOT), a point a level of every version,
// from [analyze.Sweep.Pareto]. A grey staircase is the front; points that another
// beats beyond their intervals are pale. The numbers are max concurrencies.
func Pareto(s analyze.Sweep) (Figure, error) {
	drawn, note := newest(s.Series)
	lines, err := tradeLines(s, drawn)
	if err != nil {
		return Figure{}, err
	}
	front := frontOf(lines)
	f := frame{
		title:   "Throughput against speed of each user",
		subject: Subject(s.Group),
		foot:    append(append([]string{"numbers: max concurrency", "pale: beaten in both, beyond the intervals"}, footOf(drawn, windowOf)...), note...),
	}
	return Figure{
		Title: f.title, Alt: altOfTrade(lines, front), height: height,
		draw: func(c draw.Canvas) { tradePanel(lines, front).draw(f.draw(c)) },
	}, nil
}

func tradeLines(s analyze.Sweep, drawn []analyze.Series) ([]tradeLine, error) {
	if len(s.Pareto) == 0 {
		return nil, errors.New("no load point has both a throughput and a time per token")
	}
	var lines []tradeLine
	for i, series := range drawn {
		l := tradeLine{name: seriesName(series), look: lookOf(i)}
		for _, t := range s.Pareto {
			if t.Version != series.Version {
				continue
			}
			p, err := newTradePoint(t)
			if err != nil {
				return nil, fmt.Errorf("series %s, c=%d: %w", l.name, t.MaxConcurrency, err)
			}
			l.points = append(l.points, p)
		}
		if len(l.points) > 0 {
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		return nil, errors.New("no load point of the versions drawn has both a throughput and a time per token")
	}
	return lines, nil
}

func newTradePoint(t analyze.TradeOff) (tradePoint, error) {
	if err := positive("the load point", "TPOT mean", t.TPOT.Value); err != nil {
		return tradePoint{}, err
	}
	if err := positive("the load point", "output throughput", t.Output.Value); err != nil {
		return tradePoint{}, err
	}
	p := tradePoint{asked: t.MaxConcurrency, x: 1 / t.TPOT.Value, y: t.Output.Value, standing: t.Standing}
	p.xlo, p.xhi, p.ylo, p.yhi = p.x, p.x, p.y, p.y
	if t.TPOT.HasInterval && t.TPOT.Lo > 0 {
		p.xlo, p.xhi = 1/t.TPOT.Hi, 1/t.TPOT.Lo
	}
	if t.Output.HasInterval {
		p.ylo, p.yhi = t.Output.Lo, t.Output.Hi
	}
	return p, finite("the load point", "an interval", p.xlo, p.xhi, p.ylo, p.yhi)
}

// frontOf returns the points of the front, from the slowest users to the fastest.
func frontOf(lines []tradeLine) []tradePoint {
	var out []tradePoint
	for _, l := range lines {
		for _, p := range l.points {
			if p.standing == onFront {
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b tradePoint) int { return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(b.y, a.y)) })
	return out
}

func tradePanel(lines []tradeLine, front []tradePoint) *panel {
	p := plot.New()
	houseStyle(p)
	var xs, ys []float64
	for _, l := range lines {
		for _, pt := range l.points {
			xs, ys = append(xs, pt.x, pt.xhi), append(ys, pt.y, pt.yhi)
		}
	}
	ux, uy := unitOf("tokens/s", xs), unitOf("tokens/s", ys)
	spanAxis(&p.X, inUnit(ux, xs), 9)
	spanAxis(&p.Y, inUnit(uy, ys), 9)
	p.Add(grid(), trades{lines, front, ux, uy})
	out := &panel{
		plot: p, heading: uy.Heading("output throughput of all users"), below: ux.Heading("speed of each user, 1 / TPOT"),
		key: []keyEntry{{drawSampleMark, "one level"}, {drawSampleFront, "front: no level beats it in both"}},
	}
	if len(lines) > mostEnds {
		for _, l := range lines {
			out.rows = append(out.rows, keyEntry{l.drawSample, l.name})
		}
		return out
	}
	for _, l := range lines {
		fastest := slices.MaxFunc(l.points, func(a, b tradePoint) int { return cmp.Compare(a.x, b.x) })
		out.ends = append(out.ends, end{x: ux.In(fastest.xhi), y: uy.In(fastest.y), name: l.name, look: l.look})
	}
	return out
}

// unitOf returns the unit that suits the values, which are without intervals.
func unitOf(stored string, values []float64) scale.Unit {
	numbers := make([]scale.Number, len(values))
	for i, v := range values {
		numbers[i] = scale.Bare(v)
	}
	return scale.For(stored, numbers...)
}

func inUnit(u scale.Unit, values []float64) span {
	s := spanOf(values)
	return span{u.In(s.min), u.In(s.max)}
}

// spanAxis is linear from zero, or logarithmic where values are too far apart.
func spanAxis(a *plot.Axis, s span, most int) (isLog bool) {
	if s.min > 0 && s.max > widelySpread*s.min {
		logAxis(a, span{s.min * 0.85, s.max * 1.15}, most)
		return true
	}
	linearAxis(a, s)
	return false
}

// mostEnds is how many names have room where the lines end near each other.
const mostEnds = 3

func (l tradeLine) drawSample(c draw.Canvas, at vg.Point) {
	distribution{look: l.look}.drawSample(c, at)
}

func drawSampleFront(c draw.Canvas, at vg.Point) {
	sty := draw.LineStyle{Color: frameInk, Width: 3}
	c.StrokeLine2(sty, at.X, at.Y+4, at.X+keyWidth/2, at.Y+4)
	c.StrokeLine2(sty, at.X+keyWidth/2, at.Y+4, at.X+keyWidth/2, at.Y-4)
	c.StrokeLine2(sty, at.X+keyWidth/2, at.Y-4, at.X+keyWidth, at.Y-4)
}

// trades draws front, lines, intervals, marks and the levels' numbers, in this
// order.
type trades struct {
	lines  []tradeLine
	front  []tradePoint
	ux, uy scale.Unit
}

// Plot implements [plot.Plotter].
func (t trades) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	at := func(x, y float64) vg.Point { return vg.Point{X: trX(t.ux.In(x)), Y: trY(t.uy.In(y))} }
	t.drawFront(c, at)
	var taken []box
	for _, l := range t.lines {
		t.drawLine(c, l, at)
		for _, pt := range l.points {
			m := at(pt.x, pt.y)
			taken = append(taken, box{m.X - 5, m.Y - 5, m.X + 5, m.Y + 5})
		}
	}
	for _, l := range t.lines {
		for _, pt := range l.points {
			if len(t.lines) > mostEnds && pt.standing != onFront {
				continue
			}
			taken = writeLevel(c, at(pt.x, pt.y), scale.Count(pt.asked), l.look.text(), taken)
		}
	}
}

func (t trades) drawFront(c draw.Canvas, at func(x, y float64) vg.Point) {
	if len(t.front) == 0 {
		return
	}
	first := at(t.front[0].x, t.front[0].y)
	pts := []vg.Point{{X: c.Min.X, Y: first.Y}}
	for i, pt := range t.front {
		here := at(pt.x, pt.y)
		if i > 0 {
			pts = append(pts, vg.Point{X: pts[len(pts)-1].X, Y: here.Y})
		}
		pts = append(pts, here)
	}
	pts = append(pts, vg.Point{X: pts[len(pts)-1].X, Y: c.Min.Y})
	c.StrokeLines(draw.LineStyle{Color: over(frameInk, 0.45), Width: 3}, pts)
}

func (t trades) drawLine(c draw.Canvas, l tradeLine, at func(x, y float64) vg.Point) {
	line := l.look.line()
	line.Width = 1.2
	var path []vg.Point
	for _, pt := range l.points {
		path = append(path, at(pt.x, pt.y))
	}
	c.StrokeLines(line, path)
	bar := draw.LineStyle{Color: l.look.text(), Width: 1.2}
	for _, pt := range l.points {
		if lo, hi := at(pt.xlo, pt.y), at(pt.xhi, pt.y); hi.X-lo.X > 2*runRadius {
			c.StrokeLine2(bar, lo.X, lo.Y, hi.X, hi.Y)
		}
		if lo, hi := at(pt.x, pt.ylo), at(pt.x, pt.yhi); hi.Y-lo.Y > 2*runRadius {
			c.StrokeLine2(bar, lo.X, lo.Y, hi.X, hi.Y)
		}
		sty := draw.GlyphStyle{Color: l.look.color, Radius: 4.6}
		if pt.standing == dominated {
			sty.Color = pale(l.look.color)
		}
		l.look.mark.DrawGlyph(&c, sty, at(pt.x, pt.y))
	}
}

// pale is the colour mixed with white, and nothing shows through it.
func pale(c color.RGBA) color.RGBA {
	of := func(v uint8) uint8 { return uint8(255 - 0.42*float64(255-v)) }
	return color.RGBA{of(c.R), of(c.G), of(c.B), 0xff}
}

// writeLevel writes a number beside a mark, at the first of four places where it
// covers neither a mark nor a number; nowhere where there is none. It returns the
// places that are taken then.
func writeLevel(c draw.Canvas, at vg.Point, label string, ink color.Color, taken []box) []box {
	sty := aligned(style(smallSize, ink), text.XLeft, text.YCenter)
	w, h := sty.Width(label), vg.Length(smallSize*0.8)
	for _, d := range []vg.Point{{X: 7, Y: 8}, {X: -7 - w, Y: -8}, {X: 7, Y: -8}, {X: -7 - w, Y: 8}} {
		x, y := at.X+d.X, at.Y+d.Y
		b := box{x - 1, y - h/2, x + w + 1, y + h/2}
		if slices.ContainsFunc(taken, b.meets) || b.x1 > c.Max.X || b.y0 < c.Min.Y {
			continue
		}
		c.FillText(sty, vg.Point{X: x, Y: y}, label)
		return append(taken, b)
	}
	return taken
}

func (b box) meets(o box) bool { return b.x0 < o.x1 && o.x0 < b.x1 && b.y0 < o.y1 && o.y0 < b.y1 }

// altOfTrade says who is on the front.
func altOfTrade(lines []tradeLine, front []tradePoint) string {
	var parts []string
	for _, l := range lines {
		var levels []string
		for _, p := range l.points {
			if p.standing == onFront {
				levels = append(levels, scale.Count(p.asked))
			}
		}
		if len(levels) == 0 {
			parts = append(parts, l.name+" is at no level on the front")
			continue
		}
		parts = append(parts, l.name+" is on the front at max concurrency "+strings.Join(levels, ", "))
	}
	ends := ""
	if len(front) > 0 {
		u := scale.For("tokens/s")
		slow, fast := front[0], front[len(front)-1]
		of := func(p tradePoint) string {
			return fmt.Sprintf("%s for all at %s for each user", u.FormatWithUnit(scale.Bare(p.y)), u.FormatWithUnit(scale.Bare(p.x)))
		}
		ends = fmt.Sprintf("; the front goes from %s to %s", of(slow), of(fast))
	}
	return "Output throughput against the speed of each user: " + strings.Join(parts, "; ") + ends + "."
}
