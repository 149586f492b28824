package vllm

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// benchmark_serving_multi_turn.py saves no result but, with --stats-json-output,
// a list with an object for each request that succeeded:
//
//	[{"ttft_ms": 41.2, "tpot_ms": 9.8, "latency_ms": 1201.5, "start_time_ms": 353399701.2,
//	  "input_num_turns": 3, "input_num_tokens": 812, "output_num_tokens": 120,
//	  "output_num_chunks": 118, "output_num_first_chunk_tokens": 1,
//	  "approx_cached_percent": 88.1, "conversation_id": "CONV_ID_4", "client_id": 0}, …]
//
// They come in the order in which they were gathered from the clients, and are
// put in order of their start here.

// turns are the requests of a multi-turn benchmark read so far.
type turns struct {
	pos      schemas.Pos
	list     []turn
	sessions map[string]string // each once
	content  *hasher
	// Requests of which one value could not be used as it is.
	estimated, unstreamed int
	dropped               bool // there were too many
}

// A turn is one request.
type turn struct {
	at                           int64
	start, ttft, latency         schemas.Opt[int64]
	input, output, chunks, index schemas.Opt[int64]
	session                      schemas.Opt[string]
	spoilt                       bool
}

// isTurn reports whether the object is a request of the multi-turn benchmark.
func (u *run) isTurn() bool {
	return u.has("ttft_ms", "latency_ms", "start_time_ms", "output_num_tokens", "conversation_id")
}

// addTurn takes in the object that was read, which is an element of the list of
// a multi-turn benchmark.
func (r *Reader) addTurn(u *run) {
	r.run, r.state = nil, betweenRuns
	if r.turns == nil {
		r.turns = &turns{pos: r.pos(u.pos.Offset), sessions: map[string]string{}, content: newDigest()}
	}
	t := r.turns
	switch {
	case u.spoilt:
		return
	case !u.isTurn():
		r.queue = append(r.queue, &schemas.Reject{At: r.pos(u.pos.Offset), Reason: "no request of the multi-turn benchmark: its keys are " + keysOf(u.digests)})
		return
	case len(t.list) < r.limits.requests:
	case !t.dropped:
		t.dropped = true
		r.queue = append(r.queue, &schemas.Reject{At: r.pos(u.pos.Offset), Reason: fmt.Sprintf("more than %d requests, the most that a run may have: the rest is left out", r.limits.requests)})
		return
	default:
		return
	}
	t.content.bytes([]byte(contentDigest(u.digests)))
	t.list = append(t.list, t.read(u, r))
}

// read makes a turn of what was read of its object. The tool writes the TTFT of
// the first token, which it estimates where the first chunk carried several: the
// time of the chunk is what was measured, and is put back.
func (t *turns) read(u *run, r *Reader) turn {
	faults := len(r.queue)
	ttft, tpot := setMillis(u, r, "ttft_ms"), setMillis(u, r, "tpot_ms")
	first := setInt(u, r, "output_num_first_chunk_tokens")
	rec := turn{
		at: u.pos.Offset, start: setMillis(u, r, "start_time_ms"), ttft: ttft, latency: setMillis(u, r, "latency_ms"),
		input: setInt(u, r, "input_num_tokens"), output: setInt(u, r, "output_num_tokens"),
		chunks: setInt(u, r, "output_num_chunks"), session: setText(u, r, "conversation_id"),
	}
	if messages := setInt(u, r, "input_num_turns"); messages.V > 0 {
		rec.index = schemas.Some((messages.V - 1) / 2) // questions and answers take turns
	}
	if id, known := t.sessions[rec.session.V]; known {
		rec.session.V = id
	} else {
		t.sessions[rec.session.V] = rec.session.V
	}
	const least = 100_000 // ns: what the tool writes where its estimate is below
	switch {
	case first == schemas.Some[int64](0) && rec.chunks.V == 0:
		t.unstreamed++ // --no-stream: the answer came as one
		rec.ttft, rec.chunks = schemas.Opt[int64]{}, schemas.Opt[int64]{}
	case first.V > 1 && ttft.V > least && first.V < 1<<20 && tpot.V < 1<<40:
		rec.ttft.V = ttft.V + (first.V-1)*tpot.V
	case first.V > 1:
		t.estimated++
		rec.ttft = schemas.Opt[int64]{}
	}
	if rec.chunks.OK {
		rec.chunks.V++ // the tool counts those behind the first
	}
	const rounding = 1000 // ns, of what the tool subtracted and we add
	switch late := rec.ttft.V - rec.latency.V; {
	case !rec.ttft.OK || !rec.latency.OK || late <= 0:
	case late <= rounding:
		rec.ttft = rec.latency
	default:
		r.queue = append(r.queue, &schemas.Reject{At: r.pos(rec.at), Reason: fmt.Sprintf(
			"the first chunk, at %v, comes after the last, at %v: neither time can be believed", time.Duration(rec.ttft.V), time.Duration(rec.latency.V))})
		rec.ttft, rec.latency = schemas.Opt[int64]{}, schemas.Opt[int64]{}
	}
	rec.spoilt = len(r.queue) > faults
	return rec
}

