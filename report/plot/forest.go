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

// Effects are changes with their intervals, as a forest plot shows them: of the
// metrics of one comparison ([Forest]), of one metric at every level, or of
// whatever was confirmed in a week.
type Effects struct {
	Title   string
	Subject string // what was measured on what; see [Subject]
	Heading string // what a row is: "one value a server start, over all common levels"
	Rows    []Effect
	Foot    []string // what the effects rest on: runs, server starts, window

	Simulated bool
}

// An Effect is one row: candidate / baseline.
type Effect struct {
	Section string // a heading above the row where it differs from that of the row before; may be empty
	Name    string // "ITL mean", "concurrency 32"
	Ratio   analyze.Estimate
	Better  schemas.Better
	Margin  float64 // relative worsening that "not regressed" rules out: 0.03
	Verdict analyze.Verdict
}

// A forestRow is an Effect, checked, its change in per cent; or a heading.
type forestRow struct {
	heading bool
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
	baseline, candidate := SideNames(c)
	e := Effects{
		Title:   fmt.Sprintf("Change from %s to %s", baseline, candidate),
		Subject: Subject(c.Group),
		Heading: "one value a server start, over all common levels",
		Foot:    []string{armFoot(baseline, c.Baseline), armFoot(candidate, c.Candidate)},
	}
	if w := windowOf(analyze.Series{Window: c.Window}); w != "" {
		e.Foot = append(e.Foot, w)
	}
	if c.Baseline.Simulated || c.Candidate.Simulated {
		e.Simulated = true
	}
	for _, m := range c.Metrics {
		e.Rows = append(e.Rows, Effect{Name: m.Name, Ratio: m.Ratio, Better: m.Better, Margin: m.Margin, Verdict: m.Verdict})
	}
	return e.Forest()
}

// mostRows is how many effects one picture shows; more are a table.
const mostRows = 40

// Forest draws the effects: one row each, the interval as a bar, the verdict as
// colour, shape and word, the zones within and beyond the margin shaded. The axis
// is one of log ratios, labelled in per cent: a factor to the worse is as long as
// the same factor to the better.
func (e Effects) Forest() (Figure, error) {
	if len(e.Rows) == 0 {
		return Figure{}, errors.New("there is no effect to draw")
	}
	title := shortName(e.Title, 2*maxName)
	foot, of := slices.Clone(e.Foot), title
	if e.Simulated {
		foot, of = append(foot, simulatedNote), of+" (simulated)"
	}
	effects := e.Rows
	if len(effects) > mostRows {
		foot = append(foot, fmt.Sprintf("%d further effects are not drawn", len(effects)-mostRows))
		effects = effects[:mostRows]
	}
	var rows []forestRow
	section := ""
	for _, m := range effects {
		if m.Section != section {
			section = m.Section
			rows = append(rows, forestHeading(section))
		}
		r, err := newForestRow(m)
		if err != nil {
			return Figure{}, fmt.Errorf("metric %s: %w", printable(m.Name), err)
		}
		rows = append(rows, r)
	}
	f := frame{title: title, subject: e.Subject, foot: append(foot, footOfForest(rows)...)}
	return Figure{
		Title:  f.title,
		Alt:    altOfForest(of, rows),
		height: forestHead + forestFoot + vg.Length(len(rows))*heightOfRow(len(rows)),
		draw:   func(canvas draw.Canvas) { drawForest(f.draw(canvas), rows, e.Heading) },
	}, nil
}

// heightOfRow is less where there are many.
func heightOfRow(n int) vg.Length {
	if n > 12 {
		return 22
	}
	return rowHeight
}

func forestHeading(name string) forestRow {
	nan := math.NaN()
	return forestRow{heading: true, better: schemas.Neither, name: shortName(name, maxName), ratio: scale.Bare(nan), change: nan, lo: nan, hi: nan}
}

