package text

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
)

// Gate writes the verdict over a candidate: the first unmet requirement in the first
// line, then all of them.
func Gate(w io.Writer, g *analyze.GateResult) error {
	fmt.Fprintf(w, "%s\n\n%s against %s\n\n", escape.Line(g.Headline), escape.Line(g.Candidate), escape.Line(g.Baseline))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range g.Requirements {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", RequirementState(r), r.Name, r.Asks, escape.Line(r.Says))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range g.Requirements {
		if r.Do != "" && r.Standing != analyze.Passed && (r.Standing != analyze.Untested || r.Required) {
			fmt.Fprintf(w, "-> %s: %s\n", r.Name, escape.Line(r.Do))
		}
	}
	return nil
}

// RequirementState is how a requirement stands, in a word or two.
func RequirementState(r analyze.Requirement) string {
	switch {
	case r.Invalid:
		return "INVALID"
	case r.Verdict == analyze.Inconclusive, r.Verdict == analyze.Suspect:
		return "UNDECIDED"
	}
	return string(r.Standing)
}
