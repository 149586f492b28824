package analyze

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/servestat/servestat/analyze/history"
	"github.com/servestat/servestat/analyze/sample"
	"github.com/servestat/servestat/schemas"
)

// HistoryOptions choose what to look for. The zero value takes defaults.
type HistoryOptions struct {
	Metrics []string // as MetricKeys has them, without failure_rate; empty: all
	Order   Order    // empty: by date where every run has one and versions follow them, else by version

	only func(g Group, name string, level int64) bool // nil: every metric at every level
}

// Order is what the runs of a history are put in order by.
type Order string

// The orders.
const (
	ByDate    Order = "date"
	ByVersion Order = "version"
)

// A History is one metric at one level over versions and dates: one point a
// server start.
type History struct {
	Group          Group          `json:"group"`
	Workload       string         `json:"workload,omitempty"` // what tells it from other series of the group
	MaxConcurrency int64          `json:"max_concurrency"`
	Metric         string         `json:"metric"`
	Statistic      string         `json:"statistic"`
	Name           string         `json:"name"`
	Unit           string         `json:"unit"`
	Better         schemas.Better `json:"better"`
	Order          Order          `json:"order"`
	Window         Window         `json:"window"`
	Points         []PastPoint    `json:"points"`
	ChangePoints   []ChangePoint  `json:"change_points"`
	Drifts         []Drift        `json:"drifts,omitempty"`
	Levels         []PastLevel    `json:"levels"`
	// Spikes are points that stand apart from their level. One start, however far
	// off, is no change of level.
	Spikes []Spike `json:"spikes,omitempty"`
	// P is that of no change in the whole series, FDR the same over all series that
	// were looked at together, and Discovery says that it is at most 5 %.
	P         float64  `json:"p"`
	FDR       float64  `json:"false_discovery_rate"`
	Discovery bool     `json:"discovery"`
	Warnings  []string `json:"warnings,omitempty"`
}

// A PastPoint is one server start.
type PastPoint struct {
	RunID    string    `json:"run_id"`
	Start    string    `json:"server_start,omitempty"`
	Version  string    `json:"runtime_version"`
	Time     time.Time `json:"started_at,omitzero"`
	Value    float64   `json:"value"`
	Excluded string    `json:"excluded,omitempty"` // why it does not count
}

// String names a point by what a person looks it up with.
func (p PastPoint) String() string {
	if p.Time.IsZero() {
		return p.Version
	}
	return p.Version + " of " + p.Time.Format("2006-01-02")
}

// A ChangePoint is a step in the level of a metric.
type ChangePoint struct {
	At       PastPoint `json:"at"`       // the first start of the new level
	Earliest PastPoint `json:"earliest"` // the interval that the first start of the new level lies in
	Latest   PastPoint `json:"latest"`
	Previous PastPoint `json:"previous"` // the last start before At that counts
	Level    float64   `json:"location_confidence"`
	Verdict  Verdict   `json:"verdict"` // regressed or improved: the direction
	Ratio    Estimate  `json:"ratio"`   // new level / old level
	NBefore  int       `json:"starts_before"`
	NAfter   int       `json:"starts_after"`
	P        float64   `json:"p"`          // of its segment, the search paid for
	Adjusted float64   `json:"p_adjusted"` // for the whole series
	InDrift  bool      `json:"in_drift,omitempty"`
	// Changed is what else changed there; it need not be the cause.
	Changed []AttributeChange `json:"changed,omitempty"`
	Notes   []string          `json:"notes,omitempty"`
}

// An AttributeChange is something recorded of runs that is not the same on both
// sides of a change point.
type AttributeChange struct {
	Key    string `json:"key"`
	Kind   string `json:"kind"` // differs, unknown, varies
	Before string `json:"before"`
	After  string `json:"after"`
}

func (c AttributeChange) String() string {
	return fmt.Sprintf("%s: %s → %s", c.Key, c.Before, c.After)
}

