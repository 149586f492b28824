package curve

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/num/dual"

	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/schemas/schematest"
)

// The certified values of the NIST Statistical Reference Datasets for nonlinear
// regression (www.itl.nist.gov/div898/strd): 27 problems, each from a far start
// and from a near one.
type nistSet struct {
	Level  string    `json:"level"`
	Start1 []float64 `json:"start1"`
	Start2 []float64 `json:"start2"`
	Cert   []float64 `json:"cert"`
	CertSE []float64 `json:"cert_se"`
	RSS    float64   `json:"rss"`
	NObs   int       `json:"nobs"`
}

// nistModel is a model as NIST writes it. In dual numbers it gives its own
// derivatives, exact to rounding.
type nistModel func(b []number, x []float64) number

type number = dual.Number

func k(v float64) number { return number{Real: v} }

func sum(terms ...number) number {
	var s number
	for _, t := range terms {
		s = dual.Add(s, t)
	}
	return s
}

func neg(a number) number    { return dual.Scale(-1, a) }
func div(a, b number) number { return dual.Mul(a, dual.Inv(b)) }

// poly is b[0] + b[1] x + b[2] x^2 …
func poly(x float64, b ...number) number {
	var s number
	for _, c := range slices.Backward(b) {
		s = dual.Add(dual.Scale(x, s), c)
	}
	return s
}

// decay is a exp(-b x).
func decay(a, b number, x float64) number { return dual.Mul(a, dual.Exp(dual.Scale(-x, b))) }

// bell is a exp(-((x-m)/s)^2).
func bell(a, m, s number, x float64) number {
	z := div(dual.Sub(k(x), m), s)
	return dual.Mul(a, dual.Exp(neg(dual.Mul(z, z))))
}

func gauss(b []number, x []float64) number {
	return sum(decay(b[0], b[1], x[0]), bell(b[2], b[3], b[4], x[0]), bell(b[5], b[6], b[7], x[0]))
}

func lanczos(b []number, x []float64) number {
	return sum(decay(b[0], b[1], x[0]), decay(b[2], b[3], x[0]), decay(b[4], b[5], x[0]))
}

func chwirut(b []number, x []float64) number {
	return div(dual.Exp(dual.Scale(-x[0], b[0])), poly(x[0], b[1], b[2]))
}

func saturation(b []number, x []float64) number {
	return dual.Mul(b[0], dual.Sub(k(1), dual.Exp(dual.Scale(-x[0], b[1]))))
}

func cubicRatio(b []number, x []float64) number {
	return div(poly(x[0], b[:4]...), poly(x[0], k(1), b[4], b[5], b[6]))
}

var nistModels = map[string]nistModel{
	"Bennett5": func(b []number, x []float64) number {
		return dual.Mul(b[0], dual.Pow(dual.Add(b[1], k(x[0])), neg(dual.Inv(b[2]))))
	},
	"BoxBOD": saturation, "Chwirut1": chwirut, "Chwirut2": chwirut,
	"DanWood": func(b []number, x []float64) number { return dual.Mul(b[0], dual.Pow(k(x[0]), b[1])) },
	"ENSO": func(b []number, x []float64) number {
		wave := func(period, c, s number) number {
			angle := dual.Scale(2*math.Pi*x[0], dual.Inv(period))
			return dual.Add(dual.Mul(c, dual.Cos(angle)), dual.Mul(s, dual.Sin(angle)))
		}
		return sum(b[0], wave(k(12), b[1], b[2]), wave(b[3], b[4], b[5]), wave(b[6], b[7], b[8]))
	},
	"Eckerle4": func(b []number, x []float64) number {
		return bell(div(b[0], b[1]), b[2], dual.Scale(math.Sqrt2, b[1]), x[0])
	},
	"Gauss1": gauss, "Gauss2": gauss, "Gauss3": gauss,
	"Hahn1": cubicRatio,
	"Kirby2": func(b []number, x []float64) number {
		return div(poly(x[0], b[:3]...), poly(x[0], k(1), b[3], b[4]))
	},
	"Lanczos1": lanczos, "Lanczos2": lanczos, "Lanczos3": lanczos,
	"MGH09": func(b []number, x []float64) number {
		return dual.Mul(b[0], div(poly(x[0], k(0), b[1], k(1)), poly(x[0], b[3], b[2], k(1))))
	},
	"MGH10": func(b []number, x []float64) number {
		return dual.Mul(b[0], dual.Exp(div(b[1], dual.Add(k(x[0]), b[2]))))
	},
	"MGH17": func(b []number, x []float64) number {
		return sum(b[0], decay(b[1], b[3], x[0]), decay(b[2], b[4], x[0]))
	},
	"Misra1a": saturation,
	"Misra1b": func(b []number, x []float64) number {
		return dual.Mul(b[0], dual.Sub(k(1), dual.PowReal(dual.Add(k(1), dual.Scale(x[0]/2, b[1])), -2)))
	},
	"Misra1c": func(b []number, x []float64) number {
		return dual.Mul(b[0], dual.Sub(k(1), dual.PowReal(dual.Add(k(1), dual.Scale(2*x[0], b[1])), -0.5)))
	},
	"Misra1d": func(b []number, x []float64) number {
		return div(dual.Scale(x[0], dual.Mul(b[0], b[1])), dual.Add(k(1), dual.Scale(x[0], b[1])))
	},
	// The response is log(y).
	"Nelson": func(b []number, x []float64) number {
		return dual.Sub(b[0], dual.Scale(x[0], decay(b[1], b[2], x[1])))
	},
	"Rat42": func(b []number, x []float64) number {
		return div(b[0], dual.Add(k(1), dual.Exp(dual.Sub(b[1], dual.Scale(x[0], b[2])))))
	},
	"Rat43": func(b []number, x []float64) number {
		return dual.Mul(b[0], dual.Pow(dual.Add(k(1), dual.Exp(dual.Sub(b[1], dual.Scale(x[0], b[2])))), neg(dual.Inv(b[3]))))
	},
	"Roszman1": func(b []number, x []float64) number {
		return sum(b[0], dual.Scale(-x[0], b[1]), dual.Scale(-1/math.Pi, dual.Atan(div(b[2], dual.Sub(k(x[0]), b[3])))))
	},
	"Thurber": cubicRatio,
}

