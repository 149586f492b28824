package aiperf_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/aiperf"
	"github.com/servestat/servestat/schemas"
)

// Two records, of which the second is that of a failure, and the summary that
// lies beside them.
func ExampleReader() {
	const records = `{"metadata": {"benchmark_phase": "profiling", "request_start_ns": 1790000000000000000}, "metrics": {"time_to_first_token": {"value": 50.0, "unit": "ms"}, "inter_chunk_latency": {"value": [11.0, 12.0], "unit": "ms"}, "output_sequence_length": {"value": 3, "unit": "tokens"}}}
{"metadata": {"benchmark_phase": "profiling", "request_start_ns": 1790000000004000000}, "metrics": {}, "error": {"code": 503, "message": "overloaded"}}`
	const summary = `{"aiperf_version": "0.13.0", "request_count": {"unit": "requests", "avg": 1.0}, "input_config": {"models": {"items": [{"name": "acme/seven"}]}}}`

	r := aiperf.NewReader(strings.NewReader(records), "profile_export.jsonl")
	for r.Scan() {
		switch rec := r.Record().(type) {
		case *schemas.Gaps:
			fmt.Println("gaps of request", rec.Request, rec.Nanos)
		case *schemas.Request:
			fmt.Println("request", rec.Index, rec.Status, rec.ErrorClass.V, time.Duration(rec.E2EL.V))
		case *schemas.Run:
			if err := aiperf.Complete(rec, "profile_export_aiperf.json", strings.NewReader(summary)); err != nil {
				fmt.Println(err)
			}
			fmt.Println("run of", rec.Model.V, "by", rec.Producer, rec.Version.V, rec.Completed.V, "of", rec.Requests.V)
		case *schemas.Reject:
			fmt.Println("rejected:", rec)
		}
	}
	if err := r.Err(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// gaps of request 0 [11000000 12000000]
	// request 0 ok  73ms
	// request 1 failed http 0s
	// run of acme/seven by aiperf 0.13.0 1 of 2
}
