package markdown

import (
	"io"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/text"
)

// Gate writes the verdict over a candidate as one page: the first unmet requirement
// first.
func Gate(w io.Writer, g *analyze.GateResult) error {
	p := &page{}
	p.block("**%s**", sentence(g.Headline))
	p.block("%s against %s.", code(g.Candidate), code(g.Baseline))
	t := table{"lllll", []string{"", "requirement", "asks", "what was found", "what to do"}, nil}
	for _, r := range g.Requirements {
		state, do := text.RequirementState(r), r.Do
		if r.Standing == analyze.Failed {
			state = "**" + state + "**"
		}
		if r.Standing == analyze.Passed {
			do = ""
		}
		t.add(state, r.Name, prose(r.Asks), prose(r.Says), prose(do))
	}
	p.table(t)
	if g.Quality != nil && len(g.Quality.Servers) > 0 {
		p.details("Quality of answers", func(p *page) { p.quality(g.Quality) })
	}
	if g.Canary != nil && len(g.Canary.Cells) > 0 {
		p.details("Canary of speculative decoding", func(p *page) { p.canary(g.Canary) })
	}
	for i, c := range g.Comparisons {
		if len(c.Metrics) > 0 {
			p.details("Speed"+numbered(i, len(g.Comparisons)), func(p *page) {
				p.text(answer(c))
				(&report{Result: &analyze.Result{}}).metricTable(p, c)
			})
		}
	}
	_, err := w.Write(p.buf.Bytes())
	return err
}