// nistProblem is the least-squares problem of one data set.
func nistProblem(name string, model nistModel, rows [][]float64, parameters int) problem {
	return problem{
		residuals: len(rows), parameters: parameters,
		eval: func(theta, r []float64, jac *mat.Dense) bool {
			b := make([]number, parameters)
			for j := range b {
				b[j].Real = theta[j]
			}
			for i, row := range rows {
				y := row[0]
				if name == "Nelson" {
					y = math.Log(y)
				}
				r[i] = model(b, row[1:]).Real - y
				if jac == nil {
					continue
				}
				for j := range b {
					b[j].Emag = 1
					jac.Set(i, j, model(b, row[1:]).Emag)
					b[j].Emag = 0
				}
			}
			return true
		},
	}
}

// TestCalibrateNIST logs the digits of each problem. Digits are log relative errors, cut off at
// the 11 that NIST certifies.
func TestCalibrateNIST(t *testing.T) {
	var sets map[string]nistSet
	schematest.Known(t, "nist_strd_nls/certified.json", &sets)
	if len(sets) != 27 {
		t.Fatalf("%d data sets, want 27", len(sets))
	}
	var start1, start2, errors float64
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		set := sets[name]
		rows := nistRows(t, name, set.NObs)
		p := nistProblem(name, nistModels[name], rows, len(set.Cert))
		far, near := digitsFrom(p, set.Start1, set), digitsFrom(p, set.Start2, set)
		t.Logf("%-9s %-8s start 1: %4.1f digits   start 2: %4.1f digits, SE %4.1f, RSS %4.1f",
			name, set.Level, far.parameters, near.parameters, near.errors, near.rss)
		if far.parameters >= 6 {
			start1++
		}
		if near.parameters >= 6 {
			start2++
		}
		if near.errors >= 4 {
			errors++
		}
	}
	calibrate.Bar(t, "NIST: parameters to 6 digits from start 2, of 27", start2, calibrate.AtLeast(27))
	calibrate.Bar(t, "NIST: parameters to 6 digits from start 1, of 27", start1, calibrate.AtLeast(26))
	// Lanczos1 is exact data: its sum of squares, 1e-25, is rounding, and so are
	// its standard errors.
	calibrate.Bar(t, "NIST: standard errors to 4 digits, of 27", errors, calibrate.AtLeast(26))
	if start1 < 27 {
		t.Errorf("the score from start 1 fell to %g of 27", start1)
	}
}

type digits struct{ parameters, errors, rss float64 }

func digitsFrom(p problem, start []float64, set nistSet) digits {
	s, ok := minimise(p, start)
	if !ok {
		return digits{}
	}
	lre := func(got, want []float64) float64 {
		least := 11.0
		for i := range want {
			least = min(least, -math.Log10(math.Abs(got[i]-want[i])/math.Abs(want[i])))
		}
		return max(0, least)
	}
	jac := mat.NewDense(p.residuals, p.parameters, nil)
	p.eval(s.theta, make([]float64, p.residuals), jac)
	got := digits{
		parameters: lre(s.theta, set.Cert),
		rss:        lre([]float64{s.rss}, []float64{set.RSS}),
	}
	if spread := newSpread(jac); spread.inverse != nil {
		cov := spread.independent(s.rss / float64(p.residuals-p.parameters))
		se := make([]float64, p.parameters)
		for j := range se {
			se[j] = math.Sqrt(cov.At(j, j))
		}
		got.errors = lre(se, set.CertSE)
	}
	return got
}

// nistRows reads the observations at the end of a NIST file: y, then x.
func nistRows(t *testing.T, name string, n int) [][]float64 {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(schematest.KnownText(t, "nist_strd_nls/"+name+".dat")), "\n")
	var rows [][]float64
	for _, line := range lines[len(lines)-n:] {
		var row []float64
		for _, field := range strings.Fields(line) {
			v, err := strconv.ParseFloat(field, 64)
			if err != nil {
				t.Fatal(fmt.Errorf("%s: %w", name, err))
			}
			row = append(row, v)
		}
		rows = append(rows, row)
	}
	return rows
}
