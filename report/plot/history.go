package plot

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
	"github.com/servestat/servestat/schemas"
)

// A History is one metric over versions or nights: a strip of [HistoryStrips].
type History struct {
	Name   string // "ITL mean", "ITL mean at concurrency 32"
	Unit   string // stored unit: s, tokens/s
	Better schemas.Better

	// Starts are in order; neighbours of equal Label are one block. Strips under
	// each other line up where they have as many starts: one that lacks this metric
	// has NaN.
	Starts  []HistoryStart
	Levels  []HistoryLevel  // between changes, as they were detected; may be empty
	Changes []HistoryChange // in order
}

// A HistoryStart is one server start, reduced to one number.
type HistoryStart struct {
	Label string  // the version or the day that it belongs to
	Value float64 // NaN: a version or night without a run, which is said
	// Excluded starts are drawn as rings and count in no level.
	Excluded bool
}

// A HistoryLevel is a stretch of starts without change.
type HistoryLevel struct {
	First, Last int // indices into Starts
	Value       float64
}

// A HistoryChange is a step in the level.
type HistoryChange struct {
	Index     int              // first start of the new level
	Low, High int              // where it may also have been: the first start of the new level is one of these
	Ratio     analyze.Estimate // of the new level to the old one
	Verdict   analyze.Verdict  // Regressed or Improved; empty where neither is said
	Note      string           // what else changed then: "driver 560.28 to 570.12"; may be empty
}

const (
	stripHeight = 128
	mostStrips  = 8
)

// A strip is a History, checked.
type strip struct {
	History
	unit   scale.Unit
	values span
}

// HistoryStrips draws metrics of one group over versions or nights, one strip
// each: a mark a server start, the levels between change points as bars, and at
// each change point a line, its interval of place as a grey band, and how far it
// went. foot says what the history rests on.
func HistoryStrips(g analyze.Group, all []History, foot ...string) (Figure, error) {
	if len(all) == 0 {
		return Figure{}, errors.New("there is no history to draw")
	}
	if len(all) > mostStrips {
		foot = append(foot, fmt.Sprintf("%d further metrics are not drawn", len(all)-mostStrips))
		all = all[:mostStrips]
	}
	var strips []strip
	for _, h := range all {
		s, err := newStrip(h)
		if err != nil {
			return Figure{}, fmt.Errorf("history of %s: %w", printable(h.Name), err)
		}
		strips = append(strips, s)
	}
	f := frame{title: "History", subject: Subject(g), foot: append(foot, stripFoot(strips)...)}
	return Figure{
		Title: f.title, Alt: altOfHistory(strips), height: 128 + vg.Length(len(strips))*stripHeight,
		draw: func(c draw.Canvas) { drawStrips(f.draw(c), strips) },
	}, nil
}

func newStrip(h History) (strip, error) {
	s := strip{History: h}
	var values []float64
	for i, st := range h.Starts {
		if math.IsNaN(st.Value) {
			continue
		}
		if err := positive(fmt.Sprintf("start %d", i), "the value", st.Value); err != nil {
			return s, err
		}
		if !st.Excluded {
			values = append(values, st.Value)
		}
	}
	if len(values) == 0 {
		return s, errors.New("no start that counts has a value")
	}
	within := func(i int) bool { return i >= 0 && i < len(h.Starts) }
	for _, l := range h.Levels {
		if !within(l.First) || !within(l.Last) || l.First > l.Last {
			return s, fmt.Errorf("a level from start %d to %d of %d", l.First, l.Last, len(h.Starts))
		}
		if err := positive(fmt.Sprintf("the level from start %d", l.First), "its value", l.Value); err != nil {
			return s, err
		}
		values = append(values, l.Value)
	}
	for _, c := range h.Changes {
		if !within(c.Index) || !within(c.Low) || !within(c.High) || c.Low > c.Index || c.High < c.Index {
			return s, fmt.Errorf("a change at start %d, of %d to %d, of %d", c.Index, c.Low, c.High, len(h.Starts))
		}
		if err := positive(fmt.Sprintf("the change at start %d", c.Index), "its ratio", c.Ratio.Value); err != nil {
			return s, err
		}
	}
	s.unit, s.values = unitOf(h.Unit, values), spanOf(values)
	return s, nil
}

// blocks are the stretches of starts of one label.
func (s strip) blocks() []HistoryLevel {
	var out []HistoryLevel
	for i, st := range s.Starts {
		if n := len(out); n > 0 && s.Starts[out[n-1].Last].Label == st.Label {
			out[n-1].Last = i
			continue
		}
		out = append(out, HistoryLevel{First: i, Last: i})
	}
	return out
}

