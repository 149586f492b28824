package markdown

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/scale"
)

// A page is Markdown being written: blocks with an empty line between them.
// Whoever adds a block has escaped what came from outside.
type page struct{ buf bytes.Buffer }

// block adds text as a block of its own.
func (p *page) block(format string, args ...any) {
	if p.buf.Len() > 0 {
		p.buf.WriteByte('\n')
	}
	fmt.Fprintf(&p.buf, format, args...)
	p.buf.WriteByte('\n')
}

// text adds a block that needs no formatting.
func (p *page) text(s string) { p.block("%s", s) }

// heading adds a heading of the given level that links can point to.
func (p *page) heading(level int, anchor, text string) {
	if anchor != "" {
		p.block(`<a id="%s"></a>`, anchor)
	}
	p.block("%s %s", strings.Repeat("#", level), text)
}

// bullets adds a list, if there is anything in it.
func (p *page) bullets(items []string) {
	if len(items) > 0 {
		p.block("- %s", strings.Join(items, "\n- "))
	}
}

// A table is a GitHub table. align has a letter a column: l or r.
type table struct {
	align string
	head  []string
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// table adds t, if it has rows.
func (p *page) table(t table) {
	if len(t.rows) == 0 {
		return
	}
	var b strings.Builder
	writeRow(&b, t.head)
	for _, a := range t.align {
		b.WriteString(map[rune]string{'l': "|:--", 'r': "|--:"}[a])
	}
	b.WriteString("|\n")
	for _, r := range t.rows {
		writeRow(&b, r)
	}
	p.text(strings.TrimSuffix(b.String(), "\n"))
}

func writeRow(b *strings.Builder, cells []string) {
	for _, c := range cells {
		b.WriteString("| ")
		b.WriteString(c)
		b.WriteByte(' ')
	}
	b.WriteString("|\n")
}

// details adds blocks that are folded away until somebody opens them.
func (p *page) details(summary string, add func(*page)) {
	var inner page
	add(&inner)
	p.block("<details>\n<summary>%s</summary>\n\n%s\n</details>", summary, inner.buf.String())
}

const (
	maxLabel   = 60  // runes of a name
	maxMessage = 500 // runes of a sentence that an analysis or an upload wrote
)

// code is a name or value from outside, as a code span; what is not recorded
// says so.
func code(s string) string {
	if strings.TrimSpace(s) == "" {
		return "not recorded"
	}
	return escape.Code(escape.Cut(s, maxLabel))
}

// prose is a sentence from outside.
func prose(s string) string { return escape.Markdown(escape.Cut(s, maxMessage)) }

// sentence is prose that ends as a sentence does.
func sentence(s string) string {
	s = prose(s)
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".!?") || strings.HasSuffix(s, "…") {
		return s
	}
	return s + "."
}

// proses are several.
func proses(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = prose(s)
	}
	return out
}

// number is an estimate as the scale prints it.
func number(e analyze.Estimate) scale.Number {
	return scale.Number{Value: e.Value, Lo: e.Lo, Hi: e.Hi, Bounded: e.HasInterval}
}

// plural counts things: "1 run", "60 runs".
func plural[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return scale.Count(int64(n)) + " " + what + "s"
}

// subject names a group: its model, hardware and path.
func subject(g analyze.Group) string {
	switch {
	case g.Model == "" && g.Hardware == "":
		return "model and hardware not recorded" + pathOf(g)
	case g.Model == "":
		return "model not recorded, on " + machine(g)
	case g.Hardware == "":
		return code(g.Model) + ", hardware not recorded" + pathOf(g)
	}
	return code(g.Model) + " on " + machine(g)
}

// machine names what a group ran on.
func machine(g analyze.Group) string { return code(g.Hardware) + pathOf(g) }

func pathOf(g analyze.Group) string {
	if g.Path == "" {
		return ""
	}
	return ", " + code(g.Path) + " path"
}

// unknownVersion is what an analysis calls a version that was not recorded.
const unknownVersion = "unknown"

// version names a runtime version.
func version(v string) string {
	if v == unknownVersion || v == "" {
		return "version not recorded"
	}
	return code(v)
}

// listed joins words for a sentence: "a, b and c".
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// capped returns the first n items and how many were left out, as an item.
func capped(items []string, n int, where string) []string {
	if len(items) <= n {
		return items
	}
	return append(items[:n:n], fmt.Sprintf("and %d more%s", len(items)-n, where))
}
