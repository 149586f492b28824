package plot

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/servestat/servestat/analyze"
)

// A residualSet is how far the runs of one version lie from its fitted curve.
type residualSet struct {
	name, model string
	look        look
	runs        plotter.XYs // concurrency, and observed / fitted - 1 in per cent
	means       plotter.XYs // of the runs of each level
	asked       []int64     // of each mean; 0 where no level was asked for
}

// fittedQuantities are what curves are fitted to, by the metric of the fit.
var fittedQuantities = map[string]quantity{
	"itl": quantities["itl"], "ttft": quantities["ttft"], "output_throughput": throughput,
}

// Residuals draws how far every run lies from its version's fitted curve of a
// metric (itl, ttft or output_throughput), in per cent of the curve, and joins the
// means of the levels: what a wrong model leaves over shows as a bend.
func Residuals(s analyze.Sweep, metric string) (Figure, error) {
	q, ok := fittedQuantities[metric]
	if !ok {
		return Figure{}, fmt.Errorf("no curve is fitted to %q; there are itl, ttft, output_throughput", metric)
	}
	drawn, note := newest(s.Series)
	var sets []residualSet
	for i, series := range drawn {
		set, err := newResidualSet(series, q, lookOf(i))
		if err != nil {
			return Figure{}, fmt.Errorf("series %s: %w", seriesName(series), err)
		}
		if len(set.runs) > 0 {
			sets = append(sets, set)
		}
	}
	if len(sets) == 0 {
		return Figure{}, fmt.Errorf("no series has a fitted curve of %s", q.name)
	}
	f := frame{
		title:   "What the fitted curves of " + q.name + " leave over",
		subject: Subject(s.Group),
		foot:    append(footOf(drawn, windowOf), note...),
	}
	if len(sets) > 1 {
		f.foot = append(f.foot, "versions set side by side")
	}
	return Figure{
		Title: f.title, Alt: altOfResiduals(q, sets), height: height,
		draw: func(c draw.Canvas) { residualPanel(sets).draw(f.draw(c)) },
	}, nil
}

// newResidualSet matches the residuals of a fit with the runs that it was made
// of: those that have both a value and a concurrency, in their order.
func newResidualSet(s analyze.Series, q quantity, l look) (residualSet, error) {
	set := residualSet{name: seriesName(s), look: l}
	i := slices.IndexFunc(s.Fits, func(f analyze.Fit) bool { return f.Metric == q.fit && f.Refused == "" && len(f.Residuals) > 0 })
	if i < 0 {
		return set, nil
	}
	fit := s.Fits[i]
	set.model = fit.Model
	var points []analyze.Point
	for _, p := range s.Points {
		if q.point(p) > 0 && p.Concurrency > 0 {
			points = append(points, p)
		}
	}
	if len(points) != len(fit.Residuals) {
		return set, fmt.Errorf("%d residuals of %d runs", len(fit.Residuals), len(points))
	}
	sums := map[float64]*levelSum{} // by what was asked for, or else by what was achieved
	for k, p := range points {
		r := fit.Residuals[k]
		if err := finite("run "+printable(p.RunID), "the residual", r, p.Concurrency); err != nil {
			return set, err
		}
		set.runs = append(set.runs, plotter.XY{X: p.Concurrency, Y: 100 * math.Expm1(r)})
		key := float64(p.MaxConcurrency)
		if key <= 0 {
			key = p.Concurrency
		}
		if sums[key] == nil {
			sums[key] = &levelSum{asked: p.MaxConcurrency}
		}
		sums[key].add(p.Concurrency, r)
	}
	for _, key := range slices.Sorted(maps.Keys(sums)) {
		set.means = append(set.means, sums[key].mean())
		set.asked = append(set.asked, sums[key].asked)
	}
	return set, nil
}

// A levelSum adds up the runs of a level.
type levelSum struct {
	asked                  int64
	concurrency, residuals float64
	runs                   float64
}

func (l *levelSum) add(concurrency, residual float64) {
	l.concurrency, l.residuals, l.runs = l.concurrency+concurrency, l.residuals+residual, l.runs+1
}

func (l *levelSum) mean() plotter.XY {
	return plotter.XY{X: l.concurrency / l.runs, Y: 100 * math.Expm1(l.residuals/l.runs)}
}

func residualPanel(sets []residualSet) *panel {
	p := plot.New()
	houseStyle(p)
	var xs, ys []float64
	var levels []int64
	var ends []end
	for _, s := range sets {
		xs, ys = append(xs, xsOf(s.runs)...), append(ys, ysOf(s.runs)...)
		levels = append(levels, s.asked...)
		last := s.means[len(s.means)-1]
		ends = append(ends, end{x: last.X, y: last.Y, name: s.name, value: s.model, look: s.look})
	}
	slices.Sort(levels)
	levels = slices.DeleteFunc(slices.Compact(levels), func(l int64) bool { return l <= 0 })
	concurrencyAxis(&p.X, levels, spanOf(xs), width-220)
	// No tighter than one per cent: the noise of a perfect fit is no pattern.
	extent := max(math.Abs(slices.Min(ys)), math.Abs(slices.Max(ys)), 1)
	linearAxis(&p.Y, span{-extent, extent})
	p.Add(grid(), levelLine{})
	for i, s := range sets {
		line, err := plotter.NewLine(s.means)
		if err == nil {
			line.LineStyle = s.look.line()
			line.Width = 1.2
			p.Add(inside{line})
		}
		p.Add(marks{s.runs, s.look, aside(i, len(sets))})
	}
	return &panel{
		plot: p, heading: "observed / fitted - 1 (%)", below: concurrencyLabel(levels), ends: ends,
		key: []keyEntry{{drawSampleMark, "one run"}, {drawSampleJoin, "mean of a level"}},
	}
}

// levelLine is the line of no difference, across the picture.
type levelLine struct{}

// Plot implements [plot.Plotter].
func (levelLine) Plot(c draw.Canvas, p *plot.Plot) {
	_, trY := p.Transforms(&c)
	c.StrokeLine2(draw.LineStyle{Color: softInk, Width: vg.Length(1.2)}, c.Min.X, trY(0), c.Max.X, trY(0))
}

// altOfResiduals says where each curve is farthest from its levels.
func altOfResiduals(q quantity, sets []residualSet) string {
	var parts []string
	for _, s := range sets {
		far := 0
		for i, m := range s.means {
			if math.Abs(m.Y) > math.Abs(s.means[far].Y) {
				far = i
			}
		}
		parts = append(parts, fmt.Sprintf("%s (%s) is farthest from its runs at %s, by %+.2g %% on average", s.name, s.model, levelMark{asked: s.asked[far], x: s.means[far].X}.where(), s.means[far].Y))
	}
	return fmt.Sprintf("Residuals of the fitted curves of %s: %s.", q.name, strings.Join(parts, "; "))
}
