package sglang

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// A run is what has been read of a run's object.
type run struct {
	values   *jsonrun.Values
	columns  map[string]*column
	requests jsonrun.Requests
	withGaps int // one more than the last request of which gaps were handed on
	synth    bool
}

// A column is one of the arrays: how long it is, and its digest. What is in it
// is in the run's requests.
type column struct {
	len    int
	digest *jsonrun.Digest
}

func newRun(u *jsonrun.Upload, at int64) *run {
	r := &run{values: jsonrun.NewValues(u), columns: map[string]*column{}}
	r.values.Offset = at
	return r
}

// enter enters the array that is the value of key. A null stands for an array
// that was not recorded.
func (r *run) enter(u *jsonrun.Upload, key string) bool {
	kind := u.S.Peek()
	if kind != jsonscan.Array {
		r.values.Add(key)
		return false
	}
	u.S.Array()
	r.columns[key] = &column{digest: jsonrun.NewDigest(key)}
	return true
}

// next moves to the next entry of the array of key.
func (r *run) next(u *jsonrun.Upload, key string) bool {
	c := r.columns[key]
	for c.len >= u.MaxRequests() && u.S.Next() { // too many: see aligned
		u.S.Skip()
		c.len++
	}
	if c.len > u.MaxRequests() || !u.S.Next() {
		r.values.SetDigest(key, c.digest.Sum())
		u.Reading(-1)
		return false
	}
	if u.S.Peek() == jsonscan.Invalid {
		return false
	}
	u.Reading(c.len)
	c.len++
	return true
}

// readColumn reads the array of key, which was entered.
func (r *run) readColumn(u *jsonrun.Upload, key string) {
	c := r.columns[key]
	for r.next(u, key) {
		if !r.readEntry(u, key, c.len-1) {
			c.len-- // it was cut
			return
		}
	}
}

// readEntry reads one entry of an array. It returns false where the text ends.
func (r *run) readEntry(u *jsonrun.Upload, key string, i int) bool {
	at := u.S.Offset()
	c := r.columns[key]
	if key == keyErrors {
		return r.readError(u, i)
	}
	read, want := u.S.Int64, "a number of tokens, zero or more"
	if key == keyTTFTs {
		read, want = u.S.Nanos, "a time in seconds, zero or more"
	}
	if u.S.Peek() == jsonscan.Null {
		u.S.Skip()
		c.digest.Int64(jsonrun.None)
		r.requests.Row(i, at)
		return u.S.Err() == nil
	}
	n, err := read()
	if u.S.Err() != nil {
		return false
	}
	var value *jsonscan.ValueError
	if errors.As(err, &value) || n < 0 {
		found := "a negative number"
		if value != nil {
			found = value.Text
		}
		u.Reject(at, i, "%s[%d]: found %s, expected %s", key, i, found, want)
		r.requests.Row(i, at).Bad = true
		c.digest.Int64(jsonrun.None + 1)
		return true
	}
	c.digest.Int64(n)
	row := r.requests.Row(i, at)
	switch key {
	case keyInputLens:
		row.Input = n
	case keyOutputLens:
		row.Output = n
	case keyCachedTokens:
		row.Cached = n
	case keyTTFTs:
		row.TTFT = n
	}
	return true
}

func (r *run) readError(u *jsonrun.Upload, i int) bool {
	at := u.S.Offset()
	var text []byte
	if u.S.Peek() == jsonscan.Null {
		u.S.Skip()
	} else {
		var err error
		text, err = u.S.Text(nil)
		var value *jsonscan.ValueError
		if errors.As(err, &value) {
			u.Reject(at, i, "errors[%d]: found %s, expected an error message", i, value.Text)
			text = []byte(failures.Unreadable)
		}
	}
	if u.S.Err() != nil {
		return false
	}
	r.columns[keyErrors].digest.Text(string(text))
	r.requests.Row(i, at)
	r.requests.Fail(i, jsonrun.Classify(string(text)))
	return true
}

// isResult reports whether the object is a result of the serving benchmark.
func (r *run) isResult() bool {
	return r.values.Has("backend") && (r.values.Has("completed") || r.columns[keyOutputLens] != nil)
}

// end closes the object.
func (r *run) end(u *jsonrun.Upload) {
	switch {
	case r.values.Twice != "":
		u.Lose(r.values.At(r.values.Twice), "key %q comes twice in one object", r.values.Twice)
	case !r.isResult():
		u.Lose(r.values.Offset, "no result of SGLang's bench_serving: it has no backend, or nothing came of it")
	case r.requests.Len() > 0 && !r.aligned(u):
	default:
		r.close(u, r.record(u))
	}
}

