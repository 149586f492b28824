package serverlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// cases are the logs of testdata, all synthetic, and what each is there for.
var cases = []struct{ file, story string }{
	{"v0.5.4-namespace.log", "the old form: no brackets around the source, and all arguments as a Namespace"},
	{"v0.10.2-colours.log", "coloured processes, CRLF, two engines of one start, and Python objects among the arguments"},
	{"v0.23-build.log", "a build between releases in a container, and every way to pass a secret"},
	{"upgrade.log", "v0.8.5; then v0.20.2 that dies at once; then v0.20.2 again: three starts, two versions"},
	{"behind-progress-bar.log", "the engine's line stands behind a progress bar that ended in a carriage return"},
	{"no-start.log", "nothing of a start, though the words occur"},
	{"cut.log", "the log ends inside the arguments"},
	{"v0.6.3-v0-engine.log", "the V0 engine: blocks in place of tokens, swapped and pending requests, two caches of prefixes, and the only preemptions that were ever logged"},
	{"v0.8.5-requests.log", "prompts are logged and not kept, though one holds a line of a log; 404 is an event; an acceptance rate of nan is no value"},
	{"v0.11-ray.log", "processes in processes, a line that stands for four, default configurations for MoE and for block FP8, some broken in two lines, and what four engines do together"},
	{"v0.25-kubernetes.log", "Kubernetes prints UTC with a year, vLLM the time of Berlin without one: New Year comes in between. Samples take the instant, events keep the log's clock. Two warnings of one second and place stay two"},
	{"traceback.log", "two workers and two bare exceptions write between each other's lines; one is chained, one goes on behind its name, the last is cut"},
	{"causes.log", "what servers die of, with its figures"},
	{"fronts.log", "what others put in front: compose, Docker, journald, a log viewer, a prefix of the user's, a progress bar"},
	{"new-year.log", "the year of the whole log is taken from one line of FlashInfer; progress bars end in carriage returns; 30 February is no time"},
	{"foreign.log", "lines of uvicorn, Python, NCCL, kernels, the command line, the Rust front end"},
	{"secrets.log", "secrets in arguments, headers, URLs, tracebacks, and in words"},
	{"hostile.log", "figures that are none, a byte that is no UTF-8, a hole of NULs, arguments that are cut short"},
}

func TestGolden(t *testing.T) {
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", c.file))
			if err != nil {
				t.Fatal(err)
			}
			f := facts(t, bytes.NewReader(text))
			records := recordShorthand(read(t, bytes.NewReader(text)))
			schematest.Golden(t, filepath.Join("testdata", c.file+".golden"), []byte("# "+c.story+"\n"+shorthand(f)+"\n"+records))
			if again := facts(t, iotest.OneByteReader(bytes.NewReader(text))); !reflect.DeepEqual(again, f) {
				t.Errorf("byte by byte: %s", shorthand(again))
			}
			if again := recordShorthand(read(t, iotest.HalfReader(bytes.NewReader(text)))); again != records {
				t.Errorf("in pieces: %s", again)
			}
			if format, ok := Detect(text); !ok || format != Format {
				t.Errorf("Detect = %q, %v", format, ok)
			}
		})
	}
}

func facts(t *testing.T, r io.Reader) Facts {
	t.Helper()
	f, err := ReadFacts(r, "server.log")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// shorthand writes facts so that they can be checked against the log.
func shorthand(f Facts) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version=%s commit=%s model=%s\n", f.Version.V, f.Commit.V, f.Model.V)
	writeArgs(&b, "", f.Args)
	for _, s := range f.Starts {
		fmt.Fprintf(&b, "start at %s (byte %d): version=%s commit=%s model=%s", s.Time, s.At.Offset, s.Version.V, s.Commit.V, s.Model.V)
		if s.Defaults {
			b.WriteString(" args include defaults")
		}
		b.WriteByte('\n')
		if !maps.Equal(s.Args, f.Args) {
			writeArgs(&b, "  ", s.Args)
		}
	}
	for _, note := range f.Notes {
		b.WriteString("note " + note + "\n")
	}
	return b.String()
}

func writeArgs(b *strings.Builder, indent string, args map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(args)) {
		fmt.Fprintf(b, "%s  %s: %s\n", indent, key, args[key])
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("no such pod")
	_, err := ReadFacts(io.MultiReader(strings.NewReader("INFO\nhalf a li"), iotest.ErrReader(broken)), "server.log")
	if !errors.Is(err, broken) || err.Error() != "server.log: byte 14: no such pod" {
		t.Errorf("error %v", err)
	}
}

