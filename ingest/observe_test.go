package ingest

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas/lake"
)

// started is the beginning of a server log, whose times have no year.
const started = `(APIServer pid=7) INFO 12-31 23:59:50 [api_server.py:1289] vLLM API server version 0.20.2
(APIServer pid=7) INFO 12-31 23:59:50 [utils.py:325] non-default args: {'model': 'm', 'api_key': 'hunter2'}
(EngineCore_0 pid=8) WARNING 12-31 23:59:58 [fused_moe.py:886] Using default MoE config. Performance might be sub-optimal!
`

const periodicLine = `(APIServer pid=7) INFO 01-01 00:00:10 [loggers.py:123] Engine 000: Avg prompt throughput: 10.0 tokens/s, Avg generation throughput: 5.0 tokens/s, Running: 3 reqs, Waiting: 1 reqs, GPU KV cache usage: 1.5%, Prefix cache hit rate: 0.0%
`

const smiRows = `timestamp, power.draw [W]
2026/05/07 22:09:29.437, 591.49 W
2026/05/07 22:09:29.687, [N/A]
`

const scraped = "# scraped at 2026-05-07T22:09:29Z\nvllm:num_requests_running{engine=\"0\",model_name=\"m\"} 3.0\nvllm:request_success_total{engine=\"0\",model_name=\"m\"} 7.0\n"

// onlyManifest returns the manifest that readers see.
func onlyManifest(t *testing.T, l *lake.Lake) *lake.Manifest {
	t.Helper()
	ms, err := l.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	seen := lake.Effective(ms)
	if len(seen) != 1 {
		t.Fatalf("%d effective manifests of %d", len(seen), len(ms))
	}
	return seen[0]
}

func tables(m *lake.Manifest) string {
	var out []string
	for _, b := range m.Blocks {
		day := strings.Split(b.Name, "/")[3]
		out = append(out, fmt.Sprintf("%s %s %d", b.Table, day, b.Rows))
	}
	return strings.Join(out, ", ")
}

