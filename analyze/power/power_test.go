package power

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const second = int64(time.Second)

// wave is a machine that idles at 20 W, takes 200 W while it decodes, with bursts
// for prefills and noise, sampled every 250 ms.
func wave(rng *rand.Rand, seconds int) (samples []Sample, joules float64) {
	const cadence = second / 4
	power := func(t int64) float64 {
		s := float64(t) / 1e9
		return 200 + 40*math.Sin(s/3)
	}
	for t := -10 * second; t <= int64(seconds)*second+10*second; t += cadence {
		v := 20.0
		if t >= 0 && t <= int64(seconds)*second {
			v = power(t)
		}
		samples = append(samples, Sample{t, v * (1 + 0.02*rng.NormFloat64())})
	}
	w := float64(seconds)
	return samples, 200*w + 40*3*(1-math.Cos(w/3))
}

// TestKnownPower: the energy of a run is right within 0.5 % with nothing, a tenth
// and three tenths of the samples missing. Where they are missing half a minute at a
// time, what happened then cannot be known: the error is larger, and the interval
// and the coverage say so.
func TestKnownPower(t *testing.T) {
	for _, missing := range []float64{0, 0.1, 0.3} {
		for _, stretches := range []bool{false, true} {
			const runs = 40
			t.Run(fmt.Sprintf("%.0f %% missing, in stretches %v", 100*missing, stretches), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, uint64(100*missing)))
				outside, within := 0, 0.005
				if stretches && missing > 0 {
					within = 0.03
				}
				for range runs {
					all, joules := wave(rng, 600)
					kept := drop(rng, all, missing, stretches)
					e, err := Integrate(kept, 0, 600*second)
					if err != nil {
						t.Fatal(err)
					}
					if dev := e.Joules/joules - 1; math.Abs(dev) > within {
						t.Fatalf("%.1f J, truth %.1f: %+.2f %%", e.Joules, joules, 100*dev)
					}
					if e.Coverage > 1 || e.Coverage < 1-missing-0.1 || e.Cadence != 250*time.Millisecond {
						t.Fatalf("coverage %.2f, cadence %s", e.Coverage, e.Cadence)
					}
					if joules < e.Lo || joules > e.Hi {
						outside++
					}
				}
				if outside > runs/4 {
					t.Errorf("the truth is outside the interval %d times of %d", outside, runs)
				}
			})
		}
	}
}

// drop takes samples away, singly or thirty seconds at a time.
func drop(rng *rand.Rand, all []Sample, share float64, stretches bool) []Sample {
	var kept []Sample
	if !stretches {
		for _, s := range all {
			if rng.Float64() >= share {
				kept = append(kept, s)
			}
		}
		return kept
	}
	gone := map[int64]bool{}
	for len(gone) < int(share*20) {
		gone[rng.Int64N(20)] = true
	}
	for _, s := range all {
		if s.At < 0 || !gone[s.At/(30*second)] {
			kept = append(kept, s)
		}
	}
	return kept
}

// TestTooLittle: under half coverage, with one sample or an empty window there is
// no answer.
func TestTooLittle(t *testing.T) {
	half := []Sample{{0, 100}, {second, 100}, {2 * second, 100}, {90 * second, 100}}
	for _, test := range []struct {
		samples  []Sample
		from, to int64
		want     string
	}{
		{half, 0, 100 * second, "samples cover 2 % of the run"},
		{half[:1], 0, second, "1 samples of power"},
		{nil, 0, second, "0 samples of power"},
		{[]Sample{{0, math.NaN()}, {1, math.Inf(1)}, {2, 1}}, 0, second, "1 samples of power"},
		{half, second, second, "an empty window"},
		{half, 200 * second, 300 * second, "samples cover 0 % of the run"},
	} {
		if e, err := Integrate(test.samples, test.from, test.to); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v, %v, want %q", e, err, test.want)
		}
	}
}

