package plot

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/internal/specimen"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// draws are pseudo-random numbers, the same in every test.
func draws() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// traded is a sweep of n versions with the trade of throughput for latency, each
// version a little better than the one before at low levels and worse at high ones.
func traded(n int) analyze.Sweep {
	s := sweepOf()
	for i := range n {
		v := specimen.Version(fmt.Sprintf("0.%d.0", 15+i), 1)
		for k, l := range v.Levels {
			f := 1 + 0.012*float64(i)*(2.5-float64(k))
			of := func(e analyze.Estimate, by float64) analyze.Estimate {
				e.Value, e.Lo, e.Hi = e.Value*by, e.Lo*by, e.Hi*by
				return e
			}
			t := analyze.TradeOff{Version: v.Version, MaxConcurrency: l.MaxConcurrency, Output: of(l.Output, f), TPOT: of(l.TPOTMean, 1/f), Standing: "dominated"}
			switch {
			case i == n-1 && k < 3 || i == 0 && k > 3:
				t.Standing = "on the front"
			case k == 3:
				t.Standing = "undecided"
			}
			s.Pareto = append(s.Pareto, t)
		}
		s.Series = append(s.Series, v)
	}
	return s
}

// residual puts residuals into the fits: a bend of the given height, in per cent,
// and noise.
func residual(s analyze.Sweep, bend float64) analyze.Sweep {
	r := draws()
	for i := range s.Series {
		f := &s.Series[i].Fits[0]
		f.Residuals = nil
		for _, p := range s.Series[i].Points {
			x := math.Log(p.Concurrency) / math.Log(32)
			f.Residuals = append(f.Residuals, 0.01*(bend*(0.5-4*(x-0.5)*(x-0.5))+0.4*r.NormFloat64()))
		}
	}
	return s
}

// aRun is a closed loop of 16 at a time with a cold start and two stalls; every
// 40th request fails, half of those before their first chunk.
func aRun(n int, admitted bool) Run {
	r := draws()
	run := Run{
		ID: "4f0c2a91d7", Group: specimen.Group, Version: "0.20.2", MaxConcurrency: 16, Simulated: true,
		SteadyFrom: 8, SteadyTo: 8 + 0.33*float64(n)*0.75,
	}
	free := make([]float64, 16)
	for i := range n {
		slot := slices.Index(free, slices.Min(free))
		q := Request{Start: free[slot], Admitted: math.NaN()}
		wait := 0.05 + 0.04*r.ExpFloat64()
		if i < 16 {
			wait += 1.5
		}
		if admitted {
			q.Admitted = q.Start + wait*0.4
		}
		q.FirstChunk = q.Start + wait + 0.3
		q.End = q.FirstChunk + 3 + 2*r.Float64()
		if i%40 == 39 {
			q.Failed, q.End = true, q.FirstChunk+0.5
			if i%80 == 79 {
				q.FirstChunk, q.End = math.NaN(), q.Start+2
			}
		}
		free[slot] = q.End
		run.Requests = append(run.Requests, q)
	}
	return run
}

// gridOf is the chunk gaps of such a run: a usual step that drifts, the steps that
// carry another request's prefill, and one stall of two seconds.
func gridOf(t testing.TB, r Run) *GapGrid {
	t.Helper()
	s := timeSpan(r.Requests)
	g, err := NewGapGrid(0, s.max, 0.005, 5)
	if err != nil {
		t.Fatal(err)
	}
	rnd := draws()
	for at := 0.4; at < s.max; at += 0.04 {
		for range 16 {
			gap := 0.038 * (1 + 0.25*at/s.max) * math.Exp(0.03*rnd.NormFloat64())
			if rnd.Float64() < 0.06 {
				gap = 0.21 * math.Exp(0.2*rnd.NormFloat64())
			}
			if at > 50 && at < 50.1 {
				gap = 2.1
			}
			if err := g.Add(at, gap); err != nil {
				t.Fatal(err)
			}
		}
	}
	return g
}

// nights is a history with a step of eight per cent where version 0.20.0 came in,
// a night without a run and a start that does not count.
func nights(name string, unit string, level float64, better schemas.Better) History {
	r := draws()
	h := History{Name: name, Unit: unit, Better: better}
	for i, label := range []string{"0.17.1", "0.18.0", "0.18.1", "0.19.0", "0.19.1", "0.20.0", "0.20.1", "0.20.2", "0.21.0rc1"} {
		f := 1.0
		if i >= 5 {
			f = 1.08
			if better == schemas.Higher {
				f = 1 / f
			}
		}
		for k := range 5 {
			v := level * f * math.Exp(0.008*r.NormFloat64())
			if i == 2 && k == 3 {
				v *= 1.3
			}
			h.Starts = append(h.Starts, HistoryStart{Label: label, Value: v, Excluded: i == 2 && k == 3})
		}
	}
	h.Starts[36].Value = math.NaN()
	h.Levels = []HistoryLevel{{0, 24, level}, {25, 44, level * 1.08}}
	h.Changes = []HistoryChange{{
		Index: 25, Low: 24, High: 26, Verdict: analyze.Regressed, Note: "driver 560.28.03 to 570.12",
		Ratio: analyze.Estimate{Value: 1.08, Lo: 1.07, Hi: 1.091, HasInterval: true, N: 45},
	}}
	if better == schemas.Higher {
		h.Levels[1].Value = level / 1.08
		h.Changes[0].Ratio = analyze.Estimate{Value: 0.926, Lo: 0.916, Hi: 0.935, HasInterval: true, N: 45}
		h.Changes[0].Note = ""
	}
	return h
}

