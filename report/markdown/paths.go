package markdown

import (
	"io"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/text"
)

// Paths writes how two ways of serving compare, as one page.
func Paths(w io.Writer, reports []analyze.PathReport) error {
	p := &page{}
	p.heading(1, "paths", "The tuned path against the generic one")
	for i := range reports {
		r := &reports[i]
		p.heading(2, "", subject(r.Group))
		p.block("**%s**", prose(r.Comparison.Sentence))
		p.bullets(proses(text.PathSentences(r)))
		for _, s := range text.PathSections(r) {
			p.section(3, "", s)
		}
	}
	_, err := w.Write(p.buf.Bytes())
	return err
}
