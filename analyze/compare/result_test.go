package compare

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/sample"
)

// Eight server starts with a spread of 1 %, at 100 units.
var quiet = []float64{98.6, 99.1, 99.5, 99.9, 100.2, 100.5, 100.9, 101.4}

// times returns xs multiplied by factor.
func times(xs []float64, factor float64) []float64 {
	ys := slices.Clone(xs)
	for i := range ys {
		ys[i] *= factor
	}
	return ys
}

// judgeOne judges one metric at one load point.
func judgeOne(t *testing.T, in input) Result {
	t.Helper()
	return judgeWith(in, Options{}).Metrics[0].Curve
}

func judgeWith(in input, opts Options) Judgement {
	return Judge(Sweep{
		Levels:   []float64{1},
		Metrics:  []Metric{{Name: in.Metric, Better: in.Better, Margin: in.Margin}},
		Baseline: startsOf(in.Baseline), Candidate: startsOf(in.Candidate),
	}, opts)
}

func startsOf(values []float64) []Start {
	var out []Start
	for _, v := range values {
		out = append(out, Start{Values: [][]float64{{v}}})
	}
	return out
}

// The ladder: the same eight runs against themselves, shifted further and
// further. Latency in the first column, throughput in the second.
func TestVerdictsAlongALadderOfShifts(t *testing.T) {
	for _, c := range []struct {
		factor          float64
		latency, output Verdict
	}{
		{0.90, Improved, Regressed},
		{0.98, Improved, Regressed},
		{1.000, NotRegressed, NotRegressed},
		{1.005, NotRegressed, NotRegressed},
		{1.02, Regressed, Improved},
		{1.10, Regressed, Improved},
	} {
		in := input{Metric: "itl", Better: Lower, Baseline: quiet, Candidate: times(quiet, c.factor)}
		latency := judgeOne(t, in)
		in.Better = Higher
		output := judgeOne(t, in)
		if latency.Verdict != c.latency || output.Verdict != c.output {
			t.Errorf("x%g: %v as a latency, %v as a throughput, want %v and %v",
				c.factor, latency.Verdict, output.Verdict, c.latency, c.output)
		}
		wantNear(t, "ratio", latency.Ratio.Value, c.factor, 1e-12)
		if !latency.Ratio.CI.Contains(c.factor) || latency.Ratio.NBaseline != 8 || latency.Weak || latency.Err != nil {
			t.Errorf("x%g: %+v", c.factor, latency)
		}
	}
}

// A sure change of half a percent is a change, and no regression.
func TestATinySureChangeIsNoRegression(t *testing.T) {
	r := judgeOne(t, input{Metric: "itl", Better: Lower, Baseline: ramp(8, 1000), Candidate: times(ramp(8, 1000), 1.009)})
	if r.AdjustedP > 0.05 || r.Verdict != NotRegressed {
		t.Errorf("p = %g, %v", r.AdjustedP, r.Verdict)
	}
}

// Runs that vary by 5 % cannot say anything about 3 %, and say so, with a number
// of runs that would.
func TestNoiseIsInconclusiveAndSaysHowManyRuns(t *testing.T) {
	noisy := []float64{92, 96, 100, 104, 108}
	r := judgeOne(t, input{Metric: "ttft", Better: Lower, Baseline: noisy, Candidate: times(noisy, 1.005)})
	if r.Verdict != Inconclusive {
		t.Fatalf("verdict %v", r.Verdict)
	}
	// One-sided at 5 % with power 0.8 for a gap of 2.5 % at an SD of 6.3 %:
	// n = 2 (1.645 + 0.842)^2 (6.3/2.5)^2 = 80.
	if r.RunsNeeded < 75 || r.RunsNeeded > 90 {
		t.Errorf("%d runs needed", r.RunsNeeded)
	}
	// 2.02 standard deviations for t at 5 %, 15 % more for ranks, which reach
	// 3.2 % and not 5, and 12 % for an SD that rests on 8 degrees of freedom.
	wantNear(t, "detectable", math.Log(r.Detectable.Ratio), 2.0243*1.15*1.12*r.Detectable.SD, 2e-3)
	if r.Detectable.DF != 8 || r.Detectable.Power != 0.8 || r.Detectable.Alpha != 0.05 {
		t.Errorf("detectable %+v", r.Detectable)
	}
}