// closeTurns ends the list, and hands out its requests as those of one run.
func (r *Reader) closeTurns(broken bool) {
	t := r.turns
	r.turns = nil
	slices.SortStableFunc(t.list, func(a, b turn) int { return cmp.Compare(a.start.V, b.start.V) })
	u := newRun(t.pos, r.limits.requests)
	u.turns = t.list
	u.requests = len(t.list)
	u.record = t.record(broken)
	for i := range t.list {
		if s := t.list[i].start; s.OK && (u.origin == missing || s.V < u.origin) {
			u.origin = s.V
		}
	}
	r.run = u
	r.handOut()
}

// record makes the record of the run.
func (t *turns) record(broken bool) *schemas.Run {
	digest := t.content.sum()
	rec := &schemas.Run{
		At: t.pos, SourceName: t.pos.File, ParserVersion: ParserVersion, ContentDigest: hex.EncodeToString(digest[:]),
		Producer: "vllm multi-turn", Dialect: "multi-turn", Bench: "serve", Backend: schemas.Some("openai-chat"), Detailed: true,
		Clock: schemas.Some("perf_counter"), Truncated: broken,
		Requests: schemas.Some(int64(len(t.list))), Failed: schemas.Some[int64](0),
		Reported: map[string]string{}, Extra: map[string]string{},
	}
	var completed, input, output int64
	lens := make([]int64, len(t.list))
	for i, turn := range t.list {
		lens[i] = turn.input.V
		if turn.spoilt {
			rec.Failed.V++
			continue
		}
		completed++
		input += turn.input.V
		output += turn.output.V
	}
	rec.Completed, rec.Suspect = schemas.Some(completed), schemas.Some[int64](0)
	rec.InputTokens, rec.OutputTokens = schemas.Some(input), schemas.Some(output)
	note := func(format string, args ...any) { rec.Notes = append(rec.Notes, fmt.Sprintf(format, args...)) }
	if broken {
		note("truncated: the file breaks off behind %d requests", len(t.list))
	} else {
		rec.WorkloadDigest = schemas.Some(schemas.WorkloadDigest(lens))
	}
	note("the tool saves only requests that succeeded, no settings and no gaps; tokens are counted by the client, without the chat template")
	note("E2EL runs until [DONE] has been read, and so does TPOT")
	if t.dropped {
		note("there were more requests than a run may have: the rest is left out")
	}
	if t.unstreamed > 0 {
		note("requests that were not streamed, and have no TTFT: %d", t.unstreamed)
	}
	if t.estimated > 0 {
		note("requests whose first chunk carried several tokens, and whose TTFT cannot be told: %d", t.estimated)
	}
	return rec
}

// turnRecord makes the record of request i.
func (u *run) turnRecord(i int) *schemas.Request {
	t := &u.turns[i]
	rec := &schemas.Request{
		At: u.pos, Index: i, Status: schemas.StatusOK, Session: t.session, Turn: t.index,
		TTFT: t.ttft, E2EL: t.latency, InputTokens: t.input, OutputTokens: t.output, Chunks: t.chunks,
	}
	rec.At.Request, rec.At.Offset = i, t.at
	if t.start.OK {
		rec.Start = schemas.Some(t.start.V - u.origin)
	}
	if t.latency.OK {
		rec.E2ELMethod = schemas.Some("upper_bound")
	}
	if t.spoilt {
		rec.Status, rec.ErrorClass = schemas.StatusFailed, schemas.Some(failures.BadRecord)
	}
	return rec
}

func setMillis(u *run, r *Reader, key string) schemas.Opt[int64] {
	return set(u, r, key, "a time in milliseconds, zero or more", func(text []byte) (int64, bool) {
		v, ok := jsonscan.ParseMillis(text)
		return v, ok && v >= 0
	})
}
