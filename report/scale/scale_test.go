package scale

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

var nan, inf = math.NaN(), math.Inf(1)

func bare(values ...float64) []Number {
	out := make([]Number, len(values))
	for i, v := range values {
		out[i] = Bare(v)
	}
	return out
}

func TestUnitOfAColumn(t *testing.T) {
	for _, c := range []struct {
		stored string
		values []float64
		want   string
	}{
		{"s", []float64{0.01418, 0.0659}, "ms"},
		{"s", []float64{0.01418, 2.563}, "ms"},         // nearest zero decides, so 2563 ms
		{"s", []float64{1.2, 85}, "s"},                 //
		{"s", []float64{0.00034}, "µs"},                //
		{"s", []float64{3e-11}, "ns"},                  // below the last rung
		{"s", []float64{0, nan, 0.0141}, "ms"},         // zeros and missing values have no say
		{"s", []float64{0, 0}, "s"},                    //
		{"s", nil, "s"},                                //
		{"s", []float64{-0.003, 4}, "ms"},              // magnitude counts
		{"tokens/s", []float64{19.04, 12919}, "tok/s"}, // never k tok/s
		{"requests/s", []float64{0.2}, "req/s"},        //
		{"1", []float64{0.0062}, "%"},                  //
		{"J", []float64{0.2}, "J"},                     // unknown: as it is
	} {
		if got := For(c.stored, bare(c.values...)...).Symbol; got != c.want {
			t.Errorf("For(%q, %v) = %q, want %q", c.stored, c.values, got, c.want)
		}
	}
}

// The unit changes exactly where the printed number would: the least value that
// prints as 1.00 of a unit is shown in it, and its floating-point predecessor,
// which prints as 999 or less of the next, is not.
func TestUnitThresholds(t *testing.T) {
	for _, c := range []struct {
		threshold    float64 // in s
		below, above string
	}{
		{0.9995, "ms", "s"},
		{0.9995e-3, "µs", "ms"},
		{0.9995e-6, "ns", "µs"},
	} {
		// Where the decimal threshold falls between two floats, printing decides
		// which one rounds up; walk to the pair that straddles it.
		v := c.threshold
		for prints1(v) {
			v = math.Nextafter(v, 0)
		}
		for !prints1(v) {
			v = math.Nextafter(v, 1)
		}
		if math.Abs(v/c.threshold-1) > 1e-12 {
			t.Fatalf("the threshold near %g is at %g", c.threshold, v)
		}
		if got := For("s", Bare(v)).Symbol; got != c.above {
			t.Errorf("For(%v) = %s, want %s", v, got, c.above)
		}
		if got := For("s", Bare(math.Nextafter(v, 0))).Symbol; got != c.below {
			t.Errorf("For(predecessor of %v) = %s, want %s", v, got, c.below)
		}
	}
}

// prints1 reports whether v, printed with three digits, starts a new power of
// a thousand: 9.995e-4 prints as 1.00e-03.
func prints1(v float64) bool {
	return strings.HasPrefix(strconv.FormatFloat(v, 'e', 2, 64), "1.00")
}

func TestDigitsFollowTheInterval(t *testing.T) {
	ms := chosen("s", 0.014)
	tok := chosen("tokens/s", 400)
	for _, c := range []struct {
		unit Unit
		n    Number
		want string
	}{
		{ms, Within(0.01418, 0.01328, 0.01508), "14.2"},      // ±0.9
		{ms, Within(0.01418, 0.01406, 0.01430), "14.18"},     // ±0.12
		{ms, Within(0.01418, 0.0141799, 0.0141801), "14.18"}, // four digits at most
		{ms, Within(0.01418, 0.01418, 0.01418), "14.18"},     // all runs equal
		{ms, Within(0.01418, 0.005, 0.023), "14"},            // ±9
		{ms, Within(0.01418, -0.08, 0.1), "10"},              // ±90
		{ms, Within(0.004, -0.086, 0.094), "4"},              // ±90, but never 0
		{ms, Bare(0.01418), "14.2"},
		{ms, Bare(0.1418), "142"},
		{ms, Bare(2.5628), "2,563"},
		{ms, Bare(nan), "n/a"},
		{ms, Bare(inf), "n/a"},
		{ms, Within(0.01418, nan, inf), "14.2"}, // an interval that is none
		{ms, Bare(0), "0"},
		{Unit{}, Within(0.00021, 0.00012, 0.0003), "0.00021"}, // a plain number
		{tok, Within(1234, 834, 1634), "1,200"},
		{tok, Within(12919, 12916, 12922), "12,919"}, // whole digits are never cut
		{tok, Bare(429.57), "430"},
		{tok, Bare(65.67), "65.7"},
	} {
		if got := c.unit.Format(c.n); got != c.want {
			t.Errorf("Format(%+v) = %q, want %q", c.n, got, c.want)
		}
	}
}

