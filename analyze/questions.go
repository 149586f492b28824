package analyze

import (
	"cmp"
	"fmt"
	"math"

	"github.com/servestat/servestat/analyze/curve"
)

// curveChanges says what differs between the fitted curves of each version and
// the one before.
func curveChanges(series []Series) []CurveChange {
	var out []CurveChange
	for i := 1; i < len(series); i++ {
		base, cand := &series[i-1], &series[i]
		for j, b := range base.fitted {
			c := cand.fitted[j]
			if b.curve == nil || c.curve == nil {
				continue
			}
			changes, err := curve.Compare(b.curve, c.curve)
			if err != nil {
				continue
			}
			for _, ch := range changes {
				out = append(out, CurveChange{
					Metric: b.Metric, Quantity: ch.Quantity, Meaning: ch.Meaning, Baseline: base.Version, Candidate: cand.Version,
					Ratio: ratioOf(ch.Ratio), Changed: ch.Changed, Note: ch.Note,
				})
			}
		}
	}
	return out
}

func ratioOf(e *curve.Estimate) Estimate {
	if e == nil {
		return missing("")
	}
	return Estimate{Value: e.Value, Lo: e.Low, Hi: e.High, HasInterval: finite(e.Low, e.High), Confidence: e.Level, N: e.Points}
}

// pareto says which load points of a sweep no other beats in both throughput and
// time per token.
func pareto(series []Series) []TradeOff {
	var points []curve.Operating
	var out []TradeOff
	for _, s := range series {
		for _, l := range s.Levels {
			if !(l.Output.Value > 0) || !(l.TPOTMean.Value > 0) {
				continue
			}
			label := fmt.Sprintf("%s at %d", s.Version, l.MaxConcurrency)
			points = append(points, curve.Operating{Label: label, Concurrency: l.Concurrency.Value, Throughput: intervalOf(l.Output), Latency: intervalOf(l.TPOTMean)})
			out = append(out, TradeOff{Version: s.Version, MaxConcurrency: l.MaxConcurrency, Output: l.Output, TPOT: l.TPOTMean})
		}
	}
	trades, err := curve.Pareto(points)
	if err != nil {
		return nil
	}
	for i, t := range trades {
		out[i].Standing = t.Standing.String()
		if t.By >= 0 {
			out[i].By = points[t.By].Label
		}
	}
	return out
}

func intervalOf(e Estimate) curve.Interval {
	if !e.HasInterval {
		return curve.Interval{Value: e.Value, Low: e.Value, High: e.Value}
	}
	return curve.Interval{Value: e.Value, Low: e.Lo, High: e.Hi}
}

// Predict adds to each series what its curves say at the given concurrencies.
func Predict(sweeps []Sweep, concurrencies []float64) {
	for i := range sweeps {
		for j := range sweeps[i].Series {
			s := &sweeps[i].Series[j]
			for _, x := range concurrencies {
				for k := range s.fitted {
					if e, ok := s.fitted[k].at(x); ok {
						s.Predictions = append(s.Predictions, Prediction{Metric: s.fitted[k].Metric, Concurrency: x, Value: e})
					}
				}
			}
		}
	}
}

// capacity is the largest concurrency within all terms of an objective by curves
// fitted to each term's metric; nil where one cannot be fitted, with the reason.
// It fills in how far each of the terms is kept.
func (s *SLO) capacity(points []Point, terms []ObjectiveTerm) (*Estimate, string) {
	var all []curve.Capacity
	var why string
	for i, t := range s.terms {
		c, err := t.capacity(points)
		if err != nil {
			why = cmp.Or(why, err.Error())
			continue
		}
		terms[i].Fitted = capacityEstimate(c, len(points))
		all = append(all, c)
	}
	if why != "" {
		return nil, why
	}
	tightest, binding := curve.Tightest(all...)
	terms[binding].Binds = true
	e := capacityEstimate(tightest, len(points))
	e.Notes = append(e.Notes, "bound by "+s.terms[binding].name)
	return e, ""
}

func (t sloTerm) capacity(points []Point) (curve.Capacity, error) {
	choice, err := curve.Choose(curvePoints(points, func(p Point) float64 { return t.of(&p) }), t.kind,
		curve.ChooseOptions{Options: curve.Options{Confidence: confidence}, Seed: fitSeed, SkipLeaveOut: true})
	if err != nil {
		return curve.Capacity{}, fmt.Errorf("no curve of %s: %w", t.name, err)
	}
	return choice.Capacity(t.limit)
}

func capacityEstimate(c curve.Capacity, points int) *Estimate {
	e := &Estimate{Value: c.Value, Lo: c.Low, Hi: c.High, Confidence: c.Level, N: points}
	e.HasInterval = c.Low > 0 && !math.IsInf(c.High, 1)
	if !e.HasInterval {
		if math.IsInf(e.Hi, 1) {
			e.Hi = 0
		}
		e.Notes = append(e.Notes, "an end of the interval is outside the tested range")
	}
	if c.Where != curve.Inside {
		e.Notes = append(e.Notes, c.Where.String())
	}
	return e
}
