package analyze

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/curve"
)

// bandPoints is how finely a fitted curve is drawn.
const bandPoints = 64

// fitSeed makes the bootstrap of a breakpoint the same at every run.
const fitSeed = 1

// A fitted is a curve before it is told as a Fit.
type fitted struct {
	Fit
	curve *curve.Fit // nil where none was fitted
}

// A response is a measure and the kind of curve that it makes.
type response struct {
	metric string
	kind   curve.Response
	of     func(Point) float64
}

// responses are the curves of a series.
var responses = []response{
	{"itl", curve.Latency, func(p Point) float64 { return p.ITLMean }},
	{"ttft", curve.FirstToken, func(p Point) float64 { return p.TTFTp50 }},
	{"output_throughput", curve.Throughput, func(p Point) float64 { return p.Output }},
}

// fits returns the curves of a series, each the model that the points support. A
// curve that cannot be had says why.
func fits(points []Point) []fitted {
	out := make([]fitted, len(responses))
	for i, r := range responses {
		out[i] = fitResponse(r, points)
	}
	out[0].checkIdentity(points)
	return out
}

func fitResponse(r response, points []Point) fitted {
	f := fitted{Fit: Fit{Metric: r.metric}}
	data := curvePoints(points, r.of)
	choice, err := curve.Choose(data, r.kind, curve.ChooseOptions{Options: curve.Options{Confidence: confidence}, Seed: fitSeed})
	if err != nil {
		f.Refused = strings.TrimPrefix(err.Error(), "curve: ")
		return f
	}
	f.curve, f.Model, f.Formula = choice.Fit, choice.Model, formulas[r.kind][choice.Model]
	for _, w := range choice.Warnings {
		f.Warnings = append(f.Warnings, w.Text)
	}
	for _, c := range choice.Candidates {
		f.Considered = append(f.Considered, Considered{Model: c.Fit.Model, AICc: c.Fit.AICc, LeaveOneOut: c.LeaveOut.Inside, Chosen: c.Chosen, Reason: c.Reason})
	}
	if choice.Break != nil {
		f.BreakP = choice.Break.P
	}
	f.Residuals = choice.Residuals
	f.draw(data)
	for _, p := range choice.Params {
		f.param(p)
	}
	f.deriveAll(r.kind)
	return f
}

// formulas say what the models are, by what they are models of.
var formulas = map[curve.Response]map[string]string{
	curve.Latency: {
		"affine":    "ITL(c) = alpha + beta c, c the achieved concurrency",
		"quadratic": "ITL(c) = alpha + beta c + kappa c^2",
		"plateau":   "ITL(c) = alpha + beta min(c, slots)",
		"hinge":     "ITL(c) = alpha + beta min(c, onset) + beta2 max(0, c - onset)",
	},
	curve.FirstToken: {
		"affine":    "TTFT(c) = alpha + beta c, c the achieved concurrency",
		"quadratic": "TTFT(c) = alpha + beta c + kappa c^2",
		"queueing":  "TTFT(c) = base + slope min(c, slots) + service max(0, c - slots) / slots",
	},
	curve.Throughput: {
		"amdahl":     "X(c) = gamma c / (1 + a (c-1))",
		"usl":        "X(c) = gamma c / (1 + a (c-1) + b c (c-1))",
		"saturating": "X(c) = gamma n / (1 + a (n-1)), n = min(c, slots)",
		"ala":        "X(c) = limit / (1 + a exp(-b c)), the sigmoid of the ALA model",
	},
}

// meanings say what a parameter is, and in which unit.
var meanings = map[curve.Response]map[string][2]string{
	curve.Latency: {
		"alpha": {"a decode step without any sequence", "s"}, "beta": {"what each sequence in the batch adds", "s"},
		"kappa": {"what each pair of sequences adds", "s"}, "beta2": {"what each sequence adds beyond the onset", "s"},
		"slots": {"where the batch stops growing", "requests"}, "onset": {"where the curve bends", "requests"},
	},
	curve.FirstToken: {
		"alpha": {"TTFT without load", "s"}, "beta": {"what each request adds", "s"}, "kappa": {"what each pair of requests adds", "s"},
		"base": {"TTFT without load", "s"}, "slope": {"what each request adds before the queue", "s"},
		"service": {"how long a request holds its slot", "s"}, "slots": {"where requests begin to queue", "requests"},
	},
	curve.Throughput: {
		"gamma": {"throughput of one request alone", "tokens/s"}, "a": {"contention: what adding requests costs", ""},
		"b": {"coherency: what makes throughput turn down", ""}, "slots": {"where the batch stops growing", "requests"},
		"limit": {"what throughput levels off at", "tokens/s"},
	},
}

