package text

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
)

// rulings writes a line for each rule, and below what there is to look at and to do.
func rulings(w io.Writer, rs []analyze.Ruling) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rs {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.Standing, r.Rule, r.Name, escape.Line(r.Says))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range rs {
		if len(r.Details) == 0 && (r.Do == "" || r.Standing == analyze.Untested) {
			continue
		}
		fmt.Fprintf(w, "\n%s %s\n", r.Rule, r.Name)
		for _, d := range capped(r.Details) {
			fmt.Fprintf(w, "  %s\n", escape.Line(d))
		}
		if r.Do != "" && r.Standing != analyze.Passed && r.Standing != analyze.Untested {
			fmt.Fprintf(w, "  -> %s\n", escape.Line(r.Do))
		}
	}
	return nil
}

// maxDetails is how many details of a rule are printed; --format json has all.
const maxDetails = 20

func capped(details []string) []string {
	if len(details) <= maxDetails {
		return details
	}
	return append(details[:maxDetails:maxDetails], fmt.Sprintf("and %d more", len(details)-maxDetails))
}
