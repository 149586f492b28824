package schemas

import (
	"encoding/json"
	"strings"
	"time"
)

// An AnalysisKind is a kind of analysis whose results are kept in the lake.
type AnalysisKind struct {
	Name string
	// Version changes whenever the same runs may give another result: it is part
	// of the key that results are found by, so that no result of older code is
	// taken for one of this.
	Version string
	Tables  []string // that it writes
}

// The kinds of analyses. See schemas/lake on how their results are published.
var (
	// SeriesAnalysis is of the runs of one model, hardware, path and runtime
	// version: what the truth checks say of each and of all of them, and the curves
	// along concurrency.
	SeriesAnalysis = AnalysisKind{Name: "series", Version: "8", Tables: []string{"findings", "curves"}}
	// ComparisonAnalysis is of two series, baseline and candidate.
	ComparisonAnalysis = AnalysisKind{Name: "comparison", Version: "7", Tables: []string{"verdicts"}}
	// HistoryAnalysis is of one model, hardware and path over its versions.
	HistoryAnalysis = AnalysisKind{Name: "history", Version: "3", Tables: []string{"changepoints"}}
)

// AnalysisKinds lists them.
func AnalysisKinds() []AnalysisKind {
	return []AnalysisKind{SeriesAnalysis, ComparisonAnalysis, HistoryAnalysis}
}

// SeriesColumns are the columns of runs that tell series apart.
var SeriesColumns = []string{"model", "hardware", "path_label", "runtime_version"}

// A SeriesID names a series by what its runs recorded.
type SeriesID struct{ Model, Hardware, PathLabel, RuntimeVersion Opt[string] }

// ResultTables lists the tables that analyses write.
func ResultTables() []TableInfo {
	return []TableInfo{FindingsTable.TableInfo, CurvesTable.TableInfo, VerdictsTable.TableInfo, ChangePointsTable.TableInfo}
}

