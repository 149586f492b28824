package curve

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/schemas/simulate"
)

// campaign is a simulated benchmark: several server starts, on each of which all
// levels are run once. Half of the variance is the start's and half the run's, as
// in package simulate.
type campaign struct {
	name        string
	at          []float64                           // the levels: concurrency without noise
	itl         func(c float64) float64             // the truth
	independent bool                                // runs know nothing of server starts
	run         func(level int, slow float64) Point // what is measured at a level on a server that is slower by a factor
}

// closed is a closed loop on a server with slots: a slow server has the same
// concurrency.
func closed(slots float64) campaign {
	truth := func(c float64) float64 { return itl(math.Min(c, slots)) }
	return campaign{
		name: fmt.Sprintf("closed loop, %g slots", slots), at: levels, itl: truth,
		run: func(level int, slow float64) Point {
			c := levels[level]
			return Point{X: c, Y: slow * truth(c)}
		},
	}
}

// open is an open loop without a limit on slots. Sequences share the batch as in
// the processor-sharing queue whose rate depends on how many there are, so that
// the number of them is a birth-death process, insensitive to the distribution of
// lengths (Kelly 1979, Reversibility and Stochastic Networks, section 3.3): with
// arrivals of rate lambda tokens a second
//
//	p(n) = p(n-1) lambda (alpha + beta n)/n
//	mean concurrency c = lambda (alpha + beta (c + 1)),  ITL = c/lambda
//
// ITL is affine in c, a request more than the mean: an arrival finds the mean. A
// slow server has more requests in flight.
func open() campaign {
	truth := func(c float64) float64 { return itl(c + 1) }
	return campaign{
		name: "open loop", at: levels, itl: truth,
		run: func(level int, slow float64) Point {
			load := levels[level] / truth(levels[level])
			c := load * slow * itl(1) / (1 - load*slow*0.0004)
			return Point{X: c, Y: c / load}
		},
	}
}

// measure runs the campaign once. Runs without starts have all the noise to
// themselves.
func (c campaign) measure(rng *rand.Rand, starts int, cv float64) []Point {
	var points []Point
	sd := cv / math.Sqrt2
	for start := range starts {
		slow := sd * rng.NormFloat64()
		for level := range c.at {
			noise := slow + sd*rng.NormFloat64()
			if c.independent {
				noise = cv * rng.NormFloat64()
			}
			p := c.run(level, math.Exp(noise))
			if !c.independent {
				p.Start = strconv.Itoa(start)
			}
			points = append(points, p)
		}
	}
	return points
}

// bending is a closed loop whose batch costs more from 40 sequences on, with the
// slopes of Llama2-70B on A100 in the table of Splitwise.
func bending() campaign {
	truth := func(c float64) float64 { return 44.5 + 0.24*math.Min(c, 40) + 0.64*math.Max(0, c-40) }
	return campaign{name: "hinge at 40", at: levels, itl: truth, run: func(level int, slow float64) Point {
		return Point{X: levels[level], Y: slow * truth(levels[level])}
	}}
}

// tally is what many replicates of one campaign found.
type tally struct {
	n, covered, kneeCovered, kneeNear, breaks float64
	width                                     float64 // of the band, as a share
	models                                    map[string]int
}

// replicate chooses a model in each of reps campaigns, and asks of it whether its
// band holds the truth at every level, and its knee.
func (c campaign) replicate(t *testing.T, reps, starts int, cv, knee float64) tally {
	t.Helper()
	name := fnv.New64a()
	fmt.Fprint(name, c.name, cv, starts)
	rng := rand.New(rand.NewPCG(name.Sum64(), 2026))
	got := tally{models: map[string]int{}}
	for range reps {
		choice, err := Choose(c.measure(rng, starts, cv), Latency, ChooseOptions{Seed: rng.Uint64(), SkipLeaveOut: true})
		if err != nil {
			t.Fatal(err)
		}
		got.n++
		got.models[choice.Model]++
		if choice.model.breakAt != nil {
			got.breaks++
		}
		for _, x := range c.at {
			p, err := choice.Predict(x)
			if err != nil {
				t.Fatal(err)
			}
			got.width += (p.High/p.Low - 1) / 2 / float64(len(c.at))
			if y := c.itl(x); p.Low <= y && y <= p.High {
				got.covered += 1 / float64(len(c.at))
			}
		}
		k, err := choice.Knee()
		if err != nil {
			continue
		}
		if k.Low <= knee && knee <= k.High {
			got.kneeCovered++
		}
		if math.Abs(k.Value/knee-1) <= 0.1 {
			got.kneeNear++
		}
	}
	return got
}

