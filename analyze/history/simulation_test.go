package history_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/analyze/history"
)

// runCV is the run-to-run coefficient of variation of 36 runs of one serving
// benchmark on one machine, and stalls the share of them that were a third slower
// with exit code 0 and no failed request (tokenspeed#1355).
const (
	runCV     = 0.0113
	stalls    = 0.08
	stallCost = 1.36
)

// A simulator draws logs of run summaries.
type simulator struct{ rng *rand.Rand }

func newSimulator(seed uint64) simulator { return simulator{rand.New(rand.NewPCG(seed, 0x5e11))} }

// normal returns n runs without change.
func (s simulator) normal(n int) []float64 { return s.autoregressive(n, 0) }

// autoregressive returns n runs of which neighbours have correlation phi.
func (s simulator) autoregressive(n int, phi float64) []float64 {
	logs := make([]float64, n)
	for i := range logs {
		logs[i] = runCV * s.rng.NormFloat64()
		if i > 0 {
			logs[i] = phi*logs[i-1] + math.Sqrt(1-phi*phi)*logs[i]
		}
	}
	return logs
}

// stalled makes some of the runs a third slower.
func (s simulator) stalled(logs []float64) []float64 {
	for i := range logs {
		if s.rng.Float64() < stalls {
			logs[i] += math.Log(stallCost)
		}
	}
	return logs
}

// days returns runs of days that share half of their variance.
func (s simulator) days(days, perDay int) []float64 {
	var logs []float64
	for range days {
		day := s.rng.NormFloat64()
		for range perDay {
			logs = append(logs, runCV*math.Sqrt(0.5)*(day+s.rng.NormFloat64()))
		}
	}
	return logs
}

// stepped adds sigmas standard deviations from run at on.
func stepped(logs []float64, at int, sigmas float64) []float64 {
	for i := at; i < len(logs); i++ {
		logs[i] += sigmas * runCV
	}
	return logs
}

// daily makes a series of runs, some to each day, at night.
func daily(name string, logs []float64, perDay int) history.Series {
	return spaced(name, logs, 24*time.Hour, perDay)
}

// spaced makes a series with some runs to each block, and blocks that far apart.
func spaced(name string, logs []float64, apart time.Duration, perBlock int) history.Series {
	s := history.Series{Name: name}
	start := time.Date(2026, 1, 5, 2, 0, 0, 0, time.UTC)
	for i, v := range logs {
		block := i / perBlock
		s.Runs = append(s.Runs, history.Run{
			ID: fmt.Sprintf("run-%d", i), Time: start.Add(time.Duration(block) * apart),
			Block: fmt.Sprint(block), Value: 0.02 * math.Exp(v),
		})
	}
	return s
}

