package jsonscan

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
)

// A Bag identifies values that come in any order, as the members of an object
// do: it is the sum of their digests.
type Bag [4]uint64

func (b *Bag) add(d [sha256.Size]byte) {
	for i := range b {
		b[i] += binary.LittleEndian.Uint64(d[8*i:])
	}
}

// AddText adds a value, written as JSON without white space, under its path.
func (b *Bag) AddText(path string, text []byte) {
	h := sha256.New()
	begin(h, path)
	h.Write(text)
	b.addHash(h)
}

// AddCapture consumes the next value of s, adds it under path, whatever its
// length, and returns its text. It is over where that has more than limit bytes.
func (b *Bag) AddCapture(s *Scanner, path string, limit int) (text []byte, over bool, err error) {
	h := sha256.New()
	begin(h, path)
	c := Capture{Limit: limit, Hash: h}
	if err := s.CopyTo(&c); err != nil {
		return nil, false, err
	}
	b.addHash(h)
	return c.Text, c.Over, nil
}

// A Capture keeps what is written to it, up to its limit, and hashes all of it.
type Capture struct {
	Text  []byte
	Limit int
	Over  bool // there was more: Text is the beginning
	Hash  io.Writer
}

func (c *Capture) Write(p []byte) (int, error) {
	if c.Over = c.Over || len(c.Text)+len(p) > c.Limit; !c.Over {
		c.Text = append(c.Text, p...)
	}
	return c.Hash.Write(p)
}

func (b *Bag) addHash(h hash.Hash) {
	var d [sha256.Size]byte
	h.Sum(d[:0])
	b.add(d)
}

// begin starts the digest of the value at path.
func begin(h hash.Hash, path string) {
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(path))))
	h.Write([]byte(path))
}

// AddNext consumes the next value of s and adds it under path. The members of
// objects inside it, but not inside its arrays, may come in any order.
func (b *Bag) AddNext(s *Scanner, path string) error {
	if s.Peek() != Object {
		h := sha256.New()
		begin(h, path)
		err := s.CopyTo(h)
		b.addHash(h)
		return err
	}
	b.AddText(path, []byte("{}"))
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		b.AddNext(s, path+"."+string(key))
	}
	return s.Err()
}

// Bytes returns the sum.
func (b *Bag) Bytes() []byte {
	var out []byte
	for _, v := range b {
		out = binary.LittleEndian.AppendUint64(out, v)
	}
	return out
}
