package preflight

import (
	"encoding/binary"
	"slices"
)

// An index finds the rules that a message may be about in one pass over it: a log
// of 100 MB has a million messages, and there are some two hundred texts. Of each
// text the first four bytes of its longest part are looked for.
type index struct {
	rules []Rule
	seen  [1 << 14]bool // whether any text has such four bytes, by a hash of them
	first map[uint32][]int
}

func newIndex(all []Rule) *index {
	x := &index{rules: all, first: map[uint32][]int{}}
	for i, r := range all {
		for _, p := range r.texts {
			key := binary.LittleEndian.Uint32([]byte(longest(p)))
			x.seen[slot(key)] = true
			if !slices.Contains(x.first[key], i) {
				x.first[key] = append(x.first[key], i)
			}
		}
	}
	return x
}

func longest(p pattern) string {
	return slices.MaxFunc(p, func(a, b string) int { return len(a) - len(b) })
}

func slot(key uint32) uint32 { return key * 2654435761 >> 18 }

// about returns the rules that a message is about, in their order.
func (x *index) about(message string) []*Rule {
	var found []int
	key := uint32(0)
	for i := range len(message) {
		key = key>>8 | uint32(message[i])<<24
		if i < 3 || !x.seen[slot(key)] {
			continue
		}
		for _, n := range x.first[key] {
			if !slices.Contains(found, n) && x.rules[n].find(message) >= 0 {
				found = append(found, n)
			}
		}
	}
	slices.Sort(found)
	out := make([]*Rule, len(found))
	for i, n := range found {
		out[i] = &x.rules[n]
	}
	return out
}
