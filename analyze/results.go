package analyze

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/query"
)

// Compared is the result of one comparison: the two sides, their curves, what
// may not be trusted in them.
func Compared(ctx context.Context, baseline, candidate *Data, baseLabel, candLabel string, opts CompareOptions) (*Result, error) {
	var f family
	f.add(baseline, candidate, baseLabel, candLabel, opts)
	res := &Result{Kind: "compare", Title: fmt.Sprintf("%s against %s", candLabel, baseLabel), Comparisons: f.judge(opts)}
	res.Evidence = f.evidence(res.Comparisons, false)
	if err := res.describe(ctx, baseline, candidate); err != nil {
		return nil, err
	}
	nameBySide(res.Sweeps, baseLabel, candLabel)
	if err := res.judgeAnswers(ctx, candidate); err != nil {
		return nil, err
	}
	return res, res.watchSpeculation(ctx, opts, candidate, candidate, baseline)
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
	if err := res.describe(ctx, d); err != nil {
		return nil, err
	}
	var err error
	res.Preflight, err = d.preflights(ctx)
	return res, err
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
	if err := res.judgeAnswers(ctx, d); err != nil {
		return nil, err
	}
	var err error
	if len(d.Runs) == 1 && d.Runs[0].Detailed {
		res.Trace, err = d.trace(ctx, d.Runs[0])
	}
	return res, err
}

// describe fills in all that every kind of report says of its data.
func (res *Result) describe(ctx context.Context, parts ...*Data) error {
	all := &Data{}
	var agreements [][]Agreement
	var sweeps [][]Sweep
	for i, d := range parts {
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
		taken, err := FindResources(ctx, d)
		if err != nil {
			return err
		}
		if len(parts) == 2 {
			taken.on([]Side{BaselineSide, CandidateSide}[i])
		}
		res.Resources = res.Resources.with(taken)
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
