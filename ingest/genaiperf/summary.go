package genaiperf

import (
	"io"
	"math"
	"regexp"
	"strings"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// closeSummary makes the run of a summary.
func closeSummary(u *jsonrun.Upload, v *jsonrun.Values) {
	run := u.NewRun(v.Offset, producer, ParserVersion)
	run.Dialect = "summary"
	settle(run, v)
	for _, key := range v.Keys() {
		if secret.MatchString(key) {
			v.Use(key)
		}
	}
	v.Rest(run, isMetric)
	u.Close(run, nil)
}

// isMetric: what is not a setting is a finding.
func isMetric(key string) bool {
	return !strings.HasPrefix(key, "input_config") && !strings.HasPrefix(key, "sessions")
}

// secret are settings that may hold what must not be kept.
var secret = regexp.MustCompile(`(?i)^input_config\..*(header|api_key|token$|secret|password|extra_inputs|credential)`)

// settle fills in what was asked and how many completed.
func settle(run *schemas.Run, v *jsonrun.Values) {
	if n, ok := jsonscan.ParseInt([]byte(v.JSON("request_count.avg"))); ok && n >= 0 {
		run.Completed = schemas.Some(n)
	}
	if !run.Model.OK {
		for _, key := range []string{"input_config.model_names", "input_config.model", "input_config.formatted_model_name"} {
			if name := firstText(v.JSON(key)); name != "" {
				run.Model = schemas.Some(name)
				break
			}
		}
	}
	if !run.Tokenizer.OK {
		for _, key := range []string{"input_config.tokenizer.name", "input_config.tokenizer"} {
			if name := firstText(v.JSON(key)); name != "" {
				run.Tokenizer = schemas.Some(name)
				break
			}
		}
	}
	for _, prefix := range []string{"input_config.", "input_config.perf_analyzer.stimulus."} {
		if n, ok := jsonscan.ParseInt([]byte(v.JSON(prefix + "concurrency"))); ok && n > 0 && !run.MaxConcurrency.OK {
			run.MaxConcurrency = schemas.Some(n)
		}
		if f, ok := jsonscan.ParseFloat([]byte(v.JSON(prefix + "request_rate"))); ok && f > 0 && !math.IsInf(f, 0) && !run.RequestRate.OK {
			run.RequestRate = schemas.Some(f)
		}
	}
}

// firstText returns a string, or the first of an array of them.
func firstText(text string) string {
	s := jsonscan.NewScanner(strings.NewReader(text), jsonscan.Options{Buffer: len(text) + 1})
	if !s.More() {
		return ""
	}
	if s.Peek() == jsonscan.Array {
		s.Array()
		if !s.Next() {
			return ""
		}
	}
	name, err := s.Text(nil)
	if err != nil {
		return ""
	}
	return string(name)
}

// Companions are the files beside a profile that say more about its runs.
var Companions = []string{"*_genai_perf.json"}

// Complete fills what a profile's run lacks from the summary called name: the
// tool's own findings, and the model.
func Complete(run *schemas.Run, name string, r io.Reader) error {
	if run.Dialect != "profile" {
		return nil
	}
	return jsonrun.ReadSummary(r, name, func(v *jsonrun.Values) {
		if !v.Has("request_throughput.unit") {
			return
		}
		counted := run.Completed
		settle(run, v)
		run.Completed = counted
		for _, key := range v.Keys() {
			if isMetric(key) {
				run.Reported[key] = v.JSON(key)
			}
		}
	})
}
