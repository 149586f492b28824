package analyze

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/compare"
	"github.com/servestat/servestat/analyze/query"
)

// holdSingleRun holds the one start of a candidate against the history of its
// baseline: the starts of the baseline, and those of opts.History that are like
// them in everything that is recorded. It is no verdict on a version; the worst
// word is suspect. With a history of fewer than ten starts nothing is said.
func (c *contest) holdSingleRun() {
	if len(c.cand.starts) != 1 || len(c.base.starts) == 0 || c.Verdict != Inconclusive {
		return
	}
	past := c.pastOfBaseline()
	if len(past.starts) < compare.HistoryRuns {
		return
	}
	outlooks := make([]compare.Outlook, len(c.Metrics))
	ps := make([]float64, len(c.Metrics))
	for i, m := range c.Metrics {
		ps[i] = math.NaN()
		history, run := past.over(m.CurveLevels, c.measures[i].of), c.cand.over(m.CurveLevels, c.measures[i].of)
		if len(m.CurveLevels) == 0 || len(run) != 1 {
			continue
		}
		outlooks[i] = compare.Single(history, run[0], compare.Better(m.Better), c.opts.options())
		ps[i] = outlooks[i].P
	}
	c.History = len(past.starts)
	for i, adjusted := range compare.Holm(ps) {
		if !math.IsNaN(ps[i]) {
			c.Metrics[i].hold(outlooks[i], adjusted)
		}
	}
	for _, m := range c.Metrics {
		if m.Verdict == Suspect {
			c.Verdict = Suspect
		}
	}
}

// HistoryOf loads what single runs of a candidate may be held against: all runs of
// its models in the lake. It is nil where the candidate has more than one start a
// level, and none is needed.
func HistoryOf(ctx context.Context, db *query.DB, baseline, candidate *Data) (*Data, error) {
	single := false
	models := map[string]bool{}
	for g, runs := range byGroup(candidate.Runs) {
		if len(newArm(runs).starts) == 1 {
			single, models["'"+strings.ReplaceAll(g.Model, "'", "''")+"'"] = true, true
		}
	}
	if !single || len(baseline.Runs) == 0 {
		return nil, nil
	}
	return Load(ctx, db, "model IN ("+strings.Join(slices.Sorted(maps.Keys(models)), ", ")+")")
}

// hold replaces the estimate without a test by that of one run against a history.
func (m *MetricDiff) hold(o compare.Outlook, adjusted float64) {
	m.Ratio, m.P, m.PAdjusted, m.Method = ratioEstimate(o.Ratio), o.P, adjusted, string(o.Ratio.Method)
	m.Detectable, m.RunSD = math.Abs(o.Detectable-1), o.SD
	m.WorseAtMost = worsening(compare.Better(m.Better), o.Ratio.Upper.Value)
	if compare.Better(m.Better) == compare.Higher {
		m.WorseAtMost = worsening(compare.Higher, o.Ratio.Lower.Value)
	}
	if o.Verdict == compare.Suspect && adjusted <= 1-confidence {
		m.Verdict, m.CurveVerdict = Suspect, Suspect
	}
	m.Notes = nil
	for _, w := range o.Warnings {
		m.Notes = append(m.Notes, w.Text)
	}
}

// pastOfBaseline are the starts of the baseline and those of the history that do
// not differ from them in anything that is recorded of both, and that no check
// forbids to use.
func (c *contest) pastOfBaseline() *arm {
	have := map[string]bool{}
	for _, r := range c.cand.runs {
		have[r.RunID] = true
	}
	runs := make([]*Run, 0, len(c.base.runs))
	for _, r := range c.base.runs {
		if !r.allFailed() {
			runs = append(runs, r)
			have[r.RunID] = true
		}
	}
	candidateStarts := map[string]bool{}
	for _, s := range c.cand.starts {
		candidateStarts[s] = c.cand.startsKnown
	}
	for _, r := range c.past {
		if have[r.RunID] || candidateStarts[r.ServerStart.V] || !c.belongs(r) || !alike(c.base.runs, r) {
			continue
		}
		if window, sets := inSteadyWindow([]*Run{r}); window == c.Window {
			runs = append(runs, sets[0]...)
		}
	}
	return newArm(runs)
}

// belongs reports whether a run of the group can be used.
func (c *contest) belongs(r *Run) bool {
	return r.closedLoop() && r.measured() && r.spoiledBy(c.opts.Allow) == nil
}

// alike reports whether a run differs from others in no more than what somebody
// called it.
func alike(runs []*Run, r *Run) bool {
	for _, d := range fingerprint(runs, []*Run{r}).Differs {
		if d.kind != label {
			return false
		}
	}
	return true
}
