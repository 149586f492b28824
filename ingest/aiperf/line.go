package aiperf

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonscan"
)

// missing stands in place of a number that the file does not have.
const missing int64 = math.MinInt64

// The metrics of a record that are read; the others are its tool's derivations.
type metric int

const (
	mTTFT metric = iota
	mFirstAnswer
	mLatency
	mGaps
	mInput
	mOutput
	mReasoning
	mErrorInput
	mUsageInput
	mUsageOutput
	mUsageReasoning
	mUsageCached
	metrics
)

var metricTags = map[string]metric{
	"time_to_first_token": mTTFT, "ttft": mTTFT,
	"time_to_first_output_token":     mFirstAnswer,
	"request_latency":                mLatency,
	"inter_chunk_latency":            mGaps,
	"input_sequence_length":          mInput,
	"error_isl":                      mErrorInput,
	"output_sequence_length":         mOutput,
	"reasoning_token_count":          mReasoning,
	"usage_prompt_tokens":            mUsageInput,
	"usage_completion_tokens":        mUsageOutput,
	"usage_reasoning_tokens":         mUsageReasoning,
	"usage_prompt_cache_read_tokens": mUsageCached,
}

// A value is what a metric has: where its text lies, and its unit.
type value struct {
	seen       bool
	tag        string
	at         int64
	start, end int // in line.text
	unit       string
}

// A fault is a value that cannot be used.
type fault struct {
	at     int64
	reason string
}

// A line is one object of the file: a record in one of the dialects, or a
// summary. Which, is known when it has been read.
type line struct {
	at     int64
	keys   map[string]bool // members: all of the object's own, and what formatOf asks for
	sum    jsonscan.Bag
	faults []fault
	flat   flat // what no record has

	// The metadata.
	start, credit, turn, session int64
	phase, conversation          string
	cancelled                    bool
	old                          bool // of the dialect of 0.1

	values [metrics]value
	text   []byte // of the values

	failed  bool
	failure failures.Failure

	raw rawLine

	// What it comes to; see finish.
	gaps                                    []int64
	tokens                                  []int32 // of the chunk behind each gap; empty where not known
	ttft, answer, e2el, chunks              int64
	input, output, reasoning, cached        int64
	usageInput, usageOutput, usageReasoning int64
	workload                                int64 // length of the prompt, counted alike in every record
}

// reset makes l ready for the next object, keeping its memory.
func (l *line) reset(at int64) {
	keys := l.keys
	if keys == nil {
		keys = map[string]bool{}
	}
	clear(keys)
	raw := l.raw
	raw.reset()
	*l = line{
		at: at, keys: keys, flat: newFlat(keys), faults: l.faults[:0], text: l.text[:0], raw: raw, gaps: l.gaps[:0], tokens: l.tokens[:0],
		start: missing, credit: missing, turn: missing, session: missing,
		ttft: missing, answer: missing, e2el: missing, chunks: missing,
		input: missing, output: missing, reasoning: missing, cached: missing,
		usageInput: missing, usageOutput: missing, usageReasoning: missing,
	}
}

func (l *line) fault(at int64, format string, args ...any) {
	l.faults = append(l.faults, fault{at, fmt.Sprintf(format, args...)})
}

// read reads the object that comes next.
func (l *line) read(s *jsonscan.Scanner, limits limits) {
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		name := string(key)
		s.Peek()
		at := s.Offset()
		if l.keys[name] {
			l.fault(at, "key %q comes twice in one object", name)
			s.Skip()
			continue
		}
		l.keys[name] = true
		switch name {
		case "metadata":
			l.readObject(s, name, func(key, path string) { l.readMetadata(s, key, path) })
		case "metrics":
			l.readObject(s, name, func(tag, path string) { l.readMetric(s, tag, path, limits.list) })
		case "error":
			l.failure, l.failed = readFailure(s, &l.sum)
		case "start_perf_ns":
			l.raw.start = l.integer(s, name)
		case "responses":
			l.readResponses(s)
		case "payload":
			l.readObject(s, name, func(key, path string) { l.readPayload(s, key, path) })
		case "status", "trace_data", "request_headers", "response_headers", "spec_decode_acceptance":
			l.sum.AddNext(s, name)
		default:
			if isRecord(l.keys) {
				l.sum.AddNext(s, name)
				continue
			}
			l.flat.Read(s, name, &l.sum)
		}
	}
}

// readObject reads the object that is the value of the member called name,
// handing its members to member, which consumes their values.
func (l *line) readObject(s *jsonscan.Scanner, name string, member func(key, path string)) {
	at := s.Offset()
	if kind := s.Peek(); kind != jsonscan.Object {
		if kind != jsonscan.Null {
			l.fault(at, "%s is %s, expected an object", name, kind)
		}
		s.Skip()
		return
	}
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		member(string(key), name+"."+string(key))
	}
}

