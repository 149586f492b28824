package analyze

import (
	"slices"

	"github.com/servestat/servestat/schemas"
)

// An Estimate is a number with what qualifies it. Lo and Hi bound it at the
// achieved level Confidence; where no interval can be given, HasInterval is
// false and Notes say why.
type Estimate struct {
	Value       float64  `json:"value"`
	Lo          float64  `json:"lo,omitempty"`
	Hi          float64  `json:"hi,omitempty"`
	HasInterval bool     `json:"has_interval"`
	Confidence  float64  `json:"confidence,omitempty"`
	N           int      `json:"n"` // replicates behind it
	Notes       []string `json:"notes,omitempty"`
}

// A Result is what a report prints, whole: renderers read nothing else.
type Result struct {
	Kind        string       `json:"kind"` // weekly, compare, sweep, run
	Title       string       `json:"title"`
	Week        string       `json:"week,omitempty"`      // of a weekly report: 2026-W47
	Selection   string       `json:"selection,omitempty"` // the SQL condition over runs
	Totals      Totals       `json:"totals"`
	Comparisons []Comparison `json:"comparisons,omitempty"`
	Sweeps      []Sweep      `json:"sweeps,omitempty"`
	Histories   []History    `json:"histories,omitempty"`
	Evidence    []Evidence   `json:"evidence,omitempty"`  // of a week: of confirmed changes
	Freshness   []Freshness  `json:"freshness,omitempty"` // of a week: which days have runs
	Preflight   []LogFinding `json:"preflight,omitempty"` // what the logs of the servers say, the gravest first
	Quality     *Quality     `json:"quality,omitempty"`   // where answers were judged
	Canary      *Canary      `json:"canary,omitempty"`    // where something speculates
	Resources   *Resources   `json:"resources,omitempty"` // energy, memory, clocks; nil where nothing was recorded of them
	Findings    []Finding    `json:"findings,omitempty"`
	SweepsLeft  int          `json:"sweeps_left_out,omitempty"` // groups of a week whose curves are not among Sweeps
	Checks      *Audit       `json:"-"`                         // every check's answers, for a picture
	Trace       *Trace       `json:"-"`                         // of a single run, for pictures
	Agreement   []Agreement  `json:"agreement,omitempty"`
	Unknown     []Unknown    `json:"unknown,omitempty"`
	Runs        []RunLine    `json:"runs,omitempty"`
	Notes       []string     `json:"notes,omitempty"`
}

// Totals count what the result rests on.
type Totals struct {
	Runs         int    `json:"runs"`
	Detailed     int    `json:"detailed"`      // runs with per-token times
	SummaryOnly  int    `json:"summary_only"`  // runs that carry only their tool's summary: listed, never compared
	Simulated    int    `json:"simulated"`     // runs made by a simulator
	ServerStarts int    `json:"server_starts"` // distinct, where known
	Requests     int64  `json:"requests"`
	Failed       int64  `json:"failed"`
	Gaps         int64  `json:"gaps"` // chunk gaps
	From         string `json:"from,omitempty"`
	To           string `json:"to,omitempty"` // first and last day, client wall clock
}

// A Group is what must be equal inside one sweep: one model on one piece of
// hardware along one serving path. Empty means not recorded.
type Group struct {
	Model    string `json:"model"`
	Hardware string `json:"hardware"`
	Path     string `json:"path,omitempty"`
}

// A Sweep holds the curves of one group, a series per runtime version, oldest
// version first.
type Sweep struct {
	// CurvesSQL yields the fits of all series and what follows from them, from the
	// table of curves; empty where nothing was fitted.
	CurvesSQL string   `json:"curves_sql,omitempty"`
	Group     Group    `json:"group"`
	Series    []Series `json:"series"`
	// Changes are what differs between the curves of consecutive versions; Pareto
	// says which load points trade throughput for latency best.
	Changes  []CurveChange `json:"changes,omitempty"`
	Pareto   []TradeOff    `json:"pareto,omitempty"`
	Warnings []string      `json:"warnings,omitempty"` // e.g. what varies inside the sweep though nobody grouped by it
}

