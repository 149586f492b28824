package plot

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/servestat/servestat/report/scale"
)

// TTFT draws the TTFT of every request against the time at which it was sent, with
// the running median: whether a run was steady, and how its cold start, its ramp
// and its queue look. Requests that failed are crosses: at the foot where no chunk
// came.
func (r Run) TTFT() (Figure, error) {
	requests, err := r.checked()
	if err != nil {
		return Figure{}, err
	}
	var waits []float64
	for _, q := range requests {
		if t := q.ttft(); t > 0 {
			waits = append(waits, t)
		}
	}
	if len(waits) == 0 {
		return Figure{}, errors.New("no request of the run has a TTFT")
	}
	median := runningMedian(requests)
	unit := unitOf("s", waits)
	f := frame{title: "TTFT over time", subject: r.subject(), foot: r.foot(requests, "grey outside")}
	if len(median) > 0 {
		f.foot = append(f.foot, fmt.Sprintf("median of %d requests in a row", medianLength(len(waits))))
	}
	slices.Sort(waits)
	return Figure{
		Title: f.title, Alt: r.altOfWaits(waits, unit), height: height,
		draw: func(c draw.Canvas) { r.waitsPanel(requests, waits, median, unit).draw(f.draw(c)) },
	}, nil
}

// medianLength is over how many requests the median runs.
func medianLength(n int) int { return max(9, n/25|1) }

// runningMedian is the median TTFT of stretches of requests, at the middle one's
// start: NaN-free, and empty where there are too few.
func runningMedian(requests []Request) []moment {
	var known []Request
	for _, q := range requests {
		if q.ttft() > 0 {
			known = append(known, q)
		}
	}
	n := medianLength(len(known))
	var out []moment
	for i := 0; i+n <= len(known); i++ {
		part := make([]float64, n)
		for k := range part {
			part[k] = known[i+k].ttft()
		}
		slices.Sort(part)
		out = append(out, moment{known[i+n/2].Start, part[n/2]})
	}
	return out
}

// A moment is a point in stored units.
type moment struct{ x, y float64 }

func (r Run) waitsPanel(requests []Request, sorted []float64, median []moment, unit scale.Unit) *panel {
	p := plot.New()
	houseStyle(p)
	s := timeSpan(requests)
	s = span{s.min, requests[len(requests)-1].Start}
	if s.max <= s.min {
		s.max = s.min + 1
	}
	air := 0.015 * (s.max - s.min)
	timeAxis(&p.X, span{s.min - air, s.max + air})
	heading := unit.Heading("TTFT")
	if spanAxis(&p.Y, span{unit.In(sorted[0]), unit.In(sorted[len(sorted)-1])}, 10) {
		heading += ", log scale"
	}
	p.Add(outside(r), grid(), waits{requests, median, unit})
	key := []keyEntry{{drawSampleDot, "one request"}}
	if len(median) > 0 {
		key = append(key, keyEntry{drawSampleMedian, "running median"})
	}
	if slices.ContainsFunc(requests, func(q Request) bool { return q.Failed }) {
		key = append(key, keyEntry{drawSampleCross, "failed; at the foot: before its first chunk"})
	}
	return &panel{plot: p, heading: heading, below: "time at which the request was sent, since the run began (s)", key: key}
}

func drawSampleDot(c draw.Canvas, at vg.Point) {
	fillDot(c, decodeInk, vg.Point{X: at.X + keyWidth - 6, Y: at.Y}, 2.6)
}

func drawSampleMedian(c draw.Canvas, at vg.Point) {
	c.StrokeLine2(medianLine, at.X, at.Y, at.X+keyWidth, at.Y)
}

var medianLine = draw.LineStyle{Color: palette[1], Width: 2}

func fillDot(c draw.Canvas, ink color.Color, at vg.Point, radius vg.Length) {
	c.SetColor(ink)
	c.Fill(circle(at, radius))
}

// waits draws requests as dots, paler the more there are, and their median.
type waits struct {
	requests []Request
	median   []moment
	unit     scale.Unit
}

// Plot implements [plot.Plotter].
func (w waits) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	opacity := math.Max(0.12, math.Min(0.75, 300/float64(len(w.requests))))
	dot := over(decodeInk, opacity)
	for _, q := range w.requests {
		if t := q.ttft(); t > 0 && !q.Failed {
			fillDot(c, dot, vg.Point{X: trX(q.Start), Y: trY(w.unit.In(t))}, 2.6)
		}
	}
	var line []vg.Point
	for _, m := range w.median {
		line = append(line, vg.Point{X: trX(m.x), Y: trY(w.unit.In(m.y))})
	}
	c.StrokeLines(medianLine, line)
	for _, q := range w.requests {
		if !q.Failed {
			continue
		}
		y := c.Min.Y + 6
		if t := q.ttft(); t > 0 {
			y = trY(w.unit.In(t))
		}
		drawCross(c, vg.Point{X: trX(q.Start), Y: y})
	}
}

func (r Run) altOfWaits(sorted []float64, unit scale.Unit) string {
	at := func(p float64) string {
		return unit.FormatWithUnit(scale.Bare(sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]))
	}
	return fmt.Sprintf("TTFT of %s over time%s: half are below %s, 99 %% below %s, the longest is %s.",
		plural(len(sorted), "request"), r.simulatedWord(), at(0.5), at(0.99), at(1))
}
