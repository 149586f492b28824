package preflight_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/preflight"
	"github.com/servestat/servestat/ingest/serverlog"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/checkpoint"
	"github.com/servestat/servestat/schemas/schematest"
)

// check runs a log through a checker.
func check(t testing.TB, r io.Reader, opts preflight.Options) *preflight.Report {
	t.Helper()
	c := preflight.New(opts)
	events := serverlog.NewReader(r, "server.log")
	for events.Scan() {
		if e, ok := events.Record().(*schemas.LogEvent); ok {
			c.Add(e)
		}
	}
	if err := events.Err(); err != nil {
		t.Fatal(err)
	}
	return c.Report()
}

func checkFile(t testing.TB, path string, opts preflight.Options) *preflight.Report {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return check(t, f, opts)
}

// shorthand writes a report so that a person can check it against the log.
func shorthand(r *preflight.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %d starts", r.Verdict, r.State, r.Starts)
	if !r.Whole {
		b.WriteString(", not whole")
	}
	b.WriteByte('\n')
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s line %d x%d: %s\n", f.Severity, strings.TrimSpace(f.Number+" "+f.Rule), f.Line, f.Count, f.Text)
	}
	for _, s := range r.Settings {
		if s.Asked != "" {
			fmt.Fprintf(&b, "asked %s = %s, achieved %s: %s\n", s.Name, s.Asked, s.Achieved, s.Standing)
		}
	}
	for _, u := range r.Unknown {
		text, _, _ := strings.Cut(u.Text, "\n")
		fmt.Fprintf(&b, "unknown line %d x%d %s: %s\n", u.Line, u.Count, u.Level, text)
	}
	return b.String()
}

// findings lists what was found, gravest first.
func findings(r *preflight.Report) string {
	var ids []string
	for _, f := range r.Findings {
		ids = append(ids, string(f.Severity)+" "+f.Rule)
	}
	return strings.Join(ids, ", ")
}

// start is a log of a server that starts well, with room for what goes wrong.
func start(args, config, more string) string {
	return `(APIServer pid=1) INFO 05-14 10:35:50 [utils.py:299] vLLM server version 0.20.2, serving model acme/seven
(APIServer pid=1) INFO 05-14 10:35:50 [utils.py:233] non-default args: {'model': 'acme/seven'` + args + `}
(EngineCore pid=2) INFO 05-14 10:36:00 [core.py:109] Initializing a V1 LLM engine (v0.20.2) with config: model='acme/seven'` + config + `, seed=0
` + more + `(EngineCore pid=2) INFO 05-14 10:37:00 [core.py:299] init engine (profile, create kv cache, warmup model) took 97.86 s (compilation: 59.41 s)
(APIServer pid=1) INFO 05-14 10:37:01 [api_server.py:602] Starting vLLM server on http://0.0.0.0:8000
INFO:     Application startup complete.
`
}

func warning(text string) string {
	return "(EngineCore pid=2) WARNING 05-14 10:36:30 [x.py:1] " + text + "\n"
}

func info(text string) string {
	return "(EngineCore pid=2) INFO 05-14 10:36:30 [x.py:1] " + text + "\n"
}

// TestCleanLog: nothing fires on a server that starts well.
func TestCleanLog(t *testing.T) {
	r := check(t, strings.NewReader(start("", "", "")), preflight.Options{Concurrency: 32})
	if r.Verdict != preflight.Info || len(r.Findings) > 0 || r.State != preflight.Ready || !r.Whole || len(r.Unknown) > 0 {
		t.Errorf("%s", shorthand(r))
	}
}