// jsonTexts renders texts for people as a JSON array, or nil where there is none:
// < and > stay as they are.
func jsonTexts(l []string) any {
	if len(l) == 0 {
		return nil
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(l); err != nil {
		panic("schemas: " + err.Error()) // a list of strings always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// A FindingRow is one truth check's answer.
type FindingRow struct {
	Analysis string
	SeriesID
	RunID               Opt[string]
	Subject, Check      string
	Verdict             string
	Message, Do, Lacked string
	RunIDs              []string
}

// FindingsTable has one row per truth check and run, and per check and series.
var FindingsTable = newTable(
	TableInfo{
		Name: "findings", RowPer: "truth check and run, and per check of runs side by side and series; per rule that a server's log breaks; per run and what was recorded of it beside",
		Doc: "What the truth checks answered, with the values of their formulas, what preflight says of the servers' logs, and the energy and memory that runs took: " +
			"the rows to look at are those whose verdict is WARN or FAIL. " +
			"Written by analyze; rows of runs that changed since are not shown.",
		Constant: []string{"analysis", "model", "hardware", "path_label", "runtime_version"},
	},
	field[FindingRow]{Column{1, "model", String, "", "model of the series", false}, func(r *FindingRow) any { return r.Model.any() }},
	field[FindingRow]{Column{2, "hardware", String, "", "hardware of the series", false}, func(r *FindingRow) any { return r.Hardware.any() }},
	field[FindingRow]{Column{3, "path_label", String, "", "serving path of the series", false}, func(r *FindingRow) any { return r.PathLabel.any() }},
	field[FindingRow]{Column{4, "runtime_version", String, "", "runtime version of the series", false}, func(r *FindingRow) any { return r.RuntimeVersion.any() }},
	field[FindingRow]{Column{5, "run_id", String, "", "run that was checked; NULL for a check of runs side by side, or of servers' logs", false}, func(r *FindingRow) any { return r.RunID.any() }},
	field[FindingRow]{Column{6, "subject", String, "", "what was checked, in words", true}, func(r *FindingRow) any { return r.Subject }},
	field[FindingRow]{Column{7, "check_name", String, "", "the check, as in the catalogue: T1 achieved concurrency, …; preflight P1 moe_default_config, …; energy, memory, memory drift", true}, func(r *FindingRow) any { return r.Check }},
	field[FindingRow]{Column{8, "verdict", String, "", "OK, WARN, FAIL (the number must not be used), or not computable", true}, func(r *FindingRow) any { return r.Verdict }},
	field[FindingRow]{Column{9, "message", String, "", "what was found, with the values of the check's formula", false}, func(r *FindingRow) any { return text(r.Message) }},
	field[FindingRow]{Column{10, "advice", String, "", "what to do about it", false}, func(r *FindingRow) any { return text(r.Do) }},
	field[FindingRow]{Column{11, "lacks", String, "", "what would make the check computable where it is not", false}, func(r *FindingRow) any { return text(r.Lacked) }},
	field[FindingRow]{Column{12, "run_ids", String, "", "runs that stood side by side, or were made on the servers whose logs were judged, a JSON array; NULL for a check of one run", false}, func(r *FindingRow) any { return jsonTexts(r.RunIDs) }},
	field[FindingRow]{Column{13, "analysis", String, "", "key of the analysis that the row is of", true}, func(r *FindingRow) any { return r.Analysis }},
)

// A Quantity is a number with its interval.
type Quantity struct {
	Value, Lo, Hi, Confidence Opt[float64]
	N                         Opt[int64]
}

// A CurveRow is one thing that a fitted curve says.
type CurveRow struct {
	Analysis string
	SeriesID
	Metric, Kind   string
	Curve          Opt[string]
	Name           string
	Meaning, Unit  string
	MaxConcurrency Opt[int64]
	Concurrency    Opt[float64]
	Quantity
	Chosen         Opt[bool]
	AICc, LeaveOut Opt[float64]
	BreakP         Opt[float64]
	Text           string
	Warnings       []string
	Window         string
	Runs, Starts   int64
	StartsKnown    bool
	Simulated      bool
}

// The kinds of rows in curves.
const (
	CurveFit       = "fit"
	CurveCandidate = "candidate"
	CurveParameter = "parameter"
	CurveDerived   = "derived"
	CurveBand      = "band"
	CurveLevel     = "level"
)

// CurvesTable has one row per thing that a fitted curve says.
var CurvesTable = newTable(
	TableInfo{
		Name: "curves", RowPer: "thing that a curve of a series says; `kind` tells which",
		Doc: "Latency and throughput against achieved concurrency, per model, hardware, path and runtime version. Kind fit: the curve that was chosen, or why there is none. " +
			"candidate: a curve that was weighed. parameter: of the chosen curve. derived: knee, onset, limit, peak, degradation. " +
			"band: the curve and its confidence band at one concurrency. level: the geometric mean over server starts of what was measured at one max concurrency. " +
			"Written by analyze; rows of runs that changed since are not shown.",
		Constant: []string{"analysis", "model", "hardware", "path_label", "runtime_version"},
	},
	field[CurveRow]{Column{1, "model", String, "", "model of the series", false}, func(r *CurveRow) any { return r.Model.any() }},
	field[CurveRow]{Column{2, "hardware", String, "", "hardware of the series", false}, func(r *CurveRow) any { return r.Hardware.any() }},
	field[CurveRow]{Column{3, "path_label", String, "", "serving path of the series", false}, func(r *CurveRow) any { return r.PathLabel.any() }},
	field[CurveRow]{Column{4, "runtime_version", String, "", "runtime version of the series", false}, func(r *CurveRow) any { return r.RuntimeVersion.any() }},
	field[CurveRow]{Column{5, "metric", String, "", "what the curve is of: itl (mean), ttft (p50), output_throughput; of a level also tpot, e2el and concurrency", true}, func(r *CurveRow) any { return r.Metric }},
	field[CurveRow]{Column{6, "kind", String, "", "fit, candidate, parameter, derived, band or level", true}, func(r *CurveRow) any { return r.Kind }},
	field[CurveRow]{Column{7, "curve", String, "", "the fitted model: affine, hinge, usl, …; NULL where none was fitted", false}, func(r *CurveRow) any { return r.Curve.any() }},
	field[CurveRow]{Column{8, "name", String, "", "name of the quantity: alpha, knee, …; of a fit its formula; of a level its statistic", false}, func(r *CurveRow) any { return text(r.Name) }},
	field[CurveRow]{Column{9, "meaning", String, "", "what the quantity is", false}, func(r *CurveRow) any { return text(r.Meaning) }},
	field[CurveRow]{Column{10, "unit", String, "", "unit of value, lo and hi", false}, func(r *CurveRow) any { return text(r.Unit) }},
	field[CurveRow]{Column{11, "max_concurrency", Int64, "requests", "of a level: what was asked for", false}, func(r *CurveRow) any { return r.MaxConcurrency.any() }},
	field[CurveRow]{Column{12, "concurrency", Float64, "requests", "of a level and a band: the achieved concurrency", false}, func(r *CurveRow) any { return r.Concurrency.any() }},
	field[CurveRow]{Column{13, "value", Float64, "", "the estimate; NULL where it could not be had, and text says why", false}, func(r *CurveRow) any { return r.Value.any() }},
	field[CurveRow]{Column{14, "lo", Float64, "", "lower end of its interval; NULL where it is open", false}, func(r *CurveRow) any { return r.Lo.any() }},
	field[CurveRow]{Column{15, "hi", Float64, "", "upper end of its interval; NULL where it is open", false}, func(r *CurveRow) any { return r.Hi.any() }},
	field[CurveRow]{Column{16, "confidence", Float64, "1", "achieved level of the interval; NULL where there is none", false}, func(r *CurveRow) any { return r.Confidence.any() }},
	field[CurveRow]{Column{17, "n", Int64, "", "runs behind a fit, replicates behind a level", false}, func(r *CurveRow) any { return r.N.any() }},
	field[CurveRow]{Column{18, "chosen", Bool, "", "of a candidate: it is the one that was chosen", false}, func(r *CurveRow) any { return r.Chosen.any() }},
	field[CurveRow]{Column{19, "aicc", Float64, "", "of a candidate: Akaike's criterion, lower is better, comparable within a metric", false}, func(r *CurveRow) any { return r.AICc.any() }},
	field[CurveRow]{Column{20, "leave_out", Float64, "1", "of a candidate: relative error at levels that it was not fitted to", false}, func(r *CurveRow) any { return r.LeaveOut.any() }},
	field[CurveRow]{Column{21, "break_p", Float64, "1", "of a fit: bootstrap p-value of a breakpoint, where one was considered", false}, func(r *CurveRow) any { return r.BreakP.any() }},
	field[CurveRow]{Column{22, "text", String, "", "what is said in place of a value: why there is no curve, why a candidate was not chosen, no downturn within the tested range", false}, func(r *CurveRow) any { return text(r.Text) }},
	field[CurveRow]{Column{23, "warnings", String, "", "what qualifies the value, a JSON array", false}, func(r *CurveRow) any { return jsonTexts(r.Warnings) }},
	field[CurveRow]{Column{24, "run_window", String, "", "part of each run that means and medians are of: steady, or whole run", false}, func(r *CurveRow) any { return text(r.Window) }},
	field[CurveRow]{Column{25, "runs", Int64, "runs", "runs of the series that could be used", true}, func(r *CurveRow) any { return r.Runs }},
	field[CurveRow]{Column{26, "starts", Int64, "", "replicates: server starts, or repeats where starts are not recorded", true}, func(r *CurveRow) any { return r.Starts }},
	field[CurveRow]{Column{27, "starts_known", Bool, "", "server starts were recorded", true}, func(r *CurveRow) any { return r.StartsKnown }},
	field[CurveRow]{Column{28, "simulated", Bool, "", "some of the runs were made by a simulator", true}, func(r *CurveRow) any { return r.Simulated }},
	field[CurveRow]{Column{29, "analysis", String, "", "key of the analysis that the row is of", true}, func(r *CurveRow) any { return r.Analysis }},
)

// A VerdictRow is the answer of one comparison for one metric at one level, or
// over all levels.
type VerdictRow struct {
	Analysis                   string
	Model, Hardware, PathLabel Opt[string]
	Baseline, Candidate        string // selectors
	Metric, Statistic          string
	MaxConcurrency             Opt[int64]
	Verdict                    Opt[string]
	BaselineValue              Opt[float64]
	CandidateValue             Opt[float64]
	Unit                       string
	Ratio                      Quantity // candidate / baseline
	P, PAdjusted               Opt[float64]
	NBaseline, NCandidate      Opt[int64]
	Detectable, Margin         Opt[float64]
	RunsNeeded                 Opt[int64]
	Method                     string
	Notes                      []string
	BaselineRuns               []string
	CandidateRuns              []string
}

// VerdictsTable has one row per comparison, metric and level.
var VerdictsTable = newTable(
	TableInfo{
		Name: "verdicts", RowPer: "comparison, metric and level, and per comparison and metric over all levels",
		Doc: "Baseline against candidate. The verdict stands in the rows over all levels (max_concurrency is NULL); rows of one level say where along the curve. " +
			"Written by analyses; rows of runs that changed since are not shown.",
		Constant: []string{"analysis", "model", "hardware", "path_label", "baseline", "candidate"},
	},
	field[VerdictRow]{Column{1, "model", String, "", "model of both sides", false}, func(r *VerdictRow) any { return r.Model.any() }},
	field[VerdictRow]{Column{2, "hardware", String, "", "hardware of both sides", false}, func(r *VerdictRow) any { return r.Hardware.any() }},
	field[VerdictRow]{Column{3, "path_label", String, "", "serving path of both sides", false}, func(r *VerdictRow) any { return r.PathLabel.any() }},
	field[VerdictRow]{Column{4, "baseline", String, "", "selector of the baseline's runs", true}, func(r *VerdictRow) any { return r.Baseline }},
	field[VerdictRow]{Column{5, "candidate", String, "", "selector of the candidate's runs", true}, func(r *VerdictRow) any { return r.Candidate }},
	field[VerdictRow]{Column{6, "metric", String, "", "metric, as in the list of metrics below", true}, func(r *VerdictRow) any { return r.Metric }},
	field[VerdictRow]{Column{7, "statistic", String, "", "statistic of a run: mean, p50, …", true}, func(r *VerdictRow) any { return r.Statistic }},
	field[VerdictRow]{Column{8, "max_concurrency", Int64, "requests", "level; NULL over all levels that both sides ran", false}, func(r *VerdictRow) any { return r.MaxConcurrency.any() }},
	field[VerdictRow]{Column{9, "verdict", String, "", "regressed, not regressed, improved, inconclusive or not comparable; NULL where none is given", false}, func(r *VerdictRow) any { return r.Verdict.any() }},
	field[VerdictRow]{Column{10, "baseline_value", Float64, "", "the baseline's geometric mean", false}, func(r *VerdictRow) any { return r.BaselineValue.any() }},
	field[VerdictRow]{Column{11, "candidate_value", Float64, "", "the candidate's geometric mean", false}, func(r *VerdictRow) any { return r.CandidateValue.any() }},
	field[VerdictRow]{Column{12, "unit", String, "", "unit of both values", false}, func(r *VerdictRow) any { return text(r.Unit) }},
	field[VerdictRow]{Column{13, "ratio", Float64, "1", "effect: candidate / baseline", false}, func(r *VerdictRow) any { return r.Ratio.Value.any() }},
	field[VerdictRow]{Column{14, "lo", Float64, "1", "lower end of the ratio's interval", false}, func(r *VerdictRow) any { return r.Ratio.Lo.any() }},
	field[VerdictRow]{Column{15, "hi", Float64, "1", "upper end of the ratio's interval", false}, func(r *VerdictRow) any { return r.Ratio.Hi.any() }},
	field[VerdictRow]{Column{16, "confidence", Float64, "1", "achieved level of the interval", false}, func(r *VerdictRow) any { return r.Ratio.Confidence.any() }},
	field[VerdictRow]{Column{17, "p", Float64, "1", "p-value of this test alone", false}, func(r *VerdictRow) any { return r.P.any() }},
	field[VerdictRow]{Column{18, "p_adjusted", Float64, "1", "p-value over the family of tests", false}, func(r *VerdictRow) any { return r.PAdjusted.any() }},
	field[VerdictRow]{Column{19, "n_baseline", Int64, "", "replicates of the baseline", false}, func(r *VerdictRow) any { return r.NBaseline.any() }},
	field[VerdictRow]{Column{20, "n_candidate", Int64, "", "replicates of the candidate", false}, func(r *VerdictRow) any { return r.NCandidate.any() }},
	field[VerdictRow]{Column{21, "smallest_detectable_effect", Float64, "1", "relative change that this many replicates would have shown", false}, func(r *VerdictRow) any { return r.Detectable.any() }},
	field[VerdictRow]{Column{22, "margin", Float64, "1", "relative worsening that not regressed rules out", false}, func(r *VerdictRow) any { return r.Margin.any() }},
	field[VerdictRow]{Column{23, "runs_needed", Int64, "", "replicates a side that would settle an inconclusive verdict", false}, func(r *VerdictRow) any { return r.RunsNeeded.any() }},
	field[VerdictRow]{Column{24, "method", String, "", "the test", false}, func(r *VerdictRow) any { return text(r.Method) }},
	field[VerdictRow]{Column{25, "notes", String, "", "what qualifies the row: refusals, warnings; a JSON array", false}, func(r *VerdictRow) any { return jsonTexts(r.Notes) }},
	field[VerdictRow]{Column{26, "baseline_run_ids", String, "", "runs of the baseline, a JSON array", false}, func(r *VerdictRow) any { return jsonTexts(r.BaselineRuns) }},
	field[VerdictRow]{Column{27, "candidate_run_ids", String, "", "runs of the candidate, a JSON array", false}, func(r *VerdictRow) any { return jsonTexts(r.CandidateRuns) }},
	field[VerdictRow]{Column{28, "analysis", String, "", "key of the analysis that the row is of", true}, func(r *VerdictRow) any { return r.Analysis }},
)

// A ChangePointRow is a change in the history of one metric.
type ChangePointRow struct {
	Analysis                   string
	Model, Hardware, PathLabel Opt[string]
	MaxConcurrency             Opt[int64]
	Metric, Statistic          string
	Kind                       string // shift, drift
	AtVersion                  Opt[string]
	AtDate                     Opt[time.Time]
	AtRun                      Opt[string]
	FirstVersion, LastVersion  Opt[string]
	FirstDate, LastDate        Opt[time.Time]
	Ratio                      Quantity // after / before
	Verdict                    Opt[string]
	P, Q                       Opt[float64]
	NBefore, NAfter            Opt[int64]
	Changed, Notes             []string
}

// ChangePointsTable has one row per series of a metric and change point.
var ChangePointsTable = newTable(
	TableInfo{
		Name: "changepoints", RowPer: "series of a metric over versions and dates, and change in it",
		Doc: "Where the history of a metric changed. `at_…` is the first point after the change; the interval from `first_…` to `last_…` holds it. " +
			"Written by analyses; rows of runs that changed since are not shown.",
		Constant: []string{"analysis", "model", "hardware", "path_label"},
	},
	field[ChangePointRow]{Column{1, "model", String, "", "model of the series", false}, func(r *ChangePointRow) any { return r.Model.any() }},
	field[ChangePointRow]{Column{2, "hardware", String, "", "hardware of the series", false}, func(r *ChangePointRow) any { return r.Hardware.any() }},
	field[ChangePointRow]{Column{3, "path_label", String, "", "serving path of the series", false}, func(r *ChangePointRow) any { return r.PathLabel.any() }},
	field[ChangePointRow]{Column{4, "max_concurrency", Int64, "requests", "level of the series; NULL over all levels", false}, func(r *ChangePointRow) any { return r.MaxConcurrency.any() }},
	field[ChangePointRow]{Column{5, "metric", String, "", "metric, as in the list of metrics below", true}, func(r *ChangePointRow) any { return r.Metric }},
	field[ChangePointRow]{Column{6, "statistic", String, "", "statistic of a run: mean, p50, …", true}, func(r *ChangePointRow) any { return r.Statistic }},
	field[ChangePointRow]{Column{7, "kind", String, "", "shift (at once), or drift (little by little)", true}, func(r *ChangePointRow) any { return r.Kind }},
	field[ChangePointRow]{Column{8, "at_version", String, "", "runtime version of the first point after the change", false}, func(r *ChangePointRow) any { return r.AtVersion.any() }},
	field[ChangePointRow]{Column{9, "at_date", Timestamp, "", "when that point was measured", false}, func(r *ChangePointRow) any { return r.AtDate.any() }},
	field[ChangePointRow]{Column{10, "at_run_id", String, "", "its run", false}, func(r *ChangePointRow) any { return r.AtRun.any() }},
	field[ChangePointRow]{Column{11, "first_version", String, "", "earliest version at which the change may lie", false}, func(r *ChangePointRow) any { return r.FirstVersion.any() }},
	field[ChangePointRow]{Column{12, "last_version", String, "", "latest version at which the change may lie", false}, func(r *ChangePointRow) any { return r.LastVersion.any() }},
	field[ChangePointRow]{Column{13, "first_date", Timestamp, "", "earliest time at which the change may lie", false}, func(r *ChangePointRow) any { return r.FirstDate.any() }},
	field[ChangePointRow]{Column{14, "last_date", Timestamp, "", "latest time at which the change may lie", false}, func(r *ChangePointRow) any { return r.LastDate.any() }},
	field[ChangePointRow]{Column{15, "ratio", Float64, "1", "level after the change / level before", false}, func(r *ChangePointRow) any { return r.Ratio.Value.any() }},
	field[ChangePointRow]{Column{16, "lo", Float64, "1", "lower end of the ratio's interval", false}, func(r *ChangePointRow) any { return r.Ratio.Lo.any() }},
	field[ChangePointRow]{Column{17, "hi", Float64, "1", "upper end of the ratio's interval", false}, func(r *ChangePointRow) any { return r.Ratio.Hi.any() }},
	field[ChangePointRow]{Column{18, "confidence", Float64, "1", "achieved level of the interval", false}, func(r *ChangePointRow) any { return r.Ratio.Confidence.any() }},
	field[ChangePointRow]{Column{19, "verdict", String, "", "regressed or improved, by which direction of the metric is better", false}, func(r *ChangePointRow) any { return r.Verdict.any() }},
	field[ChangePointRow]{Column{20, "p", Float64, "1", "p-value of the change in its series", false}, func(r *ChangePointRow) any { return r.P.any() }},
	field[ChangePointRow]{Column{21, "q", Float64, "1", "the same over all series, as a false discovery rate", false}, func(r *ChangePointRow) any { return r.Q.any() }},
	field[ChangePointRow]{Column{22, "n_before", Int64, "", "points between this change and the one before", false}, func(r *ChangePointRow) any { return r.NBefore.any() }},
	field[ChangePointRow]{Column{23, "n_after", Int64, "", "points between this change and the one after", false}, func(r *ChangePointRow) any { return r.NAfter.any() }},
	field[ChangePointRow]{Column{24, "changed", String, "", "what else changed there: versions, arguments, image; a JSON array", false}, func(r *ChangePointRow) any { return jsonTexts(r.Changed) }},
	field[ChangePointRow]{Column{25, "notes", String, "", "what qualifies the row, a JSON array", false}, func(r *ChangePointRow) any { return jsonTexts(r.Notes) }},
	field[ChangePointRow]{Column{26, "analysis", String, "", "key of the analysis that the row is of", true}, func(r *ChangePointRow) any { return r.Analysis }},
)