// noChange is the same without the step: a driver that changed nothing here.
func noChange(level float64) []HistoryStart {
	h := nights("", "s", level, schemas.Lower)
	for i := range h.Starts[25:] {
		h.Starts[25+i].Value /= 1.08
	}
	return h.Starts
}

func checked(n int) AuditMatrix {
	m := AuditMatrix{Title: "Truth checks", Foot: []string{"150 runs", "3 checks not computable for any run: not drawn"}}
	for i, name := range []string{
		"achieved concurrency", "requested throughput", "duration", "counted tokens", "tokens per chunk", "client saturation",
		"steady window", "failed requests", "prefix cache", "prompt digest", "clock", "coordinated omission",
	} {
		m.Checks = append(m.Checks, fmt.Sprintf("T%d %s", i+1, name))
	}
	for k := range n {
		c := AuditColumn{Name: fmt.Sprintf("nvidia/Nemotron-3-Nano-30B-A3B-NVFP4, Jetson AGX Thor, vllm 0.%d.0, c=%d", 17+k/6, 1<<(k%6))}
		for i := range m.Checks {
			answer := answerOK
			switch {
			case i == 0 && k < 3, i == 8 && k == 5:
				answer = answerFail
			case (i+k)%7 == 0:
				answer = answerWarn
			case i == 10, i == 6 && k%3 == 0:
				answer = notComputable
			}
			c.Answers = append(c.Answers, answer)
		}
		m.Columns = append(m.Columns, c)
	}
	return m
}

// Every further kind of figure, as a picture and in words.
func TestFurtherKinds(t *testing.T) {
	ttft := func() ([][]analyze.ECDF, analyze.Sweep) {
		s := sweepOf()
		var of [][]analyze.ECDF
		for i := range 9 {
			v := specimen.Version(fmt.Sprintf("0.%d.0", 12+i), 1+0.06*float64(i))
			s.Series = append(s.Series, v)
			for k := range v.ITL {
				v.ITL[k].N = 1600
				for j := range v.ITL[k].X {
					v.ITL[k].X[j] *= 6
				}
			}
			of = append(of, v.ITL)
		}
		return of, s
	}
	for _, c := range []struct {
		golden string
		make   func() (Figure, error)
		alt    string
	}{
		{"pareto", func() (Figure, error) { return Pareto(traded(2)) },
			"Output throughput against the speed of each user: 0.15.0 is on the front at max concurrency 16, 32; 0.16.0 is on the front at max concurrency 1, 2, 4"},
		{"pareto_many", func() (Figure, error) { return Pareto(traded(7)) }, "0.18.0 is at no level on the front"},
		{"residuals", func() (Figure, error) { return Residuals(residual(specimen.Sweep(), 4), "itl") },
			"Residuals of the fitted curves of ITL mean: 0.19.0 (affine) is farthest from its runs at concurrency 1, by -2.1 % on average"},
		{"ttft_distribution_many", func() (Figure, error) { of, s := ttft(); return TTFTDistribution(s, of) },
			"Distribution of TTFT (simulated): at max concurrency 1 0.12.0 has p50"},
		{"timeline", func() (Figure, error) { return aRun(100, true).Timeline() },
			"Timeline of 100 requests (simulated) over 32.2 s: 14.5 in flight on average, at most 16; 2 failed."},
		{"timeline_many", func() (Figure, error) { return aRun(3000, false).Timeline() }, "Timeline of 3,000 requests (simulated)"},
		{"ttft_over_time", func() (Figure, error) { return aRun(600, false).TTFT() }, "TTFT of 593 requests over time (simulated): half are below"},
		{"itl_over_time", func() (Figure, error) { r := aRun(400, false); return gridOf(t, r).HeatMap(r) },
			"ITL over time (simulated), "},
		{"history", func() (Figure, error) {
			return HistoryStrips(specimen.Group, []History{
				nights("ITL mean", "s", 0.0659, schemas.Lower), nights("output throughput", "tokens/s", 430, schemas.Higher),
				{Name: "TTFT p50", Unit: "s", Better: schemas.Lower, Starts: noChange(0.74), Levels: []HistoryLevel{{0, 44, 0.74}}},
			}, "max concurrency 32", "steady window of each run", simulatedNote)
		}, "History from 0.17.1 to 0.21.0rc1: ITL mean changes by +8.0 % [+7.0, +9.1], driver 560.28.03 to 570.12 from 0.20.0 on (regressed); output throughput changes"},
		{"audit_matrix", func() (Figure, error) { return checked(24).Figure() },
			"Truth checks: 12 checks of 24 subjects; failed: T1 achieved concurrency (3), T9 prefix cache (1); warned: "},
		{"audit_matrix_small", func() (Figure, error) { return checked(2).Figure() }, "Truth checks: 12 checks of 2 subjects; failed: T1 achieved concurrency (2); warned:"},
	} {
		f, err := c.make()
		if err != nil {
			t.Errorf("%s: %v", c.golden, err)
			continue
		}
		if !strings.HasPrefix(f.Alt, c.alt) && !strings.Contains(f.Alt, c.alt) {
			t.Errorf("%s: the alternative text is\n%s\nwithout\n%s", c.golden, f.Alt, c.alt)
		}
		schematest.GoldenPNG(t, "testdata/"+c.golden+"_golden.png", picture(t, f))
	}
}
