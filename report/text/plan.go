package text

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
)

// Plans writes what comparisons can see: a sentence for the metric that sees
// least, then a line a metric, and what single levels see.
func Plans(w io.Writer, plans []analyze.Plan) error {
	for i := range plans {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := plan(w, &plans[i]); err != nil {
			return err
		}
	}
	return nil
}

func plan(w io.Writer, p *analyze.Plan) error {
	if p.Version == "" { // a variation that was given
		l := p.Metrics[0]
		_, err := fmt.Fprintf(w, "At a run-to-run CV of %s, %d starts a side and %s: %s.\n", percentOf(l.SD), p.Runs, familyOf(p.Tests), canSee(p, l, false))
		return err
	}
	fmt.Fprintf(w, "%s, %s: %d server starts; %s\n\n", escape.Line(p.Group.String()), escape.Line(p.Version), p.Runs, familyOf(p.Tests))
	curves := slices.DeleteFunc(slices.Clone(p.Metrics), func(l analyze.PlanLine) bool { return l.MaxConcurrency != 0 })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "metric\tCV of starts\tyou could have seen\talone\tstarts for %s\tstarts to clear\n", percentOf(p.Effect))
	for _, l := range curves {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Name, percentOf(l.SD), percentOf(l.Detectable), percentOf(l.Alone), starters(l.RunsFor), starters(l.RunsToClear))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := planLevels(w, p, curves); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, l := range curves {
		fmt.Fprintf(w, "On %s %s.\n", l.Name, canSee(p, l, true))
	}
	return nil
}

// planLevels is what single levels could have seen.
func planLevels(w io.Writer, p *analyze.Plan, curves []analyze.PlanLine) error {
	var levels []int64
	for _, l := range p.Metrics {
		if l.MaxConcurrency != 0 && !slices.Contains(levels, l.MaxConcurrency) {
			levels = append(levels, l.MaxConcurrency)
		}
	}
	slices.Sort(levels)
	if len(levels) < 2 {
		return nil
	}
	fmt.Fprintln(w, "\nat single levels:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "metric")
	for _, level := range levels {
		fmt.Fprintf(t, "\tc=%d", level)
	}
	fmt.Fprintln(t)
	for _, c := range curves {
		fmt.Fprint(t, c.Name)
		for _, level := range levels {
			at := slices.IndexFunc(p.Metrics, func(l analyze.PlanLine) bool { return l.Name == c.Name && l.MaxConcurrency == level })
			if at < 0 {
				fmt.Fprint(t, "\tn/a")
				continue
			}
			fmt.Fprintf(t, "\t%s", percentOf(p.Metrics[at].Detectable))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// canSee is the sentence: "you could have seen 4.1 %; 6 more starts a side reach
// 2 %".
func canSee(p *analyze.Plan, l analyze.PlanLine, past bool) string {
	seen := "you can see " + percentOf(l.Detectable)
	if past {
		seen = "you could have seen " + percentOf(l.Detectable)
	}
	if math.IsInf(l.Detectable, 1) {
		seen = "nothing can be seen, however large"
		if past {
			seen = "nothing could have been seen, however large"
		}
	}
	switch {
	case l.Detectable <= p.Effect:
		return seen
	case l.RunsFor == 0:
		return fmt.Sprintf("%s; no practicable number of starts reaches %s", seen, percentOf(p.Effect))
	case l.RunsFor <= p.Runs:
		return fmt.Sprintf("%s; %d starts a side reach %s", seen, l.RunsFor, percentOf(p.Effect))
	case l.RunsFor == p.Runs+1:
		return fmt.Sprintf("%s; 1 more start a side reaches %s", seen, percentOf(p.Effect))
	}
	return fmt.Sprintf("%s; %d more starts a side reach %s", seen, l.RunsFor-p.Runs, percentOf(p.Effect))
}

func familyOf(tests int) string {
	if tests == 1 {
		return "a single test"
	}
	return fmt.Sprintf("a family of %d tests", tests)
}

func starters(n int) string {
	if n == 0 {
		return "n/a"
	}
	return fmt.Sprint(n)
}

func percentOf(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "nothing"
	case v >= 0.1:
		return fmt.Sprintf("%.0f %%", 100*v)
	}
	return fmt.Sprintf("%.2g %%", 100*v)
}
