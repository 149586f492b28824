package llmperf

import (
	"fmt"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// A requestList is the Format of the list of requests.
type requestList struct {
	at       int64 // of the array
	open     bool
	requests jsonrun.Requests
	digest   *jsonrun.Digest
	keys     int // names of keys among the requests
	bad      int // requests with a malformed record
}

// Step reads the next request, or closes the run behind the last.
func (l *requestList) Step(u *jsonrun.Upload) bool {
	switch {
	case !l.open && u.S.More():
		l.start(u)
	case !l.open:
		return false
	case u.S.Next():
		l.readElement(u)
	case u.S.Err() == nil:
		l.open = false
		if l.requests.Len() == 0 {
			u.Lose(l.at, "no list of requests of llmperf: no element has a ttft_s")
			return true
		}
		u.Close(l.record(u), &l.requests)
	}
	return true
}

func (l *requestList) start(u *jsonrun.Upload) {
	at := u.S.Offset()
	if kind := u.S.Peek(); kind != jsonscan.Array {
		at = u.S.Offset()
		if u.S.Skip() == nil {
			u.Lose(at, "found %s behind the list of requests", kind)
		}
		return
	}
	u.S.Array()
	*l = requestList{at: at, open: true, digest: jsonrun.NewDigest("llmperf requests 1")}
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
	run.Dialect = "requests"
	run.Detailed = true
	run.ContentDigest = l.digest.Sum()
	note := func(n int, format string) {
		if n > 0 {
			run.Notes = append(run.Notes, fmt.Sprintf(format, n))
		}
	}
	run.Notes = append(run.Notes, "numbers of tokens are those of the tool's Llama-2 tokenizer, whatever model was run")
	note(l.keys, "names of keys among the requests: %d. The tool leaves them of requests that were still under way at its end, and of failed ones")
	note(l.bad, "requests with a malformed record, counted as failed: %d")
	return run
}

func (l *requestList) readElement(u *jsonrun.Upload) {
	i := l.requests.Len()
	u.Reading(i)
	kind := u.S.Peek()
	at := u.S.Offset()
	switch {
	case kind == jsonscan.String:
		u.S.Skip()
		l.keys++
		return
	case kind != jsonscan.Object:
		if u.S.Skip() == nil {
			u.Reject(at, -1, "found %s, expected a request", kind)
		}
		return
	}
	v := jsonrun.ReadValues(u)
	switch {
	case u.S.Err() != nil:
	case i == u.MaxRequests():
		u.Reject(at, -1, "more than %d requests, the most that a run may have", i)
	case !v.Has("ttft_s"):
		u.Reject(at, -1, "an object without a ttft_s, expected a request")
	default:
		l.add(u, v, at)
	}
}

// add makes the request's row.
func (l *requestList) add(u *jsonrun.Upload, v *jsonrun.Values, at int64) {
	row := jsonrun.NewRow(at)
	bad := v.Twice != ""
	if bad {
		u.Reject(at, l.requests.Len(), "key %q comes twice in one object", v.Twice)
	}
	read := func(key string, value schemas.Opt[int64]) int64 {
		if value.OK {
			return value.V
		}
		bad = bad || v.Has(key) && v.JSON(key) != "null"
		return jsonrun.None
	}
	row.TTFT = read("ttft_s", v.Seconds("ttft_s"))
	row.E2EL = read("end_to_end_latency_s", v.Seconds("end_to_end_latency_s"))
	row.Input = read("number_input_tokens", v.Int("number_input_tokens"))
	row.Output = read("number_output_tokens", v.Int("number_output_tokens"))
	failure, failed := failureOf(v)
	if row.TTFT == 0 { // no chunk came
		row.TTFT = jsonrun.None
	}
	if row.E2EL == 0 {
		row.E2EL = jsonrun.None
	}
	if row.TTFT != jsonrun.None && row.E2EL != jsonrun.None && row.TTFT > row.E2EL {
		u.Reject(at, l.requests.Len(), "ttft_s: it is longer than end_to_end_latency_s")
		row.E2EL = jsonrun.None
		bad = true
	}
	switch {
	case bad:
		l.bad++
		row.Status = jsonrun.Failed
		failure = failures.Failure{Class: failures.BadRecord}
	case failed:
		row.Status = jsonrun.Failed
		if row.E2EL == jsonrun.None {
			row.Output = jsonrun.None // the tool writes a one
		}
	case row.TTFT == jsonrun.None:
		row.Status = jsonrun.Suspect
	}
	l.digest.Text(v.Digest())
	l.requests.Add(row, failure)
}

// failureOf tells a failure by its code: one of HTTP, or the tool's own.
func failureOf(v *jsonrun.Values) (f failures.Failure, failed bool) {
	code := v.JSON("error_code")
	if code == "" || code == "null" || code == "NaN" {
		return f, false
	}
	message, _ := jsonscan.Unquote([]byte(v.JSON("error_msg")))
	f = jsonrun.Classify(message)
	if n, ok := jsonscan.ParseInt([]byte(code)); ok && n >= 400 && n < 600 {
		f.Class = failures.HTTP
	}
	if f.Class == "" {
		f.Class = failures.Other
	}
	f.Line = failures.Line(jsonrun.Shorten(code) + " " + f.Line)
	return f, true
}