// Bands, knees and breaks of the model that is chosen, choosing included, in
// closed loops without and with a limit on slots and in an open loop. Starts that
// are not known are those of a campaign with a start for every run.
func TestCalibrateCurves(t *testing.T) {
	reps := calibrate.Replicates(12, 1000)
	var falseBreaks, affine float64
	for _, c := range []struct {
		campaign
		knee   float64
		breaks bool
	}{
		{closed(1000), 25, false},
		{closed(48), 25, true},
		{open(), 26, false},
		{independently(closed(1000)), 25, false},
	} {
		var all tally
		for _, cv := range []float64{0.01, 0.03} {
			for _, starts := range []int{3, 5, 8} {
				got := c.replicate(t, reps, starts, cv, c.knee)
				what := fmt.Sprintf("%s, CV %g %%, R = %d", c.name, 100*cv, starts)
				calibrate.Bar(t, "95 % band covers: "+what, got.covered/got.n, calibrate.Between(0.93, 0.97).Share(reps))
				t.Logf("%-45s band %.3f ± %.1f %%, knee covered %.3f, near %.3f, %v",
					what, got.covered/got.n, 100*got.width/got.n, got.kneeCovered/got.n, got.kneeNear/got.n, got.models)
				all.n, all.kneeNear, all.kneeCovered = all.n+got.n, all.kneeNear+got.kneeNear, all.kneeCovered+got.kneeCovered
				if !c.breaks {
					falseBreaks += got.breaks
					affine += got.n
				}
			}
		}
		calibrate.Bar(t, "knee within 10 %: "+c.name, all.kneeNear/all.n, calibrate.AtLeast(0.90).Share(int(all.n)))
		calibrate.Figure("95 % interval of the knee covers: "+c.name, all.kneeCovered/all.n)
	}
	calibrate.Bar(t, "false break on affine data", falseBreaks/affine, calibrate.AtMost(0.05).Share(int(affine)))
}

// independently takes the server starts out of a campaign.
func independently(c campaign) campaign {
	c.independent = true
	c.name += ", starts unknown"
	return c
}

func TestCalibrateHinge(t *testing.T) {
	reps := calibrate.Replicates(25, 2000)
	rng := rand.New(rand.NewPCG(40, 3))
	var found, covered float64
	for range reps {
		c, err := Choose(bending().measure(rng, 3, 0.01), Latency, ChooseOptions{Seed: rng.Uint64(), SkipLeaveOut: true})
		if err != nil {
			t.Fatal(err)
		}
		if c.Model != Hinge.name {
			continue
		}
		onset, err := c.Onset()
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(onset.Value/40-1) <= 0.1 {
			found++
		}
		if onset.Low <= 40 && 40 <= onset.High {
			covered++
		}
	}
	calibrate.Bar(t, "hinge at 40 found within 10 %, CV 1 %, R = 3", found/float64(reps), calibrate.AtLeast(0.90).Share(reps))
	calibrate.Figure("its interval holds 40", covered/float64(reps))
}

// The closed form of the open loop against the simulator, which knows nothing of
// it: steps in lockstep, arrivals between them.
func TestOpenLoopIsTheSimulators(t *testing.T) {
	const tokens = 200
	for _, rate := range []float64{2, 6} {
		trace, err := simulate.Run(simulate.Config{
			Requests: 6000, RequestRate: rate, OutputLen: tokens,
			ITLBase: 10 * time.Millisecond, ITLSlope: 400 * time.Microsecond, WorkloadSeed: 7,
		})
		if err != nil {
			t.Fatal(err)
		}
		var decoding time.Duration
		steady := trace.Requests[500:5500] // without the ramp and the tail
		for _, r := range steady {
			decoding += r.E2EL() - r.TTFT
		}
		seconds := steady[len(steady)-1].Start.Seconds() - steady[0].Start.Seconds()
		gaps := float64(len(steady) * (tokens - 1))
		c, measured := decoding.Seconds()/seconds, decoding.Seconds()/gaps
		wantNear(t, fmt.Sprintf("ITL at concurrency %.1f", c), measured, itl(c+1), 0.01)
	}
}

