package plot

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

// A distribution is the ECDF of one version at one level, checked.
type distribution struct {
	name string
	look look
	n    int64
	x, p []float64 // x in s, above zero
	zero float64   // share of gaps that are zero
}

// A distributedLevel is one panel: every version at one level.
type distributedLevel struct {
	asked int64
	of    []distribution
}

// tail is the share of gaps at either end that may lie outside a panel: a single
// stall of seconds would otherwise press everything else together.
const tail = 0.0005

// A measured is what a distribution is of.
type measured struct {
	name string // "ITL"
	of   string // "chunk gaps": what is counted
	unit string // "gaps": the same in a word
	axis string // what the y axis shows
}

var (
	gaps       = measured{"ITL", "chunk gaps", "gaps", "share of chunk gaps no longer than ITL (%)"}
	firstWaits = measured{"TTFT", "requests", "requests", "share of requests with a TTFT no longer (%)"}
)

// ITLDistribution draws the empirical distribution of chunk gaps of every
// version at the lowest and the highest level that was distributed over.
func ITLDistribution(s analyze.Sweep) (Figure, error) {
	ecdfs := make([][]analyze.ECDF, len(s.Series))
	for i := range s.Series {
		ecdfs[i] = s.Series[i].ITL
	}
	return distributions(s, ecdfs, gaps)
}

// TTFTDistribution draws the same of the TTFT of requests. ttft[i] are the
// distributions of s.Series[i], one a level, in seconds.
func TTFTDistribution(s analyze.Sweep, ttft [][]analyze.ECDF) (Figure, error) {
	if len(ttft) != len(s.Series) {
		return Figure{}, fmt.Errorf("distributions of %d series, not of %d", len(ttft), len(s.Series))
	}
	return distributions(s, ttft, firstWaits)
}

func distributions(s analyze.Sweep, ecdfs [][]analyze.ECDF, what measured) (Figure, error) {
	drawn, note := newest(s.Series)
	levels, err := levelsOf(drawn, ecdfs[len(s.Series)-len(drawn):], what)
	if err != nil {
		return Figure{}, err
	}
	f := frame{
		title:   "Distribution of " + what.name,
		subject: Subject(s.Group),
		foot:    append(distributionFoot(levels, drawn, what), note...),
	}
	return Figure{
		Title:  f.title,
		Alt:    altOfDistributions(levels, drawn, what),
		height: height,
		draw:   func(c draw.Canvas) { drawDistributions(f.draw(c), levels, what) },
	}, nil
}

// levelsOf returns the lowest and the highest level for which there are
// distributions.
func levelsOf(all []analyze.Series, ecdfs [][]analyze.ECDF, what measured) ([]distributedLevel, error) {
	byLevel := map[int64][]distribution{}
	for i, s := range all {
		for _, e := range ecdfs[i] {
			d, err := newDistribution(e, seriesName(s), lookOf(i))
			if err != nil {
				return nil, fmt.Errorf("series %s, c=%d: %w", seriesName(s), e.MaxConcurrency, err)
			}
			byLevel[e.MaxConcurrency] = append(byLevel[e.MaxConcurrency], d)
		}
	}
	if len(byLevel) == 0 {
		return nil, fmt.Errorf("no series has a distribution of %s", what.of)
	}
	var asked []int64
	for l := range byLevel {
		asked = append(asked, l)
	}
	slices.Sort(asked)
	levels := []distributedLevel{{asked[0], byLevel[asked[0]]}}
	if last := asked[len(asked)-1]; last != asked[0] {
		levels = append(levels, distributedLevel{last, byLevel[last]})
	}
	return levels, nil
}

