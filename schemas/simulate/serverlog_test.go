package simulate

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

// logLine and statsLine are the patterns that matched every line of 534 043 real
// ones, and every line of statistics of 21 009, in the project's formats page.
var (
	logLine   = regexp.MustCompile(`^((?:\([^()]*\bpid=\d+[^()]*\) )*)(DEBUG|INFO|WARNING|ERROR|CRITICAL) (\d\d-\d\d) (\d\d:\d\d:\d\d) \[?([^\s:\]]+):(\d+)\] ?(.*)$`)
	statsLine = regexp.MustCompile(`^(?:Engine (\d{3}): |(\d+) Engines Aggregated: )?Avg prompt throughput: ([\d.]+) tokens/s, Avg generation throughput: ([\d.]+) tokens/s, Running: (\d+) reqs, (?:Swapped: (\d+) reqs, )?(?:Waiting|Pending): (\d+) reqs, (?:Deferred: (\d+) reqs, )?(?:Preemptions: (\d+), )?GPU KV cache usage: ([\d.]+)%(?:, (.*))?$`)
)

// oneLife is the log of one server start that saw one run, and when it was ready.
func oneLife(t *testing.T, version string, trace Trace) (log string, ready time.Time) {
	t.Helper()
	l := newServerLog(DefaultSweep(), version)
	ready = l.start(DefaultSweep().Begin, 1, rand.New(rand.NewPCG(1, 1)))
	l.observe(ready.Add(betweenRuns), trace)
	l.stop(ready.Add(betweenRuns + trace.Duration + 25*time.Second))
	return l.String(), ready
}

func TestServerLogHasTheLinesThatAReaderLooksFor(t *testing.T) {
	log, _ := oneLife(t, "0.20.0", mustRun(t, calm()))
	at := 0
	for _, want := range []string{
		`█  version 0.20.0`,
		`█  model   simulated/affine-decoder`,
		`non-default args: {'model_tag': 'simulated/affine-decoder', 'model': 'simulated/affine-decoder', 'max_model_len': 32768, 'enable_prefix_caching': False, 'max_num_seqs': 64`,
		`Initializing a V1 LLM engine (v0.20.0) with config: model='simulated/affine-decoder', speculative_config=None`,
		`GPU KV cache size: 1,048,576 tokens`,
		`Maximum concurrency for 32,768 tokens per request: 32.00x`,
		`init engine (profile, create kv cache, warmup model) took `,
		`Starting vLLM server on http://0.0.0.0:8000`,
		`INFO:     Application startup complete.`,
		`Engine 000: Avg prompt throughput: `,
		`Shutting down FastAPI HTTP server.`,
		`INFO:     Application shutdown complete.`,
	} {
		i := strings.Index(log[at:], want)
		if i < 0 {
			t.Fatalf("no %q after byte %d of\n%s", want, at, log)
		}
		at += i
	}
}

func TestServerLogLinesKeepTheGrammarAndTheOrderOfTime(t *testing.T) {
	log, _ := oneLife(t, "0.20.0", mustRun(t, calm()))
	latest := ""
	for line := range strings.Lines(log) {
		m := logLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			if !strings.Contains(line, ") INFO:     ") && !strings.Contains(line, "Written by servestat simulate") {
				t.Errorf("neither vLLM nor uvicorn writes %q", line)
			}
			continue
		}
		if m[1] == "" {
			t.Errorf("no process in %q", line)
		}
		if m[3]+m[4] < latest {
			t.Errorf("%q comes after %s", line, latest)
		}
		latest = m[3] + m[4]
	}
}

// The wording of this line changed in v0.20.
func TestInitEngineLineIsThatOfItsVersion(t *testing.T) {
	for version, want := range map[string]string{
		"0.19.1":    `warmup model) took \d+\.\d\d seconds\n`,
		"0.20.0":    `warmup model) took \d+\.\d\d s \(compilation: \d+\.\d\d s\)\n`,
		"0.20.0rc1": `warmup model) took \d+\.\d\d s \(compilation`,
		"nightly":   `warmup model) took \d+\.\d\d s \(compilation`,
		"1.0":       `warmup model) took \d+\.\d\d s \(compilation`,
	} {
		log, _ := oneLife(t, version, mustRun(t, calm()))
		if !regexp.MustCompile(strings.Replace(want, "model)", `model\)`, 1)).MatchString(log) {
			t.Errorf("%s: no line like %s", version, want)
		}
	}
}

// Every line of statistics is checked against a plain recount of the trace.
func TestStatisticsMatchTheTrace(t *testing.T) {
	cfg := Config{
		Requests: 300, Concurrency: 40, Slots: 24, InputLen: 500, OutputLen: 120, OutputLenSpread: 0.7,
		ITLBase: 15 * time.Millisecond, ITLSlope: 2 * time.Millisecond, TTFTBase: 400 * time.Millisecond, GapJitter: 0.1, FailureRate: 0.05,
	}
	trace := mustRun(t, cfg)
	log, ready := oneLife(t, "0.20.0", trace)
	begin := ready.Add(betweenRuns)

	found := 0
	for line := range strings.Lines(log) {
		m := logLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil || !strings.HasPrefix(m[7], "Engine 000") {
			continue
		}
		if !statsLine.MatchString(m[7]) {
			t.Errorf("a reader of statistics would miss %q", m[7])
		}
		found++
		tick := ready.Add(time.Duration(found) * statsInterval)
		if got := m[3] + " " + m[4]; got != tick.Format("01-02 15:04:05") {
			t.Errorf("statistics number %d come at %s, want %s", found, got, tick.Format("01-02 15:04:05"))
		}
		if want := recount(trace, begin, tick); m[7] != want {
			t.Errorf("at %v:\n got %s\nwant %s", tick, m[7], want)
		}
	}
	// The trace ends in some interval; the one after it is the last that speaks.
	if want := int((betweenRuns+trace.Duration)/statsInterval) + 2; found != want {
		t.Errorf("%d lines of statistics, want %d", found, want)
	}
}

// recount is what the statistics at tick should say about a run that began at
// begin.
func recount(trace Trace, begin, tick time.Time) string {
	var prompt, generated, running, waiting, blocks int
	inInterval := func(at time.Time) bool { return !at.Before(tick.Add(-statsInterval)) && at.Before(tick) }
	for i := range trace.Requests {
		r := &trace.Requests[i]
		wall := func(d time.Duration) time.Time { return begin.Add(d) }
		if inInterval(wall(r.Ready)) {
			prompt += r.InputTokens
		}
		made := 0
		for at := range r.tokenTimes {
			if inInterval(wall(at)) {
				generated++
			}
			if !wall(at).After(tick) {
				made++
			}
		}
		switch {
		case wall(r.Start).After(tick) || !wall(r.End).After(tick):
		case wall(r.Admitted).After(tick):
			waiting++
		default:
			running++
			blocks += (r.InputTokens + made + 15) / 16
		}
	}
	return fmt.Sprintf("Engine 000: Avg prompt throughput: %.1f tokens/s, Avg generation throughput: %.1f tokens/s, "+
		"Running: %d reqs, Waiting: %d reqs, GPU KV cache usage: %.1f%%, Prefix cache hit rate: 0.0%%",
		float64(prompt)/10, float64(generated)/10, running, waiting, 100*float64(blocks)*16/(1<<20))
}

func TestNumbersInTheLogHaveCommasBetweenThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1048576: "1,048,576"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
}
