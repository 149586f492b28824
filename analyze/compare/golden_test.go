package compare

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/schemas/schematest"
)

// rCase is one pair of samples with the answers of R 4.2.2, exactRankTests and
// a brute-force enumeration. R's own p-value, estimate and interval are exact
// only where the file's R_method says so; with ties they come from a normal
// approximation.
type rCase struct {
	Name        string    `json:"name"`
	X           []float64 `json:"x"`
	Y           []float64 `json:"y"`
	U1          float64   `json:"U1"`
	HL          float64   `json:"HL"`
	RankTwo     float64   `json:"exactRankTests_two"`
	RankLess    float64   `json:"exactRankTests_less"`
	RankGreater float64   `json:"exactRankTests_greater"`
	RTwo        float64   `json:"R_wilcox_two"`
	RMethod     string    `json:"R_method"`
	RCI         []any     `json:"R_ci"`
	Brute       struct {
		Two     float64 `json:"two_absdev"`
		Less    float64 `json:"less"`
		Greater float64 `json:"greater"`
	} `json:"bruteforce"`
	Welch *struct {
		T  float64   `json:"t"`
		DF float64   `json:"df"`
		P  float64   `json:"p"`
		CI []float64 `json:"ci"`
	} `json:"welch"`
}

func rCases(t *testing.T) []rCase {
	var g struct {
		MannWhitney []rCase `json:"mannwhitney"`
	}
	schematest.Known(t, "r_golden.json", &g)
	if len(g.MannWhitney) != 12 {
		t.Fatalf("%d vectors, want 12", len(g.MannWhitney))
	}
	return g.MannWhitney
}

// The goldens compare x with y; here candidate is compared with baseline, so x
// is the candidate.
func TestRankTestIsExact(t *testing.T) {
	for _, c := range rCases(t) {
		got, err := MannWhitney(c.Y, c.X)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Exact {
			t.Errorf("%s: not exact", c.Name)
		}
		wantNear(t, c.Name+" U", got.U, c.U1, 0)
		wantNear(t, c.Name+" two (brute force)", got.TwoSided, c.Brute.Two, 1e-9)
		wantNear(t, c.Name+" less (brute force)", got.Less, c.Brute.Less, 1e-9)
		wantNear(t, c.Name+" greater (brute force)", got.Greater, c.Brute.Greater, 1e-9)
		wantNear(t, c.Name+" two (exactRankTests)", got.TwoSided, c.RankTwo, 1e-9)
		wantNear(t, c.Name+" less (exactRankTests)", got.Less, c.RankLess, 1e-9)
		wantNear(t, c.Name+" greater (exactRankTests)", got.Greater, c.RankGreater, 1e-9)
		if strings.HasSuffix(c.RMethod, "exact test") {
			wantNear(t, c.Name+" two (R)", got.TwoSided, c.RTwo, 1e-9)
		}
	}
}

