package plot

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

// A quantity is something measured at every load point.
type quantity struct {
	name string // "ITL mean"
	unit string // stored unit
	fit  string // metric of its fit; empty where none is made
	// objective is what a service-level objective calls it; empty where none does.
	objective string
	point     func(analyze.Point) float64
	level     func(analyze.Level) analyze.Estimate
}

// quantities are what can be drawn against concurrency, by the name that callers
// use.
var quantities = map[string]quantity{
	"itl": {
		"ITL mean", "s", "itl", "itl_mean",
		func(p analyze.Point) float64 { return p.ITLMean }, func(l analyze.Level) analyze.Estimate { return l.ITLMean },
	},
	"itl_p99": {
		"ITL p99", "s", "", "itl_p99",
		func(p analyze.Point) float64 { return p.ITLp99 }, func(l analyze.Level) analyze.Estimate { return l.ITLp99 },
	},
	"ttft": {
		"TTFT p50", "s", "ttft", "ttft_p50",
		func(p analyze.Point) float64 { return p.TTFTp50 }, func(l analyze.Level) analyze.Estimate { return l.TTFTp50 },
	},
	"ttft_p99": {
		"TTFT p99", "s", "", "ttft_p99",
		func(p analyze.Point) float64 { return p.TTFTp99 }, func(l analyze.Level) analyze.Estimate { return l.TTFTp99 },
	},
	"tpot": {
		"TPOT mean", "s", "", "tpot_mean",
		func(p analyze.Point) float64 { return p.TPOTMean }, func(l analyze.Level) analyze.Estimate { return l.TPOTMean },
	},
	"e2el": {
		"E2EL p50", "s", "", "e2el_p50",
		func(p analyze.Point) float64 { return p.E2ELp50 }, func(l analyze.Level) analyze.Estimate { return l.E2ELp50 },
	},
}

var throughput = quantity{
	"output throughput", "tokens/s", "output_throughput", "",
	func(p analyze.Point) float64 { return p.Output }, func(l analyze.Level) analyze.Estimate { return l.Output },
}

// LatencyVsConcurrency draws a latency of every version of a sweep against the
// concurrency that was achieved. metric is one of itl (its mean), itl_p99, ttft
// (its median), ttft_p99, tpot and e2el.
func LatencyVsConcurrency(s analyze.Sweep, metric string) (Figure, error) {
	q, ok := quantities[metric]
	if !ok {
		known := slices.Sorted(maps.Keys(quantities))
		return Figure{}, fmt.Errorf("no latency is called %q; there are %s", metric, strings.Join(known, ", "))
	}
	return againstConcurrency(s, q)
}

// TTFTVsConcurrency draws the median TTFT against achieved concurrency.
func TTFTVsConcurrency(s analyze.Sweep) (Figure, error) {
	return againstConcurrency(s, quantities["ttft"])
}

// ThroughputVsConcurrency draws the output throughput against achieved
// concurrency.
func ThroughputVsConcurrency(s analyze.Sweep) (Figure, error) {
	return againstConcurrency(s, throughput)
}

// window says which part of the runs the quantity is of.
func (q quantity) window() func(analyze.Series) string {
	if strings.HasSuffix(q.name, "p99") {
		return wholeRuns
	}
	return windowOf
}

// widelySpread is the ratio of highest to lowest value above which a linear axis
// would press half of the curve into its bottom line.
const widelySpread = 60

func againstConcurrency(s analyze.Sweep, q quantity) (Figure, error) {
	drawn, note := newest(s.Series)
	unit := q.unitFor(drawn)
	var curves []curve
	for i, series := range drawn {
		c, err := newCurve(series, q, unit, lookOf(i))
		if err != nil {
			return Figure{}, fmt.Errorf("series %s: %w", seriesName(series), err)
		}
		if len(c.levels) > 0 || len(c.runs) > 0 {
			curves = append(curves, c)
		}
	}
	if len(curves) == 0 {
		return Figure{}, fmt.Errorf("no series has a value of %s", q.name)
	}

	f := frame{
		title:   capital(q.name) + " against concurrency",
		subject: Subject(s.Group),
		foot:    append(footOf(drawn, q.window()), note...),
	}
	for _, c := range curves {
		f.foot = append(f.foot, c.notes...)
	}
	f.foot = append(f.foot, objectiveNotes(drawn)...)
	limits := q.limits(drawn)
	for i := range limits {
		limits[i] = unit.In(limits[i])
	}
	if len(curves) > 1 {
		f.foot = append(f.foot, "versions set side by side")
	}
	if _, ok := confidence(curves); ok {
		f.foot = append(f.foot, "an interval shorter than a mark is not drawn")
	}
	if notes := notesOf(curves); len(notes) > maxNotes {
		f.foot = append(f.foot, "dotted down to the axis: the knee of a fit")
	}
	return Figure{
		Title:  f.title,
		Alt:    altOfCurves(q, curves, unit),
		height: height,
		draw: func(c draw.Canvas) {
			p := curvesPanel(curves, q, unit, limits)
			p.draw(f.draw(c))
		},
	}, nil
}