// TestRails: a public harness measured 37.6 W where 23.5 W were true, because it
// added the input of a part of the board to the domains behind it.
func TestRails(t *testing.T) {
	thor := []string{"VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0", "VIN", "cpu@", "RAM"}
	domains, err := Choose(thor, "")
	if err != nil || domains.Name != "compute domains" || strings.Join(domains.Rails, " ") != "VDD_GPU VDD_CPU_SOC_MSS" {
		t.Errorf("%+v, %v", domains, err)
	}
	board, err := Choose(thor, "board input")
	if err != nil || strings.Join(board.Rails, " ") != "VIN" {
		t.Errorf("%+v, %v", board, err)
	}
	for _, s := range scopes {
		for _, r := range s.Rails {
			if r == "VIN_SYS_5V0" {
				t.Errorf("%s counts VIN_SYS_5V0", s.Name)
			}
		}
	}
	if _, err := Choose(thor, "GPU"); err == nil || !strings.Contains(err.Error(), "there are compute domains, board input") {
		t.Errorf("%v", err)
	}
	if _, err := Choose([]string{"temperature.gpu"}, ""); err == nil {
		t.Error("temperature is taken for power")
	}
	// A counter may not have been read when a run began: the watts beside it were.
	if all, err := ChooseAll([]string{"DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "VDD_IN"}); err != nil || len(all) != 2 || !all[0].Counter || all[1].Rails[0] != "DCGM_FI_DEV_POWER_USAGE" {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := ChooseAll(thor); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	// A Thor of 1.962 W, 5.887 W and, not to be counted, 5.635 W.
	var rails [][]Sample
	for _, watts := range []float64{1.962, 5.887} {
		var s []Sample
		for i := range int64(10) {
			s = append(s, Sample{i * second, watts})
		}
		rails = append(rails, s)
	}
	sum := Add(rails, 2*second)
	if e, err := Integrate(sum, 0, 9*second); err != nil || math.Abs(e.Watts-7.849) > 1e-9 {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestAddGPUs: rows of several GPUs come in any order and not at one moment; one
// that stops reporting takes the sum with it, and is not counted as zero.
func TestAddGPUs(t *testing.T) {
	a := []Sample{{0, 100}, {second, 100}, {2 * second, 100}, {3 * second, 100}}
	b := []Sample{{second + 10e6, 50}, {10e6, 50}}
	if got := Add([][]Sample{a, b}, 2*second); len(got) != 3 || got[0].Value != 150 {
		t.Errorf("%v", got)
	}
	if got := Add(nil, 1); got != nil {
		t.Errorf("%v", got)
	}
}

func TestCounter(t *testing.T) {
	s := []Sample{{0, 1000}, {10 * second, 3000}, {20 * second, 5000}}
	if e, err := Counter(s, 5*second, 15*second); err != nil || e.Joules != 2000 || e.Watts != 200 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := Counter(s, -second, second); err == nil {
		t.Error("a counter that was not read before the run")
	}
	s[2].Value = 10
	if _, err := Counter(s, 5*second, 15*second); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("%v", err)
	}
}

// TestTwoHours: telemetry without a zone that is two hours away is refused, and the
// shift that would do is named and not taken.
func TestTwoHours(t *testing.T) {
	s, _ := wave(rand.New(rand.NewPCG(2, 2)), 600)
	if err := Overlap(s, 0, 600*second, false); err != nil {
		t.Errorf("overlapping: %v", err)
	}
	for i := range s {
		s[i].At += 7200 * second
	}
	err := Overlap(s, 0, 600*second, false)
	if err == nil || !strings.Contains(err.Error(), "say no zone") || !strings.Contains(err.Error(), "-2h0m0s off") {
		t.Errorf("%v", err)
	}
	if err := Overlap(s, 0, 600*second, true); err == nil || strings.Contains(err.Error(), "off") {
		t.Errorf("with a zone: %v", err)
	}
	if err := Overlap(nil, 0, 1, true); err == nil {
		t.Error("no samples overlap")
	}
}

// TestAlign: power follows the load, a second and a half late.
func TestAlign(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	p, _ := wave(rng, 60)
	for i := range p {
		p[i].At += 1500 * int64(time.Millisecond)
	}
	load := []Sample{{0, 8}, {60 * second, 0}}
	shift, err := Align(p, load, 10*time.Second)
	if err != nil || (shift.By+1500*time.Millisecond).Abs() > 250*time.Millisecond || shift.Within > 2*time.Second {
		t.Errorf("%+v, %v", shift, err)
	}
	var noise []Sample
	for i := range int64(300) {
		noise = append(noise, Sample{i * second / 4, 100 + rng.NormFloat64()})
	}
	if shift, err := Align(noise, load, 10*time.Second); err == nil {
		t.Errorf("noise is aligned: %+v", shift)
	}
	if _, err := Align(nil, load, time.Second); err == nil {
		t.Error("nothing is aligned")
	}
}

// TestStuckClock: a GB10 at 799 MHz was busy to 96 % and looked fine.
func TestStuckClock(t *testing.T) {
	clock := func(hz float64) (c, u []Sample) {
		for i := range int64(60) {
			c = append(c, Sample{i * second, hz})
			u = append(u, Sample{i*second + 5e6, 0.96})
		}
		return c, u
	}
	c, u := clock(799e6)
	got, err := CheckClocks(c, u, 2281e6)
	if err != nil || !got.Stuck || !strings.Contains(got.Reason, "clocks 0.35x") {
		t.Errorf("%+v, %v", got, err)
	}
	c, u = clock(2200e6)
	if got, err := CheckClocks(c, u, 2281e6); err != nil || got.Stuck {
		t.Errorf("%+v, %v", got, err)
	}
	// An idle GPU is slow because it may be.
	for i := range u {
		u[i].Value = 0.02
	}
	if got, err := CheckClocks(c, u, 0); err == nil {
		t.Errorf("%+v", got)
	}
}

// TestDrift: a leak of 1 GiB an hour is found, noise is not, and what rises for ten
// minutes is no drift.
func TestDrift(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	memory := func(perHour float64, watched time.Duration) []Sample {
		var s []Sample
		level := 0.0
		for at := time.Duration(0); at < watched; at += 10 * time.Second {
			level = 0.8*level + 0.05*rng.NormFloat64()
			s = append(s, Sample{int64(at), 60 + perHour*at.Hours() + level})
		}
		return s
	}
	d, err := FindDrift(memory(1, 3*time.Hour))
	if err != nil || !d.Significant || d.Lo > 1 || d.Hi < 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := FindDrift(memory(2, 20*time.Minute)); err != nil || d.Significant || !strings.Contains(d.Reason, "watched for") {
		t.Errorf("%+v, %v", d, err)
	}
	found := 0
	for range 1000 {
		if d, err := FindDrift(memory(0, 3*time.Hour)); err != nil {
			t.Fatal(err)
		} else if d.Significant {
			found++
		}
	}
	if found > 70 {
		t.Errorf("%d of 1000 flat series drift", found)
	}
	if _, err := FindDrift(memory(0, time.Minute)); err == nil {
		t.Error("six samples have a slope")
	}
}

// TestLimits: what drivers say of why a clock is low, in the four ways in which they
// say it. A GPU that has nothing to do is not held down.
func TestLimits(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []float64
		want   string
	}{
		{"clocks_event_reasons.active", []float64{0x1, 0x4, 0x4, 0x24, 0x0}, "[{heat (driver) 0.25 true} {the power cap 0.75 false}]"},
		{"clocks_throttle_reasons.active", []float64{0x1, 0x1}, "[]"},
		{"DCGM_FI_DEV_CLOCKS_EVENT_REASONS", []float64{0x48, 0x8}, "[{heat (hardware slowdown) 0.5 true} {hardware slowdown 1 true}]"},
		{"clocks_event_reasons.sw_power_cap", []float64{1, 0, 0, 1}, "[{the power cap 0.5 false}]"},
		{"clocks_throttle_reasons.hw_power_brake_slowdown", []float64{0, 1}, "[{the power brake 0.5 true}]"},
		{"clocks_event_reasons.gpu_idle", []float64{1, 1}, "[]"},
		{"pviol", []float64{0.99, 0.97}, "[{the power cap 0.98 false}]"},
		{"tviol", []float64{0, 1}, "[{heat (driver) 0.5 true}]"},
		{"clocks_event_reasons.active", []float64{-4, math.MaxFloat64}, "[]"},
		{"clocks_event_reasons.active", nil, "[]"},
	} {
		var samples []Sample
		for i, v := range test.values {
			samples = append(samples, Sample{int64(i) * second, v})
		}
		if got := fmt.Sprint(FindLimits(test.name, samples)); got != test.want {
			t.Errorf("%s of %v: %s, want %s", test.name, test.values, got, test.want)
		}
	}
	for _, name := range []string{"clocks_event_reasons.active", "clocks_throttle_reasons.hw_thermal_slowdown", "tviol"} {
		if !slices.Contains(LimitNames(), name) {
			t.Errorf("%s is not asked for", name)
		}
	}
}

// TestMixed: a loop of nvidia-smi prints a row for each GPU within milliseconds. One
// GPU is not several because its loop is uneven, or was held up.
func TestMixed(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	rows := func(gpus int) (s []Sample) {
		for tick := range int64(50) {
			at := tick*second/4 + rng.Int64N(second/20)
			if tick == 20 {
				at += 20 * second // a machine that was asleep
			}
			for gpu := range gpus {
				s = append(s, Sample{at + int64(gpu)*4e6, 300})
			}
		}
		return s
	}
	for gpus, want := range map[int]bool{1: false, 2: true, 8: true} {
		if got := Mixed(rows(gpus)); got != want {
			t.Errorf("%d GPUs: %v", gpus, got)
		}
	}
	if Mixed(rows(2)[:6]) {
		t.Error("six samples tell")
	}
}

// TestReadingMean: power.draw is the mean of a second since Ampere, but for GA100.
// Of a GPU that nobody named it may be.
func TestReadingMean(t *testing.T) {
	for _, test := range []struct {
		rail, hardware string
		want           time.Duration
	}{
		{"power.draw", "NVIDIA H100 80GB HBM3", time.Second},
		{"power.draw", "8xH200", time.Second},
		{"power.draw", "NVIDIA A10", time.Second},
		{"power.draw", "RTX 3090", time.Second},
		{"power.draw", "", time.Second},
		{"power.draw", "NVIDIA A100-SXM4-80GB", 0},
		{"power.draw", "8xA100", 0},
		{"power.draw", "Tesla T4", 0},
		{"pwr", "A30", 0},
		{"pwr", "L40S", time.Second},
		{"power.draw.average", "A100", time.Second},
		{"power.draw.instant", "H100", 0},
		{"VIN", "Jetson AGX Thor", 0},
	} {
		scope, err := Choose([]string{test.rail}, "")
		if got := scope.ReadingMean(test.hardware); err != nil || got != test.want {
			t.Errorf("%s of %q: %v, want %v, %v", test.rail, test.hardware, got, test.want, err)
		}
	}
}
