package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nights gives every start of a side its own tool calls: as many lines in a folder
// that says which start answered.
func nights(t *testing.T, side results, broken func(start, i int) bool) {
	t.Helper()
	version := filepath.Base(side.dir)
	for start := 1; start <= 4; start++ {
		dir := filepath.Join(side.dir, "tools", fmt.Sprint(start))
		writeToolCalls(t, filepath.Join(dir, "calls.jsonl"), 100, func(i int) bool { return broken(start, i) }, func(_ int, line map[string]any) {
			line["start"] = 1.7e9 + float64(start) // or the files of two nights are one upload
		})
		writeText(t, filepath.Join(dir, "servestat.yaml"), fmt.Sprintf("server_start: %q\n", serverStart(version, start)))
	}
}

// serverStart is what the simulated sweep calls a start.
func serverStart(version string, start int) string { return fmt.Sprintf("%s-start%d", version, start) }

// A server that got faster because it answers worse: the verdict over speed stands,
// and says so in the same breath, for people, for a comment and for programs.
func TestAWinInSpeedWithALossOfQualityIsLabelled(t *testing.T) {
	dir := smallSweep(t)
	base, cand := results{t, filepath.Join(dir, "0.19.0")}, results{t, filepath.Join(dir, "0.20.0")}
	cand.each(func(_, _ int, run map[string]any) { scale(run["itls"], 0.9) })
	nights(t, base, func(_, i int) bool { return false })
	nights(t, cand, func(_, i int) bool { return i%5 == 0 })
	if code, out := answers(t, "compare", base.dir, cand.dir); code != exitOK || !strings.HasPrefix(out, "Improved, with a loss of quality: ") || !strings.Contains(out, "Answers: tool_calls: regressed: 100.0 % [96.3, 100.0] (400 of 400) to 80.0 %") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if _, out := answers(t, "compare", "--format", "markdown", base.dir, cand.dir); !strings.HasPrefix(out, "**Improved, with a loss of quality**") || !strings.Contains(out, "Answers got worse: ") {
		t.Errorf("markdown:\n%s", out)
	}
	report := filepath.Join(t.TempDir(), "report")
	lake := filepath.Join(dir, "lake")
	servestat(t, "ingest", "--lake", lake, base.dir, cand.dir)
	servestat(t, "report", "weekly", "--lake", lake, "--out", report)
	page := read(t, filepath.Join(report, "README.md"))
	for _, want := range []string{"improved, with a loss of quality", "## Quality of answers", "NOT AN AGENT MODEL: 80.0 %"} {
		if !strings.Contains(page, want) {
			t.Errorf("the weekly page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "Canary of speculative decoding") {
		t.Error("nothing speculates, and the page has a canary")
	}
}

// And without a loss nothing is said of one.
func TestAWinInSpeedAloneIsNotLabelled(t *testing.T) {
	dir := smallSweep(t)
	base, cand := results{t, filepath.Join(dir, "0.19.0")}, results{t, filepath.Join(dir, "0.20.0")}
	cand.each(func(_, _ int, run map[string]any) { scale(run["itls"], 0.9) })
	for _, side := range []results{base, cand} {
		nights(t, side, func(_, i int) bool { return i == 3 })
	}
	if code, out := answers(t, "compare", base.dir, cand.dir); code != exitOK || !strings.HasPrefix(out, "Improved: ") || strings.Contains(out, "quality") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	// That answers did not get worse is shown for a loss of 5 %; of 0.1 % these cannot show it.
	for margin, want := range map[string]string{"0.05": "not regressed", "0.001": "inconclusive"} {
		_, out := answers(t, "compare", "--format", "json", "--quality-margin", margin, base.dir, cand.dir)
		if !strings.Contains(strings.ReplaceAll(out, " ", ""), `"margin":`+margin+",") || !strings.Contains(out, `"verdict": "`+want+`"`) {
			t.Errorf("--quality-margin %s: want %s in\n%s", margin, want, out)
		}
	}
}

// vllm-omni#6032: a candidate "lost 12 %" against a baseline that nobody could reach:
// on some of its nights the server had answered nonsense, and fast. Nights whose
// answers were broken are no baseline, and the report says which are left out and why.
func TestBrokenNightsAreNoBaseline(t *testing.T) {
	dir := smallSweep(t)
	base, cand := results{t, filepath.Join(dir, "0.19.0")}, results{t, filepath.Join(dir, "0.20.0")}
	base.each(func(_, start int, run map[string]any) {
		if start <= 2 {
			scale(run["itls"], 0.8)
		}
	})
	if code, out := answers(t, "compare", base.dir, cand.dir); code == exitOK && strings.HasPrefix(out, "Improved") {
		t.Fatalf("without the answers the candidate looks better:\n%s", out)
	}
	nights(t, base, func(start, i int) bool { return start <= 2 && i%20 > 0 })
	nights(t, cand, func(_, i int) bool { return false })
	code, out := answers(t, "compare", base.dir, cand.dir)
	for _, want := range []string{
		"baseline: left out 2 runs: the answers of start 0.19.0-start1 were broken: tool_calls: 5.0 % [2.2, 11.2] (5 of 100), where the best start has 100.0 % [96.3, 100.0] (100 of 100)",
		"the answers of start 0.19.0-start2 were broken",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("exit %d, without %q:\n%s", code, want, out)
		}
	}
	if code == exitRegression {
		t.Errorf("a regression against nights of nonsense:\n%s", out)
	}
	// Who insists may.
	if _, out := answers(t, "compare", "--allow", "broken_output", base.dir, cand.dir); !strings.Contains(out, "allowed: --allow broken_output: baseline: the answers of start 0.19.0-start1") {
		t.Errorf("%s", out)
	}
	// A night with a few wrong answers more is none of them.
	if err := os.RemoveAll(filepath.Join(base.dir, "tools")); err != nil {
		t.Fatal(err)
	}
	nights(t, base, func(start, i int) bool { return start <= 2 && i%4 == 0 })
	if _, out := answers(t, "compare", base.dir, cand.dir); strings.Contains(out, "were broken") {
		t.Errorf("%s", out)
	}
}
