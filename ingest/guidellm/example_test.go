package guidellm_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/guidellm"
	"github.com/servestat/servestat/schemas"
)

// A report of one benchmark, of two requests.
func ExampleReader() {
	const report = `{"metadata": {"version": 2, "guidellm_version": "0.8.1"}, "benchmarks": [{
		"config": {"strategy": {"type_": "concurrent", "streams": 2}, "backend": {"model": "acme/seven"}},
		"metrics": {"request_totals": {"successful": 1, "errored": 1, "incomplete": 0, "total": 2}},
		"requests": {
			"successful": [{"output_tokens": 8, "info": {"timings": {"request_start": 1790000000.5,
				"first_token_iteration": 1790000000.53, "last_token_iteration": 1790000000.6}}}],
			"errored": [{"info": {"error": "ReadTimeout('')", "timings": {"request_start": 1790000000.25}}}]}}]}`

	r := guidellm.NewReader(strings.NewReader(report), "benchmarks.json")
	for r.Scan() {
		switch rec := r.Record().(type) {
		case *schemas.Request:
			fmt.Println("request", rec.Index, rec.Status, rec.ErrorClass.V, time.Duration(rec.TTFT.V), time.Duration(rec.E2EL.V))
		case *schemas.Run:
			fmt.Println("run of", rec.Model.V, "at", rec.MaxConcurrency.V, "by", rec.Producer, rec.Version.V)
		case *schemas.Reject:
			fmt.Println("rejected:", rec)
		}
	}
	if err := r.Err(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// request 0 failed timeout 0s 0s
	// request 1 ok  30ms 100ms
	// run of acme/seven at 2 by guidellm 0.8.1
}