// newDistribution checks an ECDF. Gaps of zero are real (two chunks in one read)
// but have no place on a logarithmic axis: they are counted apart.
func newDistribution(e analyze.ECDF, name string, l look) (distribution, error) {
	d := distribution{name: name, look: l, n: e.N}
	if len(e.X) != len(e.P) || len(e.X) == 0 {
		return d, fmt.Errorf("%d values with %d shares", len(e.X), len(e.P))
	}
	for i := range e.X {
		if err := finite(fmt.Sprintf("value %d", i), "the value or its share", e.X[i], e.P[i]); err != nil {
			return d, err
		}
		if e.X[i] < 0 || e.P[i] < 0 || e.P[i] > 1 {
			return d, fmt.Errorf("value %d: %v with share %v cannot be", i, e.X[i], e.P[i])
		}
		if i > 0 && (e.X[i] < e.X[i-1] || e.P[i] < e.P[i-1]) {
			return d, fmt.Errorf("value %d: a distribution does not fall", i)
		}
		if e.X[i] == 0 {
			d.zero = e.P[i]
			continue
		}
		d.x, d.p = append(d.x, e.X[i]), append(d.p, e.P[i])
	}
	if len(d.x) == 0 {
		return d, errors.New("every value is zero")
	}
	return d, nil
}

// quantile returns the gap that a share p of the gaps does not exceed, between
// the values as [distribution.line] draws it.
func (d distribution) quantile(p float64) float64 {
	i := min(sort.SearchFloat64s(d.p, p), len(d.p)-1)
	if i == 0 || d.p[i] <= p || d.p[i] == d.p[i-1] {
		return d.x[i]
	}
	return d.x[i-1] + (d.x[i]-d.x[i-1])*(p-d.p[i-1])/(d.p[i]-d.p[i-1])
}

// line returns the distribution in per cent, without points too near to the one
// before to be seen. Points are joined by straight lines: the values are upper
// bounds of histogram buckets, and steps there would draw the buckets instead of
// the data.
//
// The line goes from one edge of what is shown to the other: at the left are the
// gaps that are zero, at the right all of them.
func (d distribution) line(u scale.Unit, shown span) plotter.XYs {
	const tooNear, tooFlat = 1.0005, 0.0005
	out := plotter.XYs{{X: u.In(min(shown.min, d.x[0])), Y: 100 * d.zero}}
	share, last := d.zero, 0.0
	for i := range d.x {
		if i < len(d.x)-1 && d.x[i] < last*tooNear && d.p[i] < share+tooFlat {
			continue
		}
		out = append(out, plotter.XY{X: u.In(d.x[i]), Y: 100 * d.p[i]})
		share, last = d.p[i], d.x[i]
	}
	return append(out, plotter.XY{X: u.In(max(shown.max, last)), Y: 100 * share})
}

// panelGap is the room between the two panels.
const panelGap = 26

func drawDistributions(c draw.Canvas, levels []distributedLevel, what measured) {
	head := style(labelSize, ink)
	baseline := c.Max.Y - head.FontExtents().Height
	c.FillText(head, vg.Point{X: c.Min.X, Y: baseline}, what.axis)
	c.Max.Y = baseline - 8
	key := versionKey(levels)
	if keyLength(key)+head.Width(what.axis)+keySpace <= c.Max.X-c.Min.X {
		drawKey(c, key, baseline)
	} else {
		c.Max.Y = drawKeyRows(c, key) - 6
	}

	n := vg.Length(len(levels))
	w := (c.Max.X - c.Min.X - (n-1)*panelGap) / n
	for i, l := range levels {
		left := vg.Length(i) * (w + panelGap)
		part := draw.Crop(c, left, left+w-(c.Max.X-c.Min.X), 0, 0)
		l.panel(w, what).draw(part)
	}
}

// versionKey names the versions: their lines all end at 100 %, where there is no
// room for names.
func versionKey(levels []distributedLevel) []keyEntry {
	var key []keyEntry
	seen := map[string]bool{}
	for _, l := range levels {
		for _, d := range l.of {
			if seen[d.name] {
				continue
			}
			seen[d.name] = true
			key = append(key, keyEntry{d.drawSample, d.name})
		}
	}
	return key
}

func (d distribution) drawSample(c draw.Canvas, at vg.Point) {
	c.StrokeLine2(d.look.line(), at.X-6, at.Y, at.X+keyWidth, at.Y)
	d.look.mark.DrawGlyph(&c, draw.GlyphStyle{Color: d.look.color, Radius: runRadius}, vg.Point{X: at.X + keyWidth/2 - 3, Y: at.Y})
}

