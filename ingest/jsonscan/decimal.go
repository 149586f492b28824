package jsonscan

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Several ways lead from a decimal text to an integer: shortNanos, tinyNanos and
// quickNanos, for times as clients write them, and digits, for every number. All
// work on the digits themselves and round once.

// shortNanos parses the number at the start of b if it is less than a second,
// written as 0, point and nine or more digits, as gaps between tokens are. It
// returns its nanoseconds and its length, or a length of 0 for a number that it
// leaves to others.
//
// The digits are taken eight at a time, as in D. Lemire's "Number parsing at a
// gigabyte per second" (2021). How many there are differs from gap to gap
// without pattern, and so does the rounding: both are computed without branches
// for the processor to guess wrong. Every position is a constant, which spares
// the checks of bounds.
func shortNanos(b *[window - 2]byte) (ns int64, n int) {
	const start = 2 // of the digits
	head := binary.LittleEndian.Uint64(b[start:])
	ninth := uint64(b[start+8] - '0')
	if b[0] != '0' || b[1] != '.' || notDigits(head) != 0 || ninth > 9 {
		return 0, 0
	}
	// Digits 10 to 17 decide the rounding, and further ones nothing but a tie.
	// Where there are fewer, zeros in their place do not change the number.
	rest := binary.LittleEndian.Uint64(b[start+9:])
	n = start + 17
	if stop := notDigits(rest); stop != 0 {
		k := bits.TrailingZeros64(stop) &^ 7
		n = start + 9 + k>>3
		keep := ^(uint64(math.MaxUint64) << k)
		rest = rest&keep | '0'*ones&^keep
	} else if k := leadingDigits(binary.LittleEndian.Uint64(b[start+17:])); k < 8 {
		n += k
	} else {
		return 0, 0
	}
	// Digits in the order of their weight compare as their number does.
	const half = 0x3530303030303030 // "50000000"
	digits := bits.ReverseBytes64(rest)
	if b[n]|0x20 == 'e' || digits == half {
		return 0, 0 // an exponent, or perhaps a tie
	}
	_, up := bits.Sub64(half, digits, 0) // 1 where digits > half
	return int64(eightDigits(head)*10 + ninth + up), n
}

// quickNanos is shortNanos for any number of whole seconds: start times, and
// what took long.
func quickNanos(b []byte) (ns int64, n int) {
	whole, i := wholeSeconds(b)
	if i == 0 || len(b) < i+1+3*8+1 || b[i] != '.' {
		return 0, 0
	}
	i++
	w := binary.LittleEndian.Uint64(b[i:])
	ninth := uint64(b[i+8] - '0')
	if notDigits(w) != 0 || ninth > 9 {
		return 0, 0
	}
	nanos := whole*1e9 + eightDigits(w)*10 + ninth
	i += 9
	w = binary.LittleEndian.Uint64(b[i:])
	k := leadingDigits(w)
	rest := eightDigits(w &^ (math.MaxUint64 << (8 * k)))
	i += k
	if k == 8 {
		k = leadingDigits(binary.LittleEndian.Uint64(b[i:]))
		i += k
	}
	const half = 50_000_000
	if k == 8 || b[i]|0x20 == 'e' || rest == half {
		return 0, 0
	}
	nanos += (half - rest) >> 63 // one more where rest > half
	return int64(nanos), i
}

// tinyNanos is shortNanos for what Python writes with an exponent: a digit,
// point, one or more digits, e-05 to e-09. Chunks that came in one packet are
// that close together.
func tinyNanos(b *[window - 2]byte) (ns int64, n int) {
	const start = 2 // of the digits behind the point
	first := uint64(b[0] - '0')
	if first > 9 || b[1] != '.' {
		return 0, 0
	}
	// The mantissa, of 17 digits at most.
	mantissa, n := first, start
	for n < start+16 {
		w := binary.LittleEndian.Uint64(b[n:])
		k := leadingDigits(w)
		if k == 8 {
			mantissa = mantissa*1e8 + eightDigits(w)
			n += 8
			continue
		}
		// The digits are moved up to the end of the word, behind zeros.
		mantissa = mantissa*pow10[k] + eightDigits(w<<1<<(63-8*k))
		n += k
		break
	}
	exp := uint64(b[n+3] - '0')
	if n == start || b[n]|0x20 != 'e' || b[n+1] != '-' || b[n+2] != '0' || exp-5 > 9-5 || numeric(b[n+4]) {
		return 0, 0
	}
	// mantissa × 10^-shift, where half is whole, for the power is even.
	shift := n - start + int(exp) - nanoDigits
	if shift < 1 {
		return 0, 0
	}
	p := pow10[shift]
	q, r := mantissa/p, mantissa%p
	if half := p / 2; r > half || r == half && q&1 == 1 {
		q++
	}
	return int64(q), n + 4
}

