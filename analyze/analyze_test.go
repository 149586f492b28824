package analyze

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/audit"
	"github.com/servestat/servestat/analyze/query"
)

func TestVersionsAreOrderedAsReleased(t *testing.T) {
	want := []string{"0.6.4.post1", "0.9.2", "0.10.0", "0.19.0rc1", "0.19.0", "0.19.1.dev5", "0.19.1", "0.20.0", "0.20.0+cu128", "1.0"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, compareVersions)
	if !slices.Equal(got, want) {
		t.Errorf("ordered %v\nwant    %v", got, want)
	}
}

func TestBaselineIsTheNewestOlderVersion(t *testing.T) {
	known := []string{"0.18.0", "0.19.0", "0.20.0", "0.21.0", unknownVersion}
	for _, c := range []struct{ candidate, asked, want string }{
		{"0.21.0", "", "0.20.0"},
		{"0.19.0", "", "0.18.0"},
		{"0.18.0", "", ""},
		{"0.21.0", "0.18.0", "0.18.0"},
		{unknownVersion, "", ""},
	} {
		got, ok := baselineFor(c.candidate, known, c.asked)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("baseline of %s (asked %q) is %q %v, want %q", c.candidate, c.asked, got, ok, c.want)
		}
	}
}

// run is a detailed closed-loop run in which everything takes time itl.
func run(version, start string, level int64, itl float64) *Run {
	n := func(v float64) query.Number { return query.Number{V: v, Valid: true} }
	c := func(v int64) query.Count { return query.Count{V: v, Valid: true} }
	text := func(s string) query.Text { return query.Text{V: s, Valid: s != ""} }
	id := fmt.Sprintf("%s/%s/%d", version, start, level)
	r := &Run{RunIdentity: &query.RunIdentity{
		RunID: id, SourceName: id, Bench: "serve", Detailed: true, Model: text("m"), Hardware: text("h"),
		RuntimeVersion: text(version), ServerStart: text(start), MaxConcurrency: c(level), RequestRate: n(math.Inf(1)),
		Requests: c(8), Completed: c(8),
	}}
	x := float64(level) * 100 / (itl + 99*itl)
	r.Sum = &query.RunSummary{
		RunID: id, Requests: 8, Completed: 8, TTFTMean: n(itl), TTFTp50: n(itl), ITLMean: n(itl), ITLp50: n(itl), ITLp99: n(itl), TPOTMean: n(itl),
		E2ELp50: n(100 * itl), OutputThroughput: n(x), Concurrency: n(float64(level)), InputTokens: c(800), OutputTokens: c(800), Gaps: c(792),
	}
	r.check()
	return r
}

// A lake is asked in parts of so many requests, or the memory of a question would
// grow with it: 20,000 runs of 25 requests took more than 160 MB now and then.
func TestParts(t *testing.T) {
	d := &Data{}
	add := func(id string, requests int64) {
		r := run("1", "s", 1, 0.01)
		r.RunID, r.Requests = id, query.Count{V: requests, Valid: requests > 0}
		d.Runs = append(d.Runs, r)
	}
	for _, r := range []struct {
		id       string
		requests int64
	}{{"b", 0.6 * partRequests}, {"a", 0.4 * partRequests}, {"c", 1}, {"d", 0}, {"huge", 5 * partRequests}, {"e", 10}} {
		add(r.id, r.requests)
	}
	want := [][]string{{"a", "b"}, {"c", "d", "e"}, {"huge"}}
	if got := d.parts(); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("parts %v, want %v", got, want)
	}
}

// arms returns two sides of starts server starts, the candidate slower by a
// factor, with a little spread from start to start.
func arms(starts int, factor float64) (baseline, candidate *Data) {
	baseline, candidate = &Data{}, &Data{}
	for s := range starts {
		spread := 1 + 0.004*float64(s%3-1)
		for _, level := range []int64{1, 8} {
			itl := 0.01 * math.Sqrt(float64(level))
			baseline.Runs = append(baseline.Runs, run("1", fmt.Sprint("b", s), level, itl*spread))
			candidate.Runs = append(candidate.Runs, run("2", fmt.Sprint("c", s), level, itl*spread*factor))
		}
	}
	return baseline, candidate
}

