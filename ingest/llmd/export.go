package llmd

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Report is what Export writes. What is zero or nil is not known, and left out.
type Report struct {
	UID         string // of this report; needed
	EID         string // of the experiment that it is a part of
	Start, End  time.Time
	Duration    time.Duration
	Description string
	Keywords    []string

	Engine     *Engine
	Load       *Load
	Requests   Requests
	Latency    Latency
	Throughput Throughput
}

// An Engine is what was run.
type Engine struct {
	Label         string // its name in the stack, "engine" where it has none
	ConfigID      string // of its configuration; needed
	Tool, Version string // "vllm", "0.11.0"
	Role          string // replica, prefill or decode; replica where it says nothing
	Replicas      int    // 1 where it says nothing
	Model         string
	Accelerator   string // "NVIDIA-H100-80GB-HBM3"
	Accelerators  int    // how many
	Parallelism   Parallelism
	Args          map[string]string // as recorded, secrets redacted
}

// Parallelism is how an engine uses its accelerators; 0 stands for 1.
type Parallelism struct {
	Tensor, Pipeline, Data, Expert int
}

// A Load is what was asked.
type Load struct {
	Tool, Version string  // "vllm bench serve", "0.11.0"
	Source        string  // random, sampled or unknown; unknown where it says nothing
	Stage         int     // of several
	RequestRate   float64 // requests/s, 0 where there was no schedule
	Concurrency   int     // 0 where it had no bound
	// InputLength and OutputLength are mean lengths in tokens; Distribution says
	// of what: fixed, gaussian, uniform or other, which it is where it says nothing.
	InputLength, OutputLength float64
	Distribution              string
}

// Requests are how many there were, and how long.
type Requests struct {
	Total, Failures, Incomplete int64
	InputLength, OutputLength   *Statistics // tokens
}

// Latency are distributions of times in seconds, of requests or, in the case of
// InterTokenLatency, of gaps.
type Latency struct {
	TimeToFirstToken             *Statistics
	TimePerOutputToken           *Statistics
	NormalizedTimePerOutputToken *Statistics // E2EL over output tokens
	InterTokenLatency            *Statistics
	RequestLatency               *Statistics
}

// Throughput are rates over the run, per second.
type Throughput struct {
	InputTokens, OutputTokens, TotalTokens, Requests *Statistics
}

// Statistics describe a distribution. A percentile that is nil was not computed.
type Statistics struct {
	Mean   float64
	StdDev *float64
	Min    *float64
	P0P1   *float64 // the 0.1st
	P1     *float64
	P5     *float64
	P10    *float64
	P25    *float64
	P50    *float64
	P75    *float64
	P90    *float64
	P95    *float64
	P99    *float64
	P99P9  *float64 // the 99.9th
	Max    *float64
}

// Export writes r as a Benchmark Report of version 0.2. It fails, and writes
// nothing, where r lacks what the format needs or holds what it cannot say.
func Export(w io.Writer, r Report) error {
	if r.UID == "" {
		return errors.New("benchmark report: it needs a UID")
	}
	doc := document{Version: "0.2", Run: runOf(r), Scenario: scenarioOf(r)}
	var err error
	if doc.Results.RequestPerformance.Aggregate, err = aggregateOf(r); err != nil {
		return fmt.Errorf("benchmark report: %w", err)
	}
	if r.Engine != nil && (r.Engine.ConfigID == "" || r.Engine.Tool == "") {
		return errors.New("benchmark report: an engine needs a ConfigID and a Tool")
	}
	if err := checkNames(r); err != nil {
		return fmt.Errorf("benchmark report: %w", err)
	}
	var text strings.Builder
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("benchmark report: %w", err)
	}
	_, err = io.WriteString(w, text.String())
	return err
}

