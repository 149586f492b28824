package power

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A Sample is a value at a moment.
type Sample struct {
	At    int64 // ns
	Value float64
}

// An Energy is what a window took.
type Energy struct {
	Joules   float64
	Lo, Hi   float64       // 95 %, by block bootstrap over the samples
	Watts    float64       // mean where there are samples
	Coverage float64       // share of the window within a cadence of a sample
	Cadence  time.Duration // usual distance of samples
	Samples  int           // inside the window, with their neighbours
}

// maxGap is how many cadences of a gap between two samples count as covered; over
// maxLine cadences, the line between them is not believed any more.
const (
	maxGap  = 2
	maxLine = 8
)

// leastCoverage is the share of a window under which its energy is not known.
const leastCoverage = 0.5

// Integrate returns the energy between from and to, by the trapezoid rule over
// samples of power in watts. Samples need not be in order; one of two at the same
// moment is dropped.
func Integrate(samples []Sample, from, to int64) (Energy, error) {
	if to <= from {
		return Energy{}, errors.New("an empty window")
	}
	s := ordered(samples)
	cadence := cadenceOf(s)
	if cadence == 0 {
		return Energy{}, fmt.Errorf("%d samples of power: want two at least", len(s))
	}
	pieces := trapezoids(s, from, to, cadence)
	e := Energy{Cadence: time.Duration(cadence), Samples: len(pieces)}
	var joules, seconds, covered float64
	for _, p := range pieces {
		joules += p.joules
		seconds += p.seconds
		covered += min(p.seconds, maxGap*float64(cadence)/1e9)
	}
	window := float64(to-from) / 1e9
	e.Coverage = covered / window
	if e.Coverage < leastCoverage {
		return e, fmt.Errorf("samples cover %.0f %% of the run: energy needs %.0f %%", 100*e.Coverage, 100*leastCoverage)
	}
	e.Watts = joules / seconds
	e.Joules = e.Watts * window
	e.Lo, e.Hi = interval(pieces, window)
	return e, nil
}

// A piece is the energy between two neighbouring samples.
type piece struct{ joules, seconds float64 }

// trapezoids cuts the line through the samples to the window, without what is
// between samples that are too far apart.
func trapezoids(s []Sample, from, to, cadence int64) []piece {
	var out []piece
	for i := 1; i < len(s); i++ {
		a, b := s[i-1], s[i]
		if b.At-a.At > maxLine*cadence || b.At <= from || a.At >= to {
			continue
		}
		lo, hi := max(a.At, from), min(b.At, to)
		seconds := float64(hi-lo) / 1e9
		out = append(out, piece{(at(a, b, lo) + at(a, b, hi)) / 2 * seconds, seconds})
	}
	return out
}

// at returns the value of the line from a to b.
func at(a, b Sample, t int64) float64 {
	return a.Value + (b.Value-a.Value)*float64(t-a.At)/float64(b.At-a.At)
}

// ordered returns samples by time, each moment once.
func ordered(samples []Sample) []Sample {
	s := slices.DeleteFunc(slices.Clone(samples), func(s Sample) bool { return math.IsNaN(s.Value) || math.IsInf(s.Value, 0) })
	slices.SortStableFunc(s, func(a, b Sample) int { return cmp.Compare(a.At, b.At) })
	return slices.CompactFunc(s, func(a, b Sample) bool { return a.At == b.At })
}

// cadenceOf returns the median distance of samples, ns; 0 where there is none.
func cadenceOf(s []Sample) int64 {
	if len(s) < 2 {
		return 0
	}
	gaps := make([]int64, len(s)-1)
	for i := range gaps {
		gaps[i] = s[i+1].At - s[i].At
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

const (
	bootstraps = 1000
	seed       = 11
)

// interval returns the 95 % interval of the window's energy by the circular block
// bootstrap (Politis and Romano 1992): neighbouring samples are alike, so they are
// drawn in runs of the cube root of their number.
func interval(pieces []piece, window float64) (lo, hi float64) {
	n := len(pieces)
	block := max(1, int(math.Ceil(math.Cbrt(float64(n)))))
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	totals := make([]float64, bootstraps)
	for i := range totals {
		var joules, seconds float64
		for drawn := 0; drawn < n; drawn += block {
			from := rng.IntN(n)
			for k := range min(block, n-drawn) {
				p := pieces[(from+k)%n]
				joules += p.joules
				seconds += p.seconds
			}
		}
		totals[i] = joules / seconds * window
	}
	slices.Sort(totals)
	return totals[bootstraps*25/1000], totals[bootstraps*975/1000-1]
}

// Counter returns the energy between two moments by a counter of joules, which
// needs no integration: between readings it is a line. A counter that falls was
// reset, and gives no answer.
func Counter(samples []Sample, from, to int64) (Energy, error) {
	s := ordered(samples)
	if len(s) < 2 || s[0].At > from || s[len(s)-1].At < to {
		return Energy{}, errors.New("the energy counter was not read before and after the run")
	}
	read := func(t int64) float64 {
		i, _ := slices.BinarySearchFunc(s, t, func(s Sample, t int64) int { return cmp.Compare(s.At, t) })
		if i == 0 {
			return s[0].Value
		}
		return at(s[i-1], s[i], t)
	}
	for i := 1; i < len(s); i++ {
		if s[i].Value < s[i-1].Value && s[i].At > from && s[i-1].At < to {
			return Energy{}, errors.New("the energy counter was reset during the run")
		}
	}
	joules := read(to) - read(from)
	return Energy{
		Joules: joules, Lo: joules, Hi: joules, Watts: joules / (float64(to-from) / 1e9), Coverage: 1,
		Cadence: time.Duration(cadenceOf(s)), Samples: len(s),
	}, nil
}
