package text

import (
	"fmt"
	"io"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
)

// Quality writes how right answers are: what decides first, then rule by rule.
func Quality(w io.Writer, q *analyze.Quality) error {
	for _, p := range q.Pairs {
		fmt.Fprintf(w, "%s: %s against %s: %s\n", QualityHeadline(p.Verdict), escape.Line(p.Candidate), escape.Line(p.Baseline), escape.Line(p.Sentence))
	}
	for i := range q.Servers {
		s := &q.Servers[i]
		if i > 0 || len(q.Pairs) > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s  %s\n", s.Standing, escape.Line(AnsweringName(s)))
		if c := s.Of("C8"); c.Standing == analyze.Failed {
			fmt.Fprintf(w, "%s\n", escape.Line(c.Says))
		}
		if err := rulings(w, s.Rulings); err != nil {
			return err
		}
	}
	return nil
}

// QualityHeadline is a verdict over answers: "regressed" alone means performance.
func QualityHeadline(v analyze.Verdict) string {
	switch v {
	case analyze.Regressed:
		return "Answers got worse"
	case analyze.NotRegressed:
		return "Answers did not get worse"
	case analyze.Improved:
		return "Answers got better"
	case analyze.NotComparable:
		return "Answers cannot be compared"
	}
	return "Undecided whether answers got worse"
}

// AnsweringName says whose answers were judged.
func AnsweringName(s *analyze.Answering) string {
	parts := []string{s.Group.String()}
	if s.Version != "" {
		parts = append(parts, "version "+s.Version)
	}
	if s.Label != "" {
		parts = append(parts, s.Label)
	}
	return fmt.Sprintf("%s: %s of %s", strings.Join(parts, ", "), counted(s.Answers, "judged answer"), counted(s.Starts, "server"))
}

// counted is a number of things: 1 server, 2 servers.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