// TestLongLines: a prompt of megabytes in one line is passed over, and what
// comes behind it is read.
func TestLongLines(t *testing.T) {
	log := strings.Repeat("x", 3*maxLine) + "\n" + strings.Repeat("y", maxLine) + "\n" +
		"INFO 01-02 03:04:20 [core.py:58] Initializing a V1 LLM engine (v0.8.5) with config: model='acme/seven'\n"
	f := facts(t, strings.NewReader(log))
	if f.Version != schemas.Some("0.8.5") || f.Starts[0].At.Offset != 4*maxLine+2 {
		t.Errorf("%s", shorthand(f))
	}
	if want := []string{"lines of more than 1048576 bytes, of which the rest was not read: 1"}; !slices.Equal(f.Notes, want) {
		t.Errorf("notes %q, want %q", f.Notes, want)
	}
}

func TestParseArgs(t *testing.T) {
	tests := []struct {
		text  string
		want  map[string]string
		whole bool
	}{
		{`{}`, map[string]string{}, true},
		{`Namespace()`, map[string]string{}, true},
		{`{'a': 1}`, map[string]string{"a": "1"}, true},
		{`{'a': 'x\'y', 'b': "it's \"\n\\", 'c': 'ü\xfc\u00fc'}`, map[string]string{"a": "x'y", "b": "it's \"\n\\", "c": "üüü"}, true},
		{`{'a': [1, (2, 3), {'b': '}'}], 'c': <E.X: 3>, 'd': f(x={'y': 1}, z='),')}`,
			map[string]string{"a": "[1, (2, 3), {'b': '}'}]", "c": "<E.X: 3>", "d": "f(x={'y': 1}, z='),')"}, true},
		{`Namespace(a=1, b='x=y', c=<F: 'auto'>)`, map[string]string{"a": "1", "b": "x=y", "c": "<F: 'auto'>"}, true},
		{`{'a': 1, 'b': [2, `, map[string]string{"a": "1"}, false},
		{`{'a': 1, 'b'`, map[string]string{"a": "1"}, false},
		{`{`, map[string]string{}, false},
	}
	for _, test := range tests {
		if got, whole := parseArgs(test.text); !maps.Equal(got, test.want) || whole != test.whole {
			t.Errorf("parseArgs(%s) = %q, %v, want %q, %v", test.text, got, whole, test.want, test.whole)
		}
	}
}

func TestSecrets(t *testing.T) {
	for _, name := range []string{"api_key", "api-key", "OPENAI_API_KEY", "hf_token", "token", "HF-Token", "password", "ssl_keyfile_password", "client_secret", "aws_access_key_id", "authorization"} {
		if !isSecret(name) {
			t.Errorf("%s is shown", name)
		}
	}
	for _, name := range []string{"tokenizer", "tokenizer_mode", "max_num_batched_tokens", "skip_tokenizer_init", "ssl_keyfile", "model", "return_tokens_as_token_ids", "max_prompt_adapter_token", "num_speculative_tokens", "key"} {
		if isSecret(name) {
			t.Errorf("%s is redacted", name)
		}
	}
	tests := []struct{ key, value, want string }{
		{"api_key", "None", "None"},
		{"api_key", "['sk-1']", redacted},
		{"config", `{'password': 'a, b', 'port': 1}`, `{'password': [redacted], 'port': 1}`},
		{"config", `'{"password": "a\'b", "port": 1}'`, `{"password": [redacted], "port": 1}`},
		{"config", `'{\"api_key\": \"x y\", \"port\": 1}'`, `{"api_key": [redacted], "port": 1}`},
		{"config", `Redis(secret=hunter2, tokens=[1, 2])`, `Redis(secret=[redacted], tokens=[1, 2])`},
		{"config", `{'api_keys': ['a', 'b'], 'x': 1}`, `{'api_keys': [redacted], 'x': 1}`},
		{"url", `'https://me:pw@host/x?a=b'`, `https://[redacted]@host/x?a=b`},
		{"url", `'https://host/x@y'`, `https://host/x@y`},
		{"dsn", `'host=db password=a b port=1'`, `host=db password=[redacted]`},
		{"header", `'X-Auth: basic dXNlcjpwdw=='`, `X-Auth: basic [redacted]`},
		{"header", `['Authorization: Bearer abc.def-ghi']`, `['Authorization: [redacted]']`},
	}
	for _, test := range tests {
		if got := scrub(test.key, test.value); got != test.want {
			t.Errorf("scrub(%s, %s) = %s, want %s", test.key, test.value, got, test.want)
		}
	}
}

