package history

import (
	"errors"
	"fmt"
	"math"

	"github.com/servestat/servestat/analyze/sample"
)

// Options sets the levels. The zero value of each field stands for its default.
type Options struct {
	// Alpha bounds the chance that a series without change shows a change point.
	// 0.01.
	Alpha float64

	// FDR is the share of false ones that [DetectAll] allows among the series that
	// it lists as changed. 0.05.
	FDR float64

	// Permutations is how many are drawn for a p-value, at least: where the level
	// is so strict that they could not reach it, more are. 999.
	Permutations int

	// MinRuns is how many runs a level needs to be one. 3, and not less.
	MinRuns int

	// Confidence is that of intervals. 0.95.
	Confidence float64

	// Seed makes the permutations others. Equal seeds give equal results.
	Seed uint64
}

// Defaults of Options.
const (
	defaultAlpha        = 0.01
	defaultFDR          = 0.05
	defaultPermutations = 999
	defaultMinRuns      = 3
	defaultConfidence   = 0.95
)

// resolution is how many permutations a p-value must be able to count at the
// level that it is compared with.
const resolution = 4

// leastHits is how many hits end the drawing of permutations, at least: p-values
// that feed the false discovery rate need not be exact, but not crude either.
const leastHits = 10

// Result is what a series shows. All indices are into Series.Runs.
type Result struct {
	Name         string
	Runs, Blocks int // that count
	Excluded     []Exclusion
	ChangePoints []ChangePoint // in order
	Drifts       []Drift       // in order
	Levels       []Level       // between change points
	Dependence   Dependence

	// P is the p-value of no change in the whole series: twice the smaller of
	// those of a step and of a drift. NaN where neither could be tested. FDR is P
	// adjusted over all series of [DetectAll], and Discovery says that it is at
	// most Options.FDR.
	P, FDR    float64
	Discovery bool

	Warnings []Warning
}

// ChangePoint is a step in the level of a series.
type ChangePoint struct {
	Index    int // first run of the new level
	Previous int // last run before it that counts
	Location Location
	Ratio    Ratio // of the new level to the old one

	// P is the p-value of no change in the segment that was searched, with the
	// search paid for. AdjustedP is for the whole series: at most Alpha.
	P, AdjustedP float64

	// InDrift says that the change point is one step of the staircase that stands
	// for a drift: nothing need have happened there.
	InDrift  bool
	Warnings []Warning
}

// Location is the set of places for a change point that the data do not exclude:
// the first run of the new level is one of Low to High.
type Location struct {
	Low, High int
	Level     float64 // confidence
}

// Level is a stretch of runs without change.
type Level struct {
	First, Last  int // indices of its first and last run
	Runs, Blocks int
	Value        float64 // geometric median
}

// Detect finds the change points and drifts of one series. It is deterministic.
func Detect(s Series, opts Options) (Result, error) {
	opts, err := opts.complete()
	if err != nil {
		return Result{}, err
	}
	return detect(s, opts, opts.Permutations)
}

// DetectAll finds the change points and drifts of several series, and says of
// each whether it is among those that changed, with a false discovery rate of at
// most Options.FDR over all of them (Benjamini & Hochberg 1995). The results are
// in the order of the series and do not depend on it.
func DetectAll(all []Series, opts Options) ([]Result, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	// One changed series among all must be able to pass: its p-value must reach
	// FDR over the number of series, with two tests in it.
	enough := int(math.Ceil(2 * resolution * float64(len(all)) / opts.FDR))
	results := make([]Result, len(all))
	ps := make([]float64, len(all))
	var errs []error
	for i, s := range all {
		r, err := detect(s, opts, max(opts.Permutations, enough))
		results[i], ps[i] = r, r.P
		if err != nil {
			errs = append(errs, err)
			results[i].Name, ps[i] = s.Name, math.NaN()
		}
	}
	for i, fdr := range benjaminiHochberg(ps) {
		results[i].FDR, results[i].Discovery = fdr, fdr <= opts.FDR
	}
	return results, errors.Join(errs...)
}

