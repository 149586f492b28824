package plot

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"

	"github.com/servestat/servestat/report/scale"
)

// A span is the part of a quantity that an axis shows.
type span struct{ min, max float64 }

// spanOf returns the span of the values, which must not be empty.
func spanOf(values []float64) span { return span{slices.Min(values), slices.Max(values)} }

// linearAxis sets an axis from zero, or from below it where values are, to the
// first round step above them.
func linearAxis(a *plot.Axis, values span) {
	lo, hi := min(values.min, 0), max(values.max, 0)
	step := roundStep((hi - lo) / 5)
	a.Min = math.Floor(lo/step) * step
	a.Max = math.Ceil(hi/step-0.05) * step // a value a hair above a tick needs no further one
	a.Max = max(a.Max, hi+0.02*(hi-lo))
	a.Tick.Marker = plot.ConstantTicks(evenTicks(span{a.Min - step/1000, a.Max + step/1000}, step))
}

// roundStep returns the round number, 1, 2, 2.5 or 5 times a power of ten, at or
// above v.
func roundStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow10(int(math.Floor(math.Log10(v))))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if v <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// logAxis sets an axis to a logarithmic scale with ticks at 1, 2 and 5 times the
// powers of ten; at the powers alone where that would be more than most, and at
// more round numbers where it would be too few.
func logAxis(a *plot.Axis, values span, most int) {
	a.Scale = plot.LogScale{}
	a.Min, a.Max = values.min, values.max
	ticks := logTicks(values, 1, 2, 5)
	switch {
	case values.max < 3*values.min: // nearly linear
		ticks = evenTicks(values, roundStep((values.max-values.min)/6))
	case len(ticks) < 4:
		ticks = logTicks(values, 1, 1.5, 2, 3, 5, 7)
	case len(ticks) > most:
		ticks = logTicks(values, 1)
	}
	a.Tick.Marker = plot.ConstantTicks(ticks)
}

func evenTicks(values span, step float64) []plot.Tick {
	var ticks []plot.Tick
	for i := math.Ceil(values.min / step); i*step <= values.max; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: scale.Tick(i*step, step)})
	}
	return ticks
}

func logTicks(values span, multiples ...float64) []plot.Tick {
	var ticks []plot.Tick
	for e := int(math.Floor(math.Log10(values.min))); e <= int(math.Ceil(math.Log10(values.max))); e++ {
		for _, m := range multiples {
			v := m * math.Pow10(e)
			if v >= values.min && v <= values.max {
				ticks = append(ticks, plot.Tick{Value: v, Label: scale.Tick(v, m*math.Pow10(e))})
			}
		}
	}
	return ticks
}

// concurrencyAxis sets an axis to a logarithmic scale of base two with ticks at
// the levels that were asked for, and at nothing else. length is about how long
// the axis will be: where labels would touch, the tick stays without one.
func concurrencyAxis(a *plot.Axis, levels []int64, achieved span, length vg.Length) {
	a.Scale = plot.LogScale{}
	lo, hi := achieved.min, achieved.max
	for _, l := range levels {
		lo, hi = min(lo, float64(l)), max(hi, float64(l))
	}
	margin := math.Pow(hi/lo, 0.03) * 1.06
	if hi < 1.5*lo { // a single level: do not zoom into its noise
		margin = 1.5
	}
	a.Min, a.Max = lo/margin, hi*margin
	if len(levels) == 0 { // load was offered by rate: no level was asked for
		a.Tick.Marker = plot.ConstantTicks(powersOfTwo(a.Min, a.Max))
		return
	}
	a.Tick.Marker = plot.ConstantTicks(levelTicks(a, levels, length))
}

func powersOfTwo(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Ceil(math.Log2(lo)); e <= math.Log2(hi); e++ {
		ticks = append(ticks, plot.Tick{Value: math.Exp2(e), Label: scale.Tick(math.Exp2(e), min(math.Exp2(e), 1))})
	}
	return ticks
}

// levelTicks labels as many levels as fit, the lowest and the highest first.
func levelTicks(a *plot.Axis, levels []int64, length vg.Length) []plot.Tick {
	ticks := make([]plot.Tick, len(levels))
	for i, l := range levels {
		ticks[i].Value = float64(l)
	}
	var taken []span
	label := func(i int) {
		room := labelSpan(a.Tick.Label, a.Norm(ticks[i].Value), scale.Count(levels[i]), length)
		if !slices.ContainsFunc(taken, room.touches) {
			taken = append(taken, room)
			ticks[i].Label = scale.Count(levels[i])
		}
	}
	label(0)
	label(len(levels) - 1)
	for i := 1; i < len(levels)-1; i++ {
		label(i)
	}
	return ticks
}

// labelSpan returns the part of an axis, from 0 to 1, that a label takes.
func labelSpan(sty text.Style, at float64, label string, length vg.Length) span {
	half := float64((sty.Width(label)/2 + 4) / length)
	return span{at - half, at + half}
}

func (s span) touches(o span) bool { return s.min < o.max && o.min < s.max }

// houseStyle gives a plot our fonts and lines.
//
// Note: the axes' own labels stay empty. gonum/plot computes their width as if
// every axis were linear, and makes room at the right that nothing needs.
func houseStyle(p *plot.Plot) {
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Width = frameInk, 0.8
		a.Padding = 0
		a.Tick.Color, a.Tick.Width, a.Tick.Length = frameInk, 0.8, 5
	}
	p.X.Tick.Label = aligned(style(tickSize, softInk), text.XCenter, text.YTop)
	p.Y.Tick.Label = aligned(style(tickSize, softInk), text.XRight, text.YCenter)
}
