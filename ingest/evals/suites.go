package evals

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/servestat/servestat/schemas"
)

// bfclScore reads BFCL_v4_<category>_score.json: a total, then failures only.
type bfclScore struct{ task string }

func (*bfclScore) lines() bool { return true }

func (b *bfclScore) read(r *Reader, text []byte) {
	var l struct {
		Accuracy *float64        `json:"accuracy"`
		Correct  *int64          `json:"correct_count"`
		Total    *int64          `json:"total_count"`
		ID       string          `json:"id"`
		Model    string          `json:"model_name"`
		Category string          `json:"test_category"`
		Type     string          `json:"error_type"`
		Error    json.RawMessage `json:"error"`
	}
	if !r.decode(text, &l) {
		return
	}
	if l.Correct != nil && l.Total != nil {
		b.task = bfclTask(r.file)
		r.eval(schemas.Eval{
			Suite: "bfcl", Task: b.task, Metric: "accuracy", Value: opt(l.Accuracy), Count: opt(l.Correct), Of: opt(l.Total),
			Facts: map[string]string{"items": "failures only"},
		})
		return
	}
	if l.ID == "" {
		r.reject("neither a total nor an item with its id")
		return
	}
	class := l.Type
	var inner struct {
		Type string `json:"error_type"`
	}
	if class == "" && json.Unmarshal(l.Error, &inner) == nil {
		class = inner.Type // of several turns
	}
	task := l.Category
	if task == "" {
		task = b.task
	}
	r.eval(schemas.Eval{
		Suite: "bfcl", Task: task, Item: schemas.Some(l.ID), Metric: "pass", Value: schemas.Some(0.0), Passed: schemas.Some(false),
		Class: text1(class), Model: text1(l.Model), Facts: errorFact(l.Error),
	})
}

func errorFact(raw json.RawMessage) map[string]string {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return map[string]string{"error": cut(string(raw))}
}

// bfclTask is the category in the name of a file: BFCL_v4_multiple_score.json.
func bfclTask(file string) string {
	name := strings.TrimSuffix(path.Base(file), path.Ext(file))
	name = strings.TrimSuffix(strings.TrimSuffix(name, "_score"), "_result")
	if _, task, ok := strings.Cut(strings.TrimPrefix(name, "BFCL_"), "_"); ok {
		return task
	}
	return name
}

// bfclResult reads BFCL_v4_<category>_result.json: what was answered to each item.
// Whether it was right stands in the score file.
type bfclResult struct{}

func (bfclResult) lines() bool { return true }

func (bfclResult) read(r *Reader, text []byte) {
	var l struct {
		ID      string          `json:"id"`
		Input   json.RawMessage `json:"input_token_count"`
		Output  json.RawMessage `json:"output_token_count"`
		Latency json.RawMessage `json:"latency"`
	}
	if !r.decode(text, &l) {
		return
	}
	if l.ID == "" {
		r.reject("an item without id")
		return
	}
	e := schemas.Eval{Suite: "bfcl", Task: bfclTask(r.file), Item: schemas.Some(l.ID), Metric: "answered"}
	if v, ok := total(l.Latency); ok {
		e.Latency = nanos(&v)
	}
	if v, ok := total(l.Input); ok {
		e.Input = schemas.Some(int64(v))
	}
	if v, ok := total(l.Output); ok {
		e.Output = schemas.Some(int64(v))
	}
	r.eval(e)
}

// total sums what several turns and steps took, in lists of lists.
func total(raw json.RawMessage) (float64, bool) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return 0, false
	}
	sum, found := 0.0, false
	var add func(any)
	add = func(v any) {
		switch v := v.(type) {
		case float64:
			sum, found = sum+v, true
		case []any:
			for _, inner := range v {
				add(inner)
			}
		}
	}
	add(v)
	return sum, found && math.Abs(sum) < 1<<52
}

// k2Summary reads the summary of the K2 vendor verifier.
type k2Summary struct{}

func (k2Summary) lines() bool { return false }

func (k2Summary) read(r *Reader, text []byte) {
	var s struct {
		Model   string `json:"model"`
		Success int64  `json:"success_count"`
		Failure int64  `json:"failure_count"`
		Stop    int64  `json:"finish_stop"`
		Calls   int64  `json:"finish_tool_calls"`
		Invalid int64  `json:"schema_validation_error_count"`
		Valid   int64  `json:"successful_tool_call_count"`
		Started string `json:"eval_started_at"`
	}
	if !r.decode(text, &s) {
		return
	}
	if s.Success < 0 || s.Failure < 0 || s.Calls < 0 || s.Valid < 0 || s.Invalid < 0 {
		r.reject("counts below zero")
		return
	}
	started := parseTime(s.Started)
	add := func(metric string, passed, of int64) {
		e := schemas.Eval{Suite: "k2_vendor_verifier", Task: "tool_calls", Metric: metric, Count: schemas.Some(passed), Of: schemas.Some(of), Model: text1(s.Model), Start: started}
		if of > 0 {
			e.Value = schemas.Some(float64(passed) / float64(of))
		}
		r.eval(e)
	}
	add("answered", s.Success, s.Success+s.Failure)
	add("trigger", s.Calls, s.Success)
	add("schema_accuracy", s.Valid, s.Valid+s.Invalid)
}