// aligned reports whether all arrays have an entry for each request. Which of
// them is short cannot be told, so the run is of no use if they have not.
func (r *run) aligned(u *jsonrun.Upload) bool {
	n, by := -1, ""
	for _, key := range []string{keyInputLens, keyOutputLens, keyTTFTs, keyITLs, keyErrors, keyCachedTokens} {
		c := r.columns[key]
		switch {
		case c == nil:
		case c.len > u.MaxRequests():
			u.Lose(r.values.Offset, "%s has more than %d entries, the most that a run may have", key, u.MaxRequests())
			return false
		case n < 0:
			n, by = c.len, key
		case c.len != n:
			u.Lose(r.values.Offset, "%s has %d entries, expected %d as in %s: one for each request", key, c.len, n, by)
			return false
		}
	}
	return true
}

// cut leaves the requests of which it is known how they ended, and those whose
// gaps were handed on already.
func (r *run) cut() {
	whole := 0
	if r.columns[keyOutputLens] != nil && r.columns[keyTTFTs] != nil {
		whole = r.requests.Len()
		for _, key := range []string{keyOutputLens, keyTTFTs, keyITLs} {
			if c := r.columns[key]; c != nil {
				whole = min(whole, c.len)
			}
		}
	}
	r.requests.Cut(max(whole, r.withGaps))
	for i := whole; i < r.requests.Len(); i++ {
		r.requests.Rows()[i].Bad = true
	}
	for key, c := range r.columns {
		r.values.SetDigest(key+" as far as it was read", c.digest.Sum())
	}
}

// summary are the keys of what the tool found.
var summary = regexp.MustCompile(`^((mean|median|std|max|p\d+)_.*_ms|.*throughput|completed|total_.*_tokens.*|concurrency|accept_length|max_output_tokens_per_s|max_concurrent_requests|cache_report\..*|goodput_.*|request_goodput|slo_.*)$`)

// record makes the run's record of all that is not in the arrays.
func (r *run) record(u *jsonrun.Upload) *schemas.Run {
	v := r.values
	run := u.NewRun(v.Offset, "sglang bench_serving", ParserVersion)
	run.Dialect = "current"
	if !v.Has("request_throughput") {
		run.Dialect = "2024"
	}
	run.Backend = v.Text("backend")
	run.Dataset = v.Text("dataset_name")
	if v.JSON("request_rate") != `"trace"` {
		run.RequestRate = v.Rate("request_rate")
	}
	run.MaxConcurrency = v.Int("max_concurrency")
	run.DurationNS = v.Seconds("duration")
	if tag := v.Text("tag"); tag.OK {
		run.Labels = map[string]string{"tag": tag.V}
	}
	run.Completed = v.Int("completed")
	run.InputTokens = v.Int("total_input_tokens")
	run.OutputTokens = v.Int("total_output_tokens")
	r.readServerInfo(run)
	for _, key := range []string{"completed", "total_input_tokens", "total_output_tokens"} {
		if v.Has(key) {
			run.Reported[key] = v.JSON(key)
		}
	}
	v.Rest(run, summary.MatchString)
	return run
}

// readServerInfo takes from what the server told of itself what says which
// server it was. Much of the rest is its state of that moment.
func (r *run) readServerInfo(run *schemas.Run) {
	const prefix = "server_info."
	v := r.values
	v.Use("server_info")
	args := map[string]string{}
	for _, key := range v.Keys() {
		name, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		v.Use(key)
		if text := v.JSON(key); text != "null" && text[0] != '[' && text[0] != '{' {
			if s, ok := jsonscan.Unquote([]byte(text)); ok {
				text = s
			}
			if secret(name) {
				text = "[redacted]"
			}
			args[name] = text
		}
	}
	// What is too long to keep is among no keys, and rejected here.
	for _, name := range []string{"served_model_name", "model_path", "tokenizer_path", "version"} {
		v.JSON(prefix + name)
	}
	if len(args) == 0 {
		return
	}
	run.Model = firstOf(args, "served_model_name", "model_path")
	run.Tokenizer = firstOf(args, "tokenizer_path")
	if strings.HasPrefix(run.Backend.V, "sglang") {
		run.Runtime = schemas.Some("sglang")
		run.RuntimeVersion = firstOf(args, "version")
	}
	run.EngineArgs = args
	run.Provenance = map[string]string{}
	for column, set := range map[string]bool{
		"model": run.Model.OK, "tokenizer": run.Tokenizer.OK, "runtime_version": run.RuntimeVersion.OK, "engine_args": true,
	} {
		if set {
			run.Provenance[column] = "server_info"
		}
	}
}

