package history

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/servestat/servestat/analyze/sample"
)

// Drift is a steady change in one direction.
type Drift struct {
	From, To int   // first and last run of it
	Rate     Ratio // factor per Unit
	Total    Ratio // factor from From to To
	Unit     Unit

	// P is the p-value of no trend in the stretch that was searched, with the
	// search paid for; AdjustedP is for the whole series: at most Alpha.
	P, AdjustedP float64
	Warnings     []Warning
}

// Unit is what the rate of a drift is per.
type Unit string

// The units of drifts.
const (
	PerWeek Unit = "week"
	PerRun  Unit = "run" // where a run has no date
)

const (
	// rampEnds is how many places a ramp may begin and end at. A drift has no
	// sharp ends, so a coarse grid loses little.
	rampEnds = 9

	// rampRuns and rampBlocks are the least of a drift: fewer are a step.
	rampRuns, rampBlocks = 6, 5

	// clip bounds the squared residual of one run, in standard deviations, so that
	// a stalled run speaks neither for steps nor for a drift.
	clip = 3.0
)

// A ramp is flat, then straight on the time axis, then flat.
type ramp struct {
	from, to int     // positions of the ends of the straight part
	level    float64 // before it
	height   float64 // what it rises by, in logs
}

// rises returns the share of its height that a ramp has risen by at position i.
func (r ramp) rises(h history, i int) float64 {
	t := h.axis()
	return math.Max(0, math.Min(1, (t[i]-t[r.from])/(t[r.to]-t[r.from])))
}

// findDrifts looks for a drift in a segment and, if there is none, in its parts.
func (x *search) findDrifts(n *node, outer float64) {
	x.testRamps(n, outer)
	if n.drift != nil && (n.rampAdjusted > x.opts.Alpha || !x.rampWins(n)) {
		n.drift = nil
	}
	if n.drift == nil && n.left != nil {
		x.findDrifts(n.left, n.adjusted)
		x.findDrifts(n.right, n.adjusted)
	}
}

// testRamps finds the ramp that the ranks of a segment follow best, with its
// p-value. The statistic is the largest correlation |Σ r c| / |c| over centred
// ramps c.
func (x *search) testRamps(n *node, outer float64) {
	ramps, contrasts := x.ramps(n.lo, n.hi)
	if len(ramps) == 0 {
		return
	}
	ranks := centredRanks(x.h.logs[n.lo:n.hi])
	observed, best := strongest(contrasts, ranks)
	if observed == 0 {
		return
	}
	sh := newShuffler(newRand(x.opts.Seed, x.name, driftStream, n.lo, n.hi), ranks, x.h.first[n.lo:n.hi], x.group)
	n.rampP = x.tail(n.lo, n.hi).p(observed, func() float64 {
		permuted, _ := sh.next()
		largest, _ := strongest(contrasts, permuted)
		return largest
	})
	n.rampAdjusted = x.adjust(n.rampP, n.lo, n.hi, outer)
	n.drift = &ramps[best]
	x.fitRamp(n)
}

// ramps returns the ramps to try in [lo, hi), each with its contrast.
func (x *search) ramps(lo, hi int) (rs []ramp, contrasts [][]float64) {
	ends := x.ends(lo, hi)
	t := x.h.axis()
	for i, from := range ends {
		for _, to := range ends[i+1:] {
			if to-from+1 < rampRuns || x.h.countBlocks(from, to+1) < rampBlocks || t[to] <= t[from] {
				continue
			}
			r := ramp{from: from, to: to}
			rs = append(rs, r)
			contrasts = append(contrasts, x.contrast(r, lo, hi))
		}
	}
	return rs, contrasts
}

// ends returns the places where ramps of [lo, hi) may begin and end: first runs
// of blocks, evenly spread, and the last run.
func (x *search) ends(lo, hi int) []int {
	var starts []int
	for i := lo; i < hi; i++ {
		if i == lo || x.h.first[i] {
			starts = append(starts, i)
		}
	}
	if len(starts) < 2 {
		return nil
	}
	starts[len(starts)-1] = hi - 1
	if len(starts) <= rampEnds {
		return starts
	}
	ends := make([]int, rampEnds)
	for i := range ends {
		ends[i] = starts[i*(len(starts)-1)/(rampEnds-1)]
	}
	return ends
}

// contrast returns a ramp's shape over [lo, hi), centred and of length 1.
func (x *search) contrast(r ramp, lo, hi int) []float64 {
	c := make([]float64, hi-lo)
	t := x.h.axis()
	var mean, squares float64
	for i := range c {
		c[i] = math.Max(0, math.Min(1, (t[lo+i]-t[r.from])/(t[r.to]-t[r.from])))
		mean += c[i] / float64(len(c))
	}
	for i := range c {
		c[i] -= mean
		squares += c[i] * c[i]
	}
	for i := range c {
		c[i] /= math.Sqrt(squares)
	}
	return c
}

func strongest(contrasts [][]float64, ranks []float64) (largest float64, at int) {
	for j, c := range contrasts {
		sum := 0.0
		for i, r := range ranks {
			sum += r * c[i]
		}
		if v := math.Abs(sum); v > largest {
			largest, at = v, j
		}
	}
	return largest, at
}

