package ingest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/servestat/servestat/ingest/archive/archivetest"
)

// observedFiles are one of each kind of upload without runs: a server log, telemetry of
// every source, judged answers of every suite.
var observedFiles = map[string]string{
	"log":     "serverlog/testdata/v0.23-build.log",
	"tegra":   "telemetry/testdata/tegrastats/thor.txt",
	"smi":     "telemetry/testdata/nvidia-smi/units.csv",
	"dmon":    "telemetry/testdata/nvidia-smi/dmon.txt",
	"dcgmi":   "telemetry/testdata/dcgm/dmon.txt",
	"dcgm":    "telemetry/testdata/dcgm/exporter.txt",
	"scrape":  "telemetry/testdata/prometheus/vllm-scrapes.txt",
	"engine":  "telemetry/testdata/powertrace/engine.csv",
	"gpu":     "telemetry/testdata/aiperf/gpu_telemetry_export.jsonl",
	"metrics": "telemetry/testdata/aiperf/v0.13.0/server_metrics_export.jsonl",
	"calls":   "evals/testdata/tool_calls.jsonl",
	"k2":      "evals/testdata/k2-lines.jsonl",
	"k2sum":   "evals/testdata/k2-summary.json",
	"tau2":    "evals/testdata/tau2-results.json",
	"lmeval":  "evals/testdata/lm-eval-results.json",
	"samples": "evals/testdata/samples_gsm8k_2026-01-02T03-04-05.jsonl",
	"bfcl":    "evals/testdata/BFCL_v4_multiple_result.json",
	"score":   "evals/testdata/BFCL_v4_multiple_score.json",
}

// Of what each kind is told where something is wrong with it. "*" is for all kinds that
// are not named; "quarantined: " begins what leaves nothing to use; "" is nothing new.
var hostileObserved = []struct {
	name string
	bend func(text string) string
	says map[string]string
}{
	{"empty", func(string) string { return "" }, map[string]string{"*": "quarantined: not a format that servestat knows: an empty file"}},
	{"UTF-16", func(text string) string { return "\xff\xfe" + strings.Join(strings.Split(text, ""), "\x00") + "\x00" },
		map[string]string{"*": "quarantined: not a format that servestat knows: UTF-16 text: write it as UTF-8"}},
	{"CRLF", func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }, map[string]string{"*": ""}},
	{"cut.gz", func(text string) string { return cutTo(string(archivetest.Gzip([]byte(text))), 3, 4) }, map[string]string{"*": "the compressed file ends early"}},
	{"cut.zst", func(text string) string { return cutTo(string(archivetest.Zstd([]byte(text))), 3, 4) },
		map[string]string{"*": "quarantined: cannot be read whole: the compressed file ends early, before anything of it can be unpacked"}},
	{"bomb.gz", func(text string) string {
		return string(archivetest.Gzip(append([]byte(text), bytes.Repeat([]byte("\n"), 8<<20)...)))
	}, map[string]string{"*": "quarantined: cannot be read whole: unpacks to more than 200 times its size, as no log does; --max-ratio raises the limit"}},
	{"line of 10 MB", func(text string) string { return strings.TrimRight(text, "\n") + strings.Repeat("m", 10<<20) + "\n" }, map[string]string{
		"*": "a line of more than 1048576 bytes", "calls": "there is more behind the value", "k2": "there is more behind the value", "samples": "there is more behind the value",
		"bfcl": "there is more behind the value", "score": "there is more behind the value",
		"k2sum": "quarantined: nothing of it can be used, at first for this: byte 343: cannot be read as JSON: there is more behind the value",
		"tau2":  "there is more behind the value", "lmeval": "there is more behind the value",
	}},
	{"nested 10,000 deep", func(text string) string {
		return strings.Replace(text, "{", `{"deep": `+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)+", ", 1)
	}, map[string]string{
		"log": "", "tegra": "", "smi": "", "dmon": "", "dcgmi": "", "engine": "", "dcgm": "the labels of DCGM_FI_DEV_POWER_USAGE are malformed", "scrape": "the labels of vllm:num_requests_running are malformed",
		"*": "values are nested more than 10000 deep",
	}},
	{"a key twice", func(text string) string {
		key := regexp.MustCompile(`"\w+": ?("[^"]*"|[0-9.]+)`).FindString(text)
		if key == "" || text[0] != '{' {
			return text
		}
		return strings.Replace(text, key, key+", "+key, 1)
	}, map[string]string{
		"log": "", "tegra": "", "smi": "", "dmon": "", "dcgmi": "", "engine": "", "dcgm": "", "scrape": "", "*": "comes twice in one object",
	}},
	{"numbers that are words", func(text string) string {
		return regexp.MustCompile(`([": ,}])[0-9]+(\.[0-9]+)?([,}])`).ReplaceAllString(text, `$1"soon"$3`)
	}, map[string]string{
		"log": "", "tegra": "is not understood", "smi": "is no time", "dmon": "", "dcgmi": "", "engine": "is no figure", "scrape": "", "dcgm": "",
		"gpu": "found string, expected an integer", "metrics": "no line of AIPerf's telemetry", "*": "found string, expected", "lmeval": "n-samples.original: found string, expected an integer", "samples": "a sample without doc_id", "bfcl": "",
	}},
	{"figures below zero", func(text string) string {
		return regexp.MustCompile(`([ ,:])([0-9]+(?:\.[0-9]+)?)([ ,}%\n])`).ReplaceAllString(text, `$1-$2$3`)
	}, map[string]string{
		"log": "quarantined: not a format", "tegra": "is not understood", "smi": "is no figure", "dmon": "is no figure", "dcgmi": "is no figure", "engine": "is no time",
		"dcgm": "is no figure", "scrape": "is no figure", "gpu": "found a time before 1970", "metrics": "found a time before 1970",
		"k2sum": "counts below zero", "*": "below zero", "samples": "",
	}},
}

