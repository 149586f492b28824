package serverlog_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/serverlog"
	"github.com/servestat/servestat/schemas"
)

func Example() {
	log := `(EngineCore pid=219) INFO 05-14 10:43:20 [kv_cache_utils.py:1708] GPU KV cache size: 286,007 tokens
(EngineCore pid=219) WARNING 05-14 10:43:21 [kv_cache.py:123] Using KV cache scaling factor 1.0 for fp8_e4m3.
(APIServer pid=1) INFO 05-14 10:45:46 [loggers.py:271] Engine 000: Avg prompt throughput: 1159.6 tokens/s, Running: 3 reqs, GPU KV cache usage: 68.9%
`
	r := serverlog.NewReader(strings.NewReader(log), "server.log")
	r.Near(time.Date(2026, time.May, 20, 0, 0, 0, 0, time.UTC)) // the log says no year
	for r.Scan() {
		switch rec := r.Record().(type) {
		case *schemas.LogEvent:
			fmt.Println(rec.Time.V.Format(time.DateTime), rec.Level.V, rec.Process.V, rec.Kind.V, rec.Facts)
		case *schemas.Sample:
			fmt.Println("  ", rec.Name, rec.Value.V, rec.Unit.V)
		}
	}
	// Output:
	// 2026-05-14 10:43:20 INFO EngineCore kv_cache map[tokens:286007]
	// 2026-05-14 10:43:21 WARNING EngineCore  map[]
	// 2026-05-14 10:45:46 INFO APIServer engine_stats map[avg_prompt_throughput_tokens_per_s:1159.6 engine:000 gpu_kv_cache_usage_percent:68.9 running:3]
	//    Avg prompt throughput 1159.6 tokens/s
	//    Running 3 requests
	//    GPU KV cache usage 0.689 1
}