func TestObservedUploads(t *testing.T) {
	for _, c := range []struct {
		story   string
		name    string
		files   map[string]string // beside it
		text    string
		summary string
		tables  string
		values  string
		warning string
	}{
		{
			story: "a log without a year stays without times", name: "server.log", text: started,
			summary: "3 log events, 0 samples; which server start is not known", tables: "log_events day=unknown 3", values: "map[]",
		},
		{
			story: "a result beside it says the year, and the log runs over New Year", name: "server.log", text: started + periodicLine,
			files:   map[string]string{"c1/run1.json": `{"date": "20260101-000100"}`, "servestat.yaml": "server_start: s1\n"},
			summary: "4 log events, 6 samples", tables: "log_events day=2025-12-31 4, samples day=2025-12-31 6", values: "map[near:2026-01-01 server_start:s1]",
		},
		{
			story: "or the side-car does, which also names the start by what the log's path says", name: "logs/start3.log", text: started,
			files:   map[string]string{"servestat.yaml": "runtime_version: \"0.20.2\"\nserver_log: logs/start{repeat}.log\nserver_start: \"{runtime_version}-start{repeat}\"\nlabels:\n  started_at: \"2026-01-01T00:00:00Z\"\n"},
			summary: "3 log events, 0 samples", tables: "log_events day=2025-12-31 3", values: "map[near:2026-01-01 repeat:3 runtime_version:0.20.2 server_start:0.20.2-start3 started_at:2026-01-01T00:00:00Z]",
		},
		{
			story: "a template that the log's path does not fill names no start, and is no fault", name: "server.log", text: started,
			files:   map[string]string{"servestat.yaml": "path: c{max_concurrency}/run{repeat}.json\nserver_log: server.log\nserver_start: start{repeat}\n"},
			summary: "3 log events, 0 samples; which server start is not known", tables: "log_events day=unknown 3", values: "map[]",
		},
		{
			story: "a crash loop: three starts in a file", name: "server.log", text: strings.Repeat(started, 3),
			summary: "9 log events, 0 samples of 3 starts of a server; which server start is not known", tables: "log_events day=unknown 9", values: "map[]",
		},
		{
			story: "and somebody says that they are one", name: "server.log", text: strings.Repeat(started, 3), files: map[string]string{"servestat.yaml": "server_start: s1\n"},
			summary: "9 log events, 0 samples of 3 starts of a server", tables: "log_events day=unknown 9", values: "map[server_start:s1]", warning: "holds 3 starts of a server, and its rows all say server_start s1",
		},
		{
			story: "nvidia-smi prints no zone", name: "power.csv", text: smiRows,
			summary: "0 log events, 2 samples; which server start is not known", tables: "samples day=2026-05-07 2", values: "map[]",
		},
		{
			story: "the manifest of powertrace-sim beside it knows the offset, and the day is another one", name: "power.csv", text: smiRows,
			files:   map[string]string{"manifest.json": `{"clock": {"local_utc_offset_s": -25200}}`},
			summary: "0 log events, 2 samples; which server start is not known", tables: "samples day=2026-05-08 2", values: "map[utc_offset:-07:00]",
		},
		{
			story: "somebody else's manifest is none of ours", name: "power.csv", text: smiRows, files: map[string]string{"manifest.json": "[]"},
			summary: "0 log events, 2 samples; which server start is not known", tables: "samples day=2026-05-07 2", values: "map[]",
		},
		{
			story: "utc_offset says the same", name: "power.csv", text: smiRows, files: map[string]string{"servestat.yaml": "labels:\n  utc_offset: \"+05:30\"\nserver_start: s1\n"},
			summary: "0 log events, 2 samples", tables: "samples day=2026-05-07 2", values: "map[server_start:s1 utc_offset:+05:30]",
		},
		{
			story: "a scrape", name: "metrics.txt", text: scraped, summary: "0 log events, 2 samples; which server start is not known", tables: "samples day=2026-05-07 2", values: "map[]",
		},
		{
			story: "judged answers", name: "score.json", text: `{"accuracy": 0.5, "correct_count": 1, "total_count": 2}` + "\n" + `{"id": "simple_1", "error_type": "value_error:string"}` + "\n",
			files:   map[string]string{"servestat.yaml": "server_start: s1\nhardware: H100\n"},
			summary: "2 judged answers", tables: "evals day=unknown 2", values: "map[hardware:H100 server_start:s1]",
		},
		{
			story: "a figure that is none is a reject, and the rest counts", name: "metrics.txt", text: scraped + "vllm:num_requests_waiting{engine=\"0\"} 1e\n",
			summary: "0 log events, 2 samples; which server start is not known", tables: "samples day=2026-05-07 2", values: "map[]",
		},
	} {
		dir := t.TempDir()
		for name, text := range c.files {
			write(t, filepath.Join(dir, name), text)
		}
		file := write(t, filepath.Join(dir, c.name), c.text)
		l := newTestLake(t)
		rep := ingestPaths(t, l, Options{}, file)[0]
		if _, got, _ := strings.Cut(rep.Summary(), ": "); got != c.summary {
			t.Errorf("%s: %q, want %q", c.story, got, c.summary)
			continue
		}
		m := onlyManifest(t, l)
		if got := tables(m); got != c.tables || m.ContentDigest != rep.UploadSHA256 {
			t.Errorf("%s: blocks %s of content %s, want %s of %s", c.story, got, m.ContentDigest, c.tables, rep.UploadSHA256)
		}
		if got := fmt.Sprint(m.Values); got != c.values {
			t.Errorf("%s: identity %s, want %s", c.story, got, c.values)
		}
		if said := strings.Join(rep.Warnings, "; "); (c.warning == "") != (said == "") || !strings.Contains(said, c.warning) {
			t.Errorf("%s: warns %q, want %q", c.story, said, c.warning)
		}
		if strings.Contains(c.story, "reject") != (len(rep.Rejects) == 1) {
			t.Errorf("%s: rejects %v", c.story, rep.Rejects)
		}
		if again := ingestPaths(t, l, Options{}, file)[0]; !again.Known || !strings.HasSuffix(again.Summary(), "in the lake already") {
			t.Errorf("%s: again: %s", c.story, again.Summary())
		}
		if ok, err := l.Has(rep.Raw); err != nil || !ok {
			t.Errorf("%s: the upload was not kept: %v", c.story, err)
		}
	}
}

