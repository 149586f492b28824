package markdown

import (
	"strings"

	"github.com/servestat/servestat/report/text"
)

// section adds a table with sentences around it, under a heading of its own.
func (p *page) section(level int, anchor string, s text.Section) {
	p.heading(level, anchor, prose(s.Title))
	for _, said := range s.Said {
		p.text(prose(said))
	}
	t := table{strings.Repeat("l", len(s.Head)), s.Head, nil}
	for _, row := range s.Rows {
		t.add(proses(row)...)
	}
	p.table(t)
	p.bullets(proses(s.Notes))
}
