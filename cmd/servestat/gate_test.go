package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// writeToolCalls writes a line of tool calls an item; broken says of which the
// arguments are cut in the middle.
func writeToolCalls(t *testing.T, path string, n int, broken func(i int) bool, bend ...func(i int, line map[string]any)) {
	t.Helper()
	var out strings.Builder
	for i := range n {
		arguments := fmt.Sprintf(`{"city": "city %d"}`, i)
		if broken(i) {
			arguments = arguments[:9]
		}
		line := map[string]any{
			"id": fmt.Sprintf("weather-%03d", i),
			"request": map[string]any{"model": "simulated/affine-decoder", "temperature": 0, "tools": []any{map[string]any{"type": "function", "function": map[string]any{
				"name": "weather", "parameters": map[string]any{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"}}}}}},
			"response": map[string]any{"choices": []any{map[string]any{"finish_reason": "tool_calls", "message": map[string]any{
				"tool_calls": []any{map[string]any{"type": "function", "function": map[string]any{"name": "weather", "arguments": arguments}}}}}}},
		}
		for _, b := range bend {
			b(i, line)
		}
		raw, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(raw)
		out.WriteByte('\n')
	}
	writeText(t, path, out.String())
}

func never(int) bool { return false }

func oneIn(n int) func(int) bool { return func(i int) bool { return i%n == 0 } }

// One line says why a candidate may not go out, and it is the first thing that is not
// met.
func TestGateSaysTheFirstUnmetRequirement(t *testing.T) {
	for _, c := range []struct {
		story string
		bend  func(base, cand results)
		args  []string
		code  int
		first string // part of the first line
		also  string
	}{
		{"nothing changed, and two hundred tool calls are right",
			func(base, cand results) {
				writeToolCalls(t, filepath.Join(base.dir, "tools.jsonl"), 200, never)
				writeToolCalls(t, filepath.Join(cand.dir, "tools.jsonl"), 200, never)
			}, []string{"--tools=false"}, exitOK, "gate passed: 5 requirements met", "PASS  quality"},
		{"it is faster, and a fifth of its calls is cut in the middle",
			func(base, cand results) {
				cand.each(func(_, _ int, run map[string]any) { scale(run["itls"], 0.9) })
				writeToolCalls(t, filepath.Join(base.dir, "tools.jsonl"), 200, never)
				writeToolCalls(t, filepath.Join(cand.dir, "tools.jsonl"), 200, oneIn(5))
			}, nil, exitRegression, "gate failed: tools: streams fast but breaks JSON: not an agent model: 80.0 % [73.9, 85.0] (160 of 200)", "FAIL  quality"},
		{"it is slower too: speed comes first, and nothing is said of streaming fast",
			func(base, cand results) {
				cand.each(func(_, _ int, run map[string]any) { scale(run["itls"], 1.2) })
				writeToolCalls(t, filepath.Join(cand.dir, "tools.jsonl"), 200, oneIn(5))
			}, nil, exitRegression, "gate failed: speed: Regressed", "breaks JSON: not an agent model"},
		{"nobody judged an answer: untested, and no failure",
			func(_, _ results) {}, nil, exitOK, "2 UNTESTED", "UNTESTED  tools"},
		{"but it was required",
			func(_, _ results) {}, []string{"--require", "tools"}, exitInconclusive, "gate undecided: tools: no tool call was judged", ""},
		{"two starts of a side: speed is undecided",
			func(base, cand results) {
				for _, side := range []results{base, cand} {
					for _, run := range []string{"run3.json", "run4.json"} {
						for _, level := range []string{"c1", "c4"} {
							if err := os.Remove(filepath.Join(side.dir, level, run)); err != nil {
								t.Fatal(err)
							}
						}
					}
				}
			}, nil, exitInconclusive, "gate undecided: speed", ""},
		{"the load was never there: numbers that may not be used",
			func(_, cand results) {
				cand.each(func(_, _ int, run map[string]any) { run["max_concurrency"] = 4 * run["max_concurrency"].(float64) })
			}, nil, exitInvalid, "gate failed: truth: ", "T1 achieved concurrency"},
		{"the server's log says that its kernel is not tuned: a failed preflight, not harmless noise",
			func(_, cand results) {
				log := filepath.Join(cand.dir, "server.log")
				writeFileOf(t, log, []byte(read(t, log)+"(EngineCore pid=2) WARNING 11-16 09:00:59 [fused_moe.py:1090] Using default MoE config. Performance might be sub-optimal! Config file not found at /x/E=128,N=1856,device_name=NVIDIA_Thor.json\n"))
			}, nil, exitRegression, "gate failed: preflight: ", "P1 moe_default_config"},
	} {
		dir := smallSweep(t)
		base, cand := results{t, filepath.Join(dir, "0.19.0")}, results{t, filepath.Join(dir, "0.20.0")}
		c.bend(base, cand)
		code, out := answers(t, append([]string{"gate", base.dir, cand.dir}, c.args...)...)
		first, _, _ := strings.Cut(out, "\n")
		if code != c.code || !strings.Contains(first, c.first) || !strings.Contains(out, c.also) {
			t.Errorf("%s: exit %d, want %d, %q in the first line, and %q:\n%s", c.story, code, c.code, c.first, c.also, out)
		}
	}
}

// What CI systems and programs read says the same.
func TestGateFormats(t *testing.T) {
	dir := smallSweep(t)
	base, cand := filepath.Join(dir, "0.19.0"), filepath.Join(dir, "0.20.0")
	writeToolCalls(t, filepath.Join(cand, "tools.jsonl"), 200, oneIn(5))
	code, out := answers(t, "gate", "--format", "junit", base, cand)
	var suites struct {
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Tests    int `xml:"tests,attr"`
	}
	if err := xml.Unmarshal([]byte(out), &suites); err != nil || code != exitRegression || suites.Failures != 1 || suites.Skipped != 1 || suites.Tests != 5 {
		t.Errorf("exit %d, %+v, %v:\n%s", code, suites, err, out)
	}
	if _, out := answers(t, "gate", "--format", "markdown", base, cand); !regexp.MustCompile(`^\*\*gate failed: tools: streams fast but breaks JSON: not an agent model`).MatchString(out) {
		t.Errorf("markdown:\n%s", out)
	}
	_, out = answers(t, "gate", "--format", "json", base, cand)
	var doc struct {
		Schema, Standing, Headline string
		Requirements               []struct{ Name, Standing string }
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Schema != "servestat.gate/1" || doc.Standing != "FAIL" || len(doc.Requirements) != 5 {
		t.Errorf("%+v, %v", doc, err)
	}
}
