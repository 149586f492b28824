package telemetry

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// Real files are not ours to distribute; see schematest.Shared.

// TestRealScrapes reads the scrapes of a real vLLM 0.25.1, idle and under load:
// each line that is no comment is a sample, and what the server counted adds up.
func TestRealScrapes(t *testing.T) {
	dir := schematest.Shared(t, "real/metrics/er0080")
	for file, running := range map[string]float64{"metrics_vllm_0_25_1_idle.txt": 0, "metrics_vllm_0_25_1_loaded.txt": 64} {
		t.Run(file, func(t *testing.T) {
			text := readFile(t, filepath.Join(dir, file))
			if format, ok := Detect(text); !ok || format != FormatPrometheus {
				t.Errorf("Detect = %q, %v", format, ok)
			}
			samples := samplesOf(t, text)
			if want := linesOf(text); len(samples) != want {
				t.Errorf("%d samples of %d lines", len(samples), want)
			}
			if got := only(t, samples, "vllm:num_requests_running"); got != running {
				t.Errorf("%v requests run, want %v", got, running)
			}
			checkHistograms(t, samples)
			first, gaps := only(t, samples, "vllm:time_to_first_token_seconds_count"), only(t, samples, "vllm:inter_token_latency_seconds_count")
			if tokens := only(t, samples, "vllm:generation_tokens_total"); first+gaps != tokens {
				t.Errorf("%v first tokens and %v gaps make no %v tokens", first, gaps, tokens)
			}
		})
	}
}

// linesOf counts the lines of a scrape that hold a sample.
func linesOf(text []byte) int {
	n := 0
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if line := lines.Text(); line != "" && line[0] != '#' {
			n++
		}
	}
	return n
}

// samplesOf returns the samples of an upload of which nothing may be rejected.
func samplesOf(t *testing.T, text []byte) []*schemas.Sample {
	t.Helper()
	var samples []*schemas.Sample
	for _, rec := range read(t, bytes.NewReader(text)) {
		s, ok := rec.(*schemas.Sample)
		if !ok {
			t.Fatalf("rejected: %v", rec)
		}
		samples = append(samples, s)
	}
	return samples
}

// only returns the value of the one sample of that name.
func only(t *testing.T, samples []*schemas.Sample, name string) float64 {
	t.Helper()
	var found []*schemas.Sample
	for _, s := range samples {
		if s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 || !found[0].Value.OK {
		t.Fatalf("%d samples of %s", len(found), name)
	}
	return found[0].Value.V
}

// checkHistograms checks that buckets do not fall with their bounds, and that the
// last holds as many as were counted.
func checkHistograms(t *testing.T, samples []*schemas.Sample) {
	t.Helper()
	before, histograms := 0.0, 0
	for i, s := range samples {
		if !strings.HasSuffix(s.Name, "_bucket") {
			continue
		}
		if i > 0 && samples[i-1].Name == s.Name && samples[i-1].Labels["le"] != "+Inf" && s.Value.V < before {
			t.Errorf("%s falls at %s", s.Name, s.Labels["le"])
		}
		before = s.Value.V
		if s.Labels["le"] != "+Inf" {
			continue
		}
		histograms++
		if count := samples[i+1]; count.Name != strings.TrimSuffix(s.Name, "_bucket")+"_count" || count.Value != s.Value {
			t.Errorf("%s: %v in buckets, %s %v", s.Name, s.Value.V, count.Name, count.Value.V)
		}
	}
	if histograms < 10 {
		t.Errorf("only %d histograms", histograms)
	}
}

// TestRealPowertrace reads the power and the counters of two real runs and
// reproduces what their manifests say about them.
func TestRealPowertrace(t *testing.T) {
	manifests, err := filepath.Glob(filepath.Join(schematest.Shared(t, "real/powertrace"), "*/*/*/manifest.json"))
	if err != nil || len(manifests) < 2 {
		t.Fatalf("found %q, %v", manifests, err)
	}
	for _, path := range manifests {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) { checkPowertrace(t, path) })
	}
}

