package sample_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/servestat/servestat/analyze/sample"
)

func TestRunSummaryHasBothDefinitions(t *testing.T) {
	latencies := ranks(400)
	s, err := sample.SummarizeRun(latencies)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []sample.Percentile{s.P50, s.P95, s.P99} {
		if p.Err != nil {
			t.Fatal(p.Err)
		}
		wantNear(t, "parity", p.Parity, sample.Quantile(latencies, p.P), 0)
		wantNear(t, "compare", p.Compare, sample.HarrellDavis(latencies, p.P), 0)
		wantNear(t, "log", p.Log(), math.Log(p.Compare), 0)
	}
	if s.N != 400 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// 367 requests cannot bracket a p99, 368 can; the refusal says what is missing.
func TestPercentilesHaveAFloor(t *testing.T) {
	for _, c := range []struct {
		n             int
		p50, p95, p99 bool
	}{{5, false, false, false}, {6, true, false, false}, {71, true, false, false}, {72, true, true, false}, {367, true, true, false}, {368, true, true, true}} {
		s, err := sample.SummarizeRun(ranks(c.n))
		if err != nil {
			t.Fatal(err)
		}
		if (s.P50.Err == nil) != c.p50 || (s.P95.Err == nil) != c.p95 || (s.P99.Err == nil) != c.p99 {
			t.Errorf("%d requests: %v, %v, %v", c.n, s.P50.Err, s.P95.Err, s.P99.Err)
		}
	}
	s, _ := sample.SummarizeRun(ranks(367))
	var few *sample.TooFewError
	if !errors.As(s.P99.Err, &few) || *few != (sample.TooFewError{P: 0.99, Have: 367, Need: 368}) {
		t.Errorf("p99: %v", s.P99.Err)
	}
	if !math.IsNaN(s.P99.Compare) || !math.IsNaN(s.P99.Parity) || !math.IsNaN(s.P99.Log()) {
		t.Errorf("a number beside the refusal: %+v", s.P99)
	}
}

// aiperf issue 688: 250 of 256 requests fail and p95 looks fine, because it is
// that of the six that did not.
func TestFailedRequestsAreNotFast(t *testing.T) {
	s, err := sample.SummarizeRun(slices.Concat(slices.Repeat([]float64{10}, 6), slices.Repeat([]float64{math.Inf(1)}, 250)))
	if err != nil {
		t.Fatal(err)
	}
	if s.Failed != 250 || !math.IsInf(s.P50.Compare, 1) || !math.IsInf(s.P95.Parity, 1) {
		t.Errorf("%+v", s)
	}
}

func TestBadRunsAreRefused(t *testing.T) {
	for _, bad := range [][]float64{nil, {1, -1}, {math.NaN()}} {
		if _, err := sample.SummarizeRun(bad); err == nil {
			t.Errorf("%v was summarised", bad)
		}
	}
}

// One answer of 99 slow gaps and one of a single fast one: the server's mean is
// near the slow one's, the mean of the two requests is not.
func TestTokensWeighAnswers(t *testing.T) {
	got, err := sample.TokenWeighted([]sample.Decode{{Seconds: 9.9, Tokens: 99}, {Seconds: 0.01, Tokens: 1}, {Tokens: 0}})
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "mean", got, 9.91/100, 1e-15)
	for _, bad := range [][]sample.Decode{nil, {{Tokens: 0}}, {{Seconds: math.Inf(1), Tokens: 3}}, {{Seconds: 1, Tokens: -1}}} {
		if _, err := sample.TokenWeighted(bad); err == nil {
			t.Errorf("%v has a mean", bad)
		}
	}
}

func ranks(n int) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = float64(i + 1)
	}
	return xs
}
