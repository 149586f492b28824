package jsonscan

import (
	"encoding/binary"
	"strconv"
)

// Int64 consumes the next value, an integer. Any spelling will do (12, 12.0,
// 1.2e1) as long as the value is one.
func (s *Scanner) Int64() (int64, error) {
	const want = "an integer of 64 bits"
	at, text, err := s.number(want)
	if err != nil {
		return 0, err
	}
	v, exact, ok := decimal(text, 0)
	if !ok || !exact {
		return 0, &ValueError{Offset: at, Text: shorten(text), Want: want}
	}
	return v, nil
}

// Nanos consumes the next value, a time in decimal seconds, and returns it in
// nanoseconds, rounded to nearest, ties to even.
func (s *Scanner) Nanos() (int64, error) {
	if s.Peek() == Number && s.end-s.pos >= window {
		if v, n := anyNanos(s.buf[s.pos:s.end]); n > 0 {
			s.pos += n
			return v, nil
		}
	}
	at, text, err := s.number(wantTime)
	if err != nil {
		return 0, err
	}
	v, _, ok := decimal(text, nanoDigits)
	if !ok {
		return 0, &ValueError{Offset: at, Text: shorten(text), Want: wantTime}
	}
	return v, nil
}

// Float64 consumes the next value, a number, and returns the float64 nearest to
// it: what strconv.ParseFloat returns. A magnitude beyond float64 is a
// *ValueError; NaN and the infinities are not.
func (s *Scanner) Float64() (float64, error) {
	const want = "a number that fits a float64"
	at, text, err := s.number(want)
	if err != nil {
		return 0, err
	}
	v, ok := parseFloat(text)
	if !ok {
		return 0, &ValueError{Offset: at, Text: shorten(text), Want: want}
	}
	return v, nil
}

// ParseNanos returns the time that the text of a JSON number, in decimal
// seconds, stands for, as [Scanner.Nanos] would. It returns false where the
// text is no number, not finite, or beyond 64 bits of nanoseconds.
func ParseNanos(text []byte) (int64, bool) {
	v, _, ok := decimal(text, nanoDigits)
	return v, ok
}

// ParseMillis is [ParseNanos] for the text of a time in decimal milliseconds.
func ParseMillis(text []byte) (int64, bool) {
	v, _, ok := decimal(text, nanoDigits-3)
	return v, ok
}

// ParseInt returns the integer that the text of a JSON number stands for, as
// [Scanner.Int64] would.
func ParseInt(text []byte) (int64, bool) {
	v, exact, ok := decimal(text, 0)
	return v, ok && exact
}

// ParseFloat returns the float64 that the text of a JSON number stands for, as
// [Scanner.Float64] would.
func ParseFloat(text []byte) (float64, bool) {
	switch string(text) {
	case "NaN", "Infinity", "-Infinity":
	default:
		// strconv knows spellings that JSON does not.
		if _, n := parseDigits(text); n == 0 || n < len(text) {
			return 0, false
		}
	}
	return parseFloat(text)
}

func parseFloat(text []byte) (float64, bool) {
	v, err := strconv.ParseFloat(string(text), 64)
	return v, err == nil
}

// AppendNanos reads on in the array that was entered, whose elements are times
// in decimal seconds, and appends them to dst in nanoseconds (see
// [Scanner.Nanos]), until dst holds max elements or the array ends. It leaves
// the array at its end, and returns more == false.
//
// At an element that is no such time it returns a *ValueError; the element has
// been consumed, dst holds those before it, and a further call goes on behind it.
func (s *Scanner) AppendNanos(dst []int64, max int) (_ []int64, more bool, err error) {
	for len(dst) < max {
		dst = s.nanosInBuffer(dst, max)
		if len(dst) >= max {
			break
		}
		if !s.Next() {
			return dst, false, s.err
		}
		v, err := s.Nanos()
		if err != nil {
			return dst, s.err == nil, err
		}
		dst = append(dst, v)
	}
	return dst, true, s.err
}

