package analyze

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/servestat/servestat/analyze/curve"
)

// An SLO is a service-level objective: terms that must all hold.
type SLO struct {
	text  string
	terms []sloTerm
}

type sloTerm struct {
	name string
	sloMetric
	limit float64 // s
}

type sloMetric struct {
	of   func(*Point) float64
	kind curve.Response
}

var sloMetrics = map[string]sloMetric{
	"ttft_p50":  {func(p *Point) float64 { return p.TTFTp50 }, curve.FirstToken},
	"ttft_p99":  {func(p *Point) float64 { return p.TTFTp99 }, curve.FirstToken},
	"itl_mean":  {func(p *Point) float64 { return p.ITLMean }, curve.Latency},
	"itl_p50":   {func(p *Point) float64 { return p.ITLp50 }, curve.Latency},
	"itl_p99":   {func(p *Point) float64 { return p.ITLp99 }, curve.Latency},
	"tpot_mean": {func(p *Point) float64 { return p.TPOTMean }, curve.Latency},
	"e2el_p50":  {func(p *Point) float64 { return p.E2ELp50 }, curve.FirstToken},
}

// ParseSLO reads terms such as ttft_p99<500ms,itl_p99<50ms.
func ParseSLO(text string) (*SLO, error) {
	s := &SLO{text: text}
	for _, term := range strings.Split(text, ",") {
		name, limit, ok := strings.Cut(strings.TrimSpace(term), "<")
		if !ok {
			return nil, fmt.Errorf("objective %q: want metric<duration, e.g. ttft_p99<500ms", term)
		}
		name = strings.TrimSpace(name)
		metric, known := sloMetrics[name]
		if !known {
			var names []string
			for n := range sloMetrics {
				names = append(names, n)
			}
			slices.Sort(names)
			return nil, fmt.Errorf("objective %q: no metric %q; there are %s", term, name, strings.Join(names, ", "))
		}
		d, err := time.ParseDuration(strings.TrimSpace(strings.TrimPrefix(limit, "=")))
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("objective %q: %q is no duration; write 500ms or 2s", term, limit)
		}
		s.terms = append(s.terms, sloTerm{name, metric, d.Seconds()})
	}
	return s, nil
}

// Answer adds to each series the largest concurrency within the objective.
func (s *SLO) Answer(sweeps []Sweep) {
	for i := range sweeps {
		for j := range sweeps[i].Series {
			series := &sweeps[i].Series[j]
			series.Objectives = append(series.Objectives, s.answer(series))
		}
	}
}

func (s *SLO) answer(series *Series) Objective {
	o := Objective{Text: s.text}
	failing := ""
	for _, l := range series.Levels {
		if failing = s.firstMiss(series, l.MaxConcurrency); failing != "" {
			break
		}
		o.Largest = l.MaxConcurrency
	}
	switch {
	case len(series.Levels) == 0:
		o.Sentence = fmt.Sprintf("%s: no level to judge", s.text)
	case failing == "":
		o.Beyond = true
		o.Sentence = fmt.Sprintf("%s: met in every run up to max concurrency %d, the highest tested", s.text, o.Largest)
	case o.Largest == 0:
		o.Sentence = fmt.Sprintf("%s: not met at any tested level: %s", s.text, failing)
	default:
		o.Sentence = fmt.Sprintf("%s: met in every run up to max concurrency %d; then %s", s.text, o.Largest, failing)
	}
	for _, t := range s.terms {
		o.Terms = append(o.Terms, ObjectiveTerm{Metric: t.name, Limit: t.limit})
	}
	fitted, why := s.capacity(series.Points, o.Terms)
	if fitted == nil {
		o.Sentence += "; not interpolated: " + strings.TrimPrefix(why, "curve: ")
		return o
	}
	o.Fitted = fitted
	if !o.Beyond && o.Largest > 0 && fitted.HasInterval {
		o.Sentence += fmt.Sprintf("; by the fitted curves up to concurrency %.3g [%.3g, %.3g]", fitted.Value, fitted.Lo, fitted.Hi)
	}
	return o
}

// firstMiss names the run at a level that misses a term worst, or is empty.
func (s *SLO) firstMiss(series *Series, level int64) string {
	worst, miss := 1.0, ""
	for i := range series.Points {
		p := &series.Points[i]
		if p.MaxConcurrency != level {
			continue
		}
		for _, t := range s.terms {
			v := t.of(p)
			if math.IsNaN(v) {
				return fmt.Sprintf("%s is not known in run %s at %d", t.name, p.RunID, level)
			}
			if over := v / t.limit; over >= worst {
				worst, miss = over, fmt.Sprintf("%s is %.4g ms in run %s at %d", t.name, 1e3*v, p.RunID, level)
			}
		}
	}
	return miss
}
