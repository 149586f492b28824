package plot

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/servestat/servestat/report/scale"
)

const (
	timelineHeight = 620
	inFlightHeight = 150
	// ownLanes is how many requests get a lane of their own; more share lanes.
	ownLanes = 120
	// mostLanes is how many lanes can be told apart.
	mostLanes = 400
)

// The phases of a request; each is lighter or darker than the next as well.
var (
	queueInk   = color.RGBA{0xc4, 0xca, 0xd0, 0xff}
	prefillInk = palette[4]
	decodeInk  = palette[0]
	failedInk  = color.RGBA{0x8a, 0x1c, 0x0a, 0xff}
)

// Timeline draws every request as a bar: how long it waited in the queue, how long
// its prefill took and how long it decoded; and below, on the same time axis, how
// many requests were in flight. Up to 120 requests have a lane each, in order of
// their start; more share lanes, each taking the first that is free. Of more than
// 400 in flight, those in the first 400 lanes are drawn; all are counted.
func (r Run) Timeline() (Figure, error) {
	requests, err := r.checked()
	if err != nil {
		return Figure{}, err
	}
	bars, note := inLanes(requests)
	flight := inFlight(requests)
	f := frame{title: "Requests over time", subject: r.subject(), foot: append(r.foot(requests, "grey outside"), note...)}
	return Figure{
		Title: f.title, Alt: r.altOfTimeline(requests, flight), height: timelineHeight,
		draw: func(c draw.Canvas) { r.drawTimeline(f.draw(c), bars, flight, timeSpan(requests)) },
	}, nil
}

// lanes are requests, each with the lane that it is drawn in, the first on top.
type lanes struct {
	requests []Request
	lane     []int // of each request
	n        int
}

// inLanes gives every request a lane, and says where not all are drawn.
func inLanes(requests []Request) (lanes, []string) {
	l := lanes{}
	if len(requests) <= ownLanes {
		for i, q := range requests {
			l.add(q, i)
		}
		return l, nil
	}
	var free []float64 // when each lane will be
	left := 0
	for _, q := range requests {
		i := slices.IndexFunc(free, func(t float64) bool { return t <= q.Start })
		switch {
		case i < 0 && len(free) == mostLanes:
			left++
			continue
		case i < 0:
			i = len(free)
			free = append(free, 0)
		}
		free[i] = q.last()
		l.add(q, i)
	}
	if left > 0 {
		return l, []string{fmt.Sprintf("%s found no lane and are not drawn, but counted in flight", plural(left, "request"))}
	}
	return l, nil
}

func (l *lanes) add(q Request, lane int) {
	l.requests, l.lane, l.n = append(l.requests, q), append(l.lane, lane), max(l.n, lane+1)
}

// heading says what a lane is.
func (l *lanes) heading() string {
	if l.n == len(l.requests) {
		return "requests, by start"
	}
	return "requests, each in the first lane that is free"
}

// A step is the number of requests in flight from a time on.
type step struct {
	t float64
	n int
}

// inFlight counts the requests between their start and their end.
func inFlight(requests []Request) []step {
	var moves []step
	for _, q := range requests {
		moves = append(moves, step{q.Start, 1}, step{q.last(), -1})
	}
	slices.SortFunc(moves, func(a, b step) int {
		switch {
		case a.t < b.t:
			return -1
		case a.t > b.t:
			return 1
		}
		return a.n - b.n // one that ends makes room for one that starts
	})
	var out []step
	n := 0
	for _, m := range moves {
		n += m.n
		if k := len(out); k > 0 && out[k-1].t == m.t {
			out[k-1].n = n
			continue
		}
		out = append(out, step{m.t, n})
	}
	return out
}

