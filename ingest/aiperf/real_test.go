package aiperf

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// realFiles are files of real runs, which are not ours to distribute, and what
// is in them: format, requests and gaps.
var realFiles = map[string]realFile{
	"run1/profile_export.jsonl":       {FormatRecords, 100, 21537},
	"run1/profile_export_aiperf.json": {FormatSummary, 0, 0},
}

// freshFiles are those that make.sh wrote.
var freshFiles = map[string]realFile{
	"v0.13.0/profile_export.jsonl":     {FormatRecords, 8, 49},
	"v0.13.0/profile_export_raw.jsonl": {FormatRaw, 8, 49},
	"v0.3.0/profile_export.jsonl":      {FormatRecords, 7, 42},
	"v0.3.0/profile_export_raw.jsonl":  {FormatRaw, 8, 49}, // with the warm-up; it holds no usage, so no tokens
}

type realFile struct {
	format         string
	requests, gaps int
}

// tolerance is how far a recomputed number may be from the tool's own.
const tolerance = 1e-6

// TestRealFiles reads every real result and reproduces the tool's own summary
// from the records.
func TestRealFiles(t *testing.T) {
	root := schematest.Shared(t, "real/aiperf")
	var files []string
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".json") || strings.HasSuffix(path, ".jsonl") {
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

// TestFreshFiles does the same with the logs that the tool itself wrote, against
// an endpoint of ours.
func TestFreshFiles(t *testing.T) {
	for file, want := range freshFiles {
		t.Run(file, func(t *testing.T) { checkFile(t, filepath.Join("testdata", file), want) })
	}
}

func checkFile(t *testing.T, path string, want realFile) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if format, _ := Detect(text[:min(len(text), 64<<10)]); format != want.format {
		t.Errorf("Detect = %q, want %q", format, want.format)
	}
	d := distributions{}
	var run *schemas.Run
	requests, gaps := 0, 0
	for _, rec := range readNamed(t, bytes.NewReader(text), path) {
		switch rec := rec.(type) {
		case *schemas.Gaps:
			gaps += len(rec.Nanos)
			d.addGaps(rec)
		case *schemas.Request:
			requests++
			d.addRequest(rec)
		case *schemas.Run:
			run = rec
		case *schemas.Reject:
			t.Errorf("rejected: %v", rec)
		}
	}
	if requests != want.requests || gaps != want.gaps {
		t.Errorf("%d requests and %d gaps, want %d and %d", requests, gaps, want.requests, want.gaps)
	}
	if run == nil {
		t.Fatal("no run")
	}
	if want.format == FormatSummary {
		return
	}
	for _, name := range []string{"profile_export_aiperf.json"} {
		summary, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			t.Fatal(err)
		}
		if err := Complete(run, name, bytes.NewReader(summary)); err != nil {
			t.Fatal(err)
		}
	}
	checkSummary(t, run, d)
}

// distributions gathers the values of a run that the tool summarizes, in ms or
// tokens, under the tool's name.
type distributions map[string][]float64

func (d distributions) add(tag string, v schemas.Opt[int64], unit float64) {
	if v.OK {
		d[tag] = append(d[tag], float64(v.V)/unit)
	}
}

// addGaps: gaps come before it is known how a request ended, so that they wait
// under its index.
func (d distributions) addGaps(rec *schemas.Gaps) {
	for _, ns := range rec.Nanos {
		key := waiting(rec.Request)
		d[key] = append(d[key], float64(ns)/1e6)
	}
}

func waiting(request int) string { return "gaps of " + strconv.Itoa(request) }

