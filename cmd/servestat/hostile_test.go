package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/servestat/servestat/ingest/archive/archivetest"
)

// hostileResult is a detailed result of two requests, with more keys among the
// others.
func hostileResult(more string) string {
	return `{"date": "20260701-120000", "endpoint_type": "openai", "backend": "openai", "label": null, "model_id": "m",
"tokenizer_id": "m", "num_prompts": 2, "request_rate": "inf", "burstiness": 1.0, "max_concurrency": 2, "duration": 2.0,
"completed": 2, "failed": 0, "total_input_tokens": 16, "total_output_tokens": 8, "request_throughput": 1.0,
"output_throughput": 4.0, "total_token_throughput": 12.0, ` + more + `"input_lens": [8, 8], "output_lens": [4, 4], "ttfts": [0.1, 0.2],
"itls": [[0.01, 0.02, 0.03], [0.5, 0.1, 0.1]], "start_times": [100.0, 100.5], "generated_texts": ["", ""], "errors": ["", ""],
"mean_ttft_ms": 150.0}`
}

// hostile are uploads that are wrong, large or malicious: what servestat ingest
// says of each, how it ends, and how many requests of it are used.
var hostile = []struct {
	name     string
	data     func() []byte
	exit     int
	says     string
	requests int
}{
	{"empty.json", func() []byte { return nil }, 3, "an empty file", 0},
	{"utf16.json", func() []byte { return inUTF16(hostileResult("")) }, 3, "UTF-16 text: write it as UTF-8", 0},
	{"bom.json", func() []byte { return []byte("\xef\xbb\xbf" + hostileResult("")) }, 3, "behind a byte order mark", 0},
	{"crlf.json", func() []byte { return []byte(strings.ReplaceAll(hostileResult(""), "\n", "\r\n")) }, 0, "", 2},
	{"duplicate-keys.json", edited(`"duration": 2.0`, `"duration": 2.0, "duration": 1.0`), 3, `key "duration" comes twice in one object`, 0},
	{"wrong-type.json", edited(`[0.1, 0.2]`, `["soon", 0.2]`), 0, `ttfts[0]: found "soon", expected a time in seconds, zero or more`, 2},
	{"wrong-shape.json", edited(`[[0.01, 0.02, 0.03], [0.5, 0.1, 0.1]]`, `{"a": 1}`), 3, "itls is an object, expected an array", 0},
	{"negative.json", edited(`0.02, 0.03`, `-0.02, 0.03`), 0, "itls[0][1]: found -0.02, expected a time", 2},
	{"non-monotonic.json", edited(`[100.0, 100.5]`, `[100.5, 100.0]`), 0, "", 2}, // the order of submission is theirs
	{"overflow.json", edited(`[0.1, 0.2]`, `[1e400, 0.2]`), 0, "ttfts[0]: found 1e400, expected a time", 2},
	{"answer-of-10MB.json", edited(`"generated_texts": [""`, `"generated_texts": ["`+strings.Repeat("x", 10<<20)+`"`), 0, "", 2},
	{"error-of-10MB.json", edited(`"errors": [""`, `"errors": ["`+strings.Repeat("x", 10<<20)+`"`), 0, "errors[0]: found a longer string", 2},
	{"model-of-10MB.json", edited(`"model_id": "m"`, `"model_id": "`+strings.Repeat("m", 10<<20)+`"`), 0, "model_id: found a longer value, expected a string of at most", 2},
	{"key-of-10MB.json", func() []byte { return []byte(hostileResult(`"` + strings.Repeat("k", 10<<20) + `": 1, `)) }, 3, "--max-string raises the limit", 0},
	{"nested-10000-deep.json", func() []byte {
		return []byte(hostileResult(`"deep": ` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `, `))
	}, 3, "--max-nesting raises the limit", 0},
	{"nested-million-deep.json", func() []byte { return bytes.Repeat([]byte(`{"ttfts":`), 1_000_000) }, 3, "quarantined", 0},
	{"cut.json", func() []byte { return []byte(before(hostileResult(""), `0.1]], "start`)) }, 0, "truncated: the text ends inside", 1},
	{"cut.json.gz", func() []byte { return most(archivetest.Gzip(noisy())) }, 0, "truncated: the text ends", -1},
	{"cut.json.zst", func() []byte { return most(archivetest.Zstd(noisy())) }, 0, "truncated: the text ends", -1},
	{"cut.zip", func() []byte {
		return most(archivetest.Zip(archivetest.Member{Name: "r.json", Text: hostileResult("")}))
	}, 3, "without a readable directory at its end; copy it again", 0},
	{"bomb.gz", func() []byte { return archivetest.Gzip(spaces()) }, 3, "--max-ratio raises the limit", 0},
	{"bomb.zst", func() []byte { return archivetest.Zstd(spaces()) }, 3, "--max-ratio raises the limit", 0},
	{"bomb.zip", func() []byte { return archivetest.Zip(archivetest.Member{Name: "r.json", Text: string(spaces())}) }, 3, "--max-ratio raises the limit", 0},
	{"bomb.tar.zst", func() []byte {
		return archivetest.Zstd(archivetest.Tar(archivetest.Member{Name: "r.json", Text: string(spaces())}))
	}, 3, "--max-ratio raises the limit", 0},
	{"window-of-2GiB.zst", func() []byte { return []byte("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00") }, 3, "zstd that refers back further than 128 MiB", 0},
	{"binary.json", func() []byte { return bytes.Repeat([]byte{0, 1, 2, 3}, 1000) }, 3, "not a format that servestat knows", 0},
}

