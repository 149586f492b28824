package sglang

import (
	"errors"
	"strconv"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// The arrays with an entry for each request.
const (
	keyInputLens    = "input_lens"
	keyOutputLens   = "output_lens"
	keyTTFTs        = "ttfts"
	keyITLs         = "itls"
	keyErrors       = "errors"
	keyCachedTokens = "cached_tokens"
)

// maxGaps bounds the gaps of one request.
const maxGaps = 1 << 22

// A file is the Format: a run being read, or none.
type file struct {
	run    *run
	inGaps bool // inside the array of itls
	nanos  []int64
}

// Step reads a member of a run's object, or the gaps of one request.
func (f *file) Step(u *jsonrun.Upload) bool {
	switch {
	case f.run == nil:
		return f.stepStream(u)
	case f.inGaps:
		f.stepGaps(u)
	default:
		f.stepKey(u)
	}
	return true
}

func (f *file) stepStream(u *jsonrun.Upload) bool {
	if !u.S.More() {
		return false
	}
	kind := u.S.Peek()
	at := u.S.Offset()
	if kind == jsonscan.Object {
		u.S.Object()
		f.run = newRun(u, at)
	} else if u.S.Skip() == nil {
		u.Lose(at, "found %s, expected the object of a run", kind)
	}
	return true
}

func (f *file) stepKey(u *jsonrun.Upload) {
	r := f.run
	u.Reading(-1)
	name, ok := u.S.Key()
	if !ok {
		if u.S.Err() == nil {
			f.run = nil
			r.end(u)
		}
		return
	}
	key := string(name[:min(len(name), 1024)])
	u.S.Peek()
	if _, twice := r.columns[key]; twice { // the run is lost: nothing more is handed on of it
		r.values.Twice = key
		u.S.Skip()
		return
	}
	switch key {
	case keyInputLens, keyOutputLens, keyTTFTs, keyCachedTokens, keyErrors:
		if r.enter(u, key) {
			r.readColumn(u, key)
		}
	case keyITLs:
		f.inGaps = r.enter(u, key)
	case "generated_texts":
		r.values.SkipText(key)
	case "cached_tokens_details":
		r.values.Skip(key)
	default:
		r.values.Add(key)
	}
}

// stepGaps reads the gaps of the next request.
func (f *file) stepGaps(u *jsonrun.Upload) {
	r := f.run
	i := r.columns[keyITLs].len
	if !r.next(u, keyITLs) {
		f.inGaps = false
		return
	}
	at := u.S.Offset()
	var ok bool
	if f.nanos, ok = r.readGaps(u, f.nanos[:0]); u.S.Err() != nil {
		r.columns[keyITLs].len = i // the request was cut
		return
	}
	r.columns[keyITLs].digest.Int64(int64(len(f.nanos)))
	r.columns[keyITLs].digest.Int64(f.nanos...)
	if !ok {
		r.requests.Row(i, at).Bad = true
		return
	}
	u.EmitGaps(at, i, f.nanos, nil)
	if len(f.nanos) > 0 {
		r.withGaps = i + 1
	}
}

// readGaps appends the gaps of a request to dst. It returns false where one of
// them is no time, and has then told so.
func (r *run) readGaps(u *jsonrun.Upload, dst []int64) (_ []int64, ok bool) {
	i := r.columns[keyITLs].len - 1
	at := u.S.Offset()
	if kind := u.S.Peek(); kind != jsonscan.Array {
		u.S.Skip()
		u.Reject(at, i, "itls[%d]: found %s, expected an array of gaps in seconds", i, kind)
		return dst, false
	}
	u.S.Array()
	ok = true
	for more := true; more; {
		var err error
		dst, more, err = u.S.AppendNanos(dst, maxGaps)
		var value *jsonscan.ValueError
		switch {
		case errors.As(err, &value):
			r.rejectGap(u, value.Offset, i, len(dst), value.Text, &ok)
		case err != nil:
			return dst, false
		case more:
			r.rejectGap(u, at, i, len(dst), "more gaps", &ok)
			dst = dst[:0]
		}
	}
	var sum int64
	for k, v := range dst {
		if sum += v; ok && (v < 0 || sum < 0) {
			r.rejectGap(u, at, i, k, strconv.FormatFloat(float64(v)/1e9, 'f', -1, 64), &ok)
		}
	}
	if ok {
		row := r.requests.Row(i, at)
		row.E2EL, row.Chunks = sum, int64(len(dst)) // the TTFT and the first chunk are added at the end
	}
	return dst, ok
}

// rejectGap tells the first fault among the gaps of a request.
func (r *run) rejectGap(u *jsonrun.Upload, at int64, request, gap int, found string, ok *bool) {
	if *ok {
		u.Reject(at, request, "itls[%d][%d]: found %s, expected a time in seconds, zero or more", request, gap, found)
	}
	*ok = false
}

// Broken closes the run with the requests that are whole.
func (f *file) Broken(u *jsonrun.Upload, reject *schemas.Reject, _ bool) bool {
	r := f.run
	f.run, f.inGaps = nil, false
	if r == nil || !r.isResult() || r.values.Twice != "" {
		u.LoseBroken(reject)
		return true
	}
	r.cut()
	run := r.record(u)
	jsonrun.NoteBroken(run)
	r.close(u, run)
	return true
}
