package inferenceperf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// maxTimes bounds the time stamps of one request.
const maxTimes = 1 << 22

// A requestList is the Format of the list of requests.
type requestList struct {
	at       int64 // of the array
	open     bool
	requests jsonrun.Requests
	digest   *jsonrun.Digest
	dialect  string
	model    schemas.Opt[string]
	end      int64 // the latest, None where there is none
	gaps     bool  // some were handed on

	// How many requests, for notes.
	notRequests int // elements that are none
	falseTimes  int // more stamps than tokens
	inflated    int // more tokens counted than the server says
	recounted   int // the server counted other tokens than the client
	suspect     int
	bad         int

	one request // being read, for its buffers
}

// Step reads the next request, or closes the run behind the last.
func (l *requestList) Step(u *jsonrun.Upload) bool {
	switch {
	case !l.open && u.S.More():
		l.start(u)
	case !l.open:
		return false
	case l.requests.Len() == u.MaxRequests():
		u.Lose(l.at, "more than %d requests, the most that a run may have", u.MaxRequests())
		return false
	case u.S.Next():
		l.readElement(u)
	case u.S.Err() == nil:
		l.finish(u)
	}
	return true
}

func (l *requestList) start(u *jsonrun.Upload) {
	kind := u.S.Peek()
	at := u.S.Offset()
	if kind != jsonscan.Array {
		if u.S.Skip() == nil {
			u.Lose(at, "found %s behind the list of requests", kind)
		}
		return
	}
	u.S.Array()
	*l = requestList{at: at, open: true, end: jsonrun.None, digest: jsonrun.NewDigest("inference-perf requests 1"), one: l.one}
}

func (l *requestList) finish(u *jsonrun.Upload) {
	l.open = false
	switch {
	case l.requests.Len() > 0:
		u.Close(l.record(u), &l.requests)
	default:
		u.Lose(l.at, "no list of requests of inference-perf: no element has a start_time")
	}
}

// Broken closes the run with the requests that are whole.
func (l *requestList) Broken(u *jsonrun.Upload, reject *schemas.Reject, _ bool) bool {
	if !l.open || l.requests.Len() == 0 {
		u.LoseBroken(reject)
		return false
	}
	l.open = false
	run := l.record(u)
	jsonrun.NoteBroken(run)
	u.Close(run, &l.requests)
	return false
}

func (l *requestList) record(u *jsonrun.Upload) *schemas.Run {
	run := u.NewRun(l.at, producer, ParserVersion)
	run.Dialect = l.dialect
	if run.Dialect == "" {
		run.Dialect = "0.1"
	}
	run.Detailed = true
	run.Clock = schemas.Some("perf_counter")
	run.ContentDigest = l.digest.Sum()
	if l.model.OK {
		run.Model = l.model
		run.Provenance = map[string]string{"model": "the first request"}
	}
	if l.gaps {
		run.GapKind = schemas.ChunkGaps
	}
	first := jsonrun.None
	for _, row := range l.requests.Rows() {
		if row.Start != jsonrun.None && (first == jsonrun.None || row.Start < first) {
			first = row.Start
		}
	}
	if first != jsonrun.None && l.end >= first {
		run.DurationNS = schemas.Some(l.end - first)
	}
	l.addNotes(run)
	return run
}

func (l *requestList) addNotes(run *schemas.Run) {
	note := func(n int, format string) {
		if n > 0 {
			run.Notes = append(run.Notes, fmt.Sprintf(format, n))
		}
	}
	note(l.notRequests, "elements that are no requests, left out: %d")
	note(l.suspect, "suspect requests: %d, which the tool counts as completed though no token ever came")
	note(l.bad, "requests with a malformed record, counted as failed: %d")
	note(l.falseTimes, "false times: %d requests have more time stamps than tokens, for versions before 0.5 stamp blank lines, role and [DONE] as well. They have no gaps here, and their E2EL runs until the response was whole; TPOT and ITL of the tool are about half of the truth")
	note(l.inflated, "requests of which the tool counted more than 1.1 tokens for each that the server sent: %d; tokens per chunk are left out, and the tool's ITL is too small by that factor")
	note(l.recounted, "requests of which the server counted other output tokens than the tool's tokenizer: %d; the server's count is used here, the tool's TPOT uses its own")
}

