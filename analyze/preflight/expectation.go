package preflight

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/shlex"
	"go.yaml.in/yaml/v3"
)

// maxExpectation bounds the bytes of a file that says what is expected.
const maxExpectation = 4 << 20

// A Recipe is the arguments with which a model is said to be served well.
type Recipe struct {
	Arguments map[string]string // by their names, with underscores
}

// ReadRecipe reads a recipe: a mapping of arguments in YAML or JSON, or any text
// with a vllm serve command in it, of which the first counts.
func ReadRecipe(r io.Reader) (*Recipe, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxExpectation))
	if err != nil {
		return nil, err
	}
	if args := commandArguments(string(text)); len(args) > 0 {
		return &Recipe{args}, nil
	}
	var mapping map[string]any
	if err := yaml.Unmarshal(text, &mapping); err != nil || len(mapping) == 0 {
		return nil, errors.New("not a recipe: want a mapping of arguments (tool_call_parser: qwen3_coder) or a text with a vllm serve command")
	}
	args := map[string]string{}
	for name, value := range mapping {
		switch v := value.(type) {
		case string, bool, int, float64:
			args[argumentName(name)] = pythonBool(fmt.Sprint(v))
		}
	}
	return &Recipe{args}, nil
}

// commandArguments finds the arguments of the first vllm serve command in a text,
// which may go on over lines that end in a backslash.
func commandArguments(text string) map[string]string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\\\n", " ")
	i := strings.Index(text, "vllm serve")
	if i < 0 {
		return nil
	}
	command, _, _ := strings.Cut(text[i:], "\n")
	words, err := shlex.Split(command)
	if err != nil {
		return nil
	}
	args := map[string]string{}
	for i := 0; i < len(words); i++ {
		name, ok := strings.CutPrefix(words[i], "--")
		if !ok {
			continue
		}
		name, value, given := strings.Cut(name, "=")
		if !given && i+1 < len(words) && !strings.HasPrefix(words[i+1], "--") {
			value, given = words[i+1], true
			i++
		}
		if !given {
			value = "True"
			if positive, negated := strings.CutPrefix(name, "no-"); negated {
				name, value = positive, "False"
			}
		}
		args[argumentName(name)] = value
	}
	return args
}

func argumentName(name string) string {
	return strings.ReplaceAll(strings.TrimLeft(name, "-"), "-", "_")
}

func pythonBool(value string) string {
	switch value {
	case "true":
		return "True"
	case "false":
		return "False"
	}
	return value
}

// expectsTools reports whether the recipe is one for tool calls.
func (r *Recipe) expectsTools() bool {
	return r != nil && (r.Arguments["enable_auto_tool_choice"] == "True" || r.Arguments["tool_call_parser"] != "")
}

// ofThePlace are arguments that say where a server runs and not how.
var ofThePlace = []string{"host", "port", "api_key", "served_model_name", "download_dir", "model", "revision", "tokenizer", "ssl_keyfile", "ssl_certfile"}

// differences says in what a server was started otherwise than the recipe has it.
func (r *Recipe) differences(s *start) []string {
	if r == nil || s.last[kindArguments] == nil {
		return nil
	}
	var out []string
	for name, want := range r.Arguments {
		have, given := s.known[kindArguments+"."+name]
		switch {
		case slices.Contains(ofThePlace, name):
		case !given && want != "False":
			out = append(out, fmt.Sprintf("the recipe asks for %s, the server was started without it", flag(name, want)))
		case given && !strings.EqualFold(normal(have.value), normal(want)):
			out = append(out, fmt.Sprintf("the recipe asks for %s, the server was started with %s", flag(name, want), have.value))
		}
	}
	slices.Sort(out)
	return out
}

// normal makes objects comparable that differ in blanks and quotes.
func normal(value string) string {
	return strings.NewReplacer(" ", "", `"`, "", "'", "").Replace(value)
}

func flag(name, value string) string {
	name = "--" + strings.ReplaceAll(name, "_", "-")
	if value == "True" {
		return name
	}
	return name + " " + value
}