func drawStrips(c draw.Canvas, strips []strip) {
	drawKey(c, stripKey(strips), c.Max.Y-style(smallSize, ink).FontExtents().Height)
	c.Max.Y -= 4
	panels := make([]*panel, len(strips))
	left := vg.Length(0)
	for i, s := range strips {
		panels[i] = s.panel()
		left = max(left, axisWidth(panels[i].plot))
	}
	h := (c.Max.Y - c.Min.Y) / vg.Length(len(strips))
	for i, p := range panels {
		part := c
		part.Max.Y = c.Max.Y - vg.Length(i)*h
		part.Min.Y = part.Max.Y - h + 7
		p.drawAligned(part, left)
	}
}

func (s strip) panel() *panel {
	p := plot.New()
	houseStyle(p)
	p.X.Min, p.X.Max = -0.7, float64(len(s.Starts))-0.3
	p.X.Tick.Length = 0
	p.X.Tick.Marker = plot.ConstantTicks(s.labels(p.X.Tick.Label, width-120))
	lo, hi := s.unit.In(s.values.min), s.unit.In(s.values.max)
	// A quarter of the value at least: a strip must not make a landscape of noise.
	air := max(0.12*(hi-lo), 0.06*hi)
	y := span{max(lo-air, 0), hi + 2.2*air}
	p.Y.Min, p.Y.Max = y.min, y.max
	p.Y.Tick.Marker = plot.ConstantTicks(evenTicks(y, roundStep((y.max-y.min)/3)))
	p.Add(history(s))
	name := s.unit.Heading(printable(s.Name))
	if s.Better == schemas.Higher {
		name += ", more is better"
	}
	return &panel{plot: p, heading: name}
}

// labels names as many blocks as there is room for, the first and the last first.
func (s strip) labels(sty text.Style, length vg.Length) []plot.Tick {
	blocks := s.blocks()
	ticks := make([]plot.Tick, len(blocks))
	var taken []span
	n := float64(len(s.Starts)) + 0.4
	label := func(i int) {
		mid := float64(blocks[i].First+blocks[i].Last) / 2
		ticks[i].Value = mid
		name := shortName(s.Starts[blocks[i].First].Label, 16)
		room := labelSpan(sty, (mid+0.7)/n, name, length)
		if !slices.ContainsFunc(taken, room.touches) {
			taken = append(taken, room)
			ticks[i].Label = name
		}
	}
	label(0)
	label(len(blocks) - 1)
	for i := 1; i < len(blocks)-1; i++ {
		label(i)
	}
	return ticks
}

var excludedInk = color.RGBA{0x8c, 0x95, 0x9f, 0xff}

func stripKey(strips []strip) []keyEntry {
	key := []keyEntry{
		{func(c draw.Canvas, at vg.Point) {
			fillDot(c, softInk, vg.Point{X: at.X + keyWidth - 6, Y: at.Y}, 3)
		}, "one server start"},
		{func(c draw.Canvas, at vg.Point) {
			c.StrokeLine2(levelStyle, at.X, at.Y, at.X+keyWidth, at.Y)
		}, "level"},
		{func(c draw.Canvas, at vg.Point) {
			fillBox(c, changeZone, at.X+2, at.Y-6, at.X+keyWidth-2, at.Y+6)
			c.StrokeLine2(draw.LineStyle{Color: ink, Width: 1.4}, at.X+keyWidth/2, at.Y-6, at.X+keyWidth/2, at.Y+6)
		}, "change, and where it may be"},
	}
	excluded := func(s strip) bool {
		return slices.ContainsFunc(s.Starts, func(st HistoryStart) bool { return st.Excluded })
	}
	if slices.ContainsFunc(strips, excluded) {
		key = append(key, keyEntry{func(c draw.Canvas, at vg.Point) {
			drawRing(c, excludedInk, vg.Point{X: at.X + keyWidth - 6, Y: at.Y}, 3)
		}, "left out"})
	}
	return key
}

var (
	levelStyle = draw.LineStyle{Color: palette[0], Width: 3}
	changeZone = color.RGBA{0xdc, 0xe0, 0xe5, 0xff}
	blockZone  = color.RGBA{0xf5, 0xf6, 0xf8, 0xff}
)

func drawRing(c draw.Canvas, ink color.Color, at vg.Point, radius vg.Length) {
	c.SetLineStyle(draw.LineStyle{Color: ink, Width: 1.2})
	c.Stroke(circle(at, radius))
}

// history draws a strip.
type history strip