// A request is an element of the list.
type request struct {
	start, end              int64
	input, output           int64 // as the client counted
	usageInput, usageOutput int64 // as the server did
	cached, reasoning       int64
	tokenTimes, chunkTimes  []int64
	hasChunks               bool // there is an array of chunk times
	failed                  bool
	failure                 failures.Failure
	bad                     bool
	isRequest               bool
	nanos                   []int64
	tokens                  []int32
}

func (q *request) reset() {
	*q = request{
		start: jsonrun.None, end: jsonrun.None, input: jsonrun.None, output: jsonrun.None, usageInput: jsonrun.None,
		usageOutput: jsonrun.None, cached: jsonrun.None, reasoning: jsonrun.None,
		tokenTimes: q.tokenTimes[:0], chunkTimes: q.chunkTimes[:0], nanos: q.nanos[:0], tokens: q.tokens[:0],
	}
}

// readElement reads an element of the list and hands its gaps on.
func (l *requestList) readElement(u *jsonrun.Upload) {
	i := l.requests.Len()
	u.Reading(i)
	kind := u.S.Peek()
	at := u.S.Offset()
	if kind != jsonscan.Object {
		if u.S.Skip() == nil {
			l.notRequests++
			u.Reject(at, -1, "found %s, expected a request", kind)
		}
		return
	}
	q := &l.one
	q.reset()
	u.S.Object()
	for key, ok := u.S.Key(); ok; key, ok = u.S.Key() {
		l.readMember(u, i, string(key))
	}
	if u.S.Err() != nil {
		return
	}
	if !q.isRequest {
		l.notRequests++
		u.Reject(at, -1, "an object without a start_time, expected a request")
		return
	}
	l.add(u, at)
}

func (l *requestList) readMember(u *jsonrun.Upload, i int, key string) {
	q := &l.one
	switch key {
	case "start_time":
		q.isRequest = true
		q.start = q.seconds(u, i, key)
	case "end_time":
		q.end = q.seconds(u, i, key)
	case "request":
		if i == 0 {
			l.model = model(u)
			return
		}
		u.S.Skip()
	case "info":
		l.readInfo(u, i, "")
	case "error":
		q.readError(u, i)
	default:
		u.S.Skip()
	}
}

// readInfo reads info, or an object inside it.
func (l *requestList) readInfo(u *jsonrun.Upload, i int, path string) {
	q := &l.one
	if u.S.Peek() != jsonscan.Object {
		u.S.Skip()
		return
	}
	u.S.Object()
	for key, ok := u.S.Key(); ok; key, ok = u.S.Key() {
		name := string(key)
		switch at := path + name; at {
		case "response_metrics", "response_info", "request_metrics", "request_metrics.text":
			if strings.HasPrefix(at, "response") {
				l.dialect = map[string]string{"response_metrics": "0.6", "response_info": "0.5"}[at]
			}
			l.readInfo(u, i, at+".")
		case "input_tokens", "request_metrics.text.input_tokens":
			q.input = q.count(u, i, name)
		case "output_tokens", "response_info.output_tokens", "response_metrics.output_tokens":
			q.output = q.count(u, i, name)
		case "output_token_times", "response_info.output_token_times", "response_metrics.output_token_times":
			if path == "" {
				l.dialect = "0.2"
			}
			q.tokenTimes = q.times(u, i, name, q.tokenTimes)
		case "response_info.chunk_times", "response_metrics.chunk_times":
			q.hasChunks = true
			q.chunkTimes = q.times(u, i, name, q.chunkTimes)
		case "response_info.server_usage", "response_metrics.server_usage":
			q.readUsage(u, i)
		default:
			u.S.Skip()
		}
	}
}

// readUsage reads the server's own count, which may be null.
func (q *request) readUsage(u *jsonrun.Upload, i int) {
	each := func(read func(name string)) {
		if u.S.Peek() != jsonscan.Object {
			u.S.Skip()
			return
		}
		u.S.Object()
		for key, ok := u.S.Key(); ok; key, ok = u.S.Key() {
			read(string(key))
		}
	}
	each(func(name string) {
		switch name {
		case "prompt_tokens":
			q.usageInput = q.count(u, i, name)
		case "completion_tokens":
			q.usageOutput = q.count(u, i, name)
		case "prompt_tokens_details", "completion_tokens_details":
			each(func(detail string) {
				switch detail {
				case "cached_tokens":
					q.cached = q.count(u, i, detail)
				case "reasoning_tokens":
					q.reasoning = q.count(u, i, detail)
				default:
					u.S.Skip()
				}
			})
		default:
			u.S.Skip()
		}
	})
}

