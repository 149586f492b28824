package vllm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Values have four bytes or twelve, many at a time as one by one, and none looks like others.
func TestDigestOfValues(t *testing.T) {
	edges := []int64{0, 1, math.MaxUint32 - 1, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64, -1, bad, missing}
	rnd := rand.New(rand.NewPCG(1, 2))
	seen := map[digest][]int64{}
	for size := range 40 {
		for range 50 {
			vs := make([]int64, size)
			for i := range vs {
				vs[i] = edges[rnd.IntN(len(edges))]
			}
			compareDigests(t, vs, seen)
		}
	}
	// Through the ends of both buffers, with and without a long gap among short ones.
	many := make([]int64, 3*largeBuffer)
	for i := range many {
		many[i] = rnd.Int64N(1 << 24)
	}
	compareDigests(t, many, seen)
	for range 5 {
		many[rnd.IntN(len(many))] = 5e9
		compareDigests(t, many, seen)
	}
}

// compareDigests writes values in both ways, and looks whether others have their digest.
func compareDigests(t *testing.T, vs []int64, seen map[digest][]int64) {
	t.Helper()
	one, many := newDigest(), newDigest()
	for _, v := range vs {
		one.int64(v)
	}
	many.int64s(vs)
	got, want := many.sum(), one.sum()
	if got != want {
		t.Fatalf("%d values at a time have another digest than one by one", len(vs))
	}
	if other, ok := seen[got]; ok && !slices.Equal(other, vs) {
		t.Errorf("%d and %v have one digest", vs, other)
	}
	seen[got] = slices.Clone(vs)
}
