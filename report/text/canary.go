package text

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
)

// Canary writes the matrix of methods and set-ups, then each cell rule by rule.
func Canary(w io.Writer, c *analyze.Canary) error {
	fmt.Fprintf(w, "%s\n\n", CanaryHeadline(c))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\tmethod")
	for i := range 10 {
		fmt.Fprintf(t, "\tD%d", i+1)
	}
	fmt.Fprintln(t, "\t")
	for i, cell := range c.Cells {
		fmt.Fprintf(t, "%d\t%s", i+1, escape.Line(cell.Method))
		for _, r := range cell.Rulings {
			fmt.Fprintf(t, "\t%s", r.Standing)
		}
		fmt.Fprintf(t, "\t%s\n", CellState(&c.Cells[i]))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range c.Cells {
		if err := canaryCell(w, i, &c.Cells[i]); err != nil {
			return err
		}
	}
	return nil
}

// CanaryHeadline says how it stands on the set-ups of now.
func CanaryHeadline(c *analyze.Canary) string {
	n := map[analyze.Standing]int{}
	current := 0
	for _, cell := range c.Cells {
		if cell.Current {
			current++
			n[cell.Standing]++
		}
	}
	words := map[analyze.Standing]string{
		analyze.Passed: "canary passed", analyze.Warned: "canary passed with warnings", analyze.Failed: "canary failed", analyze.Untested: "canary incomplete",
	}[c.Standing]
	return fmt.Sprintf("%s: %s on the set-ups of now: %d failed, %d passed, %d with warnings, %d UNTESTED; %d expired",
		words, counted(current, "method"), n[analyze.Failed], n[analyze.Passed], n[analyze.Warned], n[analyze.Untested], len(c.Cells)-current)
}

// CellState says whether a cell still counts.
func CellState(c *analyze.CanaryCell) string {
	switch {
	case !c.Current && c.Tested != "":
		return "expired, tested " + c.Tested
	case !c.Current:
		return "expired"
	case c.Runs == 0 && c.Tested == "" && c.Of("D1").Standing == analyze.Untested:
		return "never tested here"
	}
	return strings.TrimSpace("current " + c.Tested)
}

// SetupLines say what a cell is valid for.
func SetupLines(s analyze.CanarySetup) []string {
	recorded := func(v string) string {
		if v == "" {
			return "not recorded"
		}
		return v
	}
	lines := []string{
		fmt.Sprintf("model %s, checkpoint %s", recorded(s.Model), recorded(s.Checkpoint)),
		fmt.Sprintf("hardware %s, image %s, %s %s", recorded(s.Hardware), recorded(s.Image), recorded(s.Runtime), recorded(s.Version)),
	}
	if s.Path != "" {
		lines = append(lines, "path "+s.Path)
	}
	flags := "not recorded"
	if len(s.Flags) > 0 {
		flags = strings.Join(s.Flags, " ")
	}
	return append(lines, "flags "+flags)
}

func canaryCell(w io.Writer, i int, c *analyze.CanaryCell) error {
	fmt.Fprintf(w, "\n%d. %s: %s, %s (%s with it, %s without)\n", i+1, escape.Line(c.Method), c.Standing, CellState(c), counted(c.Runs, "run"), counted(c.Against, "run"))
	for _, line := range SetupLines(c.Setup) {
		fmt.Fprintf(w, "   %s\n", escape.Line(line))
	}
	for _, e := range c.Expired {
		fmt.Fprintf(w, "   expired: %s\n", escape.Line(e))
	}
	if c.Current && c.Runs == 0 && c.Of("D1").Standing == analyze.Untested {
		fmt.Fprintf(w, "   UNTESTED: %s\n", escape.Line(c.Of("D8").Says))
		return nil
	}
	if err := rulings(w, c.Rulings); err != nil {
		return err
	}
	return grid(w, c.Grid)
}

func grid(w io.Writer, cells []analyze.GridCell) error {
	if len(cells) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "load\ttemperature\ttools\t")
	for _, g := range cells {
		says := g.Says
		if g.Standing == analyze.Untested {
			says = ""
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", g.Load, g.Temperature, g.Tools, strings.TrimSpace(string(g.Standing)+"  "+escape.Line(says)))
	}
	return t.Flush()
}
