package vllm

import (
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

const (
	// maxSetting bounds the text of a value that is kept as it is, and
	// maxSettings all of a run's together. A longer value is dropped, with a note,
	// and with a reject where something would have come of it.
	maxSetting  = 64 << 10
	maxSettings = 4 << 20
)

// A setting is a value that is kept as text.
type setting struct {
	text    []byte
	at, end int64
}

// readSetting keeps the value of a key that is no array of requests.
func (r *Reader) readSetting(key string) {
	u := r.run
	at := r.s.Offset()
	h := newDigest()
	c := jsonscan.Capture{Limit: min(maxSetting, maxSettings-u.kept), Hash: h}
	if r.s.CopyTo(&c) != nil {
		return
	}
	if c.Over {
		u.digests[key] = h.sum()
		u.dropped = append(u.dropped, droppedSetting{key, at})
		return
	}
	u.digests[key] = sha256.Sum256(canonical(c.Text))
	u.kept += len(c.Text)
	u.settings[key] = setting{c.Text, at, r.s.Offset()}
	u.last = key
}

// A droppedSetting is one that was too long to keep.
type droppedSetting struct {
	key string
	at  int64
}

// rejectDropped says that a run goes without a value that its file has: one that
// has no model of 10 MB is compared with nothing, and nobody would know why.
func (u *run) rejectDropped(r *Reader, key, want string) {
	for _, d := range u.dropped {
		if d.key == key {
			reason := fmt.Sprintf("%s: found a longer value, expected %s of at most %d bytes", key, want, maxSetting)
			r.queue = append(r.queue, &schemas.Reject{At: r.pos(d.at), Reason: reason})
		}
	}
}

// The setters read a setting. One that is null is missing; one of another kind
// than expected is rejected, and kept among the keys that are not understood.

func set[T any](u *run, r *Reader, key, want string, parse func([]byte) (T, bool)) schemas.Opt[T] {
	v, ok := u.settings[key]
	if !ok {
		u.rejectDropped(r, key, want)
	}
	if !ok || string(v.text) == "null" {
		return schemas.Opt[T]{}
	}
	value, ok := parse(v.text)
	if !ok {
		const enough = 40
		found := strings.ToValidUTF8(string(v.text[:min(len(v.text), enough)]), "")
		r.queue = append(r.queue, &schemas.Reject{At: r.pos(v.at), Reason: fmt.Sprintf("%s: found %s, expected %s", key, found, want)})
		if u.record != nil && !isSummary(key) {
			u.keepExtra(key)
		}
		return schemas.Opt[T]{}
	}
	return schemas.Some(value)
}

func setInt(u *run, r *Reader, key string) schemas.Opt[int64] {
	return set(u, r, key, "an integer, zero or more", func(text []byte) (int64, bool) {
		v, ok := jsonscan.ParseInt(text)
		return v, ok && v >= 0
	})
}

func setNanos(u *run, r *Reader, key string) schemas.Opt[int64] {
	return set(u, r, key, wantTime, func(text []byte) (int64, bool) {
		v, ok := jsonscan.ParseNanos(text)
		return v, ok && v >= 0
	})
}

func setText(u *run, r *Reader, key string) schemas.Opt[string] {
	return set(u, r, key, "a string", jsonscan.Unquote)
}

// setRate reads a number above zero. Infinity is written as a string by vLLM
// and as a bare word by Python.
func setRate(u *run, r *Reader, key string) schemas.Opt[float64] {
	return set(u, r, key, `a number above zero or "inf"`, func(text []byte) (float64, bool) {
		if s, ok := jsonscan.Unquote(text); ok {
			return math.Inf(1), s == "inf"
		}
		v, ok := jsonscan.ParseFloat(text)
		return v, ok && v > 0
	})
}

// setDate reads the client's wall clock, which has no zone.
func setDate(u *run, r *Reader, key string) schemas.Opt[time.Time] {
	return set(u, r, key, `a date such as "20260731-103303"`, func(text []byte) (time.Time, bool) {
		s, _ := jsonscan.Unquote(text)
		t, err := time.Parse("20060102-150405", s)
		return t, err == nil
	})
}
