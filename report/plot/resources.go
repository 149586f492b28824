package plot

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

const (
	resourcePanel = 165 // height of one panel
	resourceFrame = 125 // of what stands around them
)

// Resources draws what a single run took over time: power, the KV cache, and how
// many requests were in flight, on one time axis. A panel of which nothing was
// recorded is left out. The trace may be nil.
func Resources(r analyze.RunResources, t *analyze.Trace) (Figure, error) {
	if r.Over == nil || len(r.Over.Power)+len(r.Over.KV) == 0 {
		return Figure{}, errors.New("no samples of power or of the KV cache over the time of the run")
	}
	panels := resourcePanels(r, t)
	run := Run{Group: r.Group, Version: r.Version, MaxConcurrency: r.MaxConcurrency, Simulated: t != nil && t.Simulated}
	s := span{-r.Over.Length / 20, r.Over.Length * 1.05}
	f := frame{title: "Power and KV cache over time", subject: run.subject(), foot: resourceFoot(r, run)}
	return Figure{
		Title: f.title, Alt: altOfResources(r), height: vg.Length(resourceFrame + resourcePanel*len(panels)),
		draw: func(c draw.Canvas) { drawResources(f.draw(c), panels, s, r.Over.Length) },
	}, nil
}

// A resourceCurve is one panel: values at times, as a line or as steps.
type resourceCurve struct {
	heading string
	at      []analyze.TimedValue
	steps   bool
	most    float64 // that the axis holds at least
	look    look
	mean    float64 // NaN: not drawn
	label   string  // of the mean
}

func resourcePanels(r analyze.RunResources, t *analyze.Trace) []resourceCurve {
	var out []resourceCurve
	if len(r.Over.Power) > 0 {
		c := resourceCurve{heading: "power, " + r.Over.Scope + " (W)", at: r.Over.Power, look: lookOf(1), mean: math.NaN()}
		if r.Energy != nil {
			c.mean, c.label = r.Energy.Watts, fmt.Sprintf("mean over the run: %.4g W", r.Energy.Watts)
		}
		out = append(out, c)
	}
	if len(r.Over.KV) > 0 {
		kv := make([]analyze.TimedValue, len(r.Over.KV))
		for i, v := range r.Over.KV {
			kv[i] = analyze.TimedValue{At: v.At, Value: 100 * v.Value}
		}
		out = append(out, resourceCurve{heading: "KV cache in use (%)", at: kv, look: lookOf(2), mean: math.NaN()})
	}
	if t != nil {
		var flight []analyze.TimedValue
		for _, s := range inFlight(plottedRequests(t)) {
			flight = append(flight, analyze.TimedValue{At: s.t, Value: float64(s.n)})
		}
		if len(flight) > 0 {
			out = append(out, resourceCurve{heading: "requests in flight", at: flight, steps: true, most: float64(r.MaxConcurrency), look: lookOf(0), mean: math.NaN()})
		}
	}
	return out
}

func plottedRequests(t *analyze.Trace) []Request {
	out := make([]Request, len(t.Requests))
	for i, q := range t.Requests {
		out[i] = Request{Start: q.Start, Admitted: math.NaN(), FirstChunk: q.FirstChunk, End: q.End, Failed: q.Failed}
	}
	return out
}

func resourceFoot(r analyze.RunResources, run Run) []string {
	var foot []string
	if e := r.Energy; e != nil {
		foot = append(foot, fmt.Sprintf("%.4g J per output token", e.PerOut.Value), fmt.Sprintf("samples every %.3g s cover %s of the run", e.CadenceS, scale.Percent(e.Coverage)))
	}
	foot = append(foot, "grey: before and after the run")
	if run.Simulated {
		foot = append(foot, simulatedNote)
	}
	return foot
}

func altOfResources(r analyze.RunResources) string {
	text := "What a run took over time"
	if e := r.Energy; e != nil {
		text += fmt.Sprintf(": %.4g W on average, %.4g J in all", e.Watts, e.Joules.Value)
	}
	if r.KV != nil {
		text += fmt.Sprintf("; at most %s of the KV cache", scale.Percent(r.KV.Most))
	}
	return text + "."
}

func drawResources(c draw.Canvas, curves []resourceCurve, s span, length float64) {
	var plots []*plot.Plot
	left := vg.Length(0)
	for i := range curves {
		p := curves[i].plot(s, length, i == len(curves)-1)
		plots = append(plots, p)
		left = max(left, axisWidth(p))
	}
	tall := (c.Max.Y - c.Min.Y) / vg.Length(len(plots))
	for i, p := range plots {
		part := c
		part.Max.Y = c.Max.Y - vg.Length(i)*tall
		part.Min.Y = part.Max.Y - tall + 8
		panel := &panel{plot: p, heading: curves[i].heading}
		if !math.IsNaN(curves[i].mean) {
			panel.key = []keyEntry{{drawSampleAsked, curves[i].label}}
		}
		if i == len(plots)-1 {
			panel.below = timeLabel
			part.Min.Y = c.Min.Y
		}
		panel.drawAligned(part, left)
	}
}

// plot is one panel; only the last has its ticks named.
func (r *resourceCurve) plot(s span, length float64, last bool) *plot.Plot {
	p := plot.New()
	houseStyle(p)
	timeAxis(&p.X, s)
	if !last {
		ticks := slices.Clone(p.X.Tick.Marker.Ticks(s.min, s.max))
		for i := range ticks {
			ticks[i].Label = ""
		}
		p.X.Tick.Marker = plot.ConstantTicks(ticks)
	}
	most := r.most
	for _, v := range r.at {
		most = max(most, v.Value)
	}
	if most <= 0 {
		most = 1 // per cent, watt or request: an axis of nothing but zero has no scale
	}
	linearAxis(&p.Y, span{0, most})
	p.Add(outside(Run{SteadyFrom: 0, SteadyTo: length}), grid(), r)
	return p
}

// Plot implements [plot.Plotter].
func (r *resourceCurve) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	var line []vg.Point
	for i, v := range r.at {
		x, y := trX(v.At), trY(v.Value)
		if r.steps && i > 0 {
			line = append(line, vg.Point{X: x, Y: line[len(line)-1].Y})
		}
		line = append(line, vg.Point{X: x, Y: y})
	}
	for _, part := range c.ClipLinesX(line) {
		area := append(slices.Clone(part), vg.Point{X: part[len(part)-1].X, Y: c.Min.Y}, vg.Point{X: part[0].X, Y: c.Min.Y})
		c.FillPolygon(r.look.tint(), area)
		c.StrokeLines(draw.LineStyle{Color: r.look.color, Width: 1.5}, part)
	}
	if !r.steps { // few samples are points, and not a line that nobody measured
		const few = 120
		for _, at := range line {
			if len(line) <= few && at.X >= c.Min.X && at.X <= c.Max.X {
				c.SetColor(r.look.color)
				var dot vg.Path
				dot.Move(vg.Point{X: at.X + 2.2, Y: at.Y})
				dot.Arc(at, 2.2, 0, 2*math.Pi)
				dot.Close()
				c.Fill(dot)
			}
		}
	}
	if !math.IsNaN(r.mean) {
		c.StrokeLine2(askedLine, c.Min.X, trY(r.mean), c.Max.X, trY(r.mean))
	}
}