// A Drift is a steady change in one direction.
type Drift struct {
	From     PastPoint `json:"from"`
	To       PastPoint `json:"to"`
	Verdict  Verdict   `json:"verdict"` // regressed or improved: the direction
	Rate     Estimate  `json:"rate"`    // factor per unit
	Unit     string    `json:"per"`     // week, or run where there are no dates
	Total    Estimate  `json:"total"`   // factor from the first to the last
	P        float64   `json:"p"`
	Adjusted float64   `json:"p_adjusted"`
	Notes    []string  `json:"notes,omitempty"`
}

// A PastLevel is a stretch of starts without a change.
type PastLevel struct {
	First PastPoint `json:"first"`
	Last  PastPoint `json:"last"`
	Runs  int       `json:"starts"`
	Value float64   `json:"value"` // geometric median
}

// A Spike is a start that stands apart.
type Spike struct {
	At    PastPoint `json:"at"`
	Ratio float64   `json:"ratio"` // to the median of its level
}

// Histories finds what changed in the history of every metric at every level of
// every group and workload in d. Runs that a truth check forbids to use are shown
// and do not count.
func Histories(d *Data, opts HistoryOptions) ([]History, error) {
	var pasts []past
	groups := byGroup(d.Only(func(r *Run) bool { return r.Bench == "serve" && r.Detailed && r.closedLoop() }).Runs)
	for _, g := range sortedGroups(groups) {
		workloads := byWorkload(groups[g])
		for _, w := range slices.Sorted(maps.Keys(workloads)) {
			name := w
			if len(workloads) == 1 {
				name = ""
			}
			pasts = append(pasts, newPasts(g, name, workloads[w], opts)...)
		}
	}
	series := make([]history.Series, len(pasts))
	for i := range pasts {
		series[i] = pasts[i].series
	}
	found, err := history.DetectAll(series, history.Options{})
	if err != nil {
		return nil, err
	}
	out := make([]History, len(pasts))
	for i, p := range pasts {
		out[i] = p.with(found[i])
	}
	return out, nil
}

// byWorkload divides runs by what changes the meaning of their numbers.
func byWorkload(runs []*Run) map[string][]*Run {
	out := map[string][]*Run{}
	for _, r := range runs {
		var parts []string
		for _, f := range factors {
			if v, ok := f.value(r); ok && f.kind == meaning {
				parts = append(parts, v)
			}
		}
		key := strings.Join(parts, ", ")
		out[key] = append(out[key], r)
	}
	return out
}

// A past is a series while it is looked at.
type past struct {
	History
	series history.Series
}

// newPasts are the series of one workload: one a level and metric.
func newPasts(g Group, workload string, runs []*Run, opts HistoryOptions) []past {
	usable, spoiled := divide(runs)
	window, sets := inSteadyWindow(usable)
	order := opts.Order
	if order == "" {
		order = naturalOrder(runs)
	}
	all := newArm(slices.Concat(sets[0], spoiled))
	starts := all.inOrderOf(order)
	lengths := usualLengths(newArm(sets[0]))
	var out []past
	for _, level := range all.levels() {
		for _, m := range measures {
			if len(opts.Metrics) > 0 && !slices.Contains(opts.Metrics, m.key()) {
				continue
			}
			if opts.only != nil && !opts.only(g, m.name, level) {
				continue
			}
			def := m.definition()
			p := past{History: History{
				Group: g, Workload: workload, MaxConcurrency: level, Metric: m.metric, Statistic: m.statistic, Name: m.name,
				Unit: def.Unit, Better: def.Better, Order: order, Window: window,
			}}
			p.series.Name = fmt.Sprintf("%s, %s at max concurrency %d", g, m.name, level)
			for _, start := range starts {
				p.add(start, all.cells[start.key][level], m, lengths[level])
			}
			if p.counting() > 0 {
				out = append(out, p)
			}
		}
	}
	return out
}

// divide tells runs that may count from those that may not.
func divide(runs []*Run) (usable, spoiled []*Run) {
	for _, r := range runs {
		if r.usable() {
			usable = append(usable, r)
		} else {
			spoiled = append(spoiled, r)
		}
	}
	return usable, spoiled
}

