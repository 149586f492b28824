package jsonscan

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// TestNanos shows the rounding, which is that of the decimal text.
func TestNanos(t *testing.T) {
	tests := []struct {
		text string
		want int64
	}{
		{"0", 0},
		{"-0.0", 0},
		{"0e999999999999999999999", 0},
		{"1", 1_000_000_000},
		{"0.029621021007187665", 29_621_021},
		{"1.4346092939376831e-05", 14_346},
		{"1299499.61437597", 1_299_499_614_375_970},
		{"0.0000000005", 0},           // a tie goes to the even 0
		{"0.0000000015", 2},           // and to the even 2
		{"0.0000000025", 2},           // not to 3
		{"0.00000000250000000001", 3}, // this is no tie
		{"0.1000000005", 100_000_000},
		{"0.10000000050", 100_000_000},
		{"0.1000000005000000000000000000000000000000001", 100_000_001},
		{"0.100000000499999999999999999999999999999999", 100_000_000},
		{"5e-10", 0},
		{"15E-10", 2},
		{"-1.5e-9", -2},
		{"1e-300", 0},
		{"9223372036.854775807", math.MaxInt64},
		{"9223372036.8547758074", math.MaxInt64},
		{"-9223372036.854775808", math.MinInt64},
		{"0.0000000000000000000000000001e19", 1},
		{"10000000000000000000000000000000e-31", 1_000_000_000},
		{"12345678901234567895e-10", 1_234_567_889_123_456_790 + 1_000_000_000}, // 1234567890.1234567895 s
	}
	for _, test := range tests {
		// Behind a comma and with others around it, a number takes the fast way.
		text := "[0.5, " + test.text + "," + strings.Repeat(" 0.1,", 20) + " 0]"
		each(t, text, func(t *testing.T, s *Scanner) {
			s.Array()
			got, _, err := s.AppendNanos(nil, 2)
			if err != nil || len(got) != 2 || got[1] != test.want {
				t.Errorf("%s: got %d, %v, want %d", test.text, got, err, test.want)
			}
		})
		if got, ok := ParseNanos([]byte(test.text)); !ok || got != test.want {
			t.Errorf("ParseNanos(%s) = %d, %v, want %d", test.text, got, ok, test.want)
		}
	}
	for _, text := range []string{"", "-", "x", "1x", "NaN", "Infinity", "9223372036.8547758075", "1e300", "1e999999999999999999999", "99999999999999999999.5", `"1"`, "null"} {
		if got, ok := ParseNanos([]byte(text)); ok {
			t.Errorf("ParseNanos(%s) = %d, want none", text, got)
		}
	}
}

func TestParseInt(t *testing.T) {
	for text, want := range map[string]int64{
		"12": 12, "-12.0": -12, "1.2e1": 12, "120e-1": 12, "0.0": 0, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		if got, ok := ParseInt([]byte(text)); !ok || got != want {
			t.Errorf("ParseInt(%s) = %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"12.5", "1e-1", "0.00000000000000000000000001", "9223372036854775808", "1e19", "true", "-9223372036854775809"} {
		if got, ok := ParseInt([]byte(text)); ok {
			t.Errorf("ParseInt(%s) = %d, want none", text, got)
		}
	}
}

func TestParseFloat(t *testing.T) {
	for _, text := range []string{"0x1p-2", "inf", "nan", "1_000", "+1", "infinity", "", "1e999", "true"} {
		if got, ok := ParseFloat([]byte(text)); ok {
			t.Errorf("ParseFloat(%s) = %v, want none", text, got)
		}
	}
	for text, want := range map[string]float64{"Infinity": math.Inf(1), "-Infinity": math.Inf(-1), "5e-324": 5e-324, "0.1": 0.1} {
		if got, ok := ParseFloat([]byte(text)); !ok || got != want {
			t.Errorf("ParseFloat(%s) = %v, %v, want %v", text, got, ok, want)
		}
	}
	if got, ok := ParseFloat([]byte("NaN")); !ok || !math.IsNaN(got) {
		t.Errorf("ParseFloat(NaN) = %v, %v", got, ok)
	}
}

// exactNanos is the definition: the decimal text times 10^9, as a fraction,
// rounded to nearest, ties to even.
func exactNanos(text string) (int64, bool) {
	return exactScaled(text, 1_000_000_000)
}

func exactScaled(text string, scale int64) (int64, bool) {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, false
	}
	r.Mul(r, new(big.Rat).SetInt64(scale))
	// Floor of r, then of its fraction.
	q, m := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	switch m.Lsh(m, 1).Cmp(r.Denom()) {
	case 1:
		q.Add(q, big.NewInt(1))
	case 0:
		q.Add(q, big.NewInt(int64(q.Bit(0))))
	}
	return q.Int64(), q.IsInt64()
}

// checkNumber holds one number, inside an array, to the definitions.
func checkNumber(t *testing.T, text string, bufSize int) {
	t.Helper()
	array := "[0.5, " + text + ", 0.25, 0.029621021007187665, 0.029621021007187665, 0.029621021007187665]"
	open := func() *Scanner {
		s := NewScanner(strings.NewReader(array), Options{Buffer: bufSize})
		s.Array()
		s.Next()
		s.Skip()
		return s
	}
	want, fits := exactNanos(text)
	ns, _, err := open().AppendNanos(nil, 1)
	if fits != (err == nil) || fits && ns[0] != want {
		t.Fatalf("%s: nanoseconds %d, %v, want %d, fits: %v", text, ns, err, want, fits)
	}
	wantInt, fits := exactScaled(text, 1)
	if r, _ := new(big.Rat).SetString(text); !r.IsInt() {
		fits = false
	}
	s := open()
	s.Next()
	if got, err := s.Int64(); fits != (err == nil) || fits && got != wantInt {
		t.Fatalf("%s: integer %d, %v, want %d, is one: %v", text, got, err, wantInt, fits)
	}
	wantFloat, wantErr := strconv.ParseFloat(text, 64)
	s = open()
	s.Next()
	got, err := s.Float64()
	if (err == nil) != (wantErr == nil) || err == nil && math.Float64bits(got) != math.Float64bits(wantFloat) {
		t.Fatalf("%s: float64 %v, %v, want %v, %v", text, got, err, wantFloat, wantErr)
	}
}

// FuzzNumber holds number parsing to strconv.ParseFloat, to the bit, and to
// exact rational arithmetic.
func FuzzNumber(f *testing.F) {
	for _, seed := range []string{"0.029621021007187665", "1.4346092939376831e-05", "1299499.61437597", "5e-10", "9223372036.854775807",
		"0.1000000005", "-0.0", "123456789.123456789123456789", "1e308", "4.9e-324", "99999999999999999999e-11"} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(77))
	}
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		// big.Rat would build a number of 10^9 digits for a large exponent.
		if !json.Valid([]byte(text)) || !numeric(text[len(text)-1]) || len(text) > 1000 {
			return
		}
		if text[0] != '-' && !numeric(text[0]) {
			return
		}
		if _, e, ok := strings.Cut(strings.ToLower(text), "e"); ok {
			if v, err := strconv.Atoi(e); err != nil || v > 1000 || v < -1000 {
				return
			}
		}
		checkNumber(t, text, int(size)+1)
	})
}

