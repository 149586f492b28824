package vllm

import (
	"bytes"
	"testing"

	"github.com/servestat/servestat/ingest/jsonrun/jsonruntest"
	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
)

// TestFresh reproduces the summaries of the real tool, vllm bench serve of v0.33.0, from
// its own arrays. E2EL of TTFT and gaps is that of its clock but for the moment between
// two readings of it.
func TestFresh(t *testing.T) {
	for file, completed := range map[string]int64{"v0.33.0/completions.json": 5, "v0.33.0/chat.json": 5, "v0.33.0/broken.json": 9} {
		var records []schemas.Record
		ok := map[int]bool{}
		for r := NewReader(bytes.NewReader(recordtest.File(t, file)), file); r.Scan(); {
			if gaps, is := r.Record().(*schemas.Gaps); is { // whose list the next one overwrites
				kept := *gaps
				kept.Nanos = append([]int64(nil), gaps.Nanos...)
				records = append(records, &kept)
				continue
			}
			records = append(records, r.Record())
			if request, is := r.Record().(*schemas.Request); is {
				ok[request.Index] = request.Status == schemas.StatusOK
			}
		}
		run := jsonruntest.Runs(t, records)[0]
		values := map[string][]float64{}
		for _, rec := range records {
			switch rec := rec.(type) {
			case *schemas.Gaps:
				for _, ns := range rec.Nanos {
					if ok[rec.Request] {
						values["itl"] = append(values["itl"], float64(ns)/1e6)
					}
				}
			case *schemas.Request:
				if rec.Status != schemas.StatusOK {
					continue
				}
				values["ttft"] = append(values["ttft"], float64(rec.TTFT.V)/1e6)
				values["tpot"] = append(values["tpot"], rec.TPOT().V/1e6)
				values["e2el"] = append(values["e2el"], float64(rec.E2EL.V)/1e6)
			}
		}
		for _, metric := range []string{"ttft", "itl", "tpot", "e2el"} {
			v := values[metric]
			jsonruntest.Near(t, file+": mean "+metric, jsonruntest.Mean(v), jsonruntest.Number(t, run, "mean_"+metric+"_ms"))
			jsonruntest.Near(t, file+": median "+metric, jsonruntest.Percentile(v, 50), jsonruntest.Number(t, run, "median_"+metric+"_ms"))
			jsonruntest.Near(t, file+": p99 "+metric, jsonruntest.Percentile(v, 99), jsonruntest.Number(t, run, "p99_"+metric+"_ms"))
		}
		seconds := float64(run.DurationNS.V) / 1e9
		jsonruntest.Near(t, file+": output_throughput", float64(run.OutputTokens.V)/seconds, jsonruntest.Number(t, run, "output_throughput"))
		if run.Completed.V != completed || run.Dialect != "cli+backend" {
			t.Errorf("%s: %s", file, recordtest.Shorthand(run))
		}
	}
}
