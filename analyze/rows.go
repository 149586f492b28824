package analyze

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/servestat/servestat/analyze/audit"
	"github.com/servestat/servestat/schemas"
)

// findingRows are all answers of the truth checks about runs that are of one
// series: of each run, and of the runs side by side.
func findingRows(id schemas.SeriesID, d *Data) []*schemas.FindingRow {
	var out []*schemas.FindingRow
	row := func(f audit.Finding, subject string) *schemas.FindingRow {
		return &schemas.FindingRow{
			SeriesID: id, Subject: subject, Check: f.Check, Verdict: string(f.Severity), Message: f.Message, Do: f.Do, Lacked: f.Missing,
		}
	}
	for _, r := range d.Runs {
		for _, f := range auditRun(r) {
			of := row(f, r.subject()+", "+r.load())
			of.RunID = schemas.Some(r.RunID)
			out = append(out, of)
		}
	}
	for _, s := range d.auditedSeries() {
		for _, f := range s.found {
			told := s.finding(f)
			of := row(f, told.Subject)
			of.RunIDs = told.RunIDs
			out = append(out, of)
		}
	}
	return out
}

// curveRows are the curves of runs that are of one series.
func curveRows(id schemas.SeriesID, d *Data) []*schemas.CurveRow {
	var out []*schemas.CurveRow
	placed := d.Only((*Run).onCurve)
	groups := byGroup(placed.Runs)
	for _, g := range sortedGroups(groups) {
		for _, version := range versionsOf(groups[g]) {
			out = append(out, rowsOfSeries(id, newSeries(version, ofVersion(groups[g], version)))...)
		}
	}
	return out
}

func rowsOfSeries(id schemas.SeriesID, s Series) []*schemas.CurveRow {
	blank := schemas.CurveRow{
		SeriesID: id, Window: string(s.Window), Runs: int64(len(s.Points)), Starts: int64(s.Starts), StartsKnown: s.StartsKnown, Simulated: s.Simulated,
	}
	var out []*schemas.CurveRow
	add := func(metric, kind string, fill func(*schemas.CurveRow)) {
		row := blank
		row.Metric, row.Kind = metric, kind
		fill(&row)
		out = append(out, &row)
	}
	for i := range s.Fits {
		addFit(&s.Fits[i], add)
	}
	if r := s.Degradation; r != nil {
		add(r.Metric, schemas.CurveDerived, func(row *schemas.CurveRow) {
			row.Name, row.Meaning = "degradation", fmt.Sprintf("mean ITL at max concurrency %d over that at %d, from the runs themselves", r.ToLevel, r.FromLevel)
			setEstimate(row, r.Value)
		})
	}
	for i := range s.Levels {
		addLevel(&s.Levels[i], add)
	}
	return out
}

type addRow func(metric, kind string, fill func(*schemas.CurveRow))

// addFit adds a curve: what was chosen, what it was chosen from, what follows.
func addFit(f *Fit, add addRow) {
	chosen := recorded(f.Model)
	add(f.Metric, schemas.CurveFit, func(row *schemas.CurveRow) {
		row.Curve, row.Name, row.Text, row.Warnings = chosen, f.Formula, f.Refused, f.Warnings
		if n := int64(len(f.Residuals)); n > 0 {
			row.N = schemas.Some(n)
		}
		if f.BreakP > 0 {
			row.BreakP = schemas.Some(f.BreakP)
		}
	})
	for _, c := range f.Considered {
		add(f.Metric, schemas.CurveCandidate, func(row *schemas.CurveRow) {
			row.Curve, row.Chosen, row.AICc, row.LeaveOut, row.Text = recorded(c.Model), schemas.Some(c.Chosen), finiteOrMissing(c.AICc), finiteOrMissing(c.LeaveOneOut), c.Reason
		})
	}
	addParams := func(kind string, params []Param) {
		for _, p := range params {
			add(f.Metric, kind, func(row *schemas.CurveRow) {
				row.Curve, row.Name, row.Meaning, row.Unit, row.Text = chosen, p.Name, p.Meaning, p.Unit, p.Text
				setEstimate(row, p.Value)
			})
		}
	}
	addParams(schemas.CurveParameter, f.Params)
	addParams(schemas.CurveDerived, f.Derived)
	for _, b := range f.Band {
		add(f.Metric, schemas.CurveBand, func(row *schemas.CurveRow) {
			row.Curve, row.Unit, row.Concurrency = chosen, unitOf(f.Metric), finiteOrMissing(b.X)
			row.Quantity = schemas.Quantity{Value: finiteOrMissing(b.Y), Lo: finiteOrMissing(b.Lo), Hi: finiteOrMissing(b.Hi), Confidence: schemas.Some(confidence)}
		})
	}
}

