package curve

import (
	"math"
	"slices"
	"strconv"
)

// mostPoints is how many points models are chosen by. With more, neighbours are
// averaged first: the models, the bootstrap and the levels left out would take
// time in proportion, to add degrees of freedom where there are hundreds.
const mostPoints = 1000

// condensed is what became of many points.
type condensed struct {
	points     []Point // as they were given
	starts     int     // server starts that they are of
	runsEach   float64 // runs that a point now is the mean of: the harmonic mean, which is that of variances
	startsEach int     // server starts that one now stands for
}

// condense averages runs at neighbouring concurrency, on the scale of the noise,
// so that at most about so many points are left: each of as many runs as the next,
// as nearly as levels and starts divide, so that they weigh the same. With normal
// noise nothing is lost but degrees of freedom: within a level the curve is a
// straight line, the mean of k runs is on it where their mean concurrency is, and
// has a variance k times smaller, so that estimates, their standard errors, and
// likelihood ratios between curves are those of all the runs.
//
// Runs of different server starts are averaged only if there are so many starts
// that as many as are left still say how starts differ.
func (d *data) condense(most int) *data {
	if len(d.x) <= most {
		return d
	}
	c := &condensed{points: d.points, starts: d.starts, startsEach: 1}
	start := func(int) string { return "" }
	if d.groups != nil && d.starts < len(d.x) {
		c.startsEach = max(1, (d.starts*len(d.levels)+most-1)/most)
		start = func(i int) string { return strconv.Itoa(d.groups[i] / c.startsEach) }
	}
	var points []Point
	var shares float64
	for _, l := range d.levels {
		byStart := map[string][]int{}
		var order []string
		for _, i := range l.points { // ordered by concurrency
			s := start(i)
			if byStart[s] == nil {
				order = append(order, s)
			}
			byStart[s] = append(byStart[s], i)
		}
		slices.Sort(order)
		for _, s := range order {
			runs := byStart[s]
			n := max(1, int(math.Round(float64(len(runs))*float64(most)/float64(len(d.x)))))
			for k := range n {
				some := runs[k*len(runs)/n : (k+1)*len(runs)/n]
				points = append(points, d.mean(some, s))
				shares += 1 / float64(len(some))
			}
		}
	}
	c.runsEach = float64(len(points)) / shares
	less := collect(points, d.noise)
	less.condensed = c
	return less
}

// mean is the point in the middle of some, on the scale of the noise.
func (d *data) mean(runs []int, start string) Point {
	var x, y float64
	for _, i := range runs {
		if d.noise == Multiplicative {
			x, y = x+math.Log(d.x[i]), y+math.Log(d.y[i])
		} else {
			x, y = x+d.x[i], y+d.y[i]
		}
	}
	x, y = x/float64(len(runs)), y/float64(len(runs))
	if d.noise == Multiplicative {
		x, y = math.Exp(x), math.Exp(y)
	}
	return Point{X: x, Y: y, Start: start}
}

// expand turns what a fit to averages says of its points into what it says of the
// runs: how many there are, how they differ, what each is off the curve by.
func (f *Fit) expand(c *condensed) {
	f.Points, f.Starts = len(c.points), c.starts
	f.SigmaRun *= math.Sqrt(c.runsEach)
	f.SigmaStart *= math.Sqrt(float64(c.startsEach))
	f.Sigma *= math.Sqrt(c.runsEach)
	if f.Clustered {
		f.Sigma = math.Hypot(f.SigmaRun, f.SigmaStart)
	}
	all := collect(c.points, f.Noise)
	r := make([]float64, len(all.x))
	all.residuals(f.model, f.theta, r)
	for i := range r {
		r[i] = -r[i]
	}
	f.Residuals = r
	f.Warnings = append(f.Warnings, warn(Condensed,
		"%d runs: means of about %.0f at neighbouring concurrency were fitted, for their number", len(c.points), c.runsEach))
}
