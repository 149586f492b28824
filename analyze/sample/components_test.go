package sample_test

import (
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/sample"

	"github.com/servestat/servestat/schemas/schematest"
)

// The worked example of Kalibera & Jones, as libkalibera has it. The formula of
// the paper's first print (T, not S, on the right) gives 4.4 at the highest
// level of the first and must not pass.
func TestNestedComponentsAreLibkaliberas(t *testing.T) {
	var g struct {
		Ex3 struct {
			Data   [][][]float64
			Mean   float64
			S2, T2 []float64
		}
		Ex2 struct {
			Data   [][]float64
			S2, T2 []float64
		}
		Big struct {
			Data [][][]float64
			T2   []float64
			Cost []float64 `json:"costs_high_to_low"`
			Reps []float64 `json:"optimal_reps_r1_r2"`
		}
	}
	schematest.Known(t, "kalibera/golden.json", &g)

	three := nested(t, flat3(g.Ex3.Data), 3, 2, 2)
	wantNear(t, "mean", three.Mean, g.Ex3.Mean, 1e-12)
	two := nested(t, slices.Concat(g.Ex2.Data...), 3, 4)
	big := nested(t, flat3(g.Big.Data), 2, 2, 3)
	for i := range 3 {
		wantNear(t, "S2", three.S2[i], g.Ex3.S2[i], 0.051)
		wantNear(t, "T2", three.T2[i], g.Ex3.T2[i], 0.051)
		wantNear(t, "T2", big.T2[i], g.Big.T2[i], 1e-4)
	}
	for i := range 2 {
		wantNear(t, "S2", two.S2[i], g.Ex2.S2[i], 0.051)
		wantNear(t, "T2", two.T2[i], g.Ex2.T2[i], 0.051)
	}
	if three.T2[1] >= 0 || three.Variance(1) != 0 || three.Variance(0) != 16.5 {
		t.Errorf("components %v", three.T2)
	}
	wrong := three.S2[2] - math.Max(0, three.T2[1])/2
	if math.Abs(wrong-g.Ex3.T2[2]) < 0.1 {
		t.Error("the example cannot tell the first print's formula from the corrected one")
	}

	low := slices.Clone(g.Big.Cost)
	slices.Reverse(low)
	reps, err := big.Repetitions(low)
	if err != nil {
		t.Fatal(err)
	}
	for i := range reps {
		wantNear(t, "repetitions", reps[i], g.Big.Reps[i], 1e-4)
	}
}

func nested(t *testing.T, values []float64, reps ...int) sample.Nested {
	t.Helper()
	n, err := sample.KaliberaJones(values, reps)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func flat3(data [][][]float64) []float64 {
	var xs []float64
	for _, d := range data {
		xs = append(xs, slices.Concat(d...)...)
	}
	return xs
}

// NIST StRD, one-way analysis of variance: F to 10 digits, and to 4 where 13
// leading digits are constant, as in epoch nanoseconds (there float64 rounds the
// data themselves).
func TestFIsNISTs(t *testing.T) {
	for name, digits := range map[string]float64{
		"SiRstv": 10, "AtmWtAg": 10, "SmLs01": 10, "SmLs04": 10, "SmLs05": 10, "SmLs07": 4, "SmLs08": 4,
	} {
		groups, want := anova(t, schematest.KnownText(t, "nist_strd_anova/"+name+".dat"))
		c, err := sample.VarianceComponents(groups)
		if err != nil {
			t.Fatal(err)
		}
		if got := -math.Log10(math.Abs(c.F-want)/want + 1e-15); got < digits {
			t.Errorf("%s: F = %.15g, want %.15g: %.1f digits", name, c.F, want, got)
		}
	}
}

// anova reads a NIST file: the certified F ends the line "Between …", and the
// data are pairs of a group's number and a value after the line "Data: …".
func anova(t *testing.T, text string) (groups [][]float64, f float64) {
	t.Helper()
	between := regexp.MustCompile(`(?m)^Between.*?(\S+)\s*$`).FindStringSubmatch(text)
	lines := strings.Split(text[strings.LastIndex(text, "Data:"):], "\n")[1:]
	f, err := strconv.ParseFloat(between[1], 64)
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		group, e1 := strconv.Atoi(fields[0])
		value, e2 := strconv.ParseFloat(fields[1], 64)
		if err != nil || e1 != nil || e2 != nil {
			t.Fatalf("line %q: %v, %v, %v", line, err, e1, e2)
		}
		for len(groups) < group {
			groups = append(groups, nil)
		}
		groups[group-1] = append(groups[group-1], value)
	}
	return groups, f
}

