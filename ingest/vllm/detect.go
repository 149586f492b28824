package vllm

import (
	"bytes"

	"github.com/servestat/servestat/ingest/jsonscan"
)

// The formats that Detect tells apart.
const (
	FormatServe      = "vllm bench serve"
	FormatLatency    = "vllm bench latency"
	FormatThroughput = "vllm bench throughput"
	FormatSweep      = "vllm bench sweep" // a list of serve results
)

// Detect reports which format of this package begins with head, by its content:
// the keys of the first object, as far as head reaches. 64 KiB are enough for
// every file but one whose keys were sorted and whose errors are that long.
func Detect(head []byte) (format string, ok bool) {
	s := jsonscan.NewScanner(bytes.NewReader(head), jsonscan.Options{Buffer: max(len(head), 1)})
	list := false
	if s.Peek() == jsonscan.Array {
		s.Array()
		if list = s.Next(); !list {
			return "", false
		}
	}
	if s.Peek() != jsonscan.Object {
		return "", false
	}
	format = formatOf(headKeys(s))
	if list && format == FormatServe {
		format = FormatSweep
	} else if list {
		format = ""
	}
	return format, format != ""
}

// headKeys returns the keys of the object that comes next, up to where the text
// breaks off.
func headKeys(s *jsonscan.Scanner) map[string]bool {
	keys := map[string]bool{}
	s.Object()
	for key, ok := s.Key(); ok && len(keys) < maxKeys; key, ok = s.Key() {
		keys[string(key)] = true
		s.Skip()
	}
	return keys
}

// formatOf tells a format from the keys of a result, or of its beginning.
//
// Forks of the serving benchmark share most of its keys. SGLang's saves no date
// and no model_id; InferenceX's digest of results has them, and no backend.
func formatOf(keys map[string]bool) string {
	any := func(names ...string) bool {
		for _, name := range names {
			if keys[name] {
				return true
			}
		}
		return false
	}
	switch {
	case keys["avg_latency"] && any(keyLatencies, "percentiles"):
		return FormatLatency
	case keys["elapsed_time"] && keys["num_requests"] && keys["total_num_tokens"]:
		return FormatThroughput
	case any("backend", "endpoint_type") && any("date", "model_id") &&
		any("model_id", "tokenizer_id", "num_prompts", "completed", "duration", "burstiness", keyErrors):
		return FormatServe
	case keys["model_id"] && keys["output_throughput"] && keys["mean_tpot_ms"]:
		return FormatServe // a row of a published table, put into vLLM's words by hand
	}
	return ""
}