// addLevel adds what was measured at one load point.
func addLevel(l *Level, add addRow) {
	for _, m := range []struct {
		metric, statistic, unit string
		value                   Estimate
	}{
		{"concurrency", "mean", "requests", l.Concurrency}, {"ttft", "p50", "s", l.TTFTp50}, {"ttft", "p99", "s", l.TTFTp99},
		{"itl", "mean", "s", l.ITLMean}, {"itl", "p99", "s", l.ITLp99}, {"tpot", "mean", "s", l.TPOTMean}, {"e2el", "p50", "s", l.E2ELp50},
		{"output_throughput", "run", "tokens/s", l.Output},
	} {
		add(m.metric, schemas.CurveLevel, func(row *schemas.CurveRow) {
			row.Name, row.Unit, row.MaxConcurrency, row.Concurrency = m.statistic, m.unit, schemas.Some(l.MaxConcurrency), finiteOrMissing(l.Concurrency.Value)
			setEstimate(row, m.value)
		})
	}
}

// unitOf is the unit that analysis has a metric's values in.
func unitOf(metric string) string {
	if metric == "output_throughput" {
		return "tokens/s"
	}
	return "s"
}

// setEstimate fills in a number with what qualifies it. An end of an interval
// that is open is missing.
func setEstimate(row *schemas.CurveRow, e Estimate) {
	row.Value, row.Warnings = finiteOrMissing(e.Value), e.Notes
	if e.N > 0 {
		row.N = schemas.Some(int64(e.N))
	}
	if e.Confidence > 0 {
		row.Lo, row.Hi, row.Confidence = finiteOrMissing(e.Lo), finiteOrMissing(e.Hi), schemas.Some(e.Confidence)
	}
}

func finiteOrMissing(v float64) schemas.Opt[float64] {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return schemas.Opt[float64]{}
	}
	return schemas.Some(v)
}

// recorded is a text that is missing where it is empty.
func recorded(s string) schemas.Opt[string] { return schemas.Opt[string]{V: s, OK: s != ""} }

// selector is what a person selects a series by.
func (s *series) selector() string { return "runtime_version=" + s.version() }

// verdictRows are what a comparison of two series says: over all levels, and at
// each. The tests of the two are one family.
func verdictRows(baseline, candidate *Data, b, c *series) []*schemas.VerdictRow {
	blank := schemas.VerdictRow{
		Model: c.id.Model, Hardware: c.id.Hardware, PathLabel: c.id.PathLabel, Baseline: b.selector(), Candidate: c.selector(),
		BaselineRuns: b.runs, CandidateRuns: c.runs,
	}
	var out []*schemas.VerdictRow
	add := func(metric, statistic string, verdict Verdict, fill func(*schemas.VerdictRow)) {
		row := blank
		row.Metric, row.Statistic, row.Verdict = metric, statistic, recorded(string(verdict))
		fill(&row)
		out = append(out, &row)
	}
	for _, cmp := range Compare(baseline, candidate, b.selector(), c.selector(), CompareOptions{}) {
		add(allMetrics, allMetrics, cmp.Verdict, func(row *schemas.VerdictRow) {
			row.Method = cmp.Method
			row.Notes = slices.Concat(cmp.Refusals, cmp.Incomplete, cmp.Warnings)
		})
		for _, m := range cmp.Metrics {
			add(m.Metric, m.Statistic, m.Verdict, func(row *schemas.VerdictRow) {
				row.Unit, row.Method = m.Unit, m.Method
				setChange(row, m.Baseline, m.Candidate, m.Change)
			})
			for _, cell := range m.Cells {
				add(m.Metric, m.Statistic, cell.Verdict, func(row *schemas.VerdictRow) {
					row.Unit, row.Method, row.MaxConcurrency = m.Unit, m.Method, schemas.Some(cell.MaxConcurrency)
					setChange(row, cell.Baseline, cell.Candidate, cell.Change)
				})
			}
		}
		for _, r := range cmp.Rates {
			add(r.Metric, "mean", r.Verdict, func(row *schemas.VerdictRow) { setRate(row, r.RateChange) })
			for _, cell := range r.Cells {
				add(r.Metric, "mean", cell.Verdict, func(row *schemas.VerdictRow) {
					row.MaxConcurrency = schemas.Some(cell.MaxConcurrency)
					setRate(row, cell.RateChange)
				})
			}
		}
	}
	return out
}

// allMetrics stands for the metric and the statistic of a verdict over all of them.
const allMetrics = "all"

