package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas/simulate"
)

// stage writes a sweep of one version as a folder of its own, measured on its day.
func stage(t *testing.T, dir, name string, day int) results {
	t.Helper()
	s := simulate.DefaultSweep()
	s.Versions, s.Changes, s.Seed = []string{"0.20.2"}, nil, uint64(day)
	s.Concurrency, s.Runs, s.RequestsPerUser, s.OutputLen = []int{1, 8}, 4, 6, 33
	tmp := t.TempDir()
	if err := s.Write(t.Context(), tmp, nil); err != nil {
		t.Fatal(err)
	}
	r := results{t, filepath.Join(dir, name)}
	if err := os.Rename(filepath.Join(tmp, "0.20.2"), r.dir); err != nil {
		t.Fatal(err)
	}
	r.edit("servestat.yaml", "{runtime_version}-start", name+"-start")
	r.edit("server.log", " 11-16 ", fmt.Sprintf(" 11-%02d ", day))
	r.each(func(level, start int, run map[string]any) {
		run["date"] = fmt.Sprintf("202611%02d-%02d%02d00", day, 8+start, level)
	})
	return r
}

// speculate turns a sweep into one with a drafted token a step, all of them accepted:
// two tokens a chunk, and a chunk takes a tenth longer than a token did.
func speculate(r results) {
	r.edit("server.log", "'max_num_seqs': 64,", "'max_num_seqs': 64, 'speculative_config': {'method': 'mtp', 'num_speculative_tokens': 1},")
	r.edit("server.log", "speculative_config=None", "speculative_config=SpeculativeConfig(method='mtp', model=None, num_spec_tokens=1)")
	r.each(func(_, _ int, run map[string]any) {
		steps := 0
		for i, gaps := range run["itls"].([]any) {
			var pairs []any
			list := gaps.([]any)
			for k := 0; k+1 < len(list); k += 2 {
				pairs = append(pairs, 0.55*(list[k].(float64)+list[k+1].(float64)))
			}
			run["itls"].([]any)[i] = pairs
			steps += len(pairs)
		}
		run["duration"] = 0.6 * run["duration"].(float64)
		scale(run["start_times"], 0.6)
		run["spec_decode_num_drafts"], run["spec_decode_draft_tokens"], run["spec_decode_accepted_tokens"] = steps, steps, steps
		run["spec_decode_acceptance_rate"], run["spec_decode_acceptance_length"] = 100.0, 2.0
	})
}

// A whole canary: measured before, with and after; then the server is upgraded.
func TestCanaryFromBeforeToAfter(t *testing.T) {
	dir := t.TempDir()
	stage(t, dir, "before", 1)
	with := stage(t, dir, "with", 2)
	speculate(with)
	stage(t, dir, "after", 3)
	writeToolCalls(t, filepath.Join(with.dir, "calls", "c.jsonl"), 200, never)
	writeText(t, filepath.Join(with.dir, "calls", "servestat.yaml"), "server_start: with-start1\n")
	writeToolCalls(t, filepath.Join(dir, "before", "calls", "c.jsonl"), 200, never, func(_ int, line map[string]any) { line["start"] = 1 })
	writeText(t, filepath.Join(dir, "before", "calls", "servestat.yaml"), "server_start: before-start1\n")

	lake := filepath.Join(dir, "lake")
	servestat(t, "ingest", "--lake", lake, filepath.Join(dir, "before"), filepath.Join(dir, "with"), filepath.Join(dir, "after"))
	code, out := answers(t, "canary", "--lake", lake)
	for _, want := range []string{
		"mtp num_speculative_tokens=1",
		"D1   start-up              ACCEPTED",
		"helps at c=1, 8",
		"accepted / drafted tokens of the servers' counters during the runs: 1.000",
		"request-weighted, mean over answers of tokens a chunk: 2.00",
		"ITL not comparable: tokens/chunk = 2.00; TPOT is compared",
		"tool_calls: not regressed",
		"restored: ", "on another server start",
		"no stretch of 10 s without a chunk",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("exit %d, without %q:\n%s", code, want, out)
		}
	}
	if code != exitInconclusive || !strings.HasPrefix(out, "canary incomplete: 1 method on the set-ups of now: 0 failed") {
		t.Errorf("exit %d:\n%s", code, out)
	}

	// A hang: at concurrency 8 nothing comes for a minute in the middle of an answer.
	stuck := stage(t, dir, "stuck", 4)
	speculate(stuck)
	stuck.each(func(level, start int, run map[string]any) {
		if level != 8 || start != 2 {
			return
		}
		longest := 0.0
		for _, gaps := range run["itls"].([]any) {
			gaps.([]any)[7] = 61.0
			longest = 61
		}
		run["duration"] = run["duration"].(float64) + longest
	})
	if code, out := answers(t, "canary", stuck.dir); code != exitRegression || !strings.Contains(out, "FAIL") || !strings.Contains(out, "while answers were being made") {
		t.Errorf("exit %d:\n%s", code, out)
	}

	// The upgrade: nothing of what was shown holds for it.
	next := stage(t, dir, "next", 9)
	next.edit("servestat.yaml", `"0.20.2"`, `"0.21.0"`)
	next.edit("server.log", "0.20.2", "0.21.0")
	servestat(t, "ingest", "--lake", lake, next.dir)
	code, out = answers(t, "canary", "--lake", lake)
	for _, want := range []string{"never tested here", "expired, tested 2026-11-02", "canary stale: tested 2026-11-02, and since then version changed: 0.20.2 to 0.21.0"} {
		if code != exitInconclusive || !strings.Contains(out, want) {
			t.Errorf("exit %d, without %q:\n%s", code, want, out)
		}
	}
}
