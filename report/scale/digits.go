package scale

import (
	"math"
	"strconv"
)

// Missing is what stands for a value that is not there.
const Missing = "n/a"

const (
	// exactDigits is the number of significant digits of a value that has no
	// interval: enough to compare, not enough to suggest precision.
	exactDigits = 3
	// maxDigits bounds the digits that even the narrowest interval buys.
	maxDigits = 4
)

// A Number is a value and, where Bounded, the interval that it lies in.
type Number struct {
	Value, Lo, Hi float64
	Bounded       bool
}

// Within returns a number with its interval.
func Within(value, lo, hi float64) Number {
	return Number{Value: value, Lo: lo, Hi: hi, Bounded: true}
}

// Bare returns a number without an interval.
func Bare(value float64) Number { return Number{Value: value} }

// times returns the number in units of 1/f.
func (n Number) times(f float64) Number {
	return Number{n.Value * f, n.Lo * f, n.Hi * f, n.Bounded}
}

// bounded reports whether the number has an interval that can be used.
func (n Number) bounded() bool {
	return n.Bounded && finite(n.Lo) && finite(n.Hi) && n.Lo <= n.Hi
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// decimals returns how many digits after the point the number deserves, most
// at most: those that its interval supports, or exactDigits significant ones
// where it has none. Below zero it counts the places to round before the point:
// 1,234 ±400 is 1,200.
func (n Number) decimals(most int) int {
	if !n.bounded() {
		return min(max(decimalsForDigits(n.Value, exactDigits), 0), most)
	}
	supported := decimalsForHalfWidth((n.Hi - n.Lo) / 2)
	// One digit stays even where the interval supports none: 4 ±90 is 4, not 0.
	supported = max(supported, min(decimalsForDigits(n.Value, 1), most))
	return min(supported, max(decimalsForDigits(n.Value, maxDigits), 0), most)
}

// decimalsForHalfWidth returns the decimals of a value known to ±h. The last
// place shown is the power of ten p with 3.55 p <= h < 35.5 p: the rule by which
// the Particle Data Group prints uncertainties (Review of Particle Physics,
// section 5.3). So ±0.9 supports tenths and ±0.35 hundredths, and rounding the
// value moves it by at most a seventh of h.
//
// h is rounded as strconv prints it before it is compared, so that the choice
// and the printed number can never disagree.
func decimalsForHalfWidth(h float64) int {
	if h == 0 {
		return math.MaxInt32 // every run gave the same value; maxDigits decides
	}
	digits, exponent := leading(h, 3)
	if digits >= 355 {
		return -exponent
	}
	return 1 - exponent
}

// decimalsForDigits returns the decimals that show n significant digits of v.
func decimalsForDigits(v float64, n int) int {
	if v == 0 || !finite(v) {
		return 0
	}
	_, exponent := leading(v, n)
	return n - 1 - exponent
}

// leading returns the first n significant digits of v, rounded, as an integer,
// and the decimal exponent of the first of them.
func leading(v float64, n int) (digits, exponent int) {
	s := strconv.FormatFloat(math.Abs(v), 'e', n-1, 64) // d.dde±xx
	mark := 0
	for s[mark] != 'e' {
		if s[mark] != '.' {
			digits = digits*10 + int(s[mark]-'0')
		}
		mark++
	}
	exponent, _ = strconv.Atoi(s[mark+1:]) // FormatFloat wrote it
	return digits, exponent
}

// fixed prints v with the given decimals and thousands separators; decimals
// below zero round before the point. Minus zero loses its sign: "-0.0 %" only
// makes people wonder.
func fixed(v float64, decimals int) string {
	if !finite(v) {
		return Missing
	}
	if decimals < 0 {
		place := math.Pow10(-decimals)
		v, decimals = math.Round(v/place)*place, 0
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if s[0] == '-' && isZero(s[1:]) {
		s = s[1:]
	}
	return group(s)
}

// signed is fixed with a plus before what is above zero.
func signed(v float64, decimals int) string {
	s := fixed(v, decimals)
	if s == Missing || s[0] == '-' || isZero(s) {
		return s
	}
	return "+" + s
}

func isZero(s string) bool {
	for _, c := range s {
		if c != '0' && c != '.' && c != ',' {
			return false
		}
	}
	return true
}

// group puts a comma between the thousands of the integer part, of four digits
// too: 1,065 and 12,919 stand in one column.
func group(s string) string {
	start := 0
	if s[0] == '-' {
		start = 1
	}
	end := start
	for end < len(s) && s[end] != '.' {
		end++
	}
	out := s[:start]
	for i := start; i < end; i++ {
		if i > start && (end-i)%3 == 0 {
			out += ","
		}
		out += s[i : i+1]
	}
	return out + s[end:]
}