func TestVerdictsOfACleanPair(t *testing.T) {
	for _, c := range []struct {
		starts int
		factor float64
		want   Verdict
	}{{6, 1.05, Regressed}, {6, 0.95, Improved}, {6, 1, NotRegressed}, {2, 1.05, Inconclusive}, {1, 2, Inconclusive}} {
		b, d := arms(c.starts, c.factor)
		got := Compare(b, d, "1", "2", CompareOptions{})
		if len(got) != 1 || got[0].Verdict != c.want {
			t.Errorf("%d starts, factor %g: %s", c.starts, c.factor, got[0].Sentence)
		}
	}
}

// Ten files of one server start are one replicate: however many there are, they
// never make a verdict.
func TestRunsOfOneStartAreOneReplicate(t *testing.T) {
	b, c := &Data{}, &Data{}
	for i := range 10 {
		b.Runs = append(b.Runs, run("1", "the start", 4, 0.010+0.0001*float64(i)))
		c.Runs = append(c.Runs, run("2", "another start", 4, 0.020+0.0001*float64(i)))
	}
	if got := Compare(b, c, "1", "2", CompareOptions{}); got[0].Verdict != Inconclusive || got[0].Baseline.Starts != 1 {
		t.Errorf("%d starts: %s", got[0].Baseline.Starts, got[0].Sentence)
	}
}

func TestWhatMustNotBeComparedIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		bend func(*Run)
		want string
	}{
		"other model":         {func(r *Run) { r.Model.V = "other" }, "only in the baseline: m"},
		"other hardware":      {func(r *Run) { r.Hardware.V = "other" }, "only in the candidate: m, other"},
		"other prompts":       {func(r *Run) { r.Sum.InputTokens.V *= 2 }, "mean prompt length"},
		"other answers":       {func(r *Run) { r.Sum.OutputTokens.V *= 2; r.Sum.Gaps.V *= 2 }, "mean output length"},
		"chat":                {func(r *Run) { r.Backend = query.Text{V: "openai-chat", Valid: true} }, ""},
		"simulated":           {func(r *Run) { r.Simulated.V, r.Simulated.Valid = true, true }, "being simulated differs"},
		"other level":         {func(r *Run) { r.MaxConcurrency.V *= 100; r.Sum.Concurrency.V *= 100; r.Sum.OutputThroughput.V *= 100 }, "no max concurrency in common"},
		"summaries only":      {func(r *Run) { r.Detailed = false }, "no run with per-token times"},
		"level not reached":   {func(r *Run) { r.Sum.Concurrency.V *= 0.5 }, "no run with per-token times"},
		"all requests failed": {func(r *Run) { r.Sum.Completed = 0 }, "no run with per-token times"},
	} {
		b, d := arms(5, 1)
		for _, r := range b.Runs {
			if name == "chat" {
				r.Backend = query.Text{V: "openai", Valid: true}
			}
		}
		for _, r := range d.Runs {
			c.bend(r)
			r.check()
		}
		got := Compare(b, d, "1", "2", CompareOptions{})
		if got[0].Verdict != NotComparable || !strings.Contains(strings.Join(got[0].Refusals, "; "), c.want) || len(got[0].Metrics) != 0 {
			t.Errorf("%s: %s", name, got[0].Sentence)
		}
	}
}

func TestUnknownIsSaidAndNotHeldAgainstAnybody(t *testing.T) {
	b, c := arms(6, 1.05)
	for _, r := range c.Runs {
		r.Hardware = query.Text{}
	}
	got := Compare(b, c, "1", "2", CompareOptions{})
	if got[0].Verdict != Regressed || !strings.Contains(strings.Join(got[0].Warnings, "; "), "hardware is recorded on one side only") {
		t.Errorf("%s, warnings %v", got[0].Sentence, got[0].Warnings)
	}
}

func TestWhatVariesIsNamed(t *testing.T) {
	b, c := arms(5, 1)
	for i, r := range b.Runs {
		r.EngineArgs = map[string]string{"max_num_seqs": fmt.Sprint(64 + 64*(i%2))}
	}
	for _, r := range c.Runs {
		r.EngineArgs = map[string]string{"max_num_seqs": "8"}
	}
	got := Compare(b, c, "1", "2", CompareOptions{Allow: []string{"engine_args.max_num_seqs"}})[0]
	warnings := strings.Join(got.Warnings, "\n")
	for _, want := range []string{
		"baseline: runs vary in engine argument max_num_seqs: 128, 64",
		"allowed: --allow engine_args.max_num_seqs: a second factor: engine argument max_num_seqs differs: 128, 64 in the baseline, 8 in the candidate",
	} {
		if !strings.Contains(warnings, want) {
			t.Errorf("warnings do not say %q:\n%s", want, warnings)
		}
	}
	if got.Verdict == NotComparable {
		t.Errorf("allowed, and refused: %s", got.Sentence)
	}
}