// fitRamp sets the level and the height of a node's ramp to medians: of slopes
// between pairs of runs, and of what is left (Theil 1950, Sen 1968).
func (x *search) fitRamp(n *node) {
	r := n.drift
	rises := make([]float64, n.hi-n.lo)
	for i := range rises {
		rises[i] = r.rises(x.h, n.lo+i)
	}
	logs := x.h.logs[n.lo:n.hi]
	r.height = sample.QuantileSorted(pairSlopes(rises, logs), 0.5)
	left := make([]float64, len(logs))
	for i := range left {
		left[i] = logs[i] - r.height*rises[i]
	}
	r.level = sample.Quantile(left, 0.5)
}

// pairSlopes returns the slopes between all pairs of points, in order.
func pairSlopes(xs, ys []float64) []float64 {
	var slopes []float64
	for i := range xs {
		for j := range i {
			if xs[i] != xs[j] {
				slopes = append(slopes, (ys[i]-ys[j])/(xs[i]-xs[j]))
			}
		}
	}
	slices.Sort(slopes)
	return slopes
}

// rampWins reports whether a node's ramp describes it better than steps do: those
// that were found, or the best one if none was. Each side pays log n for every
// parameter (Schwarz 1978): a ramp for its two levels and for each end that is not
// the segment's, steps for each level and place.
func (x *search) rampWins(n *node) bool {
	noise := noise(x.h.logs[n.lo:n.hi])
	var ramped float64
	for i := n.lo; i < n.hi; i++ {
		ramped += loss(x.h.logs[i]-n.drift.level-n.drift.height*n.drift.rises(x.h, i), noise)
	}
	cuts := []int{0}
	for _, s := range n.steps() {
		cuts = append(cuts, s.at-n.lo)
	}
	if len(cuts) == 1 && n.at > 0 {
		cuts = append(cuts, n.at-n.lo)
	}
	var stepped float64
	for _, e := range stepResiduals(x.h.logs[n.lo:n.hi], cuts) {
		stepped += loss(e, noise)
	}
	price := math.Log(float64(n.hi - n.lo))
	return ramped+float64(n.drift.parameters(n.lo, n.hi))*price < stepped+float64(2*len(cuts)-1)*price
}

func (r ramp) parameters(lo, hi int) int {
	count := 2
	if r.from > lo {
		count++
	}
	if r.to < hi-1 {
		count++
	}
	return count
}

// loss is the squared residual in units of the noise, clipped.
func loss(e, noise float64) float64 {
	e = math.Min(math.Abs(e)/noise, clip)
	return e * e
}

// noise estimates the standard deviation of a run from the median absolute
// difference of neighbours, which steps and drifts hardly touch.
func noise(logs []float64) float64 {
	diffs := make([]float64, 0, len(logs))
	var sum float64
	for i := 1; i < len(logs); i++ {
		d := math.Abs(logs[i] - logs[i-1])
		diffs = append(diffs, d)
		sum += d
	}
	normal := math.Sqrt2 * distuv.UnitNormal.Quantile(0.75)
	if s := sample.Quantile(diffs, 0.5) / normal; s > 0 {
		return s
	}
	return math.Max(sum/float64(len(diffs)), math.SmallestNonzeroFloat64)
}

// driftsOf describes the drifts that were found.
func (x *search) driftsOf(root *node) []Drift {
	var ds []Drift
	for _, n := range root.drifts() {
		d := Drift{
			From: x.h.at[n.drift.from], To: x.h.at[n.drift.to], Unit: PerRun,
			P: n.rampP, AdjustedP: n.rampAdjusted,
		}
		if x.h.weeks != nil {
			d.Unit = PerWeek
		}
		slope, ci := x.slope(n.drift.from, n.drift.to+1)
		t := x.h.axis()
		length := t[n.drift.to] - t[n.drift.from]
		runs := n.drift.to + 1 - n.drift.from
		d.Rate = Ratio{math.Exp(slope), exp(ci, 1), runs, runs}
		d.Total = Ratio{math.Exp(slope * length), exp(ci, length), runs, runs}
		ds = append(ds, d)
	}
	return ds
}

func exp(iv sample.Interval, times float64) sample.Interval {
	return sample.Interval{Low: math.Exp(iv.Low * times), High: math.Exp(iv.High * times), Level: iv.Level}
}

// slope is Sen's: the median slope between pairs of runs, with the interval from
// the variance n(n-1)(2n+5)/18 of Kendall's score (Sen 1968). Where runs depend
// on each other it is taken between the groups that do not.
func (x *search) slope(lo, hi int) (float64, sample.Interval) {
	xs, ys := x.h.axis()[lo:hi], x.h.logs[lo:hi]
	slopes := pairSlopes(xs, ys)
	n := float64(len(ys))
	score := math.Sqrt(n * (n - 1) * (2*n + 5) / 18)
	if x.group > 0 {
		// Dependence makes fewer values of them: the score counts pairs of groups.
		score *= math.Sqrt(n / float64(len(x.independent(lo, hi))))
	}
	z := distuv.UnitNormal.Quantile(1 - (1-x.opts.Confidence)/2)
	m := float64(len(slopes))
	low := max(0, int((m-z*score)/2))
	return sample.QuantileSorted(slopes, 0.5), sample.Interval{
		Low: slopes[low], High: slopes[len(slopes)-1-low], Level: x.opts.Confidence,
	}
}