// The Dyestuff data of Davies & Goldsmith 1972 (lme4::Dyestuff), six batches of
// five: REML gives 1764.05 between and 2451.25 within.
func TestComponentsAreREML(t *testing.T) {
	c, err := sample.VarianceComponents([][]float64{
		{1545, 1440, 1440, 1520, 1580}, {1540, 1555, 1490, 1560, 1495}, {1595, 1550, 1605, 1510, 1560},
		{1445, 1440, 1595, 1465, 1545}, {1595, 1630, 1515, 1635, 1625}, {1520, 1455, 1450, 1480, 1445},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "between", c.Between, 1764.05, 1e-9)
	wantNear(t, "within", c.Within, 2451.25, 1e-9)
	wantNear(t, "ICC", c.ICC(), 1764.05/(1764.05+2451.25), 1e-9)
	wantNear(t, "run SD", c.RunSD(5), math.Sqrt(1764.05+2451.25/5), 1e-9)
}

// Both methods are one on balanced data.
func TestComponentsAreKaliberasT2(t *testing.T) {
	c, err := sample.VarianceComponents([][]float64{{9, 5, 8, 3}, {10, 6, 7, 11}, {1, 12, 2, 4}})
	if err != nil {
		t.Fatal(err)
	}
	n := nested(t, []float64{9, 5, 8, 3, 10, 6, 7, 11, 1, 12, 2, 4}, 3, 4)
	wantNear(t, "within", c.Within, n.T2[0], 1e-12)
	wantNear(t, "between", c.Between, n.T2[1], 1e-12)
}

// Starts that are more alike than chance allows have no variance of their own,
// and say that this was cut off.
func TestNegativeComponentIsZero(t *testing.T) {
	c, err := sample.VarianceComponents([][]float64{{1, 9}, {2, 8}, {0, 10}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Between != 0 || !c.Negative || c.ICC() != 0 {
		t.Errorf("%+v", c)
	}
}

// With starts of very different size the estimate is still right on average.
func TestUnbalancedComponentsAreUnbiased(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	const reps, between, within = 4000, 4.0, 1.0
	var b, w float64
	for range reps {
		var starts [][]float64
		for _, n := range []int{1, 2, 3, 20, 5, 2} {
			level := 100 + math.Sqrt(between)*rng.NormFloat64()
			start := make([]float64, n)
			for i := range start {
				start[i] = level + math.Sqrt(within)*rng.NormFloat64()
			}
			starts = append(starts, start)
		}
		c, err := sample.VarianceComponents(starts)
		if err != nil {
			t.Fatal(err)
		}
		b, w = b+c.Between/reps, w+c.Within/reps
	}
	wantNear(t, "between", b, between, 0.05)
	wantNear(t, "within", w, within, 0.02)
}

func TestComponentsThatCannotBeSeenAreRefused(t *testing.T) {
	for _, bad := range [][][]float64{nil, {{1, 2}}, {{1}, {2}}, {{1, 2}, {}}, {{1, 2}, {math.NaN()}}} {
		if _, err := sample.VarianceComponents(bad); err == nil {
			t.Errorf("%v was split", bad)
		}
	}
	for _, bad := range [][]int{nil, {3}, {4, 1}, {2, 3}} {
		if _, err := sample.KaliberaJones([]float64{1, 2, 3, 4}, bad); err == nil {
			t.Errorf("repetitions %v were taken for 4 values", bad)
		}
	}
	n := nested(t, []float64{1, 2, 3, 4}, 2, 2)
	for _, bad := range [][]float64{{1}, {0, 1}} {
		if _, err := n.Repetitions(bad); err == nil {
			t.Errorf("costs %v were taken", bad)
		}
	}
}
