package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeBFCL writes a score file as the leaderboard does: the total, then failures.
func writeBFCL(t *testing.T, dir string, failed func(i int) bool) {
	t.Helper()
	var lines strings.Builder
	n := 0
	for i := range 200 {
		if failed(i) {
			n++
			fmt.Fprintf(&lines, `{"id": "multi_turn_base_%d", "model_name": "gpt-oss-120b", "test_category": "multi_turn_base", "valid": false, "error": {"error_type": "multi_turn:empty_turn_model_response"}}`+"\n", i)
		}
	}
	head := fmt.Sprintf(`{"accuracy": %g, "correct_count": %d, "total_count": 200}`+"\n", float64(200-n)/200, 200-n)
	writeText(t, filepath.Join(dir, "BFCL_v4_multi_turn_base_score.json"), head+lines.String())
}

// writeText writes a file, and the folders that it lies in.
func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	writeFileOf(t, path, []byte(text))
}

// The published series of one model over four versions of vLLM, as score files of the
// same counts: 83, 84, 100 and 124 of 200, of which 24 and 25, 15 and 31, 17 and 41
// flipped. The first step is flakiness, a quarter of the items; the others are real,
// which two unpaired shares of 42 % and 50 % would not show.
func TestBFCLSeriesThroughTheCommand(t *testing.T) {
	dir := t.TempDir()
	// passing holds which items pass; each step loses the first so many of them and
	// wins the first so many others.
	passing := make([]bool, 200)
	for i := range 83 {
		passing[i] = true
	}
	versions := []string{"v0.10.2", "v0.11.0", "main", "fix"}
	steps := [][2]int{{24, 25}, {15, 31}, {17, 41}}
	for v, name := range versions {
		writeBFCL(t, filepath.Join(dir, name), func(i int) bool { return !passing[i] })
		if v == len(steps) {
			break
		}
		lose, win := steps[v][0], steps[v][1]
		for i, was := range append([]bool{}, passing...) {
			if was && lose > 0 {
				passing[i], lose = false, lose-1
			} else if !was && win > 0 {
				passing[i], win = true, win-1
			}
		}
	}
	for i, c := range []struct {
		code int
		says []string
	}{
		{exitInconclusive, []string{"Undecided whether answers got worse", "41.5 % [34.9, 48.4] (83 of 200) to 42.0 % [35.4, 48.9] (84 of 200)", "p = 1 (McNemar), 24 lost and 25 won"}},
		{exitOK, []string{"Answers got better", "(84 of 200) to 50.0 % [43.1, 56.9] (100 of 200)", "p = 0.026 (McNemar), 15 lost and 31 won"}},
		{exitOK, []string{"Answers got better", "(100 of 200) to 62.0 % [55.1, 68.4] (124 of 200)", "p = 0.0022 (McNemar), 17 lost and 41 won"}},
	} {
		code, out := answers(t, "quality", filepath.Join(dir, versions[i]), filepath.Join(dir, versions[i+1]))
		for _, want := range c.says {
			if code != c.code || !strings.Contains(out, want) {
				t.Errorf("%s to %s: exit %d, want %d and %q:\n%s", versions[i], versions[i+1], code, c.code, want, out)
			}
		}
	}
	// And backwards: a fix that is taken back.
	if code, out := answers(t, "quality", filepath.Join(dir, "fix"), filepath.Join(dir, "main")); code != exitRegression || !strings.HasPrefix(out, "Answers got worse") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	// In one lake, told apart by what a label said: no benchmark ran beside the suite.
	lake := filepath.Join(dir, "lake")
	for _, v := range versions[:3] {
		servestat(t, "ingest", "--lake", lake, "--label", "runtime_version="+v, filepath.Join(dir, v))
	}
	if code, out := answers(t, "quality", "--lake", lake, "runtime_version=v0.11.0", "runtime_version=main"); code != exitOK || !strings.Contains(out, "p = 0.026 (McNemar)") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// The K2 vendor verifier's summaries: the vendor's own path, and vLLM's of the time.
func TestK2FiguresThroughTheCommand(t *testing.T) {
	dir := t.TempDir()
	for name, valid := range map[string][2]int{"vendor": {1958, 1958}, "vllm": {1856, 2128}} {
		writeText(t, filepath.Join(dir, name, "summary.json"), fmt.Sprintf(`{"model": "kimi-k2-thinking", "success_count": %d, "failure_count": 0, "finish_stop": 0,
			"finish_tool_calls": %d, "schema_validation_error_count": %d, "successful_tool_call_count": %d, "eval_started_at": "2026-01-02T03:04:05"}`,
			valid[1], valid[1], valid[1]-valid[0], valid[0]))
	}
	code, out := answers(t, "quality", filepath.Join(dir, "vllm"))
	if want := "87.2 % [85.7, 88.6] (1856 of 2128) of the calls are right"; code != exitRegression || !strings.Contains(out, want) || !strings.Contains(out, "NOT AN AGENT MODEL") {
		t.Errorf("exit %d, want %q:\n%s", code, want, out)
	}
	if code, out := answers(t, "quality", filepath.Join(dir, "vendor")); code != exitOK || !strings.Contains(out, "100.0 % [99.8, 100.0] (1958 of 1958)") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if code, out := answers(t, "quality", filepath.Join(dir, "vendor"), filepath.Join(dir, "vllm")); code != exitRegression || !strings.Contains(out, "Fisher, not paired") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}
