package plot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

// A capacity is the largest concurrency at which a version keeps an objective.
type capacity struct {
	x, lo, hi float64
	tested    int64 // the level that was run; 0: a point of a fitted curve
}

// takeObjectives notes how far each objective is kept: by the fitted curves where
// that lies in the range that is drawn, and else by the levels that were run.
func (c *curve) takeObjectives(s analyze.Series) {
	if len(c.line) == 0 {
		return
	}
	xs := spanOf(xsOf(c.line))
	for _, o := range s.Objectives {
		switch {
		case o.Fitted != nil && !o.Beyond && o.Fitted.Value > xs.min && o.Fitted.Value < xs.max:
			k := capacity{x: o.Fitted.Value, lo: o.Fitted.Value, hi: o.Fitted.Value}
			if o.Fitted.HasInterval {
				k.lo, k.hi = math.Max(o.Fitted.Lo, xs.min), math.Min(o.Fitted.Hi, xs.max)
			}
			c.kept = append(c.kept, k)
		case o.Largest > 0 && !o.Beyond:
			c.kept = append(c.kept, capacity{x: c.achievedAt(o.Largest), tested: o.Largest})
		}
	}
}

// achievedAt is the concurrency that was achieved at a level.
func (c *curve) achievedAt(asked int64) float64 {
	for _, l := range c.levels {
		if l.asked == asked {
			return l.x
		}
	}
	return float64(asked)
}

// words says how far an objective is kept: "SLO of 0.19.0 kept to 11.2 [10.8, 11.9]".
func (k capacity) words(name string) string {
	if k.tested > 0 {
		return fmt.Sprintf("SLO of %s kept up to max concurrency %d, as tested", name, k.tested)
	}
	at := number(k.x)
	if k.lo < k.hi {
		at = scale.Unit{}.FormatEnds(scale.Within(k.x, k.lo, k.hi))
	}
	return fmt.Sprintf("SLO of %s kept to %s", name, at)
}

// objectiveNotes says at the foot what was asked for, how it ended where no mark
// can show it, each once.
func objectiveNotes(all []analyze.Series) []string {
	var out []string
	add := func(s string) {
		for _, o := range out {
			if o == s {
				return
			}
		}
		out = append(out, s)
	}
	for _, s := range all {
		for _, o := range s.Objectives {
			add("SLO: " + printable(o.Text))
			switch {
			case o.Beyond:
				add(seriesName(s) + ": SLO kept at every level")
			case o.Largest == 0:
				add(seriesName(s) + ": SLO kept at no level")
			}
		}
	}
	return out
}

// limits returns what objectives allow of the quantity, in its stored unit.
func (q quantity) limits(all []analyze.Series) []float64 {
	var out []float64
	seen := map[float64]bool{}
	for _, s := range all {
		for _, o := range s.Objectives {
			if v, ok := limitIn(o.Text, q.objective); ok && !seen[v] {
				seen[v] = true
				out = append(out, v)
			}
		}
	}
	return out
}

// limitIn returns the limit of a metric in an objective such as
// ttft_p99<500ms,itl_p99<50ms, in seconds.
func limitIn(objective, metric string) (float64, bool) {
	for _, term := range strings.Split(objective, ",") {
		name, limit, ok := strings.Cut(term, "<")
		if !ok || metric == "" || strings.TrimSpace(name) != metric {
			continue
		}
		d, err := time.ParseDuration(strings.TrimSpace(strings.TrimPrefix(limit, "=")))
		return d.Seconds(), err == nil && d > 0
	}
	return 0, false
}

// limitLines draws what objectives allow, across the whole picture.
type limitLines struct {
	at   []float64 // in the unit of the axis
	unit scale.Unit
}

// Plot implements [plot.Plotter].
func (l limitLines) Plot(c draw.Canvas, p *plot.Plot) {
	_, trY := p.Transforms(&c)
	sty := style(smallSize, ink)
	for _, v := range l.at {
		if v > p.Y.Max || v < p.Y.Min {
			continue
		}
		y := trY(v)
		c.StrokeLine2(draw.LineStyle{Color: ink, Width: 1.1, Dashes: []vg.Length{6, 3}}, c.Min.X, y, c.Max.X, y)
		c.FillText(sty, vg.Point{X: c.Min.X + 6, Y: y + 3}, "SLO: below "+strconv.FormatFloat(v, 'g', 4, 64)+" "+l.unit.Symbol)
	}
}

// drawCapacities marks how far objectives are kept: a triangle hanging from the
// top with the interval as a bar, and a line down to the axis.
func drawCapacities(c draw.Canvas, p *plot.Plot, curves []curve) {
	trX, _ := p.Transforms(&c)
	for i, curve := range curves {
		for _, k := range curve.kept {
			x := trX(k.x)
			if k.tested > 0 { // a level that others may have kept to as well
				x += aside(i, len(curves))
			}
			c.StrokeLine2(draw.LineStyle{Color: curve.look.text(), Width: 1, Dashes: []vg.Length{7, 2, 2, 2}}, x, c.Min.Y, x, c.Max.Y)
			if k.lo < k.hi {
				c.StrokeLine2(draw.LineStyle{Color: curve.look.color, Width: 4}, trX(k.lo), c.Max.Y-2, trX(k.hi), c.Max.Y-2)
			}
			c.FillPolygon(curve.look.text(), []vg.Point{{X: x - 6, Y: c.Max.Y - 5}, {X: x + 6, Y: c.Max.Y - 5}, {X: x, Y: c.Max.Y - 15}})
		}
	}
}
