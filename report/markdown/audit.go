package markdown

import (
	"io"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

// Audit writes what the truth checks say of a selection as one page.
func Audit(w io.Writer, a *analyze.Audit) error {
	r := &report{Result: &analyze.Result{Totals: a.Totals, Findings: a.Findings, Agreement: a.Agreement}}
	p := &page{}
	p.heading(1, "audit", "Audit of "+plural(a.Totals.Runs, "run"))
	r.findings(p)
	p.heading(2, "checks", "Every check")
	t := table{"lrrrrll", []string{"check", "OK", "WARN", "FAIL", "not computable", "fires", "for lack of"}, nil}
	for _, c := range a.Checks {
		t.add(prose(c.Check), scale.Count(int64(c.OK)), scale.Count(int64(c.Warn)), scale.Count(int64(c.Fail)), scale.Count(int64(c.NotComputable)), prose(c.Fires), prose(c.Missing))
	}
	p.table(t)
	r.agreement(p)
	_, err := w.Write(p.buf.Bytes())
	return err
}
