package simulate

import (
	"bufio"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// A result is one file of vllm bench serve --save-result --save-detailed, in
// the dialect of v0.19 and v0.20.
type result struct {
	model       string
	simulator   string // the --metadata by which a reader knows it for what it is
	concurrency int
	requestRate float64
	end         time.Time     // wall clock
	began       time.Duration // perf_counter when the client began
	trace       Trace
}

// write writes the file's one line. The order of the keys, the spaces and the
// missing newline are Python's json.dump and vLLM's.
func (r result) write(w *bufio.Writer) error {
	o := object{w: w}
	o.head(r)
	s := r.trace.Summary()
	o.totals(s)
	o.details(r)
	o.raw("max_output_tokens_per_s", appendFloat(nil, float64(s.PeakTokens)))
	o.int("max_concurrent_requests", s.PeakRequests)
	o.float("rtfx", 0)
	o.distribution("ttft", s.TTFT)
	o.distribution("tpot", s.TPOT)
	o.distribution("itl", s.ITL)
	o.distribution("e2el", s.E2EL)
	o.w.WriteString("}")
	return o.w.Flush()
}

// head writes what was asked for.
func (o *object) head(r result) {
	o.string("date", r.end.Format("20060102-150405"))
	o.string("endpoint_type", "vllm")
	o.string("backend", "vllm")
	o.raw("label", []byte("null"))
	o.string("model_id", r.model)
	o.string("tokenizer_id", r.model)
	o.int("num_prompts", len(r.trace.Requests))
	o.string("simulator", r.simulator)
	if r.requestRate == 0 || math.IsInf(r.requestRate, 1) {
		o.string("request_rate", "inf")
	} else {
		o.float("request_rate", r.requestRate)
	}
	o.float("burstiness", 1)
	o.int("max_concurrency", r.concurrency)
}

// totals writes what came of it.
func (o *object) totals(s Summary) {
	o.raw("duration", appendSeconds(nil, s.Duration))
	o.int("completed", s.Completed)
	o.int("failed", s.Failed)
	o.int("total_input_tokens", s.InputTokens)
	o.int("total_output_tokens", s.OutputTokens)
	o.float("request_throughput", s.RequestThroughput)
	o.raw("request_goodput", []byte("null"))
	o.float("output_throughput", s.OutputThroughput)
	o.float("total_token_throughput", s.TotalTokenThroughput)
}

// details writes the arrays, one value a request.
func (o *object) details(r result) {
	requests := r.trace.Requests
	o.list("input_lens", requests, func(b []byte, q *Request) []byte { return strconv.AppendInt(b, int64(q.InputTokens), 10) })
	o.list("output_lens", requests, func(b []byte, q *Request) []byte { return strconv.AppendInt(b, int64(q.OutputTokens), 10) })
	o.list("ttfts", requests, func(b []byte, q *Request) []byte { return appendSeconds(b, q.TTFT) })
	o.list("itls", requests, func(b []byte, q *Request) []byte {
		b = append(b, '[')
		for i, gap := range q.Gaps {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendSeconds(b, gap)
		}
		return append(b, ']')
	})
	o.list("start_times", requests, func(b []byte, q *Request) []byte { return appendSeconds(b, r.began+q.Start) })
	o.list("generated_texts", requests, func(b []byte, q *Request) []byte { return append(b, `""`...) })
	o.list("errors", requests, func(b []byte, q *Request) []byte { return appendString(b, q.Err) })
}

// An object writes a JSON object key by key. Errors stay with the writer until
// it is flushed.
type object struct {
	w       *bufio.Writer
	begun   bool
	scratch []byte
}

func (o *object) key(name string) {
	if o.begun {
		o.w.WriteString(", ")
	} else {
		o.w.WriteString("{")
		o.begun = true
	}
	o.w.Write(append(appendString(nil, name), ": "...))
}

func (o *object) raw(key string, json []byte) {
	o.key(key)
	o.w.Write(json)
}

func (o *object) string(key, value string)        { o.raw(key, appendString(nil, value)) }
func (o *object) int(key string, value int)       { o.raw(key, strconv.AppendInt(nil, int64(value), 10)) }
func (o *object) float(key string, value float64) { o.raw(key, appendFloat(nil, value)) }
func (o *object) distribution(metric string, d Distribution) {
	o.float("mean_"+metric+"_ms", d.Mean)
	o.float("median_"+metric+"_ms", d.Median)
	o.float("std_"+metric+"_ms", d.Std)
	o.float("p99_"+metric+"_ms", d.P99)
}

// list writes one value for each request. Only one request's text is in memory.
func (o *object) list(key string, requests []Request, value func(b []byte, q *Request) []byte) {
	o.key(key)
	o.w.WriteByte('[')
	for i := range requests {
		if i > 0 {
			o.w.WriteString(", ")
		}
		o.scratch = value(o.scratch[:0], &requests[i])
		o.w.Write(o.scratch)
	}
	o.w.WriteByte(']')
}

// appendSeconds appends d in seconds, exactly: up to nine decimals, at least one.
func appendSeconds(b []byte, d time.Duration) []byte {
	b = strconv.AppendInt(b, int64(d/time.Second), 10)
	b = append(b, '.')
	nanos := strconv.Itoa(int(d%time.Second) + 1e9)[1:] // nine digits
	nanos = strings.TrimRight(nanos, "0")
	if nanos == "" {
		nanos = "0"
	}
	return append(b, nanos...)
}

// appendFloat appends f as Python's repr does: the shortest digits that read
// back as f, with an exponent below 1e-4 and from 1e16.
func appendFloat(b []byte, f float64) []byte {
	if size := math.Abs(f); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	begin := len(b)
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	if !strings.Contains(string(b[begin:]), ".") {
		b = append(b, ".0"...)
	}
	return b
}

// appendString appends s as Python's json.dumps does: in ASCII.
func appendString(b []byte, s string) []byte {
	unit := func(u rune) { b = append(b, `\u`+strconv.FormatInt(int64(u)+0x10000, 16)[1:]...) }
	b = append(b, '"')
	for _, r := range s {
		switch short := strings.IndexRune("\"\\\n\r\t\b\f", r); {
		case short >= 0:
			b = append(b, '\\', `"\nrtbf`[short])
		case r >= ' ' && r <= '~':
			b = append(b, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			unit(high)
			unit(low)
		default:
			unit(r)
		}
	}
	return append(b, '"')
}
