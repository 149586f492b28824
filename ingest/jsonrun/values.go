package jsonrun

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

const (
	// maxValue bounds the text of a value that is kept, and maxValues that of
	// all values of an object. A longer value is left out, with a note, and with a
	// reject where something would have come of it.
	maxValue  = 64 << 10
	maxValues = 4 << 20
	maxKeys   = 10_000
	maxKey    = 1024
	// maxNesting bounds how far objects inside objects are taken apart; what is
	// further inside is kept as text.
	maxNesting = 12
)

// Values are the members of an object, as JSON text. The members of an object
// inside it are there under dotted keys ("latency.mean"); an array is one value.
type Values struct {
	Offset int64    // of the object
	Twice  string   // a key that came twice, and whose value cannot be told
	Notes  []string // what was left out

	u    *Upload
	text map[string]string
	at   map[string]int64
	hash map[string][sha256.Size]byte // of values that were left out, or noDigest
	used map[string]bool
	// leftOut are those of hash that were too long to keep, or too many.
	leftOut map[string]bool
	size    int
}

// noDigest stands for a value that does not count for the digest.
var noDigest [sha256.Size]byte

// ReadValues reads the object that comes next.
func ReadValues(u *Upload) *Values {
	v := NewValues(u)
	u.S.Peek()
	v.Offset = u.S.Offset()
	v.read("", 0)
	return v
}

// NewValues returns Values with nothing in them, for a Format that reads the
// members of its object one by one.
func NewValues(u *Upload) *Values {
	return &Values{u: u, text: map[string]string{}, at: map[string]int64{}, hash: map[string][sha256.Size]byte{}, used: map[string]bool{}, leftOut: map[string]bool{}}
}

// read takes in the members of the object that comes next.
func (v *Values) read(prefix string, depth int) {
	s := v.u.S
	s.Object()
	empty := true
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		empty = false
		name := prefix + string(key[:min(len(key), maxKey)])
		s.Peek()
		v.add(name, depth)
	}
	if empty && prefix != "" && s.Err() == nil {
		v.set(prefix[:len(prefix)-1], "{}", s.Offset())
	}
}

// Add takes in the value that comes next, under a key.
func (v *Values) Add(key string) { v.add(key, 0) }

func (v *Values) add(key string, depth int) {
	s := v.u.S
	at := s.Offset()
	if s.Peek() == jsonscan.Object && depth < maxNesting && len(key) < maxKey {
		v.read(key+".", depth+1)
		return
	}
	h := sha256.New()
	c := jsonscan.Capture{Limit: min(maxValue, maxValues-v.size), Hash: h}
	if s.CopyTo(&c) != nil {
		return
	}
	if c.Over || len(v.text) >= maxKeys {
		v.leaveOut(key, h, at)
		return
	}
	v.set(key, string(c.Text), at)
}

// Skip takes in the value that comes next, under a key, by its digest only.
func (v *Values) Skip(key string) {
	h := sha256.New()
	if v.u.S.CopyTo(h) == nil {
		v.SetDigest(key, hex.EncodeToString(h.Sum(nil)))
	}
}

// SkipText passes by the value that comes next, under a key. It is prompts or answers,
// which do not count for the digest: a file that somebody took them out of, to publish
// it, is of the same run.
func (v *Values) SkipText(key string) {
	v.u.S.Skip()
	if _, twice := v.hash[key]; twice {
		v.Twice = key
	}
	v.hash[key] = noDigest
}

// SetDigest takes in a value that the Format has read itself.
func (v *Values) SetDigest(key, digest string) {
	if _, twice := v.hash[key]; twice {
		v.Twice = key
	}
	v.hash[key] = sha256.Sum256([]byte(digest))
}

// leaveOut keeps the digest of a value that is too long to keep.
func (v *Values) leaveOut(key string, h hash.Hash, at int64) {
	if len(v.hash) >= maxKeys {
		return
	}
	if len(v.Notes) == 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("the value of %q is left out: it is longer than %d bytes, or there are too many", key, maxValue))
	}
	if _, twice := v.hash[key]; twice {
		v.Twice = key
	}
	v.hash[key] = [sha256.Size]byte(h.Sum(nil))
	v.at[key] = at
	v.leftOut[key] = true
}

// Set takes in a value that the Format has read itself, as JSON text.
func (v *Values) Set(key, text string, at int64) {
	if len(text) > min(maxValue, maxValues-v.size) || len(v.text) >= maxKeys {
		h := sha256.New()
		h.Write([]byte(text))
		v.leaveOut(key, h, at)
		return
	}
	v.set(key, text, at)
}

func (v *Values) set(key, text string, at int64) {
	if _, twice := v.text[key]; twice {
		v.Twice = key
	}
	v.text[key] = text
	v.at[key] = at
	v.size += len(key) + len(text)
}

// Has reports whether all the keys are there.
func (v *Values) Has(keys ...string) bool {
	for _, key := range keys {
		if _, ok := v.text[key]; !ok {
			return false
		}
	}
	return true
}