func cutTo(text string, share, of int) string { return text[:len(text)*share/of] }

// Whatever is wrong with a server log, telemetry or judged answers ends in a word with
// its place, and nothing else of the file is lost by it but what it says.
func TestHostileObserved(t *testing.T) {
	for _, h := range hostileObserved {
		for kind, file := range observedFiles {
			want, named := h.says[kind]
			if !named {
				want = h.says["*"]
			}
			t.Run(h.name+"/"+kind, func(t *testing.T) {
				text, err := os.ReadFile(filepath.FromSlash(file))
				if err != nil {
					t.Fatal(err)
				}
				name := filepath.Base(file)
				if ext := filepath.Ext(h.name); ext == ".gz" || ext == ".zst" {
					name += ext
				}
				plain := saysOf(t, filepath.Base(file), string(text))
				got := saysOf(t, name, h.bend(string(text)))
				switch {
				case want == "" && strings.Count(got, "\n") > strings.Count(plain, "\n"):
					t.Errorf("says %.600q, and plain %.300q", got, plain)
				case !strings.Contains(got, want), strings.HasPrefix(want, "quarantined: ") != strings.HasPrefix(got, "quarantined: ") && strings.HasPrefix(want, "quarantined: "):
					t.Errorf("says %.600q, want %q", got, want)
				}
				for line := range strings.Lines(got) {
					if len(line) > 1000 {
						t.Errorf("a line of %d bytes: %.200s", len(line), line)
					}
				}
			})
		}
	}
}

// saysOf ingests a file and returns what is told of it, a line each.
func saysOf(t *testing.T, name, text string) string {
	t.Helper()
	rep := ingestPaths(t, newTestLake(t), Options{}, write(t, filepath.Join(t.TempDir(), name), text))[0]
	var b strings.Builder
	if rep.Quarantined != "" {
		fmt.Fprintf(&b, "quarantined: %s\n", rep.Quarantined)
	}
	for _, r := range rep.Rejects {
		if r.Offset < 0 || r.Offset > int64(len(text))+64<<20 {
			t.Errorf("a reject at byte %d: %s", r.Offset, r.Reason)
		}
		fmt.Fprintf(&b, "byte %d: %s\n", r.Offset, r.Reason)
	}
	return b.String()
}
