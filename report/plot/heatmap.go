package plot

import (
	"errors"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

const (
	gridColumns = analyze.GapColumns // of time
	gridRows    = analyze.GapRows    // of gap, evenly on a logarithmic scale
)

// A GapGrid counts chunk gaps by when they ended and how long they were. It takes
// the gaps of a run one by one, in any order, and its size does not depend on how
// many there are.
type GapGrid struct {
	time, gap span
	count     [gridColumns][gridRows]int64
	n, zero   int64
	beyond    int64 // longer or shorter than the grid, or at another time
}

// NewGapGrid returns an empty grid for gaps between shortest and longest that end
// between from and to, all in seconds.
func NewGapGrid(from, to, shortest, longest float64) (*GapGrid, error) {
	if err := finite("the grid", "a bound", from, to, shortest, longest); err != nil {
		return nil, err
	}
	if !(from < to) || !(shortest > 0) || !(shortest < longest) {
		return nil, fmt.Errorf("no grid of times %v to %v s and gaps %v to %v s", from, to, shortest, longest)
	}
	return &GapGrid{time: span{from, to}, gap: span{shortest, longest}}, nil
}

// Add counts a gap that ended at time at.
func (g *GapGrid) Add(at, gap float64) error { return g.AddMany(at, gap, 1) }

// AddMany counts n gaps alike that ended at time at. Gaps of zero (two chunks in one read)
// have no place on a logarithmic axis: they are counted apart, and so is what is
// outside the grid.
func (g *GapGrid) AddMany(at, gap float64, n int64) error {
	if err := finite("a gap", "its end or its length", at, gap); err != nil {
		return err
	}
	if gap < 0 {
		return fmt.Errorf("a gap at %v s is %v s long, which cannot be", at, gap)
	}
	g.n += n
	if gap == 0 {
		g.zero += n
		return nil
	}
	col := int(gridColumns * (at - g.time.min) / (g.time.max - g.time.min))
	row := int(math.Floor(gridRows * math.Log(gap/g.gap.min) / math.Log(g.gap.max/g.gap.min)))
	if at == g.time.max {
		col = gridColumns - 1
	}
	if gap == g.gap.max {
		row = gridRows - 1
	}
	if at < g.time.min || col >= gridColumns || row < 0 || row >= gridRows {
		g.beyond += n
		return nil
	}
	g.count[col][row] += n
	return nil
}

// HeatMap draws how long the chunk gaps of a run were as time went on: stalls,
// pauses for other requests' prefill, and drifts, which a distribution mixes. A
// cell is the darker the more gaps fall into it; a line follows the median. Of r
// the requests are not needed.
func (g *GapGrid) HeatMap(r Run) (Figure, error) {
	if g.n-g.zero-g.beyond == 0 {
		return Figure{}, errors.New("the run has no chunk gap to draw")
	}
	f := frame{title: "ITL over time", subject: r.subject(), foot: append(r.foot(nil, "between the dashed lines"), g.notes()...)}
	unit := unitOf("s", []float64{g.quantile(0.5)})
	return Figure{
		Title: f.title, Alt: g.alt(r, unit), height: height,
		draw: func(c draw.Canvas) { g.panel(r, unit).draw(f.draw(c)) },
	}, nil
}

func (g *GapGrid) notes() []string {
	notes := []string{plural(int(g.n), "chunk gap")}
	if g.zero > 0 {
		notes = append(notes, fmt.Sprintf("%.1f %% are zero, not drawn", 100*float64(g.zero)/float64(g.n)))
	}
	if g.beyond > 0 {
		notes = append(notes, scale.Count(g.beyond)+" beyond the axes, not drawn")
	}
	return notes
}

// bound is the lower edge of a row of gaps.
func (g *GapGrid) bound(row float64) float64 {
	return g.gap.min * math.Pow(g.gap.max/g.gap.min, row/gridRows)
}

// column is the number of gaps of a column, and the median row of them.
func (g *GapGrid) column(col int) (n int64, median float64) {
	for _, k := range g.count[col] {
		n += k
	}
	return n, rowAt(g.count[col][:], n, 0.5)
}

// rowAt is where in the rows a share p of n lies below.
func rowAt(counts []int64, n int64, p float64) float64 {
	below := int64(0)
	for row, k := range counts {
		if float64(below+k) >= p*float64(n) && k > 0 {
			return float64(row) + (p*float64(n)-float64(below))/float64(k)
		}
		below += k
	}
	return gridRows
}

// quantile is of all gaps that are in the grid.
func (g *GapGrid) quantile(p float64) float64 {
	var rows [gridRows]int64
	n := int64(0)
	for _, col := range g.count {
		for row, k := range col {
			rows[row] += k
			n += k
		}
	}
	return g.bound(rowAt(rows[:], n, p))
}

func (g *GapGrid) most() int64 {
	most := int64(1)
	for _, col := range g.count {
		for _, k := range col {
			most = max(most, k)
		}
	}
	return most
}

func (g *GapGrid) panel(r Run, unit scale.Unit) *panel {
	p := plot.New()
	houseStyle(p)
	timeAxis(&p.X, g.time)
	lo, hi := g.filled()
	logAxis(&p.Y, span{unit.In(g.bound(float64(lo))), unit.In(g.bound(float64(hi)))}, 12)
	p.Add(grid(), cells{g, unit}, windowEdges(r))
	return &panel{
		plot: p, heading: unit.Heading("ITL") + ", log scale", below: timeLabel,
		key: []keyEntry{{drawSampleMedian, "median"}, {g.drawSampleRamp, "gaps in a cell: 1 to " + scale.Count(g.most()) + ", log scale"}},
	}
}

// filled is the range of rows that hold anything, with a row of air.
func (g *GapGrid) filled() (lo, hi int) {
	lo, hi = gridRows, 0
	for _, col := range g.count {
		for row, k := range col {
			if k > 0 {
				lo, hi = min(lo, row), max(hi, row+1)
			}
		}
	}
	return max(lo-1, 0), min(hi+1, gridRows)
}

// ramp goes from pale to dark blue in even steps of lightness: it reads without
// colour.
var ramp = []color.RGBA{
	{0xd6, 0xe6, 0xf2, 0xff}, {0x9e, 0xc6, 0xe0, 0xff}, {0x57, 0xa0, 0xce, 0xff}, {0x1f, 0x72, 0xb0, 0xff}, {0x0b, 0x45, 0x7f, 0xff}, {0x06, 0x1e, 0x45, 0xff},
}

// shade is the colour of a share, from 0 to 1, of the ramp.
func shade(share float64) color.Color {
	at := share * float64(len(ramp)-1)
	i := min(int(at), len(ramp)-2)
	f := at - float64(i)
	mix := func(a, b uint8) uint8 { return uint8(float64(a)*(1-f) + float64(b)*f + 0.5) }
	a, b := ramp[i], ramp[i+1]
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 0xff}
}