// The shape of the fitted curve has to say more about a level that was not
// measured than its neighbours do.
func TestCalibrateLeaveOut(t *testing.T) {
	type figure struct {
		what    string
		percent float64
	}
	var list []figure
	var better, betterInside, all float64
	seen := map[string]string{}
	t.Logf("%-42s %-10s %15s %15s", "leave-one-level-out error, %", "model", "all levels", "inner levels")
	t.Logf("%-42s %-10s %7s %7s %7s %7s", "", "", "curve", "spline", "curve", "spline")
	for _, s := range realSweeps(t) {
		key := fmt.Sprint(s.points)
		if first, same := seen[key]; same {
			t.Logf("%-42s the same figures as %s", s.name, first)
			continue
		}
		seen[key] = s.name
		c, err := Choose(s.points, s.response, ChooseOptions{})
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		spline := collect(s.points, Multiplicative).leaveOutSpline()
		t.Logf("%-42s %-10s %7.2f %7.2f %7.2f %7.2f", s.name, c.Model,
			100*c.LeaveOut.All, 100*spline.All, 100*c.LeaveOut.Inside, 100*spline.Inside)
		list = append(list, figure{fmt.Sprintf("error at levels left out of %s, %%: %s (a spline's is %.2f)", s.name, c.Model, 100*spline.All), 100 * c.LeaveOut.All})
		all++
		if c.LeaveOut.All < spline.All {
			better++
		}
		if c.LeaveOut.Inside < spline.Inside {
			betterInside++
		}
	}
	calibrate.Bar(t, "real sweeps whose levels left out the curve predicts better than a spline", better/all, calibrate.AtLeast(0.80))
	calibrate.Figure("the same, without the lowest and the highest level", betterInside/all)
	for _, line := range list {
		calibrate.Figure(line.what, line.percent)
	}
}

// fiveStarts is a sweep of 8 levels on five server starts.
func fiveStarts(rng *rand.Rand) []Point { return closed(48).measure(rng, 5, 0.01) }

// everything is what is asked of one sweep: of each of the three responses the
// model, with the second opinion and the bootstrap, and its band; knee, onset,
// capacity and degradation of the latency.
func everything(t testing.TB, points []Point) {
	t.Helper()
	throughput := slices.Clone(points)
	for i, p := range points {
		throughput[i].Y = math.Min(p.X, 48) / p.Y
	}
	var latency *Choice
	for response, points := range map[Response][]Point{Latency: points, Throughput: throughput, FirstToken: points} {
		c, err := Choose(points, response, ChooseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for k := range 64 {
			if _, err := c.Predict(math.Pow(128, float64(k)/63)); err != nil {
				t.Fatal(err)
			}
		}
		if response == Latency {
			latency = c
		}
	}
	_, _ = latency.Knee()
	_, _ = latency.Onset()
	if _, err := latency.Capacity(0.025); err != nil {
		t.Fatal(err)
	}
	if _, err := latency.Fit.Degradation(1, 128); err != nil {
		t.Fatal(err)
	}
}

// Time is that of the processor, so that it is this code's and not that of what
// else the machine does; the least by the clock is what someone who waits sees.
func TestCalibrateSpeed(t *testing.T) {
	if !calibrate.Full() {
		t.Skip("time is measured in the whole calibration and in the benchmarks")
	}
	timeSweeps(t, 40)
}

// timeSweeps prints the bars of how long a sweep takes.
func timeSweeps(t testing.TB, sweeps int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 8))
	least := math.Inf(1)
	began := processorTime(t)
	for range sweeps {
		one := time.Now()
		everything(t, fiveStarts(rng))
		least = math.Min(least, time.Since(one).Seconds())
	}
	each := (processorTime(t) - began).Seconds() / float64(sweeps)
	calibrate.Bar(t, "ms of a processor for a sweep of 8 levels x 5 runs, all models of three responses and bootstrap", 1000*each, calibrate.AtMost(200))
	calibrate.Figure(fmt.Sprintf("ms by the clock for the same, least of %d", sweeps), 1000*least)
	calibrate.Bar(t, "s for 1,000 such sweeps on 2 processors", 1000*each/2, calibrate.AtMost(60))
	calibrate.Bar(t, "s of a processor to choose a curve for 10,000 runs", chooseForMany(t).Seconds(), calibrate.AtMost(5))
}

// chooseForMany is how long it takes to choose among the models of latency for ten
// thousand runs, with the second opinion and the bootstrap.
func chooseForMany(t testing.TB) time.Duration {
	t.Helper()
	rng := rand.New(rand.NewPCG(10, 5))
	points := make([]Point, 10_000)
	for i := range points {
		x := math.Exp(rng.Float64() * math.Log(200))
		points[i] = Point{X: x, Y: noisy(rng, 0.02, func(x float64) float64 { return itl(math.Min(x, 48)) })(x)}
	}
	began := processorTime(t)
	if _, err := Choose(points, Latency, ChooseOptions{}); err != nil {
		t.Fatal(err)
	}
	return processorTime(t) - began
}

// processorTime is what this process has used.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// The bars are printed with the benchmark.
func BenchmarkSweep(b *testing.B) {
	timeSweeps(b, 10)
	points := fiveStarts(rand.New(rand.NewPCG(5, 8)))
	for b.Loop() {
		everything(b, points)
	}
}