// TestEveryText: each wording of each rule is found when a server logs it, and the
// rule's near miss is not.
func TestEveryText(t *testing.T) {
	misses := nearMisses(t)
	for _, rule := range preflight.Rules() {
		for _, text := range rule.Texts {
			text = strings.ReplaceAll(text, "*", "(8)") + "]"
			r := check(t, strings.NewReader(start("", "", warning(text))), preflight.Options{})
			if !strings.Contains(findings(r), " "+rule.ID) {
				t.Errorf("%s is not found in %q: %s", rule.ID, text, findings(r))
			}
		}
		if len(rule.Texts) == 0 {
			continue // derived: see TestDerived
		}
		miss, ok := misses[rule.ID]
		if !ok {
			t.Errorf("%s has no near miss", rule.ID)
		}
		delete(misses, rule.ID)
		r := check(t, strings.NewReader(start("", "", warning(miss))), preflight.Options{})
		if slices.ContainsFunc(r.Findings, func(f preflight.Finding) bool { return f.Rule == rule.ID }) {
			t.Errorf("%s takes %q for its own", rule.ID, miss)
		}
	}
	for id := range misses {
		t.Errorf("a near miss of %s, which is no rule", id)
	}
}

func nearMisses(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open("testdata/near-misses.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if id, text, ok := strings.Cut(lines.Text(), "\t"); ok {
			all[id] = text
		}
	}
	return all
}

// TestRulesAreWhole: every rule says what it means and what to do.
func TestRulesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range preflight.Rules() {
		if r.Meaning == "" || r.Kind == "" || seen[r.ID] || r.Do == "" && r.Kind != "evidence" {
			t.Errorf("%+v", r)
		}
		if _, err := preflight.ParseSeverity(string(r.Severity)); err != nil {
			t.Errorf("%s: %v", r.ID, err)
		}
		seen[r.ID] = true
		for _, text := range append(slices.Clone(r.Texts), r.Unless...) {
			if longest := slices.MaxFunc(strings.Split(text, "*"), func(a, b string) int { return len(a) - len(b) }); len(longest) < 8 {
				t.Errorf("%s: %q would be found anywhere", r.ID, text)
			}
		}
	}
}

// TestNumbers: the rules P1 to P23 are all there.
func TestNumbers(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range preflight.Rules() {
		seen[r.Number] = true
	}
	for i := 1; i <= 23; i++ {
		if !seen[fmt.Sprintf("P%d", i)] {
			t.Errorf("no rule is P%d", i)
		}
	}
}

// merged are rules of the catalogue that are one of ours.
var merged = map[string]string{"eager_cudagraph_disabled": "eager_mode", "eager_opt_level": "eager_mode"}

// TestCatalogue: every wording of the catalogue of vLLM's messages, which was taken
// from its source, is found, and by the rule of the same name. What vLLM says at
// INFO must come through the reader of logs.
func TestCatalogue(t *testing.T) {
	f, err := os.Open(schematest.Shared(t, "vllm/preflight-rules.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	wordings := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		col := strings.Split(lines.Text(), "\t")
		if len(col) < 8 || col[0] == "rule_id" {
			continue
		}
		id := col[0]
		if other, ok := merged[id]; ok {
			id = other
		}
		say := warning
		if levels := col[5]; strings.Contains(levels, "info") && !strings.Contains(levels, "warn") && !strings.Contains(levels, "raise") {
			say = info
		}
		for _, text := range wordingsOf(t, col[7]) {
			if id == "synthetic_spec" && !slices.Contains([]string{`='`, `': '`, `": "`, `=`}, strings.TrimSuffix(strings.TrimPrefix(text, "rejection_sample_method"), "synthetic")) {
				continue // neither Python nor JSON
			}
			if text = strings.ReplaceAll(text, "is %s", "is enabled"); strings.Contains(text, "%") {
				t.Fatalf("%s: %q", id, text)
			}
			wordings++
			r := check(t, strings.NewReader(start("", "", say(text+"]"))), preflight.Options{})
			if !strings.Contains(findings(r)+",", " "+id+",") {
				t.Errorf("%s: %q gives %q", id, text, findings(r))
			}
		}
	}
	if wordings < 170 {
		t.Errorf("%d wordings in the catalogue", wordings)
	}
}

// wordingsOf lists the texts that a pattern stands for, with (8) for anything.
func wordingsOf(t *testing.T, pattern string) []string {
	t.Helper()
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	return expand(re)
}

func expand(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{string(re.Rune)}
	case syntax.OpCharClass:
		return []string{string(re.Rune[0]), string(re.Rune[len(re.Rune)-1])}
	case syntax.OpStar, syntax.OpPlus, syntax.OpAnyCharNotNL:
		return []string{"(8)"}
	case syntax.OpQuest:
		return append(expand(re.Sub[0]), "")
	case syntax.OpCapture:
		return expand(re.Sub[0])
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			all = append(all, expand(sub)...)
		}
		return all
	case syntax.OpConcat:
		all := []string{""}
		for _, sub := range re.Sub {
			var next []string
			for _, head := range all {
				for _, tail := range expand(sub) {
					next = append(next, head+tail)
				}
			}
			all = next
		}
		return all
	}
	return []string{""} // an empty alternative
}

