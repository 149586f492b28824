package markdown

import (
	"fmt"
	"io"
	"strings"

	"github.com/servestat/servestat/analyze"
)

// WriteComment writes comparisons for a comment on a change: the verdict in a
// line, a table each, and details that are folded away. It is at most maxBytes
// long (0: as long as it gets): what matters least is left out first, and that
// it was is said.
func WriteComment(w io.Writer, cs []analyze.Comparison, maxBytes int) error {
	r := newReport(&analyze.Result{Comparisons: cs})
	must, details := r.commentBlocks()
	_, err := io.WriteString(w, bounded(must, details, maxBytes))
	return err
}

// commentBlocks are the blocks of a comment in order of importance: what says how
// it ended, and what can be spared.
func (r *report) commentBlocks() (must, details []string) {
	for i, c := range r.comparisons {
		var head, table, more page
		head.text(answer(c))
		head.answers(c)
		if c.Weak {
			head.text("_Weak: with three server starts of a side the verdict assumes normal noise._")
		}
		if c.Baseline.Simulated || c.Candidate.Simulated {
			head.text("> **Simulated data.** No server was measured.")
		}
		if len(c.Incomplete) > 0 {
			head.block("Missing, so that nothing is called \"not regressed\": %s.", strings.Join(proses(c.Incomplete), "; "))
		}
		must = append(must, head.buf.String())
		if len(c.Metrics)+len(c.Rates) > 0 {
			if len(r.comparisons) > 1 {
				table.block("**%d. %s, %s**", i+1, arrow(c), subject(c.Group))
			}
			r.metricTable(&table, c)
			details = append(details, table.buf.String())
		}
		more.details(fmt.Sprintf("Details%s", numbered(i, len(r.comparisons))), func(p *page) { r.commentDetails(p, c) })
		details = append(details, more.buf.String())
	}
	return must, details
}

func numbered(i, of int) string {
	if of == 1 {
		return ""
	}
	return fmt.Sprintf(" of comparison %d", i+1)
}

func (r *report) commentDetails(p *page, c analyze.Comparison) {
	p.block("Baseline %s; candidate %s.", arm(c.Baseline), arm(c.Candidate))
	r.cellTable(p, c)
	p.bullets(proses(c.Context))
	p.bullets(capped(proses(c.Warnings), 20, ""))
	if c.Method != "" {
		p.text(prose(c.Method))
	}
}

const (
	cutNote = "\n_Cut to fit: `servestat compare` says the rest._\n"
	cutMark = "…\n"
)

// bounded joins blocks to at most so many bytes. The heads come first; of the
// others those that fit stand below the last of them.
func bounded(must, details []string, most int) string {
	whole := strings.Join(append(append([]string{}, must...), details...), "\n")
	if most <= 0 || len(whole) <= most {
		return whole
	}
	room := most - len(cutNote)
	var out strings.Builder
	for _, block := range append(append([]string{}, must...), details...) {
		if out.Len()+1+len(block) > room {
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(block)
	}
	if out.Len() == 0 { // not even the first verdict
		return cutText(must[0], most)
	}
	return out.String() + cutNote
}

// cutText cuts text at a rune.
func cutText(s string, most int) string {
	room := max(0, most-len(cutMark))
	for room > 0 && room < len(s) && s[room]&0xC0 == 0x80 {
		room--
	}
	if most < len(cutMark) {
		return ""
	}
	return s[:min(room, len(s))] + cutMark
}
