package analyze

import (
	"errors"
	"math"
	"strings"

	"github.com/servestat/servestat/analyze/curve"
)

// uslLevels is the least number of levels for a curve of three parameters.
const uslLevels = 6

// bandPoints is how finely a fitted curve is drawn.
const bandPoints = 64

// fits returns the curves of a series: ITL affine in concurrency, throughput by
// the Universal Scalability Law. A curve that cannot be had says why.
func fits(points []Point) []Fit {
	return []Fit{fitITL(points), fitThroughput(points)}
}

func fitITL(points []Point) Fit {
	f := Fit{Metric: "itl", Model: curve.Affine.Name(), Formula: "ITL(c) = alpha + beta c, c the achieved concurrency"}
	fitted, ok := f.fit(curve.Affine, curvePoints(points, func(p Point) float64 { return p.ITLMean }))
	if !ok {
		return f
	}
	f.param(fitted, "alpha", "a decode step without any sequence", "s")
	f.param(fitted, "beta", "what each sequence in the batch adds", "s")
	knee, err := fitted.Knee()
	f.derive(Param{Name: "knee", Meaning: "alpha / beta, where ITL is twice alpha and throughput / latency is largest", Unit: "requests"}, knee, err)
	return f
}

func fitThroughput(points []Point) Fit {
	data := curvePoints(points, func(p Point) float64 { return p.Output })
	model, formula := curve.USL, "X(c) = gamma c / (1 + a (c-1) + b c (c-1))"
	if asked := levelsOf(points); asked < uslLevels {
		model, formula = curve.Amdahl, "X(c) = gamma c / (1 + a (c-1))"
	}
	f := Fit{Metric: "output_throughput", Model: model.Name(), Formula: formula}
	fitted, ok := f.fit(model, data)
	if !ok {
		return f
	}
	f.param(fitted, "gamma", "throughput of one request alone", "tokens/s")
	f.param(fitted, "a", "contention: what adding requests costs", "")
	f.param(fitted, "b", "coherency: what makes throughput turn down", "")
	limit, err := fitted.Limit()
	f.derive(Param{Name: "limit", Meaning: "gamma / a, what throughput levels off at without coherency cost", Unit: "tokens/s"}, limit, err)
	peak, err := fitted.Peak()
	f.derive(Param{Name: "peak", Meaning: "the concurrency at which throughput turns down", Unit: "requests"}, peak.Concurrency, err)
	return f
}

func levelsOf(points []Point) int {
	set := map[int64]bool{}
	for _, p := range points {
		set[p.MaxConcurrency] = true
	}
	return len(set)
}

func curvePoints(points []Point, y func(Point) float64) []curve.Point {
	var out []curve.Point
	for _, p := range points {
		if v := y(p); v > 0 && p.Concurrency > 0 {
			out = append(out, curve.Point{X: p.Concurrency, Y: v, Start: p.Start})
		}
	}
	return out
}

// fit fits the model and draws its band, or says why not.
func (f *Fit) fit(model *curve.Model, data []curve.Point) (*curve.Fit, bool) {
	fitted, err := model.Fit(data, curve.Options{Confidence: confidence})
	if err != nil {
		f.Refused = strings.TrimPrefix(err.Error(), "curve: ")
		return nil, false
	}
	for _, w := range fitted.Warnings {
		f.Warnings = append(f.Warnings, w.Text)
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, p := range data {
		lo, hi = math.Min(lo, p.X), math.Max(hi, p.X)
	}
	for i := range bandPoints {
		x := lo * math.Pow(hi/lo, float64(i)/(bandPoints-1))
		y, err := fitted.Predict(x)
		if err != nil {
			continue
		}
		f.Band = append(f.Band, BandPoint{X: x, Y: y.Value, Lo: y.Low, Hi: y.High})
	}
	return fitted, true
}

func (f *Fit) param(fitted *curve.Fit, name, meaning, unit string) {
	p, ok := fitted.Param(name)
	if !ok {
		return
	}
	e := Estimate{Value: p.Value, Lo: p.Low, Hi: p.High, HasInterval: finite(p.Low, p.High), Confidence: fitted.Confidence, N: fitted.Points}
	if p.AtBound {
		e.Notes = append(e.Notes, "at its bound: the data do not need this term")
	}
	f.Params = append(f.Params, Param{Name: name, Meaning: meaning, Unit: unit, Value: e})
}

// derive adds a quantity that follows from the fit. What the data do not
// determine is said in words.
func (f *Fit) derive(p Param, e curve.Estimate, err error) {
	switch {
	case errors.Is(err, curve.ErrNoKnee):
		p.Text = "none: ITL does not rise with concurrency"
	case errors.Is(err, curve.ErrNoDownturn):
		p.Text = "no downturn within the tested range"
	case errors.Is(err, curve.ErrNoLimit):
		p.Text = "none: no contention shows in the tested range"
	case err != nil:
		p.Text = "not determined: " + strings.TrimPrefix(err.Error(), "curve: ")
	default:
		p.Value = Estimate{Value: e.Value, Lo: e.Low, Hi: e.High, HasInterval: finite(e.Low, e.High), Confidence: e.Level, N: e.Points}
	}
	if p.Text != "" {
		p.Value = missing("")
	}
	f.Derived = append(f.Derived, p)
}

func finite(values ...float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// degradation is mean ITL at the highest level over that at the lowest, from the
// runs themselves: nil where there is one level only.
func degradation(a *arm) *Ratio {
	levels := a.levels()
	if len(levels) < 2 {
		return nil
	}
	low, high := levels[0], levels[len(levels)-1]
	itl := measures[1]
	lows, lowStarts := a.at(low, itl.of)
	highs, highStarts := a.at(high, itl.of)
	r := &Ratio{Metric: itl.metric, FromLevel: low, ToLevel: high}
	factor, err := curve.Degradation(curveRuns(a, lows, lowStarts), curveRuns(a, highs, highStarts), confidence)
	if err != nil {
		return nil
	}
	r.Numerator, r.Denominator = estimate(highs), estimate(lows)
	r.Value = Estimate{Value: factor.Value, Lo: factor.Low, Hi: factor.High, Confidence: factor.Level, N: min(factor.NLow, factor.NHigh)}
	r.Value.HasInterval = finite(factor.Low, factor.High) && factor.Low > 0
	for _, w := range factor.Warnings {
		r.Value.Notes = append(r.Value.Notes, w.Text)
	}
	if !r.Value.HasInterval {
		r.Value.Lo, r.Value.Hi = 0, 0
	}
	return r
}

func curveRuns(a *arm, values []float64, starts []string) []curve.Run {
	out := make([]curve.Run, len(values))
	for i, v := range values {
		out[i].Value = v
		if a.startsKnown {
			out[i].Start = starts[i]
		}
	}
	return out
}