// secret reports whether a server's argument of this name must not be kept.
func secret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"api_key", "apikey", "password", "secret", "credential", "access_key", "auth_token", "hf_token"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

func firstOf(args map[string]string, names ...string) schemas.Opt[string] {
	for _, name := range names {
		if args[name] != "" {
			return schemas.Some(args[name])
		}
	}
	return schemas.Opt[string]{}
}

// close hands out the requests and the run.
func (r *run) close(u *jsonrun.Upload, run *schemas.Run) {
	r.synth = run.Backend.V == "sglang" || run.Backend.V == "sglang-native"
	if r.requests.Len() == 0 {
		u.Close(run, nil)
		return
	}
	reported := run.Completed
	run.InputTokens, run.OutputTokens = schemas.Opt[int64]{}, schemas.Opt[int64]{} // counted anew
	run.Detailed = r.columns[keyTTFTs] != nil
	if r.withGaps > 0 {
		run.GapKind = schemas.ChunkGaps
		if r.synth {
			run.GapKind = schemas.Synthetic
			run.Notes = append(run.Notes, "the gaps are synthetic: this backend divides the gap before a chunk evenly among its tokens. Their sum is true, their distribution is no measurement")
		}
	}
	r.judge(run, reported)
	if accept := run.Reported["accept_length"]; !r.synth && strings.HasPrefix(run.Backend.V, "sglang-oai") && accept != "" && accept != "null" {
		run.Notes = append(run.Notes, "the tool's ITL statistics divide every gap by the tokens of its chunk, counted anew by its tokenizer: they are not those of the gaps here")
	}
	u.Close(run, &r.requests)
}

// judge says of every request how it ended, and completes its times.
func (r *run) judge(run *schemas.Run, reported schemas.Opt[int64]) {
	rows := r.requests.Rows()
	var completed, suspect, bad, gaps, tokens int64
	for i := range rows {
		row := &rows[i]
		r.judgeRow(i, row, strings.Contains(run.Backend.V, "embedding"))
		switch {
		case row.Bad:
			bad++
		case row.Status == jsonrun.Suspect:
			suspect++
		case row.Status == jsonrun.OK:
			completed++
			gaps += max(row.Chunks-1, 0)
			tokens += max(row.Output-1, 0)
		}
	}
	note := func(format string, args ...any) { run.Notes = append(run.Notes, fmt.Sprintf(format, args...)) }
	if suspect > 0 {
		note("suspect requests: %d, which the tool counts as completed though no chunk ever came", suspect)
	}
	if bad > 0 {
		note("requests with a malformed record, counted as failed: %d", bad)
	}
	if run.GapKind == schemas.ChunkGaps && gaps > 0 && math.Abs(float64(gaps-tokens)) > 0.001*float64(tokens) {
		note("a chunk is not a token: %d gaps for %d tokens after the first; ITL is per chunk. Where the server counted no tokens, output_lens are the lengths asked for", gaps, tokens)
	}
	if reported.OK && reported.V != completed+suspect && bad == 0 {
		note("the tool says that %d requests completed, its arrays that %d did", reported.V, completed+suspect)
	}
}

func (r *run) judgeRow(i int, row *jsonrun.Row, embedding bool) {
	sum, gaps := row.E2EL, row.Chunks
	row.E2EL, row.Chunks = jsonrun.None, jsonrun.None
	silent := row.TTFT == 0 && gaps <= 0
	if row.TTFT == 0 { // no chunk came
		row.TTFT = jsonrun.None
	}
	if row.TTFT != jsonrun.None && sum != jsonrun.None && row.TTFT+sum >= 0 {
		row.E2EL = row.TTFT + sum
		if !r.synth {
			row.Chunks = gaps + 1
		}
	} else if silent && !embedding {
		row.Chunks = 0
	}
	failed := r.requests.Failure(i) != failures.Failure{}
	if c := r.columns[keyErrors]; c == nil || i >= c.len {
		failed = row.Output == 0
		if failed {
			r.requests.Fail(i, failures.Failure{Class: failures.Other})
		}
	}
	switch {
	case row.Bad:
		row.Status = jsonrun.Failed
		r.requests.Fail(i, failures.Failure{Class: failures.BadRecord})
	case failed:
		row.Status = jsonrun.Failed
		if row.Output == 0 {
			row.Output = jsonrun.None // not counted, whatever it produced
		}
	case silent && !embedding && r.columns[keyITLs] != nil:
		row.Status = jsonrun.Suspect
	}
}
