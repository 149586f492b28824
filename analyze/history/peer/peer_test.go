package peer

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/schemas/schematest"
)

// otavaGolden holds what Otava's own tests expect.
type otavaGolden struct {
	TigerBeetle struct {
		Series []float64
		Cases  []struct {
			Name         string
			Window       int     `json:"window_len"`
			MaxP         float64 `json:"max_pvalue"`
			MinMagnitude float64 `json:"min_magnitude"`
			Expect       []int
		}
	}
	SingleStep struct {
		Series []float64
		Window int     `json:"window_len"`
		MaxP   float64 `json:"max_pvalue"`
		Expect []int
	} `json:"single_step"`
	Divisive struct {
		Series         []float64
		Expect         []int
		FirstCandidate int       `json:"first_candidate"`
		QHat           float64   `json:"qhat"`
		Row            []float64 `json:"Q_row_tau5"`
	}
	TTest []struct {
		Left, Right []float64
		P           *float64
		PMax        *float64 `json:"p_max"`
	} `json:"ttest"`
}

func loadOtava(t *testing.T) otavaGolden {
	t.Helper()
	var g otavaGolden
	schematest.Known(t, "changepoint_perf/otava/golden.json", &g)
	if len(g.TigerBeetle.Cases) != 10 || len(g.TigerBeetle.Series) != 365 {
		t.Fatalf("%d cases over %d runs, want 10 over 365", len(g.TigerBeetle.Cases), len(g.TigerBeetle.Series))
	}
	return g
}

// Throughput of TigerBeetle over a year: one outlier at 10, a drop at 15, a rise
// at 71, and small steps.
func TestOtavaOnTigerBeetle(t *testing.T) {
	g := loadOtava(t)
	for _, c := range g.TigerBeetle.Cases {
		got, err := Otava(g.TigerBeetle.Series, OtavaOptions{Window: c.Window, MaxP: c.MaxP, MinMagnitude: c.MinMagnitude})
		if err != nil || !slices.Equal(got, c.Expect) {
			t.Errorf("%s: %v, %v, want %v", c.Name, got, err, c.Expect)
		}
	}
	s := g.SingleStep
	if got, err := Otava(s.Series, OtavaOptions{Window: s.Window, MaxP: s.MaxP}); err != nil || !slices.Equal(got, s.Expect) {
		t.Errorf("single step: %v, %v, want %v", got, err, s.Expect)
	}
}

func TestOtavaDivergence(t *testing.T) {
	d := loadOtava(t).Divisive
	at, q := candidate(d.Series)
	if at != d.FirstCandidate || math.Abs(q-d.QHat) > 1e-9 {
		t.Errorf("candidate %d with Q = %v, want %d with %v", at, q, d.FirstCandidate, d.QHat)
	}
	// The golden row begins at κ = 2; below τ+1 it is 0.
	for i, q := range divergences(d.Series, 5) {
		if want := d.Row[4+i]; math.Abs(q-want) > 1e-9 {
			t.Errorf("Q(5, %d) = %v, want %v", 6+i, q, want)
		}
	}
	if got := divide(d.Series, 0.01); !slices.Equal(got, d.Expect) {
		t.Errorf("divided at %v, want %v", got, d.Expect)
	}
}

func TestOtavaTTest(t *testing.T) {
	for i, c := range loadOtava(t).TTest {
		p := tTest(0, c.Left, c.Right).p
		if c.P != nil && math.Abs(p-*c.P) > 1e-12 || c.PMax != nil && !(p < *c.PMax) {
			t.Errorf("t-test %d: p = %v", i, p)
		}
	}
}

// Trap: Otava's standard deviations divide by n, so its p is below Student's.
func TestOtavaPIsTooSmall(t *testing.T) {
	left, right := []float64{1, 2, 3, 4}, []float64{3, 4, 5, 6}
	// Student: t = -2/sqrt(5/3 * 1/2), 6 degrees of freedom.
	student := 2 * distuv.StudentsT{Sigma: 1, Nu: 6}.CDF(-2/math.Sqrt(5.0/6))
	want := 2 * distuv.StudentsT{Sigma: 1, Nu: 6}.CDF(-2/math.Sqrt(5.0/4/2))
	got := tTest(0, left, right).p
	if math.Abs(got-want) > 1e-12 || !(got < student) {
		t.Errorf("p = %v, want %v, below Student's %v", got, want, student)
	}
}

