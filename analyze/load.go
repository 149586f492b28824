package analyze

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/audit"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas"
)

// Data are the runs of a selection with their summaries.
type Data struct {
	Selection string // SQL condition over runs; empty: all
	Runs      []*Run
	db        *query.DB
	known     *knowledge // of their servers; shared by the parts of a selection
	whole     int        // how many runs the selection has; Runs may be fewer
	levels    []float64  // of the percentiles that were recomputed of requests; nil: none was
}

// A Run is a run as analysis sees it. Sum is nil for a run without per-request
// times. Copies of a Run share its identity.
type Run struct {
	*query.RunIdentity
	Sum    *query.RunSummary
	Checks *query.RunChecks
	server *serverSide     // nil: nobody looked
	clocks *ClockUse       // nil: not known
	limits []ClockLimit    // of the clocks, the worst first
	fired  []audit.Finding // what the checks of it warn of and fail
	// Statistics that its tool may have reported, where they were asked for.
	recomputed []query.Recomputed
}

// Load reads the runs of db that satisfy the SQL condition where. The Data
// refers to db, which must stay open.
func Load(ctx context.Context, db *query.DB, where string) (*Data, error) {
	return loadWith(ctx, db, where, func(*Data) []float64 { return nil })
}

// LoadForWeek is [Load], and asks with the rest what [Weekly] sets beside the summaries
// of tools.
func LoadForWeek(ctx context.Context, db *query.DB, where string) (*Data, error) {
	return loadWith(ctx, db, where, (*Data).percentileLevels)
}

func loadWith(ctx context.Context, db *query.DB, where string, levels func(*Data) []float64) (*Data, error) {
	ids, err := db.RunIdentities(ctx, where)
	if err != nil {
		return nil, err
	}
	d := &Data{Selection: where, db: db, known: &knowledge{}, whole: len(ids)}
	for i := range ids {
		d.Runs = append(d.Runs, &Run{RunIdentity: &ids[i]})
	}
	d.levels = levels(d)
	if err := d.measure(ctx); err != nil {
		return nil, err
	}
	servers, err := serverSides(ctx, db, where, ids)
	if err != nil {
		return nil, err
	}
	for _, r := range d.Runs {
		r.server = servers[r.RunID]
	}
	clocks, err := clocksOf(ctx, db, d.Runs)
	if err != nil {
		return nil, err
	}
	onAllCores(len(d.Runs), func(i int) {
		r := d.Runs[i]
		r.clocks, r.limits = clocks[r.RunID].Clocks, clocks[r.RunID].Limits
		r.check()
	})
	judged, err := db.HasAnswers(ctx)
	if err != nil || !judged {
		return d, err
	}
	_, err = d.know(ctx)
	return d, err
}

// measure asks for the summaries and the checks of all runs, and recomputes what it is
// to recompute.
func (d *Data) measure(ctx context.Context) error {
	at := make(map[string]*Run, len(d.Runs))
	for _, r := range d.Runs {
		at[r.RunID] = r
	}
	return d.inParts(ctx, func(db *query.DB, where string) error {
		sums, err := db.RunSummaries(ctx, where)
		if err != nil {
			return err
		}
		for i := range sums {
			if r := at[sums[i].RunID]; r != nil {
				r.Sum = &sums[i]
			}
		}
		checks, err := db.RunChecks(ctx, where)
		if err != nil {
			return err
		}
		for i := range checks {
			if r := at[checks[i].RunID]; r != nil {
				r.Checks = &checks[i]
			}
		}
		if d.levels == nil {
			return nil
		}
		recomputed, err := db.RecomputedOfRequests(ctx, where, d.levels)
		for _, v := range recomputed {
			if r := at[v.RunID]; r != nil {
				r.recomputed = append(r.recomputed, v)
			}
		}
		return err
	})
}

// partRequests is how many requests are looked at at a time: their times in order
// are what takes the most memory of a question. With twice as many, a week of 10,000
// load points takes 539 MiB instead of 488, and no less time to speak of; nor does it
// where two parts are asked side by side, in 520 MiB.
const partRequests = 100_000

// inParts asks a question of all runs, so many at a time that the answer to it does
// not take memory that grows with the lake. A selection that is one part is asked as
// it stands.
func (d *Data) inParts(ctx context.Context, ask func(db *query.DB, where string) error) error {
	if len(d.Runs) == 0 {
		return nil
	}
	parts := d.parts()
	if len(parts) == 1 && len(d.Runs) == d.whole {
		return ask(d.db, d.Selection)
	}
	for _, ids := range parts {
		if err := askPart(ctx, d.db, ids, ask); err != nil {
			return err
		}
	}
	return nil
}

