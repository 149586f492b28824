package analyze

import (
	"fmt"
	"math"

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
		for _, f := range r.audit {
			of := row(f, r.subject()+", "+r.load())
			of.RunID = schemas.Some(r.RunID)
			out = append(out, of)
		}
	}
	for _, s := range d.series() {
		for _, f := range s.audit() {
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
