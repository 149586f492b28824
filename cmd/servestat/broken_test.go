package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A gate that is fed garbage must not open. Each of these breaks a pair of
// versions that do not differ, and would be let through (the first line is the
// control), if what is broken were dropped in silence.
func TestBrokenInputNeverPasses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(base, cand results)
		code  int
		says  string
	}{
		{"nothing broken: the control", func(_, _ results) {}, exitOK, "Not regressed"},

		{"empty folder", func(_, cand results) { cand.remove("c*"); cand.remove("server.log") }, exitInvalid, ""},
		{"same runs on both sides", func(base, cand results) { cand.remove("c*"); cand.copyFrom(base) }, exitInvalid, "8 runs are on both sides"},
		{"one of the same runs on both sides", func(base, cand results) { cand.write("c1/run1.json", base.read("c1/run1.json")) }, exitInvalid, "1 runs are on both sides"},
		{"swapped", func(base, cand results) { base.swap(cand) }, exitInvalid, "is older than the baseline"},
		{"one run a side", func(base, cand results) { base.keep("c1/run1.json"); cand.keep("c1/run1.json") }, exitInconclusive, "need >= 3 runs"},
		{"two starts a side", func(base, cand results) { base.keep("c*/run[12].json"); cand.keep("c*/run[12].json") }, exitInconclusive, "need >= 3 runs"},
		{"one start of the candidate", func(_, cand results) { cand.keep("c*/run1.json") }, exitInconclusive, "need >= 3 runs"},
		{"all runs on one start", func(_, cand results) { cand.oneStart() }, exitInconclusive, "with 1 server starts a side"},
		{"NaN in every candidate", func(_, cand results) { cand.replaceEverywhere(`"itls":[[`, `"itls":[[NaN,`) }, exitRegression, "failed requests 0.0 % to"},
		{"NaN in one file", func(_, cand results) { cand.replace("c4/run2.json", `"itls":[[`, `"itls":[[NaN,`) }, exitInconclusive, "failed requests could not be settled"},
		{"every file cut short", func(_, cand results) { cand.cut("c*/run*.json", 0.5) }, exitInconclusive, "8 uploads were cut short"},
		{"one file of garbage", func(_, cand results) { cand.write("c4/run2.json", []byte(`{"ttfts": [nonsense`)) }, exitInconclusive, "the candidate has too few runs at max concurrency 4"},
		{"one file cut short", func(_, cand results) { cand.cut("c4/run1.json", 0.9) }, exitInconclusive, "missing: candidate: 1 "},
		{"files of no bytes", func(_, cand results) { cand.cut("c*/run*.json", 0) }, exitInvalid, ""},
		{"not JSON", func(_, cand results) {
			cand.rewrite("c*/run*.json", func([]byte) []byte { return []byte("Traceback (most recent call last):\n") })
		}, exitInvalid, ""},
		{"another model", func(_, cand results) {
			cand.set("model_id", "other/model")
		}, exitInvalid, "only in the"},
		{"two models mixed in the candidate", func(_, cand results) {
			cand.each(func(level, _ int, run map[string]any) {
				if level == 4 {
					run["model_id"] = "other/model"
				}
			})
		}, exitInconclusive, "the candidate has too few runs at max concurrency 4"},
		{"a model that the candidate lost", func(base, _ results) {
			base.copyTo("other", func(run map[string]any) { run["model_id"] = "other/model" })
		}, exitInvalid, "only in the baseline: other/model"},
		{"longer prompts", func(_, cand results) {
			cand.each(func(_, _ int, run map[string]any) { scale(run["input_lens"], 2) })
		}, exitInvalid, "mean prompt length"},
		{"all requests failed", func(_, cand results) { cand.fail(0) }, exitInvalid, "no run with per-token times"},
		{"all requests of a level failed", func(_, cand results) { cand.fail(4) }, exitInvalid, "all 24 requests failed"},
		{"a run in which all failed", func(_, cand results) {
			cand.each(func(level, start int, run map[string]any) {
				if level == 4 && start == 1 {
					failAll(run)
				}
			})
		}, exitInconclusive, "no request completed"},
		{"the baseline failed", func(base, _ results) { base.fail(0) }, exitInvalid, "no run with per-token times"},
		{"only summaries", func(_, cand results) {
			cand.each(func(_, _ int, run map[string]any) {
				for _, key := range []string{"ttfts", "itls", "input_lens", "output_lens", "start_times", "errors", "generated_texts"} {
					delete(run, key)
				}
			})
		}, exitInvalid, "only their tool's summary"},
		{"zero requests", func(_, cand results) {
			cand.each(func(_, _ int, run map[string]any) {
				for key, v := range run {
					if list, ok := v.([]any); ok && len(list) > 0 {
						run[key] = []any{}
					}
				}
				run["num_prompts"], run["completed"], run["duration"] = 0.0, 0.0, 0.0
			})
		}, exitInvalid, ""},
		{"a level that the candidate lacks", func(_, cand results) { cand.remove("c4") }, exitInconclusive, "the candidate has too few runs at max concurrency 4"},
		{"no level in common", func(_, cand results) {
			cand.each(func(level, _ int, run map[string]any) { run["max_concurrency"] = float64(level + 1) })
			cand.edit("servestat.yaml", "c{max_concurrency}", "c{label}")
		}, exitInvalid, ""},
		{"offered at a rate", func(_, cand results) { cand.set("request_rate", 5.0) }, exitInvalid, "request rate"},
		{"milliseconds for seconds", func(_, cand results) {
			cand.each(func(_, _ int, run map[string]any) { scale(run["itls"], 1000); scale(run["ttfts"], 1000) })
		}, 0, ""},
		{"gaps below zero", func(_, cand results) {
			cand.each(func(_, _ int, run map[string]any) { scale(run["itls"], -1) })
		}, exitInvalid, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := smallSweep(t)
			base, cand := results{t, filepath.Join(dir, "0.19.0")}, results{t, filepath.Join(dir, "0.20.0")}
			c.spoil(base, cand)
			code, out := bothOutputs(t, "compare", "--min-effect", "0.2", "--margin", "0.6", "--margin-p99", "0.6", base.dir, cand.dir)
			control := strings.HasPrefix(c.name, "nothing broken")
			if (code == exitOK) != control || c.code != 0 && code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("exit %d, want %d and %q:\n%s", code, c.code, c.says, out)
			}
		})
	}
}