// Trap: two constant levels give p = 0, and no difference at all p = 0/0, which is
// taken for not significant.
func TestOtavaOnConstants(t *testing.T) {
	opts := OtavaOptions{Window: 10, MaxP: 0.001}
	if got, err := Otava(slices.Repeat([]float64{7}, 30), opts); err != nil || len(got) > 0 {
		t.Errorf("constant: %v, %v", got, err)
	}
	step := append(slices.Repeat([]float64{7}, 8), slices.Repeat([]float64{8}, 8)...)
	if got, err := Otava(step, opts); err != nil || !slices.Equal(got, []int{8}) {
		t.Errorf("constant step: %v, %v, want [8]", got, err)
	}
}

// Trap: given an array, Otava cuts no windows, and what it finds in the whole
// series is moved by each window's start, until it lies beyond the end.
func TestOtavaOfAnArray(t *testing.T) {
	s := loadOtava(t).SingleStep
	opts := OtavaOptions{Window: s.Window, MaxP: s.MaxP, Array: true}
	if got, err := Otava(s.Series, opts); err == nil {
		t.Errorf("found %v, want an error: 10, moved by the second window, is 20 of 20 runs", got)
	}
}

// Trap: the t-test follows a choice that it does not know of. Half of all series
// without change have a change point at p = 0.01, which its documentation calls
// one per cent.
func TestCalibrateOtavaCriesWolf(t *testing.T) {
	n := calibrate.Replicates(60, 1000)
	rng := rand.New(rand.NewPCG(11, 1))
	for _, c := range []struct {
		p     float64
		bound calibrate.Bound
	}{{0.01, calibrate.Between(0.45, 0.55)}, {0.001, calibrate.Between(0.04, 0.10)}} {
		found := 0
		for range n {
			series := make([]float64, 100)
			for i := range series {
				// Its magnitude is relative to the mean, which 0 would blow up.
				series[i] = 100 + rng.NormFloat64()
			}
			if got, _ := Otava(series, OtavaOptions{Window: 50, MaxP: c.p}); len(got) > 0 {
				found++
			}
		}
		calibrate.Bar(t, fmt.Sprintf("Otava (guard): unchanged series of 100 with a change point, p %g, window 50", c.p), float64(found)/float64(n), c.bound.Share(n))
	}
}

// mongoGolden holds what MongoDB's own tests expect, with samples as Python
// expressions.
type mongoGolden struct {
	Energy []struct {
		X, Y    string
		E, T, H float64
	}
	EDivisive []struct {
		Series string
		Expect []int
	} `json:"e_divisive"`
}

func loadMongo(t *testing.T) mongoGolden {
	t.Helper()
	var g mongoGolden
	schematest.Known(t, "changepoint_perf/mongodb/golden.json", &g)
	return g
}

// vectors returns from, from+step … below to, each with its offsets added.
func vectors(from, to, step int, offsets ...float64) [][]float64 {
	var vs [][]float64
	for i := from; i < to; i += step {
		var v []float64
		for _, o := range offsets {
			v = append(v, float64(i)+o)
		}
		vs = append(vs, v)
	}
	return vs
}

