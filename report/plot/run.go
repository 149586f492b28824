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

// A Run is one run for the pictures of a single run: [Run.Timeline], [Run.TTFT]
// and [GapGrid.HeatMap]. Times are in seconds since the run's origin; NaN is a
// time that was not recorded.
type Run struct {
	ID             string // or what it is called
	Group          analyze.Group
	Version        string
	MaxConcurrency int64 // asked; 0: unlimited or unknown
	Simulated      bool

	// The steady window; NaN or both zero where it is not known.
	SteadyFrom, SteadyTo float64

	Requests []Request
}

// A Request is one request's way through the server.
type Request struct {
	Start      float64 // it was sent
	Admitted   float64 // the server took it up: prefill began. Often only the server's log knows; else NaN
	FirstChunk float64 // NaN where no chunk came
	End        float64 // NaN where it is not known; a failed request's is its error's
	Failed     bool
}

// ttft is NaN where no chunk came.
func (q Request) ttft() float64 { return q.FirstChunk - q.Start }

func (q Request) check(i int) error {
	where := fmt.Sprintf("request %d", i)
	if err := finite(where, "its start", q.Start); err != nil {
		return err
	}
	last := q.Start
	for _, at := range []struct {
		what string
		t    float64
	}{{"prefill", q.Admitted}, {"first chunk", q.FirstChunk}, {"end", q.End}} {
		if math.IsNaN(at.t) {
			continue
		}
		if math.IsInf(at.t, 0) || at.t < last {
			return fmt.Errorf("%s: its %s at %v s is before what goes before it, at %v s", where, at.what, at.t, last)
		}
		last = at.t
	}
	return nil
}

// checked returns the requests in order of their start.
func (r Run) checked() ([]Request, error) {
	if len(r.Requests) == 0 {
		return nil, errors.New("the run has no request with times")
	}
	for i, q := range r.Requests {
		if err := q.check(i); err != nil {
			return nil, fmt.Errorf("run %s: %w", printable(r.ID), err)
		}
	}
	out := slices.Clone(r.Requests)
	slices.SortStableFunc(out, func(a, b Request) int {
		if a.Start < b.Start {
			return -1
		}
		if a.Start > b.Start {
			return 1
		}
		return 0
	})
	return out, nil
}

// subject names the run under the title of its pictures.
func (r Run) subject() string {
	s := Subject(r.Group)
	if r.Version != "" {
		s += " · " + shortName(r.Version, 24)
	}
	if r.MaxConcurrency > 0 {
		s += fmt.Sprintf(" · max concurrency %d", r.MaxConcurrency)
	}
	return s
}

// foot says what the picture rests on, and how it shows the steady window.
func (r Run) foot(requests []Request, window string) []string {
	failed := 0
	for _, q := range requests {
		if q.Failed {
			failed++
		}
	}
	foot := []string{"run " + shortName(r.ID, 40)}
	if len(requests) > 0 {
		foot = append(foot, plural(len(requests), "request"))
	}
	if failed > 0 {
		foot = append(foot, scale.Count(int64(failed))+" failed")
	}
	if r.steady() {
		foot = append(foot, fmt.Sprintf("steady window from %s to %s s, %s", scale.Tick(r.SteadyFrom, 0.1), scale.Tick(r.SteadyTo, 0.1), window))
	}
	if r.Simulated {
		foot = append(foot, simulatedNote)
	}
	return foot
}

// simulatedWord follows the name of what alternative text speaks of.
func (r Run) simulatedWord() string {
	if r.Simulated {
		return " (simulated)"
	}
	return ""
}

func (r Run) steady() bool {
	return finite("", "", r.SteadyFrom, r.SteadyTo) == nil && r.SteadyTo > r.SteadyFrom
}

// last returns the last time that is known of a request.
func (q Request) last() float64 {
	for _, t := range []float64{q.End, q.FirstChunk, q.Admitted} {
		if !math.IsNaN(t) {
			return t
		}
	}
	return q.Start
}

// timeSpan is from the first start to the last end.
func timeSpan(requests []Request) span {
	s := span{math.Inf(1), math.Inf(-1)}
	for _, q := range requests {
		s = span{min(s.min, q.Start), max(s.max, q.last())}
	}
	if s.max <= s.min {
		s.max = s.min + 1
	}
	return s
}

const timeLabel = "time since the run began (s)"

// timeAxis shows a span of seconds, with ticks at round ones.
func timeAxis(a *plot.Axis, s span) {
	a.Min, a.Max = s.min, s.max
	a.Tick.Marker = plot.ConstantTicks(evenTicks(s, roundStep((s.max-s.min)/9)))
}

// outside shades what is before and after the steady window.
type outside Run

// Plot implements [plot.Plotter].
func (o outside) Plot(c draw.Canvas, p *plot.Plot) {
	if !Run(o).steady() {
		return
	}
	trX, _ := p.Transforms(&c)
	shade := func(from, to vg.Length) {
		from, to = max(from, c.Min.X), min(to, c.Max.X)
		if from < to {
			c.FillPolygon(sameZone, []vg.Point{{X: from, Y: c.Min.Y}, {X: to, Y: c.Min.Y}, {X: to, Y: c.Max.Y}, {X: from, Y: c.Max.Y}})
		}
	}
	shade(c.Min.X, trX(o.SteadyFrom))
	shade(trX(o.SteadyTo), c.Max.X)
}

// plotInto draws p with its heading above, and its data area at least left to the
// right of the edge of c, so that panels under each other line up.
func (p *panel) plotInto(c draw.Canvas, left vg.Length) {
	p.draw(draw.Crop(c, left-axisWidth(p.plot), 0, 0, 0))
}

// axisWidth is the room that a y axis needs for ticks and labels.
func axisWidth(p *plot.Plot) vg.Length {
	const enough = 1000
	var c draw.Canvas // nothing is drawn
	c.Max = vg.Point{X: enough, Y: enough}
	return p.DataCanvas(c).Min.X
}