// What cannot be used is kept, and says why.
func TestObservedUploadsThatAreOfNoUse(t *testing.T) {
	for _, c := range []struct{ name, text, sidecar, want string }{
		{"power.csv", smiRows, "labels:\n  utc_offset: CET\n", `utc_offset from sidecar: "CET" is no offset from UTC; want the form +02:00`},
		{"server.log", started, "nonsense: 1\n", "side-car"},
		{"server.log", "INFO 12-31 23:59:50 [x.py:1] Route: /health, Methods: GET\n", "", "no event, no sample"},
	} {
		dir := t.TempDir()
		if c.sidecar != "" {
			write(t, filepath.Join(dir, SidecarName), c.sidecar)
		}
		l := newTestLake(t)
		rep := ingestPaths(t, l, Options{}, write(t, filepath.Join(dir, c.name), c.text))[0]
		if !strings.Contains(rep.Quarantined, c.want) || rep.Observed != nil {
			t.Errorf("%s: quarantined %q, want %q", c.name, rep.Quarantined, c.want)
		}
		if ms, err := l.Manifests(); err != nil || len(ms) != 0 {
			t.Errorf("%s: %d manifests, %v", c.name, len(ms), err)
		}
	}
}

// The order in which a log and the results beside it come, and how often, leaves
// no trace; that a later ingest knows the start makes the log's rows join.
func TestObservedUploadsInAnyOrder(t *testing.T) {
	dir := t.TempDir()
	run := write(t, filepath.Join(dir, "run.json"), fmt.Sprintf(result, ""))
	log := write(t, filepath.Join(dir, "server.log"), started)
	a, b := newTestLake(t), newTestLake(t)
	ingestPaths(t, a, Options{}, run, log)
	ingestPaths(t, b, Options{}, log)
	ingestPaths(t, b, Options{}, log, run, log)
	if x, y := files(t, a), files(t, b); x != y {
		t.Errorf("one order gives\n%s\nanother\n%s", x, y)
	}
	ingestPaths(t, a, Options{Labels: map[string]string{"server_start": "s1"}}, log)
	ingestPaths(t, a, Options{}, log)
	ms, err := a.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	var starts []string
	for _, m := range lake.Effective(ms) {
		if m.SourceName == "server.log" {
			starts = append(starts, m.Values["server_start"])
		}
	}
	if fmt.Sprint(starts) != "[s1]" {
		t.Errorf("readers see the log of starts %v", starts)
	}
}

// A cancelled ingest of a log publishes no manifest.
func TestCancelledIngestOfALogPublishesNothing(t *testing.T) {
	l := newTestLake(t)
	in, err := New(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	file := write(t, filepath.Join(t.TempDir(), "server.log"), strings.Repeat(started, 10_000))
	ctx, cancel := context.WithCancel(t.Context())
	in.opts.Progress = func(int64) { cancel() }
	uploads, _, err := Find([]string{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Ingest(ctx, uploads[0]); err == nil {
		t.Fatal("the ingest was not cancelled")
	}
	if ms, err := l.Manifests(); err != nil || len(ms) != 0 {
		t.Errorf("%d manifests, %v", len(ms), err)
	}
}

// Pages that quote a log are met in folders; only the log is taken.
func TestOnlyLogsAndTelemetryAreFound(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"README.md": "What we saw:\n" + started, "docs.html": scraped, "server.log": started, "metrics.txt": scraped, "notes.txt": "nothing",
		"smi.csv": smiRows, "nested/engine.csv": "timestamp,num_requests_running\n1784415163.7,1.0\n",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	uploads, skipped, err := Find([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, u := range uploads {
		found = append(found, strings.TrimPrefix(u.Name, filepath.Base(dir)+"/"))
	}
	if got := strings.Join(found, " "); got != "metrics.txt nested/engine.csv server.log smi.csv" || len(skipped) != 3 {
		t.Errorf("found %s; skipped %v", got, skipped)
	}
}
