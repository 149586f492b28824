package guidellm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"

	"github.com/servestat/servestat/ingest/jsonscan"
)

// A bag identifies values that come in any order, as the members of an object
// do: it is the sum of their digests.
type bag [4]uint64

func (b *bag) add(d [sha256.Size]byte) {
	for i := range b {
		b[i] += binary.LittleEndian.Uint64(d[8*i:])
	}
}

// addText adds a value, written as JSON without white space, under its path.
func (b *bag) addText(path string, text []byte) {
	h := sha256.New()
	begin(h, path)
	h.Write(text)
	b.addHash(h)
}

func (b *bag) addHash(h hash.Hash) {
	var d [sha256.Size]byte
	h.Sum(d[:0])
	b.add(d)
}

// begin starts the digest of the value at path.
func begin(h hash.Hash, path string) {
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(path))))
	h.Write([]byte(path))
}

// addNext consumes the next value of s and adds it under path. The members of
// objects inside it, but not inside its arrays, may come in any order.
func (b *bag) addNext(s *jsonscan.Scanner, path string) error {
	if s.Peek() != jsonscan.Object {
		h := sha256.New()
		begin(h, path)
		err := s.CopyTo(h)
		b.addHash(h)
		return err
	}
	b.addText(path, []byte("{}"))
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		b.addNext(s, path+"."+string(key))
	}
	return s.Err()
}

func (b *bag) bytes() []byte {
	var out []byte
	for _, v := range b {
		out = binary.LittleEndian.AppendUint64(out, v)
	}
	return out
}

func contentHash() hash.Hash {
	h := sha256.New()
	h.Write([]byte("servestat guidellm content 1"))
	return h
}

// workloadDigest identifies the input lengths of a run.
func workloadDigest(lens []int64) string {
	h := sha256.New()
	for chunk := range slices.Chunk(lens, 512) {
		var text []byte
		for _, v := range chunk {
			text = binary.LittleEndian.AppendUint64(text, uint64(v))
		}
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
