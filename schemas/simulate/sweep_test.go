package simulate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// small is a sweep that takes no time to write.
func small() Sweep {
	s := DefaultSweep()
	s.Concurrency, s.Runs, s.RequestsPerUser, s.OutputLen = []int{1, 2, 4}, 2, 2, 8
	return s
}

func TestRunNoiseIsHalfTheStartsAndHalfTheRuns(t *testing.T) {
	s := DefaultSweep()
	const starts = 4000
	var low, high, both []float64 // log slowdown of two levels, and of their product
	for k := 1; k <= starts; k++ {
		a, b := math.Log(s.slowdown("0.19.0", k, 1)), math.Log(s.slowdown("0.19.0", k, 32))
		low, high, both = append(low, a), append(high, b), append(both, a+b)
	}
	variance := func(x []float64) float64 { return math.Pow(distribution(x).Std/1000, 2) }
	near(t, "run-to-run variation", math.Sqrt(variance(low)), 0.0113, 0.04)
	near(t, "run-to-run variation", math.Sqrt(variance(high)), 0.0113, 0.04)
	// var(a+b) = var a + var b + 2 cov, and the covariance is what a start shares.
	shared := (variance(both) - variance(low) - variance(high)) / 2
	near(t, "share of the start", shared/variance(low), 0.5, 0.1)
}

func TestStallsSlowWholeStartsAtTheGivenRate(t *testing.T) {
	s := DefaultSweep()
	s.RunCV, s.StallRate = 0, 1.0/12
	stalled := 0
	for k := 1; k <= 6000; k++ {
		factor := s.slowdown("0.20.0", k, 1)
		if other := s.slowdown("0.20.0", k, 32); other != factor {
			t.Fatalf("start %d is slower by %g at one level and by %g at another", k, factor, other)
		}
		switch factor {
		case 1.36:
			stalled++
		case 1:
		default:
			t.Fatalf("start %d is slower by %g, want 1 or 1.36", k, factor)
		}
	}
	near(t, "stall rate", float64(stalled)/6000, 1.0/12, 0.13) // three standard errors
}

// Growing a sweep must not move what it had, or a known answer would change
// whenever someone adds a level to it.
func TestAnotherVersionOrLevelOrStartLeavesTheOthersAlone(t *testing.T) {
	s := small()
	grown := small()
	grown.Versions = []string{"0.18.1", "0.19.0", "0.20.0"}
	grown.Concurrency = []int{1, 2, 3, 4}
	grown.Runs = 3
	for _, version := range s.Versions {
		for start := 1; start <= s.Runs; start++ {
			for _, level := range s.Concurrency {
				if s.LoadPoint(version, start, level) != grown.LoadPoint(version, start, level) {
					t.Errorf("%s start %d c=%d has changed", version, start, level)
				}
			}
			order := slices.DeleteFunc(grown.levelOrder(version, start), func(level int) bool { return level == 3 })
			if want := s.levelOrder(version, start); !slices.Equal(order, want) {
				t.Errorf("%s start %d runs its levels in the order %v, before %v", version, start, order, want)
			}
		}
	}
}

func TestEveryRunHasItsOwnNoiseAndTheSameWorkload(t *testing.T) {
	s := small()
	seeds, workload := map[uint64]string{}, s.LoadPoint("0.19.0", 1, 1).WorkloadSeed
	for _, version := range s.Versions {
		for start := 1; start <= s.Runs; start++ {
			for _, level := range s.Concurrency {
				name := fmt.Sprint(version, " start ", start, " c=", level)
				cfg := s.LoadPoint(version, start, level)
				if other, ok := seeds[cfg.Seed]; ok {
					t.Errorf("%s and %s share their noise", name, other)
				}
				seeds[cfg.Seed] = name
				if cfg.WorkloadSeed != workload {
					t.Errorf("%s has a workload of its own", name)
				}
			}
		}
	}
}

func TestStartsAlternateABBA(t *testing.T) {
	s := small()
	s.Runs = 4
	var got []string
	for _, start := range s.starts() {
		got = append(got, fmt.Sprint(start.version, "#", start.number))
	}
	want := "0.19.0#1 0.20.0#1 0.20.0#2 0.19.0#2 0.19.0#3 0.20.0#3 0.20.0#4 0.19.0#4"
	if strings.Join(got, " ") != want {
		t.Errorf("starts are %v, want %s", got, want)
	}
}

func TestLevelsComeInAnOrderOfEachStartsOwn(t *testing.T) {
	s := DefaultSweep()
	s.Runs = 20
	orders := map[string]bool{}
	for _, start := range s.starts() {
		orders[fmt.Sprint(start.levels)] = true
		if sorted := slices.Sorted(slices.Values(start.levels)); !slices.Equal(sorted, s.Concurrency) {
			t.Errorf("%s start %d runs %v", start.version, start.number, start.levels)
		}
	}
	if len(orders) < 30 {
		t.Errorf("40 starts know only %d orders of 720", len(orders))
	}
}

