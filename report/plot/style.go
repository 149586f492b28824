package plot

import (
	"image/color"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Lengths are in points, and a point is a pixel of the README that shows the
// picture: it is drawn with twice as many.
const (
	width     = 830
	height    = 450
	pixelsPer = 144 // dots per inch of 72 points
)

// Text sizes, in points.
const (
	titleSize = 17
	labelSize = 13
	tickSize  = 12.5
	smallSize = 11.5
)

var (
	ink      = color.RGBA{0x1f, 0x23, 0x28, 0xff} // titles and names
	softInk  = color.RGBA{0x57, 0x60, 0x6a, 0xff} // axes, notes
	gridInk  = color.RGBA{0xe4, 0xe7, 0xea, 0xff}
	frameInk = color.RGBA{0x8c, 0x95, 0x9f, 0xff}
)

// palette holds the colours of Okabe and Ito (2008), which stay apart for every
// common kind of colour blindness, without yellow, which is lost on white.
var palette = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, // blue
	{0xd5, 0x5e, 0x00, 0xff}, // vermilion
	{0x00, 0x9e, 0x73, 0xff}, // bluish green
	{0xcc, 0x79, 0xa7, 0xff}, // reddish purple
	{0xe6, 0x9f, 0x00, 0xff}, // orange
	{0x56, 0xb4, 0xe9, 0xff}, // sky blue
}

// maxSeries is how many versions one picture can keep apart: each colour serves
// twice, the second time darker, with the other fill and another dash.
var maxSeries = 2 * len(palette)

// A look is how one version is drawn: never by colour alone.
type look struct {
	color  color.RGBA
	dashes []vg.Length
	mark   mark
}

// lookOf returns the look of the i-th version drawn.
func lookOf(i int) look {
	dashes := [][]vg.Length{nil, {7, 3}, {2, 2.5}, {9, 3, 2, 3}, {4, 2}, {12, 4}}
	l := look{palette[i%len(palette)], dashes[i%len(dashes)], mark(i % numMarks)}
	if i%maxSeries >= len(palette) {
		l.color, l.dashes = darker(l.color, 0.6), dashes[(i+1)%len(dashes)]
	}
	return l
}

// line returns the style of the version's line.
func (l look) line() draw.LineStyle {
	return draw.LineStyle{Color: l.color, Width: 2, Dashes: l.dashes}
}

// tint returns the colour, pale enough to lie under other things.
func (l look) tint() color.Color { return over(l.color, 0.16) }

// text returns the colour, dark enough to read on white.
func (l look) text() color.Color { return darker(l.color, 0.78) }

// darker returns the colour with only a share of its light.
func darker(c color.RGBA, share float64) color.RGBA {
	of := func(v uint8) uint8 { return uint8(float64(v) * share) }
	return color.RGBA{of(c.R), of(c.G), of(c.B), 0xff}
}

// over returns c at the given opacity: the band of one version shows through
// that of another.
func over(c color.RGBA, opacity float64) color.Color {
	return color.NRGBA{c.R, c.G, c.B, uint8(opacity*255 + 0.5)}
}

// style returns the style of a text.
func style(size float64, c color.Color) text.Style {
	return text.Style{
		Color:   c,
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Size: font.Length(size)},
		XAlign:  draw.XLeft,
		YAlign:  draw.YBottom,
		Handler: plot.DefaultTextHandler,
	}
}

// bold returns the style in bold.
func bold(s text.Style) text.Style {
	s.Font.Weight = xfont.WeightBold
	return s
}

func aligned(s text.Style, x text.XAlignment, y text.YAlignment) text.Style {
	s.XAlign, s.YAlign = x, y
	return s
}

// A mark is the shape that stands for a run.
type mark int

const (
	numShapes = 6
	numMarks  = 2 * numShapes // each shape is filled once and open once
)

// open reports whether the shape is an outline.
func (m mark) open() bool { return (m%2 == 1) != (m >= numShapes) }

// DrawGlyph draws the shape: filled for every other version, and a larger outline
// for those between, so that of two versions that agree both can be seen.
func (m mark) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	if m.open() {
		c.SetLineStyle(draw.LineStyle{Color: sty.Color, Width: 1.2})
		c.Stroke(m.path(at, sty.Radius*1.2))
		return
	}
	path := m.path(at, sty.Radius)
	c.SetColor(sty.Color)
	c.Fill(path)
	c.SetLineStyle(draw.LineStyle{Color: color.White, Width: 0.6})
	c.Stroke(path)
}

func (m mark) path(at vg.Point, r vg.Length) vg.Path {
	switch m % numShapes {
	case 0:
		return circle(at, r)
	case 1:
		return polygon(at, r*0.9, [][2]float64{{-1, -1}, {1, -1}, {1, 1}, {-1, 1}})
	case 2:
		return polygon(at, r*1.15, [][2]float64{{0, 1.05}, {-1, -0.75}, {1, -0.75}})
	case 3:
		return polygon(at, r*1.2, [][2]float64{{0, 1.1}, {1, 0}, {0, -1.1}, {-1, 0}})
	case 4:
		return polygon(at, r*1.15, [][2]float64{{0, -1.05}, {-1, 0.75}, {1, 0.75}})
	}
	return polygon(at, r, [][2]float64{{-1.2, 0}, {-0.6, 1}, {0.6, 1}, {1.2, 0}, {0.6, -1}, {-0.6, -1}})
}

func circle(at vg.Point, r vg.Length) vg.Path {
	var p vg.Path
	p.Move(vg.Point{X: at.X + r, Y: at.Y})
	p.Arc(at, r, 0, 6.283185307179586)
	p.Close()
	return p
}

func polygon(at vg.Point, r vg.Length, corners [][2]float64) vg.Path {
	var p vg.Path
	for i, c := range corners {
		pt := vg.Point{X: at.X + r*vg.Length(c[0]), Y: at.Y + r*vg.Length(c[1])}
		if i == 0 {
			p.Move(pt)
			continue
		}
		p.Line(pt)
	}
	p.Close()
	return p
}
