package genaiperf

import (
	"errors"
	"fmt"
	"time"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// A state says what a profile's step does next.
type state int

const (
	outside            state = iota // of the array of experiments
	betweenExperiments              // in it
	inExperiment                    // between two keys
	betweenRequests                 // in the array of requests
)

// A profile reads the array of experiments.
type profile struct {
	state state
	of    *jsonrun.Values // the object that it lies in
	seen  bool            // an experiment was

	// Of the experiment being read, or read last and not yet closed: the keys
	// that say how it was made come behind the last one.
	run      *schemas.Run
	values   *jsonrun.Values
	pending  bool // its end was read, and the next has begun
	requests jsonrun.Requests
	digest   *jsonrun.Digest
	last     int64 // time of the last chunk
	gaps     bool

	suspect, bad, noUsage int
	one                   request
}

// step reads on a little.
func (p *profile) step(u *jsonrun.Upload) {
	switch p.state {
	case betweenExperiments:
		p.nextExperiment(u)
	case inExperiment:
		p.readKey(u)
	case betweenRequests:
		p.nextRequest(u)
	}
}

func (p *profile) nextExperiment(u *jsonrun.Upload) {
	if !p.pending && !u.S.Next() {
		p.state = outside
		return
	}
	if p.run != nil { // this one shows that the one before was not the last
		p.pending = true
		p.close(u)
		return
	}
	p.pending = false
	kind := u.S.Peek()
	at := u.S.Offset()
	if kind != jsonscan.Object {
		if u.S.Skip() == nil {
			u.Lose(at, "found %s, expected an experiment", kind)
		}
		return
	}
	u.S.Object()
	p.state, p.seen = inExperiment, true
	p.run = u.NewRun(at, producer, ParserVersion)
	p.values = jsonrun.NewValues(u)
	p.values.Offset = at
	p.requests, p.digest = jsonrun.Requests{}, jsonrun.NewDigest("genai-perf profile 1")
	p.last, p.gaps = jsonrun.None, false
	p.suspect, p.bad, p.noUsage = 0, 0, 0
}

func (p *profile) readKey(u *jsonrun.Upload) {
	name, ok := u.S.Key()
	switch key := string(name); {
	case !ok && u.S.Err() == nil:
		p.state = betweenExperiments
	case !ok:
	case key == "requests" && u.S.Peek() == jsonscan.Array:
		u.S.Array()
		p.state = betweenRequests
	case key == "experiment":
		p.values.Add(key)
	default:
		u.S.Skip()
	}
}

func (p *profile) nextRequest(u *jsonrun.Upload) {
	if !u.S.Next() {
		u.Reading(-1)
		p.state = inExperiment
		return
	}
	i := p.requests.Len()
	u.Reading(i)
	kind := u.S.Peek()
	at := u.S.Offset()
	if kind != jsonscan.Object || i == u.MaxRequests() {
		if u.S.Skip() == nil {
			u.Reject(at, -1, "found %s, expected one of at most %d requests", kind, u.MaxRequests())
		}
		return
	}
	p.one.read(u, i)
	if u.S.Err() != nil {
		return
	}
	if i == 0 && p.one.model != "" {
		p.run.Model = schemas.Some(p.one.model)
		p.run.Provenance = map[string]string{"model": "the first request"}
	}
	p.add(u, at)
}

// add makes the request's row, and hands on its gaps.
func (p *profile) add(u *jsonrun.Upload, at int64) {
	q := &p.one
	i := p.requests.Len()
	stamps := q.chunks(u, i, at) // and what the server said of them
	row := jsonrun.NewRow(at)
	row.Start = q.start
	row.Input, row.Output, row.Cached, row.Reasoning = q.input, q.output, q.cached, q.reasoning
	p.digest.Int64(q.start, q.input, q.output, int64(len(q.stamps)))
	p.digest.Int64(q.stamps...)
	failure := failures.Failure{}
	switch {
	case q.bad:
		p.bad++
		row.Status = jsonrun.Failed
		failure.Class = failures.BadRecord
	case q.failure != "":
		row.Status = jsonrun.Failed
		failure = jsonrun.Classify(q.failure)
	case len(stamps) == 0:
		p.suspect++
		row.Status = jsonrun.Suspect
	}
	if !q.bad {
		row.Chunks = int64(len(stamps))
	}
	if !q.bad && len(stamps) > 0 {
		row.TTFT, row.E2EL = stamps[0]-q.start, stamps[len(stamps)-1]-q.start
		p.last = max(p.last, stamps[len(stamps)-1])
		for k := 1; k < len(stamps); k++ {
			q.nanos = append(q.nanos, stamps[k]-stamps[k-1])
		}
		p.gaps = p.gaps || len(q.nanos) > 0
		u.EmitGaps(at, i, q.nanos, nil)
		if row.Output == jsonrun.None {
			p.noUsage++
		}
	}
	p.requests.Add(row, failure)
}

// close hands out the experiment.
func (p *profile) close(u *jsonrun.Upload) {
	run := p.run
	p.run = nil
	run.Dialect = "profile"
	run.Clock = schemas.Some("epoch")
	run.Detailed = true
	if p.gaps {
		run.GapKind = schemas.ChunkGaps
	}
	p.settle(run)
	first := jsonrun.None
	for _, row := range p.requests.Rows() {
		if row.Start != jsonrun.None && (first == jsonrun.None || row.Start < first) {
			first = row.Start
		}
	}
	if first != jsonrun.None && p.last >= first {
		run.DurationNS = schemas.Some(p.last - first)
		run.EndedAt = schemas.Some(time.Unix(0, p.last).UTC())
	}
	note := func(n int, format string) {
		if n > 0 {
			run.Notes = append(run.Notes, fmt.Sprintf(format, n))
		}
	}
	note(p.suspect, "suspect requests: %d, which the tool counts in its throughput though no text ever came")
	note(p.bad, "requests with a malformed record, counted as failed: %d")
	note(p.noUsage, "requests of which the server sent no usage: %d; their output tokens are not known, and they have no TPOT")
	run.ContentDigest = p.digest.Sum()
	if p.requests.Len() == 0 {
		u.Close(run, nil)
		return
	}
	u.Close(run, &p.requests)
}

// settle fills in what was asked, as far as it has been read.
func (p *profile) settle(run *schemas.Run) {
	switch p.values.JSON("experiment.mode") {
	case `"concurrency"`:
		run.MaxConcurrency = p.values.Int("experiment.value")
	case `"request_rate"`:
		run.RequestRate = p.values.Rate("experiment.value")
	}
	p.digest.Text(p.values.JSON("experiment.mode") + p.values.JSON("experiment.value"))
	run.Backend = p.of.Text("service_kind")
	for _, key := range []string{"endpoint", "version"} {
		if p.of.Has(key) && p.of.JSON(key) != `""` {
			run.Extra[key] = p.of.JSON(key)
		}
	}
}

// maxResponses bounds the responses of a request.
const maxResponses = 1 << 20

// A request is an element of the array of requests.
type request struct {
	start              int64
	stamps             []int64  // when each response came
	responses          []string // what it was
	texts              []bool   // of responses that are not SSE: whether there is text
	hasTexts           bool
	input, output      int64 // by the server's usage
	cached, reasoning  int64
	model, failure     string
	bad                bool
	nanos, chunkStamps []int64
}

func (q *request) read(u *jsonrun.Upload, i int) {
	*q = request{
		start: jsonrun.None, input: jsonrun.None, output: jsonrun.None, cached: jsonrun.None, reasoning: jsonrun.None,
		stamps: q.stamps[:0], responses: q.responses[:0], texts: q.texts[:0], nanos: q.nanos[:0], chunkStamps: q.chunkStamps[:0],
	}
	u.S.Object()
	for key, ok := u.S.Key(); ok; key, ok = u.S.Key() {
		switch string(key) {
		case "timestamp":
			q.start = q.nanosecond(u, i, "timestamp")
		case "response_timestamps":
			q.readStamps(u, i)
		case "response_outputs":
			q.readOutputs(u, i)
		case "request_inputs":
			q.readInputs(u, i)
		default:
			u.S.Skip()
		}
	}
	if q.start == jsonrun.None && u.S.Err() == nil && !q.bad {
		u.Reject(u.S.Offset(), i, "timestamp: it is missing")
		q.bad = true
	}
}

func (q *request) nanosecond(u *jsonrun.Upload, i int, key string) int64 {
	u.S.Peek()
	at := u.S.Offset()
	n, err := u.S.Int64()
	var value *jsonscan.ValueError
	if errors.As(err, &value) {
		u.Reject(value.Offset, i, "%s: found %s, expected a time in nanoseconds", key, value.Text)
	} else if err == nil && n < 0 {
		u.Reject(at, i, "%s: found a negative time", key)
	} else {
		return n
	}
	q.bad = true
	return jsonrun.None
}

func (q *request) readStamps(u *jsonrun.Upload, i int) {
	if !q.array(u, i, "response_timestamps") {
		return
	}
	for u.S.Next() {
		if len(q.stamps) == maxResponses {
			q.bad = true
			u.S.Skip()
			continue
		}
		q.stamps = append(q.stamps, q.nanosecond(u, i, "response_timestamps"))
	}
}

// array enters the array that must come next.
func (q *request) array(u *jsonrun.Upload, i int, key string) bool {
	kind := u.S.Peek()
	at := u.S.Offset()
	if kind == jsonscan.Array {
		u.S.Array()
		return true
	}
	if u.S.Skip() == nil {
		u.Reject(at, i, "%s: found %s, expected an array", key, kind)
		q.bad = true
	}
	return false
}

// readInputs takes the model's name from the payload of the first request.
func (q *request) readInputs(u *jsonrun.Upload, i int) {
	if i > 0 || u.S.Peek() != jsonscan.Object {
		u.S.Skip()
		return
	}
	u.S.Object()
	for key, ok := u.S.Key(); ok; key, ok = u.S.Key() {
		if string(key) != "payload" || u.S.Peek() != jsonscan.String {
			u.S.Skip()
			continue
		}
		if text, err := u.S.Text(nil); err == nil {
			q.model = modelOf(text)
		}
	}
}

// readOutputs reads what each response was. It is an object: of a "response",
// or of Triton's output.
func (q *request) readOutputs(u *jsonrun.Upload, i int) {
	if !q.array(u, i, "response_outputs") {
		return
	}
	for u.S.Next() {
		var response []byte
		text := false
		if u.S.Peek() != jsonscan.Object {
			u.S.Skip()
			q.bad = true
			continue
		}
		u.S.Object()
		for key, ok := u.S.Key(); ok; key, ok = u.S.Key() {
			switch kind := u.S.Peek(); {
			case string(key) == "response" && kind == jsonscan.String:
				response, _ = u.S.Text(nil) // one that is too long is no text
			case string(key) == "text_output" || string(key) == "output_ids":
				q.hasTexts, text = true, kind != jsonscan.Null
				u.S.Skip()
			default:
				u.S.Skip()
			}
		}
		if len(q.responses) < maxResponses {
			q.responses = append(q.responses, string(response))
			q.texts = append(q.texts, text)
		}
	}
}