func TestChunksOfSeveralTokensTakeITLOut(t *testing.T) {
	b, c := arms(5, 1)
	for _, r := range c.Runs {
		r.Sum.Gaps.V /= 3
		r.check()
	}
	got := Compare(b, c, "1", "2", CompareOptions{})[0]
	for _, m := range got.Metrics {
		if m.Metric == "itl" {
			t.Error("ITL is compared though a gap is no time between tokens")
		}
	}
	if !strings.Contains(strings.Join(got.Warnings, "\n"), "ITL is left out") {
		t.Errorf("not said: %v", got.Warnings)
	}
}

// What a check found stands beside the numbers that it qualifies, and beside no
// others.
func TestChecksAreFootnotesOfTheirNumbers(t *testing.T) {
	b, _ := arms(5, 1)
	for _, r := range b.Runs {
		r.Sum.Failed, r.Sum.Requests = 2, r.Sum.Requests+2
		r.check()
	}
	for _, l := range newSeries("1", b.Runs).Levels {
		if !slices.Contains(l.TTFTp50.Notes, "requests failed; latencies are of the others") || len(l.Output.Notes) > 0 {
			t.Errorf("level %d: TTFT %q, output %q", l.MaxConcurrency, l.TTFTp50.Notes, l.Output.Notes)
		}
	}
	for check := range qualifies {
		if !slices.ContainsFunc(audit.Catalogue(), func(d audit.Definition) bool { return d.Check == check }) {
			t.Errorf("no check is called %q", check)
		}
	}
}

func TestReportedNumbersKeepTheirRounding(t *testing.T) {
	for raw, rounding := range map[string]float64{"14.32": 0.005, "14.319999999999999": 0, "14": 0, "1.5e3": 0, "0.1": 0.05, "126.86908692121507": 0} {
		if _, got, ok := reportedNumber(raw); !ok || math.Abs(got-rounding) > 1e-15 {
			t.Errorf("%s: rounding %g %v, want %g", raw, got, ok, rounding)
		}
	}
	for _, raw := range []string{"null", `"inf"`, "NaN", "Infinity", ""} {
		if _, _, ok := reportedNumber(raw); ok {
			t.Errorf("%s was taken for a number", raw)
		}
	}
}

// vLLM's client stamps the first chunk, and reads the clock again for the TTFT: a
// run of vLLM 0.20.2 said a mean E2EL of 287.83083600028476 ms where TTFT + gaps
// make 287.83124680012406 ms. That is 1.4 in a million, and has this reason.
func TestReasonsOfDisagreement(t *testing.T) {
	for _, c := range []struct {
		backend, dialect, key string
		off                   float64
		want                  string
	}{
		{"openai", "cli+backend", "mean_e2el_ms", 0.00041, "clock twice"},
		{"openai", "cli+backend", "mean_e2el_ms", 5, "no known reason"},
		{"openai", "cli+backend", "mean_itl_ms", 0.00041, "no known reason"},
		{"openai-chat", "cli+backend", "mean_tpot_ms", 0.2, "usage chunk"},
		{"vllm", "script-legacy", "p99_tpot_ms", 0.2, "[DONE]"},
	} {
		r := &Run{RunIdentity: &query.RunIdentity{Backend: query.Text{V: c.backend, Valid: true}, Dialect: c.dialect}}
		if got := r.whyDifferent(c.key, c.off); !strings.Contains(got, c.want) {
			t.Errorf("%s of %s, off by %g ms: %s, want %s", c.key, c.dialect, c.off, got, c.want)
		}
	}
}

func TestWeek(t *testing.T) {
	if got := weekOf(time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC)); got != "2026-W47" {
		t.Errorf("a Sunday is in %s", got)
	}
	if got := weekOf(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)); got != "2026-W53" {
		t.Errorf("New Year 2027 is in %s", got)
	}
	for _, bad := range []string{"47", "2026-47", "2026-W99", "2026-W4", "2026-W47x"} {
		if isWeek(bad) {
			t.Errorf("%s passes for a week", bad)
		}
	}
}

