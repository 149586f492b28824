package vllm_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/vllm"
	"github.com/servestat/servestat/schemas"
)

// A result of two requests, the second of which failed. The gaps come while
// their array is being read, the requests when all arrays have been, and the run
// last.
func ExampleReader() {
	const file = `{"date": "20260731-103303", "endpoint_type": "openai", "backend": "openai",
		"model_id": "acme/seven", "duration": 0.25, "completed": 1, "failed": 1,
		"output_lens": [3, 0], "ttfts": [0.05, 0.0], "itls": [[0.011, 0.012], []],
		"errors": ["", "Service Unavailable"]}`

	r := vllm.NewReader(strings.NewReader(file), "bench.json")
	for r.Scan() {
		switch rec := r.Record().(type) {
		case *schemas.Gaps:
			fmt.Println("gaps of request", rec.Request, rec.Nanos)
		case *schemas.Request:
			fmt.Println("request", rec.Index, rec.Status, rec.ErrorClass.V, time.Duration(rec.E2EL.V))
		case *schemas.Run:
			fmt.Println("run of", rec.Model.V, "by", rec.Producer, rec.Completed.V, "of", rec.Requests.V)
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
	// run of acme/seven by vllm bench serve 1 of 2
}
