package aiperf

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/schemas"
)

const producer = "aiperf"

// A request is what is kept of a record until the run ends: a hundred bytes.
type request struct {
	offset, start, credit            int64 // start and credit: ns since 1970
	ttft, answer, e2el, chunks       int64
	input, output, reasoning, cached int64
	session, turn, workload          int64
	conversation                     string // where sessions have no number
	failure                          uint32
	status                           schemas.Status
	finish                           string
	exact                            bool
}

// A run is what has been read of the records of one file.
type run struct {
	pos       schemas.Pos
	requests  []request
	failures  failures.Set
	hash      hash.Hash
	truncated bool
	unread    int // lines that were no records
	faults    int // values that could not be used

	dialect   string
	finishes  map[string]string // each once
	model     string
	multiTurn bool
	gaps      bool
	usageIn   [2]int64 // tokens of completed requests that have both counts: the server's, the client's
	usageOut  [2]int64
	record    *schemas.Run
	origin    int64
}

func newRun(pos schemas.Pos) *run {
	return &run{pos: pos, hash: contentHash(), finishes: map[string]string{}}
}

// isShard reports whether the file is what one worker wrote, and not yet a result.
func (u *run) isShard() bool { return shardFile.MatchString(path.Base(u.pos.File)) }

var shardFile = regexp.MustCompile(`^raw_records_.*\.jsonl(\.gz|\.zst)?$`)

// add takes in a record.
func (u *run) add(l *line, format string) {
	l.finish(format)
	u.hash.Write(l.sum.Bytes())
	if u.dialect == "" {
		u.dialect = dialect(format, l.old)
	}
	if u.model == "" {
		u.model = l.raw.model
	}
	u.multiTurn = u.multiTurn || l.turn > 0
	u.gaps = u.gaps || len(l.gaps) > 0
	q := request{
		offset: l.at, start: l.start, credit: l.credit,
		ttft: l.ttft, answer: l.answer, e2el: l.e2el, chunks: l.chunks,
		input: l.input, output: first(l.usageOutput, l.output), reasoning: l.reasoning, cached: l.cached,
		session: l.session, turn: l.turn, workload: l.workload,
		status: l.status(), finish: u.finish(l.raw.finish), exact: !l.failed,
	}
	if l.session == missing {
		q.conversation = l.conversation
	}
	if l.failed {
		q.failure = u.failures.Add(l.failure)
	}
	if q.status == schemas.StatusOK {
		both(&u.usageIn, l.usageInput, l.clientInput())
		both(&u.usageOut, l.usageOutput, l.output)
	}
	u.requests = append(u.requests, q)
}

// clientInput is the length of the prompt as the client counts it.
func (l *line) clientInput() int64 {
	if l.values[mInput].seen {
		return l.count(mInput)
	}
	return missing
}

func both(sums *[2]int64, server, client int64) {
	if server != missing && client != missing {
		sums[0] += server
		sums[1] += client
	}
}

func dialect(format string, old bool) string {
	switch {
	case format == FormatRaw:
		return "raw"
	case old:
		return "jsonl-0.1"
	}
	return "jsonl"
}

// status: a record without an error and without a response completed by the
// tool's word alone.
func (l *line) status() schemas.Status {
	switch {
	case l.phase == "warmup":
		return schemas.StatusWarmup
	case l.failed:
		return schemas.StatusFailed
	case l.e2el == missing:
		return schemas.StatusSuspect
	}
	return schemas.StatusOK
}

// finish keeps one of each reason; there are few, unless the file is hostile.
func (u *run) finish(reason string) string {
	const enough = 100
	kept, ok := u.finishes[reason]
	if !ok && len(u.finishes) < enough {
		kept = failures.Line(reason)
		u.finishes[reason] = kept
	}
	return kept
}

func newRecord(pos schemas.Pos, h hash.Hash) *schemas.Run {
	return &schemas.Run{
		At: pos, SourceName: pos.File, ParserVersion: ParserVersion,
		Producer: producer, Bench: "serve",
		ContentDigest: hex.EncodeToString(h.Sum(nil)),
		Reported:      map[string]string{}, Extra: map[string]string{},
	}
}

// close makes the record of the run.
func (u *run) close() {
	rec := newRecord(u.pos, u.hash)
	u.record = rec
	rec.Dialect = u.dialect
	rec.Detailed = true
	rec.Clock = schemas.Some("epoch")
	rec.Truncated = u.truncated || u.isShard()
	if u.gaps {
		rec.GapKind = schemas.ChunkGaps
	}
	if u.model != "" {
		rec.Model = schemas.Some(u.model)
	}
	u.setTimes()
	u.count()
	u.setWorkload()
	u.addNotes()
}

// setTimes finds the first start, and how long the run took by the tool's
// definition: from the first start to the last response, of completed requests.
func (u *run) setTimes() {
	u.origin = math.MaxInt64
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	for _, q := range u.requests {
		if q.start == missing {
			continue
		}
		u.origin = min(u.origin, q.start)
		if q.status == schemas.StatusOK && q.start+q.e2el >= q.start {
			from, to = min(from, q.start), max(to, q.start+q.e2el)
		}
	}
	if to <= from {
		return
	}
	u.record.DurationNS = schemas.Some(to - from)
	u.record.EndedAt = schemas.Some(time.Unix(0, to).UTC())
}

func (u *run) count() {
	n := map[schemas.Status]int64{}
	var input, output schemas.Opt[int64]
	for _, q := range u.requests {
		n[q.status]++
		if q.status != schemas.StatusOK {
			continue
		}
		addTo(&input, q.input)
		addTo(&output, q.output)
	}
	rec := u.record
	rec.Requests = schemas.Some(int64(len(u.requests)) - n[schemas.StatusWarmup])
	rec.Completed, rec.Failed = schemas.Some(n[schemas.StatusOK]), schemas.Some(n[schemas.StatusFailed])
	rec.Suspect = schemas.Some(n[schemas.StatusSuspect])
	rec.InputTokens, rec.OutputTokens = input, output
}