func TestThreeRunsAreWeak(t *testing.T) {
	r := judgeOne(t, input{Metric: "itl", Better: Lower, Baseline: []float64{10, 10.1, 9.9}, Candidate: []float64{11, 11.1, 10.9}})
	if !r.Weak || r.Verdict != Regressed || r.Ratio.Method != WelchOnLogs || r.Ratio.CI.Level != 0.95 {
		t.Errorf("%+v", r)
	}
	wantWarning(t, r, WeakTest, "with 3 runs of a version the verdict assumes normal noise: make >= 5 runs of each")
	wantNear(t, "ratio", r.Ratio.Value, math.Cbrt(11*11.1*10.9/(10*10.1*9.9)), 1e-12)
}

func TestFewerThanThreeRunsAreNeverAVerdict(t *testing.T) {
	for _, n := range []int{1, 2} {
		for _, swap := range []bool{false, true} {
			b, c := ramp(n, 100), ramp(40, 200)
			if swap {
				b, c = c, b
			}
			r := judgeOne(t, input{Metric: "itl", Better: Lower, Baseline: b, Candidate: c})
			if r.Verdict != Inconclusive || !math.IsNaN(r.P) || !math.IsNaN(r.AdjustedP) || r.RunsNeeded != 5 {
				t.Errorf("%d and %d runs: %v, p = %g, %d runs needed", len(b), len(c), r.Verdict, r.P, r.RunsNeeded)
			}
			if !(r.Ratio.Value > 0) {
				t.Errorf("no estimate: %+v", r.Ratio)
			}
			wantCode(t, r, TooFewRuns)
		}
	}
}

// One run against one run, as most comparisons are made: an estimate with an
// interval of no confidence at all.
func TestOneRunAgainstOneRun(t *testing.T) {
	r := judgeOne(t, input{Metric: "itl", Better: Lower, Baseline: []float64{20}, Candidate: []float64{22}})
	wantNear(t, "ratio", r.Ratio.Value, 1.1, 1e-12)
	if r.Verdict != Inconclusive || r.Ratio.CI.Level != 0 || !math.IsNaN(r.Detectable.Ratio) {
		t.Errorf("%+v", r)
	}
	wantWarning(t, r, TooFewRuns,
		"need >= 3 runs of each version, on fresh server starts, for a verdict (>= 5 for a strong one), have 1 and 1")
	wantWarning(t, r, LevelShort, "the interval has 0 % confidence, not 95 %: make >= 4 runs of each version")
}

func TestWhatCannotBeComparedIsInvalid(t *testing.T) {
	ok := ramp(5, 100)
	inf := math.Inf(1)
	for _, c := range []struct {
		in   input
		want string
	}{
		{input{Metric: "itl", Better: Lower, Baseline: []float64{1, 0, 2}, Candidate: ok}, "baseline value 1 is 0: ratios need values > 0"},
		{input{Metric: "itl", Better: Lower, Baseline: ok, Candidate: []float64{-1}}, "candidate value 0 is -1"},
		{input{Metric: "itl", Better: Lower, Baseline: []float64{inf}, Candidate: ok}, "baseline value 0 is +Inf"},
		{input{Metric: "itl", Baseline: ok, Candidate: ok}, "say whether lower or higher is better"},
		{input{Metric: "itl", Better: "neither", Baseline: ok, Candidate: ok}, "say whether lower or higher is better"},
		{input{Metric: "itl", Better: Lower, Baseline: ok, Candidate: ok, Margin: 0.005}, "margin 0.005"},
		{input{Metric: "itl", Better: Lower, Baseline: ramp(3000, 1), Candidate: ramp(3000, 1)}, "one value per server start"},
	} {
		r := judgeOne(t, c.in)
		if r.Verdict != Invalid || r.Err == nil || !strings.Contains(r.Err.Error(), c.want) || !strings.Contains(r.Err.Error(), "itl") {
			t.Errorf("%v, %v, want %q", r.Verdict, r.Err, c.want)
		}
		if !math.IsNaN(r.P) || !math.IsNaN(r.Ratio.Value) {
			t.Errorf("numbers beside an error: %+v", r)
		}
	}
}

func TestNonsenseOptionsInvalidateTheFamily(t *testing.T) {
	in := input{Metric: "itl", Better: Lower, Baseline: quiet, Candidate: quiet}
	for _, opts := range []Options{{Alpha: 5}, {Alpha: -1}, {DeltaMin: 3}, {Margin: 0.001}, {Margin: math.NaN()}, {DeltaMin: 0.05}} {
		if j := judgeWith(in, opts); j.Verdict != Invalid || j.Err == nil {
			t.Errorf("%+v: %v, %v", opts, j.Verdict, j.Err)
		}
	}
}

