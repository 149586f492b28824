package plot

import (
	"cmp"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A note is a line of text inside the data.
type note struct {
	text  string
	color color.Color
}

// noteMargin is the room at either side of notes, which no mark may touch.
const noteMargin = 8

// A box is a rectangle on the canvas.
type box struct{ x0, y0, x1, y1 vg.Length }

func (b box) holds(pt vg.Point) bool {
	return pt.X > b.x0 && pt.X < b.x1 && pt.Y > b.y0 && pt.Y < b.y1
}

// drawNotes writes the notes one under the other where they cover the fewest of
// the points: at best none. Of equal places those at the foot come before those
// under the top, and of these the one nearest to where the notes speak of.
func drawNotes(c draw.Canvas, notes []note, near vg.Length, points []vg.Point) {
	if len(notes) == 0 {
		return
	}
	sty := style(smallSize, ink)
	const row = smallSize + 4
	w, h := vg.Length(0), vg.Length(len(notes))*row
	for _, n := range notes {
		w = max(w, sty.Width(n.text))
	}
	best, fewest := box{}, -1
	for _, b := range places(c, w, h, near) {
		if n := covered(b, points); fewest < 0 || n < fewest {
			best, fewest = b, n
		}
	}
	for i, n := range notes {
		sty.Color = n.color
		c.FillText(sty, vg.Point{X: best.x0 + noteMargin, Y: best.y1 - vg.Length(i+1)*row + 3}, n.text)
	}
}

// places are where a block of w by h may stand, the nearest first: along the foot,
// then along the top, below the marks that hang there.
func places(c draw.Canvas, w, h, near vg.Length) []box {
	const steps = 24
	var out []box
	room := c.Max.X - c.Min.X - w - 12
	for _, y := range []vg.Length{c.Min.Y + 7, c.Max.Y - h - 14} {
		var row []box
		for i := range steps + 1 {
			x := c.Min.X + 6 + room*vg.Length(i)/steps
			row = append(row, box{x - noteMargin, y, x + w + noteMargin, y + h})
		}
		slices.SortStableFunc(row, func(a, b box) int { return cmp.Compare(a.aside(near), b.aside(near)) })
		out = append(out, row...)
	}
	return out
}

// aside is how far the middle of the box is to the left or the right of x.
func (b box) aside(x vg.Length) vg.Length { return vg.Length(math.Abs(float64((b.x0+b.x1)/2 - x))) }

// bendsAt is the middle of what the notes of the curves speak of.
func bendsAt(c draw.Canvas, p *plot.Plot, curves []curve) vg.Length {
	trX, _ := p.Transforms(&c)
	at, n := vg.Length(0), vg.Length(0)
	add := func(x float64) { at, n = at+trX(x), n+1 }
	for _, curve := range curves {
		if curve.knee != nil {
			add(curve.knee.x)
		}
		for _, k := range curve.kept {
			add(k.x)
		}
	}
	return at / max(n, 1)
}

func covered(b box, points []vg.Point) int {
	n := 0
	for _, pt := range points {
		if b.holds(pt) {
			n++
		}
	}
	return n
}

// inked are points all along what the curves draw.
func inked(c draw.Canvas, p *plot.Plot, curves []curve) []vg.Point {
	trX, trY := p.Transforms(&c)
	var out []vg.Point
	along := func(pts plotter.XYs) {
		for i, pt := range pts {
			at := vg.Point{X: trX(pt.X), Y: trY(pt.Y)}
			out = append(out, at)
			if i == 0 {
				continue
			}
			before := vg.Point{X: trX(pts[i-1].X), Y: trY(pts[i-1].Y)}
			const steps = 12
			for k := 1; k < steps; k++ {
				f := vg.Length(k) / steps
				out = append(out, vg.Point{X: before.X + (at.X-before.X)*f, Y: before.Y + (at.Y-before.Y)*f})
			}
		}
	}
	for _, curve := range curves {
		along(curve.line)
		for _, pt := range curve.runs {
			out = append(out, vg.Point{X: trX(pt.X), Y: trY(pt.Y)})
		}
		for _, l := range curve.levels {
			if l.bounded {
				along(plotter.XYs{{X: l.x, Y: l.lo}, {X: l.x, Y: l.hi}})
			}
		}
		if k := curve.knee; k != nil {
			along(plotter.XYs{{X: k.x, Y: p.Y.Min}, {X: k.x, Y: k.y}})
		}
		for _, k := range curve.kept {
			along(plotter.XYs{{X: k.x, Y: p.Y.Min}, {X: k.x, Y: p.Y.Max}})
		}
	}
	return out
}
