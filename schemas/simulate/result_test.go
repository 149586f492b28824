package simulate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

// text is the file that r is written as.
func (r result) text(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.write(bufio.NewWriter(&b)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// twoRequests is a run of two users, one of whose requests failed, in round
// numbers.
func twoRequests() result {
	const ms = time.Millisecond
	return result{
		model: "org/model", simulator: "servestat simulate", concurrency: 2,
		end:   time.Date(2026, 11, 16, 8, 1, 2, 999e6, time.UTC),
		began: 353399700 * ms,
		trace: Trace{
			Requests: []Request{
				{Start: 0, Ready: 60 * ms, End: 130 * ms, TTFT: 76 * ms, Gaps: []time.Duration{16 * ms, 17*ms + 1, 21*ms - 1}, InputTokens: 512, OutputTokens: 4},
				{Start: 5 * ms, Ready: 65 * ms, End: 76 * ms, InputTokens: 512, Err: errNoChunk},
			},
			Duration: 130 * ms,
		},
	}
}

// The order of the keys is vLLM's; Python's json.dump put the spaces.
func TestResultIsTheLineThatVLLMWouldWrite(t *testing.T) {
	want := `{"date": "20261116-080102", "endpoint_type": "vllm", "backend": "vllm", "label": null,` +
		` "model_id": "org/model", "tokenizer_id": "org/model", "num_prompts": 2, "simulator": "servestat simulate",` +
		` "request_rate": "inf", "burstiness": 1.0, "max_concurrency": 2, "duration": 0.13, "completed": 1, "failed": 1,` +
		` "total_input_tokens": 512, "total_output_tokens": 4, "request_throughput": 7.692307692307692,` +
		` "request_goodput": null, "output_throughput": 30.769230769230766, "total_token_throughput": 3969.230769230769,` +
		` "input_lens": [512, 512], "output_lens": [4, 0], "ttfts": [0.076, 0.0],` +
		` "itls": [[0.016, 0.017000001, 0.020999999], []], "start_times": [353399.7, 353399.705],` +
		` "generated_texts": ["", ""],` +
		` "errors": ["", "Never received a valid chunk to calculate TTFT.This response will be marked as failed!"],` +
		` "max_output_tokens_per_s": 4.0, "max_concurrent_requests": 1, "rtfx": 0.0,` +
		` "mean_ttft_ms": 76.0, "median_ttft_ms": 76.0, "std_ttft_ms": 0.0, "p99_ttft_ms": 76.0,` +
		` "mean_tpot_ms": 18.0, "median_tpot_ms": 18.0, "std_tpot_ms": 0.0, "p99_tpot_ms": 18.0,` +
		` "mean_itl_ms": 18.0, "median_itl_ms": 17.000001, "std_itl_ms": S, "p99_itl_ms": P,` +
		` "mean_e2el_ms": 130.0, "median_e2el_ms": 130.0, "std_e2el_ms": 0.0, "p99_e2el_ms": 130.0}`
	got := twoRequests().text(t)
	// The last digits of these two are arithmetic's; TestSummary has their values.
	got = regexp.MustCompile(`"std_itl_ms": [0-9.]+`).ReplaceAllString(got, `"std_itl_ms": S`)
	got = regexp.MustCompile(`"p99_itl_ms": [0-9.]+`).ReplaceAllString(got, `"p99_itl_ms": P`)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", strings.ReplaceAll(got, `, "`, ",\n\""), strings.ReplaceAll(want, `, "`, ",\n\""))
	}
}

func TestResultOfAnOpenLoopStatesItsRate(t *testing.T) {
	r := twoRequests()
	r.requestRate = 5
	if text := r.text(t); !strings.Contains(text, `"request_rate": 5.0, "burstiness": 1.0`) {
		t.Errorf("no numeric request rate in %s", text)
	}
	r.requestRate = math.Inf(1)
	if text := r.text(t); !strings.Contains(text, `"request_rate": "inf"`) {
		t.Errorf("no infinite request rate in %s", text)
	}
}

// vLLM writes 0.0 for every statistic of a run without a success.
func TestResultOfARunThatFailedAltogetherIsZero(t *testing.T) {
	cfg := calm()
	cfg.FailureRate = 1
	r := twoRequests()
	r.trace = mustRun(t, cfg)
	var got map[string]any
	if err := json.Unmarshal([]byte(r.text(t)), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"completed", "total_input_tokens", "total_output_tokens", "output_throughput",
		"max_output_tokens_per_s", "max_concurrent_requests", "mean_ttft_ms", "p99_tpot_ms", "std_itl_ms", "median_e2el_ms"} {
		if got[key] != 0.0 {
			t.Errorf("%s is %v, want 0", key, got[key])
		}
	}
	if got["failed"] != 16.0 {
		t.Errorf("failed is %v, want 16", got["failed"])
	}
}