// k2Lines reads the line for each request of the K2 vendor verifier.
type k2Lines struct{}

func (k2Lines) lines() bool { return true }

func (k2Lines) read(r *Reader, text []byte) {
	var l struct {
		Index    json.RawMessage `json:"data_index"`
		Status   string          `json:"status"`
		Finish   string          `json:"finish_reason"`
		Valid    *bool           `json:"tool_calls_valid"`
		Duration *float64        `json:"duration_ms"`
		Hash     string          `json:"hash"`
		Request  toolRequest     `json:"request"`
		Response json.RawMessage `json:"response"`
	}
	if !r.decode(text, &l) {
		return
	}
	e := schemas.Eval{
		Suite: "k2_vendor_verifier", Task: "tool_calls", Item: schemas.Some(idOf(l.Index)), Metric: "pass", Passed: opt(l.Valid),
		Finish: text1(l.Finish), Model: text1(l.Request.Model), Streaming: schemas.Some(l.Request.Stream), Temperature: opt(l.Request.Temperature),
		Facts: map[string]string{},
	}
	if l.Hash != "" {
		e.Facts["hash"] = cut(l.Hash)
	}
	if l.Duration != nil {
		seconds := *l.Duration / 1000
		e.Latency = nanos(&seconds)
	}
	switch {
	case l.Status == "failed" || l.Status == "error":
		e.Class, e.Passed = schemas.Some(classHTTP), schemas.Opt[bool]{}
	case l.Valid != nil && !*l.Valid:
		e.Class = schemas.Some(classSchema)
	}
	if a, err := answerOf(l.Response, nil); err == nil {
		if digest := a.digest(); digest != "" {
			e.Answer = schemas.Some(digest)
		}
		e.Input, e.Output = a.Input, a.Output
	}
	if e.Passed.OK {
		e.Value = schemas.Some(0.0)
		if e.Passed.V {
			e.Value.V = 1
		}
	}
	r.eval(e)
}

// tau2 reads results.json of tau2-bench.
type tau2 struct{}

func (tau2) lines() bool { return false }

// servingFaults are ends of a simulation that are no answer of the model.
var servingFaults = []string{"infrastructure_error", "timeout", "unexpected_error"}

func (tau2) read(r *Reader, text []byte) {
	var d struct {
		Info struct {
			Commit string `json:"git_commit"`
			Seed   any    `json:"seed"`
			Agent  struct {
				Implementation string         `json:"implementation"`
				LLM            string         `json:"llm"`
				Args           map[string]any `json:"llm_args"`
			} `json:"agent_info"`
			Environment struct {
				Domain string `json:"domain_name"`
			} `json:"environment_info"`
		} `json:"info"`
		Simulations []struct {
			Task     json.RawMessage `json:"task_id"`
			Trial    *int64          `json:"trial"`
			Start    string          `json:"start_time"`
			Duration *float64        `json:"duration"`
			End      string          `json:"termination_reason"`
			Reward   *struct {
				Reward *float64 `json:"reward"`
			} `json:"reward_info"`
		} `json:"simulations"`
	}
	if !r.decode(text, &d) {
		return
	}
	task := d.Info.Environment.Domain
	if task == "" {
		task = "tau2"
	}
	facts := map[string]string{"git_commit": d.Info.Commit, "seed": fmt.Sprint(d.Info.Seed), "agent": d.Info.Agent.Implementation}
	maps.DeleteFunc(facts, func(_, v string) bool { return v == "" || v == "<nil>" })
	temperature, hasTemperature := d.Info.Agent.Args["temperature"].(float64)
	for i, s := range d.Simulations {
		e := schemas.Eval{
			Suite: "tau2", Task: task, Item: schemas.Some(idOf(s.Task)), Trial: opt(s.Trial), Metric: "reward", Model: text1(d.Info.Agent.LLM),
			Finish: text1(s.End), Start: parseTime(s.Start), Latency: nanos(s.Duration), Facts: maps.Clone(facts),
		}
		if hasTemperature {
			e.Temperature = schemas.Some(temperature)
		}
		switch {
		case idOf(s.Task) == "":
			r.reject("simulation %d has no task_id", i)
			continue
		case slices.Contains(servingFaults, s.End):
			e.Class = schemas.Some(s.End)
		case s.Reward != nil && s.Reward.Reward != nil:
			e.Value = schemas.Some(*s.Reward.Reward)
			e.Passed = schemas.Some(*s.Reward.Reward >= 1-1e-9)
			if !e.Passed.V {
				e.Class = text1(s.End)
			}
		default:
			e.Class = schemas.Some("not_judged")
		}
		r.eval(e)
	}
}

