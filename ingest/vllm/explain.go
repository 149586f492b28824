package vllm

import (
	"bytes"

	"github.com/servestat/servestat/ingest/jsonscan"
)

const pytorchAdvice = "take that file, this one is read beside it"

// Explain says what a file that begins with head is, if vLLM's benchmarks write
// it beside their results and it is none. It returns false for anything else.
func Explain(head []byte) (why string, ok bool) {
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) && bytes.Contains(head, []byte("xl/")) {
		return "an Excel workbook, which is not read: the multi-turn benchmark saves the same with --stats-json-output", true
	}
	s := jsonscan.NewScanner(bytes.NewReader(head), jsonscan.Options{Buffer: max(len(head), 1)})
	if s.Peek() == jsonscan.Array {
		s.Array()
		if !s.Next() {
			return "", false
		}
	}
	if s.Peek() != jsonscan.Object {
		return "", false
	}
	switch keys := headKeys(s); {
	case keys["benchmark"] && (keys["model"] || keys["metric"]):
		return "the PyTorch benchmark format, which repeats numbers of the result beside it: " + pytorchAdvice, true
	case keys["messages"] && keys["id"]:
		return "conversations with the answers of a multi-turn benchmark: they hold no times; --stats-json-output saves those", true
	case keys["error_type"] && keys["serve_overrides"]:
		return "the note of a sweep that a combination of parameters failed", true
	}
	return "", false
}