// HasPrefix reports whether a key begins so.
func (v *Values) HasPrefix(prefix string) bool {
	for key := range v.text {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// Keys returns the keys of all values that are kept, in order.
func (v *Values) Keys() []string { return slices.Sorted(maps.Keys(v.text)) }

// JSON returns the text of a value, "" where there is none. One that was too long
// to keep is rejected: something would have come of it.
func (v *Values) JSON(key string) string {
	v.rejectLeftOut(key, "a value")
	return v.text[key]
}

func (v *Values) rejectLeftOut(key, want string) {
	if v.leftOut[key] {
		delete(v.leftOut, key) // it is told once
		v.u.Reject(v.At(key), v.u.request, "%s: found a longer value, expected %s of at most %d bytes", key, want, maxValue)
	}
}

// At is where the value of key begins.
func (v *Values) At(key string) int64 {
	if at, ok := v.at[key]; ok {
		return at
	}
	return v.Offset
}

// get reads a value by parse and marks it as used. A null is missing; a value
// of another kind than expected is rejected, and stays for Rest.
func get[T any](v *Values, key, want string, parse func([]byte) (T, bool)) schemas.Opt[T] {
	text, ok := v.text[key]
	v.rejectLeftOut(key, want)
	if !ok || text == "null" {
		v.used[key] = true
		return schemas.Opt[T]{}
	}
	value, ok := parse([]byte(text))
	if !ok {
		v.u.Reject(v.At(key), v.u.request, "%s: found %s, expected %s", key, Shorten(text), want)
		return schemas.Opt[T]{}
	}
	v.used[key] = true
	return schemas.Some(value)
}

// Shorten returns the beginning of a text, for a message.
func Shorten(text string) string {
	const enough = 40
	if len(text) > enough {
		return strings.ToValidUTF8(text[:enough], "") + "…"
	}
	return text
}

// Int returns an integer of zero or more.
func (v *Values) Int(key string) schemas.Opt[int64] {
	return get(v, key, "an integer, zero or more", func(text []byte) (int64, bool) {
		n, ok := jsonscan.ParseInt(text)
		return n, ok && n >= 0
	})
}

// Seconds returns a time of zero or more, in decimal seconds, as nanoseconds.
func (v *Values) Seconds(key string) schemas.Opt[int64] {
	return get(v, key, "a time in seconds, zero or more", func(text []byte) (int64, bool) {
		n, ok := jsonscan.ParseNanos(text)
		return n, ok && n >= 0
	})
}

// Text returns a string.
func (v *Values) Text(key string) schemas.Opt[string] {
	return get(v, key, "a string", jsonscan.Unquote)
}

// Rate returns a number above zero; infinity may be the string "inf".
func (v *Values) Rate(key string) schemas.Opt[float64] {
	return get(v, key, `a number above zero or "inf"`, func(text []byte) (float64, bool) {
		if s, ok := jsonscan.Unquote(text); ok {
			return math.Inf(1), s == "inf"
		}
		f, ok := jsonscan.ParseFloat(text)
		return f, ok && f > 0
	})
}

// Use marks keys as understood, so that Rest leaves them out.
func (v *Values) Use(keys ...string) {
	for _, key := range keys {
		v.used[key] = true
	}
}

// Rest puts every value that was not used into run: into Reported what the
// tool's own summary is by isSummary, into Extra the others. It adds the notes
// and the content digest.
func (v *Values) Rest(run *schemas.Run, isSummary func(key string) bool) {
	for key, text := range v.text {
		switch {
		case v.used[key]:
		case isSummary(key):
			run.Reported[key] = text
		default:
			run.Extra[key] = text
		}
	}
	run.Notes = append(run.Notes, v.Notes...)
	run.ContentDigest = v.Digest()
}

// Digest identifies the values, whatever order and white space they were
// written with. A string counts by what it stands for.
func (v *Values) Digest() string {
	d := NewDigest("object 1")
	keys := slices.Collect(maps.Keys(v.text))
	keys = slices.AppendSeq(keys, maps.Keys(v.hash))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		h, ok := v.hash[key]
		if ok && h == noDigest {
			continue
		}
		d.Text(key)
		if ok {
			d.Text(string(h[:]))
			continue
		}
		d.JSON(v.text[key])
	}
	return d.Sum()
}

// A Digest identifies a sequence of values.
type Digest struct {
	h   hash.Hash
	buf []byte
}

// NewDigest returns the Digest of no values yet, of things of one kind.
func NewDigest(kind string) *Digest {
	d := &Digest{h: sha256.New()}
	d.Text(kind)
	return d
}

// Int64 adds numbers.
func (d *Digest) Int64(ns ...int64) {
	for _, n := range ns {
		if len(d.buf) >= 4096 {
			d.h.Write(d.buf)
			d.buf = d.buf[:0]
		}
		d.buf = binary.LittleEndian.AppendUint64(d.buf, uint64(n))
	}
}

// Text adds a text, so that it cannot run into its neighbours.
func (d *Digest) Text(s string) {
	d.Int64(int64(len(s)))
	d.h.Write(d.buf)
	d.buf = d.buf[:0]
	d.h.Write([]byte(s))
}

// JSON adds the text of a value. A string counts by what it stands for, however
// it was escaped.
func (d *Digest) JSON(text string) {
	if s, ok := jsonscan.Unquote([]byte(text)); ok {
		text = `"` + s
	}
	d.Text(text)
}

// Sum returns the digest in hex.
func (d *Digest) Sum() string {
	d.h.Write(d.buf)
	d.buf = d.buf[:0]
	return hex.EncodeToString(d.h.Sum(nil))
}
