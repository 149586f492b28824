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

// lostQuality labels a verdict over speed where answers got worse.
func lostQuality(c analyze.Comparison) string {
	if !c.LostQuality() {
		return ""
	}
	return ", with a loss of quality"
}

// answers says in the section of a comparison what became of the answers, where they
// were judged.
func (p *page) answers(c analyze.Comparison) {
	if c.Quality == nil {
		return
	}
	p.block("%s: %s", text.QualityHeadline(c.Quality.Verdict), sentence(c.Quality.Sentence))
}

// quality is the section of a report about answers. There is none where nothing was
// judged.
func (r *report) quality(p *page) {
	if r.Quality == nil || len(r.Quality.Servers) == 0 {
		return
	}
	p.heading(2, "quality", "Quality of answers")
	p.text("Whether answers were right, beside whether they were fast. Shares have 95 % score intervals; `servestat quality` has every item that flipped.")
	p.quality(r.Quality)
}

// canary is the section of a report about speculative decoding. There is none where
// nothing speculates.
func (r *report) canary(p *page) {
	if r.Canary == nil || len(r.Canary.Cells) == 0 {
		return
	}
	p.heading(2, "canary", "Canary of speculative decoding")
	p.block("%s. D1 start-up, D2 throughput, D3 acceptance, D4 chunks and tokens, D5 output quality, D6 parser compatibility, D7 rollback, D8 still valid, D9 no hangs, D10 ways of use.",
		capital(prose(text.CanaryHeadline(r.Canary))))
	p.canary(r.Canary)
}
