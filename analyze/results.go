package analyze

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/servestat/servestat/analyze/query"
)

// Compared is the result of one comparison: the two sides, their curves, what
// may not be trusted in them.
func Compared(ctx context.Context, baseline, candidate *Data, baseLabel, candLabel string, opts CompareOptions) (*Result, error) {
	res := &Result{
		Kind: "compare", Title: fmt.Sprintf("%s against %s", candLabel, baseLabel),
		Comparisons: Compare(baseline, candidate, baseLabel, candLabel, opts),
	}
	if err := res.describe(ctx, baseline, candidate); err != nil {
		return nil, err
	}
	nameBySide(res.Sweeps, baseLabel, candLabel)
	return res, nil
}

// nameBySide names series by the side that they are of where both sides are of
// one version, which would name neither.
func nameBySide(sweeps []Sweep, baseLabel, candLabel string) {
	for i := range sweeps {
		s := sweeps[i].Series
		if len(s) == 2 && s[0].Version == s[1].Version {
			s[0].Version, s[1].Version = shortLabel(baseLabel), shortLabel(candLabel)
		}
		sweeps[i].Changes, sweeps[i].Pareto = curveChanges(s), pareto(s)
	}
}

// Swept is the result of a sweep: the curves of every group and version in d.
func Swept(ctx context.Context, d *Data) (*Result, error) {
	res := &Result{Kind: "sweep", Title: "Latency and throughput against concurrency", Selection: d.Selection}
	return res, res.describe(ctx, d)
}

// OneRun is the result of a single run.
func OneRun(ctx context.Context, d *Data) (*Result, error) {
	res := &Result{Kind: "run", Title: "Run", Selection: d.Selection}
	if len(d.Runs) == 1 {
		res.Title = "Run " + d.Runs[0].RunID
	}
	if err := res.describe(ctx, d); err != nil {
		return nil, err
	}
	for i, r := range d.Runs {
		if r.Checks != nil && r.Checks.Stalled.Valid {
			res.Runs[i].Stalls = &r.Checks.Stalled.V
		}
	}
	return res, nil
}

// describe fills in all that every kind of report says of its data.
func (res *Result) describe(ctx context.Context, parts ...*Data) error {
	all := &Data{}
	var agreements [][]Agreement
	var sweeps [][]Sweep
	for _, d := range parts {
		all.Runs = append(all.Runs, d.Runs...)
		s, err := Sweeps(ctx, d)
		if err != nil {
			return err
		}
		sweeps = append(sweeps, s)
		a, err := Agree(ctx, d)
		if err != nil {
			return err
		}
		agreements = append(agreements, a)
		res.Findings = append(res.Findings, Findings(d)...) // each side by itself: runs of two sides are not alike
	}
	res.Totals = all.totals()
	res.Unknown = all.unknowns()
	res.Runs = all.lines()
	res.Sweeps = mergeSweeps(sweeps)
	res.Agreement = mergeAgreements(agreements)
	return nil
}

// mergeSweeps puts series of the same group into one sweep, in the order given:
// baseline before candidate.
func mergeSweeps(parts [][]Sweep) []Sweep {
	var out []Sweep
	for _, part := range parts {
		for _, s := range part {
			i := slices.IndexFunc(out, func(o Sweep) bool { return o.Group == s.Group })
			if i < 0 {
				out = append(out, s)
				continue
			}
			out[i].Series = append(out[i].Series, s.Series...)
			out[i].Warnings = append(out[i].Warnings, s.Warnings...)
		}
	}
	return out
}

func mergeAgreements(parts [][]Agreement) []Agreement {
	var out []Agreement
	for _, part := range parts {
		for _, a := range part {
			i := slices.IndexFunc(out, func(o Agreement) bool { return o.Key == a.Key })
			if i < 0 {
				out = append(out, a)
				continue
			}
			o := &out[i]
			o.Compared, o.Equal, o.MaxDev = o.Compared+a.Compared, o.Equal+a.Equal, max(o.MaxDev, a.MaxDev)
			if a.Why != "" {
				o.Why, o.Where = joinOnce(o.Why, a.Why), joinOnce(o.Where, a.Where)
			}
		}
	}
	return out
}

// WeeklyOptions choose the week and the baseline of a weekly report.
type WeeklyOptions struct {
	Week     string // ISO week, 2026-W47; empty: the newest that has runs
	Baseline string // runtime version; empty: the newest before the candidate
	CompareOptions
}

// Weekly is the regression report of a week: in every group, the newest runtime
// version that ran in it against the one before.
func Weekly(ctx context.Context, d *Data, opts WeeklyOptions) (*Result, error) {
	week, runs, err := d.week(opts.Week)
	if err != nil {
		return nil, err
	}
	res := &Result{Kind: "weekly", Title: "Weekly regression report " + week, Selection: d.Selection}
	shown := map[*Run]bool{}
	for _, r := range runs {
		shown[r] = true
	}
	groups, history := byGroup(runs), byGroup(d.Runs)
	var f family
	opts.History = d
	for _, g := range sortedGroups(groups) {
		versions := versionsOf(groups[g])
		candidate := versions[len(versions)-1]
		baseline, ok := baselineFor(candidate, versionsOf(history[g]), opts.Baseline)
		if !ok {
			res.Notes = append(res.Notes, fmt.Sprintf("%s: nothing to compare %s with: no run of another known version", g, candidate))
			continue
		}
		pick := func(version string) *Data {
			return d.Only(func(r *Run) bool { return r.group() == g && r.version() == version })
		}
		b, c := pick(baseline), pick(candidate)
		for _, r := range append(slices.Clone(b.Runs), c.Runs...) {
			shown[r] = true
		}
		f.add(b, c, "runtime_version="+baseline, "runtime_version="+candidate, opts.CompareOptions)
	}
	res.Comparisons = f.judge(opts.CompareOptions)
	part := d.Only(func(r *Run) bool { return shown[r] })
	part.Selection = selectRuns(part.Runs)
	if err := res.describe(ctx, part); err != nil {
		return nil, err
	}
	return res, nil
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

// week returns the name of a week and its runs. Runs without a date belong to no
// week, unless none has one.
func (d *Data) week(asked string) (string, []*Run, error) {
	if asked != "" && !isWeek(asked) {
		return "", nil, fmt.Errorf("week %q: want the form 2026-W47", asked)
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

func isWeek(s string) bool {
	var year, week int
	n, err := fmt.Sscanf(s, "%4d-W%2d", &year, &week)
	return err == nil && n == 2 && week >= 1 && week <= 53 && len(s) == len("2026-W47")
}

// selectRuns is the SQL condition that names exactly these runs.
func selectRuns(runs []*Run) string {
	if len(runs) == 0 {
		return "false"
	}
	ids := make([]string, len(runs))
	for i, r := range runs {
		ids[i] = "'" + r.RunID + "'"
	}
	return "run_id IN (" + strings.Join(ids, ", ") + ")"
}

// Select loads the runs that satisfy a selector: column=value, joined by commas.
// A key that is no column is a label.
func Select(ctx context.Context, db *query.DB, selector string) (*Data, error) {
	where, err := query.Selector(selector)
	if err != nil {
		return nil, err
	}
	return Load(ctx, db, where)
}
