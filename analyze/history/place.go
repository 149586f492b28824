package history

import (
	"math"
	"math/rand/v2"

	"github.com/servestat/servestat/analyze/sample"
)

const (
	// placePermutations is enough for a decision at 5 %.
	placePermutations = 199

	// placePatience is how many places in a row must be rejected before those
	// beyond are taken to be rejected too.
	placePatience = 5
)

// changePoints describes the steps that were found, each between its neighbours.
func (x *search) changePoints(root *node) []ChangePoint {
	steps := root.steps()
	drifts := root.drifts()
	cps := make([]ChangePoint, 0, len(steps))
	for i, s := range steps {
		lo, hi := 0, len(x.h.at)
		if i > 0 {
			lo = steps[i-1].at
		}
		if i+1 < len(steps) {
			hi = steps[i+1].at
		}
		// A later split may have shown that an earlier one sat between two changes:
		// now that its neighbours are known it gets its place.
		s.at = x.bestBetween(lo, hi, s.at)
		cp := x.changePoint(s, lo, hi)
		for _, d := range drifts {
			if d.lo < s.at && s.at < d.hi {
				cp.InDrift = true
				cp.Warnings = append(cp.Warnings, warn(PartOfDrift, "a step of a drift: look for what grows, not for what changed here"))
			}
		}
		cps = append(cps, cp)
	}
	return cps
}

// bestBetween returns the best split of [lo, hi), or at if there is none.
func (x *search) bestBetween(lo, hi, at int) int {
	ranks := centredRanks(x.h.logs[lo:hi])
	if _, k := newScan(ranks, x.opts.MinRuns).best(ranks, x.h.first[lo:hi]); k > 0 {
		return lo + k
	}
	return at
}

// changePoint describes the step at s.at between the changes at lo and hi.
func (x *search) changePoint(s *node, lo, hi int) ChangePoint {
	low, high := x.place(lo, hi, s.at)
	cp := ChangePoint{
		Index: x.h.at[s.at], Previous: x.h.at[s.at-1],
		Location: Location{x.h.at[low], x.h.at[high], x.opts.Confidence},
		P:        s.p, AdjustedP: s.adjusted,
	}
	leftEnd, rightStart := low, high
	if low-lo < x.opts.MinRuns || hi-high < x.opts.MinRuns {
		leftEnd, rightStart = s.at, s.at
		if low < high {
			cp.Warnings = append(cp.Warnings, warn(UnsureRuns, "the place is unsure by %d runs, so the effect rests on runs of either level: add runs", high-low))
		}
	}
	cp.Ratio = x.ratio(lo, leftEnd, rightStart, hi)
	if cp.Ratio.CI.Level < x.opts.Confidence {
		cp.Warnings = append(cp.Warnings, warn(FewForEffect, "%d and %d independent values: the interval of the effect has confidence %.2g: add runs", cp.Ratio.NBefore, cp.Ratio.NAfter, cp.Ratio.CI.Level))
	}
	if x.h.blocks < len(x.h.at) && min(x.h.countBlocks(lo, s.at), x.h.countBlocks(s.at, hi)) == 1 {
		cp.Warnings = append(cp.Warnings, warn(OneBlock, "one side is a single build or day: confirm it with another"))
	}
	return cp
}

// place returns the first and the last place for the one change in [lo, hi) that
// are not rejected. If the change is at k, the runs before it are exchangeable
// among themselves and so are those after it, whatever their distribution: how
// much better the best place looks than k, max z² - z(k)², is compared with what
// permutations within both sides give. So the set is exact (Dümbgen 1991 bounds
// the same by the bootstrap). What is returned is its hull, which however large
// the step is reaches about one run in twenty to each side: that an exceptional
// run happened to stand at the edge cannot be excluded.
func (x *search) place(lo, hi, at int) (low, high int) {
	c := x.newChoice(lo, hi)
	low, high = at, at
	for k, rejected := at-1, 0; k >= lo+x.opts.MinRuns && rejected < placePatience; k-- {
		switch {
		case !x.h.first[k]:
		case c.rejects(k - lo):
			rejected++
		default:
			low, rejected = k, 0
		}
	}
	for k, rejected := at+1, 0; k <= hi-x.opts.MinRuns && rejected < placePatience; k++ {
		switch {
		case !x.h.first[k]:
		case c.rejects(k - lo):
			rejected++
		default:
			high, rejected = k, 0
		}
	}
	return low, high
}

