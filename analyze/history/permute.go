package history

import (
	"hash/fnv"
	"math/rand/v2"
)

// A shuffler permutes what is exchangeable in a segment: single runs, or groups
// of consecutive blocks.
type shuffler struct {
	rng   *rand.Rand
	group int // blocks that stay together; 0: runs are exchangeable

	ranks, shuffled []float64
	first, moved    []bool
	starts          []int // of blocks, and the end
	units           []int // start of each unit, and the end; scratch
}

// newShuffler prepares to permute ranks; first says where blocks begin.
func newShuffler(rng *rand.Rand, ranks []float64, first []bool, group int) *shuffler {
	s := &shuffler{
		rng: rng, group: group,
		ranks: ranks, shuffled: append([]float64(nil), ranks...),
		first: first, moved: append([]bool(nil), first...),
	}
	for i := range first {
		if i == 0 || first[i] {
			s.starts = append(s.starts, i)
		}
	}
	s.starts = append(s.starts, len(ranks))
	return s
}

// next returns the next permutation, with the places where blocks begin in it.
// Both are valid until the next call.
func (s *shuffler) next() ([]float64, []bool) {
	if s.group == 0 {
		for i := len(s.shuffled) - 1; i > 0; i-- {
			j := s.rng.IntN(i + 1)
			s.shuffled[i], s.shuffled[j] = s.shuffled[j], s.shuffled[i]
		}
		return s.shuffled, s.first
	}
	s.cut()
	s.arrange()
	return s.shuffled, s.moved
}

// cut groups the blocks into units, from a random block on, so that no block is
// always the first of its group.
func (s *shuffler) cut() {
	blocks := len(s.starts) - 1
	s.units = append(s.units[:0], 0)
	for b := s.rng.IntN(s.group); b < blocks; b += s.group {
		if b > 0 {
			s.units = append(s.units, s.starts[b])
		}
	}
	s.units = append(s.units, s.starts[blocks])
}

// arrange lays the units out in random order.
func (s *shuffler) arrange() {
	order := s.rng.Perm(len(s.units) - 1)
	to := 0
	for _, u := range order {
		lo, hi := s.units[u], s.units[u+1]
		copy(s.shuffled[to:], s.ranks[lo:hi])
		copy(s.moved[to:], s.first[lo:hi])
		s.moved[to] = true
		to += hi - lo
	}
}

// A tail estimates P(statistic >= observed) from permutations.
type tail struct {
	permutations int
	enough       int // hits after which the p-value is surely too large
}

// tieTolerance makes statistics equal that differ by rounding only. It errs
// towards the larger p-value.
const tieTolerance = 1e-9

// p draws statistics and returns (1+hits)/(B+1), which is never 0. As soon as
// enough hits have been seen after l draws it returns hits/l, which is a valid
// p-value too and saves the work where there is nothing to find (Besag &
// Clifford 1991).
func (t tail) p(observed float64, draw func() float64) float64 {
	hits := 0
	for l := 1; l <= t.permutations; l++ {
		if draw() >= observed*(1-tieTolerance) {
			hits++
		}
		if hits == t.enough {
			return float64(hits) / float64(l)
		}
	}
	return float64(1+hits) / float64(t.permutations+1)
}

// stream names the use of a random stream. Streams do not share draws, so adding
// one test does not change the others.
type stream uint64

const (
	stepStream stream = iota
	driftStream
	placeStream
)

// newRand returns the random numbers for one use on the runs [lo, hi) of a
// series. They do not depend on which other series there are.
func newRand(seed uint64, name string, use stream, lo, hi int) *rand.Rand {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	return rand.New(rand.NewPCG(seed^hash.Sum64(), uint64(use)<<60|uint64(lo)<<30|uint64(hi)))
}
