// Package github tells a job on GitHub Actions how an analysis ended: as the
// page of the job's summary, and as annotations beside the log.
//
//	err := github.AppendSummary(os.Getenv("GITHUB_STEP_SUMMARY"), page)
//	github.Annotate(os.Stderr, res)
//
// A confirmed regression is an error; what cannot be judged because it is invalid
// or not comparable, and what is inconclusive, are warnings and notices. GitHub
// shows ten of each kind; what is beyond is counted in the last.
package github

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/markdown"
	"github.com/servestat/servestat/report/plot"
)

// MaxSummary is how many bytes GitHub takes for the summary of a step; of a longer
// one it shows nothing.
const MaxSummary = 1 << 20

// AppendSummary appends a page to the file that GITHUB_STEP_SUMMARY names, cut at
// a section where the file would become longer than GitHub takes.
func AppendSummary(path string, page []byte) (err error) {
	if path == "" {
		return errors.New("GITHUB_STEP_SUMMARY is not set: this is no step of a GitHub workflow")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	room := MaxSummary - int(min(info.Size(), MaxSummary)) - len("\n")
	if page, err = markdown.Cut(page, room); err != nil {
		return fmt.Errorf("the step's summary has %d bytes already: %w", info.Size(), err)
	}
	if info.Size() > 0 {
		page = append([]byte("\n"), page...)
	}
	_, err = f.Write(page)
	return err
}

// mostOfAKind is how many annotations of a kind GitHub shows for a step.
const mostOfAKind = 10

// An annotation is a line that GitHub shows beside the log.
type annotation struct{ kind, title, message string }

// Annotate writes the annotations of a result as workflow commands. GitHub reads
// them from either output of a step.
func Annotate(w io.Writer, res *analyze.Result) error {
	var all []annotation
	for _, c := range res.Comparisons {
		if a, ok := ofComparison(c); ok {
			all = append(all, a)
		}
	}
	for _, f := range res.Findings {
		if f.Verdict == "FAIL" {
			all = append(all, annotation{"warning", "Not valid: " + f.Check, join(": ", f.Subject, join("; ", f.Message, f.Do))})
		}
	}
	for _, kind := range []string{"error", "warning", "notice"} {
		if err := writeKind(w, kind, all); err != nil {
			return err
		}
	}
	return nil
}

// ofComparison is what a comparison has to say: nothing where nothing got worse.
func ofComparison(c analyze.Comparison) (annotation, bool) {
	baseline, candidate := plot.SideNames(c)
	title := fmt.Sprintf("%s against %s", candidate, baseline)
	message := c.Sentence
	if message == "" {
		message = join(": ", plot.Subject(c.Group), strings.Join(c.Refusals, "; "))
	}
	switch c.Verdict {
	case analyze.Regressed:
		return annotation{"error", "Regressed: " + title, message}, true
	case analyze.NotComparable:
		return annotation{"warning", "Not comparable: " + title, message}, true
	case analyze.Inconclusive:
		return annotation{"notice", "Inconclusive: " + title, message}, true
	}
	return annotation{}, false
}

func join(by string, parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, by)
}

// writeKind writes the annotations of a kind: all, or nine and how many more.
func writeKind(w io.Writer, kind string, all []annotation) error {
	var of []annotation
	for _, a := range all {
		if a.kind == kind {
			of = append(of, a)
		}
	}
	if len(of) > mostOfAKind {
		more := len(of) - (mostOfAKind - 1)
		of = append(of[:mostOfAKind-1:mostOfAKind-1], annotation{kind, fmt.Sprintf("and %d more", more), "The report has all of them."})
	}
	for _, a := range of {
		if _, err := fmt.Fprintf(w, "::%s title=%s::%s\n", a.kind, property(a.title), data(a.message)); err != nil {
			return err
		}
	}
	return nil
}

const (
	maxTitle   = 120 // runes
	maxMessage = 1000
)

// data escapes what stands after the colons. Text from an upload is one line: it
// can neither end the command nor begin another.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(escape.Cut(escape.Line(s), maxMessage))
}

// property escapes a value before the colons, where a colon or a comma would end
// it.
func property(s string) string {
	return strings.NewReplacer("%", "%25", ":", "%3A", ",", "%2C").Replace(escape.Cut(escape.Line(s), maxTitle))
}