// The expectations are NumPy's: mean, median, std(ddof=0) and percentile(99) of
// these gaps, and vLLM's one-second buckets.
func TestSummaryFollowsNumPy(t *testing.T) {
	const ms = time.Millisecond
	trace := Trace{
		Requests: []Request{
			{Start: 100 * ms, End: 1300 * ms, TTFT: 900 * ms, Gaps: []time.Duration{100 * ms, 200 * ms}, InputTokens: 10, OutputTokens: 3},
			{Start: 1200 * ms, End: 2600 * ms, TTFT: 500 * ms, Gaps: []time.Duration{300 * ms, 600 * ms}, InputTokens: 20, OutputTokens: 3},
			{Start: 2700 * ms, End: 3000 * ms, TTFT: 300 * ms, InputTokens: 30, OutputTokens: 1},
		},
		Duration: 3 * time.Second,
	}
	s := trace.Summary()
	near(t, "mean ITL", s.ITL.Mean, 300, 1e-12)
	near(t, "median ITL", s.ITL.Median, 250, 1e-12)
	near(t, "std ITL", s.ITL.Std, 187.0828693386971, 1e-12)
	near(t, "P99 ITL", s.ITL.P99, 591, 1e-12)
	near(t, "median TTFT", s.TTFT.Median, 500, 1e-12)
	near(t, "mean TPOT, undefined for one token", s.TPOT.Mean, 300, 1e-12)
	near(t, "P99 E2EL", s.E2EL.P99, 1396, 1e-12)
	near(t, "output throughput", s.OutputThroughput, 7.0/3, 1e-12)
	near(t, "total throughput", s.TotalTokenThroughput, 67.0/3, 1e-12)
	// Seconds count from the first start: tokens at 0.9 | 1.0 1.2 1.6 1.9 | 2.5 2.9,
	// and two requests touch second 1, though the client may have kept to one.
	if s.PeakTokens != 4 || s.PeakRequests != 2 {
		t.Errorf("peaks are %d tokens and %d requests, want 4 and 2", s.PeakTokens, s.PeakRequests)
	}
}

func TestNumbersAreWrittenAsPythonWritesThem(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.0", 1: "1.0", 30.769230769230766: "30.769230769230766", 0.0001: "0.0001", 0.00001: "1e-05", 1e16: "1e+16", 123456789012: "123456789012.0",
	} {
		if got := string(appendFloat(nil, f)); got != want {
			t.Errorf("float %g is written %s, want %s", f, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0.0", 1: "0.000000001", 14200 * time.Microsecond: "0.0142", 353399*time.Second + 7: "353399.000000007", time.Minute: "60.0",
	} {
		if got := string(appendSeconds(nil, d)); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
}

func TestTextIsWrittenAsPythonWritesIt(t *testing.T) {
	for s, want := range map[string]string{
		`a "b" \ c`: `"a \"b\" \\ c"`, "x\ny\t\x00\x7f": `"x\ny\t\u0000\u007f"`, "Modèle 😀": `"Mod\u00e8le \ud83d\ude00"`,
	} {
		if got := string(appendString(nil, s)); got != want {
			t.Errorf("%q is written %s, want %s", s, got, want)
		}
	}
}

// A reader that parses the decimal notation gets the nanoseconds back.
func TestWrittenTimesLoseNothing(t *testing.T) {
	cfg := calm()
	cfg.GapJitter = 0.3
	r := twoRequests()
	r.trace = mustRun(t, cfg)
	var got struct {
		TTFTs      []float64   `json:"ttfts"`
		ITLs       [][]float64 `json:"itls"`
		StartTimes []float64   `json:"start_times"`
	}
	if err := json.Unmarshal([]byte(r.text(t)), &got); err != nil {
		t.Fatal(err)
	}
	nanos := func(seconds float64) time.Duration { return time.Duration(math.Round(seconds * 1e9)) }
	for i, q := range r.trace.Requests {
		if nanos(got.TTFTs[i]) != q.TTFT || nanos(got.StartTimes[i]-got.StartTimes[0]) != q.Start {
			t.Fatalf("request %d: TTFT and start read as %v and %v, were %v and %v", i, got.TTFTs[i], got.StartTimes[i], q.TTFT, q.Start)
		}
		for j, gap := range q.Gaps {
			if nanos(got.ITLs[i][j]) != gap {
				t.Fatalf("request %d: gap %d reads as %v, was %v", i, j, got.ITLs[i][j], gap)
			}
		}
	}
}
