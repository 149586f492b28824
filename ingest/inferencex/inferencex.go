package inferencex

import (
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// ParserVersion names the state of this reader. It changes when the same bytes
// begin to give other records.
const ParserVersion = "inferencex-1"

// Format is what Detect finds.
const Format = "inferencex"

// Detect reports whether head begins a row of InferenceX, or an array of them.
func Detect(head []byte) (format string, ok bool) {
	keys := jsonrun.HeadKeys(head)
	for _, in := range []string{"", "[]."} {
		if dialect(func(key string) bool { return keys.Has(in + key) }) != "" {
			return Format, true
		}
	}
	return "", false
}

// dialect tells the rows apart by their keys, "" where it is none.
func dialect(has func(key string) bool) string {
	seconds := false
	for _, key := range []string{"mean_ttft", "median_ttft", "p99_ttft", "median_tpot", "median_e2el"} {
		seconds = seconds || has(key)
	}
	switch {
	case has("scenario_type") && has("request_accounting"), has("scenario_type") && has("num_requests_total"):
		return "agentic"
	case has("infmax_model_prefix"), has("hw") && has("conc") && has("framework"):
		return "aggregate"
	case has("date") && has("model_id") && has("num_prompts") && seconds && !has("backend") && !has("endpoint_type"):
		return "seconds"
	}
	return ""
}

// NewReader returns a Reader of the decompressed upload r, which positions call
// name.
func NewReader(r io.Reader, name string, opts ...jsonrun.Option) *jsonrun.Reader {
	return jsonrun.NewReader(r, name, &jsonrun.Objects{Read: read}, opts...)
}

// read makes the run of a row.
func read(u *jsonrun.Upload, v *jsonrun.Values) {
	d := dialect(func(key string) bool { return v.Has(key) || v.HasPrefix(key+".") })
	if d == "" {
		u.Lose(v.Offset, "no row of InferenceX: it has no hw and framework, nor vLLM's keys without their unit")
		return
	}
	run := u.NewRun(v.Offset, "inferencex", ParserVersion)
	run.Dialect = d
	if d == "seconds" {
		readSeconds(v, run)
	} else {
		readAggregate(v, run)
	}
	run.Notes = append(run.Notes, "aggregates only, and their times are seconds though their keys do not say so")
	v.Rest(run, func(key string) bool {
		text := v.JSON(key)
		_, number := jsonscan.ParseFloat([]byte(text))
		return number || notMeasured.MatchString(key) && text == "null"
	})
	u.Close(run, nil)
}

var notMeasured = regexp.MustCompile(`goodput|good_completed`)

// readSeconds reads vLLM's own settings and sums.
func readSeconds(v *jsonrun.Values, run *schemas.Run) {
	run.Model = v.Text("model_id")
	run.Tokenizer = v.Text("tokenizer_id")
	run.NumPrompts = v.Int("num_prompts")
	run.RequestRate = v.Rate("request_rate")
	run.Burstiness = v.Rate("burstiness")
	run.MaxConcurrency = v.Int("max_concurrency")
	run.DurationNS = v.Seconds("duration")
	if text, ok := jsonscan.Unquote([]byte(v.JSON("date"))); ok {
		if at, err := time.Parse("20060102-150405", text); err == nil {
			v.Use("date")
			run.EndedAt = schemas.Some(at)
		}
	}
	run.Completed = v.Int("completed")
	run.InputTokens = v.Int("total_input_tokens")
	run.OutputTokens = v.Int("total_output_tokens")
	if run.Completed.OK && run.Completed == run.NumPrompts {
		run.Requests = run.Completed
	}
	for _, key := range []string{"completed", "total_input_tokens", "total_output_tokens", "duration"} {
		if v.Has(key) {
			run.Reported[key] = v.JSON(key)
		}
	}
}

// arguments are how the engine was started, labels what else tells rows apart.
var (
	arguments = regexp.MustCompile(`^((prefill|decode)_)?(tp|pp|dcp_size|pcp_size|ep|dp_attention|num_workers)$|^(prefill|decode)_hw$|^num_(prefill|decode)_gpu$|^kv_p2p_transfer$|^router\.`)
	labels    = regexp.MustCompile(`^(infmax_model_prefix|precision|spec_decoding|disagg|recipe_fingerprint|isl|osl|is_multinode|scenario_type)$`)
)

// readAggregate reads what was run, and on what.
func readAggregate(v *jsonrun.Values, run *schemas.Run) {
	run.Model = v.Text("model")
	run.Hardware = v.Text("hw")
	run.Image = v.Text("image")
	run.Runtime = v.Text("framework")
	run.MaxConcurrency = v.Int("conc")
	run.Requests = v.Int("num_requests_total")
	run.Completed = v.Int("num_requests_successful")
	run.Labels, run.EngineArgs = map[string]string{}, map[string]string{}
	for _, key := range v.Keys() {
		to := run.Labels
		switch {
		case arguments.MatchString(key):
			to = run.EngineArgs
		case !labels.MatchString(key):
			continue
		}
		v.Use(key)
		if text := plain(v.JSON(key)); text != "" && text != "null" {
			to[strings.TrimSpace(key)] = text
		}
	}
}

// plain returns a string without its quotes, and other values as they are.
func plain(text string) string {
	if s, ok := jsonscan.Unquote([]byte(text)); ok {
		return s
	}
	return text
}