// Files that were copied give runs that do not vary. That is no error, because a
// simulator does it too, but it is said.
func TestRunsThatDoNotVary(t *testing.T) {
	same := slices.Repeat([]float64{20}, 5)
	equal := judgeOne(t, input{Metric: "itl", Better: Lower, Baseline: same, Candidate: same})
	if equal.Verdict != NotRegressed || equal.P != 1 || equal.Ratio.Value != 1 || equal.Detectable.SD != 0 {
		t.Errorf("equal: %+v", equal)
	}
	wantCode(t, equal, NoVariation)

	apart := judgeOne(t, input{Metric: "itl", Better: Lower, Baseline: same, Candidate: times(same, 1.05)})
	if apart.Verdict != Regressed {
		t.Errorf("apart: %+v", apart)
	}

	// Welch's t has no denominator, so three such runs say nothing.
	three := judgeOne(t, input{Metric: "itl", Better: Lower, Baseline: same[:3], Candidate: times(same[:3], 1.05)})
	if three.Verdict != Inconclusive || !math.IsNaN(three.P) || three.RunsNeeded != 5 {
		t.Errorf("three: %+v", three)
	}
	wantCode(t, three, NoVariation)
}

func TestWildlyUnequalArms(t *testing.T) {
	r := judgeOne(t, input{Metric: "itl", Better: Lower, Baseline: ramp(200, 1000), Candidate: ramp(4, 1500)})
	if r.Verdict != Regressed || r.Ratio.Method != ExactRanks {
		t.Errorf("%+v", r)
	}
	wantWarning(t, r, Unbalanced,
		"200 runs against 4: make the numbers similar, or a difference in spread may pass for one in speed")

	large := judgeOne(t, input{Metric: "itl", Better: Lower, Baseline: ramp(200, 1000), Candidate: ramp(200, 1000)})
	if large.Verdict != NotRegressed || large.Ratio.Method != NormalRanks {
		t.Errorf("%+v", large)
	}
	wantCode(t, large, Approximate)
}

// The margin of one metric is wider, so the same data are shown not to be worse
// by it.
func TestMarginOfOneMetric(t *testing.T) {
	tail := []float64{90, 95, 100, 105, 110, 97, 103, 100}
	in := input{Metric: "p99_ttft", Better: Lower, Baseline: tail, Candidate: tail}
	if r := judgeOne(t, in); r.Verdict != Inconclusive || r.Margin != 0.03 {
		t.Errorf("at 3 %%: %v", r.Verdict)
	}
	in.Margin = 0.10
	if r := judgeOne(t, in); r.Verdict != NotRegressed || r.Margin != 0.10 {
		t.Errorf("at 10 %%: %v", r.Verdict)
	}
}

// What a latency says, its reciprocal says: verdict, p-value and mirrored
// interval.
func TestALatencyAndItsThroughputAgree(t *testing.T) {
	for _, factor := range []float64{0.95, 0.985, 1, 1.015, 1.028, 1.05} {
		base, cand := quiet, times(quiet, factor)
		inverse := func(xs []float64) []float64 {
			ys := make([]float64, len(xs))
			for i, x := range xs {
				ys[i] = 1 / x
			}
			return ys
		}
		a := judgeOne(t, input{Metric: "itl", Better: Lower, Baseline: base, Candidate: cand})
		b := judgeOne(t, input{Metric: "output", Better: Higher, Baseline: inverse(base), Candidate: inverse(cand)})
		if a.Verdict != b.Verdict {
			t.Errorf("x%g: %v and %v", factor, a.Verdict, b.Verdict)
		}
		wantNear(t, "bound", a.WorseBound().Value, 1/b.WorseBound().Value, 1e-12)
		wantNear(t, "detectable", a.Detectable.Ratio, 1/b.Detectable.Ratio, 1e-9)
	}
}

func TestVerdictWords(t *testing.T) {
	var zero Verdict
	if zero.String() != "inconclusive" || Regressed.String() != "regressed" || Verdict(9).String() != "verdict(9)" {
		t.Errorf("%v %v %v", zero, Regressed, Verdict(9))
	}
}

func wantWarning(t *testing.T, r Result, code sample.Code, text string) {
	t.Helper()
	if !slices.Contains(r.Warnings, sample.Warning{Code: code, Text: text}) {
		t.Errorf("warnings %q, want %s: %q", r.Warnings, code, text)
	}
}

func wantCode(t *testing.T, r Result, code sample.Code) {
	t.Helper()
	if !slices.ContainsFunc(r.Warnings, func(w sample.Warning) bool { return w.Code == code }) {
		t.Errorf("warnings %q, want %s", r.Warnings, code)
	}
}