// maxHostileMemory is what ingest may take for any of them, in MiB; it takes about
// 100 for a plain result of two requests, and no more for any of these.
const maxHostileMemory = 160

// Whatever is uploaded ends in a clear word, the exit code that the manual gives,
// and flat memory; and a good result beside it is taken in all the same.
func TestHostileUploads(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.json")
	writeFileOf(t, good, []byte(hostileResult(`"good": 1, `)))
	for i, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			file, lake := filepath.Join(dir, h.name), filepath.Join(dir, fmt.Sprint("lake", i))
			writeFileOf(t, file, h.data())
			exit, stderr, memory := ingestAlone(t, lake, file)
			if exit != h.exit || !strings.Contains(stderr, h.says) || h.says == "" && stderr != "" {
				t.Errorf("exit %d, want %d and %q:\n%.1000s", exit, h.exit, h.says, stderr)
			}
			if len(stderr) > 4000 {
				t.Errorf("%d bytes of talk", len(stderr))
			}
			t.Logf("%d MiB", memory)
			if memory > maxHostileMemory || memory == 0 && runtime.GOOS == "linux" {
				t.Errorf("%d MiB of memory, want at most %d", memory, maxHostileMemory)
			}
			if _, out := answers(t, "sql", "--lake", lake, "--format", "csv", "select count(*) as n from requests"); h.requests >= 0 && !strings.HasSuffix(out, fmt.Sprintf("n\n%d\n", h.requests)) {
				t.Errorf("%s, want %d requests", out, h.requests)
			}
			if h.says != "" {
				_, out := answers(t, "rejects", "--lake", lake, "--format", "csv")
				if n := strings.Count(out, "\n"); n < 2 || n > 30 {
					t.Errorf("rejects lists %d lines:\n%.500s", n, out)
				}
			}
			if exit, stderr, _ := ingestAlone(t, lake, "--strict", file, good); (exit == 0) != (h.says == "") {
				t.Errorf("--strict: exit %d\n%.500s", exit, stderr)
			}
			if _, out := answers(t, "sql", "--lake", lake, "--format", "csv", "select count(*) as n from runs where json_exists(extra, '$.good')"); !strings.HasSuffix(out, "n\n1\n") {
				t.Errorf("the good one: %s", out)
			}
		})
	}
}

// ingestAlone runs servestat ingest as a process of its own.
func ingestAlone(t *testing.T, lake string, args ...string) (exit int, stderr string, mebibytes int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "servestat", append([]string{"ingest", "--lake", lake}, args...)...)
	var talk bytes.Buffer
	cmd.Stderr, cmd.Stdout = &talk, io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- peakMemory(cmd.Process.Pid, done) }()
	if err := cmd.Wait(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	close(done)
	return cmd.ProcessState.ExitCode(), talk.String(), <-peak
}

// peakMemory watches how much memory a process takes, until done. What the system
// says of it afterwards (ru_maxrss) counts in the process that started it. It is
// 0 where there is no /proc.
func peakMemory(pid int, done <-chan struct{}) (mebibytes int64) {
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok && !isOurs(pid) {
			var kib int64
			fmt.Sscan(after, &kib)
			mebibytes = max(mebibytes, kib>>10)
		}
		select {
		case <-done:
			return mebibytes
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// isOurs reports that a process has not become another yet: between fork and exec
// it has the memory of this test.
func isOurs(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err != nil || len(text) == 0 || strings.HasPrefix(string(text), os.Args[0]+"\x00")
}

func writeFileOf(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func edited(from, to string) func() []byte {
	return func() []byte {
		text := hostileResult("")
		if strings.Count(text, from) != 1 {
			panic("not once in the result: " + from)
		}
		return []byte(strings.Replace(text, from, to, 1))
	}
}

func before(text, mark string) string { return text[:strings.Index(text, mark)] }

func most(data []byte) []byte { return data[:len(data)*3/4] }

// noisy is a result that compresses badly, so that a part of it is a part of its
// requests.
func noisy() []byte {
	var gaps []string
	for i := range 20_000 {
		gaps = append(gaps, fmt.Sprintf("0.0%d", i*7919%99991+1))
	}
	text := strings.Replace(hostileResult(""), "0.5, 0.1, 0.1", strings.Join(gaps, ", "), 1)
	return []byte(text)
}

// spaces are 64 MiB that are legal JSON as far as they go.
func spaces() []byte { return bytes.Repeat([]byte(" "), 64<<20) }

func inUTF16(text string) []byte {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return out
}
