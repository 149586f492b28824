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

const (
	rowHeight  = 31
	forestHead = 112 // title, subject, key
	forestFoot = 88  // axis and small print
	columnGap  = 18  // between names, data and numbers

	// farthest is how far from zero, in per cent, an interval is drawn to; what
	// reaches farther ends in an arrow. A single wide interval must not press all
	// others into a dot.
	farthest = 25
)

var (
	worseZone = color.RGBA{0xfc, 0xee, 0xe5, 0xff}
	sameZone  = color.RGBA{0xea, 0xed, 0xf0, 0xff}
	worseInk  = palette[1]
	betterInk = palette[0]
)

// A forestRow is one metric, checked, its change in per cent.
type forestRow struct {
	name    string
	ratio   scale.Number
	change  float64 // NaN where nothing was measured
	lo, hi  float64 // equal where there is no interval
	margin  float64 // the worsening that "not regressed" rules out
	better  schemas.Better
	verdict analyze.Verdict
}

// fall is the margin of a metric of which more is better, as a fall: to be worse
// by a factor of 1.03 is to lose 2.9 %.
func (r forestRow) fall() float64 { return 100 * (1 - 1/(1+r.margin/100)) }

// Forest draws the change of every metric of a comparison with its interval,
// against no change, against the margin within which a change for the worse
// does not count, and against the side on which it does.
func Forest(c analyze.Comparison) (Figure, error) {
	if len(c.Metrics) == 0 {
		return Figure{}, errors.New("no metric was compared")
	}
	rows := make([]forestRow, len(c.Metrics))
	for i, m := range c.Metrics {
		r, err := newForestRow(m)
		if err != nil {
			return Figure{}, fmt.Errorf("metric %s: %w", printable(m.Name), err)
		}
		rows[i] = r
	}
	baseline, candidate := SideNames(c)
	f := frame{
		title:   fmt.Sprintf("Change from %s to %s", baseline, candidate),
		subject: subjectOf(c.Group),
		foot:    footOfForest(c, rows),
	}
	return Figure{
		Title:  f.title,
		Alt:    altOfForest(c, rows),
		height: forestHead + forestFoot + vg.Length(len(rows))*rowHeight,
		draw:   func(canvas draw.Canvas) { drawForest(f.draw(canvas), rows) },
	}, nil
}

// newForestRow checks one metric. A ratio with nothing behind it gives a row
// without a mark; one that is no number although runs were measured, an error.
func newForestRow(m analyze.MetricDiff) (forestRow, error) {
	nan := math.NaN()
	r := forestRow{
		name: printable(m.Name), better: m.Better, verdict: m.Verdict, margin: 100 * m.Margin,
		ratio: scale.Bare(nan), change: nan, lo: nan, hi: nan,
	}
	if m.Ratio.N == 0 {
		return r, nil
	}
	if err := positive("the whole curve", "candidate / baseline", m.Ratio.Value); err != nil {
		return r, err
	}
	r.ratio, r.change = scale.Bare(m.Ratio.Value), percent(m.Ratio.Value)
	r.lo, r.hi = r.change, r.change
	if m.Ratio.HasInterval {
		if err := finite("the whole curve", "the interval of candidate / baseline", m.Ratio.Lo, m.Ratio.Hi); err != nil {
			return r, err
		}
		r.ratio = scale.Within(m.Ratio.Value, m.Ratio.Lo, m.Ratio.Hi)
		r.lo, r.hi = percent(m.Ratio.Lo), percent(m.Ratio.Hi)
	}
	return r, nil
}

func percent(ratio float64) float64 { return 100 * (ratio - 1) }

func (r forestRow) measured() bool { return !math.IsNaN(r.change) }

// worseSign is the direction, 1 or -1, in which the metric gets worse; 0 where
// neither is.
func (r forestRow) worseSign() float64 {
	switch r.better {
	case schemas.Lower:
		return 1
	case schemas.Higher:
		return -1
	}
	return 0
}

// SideNames names the two sides of a comparison by what tells them apart: of the
// selectors model=m,runtime_version=0.19.0 and model=m,runtime_version=0.20.2
// only the versions are left, and of a version only the number.
func SideNames(c analyze.Comparison) (baseline, candidate string) {
	b, k := strings.Split(c.Baseline.Label, ","), strings.Split(c.Candidate.Label, ",")
	return sideName(b, k), sideName(k, b)
}

// sideName joins those of the terms that the other side does not have.
func sideName(terms, others []string) string {
	var own []string
	for _, t := range terms {
		if !slices.Contains(others, t) {
			own = append(own, strings.TrimPrefix(t, "runtime_version="))
		}
	}
	if len(own) == 0 {
		own = terms
	}
	name := strings.Join(own, ",")
	if name == "" {
		return "unknown"
	}
	return shortName(name, 32)
}

