package escape

import (
	"strings"
	"unicode"
)

// Markdown returns s as running text on one line, in which GitHub's Markdown
// sees no structure: no emphasis, link, image, HTML, entity, mathematics,
// heading, list or table cell. Words that GitHub would turn into links or
// mentions by themselves become code, which it leaves alone.
func Markdown(s string) string { return escapeStart(Cell(s)) }

// Cell is Markdown for a cell of a table, where nothing can begin a block.
func Cell(s string) string {
	words := strings.Split(oneLine(s), " ")
	for i, w := range words {
		if linksByItself(w) && !strings.Contains(w, "|") {
			words[i] = Code(w)
			continue
		}
		words[i] = escapeWord(w)
	}
	return strings.Join(words, " ")
}

// Alt is Markdown for the text between the brackets of a link or an image, in
// which any bracket might end it.
func Alt(s string) string { return brackets(Markdown(s)) }

// brackets escapes every bracket that is not escaped yet.
func brackets(s string) string {
	var b strings.Builder
	escaped := false
	for _, r := range s {
		if (r == '[' || r == ']') && !escaped {
			b.WriteByte('\\')
		}
		escaped = r == '\\' && !escaped
		b.WriteRune(r)
	}
	return b.String()
}

func linksByItself(word string) bool {
	return strings.Contains(word, "://") || strings.Contains(word, "@") || strings.Contains(strings.ToLower(word), "www.")
}

// special are the characters that mean something inside a line of GitHub's
// Markdown. A tilde strikes text out even alone, and dollars enclose formulas. A
// bracket is special only where a link could come of it: intervals stay readable.
const special = "\\`*<|&~$"

func escapeWord(w string) string {
	var b strings.Builder
	runes := []rune(w)
	for i, r := range runes {
		if strings.ContainsRune(special, r) || r == '_' && !insideWord(runes, i) || r == ']' && opensLink(runes[i+1:]) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return notLinked.Replace(b.String())
}

// notLinked breaks what GitHub would link by itself: an escaped slash or dot
// looks the same and is no address, and nothing breaks after a word joiner.
var notLinked = strings.NewReplacer("://", `:\/\/`, "www.", `www\.`, "WWW.", `WWW\.`, "@", "@\u2060")

// opensLink reports whether a closing bracket before rest could end the text of
// a link.
func opensLink(rest []rune) bool { return len(rest) > 0 && strings.ContainsRune("([:", rest[0]) }

// insideWord reports whether letters or digits stand on both sides: then an
// underscore is only an underscore, and runtime_version stays readable.
func insideWord(runes []rune, i int) bool {
	return i > 0 && i < len(runes)-1 && alphanumeric(runes[i-1]) && alphanumeric(runes[i+1])
}

func alphanumeric(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// escapeStart escapes what would begin a heading, a list, a rule, a quotation,
// a definition of a link or a box to tick at the start of a block: "#", "-", "+", "=", "[", ">", "1.".
// A sign before a number begins nothing.
func escapeStart(s string) string {
	w, _, _ := strings.Cut(s, " ")
	if w == "" || len(w) > 1 && strings.ContainsRune("+-", rune(w[0])) && w[1] >= '0' && w[1] <= '9' {
		return s
	}
	if strings.ContainsRune("#-+=[>", rune(w[0])) {
		return `\` + s
	}
	digits := len(w) - len(strings.TrimLeft(w, "0123456789"))
	if digits > 0 && len(w) == digits+1 && (w[digits] == '.' || w[digits] == ')') {
		return s[:digits] + `\` + s[digits:]
	}
	return s
}

// Code returns s as a code span, the form for names and values, also inside the
// text of a link. It is empty for an empty s. A value with a pipe in it becomes
// escaped text instead: inside a code span in a table no escape can be relied on.
func Code(s string) string {
	s = oneLine(s)
	if s == "" {
		return ""
	}
	if strings.Contains(s, "|") {
		return brackets(escapeStart(escapeWord(s)))
	}
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if s[0] == '`' || s[len(s)-1] == '`' {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}

// Fence returns a code block of the given language that s cannot close.
func Fence(language, s string) string {
	fence := strings.Repeat("`", max(3, longestRun(s, '`')+1))
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i := range lines {
		lines[i] = Line(lines[i])
	}
	return fence + language + "\n" + strings.Join(lines, "\n") + "\n" + fence + "\n"
}

func longestRun(s string, c byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != c {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}