func (l distributedLevel) panel(length vg.Length, what measured) *panel {
	p := plot.New()
	houseStyle(p)
	u, x := l.unit(), l.span()
	logAxis(&p.X, span{u.In(x.min), u.In(x.max)}, 8)
	p.Y.Min, p.Y.Max = 0, 103
	p.Y.Tick.Marker = plot.ConstantTicks{
		{Value: 0, Label: "0"}, {Value: 25, Label: "25"}, {Value: 50, Label: "50"}, {Value: 75, Label: "75"}, {Value: 100, Label: "100"},
	}
	p.Add(grid())
	for _, d := range l.of {
		line, err := plotter.NewLine(d.line(u, x))
		if err != nil {
			panic(err) // the numbers were checked
		}
		line.LineStyle = d.look.line()
		median, late := d.quantile(0.5), d.quantile(0.99)
		p.Add(inside{line}, marks{at: plotter.XYs{{X: u.In(median), Y: 50}, {X: u.In(late), Y: 99}}, look: d.look})
	}
	return &panel{plot: p, heading: l.name(), below: u.Heading(what.name) + ", log scale"}
}

func (l distributedLevel) name() string {
	if l.asked == 0 {
		return "no limit of concurrency"
	}
	return fmt.Sprintf("max concurrency %d", l.asked)
}

// span returns the gaps that the panel shows.
func (l distributedLevel) span() span {
	lo, hi := math.Inf(1), 0.0
	for _, d := range l.of {
		lo, hi = math.Min(lo, d.quantile(tail)), math.Max(hi, d.quantile(1-tail))
	}
	return span{lo * 0.93, hi * 1.07}
}

func (l distributedLevel) unit() scale.Unit {
	var values []scale.Number
	for _, d := range l.of {
		values = append(values, scale.Bare(d.quantile(0.5)), scale.Bare(d.quantile(0.99)))
	}
	return scale.For("s", values...)
}

// distributionFoot says what the distributions rest on and what cannot be seen.
func distributionFoot(levels []distributedLevel, all []analyze.Series, what measured) []string {
	var counts []string
	hidden := false
	for _, l := range levels {
		total := int64(0)
		for _, d := range l.of {
			total += d.n
			hidden = hidden || d.x[len(d.x)-1] > l.span().max
		}
		counts = append(counts, fmt.Sprintf("%s at %s", scale.Count(total), l.name()))
	}
	foot := []string{"marks at p50 and p99", what.unit + ": " + strings.Join(counts, ", ")}
	if hidden {
		foot = append(foot, fmt.Sprintf("the longest %g %% reach beyond the axis", 100*tail))
	}
	return append(append(foot, zeroNotes(levels, what)...), footOf(all, wholeRuns)...)
}

func zeroNotes(levels []distributedLevel, what measured) []string {
	var notes []string
	for _, l := range levels {
		for _, d := range l.of {
			if d.zero > 0 {
				notes = append(notes, fmt.Sprintf("%s: %.1f %% of the %s at %s are zero", d.name, 100*d.zero, what.unit, l.name()))
			}
		}
	}
	return notes
}

func altOfDistributions(levels []distributedLevel, all []analyze.Series, what measured) string {
	simulated := ""
	if slices.ContainsFunc(all, func(s analyze.Series) bool { return s.Simulated }) {
		simulated = " (simulated)"
	}
	var parts []string
	for _, l := range levels {
		u := l.unit()
		var of []string
		for _, d := range l.of {
			of = append(of, fmt.Sprintf("%s has p50 %s and p99 %s", d.name,
				u.FormatWithUnit(scale.Bare(d.quantile(0.5))), u.FormatWithUnit(scale.Bare(d.quantile(0.99)))))
		}
		parts = append(parts, fmt.Sprintf("at %s %s", l.name(), strings.Join(of, ", ")))
	}
	return fmt.Sprintf("Distribution of %s%s: %s.", what.name, simulated, strings.Join(parts, "; "))
}