// Numbers that stand together show the decimals that all of them support, as
// long as each keeps three significant digits and none shows more than its own
// interval supports.
func TestColumnSharesDecimals(t *testing.T) {
	for _, c := range []struct {
		column []Number
		want   []string
	}{
		{[]Number{Within(0.0659, 0.06555, 0.06625), Within(0.0713, 0.0709, 0.0717)}, []string{"65.9", "71.3"}},
		{[]Number{Within(0.01418, 0.0141, 0.01426), Within(0.0713, 0.0709, 0.0717)}, []string{"14.2", "71.3"}},
		{[]Number{Within(0.0821, 0.0818, 0.0824), Within(0.7417, 0.735, 0.748)}, []string{"82.1", "742"}},
		{[]Number{Within(0.0021, 0.0011, 0.0031), Bare(2.5)}, []string{"2.1", "2,500"}},
		{[]Number{Bare(nan), Within(0.01418, 0.0141, 0.01426)}, []string{"n/a", "14.18"}},
	} {
		u := For("s", c.column...)
		for i, n := range c.column {
			if got := u.Format(n); got != c.want[i] {
				t.Errorf("%+v in %+v prints as %q, want %q", n, c.column, got, c.want[i])
			}
		}
	}
}

// ±0.355 and ±0.354 stand on either side of the threshold; both neighbours of
// the float nearest to 0.3545 are checked as printed.
func TestHalfWidthThreshold(t *testing.T) {
	const h = 0.3545
	for _, v := range []float64{math.Nextafter(h, 0), h, math.Nextafter(h, 1)} {
		want := 2
		if strconv.FormatFloat(v, 'f', 3, 64) == "0.355" {
			want = 1
		}
		if got := decimalsForHalfWidth(v); got != want {
			t.Errorf("±%v supports %d decimals, want %d", v, got, want)
		}
	}
	below, above := decimalsForHalfWidth(0.35449), decimalsForHalfWidth(0.35451)
	if below != 2 || above != 1 {
		t.Errorf("around 0.3545 the decimals are %d and %d, want 2 and 1", below, above)
	}
	// A power of ten is no threshold: 0.949…, 0.95 and 1.0 all support tenths.
	for _, v := range []float64{0.9, 0.95, math.Nextafter(1, 0), 1, 3.54} {
		if got := decimalsForHalfWidth(v); got != 1 {
			t.Errorf("±%v supports %d decimals, want 1", v, got)
		}
	}
}

func TestSpread(t *testing.T) {
	ms := chosen("s", 0.014)
	for _, c := range []struct {
		n    Number
		want string
	}{
		{Within(0.01418, 0.01413, 0.01423), "14.18 ±0.35 %"},
		{Within(0.0142, 0.0130, 0.0155), "14.2 ±9.2 %"},
		{Within(0.0142, 0.0091, 0.0310), "14 [9, 31]"}, // too wide, and uneven
		{Within(0.0142, 0.0142, 0.0142), "14.20 ±0 %"},
		{Bare(0.0142), "14.2"},
		{Bare(nan), "n/a"},
	} {
		if got := ms.FormatSpread(c.n); got != c.want {
			t.Errorf("FormatSpread(%+v) = %q, want %q", c.n, got, c.want)
		}
	}
}

func TestChange(t *testing.T) {
	for _, c := range []struct {
		n    Number
		want string
	}{
		{Within(1.05, 1.041, 1.059), "+5.0 % [+4.1, +5.9]"},
		{Within(0.969, 0.9602, 0.9781), "-3.1 % [-4.0, -2.2]"},
		{Within(1.0003, 0.998, 1.0026), "+0.03 % [-0.20, +0.26]"},
		{Within(1.0003, 0.99, 1.0106), "0.0 % [-1.0, +1.1]"}, // no sign on what rounds to zero
		{Within(2.4, 0.7, 4.9), "+140 % [-30, +390]"},
		{Within(1.041, 0.5, 2.43), "+4 % [-50, +143]"}, // whole per cents, however wide
		{Bare(1.0479), "+4.8 %"},
		{Bare(nan), "n/a"},
		{Within(1.05, nan, nan), "+5.0 %"},
	} {
		if got := ChangeWithInterval(c.n); got != c.want {
			t.Errorf("ChangeWithInterval(%+v) = %q, want %q", c.n, got, c.want)
		}
	}
	if got := ChangeInterval(Within(1.05, 1.041, 1.059)); got != "[+4.1, +5.9] %" {
		t.Errorf("ChangeInterval = %q", got)
	}
}

