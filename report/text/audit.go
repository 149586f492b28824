package text

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
)

// Audit writes what the truth checks found: first what fired, then how every
// check was answered, then our numbers against the tools' own.
func Audit(w io.Writer, a *analyze.Audit) error {
	fmt.Fprintf(w, "%d runs, %d with per-request times; %d findings\n", a.Totals.Runs, a.Totals.Detailed, len(a.Findings))
	for _, verdict := range []string{"FAIL", "WARN"} {
		for _, f := range a.Findings {
			if f.Verdict != verdict {
				continue
			}
			fmt.Fprintf(w, "\n%s  %s: %s\n      %s\n      -> %s\n", f.Verdict, escape.Line(f.Check), escape.Line(f.Subject), escape.Line(f.Message), escape.Line(f.Do))
		}
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "check\tOK\tWARN\tFAIL\tnot computable\tfor lack of")
	for _, c := range a.Checks {
		row := []string{c.Check, tally(c.OK), tally(c.Warn), tally(c.Fail), tally(c.NotComputable)}
		if c.Missing != "" {
			row = append(row, escape.Line(c.Missing))
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return agreements(w, a.Agreement)
}

func tally(n int) string {
	if n == 0 {
		return "."
	}
	return fmt.Sprint(n)
}

func agreements(w io.Writer, all []analyze.Agreement) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nreported by the tools, and recomputed:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "number\tcompared\tequal\tlargest deviation\twhy")
	for _, a := range all {
		row := []string{escape.Line(a.Key), fmt.Sprint(a.Compared), fmt.Sprint(a.Equal), deviation(a)}
		if a.Why != "" {
			row = append(row, escape.Line(a.Why))
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

func deviation(a analyze.Agreement) string {
	if a.Equal == a.Compared {
		return "."
	}
	return fmt.Sprintf("%.2g", a.MaxDev)
}