// A Series is one runtime version's measurements along concurrency.
type Series struct {
	Version     string  `json:"version"` // runtime version; "unknown" where not recorded
	Simulated   bool    `json:"simulated"`
	Starts      int     `json:"starts"`           // replicates: distinct server starts, or runs where starts are unknown
	StartsKnown bool    `json:"starts_known"`     // starts were recorded
	Window      Window  `json:"window,omitempty"` // that means, and medians of TTFT and E2EL, are of; other percentiles are of whole runs
	Points      []Point `json:"points"`           // one per run
	Levels      []Level `json:"levels"`           // one per max concurrency
	Fits        []Fit   `json:"fits,omitempty"`
	Degradation *Ratio  `json:"degradation,omitempty"` // mean ITL at the highest level / at the lowest
	ITL         []ECDF  `json:"-"`                     // distribution of chunk gaps, one per level drawn
	// Objectives answer the service-level objectives that were asked about.
	Objectives []Objective `json:"objectives,omitempty"`
	// Predictions answer what the curves say at concurrencies that were asked about.
	Predictions []Prediction `json:"predictions,omitempty"`
	SQL         string       `json:"sql,omitempty"` // yields the numbers of Levels
	fitted      []fitted
	Notes       []string `json:"notes,omitempty"`
}

// An Objective is a service-level objective and the largest concurrency that met
// it.
type Objective struct {
	Text string `json:"slo"` // as asked: ttft_p99<500ms,itl_p99<50ms
	// Largest is the largest tested max concurrency at which every replicate met
	// all terms, at it and at all levels below; 0 where not even the lowest did.
	Largest int64 `json:"largest_max_concurrency"`
	// Fitted is the largest concurrency within all terms by the fitted curves, with
	// the interval of their bands; Lo is 0 and HasInterval false where an edge of
	// the band leaves the tested range.
	Fitted *Estimate `json:"fitted,omitempty"`
	// Beyond is true where every tested level met it: the limit was not found.
	Beyond   bool   `json:"beyond_tested_range"`
	Sentence string `json:"sentence"`
	// Terms are what all have to hold, each with how far its own curve keeps it.
	Terms []ObjectiveTerm `json:"terms"`
}

// An ObjectiveTerm is a metric that must stay below a limit.
type ObjectiveTerm struct {
	Metric string    `json:"metric"` // ttft_p99, itl_mean, …
	Limit  float64   `json:"limit_s"`
	Fitted *Estimate `json:"fitted,omitempty"` // largest concurrency within it by the fitted curve of the metric
	Binds  bool      `json:"binds,omitempty"`  // it is the first that fails, by the fitted curves
}

// A Point is one run's summary.
type Point struct {
	RunID          string  `json:"run_id"`
	Source         string  `json:"source"`
	Start          string  `json:"server_start,omitempty"`
	MaxConcurrency int64   `json:"max_concurrency"` // asked; 0: unlimited or unknown
	Concurrency    float64 `json:"concurrency"`     // achieved
	TTFTp50        float64 `json:"ttft_p50_s"`
	TTFTp99        float64 `json:"ttft_p99_s"`
	ITLMean        float64 `json:"itl_mean_s"`
	ITLp50         float64 `json:"itl_p50_s"`
	ITLp99         float64 `json:"itl_p99_s"`
	TPOTMean       float64 `json:"tpot_mean_s"`
	E2ELp50        float64 `json:"e2el_p50_s"`
	Output         float64 `json:"output_tokens_per_s"`
	RequestsPerS   float64 `json:"requests_per_s"`
	Requests       int64   `json:"requests"`
	Failed         int64   `json:"failed"`
}

// A Level summarises the runs of one load point: the geometric mean over
// replicates with its t interval.
type Level struct {
	MaxConcurrency int64    `json:"max_concurrency"`
	Runs           int      `json:"runs"`
	Requests       int64    `json:"requests"`
	Failed         int64    `json:"failed"`
	Concurrency    Estimate `json:"concurrency"`
	TTFTp50        Estimate `json:"ttft_p50_s"`
	TTFTp99        Estimate `json:"ttft_p99_s"`
	ITLMean        Estimate `json:"itl_mean_s"`
	ITLp99         Estimate `json:"itl_p99_s"`
	TPOTMean       Estimate `json:"tpot_mean_s"`
	E2ELp50        Estimate `json:"e2el_p50_s"`
	Output         Estimate `json:"output_tokens_per_s"`
	Notes          []string `json:"notes,omitempty"` // e.g. "asked 32, achieved 19.2"
}

