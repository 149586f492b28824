package analyze

import (
	"fmt"
	"math"
	"strings"

	"github.com/servestat/servestat/schemas"
)

// sentence says the verdict in words, with the numbers that it rests on.
func sentence(c *Comparison) string {
	what := fmt.Sprintf("%s against %s", shortLabel(c.Candidate.Label), shortLabel(c.Baseline.Label))
	if c.Group != (Group{}) {
		what += " on " + c.Group.String()
	}
	switch c.Verdict {
	case NotComparable:
		return fmt.Sprintf("Not comparable: %s: %s.", what, strings.Join(c.Refusals, "; "))
	case Invalid:
		return fmt.Sprintf("Invalid: %s: no metric can be compared.", what)
	case Regressed, Improved, Suspect:
		word := strings.ToUpper(string(c.Verdict)[:1]) + string(c.Verdict)[1:]
		return fmt.Sprintf("%s%s%s: %s: %s.", word, c.withQuality(), weakly(c), what, strings.Join(c.Changes(), ", ")) + c.aboutQuality()
	case NotRegressed:
		return fmt.Sprintf("Not regressed%s%s: %s: every metric's 95 %% bound is within its margin.", c.withQuality(), weakly(c), what) + c.aboutQuality()
	}
	return fmt.Sprintf("Inconclusive%s: %s: %s.", c.withQuality(), what, whyInconclusive(c)) + c.aboutQuality()
}

// weakly qualifies a verdict on three starts.
func weakly(c *Comparison) string {
	if !c.Weak {
		return ""
	}
	return " (weak, on three server starts of a side)"
}

// shortLabel drops what goes without saying: versions are what is compared most.
func shortLabel(label string) string { return strings.TrimPrefix(label, "runtime_version=") }

// Changes says in words what the verdict rests on.
func (c *Comparison) Changes() []string {
	var out []string
	for _, m := range c.Metrics {
		if m.Verdict == c.Verdict {
			out = append(out, m.inWords())
		}
	}
	for _, r := range c.Rates {
		if r.Verdict == c.Verdict {
			out = append(out, fmt.Sprintf("%s %.1f %% to %.1f %%", r.Name, 100*r.Baseline, 100*r.Candidate))
		}
	}
	if s := c.Stalls; s != nil && s.Verdict == c.Verdict {
		out = append(out, fmt.Sprintf("%d of %d starts stalled, %d of %d before", len(s.Candidate), c.Candidate.Starts, len(s.Baseline), c.Baseline.Starts))
	}
	return out
}

func (m MetricDiff) inWords() string {
	if m.Crossing != nil {
		return fmt.Sprintf("%s changes sign: worse at max concurrency %s, better at %s", m.Name, levelList(m.Crossing.Worse), levelList(m.Crossing.Better))
	}
	ratio, level := m.Telling()
	at := ""
	if level > 0 {
		at = fmt.Sprintf(" at max concurrency %d", level)
	}
	if !ratio.HasInterval {
		return fmt.Sprintf("%s %+.1f %%%s", m.Name, 100*(ratio.Value-1), at)
	}
	return fmt.Sprintf("%s %+.1f %% [%+.1f, %+.1f]%s", m.Name, 100*(ratio.Value-1), 100*(ratio.Lo-1), 100*(ratio.Hi-1), at)
}

func levelList(levels []int64) string {
	words := make([]string, len(levels))
	for i, l := range levels {
		words[i] = fmt.Sprint(l)
	}
	return strings.Join(words, ", ")
}

// Telling returns the ratio that the metric's verdict rests on, and the level
// that it is at: that of the curve, which is at no level, or else of the cell
// with the same verdict that changed most.
func (m MetricDiff) Telling() (ratio Estimate, level int64) {
	if m.CurveVerdict == m.Verdict || m.CurveVerdict == "" {
		return m.Ratio, 0
	}
	ratio = m.Ratio
	most := math.Inf(-1)
	for _, cell := range m.Cells {
		if worse := worseLog(m.Better, cell.Ratio.Value); cell.Verdict == m.Verdict && worse > most {
			ratio, level, most = cell.Ratio, cell.MaxConcurrency, worse
		}
	}
	return ratio, level
}

// worseLog is the log of a ratio, positive for the worse.
func worseLog(b schemas.Better, ratio float64) float64 {
	if b == schemas.Higher {
		return -math.Log(ratio)
	}
	return math.Log(ratio)
}

func whyInconclusive(c *Comparison) string {
	if len(c.Metrics) == 0 {
		return "no metric that both sides have"
	}
	var why []string
	if open, need := unsettled(c); len(open) > 0 {
		replicates := min(c.Baseline.Starts, c.Candidate.Starts)
		text := fmt.Sprintf("%s could not be settled with %d server starts a side", strings.Join(open, ", "), replicates)
		if need > replicates {
			text += fmt.Sprintf("; about %d a side would", need)
		}
		why = append(why, text)
	}
	why = append(why, c.Incomplete...)
	return strings.Join(why, "; ")
}

// unsettled are the metrics without an answer, and how many starts a side would
// give one.
func unsettled(c *Comparison) (names []string, need int) {
	for _, m := range c.Metrics {
		if m.Verdict == Inconclusive || m.Verdict == Invalid {
			names, need = append(names, m.Name), max(need, m.RunsNeeded)
		}
	}
	for _, r := range c.Rates {
		if r.Verdict == Inconclusive || r.Verdict == Invalid {
			names = append(names, r.Name)
		}
	}
	return names, need
}