func TestMongoDBEnergyStatistics(t *testing.T) {
	samples := map[string][][]float64{
		"arange(1,100)":                 vectors(1, 100, 1, 0),
		"arange(1,105)":                 vectors(1, 105, 1, 0),
		"arange(10000,13000,14)":        vectors(10000, 13000, 14, 0),
		"arange(1,300)":                 vectors(1, 300, 1, 0),
		"arange(1000,5000,10)":          vectors(1000, 5000, 10, 0),
		"range(300,500)":                vectors(300, 500, 1, 0),
		"range(400,900,11)":             vectors(400, 900, 11, 0),
		"[[i,i+7,i+4] i=100..199]":      vectors(100, 200, 1, 0, 7, 4),
		"[[i,i+2,i+3] i=100,112..<400]": vectors(100, 400, 12, 0, 2, 3),
		"[[i,i+1] i<100]":               vectors(0, 100, 1, 0, 1),
		"[[i,i+10] i<1000]":             vectors(0, 1000, 1, 0, 10),
		"arange(10,70)":                 vectors(10, 70, 1, 0),
	}
	for _, c := range loadMongo(t).Energy {
		x, y := samples[c.X], samples[c.Y]
		if x == nil || y == nil {
			t.Errorf("no sample for %q or %q", c.X, c.Y)
			continue
		}
		got, err := EnergyStatistics(x, y)
		// numpy's assert_almost_equal to 3 decimals.
		near := func(a, b float64) bool { return math.Abs(a-b) < 1.5e-3 }
		if err != nil || !near(got.E, c.E) || !near(got.T, c.T) || !near(got.H, c.H) {
			t.Errorf("%s and %s: %+v, %v, want %v, %v, %v", c.X, c.Y, got, err, c.E, c.T, c.H)
		}
	}
	if _, err := EnergyStatistics(nil, vectors(0, 3, 1, 0)); err == nil {
		t.Error("an empty sample was accepted")
	}
	if _, err := EnergyStatistics(vectors(0, 3, 1, 0), vectors(0, 3, 1, 0, 1)); err == nil {
		t.Error("vectors of different length were accepted")
	}
}

// repeat returns runs of equal values.
func repeat(pairs ...float64) []float64 {
	var xs []float64
	for i := 0; i < len(pairs); i += 2 {
		xs = append(xs, slices.Repeat([]float64{pairs[i]}, int(pairs[i+1]))...)
	}
	return xs
}

func TestMongoDBOnItsOwnCases(t *testing.T) {
	spiked := repeat(50, 15, 100, 15)
	spiked[2] = 100
	series := map[string][]float64{
		"[0]*1000+[1]*1000":          repeat(0, 1000, 1, 1000),
		"[50]*14+[74]+[100]*15":      repeat(50, 14, 74, 1, 100, 15),
		"[50]*14+[76]+[100]*15":      repeat(50, 14, 76, 1, 100, 15),
		"50 x30, [2]=100, [15:]=100": spiked,
	}
	for _, c := range loadMongo(t).EDivisive {
		s := series[c.Series]
		if s == nil {
			t.Errorf("no series for %q", c.Series)
			continue
		}
		opts := MongoDBOptions{MaxP: 0.01, Permutations: 100, Seed: 1234}
		if len(s) == 2000 {
			opts.MaxP = 0.05 // this one is called with the defaults
		}
		if got := MongoDB(s, opts); !slices.Equal(got, c.Expect) {
			t.Errorf("%s: %v, want %v", c.Series, got, c.Expect)
		}
	}
	// Two regressions, which their test sorts, and none.
	two := repeat(50, 15, 100, 15, 150, 15)
	two[2] = 100
	opts := MongoDBOptions{MaxP: 0.01, Permutations: 100, Seed: 1234}
	if got := MongoDB(two, opts); !slices.Equal(got, []int{30, 15}) {
		t.Errorf("two regressions: %v, want [30 15], in the order of discovery", got)
	}
	if got := MongoDB(repeat(50, 30), opts); len(got) > 0 {
		t.Errorf("constant: %v", got)
	}
}

