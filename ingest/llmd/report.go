package llmd

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// aggregate is where the findings of a report of version 0.2 are.
const aggregate = "results.request_performance.aggregate."

// report makes the run of a document.
func (d *documents) report(u *jsonrun.Upload, node *yaml.Node) {
	v := jsonrun.NewValues(u)
	v.Offset = d.offset(node)
	d.prune(u, node, "")
	d.flatten(v, node, "", 0)
	switch {
	case v.Twice != "":
		u.Lose(v.At(v.Twice), "key %q comes twice in one report", v.Twice)
		return
	case !v.HasPrefix(aggregate) && !v.HasPrefix("metrics.requests."):
		u.Lose(v.Offset, "no Benchmark Report: it has no results.request_performance.aggregate, nor the metrics of version 0.1")
		return
	}
	run := u.NewRun(v.Offset, Format, ParserVersion)
	run.Dialect = text(node, "version")
	run.Labels, run.Provenance = map[string]string{}, map[string]string{}
	if v.HasPrefix("metrics.requests.") {
		readMetrics(v, node, run)
	} else {
		readRun(v, node, run)
		readStack(child(node, "scenario", "stack"), run)
		readLoad(v, run)
	}
	for _, key := range v.Keys() {
		keep(v, key, run)
	}
	run.Notes = append(run.Notes, v.Notes...)
	run.ContentDigest = v.Digest()
	if d.cut {
		u.Emit(cutShort(u, int64(len(d.text))))
		jsonrun.NoteBroken(run)
	}
	u.Close(run, nil)
}

func cutShort(u *jsonrun.Upload, at int64) *schemas.Reject {
	return &schemas.Reject{
		At: u.Pos(at, -1), Reason: "truncated: the last line of the report does not end",
		Hint: "the copy may have been cut short: copy the file again, or leave the run out",
	}
}

// keep puts a value where it is to be found: findings under a short key, series
// over time and configurations not at all.
func keep(v *jsonrun.Values, key string, run *schemas.Run) {
	value := v.JSON(key)
	if value == "null" || strings.Contains(key, "time_series") {
		return
	}
	for _, prefix := range []string{aggregate, "results.", "metrics."} {
		if short, ok := strings.CutPrefix(key, prefix); ok {
			run.Reported[short] = value
			return
		}
	}
	if strings.HasPrefix(key, "scenario.load.standardized.") || strings.HasPrefix(key, "scenario.load.name") {
		run.Extra[key] = value
	}
}

// readRun reads which run it was, and how many requests it had.
func readRun(v *jsonrun.Values, node *yaml.Node, run *schemas.Run) {
	for label, path := range map[string][]string{"uid": {"run", "uid"}, "eid": {"run", "eid"}, "description": {"run", "description"}} {
		if value := text(node, path...); value != "" {
			run.Labels[label] = value
		}
	}
	if at, ok := wallClock(text(node, "run", "time", "end")); ok {
		run.EndedAt = schemas.Some(at)
	}
	if ns, ok := duration(text(node, "run", "time", "duration")); ok {
		run.DurationNS = schemas.Some(ns)
	}
	setCounts(v, aggregate+"requests.", run)
}

func setCounts(v *jsonrun.Values, prefix string, run *schemas.Run) {
	run.Requests = v.Int(prefix + "total")
	run.Failed = v.Int(prefix + "failures")
	incomplete := v.Int(prefix + "incomplete")
	if n := run.Requests.V - run.Failed.V - incomplete.V; run.Requests.OK && run.Failed.OK && n >= 0 {
		run.Completed = schemas.Some(n)
	}
	if incomplete.V > 0 {
		run.Notes = append(run.Notes, fmt.Sprintf("requests that were cut off when the benchmark ended, neither completed nor failed: %d", incomplete.V))
	}
}

// readLoad reads what was asked. A concurrency without bound is none.
func readLoad(v *jsonrun.Values, run *schemas.Run) {
	const load = "scenario.load.standardized."
	run.RequestRate = v.Rate(load + "rate_qps")
	if v.JSON(load+"concurrency") != "Infinity" {
		run.MaxConcurrency = v.Int(load + "concurrency")
	}
	for label, key := range map[string]string{"load_tool": "tool", "load_tool_version": "tool_version", "stage": "stage"} {
		if value := v.JSON(load + key); value != "" && value != "null" {
			run.Labels[label] = plain(value)
		}
	}
}

// plain returns a string without its quotes, and other values as they are.
func plain(value string) string {
	if s, ok := jsonscan.Unquote([]byte(value)); ok {
		return s
	}
	return value
}