func TestSLOAnswers(t *testing.T) {
	b, _ := arms(2, 1)
	series := newSeries("1", b.Runs)
	for text, want := range map[string]int64{"itl_mean<1s": 8, "itl_mean<20ms": 1, "itl_mean<1ms": 0, "itl_mean<20ms,ttft_p50<1ms": 0} {
		slo, err := ParseSLO(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := slo.answer(&series); got.Largest != want {
			t.Errorf("%s: %d, want %d (%s)", text, got.Largest, want, got.Sentence)
		}
	}
	for _, bad := range []string{"", "itl_mean", "itl_mean<", "itl_mean<5", "nothing<5ms", "itl_mean<-5ms", "itl_mean<5ms,"} {
		if _, err := ParseSLO(bad); err == nil {
			t.Errorf("%q passes for an objective", bad)
		}
	}
}

// A plot marks each term of an objective where its own curve reaches the limit, and
// says which of them binds.
func TestObjectiveSaysHowFarEachTermIsKept(t *testing.T) {
	var runs []*Run
	for start := range 5 {
		for _, level := range []int64{1, 2, 4, 8, 16, 32} {
			runs = append(runs, run("1", fmt.Sprint(start), level, (0.010+0.0005*float64(level))*(1+0.003*float64((start*7+int(level))%5-2))))
		}
	}
	series := newSeries("1", runs)
	slo, err := ParseSLO("ttft_p50<22ms,itl_mean<20ms,e2el_p50<99s")
	if err != nil {
		t.Fatal(err)
	}
	o := slo.answer(&series)
	if len(o.Terms) != 3 || o.Fitted == nil || !o.Fitted.HasInterval {
		t.Fatalf("%+v", o)
	}
	for i, want := range []struct {
		metric       string
		limit, value float64
		binds        bool
	}{{"ttft_p50", 0.022, 24, false}, {"itl_mean", 0.020, 20, true}, {"e2el_p50", 99, 32, false}} {
		got := o.Terms[i]
		if got.Metric != want.metric || got.Limit != want.limit || got.Binds != want.binds || math.Abs(got.Fitted.Value/want.value-1) > 0.02 {
			t.Errorf("%+v %+v, want %+v", got, got.Fitted, want)
		}
	}
	if o.Fitted.Value != o.Terms[1].Fitted.Value || !(o.Fitted.Lo < 20 && 20 < o.Fitted.Hi) {
		t.Errorf("%+v", o.Fitted)
	}
	for _, f := range series.Fits {
		if len(f.Residuals) != len(series.Points) {
			t.Errorf("%s: %d residuals of %d runs", f.Metric, len(f.Residuals), len(series.Points))
		}
	}
}

// A number that could not be had is null in JSON, and the rest is there.
func TestMissingNumbersAreNullInJSON(t *testing.T) {
	for _, v := range []any{missing("why"), Point{ITLMean: math.NaN(), RunID: "r"}, MetricDiff{Change: Change{P: math.NaN(), Detectable: math.Inf(1)}, Name: "n"}} {
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%T: %v", v, err)
		}
		if !strings.Contains(string(out), "null") {
			t.Errorf("%T: %s", v, out)
		}
	}
}

// One run against one has no interval: one of no width, [+4.2, +4.2], was printed as if
// it were of certainty.
func TestSingleRunsHaveNoInterval(t *testing.T) {
	one := func(version string, itl float64) *Data {
		return &Data{Runs: []*Run{run(version, version+" start", 1, itl), run(version, version+" start", 8, itl)}}
	}
	for _, c := range Compare(one("1", 0.0100), one("2", 0.0104), "runtime_version=1", "runtime_version=2", CompareOptions{}) {
		for _, m := range c.Metrics {
			for _, e := range append([]Estimate{m.Ratio}, m.Cells[0].Ratio) {
				if e.HasInterval || e.Lo != 0 || e.Hi != 0 {
					t.Errorf("%s: %+v", m.Name, e)
				}
			}
		}
		if len(c.Metrics) == 0 {
			t.Fatal(c.Sentence)
		}
	}
}

func TestEmptyInputGivesAnAnswer(t *testing.T) {
	got := Compare(&Data{}, &Data{}, "1", "2", CompareOptions{})
	if got[0].Verdict != NotComparable {
		t.Errorf("nothing against nothing: %s", got[0].Sentence)
	}
	if s := newSeries("1", nil); len(s.Levels) != 0 || s.Degradation != nil || s.Fits[0].Refused == "" {
		t.Errorf("a series of nothing: %+v", s)
	}
}