// A Fit is a model fitted to the points of a series, or the reason why none was.
type Fit struct {
	Metric   string      `json:"metric"` // itl, output_throughput
	Model    string      `json:"model"`  // "affine", "usl"
	Formula  string      `json:"formula"`
	Params   []Param     `json:"params,omitempty"`
	Derived  []Param     `json:"derived,omitempty"` // knee, peak, …
	Band     []BandPoint `json:"-"`
	Warnings []string    `json:"warnings,omitempty"`
	Refused  string      `json:"refused,omitempty"` // why there is no fit
	// Considered are the models that were fitted, by AICc. BreakP is the bootstrap
	// p-value of a breakpoint, where one was considered.
	Considered []Considered `json:"considered,omitempty"`
	BreakP     float64      `json:"breakpoint_p,omitempty"`
	Residuals  []float64    `json:"-"` // log(observed / fitted), in the order of the points that have a value and a concurrency
}

// Considered is a model that was weighed against others.
type Considered struct {
	Model       string  `json:"model"`
	AICc        float64 `json:"aicc"`
	LeaveOneOut float64 `json:"leave_one_level_out"` // relative error at levels that it was not fitted to
	Chosen      bool    `json:"chosen,omitempty"`
	Reason      string  `json:"reason,omitempty"` // why it was not chosen
}

// A Prediction is what fitted curves say at a concurrency that was asked about.
type Prediction struct {
	Metric      string   `json:"metric"`
	Concurrency float64  `json:"concurrency"`
	Value       Estimate `json:"estimate"`
}

// A CurveChange is a quantity of two versions' curves.
type CurveChange struct {
	Metric    string   `json:"metric"`
	Quantity  string   `json:"quantity"` // base, slope, onset, knee, limit, peak, …
	Meaning   string   `json:"meaning"`
	Baseline  string   `json:"baseline"` // versions
	Candidate string   `json:"candidate"`
	Ratio     Estimate `json:"ratio"`
	Changed   bool     `json:"changed"`
	Note      string   `json:"note,omitempty"`
}

// A TradeOff is a load point on the trade of throughput for latency.
type TradeOff struct {
	Version        string   `json:"version"`
	MaxConcurrency int64    `json:"max_concurrency"`
	Output         Estimate `json:"output_tokens_per_s"`
	TPOT           Estimate `json:"tpot_mean_s"`
	Standing       string   `json:"standing"` // on the front, undecided, dominated
	By             string   `json:"by,omitempty"`
}

// A Param is a named quantity of a fit.
type Param struct {
	Name    string   `json:"name"`
	Meaning string   `json:"meaning"`
	Unit    string   `json:"unit"`
	Value   Estimate `json:"estimate"`
	// Text replaces the value where there is none, e.g. "no downturn within the tested range".
	Text string `json:"text,omitempty"`
}

// A BandPoint is a fitted value with its confidence band, at concurrency X.
type BandPoint struct{ X, Y, Lo, Hi float64 }

// A Ratio is a quotient of two measurements that names both.
type Ratio struct {
	Metric      string   `json:"metric"`
	Numerator   Estimate `json:"numerator"`
	Denominator Estimate `json:"denominator"`
	FromLevel   int64    `json:"from_max_concurrency"`
	ToLevel     int64    `json:"to_max_concurrency"`
	Value       Estimate `json:"ratio"`
}

// An ECDF is an empirical distribution: share P[i] of the values is at most
// X[i], in seconds.
type ECDF struct {
	MaxConcurrency int64
	N              int64
	X, P           []float64
}

// A Verdict is the answer of a comparison.
type Verdict string

// The verdicts.
const (
	Regressed    Verdict = "regressed"
	NotRegressed Verdict = "not regressed"
	Improved     Verdict = "improved"
	Inconclusive Verdict = "inconclusive"
	// Suspect: a single run of the candidate lies beyond what its history leads to
	// expect. It is the worst that one run can be called.
	Suspect Verdict = "suspect"
	// Invalid: the values of a metric cannot be compared.
	Invalid Verdict = "invalid"
	// NotComparable: the arms differ in more than the factor under test, or one
	// of them cannot be trusted. No statistics were done.
	NotComparable Verdict = "not comparable"
)

// Gravity orders verdicts by how urgently somebody must look, the most urgent first.
func (v Verdict) Gravity() int {
	order := []Verdict{Regressed, NotComparable, Invalid, Suspect, Inconclusive, Improved, NotRegressed}
	if i := slices.Index(order, v); i >= 0 {
		return i
	}
	return len(order)
}

