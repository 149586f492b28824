package main

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas/lake"
)

// What is exported and read back says the same: each number that a report has is,
// to the last digits of a float, the one of the run that it was made of.
func TestExportReadBackIsTheSame(t *testing.T) {
	dir := t.TempDir()
	first, reports, second := filepath.Join(dir, "first"), filepath.Join(dir, "reports"), filepath.Join(dir, "second")
	servestat(t, "ingest", "--lake", first, "testdata/demo/logs/0.20.0/c8", "testdata/demo/logs/0.19.0/c1")
	servestat(t, "export", "--lake", first, "-o", reports)
	servestat(t, "ingest", "--lake", second, "--strict", reports)
	was, again := openQuery(t, first), openQuery(t, second)
	summaries, err := was.RunSummaries(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	runs, err := was.RunIdentities(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	recomputed, err := was.Recomputed(t.Context(), "", []float64{0, 50, 99, 99.9})
	if err != nil {
		t.Fatal(err)
	}
	back, err := again.RunIdentities(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]query.RunIdentity{}
	for _, r := range back {
		byID[r.Labels["uid"]] = r
	}
	if len(summaries) != 10 || len(byID) != 10 {
		t.Fatalf("%d runs, %d reports", len(summaries), len(byID))
	}
	compared := 0
	near := func(r query.RunIdentity, key string, want float64) {
		t.Helper()
		var got float64
		if _, err := fmt.Sscan(r.Reported.Get(key), &got); err != nil || math.Abs(got-want) > 1e-12*math.Abs(want) {
			t.Errorf("%s: %s is %s, want %v", r.SourceName, key, r.Reported.Get(key), want)
		}
		compared++
	}
	for _, s := range summaries {
		r := byID[s.RunID]
		near(r, "latency.time_to_first_token.mean", s.TTFTMean.V)
		near(r, "latency.inter_token_latency.mean", s.ITLMean.V)
		near(r, "latency.time_per_output_token.mean", s.TPOTMean.V)
		near(r, "throughput.output_token_rate.mean", s.OutputThroughput.V)
		near(r, "throughput.total_token_rate.mean", s.TotalTokenThroughput.V)
		near(r, "throughput.request_rate.mean", s.RequestThroughput.V)
		if r.Requests.V != s.Requests || r.Completed.V != s.Completed || r.Failed.V != s.Failed {
			t.Errorf("%s: %+v of %+v", s.RunID, r.Requests, s.Requests)
		}
	}
	for _, m := range recomputed {
		name := map[string]string{
			"ttft": "time_to_first_token", "itl": "inter_token_latency", "tpot": "time_per_output_token", "e2el": "request_latency",
		}[m.Metric]
		near(byID[m.RunID], "latency."+name+".stddev", m.Std/1e3)
		// Type 7, as the tools have it; comparisons take percentiles otherwise.
		near(byID[m.RunID], "latency."+name+".min", m.Percentiles[0]/1e3)
		near(byID[m.RunID], "latency."+name+".p50", m.Percentiles[1]/1e3)
		near(byID[m.RunID], "latency."+name+".p99", m.Percentiles[2]/1e3)
		near(byID[m.RunID], "latency."+name+".p99p9", m.Percentiles[3]/1e3)
	}
	if compared != 10*6+10*4*5 {
		t.Errorf("%d numbers were compared", compared)
	}
	for _, r := range runs {
		b := byID[r.RunID]
		if b.Model != r.Model || b.Runtime != r.Runtime || b.RuntimeVersion != r.RuntimeVersion || b.Hardware != r.Hardware ||
			b.MaxConcurrency != r.MaxConcurrency || b.Labels["load_tool"] != r.Producer || math.Abs(b.DurationS.V-r.DurationS.V) > 1e-9 {
			t.Errorf("%s: the report says %v %v %v %v at %v, %v s", r.SourceName, b.Model, b.Runtime, b.RuntimeVersion, b.Hardware, b.MaxConcurrency, b.DurationS)
		}
		for k, v := range r.EngineArgs {
			if b.EngineArgs[k] != v {
				t.Errorf("%s: argument %s is %q, want %q", r.SourceName, k, b.EngineArgs[k], v)
			}
		}
	}
	code, out := answers(t, "export", "--lake", first, runs[0].RunID[:8], "runtime_version=0.20.0,repeat=2")
	if n := strings.Count(out, "version: \"0.2\"\n"); code != 0 || n != 2 || strings.Count(out, "\n---\n") != 1 {
		t.Errorf("exit %d, %d documents on stdout", code, n)
	}
}

func openQuery(t *testing.T, dir string) *query.DB {
	t.Helper()
	l, err := lake.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := query.Open(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
