package markdown

import (
	"errors"
	"math"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/plot"
	"github.com/servestat/servestat/report/scale"
)

// Pictures of a single run.
const (
	timelinePicture = "run-timeline"
	gapsPicture     = "run-gaps"
	ttftPicture     = "run-ttft"
)

// addRun adds what a single run did over time.
func (r *report) addRun() {
	if r.Trace == nil {
		return
	}
	run := plotted(r.Trace)
	for _, pic := range []struct {
		key  string
		draw func() (plot.Figure, error)
	}{
		{timelinePicture, run.Timeline},
		{gapsPicture, func() (plot.Figure, error) { return heatMap(r.Trace, run) }},
		{ttftPicture, run.TTFT},
	} {
		fig, err := pic.draw()
		r.add(pic.key, fig, err)
	}
}

func plotted(t *analyze.Trace) plot.Run {
	out := plot.Run{
		ID: beginning(t.RunID), Group: t.Group, Version: t.Version, MaxConcurrency: t.MaxConcurrency, Simulated: t.Simulated,
		SteadyFrom: t.SteadyFrom, SteadyTo: t.SteadyTo,
	}
	for _, q := range t.Requests {
		out.Requests = append(out.Requests, plot.Request{Start: q.Start, Admitted: math.NaN(), FirstChunk: q.FirstChunk, End: q.End, Failed: q.Failed})
	}
	return out
}

// heatMap draws the chunk gaps of a run.
func heatMap(t *analyze.Trace, run plot.Run) (plot.Figure, error) {
	if len(t.Gaps) == 0 {
		return plot.Figure{}, errors.New("the run has no chunk gaps of different lengths")
	}
	first := t.Gaps[0]
	grid, err := plot.NewGapGrid(first.From, first.To, first.Shortest, first.Longest)
	if err != nil {
		return plot.Figure{}, err
	}
	for _, g := range t.Gaps {
		if err := grid.AddMany(g.At, g.Gap, g.N); err != nil {
			return plot.Figure{}, err
		}
	}
	return grid.HeatMap(run)
}

// overTime is what a single run did over time.
func (r *report) overTime(p *page) {
	if r.Kind != "run" || r.Totals.Runs == 0 {
		return
	}
	p.heading(2, "over-time", "Over time")
	if r.Trace == nil {
		p.text("Nothing: the log of this run has no times at which requests started.")
		return
	}
	r.picture(p, timelinePicture)
	r.picture(p, gapsPicture)
	r.picture(p, ttftPicture)
	if len(r.Runs) == 1 && r.Runs[0].Stalls != nil {
		p.block("Stalls: %s of the chunk gaps are longer than ten times their median. Dark spots far above the median line in the heat map are where; in the timeline, whether requests queued or prefilled then.",
			scale.Percent(*r.Runs[0].Stalls))
	}
}