func drawForest(c draw.Canvas, rows []forestRow) {
	(&panel{key: forestKey(), heading: "one value a server start, over all common levels"}).drawHeading(c)
	c.Max.Y -= style(labelSize, ink).FontExtents().Height + 12

	numbers := columnWidth(rows, forestRow.number)
	right := columnGap + numbers + columnGap/2 + columnWidth(rows, forestRow.word)
	area := draw.Crop(c, columnWidth(rows, forestRow.label)+columnGap, -right, 0, 0)
	p := plot.New()
	houseStyle(p)
	forestAxes(p, rows)
	p.Add(zones(rows), grid(), zeroLine{}, effects(rows))

	below := aligned(style(labelSize, softInk), text.XCenter, text.YBottom)
	area.Min.Y += below.FontExtents().Height + 5
	p.Draw(area)
	data := p.DataCanvas(area)
	c.FillText(below, vg.Point{X: data.Center().X, Y: c.Min.Y}, "change of the candidate against the baseline (%)")
	writeColumns(c, data, p, rows, numbers)
}

// forestAxes fits the axes to the rows: per cent below, one row a metric, the
// first on top.
func forestAxes(p *plot.Plot, rows []forestRow) {
	s := shown(rows)
	step := roundStep((s.max - s.min) / 7)
	p.X.Min, p.X.Max = s.min, s.max
	var ticks plot.ConstantTicks
	for i := math.Ceil(s.min / step); i*step <= s.max; i++ {
		label := scale.Tick(i*step, step)
		if i > 0 {
			label = "+" + label
		}
		ticks = append(ticks, plot.Tick{Value: i * step, Label: label})
	}
	p.X.Tick.Marker = ticks
	p.Y.Min, p.Y.Max = -0.5, float64(len(rows))-0.5
	p.Y.Tick.Marker = plot.ConstantTicks{}
	p.Y.Width, p.Y.Tick.Width = 0, 0
}

// shown returns the changes that the axis holds: all points, their intervals up
// to farthest, the margin twice over, and some air.
func shown(rows []forestRow) span {
	s := span{0, 0}
	for _, r := range rows {
		s = span{min(s.min, -1.6*r.margin), max(s.max, 1.6*r.margin)}
		if r.measured() {
			s.min = min(s.min, r.change, max(r.lo, -farthest))
			s.max = max(s.max, r.change, min(r.hi, farthest))
		}
	}
	air := 0.04 * (s.max - s.min)
	return span{s.min - air, s.max + air}
}

func forestKey() []keyEntry {
	box := func(fill color.Color) func(draw.Canvas, vg.Point) {
		return func(c draw.Canvas, at vg.Point) {
			c.FillPolygon(fill, []vg.Point{
				{X: at.X, Y: at.Y - 6}, {X: at.X + keyWidth, Y: at.Y - 6}, {X: at.X + keyWidth, Y: at.Y + 6}, {X: at.X, Y: at.Y + 6},
			})
		}
	}
	return []keyEntry{{box(sameZone), "within the margin"}, {box(worseZone), "worse than the margin"}}
}

func columnWidth(rows []forestRow, of func(forestRow) string) vg.Length {
	widest := vg.Length(0)
	for _, r := range rows {
		widest = max(widest, style(labelSize, ink).Width(of(r)))
	}
	return widest
}

// label names the metric, and its good side where that is not the usual one.
func (r forestRow) label() string {
	if r.better == schemas.Higher {
		return r.name + " (more is better)"
	}
	return r.name
}

// number is the row's change and interval: "+4.0 % [+3.3, +4.8]".
func (r forestRow) number() string { return scale.ChangeWithInterval(r.ratio) }

func (r forestRow) word() string { return string(r.verdict) }

// writeColumns writes the names to the left of the data, and changes and verdicts
// to its right.
func writeColumns(c, data draw.Canvas, p *plot.Plot, rows []forestRow, numbers vg.Length) {
	_, trY := p.Transforms(&data)
	for i, r := range rows {
		y := trY(float64(len(rows)-1-i)) - labelSize*0.36
		x := data.Max.X + columnGap
		c.FillText(style(labelSize, ink), vg.Point{X: c.Min.X, Y: y}, r.label())
		c.FillText(style(labelSize, softInk), vg.Point{X: x, Y: y}, r.number())
		c.FillText(style(labelSize, r.ink()), vg.Point{X: x + numbers + columnGap/2, Y: y}, r.word())
	}
}

func (r forestRow) ink() color.Color {
	switch r.verdict {
	case analyze.Regressed:
		return look{color: worseInk}.text()
	case analyze.Improved:
		return look{color: betterInk}.text()
	}
	return ink
}