func detect(t testing.TB, s history.Series, opts history.Options) history.Result {
	t.Helper()
	r, err := history.Detect(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// share simulates n series and returns the share for which yes is true.
func share(t testing.TB, n int, draw func() history.Series, yes func(history.Result) bool) float64 {
	t.Helper()
	count := 0
	for i := range n {
		if yes(detect(t, draw(), history.Options{Seed: uint64(i)})) {
			count++
		}
	}
	return float64(count) / float64(n)
}

func anyChange(r history.Result) bool  { return len(r.ChangePoints) > 0 }
func anyFinding(r history.Result) bool { return len(r.ChangePoints)+len(r.Drifts) > 0 }

const alpha = 0.01 // of the series, by default

func TestCalibrateUnchangedSeries(t *testing.T) {
	n := calibrate.Replicates(100, 4000)
	bound := calibrate.AtMost(alpha + 0.02).Share(n)
	for _, runs := range []int{20, 50, 100, 200} {
		sim := newSimulator(uint64(runs))
		found := 0
		any := share(t, n, func() history.Series { return daily("iid", sim.normal(runs), 1) }, func(r history.Result) bool {
			if anyChange(r) {
				found++
			}
			return anyFinding(r)
		})
		calibrate.Bar(t, fmt.Sprintf("unchanged, iid, %d runs: share with a change point", runs), float64(found)/float64(n), bound)
		calibrate.Bar(t, fmt.Sprintf("unchanged, iid, %d runs: share with a change point or drift", runs), any, bound)
	}
	sim := newSimulator(8)
	got := share(t, n, func() history.Series { return daily("stalls", sim.stalled(sim.normal(50)), 1) }, anyFinding)
	calibrate.Bar(t, "unchanged, 8 % stalls, 50 runs: share with any finding", got, bound)
}

func TestCalibrateDependentSeries(t *testing.T) {
	n := calibrate.Replicates(40, 1500)
	bound := calibrate.AtMost(0.10).Share(n)
	for _, runs := range []int{20, 30, 50, 100, 200} {
		if runs == 200 && !calibrate.Full() {
			continue
		}
		sim := newSimulator(uint64(runs) + 5)
		found := 0
		any := share(t, n, func() history.Series { return daily("ar", sim.autoregressive(runs, 0.5), 1) }, func(r history.Result) bool {
			if anyChange(r) {
				found++
			}
			return anyFinding(r)
		})
		calibrate.Bar(t, fmt.Sprintf("unchanged, AR(1) 0.5, %d runs: share with a change point", runs), float64(found)/float64(n), bound)
		calibrate.Figure(fmt.Sprintf("unchanged, AR(1) 0.5, %d runs: share with a change point or drift", runs), any)
	}
	sim := newSimulator(30)
	got := share(t, n, func() history.Series { return daily("days", sim.days(30, 3), 3) }, anyChange)
	calibrate.Bar(t, "unchanged, 30 days of 3 runs with half the variance between days: share with a change point", got, bound)
}

// Where it is and how large it is, is stated only where something was found:
// intervals must hold all the same.
func TestCalibrateStepOfTwoSigma(t *testing.T) {
	n := calibrate.Replicates(50, 2000)
	const at = 25
	for _, stalled := range []bool{false, true} {
		sim := newSimulator(25)
		label := "iid"
		draw := func() history.Series { return daily("step", stepped(sim.normal(50), at, 2), 1) }
		if stalled {
			label = "8 % stalls"
			draw = func() history.Series { return daily("step", stepped(sim.stalled(sim.normal(50)), at, 2), 1) }
		}
		var one, placed, sized, drifts float64
		power := share(t, n, draw, func(r history.Result) bool {
			drifts += float64(min(1, len(r.Drifts)))
			if len(r.ChangePoints) == 1 {
				c := r.ChangePoints[0]
				one++
				if c.Location.Low <= at && at <= c.Location.High {
					placed++
				}
				if c.Ratio.CI.Contains(math.Exp(2 * runCV)) {
					sized++
				}
			}
			return anyChange(r)
		})
		of := int(one)
		calibrate.Bar(t, "2 sigma step, 50 runs, "+label+": power", power, calibrate.AtLeast(0.9).Share(n))
		calibrate.Bar(t, "2 sigma step, 50 runs, "+label+": coverage of the 95 % location interval", placed/one, calibrate.AtLeast(0.93).Share(of))
		calibrate.Bar(t, "2 sigma step, 50 runs, "+label+": coverage of the 95 % effect interval", sized/one, calibrate.Between(0.93, 0.98).Share(of))
		calibrate.Bar(t, "2 sigma step, 50 runs, "+label+": called a drift", drifts/float64(n), calibrate.AtMost(0.1).Share(n))
	}
	sim := newSimulator(26)
	calibrate.Figure("2 sigma step, 20 runs, iid: power", share(t, n, func() history.Series {
		return daily("step", stepped(sim.normal(20), 10, 2), 1)
	}, anyChange))
}

// One per cent a week, after four weeks without.
func TestCalibrateDriftIsFoundWithinSixWeeks(t *testing.T) {
	n := calibrate.Replicates(25, 500)
	const stable = 4
	for _, perWeek := range []int{7, 3} {
		sim := newSimulator(uint64(perWeek))
		named, rated := 0, 0
		found := share(t, n, func() history.Series {
			logs := sim.normal(perWeek*(stable+6) + 1)
			for i := range logs {
				logs[i] += math.Log(1.01) * math.Max(0, float64(i)/float64(perWeek)-stable)
			}
			return spaced("drift", logs, 7*24*time.Hour/time.Duration(perWeek), 1)
		}, func(r history.Result) bool {
			if len(r.Drifts) > 0 {
				named++
				if r.Drifts[0].Rate.CI.Contains(1.01) {
					rated++
				}
			}
			return anyFinding(r)
		})
		calibrate.Bar(t, fmt.Sprintf("1 %%/week for 6 weeks, %d runs a week: found", perWeek), found, calibrate.AtLeast(0.99).Share(n))
		calibrate.Bar(t, fmt.Sprintf("1 %%/week for 6 weeks, %d runs a week: found and called a drift", perWeek), float64(named)/float64(n), calibrate.AtLeast(0.8).Share(n))
		calibrate.Figure(fmt.Sprintf("1 %%/week for 6 weeks, %d runs a week: rate within its interval, where called a drift", perWeek), float64(rated)/float64(max(1, named)))
	}
	sim := newSimulator(1)
	calibrate.Figure("1 %/week for 6 weeks, 1 run a week: found", share(t, n, func() history.Series {
		logs := sim.normal(stable + 7)
		for i := range logs {
			logs[i] += math.Log(1.01) * math.Max(0, float64(i-stable))
		}
		return spaced("drift", logs, 7*24*time.Hour, 1)
	}, anyFinding))
}

// However large a spike is, it is one rank; and two sides of three cannot be made
// of two spikes.
func TestCalibrateSpikesAreNoChangePoints(t *testing.T) {
	n := calibrate.Replicates(100, 4000)
	bound := calibrate.AtMost(alpha + 0.02).Share(n)
	for _, spikes := range []int{1, 2} {
		sim := newSimulator(uint64(spikes) + 70)
		got := share(t, n, func() history.Series {
			logs := sim.normal(50)
			at := sim.rng.IntN(len(logs) - spikes + 1)
			for i := range spikes {
				logs[at+i] += 30 * runCV
			}
			return daily("spike", logs, 1)
		}, anyFinding)
		calibrate.Bar(t, fmt.Sprintf("%d spikes of 30 sigma side by side among 50 runs: share with any finding", spikes), got, bound)
	}
}

// Of 60 series six change by three standard deviations.
func TestCalibrateFalseDiscoveryRate(t *testing.T) {
	n := calibrate.Replicates(2, 40)
	var falseShare, found float64
	for rep := range n {
		sim := newSimulator(uint64(rep) + 900)
		var all []history.Series
		for i := range 60 {
			logs := sim.normal(30)
			if i < 6 {
				logs = stepped(logs, 15, 3)
			}
			all = append(all, daily(fmt.Sprint("series ", i), logs, 1))
		}
		results, err := history.DetectAll(all, history.Options{Seed: uint64(rep)})
		if err != nil {
			t.Fatal(err)
		}
		listed, wrong := 0.0, 0.0
		for i, r := range results {
			if r.Discovery {
				listed++
				if i >= 6 {
					wrong++
				}
			}
		}
		falseShare += wrong / math.Max(1, listed) / float64(n)
		found += (listed - wrong) / 6 / float64(n)
	}
	calibrate.Bar(t, "60 series, 6 changed: false discovery rate", falseShare, calibrate.AtMost(0.05).Share(6*n))
	calibrate.Bar(t, "60 series, 6 changed: share of them discovered", found, calibrate.AtLeast(0.9).Share(6*n))
}

// Three changes: all are found. The share with more than three is above alpha,
// because a split that is a run or two off leaves foreign runs in a part, which
// then is not quite exchangeable.
func TestCalibrateSeveralChanges(t *testing.T) {
	n := calibrate.Replicates(20, 500)
	sim := newSimulator(3)
	all, extra := 0, 0
	for i := range n {
		logs := stepped(stepped(stepped(sim.normal(120), 30, 3), 60, -3), 90, 3)
		r := detect(t, daily("three", logs, 1), history.Options{Seed: uint64(i)})
		near := 0
		for _, at := range []int{30, 60, 90} {
			for _, c := range r.ChangePoints {
				if c.Index >= at-3 && c.Index <= at+3 {
					near++
				}
			}
		}
		if near == 3 {
			all++
		}
		if len(r.ChangePoints) > 3 {
			extra++
		}
	}
	calibrate.Bar(t, "three steps of 3 sigma in 120 runs: all found within 3 runs", float64(all)/float64(n), calibrate.AtLeast(0.9).Share(n))
	calibrate.Bar(t, "three steps of 3 sigma in 120 runs: more than three reported", float64(extra)/float64(n), calibrate.AtMost(0.1).Share(n))
}
