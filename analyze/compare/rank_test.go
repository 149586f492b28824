package compare

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// Every way of choosing the candidate's runs is enumerated here in the most
// direct way, for samples full of ties and of unequal size.
func TestRankTestIsTheEnumeration(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		b, c := make([]float64, 1+rng.IntN(5)), make([]float64, 1+rng.IntN(5))
		for i := range b {
			b[i] = float64(rng.IntN(4))
		}
		for i := range c {
			c[i] = float64(rng.IntN(4))
		}
		got, err := MannWhitney(b, c)
		if err != nil {
			t.Fatal(err)
		}
		two, less, greater := enumerate(b, c)
		wantNear(t, "two", got.TwoSided, two, 1e-12)
		wantNear(t, "less", got.Less, less, 1e-12)
		wantNear(t, "greater", got.Greater, greater, 1e-12)
	}
}

func enumerate(b, c []float64) (two, less, greater float64) {
	pooled := append(append([]float64{}, b...), c...)
	observed, mean := countU(b, c), float64(len(b)*len(c))/2
	var all float64
	for mask := range 1 << len(pooled) {
		var x, y []float64
		for i, v := range pooled {
			if mask>>i&1 == 0 {
				x = append(x, v)
			} else {
				y = append(y, v)
			}
		}
		if len(y) != len(c) {
			continue
		}
		all++
		u := countU(x, y)
		if math.Abs(u-mean) >= math.Abs(observed-mean) {
			two++
		}
		if u <= observed {
			less++
		}
		if u >= observed {
			greater++
		}
	}
	return two / all, less / all, greater / all
}

func countU(b, c []float64) (u float64) {
	for _, y := range c {
		for _, x := range b {
			if y > x {
				u++
			} else if y == x {
				u += 0.5
			}
		}
	}
	return u
}

// Swapping the arms mirrors the one-sided answers and leaves the two-sided one,
// whichever arm the counting takes as the smaller.
func TestSwappingTheArmsMirrorsTheTest(t *testing.T) {
	b, c := []float64{5, 1, 1, 4, 7, 7}, []float64{6, 7, 8}
	forth, _ := MannWhitney(b, c)
	back, _ := MannWhitney(c, b)
	wantNear(t, "U", forth.U+back.U, 18, 0)
	wantNear(t, "two", forth.TwoSided, back.TwoSided, 1e-15)
	wantNear(t, "less", forth.Less, back.Greater, 1e-15)
}

// At the size where counting stops, the two methods have to agree, or a run more
// would change the verdict by itself.
func TestApproximationMeetsTheExactAnswer(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	b, c := make([]float64, 50), make([]float64, 50)
	for i := range b {
		b[i], c[i] = math.Round(40*rng.NormFloat64())/40, math.Round(40*(rng.NormFloat64()+0.4))/40
	}
	exact, err := MannWhitney(b, c)
	if err != nil || !exact.Exact || !exact.Ties {
		t.Fatalf("%+v, %v", exact, err)
	}
	approx := exact
	_, ties := doubledMidranks(b, c)
	approx.approximate(ties)
	wantNear(t, "p", approx.TwoSided, exact.TwoSided, 1e-3)
}

