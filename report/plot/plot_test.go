package plot

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/internal/specimen"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// picture draws a figure.
func picture(t *testing.T, f Figure) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := f.WritePNG(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Every kind of figure on the usual case, two versions at six levels, and what
// its alternative text says.
func TestKinds(t *testing.T) {
	latency := func(metric string) func(analyze.Sweep) (Figure, error) {
		return func(s analyze.Sweep) (Figure, error) { return LatencyVsConcurrency(s, metric) }
	}
	for _, c := range []struct {
		golden string
		draw   func(analyze.Sweep) (Figure, error)
		alt    string
	}{
		{
			"itl", latency("itl"),
			"ITL mean against achieved concurrency (simulated): 0.19.0 goes from 14.2 ms at concurrency 1 to 65.9 ms at concurrency 32 (achieved 30.6), with a knee at 7.12; " +
				"0.20.2 goes from 14.2 ms at concurrency 1 to 71.3 ms at concurrency 32 (achieved 30.6), with a knee at 6.53.",
		},
		{
			"ttft", TTFTVsConcurrency,
			"TTFT p50 against achieved concurrency (simulated): 0.19.0 goes from 82.1 ms at concurrency 1 to 742 ms at concurrency 32 (achieved 30.6); " +
				"0.20.2 goes from 82.4 ms at concurrency 1 to 803 ms at concurrency 32 (achieved 30.6).",
		},
		{
			"throughput", ThroughputVsConcurrency,
			"Output throughput against achieved concurrency (simulated): 0.19.0 goes from 65.7 tok/s at concurrency 1 to 429.6 tok/s at concurrency 32 (achieved 30.6); " +
				"0.20.2 goes from 65.4 tok/s at concurrency 1 to 397.0 tok/s at concurrency 32 (achieved 30.6).",
		},
		{
			"itl_distribution", ITLDistribution,
			"Distribution of ITL (simulated): at max concurrency 1 0.19.0 has p50 13.2 ms and p99 14.4 ms, 0.20.2 has p50 13.2 ms and p99 14.4 ms; " +
				"at max concurrency 32 0.19.0 has p50 61.7 ms and p99 164 ms, 0.20.2 has p50 66.8 ms and p99 178 ms.",
		},
	} {
		f, err := c.draw(specimen.Sweep())
		if err != nil {
			t.Errorf("%s: %v", c.golden, err)
			continue
		}
		if f.Alt != c.alt {
			t.Errorf("%s: the alternative text is\n%s\nwant\n%s", c.golden, f.Alt, c.alt)
		}
		schematest.GoldenPNG(t, "testdata/"+c.golden+"_golden.png", picture(t, f))
	}
}

// sweepOf is a sweep of the given versions.
func sweepOf(series ...analyze.Series) analyze.Sweep {
	return analyze.Sweep{Group: specimen.Group, Series: series}
}

// Twelve versions are told apart, their names moved apart where their lines end
// near each other; of fourteen, the oldest two are left out. A fit whose band is not
// bounded has a line only. The foot says both.
func TestManyVersions(t *testing.T) {
	s := sweepOf(
		specimen.Version("0.12.0", 1.7), specimen.Version("0.13.0", 1.62), specimen.Version("0.14.0", 1.5), specimen.Version("0.15.0", 1.49),
		specimen.Version("0.15.1", 1.42), specimen.Version("模型-バージョン-1", 1.36), specimen.Version("0.16.0", 1.3), specimen.Version("0.17.1", 1.29), specimen.Version("0.18.0", 1.11), specimen.Version("0.18.1", 1.10),
		specimen.Version("0.19.0", 1), specimen.Version("0.20.0rc1", 0.99), specimen.Version("0.20.2", 1.05), specimen.Version("0.21.0.dev12+g0123abc.cu130", 0.8),
	)
	s.Series[9].Fits[0].Band[10].Hi = math.Inf(1) // the data do not bound this fit
	f, err := LatencyVsConcurrency(s, "itl")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(f.Alt, "0.13.0") || !strings.Contains(f.Alt, "0.14.0") {
		t.Errorf("of fourteen versions, drawn are: %s", f.Alt)
	}
	schematest.GoldenPNG(t, "testdata/many_versions_golden.png", picture(t, f))
}

// An objective: its limit across, how far each version keeps it with the interval
// of the fit, and of a level that was asked for and not reached, how much is missing.
func TestObjective(t *testing.T) {
	s := specimen.Sweep()
	for i := range s.Series {
		at := 13.1 - 1.6*float64(i)
		s.Series[i].Window = analyze.Steady
		s.Series[i].Objectives = []analyze.Objective{{
			Text: "itl_mean<35ms", Largest: 8, Fitted: &analyze.Estimate{Value: at, Lo: at - 0.6, Hi: at + 0.5, HasInterval: true},
		}}
		last := &s.Series[i].Levels[5]
		last.MaxConcurrency = 64
	}
	f, err := LatencyVsConcurrency(s, "itl")
	if err != nil {
		t.Fatal(err)
	}
	schematest.GoldenPNG(t, "testdata/objective_golden.png", picture(t, f))
}

// One run of one version at one level, nothing else known: a mark with a name.
func TestOneRun(t *testing.T) {
	one := specimen.Baseline()
	one.Version, one.Simulated, one.Starts, one.StartsKnown = "", false, 1, false
	one.Points, one.Levels, one.Fits = one.Points[:1], one.Levels[:1], nil
	one.Levels[0].ITLMean = analyze.Estimate{Value: one.Levels[0].ITLMean.Value, N: 1}
	f, err := LatencyVsConcurrency(analyze.Sweep{Series: []analyze.Series{one}}, "itl")
	if err != nil {
		t.Fatal(err)
	}
	if want := "ITL mean against achieved concurrency: unknown version is 14.2 ms at concurrency 1."; f.Alt != want {
		t.Errorf("the alternative text is %q, want %q", f.Alt, want)
	}
	schematest.GoldenPNG(t, "testdata/one_run_golden.png", picture(t, f))
}

// A noisy sweep over many levels without a fit, TTFT from 30 ms to 20 s: wide
// intervals are drawn, the axis is logarithmic, levels that lie too near each
// other to be labelled keep their ticks, and a run without a value is counted.
func TestWideRangeAndMissing(t *testing.T) {
	s := analyze.Series{Version: "0.19.0", Starts: 3, Notes: []string{"noisy"}}
	for i, level := range []int64{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 56, 64, 96, 128, 192, 256} {
		ttft := 0.030 * math.Pow(float64(level), 1.17)
		l := analyze.Level{
			MaxConcurrency: level, Runs: 3,
			Concurrency: analyze.Estimate{Value: float64(level) * 0.97, N: 3},
			TTFTp50:     analyze.Estimate{Value: ttft, Lo: ttft * 0.6, Hi: ttft * 1.6, HasInterval: true, Confidence: 0.95, N: 3},
		}
		s.Levels = append(s.Levels, l)
		for k := range 3 {
			p := analyze.Point{RunID: "r", MaxConcurrency: level, Concurrency: float64(level) * (0.96 + 0.01*float64(k)), TTFTp50: ttft * (0.8 + 0.2*float64(k)), Requests: 100}
			if i == 5 && k == 1 {
				p.TTFTp50, p.Failed = math.NaN(), 100
			}
			s.Points = append(s.Points, p)
		}
	}
	f, err := TTFTVsConcurrency(sweepOf(s))
	if err != nil {
		t.Fatal(err)
	}
	schematest.GoldenPNG(t, "testdata/wide_range_golden.png", picture(t, f))
}

// A distribution at one level only, with bundled chunks whose gaps are zero: one
// panel, and the zeros are said at the foot.
func TestDistributionAtOneLevel(t *testing.T) {
	s := specimen.Sweep()
	for i := range s.Series {
		s.Series[i].ITL = s.Series[i].ITL[1:]
	}
	e := &s.Series[1].ITL[0]
	e.X, e.P = append([]float64{0}, e.X...), append([]float64{0.21}, e.P...)
	for i := range e.P {
		e.P[i] = max(e.P[i], 0.21)
	}
	f, err := ITLDistribution(s)
	if err != nil {
		t.Fatal(err)
	}
	schematest.GoldenPNG(t, "testdata/itl_distribution_one_level_golden.png", picture(t, f))
}

func TestForest(t *testing.T) {
	f, err := Forest(specimen.Comparison())
	if err != nil {
		t.Fatal(err)
	}
	want := "Change from 0.19.0 to 0.20.2 (simulated): TTFT p50 +4 % [-5, +14], inconclusive; ITL mean +4.0 % [+3.3, +4.8], regressed; " +
		"TPOT mean +4.0 % [+3.2, +4.8], regressed; E2EL p50 +1.2 % [+0.1, +2.4], not regressed; output throughput -3.8 % [-4.6, -3.1], regressed."
	if f.Alt != want {
		t.Errorf("the alternative text is\n%s\nwant\n%s", f.Alt, want)
	}
	schematest.GoldenPNG(t, "testdata/forest_golden.png", picture(t, f))
}

// Every verdict in one picture: an interval that goes beyond the axis ends in an
// arrow, a metric that could not be measured has no mark, one without an
// interval has only a mark, and a metric without a good side has no shading.
func TestForestOfOddRows(t *testing.T) {
	c := specimen.Comparison()
	c.Candidate = analyze.Arm{Label: "image=vllm/vllm-openai:nightly-0123456789abcdef", Runs: 6, Starts: 1}
	c.Metrics[0].Ratio.Hi, c.Metrics[0].Ratio.Lo = 2.4, 0.5
	c.Metrics[1].Ratio = analyze.Estimate{Value: math.NaN()}
	c.Metrics[1].Verdict = analyze.Inconclusive
	c.Metrics[2].Ratio = analyze.Estimate{Value: 0.9, N: 1}
	c.Metrics[2].Verdict = analyze.Inconclusive
	c.Metrics[3].Verdict, c.Metrics[3].Ratio.Value = analyze.Improved, 0.82
	c.Metrics[3].Ratio.Lo, c.Metrics[3].Ratio.Hi = 0.79, 0.85
	c.Metrics[4].Name, c.Metrics[4].Better, c.Metrics[4].Verdict = "concurrency", schemas.Neither, analyze.NotComparable
	f, err := Forest(c)
	if err != nil {
		t.Fatal(err)
	}
	schematest.GoldenPNG(t, "testdata/forest_odd_rows_golden.png", picture(t, f))
}

// Effects of several comparisons in one picture, each under its own heading: long
// and short, from halved to eight times as much, on an axis of log ratios.
func TestEffects(t *testing.T) {
	e := Effects{Title: "Confirmed this week", Heading: "one value a server start", Foot: []string{"steady window of each run"}}
	ratio := func(v, half float64) analyze.Estimate {
		return analyze.Estimate{Value: v, Lo: v / half, Hi: v * half, HasInterval: true, N: 5}
	}
	for i, model := range []string{"Qwen/Qwen3-8B on Jetson AGX Thor, 0.19.0 to 0.20.2", "a model of a name so long that nobody could ever read it to its end, on hardware"} {
		v := []float64{1, 2.1}[i]
		e.Rows = append(e.Rows,
			Effect{model, "ITL mean", ratio(1.08*v, 1.02), schemas.Lower, 0.03, analyze.Regressed},
			Effect{model, "TTFT p50", ratio(0.97, 1.2*v), schemas.Lower, 0.03, analyze.Inconclusive},
			Effect{model, "E2EL p50", ratio(1.005, 1.01), schemas.Lower, 0.03, analyze.NotRegressed},
			Effect{model, "output throughput", ratio(0.93/v, 1.02), schemas.Higher, 0.05, analyze.Regressed},
			Effect{model, "request throughput", ratio(1.1*v*v, 1.05), schemas.Higher, 0.05, analyze.Improved},
		)
	}
	f, err := e.Forest()
	if err != nil {
		t.Fatal(err)
	}
	schematest.GoldenPNG(t, "testdata/effects_golden.png", picture(t, f))
}

// Bad numbers stop at the door, and the error names the series and the place.
func TestBadNumbers(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	itl := func(s analyze.Sweep) (Figure, error) { return LatencyVsConcurrency(s, "itl") }
	for _, c := range []struct {
		name  string
		draw  func(analyze.Sweep) (Figure, error)
		spoil func(*analyze.Series)
		want  string
	}{
		{"a level that is NaN though runs are behind it", itl, func(s *analyze.Series) { s.Levels[3].ITLMean.Value = nan }, "series 0.20.2: c=8: ITL mean is NaN"},
		{"an infinite bound", itl, func(s *analyze.Series) { s.Levels[3].ITLMean.Hi = inf }, "series 0.20.2: c=8: the interval of ITL mean is +Inf"},
		{"a latency of zero", itl, func(s *analyze.Series) { s.Points[7].ITLMean = 0 }, "series 0.20.2: run 0.20.2-c02-s3, c=2: ITL mean is 0, which cannot be"},
		{"an infinite run", itl, func(s *analyze.Series) { s.Points[0].ITLMean = inf }, "run 0.20.2-c01-s1, c=1: ITL mean is +Inf"},
		{"a concurrency of zero", itl, func(s *analyze.Series) { s.Points[0].Concurrency = 0 }, "achieved concurrency is 0, which cannot be"},
		{"a fitted value that is NaN", itl, func(s *analyze.Series) { s.Fits[0].Band[5].Y = nan }, "series 0.20.2: fit affine at concurrency 1.31: the fitted value is NaN"},
		{"a share above one", ITLDistribution, func(s *analyze.Series) { s.ITL[1].P[9] = 1.5 }, "series 0.20.2, c=32: value 9: 0.0569"},
		{"a distribution that falls", ITLDistribution, func(s *analyze.Series) { s.ITL[0].P[80] = 0 }, "series 0.20.2, c=1: value 80: a distribution does not fall"},
		{"shares missing", ITLDistribution, func(s *analyze.Series) { s.ITL[0].P = s.ITL[0].P[:3] }, "series 0.20.2, c=1: "},
		{"only zeros", ITLDistribution, func(s *analyze.Series) { s.ITL[0] = analyze.ECDF{X: []float64{0}, P: []float64{1}} }, "every value is zero"},
	} {
		s := specimen.Sweep()
		c.spoil(&s.Series[1])
		if _, err := c.draw(s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}

	backwards := aRun(20, true)
	backwards.Requests[3].FirstChunk = backwards.Requests[3].Start - 1
	if _, err := backwards.Timeline(); err == nil || !strings.Contains(err.Error(), "request 3: its first chunk") {
		t.Errorf("a first chunk before the request: error %v", err)
	}
	if _, err := NewGapGrid(0, 1, 0, 1); err == nil {
		t.Error("a grid from gaps of zero has no logarithm")
	}
	outside := nights("ITL mean", "s", 0.07, schemas.Lower)
	outside.Changes[0].High = 99
	if _, err := HistoryStrips(specimen.Group, []History{outside}); err == nil || !strings.Contains(err.Error(), "history of ITL mean: a change at start 25") {
		t.Errorf("a change beyond the history: error %v", err)
	}
	odd := checked(2)
	odd.Columns[1].Answers[2] = "MAYBE"
	if _, err := odd.Figure(); err == nil || !strings.Contains(err.Error(), `no answer is called "MAYBE"`) {
		t.Errorf("an answer that is none: error %v", err)
	}

	c := specimen.Comparison()
	c.Metrics[1].Ratio.Value = nan
	if _, err := Forest(c); err == nil || !strings.Contains(err.Error(), "metric ITL mean: ") {
		t.Errorf("a ratio that is NaN: error %v", err)
	}
}

// Nothing to draw is an error as well, not an empty frame.
func TestNothingToDraw(t *testing.T) {
	gone := specimen.Baseline()
	for i := range gone.Points {
		gone.Points[i].ITLMean = math.NaN()
	}
	for i := range gone.Levels {
		gone.Levels[i].ITLMean = analyze.Estimate{Value: math.NaN()}
	}
	gone.Fits, gone.ITL = nil, nil
	for name, draw := range map[string]func() (Figure, error){
		"no series":           func() (Figure, error) { return LatencyVsConcurrency(analyze.Sweep{}, "itl") },
		"all missing":         func() (Figure, error) { return LatencyVsConcurrency(sweepOf(gone), "itl") },
		"no distribution":     func() (Figure, error) { return ITLDistribution(sweepOf(gone)) },
		"no metric":           func() (Figure, error) { return Forest(analyze.Comparison{}) },
		"an unknown metric":   func() (Figure, error) { return LatencyVsConcurrency(specimen.Sweep(), "latency") },
		"no trade":            func() (Figure, error) { return Pareto(specimen.Sweep()) },
		"no fit":              func() (Figure, error) { return Residuals(sweepOf(gone), "itl") },
		"no such fit":         func() (Figure, error) { return Residuals(specimen.Sweep(), "e2el") },
		"fewer distributions": func() (Figure, error) { return TTFTDistribution(specimen.Sweep(), nil) },
		"no effect":           func() (Figure, error) { return Effects{Title: "Nothing"}.Forest() },
		"no history":          func() (Figure, error) { return HistoryStrips(specimen.Group, nil) },
		"a history of nothing": func() (Figure, error) {
			return HistoryStrips(specimen.Group, []History{{Name: "ITL", Unit: "s", Starts: []HistoryStart{{"0.19.0", math.NaN(), false}}}})
		},
		"no request": func() (Figure, error) { return Run{}.Timeline() },
		"no TTFT":    func() (Figure, error) { return Run{Requests: []Request{{0, math.NaN(), math.NaN(), 1, true}}}.TTFT() },
		"no gap":     func() (Figure, error) { g, _ := NewGapGrid(0, 1, 0.001, 1); return g.HeatMap(Run{}) },
		"no check":   func() (Figure, error) { return MatrixOf(&analyze.Audit{}).Figure() },
	} {
		if f, err := draw(); err == nil {
			t.Errorf("%s: no error, but %q", name, f.Alt)
		}
	}
	if err := (Figure{}).WritePNG(&bytes.Buffer{}); err == nil {
		t.Error("the zero figure was drawn")
	}
}

// The same figure gives the same bytes, drawn again and made again.
func TestDeterministic(t *testing.T) {
	var first []byte
	for range 3 {
		f, err := Forest(specimen.Comparison())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := picture(t, f); first == nil {
				first = got
			} else if !bytes.Equal(first, got) {
				t.Fatal("two drawings of one figure differ")
			}
		}
	}
}

// Sides are named by what tells them apart.
func TestSideNames(t *testing.T) {
	for _, c := range []struct{ baseline, candidate, want string }{
		{"runtime_version=0.19.0", "runtime_version=0.20.2", "0.19.0 0.20.2"},
		{"model=m,runtime_version=0.19.0", "model=m,runtime_version=0.20.2", "0.19.0 0.20.2"},
		{"model=m,path_label=tuned", "model=m,path_label=generic,image=i", "path_label=tuned path_label=generic,image=i"},
		{"old", "new", "old new"},
		{"same", "same", "same same"},
		{"", "x=1", "unknown x=1"},
	} {
		b, k := SideNames(analyze.Comparison{Baseline: analyze.Arm{Label: c.baseline}, Candidate: analyze.Arm{Label: c.candidate}})
		if got := b + " " + k; got != c.want {
			t.Errorf("%q and %q are called %q, want %q", c.baseline, c.candidate, got, c.want)
		}
	}
}

// Names at line ends keep their order and their distance, and move no further
// than they must: blocks that touch are centred on their own mean.
func TestApart(t *testing.T) {
	for _, c := range []struct{ at, want []float64 }{
		{[]float64{0, 100, 50}, []float64{0, 100, 50}},                  // far apart: nothing moves
		{[]float64{10, 10}, []float64{5, 15}},                           // equal: half a gap each
		{[]float64{14, 10}, []float64{17, 7}},                           // order is kept
		{[]float64{0, 1, 2, 100}, []float64{-9, 1, 11, 100}},            // a block, and one apart
		{[]float64{0, 8, 11}, []float64{-11.0 / 3, 19.0 / 3, 49.0 / 3}}, // one block pulls in the next
		{[]float64{128, 129}, []float64{120, 130}},                      // not beyond the end
		{nil, nil},
	} {
		got := apart(c.at, 10, -20, 130)
		for i := range got {
			if math.Abs(got[i]-c.want[i]) > 1e-9 {
				t.Errorf("apart(%v) = %v, want %v", c.at, got, c.want)
				break
			}
		}
	}
}

// A folder gets every figure that can be drawn, and the error names the others.
func TestWriteSweeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "curves")
	spoilt := sweepOf(specimen.Baseline())
	spoilt.Series[0].ITL = nil
	full := residual(traded(2), 1)
	for i := range full.Series {
		full.Series[i].Objectives = []analyze.Objective{{Text: "ttft_p99<500ms,itl_p99<50ms", Largest: 4}}
	}
	names, err := WriteSweeps(dir, []analyze.Sweep{full, spoilt}, true)
	want := []string{
		"sweep-1-itl.png", "sweep-1-ttft.png", "sweep-1-itl-p99.png", "sweep-1-ttft-p99.png", "sweep-1-throughput.png", "sweep-1-pareto.png",
		"sweep-1-itl-distribution.png", "sweep-1-residuals-itl.png",
		"sweep-2-itl.png", "sweep-2-ttft.png", "sweep-2-throughput.png",
	}
	if !slices.Equal(names, want) {
		t.Errorf("wrote %v, want %v", names, want)
	}
	if err == nil || !strings.Contains(err.Error(), "sweep-2-itl-distribution.png: no series has a distribution") {
		t.Errorf("error %v", err)
	}
	for _, name := range names {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.HasPrefix(data, []byte("\x89PNG")) {
			t.Errorf("%s is no PNG: %v", name, err)
		}
	}
}