// readError reads the error of a request, null where it has none.
func (q *request) readError(u *jsonrun.Upload, i int) {
	switch u.S.Peek() {
	case jsonscan.Null:
		u.S.Skip()
		return
	case jsonscan.Object:
	default:
		q.failed = true
		u.S.Skip()
		return
	}
	q.failed = true
	var kind, message []byte
	u.S.Object()
	for key, ok := u.S.Key(); ok; key, ok = u.S.Key() {
		switch string(key) {
		case "error_type":
			kind = errorText(u, i, "error.error_type")
		case "error_msg":
			message = errorText(u, i, "error.error_msg")
		default:
			u.S.Skip()
		}
	}
	q.failure = jsonrun.Classify(string(kind))
	if line := failures.Line(string(message)); line != "" {
		if q.failure.Class == "" || q.failure.Class == failures.Other {
			q.failure.Class = jsonrun.Classify(line).Class
		}
		q.failure.Line = failures.Line(string(kind) + ": " + line)
	}
}

// errorText reads a part of an error, null where there is none.
func errorText(u *jsonrun.Upload, i int, key string) []byte {
	if u.S.Peek() == jsonscan.Null {
		u.S.Skip()
		return nil
	}
	text, err := u.S.Text(nil)
	var value *jsonscan.ValueError
	if errors.As(err, &value) {
		u.Reject(value.Offset, i, "%s: found %s, expected an error message, %s", key, value.Text, value.Want)
		return []byte(failures.Unreadable)
	}
	return text
}

// model takes the name of the model from the payload of a request, a string of
// JSON.
func model(u *jsonrun.Upload) schemas.Opt[string] {
	text, err := u.S.Text(nil)
	if err != nil {
		return schemas.Opt[string]{}
	}
	s := jsonscan.NewScanner(strings.NewReader(string(text)), jsonscan.Options{})
	if !s.More() || s.Object() != nil {
		return schemas.Opt[string]{}
	}
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		if string(key) != "model" {
			s.Skip()
			continue
		}
		if name, err := s.Text(nil); err == nil && len(name) > 0 {
			return schemas.Some(string(name))
		}
	}
	return schemas.Opt[string]{}
}

// seconds reads a time of the client's clock.
func (q *request) seconds(u *jsonrun.Upload, i int, key string) int64 {
	at := u.S.Offset()
	ns, err := u.S.Nanos()
	var value *jsonscan.ValueError
	if errors.As(err, &value) {
		u.Reject(value.Offset, i, "%s: found %s, expected a time in seconds", key, value.Text)
	} else if err == nil && ns < 0 {
		u.Reject(at, i, "%s: found a negative time", key)
	} else {
		return ns
	}
	q.bad = true
	return jsonrun.None
}

// count reads a number of tokens. A null is missing.
func (q *request) count(u *jsonrun.Upload, i int, key string) int64 {
	if u.S.Peek() == jsonscan.Null {
		u.S.Skip()
		return jsonrun.None
	}
	at := u.S.Offset()
	n, err := u.S.Int64()
	var value *jsonscan.ValueError
	if errors.As(err, &value) {
		u.Reject(value.Offset, i, "%s: found %s, expected a number of tokens, zero or more", key, value.Text)
	} else if err == nil && n < 0 {
		u.Reject(at, i, "%s: found %d, expected a number of tokens, zero or more", key, n)
	} else {
		return n
	}
	q.bad = true
	return jsonrun.None
}

// times reads an array of times.
func (q *request) times(u *jsonrun.Upload, i int, key string, dst []int64) []int64 {
	dst = dst[:0]
	at := u.S.Offset()
	if kind := u.S.Peek(); kind != jsonscan.Array {
		u.S.Skip()
		if kind != jsonscan.Null && kind != jsonscan.Invalid {
			u.Reject(at, i, "%s: found %s, expected an array of times in seconds", key, kind)
			q.bad = true
		}
		return dst
	}
	u.S.Array()
	said := false
	for more := true; more; {
		var err error
		dst, more, err = u.S.AppendNanos(dst, maxTimes)
		var value *jsonscan.ValueError
		switch {
		case errors.As(err, &value) && !said:
			u.Reject(value.Offset, i, "%s[%d]: found %s, expected a time in seconds", key, len(dst), value.Text)
			q.bad, said = true, true
		case err != nil && value == nil:
			return dst
		case err == nil && more:
			u.Reject(at, i, "%s: more than %d times", key, maxTimes)
			q.bad, said = true, true
			dst = dst[:0]
		}
	}
	return dst
}
