package curve

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/schemas/schematest"
)

// uslReference is a fit by R's nls on the data of the R package usl. Its
// confint() is not checked, because it is not a confidence interval: it uses
// qt(0.95, n-1) for qt(0.975, n-3).
type uslReference struct {
	Data   json.RawMessage            `json:"data"`
	Alpha  float64                    `json:"alpha"`
	Beta   float64                    `json:"beta"`
	Gamma  float64                    `json:"gamma"`
	RSS    float64                    `json:"rss"`
	Sigma  float64                    `json:"sigma"`
	Peak   *float64                   `json:"peak_N"`
	Limit  float64                    `json:"limit"`
	Opt    float64                    `json:"N_opt"`
	Errors *struct{ A, B, G float64 } `json:"se"`
}

// points returns the data that the file holds or, for oracledb, names.
func (r uslReference) points(t *testing.T) []Point {
	t.Helper()
	var points []Point
	if json.Unmarshal(r.Data, &points) == nil {
		return points
	}
	rows, err := csv.NewReader(strings.NewReader(schematest.KnownText(t, "usl/oracledb.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const dbTime, txnRate = 1, 6
	for _, row := range rows[1:] {
		x, err1 := strconv.ParseFloat(row[dbTime], 64)
		y, err2 := strconv.ParseFloat(row[txnRate], 64)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		points = append(points, Point{X: x, Y: y})
	}
	return points
}

// reference returns the data of one of the fits.
func reference(t *testing.T, name string) []Point {
	t.Helper()
	var all map[string]json.RawMessage
	schematest.Known(t, "usl/usl_reference_fits.json", &all)
	var r uslReference
	if err := json.Unmarshal(all[name], &r); err != nil {
		t.Fatal(err)
	}
	return r.points(t)
}

func wantError(t *testing.T, err, kind error, text string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want %v with %q", err, kind, text)
	}
}

// All data sets go through the same call: no start is chosen for any of them.
func TestCalibrateUSL(t *testing.T) {
	var all map[string]json.RawMessage
	schematest.Known(t, "usl/usl_reference_fits.json", &all)
	digitsOf := map[string]float64{
		"raytracer_first6": 6, "specsdm91": 6, "exact": 6, "oracledb": 6,
		"raytracer": 5, // b = 0 in the file; the others to the digits it has
	}
	for _, name := range slices.Sorted(maps.Keys(digitsOf)) {
		digits := digitsOf[name]
		var want uslReference
		if err := json.Unmarshal(all[name], &want); err != nil {
			t.Fatal(err)
		}
		f, err := USL.Fit(want.points(t), Options{Noise: Additive})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		worst := 11.0
		check := func(what string, got, want float64) {
			t.Helper()
			lre := -math.Log10(math.Abs(got-want) / math.Abs(want))
			if want == 0 {
				lre = -math.Log10(math.Abs(got))
			}
			worst = min(worst, lre)
			if !(lre >= digits) {
				t.Errorf("%s: %s = %.12g, want %.12g: %.1f digits", name, what, got, want, lre)
			}
		}
		check("gamma", f.Params[0].Value, want.Gamma)
		check("a", f.Params[1].Value, want.Alpha)
		check("b", f.Params[2].Value, want.Beta)
		check("RSS", f.RSS, want.RSS)
		check("sigma", f.Sigma, want.Sigma)
		limit, err1 := f.Limit()
		optimum, err2 := f.Optimum()
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		check("limit", limit.Value, want.Limit)
		check("optimum", optimum.Value, want.Opt)
		if want.Errors != nil {
			check("SE of gamma", f.Params[0].SE, want.Errors.G)
			check("SE of a", f.Params[1].SE, want.Errors.A)
			check("SE of b", f.Params[2].SE, want.Errors.B)
		}
		peak, err := f.Peak()
		if (err == nil) != (want.Peak != nil) {
			t.Fatalf("%s: peak %v, want %v", name, err, want.Peak)
		}
		if want.Peak != nil {
			check("peak", peak.Concurrency.Value, *want.Peak)
		}
		calibrate.Bar(t, "USL "+name+": digits of coefficients, RSS, limit, optimum and peak, at least", worst, calibrate.AtLeast(4))
		t.Logf("%-17s %4.1f digits at least, condition %6.1f, gradient %.0e, warnings %v", name, worst, f.Condition, f.Gradient, f.Warnings)
	}
}