func (g *GapGrid) drawSampleRamp(c draw.Canvas, at vg.Point) {
	const steps = 11
	for i := range steps {
		w := vg.Length(keyWidth) / steps
		fillBox(c, shade(float64(i)/(steps-1)), at.X+vg.Length(i)*w, at.Y-5, at.X+vg.Length(i+1)*w, at.Y+5)
	}
}

// cells draws the grid and the medians of its columns.
type cells struct {
	*GapGrid
	unit scale.Unit
}

// Plot implements [plot.Plotter].
func (g cells) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	x := func(col int) vg.Length {
		return trX(g.time.min + (g.time.max-g.time.min)*float64(col)/gridColumns)
	}
	y := func(row float64) vg.Length { return trY(g.unit.In(g.bound(row))) }
	top := math.Max(math.Log(float64(g.most())), 1)
	for col := range g.count {
		for row, n := range g.count[col] {
			if n > 0 {
				fillBox(c, shade(math.Log(float64(n))/top), x(col), y(float64(row)), x(col+1)+0.3, y(float64(row)+1)+0.3)
			}
		}
	}
	var line []vg.Point
	for col := range g.count {
		n, median := g.column(col)
		if n == 0 {
			c.StrokeLines(medianLine, line)
			line = nil
			continue
		}
		line = append(line, vg.Point{X: (x(col) + x(col+1)) / 2, Y: y(median)})
	}
	c.StrokeLines(medianLine, line)
}

// windowEdges marks the steady window where shading would hide what is drawn.
type windowEdges Run

// Plot implements [plot.Plotter].
func (w windowEdges) Plot(c draw.Canvas, p *plot.Plot) {
	if !Run(w).steady() {
		return
	}
	trX, _ := p.Transforms(&c)
	for _, t := range []float64{w.SteadyFrom, w.SteadyTo} {
		if t > p.X.Min && t < p.X.Max {
			c.StrokeLine2(draw.LineStyle{Color: ink, Width: 1, Dashes: []vg.Length{3, 3}}, trX(t), c.Min.Y, trX(t), c.Max.Y)
		}
	}
}

func (g *GapGrid) alt(r Run, unit scale.Unit) string {
	at := func(p float64) string { return unit.FormatWithUnit(scale.Bare(g.quantile(p))) }
	return fmt.Sprintf("ITL over time%s, %s: half are below about %s, 99 %% below about %s, the longest is about %s.",
		r.simulatedWord(), plural(int(g.n), "chunk gap"), at(0.5), at(0.99), at(1))
}
