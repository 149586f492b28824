package guidellm

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/ingest/leaves"
	"github.com/servestat/servestat/schemas"
)

const producer = "guidellm"

// A run is what has been read of a benchmark.
type run struct {
	pos         schemas.Pos
	shared      *report
	maxRequests int
	flat        *leaves.Leaves
	sum         jsonscan.Bag
	hashes      map[string]hash.Hash // of the requests, by list
	keys        map[string]bool

	requests   []request // in order of submission, once the run is closed
	places     []int32   // where each is, by its order in the file
	failures   failures.Set
	faults     []fault
	unreported int
	truncated  bool
	fatal      string
	fatalAt    int64

	from, to   int64 // the window that the tool's metrics cover; missing where the file does not say
	multiTurn  bool
	responseID bool // requests have a response_id, as from 0.5 on
	origin     int64
	record     *schemas.Run
}

func newRun(pos schemas.Pos, shared *report, maxRequests int) *run {
	return &run{
		pos: pos, shared: shared, maxRequests: maxRequests, flat: newLeaves(), hashes: map[string]hash.Hash{},
		keys: map[string]bool{}, from: missing, to: missing,
	}
}

// newLeaves returns no leaves yet. The points that draw a distribution are not
// among them.
func newLeaves() *leaves.Leaves {
	return &leaves.Leaves{Skip: func(path string) bool {
		last := path[strings.LastIndexByte(path, '.')+1:]
		return last == "pdf" || last == "cumulative_distribution_function" || last == "traceback"
	}}
}

// read reads the benchmark that comes next.
func (u *run) read(s *jsonscan.Scanner) {
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		name := string(key)
		s.Peek()
		if u.keys[name] {
			u.spoil(s.Offset(), "key %q comes twice in one object", name)
			s.Skip()
			continue
		}
		u.keys[name] = true
		if name != "requests" || s.Peek() != jsonscan.Object {
			u.flat.Read(s, name, &u.sum)
			continue
		}
		s.Object()
		for list, ok := s.Key(); ok; list, ok = s.Key() {
			switch list := string(list); list {
			case "successful", "incomplete", "errored":
				u.readRequests(s, list)
			default: // a total of them all, which is null
				s.Skip()
			}
		}
	}
}

// spoil says that the run cannot be used.
func (u *run) spoil(at int64, format string, args ...any) {
	if u.fatal == "" {
		u.fatal, u.fatalAt = fmt.Sprintf(format, args...), at
	}
}

// known reports whether what was read is a benchmark.
func (u *run) known() bool {
	return len(u.requests) > 0 || u.keys["metrics"] && (u.keys["run_stats"] || u.keys["scheduler_state"] ||
		u.keys["scheduler_metrics"] || u.keys["config"] || u.keys["args"])
}

// close makes the record of the run.
func (u *run) close() {
	rec := &schemas.Run{
		At: u.pos, SourceName: u.pos.File, ParserVersion: ParserVersion,
		Producer: producer, Bench: "serve", Dialect: u.dialect(),
		ContentDigest: u.contentDigest(),
		Version:       u.shared.flat.String("metadata.guidellm_version"),
		Truncated:     u.truncated,
		Reported:      map[string]string{}, Extra: map[string]string{},
	}
	u.record = rec
	u.setWindow()
	u.sortRequests()
	u.setSettings()
	u.setLoad()
	u.count()
	u.setWorkload()
	u.sortLeaves()
	u.addNotes()
}