func setChange(row *schemas.VerdictRow, baseline, candidate Estimate, c Change) {
	row.BaselineValue, row.CandidateValue = finiteOrMissing(baseline.Value), finiteOrMissing(candidate.Value)
	row.NBaseline, row.NCandidate = countOrMissing(baseline.N), countOrMissing(candidate.N)
	row.Ratio = quantityOf(c.Ratio)
	row.P, row.PAdjusted, row.Detectable, row.Margin = finiteOrMissing(c.P), finiteOrMissing(c.PAdjusted), finiteOrMissing(c.Detectable), finiteOrMissing(c.Margin)
	row.RunsNeeded, row.Notes = countOrMissing(c.RunsNeeded), c.Notes
}

// setRate fills in a share, whose effect is a difference and no ratio.
func setRate(row *schemas.VerdictRow, c RateChange) {
	row.Unit, row.Method = "1", "the effect is the difference of the shares"
	row.BaselineValue, row.CandidateValue = finiteOrMissing(c.Baseline), finiteOrMissing(c.Candidate)
	row.NBaseline, row.NCandidate = countOrMissing(c.NBaseline), countOrMissing(c.NCandidate)
	row.P, row.PAdjusted, row.Detectable, row.Margin = finiteOrMissing(c.P), finiteOrMissing(c.PAdjusted), finiteOrMissing(c.Detectable), finiteOrMissing(c.Margin)
	row.Notes = c.Notes
}

func quantityOf(e Estimate) schemas.Quantity {
	q := schemas.Quantity{Value: finiteOrMissing(e.Value), N: countOrMissing(e.N)}
	if e.Confidence > 0 {
		q.Lo, q.Hi, q.Confidence = finiteOrMissing(e.Lo), finiteOrMissing(e.Hi), schemas.Some(e.Confidence)
	}
	return q
}

func countOrMissing(n int) schemas.Opt[int64] {
	return schemas.Opt[int64]{V: int64(n), OK: n > 0}
}

// The kinds of rows in changepoints.
const (
	kindShift = "shift"
	kindDrift = "drift"
)

// changePointRows are the steps and drifts in the histories of a group.
func changePointRows(d *Data, id schemas.SeriesID) ([]*schemas.ChangePointRow, error) {
	histories, err := Histories(d, HistoryOptions{})
	if err != nil {
		return nil, err
	}
	var out []*schemas.ChangePointRow
	for _, h := range histories {
		blank := schemas.ChangePointRow{
			Model: id.Model, Hardware: id.Hardware, PathLabel: id.PathLabel, MaxConcurrency: schemas.Some(h.MaxConcurrency),
			Metric: h.Metric, Statistic: h.Statistic, Q: finiteOrMissing(h.FDR),
		}
		for _, c := range h.ChangePoints {
			row := blank
			row.Kind, row.Verdict, row.P, row.Ratio = kindShift, recorded(string(c.Verdict)), finiteOrMissing(c.Adjusted), quantityOf(c.Ratio)
			row.AtVersion, row.AtDate, row.AtRun = recorded(c.At.Version), timeOrMissing(c.At.Time), recorded(c.At.RunID)
			row.FirstVersion, row.FirstDate = recorded(c.Earliest.Version), timeOrMissing(c.Earliest.Time)
			row.LastVersion, row.LastDate = recorded(c.Latest.Version), timeOrMissing(c.Latest.Time)
			row.NBefore, row.NAfter, row.Notes = countOrMissing(c.NBefore), countOrMissing(c.NAfter), slices.Concat(c.Notes, h.Warnings)
			for _, a := range c.Changed {
				row.Changed = append(row.Changed, a.String())
			}
			out = append(out, &row)
		}
		for _, drift := range h.Drifts {
			row := blank
			row.Kind, row.Verdict, row.P, row.Ratio = kindDrift, recorded(string(drift.Verdict)), finiteOrMissing(drift.Adjusted), quantityOf(drift.Total)
			row.AtVersion, row.AtDate, row.AtRun = recorded(drift.From.Version), timeOrMissing(drift.From.Time), recorded(drift.From.RunID)
			row.LastVersion, row.LastDate = recorded(drift.To.Version), timeOrMissing(drift.To.Time)
			row.Notes = slices.Concat([]string{fmt.Sprintf("by a factor of %.4g per %s", drift.Rate.Value, drift.Unit)}, drift.Notes, h.Warnings)
			out = append(out, &row)
		}
	}
	return out, nil
}

func timeOrMissing(t time.Time) schemas.Opt[time.Time] {
	return schemas.Opt[time.Time]{V: t, OK: !t.IsZero()}
}