// zones shades, row by row, where a change counts for the worse and where not.
type zones []forestRow

// Plot implements [plot.Plotter].
func (z zones) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	box := func(fill color.Color, y, from, to float64) {
		x0, x1 := max(trX(from), c.Min.X), min(trX(to), c.Max.X)
		lo, hi := trY(y-0.42), trY(y+0.42)
		c.FillPolygon(fill, []vg.Point{{X: x0, Y: lo}, {X: x1, Y: lo}, {X: x1, Y: hi}, {X: x0, Y: hi}})
	}
	for i, r := range z {
		y := float64(len(z) - 1 - i)
		switch r.worseSign() {
		case 1:
			box(sameZone, y, 0, r.margin)
			box(worseZone, y, r.margin, p.X.Max)
		case -1:
			box(sameZone, y, -r.fall(), 0)
			box(worseZone, y, p.X.Min, -r.fall())
		}
	}
}

// zeroLine is the line of no change.
type zeroLine struct{}

// Plot implements [plot.Plotter].
func (zeroLine) Plot(c draw.Canvas, p *plot.Plot) {
	trX, _ := p.Transforms(&c)
	c.StrokeLine2(draw.LineStyle{Color: softInk, Width: 1.2}, trX(0), c.Min.Y, trX(0), c.Max.Y)
}

// effects draws the changes and their intervals.
type effects []forestRow

// Plot implements [plot.Plotter].
func (e effects) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	for i, r := range e {
		if !r.measured() {
			continue
		}
		y := trY(float64(len(e) - 1 - i))
		line := draw.LineStyle{Color: r.ink(), Width: 2.2}
		lo, hi := max(trX(r.lo), c.Min.X), min(trX(r.hi), c.Max.X)
		c.StrokeLine2(line, lo, y, hi, y)
		endOfInterval(c, line, lo, y, r.lo < p.X.Min, -1)
		endOfInterval(c, line, hi, y, r.hi > p.X.Max, 1)
		r.mark(c, vg.Point{X: trX(r.change), Y: y})
	}
}

// endOfInterval draws a cap, or an arrow where the interval goes on.
func endOfInterval(c draw.Canvas, sty draw.LineStyle, x, y vg.Length, goesOn bool, towards vg.Length) {
	if !goesOn {
		c.StrokeLine2(sty, x, y-5, x, y+5)
		return
	}
	c.FillPolygon(sty.Color, []vg.Point{{X: x, Y: y}, {X: x - towards*9, Y: y - 5}, {X: x - towards*9, Y: y + 5}})
}

// open reports whether the metric is measured and without a verdict.
func (r forestRow) open() bool {
	return r.measured() && (r.verdict == analyze.Inconclusive || r.verdict == analyze.NotComparable)
}

// mark is filled where there is a verdict, and open where there is none.
func (r forestRow) mark(c draw.Canvas, at vg.Point) {
	path := circle(at, 5)
	if r.open() {
		c.SetColor(color.White)
		c.Fill(path)
		c.SetLineStyle(draw.LineStyle{Color: r.ink(), Width: 2})
		c.Stroke(path)
		return
	}
	c.SetColor(r.ink())
	c.Fill(path)
}

func footOfForest(c analyze.Comparison, rows []forestRow) []string {
	baseline, candidate := SideNames(c)
	foot := []string{armFoot(baseline, c.Baseline), armFoot(candidate, c.Candidate)}
	if c.Baseline.Simulated || c.Candidate.Simulated {
		foot = append(foot, simulatedNote)
	}
	foot = append(foot, fmt.Sprintf("margin %g %%", rows[0].margin))
	s := shown(rows)
	if slices.ContainsFunc(rows, func(r forestRow) bool { return r.lo < s.min || r.hi > s.max }) {
		foot = append(foot, "an arrow: the interval goes on")
	}
	if slices.ContainsFunc(rows, forestRow.open) {
		foot = append(foot, "an open mark: no verdict")
	}
	return foot
}

func armFoot(name string, a analyze.Arm) string {
	return fmt.Sprintf("%s: %s, %s", name, plural(a.Runs, "run"), startsInWords(a.Starts, a.StartsKnown))
}

func altOfForest(c analyze.Comparison, rows []forestRow) string {
	parts := make([]string, len(rows))
	for i, r := range rows {
		parts[i] = fmt.Sprintf("%s %s, %s", r.name, r.number(), r.verdict)
	}
	simulated := ""
	if c.Baseline.Simulated || c.Candidate.Simulated {
		simulated = " (simulated)"
	}
	baseline, candidate := SideNames(c)
	return fmt.Sprintf("Change from %s to %s%s: %s.", baseline, candidate, simulated, strings.Join(parts, "; "))
}