// wholeSeconds parses the digits at the start of b: at most nine, so that their
// nanoseconds fit, and no zero before another. It returns how many there are, 0
// where they are not of this kind.
func wholeSeconds(b []byte) (v uint64, n int) {
	if b[0] == '0' {
		return 0, 1 // a further digit is no point, and stops the caller
	}
	for n < 10 && b[n]-'0' <= 9 {
		v = v*10 + uint64(b[n]-'0')
		n++
	}
	if n == 10 {
		return 0, 0
	}
	return v, n
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// leadingDigits returns how many of the eight bytes of w, from the lowest, are
// ASCII digits before the first that is not.
func leadingDigits(w uint64) int { return bits.TrailingZeros64(notDigits(w)) >> 3 }

// notDigits returns the high bit of every byte of w that is no ASCII digit, of
// the lowest such byte at least: bits above it may be wrong.
func notDigits(w uint64) uint64 {
	t := w ^ '0'*ones // digits become 0 to 9
	// A byte above 9 gets its high bit. A carry out of such a byte spoils only
	// the bytes above it, behind the first that is no digit.
	return ((t + 0x76*ones) | t) & highs
}

// eightDigits returns the number written by the eight bytes of w, first digit
// lowest, each an ASCII digit or 0.
func eightDigits(w uint64) uint64 {
	w &= 0x0F0F0F0F0F0F0F0F
	w = w*10 + w>>8
	return ((w&0x000000FF000000FF)*(100+1000000<<32) + (w>>16&0x000000FF000000FF)*(1+10000<<32)) >> 32
}

// anyNanos parses the number at the start of b, which is no shorter than what
// the quick ways look at, however it is written, if it ends inside b and is a
// time. Otherwise it returns a length of 0.
func anyNanos(b []byte) (ns int64, n int) {
	if v, n := shortNanos((*[window - 2]byte)(b)); n > 0 {
		return v, n
	}
	if v, n := tinyNanos((*[window - 2]byte)(b)); n > 0 {
		return v, n
	}
	if v, n := quickNanos(b); n > 0 {
		return v, n
	}
	d, n := parseDigits(b)
	if n == len(b) {
		return 0, 0 // more digits may follow
	}
	ns, _, ok := d.integer(nanoDigits)
	if !ok {
		return 0, 0
	}
	return ns, n
}

// decimal returns text × 10^scale rounded to an integer, to nearest, ties to
// even, and whether it was one before. It returns false where text is no
// decimal number or the result does not fit. It works on the digits and so
// makes no error of its own, however long the text.
func decimal(text []byte, scale int) (v int64, exact, ok bool) {
	d, n := parseDigits(text)
	if n == 0 || n < len(text) {
		return 0, false, false
	}
	return d.integer(scale)
}

// digits are a decimal number: (mantissa + f) × 10^exp with 0 <= f < 1, where f
// is the fraction that begins with the digit next and has something but zeros
// behind it if sticky.
type digits struct {
	neg      bool
	mantissa uint64 // the first 19 significant digits
	exp      int64
	cut      bool // there were more digits: next, and others
	next     byte
	sticky   bool
}

const (
	mantissaDigits = 19   // 10^19 < 2^64
	full           = 1e18 // a mantissa from here on has its 19 digits
)

// parseDigits parses the JSON number at the start of b, and returns its length,
// or 0 where there is none.
func parseDigits(b []byte) (d digits, n int) {
	i := 0
	if len(b) > 0 && b[0] == '-' {
		d.neg = true
		i = 1
	}
	start := i
	for ; i < len(b) && numeric(b[i]); i++ {
		if !d.push(b[i] - '0') {
			d.exp++
		}
	}
	if i == start || b[start] == '0' && i > start+1 {
		return d, 0
	}
	if i < len(b) && b[i] == '.' {
		used := d.fraction(b[i+1:])
		if used == 0 {
			return d, 0
		}
		i += 1 + used
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		e, used := exponent(b[i+1:])
		if used == 0 {
			return d, 0
		}
		d.exp += e
		i += 1 + used
	}
	return d, i
}

// push appends a digit to the mantissa, and returns false where it is full.
func (d *digits) push(c byte) bool {
	switch {
	case d.mantissa < full:
		d.mantissa = d.mantissa*10 + uint64(c)
		return true
	case !d.cut:
		d.cut = true
		d.next = c
	case c != 0:
		d.sticky = true
	}
	return false
}

// fraction appends the digits at the start of b, which stand behind the point,
// and returns how many there are.
//
// They are taken eight at a time, as in D. Lemire's "Number parsing at a
// gigabyte per second" (2021).
func (d *digits) fraction(b []byte) int {
	i := 0
	for i+8 <= len(b) && d.mantissa < full/1e8 {
		w := binary.LittleEndian.Uint64(b[i:])
		if leadingDigits(w) < 8 {
			break
		}
		d.mantissa = d.mantissa*1e8 + eightDigits(w)
		d.exp -= 8
		i += 8
	}
	for ; i < len(b) && numeric(b[i]); i++ {
		if d.push(b[i] - '0') {
			d.exp--
		}
	}
	return i
}

// exponent parses a signed integer and returns its length, 0 where there is
// none. One too great to matter is cut to a size that does not matter either.
func exponent(b []byte) (e int64, n int) {
	const enough = 1 << 40
	if n < len(b) && (b[n] == '-' || b[n] == '+') {
		n++
	}
	start := n
	for ; n < len(b) && numeric(b[n]); n++ {
		if e < enough {
			e = e*10 + int64(b[n]-'0')
		}
	}
	if n == start {
		return 0, 0
	}
	if b[0] == '-' {
		e = -e
	}
	return e, n
}

// integer returns the number × 10^scale, rounded.
func (d *digits) integer(scale int) (v int64, exact, ok bool) {
	u, exact, ok := d.scaled(scale)
	switch {
	case !ok:
		return 0, false, false
	case d.neg && u <= 1<<63:
		return -int64(u), exact, true
	case !d.neg && u < 1<<63:
		return int64(u), exact, true
	}
	return 0, false, false
}

// scaled returns the magnitude × 10^scale, rounded.
func (d *digits) scaled(scale int) (u uint64, exact, ok bool) {
	exp := d.exp + int64(scale)
	switch {
	case d.mantissa == 0:
		return 0, true, true
	case exp >= 0:
		return d.multiplied(exp)
	case exp < -mantissaDigits:
		return 0, false, true // less than 10^19 / 10^20
	}
	p := pow10[-exp]
	q, r := d.mantissa/p, d.mantissa%p
	rest := d.next != 0 || d.sticky
	// r < p <= 10^19 and half is whole, for p is even.
	half := p / 2
	if r > half || r == half && (rest || q&1 == 1) {
		q++
	}
	return q, r == 0 && !rest, true
}

// multiplied returns the magnitude × 10^exp for exp >= 0.
func (d *digits) multiplied(exp int64) (u uint64, exact, ok bool) {
	rest := d.next != 0 || d.sticky
	if exp == 0 {
		u = d.mantissa
		if d.next > 5 || d.next == 5 && (d.sticky || u&1 == 1) {
			u++
		}
		return u, !rest, true
	}
	if rest || exp > mantissaDigits {
		return 0, false, false // at least 10^19
	}
	hi, lo := bits.Mul64(d.mantissa, pow10[exp])
	return lo, true, hi == 0
}

var pow10 = func() (p [mantissaDigits + 1]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()