// complete fills in defaults and refuses what has no meaning.
func (o Options) complete() (Options, error) {
	o.Alpha = orDefault(o.Alpha, defaultAlpha)
	o.FDR = orDefault(o.FDR, defaultFDR)
	o.Permutations = orDefault(o.Permutations, defaultPermutations)
	o.MinRuns = orDefault(o.MinRuns, defaultMinRuns)
	o.Confidence = orDefault(o.Confidence, defaultConfidence)
	switch {
	case !(o.Alpha > 0 && o.Alpha <= 0.2):
		return o, fmt.Errorf("history: alpha %g is not between 0 and 0.2", o.Alpha)
	case !(o.FDR > 0 && o.FDR < 1):
		return o, fmt.Errorf("history: false discovery rate %g is not between 0 and 1", o.FDR)
	case o.Permutations < 99:
		return o, fmt.Errorf("history: %d permutations are too few: 999 is usual", o.Permutations)
	case o.MinRuns < defaultMinRuns:
		return o, fmt.Errorf("history: a level of %d runs would make change points of single spikes: the least is %d", o.MinRuns, defaultMinRuns)
	case !(o.Confidence > 0.5 && o.Confidence < 1):
		return o, fmt.Errorf("history: confidence %g is not between 0.5 and 1", o.Confidence)
	}
	return o, nil
}