func (d distributions) addRequest(rec *schemas.Request) {
	key := waiting(rec.Index)
	gaps := d[key]
	delete(d, key)
	if rec.Status != schemas.StatusOK {
		return
	}
	d["inter_chunk_latency"] = append(d["inter_chunk_latency"], gaps...)
	if len(gaps) > 0 {
		d["time_to_second_token"] = append(d["time_to_second_token"], gaps[0])
	}
	d.add("time_to_first_token", rec.TTFT, 1e6)
	d.add("time_to_first_output_token", rec.FirstAnswer, 1e6)
	d.add("request_latency", rec.E2EL, 1e6)
	d.add("output_sequence_length", rec.OutputTokens, 1)
	d.add("reasoning_token_count", rec.Reasoning, 1)
	if tpot := rec.TPOT(); tpot.OK { // the tool's ITL is our TPOT
		d["inter_token_latency"] = append(d["inter_token_latency"], tpot.V/1e6)
	}
}

// older are the names of metrics in 0.1.
var older = map[string]string{"time_to_first_token": "ttft", "time_to_second_token": "ttst"}

// checkSummary compares what the records come to with what the tool says.
func checkSummary(t *testing.T, run *schemas.Run, d distributions) {
	t.Helper()
	checked := 0
	for tag, values := range d {
		slices.Sort(values)
		for key, got := range map[string]float64{
			"avg": mean(values), "std": deviation(values), "min": values[0], "max": values[len(values)-1],
			"p1": percentile(values, 1), "p50": percentile(values, 50), "p90": percentile(values, 90), "p99": percentile(values, 99), "count": float64(len(values)),
		} {
			name := tag + "." + key
			if _, ok := run.Reported[name]; !ok {
				name = older[tag] + "." + key
			}
			checked += compare(t, run, name, got)
		}
	}
	seconds := float64(run.DurationNS.V) / 1e9
	window := observed(t, run, seconds)
	for name, got := range map[string]float64{
		"benchmark_duration": seconds, "request_count": float64(run.Completed.V), "error_request_count": float64(run.Failed.V),
		"total_osl": float64(run.OutputTokens.V), "request_throughput": float64(run.Completed.V) / window,
		"output_token_throughput": float64(run.OutputTokens.V) / window,
		// Where the server counts, our input tokens are those.
		inputTotal(run): float64(run.InputTokens.V),
	} {
		checked += compare(t, run, name+".avg", got)
	}
	if checked < 40 {
		t.Errorf("only %d numbers were compared", checked)
	}
	t.Logf("%d numbers agree", checked)
}

// observed returns the seconds by which the tool divides. Up to 0.3 this is its
// benchmark_duration, which is our duration: from the first request to the last
// response. 0.13 still reports that one, and divides by the time from the start
// of the phase to its end.
func observed(t *testing.T, run *schemas.Run, seconds float64) float64 {
	if run.Version.V != "0.13.0" {
		return seconds
	}
	var times [2]time.Time
	for i, key := range []string{"start_time", "end_time"} {
		var err error
		if times[i], err = time.Parse(`"2006-01-02T15:04:05"`, run.Reported[key]); err != nil {
			t.Fatal(err)
		}
	}
	window := times[1].Sub(times[0]).Seconds()
	t.Logf("throughput is compared over %.6f s, the tool's window, instead of %.6f s, its duration", window, seconds)
	return window
}

func inputTotal(run *schemas.Run) string {
	if _, ok := run.Reported["total_usage_prompt_tokens.avg"]; ok {
		return "total_usage_prompt_tokens"
	}
	return "total_isl"
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
	if want != 0 {
		off /= math.Abs(want)
	}
	if !(off <= tolerance) {
		t.Errorf("%s: recomputed %v, the tool says %v: off by %.1e", name, got, want, off)
	}
	return 1
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// deviation is numpy's std: that of the values themselves, not of a population.
func deviation(v []float64) float64 {
	m, sum := mean(v), 0.0
	for _, x := range v {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(len(v)))
}

// percentile is numpy's: linear between the values of sorted v.
func percentile(v []float64, p float64) float64 {
	at := p / 100 * float64(len(v)-1)
	i := int(at)
	if i+1 >= len(v) {
		return v[len(v)-1]
	}
	return v[i] + (v[i+1]-v[i])*(at-float64(i))
}
