package analyze

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// WeeklyOptions choose the week and the baseline of a weekly report.
type WeeklyOptions struct {
	Week     string // ISO week, 2026-W47; empty: the newest that has runs
	Baseline string // runtime version; empty: the newest before the candidate
	// Asked, if there is one, is called when the last question about all runs was
	// answered: what the database needed for it is free for what follows.
	Asked func()
	CompareOptions
}

// Weekly is the regression report of a week, of what [LoadForWeek] loaded: in every group, the newest runtime
// version that ran in it against the one before. Of a change that is confirmed it
// has the history, as it was known at the end of the week.
func Weekly(ctx context.Context, d *Data, opts WeeklyOptions) (*Result, error) {
	if d.levels == nil {
		return nil, errors.New("the runs of a week were loaded by Load, and not by LoadForWeek")
	}
	week, runs, err := d.weekOfRuns(opts.Week)
	if err != nil {
		return nil, err
	}
	if b := opts.Baseline; b != "" && !slices.Contains(versionsOf(d.Runs), b) {
		return nil, fmt.Errorf("no run is of the baseline %q; there are %s", b, strings.Join(versionsOf(d.Runs), ", "))
	}
	res := &Result{Kind: "weekly", Title: "Weekly regression report " + week, Selection: d.Selection}
	if isWeek(week) {
		res.Week = week
	}
	w := &weekly{Result: res, known: d.before(endOf(week)), week: runs, shown: map[*Run]bool{}}
	opts.History = w.known
	against := w.versionPairs(opts)
	part := d.Only(func(r *Run) bool { return w.shown[r] })
	res.Agreement = part.agreeOnRequests()
	if opts.Asked != nil {
		opts.Asked()
	}
	f := against.contests(opts.CompareOptions)
	res.Comparisons = f.judge(opts.CompareOptions)
	res.Evidence = f.evidence(res.Comparisons, len(f) > mostEvidence)
	if res.Histories, err = confirmedHistories(w.known, res.Comparisons); err != nil {
		return nil, err
	}
	res.Freshness = freshness(w.known, week)
	if err := w.describeWeek(ctx, part); err != nil {
		return nil, err
	}
	ofWeek := map[*Run]bool{}
	for _, r := range runs {
		ofWeek[r] = true
	}
	thisWeek := d.Only(func(r *Run) bool { return ofWeek[r] })
	if res.Preflight, err = thisWeek.preflights(ctx); err != nil {
		return nil, err
	}
	if err := res.judgeAnswers(ctx, thisWeek); err != nil {
		return nil, err
	}
	return res, res.watchSpeculation(ctx, opts.CompareOptions, thisWeek, w.known)
}

// mostEvidence is of how many comparisons a weekly report gives the SQL whatever
// their verdicts; of more, it gives that of what is confirmed.
const mostEvidence = 20

// A weekly report while it is made.
type weekly struct {
	*Result
	known *Data // all that was known at the end of the week
	week  []*Run
	shown map[*Run]bool // runs of the week, and those that they are compared with
}

// mostSweeps is how many groups a weekly report shows the curves of: a picture of
// each would be a report that nobody reads, and a fit of each the most of its time.
const mostSweeps = 20

// describeWeek says what is known of the runs that the report rests on. All of it
// follows from requests and cells: no token is read.
func (w *weekly) describeWeek(ctx context.Context, part *Data) error {
	w.Totals, w.Unknown, w.Runs = part.totals(), part.unknowns(), part.lines()
	series := part.auditedSeries()
	w.Findings, w.Checks = findings(part, series), part.auditedAs(series, auditedOnce())
	drawn, left := w.drawnGroups(part)
	w.SweepsLeft = left
	curves := part.Only(func(r *Run) bool { return drawn[r.group()] })
	curves.Selection = selectRuns(curves.Runs)
	var err error
	if w.Sweeps, err = Sweeps(ctx, curves); err != nil {
		return err
	}
	w.Resources, err = FindResources(ctx, curves)
	return err
}

// drawnGroups are the groups whose curves are shown, those with the gravest verdicts
// first, and how many are left out.
func (w *weekly) drawnGroups(part *Data) (drawn map[Group]bool, left int) {
	order := slices.Clone(w.Comparisons)
	slices.SortStableFunc(order, func(a, b Comparison) int { return cmp.Compare(a.Verdict.Gravity(), b.Verdict.Gravity()) })
	groups := byGroup(part.Only((*Run).onCurve).Runs)
	drawn = map[Group]bool{}
	add := func(g Group) {
		if len(groups[g]) > 0 && len(drawn) < mostSweeps {
			drawn[g] = true
		}
	}
	for _, c := range order {
		add(c.Group)
	}
	for _, g := range sortedGroups(groups) {
		add(g)
	}
	return drawn, len(groups) - len(drawn)
}

// versionPairs are the two versions that are compared in each group.
type versionPairs []versionPair

type versionPair struct {
	baseline, candidate           *Data
	baselineLabel, candidateLabel string
}

