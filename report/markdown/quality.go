package markdown

import (
	"fmt"
	"io"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/text"
)

// Quality writes how right answers are as one page.
func Quality(w io.Writer, q *analyze.Quality) error {
	p := &page{}
	p.heading(1, "quality", "Quality of answers")
	p.quality(q)
	_, err := w.Write(p.buf.Bytes())
	return err
}

// quality adds the comparisons and the rules.
func (p *page) quality(q *analyze.Quality) {
	for _, pair := range q.Pairs {
		p.block("**%s**: %s against %s: %s", text.QualityHeadline(pair.Verdict), code(pair.Candidate), code(pair.Baseline), sentence(pair.Sentence))
	}
	for i := range q.Servers {
		s := &q.Servers[i]
		p.block("**%s** %s", s.Standing, sentence(text.AnsweringName(s)))
		p.rulings(s.Rulings)
	}
}

// rulings adds a table with a line for each rule.
func (p *page) rulings(rs []analyze.Ruling) {
	t := table{"lllll", []string{"", "rule", "", "what was found", "what to do"}, nil}
	for _, r := range rs {
		says := prose(r.Says)
		for i, d := range r.Details {
			if i == maxRulingDetails {
				says += fmt.Sprintf("<br>and %d more", len(r.Details)-maxRulingDetails)
				break
			}
			says += "<br>" + prose(d)
		}
		do := r.Do
		if r.Standing == analyze.Passed {
			do = ""
		}
		t.add(standing(r.Standing), prose(r.Rule), prose(r.Name), says, prose(do))
	}
	p.table(t)
}

const maxRulingDetails = 12

// standing prints one; what failed stands out.
func standing(s analyze.Standing) string {
	if s == analyze.Failed {
		return "**" + string(s) + "**"
	}
	return string(s)
}