// checkNames: the format knows these names and no others.
func checkNames(r Report) error {
	check := func(what, value string, known ...string) error {
		if value != "" && !slices.Contains(known, value) {
			return fmt.Errorf("%s %q: it can be %s", what, value, strings.Join(known, ", "))
		}
		return nil
	}
	var err error
	if r.Engine != nil {
		err = check("role", r.Engine.Role, "replica", "prefill", "decode")
	}
	if r.Load != nil {
		err = errors.Join(err, check("source", r.Load.Source, "random", "sampled", "unknown"),
			check("distribution", r.Load.Distribution, "fixed", "gaussian", "uniform", "other"))
	}
	return err
}

// The types below have the shape of the format.

type document struct {
	Version  string      `yaml:"version"`
	Run      runPart     `yaml:"run"`
	Scenario *scenario   `yaml:"scenario,omitempty"`
	Results  resultsPart `yaml:"results"`
}

type runPart struct {
	UID         string    `yaml:"uid"`
	EID         string    `yaml:"eid,omitempty"`
	Time        *timePart `yaml:"time,omitempty"`
	Description string    `yaml:"description,omitempty"`
	Keywords    []string  `yaml:"keywords,omitempty"`
}

type timePart struct {
	Start    string `yaml:"start,omitempty"`
	End      string `yaml:"end,omitempty"`
	Duration string `yaml:"duration,omitempty"`
}

type scenario struct {
	Stack []component `yaml:"stack,omitempty"`
	Load  *loadPart   `yaml:"load,omitempty"`
}

type component struct {
	Metadata     metadata   `yaml:"metadata"`
	Standardized any        `yaml:"standardized"`
	Native       nativePart `yaml:"native"`
}

type metadata struct {
	SchemaVersion string `yaml:"schema_version"`
	Label         string `yaml:"label,omitempty"`
	ConfigID      string `yaml:"cfg_id,omitempty"`
}

type nativePart struct {
	Args map[string]string `yaml:"args,omitempty"`
}

// genericPart stands for an engine of which less is known than enginePart needs.
type genericPart struct {
	Kind    string `yaml:"kind"`
	Tool    string `yaml:"tool"`
	Version string `yaml:"tool_version"`
	Model   string `yaml:"model,omitempty"`
	Card    string `yaml:"accelerator,omitempty"`
}

type enginePart struct {
	Kind        string      `yaml:"kind"`
	Tool        string      `yaml:"tool"`
	Version     string      `yaml:"tool_version"`
	Role        string      `yaml:"role"`
	Replicas    int         `yaml:"replicas"`
	Model       modelPart   `yaml:"model"`
	Accelerator accelerator `yaml:"accelerator"`
}

type modelPart struct {
	Name string `yaml:"name"`
}

type accelerator struct {
	Model       string      `yaml:"model"`
	Count       int         `yaml:"count"`
	Parallelism parallelism `yaml:"parallelism"`
}

type parallelism struct {
	TP int `yaml:"tp"`
	PP int `yaml:"pp"`
	DP int `yaml:"dp"`
	EP int `yaml:"ep"`
}

type loadPart struct {
	Metadata     metadata     `yaml:"metadata"`
	Standardized loadStandard `yaml:"standardized"`
	Native       nativePart   `yaml:"native"`
}

type loadStandard struct {
	Tool        string  `yaml:"tool"`
	Version     string  `yaml:"tool_version"`
	Source      string  `yaml:"source"`
	Stage       int     `yaml:"stage"`
	Input       *length `yaml:"input_seq_len"`
	Output      *length `yaml:"output_seq_len,omitempty"`
	RequestRate *number `yaml:"rate_qps,omitempty"`
	Concurrency *int    `yaml:"concurrency,omitempty"`
}

type length struct {
	Distribution string `yaml:"distribution"`
	Value        number `yaml:"value"`
}

type resultsPart struct {
	RequestPerformance struct {
		Aggregate aggregatePart `yaml:"aggregate"`
	} `yaml:"request_performance"`
}

type aggregatePart struct {
	Requests   requestsPart    `yaml:"requests"`
	Latency    *latencyPart    `yaml:"latency,omitempty"`
	Throughput *throughputPart `yaml:"throughput,omitempty"`
}

