package schemas

// Where a column's values come from, for the data dictionary.
const (
	fromUpload   = "the upload"
	fromIdentity = "labels, side-car, metadata, server log or path, see provenance"
	fromServe    = "servestat, on ingest"
	fromSummary  = "the upload's summary"
	fromAnalysis = "servestat, the analysis of the runs"
	fromRequests = "servestat, from the requests of the upload"
)

// sources says for every table where its columns come from: those that are not
// named come from what stands under "".
var sources = map[string]map[string]string{
	"runs": {
		"": fromSummary, "run_id": fromServe, "upload_sha256": fromServe, "content_digest": fromServe, "source_name": "the command line",
		"parser_version": fromServe, "producer": fromServe, "dialect": fromServe, "bench": fromServe, "detailed": fromServe,
		"started_at": "the upload's summary: ended_at less duration", "clock": fromServe, "gap_kind": fromServe,
		"runtime": fromIdentity, "runtime_version": fromIdentity, "runtime_commit": fromIdentity, "hardware": fromIdentity, "image": fromIdentity,
		"server_start": fromIdentity, "repeat": fromIdentity, "path_label": fromIdentity, "dataset": fromIdentity, "seed": fromIdentity,
		"simulated": fromIdentity, "engine_args": fromIdentity, "labels": fromIdentity, "provenance": fromServe,
		"requests": fromRequests, "completed": fromRequests, "failed": fromRequests, "suspect": fromRequests,
		"input_tokens": fromRequests, "output_tokens": fromRequests, "workload_digest": fromRequests,
		"reported": "the upload, verbatim", "extra": "the upload, verbatim", "notes": fromServe, "truncated": fromServe,
	},
	"requests": {
		"": fromUpload, "run_id": fromServe, "request_idx": fromServe, "status": fromRequests, "error_class": "servestat, from the tool's error message", "e2el_method": fromServe,
		"start_ns": "the upload, less the start of the first request",
	},
	"tokens": {"": fromUpload, "run_id": fromServe, "request_idx": fromServe, "chunk_idx": fromServe},
	"cells":  {"": "servestat, from requests and tokens", "run_id": fromServe},
	"log_events": {
		"": "the server log", "upload_sha256": fromServe, "source_name": "the command line", "server_start": "labels or side-car", "line": fromServe,
		"server": "labels, side-car or path", "kind": "servestat, from the message", "facts": "servestat, from the message",
	},
	"evals": {
		"": "the file of judged answers", "upload_sha256": fromServe, "source_name": "the command line",
		"server_start": "labels or side-car", "server": "labels, side-car or path",
	},
	"findings":     {"": fromAnalysis},
	"curves":       {"": fromAnalysis},
	"verdicts":     {"": fromAnalysis},
	"changepoints": {"": fromAnalysis},
	"samples":      {"": "the telemetry file", "upload_sha256": fromServe, "source_name": "the command line", "server_start": "labels or side-car", "line": fromServe},
}

// Source says where the values of a column come from.
func (t TableInfo) Source(column string) string {
	if s, ok := sources[t.Name][column]; ok {
		return s
	}
	return sources[t.Name][""]
}
