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
	FormatStartup    = "vllm bench startup"
	FormatProcessor  = "vllm bench mm-processor"
	FormatSweep      = "vllm bench sweep" // a list of serve or startup results
	FormatMultiTurn  = "vllm multi-turn"  // a list of requests
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
	keys := headKeys(s)
	switch format = formatOf(keys); {
	case !list:
	case format == FormatServe || format == FormatStartup:
		format = FormatSweep
	case keys["ttft_ms"] && keys["latency_ms"] && keys["start_time_ms"] && keys["output_num_tokens"]:
		format = FormatMultiTurn
	default:
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
		name := string(key)
		keys[name] = true
		if name == keyOutputs {
			addAnswerKeys(keys, s)
		}
		s.Skip()
	}
	return keys
}

// addAnswerKeys adds the keys of the first of the answers that the
// structured-output benchmark puts in front of everything else, and that may fill
// the whole head.
func addAnswerKeys(keys map[string]bool, s *jsonscan.Scanner) {
	if s.Peek() != jsonscan.Array {
		return
	}
	s.Array()
	if s.Next() && s.Peek() == jsonscan.Object {
		s.Object()
		for key, ok := s.Key(); ok; key, ok = s.Key() {
			keys[keyOutputs+"."+string(key)] = true
			s.Skip()
		}
	}
	for s.Next() {
		s.Skip()
	}
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
	case keys["avg_cold_startup_time"] || keys["avg_warm_startup_time"]:
		return FormatStartup
	case keys["mm_processor_stats"] && any("completed", "mean_e2el_ms"):
		return FormatProcessor
	case keys[keyOutputs+".generated"] && keys[keyOutputs+".expected"]:
		return FormatServe // the structured-output benchmark
	case any("backend", "endpoint_type") && any("date", "model_id") &&
		any("model_id", "tokenizer_id", "num_prompts", "completed", "duration", "burstiness", keyErrors):
		return FormatServe
	case keys["model_id"] && keys["output_throughput"] && keys["mean_tpot_ms"]:
		return FormatServe // a row of a published table, put into vLLM's words by hand
	}
	return ""
}