// FuzzAppendNanos: what is no JSON is found out by those who read times as it is
// by those who skip them, and both see as many elements.
func FuzzAppendNanos(f *testing.F) {
	for _, seed := range []string{"0.029621021007187665, 1.4346092939376831e-05", "0.123456789012345678e", "1.5e-051", "01.5e-05", "1.5e-05.3",
		"12.5 , 3", "0.1x", "NaN, -Infinity", `"x", null, [1]`, "0.5,, 0.5", "1e400"} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(77))
	}
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		array := "[0.5, " + text + ", 0.029621021007187665, 0.029621021007187665, 0.029621021007187665]"
		open := func() *Scanner {
			var r io.Reader = strings.NewReader(array)
			if size&1 == 1 {
				r = &lender{text: array, rnd: rand.New(rand.NewPCG(uint64(size), 1))}
			}
			s := NewScanner(r, Options{Buffer: int(size) + 1})
			s.Array()
			return s
		}
		skipped, read, one := open(), open(), open()
		want, got, single := 0, 0, 0
		for skipped.Next() && skipped.Skip() == nil {
			want++
		}
		for more := true; more; {
			var ns []int64
			var err error
			ns, more, err = read.AppendNanos(nil, 5)
			if got += len(ns); err != nil && read.Err() == nil {
				got++ // no time, but an element
			}
		}
		for one.Next() {
			if _, err := one.Nanos(); one.Err() == nil || err == nil {
				single++
			}
		}
		if want != got || want != single || fmt.Sprint(skipped.Err()) != fmt.Sprint(read.Err()) || fmt.Sprint(skipped.Err()) != fmt.Sprint(one.Err()) {
			t.Fatalf("%s: skipped %d, %v; read %d, %v; one by one %d, %v", array, want, skipped.Err(), got, read.Err(), single, one.Err())
		}
	})
}

// TestRandomNumbers is the fuzz target over numbers like those of real logs,
// and over every bit pattern of a float64.
func TestRandomNumbers(t *testing.T) {
	n := 200_000
	if testing.Short() {
		n = 20_000
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		checkNumber(t, randomNumber(rnd, i), 1+rnd.IntN(200))
	}
}

func randomNumber(rnd *rand.Rand, i int) string {
	switch i % 9 {
	case 0:
		return pythonRepr(rnd.Float64() * 0.1) // a gap
	case 1:
		return pythonRepr(rnd.ExpFloat64() * 1e-5) // chunks of one packet
	case 2:
		return pythonRepr(rnd.Float64() * 3e6) // a start time
	case 3:
		return pythonRepr(math.Abs(finite(math.Float64frombits(rnd.Uint64()))))
	case 4: // a tie, or nearly one
		return fmt.Sprintf("%d.%09d5%s", rnd.IntN(3), rnd.IntN(1e9), []string{"", "0", "00000000000", "0000000000000001", "4"}[rnd.IntN(5)])
	case 5: // as many digits as there is room for
		return fmt.Sprintf("%d.%019d%d", rnd.IntN(1e9), rnd.Int64N(1e18), rnd.Uint64())
	case 7: // the same with an exponent
		return fmt.Sprintf("%d.%0*d%se-0%d", rnd.IntN(10), 1+rnd.IntN(9), rnd.IntN(1e9), []string{"", "5", "50", "50000001"}[rnd.IntN(4)], 4+rnd.IntN(6))
	case 6: // around the end of the range
		return fmt.Sprintf("92233720%02d.%d", 30+rnd.IntN(10), rnd.Uint64())
	}
	return fmt.Sprintf("%de%d", rnd.Uint64(), rnd.IntN(60)-40)
}

func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// pythonRepr writes v as Python's json does.
func pythonRepr(v float64) string {
	if a := math.Abs(v); v != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
