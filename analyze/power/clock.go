package power

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// interpolate returns the value at t of samples in order; false where it has no
// neighbour within widest.
func interpolate(s []Sample, t, widest int64) (float64, bool) {
	i, exact := slices.BinarySearchFunc(s, t, func(s Sample, t int64) int { return cmp.Compare(s.At, t) })
	switch {
	case exact:
		return s[i].Value, true
	case i > 0 && i < len(s) && s[i].At-s[i-1].At <= widest:
		return at(s[i-1], s[i], t), true
	case i < len(s) && s[i].At-t <= widest/2:
		return s[i].Value, true
	case i > 0 && t-s[i-1].At <= widest/2:
		return s[i-1].Value, true
	}
	return 0, false
}

// Overlap reports whether telemetry and a run that are on clocks of their own can
// be joined as they stand. Times without a zone may be hours away: where the two
// do not overlap, it names the shift, a whole number of quarters of an hour as
// zones have it, that would make them meet, and guesses nothing.
func Overlap(samples []Sample, from, to int64, zoneKnown bool) error {
	s := ordered(samples)
	if len(s) == 0 {
		return fmt.Errorf("no samples")
	}
	first, last := s[0].At, s[len(s)-1].At
	if first < to && last > from {
		return nil
	}
	if zoneKnown {
		return fmt.Errorf("the samples are of another time: they end %s before the run or begin after it", away(from, to, first, last))
	}
	const quarter = 15 * int64(time.Minute)
	middle := (from+to)/2 - (first+last)/2
	shift := time.Duration(math.Round(float64(middle)/float64(quarter))) * time.Duration(quarter)
	return fmt.Errorf("the samples say no zone, and are %s away from the run: if their clock is %s off, say so; it is not guessed", away(from, to, first, last), shift)
}

func away(from, to, first, last int64) time.Duration {
	d := first - to
	if last < from {
		d = from - last
	}
	return time.Duration(d).Round(time.Second)
}

// A Shift is how far the clock of telemetry is behind that of a run.
type Shift struct {
	By time.Duration
	// Within bounds it: shifts this far away fit nearly as well.
	Within time.Duration
	R      float64 // correlation of power and load at it
}

// nearlyAlike is a difference of correlations that says little.
const nearlyAlike = 0.02

// finer is how many shifts are tried within a cadence: the load changes at many
// moments, each of which falls elsewhere between two samples.
const finer = 10

// leastStep is the finest step between shifts. Clocks are known to some tenths of a
// second at best, and every step goes over all samples.
const leastStep = int64(20 * time.Millisecond)

// Align finds the shift of at most most at which power follows the load best. It
// fails where the two have little to do with each other at any shift: then the
// clocks stay as they are, and the uncertainty is not known.
func Align(power, load []Sample, most time.Duration) (Shift, error) {
	p, l := ordered(power), ordered(load)
	if len(p) < 2 || len(l) < 2 {
		return Shift{}, fmt.Errorf("too few samples to compare the clocks by")
	}
	step := max(cadenceOf(p)/finer, leastStep)
	best := Shift{R: math.Inf(-1)}
	var fits []Shift
	for by := -int64(most) / step * step; by <= int64(most); by += step {
		r, ok := correlation(p, l, by)
		if !ok {
			continue
		}
		s := Shift{By: time.Duration(by), R: r}
		fits = append(fits, s)
		if r > best.R {
			best = s
		}
	}
	const least = 0.5
	if !(best.R > least) {
		return Shift{}, fmt.Errorf("power does not follow the load (correlation %.2f at best): the clocks cannot be compared", max(best.R, -1))
	}
	// The best of shifts that fit nearly alike is as good as its neighbours: the
	// middle of them is taken, and all of them are allowed for.
	lo, hi := best.By, best.By
	for _, s := range fits {
		if best.R-s.R < nearlyAlike {
			lo, hi = min(lo, s.By), max(hi, s.By)
		}
	}
	best.By, best.Within = (lo+hi)/2, max((hi-lo)/2, time.Duration(step))
	return best, nil
}

// correlation of power, shifted, and load, at the moments of power.
func correlation(p, l []Sample, by int64) (float64, bool) {
	var n, sx, sy, sxx, syy, sxy float64
	last := l[len(l)-1].At
	for _, s := range p {
		t := s.At + by
		y := 0.0 // before and behind the run nothing is in flight
		if t >= l[0].At && t <= last {
			y = step(l, t)
		}
		n, sx, sy = n+1, sx+s.Value, sy+y
		sxx, syy, sxy = sxx+s.Value*s.Value, syy+y*y, sxy+s.Value*y
	}
	vx, vy := sxx-sx*sx/n, syy-sy*sy/n
	if n < 8 || vx <= 0 || vy <= 0 {
		return 0, false
	}
	return (sxy - sx*sy/n) / math.Sqrt(vx*vy), true
}

