package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Text consumes the next value, a string, and appends it to dst, decoded. What
// is not UTF-8, and a surrogate without its partner, becomes U+FFFD.
func (s *Scanner) Text(dst []byte) ([]byte, error) {
	if s.Peek() != String {
		return dst, s.mismatch(String.String())
	}
	at := s.Offset()
	s.capture(s.opts.String)
	text, ok := s.captured(s.scanString())
	if s.err != nil {
		return dst, s.err
	}
	if !ok {
		return dst, &ValueError{Offset: at, Text: "a longer string", Want: sizeLimit(s.opts.String)}
	}
	return appendUnquoted(dst, text), nil
}

// Unquote decodes the text of a JSON string, quotes included, as
// [Scanner.Text] would. It returns false where text is in no quotes.
func Unquote(text []byte) (string, bool) {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return "", false
	}
	return string(appendUnquoted(nil, text)), true
}

// scanString consumes a string, whose opening quote must come next.
func (s *Scanner) scanString() bool {
	s.pos++
	for {
		s.pos += plain(s.buf[s.pos:s.end])
		if s.pos == s.end {
			if !s.fill() {
				s.fail("expected the rest of a string")
				return false
			}
			continue
		}
		switch s.buf[s.pos] {
		case '"':
			s.pos++
			return true
		case '\\':
			if !s.scanEscape() {
				return false
			}
		default:
			s.fail("expected no control character in a string")
			return false
		}
	}
}

func (s *Scanner) scanEscape() bool {
	// Texts that are not in English consist of these.
	if b := s.buf[s.pos:s.end]; len(b) >= 6 && b[1] == 'u' && hexDigits[b[2]]|hexDigits[b[3]]|hexDigits[b[4]]|hexDigits[b[5]] >= 0 {
		s.pos += 6
		return true
	}
	s.pos++
	switch s.at() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return true
	case 'u':
		s.pos++
		for range 4 {
			if hexDigits[s.at()] < 0 {
				s.fail(`expected four hexadecimal digits after \u`)
				return false
			}
			s.pos++
		}
		return true
	}
	s.fail(`expected one of "\/bfnrtu after a backslash`)
	return false
}

// plain returns how many bytes at the start of b are neither a quote, nor a
// backslash, nor a control character. It looks at eight at a time: a byte of x
// is zero where (x - ones) &^ x has its high bit, for the lowest such byte.
func plain(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		found := (quote-ones)&^quote | (slash-ones)&^slash | (w-' '*ones)&^w
		if found &= highs; found != 0 {
			return i + bits.TrailingZeros64(found)>>3
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < ' ' {
			break
		}
	}
	return i
}

// hexDigits has the value of each digit, and -1 for what is none.
var hexDigits = func() (value [256]int8) {
	for c := range value {
		value[c] = -1
	}
	for i, c := range "0123456789abcdef" {
		value[c] = int8(i)
	}
	for i, c := range "ABCDEF" {
		value[c] = int8(10 + i)
	}
	return value
}()

// literal consumes word, of which the first byte is next already.
func (s *Scanner) literal(word string) bool {
	for i := range len(word) {
		if s.at() != word[i] {
			s.fail("expected " + word)
			return false
		}
		s.pos++
	}
	return true
}

func (s *Scanner) scanBool() bool {
	if s.at() == 't' {
		return s.literal("true")
	}
	return s.literal("false")
}

// appendUnquoted appends the string that text, well-formed and in quotes,
// stands for.
func appendUnquoted(dst, text []byte) []byte {
	text = text[1 : len(text)-1]
	for len(text) > 0 {
		if text[0] == '\\' {
			var n int
			dst, n = appendEscaped(dst, text)
			text = text[n:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, r)
		text = text[n:]
	}
	return dst
}

// appendEscaped appends what the escape at the start of text stands for, and
// returns its length.
func appendEscaped(dst, text []byte) ([]byte, int) {
	if text[1] != 'u' {
		return append(dst, simpleEscape(text[1])), 2
	}
	r, n := hex4(text), 6
	if utf16.IsSurrogate(r) {
		// A partner follows, or this is none.
		if pair := utf16.DecodeRune(r, hex4(text[6:])); pair != utf8.RuneError {
			return utf8.AppendRune(dst, pair), 12
		}
		r = utf8.RuneError
	}
	return utf8.AppendRune(dst, r), n
}

func simpleEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // a quote, a backslash or a slash stands for itself
}

// hex4 returns the code of the \uXXXX at the start of text, -1 where there is none.
func hex4(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range text[2:6] {
		r = r<<4 | rune(hexDigits[c])
	}
	return r
}