func (r Run) drawTimeline(c draw.Canvas, bars lanes, flight []step, s span) {
	top, bottom := plot.New(), plot.New()
	houseStyle(top)
	houseStyle(bottom)
	timeAxis(&top.X, s)
	timeAxis(&bottom.X, s)
	ticks := top.X.Tick.Marker.Ticks(s.min, s.max)
	for i := range ticks { // the labels stand below the other panel
		ticks[i].Label = ""
	}
	top.X.Tick.Marker = plot.ConstantTicks(ticks)
	top.Y.Min, top.Y.Max = 0, float64(bars.n)
	top.Y.Tick.Marker = plot.ConstantTicks{}
	top.Y.Width = 0
	top.Add(outside(r), upright{}, bars)

	most := 0
	for _, f := range flight {
		most = max(most, f.n)
	}
	linearAxis(&bottom.Y, span{0, float64(max(most, int(r.MaxConcurrency)))})
	bottom.Add(outside(r), grid(), flightCurve{flight, r.MaxConcurrency})

	left := max(axisWidth(top), axisWidth(bottom))
	upper, lower := c, c
	upper.Min.Y = c.Min.Y + inFlightHeight + 6
	lower.Max.Y = c.Min.Y + inFlightHeight
	(&panel{plot: top, heading: bars.heading(), key: timelineKey(bars.requests)}).drawAligned(upper, left)
	var key []keyEntry
	if r.MaxConcurrency > 0 {
		key = []keyEntry{{drawSampleAsked, "max concurrency, asked"}}
	}
	(&panel{plot: bottom, heading: "requests in flight", below: timeLabel, key: key}).drawAligned(lower, left)
}

// drawAligned draws the panel with its data area left away from the edge, so that
// panels under each other line up; the heading keeps to the edge.
func (p *panel) drawAligned(c draw.Canvas, left vg.Length) {
	p.drawHeading(c)
	heading, key := p.heading, p.key
	p.heading, p.key = "", nil
	p.plotInto(c, left)
	p.heading, p.key = heading, key
}

// upright draws the vertical lines of a grid only.
type upright struct{}

// Plot implements [plot.Plotter].
func (upright) Plot(c draw.Canvas, p *plot.Plot) {
	trX, _ := p.Transforms(&c)
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		c.StrokeLine2(draw.LineStyle{Color: gridInk, Width: 0.8}, trX(t.Value), c.Min.Y, trX(t.Value), c.Max.Y)
	}
}

// admissionKnown reports whether queue and prefill can be told apart.
func admissionKnown(requests []Request) bool {
	return slices.ContainsFunc(requests, func(q Request) bool { return !math.IsNaN(q.Admitted) })
}

func timelineKey(requests []Request) []keyEntry {
	key := []keyEntry{{drawSampleBox(prefillInk), "until the first chunk: queue and prefill"}}
	if admissionKnown(requests) {
		key = []keyEntry{{drawSampleBox(queueInk), "queue"}, {drawSampleBox(prefillInk), "prefill"}}
	}
	key = append(key, keyEntry{drawSampleBox(decodeInk), "decode"})
	if slices.ContainsFunc(requests, func(q Request) bool { return q.Failed }) {
		key = append(key, keyEntry{drawSampleCross, "failed"})
	}
	return key
}

func drawSampleBox(fill color.Color) func(draw.Canvas, vg.Point) {
	return func(c draw.Canvas, at vg.Point) {
		fillBox(c, fill, at.X+4, at.Y-4, at.X+keyWidth, at.Y+4)
	}
}

func fillBox(c draw.Canvas, fill color.Color, x0, y0, x1, y1 vg.Length) {
	c.FillPolygon(fill, []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}})
}

func drawSampleCross(c draw.Canvas, at vg.Point) {
	drawCross(c, vg.Point{X: at.X + keyWidth - 6, Y: at.Y})
}

func drawCross(c draw.Canvas, at vg.Point) {
	for _, sty := range []draw.LineStyle{{Color: color.White, Width: 4.4}, {Color: failedInk, Width: 2}} {
		c.StrokeLine2(sty, at.X-3.5, at.Y-3.5, at.X+3.5, at.Y+3.5)
		c.StrokeLine2(sty, at.X-3.5, at.Y+3.5, at.X+3.5, at.Y-3.5)
	}
}

