package inferenceperf

import (
	"fmt"
	"math"
	"path"
	"regexp"
	"strings"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// readSummary makes the run of a stage, of a sweep, or of the server's metrics.
func readSummary(u *jsonrun.Upload, v *jsonrun.Values) {
	if !v.Has("successes.count") {
		u.Lose(v.Offset, "no summary of inference-perf: it has no successes.count")
		return
	}
	run := u.NewRun(v.Offset, producer, ParserVersion)
	switch {
	case v.JSON("load_summary") == "{}":
		readServerSummary(run)
	default:
		readClientSummary(v, run)
	}
	reportedOf(run, v)
	run.Notes = append(run.Notes, v.Notes...)
	run.ContentDigest = v.Digest()
	u.Close(run, nil)
}

// readServerSummary: the counts are those of the server over a window of time,
// requests of others included, and stay in Reported.
func readServerSummary(run *schemas.Run) {
	run.Dialect = "server"
	run.Bench = "server-metrics"
	run.Notes = append(run.Notes, "these are the server's own metrics over the time of the benchmark, from its buckets: not what the client saw")
}

func readClientSummary(v *jsonrun.Values, run *schemas.Run) {
	run.Dialect = "summary"
	if v.HasPrefix("load_summary.requested_rate") || v.HasPrefix("load_summary.concurrency") {
		run.Dialect = "stage"
		run.RequestRate = v.Rate("load_summary.requested_rate")
		run.MaxConcurrency = v.Int("load_summary.concurrency")
	} else {
		run.Notes = append(run.Notes, "a summary of all stages of the benchmark: where they are several, it mixes their load points")
	}
	if n := stageNumber.FindStringSubmatch(path.Base(run.SourceName)); n != nil {
		run.Labels = map[string]string{"stage": n[1]}
		run.Provenance = map[string]string{"stage": "the file's name"}
	}
	run.DurationNS = v.Seconds("benchmark_time_seconds")
	if run.DurationNS.V == 0 {
		run.DurationNS = schemas.Opt[int64]{}
	}
	run.Requests = v.Int("load_summary.count")
	run.Completed = v.Int("successes.count")
	run.Failed = v.Int("failures.count")
	run.InputTokens = v.Int("successes.prompt_tokens.total")
	run.OutputTokens = v.Int("successes.output_tokens.total")
	if n := run.Completed.V + run.Failed.V; run.Requests.OK && run.Completed.OK && run.Failed.OK && n != run.Requests.V {
		run.Notes = append(run.Notes, fmt.Sprintf("the counts do not agree: %d completed and %d failed of %d requests", run.Completed.V, run.Failed.V, run.Requests.V))
	}
	if ratio, ok := decodeRatio(v); ok && ratio > 1.5 {
		run.Notes = append(run.Notes, fmt.Sprintf("false times: by the mean latency, TTFT and output length a token takes %.2f times what time_per_output_token says. Versions before 0.5 stamp blank lines too, and 0.5.0 counts tokens twice: TPOT and ITL here are too small by that factor", ratio))
	}
}

var stageNumber = regexp.MustCompile(`stage_(\d+)_lifecycle_metrics`)

// decodeRatio holds the mean latency against what TTFT and TPOT make of it. It
// is 1 and a little, for latency runs until the response was whole, and 1.84 or
// more in all results of versions with false times that were looked at.
func decodeRatio(v *jsonrun.Values) (ratio float64, ok bool) {
	var x [4]float64
	for i, key := range []string{
		"latency.request_latency.mean", "latency.time_to_first_token.mean", "output_len.mean", "latency.time_per_output_token.mean",
	} {
		if x[i], ok = jsonscan.ParseFloat([]byte(v.JSON("successes." + key))); !ok {
			return 0, false
		}
	}
	ratio = (x[0] - x[1]) / (x[2] - 1) / x[3]
	return ratio, x[2] > 2 && x[3] > 0 && ratio > 0 && !math.IsInf(ratio, 0)
}

// reportedOf puts a summary's values into run: every one is a finding of the
// tool. Error messages are with the requests.
func reportedOf(run *schemas.Run, v *jsonrun.Values) {
	for _, key := range v.Keys() {
		if text := v.JSON(key); text != "null" && !strings.Contains(key, "by_label.") {
			run.Reported[key] = text
		}
	}
}