// versionPairs finds what is compared in every group, or notes why nothing is.
func (w *weekly) versionPairs(opts WeeklyOptions) versionPairs {
	for _, r := range w.week {
		w.shown[r] = true
	}
	var out versionPairs
	groups, past := byGroup(w.week), byGroup(w.known.Runs)
	for _, g := range sortedGroups(groups) {
		versions := versionsOf(groups[g])
		candidate := versions[len(versions)-1]
		baseline, ok := baselineFor(candidate, versionsOf(past[g]), opts.Baseline)
		if !ok {
			w.Notes = append(w.Notes, fmt.Sprintf("%s: nothing to compare %s with: no run of another known version", g, candidate))
			continue
		}
		pick := func(version string) *Data {
			out := &Data{Selection: w.known.Selection, db: w.known.db, known: w.known.known}
			for _, r := range past[g] {
				if r.version() == version {
					out.Runs = append(out.Runs, r)
				}
			}
			return out
		}
		b, c := pick(baseline), pick(candidate)
		for _, r := range slices.Concat(b.Runs, c.Runs) {
			w.shown[r] = true
		}
		out = append(out, versionPair{b, c, "runtime_version=" + baseline, "runtime_version=" + candidate})
	}
	return out
}

// contests prepares the comparison of every pair.
func (ps versionPairs) contests(opts CompareOptions) family {
	parts := make([]family, len(ps))
	onAllCores(len(ps), func(i int) {
		p := ps[i]
		parts[i].add(p.baseline, p.candidate, p.baselineLabel, p.candidateLabel, opts)
	})
	return slices.Concat(parts...)
}

// before are the runs that were made before a moment; those without a date are
// taken to be. The zero time is after all.
func (d *Data) before(end time.Time) *Data {
	return d.Only(func(r *Run) bool { return end.IsZero() || !r.StartedAt.Valid || r.StartedAt.Time.Before(end) })
}

// endOf is the Monday after a week; zero for what is no week.
func endOf(week string) time.Time {
	if !isWeek(week) {
		return time.Time{}
	}
	return mondayOf(week).AddDate(0, 0, 7)
}

// mondayOf is the first day of an ISO week: that with 4 January is the first of a
// year.
func mondayOf(week string) time.Time {
	var year, n int
	fmt.Sscanf(week, "%4d-W%2d", &year, &n) // isWeek has read it
	fourth := time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC)
	monday := fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7)
	return monday.AddDate(0, 0, 7*(n-1))
}

// confirmedHistories are the histories of what changed beyond doubt: of every
// metric with the verdict of its comparison, at the level where it changed most.
func confirmedHistories(d *Data, cs []Comparison) ([]History, error) {
	type key struct {
		group Group
		name  string
		level int64
	}
	wanted, groups := map[key]bool{}, map[Group]bool{}
	for _, c := range cs {
		for _, m := range c.Confirmed() {
			wanted[key{c.Group, m.Name, m.MostChangedAt()}] = true
			groups[c.Group] = true
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	part := d.Only(func(r *Run) bool { return groups[r.group()] })
	return Histories(part, HistoryOptions{only: func(g Group, name string, level int64) bool { return wanted[key{g, name, level}] }})
}

// Confirmed are the metrics that changed beyond doubt: those with the verdict of
// the comparison, where it is regressed or improved.
func (c *Comparison) Confirmed() []MetricDiff {
	if c.Verdict != Regressed && c.Verdict != Improved {
		return nil
	}
	var out []MetricDiff
	for _, m := range c.Metrics {
		if m.Verdict == c.Verdict {
			out = append(out, m)
		}
	}
	return out
}

// MostChangedAt is the level at which a metric changed most, of those with its
// verdict if there are any.
func (m *MetricDiff) MostChangedAt() int64 {
	var at int64
	most, confirmed := -1.0, false
	for _, cell := range m.Cells {
		size, same := math.Abs(math.Log(cell.Ratio.Value)), cell.Verdict == m.Verdict
		if math.IsNaN(size) || confirmed && !same {
			continue
		}
		if size > most || same && !confirmed {
			at, most, confirmed = cell.MaxConcurrency, size, same
		}
	}
	return at
}

// baselineFor is the version to compare a candidate with: the one asked for, or
// else the newest that is older.
func baselineFor(candidate string, known []string, asked string) (string, bool) {
	if candidate == unknownVersion {
		return "", false
	}
	if asked != "" {
		return asked, asked != candidate
	}
	for _, v := range slices.Backward(known) {
		if v != unknownVersion && compareVersions(v, candidate) < 0 {
			return v, true
		}
	}
	return "", false
}

// weekOfRuns returns the name of a week and its runs. Runs without a date belong to
// no week, unless none has one.
func (d *Data) weekOfRuns(asked string) (string, []*Run, error) {
	if asked != "" {
		if err := CheckWeek(asked); err != nil {
			return "", nil, err
		}
	}
	byWeek := map[string][]*Run{}
	newest := ""
	for _, r := range d.Runs {
		if !r.StartedAt.Valid {
			continue
		}
		w := weekOf(r.StartedAt.Time)
		byWeek[w] = append(byWeek[w], r)
		newest = max(newest, w)
	}
	if asked != "" {
		return asked, byWeek[asked], nil
	}
	if newest == "" {
		return "(no run has a date)", d.Runs, nil
	}
	return newest, byWeek[newest], nil
}

func weekOf(t time.Time) string {
	year, week := t.ISOWeek()
	return fmt.Sprintf("%04d-W%02d", year, week)
}

// CheckWeek returns an error for what is no name of a week.
func CheckWeek(s string) error {
	if isWeek(s) {
		return nil
	}
	return fmt.Errorf("%q: want a week that there is, in the form 2026-W47", s)
}

// isWeek reports whether s is the name of a week that there is: few years have 53.
func isWeek(s string) bool {
	if len(s) != len("2026-W47") {
		return false
	}
	var year, week int
	n, err := fmt.Sscanf(s, "%4d-W%2d", &year, &week)
	return err == nil && n == 2 && year > 0 && weekOf(mondayOf(s)) == s
}