func drawSampleAsked(c draw.Canvas, at vg.Point) {
	c.StrokeLine2(askedLine, at.X, at.Y, at.X+keyWidth, at.Y)
}

var askedLine = draw.LineStyle{Color: ink, Width: 1.1, Dashes: []vg.Length{6, 3}}

// Plot implements [plot.Plotter].
func (l lanes) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	tall := trY(1) - trY(0)
	gap := tall * 0.2
	if tall < 2 { // a gap would be thinner than a pixel
		gap = 0
	}
	for i, q := range l.requests {
		y := trY(float64(l.n - 1 - l.lane[i]))
		for _, phase := range q.phases() {
			if phase.from < phase.to {
				x := trX(phase.from)
				fillBox(c, phase.ink, x, y+gap/2, max(trX(phase.to), x+0.5), y+tall-gap/2)
			}
		}
		if end := trX(q.last()); tall > 4 { // bars in one lane touch
			fillBox(c, color.White, end-0.5, y, end, y+tall)
		}
	}
	for i, q := range l.requests { // over their neighbours
		if q.Failed {
			drawCross(c, vg.Point{X: trX(q.last()), Y: trY(float64(l.n-1-l.lane[i]) + 0.5)})
		}
	}
}

type phase struct {
	from, to float64
	ink      color.Color
}

// phases are the stretches of a request that are known. One that failed before
// its first chunk was still waiting.
func (q Request) phases() []phase {
	first := q.FirstChunk
	if math.IsNaN(first) {
		first = q.last()
	}
	admitted := q.Admitted
	if math.IsNaN(admitted) {
		admitted = q.Start
	}
	return []phase{{q.Start, admitted, queueInk}, {admitted, first, prefillInk}, {first, q.last(), decodeInk}}
}

// flightCurve draws how many requests were in flight, and how many were asked for.
type flightCurve struct {
	steps []step
	asked int64
}

// Plot implements [plot.Plotter].
func (f flightCurve) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	var line []vg.Point
	for i, s := range f.steps {
		if i > 0 {
			line = append(line, vg.Point{X: trX(s.t), Y: line[len(line)-1].Y})
		}
		line = append(line, vg.Point{X: trX(s.t), Y: trY(float64(s.n))})
	}
	area := append(slices.Clone(line), vg.Point{X: line[len(line)-1].X, Y: c.Min.Y}, vg.Point{X: line[0].X, Y: c.Min.Y})
	c.FillPolygon(over(decodeInk, 0.18), area)
	c.StrokeLines(draw.LineStyle{Color: decodeInk, Width: 1.5}, line)
	if f.asked > 0 {
		y := trY(float64(f.asked))
		c.StrokeLine2(askedLine, c.Min.X, y, c.Max.X, y)
	}
}

// mean is the average number in flight.
func meanInFlight(steps []step) float64 {
	sum, from := 0.0, steps[0].t
	for i := 1; i < len(steps); i++ {
		sum += float64(steps[i-1].n) * (steps[i].t - steps[i-1].t)
	}
	if d := steps[len(steps)-1].t - from; d > 0 {
		return sum / d
	}
	return float64(steps[0].n)
}

func (r Run) altOfTimeline(requests []Request, flight []step) string {
	s := timeSpan(requests)
	most, failed := 0, 0
	for _, f := range flight {
		most = max(most, f.n)
	}
	for _, q := range requests {
		if q.Failed {
			failed++
		}
	}
	u := scale.For("s")
	return fmt.Sprintf("Timeline of %s%s over %s: %s in flight on average, at most %d; %d failed.", plural(len(requests), "request"), r.simulatedWord(),
		u.FormatWithUnit(scale.Bare(s.max-s.min)), number(meanInFlight(flight)), most, failed)
}