func TestSizesThatAreCountedExactly(t *testing.T) {
	for _, c := range []struct {
		m, n  int
		exact bool
	}{{5, 5, true}, {68, 68, true}, {69, 69, false}, {4, 500, true}, {8, 1000, true}} {
		got, err := MannWhitney(ramp(c.m, 0), ramp(c.n, 0.5))
		if err != nil {
			t.Fatal(err)
		}
		shift, err := HodgesLehmann(ramp(c.m, 0), ramp(c.n, 0.5), 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if got.Exact != c.exact || shift.Exact != c.exact {
			t.Errorf("%d and %d: exact is %v and %v, want %v", c.m, c.n, got.Exact, shift.Exact, c.exact)
		}
	}
}

func TestEqualSamplesAreNoEvidence(t *testing.T) {
	for _, n := range []int{1, 5, 300} {
		same := ramp(n, 0)
		got, err := MannWhitney(same, same)
		if err != nil {
			t.Fatal(err)
		}
		if got.TwoSided != 1 {
			t.Errorf("n=%d: p = %g, want 1", n, got.TwoSided)
		}
		constant, _ := MannWhitney(make([]float64, n), make([]float64, n))
		if constant.TwoSided != 1 || constant.Less != 1 {
			t.Errorf("n=%d: constant p = %+v, want 1", n, constant)
		}
	}
}

// The level of the interval is that of its two order statistics, not the one
// asked for: with 5 and 5 values, 4 of 252 arrangements are cut off at each end.
func TestIntervalsReportTheLevelTheyHave(t *testing.T) {
	for _, c := range []struct {
		n                  int
		twoSided, oneSided float64
	}{
		{1, 0, 0.5},
		{2, 1 - 2.0/6, 1 - 1.0/6},
		{3, 1 - 2.0/20, 1 - 1.0/20},
		{4, 1 - 2.0/70, 1 - 2.0/70},
		{5, 1 - 8.0/252, 1 - 12.0/252},
	} {
		got, err := HodgesLehmann(ramp(c.n, 0), ramp(c.n, 0.5), 0.95)
		if err != nil {
			t.Fatal(err)
		}
		wantNear(t, "two-sided level", got.CI.Level, c.twoSided, 1e-12)
		wantNear(t, "upper level", got.Upper.Level, c.oneSided, 1e-12)
		wantNear(t, "lower level", got.Lower.Level, c.oneSided, 1e-12)
	}
}

// The interval holds exactly the shifts that the test does not reject.
func TestIntervalIsTheTestInverted(t *testing.T) {
	b := []float64{100.1, 99.2, 101.7, 98.9, 100.6}
	c := []float64{102.9, 104.3, 101.1, 103.8, 105.2}
	got, err := HodgesLehmann(b, c, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct {
		shift  float64
		reject bool
	}{
		{got.CI.Low - 1e-6, true}, {got.CI.Low + 1e-6, false},
		{got.CI.High - 1e-6, false}, {got.CI.High + 1e-6, true},
	} {
		moved := make([]float64, len(c))
		for i := range c {
			moved[i] = c[i] - at.shift
		}
		test, err := MannWhitney(b, moved)
		if err != nil {
			t.Fatal(err)
		}
		if (test.TwoSided <= 0.05) != at.reject {
			t.Errorf("shift %g: p = %g", at.shift, test.TwoSided)
		}
	}
}

func TestBadArmsAreRefused(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		b, c []float64
		want string
	}{
		{nil, []float64{1}, "need >= 1 run"},
		{[]float64{1}, []float64{}, "need >= 1 run"},
		{[]float64{1, nan}, []float64{1}, "baseline value 1 is NaN"},
		{[]float64{1}, []float64{nan}, "candidate value 0 is NaN"},
		{make([]float64, 3000), make([]float64, 3000), "one value per server start"},
	} {
		_, err1 := MannWhitney(c.b, c.c)
		_, err2 := HodgesLehmann(c.b, c.c, 0.95)
		_, err3 := Welch(c.b, c.c, 0.95)
		for _, err := range []error{err1, err2, err3} {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		}
	}
	if _, err := HodgesLehmann([]float64{inf}, []float64{inf}, 0.95); err == nil {
		t.Error("Inf - Inf was estimated")
	}
	if _, err := HodgesLehmann([]float64{1}, []float64{2}, 95); err == nil {
		t.Error("confidence 95 was accepted")
	}
	if _, err := Welch([]float64{1}, []float64{2, 3}, 0.95); err == nil {
		t.Error("Welch took one value")
	}
}

func TestUntestedStaysOutOfTheAdjustment(t *testing.T) {
	nan := math.NaN()
	got := Holm([]float64{nan, 0.04, nan, 0.02})
	wantNear(t, "second", got[1], 0.04, 1e-15)
	wantNear(t, "fourth", got[3], 0.04, 1e-15)
	if !math.IsNaN(got[0]) || !math.IsNaN(got[2]) {
		t.Errorf("got %v", got)
	}
	if got := BenjaminiHochberg([]float64{nan}); !math.IsNaN(got[0]) {
		t.Errorf("got %v", got)
	}
	if got := Holm(nil); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// ramp returns n values one apart.
func ramp(n int, from float64) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = from + float64(i)
	}
	return xs
}
