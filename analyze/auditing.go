package analyze

import (
	"context"
	"fmt"

	"github.com/servestat/servestat/analyze/audit"
)

// An Audit is what the truth checks say of a selection of runs.
type Audit struct {
	Selection string       `json:"selection,omitempty"`
	Totals    Totals       `json:"totals"`
	Checks    []CheckCount `json:"checks"`              // every check, with how it was answered
	Findings  []Finding    `json:"findings,omitempty"`  // those that warned or failed
	Agreement []Agreement  `json:"agreement,omitempty"` // our numbers against the tools' own
	Runs      []AuditedRun `json:"runs"`
	Series    []AuditedRun `json:"series,omitempty"` // runs side by side: one line a group and version
	Unknown   []Unknown    `json:"unknown,omitempty"`
}

// A CheckCount is a check and how often it was answered how.
type CheckCount struct {
	Check         string `json:"check"`
	Question      string `json:"question"`
	Formula       string `json:"formula,omitempty"`
	Fires         string `json:"fires"`
	OK            int    `json:"ok"`
	Warn          int    `json:"warn"`
	Fail          int    `json:"fail"`
	NotComputable int    `json:"not_computable"`
	Missing       string `json:"missing,omitempty"` // what would make it computable where it is not
}

// An AuditedRun is a run, or runs side by side, with every check's answer.
type AuditedRun struct {
	RunID   string        `json:"run_id,omitempty"`
	Source  string        `json:"source,omitempty"`
	Subject string        `json:"subject"`
	Checks  []CheckAnswer `json:"checks"`
}

// A CheckAnswer is one check's answer with its formula's values.
type CheckAnswer struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"` // OK, WARN, FAIL, not computable
	Message string `json:"message,omitempty"`
	Do      string `json:"do,omitempty"`
	Missing string `json:"missing,omitempty"`
}

// Audited asks every check about the runs of d.
func Audited(ctx context.Context, d *Data) (*Audit, error) {
	a := d.audited()
	a.Findings, a.Unknown = Findings(d), d.unknowns()
	var err error
	a.Agreement, err = Agree(ctx, d)
	return a, err
}

// audited are the answers of every check.
func (d *Data) audited() *Audit {
	a := &Audit{Selection: d.Selection, Totals: d.totals()}
	at := map[string]*CheckCount{}
	for _, def := range audit.Catalogue() {
		a.Checks = append(a.Checks, CheckCount{Check: def.Check, Question: def.Question, Formula: def.Formula, Fires: def.Fires})
	}
	for i := range a.Checks {
		at[a.Checks[i].Check] = &a.Checks[i]
	}
	for _, r := range d.Runs {
		if r.audit != nil {
			a.Runs = append(a.Runs, AuditedRun{RunID: r.RunID, Source: r.SourceName, Subject: r.subject(), Checks: answers(at, r.audit)})
		}
	}
	for _, s := range d.series() {
		a.Series = append(a.Series, AuditedRun{Subject: fmt.Sprintf("%s, %s, all levels", s.group, s.version), Checks: answers(at, s.audit())})
	}
	return a
}

// bySubject keeps of many runs each answer that a subject has to a check once, without
// its words: what a picture of all of them shows.
func (a *Audit) bySubject() *Audit {
	type answered struct{ subject, check, verdict string }
	seen := map[answered]bool{}
	runs := a.Runs
	a.Runs = nil
	for _, r := range runs {
		kept := AuditedRun{Subject: r.Subject}
		for _, c := range r.Checks {
			if key := (answered{r.Subject, c.Check, c.Verdict}); !seen[key] {
				seen[key] = true
				kept.Checks = append(kept.Checks, CheckAnswer{Check: c.Check, Verdict: c.Verdict})
			}
		}
		if len(kept.Checks) > 0 {
			a.Runs = append(a.Runs, kept)
		}
	}
	return a
}

// answers turns findings into answers and counts them.
func answers(count map[string]*CheckCount, findings []audit.Finding) []CheckAnswer {
	out := make([]CheckAnswer, len(findings))
	for i, f := range findings {
		out[i] = CheckAnswer{Check: f.Check, Verdict: string(f.Severity), Message: f.Message, Do: f.Do, Missing: f.Missing}
		c := count[f.Check]
		switch f.Severity {
		case audit.OK:
			c.OK++
		case audit.Warn:
			c.Warn++
		case audit.Fail:
			c.Fail++
		default:
			c.NotComputable++
			c.Missing = f.Missing
		}
	}
	return out
}

// Failed counts the answers that forbid to use a number.
func (a *Audit) Failed() int {
	n := 0
	for _, c := range a.Checks {
		n += c.Fail
	}
	return n
}