// nanosInBuffer appends the elements that lie wholly in the buffer, written as
// Python writes them: a comma, at most one space, the number. It stops at
// anything else, which is for its caller to read.
func (s *Scanner) nanosInBuffer(dst []int64, max int) []int64 {
	if s.first || s.err != nil {
		return dst
	}
	if s.end-s.pos < window {
		s.fill()
	}
	b := s.buf[s.pos:s.end]
	for len(dst) < max && len(b) >= window && b[0] == ',' {
		skip := 1
		if b[1] == ' ' {
			skip = 2
		}
		v, n := shortNanos((*[window - 2]byte)(b[skip:]))
		if n == 0 {
			if v, n = anyNanos(b[skip:]); n == 0 {
				break
			}
		}
		dst = append(dst, v)
		b = b[skip+n:]
	}
	s.pos = s.end - len(b)
	return dst
}

const (
	nanoDigits = 9
	wantTime   = "a time in seconds"
	// window is how many bytes must lie ahead for an element to be looked at:
	// comma, space, nine digits of whole seconds, the point, three words.
	window = 48
)

// number consumes the next value, which must be a number, and returns its
// position and text.
func (s *Scanner) number(want string) (at int64, text []byte, err error) {
	if s.Peek() != Number {
		return 0, nil, s.mismatch(want)
	}
	at = s.Offset()
	s.capture(maxNumber)
	text, ok := s.captured(s.scanNumber())
	if s.err != nil {
		return 0, nil, s.err
	}
	if !ok {
		return 0, nil, &ValueError{Offset: at, Text: "a longer number", Want: sizeLimit(maxNumber)}
	}
	return at, text, nil
}

func sizeLimit(n int) string { return "at most " + strconv.Itoa(n) + " bytes" }

// scanNumber consumes a number, which must come next.
func (s *Scanner) scanNumber() bool {
	if n := numberLen(s.buf[s.pos:s.end]); n > 0 {
		s.pos += n
		return true
	}
	switch s.at() {
	case 'N':
		return s.literal("NaN")
	case 'I':
		return s.literal("Infinity")
	case '-':
		s.pos++
		if s.at() == 'I' {
			return s.literal("Infinity")
		}
	}
	if s.at() == '0' {
		s.pos++
	} else if !s.scanDigits() {
		return false
	}
	if s.at() == '.' {
		s.pos++
		if !s.scanDigits() {
			return false
		}
	}
	if s.at()|0x20 == 'e' {
		s.pos++
		if c := s.at(); c == '+' || c == '-' {
			s.pos++
		}
		return s.scanDigits()
	}
	return true
}

// numberLen returns the length of the number at the start of b, if it ends inside
// b and is no NaN or Infinity, and otherwise 0.
func numberLen(b []byte) int {
	i := 0
	if len(b) > 0 && b[0] == '-' {
		i = 1
	}
	n := digitsLen(b[i:])
	if n == 0 || b[i] == '0' && n > 1 {
		return 0
	}
	i += n
	if i < len(b) && b[i] == '.' {
		if n = digitsLen(b[i+1:]); n == 0 {
			return 0
		}
		i += 1 + n
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if n = digitsLen(b[i:]); n == 0 {
			return 0
		}
		i += n
	}
	if i == len(b) {
		return 0 // there may be more of it
	}
	return i
}

// digitsLen returns how many digits b begins with.
func digitsLen(b []byte) (n int) {
	for n+8 <= len(b) {
		k := leadingDigits(binary.LittleEndian.Uint64(b[n:]))
		n += k
		if k < 8 {
			return n
		}
	}
	for n < len(b) && numeric(b[n]) {
		n++
	}
	return n
}

// scanDigits consumes one or more digits.
func (s *Scanner) scanDigits() bool {
	if !numeric(s.at()) {
		s.fail("expected a digit")
		return false
	}
	for {
		for ; s.pos < s.end; s.pos++ {
			if !numeric(s.buf[s.pos]) {
				return true
			}
		}
		if !s.fill() {
			return true
		}
	}
}

func numeric(c byte) bool { return c-'0' <= 9 }