func TestFactor(t *testing.T) {
	for _, c := range []struct {
		n    Number
		want string
	}{
		{Within(4.6474, 4.61, 4.69), "4.65× [4.61, 4.69]"},
		{Within(4.6474, 4.6473, 4.6475), "4.65× [4.65, 4.65]"}, // two decimals at most
		{Within(4.65, 3.9, 5.4), "4.7× [3.9, 5.4]"},
		{Bare(4.6474), "4.65×"},
		{Bare(22.6), "22.6×"},
		{Bare(nan), "n/a"},
	} {
		if got := FactorWithInterval(c.n); got != c.want {
			t.Errorf("FactorWithInterval(%+v) = %q, want %q", c.n, got, c.want)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		v, step float64
		want    string
	}{{0, 20, "0"}, {1200, 200, "1,200"}, {0.5, 0.5, "0.5"}, {0.30000000000000004, 0.1, "0.3"}, {-10, 5, "-10"},
		{27.5, 2.5, "27.5"}, {1.5, 1.5, "1.5"}, {0.25, 0.25, "0.25"}, {75, 25, "75"}, {250, 250, "250"},
	} {
		if got := Tick(c.v, c.step); got != c.want {
			t.Errorf("Tick(%v, %v) = %q, want %q", c.v, c.step, got, c.want)
		}
	}
}

func TestCountsSharesAndP(t *testing.T) {
	for got, want := range map[string]string{
		Count(0): "0", Count(999): "999", Count(1000): "1,000", Count(-1280000): "-1,280,000",
		Count(math.MinInt64): "-9,223,372,036,854,775,808",
		Share(2, 320):        "0.62 %", Share(0, 320): "0 %", Share(300, 320): "94 %", Share(0, 0): "n/a",
		Percent(0.0113): "1.1 %", Percent(0.3): "30 %", Percent(nan): "n/a", Percent(inf): "n/a",
		P(0.2149): "0.21", P(0.0079): "0.008", P(0.05): "0.050", P(0.0004): "<0.001", P(0): "<0.001", P(1): "1.00",
		P(nan): "n/a", P(-0.1): "n/a", P(1.01): "n/a",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Whatever the value and its interval: what is printed reads back as a number
// within half a place of the value, shows no place finer than the interval
// supports, and never calls something that is not zero 0.
func TestFormatProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		v := math.Exp(rng.Float64()*30 - 15)
		h := v * math.Exp(rng.Float64()*12-10)
		n := Within(v, v-h, v+h)
		u := chosen("s", v)
		shown := readBack(t, u.Format(n))
		want := u.In(v)
		// The last place is at most h/3.5, so rounding to it moves the value by
		// at most h/7, unless one digit or four were forced.
		slack := max(u.In(h)/7, want*0.0006)
		if lone := len(strings.Trim(u.Format(n), "0.,")) == 1; lone {
			slack = max(slack, want*0.5)
		}
		if math.Abs(shown-want) > slack {
			t.Fatalf("%v ±%v %s prints as %v", want, u.In(h), u.Symbol, shown)
		}
		if shown == 0 && want >= 1e-4 {
			t.Fatalf("%v prints as 0", want)
		}
		if place := lastPlace(u.Format(n)); place < u.In(h)/36 && place < 1 {
			t.Fatalf("%v ±%v prints as %s: digits that the interval does not support", want, u.In(h), u.Format(n))
		}
	}
}

// readBack parses a printed number, thousands separators and all.
func readBack(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(strings.ReplaceAll(s, ",", ""), 64)
	if err != nil {
		t.Fatalf("%q is not a number: %v", s, err)
	}
	return v
}

// lastPlace returns the value of the last printed digit after the point, or 1.
func lastPlace(s string) float64 {
	_, frac, ok := strings.Cut(s, ".")
	if !ok {
		return 1
	}
	return math.Pow10(-len(frac))
}

// A ratio and its inverse read as the same strength of change on either side of
// zero: the sign is right, and the value lies inside its printed interval.
func TestChangeProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		ratio := math.Exp(rng.NormFloat64() * 0.2)
		w := math.Exp(math.Abs(rng.NormFloat64()) * 0.05)
		s := ChangeWithInterval(Within(ratio, ratio/w, ratio*w))
		fields := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" %[],", r) })
		if len(fields) != 3 {
			t.Fatalf("%q has %d numbers", s, len(fields))
		}
		v, lo, hi := readBack(t, fields[0]), readBack(t, fields[1]), readBack(t, fields[2])
		if lo > v || v > hi {
			t.Fatalf("%q: the value is outside its interval", s)
		}
		if v != 0 && (v > 0) != (ratio > 1) {
			t.Fatalf("%q has the wrong sign for the ratio %v", s, ratio)
		}
	}
}