// deriveAll adds what follows from a curve.
func (f *fitted) deriveAll(kind curve.Response) {
	switch kind {
	case curve.Latency:
		knee, err := f.curve.Knee()
		f.derive(Param{Name: "knee", Meaning: "where ITL is twice what it is without load, and throughput / latency is largest (Kleinrock)", Unit: "requests"}, knee, err)
	case curve.Throughput:
		limit, err := f.curve.Limit()
		f.derive(Param{Name: "limit", Meaning: "what throughput levels off at without coherency cost", Unit: "tokens/s"}, limit, err)
		peak, err := f.curve.Peak()
		f.derive(Param{Name: "peak", Meaning: "the concurrency at which throughput turns down", Unit: "requests"}, peak.Concurrency, err)
	}
	if onset, err := f.curve.Onset(); err == nil {
		f.derive(Param{Name: "onset", Meaning: "the concurrency at which the curve breaks", Unit: "requests"}, onset, nil)
	}
}

// checkIdentity warns where ITL and throughput are not of the same thing: in a
// closed loop their product is how many requests decode.
func (f *fitted) checkIdentity(points []Point) {
	var data []curve.JointPoint
	for _, p := range points {
		if p.ITLMean > 0 && p.Output > 0 && p.Concurrency > 0 {
			data = append(data, curve.JointPoint{X: p.Concurrency, ITL: p.ITLMean, Throughput: p.Output, Start: p.Start})
		}
	}
	joint, err := curve.Affine.FitJoint(data, curve.Options{Confidence: confidence})
	if err != nil {
		return
	}
	for _, w := range joint.Warnings {
		if !slices.Contains(f.Warnings, w.Text) && strings.Contains(w.Text, "ITL") {
			f.Warnings = append(f.Warnings, w.Text)
		}
	}
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

// draw takes the band from the lowest concurrency to the highest.
func (f *fitted) draw(data []curve.Point) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, p := range data {
		lo, hi = math.Min(lo, p.X), math.Max(hi, p.X)
	}
	for i := range bandPoints {
		x := lo * math.Pow(hi/lo, float64(i)/(bandPoints-1))
		y, err := f.curve.Predict(x)
		if err != nil {
			continue
		}
		f.Band = append(f.Band, BandPoint{X: x, Y: y.Value, Lo: y.Low, Hi: y.High})
	}
}

// at is the curve's value at a concurrency, if it can be had.
func (f *fitted) at(x float64) (Estimate, bool) {
	if f.curve == nil {
		return Estimate{}, false
	}
	p, err := f.curve.Predict(x)
	if err != nil {
		return Estimate{}, false
	}
	e := Estimate{Value: p.Value, Lo: p.Low, Hi: p.High, HasInterval: finite(p.Low, p.High), Confidence: f.curve.Confidence, N: f.curve.Points}
	if len(f.Band) > 0 && (x < f.Band[0].X || x > f.Band[len(f.Band)-1].X) {
		e.Notes = append(e.Notes, "outside the tested range: an extrapolation")
	}
	return e, true
}

func (f *fitted) param(p curve.Parameter) {
	e := Estimate{Value: p.Value, Lo: p.Low, Hi: p.High, HasInterval: finite(p.Low, p.High), Confidence: f.curve.Confidence, N: f.curve.Points}
	if p.AtBound {
		e.Notes = append(e.Notes, "at its bound: the data do not need this term")
	}
	for _, r := range responses {
		if r.metric == f.Metric {
			m := meanings[r.kind][p.Name]
			f.Params = append(f.Params, Param{Name: p.Name, Meaning: m[0], Unit: m[1], Value: e})
		}
	}
}

// derive adds a quantity that follows from the fit. What the data do not
// determine is said in words.
func (f *fitted) derive(p Param, e curve.Estimate, err error) {
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
	itl := measureOf("itl", "mean")
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
