package junit

import (
	"fmt"
	"io"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
)

// Preflight writes what the log at path says of its server as one JUnit file: a
// case for the server's readiness, one for each finding, and one for the lines
// that no rule knows.
//
//   - FAIL is a failure;
//   - WARN, and an unknown warning or error, is skipped, with the reason: it is
//     shown, and breaks nothing;
//   - INFO is passed, with what was found as output.
func Preflight(w io.Writer, path string, r *analyze.Preflight) error {
	s := suite{Name: escape.Line("preflight " + path)}
	s.addReady(r)
	for i := range r.Findings {
		s.addFinding(&r.Findings[i])
	}
	s.addUnknown(r)
	return write(w, "servestat preflight", []suite{s})
}

// addReady adds whether the server is fit to be asked about at all.
func (s *suite) addReady(r *analyze.Preflight) {
	t := testcase{Class: s.Name, Name: "the server is ready", Out: "the server is " + r.State}
	if r.State != analyze.ServerReady && r.State != analyze.ServerStopped {
		t.Failure = &message{Message: "the server is " + r.State, Type: string(analyze.PreflightFail)}
	}
	s.take(t)
}

func (s *suite) addFinding(f *analyze.PreflightFinding) {
	t := testcase{Class: s.Name, Name: escape.Line(strings.TrimSpace(f.Number + " " + f.Rule))}
	where := ""
	if f.Line > 0 {
		where = fmt.Sprintf("line %d: ", f.Line)
	}
	m := &message{Message: escape.Line(where + f.Text), Type: string(f.Severity), Text: escape.Line(strings.TrimSuffix(f.Meaning+" "+f.Do, " "))}
	switch f.Severity {
	case analyze.PreflightFail:
		t.Failure = m
	case analyze.PreflightWarn:
		t.Skipped = m
	default:
		t.Out = m.Message + "\n" + m.Text
	}
	s.take(t)
}

// addUnknown adds the warnings and errors that no rule knows, as one case.
func (s *suite) addUnknown(r *analyze.Preflight) {
	if len(r.Unknown) == 0 {
		return
	}
	lines := make([]string, len(r.Unknown))
	for i, l := range r.Unknown {
		lines[i] = escape.Line(fmt.Sprintf("line %d, %s, %d times: %s", l.Line, l.Level, l.Count, l.Text))
	}
	s.take(testcase{Class: s.Name, Name: "no unknown warnings", Skipped: &message{
		Message: fmt.Sprintf("%d kinds of warnings and errors that no rule knows", len(lines)), Text: strings.Join(lines, "\n"),
	}})
}

// take adds a case and counts it.
func (s *suite) take(t testcase) {
	s.Tests++
	switch {
	case t.Failure != nil:
		s.Failures++
	case t.Error != nil:
		s.Errors++
	case t.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, t)
}
