package markdown

import (
	"slices"
	"strconv"
	"strings"
)

// Footnotes gather what qualifies the numbers of one table. A text is printed
// once, however many numbers it qualifies.
type footnotes struct{ texts []string }

// mark returns the marks of the texts, to stand after a number: " ¹ ³".
func (f *footnotes) mark(texts ...string) string {
	var marks strings.Builder
	for _, t := range texts {
		if t == "" {
			continue
		}
		i := slices.Index(f.texts, t)
		if i < 0 {
			i = len(f.texts)
			f.texts = append(f.texts, t)
		}
		marks.WriteString(" " + superscript(i+1))
	}
	return marks.String()
}

// write adds the footnotes below a table.
func (f *footnotes) write(p *page) {
	lines := make([]string, len(f.texts))
	for i, t := range f.texts {
		lines[i] = superscript(i+1) + " " + prose(t)
	}
	if len(lines) > 0 {
		p.text(strings.Join(lines, "<br>\n"))
	}
}

func superscript(n int) string {
	digits := []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")
	var b strings.Builder
	for _, d := range strconv.Itoa(n) {
		b.WriteRune(digits[d-'0'])
	}
	return b.String()
}