// newForestRow checks one effect. A ratio with nothing behind it gives a row
// without a mark; one that is no number although runs were measured, an error.
func newForestRow(m Effect) (forestRow, error) {
	nan := math.NaN()
	r := forestRow{
		name: shortName(m.Name, 32), better: m.Better, verdict: m.Verdict, margin: 100 * m.Margin,
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

func drawForest(c draw.Canvas, rows []forestRow, heading string) {
	(&panel{key: forestKey(), heading: fit(style(labelSize, ink), printable(heading), 400)}).drawHeading(c)
	c.Max.Y -= style(labelSize, ink).FontExtents().Height + 12

	numbers := columnWidth(rows, forestRow.number)
	right := columnGap + numbers + columnGap/2 + wordIndent + columnWidth(rows, forestRow.word)
	area := draw.Crop(c, columnWidth(rows, forestRow.label)+columnGap, -right, 0, 0)
	p := plot.New()
	houseStyle(p)
	forestAxes(p, rows)
	p.Add(zones(rows), grid(), zeroLine{}, effects(rows))

	below := aligned(style(labelSize, softInk), text.XCenter, text.YBottom)
	area.Min.Y += below.FontExtents().Height + 5
	p.Draw(area)
	data := p.DataCanvas(area)
	c.FillText(below, vg.Point{X: data.Center().X, Y: c.Min.Y}, "change of the candidate against the baseline (%, scale of log ratios)")
	writeColumns(c, data, p, rows, numbers)
}

// forestAxes fits the axes to the rows: per cent below, one row a metric, the
// first on top.
func forestAxes(p *plot.Plot, rows []forestRow) {
	s := shown(rows)
	p.X.Scale = logRatio{}
	p.X.Min, p.X.Max = s.min, s.max
	p.X.Tick.Marker = changeTicks(s)
	p.Y.Min, p.Y.Max = -0.5, float64(len(rows))-0.5
	p.Y.Tick.Marker = plot.ConstantTicks{}
	p.Y.Width, p.Y.Tick.Width = 0, 0
}

// logRatio is the scale of an axis of changes in per cent on which equal factors
// are equally long: halved is as far from no change as doubled.
type logRatio struct{}

// Normalize implements [plot.Normalizer].
func (logRatio) Normalize(lo, hi, x float64) float64 {
	at := func(change float64) float64 { return math.Log(math.Max(1+change/100, 1e-6)) }
	return (at(x) - at(lo)) / (at(hi) - at(lo))
}

// changeTicks are even where the axis is nearly linear, and else the changes that
// people talk of.
func changeTicks(s span) plot.ConstantTicks {
	var at []float64
	step := roundStep((s.max - s.min) / 7)
	if s.max-s.min > 120 {
		at, step = []float64{-99, -95, -90, -75, -50, -25, 0, 50, 100, 300, 900, 1900, 9900}, 1
	} else {
		for i := math.Ceil(s.min / step); i*step <= s.max; i++ {
			at = append(at, i*step)
		}
	}
	var ticks plot.ConstantTicks
	for _, v := range at {
		if v < s.min || v > s.max {
			continue
		}
		label := scale.Tick(v, step)
		if v > 0 {
			label = "+" + label
		}
		ticks = append(ticks, plot.Tick{Value: v, Label: label})
	}
	return ticks
}

// shown returns the changes that the axis holds: all points, their intervals up
// to farthest or a little beyond the farthest point, the margin and a half, and
// some air.
func shown(rows []forestRow) span {
	limit := math.Log1p(farthest / 100.0)
	for _, r := range rows {
		if r.measured() {
			limit = max(limit, 1.15*math.Abs(math.Log1p(r.change/100)))
		}
	}
	s := span{}
	for _, r := range rows {
		margin := min(1.6*math.Log1p(r.margin/100), limit)
		s = span{min(s.min, -margin), max(s.max, margin)}
		if r.measured() {
			s.min = min(s.min, max(math.Log1p(r.lo/100), -limit))
			s.max = max(s.max, min(math.Log1p(r.hi/100), limit))
		}
	}
	if s.max == s.min { // nothing was measured and no margin is known
		s = span{-0.1, 0.1}
	}
	air := 0.04 * (s.max - s.min)
	return span{100 * math.Expm1(s.min-air), 100 * math.Expm1(s.max+air)}
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

// wordIndent is the room of a verdict's mark before its word.
const wordIndent = 15

func columnWidth(rows []forestRow, of func(forestRow) string) vg.Length {
	widest := vg.Length(0)
	for _, r := range rows {
		if r.heading {
			continue
		}
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
		if r.heading {
			writeHeading(c, vg.Point{X: c.Min.X, Y: y}, r.name)
			continue
		}
		c.FillText(style(labelSize, ink), vg.Point{X: c.Min.X, Y: y}, r.label())
		c.FillText(style(labelSize, softInk), vg.Point{X: x, Y: y}, r.number())
		x += numbers + columnGap/2
		r.mark(c, vg.Point{X: x + 5, Y: y + labelSize*0.36})
		c.FillText(style(labelSize, r.ink()), vg.Point{X: x + wordIndent, Y: y}, r.word())
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

// writeHeading writes over what crosses the whole picture.
func writeHeading(c draw.Canvas, at vg.Point, name string) {
	sty := bold(style(labelSize, ink))
	x0, x1, y0, y1 := at.X, at.X+sty.Width(name)+6, at.Y-5, at.Y+labelSize+2
	c.FillPolygon(color.White, []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}})
	c.FillText(sty, at, name)
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

// mark draws the verdict: a square where it got worse, a triangle where better, a
// disc where neither, a ring where the question is open, a cross where it was not
// asked.
func (r forestRow) mark(c draw.Canvas, at vg.Point) {
	verdictMark(c, r.verdict, r.ink(), at)
}

func verdictMark(c draw.Canvas, v analyze.Verdict, ink color.Color, at vg.Point) {
	const radius = 5
	path := circle(at, radius)
	switch v {
	case analyze.Regressed:
		path = polygon(at, radius*0.95, [][2]float64{{-1, -1}, {1, -1}, {1, 1}, {-1, 1}})
	case analyze.Improved:
		path = polygon(at, radius*1.2, [][2]float64{{0, 1.05}, {-1, -0.75}, {1, -0.75}})
	case analyze.NotComparable:
		cross := draw.LineStyle{Color: ink, Width: 2}
		c.StrokeLine2(cross, at.X-4, at.Y-4, at.X+4, at.Y+4)
		c.StrokeLine2(cross, at.X-4, at.Y+4, at.X+4, at.Y-4)
		return
	case analyze.Inconclusive, "":
		c.SetColor(color.White)
		c.Fill(path)
		c.SetLineStyle(draw.LineStyle{Color: ink, Width: 2})
		c.Stroke(path)
		return
	}
	c.SetColor(ink)
	c.Fill(path)
}

// footOfForest explains what the rows show besides their marks.
func footOfForest(rows []forestRow) []string {
	var foot []string
	if m := margins(rows); m != "" {
		foot = append(foot, "margin "+m)
	}
	s := shown(rows)
	if slices.ContainsFunc(rows, func(r forestRow) bool { return r.lo < s.min || r.hi > s.max }) {
		foot = append(foot, "an arrow: the interval goes on")
	}
	return foot
}

// margins lists the margins of the rows: "3 %, 5 %".
func margins(rows []forestRow) string {
	var out []string
	for _, r := range rows {
		m := fmt.Sprintf("%.3g %%", r.margin)
		if !r.heading && r.margin > 0 && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return strings.Join(out, ", ")
}

func armFoot(name string, a analyze.Arm) string {
	return fmt.Sprintf("%s: %s, %s", name, plural(a.Runs, "run"), startsInWords(a.Starts, a.StartsKnown))
}

// altOfForest says every effect; headings go before those that they are above.
func altOfForest(title string, rows []forestRow) string {
	var parts []string
	section := ""
	for _, r := range rows {
		if r.heading {
			section = r.name + ", "
			continue
		}
		parts = append(parts, fmt.Sprintf("%s%s %s, %s", section, r.name, r.number(), r.verdict))
	}
	return fmt.Sprintf("%s: %s.", title, strings.Join(parts, "; "))
}