// A manifest is what powertrace-sim says of a run.
type manifest struct {
	Clock struct {
		EngineFirst float64 `json:"engine_first_epoch_s"`
		PowerFirst  string  `json:"power_first_timestamp"`
	}
	Instrumentation struct {
		Engine, Power struct {
			Cadence float64 `json:"median_cadence_s"`
			Samples int
		}
		Skew float64 `json:"first_sample_skew_s"`
	}
	Server struct {
		GPUs []string `json:"active_gpu_uuids"`
	}
}

func checkPowertrace(t *testing.T, path string) {
	text := readFile(t, path)
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	east, err := ReadOffset(bytes.NewReader(text))
	if err != nil || !east.OK {
		t.Fatal(east, err)
	}
	engine := series(t, readFile(t, filepath.Join(filepath.Dir(path), "engine.csv")), FormatPowertrace, "num_requests_running", 0)
	power := series(t, readFile(t, filepath.Join(filepath.Dir(path), "power.csv")), FormatSMI, "power.draw", east.V)
	if len(engine) != m.Instrumentation.Engine.Samples || len(power) != m.Instrumentation.Power.Samples {
		t.Errorf("%d and %d samples, want %d and %d", len(engine), len(power), m.Instrumentation.Engine.Samples, m.Instrumentation.Power.Samples)
	}
	checkNear(t, "cadence of the engine's counters", cadence(engine), m.Instrumentation.Engine.Cadence)
	checkNear(t, "cadence of power", cadence(power), m.Instrumentation.Power.Cadence)
	first := engine[0].Time.V
	checkNear(t, "first sample of the engine", float64(first.UnixNano())/1e9, m.Clock.EngineFirst)
	local := power[0].Time.V.Add(east.V).Format("2006/01/02 15:04:05.000")
	if local != m.Clock.PowerFirst || power[0].Labels["uuid"] != m.Server.GPUs[0] {
		t.Errorf("first sample of power at %s of %s", local, power[0].Labels["uuid"])
	}
	if skew := power[0].Time.V.Sub(first).Seconds(); !power[0].Zone || math.Abs(skew-m.Instrumentation.Skew) > 0.1 && math.Abs(skew+m.Instrumentation.Skew) > 0.1 {
		t.Errorf("the two begin %v s apart, which the manifest calls %v", skew, m.Instrumentation.Skew)
	}
}

// series returns the samples of one name in an upload.
func series(t *testing.T, text []byte, format, name string, east time.Duration) []*schemas.Sample {
	t.Helper()
	if got, ok := Detect(text); !ok || got != format {
		t.Errorf("Detect = %q, %v, want %q", got, ok, format)
	}
	r := NewReader(bytes.NewReader(text), "telemetry.txt")
	r.SetOffset(east)
	var found []*schemas.Sample
	for r.Scan() {
		s, ok := r.Record().(*schemas.Sample)
		if !ok {
			t.Fatalf("rejected: %v", r.Record())
		}
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// cadence returns the median of the seconds between samples.
func cadence(samples []*schemas.Sample) float64 {
	var gaps []float64
	for i := range samples[1:] {
		gaps = append(gaps, samples[i+1].Time.V.Sub(samples[i].Time.V).Seconds())
	}
	slices.Sort(gaps)
	return (gaps[(len(gaps)-1)/2] + gaps[len(gaps)/2]) / 2
}

func checkNear(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-6*math.Abs(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestOthersAreNotClaimed: no result of a benchmark and no log is telemetry.
func TestOthersAreNotClaimed(t *testing.T) {
	dir := schematest.Shared(t, "real")
	n := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if ours := strings.HasPrefix(rel, "metrics") || strings.HasPrefix(rel, "powertrace") && strings.HasSuffix(rel, ".csv"); ours {
			return nil
		}
		n++
		if format, ok := Detect(readFile(t, path)); ok {
			t.Errorf("%s is claimed as %s", rel, format)
		}
		return nil
	})
	if err != nil || n < 50 {
		t.Errorf("%d files, %v", n, err)
	}
	t.Logf("%d files", n)
}
