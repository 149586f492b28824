package aiperf

import (
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/ingest/leaves"
	"github.com/servestat/servestat/schemas"
)

// Companions are the names of files beside an upload of records that may
// complete its runs; see [Complete].
var Companions = []string{"*.json"}

// recordsPrefix stands before the metrics of a summary of 0.1.
const recordsPrefix = "records."

// flat are the leaves of an object that is no record.
type flat struct{ leaves.Leaves }

// newFlat returns no leaves yet. Every path that says what the object is goes
// into keys.
func newFlat(keys map[string]bool) flat {
	return flat{leaves.Leaves{Seen: func(path string) {
		if strings.HasSuffix(path, ".unit") {
			keys[path] = true
		}
	}}}
}

// average returns the paths of the average of a metric, in summaries of all ages.
func average(tag string) []string { return []string{tag + ".avg", recordsPrefix + tag + ".avg"} }

// duration is that of the benchmark, from the first request to the last
// response.
func (f *flat) duration() schemas.Opt[int64] {
	unit, _ := jsonscan.Unquote(f.Get("benchmark_duration.unit", recordsPrefix+"benchmark_duration.unit"))
	exponent, ok := exponents[unit]
	if !ok {
		return schemas.Opt[int64]{}
	}
	if ns, ok := nanos(f.Get(average("benchmark_duration")...), exponent); ok && ns > 0 {
		return schemas.Some(ns)
	}
	return schemas.Opt[int64]{}
}

// ended is when the benchmark ended on the client's clock, in the client's zone.
func (f *flat) ended() schemas.Opt[time.Time] {
	text, _ := jsonscan.Unquote(f.Get("end_time"))
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", time.RFC3339Nano} {
		if t, err := time.Parse(layout, text); err == nil {
			return schemas.Some(t)
		}
	}
	return schemas.Opt[time.Time]{}
}

// failed counts failed requests. Without any there is no such metric, but the
// list of errors is there, and empty.
func (f *flat) failed() schemas.Opt[int64] {
	if n := f.Integer(average("error_request_count")...); n.OK {
		return n
	}
	if string(f.Get("error_summary")) == "[]" {
		return schemas.Some[int64](0)
	}
	return schemas.Opt[int64]{}
}

// summaryRun makes the run of a summary that comes without its records.
func (f *flat) summaryRun(pos schemas.Pos, sum *jsonscan.Bag) *schemas.Run {
	h := contentHash()
	h.Write(sum.Bytes())
	run := newRecord(pos, h)
	run.Dialect = "summary"
	run.EndedAt = f.ended()
	f.complete(run)
	run.Completed = f.Integer(average("request_count")...)
	run.Failed = f.failed()
	if run.Completed.OK && run.Failed.OK {
		run.Requests = schemas.Some(run.Completed.V + run.Failed.V)
	}
	if run.Completed == schemas.Some[int64](0) {
		run.Notes = append(run.Notes, "all requests failed: the run has no times")
	}
	return run
}

// Complete fills in what a run of records lacks from its summary, if name and r
// are that: "profile_export_aiperf.json" beside "profile_export.jsonl" or
// "profile_export_raw.jsonl", "foo.json" beside "foo.jsonl". Any other file is
// left alone. An error is a fault of r, or of the summary's JSON, or values in it
// that cannot be used, joined: then all else is used.
func Complete(run *schemas.Run, name string, r io.Reader) error {
	if run.Producer != producer || run.Dialect == "summary" || stem(run.At.File) != stem(name) {
		return nil
	}
	s := jsonscan.NewScanner(r, jsonscan.Options{})
	if s.Peek() != jsonscan.Object {
		return s.Err()
	}
	const enough = 64 << 10 // for the list of a request, of which a summary has none
	var l line
	l.reset(0)
	l.read(s, limits{list: enough})
	if err := s.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if formatOf(l.keys) != FormatSummary {
		return nil
	}
	l.flat.complete(run)
	l.flat.reconcile(run)
	var unusable []error
	for _, f := range l.flat.Faults() {
		unusable = append(unusable, fmt.Errorf("byte %d: %s", f.At, f.Reason))
	}
	return errors.Join(unusable...)
}

