package curve

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"
)

// Every family is fitted to the same points by SciPy, in notebooks/check_numbers.ipynb:
// least squares on the logarithms, without a line of ours. A breakpoint is found there by
// the profile over its place.
func TestFitsAreThoseOfSciPy(t *testing.T) {
	points, want := sciPyFits(t)
	smooth := map[*Model]float64{Affine: 1e-6, Quadratic: 1e-6, USL: 1e-6, Amdahl: 1e-6, ALA: 1e-6, Plateau: 1e-4, Hinge: 1e-4, Queueing: 1e-4, Saturating: 1e-4}
	for m, tolerance := range smooth {
		fit, err := m.Fit(points[m.Name()], Options{})
		if err != nil {
			t.Errorf("%s: %v", m.Name(), err)
			continue
		}
		if len(fit.Params) != len(want[m.Name()]) {
			t.Errorf("%s: %d parameters, %d by SciPy", m.Name(), len(fit.Params), len(want[m.Name()]))
		}
		for _, p := range fit.Params {
			if w := want[m.Name()][p.Name]; !(math.Abs(p.Value/w-1) <= tolerance) {
				t.Errorf("%s: %s is %.10g, and %.10g by SciPy", m.Name(), p.Name, p.Value, w)
			}
		}
	}
}

// sciPyFits are the points of each family and the parameters that SciPy finds.
func sciPyFits(t *testing.T) (points map[string][]Point, params map[string]map[string]float64) {
	t.Helper()
	f, err := os.Open("../../notebooks/oracle.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	number := func(text string) float64 {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	points, params = map[string][]Point{}, map[string]map[string]float64{}
	for _, row := range rows[1:] {
		switch source, family, name, v := row[0], row[1], row[2], number(row[3]); source {
		case "curve points":
			points[family] = append(points[family], Point{X: number(name), Y: v})
		case "curve":
			if params[family] == nil {
				params[family] = map[string]float64{}
			}
			params[family][name] = v
		}
	}
	return points, params
}
