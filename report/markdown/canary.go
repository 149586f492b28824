package markdown

import (
	"fmt"
	"io"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/text"
)

// Canary writes the matrix of speculative methods and set-ups as one page.
func Canary(w io.Writer, c *analyze.Canary) error {
	p := &page{}
	p.heading(1, "canary", "Canary of speculative decoding")
	p.block("**%s**", prose(text.CanaryHeadline(c)))
	p.canary(c)
	_, err := w.Write(p.buf.Bytes())
	return err
}

// canary adds the matrix, and each cell folded away.
func (p *page) canary(c *analyze.Canary) {
	t := table{"rl", []string{"", "method"}, nil}
	for i := range 10 {
		t.align, t.head = t.align+"l", append(t.head, fmt.Sprintf("D%d", i+1))
	}
	t.align, t.head = t.align+"l", append(t.head, "")
	for i := range c.Cells {
		cell := &c.Cells[i]
		row := []string{fmt.Sprint(i + 1), code(cell.Method)}
		for _, r := range cell.Rulings {
			row = append(row, standing(r.Standing))
		}
		t.add(append(row, prose(text.CellState(cell)))...)
	}
	p.table(t)
	for i := range c.Cells {
		cell := &c.Cells[i]
		p.details(fmt.Sprintf("%d. %s: %s", i+1, prose(cell.Method), cell.Standing), func(p *page) {
			p.bullets(proses(append(text.SetupLines(cell.Setup), cell.Expired...)))
			p.rulings(cell.Rulings)
			g := table{"lllll", []string{"load", "temperature", "tools", "", ""}, nil}
			for _, way := range cell.Grid {
				says := way.Says
				if way.Standing == analyze.Untested {
					says = ""
				}
				g.add(prose(way.Load), prose(way.Temperature), way.Tools, standing(way.Standing), prose(says))
			}
			p.table(g)
		})
	}
}
