package ingest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// longTexts are places in uploads of each kind where a name or a message may
// stand: what is written before it, and what its reject says. Where the kind of
// a file cannot be told for it, the file is quarantined.
var longTexts = []struct {
	file, before, says string
	quarantined        bool
	beside             string // a file that is ingested with it
}{
	{file: "aiperf/testdata/v0.10/summary.json", before: `"models": {
      "items": [
        {
          "name": "`, says: "input_config.models.items.0.name: found a longer value, expected a string of at most 65536 bytes"},
	{file: "aiperf/testdata/v0.13.0/profile_export.jsonl", before: `"benchmark_phase":"`, says: "metadata.benchmark_phase: found a longer string"},
	{file: "aiperf/testdata/v0.13.0/profile_export_raw.jsonl", before: `"model":"`, says: "payload.model: found a longer string"},
	{file: "aiperf/testdata/v0.13.0/profile_export_aiperf.json", beside: "aiperf/testdata/v0.13.0/profile_export.jsonl", before: `"aiperf_version": "`,
		says: "profile_export_aiperf.json, which lies beside it, was not used, or not all of it: byte 49: aiperf_version: found a longer value"},
	{file: "guidellm/testdata/v0.3/report.json", before: `"backend_model": "`, says: "worker.backend_model: found a longer value, expected a string of at most 65536 bytes"},
	{file: "guidellm/testdata/v2/no_stream.json", before: `"guidellm_version": "`, says: "metadata.guidellm_version: found a longer value, expected a string of at most 65536 bytes"},
	{file: "sglang/testdata/v0.5.23/chat.jsonl", before: `"model_path": "`, says: "server_info.model_path: found a longer value"},
	{file: "sglang/testdata/v0.5.23/chat.jsonl", before: `"tag": "`, says: "end inside the string that begins at byte 8", quarantined: true},
	{file: "sglang/testdata/current/failed.jsonl", before: `Service Unavailable`, says: "errors[1]: found a longer string"},
	{file: "inferenceperf/testdata/v0.6/requests.json", before: `"error_type": "`, says: "error.error_type: found a longer string, expected an error message"},
	{file: "genaiperf/testdata/summary/profile_export_genai_perf.json", before: `"model_names": [
      "`, says: "input_config.model_names: found a longer value"},
	{file: "llmperf/testdata/2023/acme_550_150_summary.json", beside: "llmperf/testdata/2023/acme_550_150_individual_responses.json", before: `"model": "`,
		says: "acme_550_150_summary.json, which lies beside it, was not used, or not all of it"},
	{file: "inferencex/testdata/aggregate/v1_row.json", before: `"model": "`, says: "end inside the string that begins at byte 78", quarantined: true},
	{file: "llamabenchy/testdata/v0.2/sorted.json", before: `"model": "`, says: "model: found a longer value, expected a string"},
	{file: "llmd/testdata/v0.2/report.yaml", before: `acme/seven`, says: "scenario.stack.0.standardized.model.name: found a text of 10485770 bytes"},
	{file: "evals/testdata/lm-eval-results.json", before: `"model_name": "`, says: "model: found a text of 104857"},
	{file: "evals/testdata/k2-lines.jsonl", before: `"model": "`, says: "end inside the string that begins at byte", quarantined: true},
	{file: "telemetry/testdata/prometheus/vllm-scrapes.txt", before: `model_name="`, says: "a line of more than 1048576 bytes: it is left out"},
	{file: "telemetry/testdata/aiperf/v0.13.0/server_metrics_export.jsonl", before: `"endpoint_url":"`, says: "end inside the string that begins at byte 16", quarantined: true},
	{file: "serverlog/testdata/v0.23-build.log", before: `{'model': '`, says: "a line of more than 1048576 bytes, of which the rest was not read"},
}

// A text of 10 MB where a name or a message stands is rejected with its place, by
// each producer: a run that goes without its model is compared with nothing, and
// nobody would know why. It does not get into the lake.
func TestTextsOf10MBAreRejected(t *testing.T) {
	long := strings.Repeat("m", 10<<20)
	for _, c := range longTexts {
		t.Run(c.file+" "+c.before, func(t *testing.T) {
			text, err := os.ReadFile(filepath.FromSlash(c.file))
			if err != nil {
				t.Fatal(err)
			}
			before, after, ok := strings.Cut(string(text), c.before)
			if !ok {
				t.Fatalf("it has no %s", c.before)
			}
			dir := t.TempDir()
			upload := write(t, filepath.Join(dir, filepath.Base(c.file)), before+c.before+long+after)
			if c.beside != "" {
				beside, err := os.ReadFile(filepath.FromSlash(c.beside))
				if err != nil {
					t.Fatal(err)
				}
				upload = write(t, filepath.Join(dir, filepath.Base(c.beside)), string(beside))
			}
			l := newTestLake(t)
			rep := ingestPaths(t, l, Options{}, upload)[0]
			if (rep.Quarantined != "") != c.quarantined {
				t.Errorf("quarantined: %s", rep.Quarantined)
			}
			told := rep.Quarantined
			for _, r := range rep.Rejects {
				if r.Offset < 0 && c.beside == "" || len(r.Reason) > 1000 {
					t.Errorf("a reject at %d: %.2000s", r.Offset, r.Reason)
				}
				told += fmt.Sprintf("\nbyte %d: %s", r.Offset, r.Reason)
			}
			if !strings.Contains(told, c.says) {
				t.Errorf("%s\nwant %s", told, c.says)
			}
			ms, err := l.Manifests()
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range ms {
				for key, value := range m.Values {
					if len(value) > 1<<20 {
						t.Errorf("%s of %d bytes got into the lake", key, len(value))
					}
				}
			}
		})
	}
}