// naturalOrder is by date where every run has one and no later run is of an
// older version: then both orders are the same but for the runs of one version.
func naturalOrder(runs []*Run) Order {
	newest := ""
	for _, r := range inOrder(runs) {
		if !r.StartedAt.Valid || r.version() == unknownVersion && newest != "" && newest != unknownVersion {
			return ByVersion
		}
		if newest != "" && compareVersions(r.version(), newest) < 0 {
			return ByVersion
		}
		newest = r.version()
	}
	return ByDate
}

// A pastStart is a start with when its first run was made.
type pastStart struct {
	key string
	at  time.Time
}

// inOrderOf are the starts by when the first run of each was made, or by version
// first.
func (a *arm) inOrderOf(order Order) []pastStart {
	first := map[string]*Run{}
	for _, start := range a.starts {
		for _, level := range a.levels() {
			for _, r := range a.cells[start][level] {
				if f := first[start]; f == nil || inOrder([]*Run{f, r})[0] == r {
					first[start] = r
				}
			}
		}
	}
	keys := slices.Clone(a.starts)
	slices.SortStableFunc(keys, func(x, y string) int {
		byVersion := 0
		if order == ByVersion {
			byVersion = compareVersions(first[x].version(), first[y].version())
		}
		return cmp.Or(byVersion, first[x].StartedAt.Time.Compare(first[y].StartedAt.Time), strings.Compare(x, y))
	})
	out := make([]pastStart, len(keys))
	for i, key := range keys {
		out[i] = pastStart{key, first[key].StartedAt.Time}
	}
	return out
}

// lengths are the mean prompt and output lengths that most runs of a level have.
type lengths struct{ input, output float64 }

func usualLengths(a *arm) map[int64]lengths {
	out := map[int64]lengths{}
	for _, level := range a.levels() {
		var in, outs []float64
		for _, r := range a.atLevel(level) {
			if v := meanInput([]*Run{r}); !math.IsNaN(v) {
				in = append(in, v)
			}
			if v := meanOutput([]*Run{r}); !math.IsNaN(v) {
				outs = append(outs, v)
			}
		}
		out[level] = lengths{sample.Quantile(in, 0.5), sample.Quantile(outs, 0.5)}
	}
	return out
}

// add adds a start, if it has runs of this level.
func (p *past) add(start pastStart, runs []*Run, m measure, usual lengths) {
	if len(runs) == 0 {
		return
	}
	point := PastPoint{RunID: runs[0].RunID, Start: runs[0].ServerStart.V, Version: runs[0].version(), Time: runs[0].StartedAt.Time, Value: math.NaN()}
	value, ok := fold(runs, m.of)
	switch why := whyNotCounted(runs, usual); {
	case why != "":
		point.Excluded = why
	case !ok:
		point.Excluded = "no " + m.name
	}
	if ok {
		point.Value = value
	}
	run := history.Run{ID: point.RunID, Value: value, Excluded: point.Excluded, Attributes: attributes(runs), Block: point.Version}
	if p.Order == ByDate {
		run.Time, run.Block = start.at, point.Version+" "+start.at.Format("2006-01-02")
	}
	p.Points, p.series.Runs = append(p.Points, point), append(p.series.Runs, run)
}

func (p *past) counting() int {
	n := 0
	for _, point := range p.Points {
		if point.Excluded == "" {
			n++
		}
	}
	return n
}

// whyNotCounted says why a start may not count at a level; empty where it may.
func whyNotCounted(runs []*Run, usual lengths) string {
	for _, r := range runs {
		switch {
		case r.allFailed():
			return "no request completed"
		case !r.usable():
			return "audit failed: " + r.whyUnusable(nil)
		}
	}
	off := func(v, usual float64) bool { return math.Abs(v-usual) > workloadTolerance*math.Max(v, usual) }
	switch in, out := meanInput(runs), meanOutput(runs); {
	case off(in, usual.input):
		return fmt.Sprintf("another workload: mean prompt length %.1f, usually %.1f", in, usual.input)
	case off(out, usual.output):
		return fmt.Sprintf("another workload: mean output length %.1f, usually %.1f", out, usual.output)
	}
	return ""
}