// An Arm is one side of a comparison.
type Arm struct {
	Label       string `json:"label"` // e.g. runtime_version=0.19.0
	Runs        int    `json:"runs"`
	Starts      int    `json:"starts"`
	StartsKnown bool   `json:"starts_known"`
	Simulated   bool   `json:"simulated"`
}

// A Comparison is a baseline against a candidate within one group.
type Comparison struct {
	Group     Group        `json:"group"`
	Baseline  Arm          `json:"baseline"`
	Candidate Arm          `json:"candidate"`
	Verdict   Verdict      `json:"verdict"` // over the family of metrics
	Sentence  string       `json:"sentence"`
	Weak      bool         `json:"weak,omitempty"`              // rests on Welch's test with three starts of a side
	Levels    []int64      `json:"max_concurrencies,omitempty"` // levels both arms ran
	Window    Window       `json:"window,omitempty"`            // that the numbers are of
	Metrics   []MetricDiff `json:"metrics,omitempty"`
	Rates     []RateDiff   `json:"rates,omitempty"`  // shares, such as that of failed requests
	Stalls    *StallDiff   `json:"stalls,omitempty"` // starts that stand apart from their side's others
	Gate      *Gate        `json:"gate,omitempty"`   // how p-values were adjusted, and over how many
	// History is the number of starts that a single run was held against; 0 where
	// both sides have several.
	History  int      `json:"history_starts,omitempty"`
	Refusals []string `json:"refusals,omitempty"`
	Allowed  []string `json:"allowed,omitempty"` // what would have been a refusal, and was allowed
	// Incomplete says what is missing: without it nothing is called "not regressed"
	// or "improved".
	Incomplete []string `json:"incomplete,omitempty"`
	// Context says what is under test, what the numbers are of, and what is not
	// known to be equal.
	Context []string `json:"context,omitempty"`
	// Fingerprint says what the sides have in common besides their group.
	Fingerprint *Fingerprint `json:"fingerprint,omitempty"`
	// Quality is how right the answers of both sides were, where they were judged.
	Quality *QualityPair `json:"quality,omitempty"`
	// Broken are the baseline's server starts that are left out because their answers
	// were broken.
	Broken   []string `json:"broken_output,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	Method   string   `json:"method"`
}

// A MetricDiff compares one metric over the whole curve: the mean over levels of
// log values, one number a replicate. Its cells are the same at single levels.
type MetricDiff struct {
	Metric    string         `json:"metric"` // schemas.Metric.ID
	Statistic string         `json:"statistic"`
	Name      string         `json:"name"` // "TTFT p50"
	Unit      string         `json:"unit"`
	Better    schemas.Better `json:"better"`
	// Verdict is regressed if that on the curve or on any cell is; else it is that
	// on the curve.
	Verdict      Verdict   `json:"verdict"`
	CurveVerdict Verdict   `json:"curve_verdict"`
	CurveLevels  []int64   `json:"curve_max_concurrencies,omitempty"` // that the curve is a mean over
	Crossing     *Crossing `json:"sign_change,omitempty"`             // better at some levels, worse at others
	Baseline     Estimate  `json:"baseline"`
	Candidate    Estimate  `json:"candidate"`
	Change
	Method string     `json:"method"`
	Cells  []CellDiff `json:"cells,omitempty"`
}

// A Change is an effect with all that says how sure it is. Numbers that could
// not be had are NaN.
type Change struct {
	Ratio     Estimate `json:"ratio"` // candidate / baseline; its confidence is the level that the interval has
	P         float64  `json:"p"`
	PAdjusted float64  `json:"p_adjusted"`           // for the whole family: what the verdict rests on
	FDR       float64  `json:"false_discovery_rate"` // Benjamini-Hochberg, for information
	// WorseAtMost is the worsening that is excluded, relative, one-sided at 95 %;
	// negative where an improvement is shown.
	WorseAtMost float64  `json:"worse_at_most"`
	Detectable  float64  `json:"smallest_detectable_effect"` // relative; NaN where unknown
	Margin      float64  `json:"margin"`                     // relative worsening that "not regressed" rules out
	RunsNeeded  int      `json:"runs_needed,omitempty"`      // per arm, to settle an inconclusive verdict
	RunSD       float64  `json:"run_sd"`                     // of log values between the starts of a side
	Weak        bool     `json:"weak,omitempty"`
	Notes       []string `json:"notes,omitempty"`
}

// A CellDiff is the same comparison at one level: where along the curve. Its p
// is adjusted for all cells and curves of the family; its interval is not.
type CellDiff struct {
	MaxConcurrency int64    `json:"max_concurrency"`
	Verdict        Verdict  `json:"verdict"`
	Baseline       Estimate `json:"baseline"`
	Candidate      Estimate `json:"candidate"`
	Change
}

// A Crossing lists the levels at which a metric changed in either direction, each
// beyond doubt.
type Crossing struct {
	Worse  []int64 `json:"worse_at"`
	Better []int64 `json:"better_at"`
}

// A RateDiff compares a share over all levels, such as that of failed requests:
// as a difference, because shares are often zero.
type RateDiff struct {
	Metric  string  `json:"metric"`
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	RateChange
	Cells []RateCell `json:"cells,omitempty"`
}

// A RateChange is the effect on a share.
type RateChange struct {
	Baseline   float64 `json:"baseline"` // mean share over the starts
	Candidate  float64 `json:"candidate"`
	NBaseline  int     `json:"baseline_starts"`
	NCandidate int     `json:"candidate_starts"`
	// Difference is candidate - baseline for a typical start, by Hodges-Lehmann.
	Difference Estimate `json:"difference"`
	P          float64  `json:"p"`
	PAdjusted  float64  `json:"p_adjusted"`
	Detectable float64  `json:"smallest_detectable_difference"`
	Margin     float64  `json:"margin"`
	Notes      []string `json:"notes,omitempty"`
}

// A RateCell is a share at one level.
type RateCell struct {
	MaxConcurrency int64   `json:"max_concurrency"`
	Verdict        Verdict `json:"verdict"`
	RateChange
}

// A StallDiff compares how many starts of each side stalled: they stand apart
// from their side's others on the bad side of some metric. That a version does
// not stall more often cannot be shown with any practicable number of starts, so
// an inconclusive verdict here leaves that of the comparison alone.
type StallDiff struct {
	Baseline  []string `json:"baseline"` // the starts that stalled
	Candidate []string `json:"candidate"`
	P         float64  `json:"p"`
	PAdjusted float64  `json:"p_adjusted"`
	// RateAtMost is the candidate's rate of stalls that is excluded, one-sided at
	// 95 % (Clopper & Pearson).
	RateAtMost float64 `json:"candidate_rate_at_most"`
	Verdict    Verdict `json:"verdict"`
}

// A Gate says how the p-values of a report were adjusted.
type Gate struct {
	Method       string `json:"method"`
	Tests        int    `json:"tests"` // over all comparisons of the report
	Permutations int    `json:"permutations,omitempty"`
	Exact        bool   `json:"exact"` // all permutations were counted
}

// A Finding is a truth check with its outcome.
type Finding struct {
	Check   string   `json:"check"`   // T1, T2, …
	Verdict string   `json:"verdict"` // WARN, FAIL
	Subject string   `json:"subject"` // which load point or run, in words
	Message string   `json:"message"` // what was found, with the formula's values
	Do      string   `json:"do"`      // what to do about it
	RunIDs  []string `json:"run_ids"`
}

// An Agreement says how one number of the tools' own summaries compares with
// ours, over all runs.
type Agreement struct {
	Key      string  `json:"key"` // e.g. mean_ttft_ms
	Compared int     `json:"compared"`
	Equal    int     `json:"equal"` // within 1e-6, the file's rounding apart
	MaxDev   float64 `json:"max_relative_deviation"`
	Why      string  `json:"why,omitempty"` // why some differ
	Where    string  `json:"where,omitempty"`
}

// An Unknown is an identity value that some runs lack.
type Unknown struct {
	Column string `json:"column"`
	Runs   int    `json:"runs"`
	Of     int    `json:"of"`
	Hint   string `json:"hint"`
}

// A RunLine is one line of the appendix.
type RunLine struct {
	RunID      string   `json:"run_id"`
	Source     string   `json:"source"`
	Version    string   `json:"runtime_version"`
	Model      string   `json:"model"`
	Load       string   `json:"load"` // "c=32", "5 requests/s"
	Start      string   `json:"server_start,omitempty"`
	StartedAt  string   `json:"started_at,omitempty"`
	Provenance string   `json:"provenance,omitempty"` // where runtime_version came from
	Detailed   bool     `json:"detailed"`
	Stalls     *float64 `json:"stall_share,omitempty"` // chunk gaps above ten times their median, of all; in the report of one run
	Notes      []string `json:"notes,omitempty"`       // what the reader of the file noticed
}
