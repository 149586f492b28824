package markdown

import (
	"fmt"
	"io"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

// WriteHistories writes what changed over versions and dates.
func WriteHistories(w io.Writer, hs []analyze.History) error {
	var p page
	p.heading(1, "", "Change points")
	histories(&p, hs)
	_, err := w.Write(p.buf.Bytes())
	return err
}

// histories is a line a change, what else changed there, and what stayed.
func histories(p *page, hs []analyze.History) {
	t := table{"lrllrlr", []string{"metric", "max concurrency", "what", "at", "change", "one of", "p"}, nil}
	var also, spikes, quiet []string
	var notes footnotes
	changed := 0
	for i := range hs {
		h := &hs[i]
		where := fmt.Sprintf("%s, %s at %s", subject(h.Group), prose(h.Name), asked(h.MaxConcurrency))
		if h.Workload != "" {
			where += ", " + prose(h.Workload)
		}
		for _, c := range h.ChangePoints {
			t.add(prose(h.Name)+", "+subject(h.Group), asked(h.MaxConcurrency), direction(c.Verdict), pastPoint(c.At), scale.ChangeWithInterval(number(c.Ratio)),
				pastPoint(c.Earliest)+" … "+pastPoint(c.Latest), scale.P(c.Adjusted)+notes.mark(c.Notes...))
			if len(c.Changed) > 0 {
				var words []string
				for _, a := range c.Changed {
					words = append(words, fmt.Sprintf("%s (%s → %s)", code(a.Key), code(a.Before), code(a.After)))
				}
				also = append(also, fmt.Sprintf("%s, %s: %s", where, pastPoint(c.At), strings.Join(capped(words, 12, ""), ", ")))
			}
		}
		for _, d := range h.Drifts {
			t.add(prose(h.Name)+", "+subject(h.Group), asked(h.MaxConcurrency), direction(d.Verdict)+", little by little", pastPoint(d.From)+" … "+pastPoint(d.To),
				fmt.Sprintf("%s, %s per %s", scale.ChangeWithInterval(number(d.Total)), scale.Change(number(d.Rate)), d.Unit), "", scale.P(d.Adjusted)+notes.mark(d.Notes...))
		}
		for _, s := range h.Spikes {
			spikes = append(spikes, fmt.Sprintf("%s: %s, %s", where, pastPoint(s.At), scale.Change(scale.Bare(s.Ratio))))
		}
		if len(h.ChangePoints)+len(h.Drifts) > 0 {
			changed++
			continue
		}
		quiet = append(quiet, where)
	}
	p.block("**%d of %s changed.** A change point is the first server start of a new level; it lies in the interval given. p holds over the series.", changed, seriesCount(len(hs)))
	p.table(t)
	notes.write(p)
	if len(also) > 0 {
		p.text("What else changed there; it need not be the cause:")
		p.bullets(capped(also, 40, ""))
	}
	if len(spikes) > 0 {
		p.text("Single starts that stand apart, which are no change:")
		p.bullets(capped(spikes, 20, ""))
	}
	if len(quiet) > 0 {
		p.details(fmt.Sprintf("Without a change: %s", seriesCount(len(quiet))), func(p *page) { p.bullets(capped(quiet, 200, "")) })
	}
}

// seriesCount counts series, a word without a plural of its own.
func seriesCount(n int) string { return scale.Count(int64(n)) + " series" }

func pastPoint(p analyze.PastPoint) string { return code(p.String()) }

func direction(v analyze.Verdict) string {
	if v == analyze.Regressed {
		return "**worse**"
	}
	return "better"
}