func TestChangeMovesItsParameterOfItsVersionOnly(t *testing.T) {
	const ms = time.Millisecond
	s := small()
	s.RunCV, s.ITLBase, s.ITLSlope, s.TTFTBase, s.TTFTSlope = 0, 10*ms, 2*ms, 100*ms, 4*ms
	for text, want := range map[string][4]time.Duration{ // base, slope, TTFT base and slope of 0.20.0
		"0.20.0:itl=+5%":   {10*ms + ms/2, 2*ms + ms/10, 100 * ms, 4 * ms},
		"0.20.0:base=-10%": {9 * ms, 2 * ms, 100 * ms, 4 * ms},
		"0.20.0:slope=50%": {10 * ms, 3 * ms, 100 * ms, 4 * ms},
		"0.20.0:ttft=+25%": {10 * ms, 2 * ms, 125 * ms, 5 * ms},
		"0.19.0:itl=+5%":   {10 * ms, 2 * ms, 100 * ms, 4 * ms},
	} {
		change, err := ParseChange(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Changes = []Change{change}
		cfg := s.LoadPoint("0.20.0", 1, 4)
		if got := [4]time.Duration{cfg.ITLBase, cfg.ITLSlope, cfg.TTFTBase, cfg.TTFTSlope}; got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestChangesOfOneVersionAddUp(t *testing.T) {
	s := small()
	s.Changes = []Change{{"0.20.0", "itl", 1.10}, {"0.20.0", "slope", 2}}
	cfg := s.LoadPoint("0.20.0", 1, 1)
	if cfg.ITLBase != 15400*time.Microsecond || cfg.ITLSlope != 3520*time.Microsecond {
		t.Errorf("got %v + %v per sequence", cfg.ITLBase, cfg.ITLSlope)
	}
}

func TestParseChangeReadsWhatStringWrites(t *testing.T) {
	for _, text := range []string{"0.20.0:itl=+5%", "0.20.0rc1:slope=-2.5%", "0.21.0:ttft=+100%", "0.20.0:base=+0.1%"} {
		change, err := ParseChange(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if change.String() != text {
			t.Errorf("%s reads as %v", text, change)
		}
	}
}

func TestParseChangeSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"itl=+5%":          `change "itl=+5%": no version before a colon; want VERSION:PARAMETER=PERCENT%, for example 0.20.0:itl=+5%`,
		"0.20.0:itl":       `no = after the parameter`,
		"0.20.0:itl=5":     `amount "5" is not a percentage`,
		"0.20.0:itl=five%": `amount "five%" is not a percentage`,
		"0.20.0:itl=NaN%":  `amount "NaN%" is not a percentage`,
		"0.20.0:itl=-100%": `-100% leaves nothing`,
		"0.20.0:e2el=+5%":  `no parameter "e2el", only base, itl, slope, ttft`,
		":itl=+5%":         `no version before a colon`,
	} {
		if _, err := ParseChange(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", text, err, want)
		}
	}
}

func TestSweepThatCannotBeSimulatedSaysWhatToGive(t *testing.T) {
	for want, spoil := range map[string]func(*Sweep){
		"no version to simulate":                               func(s *Sweep) { s.Versions = nil },
		"no concurrency to simulate":                           func(s *Sweep) { s.Concurrency = nil },
		"concurrency is 0":                                     func(s *Sweep) { s.Concurrency = []int{0} },
		"concurrency 4 stands twice":                           func(s *Sweep) { s.Concurrency = []int{4, 4} },
		"version 0.19.0 stands twice":                          func(s *Sweep) { s.Versions = []string{"0.19.0", "0.19.0"} },
		`version "../x" cannot be`:                             func(s *Sweep) { s.Versions = []string{"../x"} },
		"runs is 0: give at least 1":                           func(s *Sweep) { s.Runs = 0 },
		"requests per user is 0":                               func(s *Sweep) { s.RequestsPerUser = 0 },
		"give both a name":                                     func(s *Sweep) { s.Model = "" },
		"leave out the control":                                func(s *Sweep) { s.Model = "two\nlines" },
		"no time to begin at":                                  func(s *Sweep) { s.Begin = time.Time{} },
		"run cv is -1":                                         func(s *Sweep) { s.RunCV = -1 },
		"stall rate is 2":                                      func(s *Sweep) { s.StallRate = 2 },
		"stall factor is 0":                                    func(s *Sweep) { s.StallRate, s.StallFactor = 0.1, 0 },
		"output length is 0":                                   func(s *Sweep) { s.OutputLen = 0 },
		"version 0.21.0 is not simulated, only 0.19.0, 0.20.0": func(s *Sweep) { s.Changes = []Change{{"0.21.0", "itl", 1.05}} },
	} {
		s := small()
		spoil(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestCommandLineNamesEveryKnobThatIsOn(t *testing.T) {
	s := small()
	s.StallRate, s.Warmup, s.PrefillInterference, s.FailureRate = 0.08, 0.4, 0.2, 0.01
	s.RequestRate, s.OutputLenSpread, s.TTFTSlope = 2.5, 0.3, 2*time.Millisecond
	s.Changes = []Change{{"0.20.0", "itl", 1.05}}
	want := "servestat simulate --seed 1 --versions 0.19.0,0.20.0 --concurrency 1,2,4 --runs 2 --requests-per-user 2" +
		" --request-rate 2.5 --input-len 512 --output-len 8 --output-len-spread 0.3 --itl-base 14ms --itl-slope 1.6ms" +
		" --ttft-base 60ms --ttft-slope 2ms --slots 64 --run-cv 0.0113 --gap-jitter 0.05 --stall-rate 0.08 --stall-factor 1.36" +
		" --warmup 0.4 --prefill-interference 0.2 --failure-rate 0.01 --change 0.20.0:itl=+5%"
	if got := s.CommandLine(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