// The numbers of change points that MongoDB's tests expect in its own series, of
// which the longer ones take minutes. That of the large one is for a seed of its
// own, of numpy's generator: a change point there has a p-value at the level, so
// with other permutations there are 33 or 34.
func TestMongoDBProfiles(t *testing.T) {
	names, slack := []string{"short", "small", "medium"}, map[string]int{"large": 1}
	if calibrate.Full() {
		names = append(names, "large")
	}
	for _, name := range names {
		var profile struct {
			Series   []float64
			Expected int
		}
		schematest.Known(t, "changepoint_perf/mongodb/tests/data/profiling/"+name+".json", &profile)
		got := MongoDB(profile.Series, MongoDBOptions{MaxP: 0.01, Permutations: 100, Seed: 1234})
		if d := profile.Expected - len(got); d < 0 || d > slack[name] {
			t.Errorf("%s: %d change points, want %d", name, len(got), profile.Expected)
		}
	}
	var long []float64
	if err := json.Unmarshal([]byte(schematest.KnownText(t, "changepoint_perf/mongodb/tests/data/long_series.json")), &long); err != nil {
		t.Fatal(err)
	}
	if got := MongoDB(long, MongoDBOptions{MaxP: 0.01, Permutations: 100, Seed: 1234}); len(got) != 4 {
		t.Errorf("long series: %v, want 4 change points", got)
	}
}

// Trap: with hits/(permutations+1), p is 0 where nothing reaches the statistic, so
// even a level of 0 lets a change point through. Ours cannot be 0.
func TestMongoDBPCanBeZero(t *testing.T) {
	if got := MongoDB(repeat(50, 15, 100, 15), MongoDBOptions{MaxP: 0, Permutations: 100}); !slices.Equal(got, []int{15}) {
		t.Errorf("at level 0: %v, want [15]", got)
	}
}

// nile is the annual flow of the Nile at Aswan, 1871-1970, in 10^8 m³ (Cobb 1978,
// Biometrika 65:243).
var nile = []float64{
	1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
	1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
	831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
	781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
	744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
}

// R's strucchange: the last year of the old level is 1898, which is 28 from 1 on,
// and the first year of the new one 28 from 0 on. Its interval is 1895 to 1902.
func TestCalibrateNile(t *testing.T) {
	b, err := Strucchange(nile, 0.15, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	calibrate.Bar(t, "Nile: break", float64(b.Index), calibrate.Between(28, 28))
	calibrate.Bar(t, "Nile: interval, low end", float64(b.Low), calibrate.Between(25, 25))
	calibrate.Bar(t, "Nile: interval, high end", float64(b.High), calibrate.Between(32, 32))
	calibrate.Bar(t, "Nile: supF", b.SupF, calibrate.Between(75.925, 75.935))
	calibrate.Bar(t, "Nile: RSS without a break", b.RSS0, calibrate.Between(2835156.5, 2835157.5))
	calibrate.Bar(t, "Nile: RSS with it", b.RSS, calibrate.Between(1597456.5, 1597457.5))
}

// Bai's distribution against the walk that it is the limit of.
func TestBaiDistributionIsThatOfTheWalk(t *testing.T) {
	const phi, step, reps = 2.0, 0.05, 2000
	rng := rand.New(rand.NewPCG(5, 5))
	for _, x := range []float64{-4, -1, 0, 1, 4, 12} {
		below := 0
		for range reps {
			if argmaxOfWalk(rng, phi, step) <= x {
				below++
			}
		}
		got, want := float64(below)/reps, baiCDF(x, phi)
		if math.Abs(got-want) > 0.04 {
			t.Errorf("P(argmax <= %v) = %v by simulation, %v by formula", x, got, want)
		}
	}
	for _, p := range []float64{0.025, 0.5, 0.975} {
		if got := baiCDF(baiQuantile(p, phi), phi); math.Abs(got-p) > 1e-9 {
			t.Errorf("quantile and distribution disagree: %v, want %v", got, p)
		}
	}
}

// argmaxOfWalk walks both ways from 0 until the drift has surely won.
func argmaxOfWalk(rng *rand.Rand, phi, step float64) float64 {
	best, at := 0.0, 0.0
	for _, side := range []struct{ sign, variance float64 }{{-1, 1}, {1, phi}} {
		v := 0.0
		for s := step; s < 60*math.Sqrt(phi); s += step {
			v += math.Sqrt(side.variance*step)*rng.NormFloat64() - step/2
			if v > best {
				best, at = v, side.sign*s
			}
		}
	}
	return at
}