type requestsPart struct {
	Total        int64     `yaml:"total"`
	Failures     int64     `yaml:"failures"`
	Incomplete   int64     `yaml:"incomplete,omitempty"`
	InputLength  *quantity `yaml:"input_length,omitempty"`
	OutputLength *quantity `yaml:"output_length,omitempty"`
}

type latencyPart struct {
	TTFT    *quantity `yaml:"time_to_first_token,omitempty"`
	NTPOT   *quantity `yaml:"normalized_time_per_output_token,omitempty"`
	TPOT    *quantity `yaml:"time_per_output_token,omitempty"`
	ITL     *quantity `yaml:"inter_token_latency,omitempty"`
	Request *quantity `yaml:"request_latency,omitempty"`
}

type throughputPart struct {
	Input    *quantity `yaml:"input_token_rate,omitempty"`
	Output   *quantity `yaml:"output_token_rate,omitempty"`
	Total    *quantity `yaml:"total_token_rate,omitempty"`
	Requests *quantity `yaml:"request_rate,omitempty"`
}

type quantity struct {
	units string
	s     *Statistics
}

// MarshalYAML writes the statistics that are known, in order.
func (q *quantity) MarshalYAML() (any, error) {
	node := &yaml.Node{Kind: yaml.MappingNode}
	add := func(name string, value *yaml.Node) {
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, value)
	}
	add("units", &yaml.Node{Kind: yaml.ScalarNode, Value: q.units})
	for _, v := range q.s.values() {
		if v.value != nil {
			add(v.name, number(*v.value).node())
		}
	}
	return node, nil
}

// A number is written so that older readers of YAML take it for one: they want
// a point before an exponent.
type number float64

// MarshalYAML writes the number.
func (n number) MarshalYAML() (any, error) { return n.node(), nil }

func (n number) node() *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: numberOf(float64(n))}
	if !strings.ContainsAny(node.Value, ".e") {
		node.Tag = "!!int"
	}
	return node
}

func numberOf(f float64) string {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if digits, exponent, ok := strings.Cut(text, "e"); ok && !strings.Contains(digits, ".") {
		return digits + ".0e" + exponent
	}
	return text
}

// A namedValue is one of the statistics, nil where it is not known.
type namedValue struct {
	name  string
	value *float64
}

func (s *Statistics) values() []namedValue {
	return []namedValue{
		{"mean", &s.Mean}, {"stddev", s.StdDev}, {"min", s.Min}, {"p0p1", s.P0P1}, {"p1", s.P1}, {"p5", s.P5}, {"p10", s.P10},
		{"p25", s.P25}, {"p50", s.P50}, {"p75", s.P75}, {"p90", s.P90}, {"p95", s.P95}, {"p99", s.P99}, {"p99p9", s.P99P9}, {"max", s.Max},
	}
}

func runOf(r Report) runPart {
	part := runPart{UID: r.UID, EID: r.EID, Description: r.Description, Keywords: r.Keywords}
	t := timePart{}
	if !r.Start.IsZero() {
		t.Start = r.Start.UTC().Format(time.RFC3339Nano)
	}
	if !r.End.IsZero() {
		t.End = r.End.UTC().Format(time.RFC3339Nano)
	}
	if r.Duration > 0 {
		t.Duration = "PT" + seconds(r.Duration) + "S"
	}
	if t != (timePart{}) {
		part.Time = &t
	}
	return part
}