// stem returns what the names of the files of a run have in common.
func stem(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	for _, suffix := range []string{".gz", ".zst", ".jsonl", ".json", "_aiperf", "_raw"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return name
}

// complete fills in what the run lacks.
func (f *flat) complete(run *schemas.Run) {
	phase := f.phase()
	fill(&run.Version, f.String("aiperf_version"))
	fill(&run.Model, f.String("input_config.models.items.0.name", "input_config.endpoint.model_names"))
	fill(&run.Tokenizer, f.String("input_config.tokenizer.name"))
	fill(&run.Backend, f.String("input_config.endpoint.type"))
	fill(&run.MaxConcurrency, f.Integer(phase+"concurrency", "input_config.loadgen.concurrency"))
	fill(&run.NumPrompts, f.Integer(phase+"requests", "input_config.loadgen.request_count"))
	fill(&run.RequestRate, f.Float(phase+"rate", "input_config.loadgen.request_rate"))
	fill(&run.Seed, f.Integer("run_info.random_seed", "input_config.input.random_seed", "input_config.datasets.0.random_seed"))
	fill(&run.Repeat, f.Integer("run_info.trial"))
	fill(&run.DurationNS, f.duration())
	fill(&run.InputTokens, f.Integer(average("total_isl")...))
	fill(&run.OutputTokens, f.Integer(average("total_osl")...))
	f.sort(run)
	if string(f.Get("was_cancelled")) == "true" {
		run.Notes = append(run.Notes, "the benchmark was cancelled before its end")
	}
	if string(f.Get("is_complete")) == "false" {
		reason := f.String("incomplete_reason")
		run.Notes = append(run.Notes, strings.TrimSuffix("the tool says that its numbers rest on a part of the run: "+reason.V, ": "))
	}
	if f.Dropped > 0 {
		run.Notes = append(run.Notes, fmt.Sprintf("values of the summary that are left out, for they are too long or too many: %d", f.Dropped))
	}
}

func fill[T any](into *schemas.Opt[T], v schemas.Opt[T]) {
	if !into.OK {
		*into = v
	}
}

// phase returns the path of the phase that was measured: the last that is no
// warm-up.
func (f *flat) phase() string {
	found := "input_config.phases.0."
	for i := 0; ; i++ {
		path := fmt.Sprintf("input_config.phases.%d.", i)
		if f.Get(path+"name", path+"type") == nil {
			return found
		}
		if f.String(path+"kind").V != "warmup" && f.String(path+"name").V != "warmup" {
			found = path
		}
	}
}

// sort puts the leaves where they belong: statistics among what was reported,
// the point of a sweep among the labels, and settings with the rest.
func (f *flat) sort(run *schemas.Run) {
	for path, leaf := range f.All() {
		text := string(leaf)
		tag := strings.TrimPrefix(path, recordsPrefix)
		head, stat, nested := strings.Cut(tag, ".")
		isMetric := nested && !strings.Contains(stat, ".") &&
			f.Get(head+".unit", recordsPrefix+head+".unit") != nil
		if point, ok := strings.CutPrefix(path, "run_info.variation_values."); ok {
			setLabel(run, lastOf(point), text)
			continue
		}
		switch {
		case isMetric && (stat == "tag" || stat == "header"):
		case isMetric:
			run.Reported[tag] = text
		case head == "error_summary" || !nested && path != "aiperf_version":
			run.Reported[path] = text
		case head == "warmup_metrics", secret.MatchString(path):
		case nested:
			run.Extra[path] = redact(text)
		}
	}
}

func setLabel(run *schemas.Run, key, text string) {
	if s, ok := jsonscan.Unquote([]byte(text)); ok {
		text = s
	}
	if run.Labels == nil {
		run.Labels = map[string]string{}
	}
	run.Labels[key] = text
}

func lastOf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

var (
	secret = regexp.MustCompile(`(?i)(^|[._])(api_?key|authorization|headers?|secret|password|access_token|auth_token|hf_token)([._]|$)`)
	// secretFlag matches a flag of the command line and its value, as they stand
	// in a JSON string.
	secretFlag = regexp.MustCompile(`(--api-key|--headers?|-H)(=|\s+)('[^']*'|\\"[^"\\]*\\"|[^\s"'\\]+)`)
)

func redact(text string) string { return secretFlag.ReplaceAllString(text, "$1$2<redacted>") }

// reconcile compares the counts of a run of records with those of its summary.
// Versions of 2025 leave out the records of some failed requests.
func (f *flat) reconcile(run *schemas.Run) {
	note := func(format string, args ...any) { run.Notes = append(run.Notes, fmt.Sprintf(format, args...)) }
	if n := f.Integer(average("request_count")...); n.OK && run.Completed.OK && n != run.Completed {
		note("the tool counts %d completed requests, and the records %d", n.V, run.Completed.V)
	}
	n := f.failed()
	if !n.OK || !run.Failed.OK || n == run.Failed {
		return
	}
	note("the tool counts %d failed requests, and the records %d", n.V, run.Failed.V)
	if n.V > run.Failed.V {
		run.Requests.V += n.V - run.Failed.V
		run.Failed = n
	}
}