// newest returns the series to draw: as many of the newest as can be kept apart,
// and a note on those left out.
func newest(all []analyze.Series) ([]analyze.Series, []string) {
	left := len(all) - maxSeries
	if left <= 0 {
		return all, nil
	}
	return all[left:], []string{fmt.Sprintf("%d older versions are not drawn", left)}
}

// unitFor returns the one unit of the whole picture.
func (q quantity) unitFor(all []analyze.Series) scale.Unit {
	var values []scale.Number
	for _, s := range all {
		for _, p := range s.Points {
			values = append(values, scale.Bare(q.point(p)))
		}
	}
	return scale.For(q.unit, values...)
}

// farLimit is how many times the highest value a limit may be and still be worth
// the room up to it.
const farLimit = 1.5

func curvesPanel(curves []curve, q quantity, unit scale.Unit, limits []float64) *panel {
	p := plot.New()
	houseStyle(p)
	var levels []int64
	var achieved, values []float64
	var ends []end
	for _, c := range curves {
		levels = append(levels, c.asked()...)
		achieved, values = append(achieved, c.xs()...), append(values, c.ys()...)
	}
	for _, c := range curves {
		ends = append(ends, c.end(sharing(unit, lastLevels(curves))))
	}
	for _, l := range limits {
		if l <= farLimit*slices.Max(values) {
			values = append(values, l)
		}
	}
	slices.Sort(levels)
	concurrencyAxis(&p.X, slices.Compact(levels), spanOf(achieved), width-220)
	heading := unit.Heading(q.name)
	if s := spanOf(values); s.min > 0 && s.max > widelySpread*s.min {
		logAxis(&p.Y, span{s.min * 0.85, s.max * 1.15}, 12)
		heading += ", log scale"
	} else {
		linearAxis(&p.Y, s)
	}
	p.Add(grid(), limitLines{limits, unit})
	for _, c := range curves {
		c.addBand(p)
	}
	for i, c := range curves {
		c.addMarks(p, aside(i, len(curves)))
	}
	out := &panel{plot: p, heading: heading, below: concurrencyLabel(levels), key: keyOf(curves), ends: ends}
	out.lastDraw = func(c draw.Canvas, p *plot.Plot) {
		drawKnees(c, p, curves)
		drawCapacities(c, p, curves)
		if notes := notesOf(curves); len(notes) <= maxNotes {
			drawNotes(c, notes, bendsAt(c, p, curves), inked(c, p, curves))
		}
	}
	return out
}

// aside is how far, in points, the marks of the i-th of n versions stand from
// where they belong: the first a mark's width before the last.
func aside(i, n int) vg.Length {
	if n < 2 {
		return 0
	}
	const apart = 2 * runRadius
	return apart * (vg.Length(i)/vg.Length(n-1) - 0.5)
}

// concurrencyLabel says which of the two concurrencies the axis shows.
func concurrencyLabel(levels []int64) string {
	if len(levels) == 0 {
		return "achieved concurrency: requests in flight, on average (log scale)"
	}
	return "achieved concurrency: requests in flight, on average (log scale, ticks at the levels asked for)"
}

// altOfCurves says in one sentence where each curve begins and ends.
func altOfCurves(q quantity, curves []curve, unit scale.Unit) string {
	var ends []levelMark
	for _, c := range curves {
		ends = append(ends, c.firstAndLast()...)
	}
	unit = sharing(unit, ends)
	parts := make([]string, len(curves))
	for i, c := range curves {
		parts[i] = c.inWords(unit)
	}
	simulated := ""
	if slices.ContainsFunc(curves, func(c curve) bool { return c.simulated }) {
		simulated = " (simulated)"
	}
	return fmt.Sprintf("%s against achieved concurrency%s: %s.", capital(q.name), simulated, strings.Join(parts, "; "))
}

// Subject names what was measured on what, for the second line of a picture.
func Subject(g analyze.Group) string {
	parts := []string{orUnknown(g.Model, "model"), orUnknown(g.Hardware, "hardware")}
	if g.Path != "" {
		parts = append(parts, printable(g.Path)+" path")
	}
	return strings.Join(parts, " · ")
}

func orUnknown(s, what string) string {
	if s == "" {
		return what + " not recorded"
	}
	return printable(s)
}