// step returns the value that holds at t: load changes in steps.
func step(l []Sample, t int64) float64 {
	i, exact := slices.BinarySearchFunc(l, t, func(s Sample, t int64) int { return cmp.Compare(s.At, t) })
	if exact {
		return l[i].Value
	}
	return l[max(i-1, 0)].Value
}

// Clocks says how a GPU's clock held up under load.
type Clocks struct {
	Median float64 // Hz, under load
	Top    float64 // Hz, the highest that was seen, or that was expected
	Ratio  float64 // Median / Top
	Stuck  bool
	Reason string
}

// stuck is the share of its clock below which a busy GPU is not what it was bought
// as. A GB10 at 799 of 2281 MHz was busy to 96 %, and decoded 42.7 instead of 73.9
// tokens a second.
const stuck = 0.6

// busy is the utilization from which a GPU should run at its clock.
const busy = 0.8

// CheckClocks judges clocks in Hz by the utilization (0 to 1) at the same moments.
// expected is the clock that the GPU should reach, 0 where nobody said: then the
// highest that was seen counts, which finds throttling and not a clock that was
// stuck from the beginning.
func CheckClocks(clock, utilization []Sample, expected float64) (Clocks, error) {
	c, u := ordered(clock), ordered(utilization)
	widest := maxGap * max(cadenceOf(u), 1)
	var loaded []float64
	top := expected
	for _, s := range c {
		if expected == 0 {
			top = max(top, s.Value)
		}
		if v, ok := interpolate(u, s.At, widest); ok && v >= busy {
			loaded = append(loaded, s.Value)
		}
	}
	if len(loaded) < 5 || top <= 0 {
		return Clocks{}, fmt.Errorf("%d samples of the clock under load: want five at least", len(loaded))
	}
	slices.Sort(loaded)
	out := Clocks{Median: loaded[len(loaded)/2], Top: top}
	out.Ratio = out.Median / top
	if out.Ratio < stuck {
		out.Stuck = true
		out.Reason = fmt.Sprintf("clocks %.2fx: %.0f MHz under load where %.0f MHz are possible", out.Ratio, out.Median/1e6, top/1e6)
	}
	return out, nil
}

// A Drift is the slope of a value over time.
type Drift struct {
	PerHour     float64
	Lo, Hi      float64 // 95 %
	Significant bool
	Reason      string // why it is not
}

// leastDrift is how long a value must be watched before its slope is called a
// drift. A public report of a leak over 5.4 hours had fully reverted at 13.
const leastDrift = 30 * time.Minute

// FindDrift returns the slope of a value: the median of the slopes between blocks
// (Theil and Sen), with the interval of Sen 1968 over blocks of a thirtieth of the
// time, for neighbouring samples are alike.
func FindDrift(samples []Sample) (Drift, error) {
	s := ordered(samples)
	const blocks = 30
	if len(s) < 2*blocks {
		return Drift{}, fmt.Errorf("%d samples: a slope needs %d", len(s), 2*blocks)
	}
	means := make([]Sample, blocks)
	for i := range means {
		part := s[i*len(s)/blocks : (i+1)*len(s)/blocks]
		var at, v float64
		for _, p := range part {
			at += float64(p.At - s[0].At)
			v += p.Value
		}
		means[i] = Sample{s[0].At + int64(at/float64(len(part))), v / float64(len(part))}
	}
	var slopes []float64
	for i := range means {
		for j := range i {
			if dt := float64(means[i].At - means[j].At); dt > 0 {
				slopes = append(slopes, (means[i].Value-means[j].Value)/dt*float64(time.Hour))
			}
		}
	}
	slices.Sort(slopes)
	// The number of pairs in the interval: 1.96 standard deviations of Kendall's S.
	n := float64(blocks)
	half := 1.96 * math.Sqrt(n*(n-1)*(2*n+5)/18)
	lo := int((float64(len(slopes)) - half) / 2)
	hi := int((float64(len(slopes))+half)/2) + 1
	d := Drift{PerHour: slopes[len(slopes)/2], Lo: slopes[max(lo, 0)], Hi: slopes[min(hi, len(slopes)-1)]}
	watched := time.Duration(s[len(s)-1].At - s[0].At)
	switch {
	case d.Lo <= 0 && d.Hi >= 0:
		d.Reason = "the slope may be zero"
	case watched < leastDrift:
		d.Reason = fmt.Sprintf("watched for %s, and a drift takes %s", watched.Round(time.Second), leastDrift)
	default:
		d.Significant = true
	}
	return d, nil
}
