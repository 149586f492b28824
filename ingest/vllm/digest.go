package vllm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash"
	"maps"
	"math"
	"slices"
	"sync"
)

// A digest identifies a value, whatever white space and, in objects inside it,
// whatever order of keys it was written with.
type digest [sha256.Size]byte

// A hasher computes a digest of what is written to it. It gathers what is written, and
// adds it to the digest while the next is gathered: to digest the texts of a result
// takes as long as to read them.
type hasher struct {
	buf    []byte
	full   []byte // the other buffer, being added
	adding sync.WaitGroup
	h      hash.Hash
}

// Most of what is digested is a setting.
const (
	smallBuffer = 8 << 10
	largeBuffer = 256 << 10
)

func newDigest() *hasher { return &hasher{h: sha256.New(), buf: make([]byte, 0, smallBuffer)} }

func (h *hasher) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		h.room(1)
		n := min(len(rest), cap(h.buf)-len(h.buf))
		h.buf, rest = append(h.buf, rest[:n]...), rest[n:]
	}
	return len(p), nil
}

// int64 writes a value so that it cannot run into its neighbours. What takes as long as
// a digest is the bytes, so that the many values below 2³²-1, a gap of four seconds, have
// four of them; the others have eight behind four that are set.
func (h *hasher) int64(v int64) {
	if uint64(v) < math.MaxUint32 {
		h.room(4)
		h.buf = binary.LittleEndian.AppendUint32(h.buf, uint32(v))
		return
	}
	h.room(12)
	h.buf = binary.LittleEndian.AppendUint32(h.buf, math.MaxUint32)
	h.buf = binary.LittleEndian.AppendUint64(h.buf, uint64(v))
}

// int64s writes values as int64 does, those of four bytes as fast as they can be copied.
func (h *hasher) int64s(vs []int64) {
	for len(vs) > 0 {
		h.room(4)
		n := min(len(vs), (cap(h.buf)-len(h.buf))/4)
		if !h.fourBytes(vs[:n]) {
			for _, v := range vs[:n] {
				h.int64(v)
			}
		}
		vs = vs[n:]
	}
}

// fourBytes writes values for which there is room if each of them has four bytes.
func (h *hasher) fourBytes(vs []int64) bool {
	to := h.buf[len(h.buf) : len(h.buf)+4*len(vs)]
	longer := uint64(0)
	for _, v := range vs {
		binary.LittleEndian.PutUint32(to[:4], uint32(v))
		to = to[4:]
		longer |= uint64(v) | uint64(v+1)
	}
	if longer > math.MaxUint32 {
		return false
	}
	h.buf = h.buf[:len(h.buf)+4*len(vs)]
	return true
}

// bytes writes p so that it cannot run into its neighbours.
func (h *hasher) bytes(p []byte) {
	h.int64(int64(len(p)))
	h.Write(p)
}

// room sees to it that n bytes can be gathered, n being small.
func (h *hasher) room(n int) {
	if len(h.buf)+n <= cap(h.buf) {
		return
	}
	h.adding.Wait()
	h.buf, h.full = h.full[:0], h.buf
	if cap(h.buf) < largeBuffer {
		h.buf = make([]byte, 0, largeBuffer)
	}
	h.adding.Go(func() { h.h.Write(h.full) })
}

func (h *hasher) sum() (d digest) {
	h.adding.Wait()
	h.h.Write(h.buf)
	h.h.Sum(d[:0])
	return d
}

// contentDigest joins the digests of a run's values, in order of their keys. Prompts and
// answers do not count: a result that somebody took them out of, to publish it, is the
// same run, and no other has its times.
func contentDigest(values map[string]digest) string {
	h := newDigest()
	h.bytes([]byte("servestat vllm content 2"))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if isText(key) {
			continue
		}
		h.bytes([]byte(key))
		d := values[key]
		h.Write(d[:])
	}
	d := h.sum()
	return hex.EncodeToString(d[:])
}

// canonical returns the JSON text with the keys of objects in order and strings
// escaped in one way, so that a file that was rewritten by another program keeps
// its digests. Text that encoding/json cannot read, for it holds a NaN, stays.
func canonical(text []byte) []byte {
	if len(text) == 0 || text[0] != '{' && text[0] != '[' && text[0] != '"' {
		return text
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // keeps numbers as they are written
	var v any
	if dec.Decode(&v) != nil {
		return text
	}
	out, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return out
}