// Plot implements [plot.Plotter].
func (h history) Plot(c draw.Canvas, p *plot.Plot) {
	s := strip(h)
	trX, trY := p.Transforms(&c)
	for i, b := range s.blocks() {
		if i%2 == 1 {
			fillBox(c, blockZone, trX(float64(b.First)-0.5), c.Min.Y, trX(float64(b.Last)+0.5), c.Max.Y)
		}
	}
	for _, ch := range s.Changes {
		fillBox(c, changeZone, trX(float64(ch.Low)-0.5)-2, c.Min.Y, trX(float64(ch.High)-0.5)+2, c.Max.Y)
	}
	for _, l := range s.Levels {
		y := trY(s.unit.In(l.Value))
		c.StrokeLine2(levelStyle, trX(float64(l.First)-0.4), y, trX(float64(l.Last)+0.4), y)
	}
	for i, st := range s.Starts {
		s.drawStart(c, st, trX(float64(i)), trY(s.unit.In(st.Value)))
	}
	var taken []box
	for _, ch := range s.Changes {
		taken = s.drawChange(c, ch, trX(float64(ch.Index)-0.5), taken)
	}
}

func (s strip) drawStart(c draw.Canvas, st HistoryStart, x, y vg.Length) {
	switch {
	case math.IsNaN(st.Value):
		c.FillText(aligned(style(smallSize, softInk), text.XCenter, text.YBottom), vg.Point{X: x, Y: c.Min.Y + 2}, "–")
	case st.Excluded: // it may be anywhere, and has no say in the axis
		drawRing(c, excludedInk, vg.Point{X: x, Y: min(max(y, c.Min.Y+4), c.Max.Y-4)}, 3)
	default:
		fillDot(c, softInk, vg.Point{X: x, Y: y}, 2.8)
	}
}

// drawChange draws the line of a change and writes what it is at its top, to the
// right where there is room, and not over what another wrote.
func (s strip) drawChange(c draw.Canvas, ch HistoryChange, x vg.Length, taken []box) []box {
	ink := s.changeInk(ch)
	c.StrokeLine2(draw.LineStyle{Color: ink, Width: 1.4}, x, c.Min.Y, x, c.Max.Y)
	sty := style(smallSize, ink)
	words := ch.words()
	w := sty.Width(words) + 16
	y := c.Max.Y - smallSize - 1
	for _, x0 := range []vg.Length{x + 5, x - 5 - w} {
		b := box{x0, y - 2, x0 + w, y + smallSize}
		if slices.ContainsFunc(taken, b.meets) || b.x0 < c.Min.X || b.x1 > c.Max.X+10 {
			continue
		}
		verdictMark(c, ch.Verdict, ink, vg.Point{X: x0 + 6, Y: y + 4})
		c.FillText(sty, vg.Point{X: x0 + 15, Y: y}, words)
		return append(taken, b)
	}
	return taken
}

func (s strip) changeInk(ch HistoryChange) color.Color {
	return forestRow{verdict: ch.Verdict}.ink()
}

// words says how far the change went, and what else changed.
func (ch HistoryChange) words() string {
	r := scale.Bare(ch.Ratio.Value)
	if ch.Ratio.HasInterval {
		r = scale.Within(ch.Ratio.Value, ch.Ratio.Lo, ch.Ratio.Hi)
	}
	words := scale.ChangeWithInterval(r)
	if ch.Note != "" {
		words += ", " + shortName(ch.Note, 36)
	}
	return words
}

// stripFoot says what is missing and what is left out.
func stripFoot(strips []strip) []string {
	missing, excluded := 0, 0
	for _, st := range strips[0].Starts {
		if math.IsNaN(st.Value) {
			missing++
		}
		if st.Excluded {
			excluded++
		}
	}
	foot := []string{plural(len(strips[0].Starts)-missing, "server start")}
	if missing > 0 {
		foot = append(foot, fmt.Sprintf("– no run (%d)", missing))
	}
	if excluded > 0 {
		foot = append(foot, fmt.Sprintf("%d left out, at the edge where it lies beyond", excluded))
	}
	return foot
}

func altOfHistory(strips []strip) string {
	parts := make([]string, len(strips))
	for i, s := range strips {
		if len(s.Changes) == 0 {
			parts[i] = printable(s.Name) + " shows no change"
			continue
		}
		var changes []string
		for _, ch := range s.Changes {
			verdict := ""
			if ch.Verdict != "" {
				verdict = " (" + string(ch.Verdict) + ")"
			}
			changes = append(changes, fmt.Sprintf("by %s from %s on%s", ch.words(), shortName(s.Starts[ch.Index].Label, 24), verdict))
		}
		parts[i] = fmt.Sprintf("%s changes %s", printable(s.Name), strings.Join(changes, ", "))
	}
	first := strips[0].Starts
	return fmt.Sprintf("History from %s to %s: %s.", shortName(first[0].Label, 24), shortName(first[len(first)-1].Label, 24), strings.Join(parts, "; "))
}