// lmEval reads results_*.json of lm-eval.
type lmEval struct{}

func (lmEval) lines() bool { return false }

func (lmEval) read(r *Reader, text []byte) {
	var d struct {
		Results map[string]map[string]any `json:"results"`
		Shots   map[string]any            `json:"n-shot"`
		Samples map[string]struct {
			Original  *int64 `json:"original"`
			Effective *int64 `json:"effective"`
		} `json:"n-samples"`
		Hashes   map[string]string `json:"task_hashes"`
		Model    string            `json:"model_name"`
		Template string            `json:"chat_template_sha"`
		System   string            `json:"system_instruction_sha"`
		Version  string            `json:"lm_eval_version"`
		Date     *float64          `json:"date"`
		Commit   string            `json:"git_hash"`
	}
	if !r.decode(text, &d) {
		return
	}
	var started schemas.Opt[time.Time]
	if d.Date != nil && *d.Date > 0 && *d.Date < 1<<33 {
		started = schemas.Some(time.Unix(int64(*d.Date), 0).UTC())
	}
	for _, task := range slices.Sorted(maps.Keys(d.Results)) {
		facts := map[string]string{
			"task_hash": d.Hashes[task], "chat_template_sha": d.Template, "system_instruction_sha": d.System,
			"lm_eval_version": d.Version, "git_hash": d.Commit, "n-shot": plain(d.Shots[task]),
		}
		maps.DeleteFunc(facts, func(_, v string) bool { return v == "" })
		metrics := d.Results[task]
		for _, key := range slices.Sorted(maps.Keys(metrics)) {
			value, ok := metrics[key].(float64)
			if !ok || strings.Contains(key, "_stderr,") || !strings.Contains(key, ",") {
				continue
			}
			name, filter, _ := strings.Cut(key, ",")
			e := schemas.Eval{
				Suite: "lm_eval", Task: task, Metric: key, Value: schemas.Some(value), Of: opt(d.Samples[task].Effective),
				Model: text1(d.Model), Start: started, Facts: facts,
			}
			if v, ok := metrics[name+"_stderr,"+filter].(float64); ok {
				e.StdErr = schemas.Some(v)
			}
			if e.Of.OK && value >= 0 && value <= 1 {
				if passed := value * float64(e.Of.V); math.Abs(passed-math.Round(passed)) < 1e-6 {
					e.Count = schemas.Some(int64(math.Round(passed)))
				}
			}
			r.eval(e)
		}
	}
}

// lmEvalSamples reads samples_<task>_*.jsonl of lm-eval.
type lmEvalSamples struct{}

func (lmEvalSamples) lines() bool { return true }

// lmMetrics are scores of one document that are 0 or 1.
var lmMetrics = []string{"exact_match", "acc", "acc_norm", "prompt_level_strict_acc", "pass@1"}

func (lmEvalSamples) read(r *Reader, text []byte) {
	var l map[string]json.RawMessage
	if !r.decode(text, &l) {
		return
	}
	id := idOf(l["doc_id"])
	if id == "" {
		r.reject("a sample without doc_id")
		return
	}
	filter := idOf(l["filter"])
	for _, metric := range lmMetrics {
		var v float64
		if raw, ok := l[metric]; !ok || json.Unmarshal(raw, &v) != nil {
			continue
		}
		name := metric
		if filter != "" {
			name += "," + filter
		}
		r.eval(schemas.Eval{
			Suite: "lm_eval", Task: lmTask(r.file), Item: schemas.Some(id), Metric: name, Value: schemas.Some(v), Passed: schemas.Some(v >= 1),
			Facts: map[string]string{"doc_hash": cut(idOf(l["doc_hash"]))},
		})
	}
}

// lmTask is the task in the name of a file: samples_gsm8k_2026-01-01T….jsonl.
func lmTask(file string) string {
	name := strings.TrimSuffix(path.Base(file), path.Ext(file))
	name = strings.TrimPrefix(name, "samples_")
	if i := strings.LastIndex(name, "_20"); i > 0 {
		name = name[:i]
	}
	return name
}

// plain writes a number or a text.
func plain(v any) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		return v
	}
	return ""
}

// parseTime reads an ISO time, with a zone or without.
func parseTime(text string) schemas.Opt[time.Time] {
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(form, text); err == nil && t.Year() >= 1970 && t.Year() < 2200 {
			return schemas.Some(t.UTC())
		}
	}
	return schemas.Opt[time.Time]{}
}