func (l *line) readMetadata(s *jsonscan.Scanner, key, path string) {
	switch key {
	case "request_start_ns", "timestamp_ns":
		l.old = l.old || key == "timestamp_ns"
		if v := l.integer(s, path); l.start == missing {
			l.start = v
		}
	case "credit_issued_ns":
		l.credit = l.integer(s, path)
	case "turn_index":
		l.turn = l.integer(s, path)
	case "session_num":
		l.session = l.integer(s, path)
	case "benchmark_phase", "credit_phase":
		l.keys[path] = true
		l.old = l.old || key == "credit_phase"
		l.phase = l.string(s, path)
	case "x_correlation_id":
		l.conversation = l.string(s, path)
	case "record_processor_id":
		l.keys[path] = true
		l.sum.AddNext(s, path)
	case "was_cancelled":
		text, _ := s.Raw(nil, 16)
		l.sum.AddText(path, text)
		l.cancelled = string(text) == "true"
	default:
		l.sum.AddNext(s, path)
	}
}

// readMetric reads {"value": …, "unit": …}. What it comes to is seen when the
// unit is known, which may come behind the value.
func (l *line) readMetric(s *jsonscan.Scanner, tag, path string, list int) {
	m, ok := metricTags[tag]
	if !ok || s.Peek() != jsonscan.Object {
		l.sum.AddNext(s, path)
		return
	}
	if l.values[m].seen {
		l.fault(s.Offset(), "%s comes twice in one record", path)
	}
	v := value{seen: true, tag: tag, at: s.Offset()}
	most := 1 << 10
	if m == mGaps {
		most = list
	}
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		switch string(key) {
		case "value":
			s.Peek()
			v.at = s.Offset()
			v.start = len(l.text)
			var err error
			l.text, err = s.Raw(l.text, most)
			v.end = len(l.text)
			var long *jsonscan.ValueError
			if errors.As(err, &long) {
				l.fault(v.at, "%s: found %s, expected %s", path, long.Text, long.Want)
				v.seen = false
			}
			l.sum.AddText(path+".value", l.text[v.start:v.end])
		case "unit":
			v.unit = l.string(s, path+".unit")
		default:
			l.sum.AddNext(s, path+"."+string(key))
		}
	}
	l.values[m] = v
}

// integer consumes the next value, an integer of zero or more, or null.
func (l *line) integer(s *jsonscan.Scanner, path string) int64 {
	s.Peek()
	at := s.Offset()
	text, err := s.Raw(nil, 1<<10)
	var long *jsonscan.ValueError
	if errors.As(err, &long) {
		text = []byte(long.Text)
	} else if err != nil {
		return missing
	}
	l.sum.AddText(path, text)
	return l.parseInt(at, path, text)
}

func (l *line) parseInt(at int64, path string, text []byte) int64 {
	if string(text) == "null" {
		return missing
	}
	v, ok := jsonscan.ParseInt(text)
	if !ok || v < 0 {
		l.fault(at, "%s: found %s, expected an integer, zero or more", path, shorten(text))
		return missing
	}
	return v
}

// string consumes the next value, a string, or null.
func (l *line) string(s *jsonscan.Scanner, path string) string {
	if s.Peek() == jsonscan.Null {
		s.Skip()
		return ""
	}
	text, err := s.Text(nil)
	var value *jsonscan.ValueError
	if errors.As(err, &value) {
		l.fault(value.Offset, "%s: found %s, expected %s", path, value.Text, value.Want)
		return ""
	}
	l.sum.AddText(path, text)
	return string(text)
}

// finish works out what the record's values come to.
func (l *line) finish(format string) {
	if format == FormatRaw {
		l.finishRaw()
	} else {
		l.finishMetrics()
	}
	// The server's own count goes before that of the client's tokenizer, which
	// however knows the prompts of failed requests as well.
	l.workload = first(l.input, l.usageInput)
	l.input = first(l.usageInput, l.input)
	l.reasoning = first(l.usageReasoning, l.reasoning)
	if len(l.faults) > 0 {
		l.failed = true
		l.failure = failures.Failure{Class: failures.BadRecord}
	}
	if l.failed || !l.cancelled {
		return
	}
	l.failed = true
	l.failure = failures.Failure{Class: failures.Cancelled}
}

