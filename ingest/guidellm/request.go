package guidellm

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// missing stands in place of a number that the file does not have.
const missing int64 = math.MinInt64

// A request is what is kept of one until its run ends: a hundred bytes. Times
// are nanoseconds since 1970.
type request struct {
	offset                           int64
	targeted, start, end             int64
	firstToken, firstAnswer, last    int64
	chunks                           int64
	characters                       int64 // of the prompt
	input, cached, output            int64
	turn                             int64
	conversation                     string
	failure                          uint32
	status                           schemas.Status
	original                         int32 // its place among the requests as they were read
	counted                          bool  // the server counted its output; false where chunks were counted
	incomplete, spoilt, fallbackLast bool
}

// A fault is a value that cannot be used.
type fault struct {
	at      int64
	request int // as read; -1 where it is none's
	reason  string
}

// newRequest returns a request of which nothing is known.
func newRequest(at int64) request {
	return request{
		offset: at, targeted: missing, start: missing, end: missing, firstToken: missing, firstAnswer: missing, last: missing,
		chunks: missing, characters: missing, input: missing, cached: missing, output: missing, turn: missing,
	}
}

// readRequests reads the requests of one status.
func (u *run) readRequests(s *jsonscan.Scanner, list string) {
	if kind := s.Peek(); kind != jsonscan.Array {
		if kind != jsonscan.Null && s.Err() == nil {
			u.fault(s.Offset(), -1, "requests.%s is %s, expected a list", list, kind)
		}
		s.Skip()
		return
	}
	s.Array()
	if u.hashes[list] == nil {
		u.hashes[list] = contentHash()
	}
	for s.Next() {
		kind := s.Peek()
		if s.Err() != nil {
			return
		}
		at := s.Offset()
		if len(u.requests) == u.maxRequests {
			u.spoil(at, "more than %d requests, the most that a run may have", u.maxRequests)
			s.Skip()
			for s.Next() {
				s.Skip()
			}
			return
		}
		if kind != jsonscan.Object {
			u.fault(at, -1, "requests.%s: found %s, expected a request", list, kind)
			s.Skip()
			continue
		}
		q, ok := u.readRequest(s, list)
		if !ok {
			return // the text broke off inside of it
		}
		q.original = int32(len(u.requests))
		u.requests = append(u.requests, q)
	}
}

// A reading is the state of reading one request.
type reading struct {
	*run
	s       *jsonscan.Scanner
	q       request
	message string
	resolve int64 // when the client's work on it began and ended, which stand in for its start and end
	done    int64
	sum     jsonscan.Bag
}

func (u *run) readRequest(s *jsonscan.Scanner, list string) (request, bool) {
	r := reading{run: u, s: s, q: newRequest(s.Offset()), resolve: missing, done: missing}
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		r.member(string(key))
	}
	if s.Err() != nil {
		return request{}, false
	}
	u.hashes[list].Write(r.sum.Bytes())
	r.judge(list)
	return r.q, true
}

// member reads one member of a request, of either age.
func (r *reading) member(key string) {
	q := &r.q
	switch key {
	case "info": // from 0.4 on
		r.object(key, func(key string) { r.info(key) })
	case "scheduler_info": // up to 0.3
		r.object(key, func(key string) { r.schedulerInfo(key) })
	case "input_metrics":
		r.object(key, func(key string) {
			switch key {
			case "total_tokens":
				r.count(&q.input, "input_metrics."+key)
			case "cached_tokens":
				r.count(&q.cached, "input_metrics."+key)
			case "text_characters":
				r.count(&q.characters, "input_metrics."+key)
			default:
				r.sum.AddNext(r.s, "input_metrics."+key)
			}
		})
	case "output_metrics":
		r.object(key, func(key string) {
			if key != "total_tokens" {
				r.sum.AddNext(r.s, "output_metrics."+key)
				return
			}
			q.output = missing // rather than the sum with which the tool stands in for it
			r.count(&q.output, "output_metrics.total_tokens")
			q.counted = q.output != missing
		})
	case "prompt_tokens":
		if q.input == missing {
			r.count(&q.input, key)
			return
		}
		r.sum.AddNext(r.s, key)
	case "output_tokens":
		if !q.counted {
			r.count(&q.output, key)
			return
		}
		r.sum.AddNext(r.s, key)
	case "start_time":
		r.time(&q.start, key)
	case "end_time":
		r.time(&q.end, key)
	case "first_token_time":
		r.time(&q.firstToken, key)
	case "last_token_time":
		r.time(&q.last, key)
	case "error":
		r.error(key)
	case "prompt", "request_args", "output", "reasoning_output", "tool_calls":
		r.s.Skip() // does not count for the digest: a report without them is of the same run
	case "response_id":
		r.responseID = true
		r.sum.AddNext(r.s, key)
	default:
		r.sum.AddNext(r.s, key)
	}
}

func (r *reading) info(key string) {
	path := "info." + key
	switch key {
	case "timings":
		r.object(path, func(key string) { r.timing(key) })
	case "error":
		r.error(path)
	case "turn_index":
		r.count(&r.q.turn, path)
	case "conversation_id":
		r.q.conversation = r.string(path)
	default:
		r.sum.AddNext(r.s, path)
	}
}