func addTo(sum *schemas.Opt[int64], v int64) {
	if v != missing && sum.V+v >= sum.V {
		*sum = schemas.Some(sum.V + v)
	}
}

// setWorkload digests the lengths of the prompts in order of submission, which
// is that of sessions and their turns, where these are numbered.
func (u *run) setWorkload() {
	var order []int
	for i, q := range u.requests {
		if q.status == schemas.StatusWarmup {
			continue
		}
		if q.workload == missing {
			return
		}
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := u.requests[i], u.requests[j]
		if a.session != b.session {
			return cmp.Compare(a.session, b.session)
		}
		if a.session == missing {
			return cmp.Compare(a.start, b.start)
		}
		return cmp.Compare(a.turn, b.turn)
	})
	var lens []int64
	for _, i := range order {
		lens = append(lens, u.requests[i].workload)
	}
	if len(lens) > 0 {
		u.record.WorkloadDigest = schemas.Some(schemas.WorkloadDigest(lens))
	}
}

func (u *run) note(format string, args ...any) {
	u.record.Notes = append(u.record.Notes, fmt.Sprintf(format, args...))
}

// addNotes says what the records as a whole show.
func (u *run) addNotes() {
	var warm, suspect, cancelled, spoilt, chunks, tokens, streamed int64
	for _, q := range u.requests {
		switch class := u.failures.At(q.failure).Class; {
		case q.status == schemas.StatusWarmup:
			warm++
		case q.status == schemas.StatusSuspect:
			suspect++
		case class == failures.Cancelled:
			cancelled++
		case class == failures.BadRecord:
			spoilt++
		case q.status == schemas.StatusOK && q.chunks != missing && q.output > 0:
			chunks += q.chunks
			tokens += q.output
		case q.status == schemas.StatusOK && q.ttft != missing && q.output > 1:
			streamed++
		}
	}
	if u.isShard() {
		u.note("the raw records of one worker (raw_records_*.jsonl), which AIPerf joins and removes when a benchmark ends: this one was interrupted, and the requests of its other workers are in other files")
	}
	if u.truncated {
		u.note("truncated: the file ends inside a record, and what came after it is not here")
	}
	if u.unread > 0 {
		u.note("lines that cannot be read, and leave no request: %d", u.unread)
	}
	if warm > 0 {
		u.note("requests of the warm-up, which count in no number: %d", warm)
	}
	if cancelled > 0 {
		u.note("requests that the client cancelled, counted as failed: %d", cancelled)
	}
	if suspect > 0 {
		u.note("suspect requests: %d, which have neither an error nor a response", suspect)
	}
	if spoilt > 0 {
		u.note("requests with a malformed record, counted as failed: %d", spoilt)
	}
	if chunks > 0 && chunks != tokens {
		u.note("a chunk is not a token: %d chunks for %d tokens, %.2f tokens per chunk; ITL is per chunk", chunks, tokens, float64(tokens)/float64(chunks))
	}
	if !u.gaps && streamed > 0 {
		u.note("the records hold no inter_chunk_latency: there is no ITL")
	}
	u.noteUsage("input", u.usageIn)
	u.noteUsage("output", u.usageOut)
	if note := u.failures.Note(); note != "" {
		u.note("%s", note)
	}
}

func (u *run) noteUsage(what string, sums [2]int64) {
	if sums[0] != sums[1] {
		u.note("%s tokens are the server's count, %d; the tool's own numbers rest on its tokenizer's, %d", what, sums[0], sums[1])
	}
}

// requestRecord makes the record of request i.
func (u *run) requestRecord(i int) *schemas.Request {
	q := &u.requests[i]
	f := u.failures.At(q.failure)
	rec := &schemas.Request{
		At: u.pos, Index: i, Status: q.status,
		ErrorClass: nonEmpty(f.Class), Error: nonEmpty(f.Line), FinishReason: nonEmpty(q.finish),
		TTFT: recorded(q.ttft), FirstAnswer: recorded(q.answer), E2EL: recorded(q.e2el), Chunks: recorded(q.chunks),
		InputTokens: recorded(q.input), OutputTokens: recorded(q.output),
		Reasoning: recorded(q.reasoning), CachedTokens: recorded(q.cached),
	}
	rec.At.Request = i
	rec.At.Offset = q.offset
	if q.start != missing {
		rec.Start = schemas.Some(q.start - u.origin)
		if q.credit != missing {
			rec.Scheduled = schemas.Some(q.credit - u.origin)
		}
	}
	if rec.E2EL.OK {
		rec.E2ELMethod = schemas.Some("exact")
		if !q.exact {
			rec.E2ELMethod = schemas.Some("lower_bound")
		}
	}
	if u.multiTurn {
		rec.Session, rec.Turn = nonEmpty(q.conversation), recorded(q.turn)
		if q.session != missing {
			rec.Session = schemas.Some(strconv.FormatInt(q.session, 10))
		}
	}
	return rec
}

func recorded(v int64) schemas.Opt[int64] {
	if v == missing {
		return schemas.Opt[int64]{}
	}
	return schemas.Some(v)
}

func nonEmpty(s string) schemas.Opt[string] {
	if s == "" {
		return schemas.Opt[string]{}
	}
	return schemas.Some(s)
}

func contentHash() hash.Hash {
	h := sha256.New()
	h.Write([]byte("servestat aiperf content 1"))
	return h
}
