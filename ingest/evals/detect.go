package evals

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Detect reports which suite's upload begins with head, by the keys of its first
// object.
func Detect(head []byte) (format string, ok bool) {
	keys := topKeys(head)
	has := func(names ...string) bool {
		for _, n := range names {
			if !keys[n] {
				return false
			}
		}
		return true
	}
	switch {
	case has("accuracy", "correct_count", "total_count"):
		return "bfcl score", true
	case has("id", "result", "latency") && (keys["input_token_count"] || keys["inference_log"]):
		return "bfcl result", true
	case has("schema_validation_error_count", "successful_tool_call_count"):
		return "k2_vendor_verifier summary", true
	case has("data_index", "request", "response", "tool_calls_valid"):
		return "k2_vendor_verifier", true
	case has("simulations", "tasks", "info"):
		return "tau2", true
	case has("results", "versions", "n-shot") && (keys["configs"] || keys["config"]):
		return "lm_eval", true
	case has("doc_id", "resps") && (keys["filtered_resps"] || keys["filter"]):
		return "lm_eval samples", true
	case keys["request"] && (keys["response"] || keys["chunks"]):
		return "tool_calls", true
	}
	return "", false
}

// topKeys returns the keys of the first object of a text, as far as it reaches.
func topKeys(head []byte) map[string]bool {
	keys := map[string]bool{}
	d := json.NewDecoder(bytes.NewReader(head))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return keys
	}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return keys
		}
		keys[name] = true
		if !skip(d) {
			return keys
		}
	}
	return keys
}

// skip passes over a value; false: the text ends inside it.
func skip(d *json.Decoder) bool {
	depth := 0
	for {
		t, err := d.Token()
		if err != nil {
			return errors.Is(err, io.EOF) && depth == 0
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return true
		}
	}
}