func (l *line) finishMetrics() {
	l.ttft = l.time(mTTFT)
	l.answer = l.time(mFirstAnswer)
	l.e2el = l.time(mLatency)
	l.input = first(l.count(mInput), l.count(mErrorInput))
	l.output = l.count(mOutput)
	l.reasoning = l.count(mReasoning)
	l.usageInput = l.count(mUsageInput)
	l.usageOutput = l.count(mUsageOutput)
	l.usageReasoning = l.count(mUsageReasoning)
	l.cached = l.count(mUsageCached)
	l.readGaps()
	defer l.checkOrder()
	switch {
	case len(l.gaps) > 0 && l.ttft >= 0:
		l.chunks = int64(len(l.gaps)) + 1
		sum := l.ttft
		for _, v := range l.gaps {
			if sum += v; sum < 0 {
				l.fault(l.values[mGaps].at, "metrics.inter_chunk_latency: gaps of more than 292 years")
				l.gaps = l.gaps[:0]
				return
			}
		}
		l.e2el = sum // up to the end of 2025, request_latency ran to the last message of any kind
	case l.ttft >= 0 && l.ttft == l.e2el:
		l.chunks = 1
	}
}

// checkOrder takes back times that cannot all be true. AIPerf takes them from
// one clock, in whole nanoseconds, so that no rounding explains them.
func (l *line) checkOrder() {
	if l.ttft != missing && l.e2el != missing && l.ttft > l.e2el {
		l.fault(l.values[mTTFT].at, "metrics.%s: the first chunk, at %v, comes after the last, at %v: neither time can be believed",
			l.values[mTTFT].tag, time.Duration(l.ttft), time.Duration(l.e2el))
		l.ttft, l.answer, l.e2el = missing, missing, missing
	}
	if l.answer != missing && (l.answer < l.ttft || l.e2el != missing && l.answer > l.e2el) {
		l.fault(l.values[mFirstAnswer].at, "metrics.%s: the first chunk of the answer, at %v, comes before the first or after the last",
			l.values[mFirstAnswer].tag, time.Duration(l.answer))
		l.answer = missing
	}
}

// time returns the nanoseconds that metric m has.
func (l *line) time(m metric) int64 {
	v := l.values[m]
	text := l.text[v.start:v.end]
	if !v.seen || v.start == v.end || string(text) == "null" {
		return missing
	}
	exponent, ok := l.exponent(m)
	if !ok {
		return missing
	}
	ns, ok := nanos(text, exponent)
	if !ok || ns < 0 {
		l.fault(v.at, "metrics.%s: found %s, expected a time, zero or more", v.tag, shorten(text))
		return missing
	}
	return ns
}

func (l *line) exponent(m metric) (int, bool) {
	v := l.values[m]
	exponent, ok := exponents[v.unit]
	if !ok {
		l.fault(v.at, "metrics.%s: found unit %q, expected ms or another of time", v.tag, shorten([]byte(v.unit)))
	}
	return exponent, ok
}

// count returns the tokens that metric m has.
func (l *line) count(m metric) int64 {
	v := l.values[m]
	if !v.seen || v.start == v.end {
		return missing
	}
	return l.parseInt(v.at, "metrics."+v.tag, l.text[v.start:v.end])
}

// readGaps reads the list of gaps. One that cannot be used spoils the list.
func (l *line) readGaps() {
	v := l.values[mGaps]
	text := l.text[v.start:v.end]
	if !v.seen || len(text) == 0 || string(text) == "null" {
		return
	}
	exponent, ok := l.exponent(mGaps)
	if !ok {
		return
	}
	if text[0] != '[' {
		l.fault(v.at, "metrics.inter_chunk_latency: found %s, expected a list of times", shorten(text))
		return
	}
	gaps, index, found := appendNanos(l.gaps[:0], text, exponent)
	l.gaps = gaps
	if index >= 0 {
		l.gaps = l.gaps[:0]
		l.fault(v.at, "metrics.inter_chunk_latency[%d]: found %s, expected a time, zero or more", index, shorten(found))
	}
}

// first returns the first of the numbers that is there.
func first(numbers ...int64) int64 {
	for _, v := range numbers {
		if v != missing {
			return v
		}
	}
	return missing
}

// shorten quotes the start of a text for a message.
func shorten(text []byte) string {
	const most = 40
	if len(text) <= most {
		return strings.ToValidUTF8(string(text), "\ufffd")
	}
	return strings.ToValidUTF8(string(text[:most]), "\ufffd") + "…"
}

// keysOf lists the keys that were seen, for a message.
func keysOf(keys map[string]bool) string {
	list := slices.Sorted(maps.Keys(keys))
	list = slices.DeleteFunc(list, func(key string) bool { return strings.Contains(key, ".") })
	const enough = 8
	if len(list) > enough {
		list = append(list[:enough], "…")
	}
	for i := range list {
		list[i] = shorten([]byte(list[i]))
	}
	return strings.Join(list, ", ")
}
