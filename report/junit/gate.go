package junit

import (
	"io"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
)

// WriteGate writes the verdict over a candidate as one JUnit file: a test case a
// requirement. What was not tested is skipped; where it has to be, that is the error.
func WriteGate(w io.Writer, g *analyze.GateResult) error {
	s := suite{Name: escape.Line(g.Candidate + " against " + g.Baseline), Out: escape.Line(g.Headline)}
	for _, r := range g.Requirements {
		s.addRequirement(r)
	}
	return encode(w, suites{Name: "servestat gate", Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Skipped: s.Skipped, Suites: []suite{s}})
}

func (s *suite) addRequirement(r analyze.Requirement) {
	t := testcase{Class: s.Name, Name: escape.Line(r.Name + ": " + r.Asks), Out: escape.Line(r.Says)}
	m := &message{Message: escape.Line(r.Says), Type: string(r.Standing), Text: escape.Line(r.Do)}
	s.Tests++
	switch {
	case r.Invalid:
		t.Error = m
		s.Errors++
	case r.Standing == analyze.Failed:
		t.Failure = m
		s.Failures++
	case r.Standing == analyze.Untested && r.Required:
		t.Error = m
		s.Errors++
	case r.Standing == analyze.Untested, r.Verdict == analyze.Inconclusive, r.Verdict == analyze.Suspect:
		t.Skipped = &message{Message: m.Message}
		s.Skipped++
	}
	s.Cases = append(s.Cases, t)
}