// bothOutputs is what a command says on stdout and stderr.
func bothOutputs(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var stdout bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &stdout, &stdout)
	return code, stdout.String()
}

func (r results) files(pattern string) []string {
	files, err := filepath.Glob(filepath.Join(r.dir, pattern))
	if err != nil || len(files) == 0 {
		r.t.Fatalf("%s: nothing matches %s: %v", r.dir, pattern, err)
	}
	return files
}

func (r results) must(err error) {
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r results) remove(pattern string) {
	for _, f := range r.files(pattern) {
		r.must(os.RemoveAll(f))
	}
}

// keep removes all results but those that match.
func (r results) keep(pattern string) {
	kept := map[string]bool{}
	for _, f := range r.files(pattern) {
		kept[f] = true
	}
	for _, f := range r.files("c*/run*.json") {
		if !kept[f] {
			r.must(os.Remove(f))
		}
	}
}

func (r results) read(name string) []byte { return []byte(read(r.t, filepath.Join(r.dir, name))) }

func (r results) write(name string, data []byte) {
	path := filepath.Join(r.dir, name)
	r.must(os.MkdirAll(filepath.Dir(path), 0o755))
	r.must(os.WriteFile(path, data, 0o644))
}

func (r results) copyFrom(other results) {
	r.must(os.CopyFS(filepath.Join(r.dir, "copy"), os.DirFS(other.dir)))
}

// copyTo copies the side below itself, bent.
func (r results) copyTo(name string, bend func(map[string]any)) {
	aside := results{r.t, r.t.TempDir()}
	r.must(os.CopyFS(aside.dir, os.DirFS(r.dir)))
	aside.each(func(_, _ int, run map[string]any) { bend(run) })
	r.must(os.CopyFS(filepath.Join(r.dir, name), os.DirFS(aside.dir)))
}

func (r results) swap(other results) {
	aside := r.dir + ".aside"
	r.must(os.Rename(r.dir, aside))
	r.must(os.Rename(other.dir, r.dir))
	r.must(os.Rename(aside, other.dir))
}

func (r results) rewrite(pattern string, how func([]byte) []byte) {
	for _, f := range r.files(pattern) {
		r.must(os.WriteFile(f, how([]byte(read(r.t, f))), 0o644))
	}
}

// cut leaves that share of the bytes.
func (r results) cut(pattern string, share float64) {
	r.rewrite(pattern, func(raw []byte) []byte { return raw[:int(share*float64(len(raw)))] })
}

func (r results) replace(pattern, old, text string) {
	r.each(func(int, int, map[string]any) {}) // as json.Marshal writes them: no spaces
	r.rewrite(pattern, func(raw []byte) []byte {
		if !bytes.Contains(raw, []byte(old)) {
			r.t.Fatalf("no %s in %.200s", old, raw)
		}
		return bytes.Replace(raw, []byte(old), []byte(text), 1)
	})
}

func (r results) replaceEverywhere(old, text string) { r.replace("c*/run*.json", old, text) }

func (r results) set(key string, value any) {
	r.each(func(_, _ int, run map[string]any) { run[key] = value })
}

// oneStart says that all runs were made on one server start.
func (r results) oneStart() {
	yaml := string(r.read("servestat.yaml"))
	for line := range strings.Lines(yaml) {
		if strings.HasPrefix(line, "server_start:") {
			r.edit("servestat.yaml", strings.TrimSpace(line), `server_start: "the only one"`)
		}
	}
}

// fail makes all requests of a level fail; 0: of all levels.
func (r results) fail(level int) {
	r.each(func(at, _ int, run map[string]any) {
		if level == 0 || at == level {
			failAll(run)
		}
	})
}

func failAll(run map[string]any) {
	n := len(run["ttfts"].([]any))
	errors, zeros, gaps, outputs := make([]any, n), make([]any, n), make([]any, n), make([]any, n)
	for i := range n {
		errors[i], zeros[i], gaps[i], outputs[i] = "ClientOSError: connection refused", 0.0, []any{}, 0.0
	}
	run["errors"], run["ttfts"], run["itls"], run["output_lens"], run["completed"], run["failed"] = errors, zeros, gaps, outputs, 0.0, float64(n)
}
