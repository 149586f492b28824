package guidellm

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// realFiles are reports of real runs, which are not ours to distribute, and what
// is in them: runs and requests.
var realFiles = map[string]string{
	"v2/guidellm_report_v2.json": "dialect 2: 2 runs, 0 requests",
}

// freshFiles are those that make.sh wrote.
var freshFiles = map[string]string{
	"v0.3.1/benchmarks.json": "dialect 0.2: 1 runs, 6 requests",
	"v0.5.4/benchmarks.json": "dialect 1: 1 runs, 6 requests",
	"v0.8.1/benchmarks.json": "dialect 2: 1 runs, 6 requests",
}

// tolerance is how far a recomputed number may be from the tool's own.
const tolerance = 1e-6

// clock is how far a difference of two times may be from the tool's own, in ms:
// the tool subtracts two float64 near 1.8e9 s, which are half of 0.24 µs from the
// decimals that the file has, each.
const clock = 2.4e-4

// reasons say why a number of ours is not the tool's.
var reasons = map[string]string{
	"request_latency":          "it runs to the end of the stream, our E2EL to the last chunk with content",
	"time_per_output_token_ms": "it includes the first token from 0.4 on, and divides by one token more before",
	"output_tokens_per_second": "it is a distribution over time, weighted by how long each rate held",
}

// TestRealFiles reads every real report and reproduces the tool's own summary.
func TestRealFiles(t *testing.T) {
	root := schematest.Shared(t, "real/guidellm")
	var files []string
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".json") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for file := range realFiles {
		if !slices.Contains(files, file) {
			t.Errorf("%s is missing", file)
		}
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) { checkFile(t, filepath.Join(root, file), realFiles[file]) })
	}
}

// TestFreshFiles does the same with the reports that the tool itself wrote,
// against an endpoint of ours.
func TestFreshFiles(t *testing.T) {
	for file, want := range freshFiles {
		t.Run(file, func(t *testing.T) { checkFile(t, filepath.Join("testdata", file), want) })
	}
}

func checkFile(t *testing.T, path, want string) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := distributions{}
	runs, requests, dialect := 0, 0, ""
	for _, rec := range read(t, f) {
		switch rec := rec.(type) {
		case *schemas.Request:
			requests++
			d.addRequest(rec)
		case *schemas.Run:
			runs++
			dialect = rec.Dialect
			checkSummary(t, rec, d)
			d = distributions{}
		case *schemas.Reject:
			t.Errorf("rejected: %v", rec)
		}
	}
	if got := fmt.Sprintf("dialect %s: %d runs, %d requests", dialect, runs, requests); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if format, ok := Detect(text[:min(len(text), 64<<10)]); !ok {
		t.Errorf("Detect = %q, %v", format, ok)
	}
}

// distributions gathers the values of a run that the tool summarizes, in ms or
// tokens, under the tool's name.
type distributions map[string][]float64

func (d distributions) add(name string, v schemas.Opt[int64], unit float64) {
	if v.OK {
		d[name] = append(d[name], float64(v.V)/unit)
	}
}

func (d distributions) addRequest(rec *schemas.Request) {
	if rec.Status != schemas.StatusOK {
		return
	}
	d.add("time_to_first_token_ms", rec.TTFT, 1e6)
	d.add("time_to_first_output_token_ms", rec.FirstAnswer, 1e6)
	d.add("prompt_token_count", rec.InputTokens, 1)
	d.add("output_token_count", rec.OutputTokens, 1)
	if tpot := rec.TPOT(); tpot.OK { // the tool's ITL is our TPOT
		d["inter_token_latency_ms"] = append(d["inter_token_latency_ms"], tpot.V/1e6)
	}
}

// checkSummary compares what the records come to with what the tool says.
func checkSummary(t *testing.T, run *schemas.Run, d distributions) {
	t.Helper()
	checked := 0
	for name, values := range d {
		slices.Sort(values)
		numbers := map[string]float64{"count": float64(len(values)), "min": values[0], "max": values[len(values)-1], "total_sum": sum(values), "mean": sum(values) / float64(len(values))}
		if name == "inter_token_latency_ms" {
			// The tool weights a request by its tokens: its extremes are ours.
			numbers = map[string]float64{"min": values[0], "max": values[len(values)-1]}
		}
		for key, got := range numbers {
			checked += compare(t, run, name+".successful."+key, got)
		}
	}
	seconds := float64(run.DurationNS.V) / 1e9
	for name, got := range map[string]float64{
		"duration": seconds, "requests_per_second.successful.mean": float64(run.Completed.V) / seconds,
		"request_totals.successful": float64(run.Completed.V), "request_totals.total": float64(run.Requests.V),
		"prompt_token_count.successful.total_sum": float64(run.InputTokens.V), "output_token_count.successful.total_sum": float64(run.OutputTokens.V),
	} {
		checked += compare(t, run, name, got)
	}
	if checked < 5 {
		t.Errorf("only %d numbers were compared", checked)
	}
	t.Logf("%d numbers agree", checked)
	for name, why := range reasons {
		if text, ok := run.Reported[name+".successful.mean"]; ok {
			t.Logf("not compared: %s, %s: %s", name, text, why)
		}
	}
}

// compare checks a number against the one that the tool reports, if it does.
func compare(t *testing.T, run *schemas.Run, name string, got float64) int {
	t.Helper()
	text, ok := run.Reported[name]
	if !ok {
		return 0
	}
	var want float64
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	off := math.Abs(got - want)
	if strings.Contains(name, "_ms.") && off <= clock {
		off = 0
	}
	if want != 0 {
		off /= math.Abs(want)
	}
	if !(off <= tolerance) {
		t.Errorf("%s: recomputed %v, the tool says %v: off by %.1e", name, got, want, off)
	}
	return 1
}

func sum(v []float64) float64 {
	total := 0.0
	for _, x := range v {
		total += x
	}
	return total
}
