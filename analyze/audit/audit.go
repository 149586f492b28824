// Package audit checks whether a run's numbers can be true and mean what they
// seem to mean, before anybody compares them.
//
// Each check is a question with a formula and a threshold, named as in the
// catalogue of truth checks (T1, T2, …); [Catalogue] lists them. [Check] asks
// those that concern one run, [CheckGroup] those that concern runs side by side.
// A check answers OK, WARN, FAIL, or that it cannot be computed, and for lack of
// what. [Run] holds the inputs: recomputed from raw times where a run has them,
// otherwise what its tool reported, so that a published row of a table can be
// checked too.
package audit

import (
	"fmt"
	"math"
)

// A Severity is the answer of a check.
type Severity string

// The answers. A FAIL means that the number it is about must not be used.
const (
	OK            Severity = "OK"
	Warn          Severity = "WARN"
	Fail          Severity = "FAIL"
	NotComputable Severity = "not computable"
)

// TokensPerChunk is the check that fires where ITL is no time between tokens.
const TokensPerChunk = "T6 tokens per chunk"

// A Finding is the answer of one check about one run, or one group of runs.
type Finding struct {
	Check    string // as in the catalogue
	Severity Severity
	Message  string // what was found, with the formula's values
	Do       string // what to do about it
	Missing  string // what would make it computable
}

// A Definition is a check as a reader meets it.
type Definition struct {
	Check    string
	Question string
	Formula  string
	Fires    string // from where it warns and fails
	Needs    string
}

// A check is a definition and how a run is asked.
type check struct {
	Definition
	ask func(Run) Finding
}

// Catalogue lists every check, in order of presentation.
func Catalogue() []Definition {
	var out []Definition
	for _, c := range runChecks {
		out = append(out, c.Definition)
	}
	for _, c := range groupChecks {
		out = append(out, c.Definition)
	}
	return out
}

// Check asks every check about one run.
func Check(r Run) []Finding {
	out := make([]Finding, len(runChecks))
	for i, c := range runChecks {
		out[i] = c.ask(r)
		out[i].Check = c.Check
		if out[i].Severity == NotComputable && out[i].Missing == "" {
			out[i].Missing = c.Needs
		}
	}
	return out
}

// Fired returns the findings that warn or fail.
func Fired(all []Finding) []Finding {
	var out []Finding
	for _, f := range all {
		if f.Severity == Warn || f.Severity == Fail {
			out = append(out, f)
		}
	}
	return out
}

// fine is the answer of a check that found nothing wrong.
func fine(format string, args ...any) Finding {
	return Finding{Severity: OK, Message: fmt.Sprintf(format, args...)}
}

// unknown is the answer of a check that lacks an input; what it lacks is its
// definition's needs, unless said.
func unknown(missing string) Finding { return Finding{Severity: NotComputable, Missing: missing} }

func known(values ...float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}
