package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/schemas/simulate"
)

// results is what bending a comparison may touch: the result files of one side,
// by level and start, its side-car and its server log.
type results struct {
	t   *testing.T
	dir string
}

// each rewrites every result file of the side; start counts from 1.
func (r results) each(bend func(level, start int, run map[string]any)) {
	files, err := filepath.Glob(filepath.Join(r.dir, "c*", "run*.json"))
	if err != nil || len(files) == 0 {
		r.t.Fatalf("%s: no results: %v", r.dir, err)
	}
	for _, f := range files {
		var level, start int
		if _, err := fmt.Sscanf(strings.TrimPrefix(f, r.dir), "/c%d/run%d.json", &level, &start); err != nil {
			r.t.Fatal(err)
		}
		raw, err := os.ReadFile(f)
		if err != nil {
			r.t.Fatal(err)
		}
		var run map[string]any
		if err := json.Unmarshal(raw, &run); err != nil {
			r.t.Fatal(err)
		}
		bend(level, start, run)
		if raw, err = json.Marshal(run); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(f, raw, 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
}

// edit replaces text in a file of the side.
func (r results) edit(name, old, text string) {
	path := filepath.Join(r.dir, name)
	raw, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte(old)) {
		r.t.Fatalf("%s does not contain %q:\n%s", path, old, raw)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(raw, []byte(old), []byte(text)), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// scrapes writes what /metrics said before and after each run, of whose prompt
// tokens the server found a share in its prefix cache.
func (r results) scrapes(cached float64) {
	type measured struct {
		from, to                  time.Time
		requests, prompts, output int
	}
	runs := map[int][]measured{}
	r.each(func(_, start int, run map[string]any) {
		began, err := time.Parse("20060102-150405", run["date"].(string))
		if err != nil {
			r.t.Fatal(err)
		}
		runs[start] = append(runs[start], measured{
			began, began.Add(time.Duration(run["duration"].(float64) * float64(time.Second))),
			int(run["completed"].(float64)), int(run["total_input_tokens"].(float64)), int(run["total_output_tokens"].(float64)),
		})
	})
	for start, all := range runs {
		slices.SortFunc(all, func(a, b measured) int { return a.from.Compare(b.from) })
		var text strings.Builder
		requests, prompts, output := 0, 0, 0
		scrape := func(at time.Time) {
			fmt.Fprintf(&text, "# scraped at %s\nvllm:request_success_total %d\nvllm:generation_tokens_total %d\nvllm:prompt_tokens_total %d\n", at.Format(time.RFC3339), requests, output, prompts)
			fmt.Fprintf(&text, "vllm:prefix_cache_queries_total %d\nvllm:prefix_cache_hits_total %.0f\n", prompts, cached*float64(prompts))
		}
		for _, m := range all {
			scrape(m.from.Add(-time.Second))
			requests, prompts, output = requests+m.requests, prompts+m.prompts, output+m.output
			scrape(m.to.Add(time.Second))
		}
		name := fmt.Sprintf("%s-start%d", filepath.Base(r.dir), start)
		dir := filepath.Join(r.dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			r.t.Fatal(err)
		}
		for file, text := range map[string]string{"metrics.txt": text.String(), "servestat.yaml": "server_start: " + name} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// scale multiplies every number of a list, or of a list of lists.
func scale(v any, by float64) {
	list, _ := v.([]any)
	for i := range list {
		if x, ok := list[i].(float64); ok {
			list[i] = x * by
		} else {
			scale(list[i], by)
		}
	}
}

// Comparisons that were published, and were wrong, rebuilt as small logs: each is
// refused with the reason that its critics found.
func TestPublishedBadComparisonsAreRefused(t *testing.T) {
	oneStart := regexp.MustCompile(`(?m)^server_start:.*$`)
	for _, c := range []struct {
		story string
		bend  func(baseline, candidate results)
		why   string // part of the reason
	}{
		{"vllm#52884: repeats of the random data set on one server found their prompts in the prefix cache: up to 86 % more throughput",
			func(_, cand results) {
				cand.edit("servestat.yaml", oneStart.FindString(read(t, filepath.Join(cand.dir, "servestat.yaml"))), `server_start: "the only one"`)
				cand.edit("server.log", "'enable_prefix_caching': False, ", "")
				cand.each(func(_, start int, run map[string]any) {
					if start > 1 {
						scale(run["ttfts"], 0.1)
					}
				})
			}, "warm repeats"},
		{"vllm#54227: the same, TTFT 49 times better and TPOT by a third, and not alike at all levels, so that the curve bends",
			func(_, cand results) {
				cand.edit("servestat.yaml", oneStart.FindString(read(t, filepath.Join(cand.dir, "servestat.yaml"))), `server_start: "the only one"`)
				cand.edit("server.log", "'enable_prefix_caching': False, ", "")
				cand.each(func(level, start int, run map[string]any) {
					if start > 1 && level > 1 {
						scale(run["ttfts"], 1.0/49)
						scale(run["itls"], 0.66)
					}
				})
			}, "warm repeats"},
		{"inference-perf#340: \"random\" prompts of workers that shared a seed: 92.9 % of their tokens came from the prefix cache, says the server",
			func(base, cand results) {
				base.scrapes(0)
				cand.scrapes(0.929)
				cand.each(func(_, _ int, run map[string]any) { scale(run["ttfts"], 0.3) })
			}, "the share of cached prompt tokens differs: 0 % in the baseline, 93 % in the candidate"},
		{"vllm#39963: one server, two clients: 486 tokens/s with the Rust client, 44 with the other",
			func(_, cand results) {
				cand.each(func(_, _ int, run map[string]any) {
					scale(run["itls"], 0.2)
					run["max_model_len"], run["input_throughput"] = 65536.0, 1000.0
				})
			}, "the client differs: vllm bench serve in the baseline, vllm bench serve (Rust) in the candidate"},
		{"vllm#44708: a tokenizer that does not fit makes the prompts longer on one side",
			func(_, cand results) {
				cand.each(func(_, _ int, run map[string]any) { scale(run["input_lens"], 1.125) })
			}, "mean prompt length"},
		{"perf-eval#20: every request made one token, and the dashboard showed about 1 token/s",
			func(_, cand results) {
				cand.each(func(_, _ int, run map[string]any) {
					for i := range run["output_lens"].([]any) {
						run["output_lens"].([]any)[i], run["itls"].([]any)[i] = 1.0, []any{}
					}
				})
			}, "one-token outputs"},
		{"test-infra#7719: a massive regression was compiled against eager: a field was missing from the key",
			func(base, cand results) {
				base.edit("servestat.yaml", `"0.19.0"`, `"0.20.0"`)
				base.edit("server.log", "version 0.19.0", "version 0.20.0")
				base.edit("server.log", "'max_num_seqs': 64,", "'max_num_seqs': 128,")
				cand.edit("server.log", "'max_num_seqs'", "'enforce_eager': True, 'max_num_seqs'")
			}, "enforce_eager"},
		{"the same beside a new version: a second factor",
			func(_, cand results) {
				cand.edit("server.log", "'max_num_seqs'", "'enforce_eager': True, 'max_num_seqs'")
			}, "a second factor: engine argument enforce_eager differs"},
		{"inference-perf#580: client and server count tokens differently for half of the requests",
			func(_, cand results) {
				cand.each(func(_, _ int, run map[string]any) {
					for i := range run["output_lens"].([]any) {
						run["output_lens"].([]any)[i] = 8.0
					}
				})
			}, "T5 counted tokens"},
		{"vllm-omni#6032: three of four nights of the baseline had broken output, and no candidate could reach it",
			func(base, _ results) {
				base.each(func(_, start int, run map[string]any) {
					if start == 4 {
						return
					}
					for i := range run["output_lens"].([]any) {
						run["output_lens"].([]any)[i], run["itls"].([]any)[i] = 1.0, []any{}
					}
				})
			}, "one-token outputs"},
		{"Vultr's c=1024: the load was never there",
			func(_, cand results) {
				cand.each(func(_, _ int, run map[string]any) { run["max_concurrency"] = 4 * run["max_concurrency"].(float64) })
			}, "T1 achieved concurrency: asked 4, achieved 1.0"},
		{"the article's two rows at concurrency 1, 65.67 and 19.04 tokens/s, as two starts of one baseline",
			func(base, _ results) {
				base.each(func(level, start int, run map[string]any) {
					if level == 1 && start == 1 {
						scale(run["itls"], 4)
						scale(run["start_times"], 4)
						run["duration"] = 4 * run["duration"].(float64)
					}
				})
			}, "T8 baseline sanity"},
		{"a simulated baseline for a measured candidate",
			func(_, cand results) {
				cand.edit("servestat.yaml", "simulated: true", "simulated: false")
				cand.each(func(_, _ int, run map[string]any) { delete(run, "simulator") })
			}, "being simulated differs"},
	} {
		t.Run(strings.Fields(strings.SplitN(c.story, ":", 2)[0])[0], func(t *testing.T) {
			t.Log(c.story)
			dir := smallSweep(t)
			base, cand := results{t, filepath.Join(dir, "0.19.0")}, results{t, filepath.Join(dir, "0.20.0")}
			c.bend(base, cand)
			code, out := answers(t, "compare", base.dir, cand.dir)
			if code != exitInvalid || !strings.Contains(out, c.why) {
				t.Errorf("exit %d, want %d and %q:\n%s", code, exitInvalid, c.why, out)
			}
		})
	}
}

// test-infra#6969: geometric means over different subsets. What only one side
// ran is in no mean, and said.
func TestMeansAreOverWhatBothSidesRan(t *testing.T) {
	dir := smallSweep(t)
	if err := os.RemoveAll(filepath.Join(dir, "0.20.0", "c4")); err != nil {
		t.Fatal(err)
	}
	code, out := answers(t, "compare", filepath.Join(dir, "0.19.0"), filepath.Join(dir, "0.20.0"))
	if code == exitRegression || !strings.Contains(out, "max concurrency 4 is left out: not both sides ran it") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// Clean pairs, a hundred of them with -calibrate: the refusals above must cost no
// honest comparison.
func TestCalibrateCleanPairsAreNotRefused(t *testing.T) {
	pairs := calibrate.Replicates(8, 100)
	dir := t.TempDir()
	for i := range pairs {
		s := simulate.DefaultSweep()
		s.Seed, s.Model, s.Changes = uint64(i+1), fmt.Sprintf("simulated/model-%02d", i), nil
		s.Versions, s.Concurrency, s.Runs, s.RequestsPerUser, s.OutputLen = []string{"0.19.0", "0.20.0"}, []int{1, 3}, 3, 5, 12
		if err := s.Write(t.Context(), filepath.Join(dir, "logs", fmt.Sprint(i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	lake := filepath.Join(dir, "lake")
	if code, out := answers(t, "ingest", "--lake", lake, filepath.Join(dir, "logs")); code != 0 {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	_, out := answers(t, "compare", "--lake", lake, "runtime_version=0.19.0", "runtime_version=0.20.0", "--format", "json")
	var got struct {
		Comparisons []struct{ Verdict, Sentence string }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if len(got.Comparisons) != pairs {
		t.Fatalf("%d comparisons, want %d", len(got.Comparisons), pairs)
	}
	refused := 0
	for _, c := range got.Comparisons {
		if c.Verdict == "not comparable" {
			t.Logf("refused: %s", c.Sentence)
			refused++
		}
	}
	calibrate.Bar(t, fmt.Sprintf("clean pairs refused, of %d", pairs), float64(refused), calibrate.AtMost(0))
}

func smallSweep(t *testing.T) string {
	t.Helper()
	s := simulate.DefaultSweep()
	s.Versions, s.Changes = []string{"0.19.0", "0.20.0"}, nil
	s.Concurrency, s.Runs, s.RequestsPerUser, s.OutputLen = []int{1, 4}, 4, 6, 16
	dir := t.TempDir()
	if err := s.Write(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// answers runs a command that may say no, and returns its exit code and stdout.
func answers(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	if code == exitFailed {
		t.Logf("stderr: %s", stderr.String())
	}
	return code, stdout.String()
}