// contentDigest covers what the benchmark's own object holds. What it shares with
// others may come behind it.
func (u *run) contentDigest() string {
	h := contentHash()
	h.Write(u.sum.Bytes())
	for _, list := range slices.Sorted(maps.Keys(u.hashes)) {
		h.Write([]byte(list))
		h.Write(u.hashes[list].Sum(nil))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// dialect tells the schemas apart by their keys, and where they have one, by
// their number.
func (u *run) dialect() string {
	switch version := u.shared.flat.Integer("metadata.version"); {
	case version.OK:
		return fmt.Sprint(version.V)
	case u.keys["run_stats"], u.keys["request_loader"]:
		return "0.2"
	case u.shared.keys["config"]:
		return "2"
	case u.keys["scheduler_metrics"] && !u.responseID && u.shared.keys["args"]:
		return "0.4"
	}
	return "unknown"
}

// setWindow finds which part of the benchmark the tool's metrics cover. A
// request counts if it overlaps it.
func (u *run) setWindow() {
	from := u.flat.Seconds("scheduler_metrics.measure_start_time")
	to := u.flat.Seconds("scheduler_metrics.measure_end_time")
	if !from.OK || !to.OK {
		from, to = u.flat.Seconds("start_time"), u.flat.Seconds("end_time")
		if d := u.flat.Seconds("duration"); from.OK && to.OK && d.OK && d.V > 0 {
			u.record.DurationNS = d
		}
	}
	if !from.OK || !to.OK || to.V < from.V {
		return
	}
	u.record.EndedAt = schemas.Some(time.Unix(0, to.V).UTC())
	if !u.record.DurationNS.OK && to.V > from.V {
		u.record.DurationNS = schemas.Some(to.V - from.V)
	}
	// Up to 0.3, warm-up and cool-down are not among the requests at all.
	if u.keys["scheduler_metrics"] {
		u.from, u.to = from.V, to.V
	}
}

// sortRequests puts the requests in the order in which they were sent.
func (u *run) sortRequests() {
	slices.SortStableFunc(u.requests, func(a, b request) int {
		return cmp.Compare(uint64(a.start), uint64(b.start)) // one without a start comes last
	})
	u.places = make([]int32, len(u.requests))
	u.origin = math.MaxInt64
	for i := range u.requests {
		q := &u.requests[i]
		u.places[q.original] = int32(i)
		u.multiTurn = u.multiTurn || q.turn > 0
		if q.start != missing {
			u.origin = min(u.origin, q.start)
		}
		if u.outside(q) && q.status != schemas.StatusSuspect {
			q.status = schemas.StatusWarmup
		}
	}
}

func (u *run) outside(q *request) bool {
	end := first(q.end, q.last)
	start := first(q.start, end)
	return u.from != missing && end != missing && (end < u.from || start > u.to)
}

// indexOf returns where the request is that was read as the i-th.
func (u *run) indexOf(i int) int {
	if i < 0 || i >= len(u.places) {
		return -1
	}
	return int(u.places[i])
}

func (u *run) setSettings() {
	rec, own, all := u.record, u.flat, u.shared.flat
	get := func(ownPaths []string, sharedPaths ...string) schemas.Opt[string] {
		if v := own.String(ownPaths...); v.OK {
			return v
		}
		return all.String(sharedPaths...)
	}
	rec.Model = get([]string{"config.backend.model", "worker.backend_model"}, "config.spec.backend.model", "args.model", "args.backend_kwargs.model")
	rec.Tokenizer = get([]string{"request_loader.processor"}, "config.spec.tokenizer.model", "args.processor")
	rec.Backend = get([]string{"config.backend.request_format", "config.backend.kind", "worker.backend_type"}, "args.request_type", "args.backend", "args.backend.type_")
	rec.Seed = all.Integer("config.spec.seed.value", "args.random_seed")
	rec.NumPrompts = own.Integer("config.constraints.max_requests.args.count", "config.constraints.max_requests.args.max_num",
		"config.constraints.max_number.args.max_num", "args.max_number")
	fill(&rec.NumPrompts, all.Integer("args.max_requests"))
	for path, text := range all.All() {
		if key, ok := strings.CutPrefix(path, "config.metadata.labels."); ok {
			if rec.Labels == nil {
				rec.Labels = map[string]string{}
			}
			value, quoted := jsonscan.Unquote(text)
			if !quoted {
				value = string(text)
			}
			rec.Labels[key] = value
		}
	}
}

func fill[T any](into *schemas.Opt[T], v schemas.Opt[T]) {
	if !into.OK {
		*into = v
	}
}

// setLoad reads the strategy by which requests were sent. Its max_concurrency is
// a limit of the tool's own unless the profile asks for one.
func (u *run) setLoad() {
	rec := u.record
	strategy := "config.strategy."
	if u.flat.Get(strategy+"type_") == nil {
		strategy = "args.strategy."
	}
	asked := u.flat.Integer("config.profile.max_concurrency", "args.profile.max_concurrency")
	rec.MaxConcurrency = asked
	switch u.flat.String(strategy + "type_").V {
	case "synchronous":
		rec.MaxConcurrency = schemas.Some[int64](1)
	case "concurrent":
		rec.MaxConcurrency = u.flat.Integer(strategy + "streams")
	case "throughput":
		rec.RequestRate = schemas.Some(math.Inf(1))
	case "poisson":
		rec.Burstiness = schemas.Some(1.0)
		fallthrough
	default: // constant, async, trace, replay
		rec.RequestRate = u.flat.Float(strategy + "rate")
	}
	if rec.Detailed = len(u.requests) > 0; rec.Detailed {
		rec.Clock = schemas.Some("epoch")
	}
	if !scheduled[u.flat.String(strategy+"type_").V] {
		for i := range u.requests {
			u.requests[i].targeted = missing
		}
	}
}

// scheduled are the strategies whose requests have a time to be sent at. With
// the others it is that of the response before, or of the start.
var scheduled = map[string]bool{"constant": true, "poisson": true, "async": true, "trace": true, "replay": true}

// total returns a count of the tool's own.
func (u *run) total(status string) schemas.Opt[int64] {
	return u.flat.Integer("metrics.request_totals."+status, "request_totals."+status)
}

// sampled reports whether the file leaves out requests that the tool counts.
func (u *run) sampled() bool {
	all := u.total("total")
	if made := u.flat.Integer("scheduler_metrics.requests_made.total"); made.OK {
		all.V, all.OK = max(all.V, made.V), true
	}
	return !u.truncated && all.OK && int64(len(u.requests)) < all.V
}

// count counts requests and tokens: those of the file, or where it holds but a
// sample those of the tool's own summary.
func (u *run) count() {
	rec := u.record
	n := map[schemas.Status]int64{}
	var input, output schemas.Opt[int64]
	for i := range u.requests {
		q := &u.requests[i]
		n[q.status]++
		if q.status == schemas.StatusOK {
			addTo(&input, q.input)
			addTo(&output, q.output)
		}
	}
	rec.Requests = schemas.Some(int64(len(u.requests)) - n[schemas.StatusWarmup])
	rec.Completed, rec.Failed = schemas.Some(n[schemas.StatusOK]), schemas.Some(n[schemas.StatusFailed])
	rec.Suspect = schemas.Some(n[schemas.StatusSuspect])
	rec.InputTokens, rec.OutputTokens = input, output
	if u.sampled() || len(u.requests) == 0 {
		u.countTotals()
		return
	}
	if told := u.total("successful"); told.OK && told.V != n[schemas.StatusOK] && !u.truncated {
		u.note("the tool counts %d completed requests in its window, and the records %d", told.V, n[schemas.StatusOK])
	}
}

// countTotals takes the counts of the summary. Incomplete requests are among
// those that failed.
func (u *run) countTotals() {
	rec := u.record
	ok, errored, incomplete := u.total("successful"), u.total("errored"), u.total("incomplete")
	rec.Requests, rec.Completed, rec.Suspect = u.total("total"), ok, schemas.Opt[int64]{}
	rec.Failed = schemas.Opt[int64]{}
	if errored.OK && incomplete.OK {
		rec.Failed = schemas.Some(errored.V + incomplete.V)
	}
	rec.InputTokens = u.flat.Integer("metrics.prompt_token_count.successful.total_sum")
	rec.OutputTokens = u.flat.Integer("metrics.output_token_count.successful.total_sum", "metrics.output_token_count.total.total_sum")
	if len(u.requests) > 0 {
		u.note("the file holds a sample, %d of %d requests: the counts are the tool's own", len(u.requests), rec.Requests.V)
	} else if rec.Requests.V > 0 {
		u.note("the file holds no requests: the counts are the tool's own")
	}
}

func addTo(sum *schemas.Opt[int64], v int64) {
	if v != missing && sum.V+v >= sum.V {
		*sum = schemas.Some(sum.V + v)
	}
}

// setWorkload digests the lengths of the prompts: their characters, where the
// file has them, for those are counted alike in every request. Tokens are the
// server's count in a request that succeeded, and the client's in one that
// failed.
func (u *run) setWorkload() {
	if u.sampled() {
		return
	}
	for _, length := range []func(*request) int64{
		func(q *request) int64 { return q.characters },
		func(q *request) int64 { return q.input },
	} {
		if lens, ok := u.lengths(length); ok && len(lens) > 0 {
			u.record.WorkloadDigest = schemas.Some(schemas.WorkloadDigest(lens))
			return
		}
	}
}

// lengths returns the length of every request that counts, if all have one.
func (u *run) lengths(length func(*request) int64) (lens []int64, ok bool) {
	for i := range u.requests {
		q := &u.requests[i]
		if q.status == schemas.StatusWarmup {
			continue
		}
		v := length(q)
		if v == missing {
			return nil, false
		}
		lens = append(lens, v)
	}
	return lens, true
}

// sortLeaves puts the tool's own numbers among what was reported, and settings
// among the rest.
func (u *run) sortLeaves() {
	rec := u.record
	for path, text := range u.flat.All() {
		head, tail, nested := strings.Cut(path, ".")
		switch {
		case head == "metrics" && u.ofNothing(path):
		case head == "metrics":
			rec.Reported[tail] = string(text)
		case head == "scheduler_metrics", head == "run_stats", head == "request_totals", head == "warnings", !nested && isTime[path]:
			rec.Reported[path] = string(text)
		case head == "scheduler_state", secret.MatchString(path):
		default:
			rec.Extra["benchmark."+path] = string(text)
		}
	}
	for path, text := range u.shared.flat.All() {
		if !secret.MatchString(path) {
			rec.Extra[path] = string(text)
		}
	}
}

var isTime = map[string]bool{"start_time": true, "end_time": true, "duration": true, "warmup_duration": true, "cooldown_duration": true}

// ofNothing reports whether path is a statistic of a distribution without
// values, for which the tool writes zeros.
func (u *run) ofNothing(path string) bool {
	for i := len(path); i > 0; i = strings.LastIndexByte(path[:i], '.') {
		if text := u.flat.Get(path[:i] + ".count"); text != nil {
			return string(text) == "0" && path != path[:i]+".count"
		}
	}
	return false
}

var secret = regexp.MustCompile(`(?i)(^|[._])(api_?key|authorization|headers?|secret|password|access_token|auth_token|hf_token)([._]|$)`)

func (u *run) note(format string, args ...any) {
	u.record.Notes = append(u.record.Notes, fmt.Sprintf(format, args...))
}

// addNotes says what the requests as a whole show.
func (u *run) addNotes() {
	var outside, incomplete, suspect, spoilt, uncounted, chunks, tokens int64
	last, answers := missing, false
	for i := range u.requests {
		q := &u.requests[i]
		answers = answers || q.firstAnswer != missing
		last = max(last, first(q.end, q.last))
		switch {
		case q.status == schemas.StatusWarmup:
			outside++
		case q.status == schemas.StatusSuspect:
			suspect++
		case q.spoilt:
			spoilt++
		case q.incomplete:
			incomplete++
		case q.status == schemas.StatusOK:
			if !q.counted && q.output != missing && u.keys["scheduler_metrics"] {
				uncounted++
			}
			if q.chunks > 0 && q.output > 0 {
				chunks += q.chunks
				tokens += q.output
			}
		}
	}
	if u.truncated {
		u.note("truncated: the file breaks off inside this benchmark, and what came after that is not here")
	}
	if outside > 0 {
		u.note("requests outside of the window that the tool's metrics cover, before its start or behind its end, which count in no number: %d", outside)
	}
	if incomplete > 0 {
		u.note("requests that were under way when the benchmark ended, counted as failed: %d", incomplete)
	}
	if suspect > 0 {
		u.note("suspect requests: %d, which have succeeded without a time", suspect)
	}
	if spoilt > 0 {
		u.note("requests with a malformed record, counted as failed: %d", spoilt)
	}
	if uncounted > 0 {
		u.note("requests whose output tokens the server did not count: %d; the tool counts a chunk as a token", uncounted)
	}
	if chunks > 0 && chunks != tokens {
		u.note("a chunk is not a token: %d chunks for %d tokens, %.2f tokens per chunk", chunks, tokens, float64(tokens)/float64(chunks))
	}
	if !answers && chunks > 0 && chunks*10 < tokens*9 {
		u.note("this version of the tool does not see reasoning: where the model reasons, TTFT is the time to its answer, and TPOT is too short")
	}
	if d := u.record.DurationNS; last != missing && !u.sampled() && u.to != missing && d.OK && u.to-last > max(d.V/100, int64(time.Second)) {
		u.note("the window of the tool's metrics, which is the duration, ends %.1f s behind the last request: throughput is that much too low", float64(u.to-last)/1e9)
	}
	if f := u.flat; f.Dropped+u.shared.flat.Dropped > 0 {
		u.note("values that are left out, for they are too long or too many: %d", f.Dropped+u.shared.flat.Dropped)
	}
	for _, twice := range []string{u.flat.Twice, u.shared.flat.Twice} {
		if twice != "" {
			u.note("the key %q comes twice: the last one counts", twice)
		}
	}
	if note := u.failures.Note(); note != "" {
		u.note("%s", note)
	}
}

// requestRecord makes the record of request i.
func (u *run) requestRecord(i int) *schemas.Request {
	q := &u.requests[i]
	f := u.failures.At(q.failure)
	rec := &schemas.Request{
		At: u.pos, Index: i, Status: q.status, ErrorClass: nonEmpty(f.Class), Error: nonEmpty(f.Line),
		InputTokens: recorded(q.input), CachedTokens: recorded(q.cached), OutputTokens: recorded(q.output), Chunks: recorded(q.chunks),
	}
	rec.At.Request = i
	rec.At.Offset = q.offset
	if u.multiTurn {
		rec.Session, rec.Turn = nonEmpty(q.conversation), recorded(q.turn)
	}
	if q.start == missing {
		return rec
	}
	rec.Start = schemas.Some(q.start - u.origin)
	if q.targeted != missing {
		rec.Scheduled = schemas.Some(q.targeted - u.origin)
	}
	rec.TTFT = since(q.start, q.firstToken)
	rec.FirstAnswer = since(q.start, q.firstAnswer)
	if rec.E2EL = since(q.start, q.last); rec.E2EL.OK {
		rec.E2ELMethod = schemas.Some("exact")
		if q.failure != 0 {
			rec.E2ELMethod = schemas.Some("lower_bound")
		}
	}
	return rec
}

func since(start, t int64) schemas.Opt[int64] {
	if t == missing || t < start {
		return schemas.Opt[int64]{}
	}
	return schemas.Some(t - start)
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
	h.Write([]byte("servestat guidellm content 1"))
	return h
}
