package simulate

import (
	"math"
	"slices"
	"time"
)

// A Summary is what vllm bench serve says about a run, by vLLM's definitions:
// only successful requests count, gaps are pooled over all requests, and the
// percentiles are NumPy's (linear).
type Summary struct {
	Completed, Failed         int
	InputTokens, OutputTokens int           // of successful requests
	Duration                  time.Duration // ramp and tail included

	RequestThroughput    float64 // requests/s
	OutputThroughput     float64 // tokens/s
	TotalTokenThroughput float64 // tokens/s

	PeakTokens   int // tokens in the busiest second
	PeakRequests int // requests that touch the busiest second; can exceed the limit

	TTFT, TPOT, ITL, E2EL Distribution
}

// A Distribution describes times, in milliseconds. Without any, all are 0, as
// vLLM writes it.
type Distribution struct{ Mean, Median, Std, P99 float64 }

// Summary computes what vLLM would report for tr.
func (tr Trace) Summary() Summary {
	s := Summary{Duration: tr.Duration}
	var ttft, tpot, itl, e2el []float64
	for i := range tr.Requests {
		r := &tr.Requests[i]
		if !r.OK() {
			s.Failed++
			continue
		}
		s.Completed++
		s.InputTokens += r.InputTokens
		s.OutputTokens += r.OutputTokens
		ttft = append(ttft, seconds(r.TTFT))
		e2el = append(e2el, seconds(r.E2EL()))
		for _, gap := range r.Gaps {
			itl = append(itl, seconds(gap))
		}
		if r.OutputTokens > 1 {
			tpot = append(tpot, seconds(r.E2EL()-r.TTFT)/float64(r.OutputTokens-1))
		}
	}
	duration := seconds(tr.Duration)
	s.RequestThroughput = float64(s.Completed) / duration
	s.OutputThroughput = float64(s.OutputTokens) / duration
	s.TotalTokenThroughput = float64(s.InputTokens+s.OutputTokens) / duration
	s.PeakTokens, s.PeakRequests = tr.peaks()
	s.TTFT, s.TPOT, s.ITL, s.E2EL = distribution(ttft), distribution(tpot), distribution(itl), distribution(e2el)
	return s
}

// peaks counts tokens and requests by second since the first successful start,
// and returns the highest counts.
func (tr Trace) peaks() (tokens, requests int) {
	origin := never
	for i := range tr.Requests {
		if tr.Requests[i].OK() {
			origin = min(origin, tr.Requests[i].Start)
		}
	}
	second := func(at time.Duration) int { return int((at - origin) / time.Second) }
	size := 1 + second(max(origin, tr.Duration))
	inTokens, inRequests := make([]int, size), make([]int, size)
	for i := range tr.Requests {
		r := &tr.Requests[i]
		if !r.OK() {
			continue
		}
		for s := second(r.Start); s <= second(r.End); s++ {
			inRequests[s]++
		}
		for at := range r.tokenTimes {
			inTokens[second(at)]++
		}
	}
	return slices.Max(inTokens), slices.Max(inRequests)
}

// seconds is d as the double next to its decimal notation: what a reader of the
// result file gets. (Duration.Seconds rounds twice.)
func seconds(d time.Duration) float64 { return float64(d) / 1e9 }

// distribution summarises times in seconds, which it sorts, as NumPy does.
func distribution(times []float64) Distribution {
	if len(times) == 0 {
		return Distribution{}
	}
	slices.Sort(times)
	n := float64(len(times))
	sum := 0.0
	for _, x := range times {
		sum += x
	}
	mean := sum / n
	squares := 0.0
	for _, x := range times {
		squares += float64((x - mean) * (x - mean)) // not fused: the same everywhere
	}
	return Distribution{
		Mean:   mean * 1000,
		Median: percentile(times, 0.5) * 1000,
		Std:    math.Sqrt(squares/n) * 1000,
		P99:    percentile(times, 0.99) * 1000,
	}
}

// percentile interpolates linearly between the order statistics around q, from
// the nearer one, as numpy.percentile does.
func percentile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	a, b, g := sorted[below], sorted[below+1], at-float64(below)
	if g < 0.5 {
		return a + float64((b-a)*g)
	}
	return b - float64((b-a)*(1-g))
}
