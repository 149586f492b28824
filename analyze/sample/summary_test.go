package sample_test

import (
	"math"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/sample"

	"github.com/servestat/servestat/schemas/schematest"
)

func TestMeanIntervalIsBenchmaths(t *testing.T) {
	var g struct {
		MeanCI struct {
			X                     []float64
			Center, Lo, Hi, Level float64
		} `json:"mean_ci"`
	}
	schematest.Known(t, "mwu/golden.json", &g)
	s, err := sample.Summarize(g.MeanCI.X, g.MeanCI.Level)
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "mean", s.Mean, g.MeanCI.Center, 1e-12)
	wantNear(t, "low", s.CI.Low, g.MeanCI.Lo, 1e-12)
	wantNear(t, "high", s.CI.High, g.MeanCI.Hi, 1e-12)
}

func TestSummaryOfAFewRuns(t *testing.T) {
	s, err := sample.Summarize([]float64{3, 1, 2, 5, 4}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "mean", s.Mean, 3, 1e-15)
	wantNear(t, "sd", s.SD, math.Sqrt(2.5), 1e-15)
	wantNear(t, "median", s.Median, 3, 1e-15)
	if s.N != 5 || s.Min != 1 || s.Max != 5 || len(s.Warnings) != 0 {
		t.Errorf("summary %+v", s)
	}
	if !s.CI.Contains(3) || s.CI.Contains(6) {
		t.Errorf("interval %v", s.CI)
	}
}

// Epoch nanoseconds as float64 have 13 digits in common (NIST StRD SmLs07 has
// the same shape). Summing squares loses the standard deviation altogether.
func TestConstantLeadingDigitsDoNotSpoilTheSD(t *testing.T) {
	const epoch = 1e12
	s, err := sample.Summarize([]float64{epoch + 0.2, epoch + 0.3, epoch + 0.4}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	// The values themselves are rounded to 1.2e-4.
	wantNear(t, "sd", s.SD, 0.1, 2e-4)
}

// The interval of a geometric mean does not depend on the unit, and that of
// reciprocals is the reciprocal interval: what a latency and its throughput say
// agrees.
func TestGeometricMeanHasNoUnitAndNoSide(t *testing.T) {
	xs := []float64{10.1, 9.9, 10.4, 10.0, 9.7}
	ms, us, hz := make([]float64, 5), make([]float64, 5), make([]float64, 5)
	for i, x := range xs {
		ms[i], us[i], hz[i] = x, 1000*x, 1/x
	}
	a, b, c := geo(t, ms), geo(t, us), geo(t, hz)
	wantNear(t, "scaled", b.Value/a.Value, 1000, 1e-12)
	wantNear(t, "scaled high", b.CI.High/a.CI.High, 1000, 1e-12)
	wantNear(t, "reciprocal", c.Value, 1/a.Value, 1e-12)
	wantNear(t, "reciprocal low", c.CI.Low, 1/a.CI.High, 1e-12)
	wantNear(t, "log sd", a.LogSD, c.LogSD, 1e-12)
}

func TestOneValueHasNoInterval(t *testing.T) {
	s, err := sample.Summarize([]float64{5}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	if !math.IsInf(s.CI.Low, -1) || !math.IsInf(s.CI.High, 1) || !math.IsNaN(s.SD) {
		t.Errorf("summary %+v", s)
	}
	wantWarning(t, s.Warnings, sample.TooFew, "need >= 2 values for an interval, have 1")

	g := geo(t, []float64{5})
	if g.Value != 5 || g.CI.Low != 0 || !math.IsInf(g.CI.High, 1) {
		t.Errorf("geometric mean %+v", g)
	}
}

func TestWarningsSayWhatToDo(t *testing.T) {
	few, _ := sample.Summarize([]float64{1, 2, 3}, 0.95)
	wantWarning(t, few.Warnings, sample.FewValues, "need >= 5 values for a steady interval, have 3")
	same, _ := sample.Summarize([]float64{4, 4, 4, 4, 4}, 0.95)
	wantWarning(t, same.Warnings, sample.NoVariation, "all 5 values are equal: check that they are separate measurements")
	if same.SD != 0 || same.CI.Low != 4 || same.CI.High != 4 {
		t.Errorf("summary %+v", same)
	}
}

func TestBadSamplesAreRefused(t *testing.T) {
	for _, c := range []struct {
		xs   []float64
		conf float64
		want string
	}{
		{nil, 0.95, "need >= 1"},
		{[]float64{1, math.NaN()}, 0.95, "value 1 is NaN"},
		{[]float64{math.Inf(1)}, 0.95, "value 0 is +Inf"},
		{[]float64{1, 0}, 0.95, "value 1 is 0: a geometric mean needs values > 0"},
		{[]float64{1}, 95, "confidence 95 is not between 0 and 1"},
	} {
		if _, err := sample.GeometricMean(c.xs, c.conf); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("GeometricMean(%v, %g): %v, want %q", c.xs, c.conf, err, c.want)
		}
	}
	if _, err := sample.Summarize([]float64{math.NaN()}, 0.95); err == nil {
		t.Error("Summarize accepted NaN")
	}
}

func geo(t *testing.T, xs []float64) sample.GeoMean {
	t.Helper()
	g, err := sample.GeometricMean(xs, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func wantWarning(t *testing.T, got []sample.Warning, code sample.Code, text string) {
	t.Helper()
	if len(got) != 1 || got[0].Code != code || got[0].String() != text {
		t.Errorf("warnings %v, want %s %q", got, code, text)
	}
}
