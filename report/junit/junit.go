// Package junit writes comparisons and preflights as JUnit XML, which every CI
// system shows. Of a comparison: one test suite, one test case a metric and level.
//
//   - regressed is a failure;
//   - inconclusive, and suspect, is skipped, with what would settle it;
//   - invalid or not comparable is an error, with the reason;
//   - improved and not regressed are passed, and the output of the case says by
//     how much.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/scale"
)

type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Suites   []suite  `xml:"testsuite"`
}

type suite struct {
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Cases    []testcase `xml:"testcase"`
	Out      string     `xml:"system-out,omitempty"`
}

type testcase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Failure *message `xml:"failure"`
	Error   *message `xml:"error"`
	Skipped *message `xml:"skipped"`
	Out     string   `xml:"system-out,omitempty"`
}

type message struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// Write writes comparisons as one JUnit file.
func Write(w io.Writer, cs []analyze.Comparison) error {
	all := make([]suite, len(cs))
	for i := range cs {
		all[i] = newSuite(&cs[i])
	}
	return write(w, "servestat compare", all)
}

func write(w io.Writer, name string, cases []suite) error {
	all := suites{Name: name}
	for _, s := range cases {
		all.Tests, all.Failures, all.Errors, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors, all.Skipped+s.Skipped
		all.Suites = append(all.Suites, s)
	}
	return encode(w, all)
}

func encode(w io.Writer, all suites) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func newSuite(c *analyze.Comparison) suite {
	s := suite{Name: escape.Line(fmt.Sprintf("%s: %s against %s", c.Group, c.Candidate.Label, c.Baseline.Label)), Out: lines(c)}
	if len(c.Refusals) > 0 {
		s.add("comparable", c.Verdict, strings.Join(c.Refusals, "; "), "")
		return s
	}
	s.addMissing(c)
	for _, m := range c.Metrics {
		s.add(m.Name+", whole curve", m.CurveVerdict, reason(m.CurveVerdict, m.Change), effect(m.Change))
		if len(c.Levels) < 2 {
			continue
		}
		for _, cell := range m.Cells {
			s.add(fmt.Sprintf("%s, max concurrency %d", m.Name, cell.MaxConcurrency), cell.Verdict, reason(cell.Verdict, cell.Change), effect(cell.Change))
		}
	}
	for _, r := range c.Rates {
		s.add(r.Name+", all levels", r.Verdict, rate(r.RateChange), rate(r.RateChange))
		for _, cell := range r.Cells {
			s.add(fmt.Sprintf("%s, max concurrency %d", r.Name, cell.MaxConcurrency), cell.Verdict, rate(cell.RateChange), rate(cell.RateChange))
		}
	}
	if st := c.Stalls; st != nil && st.Verdict != analyze.Inconclusive {
		s.add("stalled starts", st.Verdict, stalls(c), stalls(c))
	}
	return s
}

// addMissing adds what the comparison lacks, which no case would show.
func (s *suite) addMissing(c *analyze.Comparison) {
	for _, what := range c.Incomplete {
		s.add("complete: "+what, analyze.Inconclusive, what, "")
	}
}

// add adds a case with a verdict.
func (s *suite) add(name string, v analyze.Verdict, why, out string) {
	t := testcase{Class: s.Name, Name: escape.Line(name), Out: out}
	m := &message{Message: escape.Line(string(v) + ": " + why), Type: string(v)}
	switch v {
	case analyze.Regressed:
		t.Failure = m
	case analyze.Improved, analyze.NotRegressed:
	case analyze.Inconclusive, analyze.Suspect:
		t.Skipped = &message{Message: m.Message}
	default:
		t.Error = m
	}
	s.take(t)
}

// reason says why a metric has its verdict, and what would settle an open one.
func reason(v analyze.Verdict, c analyze.Change) string {
	text := effect(c)
	if v == analyze.Inconclusive && c.RunsNeeded > 0 {
		text += fmt.Sprintf("; about %d starts a side would settle it", c.RunsNeeded)
	}
	for _, n := range c.Notes {
		text += "; " + n
	}
	return text
}

func effect(c analyze.Change) string {
	text := scale.ChangeWithInterval(scale.Number{Value: c.Ratio.Value, Lo: c.Ratio.Lo, Hi: c.Ratio.Hi, Bounded: c.Ratio.HasInterval})
	if !math.IsNaN(c.PAdjusted) {
		text += ", adjusted p = " + scale.P(c.PAdjusted)
	}
	if !math.IsNaN(c.Detectable) && !math.IsInf(c.Detectable, 0) {
		text += fmt.Sprintf(", could see %.1f %%", 100*c.Detectable)
	}
	return text
}

func rate(r analyze.RateChange) string {
	return fmt.Sprintf("%.2f %% of requests failed, %.2f %% before", 100*r.Candidate, 100*r.Baseline)
}

func stalls(c *analyze.Comparison) string {
	return fmt.Sprintf("%d of %d starts of the candidate stalled, %d of %d of the baseline",
		len(c.Stalls.Candidate), c.Candidate.Starts, len(c.Stalls.Baseline), c.Baseline.Starts)
}

// lines are the verdict and what qualifies it.
func lines(c *analyze.Comparison) string {
	out := []string{escape.Line(c.Sentence)}
	for _, text := range append(append([]string{}, c.Context...), c.Warnings...) {
		out = append(out, escape.Line(text))
	}
	return strings.Join(out, "\n")
}
