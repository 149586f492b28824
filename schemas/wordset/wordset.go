// Package wordset finds, in one pass over a text, which of a set of words are in it.
//
// A server's log of 100 MB has a million lines, each of which is asked for some
// hundreds of words: the names of secrets, what libraries print as they die, the
// rules of a preflight. One by one they would be looked for a hundred times over.
package wordset

import (
	"fmt"
	"iter"
)

// A Set is a set of words. It is safe for use by several goroutines.
//
// Words are found by their first bytes: four, or three where some word has no more.
type Set struct {
	words   []string
	mask    uint32 // of the first bytes
	width   int    // how many they are
	letters [256]byte
	slots   [1 << slotBits]uint16 // one more than the place in buckets; 0: no word begins so
	buckets [][]int               // words whose first bytes share a slot
}

const slotBits = 14

// New returns the set of words, which have three bytes or more.
func New(words ...string) *Set {
	s := &Set{words: words, width: 4}
	for i := range s.letters {
		s.letters[i] = byte(i)
	}
	return s.fill()
}

// NewFold returns the set of words in small letters, which are found in any.
func NewFold(words ...string) *Set {
	s := &Set{words: words, width: 4}
	for i := range s.letters {
		s.letters[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			s.letters[i] |= 0x20
		}
	}
	return s.fill()
}

func (s *Set) fill() *Set {
	for _, word := range s.words {
		if len(word) < 3 {
			panic(fmt.Sprintf("wordset: %q has less than three bytes", word))
		}
		s.width = min(s.width, len(word))
	}
	s.mask = 1<<(8*s.width) - 1
	for i, word := range s.words {
		key := uint32(0)
		for _, c := range []byte(word[:s.width]) {
			key = key<<8 | uint32(c)
		}
		slot := &s.slots[slotOf(key)]
		if *slot == 0 {
			s.buckets = append(s.buckets, nil)
			*slot = uint16(len(s.buckets))
		}
		s.buckets[*slot-1] = append(s.buckets[*slot-1], i)
	}
	return s
}

func slotOf(key uint32) uint32 { return key * 2654435761 >> (32 - slotBits) }

// In reports whether a word of the set is in text.
func (s *Set) In(text string) bool { return Holds(s, text) }

// Holds reports whether a word of the set is in text.
func Holds[T string | []byte](s *Set, text T) bool {
	for range All(s, text) {
		return true
	}
	return false
}

// All gives the words that are in text: where each begins, and its place in the set.
func All[T string | []byte](s *Set, text T) iter.Seq2[int, int] {
	return func(yield func(at, word int) bool) {
		key, before := uint32(0), s.width-1
		for i := range len(text) {
			key = key<<8 | uint32(s.letters[text[i]])
			slot := s.slots[slotOf(key&s.mask)]
			if slot == 0 || i < before {
				continue
			}
			at := i - before
			for _, n := range s.buckets[slot-1] {
				if begins(s, text[at:], s.words[n]) && !yield(at, n) {
					return
				}
			}
		}
	}
}

// begins reports whether text begins with a word.
func begins[T string | []byte](s *Set, text T, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		if s.letters[text[i]] != word[i] {
			return false
		}
	}
	return true
}