// A choice tests where in a segment with one change that change is.
type choice struct {
	x      *search
	rng    *rand.Rand
	scan   scan
	ranks  []float64
	first  []bool
	z      float64 // of the best place
	level  float64
	both   []float64 // scratch
	starts []bool    // scratch
}

func (x *search) newChoice(lo, hi int) *choice {
	ranks, first := centredRanks(x.h.logs[lo:hi]), x.h.first[lo:hi]
	c := &choice{
		x: x, rng: newRand(x.opts.Seed, x.name, placeStream, lo, hi),
		scan: newScan(ranks, x.opts.MinRuns), ranks: ranks, first: first,
		level: 1 - x.opts.Confidence,
		both:  make([]float64, len(ranks)), starts: make([]bool, len(ranks)),
	}
	c.z, _ = c.scan.best(ranks, first)
	return c
}

// rejects reports whether the change is surely not at k.
func (c *choice) rejects(k int) bool {
	left := newShuffler(c.rng, c.ranks[:k], c.first[:k], c.x.group)
	right := newShuffler(c.rng, c.ranks[k:], c.first[k:], c.x.group)
	t := tail{permutations: max(placePermutations, int(math.Ceil(resolution/c.level)))}
	t.enough = int(c.level*float64(t.permutations+1)) + 1
	p := t.p(excess(c.z, c.scan.splitAt(c.ranks, k)), func() float64 {
		c.join(left, right, k)
		z, _ := c.scan.best(c.both, c.starts)
		return excess(z, c.scan.splitAt(c.both, k))
	})
	return p <= c.level
}

// join lays the next permutations of both sides side by side. A block begins at
// k whatever was moved there.
func (c *choice) join(left, right *shuffler, k int) {
	r, f := left.next()
	copy(c.both, r)
	copy(c.starts, f)
	r, f = right.next()
	copy(c.both[k:], r)
	copy(c.starts[k:], f)
	c.starts[k] = true
}

func excess(z, at float64) float64 { return z*z - at*at }

// Ratio is the new level over the old one: the Hodges-Lehmann estimate on logs,
// and the interval that goes with the Mann-Whitney test.
type Ratio struct {
	Value           float64
	CI              sample.Interval
	NBefore, NAfter int // values that it rests on: runs, or groups of blocks
}

// ratio estimates the step from the runs [lo, leftEnd) to those in
// [rightStart, hi).
func (x *search) ratio(lo, leftEnd, rightStart, hi int) Ratio {
	before, after := x.independent(lo, leftEnd), x.independent(rightStart, hi)
	shift, ci := hodgesLehmann(before, after, x.opts.Confidence)
	ci.Low, ci.High = math.Exp(ci.Low), math.Exp(ci.High)
	return Ratio{math.Exp(shift), ci, len(before), len(after)}
}

// independent returns the values of runs, or where those depend on each other,
// the medians of the groups of blocks that do not.
func (x *search) independent(lo, hi int) []float64 {
	if x.group == 0 {
		return x.h.logs[lo:hi]
	}
	var groups []float64
	blocks, start := 0, lo
	for i := lo; i < hi; i++ {
		if i > lo && x.h.first[i] {
			if blocks++; blocks%x.group == 0 {
				groups = append(groups, sample.Quantile(x.h.logs[start:i], 0.5))
				start = i
			}
		}
	}
	return append(groups, sample.Quantile(x.h.logs[start:hi], 0.5))
}
