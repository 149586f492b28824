// Package escape makes text from uploads harmless where it is printed. Model
// names, labels, file names and error messages come from whoever made the log:
// they are data, and must not be able to move a terminal's cursor, close a table
// or put a link into a report.
//
//	escape.Line("a\x1b[2Jb")            // a\x1b[2Jb, as eight harmless characters
//	escape.Markdown("see [this](that)") // see [this\](that)
//	escape.Code("v0.19.0")              // `v0.19.0`
//	escape.Cut("a very long name", 10)  // a very lo…
//
// Every function also does what [Line] does, so one call is enough.
package escape

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns s with everything that does not print made visible: control
// characters, invisible and direction-changing ones and broken UTF-8 become
// \n, \x1b, \u202e. Letters of any script stay.
//
// Note: a backslash is not doubled. Paths and patterns are commoner in our data
// than control characters, and nothing reads this text back.
func Line(s string) string {
	return mapRunes(s, func(r rune) string { return visible(r) })
}

// mapRunes replaces every rune that does not print by what f says.
func mapRunes(s string, f func(rune) string) string {
	if prints(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			b.WriteString(f(r))
		}
		i += n
	}
	return b.String()
}

func prints(s string) bool {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !unicode.IsGraphic(r) || r == utf8.RuneError && n == 1 {
			return false
		}
		i += n
	}
	return true
}

func visible(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// Cut returns s, shortened to at most n runes of which the last is then "…".
func Cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return strings.TrimRight(string(runes[:n-1]), " ") + "…"
}

// oneLine is Line for running text, in which white space is only white space.
func oneLine(s string) string {
	s = mapRunes(s, func(r rune) string {
		if unicode.IsSpace(r) {
			return " "
		}
		return visible(r)
	})
	return strings.Join(strings.Fields(s), " ")
}
