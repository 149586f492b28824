package sglang

import (
	"io"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
)

// ParserVersion names the state of this reader. It changes when the same bytes
// begin to give other records.
const ParserVersion = "sglang-2"

// Format is what Detect finds.
const Format = "sglang bench_serving"

// Detect reports whether head begins a result of SGLang's serving benchmark, by
// its keys. vLLM's results have a date and a model_id, which SGLang's lack.
func Detect(head []byte) (format string, ok bool) {
	keys := jsonrun.HeadKeys(head)
	ok = keys["backend"] == jsonscan.String && !keys.Any("date", "model_id", "endpoint_type") &&
		keys.Any("total_output_tokens_retokenized", "sharegpt_output_len", "random_range_ratio", "accept_length")
	if !ok {
		return "", false
	}
	return Format, true
}

// NewReader returns a Reader of the decompressed upload r, which positions call
// name.
func NewReader(r io.Reader, name string, opts ...jsonrun.Option) *jsonrun.Reader {
	return jsonrun.NewReader(r, name, &file{}, opts...)
}