func askPart(ctx context.Context, db *query.DB, ids []string, ask func(*query.DB, string) error) error {
	part, err := db.Of(ctx, ids)
	if err != nil {
		return err
	}
	return errors.Join(ask(part, ""), part.Close())
}

// parts cuts the runs, by run id, by how many requests they have. Blocks are in that
// order, so that a part is read from a part of them.
func (d *Data) parts() [][]string {
	parts := [][]string{nil}
	requests := int64(0)
	for _, r := range slices.SortedFunc(slices.Values(d.Runs), func(a, b *Run) int { return strings.Compare(a.RunID, b.RunID) }) {
		n := max(r.Requests.V, 1)
		if requests > 0 && requests+n > partRequests {
			parts, requests = append(parts, nil), 0
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], r.RunID)
		requests += n
	}
	return parts
}

// Only returns the runs that keep says to, sharing them with d.
func (d *Data) Only(keep func(*Run) bool) *Data {
	out := &Data{Selection: d.Selection, db: d.db, known: d.known, whole: d.whole, levels: d.levels}
	for _, r := range d.Runs {
		if keep(r) {
			out.Runs = append(out.Runs, r)
		}
	}
	return out
}

func (r *Run) group() Group {
	return Group{Model: r.Model.V, Hardware: r.Hardware.V, Path: r.PathLabel.V}
}

// unknownVersion stands for a runtime version that was not recorded.
const unknownVersion = "unknown"

func (r *Run) version() string {
	if !r.RuntimeVersion.Valid {
		return unknownVersion
	}
	return r.RuntimeVersion.V
}

// closedLoop reports whether the run kept a number of requests in flight, rather
// than offering them at a rate.
func (r *Run) closedLoop() bool {
	return r.MaxConcurrency.Valid && (!r.RequestRate.Valid || math.IsInf(r.RequestRate.V, 1))
}

// usable reports whether the run's times may enter curves and comparisons.
func (r *Run) usable() bool { return r.measured() && r.spoiledBy(nil) == nil }

// onCurve reports whether the run has a place on a curve.
func (r *Run) onCurve() bool { return r.usable() && r.closedLoop() }

// measured reports whether the run has latencies at all.
func (r *Run) measured() bool {
	return r.Sum != nil && r.Bench == "serve" && r.Sum.Completed > 0 && r.Sum.TTFTp50.Valid
}

// spoiledBy returns the check that forbids to use the run's times, if any does
// that is not allowed.
func (r *Run) spoiledBy(allowed allowances) *audit.Finding {
	for i, f := range r.fired {
		if f.Severity == audit.Fail && !allowed.has(checkKey(f.Check)) {
			return &r.fired[i]
		}
	}
	return nil
}

// load names the run's load point.
func (r *Run) load() string {
	var parts []string
	if r.MaxConcurrency.Valid {
		parts = append(parts, fmt.Sprintf("c=%d", r.MaxConcurrency.V))
	}
	if r.RequestRate.Valid && !math.IsInf(r.RequestRate.V, 1) {
		parts = append(parts, fmt.Sprintf("%g requests/s", r.RequestRate.V))
	}
	if len(parts) == 0 {
		return "all at once"
	}
	return strings.Join(parts, ", ")
}

// A measure is a number of a run that curves and comparisons use.
type measure struct {
	metric, statistic, name string
	value                   func(*query.RunSummary) query.Number
}

// measures are those of a run, in order of presentation: twelve, of which the tails
// exist where a run has values enough.
var measures = []measure{
	{"ttft", "p50", "TTFT p50", func(s *query.RunSummary) query.Number { return s.TTFTp50 }},
	{"ttft", p95, "TTFT p95", func(s *query.RunSummary) query.Number { return enough(s.TTFTp95, s.Completed, p95Floor) }},
	{"ttft", p99, "TTFT p99", func(s *query.RunSummary) query.Number { return enough(s.TTFTp99, s.Completed, p99Floor) }},
	{"itl", "mean", "ITL mean", func(s *query.RunSummary) query.Number { return s.ITLMean }},
	{"itl", "p50", "ITL p50", func(s *query.RunSummary) query.Number { return s.ITLp50 }},
	{"itl", p95, "ITL p95", func(s *query.RunSummary) query.Number { return enough(s.ITLp95, s.Gaps.V, p95Floor) }},
	{"itl", p99, "ITL p99", func(s *query.RunSummary) query.Number { return enough(s.ITLp99, s.Gaps.V, p99Floor) }},
	{"tpot", "mean", "TPOT mean", func(s *query.RunSummary) query.Number { return s.TPOTMean }},
	{"e2el", "p50", "E2EL p50", func(s *query.RunSummary) query.Number { return s.E2ELp50 }},
	{"e2el", p95, "E2EL p95", func(s *query.RunSummary) query.Number { return enough(s.E2ELp95, s.Completed, p95Floor) }},
	{"e2el", p99, "E2EL p99", func(s *query.RunSummary) query.Number { return enough(s.E2ELp99, s.Completed, p99Floor) }},
	{"output_throughput", "run", "output throughput", func(s *query.RunSummary) query.Number { return s.OutputThroughput }},
}

