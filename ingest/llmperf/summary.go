package llmperf

import (
	"io"
	"path"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// readSummary makes the run of a summary.
func readSummary(u *jsonrun.Upload, v *jsonrun.Values) {
	if !v.HasPrefix("results_") {
		u.Lose(v.Offset, "no summary of llmperf: none of its keys begins with results_")
		return
	}
	run := u.NewRun(v.Offset, producer, ParserVersion)
	run.Dialect = "summary"
	run.Version = v.Text("version")
	run.Completed = v.Int("results_num_completed_requests")
	run.Failed = v.Int("results_number_errors")
	run.Requests = v.Int("results_num_requests_started")
	settle(run, v)
	v.Rest(run, isResult)
	for _, key := range v.Keys() {
		if isResult(key) {
			run.Reported[key] = v.JSON(key)
		}
	}
	u.Close(run, nil)
}

func isResult(key string) bool { return strings.HasPrefix(key, "results_") }

// settle fills in what was asked.
func settle(run *schemas.Run, v *jsonrun.Values) {
	run.Model = v.Text("model")
	run.MaxConcurrency = v.Int("num_concurrent_requests")
	if at, ok := jsonscan.ParseNanos([]byte(v.JSON("timestamp"))); ok && at > 0 {
		v.Use("timestamp")
		run.EndedAt = schemas.Some(time.Unix(0, at).UTC())
	}
	v.Use("name")
	if name, ok := jsonscan.Unquote([]byte(v.JSON("name"))); ok && name != "" {
		run.Labels = map[string]string{"name": name}
	}
}

// Companions are the files beside an upload that say more about its runs.
var Companions = []string{"*_summary.json"}

const (
	requestsSuffix = "_individual_responses.json"
	summarySuffix  = "_summary.json"
)

// Complete fills what a list of requests lacks from the summary of the same
// benchmark, called name: which it is, the names of the two files say. Those of
// other benchmarks in the folder are let be.
func Complete(run *schemas.Run, name string, r io.Reader) error {
	mine, isList := strings.CutSuffix(path.Base(run.SourceName), requestsSuffix)
	if theirs, ok := strings.CutSuffix(path.Base(name), summarySuffix); !isList || !ok || mine != theirs {
		return nil
	}
	return jsonrun.ReadSummary(r, name, func(v *jsonrun.Values) {
		settle(run, v)
		if run.Provenance == nil {
			run.Provenance = map[string]string{}
		}
		for column, ok := range map[string]bool{"model": run.Model.OK, "max_concurrency": run.MaxConcurrency.OK, "ended_at": run.EndedAt.OK} {
			if ok {
				run.Provenance[column] = path.Base(name)
			}
		}
		for _, key := range v.Keys() {
			if isResult(key) {
				run.Reported[key] = v.JSON(key)
			}
		}
	})
}
