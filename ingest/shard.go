package ingest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// A Shard is one part of several that a list of uploads is cut into, each for a
// process of its own: number Index, from 0 on, of Count. Which part a name is in
// follows from the name alone, so that they need not know of each other. The zero
// Shard has everything.
type Shard struct{ Index, Count int }

// ParseShard reads 3/8.
func ParseShard(text string) (Shard, error) {
	index, count, ok := strings.Cut(text, "/")
	i, notIndex := strconv.Atoi(index)
	n, notCount := strconv.Atoi(count)
	if !ok || notIndex != nil || notCount != nil || n < 1 || i < 0 || i >= n {
		return Shard{}, fmt.Errorf("%q is no shard: want INDEX/COUNT, from 0/8 to 7/8", text)
	}
	return Shard{i, n}, nil
}

// Has reports whether a name is in the shard.
func (s Shard) Has(name string) bool {
	if s.Count <= 1 {
		return true
	}
	sum := sha256.Sum256([]byte(name))
	return binary.BigEndian.Uint64(sum[:])%uint64(s.Count) == uint64(s.Index)
}

// Of returns those of names that are in the shard.
func (s Shard) Of(names []string) []string {
	var out []string
	for _, name := range names {
		if s.Has(name) {
			out = append(out, name)
		}
	}
	return out
}