const (
	p95 = "p95"
	p99 = "p99"
)

// leastValues is how many values a run needs for a tail statistic; 0 for others.
func (m measure) leastValues() int64 {
	switch m.statistic {
	case p95:
		return p95Floor
	case p99:
		return p99Floor
	}
	return 0
}

// measureOf is a measure by its names.
func measureOf(metric, statistic string) measure {
	i := slices.IndexFunc(measures, func(m measure) bool { return m.metric == metric && m.statistic == statistic })
	return measures[i]
}

// enough is a percentile of the tail, where it is of values enough to be one.
func enough(v query.Number, n, least int64) query.Number {
	if n < least {
		return query.Number{}
	}
	return v
}

// key names a measure on the command line: itl_mean.
func (m measure) key() string {
	if m.statistic == "run" {
		return m.metric
	}
	return m.metric + "_" + m.statistic
}

// MeasureKeys lists the numbers of a run that are positive, and so have a level to
// change.
func MeasureKeys() []string {
	var out []string
	for _, m := range measures {
		out = append(out, m.key())
	}
	return out
}

// MetricKeys lists what can be compared.
func MetricKeys() []string { return append(MeasureKeys(), failureRate) }

func (m measure) definition() schemas.Metric {
	def, ok := schemas.MetricByID(m.metric)
	if !ok {
		panic("analyze: no metric " + m.metric)
	}
	return def
}

// of returns the measure of r, if r has it and it can stand in a ratio.
func (m measure) of(r *Run) (float64, bool) {
	if r.Sum == nil || r.Sum.Completed == 0 {
		return 0, false
	}
	v := m.value(r.Sum)
	return v.V, v.Valid && v.V > 0
}

// totals counts what d holds.
func (d *Data) totals() Totals {
	var t Totals
	starts := map[string]bool{}
	for _, r := range d.Runs {
		t.Runs++
		if r.Detailed {
			t.Detailed++
		} else {
			t.SummaryOnly++
		}
		if r.Simulated.V {
			t.Simulated++
		}
		if r.ServerStart.Valid {
			starts[r.ServerStart.V] = true
		}
		t.Requests += r.Requests.V
		t.Failed += r.Failed.V
		if r.Sum != nil {
			t.Gaps += r.Sum.Gaps.V
		}
		if r.StartedAt.Valid {
			day := r.StartedAt.Time.Format("2006-01-02")
			if t.From == "" || day < t.From {
				t.From = day
			}
			t.To = max(t.To, day)
		}
	}
	t.ServerStarts = len(starts)
	return t
}

// unknowns lists identity that a report leans on and that some runs lack.
func (d *Data) unknowns() []Unknown {
	var out []Unknown
	for _, c := range []struct {
		column string
		known  func(*Run) bool
		hint   string
	}{
		{"runtime_version", func(r *Run) bool { return r.RuntimeVersion.Valid }, "ingest with --label runtime_version=…, a servestat.yaml, or the server log beside the results"},
		{"hardware", func(r *Run) bool { return r.Hardware.Valid }, "ingest with --label hardware=… or a servestat.yaml"},
		{"server_start", func(r *Run) bool { return r.ServerStart.Valid }, "say which runs shared a server start (servestat.yaml: server_start); until then each repeat counts as a replicate"},
	} {
		n := 0
		for _, r := range d.Runs {
			if !c.known(r) {
				n++
			}
		}
		if n > 0 {
			out = append(out, Unknown{Column: c.column, Runs: n, Of: len(d.Runs), Hint: c.hint})
		}
	}
	return out
}

// lines lists the runs for an appendix.
func (d *Data) lines() []RunLine {
	out := make([]RunLine, 0, len(d.Runs))
	for _, r := range d.Runs {
		line := RunLine{
			RunID: r.RunID, Source: r.SourceName, Version: r.version(), Model: r.Model.V, Load: r.load(),
			Start: r.ServerStart.V, Provenance: r.Provenance["runtime_version"], Detailed: r.Detailed, Notes: r.Notes,
		}
		if r.StartedAt.Valid {
			line.StartedAt = r.StartedAt.Time.Format("2006-01-02 15:04:05")
		}
		out = append(out, line)
	}
	return out
}