func TestHodgesLehmannIsR(t *testing.T) {
	intervals := 0
	for _, c := range rCases(t) {
		got, err := HodgesLehmann(c.Y, c.X, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		wantNear(t, c.Name+" HL", got.Value, c.HL, 1e-9)
		if !strings.HasSuffix(c.RMethod, "exact test") {
			continue
		}
		intervals++
		wantNear(t, c.Name+" low", got.CI.Low, c.RCI[0].(float64), 1e-9)
		wantNear(t, c.Name+" high", got.CI.High, c.RCI[1].(float64), 1e-9)
	}
	if intervals != 6 {
		t.Errorf("%d exact intervals compared, want 6", intervals)
	}
}

func TestWelchIsR(t *testing.T) {
	for _, c := range rCases(t) {
		got, err := Welch(c.Y, c.X, 0.95)
		if c.Welch == nil {
			if err != errConstant {
				t.Errorf("%s: %v, want %v", c.Name, err, errConstant)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		wantNear(t, c.Name+" t", got.T, c.Welch.T, 1e-9)
		wantNear(t, c.Name+" df", got.DF, c.Welch.DF, 1e-9)
		wantNear(t, c.Name+" p", got.TwoSided, c.Welch.P, 1e-9)
		if len(c.Welch.CI) == 2 {
			wantNear(t, c.Name+" low", got.CI.Low, c.Welch.CI[0], 1e-9)
			wantNear(t, c.Name+" high", got.CI.High, c.Welch.CI[1], 1e-9)
		}
	}
}

// perfGolden is what golang/perf's tests expect, with the one answer that is
// wrong there corrected.
type perfGolden struct {
	UTest []struct {
		X, Y    json.RawMessage
		U       float64
		Less    float64
		Two     *float64
		TwoDev  *float64 `json:"two_by_abs_deviation"`
		Greater float64
	} `json:"utest"`
	// P(U <= u) for m = 1, 2 … values against n, one row per u, under a key that
	// says so, beside one that names the origin.
	N3    map[string]json.RawMessage `json:"udist_n3"`
	N5    map[string]json.RawMessage `json:"udist_n5"`
	Klotz struct {
		M    int          `json:"m"`
		Ties []int        `json:"t"`
		XP   [][2]float64 `json:"x_P"`
	} `json:"klotz1966"`
	MinP  map[string]float64 `json:"min_two_sided_p_equal_n"`
	Welch struct {
		X, Y  []float64
		T, DF float64
		PTwo  float64 `json:"p_two"`
	} `json:"welch"`
}

func perf(t *testing.T) perfGolden {
	var g perfGolden
	schematest.Known(t, "mwu/golden.json", &g)
	return g
}

// One vector is far too large to enumerate and is described in words; it checks
// the normal approximation. The tied one against five equal values has p = 0 in
// golang/perf and go-moremath; the file holds the right answer, 6/126.
func TestRankTestAgreesWithGolangPerf(t *testing.T) {
	g := perf(t)
	if len(g.UTest) != 7 {
		t.Fatalf("%d vectors, want 7", len(g.UTest))
	}
	for i, c := range g.UTest {
		x, y := samples(t, c.X, c.Y)
		got, err := MannWhitney(y, x)
		if err != nil {
			t.Fatal(err)
		}
		want := c.Two
		if c.TwoDev != nil {
			want = c.TwoDev
		}
		if got.Exact != (i < 6) {
			t.Errorf("vector %d: exact is %v", i, got.Exact)
		}
		wantNear(t, "U", got.U, c.U, 0)
		wantNear(t, "two", got.TwoSided, *want, 1e-9)
		wantNear(t, "less", got.Less, c.Less, 1e-9)
		wantNear(t, "greater", got.Greater, c.Greater, 1e-9)
	}
}

// samples decodes a vector, or makes the large one that the file describes as
// "0,2,..,998 (500)" against "2i-41, i<600".
func samples(t *testing.T, rawX, rawY json.RawMessage) (x, y []float64) {
	t.Helper()
	if json.Unmarshal(rawX, &x) == nil && json.Unmarshal(rawY, &y) == nil {
		return x, y
	}
	for i := range 500 {
		x = append(x, float64(2*i))
	}
	for i := range 600 {
		y = append(y, float64(2*i-41))
	}
	return x, y
}

// Mann & Whitney 1947, the tables for n = 3 and 5, to the digits printed.
func TestNullDistributionIsMannAndWhitneysTable(t *testing.T) {
	g := perf(t)
	for n, table := range map[int]json.RawMessage{
		3: g.N3["m=1..3 cols, U=0..5 rows"],
		5: g.N5["m=1..5 cols, U=0..5 rows"],
	} {
		var rows [][]float64
		if err := json.Unmarshal(table, &rows); err != nil {
			t.Fatal(err)
		}
		for u, row := range rows {
			for i, want := range row {
				tails := newUTails(i+1, n)
				var below float64
				for _, count := range tails.counts[:min(u+1, len(tails.counts))] {
					below += count / tails.total
				}
				wantNear(t, "P(U <= u)", below, want, 5e-7)
			}
		}
	}
}

// Klotz 1966, table 1: with ties, P(U <= x - m*m/2), to the digits printed.
func TestTiedNullDistributionIsKlotzsTable(t *testing.T) {
	k := perf(t).Klotz
	var scores []int
	for _, ties := range k.Ties {
		first := len(scores)
		for range ties {
			scores = append(scores, 2*first+1+ties)
		}
	}
	null := newNullDist(scores, k.M)
	for _, xp := range k.XP {
		// In doubled ranks: U <= x - m*m/2, and U is the rank sum less m(m+1)/2.
		limit := int(2*xp[0]) - k.M*k.M + k.M*(k.M+1)
		got := null.probability(func(sum int) bool { return sum <= limit })
		wantNear(t, "P(U <= u)", got, xp[1], 5e-7)
	}
}

func TestLeastPossibleP(t *testing.T) {
	for name, want := range perf(t).MinP {
		var n int
		if err := json.Unmarshal([]byte(name), &n); err != nil {
			t.Fatal(err)
		}
		wantNear(t, "least p of "+name, leastP(n, n), want, 1e-9)
		low, high := ramp(n, 0), ramp(n, 100)
		got, err := MannWhitney(low, high)
		if err != nil {
			t.Fatal(err)
		}
		wantNear(t, "p of separated arms of "+name, got.TwoSided, want, 1e-9)
	}
}

func TestWelchAgreesWithGolangPerf(t *testing.T) {
	g := perf(t).Welch
	got, err := Welch(g.Y, g.X, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "t", got.T, g.T, 1e-9)
	wantNear(t, "df", got.DF, g.DF, 1e-9)
	wantNear(t, "p", got.TwoSided, g.PTwo, 1e-9)
}

func TestAdjustmentsAreR(t *testing.T) {
	var g struct {
		PAdjust struct {
			P    []float64 `json:"p"`
			BH   []float64 `json:"BH"`
			Holm []float64 `json:"holm"`
		} `json:"padjust"`
	}
	schematest.Known(t, "r_golden.json", &g)
	holm, bh := Holm(g.PAdjust.P), BenjaminiHochberg(g.PAdjust.P)
	for i := range g.PAdjust.P {
		wantNear(t, "holm", holm[i], g.PAdjust.Holm[i], 1e-12)
		wantNear(t, "BH", bh[i], g.PAdjust.BH[i], 1e-12)
	}
}

func TestPowerIsR(t *testing.T) {
	var g struct {
		Power struct {
			TTestN   []float64   `json:"ttest_n"`
			D        []float64   `json:"d"`
			PowerAtN [][]float64 `json:"power_at_n"`
			N        []int       `json:"n"`
			D2       []float64   `json:"d2"`
		} `json:"power"`
	}
	schematest.Known(t, "r_golden.json", &g)
	for i, n := range g.Power.N {
		for j, d := range g.Power.D2 {
			wantNear(t, "power", power(n, n, d, 0.05, 2), g.Power.PowerAtN[i][j], 1e-9)
		}
	}
	// R solves for a fractional n; the whole number above it must be enough, and
	// the one below not.
	for i, d := range g.Power.D {
		want := int(math.Ceil(g.Power.TTestN[i]))
		got, ok := runsFor(2, func(n int) bool { return power(n, n, d, 0.05, 2) >= 0.8 })
		if !ok || got != want {
			t.Errorf("d=%g: %d runs, want %d", d, got, want)
		}
	}
}

// The figures that a benchmark plan is made with: the effect, in between-run
// standard deviations, that is found with probability 0.8 at 5 % (power.t.test).
func TestDetectableEffects(t *testing.T) {
	for _, c := range []struct {
		runs int
		want float64
	}{{3, 3.07}, {5, 2.02}, {8, 1.51}, {17, 0.99}, {64, 0.50}} {
		wantNear(t, "detectable", detectable(c.runs, c.runs, 0.05, 0.8), c.want, 5e-3)
	}
}

// Also where a large family makes the critical value extreme, or the arms differ.
func TestDetectableIsPowerInverted(t *testing.T) {
	for _, alpha := range []float64{0.05, 0.05 / 8, 0.05 / 48, 0.05 / 1000} {
		for _, arms := range [][2]int{{3, 3}, {3, 200}, {5, 5}, {8, 6}, {300, 300}} {
			d := detectable(arms[0], arms[1], alpha, 0.8)
			wantNear(t, "power", power(arms[0], arms[1], d, alpha, 2), 0.8, 1e-8)
		}
	}
}

// The largest deviation from any vector, for the ledger: the tests above say
// which one it is.
func TestCalibrateVectors(t *testing.T) {
	var worst float64
	vectors := 0
	away := func(got, want float64) {
		vectors++
		worst = math.Max(worst, math.Abs(got-want)/math.Max(1, math.Abs(want)))
	}
	for _, c := range rCases(t) {
		test, _ := MannWhitney(c.Y, c.X)
		away(test.TwoSided, c.Brute.Two)
		away(test.TwoSided, c.RankTwo)
		away(test.Less, c.RankLess)
		away(test.Greater, c.RankGreater)
		shift, _ := HodgesLehmann(c.Y, c.X, 0.95)
		away(shift.Value, c.HL)
		if strings.HasSuffix(c.RMethod, "exact test") {
			away(shift.CI.Low, c.RCI[0].(float64))
			away(shift.CI.High, c.RCI[1].(float64))
		}
	}
	var g struct {
		PAdjust struct {
			P    []float64 `json:"p"`
			BH   []float64 `json:"BH"`
			Holm []float64 `json:"holm"`
		} `json:"padjust"`
	}
	schematest.Known(t, "r_golden.json", &g)
	holm, bh := Holm(g.PAdjust.P), BenjaminiHochberg(g.PAdjust.P)
	for i := range holm {
		away(holm[i], g.PAdjust.Holm[i])
		away(bh[i], g.PAdjust.BH[i])
	}
	calibrate.Bar(t, fmt.Sprintf("rank tests, intervals and adjustments, largest deviation from %d known answers", vectors), worst, calibrate.AtMost(1e-9))
}

// R's two one-sided tests of a ratio on logs: the bounds that "not regressed"
// rests on with three runs are the ends of its 90 % interval.
func TestOneSidedBoundsAreRsTOST(t *testing.T) {
	var g struct {
		TOST struct {
			A, B   []float64
			Margin float64   `json:"margin_ratio"`
			Lower  float64   `json:"p_lower"`
			Upper  float64   `json:"p_upper"`
			Ratio  float64   `json:"ratio"`
			CI90   []float64 `json:"ratio_ci90"`
			CI95   []float64 `json:"ratio_ci95"`
			DF     float64   `json:"df"`
		} `json:"tost"`
	}
	schematest.Known(t, "r_golden.json", &g)
	a, _ := logs("", g.TOST.A)
	b, _ := logs("", g.TOST.B)
	got, err := Welch(a, b, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	r := welchRatio(got)
	wantNear(t, "ratio", r.Value, g.TOST.Ratio, 1e-9)
	wantNear(t, "lower", r.Lower.Value, g.TOST.CI90[0], 1e-9)
	wantNear(t, "upper", r.Upper.Value, g.TOST.CI90[1], 1e-9)
	wantNear(t, "low", r.CI.Low, g.TOST.CI95[0], 1e-9)
	wantNear(t, "high", r.CI.High, g.TOST.CI95[1], 1e-9)
	wantNear(t, "df", got.DF, g.TOST.DF, 1e-9)
	se := got.Value / got.T
	margin := math.Log(g.TOST.Margin)
	wantNear(t, "p of not below", studentTail((got.Value+margin)/se, got.DF), g.TOST.Lower, 1e-9)
	wantNear(t, "p of not above", studentTail((margin-got.Value)/se, got.DF), g.TOST.Upper, 1e-9)
}