func orDefault[T int | float64](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// detect is Detect with that many permutations for the whole series.
func detect(s Series, opts Options, rootPermutations int) (Result, error) {
	h, excluded, err := newHistory(s)
	if err != nil {
		return Result{}, err
	}
	if len(h.at) == 0 {
		return Result{Name: s.Name, Excluded: excluded, P: math.NaN(), FDR: math.NaN()}, nil
	}
	x := search{h: h, name: s.Name, opts: opts, rootPermutations: rootPermutations}
	found := x.find()
	dependence := measureDependence(h, found.residuals(h), found.cuts())
	if dependence.Group > 0 {
		x.group = dependence.Group
		found = x.find()
	}
	r := Result{
		Name: s.Name, Runs: len(h.at), Blocks: h.blocks, Excluded: excluded,
		Dependence: dependence, P: found.anyP(), FDR: math.NaN(),
	}
	r.ChangePoints = x.changePoints(found)
	r.Drifts = x.driftsOf(found)
	r.Levels = levels(h, found.steps())
	r.Warnings = x.warnings(dependence)
	return r, nil
}

// A search is the analysis of one series under one idea of what is exchangeable.
type search struct {
	h                history
	name             string
	opts             Options
	group            int // see shuffler
	rootPermutations int
}

// A node is a segment [lo, hi) that was searched, and its parts if it was split.
type node struct {
	lo, hi      int
	at          int     // the best split, or 0
	p, adjusted float64 // of a step
	left, right *node   // nil: not split

	drift               *ramp   // the ramp that describes the segment better than steps, or nil
	rampP, rampAdjusted float64 // of the best ramp
}

// find segments the whole series.
func (x *search) find() *node {
	root := x.segment(0, len(x.h.at), 0)
	x.findDrifts(root, 0)
	return root
}

// segment searches [lo, hi), all segments around which are significant at outer.
func (x *search) segment(lo, hi int, outer float64) *node {
	n := &node{lo: lo, hi: hi, p: math.NaN(), adjusted: math.NaN(), rampP: math.NaN(), rampAdjusted: math.NaN()}
	if hi-lo < 2*x.opts.MinRuns {
		return n
	}
	ranks, first := centredRanks(x.h.logs[lo:hi]), x.h.first[lo:hi]
	sc := newScan(ranks, x.opts.MinRuns)
	z, at := sc.best(ranks, first)
	if at == 0 {
		return n
	}
	n.at = lo + at
	sh := newShuffler(newRand(x.opts.Seed, x.name, stepStream, lo, hi), ranks, first, x.group)
	n.p = x.tail(lo, hi).p(z, func() float64 {
		largest, _ := sc.best(sh.next())
		return largest
	})
	n.adjusted = x.adjust(n.p, lo, hi, outer)
	if n.adjusted <= x.opts.Alpha {
		n.left = x.segment(lo, n.at, n.adjusted)
		n.right = x.segment(n.at, hi, n.adjusted)
	}
	return n
}

// adjust makes a p-value of the segment [lo, hi) one of the whole series: the
// segment has its share of the level, and is significant only if those around it
// are (Meinshausen 2008).
func (x *search) adjust(p float64, lo, hi int, outer float64) float64 {
	return math.Max(outer, math.Min(1, p/x.share(lo, hi)))
}

func (x *search) share(lo, hi int) float64 {
	return float64(hi-lo) / float64(len(x.h.at))
}

// tail says how many permutations the segment [lo, hi) needs.
func (x *search) tail(lo, hi int) tail {
	level := x.opts.Alpha * x.share(lo, hi)
	b := max(x.opts.Permutations, int(math.Ceil(resolution/level)))
	if hi-lo == len(x.h.at) {
		b = max(b, x.rootPermutations)
	}
	return tail{b, max(leastHits, int(math.Ceil(level*float64(b+1))))}
}

// steps returns the change points of a segment in order.
func (n *node) steps() []*node {
	if n.left == nil {
		return nil
	}
	return append(append(n.left.steps(), n), n.right.steps()...)
}

// drifts returns the nodes that are drifts, in order.
func (n *node) drifts() []*node {
	switch {
	case n.drift != nil:
		return []*node{n}
	case n.left == nil:
		return nil
	}
	return append(n.left.drifts(), n.right.drifts()...)
}

// anyP is the p-value of no change at all: of two tests, so twice the smaller.
func (n *node) anyP() float64 {
	p := n.p
	if math.IsNaN(p) || n.rampP < p {
		p = n.rampP
	}
	return math.Min(1, 2*p)
}

// cuts returns where the stretches begin that are one level or one drift each.
func (n *node) cuts() []int {
	if n.drift != nil || n.left == nil {
		return []int{n.lo}
	}
	return append(n.left.cuts(), n.right.cuts()...)
}

// residuals takes the levels and drifts that were found off the values.
func (n *node) residuals(h history) []float64 {
	logs := append([]float64(nil), h.logs...)
	for _, d := range n.drifts() {
		for i := d.lo; i < d.hi; i++ {
			logs[i] -= d.drift.height * d.drift.rises(h, i)
		}
	}
	return stepResiduals(logs, n.cuts())
}

// levels describes the stretches between change points.
func levels(h history, steps []*node) []Level {
	var ls []Level
	lo := 0
	for i := 0; i <= len(steps); i++ {
		hi := len(h.at)
		if i < len(steps) {
			hi = steps[i].at
		}
		ls = append(ls, Level{
			First: h.at[lo], Last: h.at[hi-1], Runs: hi - lo, Blocks: h.countBlocks(lo, hi),
			Value: math.Exp(sample.Quantile(h.logs[lo:hi], 0.5)),
		})
		lo = hi
	}
	return ls
}

// Baseline returns the indices of the runs since the last change point, which are
// those that a new run may be compared with. Excluded runs are not among them.
func (r Result) Baseline() []int {
	if len(r.Levels) == 0 {
		return nil
	}
	last := r.Levels[len(r.Levels)-1]
	out := make(map[int]bool)
	for _, e := range r.Excluded {
		out[e.Index] = true
	}
	var runs []int
	for i := last.First; i <= last.Last; i++ {
		if !out[i] {
			runs = append(runs, i)
		}
	}
	return runs
}

// warnings says what limits the analysis of the whole series.
func (x *search) warnings(d Dependence) []Warning {
	var ws []Warning
	runs := len(x.h.at)
	needed := leastUnits(x.opts.Alpha)
	if runs < needed {
		ws = append(ws, warn(TooFewRuns, "%d runs: no change point can be significant at %g below %d: add runs", runs, x.opts.Alpha, needed))
	}
	if runs > 1 && constant(x.h.logs) {
		ws = append(ws, warn(NoVariation, "all %d runs have the same value: check that they were measured", runs))
	}
	if x.h.weeks == nil && runs > 0 {
		ws = append(ws, warn(NoDates, "runs without dates: drift is stated per run: give each run its time"))
	}
	if d.Group == 0 {
		return ws
	}
	ws = append(ws, warn(Dependent, "runs resemble their neighbours (lag-1 autocorrelation %.2f): %d consecutive builds or days were permuted as one", d.Runs, d.Group))
	if units := (x.h.blocks + d.Group - 1) / d.Group; units < needed {
		ws = append(ws, warn(TooFewBlocks, "%d exchangeable groups of builds or days: no change point can be significant at %g below %d: add days", units, x.opts.Alpha, needed))
	}
	return ws
}

// leastUnits is the number of exchangeable units below which even a perfect
// separation in the middle is not significant. For even n its p-value is that of
// the two arrangements of C(n, n/2); for odd n there are two middles, both perfect
// at once in 4/(n+1) of four.
func leastUnits(alpha float64) int {
	for n := 2 * defaultMinRuns; ; n++ {
		ways, perfect := 1.0, 2.0
		for i := 1; i <= n/2; i++ {
			ways *= float64(n-n/2+i) / float64(i)
		}
		if n%2 == 1 {
			perfect = 4 - 4/float64(n+1)
		}
		if perfect/ways <= alpha {
			return n
		}
	}
}

func constant(xs []float64) bool {
	for _, v := range xs {
		if v != xs[0] {
			return false
		}
	}
	return true
}