// TestRealLogs: what is found in real servers' logs, read by hand: see each golden's
// first line for what the log is.
func TestRealLogs(t *testing.T) {
	for file, story := range map[string]string{
		"serverlog/er0080/vllm_serve_max_model_len_rejected_v0.25.1.log": "the context is longer than the model's: refused",
		"serverlog/er0080/vllm_serve_no_kv_cache_memory_v0.25.1.log":     "no memory is left for the KV cache: refused",
		"serverlog/er0080/vllm_serve_unrecognized_argument_v0.25.1.log":  "an argument that is none: refused",
		"serverlog/gemma4-nvfp4-wsl/vllm-0.20.2-gemma-4-26b-nvfp4.log":   "serves, under WSL, with FP8 KV cache and no scales; asked for another quantization than it got",
		"serverlog/dgx-spark/vllm-run1-oom.log":                          "the machine died while compiling: the log ends, and nothing says why",
		"serverlog/dgx-spark/gemma4-nvfp4.log":                           "serves; a kernel was compiled while requests waited",
		"serverlog/dgx-spark/qwen38-nvfp4.log":                           "MTP accepted; kernels were compiled while requests waited; the engine dies when the server is told to stop, which is no death",
		"serverlog/deepseek-qwen/vllm_server.log":                        "serves; a client asked for another model",
		"vllm/alint77/baseline/failed-94pct-hbm-server.out":              "94 % of the memory: dies at the first long request, in a worker",
		"vllm/alint77/baseline/server.out":                               "the same with less memory: serves; the web server's lines are not in the log",
	} {
		t.Run(file, func(t *testing.T) {
			r := checkFile(t, filepath.Join(schematest.Shared(t, "real"), file), preflight.Options{})
			name := strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(file, ".log"), ".out"), "/", "-")
			schematest.Golden(t, "testdata/real/"+name+".golden", []byte("# "+story+"\n"+shorthand(r)))
		})
	}
}

// TestBundledLogs: every start of the bundled corpus, which says of itself that it
// is a tiny model of random weights on a CPU.
func TestBundledLogs(t *testing.T) {
	const corpus = "../../cmd/servestat/testdata/demo/vllm"
	logs, err := filepath.Glob(filepath.Join(corpus, "*", "*", "start*", "server.log"))
	if err != nil || len(logs) < 40 {
		t.Fatalf("%d logs in the corpus, %v", len(logs), err)
	}
	kinds := map[string]int{}
	for _, name := range logs {
		parts := strings.Split(filepath.ToSlash(name), "/")
		r := checkFile(t, name, preflight.Options{})
		kinds[fmt.Sprintf("%s %s: %s\n  %s", parts[len(parts)-4], parts[len(parts)-3], r.State, strings.ReplaceAll(findings(r), ", ", "\n  "))]++
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(&b, "%d of %s\n", kinds[k], k)
	}
	schematest.Golden(t, "testdata/bundled.golden", []byte(b.String()))
}

