package markdown

import (
	"fmt"
	"io"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/text"
)

// Preflight writes what a server's log says as one page.
func Preflight(w io.Writer, log string, r *analyze.Preflight) error {
	p := &page{}
	p.heading(1, "preflight", "Preflight of "+prose(log))
	p.block("**%s**", prose(text.PreflightVerdict(r)))
	p.preflight(r)
	_, err := w.Write(p.buf.Bytes())
	return err
}

// preflight adds the findings and tables of a preflight.
func (p *page) preflight(r *analyze.Preflight) {
	found := table{"lllll", []string{"", "rule", "line", "what it means", "what to do"}, nil}
	for _, f := range r.Findings {
		if f.Severity == analyze.PreflightInfo {
			continue
		}
		meaning := prose(f.Meaning)
		if f.Text != "" {
			meaning += "<br>" + code(f.Text)
		}
		found.add(string(f.Severity), prose(strings.TrimSpace(f.Number+" "+f.Rule)), lines(f), meaning, prose(f.Do))
	}
	p.table(found)
	set := table{"lll", []string{"setting", "asked for", "achieved"}, nil}
	for _, s := range r.Settings {
		achieved := known(s.Achieved)
		if s.Standing == "differs" {
			achieved = "**" + achieved + "**"
		}
		set.add(prose(s.Name), known(s.Asked), achieved)
	}
	p.table(set)
	if len(r.Unknown) > 0 {
		p.details(plural(len(r.Unknown), "warning")+" that no rule knows", func(p *page) {
			t := table{"rrll", []string{"line", "times", "", "text"}, nil}
			for _, u := range r.Unknown {
				first, _, _ := strings.Cut(u.Text, "\n")
				t.add(fmt.Sprint(u.Line), fmt.Sprint(u.Count), u.Level, code(first))
			}
			p.table(t)
		})
	}
	if infos := r.Of(analyze.PreflightInfo); len(infos) > 0 {
		p.details(plural(len(infos), "thing")+" worth knowing", func(p *page) {
			var items []string
			for _, f := range infos {
				items = append(items, prose(f.Rule+": "+f.Meaning))
			}
			p.bullets(items)
		})
	}
	if len(r.Facts) > 0 {
		p.details("What the log says of the server", func(p *page) {
			t := table{"llr", []string{"fact", "value", "line"}, nil}
			for _, f := range r.Facts {
				t.add(prose(f.Name), prose(strings.TrimSpace(f.Value+" "+f.Unit)), lineNumber(f.Line))
			}
			p.table(t)
		})
	}
}

func lines(f analyze.PreflightFinding) string {
	if f.Count > 1 {
		return fmt.Sprintf("%s (%d times)", lineNumber(f.Line), f.Count)
	}
	return lineNumber(f.Line)
}

func lineNumber(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// known is a value, or that it is not recorded.
func known(s string) string {
	if s == "" {
		return "not recorded"
	}
	return code(s)
}
