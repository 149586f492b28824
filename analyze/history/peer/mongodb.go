package peer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Energy holds the statistics of the distance between two samples, from the mean
// distances A between them and B and C within each, of all pairs including a
// value with itself (Székely & Rizzo 2013).
type Energy struct {
	E float64 // 2A - B - C
	T float64 // nm/(n+m) E
	H float64 // E/(2A)
}

// EnergyStatistics compares two samples of vectors, as
// mongodb/signal-processing-algorithms does (at aec099a).
func EnergyStatistics(x, y [][]float64) (Energy, error) {
	if len(x) == 0 || len(y) == 0 {
		return Energy{}, errors.New("peer: a sample is empty")
	}
	for _, v := range slices.Concat(x, y) {
		if len(v) != len(x[0]) {
			return Energy{}, fmt.Errorf("peer: vectors of %d and %d values", len(x[0]), len(v))
		}
	}
	return energy(sumDistances(x, x), sumDistances(y, y), sumDistances(x, y), len(x), len(y)), nil
}

func sumDistances(x, y [][]float64) float64 {
	var sum float64
	for _, u := range x {
		for _, v := range y {
			sum += euclidean(u, v)
		}
	}
	return sum
}

func euclidean(u, v []float64) float64 {
	var squares float64
	for i := range u {
		squares += (u[i] - v[i]) * (u[i] - v[i])
	}
	return math.Sqrt(squares)
}

// energy turns sums of distances within x, within y and between them into the
// statistics. An empty side has mean distance 0.
func energy(x, y, xy float64, n, m int) Energy {
	nf, mf := float64(n), float64(m)
	mean := func(sum, pairs float64) float64 {
		if pairs == 0 {
			return 0
		}
		return sum / pairs
	}
	a := mean(xy, nf*mf)
	e := Energy{E: 2*a - mean(x, nf*nf) - mean(y, mf*mf)}
	e.T = nf * mf / (nf + mf) * e.E
	if a > 0 {
		e.H = e.E / (2 * a)
	}
	return e
}

// MongoDBOptions are the parameters of e_divisive, which are 0.05 and 100 by
// default there; its tests use 0.01.
type MongoDBOptions struct {
	MaxP         float64
	Permutations int
	Seed         uint64 // its tests seed numpy's generator; ours is another
}

// MongoDB finds change points by e-divisive means: split where the energy
// statistic T is largest in any segment, as long as permutations within segments
// seldom reach it. The order is that of discovery.
//
// What is wrong with it is kept: p is hits/(permutations+1), which may be 0, and
// the search ends at the first candidate that is not significant although
// another segment may hold one.
func MongoDB(series []float64, opts MongoDBOptions) []int {
	d := divisive{opts: opts, rng: rand.New(rand.NewPCG(opts.Seed, 0))}
	d.values = series
	var found []int
	for len(series) > 0 {
		at := d.next(found)
		// The original takes a change point at 0 for none.
		if at == 0 {
			break
		}
		found = append(found, at)
	}
	return found
}

type divisive struct {
	opts   MongoDBOptions
	rng    *rand.Rand
	values []float64
}

// next returns the best candidate if it is significant, and otherwise 0.
func (d *divisive) next(found []int) int {
	bounds := append([]int{0, len(d.values)}, found...)
	slices.Sort(bounds)
	at, best := 0, math.Inf(-1)
	for i := 1; i < len(bounds); i++ {
		if k, t := bestSplit(d.values[bounds[i-1]:bounds[i]]); t > best {
			at, best = bounds[i-1]+k, t
		}
	}
	hits := 0
	shuffled := slices.Clone(d.values)
	limit := d.opts.MaxP * float64(d.opts.Permutations+1)
	for range d.opts.Permutations {
		if d.reaches(shuffled, bounds, best) {
			hits++
		}
		if float64(hits) > limit {
			return 0
		}
	}
	return at
}

// reaches shuffles each segment and reports whether any then has a T of best.
func (d *divisive) reaches(shuffled []float64, bounds []int, best float64) bool {
	for i := 1; i < len(bounds); i++ {
		segment := shuffled[bounds[i-1]:bounds[i]]
		d.rng.Shuffle(len(segment), func(a, b int) { segment[a], segment[b] = segment[b], segment[a] })
	}
	for i := 1; i < len(bounds); i++ {
		if _, t := bestSplit(shuffled[bounds[i-1]:bounds[i]]); t >= best {
			return true
		}
	}
	return false
}

// bestSplit returns the first split with the largest T, and that. With τ growing
// by one, the sums change by the distances of one value to those on each side.
func bestSplit(values []float64) (at int, best float64) {
	n := len(values)
	var x, xy float64
	y := pairDistances(values)
	best = math.Inf(-1)
	for tau := range n {
		if t := energy(2*x, 2*y, xy, tau, n-tau).T; t > best {
			at, best = tau, t
		}
		var left, right float64
		for _, v := range values[:tau] {
			left += math.Abs(v - values[tau])
		}
		for _, v := range values[tau:] {
			right += math.Abs(v - values[tau])
		}
		xy += right - left
		x += left
		y -= right
	}
	return at, best
}