func (r *reading) timing(key string) {
	q, path := &r.q, "info.timings."+key
	switch key {
	case "targeted_start":
		r.time(&q.targeted, path)
	case "resolve_start":
		r.time(&r.resolve, path)
	case "request_start":
		r.time(&q.start, path)
	case "first_token_iteration", "first_iteration":
		r.time(&q.firstToken, path)
	case "first_output_token_iteration":
		r.time(&q.firstAnswer, path)
	case "last_token_iteration", "last_iteration":
		r.time(&q.last, path)
	case "token_iterations", "iterations":
		r.count(&q.chunks, path)
	case "request_end":
		r.time(&q.end, path)
	case "resolve_end":
		r.time(&r.done, path)
	default:
		r.sum.AddNext(r.s, path)
	}
}

// schedulerInfo: times that were never set are -1.
func (r *reading) schedulerInfo(key string) {
	path := "scheduler_info." + key
	switch key {
	case "targeted_start_time":
		r.time(&r.q.targeted, path)
	case "worker_start":
		r.time(&r.resolve, path)
	case "worker_end":
		r.time(&r.done, path)
	default:
		r.sum.AddNext(r.s, path)
	}
}

func (r *reading) object(path string, member func(key string)) {
	if kind := r.s.Peek(); kind != jsonscan.Object {
		if kind != jsonscan.Null && r.s.Err() == nil {
			r.bad(r.s.Offset(), "%s is %s, expected an object", path, kind)
		}
		r.s.Skip()
		return
	}
	r.s.Object()
	for key, ok := r.s.Key(); ok; key, ok = r.s.Key() {
		member(string(key))
	}
}

func (r *reading) bad(at int64, format string, args ...any) {
	r.q.spoilt = true
	r.fault(at, len(r.requests), format, args...)
}

// number consumes the next value and returns its text; none where it is null.
func (r *reading) number(path string) (text []byte, at int64) {
	r.s.Peek()
	at = r.s.Offset()
	text, err := r.s.Raw(nil, 1<<10)
	var long *jsonscan.ValueError
	if errors.As(err, &long) {
		text = []byte(long.Text)
	}
	r.sum.AddText(path, text)
	if string(text) == "null" {
		return nil, at
	}
	return text, at
}

// time reads seconds since 1970 into t. A time that comes twice is that of the
// later one.
func (r *reading) time(t *int64, path string) {
	text, at := r.number(path)
	if len(text) == 0 || string(text) == "-1" || string(text) == "-1.0" {
		return
	}
	v, ok := jsonscan.ParseNanos(text)
	if !ok || v < 0 {
		r.bad(at, "%s: found %s, expected seconds since 1970", path, shorten(text))
		return
	}
	*t = v
}

func (r *reading) count(n *int64, path string) {
	text, at := r.number(path)
	if len(text) == 0 {
		return
	}
	v, ok := jsonscan.ParseInt(text)
	if !ok || v < 0 {
		r.bad(at, "%s: found %s, expected an integer, zero or more", path, shorten(text))
		return
	}
	*n = v
}

func (r *reading) string(path string) string {
	if r.s.Peek() == jsonscan.Null {
		r.s.Skip()
		return ""
	}
	text, err := r.s.Text(nil)
	var value *jsonscan.ValueError
	if errors.As(err, &value) {
		r.bad(value.Offset, "%s: found %s, expected %s", path, value.Text, value.Want)
		return ""
	}
	r.sum.AddText(path, text)
	return string(text)
}

// error reads a message, of which none too strange spoils the request.
func (r *reading) error(path string) {
	if r.s.Peek() == jsonscan.Null {
		r.s.Skip()
		return
	}
	text, err := r.s.Text(nil)
	var value *jsonscan.ValueError
	if errors.As(err, &value) {
		text = []byte(failures.Unreadable)
	}
	r.sum.AddText(path, text)
	r.message = string(text)
}

// judge decides how the request ended, and puts its times in order.
func (r *reading) judge(list string) {
	q := &r.q
	q.start = first(q.start, r.resolve)
	q.end = first(q.end, r.done)
	if q.last == missing && q.firstToken == missing && q.end != missing && list == "successful" {
		q.last, q.fallbackLast = q.end, true // a response in one piece
	}
	before := int64(0)
	for _, t := range []int64{q.start, q.firstToken, q.firstAnswer, q.last} {
		if t == missing {
			continue
		}
		if t < before {
			r.bad(q.offset, "start, first token, first of the answer and last token come in another order: none of these times can be believed")
			q.firstToken, q.firstAnswer, q.last = missing, missing, missing
			break
		}
		before = t
	}
	if q.chunks == 0 && (q.firstToken != missing || q.fallbackLast) {
		q.chunks = missing // versions that did not count them, and a response without any
	}
	f := failures.Failure{}
	q.status = schemas.StatusOK
	switch {
	case q.spoilt:
		f.Class = failures.BadRecord
	case list == "incomplete":
		q.incomplete = true
		f = failures.Failure{Class: failures.Cancelled, Line: failures.Line(r.message)}
	case list == "errored":
		f = failures.Failure{Class: failures.ClassOf(r.message, classWords), Line: failures.Line(r.message)}
	case q.last == missing || q.start == missing:
		q.status = schemas.StatusSuspect
		return
	default:
		return
	}
	q.status = schemas.StatusFailed
	q.failure = r.failures.Add(f)
}

func (u *run) fault(at int64, request int, format string, args ...any) {
	if len(u.faults) == maxRejects {
		u.unreported++
		return
	}
	u.faults = append(u.faults, fault{at, request, fmt.Sprintf(format, args...)})
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