// seconds writes a duration in decimal seconds, exactly.
func seconds(d time.Duration) string {
	text := fmt.Sprintf("%d.%09d", d/time.Second, d%time.Second)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// scenarioOf: the format wants the length of prompts of a load, and of an engine
// the model, the accelerator and their number. Of less it says less.
func scenarioOf(r Report) *scenario {
	s := &scenario{}
	if e := r.Engine; e != nil {
		s.Stack = []component{{
			Metadata:     metadata{SchemaVersion: "0.0.1", Label: firstOf(e.Label, "engine"), ConfigID: e.ConfigID},
			Standardized: standardized(e),
			Native:       nativePart{Args: e.Args},
		}}
	}
	if l := r.Load; l != nil && l.InputLength > 0 && l.Tool != "" {
		s.Load = loadOf(l)
	}
	if s.Stack == nil && s.Load == nil {
		return nil
	}
	return s
}

func standardized(e *Engine) any {
	version := firstOf(e.Version, "unknown")
	if e.Model == "" || e.Accelerator == "" || e.Accelerators <= 0 {
		return genericPart{Kind: "generic", Tool: e.Tool, Version: version, Model: e.Model, Card: e.Accelerator}
	}
	p := e.Parallelism
	return enginePart{
		Kind: "inference_engine", Tool: e.Tool, Version: version, Role: firstOf(e.Role, "replica"), Replicas: max(e.Replicas, 1),
		Model: modelPart{e.Model},
		Accelerator: accelerator{
			Model: e.Accelerator, Count: e.Accelerators,
			Parallelism: parallelism{TP: max(p.Tensor, 1), PP: max(p.Pipeline, 1), DP: max(p.Data, 1), EP: max(p.Expert, 1)},
		},
	}
}

func loadOf(l *Load) *loadPart {
	standard := loadStandard{
		Tool: l.Tool, Version: firstOf(l.Version, "unknown"), Source: firstOf(l.Source, "unknown"), Stage: l.Stage,
		Input: &length{firstOf(l.Distribution, "other"), number(l.InputLength)},
	}
	if l.OutputLength > 0 {
		standard.Output = &length{firstOf(l.Distribution, "other"), number(l.OutputLength)}
	}
	if l.RequestRate > 0 && !math.IsInf(l.RequestRate, 0) {
		rate := number(l.RequestRate)
		standard.RequestRate = &rate
	}
	if l.Concurrency > 0 {
		standard.Concurrency = &l.Concurrency
	}
	return &loadPart{Metadata: metadata{SchemaVersion: "0.0.1"}, Standardized: standard}
}

// aggregateOf gives every distribution its unit.
func aggregateOf(r Report) (aggregatePart, error) {
	var q quantities
	a := aggregatePart{Requests: requestsPart{
		Total: r.Requests.Total, Failures: r.Requests.Failures, Incomplete: r.Requests.Incomplete,
		InputLength:  q.of("input_length", "count", r.Requests.InputLength),
		OutputLength: q.of("output_length", "count", r.Requests.OutputLength),
	}}
	latency := latencyPart{
		TTFT:    q.of("time_to_first_token", "s", r.Latency.TimeToFirstToken),
		NTPOT:   q.of("normalized_time_per_output_token", "s/token", r.Latency.NormalizedTimePerOutputToken),
		TPOT:    q.of("time_per_output_token", "s/token", r.Latency.TimePerOutputToken),
		ITL:     q.of("inter_token_latency", "s/token", r.Latency.InterTokenLatency),
		Request: q.of("request_latency", "s", r.Latency.RequestLatency),
	}
	if latency != (latencyPart{}) {
		a.Latency = &latency
	}
	throughput := throughputPart{
		Input:    q.of("input_token_rate", "tokens/s", r.Throughput.InputTokens),
		Output:   q.of("output_token_rate", "tokens/s", r.Throughput.OutputTokens),
		Total:    q.of("total_token_rate", "tokens/s", r.Throughput.TotalTokens),
		Requests: q.of("request_rate", "queries/s", r.Throughput.Requests),
	}
	if throughput != (throughputPart{}) {
		a.Throughput = &throughput
	}
	if r.Requests.Total < 0 || r.Requests.Failures < 0 || r.Requests.Incomplete < 0 {
		return a, errors.New("a negative count of requests")
	}
	return a, q.err
}

// quantities makes quantities and keeps the first fault.
type quantities struct{ err error }

func (q *quantities) of(name, units string, s *Statistics) *quantity {
	if s == nil {
		return nil
	}
	for _, v := range s.values() {
		if v.value != nil && (math.IsNaN(*v.value) || math.IsInf(*v.value, 0)) && q.err == nil {
			q.err = fmt.Errorf("%s of %s is %s, which a report cannot say", v.name, name, numberOf(*v.value))
		}
	}
	return &quantity{units, s}
}
