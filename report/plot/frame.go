package plot

import (
	"cmp"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// margin around everything.
const margin = 16

// A frame is what stands around the data: title and subject above, one or two
// lines of small print below.
type frame struct {
	title, subject string
	foot           []string // sentences
}

// draw draws the texts and returns what is left for the data.
func (f frame) draw(c draw.Canvas) draw.Canvas {
	c = draw.Crop(c, margin, -margin, margin-4, -margin+2)
	room := c.Max.X - c.Min.X

	c.Max.Y = textBelow(c, bold(style(titleSize, ink)), fit(bold(style(titleSize, ink)), f.title, room))
	if f.subject != "" {
		c.Max.Y -= 3
		c.Max.Y = textBelow(c, style(labelSize, softInk), fit(style(labelSize, softInk), f.subject, room))
	}
	c.Max.Y -= 9

	small := style(smallSize, softInk)
	lines := wrap(small, f.foot, room)
	for _, line := range slices.Backward(lines) {
		c.FillText(small, c.Min, line)
		c.Min.Y += small.Height(line) + 2
	}
	c.Min.Y += 7
	return c
}

// textBelow draws a line of text at the top left of c and returns where it ends.
func textBelow(c draw.Canvas, sty text.Style, s string) vg.Length {
	sty.YAlign = text.YTop
	c.FillText(sty, vg.Point{X: c.Min.X, Y: c.Max.Y}, s)
	return c.Max.Y - sty.FontExtents().Height
}

// fit shortens s with an ellipsis until it is no wider than room.
func fit(sty text.Style, s string, room vg.Length) string {
	if sty.Width(s) <= room {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && sty.Width(string(runes)+"…") > room {
		runes = runes[:len(runes)-1]
	}
	return strings.TrimRight(string(runes), " ·") + "…"
}

// mostLines of small print.
const mostLines = 3

// wrap sets parts into lines no wider than room, breaking between parts rather
// than inside them. What does not fit into mostLines is cut with an ellipsis.
func wrap(sty text.Style, parts []string, room vg.Length) []string {
	const between = " · "
	var lines []string
	line := ""
	for i, part := range parts {
		if line == "" {
			line = part
			continue
		}
		if longer := line + between + part; sty.Width(longer) <= room {
			line = longer
			continue
		}
		if len(lines) == mostLines-1 {
			line += between + strings.Join(parts[i:], between)
			break
		}
		lines = append(lines, fit(sty, line, room))
		line = part
	}
	if line == "" {
		return lines
	}
	return append(lines, fit(sty, line, room))
}

// A panel is one plot with its own headings and the names at the ends of its
// lines.
type panel struct {
	plot     *plot.Plot
	heading  string // what the y axis shows, and its unit
	below    string // what the x axis shows
	key      []keyEntry
	rows     []keyEntry // a longer key, in lines of its own under the heading
	ends     []end
	lastDraw func(c draw.Canvas, p *plot.Plot) // over everything else
}

// An end is where a version's line ends, and its name.
type end struct {
	x, y  float64
	name  string // bold
	value string // after it
	look  look
}

// A keyEntry explains one kind of ink.
type keyEntry struct {
	draw func(c draw.Canvas, at vg.Point) // in the 22 points to the right of at
	text string
}

const (
	keyWidth  = 22 // of the sample
	keyGap    = 5  // between sample and text
	keySpace  = 16 // between entries
	endIndent = 20 // from the data to the names at the line ends
)

func (p *panel) draw(c draw.Canvas) {
	p.drawHeading(c)
	c.Max.Y -= style(labelSize, ink).FontExtents().Height + 10
	if len(p.rows) > 0 {
		c.Max.Y = drawKeyRows(c, p.rows) - 8
	}

	below := aligned(style(labelSize, softInk), text.XCenter, text.YBottom)
	foot := vg.Length(0)
	if p.below != "" {
		foot = below.FontExtents().Height + 5
	}
	area := draw.Crop(c, 0, -p.endsWidth(), foot, 0)
	p.plot.Draw(area)
	data := p.plot.DataCanvas(area)
	c.FillText(below, vg.Point{X: data.Center().X, Y: c.Min.Y}, p.below)
	p.drawEnds(data)
	if p.lastDraw != nil {
		p.lastDraw(data, p.plot)
	}
}

// drawHeading draws the name of the y axis over it, where it can be read without
// turning one's head, and the key at the right.
func (p *panel) drawHeading(c draw.Canvas) {
	sty := style(labelSize, ink)
	baseline := c.Max.Y - sty.FontExtents().Height
	c.FillText(sty, vg.Point{X: c.Min.X, Y: baseline}, p.heading)

	drawKey(c, p.key, baseline)
}

// drawKey draws entries that end at the right, on a line of text.
func drawKey(c draw.Canvas, key []keyEntry, baseline vg.Length) {
	x := c.Max.X - keyLength(key)
	for _, k := range key {
		k.drawAt(c, vg.Point{X: x, Y: baseline})
		x += k.width() + keySpace
	}
}

// drawKeyRows draws entries from the left in as many lines as they need, below
// the top of c, and returns where they end.
func drawKeyRows(c draw.Canvas, key []keyEntry) vg.Length {
	const row = smallSize + 6
	x, baseline := c.Min.X+6, c.Max.Y-row
	for _, k := range key {
		if x > c.Min.X+6 && x+k.width() > c.Max.X {
			x, baseline = c.Min.X+6, baseline-row
		}
		k.drawAt(c, vg.Point{X: x, Y: baseline})
		x += k.width() + keySpace
	}
	return baseline
}

func (k keyEntry) drawAt(c draw.Canvas, at vg.Point) {
	k.draw(c, vg.Point{X: at.X, Y: at.Y + smallSize*0.33})
	c.FillText(style(smallSize, softInk), vg.Point{X: at.X + keyWidth + keyGap, Y: at.Y}, k.text)
}

func (k keyEntry) width() vg.Length {
	return keyWidth + keyGap + style(smallSize, softInk).Width(k.text)
}

func keyLength(key []keyEntry) vg.Length {
	sum := vg.Length(0)
	for i, k := range key {
		if i > 0 {
			sum += keySpace
		}
		sum += k.width()
	}
	return sum
}

// endsWidth is the room that the names at the line ends need.
func (p *panel) endsWidth() vg.Length {
	w := vg.Length(0)
	for _, e := range p.ends {
		w = max(w, e.width())
	}
	if w == 0 {
		return 0
	}
	return w + endIndent
}

func (e end) width() vg.Length {
	return bold(style(labelSize, ink)).Width(e.name) + style(labelSize, ink).Width(e.value) + 6
}

// drawEnds writes the names beside the ends of the lines, moved apart where they
// would cover each other, each with a thin line to its own end.
func (p *panel) drawEnds(data draw.Canvas) {
	name, value := bold(style(labelSize, ink)), style(labelSize, softInk)
	trX, trY := p.plot.Transforms(&data)
	at := make([]float64, len(p.ends))
	for i, e := range p.ends {
		at[i] = float64(trY(e.y))
	}
	gap := float64(name.FontExtents().Height) + 3
	for i, y := range apart(at, gap, float64(data.Min.Y), float64(data.Max.Y)-gap/3) {
		e := p.ends[i]
		x := data.Max.X + endIndent
		leader := draw.LineStyle{Color: pale(e.look.color), Width: 0.8} // no interval, and no part of a line
		data.StrokeLine2(leader, trX(e.x)+7, trY(e.y), data.Max.X+4, trY(e.y))
		data.StrokeLine2(leader, data.Max.X+4, trY(e.y), x-4, vg.Length(y))
		name.Color = e.look.text()
		pt := vg.Point{X: x, Y: vg.Length(y) - labelSize*0.36}
		data.FillText(name, pt, e.name)
		data.FillText(value, vg.Point{X: pt.X + name.Width(e.name) + 6, Y: pt.Y}, e.value)
	}
}

// apart moves positions as little as possible (in the sense of least squares) so
// that they are at least gap apart and lie between lo and hi, and keeps their
// order. It is isotonic regression by pooling: positions that are too close
// become one block, which is centred on their mean.
func apart(at []float64, gap, lo, hi float64) []float64 {
	order := make([]int, len(at))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
	var blocks []block
	for k, i := range order {
		// Less k gaps, "at least a gap apart" is "not falling".
		b := block{at[i] - float64(k)*gap, 1}
		for len(blocks) > 0 && blocks[len(blocks)-1].mean() > b.mean() {
			b = b.with(blocks[len(blocks)-1])
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	highest := hi - float64(len(at)-1)*gap
	out := make([]float64, len(at))
	k := 0
	for _, b := range blocks {
		mean := max(min(b.mean(), highest), lo)
		for range b.n {
			out[order[k]] = mean + float64(k)*gap
			k++
		}
	}
	return out
}

// A block is a run of positions that move as one.
type block struct {
	sum float64
	n   int
}

func (b block) mean() float64      { return b.sum / float64(b.n) }
func (b block) with(o block) block { return block{b.sum + o.sum, b.n + o.n} }
