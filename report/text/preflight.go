package text

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
)

// Preflight writes what a server's log says: the verdict, what fails and warns
// with what to do, what was asked for and achieved, and the lines nobody knows.
// Facts and what is only worth knowing come last.
func Preflight(w io.Writer, log string, r *analyze.Preflight) error {
	fmt.Fprintf(w, "%s: %s\n", PreflightVerdict(r), escape.Line(log))
	for _, severity := range []string{"FAIL", "WARN"} {
		for _, f := range r.Findings {
			if string(f.Severity) == severity {
				finding(w, f)
			}
		}
	}
	if err := settings(w, r); err != nil {
		return err
	}
	if len(r.Unknown) > 0 {
		fmt.Fprintf(w, "\nwarnings and errors that no rule knows:\n")
	}
	for _, u := range r.Unknown {
		fmt.Fprintf(w, "  line %d%s  %s %s\n", u.Line, times(u.Count), u.Level, escape.Line(escape.Cut(firstLine(u.Text), 160)))
	}
	infos := r.Of(analyze.PreflightInfo)
	if len(infos) > 0 {
		fmt.Fprintf(w, "\nworth knowing:\n")
	}
	for _, f := range infos {
		fmt.Fprintf(w, "  %s: %s\n", name(f), escape.Line(f.Meaning))
	}
	return facts(w, r)
}

// PreflightVerdict is the first thing to say of a server.
func PreflightVerdict(r *analyze.Preflight) string {
	words := map[string]string{"FAIL": "failed", "WARN": "passed with warnings", "INFO": "passed"}[string(r.Verdict)]
	fails, warns := len(r.Of(analyze.PreflightFail)), len(r.Of(analyze.PreflightWarn))
	return fmt.Sprintf("preflight %s: the server is %s; %d fail, %d warn", words, stateWords[r.State], fails, warns)
}

var stateWords = map[string]string{
	"ready": "ready", "not ready": "not ready", "died": "dead", "stopped": "stopped after it had served", "unknown": "of unknown state",
}

func finding(w io.Writer, f analyze.PreflightFinding) {
	fmt.Fprintf(w, "\n%s  %s%s\n", f.Severity, name(f), place(f))
	if f.Text != "" {
		fmt.Fprintf(w, "      %s\n", escape.Line(escape.Cut(f.Text, 240)))
	}
	fmt.Fprintf(w, "      %s\n", escape.Line(f.Meaning))
	if f.Do != "" {
		fmt.Fprintf(w, "      -> %s\n", escape.Line(f.Do))
	}
}

// name is what a rule is called, with its number where it has one.
func name(f analyze.PreflightFinding) string {
	return strings.TrimSpace(f.Number + " " + f.Rule)
}

func place(f analyze.PreflightFinding) string {
	if f.Line == 0 {
		return ""
	}
	return fmt.Sprintf("  line %d%s", f.Line, times(f.Count))
}

func times(count int) string {
	if count < 2 {
		return ""
	}
	return fmt.Sprintf(" and %d more", count-1)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func settings(w io.Writer, r *analyze.Preflight) error {
	if len(r.Settings) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "setting\tasked for\tachieved")
	for _, s := range r.Settings {
		mark := ""
		if s.Standing == "differs" {
			mark = "DIFFERS"
		}
		row := []string{s.Name, recorded(s.Asked), recorded(s.Achieved), mark}
		fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	return t.Flush()
}

// recorded is a value, or that there is none.
func recorded(s string) string {
	if s == "" {
		return "."
	}
	return escape.Line(escape.Cut(s, 60))
}

func facts(w io.Writer, r *analyze.Preflight) error {
	if len(r.Facts) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range r.Facts {
		fmt.Fprintf(t, "%s\t%s\n", f.Name, strings.TrimSpace(recorded(f.Value)+" "+f.Unit))
	}
	return t.Flush()
}