// TestDerived: what no single line says.
func TestDerived(t *testing.T) {
	config, err := checkpoint.Read(strings.NewReader(`{"model_type": "nemotron_h", "architectures": ["NemotronHForCausalLM"]}`))
	if err != nil {
		t.Fatal(err)
	}
	super, err := checkpoint.Read(strings.NewReader(`{"model_type": "nemotron_h", "num_nextn_predict_layers": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	recipe, err := preflight.ReadRecipe(strings.NewReader("# Serve it\n```\nvllm serve acme/seven --max-num-seqs 8 \\\n  --enable-auto-tool-choice --tool-call-parser qwen3_coder --port 9000\n```\n"))
	if err != nil {
		t.Fatal(err)
	}
	rejected := `(APIServer pid=1) INFO 05-14 10:35:50 [utils.py:299] vLLM server version 0.20.2, serving model acme/seven
(APIServer pid=1) INFO 05-14 10:35:50 [utils.py:233] non-default args: {'model': 'acme/seven', 'speculative_config': {'method': 'mtp', 'num_speculative_tokens': 1}}
Traceback (most recent call last):
  File "/vllm/config/speculative.py", line 700, in __post_init__
NotImplementedError: Unsupported speculative method: 'mtp'
`
	kv := info("GPU KV cache size: 286,007 tokens") + info("Maximum concurrency for 256,000 tokens per request: 1.12x")
	tests := []struct {
		story, log string
		opts       preflight.Options
		want       string
	}{
		{"prefix caching was asked for, and a hybrid model has it turned off without a word", start(", 'enable_prefix_caching': True", ", enable_prefix_caching=False", ""), preflight.Options{}, "FAIL prefix_caching_not_achieved"},
		{"nobody asked for prefix caching", start("", ", enable_prefix_caching=False", ""), preflight.Options{}, ""},
		{"another MoE backend than asked for", start(", 'moe_backend': 'flashinfer_cutlass'", "", info("Using 'MARLIN' NvFp4 MoE backend out of potential backends: ['FLASHINFER_TRTLLM', 'MARLIN'].")), preflight.Options{}, "FAIL backend_not_achieved"},
		{"cutlass is VLLM_CUTLASS", start(", 'moe_backend': 'cutlass'", "", info("Using 'VLLM_CUTLASS' NvFp4 MoE backend out of potential backends: ['VLLM_CUTLASS', 'MARLIN'].")), preflight.Options{}, ""},
		{"cutlass is not FLASHINFER_CUTLASS", start(", 'moe_backend': 'cutlass'", "", info("Using 'FLASHINFER_CUTLASS' NvFp4 MoE backend out of potential backends: ['FLASHINFER_CUTLASS'].")), preflight.Options{}, "FAIL backend_not_achieved"},
		{"auto asks for nothing", start(", 'moe_backend': 'auto'", "", info("Using 'MARLIN' NvFp4 MoE backend out of potential backends: ['MARLIN'].")), preflight.Options{}, ""},
		{"the quantization resolved to another", start(", 'quantization': 'compressed-tensors'", ", quantization=modelopt_fp4", ""), preflight.Options{}, "WARN setting_not_achieved"},
		{"fp8 is fp8_e4m3", start(", 'kv_cache_dtype': 'fp8'", ", kv_cache_dtype=fp8_e4m3", ""), preflight.Options{}, ""},
		{"random weights", start("", ", load_format=dummy", ""), preflight.Options{}, "FAIL dummy_weights"},
		{"the KV cache holds one long request, 32 are to run", start("", "", kv), preflight.Options{Concurrency: 32}, "FAIL kv_holds_too_few"},
		{"it holds 35 of 8,000 tokens", start("", "", kv), preflight.Options{Concurrency: 32, Tokens: 8000}, ""},
		{"it holds 28 of 10,000 tokens", start("", "", kv), preflight.Options{Concurrency: 32, Tokens: 10000}, "FAIL kv_holds_too_few"},
		{"nobody said how many are to run", start("", "", kv), preflight.Options{}, ""},
		{"tool calls are expected and not enabled", start("", "", ""), preflight.Options{Tools: true}, "FAIL tools_not_enabled"},
		{"tool calls are expected and enabled", start("", "", info(`"auto" tool choice has been enabled.`)), preflight.Options{Tools: true}, ""},
		{"otherwise than the recipe: two arguments; the port does not matter", start(", 'max_num_seqs': 32, 'enable_auto_tool_choice': True", "", info(`"auto" tool choice has been enabled.`)), preflight.Options{Recipe: recipe}, "WARN recipe_differs, WARN recipe_differs"},
		{"as the recipe has it", start(", 'max_num_seqs': 8, 'enable_auto_tool_choice': True, 'tool_call_parser': 'qwen3_coder'", "", info(`"auto" tool choice has been enabled.`)), preflight.Options{Recipe: recipe}, ""},
		{"MTP was rejected, and the checkpoint has no layers for it", rejected, preflight.Options{Model: config}, "FAIL bad_spec_method, FAIL no_mtp_layers, FAIL not_ready"},
		{"a draft model was rejected for its vocabulary, which has nothing to do with such layers", strings.Replace(rejected, "NotImplementedError: Unsupported speculative method: 'mtp'", "ValueError: Target and draft model should have the same vocabulary size. Target model vocab_size=131072. Draft model vocab_size=128256.", 1), preflight.Options{Model: config}, "FAIL not_ready, FAIL vocab_mismatch"},
		{"MTP was rejected for another reason", rejected, preflight.Options{Model: super}, "FAIL bad_spec_method, FAIL not_ready"},
		{"the log ends before the server is ready", strings.Split(start("", "", ""), "(EngineCore")[0], preflight.Options{}, "FAIL not_ready"},
		{"the log begins when the server has long been serving", "INFO 05-14 10:40:00 [loggers.py:271] Engine 000: Avg prompt throughput: 1.0 tokens/s, Avg generation throughput: 6.7 tokens/s, Running: 1 reqs, Waiting: 0 reqs, GPU KV cache usage: 0.0%, Prefix cache hit rate: 0.0%\n", preflight.Options{}, "WARN log_incomplete"},
		{"started twice", start("", "", "") + start("", "", ""), preflight.Options{}, "WARN earlier_starts"},
		{"a worker waits while the model loads, as it may", start("", "", info("No available shared memory broadcast block found in 60 seconds. This typically happens when some processes are hanging")), preflight.Options{}, "WARN long_wait_shm"},
		{"a worker waits while requests wait for it", start("", "", "") + info("No available shared memory broadcast block found in 60 seconds. This typically happens when some processes are hanging"), preflight.Options{}, "FAIL long_wait_shm"},
		{"a process dies because the server was told to stop", start("", "", "") + "(APIServer pid=1) WARNING 05-14 10:50:00 [utils.py:626] [shutdown] Process manager: shutdown triggered\n" + warning("Engine core proc EngineCore died unexpectedly, shutting down client."), preflight.Options{}, "INFO worker_died"},
		{"a process dies while it serves", start("", "", "") + warning("Engine core proc EngineCore died unexpectedly, shutting down client."), preflight.Options{}, "FAIL worker_died"},
		{"a severity that the user set", start("", "", warning("Using default MoE config. Performance might be sub-optimal! Config file not found at /x.json")), preflight.Options{Severities: map[string]preflight.Severity{"moe_default_config": preflight.Info}}, "INFO moe_default_config"},
		{"a rule that the user turned off", start("", "", warning("Using default MoE config. Performance might be sub-optimal! Config file not found at /x.json")), preflight.Options{Severities: map[string]preflight.Severity{"moe_default_config": preflight.Off}}, ""},
		{"official images set these variables", start("", "", warning("Unknown vLLM environment variable detected: VLLM_IMAGE_TAG")), preflight.Options{}, ""},
	}
	for _, test := range tests {
		r := check(t, strings.NewReader(test.log), test.opts)
		if got := findings(r); got != test.want {
			t.Errorf("%s: %q, want %q\n%s", test.story, got, test.want, shorthand(r))
		}
	}
}

// TestDefaultMoEConfig: the article's warning fails the preflight, says for which
// shape, and is not named as a cause.
func TestDefaultMoEConfig(t *testing.T) {
	log := start("", "", warning(`Using default MoE config. Performance might be sub-optimal! Config file not found at ['/vllm/configs/E=128,N=1856,device_name=NVIDIA_Thor.json']`))
	r := check(t, strings.NewReader(log), preflight.Options{})
	if !r.Failed() || len(r.Findings) != 1 {
		t.Fatal(shorthand(r))
	}
	f := r.Findings[0]
	if f.Fields["E"] != "128" || f.Fields["N"] != "1856" || f.Fields["device_name"] != "NVIDIA_Thor" {
		t.Errorf("fields %v", f.Fields)
	}
	if !strings.Contains(f.Do, "do not name it as the cause") || !strings.Contains(f.Meaning, "A/B") {
		t.Errorf("%s %s", f.Meaning, f.Do)
	}
}

// TestUnknownLinesAreListed: once per place and wording, and not without bound.
func TestUnknownLinesAreListed(t *testing.T) {
	var more strings.Builder
	for i := range 300 {
		more.WriteString(warning(fmt.Sprintf("Something new happened %d times", i)))
		more.WriteString(strings.Replace(warning("Thing "+strings.Repeat("x", i%100+1)+strings.Repeat("y", i/100+1)), "x.py", "y.py", 1))
	}
	r := check(t, strings.NewReader(start("", "", more.String())), preflight.Options{})
	if len(r.Unknown) != 200 || r.Unknown[0].Count != 300 {
		t.Errorf("%d lines, the first %+v", len(r.Unknown), r.Unknown[0])
	}
	if findings(r) != "INFO more_unknown" {
		t.Errorf("%s", findings(r))
	}
}

func TestReadExpectations(t *testing.T) {
	for _, text := range []string{"", "[]", "{}", `{"a": 1}`} {
		if m, err := checkpoint.Read(strings.NewReader(text)); err == nil {
			t.Errorf("config %q: %+v", text, m)
		}
	}
	for _, text := range []string{"", "[1]", "just words"} {
		if r, err := preflight.ReadRecipe(strings.NewReader(text)); err == nil {
			t.Errorf("recipe %q: %+v", text, r)
		}
	}
	r, err := preflight.ReadRecipe(strings.NewReader(`{"tool-call-parser": "hermes", "enable_prefix_caching": false, "max_num_seqs": 8}`))
	if err != nil || r.Arguments["tool_call_parser"] != "hermes" || r.Arguments["enable_prefix_caching"] != "False" || r.Arguments["max_num_seqs"] != "8" {
		t.Errorf("%+v, %v", r, err)
	}
}

// BenchmarkChecker reads a log of warnings, no two of which are alike.
func BenchmarkChecker(b *testing.B) {
	var more strings.Builder
	for i := range 10_000 {
		more.WriteString(warning(fmt.Sprintf("Request cmpl-%08x was answered late by the engine, which is no rule's business", i)))
	}
	log := start("", "", more.String())
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		check(b, strings.NewReader(log), preflight.Options{})
	}
}

// What was drafted and accepted is summed over the lines of the log, each of which is
// of the last seconds: 43 + 133 of 78 + 249 tokens, and not the mean of two rates.
func TestAcceptanceIsAFact(t *testing.T) {
	const line = "(APIServer pid=1) INFO 08-21 09:53:%d [metrics.py:120] SpecDecoding metrics: Mean acceptance length: 2.65, Accepted throughput: 0.38 tokens/s, Drafted throughput: 0.69 tokens/s, Accepted: %d tokens, Drafted: %d tokens, Per-position acceptance rate: 0.9, 0.5, 0.2, Avg Draft acceptance rate: 55.1%%\n"
	r := check(t, strings.NewReader(start("", "", fmt.Sprintf(line, 43, 43, 78)+fmt.Sprintf(line, 53, 133, 249))), preflight.Options{})
	for _, f := range r.Facts {
		if f.Name == "drafted tokens accepted, token-weighted" && f.Value == "53.8" && f.Unit == "%" {
			return
		}
	}
	t.Errorf("facts %+v", r.Facts)
}