// realLogs are logs of real servers, which are not ours to distribute, below
// shared/data/real, and what must be found in them.
var realLogs = map[string]struct {
	version, commit, model string
	starts, args           int
}{
	"serverlog/deepseek-qwen/vllm_server.log":                        {"0.8.5.post1", "", "deepseek-r1-14b", 1, 140},
	"serverlog/dgx-spark/gemma4-nvfp4.log":                           {"0.25.1", "", "RedHatAI/gemma-4-26B-A4B-it-NVFP4", 1, 6},
	"serverlog/dgx-spark/qwen38-nvfp4.log":                           {"0.25.1", "", "unsloth/Qwen3.8-27B-NVFP4", 1, 9},
	"serverlog/dgx-spark/vllm-run1-oom.log":                          {"0.25.1", "", "poolside/Laguna-S-2.1-NVFP4", 1, 10},
	"serverlog/er0080/vllm_serve_max_model_len_rejected_v0.25.1.log": {"0.25.1", "", "facebook/opt-125m", 1, 6},
	"serverlog/er0080/vllm_serve_no_kv_cache_memory_v0.25.1.log":     {"0.25.1", "", "facebook/opt-125m", 1, 7},
	"serverlog/er0080/vllm_serve_unrecognized_argument_v0.25.1.log":  {"", "", "", 0, 0},
	"serverlog/gemma4-nvfp4-wsl/vllm-0.20.2-gemma-4-26b-nvfp4.log":   {"0.20.2", "", "nvidia/Gemma-4-26B-A4B-NVFP4", 1, 17},
	"vllm/alint77/baseline/server.out":                               {"0.23.1rc1.dev1201+gd08eebad1", "d08eebad1", "GLM-5.2-W4A16-55c92ae", 1, 19},
	"vllm/alint77/baseline/failed-94pct-hbm-server.out":              {"0.23.1rc1.dev1201+gd08eebad1", "d08eebad1", "GLM-5.2-W4A16-55c92ae", 1, 19},
}

func TestRealLogs(t *testing.T) {
	dir := schematest.Shared(t, "real")
	found, err := filepath.Glob(filepath.Join(dir, "serverlog/*/*.log"))
	if err != nil || len(found) < 8 {
		t.Errorf("found %q, %v", found, err)
	}
	for _, file := range found {
		if _, ok := realLogs[filepath.ToSlash(strings.TrimPrefix(file, dir+string(filepath.Separator)))]; !ok {
			t.Errorf("nothing is expected of %s", file)
		}
	}
	for file, want := range realLogs {
		t.Run(file, func(t *testing.T) {
			r, err := os.Open(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			f := facts(t, r)
			t.Logf("%s", shorthand(f))
			if f.Version.V != want.version || f.Commit.V != want.commit || path.Base(f.Model.V) != path.Base(want.model) || len(f.Starts) != want.starts || len(f.Args) != want.args {
				t.Errorf("got %q %q %q %d %d, want %v", f.Version.V, f.Commit.V, f.Model.V, len(f.Starts), len(f.Args), want)
			}
		})
	}
}

// TestRedactSoon: what is not suspicious would not be redacted either.
func TestRedactSoon(t *testing.T) {
	n := 0
	for _, text := range allLogs(t) {
		for line := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == '\n' || r == '\r' }) {
			if suspicious(line) {
				n++
				continue
			}
			if got := knownKeys.ReplaceAllString(bearer.ReplaceAllString(credentials.ReplaceAllString(scrubNested(line), redacted), redacted), redacted); got != line {
				t.Errorf("%s\nis not suspicious, but redacted to\n%s", line, got)
			}
		}
	}
	t.Logf("%d lines are suspicious", n)
}

func FuzzReadFacts(f *testing.F) {
	for _, c := range cases {
		text, err := os.ReadFile(filepath.Join("testdata", c.file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, pieces := facts(t, bytes.NewReader(text)), facts(t, iotest.HalfReader(bytes.NewReader(text)))
		if !reflect.DeepEqual(whole, pieces) {
			t.Errorf("whole %s\nin pieces %s", shorthand(whole), shorthand(pieces))
		}
	})
}