// attributes are what is recorded of a start and may have to do with a change.
func attributes(runs []*Run) map[string]string {
	out := map[string]string{}
	for _, f := range slices.Concat(allFactors(runs), labelFactors(runs)) {
		if values := valuesOf(runs, f.value); f.kind != meaning && len(values) > 0 {
			out[f.key] = strings.Join(values, ", ")
		}
	}
	return out
}

// with is the history with what was found in it.
func (p past) with(found history.Result) History {
	h := p.History
	h.P, h.FDR, h.Discovery = found.P, found.FDR, found.Discovery
	h.ChangePoints = []ChangePoint{}
	for i, c := range found.ChangePoints {
		h.ChangePoints = append(h.ChangePoints, p.changePoint(c, history.WhatChanged(p.series, found, i)))
	}
	for _, d := range found.Drifts {
		h.Drifts = append(h.Drifts, p.drift(d))
	}
	for _, l := range found.Levels {
		h.Levels = append(h.Levels, PastLevel{First: p.Points[l.First], Last: p.Points[l.Last], Runs: l.Runs, Value: l.Value})
	}
	if len(found.Drifts) == 0 {
		h.Spikes = p.spikes(found)
	}
	for _, w := range found.Warnings {
		if w.Code != history.NoDates || p.Order == ByDate { // in the order of versions dates do not matter
			h.Warnings = append(h.Warnings, w.Text)
		}
	}
	return h
}

func (p past) changePoint(c history.ChangePoint, changed []history.AttributeChange) ChangePoint {
	out := ChangePoint{
		At: p.Points[c.Index], Earliest: p.Points[c.Location.Low], Latest: p.Points[c.Location.High], Previous: p.Points[c.Previous],
		Level: c.Location.Level, Verdict: p.direction(c.Ratio.Value), Ratio: pastRatio(c.Ratio), NBefore: c.Ratio.NBefore, NAfter: c.Ratio.NAfter,
		P: c.P, Adjusted: c.AdjustedP, InDrift: c.InDrift, Notes: warningTexts(c.Warnings),
	}
	for _, a := range changed {
		if a.Kind == history.Varies && manyValues(a.Before) && manyValues(a.After) {
			continue // it varies from run to run anyway
		}
		out.Changed = append(out.Changed, AttributeChange{Key: a.Key, Kind: string(a.Kind), Before: a.Before, After: a.After})
	}
	return out
}

// manyValues reports whether the words for a side say that it has several values.
func manyValues(words string) bool { return strings.HasSuffix(words, " values") }

func (p past) drift(d history.Drift) Drift {
	return Drift{
		From: p.Points[d.From], To: p.Points[d.To], Verdict: p.direction(d.Total.Value), Rate: pastRatio(d.Rate), Unit: string(d.Unit),
		Total: pastRatio(d.Total), P: d.P, Adjusted: d.AdjustedP, Notes: warningTexts(d.Warnings),
	}
}

// direction is which way a ratio goes for the metric.
func (p past) direction(ratio float64) Verdict {
	if worseLog(p.Better, ratio) > 0 {
		return Regressed
	}
	return Improved
}

func pastRatio(r history.Ratio) Estimate {
	return withInterval(Estimate{Value: r.Value, N: min(r.NBefore, r.NAfter)}, r.CI, nil)
}

// spikes are the starts that stand apart from the level that they are in.
func (p past) spikes(found history.Result) []Spike {
	arms := make([][]float64, len(found.Levels))
	points := make([][]PastPoint, len(found.Levels))
	for i, l := range found.Levels {
		for _, point := range p.Points[l.First : l.Last+1] {
			if point.Excluded == "" {
				arms[i], points[i] = append(arms[i], point.Value), append(points[i], point)
			}
		}
	}
	var out []Spike
	for i, m := range sample.FindMixture(arms...).Arms {
		apart := slices.Sorted(slices.Values(slices.Concat(m.Slow, m.Fast)))
		for _, at := range apart {
			out = append(out, Spike{At: points[i][at], Ratio: points[i][at].Value / found.Levels[i].Value})
		}
	}
	return out
}

func warningTexts(ws []history.Warning) []string {
	var out []string
	for _, w := range ws {
		out = append(out, w.Text)
	}
	return out
}
