package serverlog

// A wordSet finds out in one pass over a text whether any of a set of words is in
// it. A log of 100 MB is asked three times a line; each of the words by itself
// would be looked for a hundred times.
type wordSet struct {
	fold bool // capitals are small letters
	seen [1 << 13]bool
	by   map[uint32][]string // words by their first three bytes
}

// newWordSet returns the set of words, which have three bytes or more. With fold,
// they are in small letters and found in any.
func newWordSet(fold bool, words ...string) *wordSet {
	w := &wordSet{fold: fold, by: map[uint32][]string{}}
	for _, word := range words {
		key := uint32(word[0])<<16 | uint32(word[1])<<8 | uint32(word[2])
		w.seen[slot(key)] = true
		w.by[key] = append(w.by[key], word)
	}
	return w
}

func slot(key uint32) uint32 { return key * 2654435761 >> 19 }

// in reports whether a word of the set is in text.
func (w *wordSet) in(text string) bool { return holds(w, text) }

// holds reports whether a word of w is in text.
func holds[T string | []byte](w *wordSet, text T) bool {
	key := uint32(0)
	for i := range len(text) {
		key = key<<8&0xffffff | uint32(w.letter(text[i]))
		if i < 2 || !w.seen[slot(key)] {
			continue
		}
		for _, word := range w.by[key] {
			if begins(w, text[i-2:], word) {
				return true
			}
		}
	}
	return false
}

// begins reports whether text begins with a word.
func begins[T string | []byte](w *wordSet, text T, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		if w.letter(text[i]) != word[i] {
			return false
		}
	}
	return true
}

func (w *wordSet) letter(c byte) byte {
	if w.fold && 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