// readStack reads what was run: the engines of the stack, whose arguments carry
// the name of theirs where they are several.
func readStack(stack *yaml.Node, run *schemas.Run) {
	if stack == nil || stack.Kind != yaml.SequenceNode {
		return
	}
	var engines []*yaml.Node
	for _, component := range stack.Content {
		if text(component, "standardized", "kind") == "inference_engine" {
			engines = append(engines, component)
		}
	}
	for i, engine := range engines {
		s := child(engine, "standardized")
		first(&run.Model, text(s, "model", "name"))
		first(&run.Runtime, text(s, "tool"))
		first(&run.RuntimeVersion, text(s, "tool_version"))
		first(&run.Hardware, text(s, "accelerator", "model"))
		name := ""
		if len(engines) > 1 {
			name = firstOf(text(s, "role"), text(engine, "metadata", "label"), strconv.Itoa(i)) + "."
		}
		readArgs(child(engine, "native", "args"), name, run)
		for _, key := range []string{"tp", "dp", "dp_local", "workers", "ep", "pp"} {
			setArg(run, name+key, text(s, "accelerator", "parallelism", key))
		}
		setArg(run, name+"accelerators", text(s, "accelerator", "count"))
		setArg(run, name+"replicas", text(s, "replicas"))
	}
}

func first(to *schemas.Opt[string], value string) {
	if !to.OK && value != "" {
		*to = schemas.Some(value)
	}
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

const maxArgs = 2000

// readArgs reads the arguments of an engine, without their dashes.
func readArgs(args *yaml.Node, name string, run *schemas.Run) {
	if args == nil || args.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(args.Content) && i < 2*maxArgs; i += 2 {
		key, value := strings.TrimLeft(args.Content[i].Value, "-"), plain(jsonText(args.Content[i+1], 0))
		if value == "null" {
			value = "true" // a switch
		}
		if secret.MatchString(key) {
			value = "[redacted]"
		}
		setArg(run, name+key, value)
	}
}

var secret = regexp.MustCompile(`(?i)api.?key|token$|hf.?token|secret|passw|credential|access.?key`)

func setArg(run *schemas.Run, key, value string) {
	if value == "" {
		return
	}
	if run.EngineArgs == nil {
		run.EngineArgs = map[string]string{}
	}
	run.EngineArgs[key] = value
}

// readMetrics reads a report of version 0.1.
func readMetrics(v *jsonrun.Values, node *yaml.Node, run *schemas.Run) {
	first(&run.Model, text(node, "scenario", "model", "name"))
	engine, host := child(node, "scenario", "platform", "engine"), child(node, "scenario", "host", "accelerator")
	if engine != nil && engine.Kind == yaml.SequenceNode && len(engine.Content) > 0 {
		first(&run.Runtime, text(engine.Content[0], "name"))
		first(&run.RuntimeVersion, text(engine.Content[0], "version"))
		for i, e := range engine.Content {
			name := ""
			if len(engine.Content) > 1 {
				name = strconv.Itoa(i) + "."
			}
			readArgs(child(e, "args"), name, run)
		}
	}
	if host != nil && host.Kind == yaml.SequenceNode && len(host.Content) > 0 {
		first(&run.Hardware, text(host.Content[0], "model"))
	}
	if name := text(node, "scenario", "load", "name"); name != "" {
		run.Labels["load_tool"] = name
	}
	run.DurationNS = v.Seconds("metrics.time.duration")
	if at, ok := jsonscan.ParseNanos([]byte(v.JSON("metrics.time.stop"))); ok && at > 0 {
		run.EndedAt = schemas.Some(time.Unix(0, at).UTC())
	}
	setCounts(v, "metrics.requests.", run)
}

// wallClock reads a time of ISO 8601.
func wallClock(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

var isoDuration = regexp.MustCompile(`^P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d+)?)S)?)?$`)

// duration reads a duration of ISO 8601, in nanoseconds.
func duration(text string) (ns int64, ok bool) {
	m := isoDuration.FindStringSubmatch(text)
	if m == nil || text == "P" || strings.HasSuffix(text, "T") {
		return 0, false
	}
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		n, _ := strconv.ParseInt("0"+m[i+1], 10, 64)
		ns += n * int64(unit)
	}
	if m[4] != "" {
		seconds, ok := jsonscan.ParseNanos([]byte(trimZeros(m[4])))
		if !ok {
			return 0, false
		}
		ns += seconds
	}
	return ns, true
}

// trimZeros: JSON knows no leading zeros.
func trimZeros(s string) string {
	s = strings.TrimLeft(s, "0")
	if s == "" || s[0] == '.' {
		s = "0" + s
	}
	return s
}
