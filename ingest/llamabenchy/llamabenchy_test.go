package llamabenchy

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/servestat/servestat/ingest/jsonrun/jsonruntest"
	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
)

var producer = jsonruntest.Producer{
	Open:   func(r io.Reader, name string) recordtest.Reader { return NewReader(r, name) },
	Detect: Detect,
	// All synthetic.
	Cases: []jsonruntest.Case{
		{File: "v0.2/results.json", Format: Format, Story: "three load points; the second fills the prefix cache for the third, and its rate of decoding is null"},
		{File: "v0.2/sorted.json", Format: Format, Story: "the same with sorted keys: the benchmarks come before the model they are of"},
		{File: "hostile/benchmarks.json", Format: Format, Story: "a negative concurrency is left out; an object without throughput and a number are no benchmarks; the next object has none"},
	},
}

func TestProducer(t *testing.T) { producer.Test(t) }

func FuzzReader(f *testing.F) { producer.Fuzz(f) }

// TestContentDigest: sorting the keys changes no digest.
func TestContentDigest(t *testing.T) {
	var digests [2][]string
	for i, file := range []string{"v0.2/results.json", "v0.2/sorted.json"} {
		for _, rec := range producer.Read(t, bytes.NewReader(recordtest.File(t, file))) {
			digests[i] = append(digests[i], rec.(*schemas.Run).ContentDigest)
		}
	}
	if len(digests[0]) != 3 || digests[0][0] != digests[1][0] || digests[0][2] != digests[1][2] || digests[0][1] == digests[0][2] {
		t.Errorf("digests %q", digests)
	}
}

// TestReal reads the sample of the tool's own repository and recomputes its
// means from its values.
func TestReal(t *testing.T) {
	runs := jsonruntest.Runs(t, producer.Read(t, jsonruntest.RealFile(t, "llama-benchy/schemas/sample.json")))
	if len(runs) == 0 {
		t.Fatal("no runs")
	}
	checked := 0
	for _, run := range runs {
		if run.Model.V != "test" || run.Version.V != "0.2.2.dev7+gcd427054e" || !run.MaxConcurrency.OK || run.Labels["prompt_size"] == "" {
			t.Errorf("%s", recordtest.Shorthand(run))
		}
		for key := range run.Reported {
			metric, ok := bytes.CutSuffix([]byte(key), []byte(".values"))
			if !ok {
				continue
			}
			checked++
			jsonruntest.Near(t, string(metric), jsonruntest.Mean(floats(t, run.Reported[key])), jsonruntest.Number(t, run, string(metric)+".mean"))
		}
	}
	if checked < 9*len(runs) {
		t.Errorf("only %d means of %d runs", checked, len(runs))
	}
	t.Logf("%d runs, %d means", len(runs), checked)
}

func floats(t *testing.T, text string) []float64 {
	t.Helper()
	var v []float64
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