// seriesName is a version as it stands at the end of a line. "unknown" is what an
// analysis calls one that was not recorded.
func seriesName(s analyze.Series) string {
	if s.Version == "" || s.Version == "unknown" {
		return "unknown version"
	}
	return shortName(s.Version, 24)
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// footOf says what every series rests on, once for series that rest on alike.
func footOf(all []analyze.Series, window func(analyze.Series) string) []string {
	var counts []string // in order of appearance
	names := map[string][]string{}
	simulated := 0
	for _, s := range all {
		count := plural(len(s.Points), "run") + ", " + startsInWords(s.Starts, s.StartsKnown)
		if len(names[count]) == 0 {
			counts = append(counts, count)
		}
		names[count] = append(names[count], seriesName(s))
		if s.Simulated {
			simulated++
		}
	}
	var parts []string
	for _, count := range counts {
		each, of := "", strings.Join(names[count], ", ")
		if len(names[count]) > 1 {
			each = " each"
		}
		if len(names[count]) > mostNames {
			of = fmt.Sprintf("%d versions", len(names[count]))
		}
		parts = append(parts, of+": "+count+each)
	}
	parts = append(parts, windowsOf(all, window)...)
	switch {
	case simulated == len(all):
		parts = append(parts, simulatedNote)
	case simulated > 0:
		parts = append(parts, "in part simulated")
	}
	return parts
}

// mostNames is how many versions are named in front of what they have in common.
const mostNames = 4

// windowsOf says once which part of the runs the numbers are of.
func windowsOf(all []analyze.Series, window func(analyze.Series) string) []string {
	var out []string
	for _, s := range all {
		if w := window(s); w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	if len(out) > 1 {
		return []string{"windows differ: see the report"}
	}
	return out
}

// windowOf says which part of the runs the numbers of a series are of.
func windowOf(s analyze.Series) string {
	switch s.Window {
	case analyze.Steady:
		return "steady window of each run"
	case analyze.WholeRun:
		return "whole runs"
	}
	return ""
}

// wholeRuns is said of what is never restricted to a window: tails and
// distributions.
func wholeRuns(analyze.Series) string { return "whole runs" }

const simulatedNote = "simulated, no server was measured"

// startsInWords says what was replicated.
func startsInWords(starts int, known bool) string {
	if known {
		return plural(starts, "server start")
	}
	return plural(starts, "repeat") + " (server starts not recorded)"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return scale.Count(int64(n)) + " " + what + "s"
}

// A small sample of each kind of ink, in grey, for the key.
func keyOf(curves []curve) []keyEntry {
	entries := []keyEntry{{drawSampleMark, "one run"}}
	if level, ok := confidence(curves); ok {
		entries = append(entries, keyEntry{drawSampleBar, level + " interval"})
	}
	fitted, joined := false, false
	for _, c := range curves {
		fitted, joined = fitted || c.fitted, joined || !c.fitted && len(c.levels) > 1
	}
	if fitted {
		entries = append(entries, keyEntry{drawSampleFit, "fit and its band"})
	}
	if joined {
		entries = append(entries, keyEntry{drawSampleJoin, "levels joined, no fit"})
	}
	if slices.ContainsFunc(curves, func(c curve) bool { return slices.ContainsFunc(c.levels, levelMark.missed) }) {
		entries = append(entries, keyEntry{drawSampleShortfall, "asked, not reached"})
	}
	return entries
}

// confidence returns the level of the intervals drawn, as a word: "95 %", or ""
// where they have several. ok reports whether any is drawn.
func confidence(curves []curve) (word string, ok bool) {
	level, several := 0.0, false
	for _, c := range curves {
		for _, l := range c.levels {
			if !l.bounded {
				continue
			}
			several = several || ok && l.confidence != level
			level, ok = l.confidence, true
		}
	}
	if several || level == 0 {
		return "confidence", ok
	}
	return fmt.Sprintf("%g %%", level*100), ok
}

func drawSampleMark(c draw.Canvas, at vg.Point) {
	at.X += keyWidth - 6
	mark(0).DrawGlyph(&c, draw.GlyphStyle{Color: softInk, Radius: runRadius}, at)
}

func drawSampleBar(c draw.Canvas, at vg.Point) {
	sty := draw.LineStyle{Color: softInk, Width: barWidth}
	x := at.X + keyWidth - 6
	c.StrokeLine2(sty, x, at.Y-6, x, at.Y+6)
	c.StrokeLine2(sty, x-capWidth/2, at.Y-6, x+capWidth/2, at.Y-6)
	c.StrokeLine2(sty, x-capWidth/2, at.Y+6, x+capWidth/2, at.Y+6)
}

func drawSampleFit(c draw.Canvas, at vg.Point) {
	c.FillPolygon(over(softInk, 0.2), []vg.Point{
		{X: at.X, Y: at.Y - 5}, {X: at.X + keyWidth, Y: at.Y - 5}, {X: at.X + keyWidth, Y: at.Y + 5}, {X: at.X, Y: at.Y + 5},
	})
	c.StrokeLine2(draw.LineStyle{Color: softInk, Width: 2}, at.X, at.Y, at.X+keyWidth, at.Y)
}

func drawSampleShortfall(c draw.Canvas, at vg.Point) {
	drawShortfall(c, softInk, at.X, at.X+keyWidth, at.Y)
}

func drawSampleJoin(c draw.Canvas, at vg.Point) {
	sty := draw.LineStyle{Color: softInk, Width: 1}
	c.StrokeLine2(sty, at.X, at.Y, at.X+keyWidth, at.Y)
}
