package analyze

import (
	"context"
	"fmt"
	"slices"

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
	series := d.auditedSeries()
	a := d.auditedAs(series, auditedWhole)
	a.Findings, a.Unknown = findings(d, series), d.unknowns()
	var err error
	a.Agreement, err = Agree(ctx, d)
	return a, err
}

// auditedAs are the answers of every check; keep says what of a run's is kept.
func (d *Data) auditedAs(series []auditedSeries, keep func(*Audit, *Run, []audit.Finding)) *Audit {
	a := &Audit{Selection: d.Selection, Totals: d.totals()}
	at := map[string]*CheckCount{}
	for _, def := range audit.Catalogue() {
		a.Checks = append(a.Checks, CheckCount{Check: def.Check, Question: def.Question, Formula: def.Formula, Fires: def.Fires})
	}
	for i := range a.Checks {
		at[a.Checks[i].Check] = &a.Checks[i]
	}
	for some := range slices.Chunk(d.Runs, 256) { // of thousands, all that is found takes more memory than what is kept of it
		found := make([][]audit.Finding, len(some))
		onAllCores(len(some), func(i int) { found[i] = auditRun(some[i]) })
		for i, r := range some {
			if found[i] != nil {
				tally(at, found[i])
				keep(a, r, found[i])
			}
		}
	}
	for _, s := range series {
		tally(at, s.found)
		a.Series = append(a.Series, AuditedRun{Subject: fmt.Sprintf("%s, %s, all levels", s.group, s.version), Checks: answers(s.found)})
	}
	return a
}

// auditedWhole keeps all that the checks say of a run.
func auditedWhole(a *Audit, r *Run, found []audit.Finding) {
	a.Runs = append(a.Runs, AuditedRun{RunID: r.RunID, Source: r.SourceName, Subject: r.subject(), Checks: answers(found)})
}

// auditedOnce keeps of many runs each answer that a subject has to a check once,
// without its words: what a picture of all of them shows.
func auditedOnce() func(*Audit, *Run, []audit.Finding) {
	type answered struct {
		subject, check string
		verdict        audit.Severity
	}
	seen := map[answered]bool{}
	return func(a *Audit, r *Run, found []audit.Finding) {
		kept := AuditedRun{Subject: r.subject()}
		for _, f := range found {
			if key := (answered{kept.Subject, f.Check, f.Severity}); !seen[key] {
				seen[key] = true
				kept.Checks = append(kept.Checks, CheckAnswer{Check: f.Check, Verdict: string(f.Severity)})
			}
		}
		if len(kept.Checks) > 0 {
			a.Runs = append(a.Runs, kept)
		}
	}
}

// answers turns findings into answers.
func answers(findings []audit.Finding) []CheckAnswer {
	out := make([]CheckAnswer, len(findings))
	for i, f := range findings {
		out[i] = CheckAnswer{Check: f.Check, Verdict: string(f.Severity), Message: f.Message, Do: f.Do, Missing: f.Missing}
	}
	return out
}

// tally counts the answers to each check.
func tally(count map[string]*CheckCount, findings []audit.Finding) {
	for _, f := range findings {
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
}

// Failed counts the answers that forbid to use a number.
func (a *Audit) Failed() int {
	n := 0
	for _, c := range a.Checks {
		n += c.Fail
	}
	return n
}
