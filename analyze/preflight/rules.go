package preflight

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Severity says how much a finding matters.
type Severity string

// Severities, the gravest first.
const (
	Fail Severity = "FAIL" // do not measure, or do not believe what was measured
	Warn Severity = "WARN" // costs speed, accuracy or comparability: say it beside the numbers
	Info Severity = "INFO" // worth knowing
	Off  Severity = "OFF"  // in a configuration: the rule is not applied
)

// ParseSeverity reads a severity as a configuration gives it.
func ParseSeverity(text string) (Severity, error) {
	switch s := Severity(strings.ToUpper(strings.TrimSpace(text))); s {
	case Fail, Warn, Info, Off:
		return s, nil
	}
	return "", fmt.Errorf("severity %q: want FAIL, WARN, INFO or OFF", text)
}

// rank orders severities, the gravest first.
func (s Severity) rank() int {
	switch s {
	case Fail:
		return 0
	case Warn:
		return 1
	}
	return 2
}

// A Rule says what a line of a log means.
type Rule struct {
	ID       string   `yaml:"id"`
	Severity Severity `yaml:"severity"`
	Loading  Severity `yaml:"loading"` // while the server starts; empty: the same
	// Kind groups rules: start, death, invalid, untuned, fallback, setting,
	// serving, accuracy, hint, evidence.
	Kind    string   `yaml:"kind"`
	Number  string   `yaml:"rule"`   // in the catalogue of P1 to P23
	Since   string   `yaml:"since"`  // versions of vLLM in which the texts were seen
	Until   string   `yaml:"until"`  // empty: until now
	Texts   []string `yaml:"texts"`  // one of them is in the message; * is anything
	Unless  []string `yaml:"unless"` // none of them is
	Meaning string   `yaml:"meaning"`
	Do      string   `yaml:"do"`
	Refs    []string `yaml:"refs"`

	texts, unless []pattern
}

//go:embed rules.yaml
var rulesYAML []byte

// Rules are the rules about texts, in the order in which they are asked, followed
// by those that take more than one line.
func Rules() []Rule { return append(rules(), derived...) }

// rules reads the rules about texts. The file is ours: a fault in it is a fault of
// the program, which a test finds.
func rules() []Rule {
	var all []Rule
	decoder := yaml.NewDecoder(bytes.NewReader(rulesYAML))
	decoder.KnownFields(true)
	if err := decoder.Decode(&all); err != nil {
		panic(fmt.Errorf("preflight: rules.yaml: %w", err))
	}
	for i := range all {
		all[i].texts, all[i].unless = patterns(all[i].Texts), patterns(all[i].Unless)
	}
	return all
}

// find returns where in a message it says what the rule is about; -1: it does not.
func (r *Rule) find(message string) int {
	if findAny(r.unless, message) >= 0 {
		return -1
	}
	return findAny(r.texts, message)
}

// A pattern is the parts of a text between its asterisks, which a message holds in
// this order.
type pattern []string

func patterns(texts []string) []pattern {
	out := make([]pattern, len(texts))
	for i, text := range texts {
		out[i] = strings.Split(text, "*")
	}
	return out
}

// findAny returns where the first pattern that a message holds begins; -1: none.
func findAny(all []pattern, message string) int {
	for _, p := range all {
		if at := p.find(message); at >= 0 {
			return at
		}
	}
	return -1
}

func (p pattern) find(message string) int {
	first := strings.Index(message, p[0])
	if first < 0 {
		return -1
	}
	rest := message[first+len(p[0]):]
	for _, part := range p[1:] {
		i := strings.Index(rest, part)
		if i < 0 {
			return -1
		}
		rest = rest[i+len(part):]
	}
	return first
}
