package query

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

// candidates leaves out analyses by other code than this, and those with a run or
// an observation that readers no longer see. Whether runs came since, SQL knows. Of
// several of the same runs, the one that knows most of what lay beside them counts.
func candidates(all []*lake.Analysis, effective []*lake.Manifest) []*lake.Analysis {
	seen := make(map[string]bool, len(effective))
	for _, m := range effective {
		seen[m.Name()] = true
	}
	version := map[string]string{}
	for _, k := range schemas.AnalysisKinds() {
		version[k.Name] = k.Version
	}
	var out []*lake.Analysis
	at := map[string]int{}
	for _, a := range all {
		gone := func(name string) bool { return !seen[name] }
		if v, ok := version[a.Kind]; !ok || v != a.Version || slices.ContainsFunc(a.Inputs, gone) || slices.ContainsFunc(a.Beside, gone) {
			continue
		}
		key := ofTheSameRuns(a)
		i, ok := at[key]
		switch {
		case !ok:
			at[key] = len(out)
			out = append(out, a)
		case len(a.Beside) > len(out[i].Beside):
			out[i] = a
		}
	}
	return out
}

// ofTheSameRuns is what analyses have in common that differ in nothing but what lay
// beside their runs.
func ofTheSameRuns(a *lake.Analysis) string {
	alone := *a
	alone.Beside = nil
	return alone.Key()
}

// resultView is the statement that makes a table's view over the results of
// analyses, of which it shows the current ones. It stands on the view runs.
func resultView(local *lake.Reader, t schemas.TableInfo, as []*lake.Analysis) string {
	var paths []string
	var with []*lake.Analysis
	var rows int64
	for _, a := range as {
		for _, b := range a.Blocks {
			if abs, err := filepath.Abs(local.Path(b.Name)); err == nil && b.Table == t.Name {
				paths, with, rows = append(paths, quote(literalGlob(abs))), append(with, a), rows+b.Rows
			}
		}
	}
	view := viewOver(t, paths, rows)
	if len(paths) == 0 {
		return view
	}
	return view + " SEMI JOIN (" + currentAnalyses(with) + ") USING (analysis)"
}

// currentAnalyses is the question which analyses are current.
func currentAnalyses(as []*lake.Analysis) string {
	var columns, rows []string
	for _, c := range schemas.SeriesColumns {
		columns = append(columns, c, "any_"+c)
	}
	for _, a := range as {
		for _, subject := range a.Of {
			row := []string{quote(a.Key()), fmt.Sprint(len(a.Inputs))}
			for _, c := range schemas.SeriesColumns {
				value, named := subject[c]
				text := "CAST(NULL AS VARCHAR)"
				if value != nil {
					text = quote(*value)
				}
				row = append(row, text, fmt.Sprint(!named))
			}
			rows = append(rows, "("+strings.Join(row, ", ")+")")
		}
	}
	return strings.NewReplacer("{{analyses}}", strings.Join(rows, ", "), "{{columns}}", strings.Join(columns, ", ")).Replace(text("current_analyses"))
}

// A RunSeries says which series a run is of.
type RunSeries struct {
	RunID                                      string
	Model, Hardware, PathLabel, RuntimeVersion Text
}

// RunSeries returns the series of the runs that satisfy where, by series and run.
func (d *DB) RunSeries(ctx context.Context, where string) ([]RunSeries, error) {
	return ask(ctx, d, "run_series", condition(where), func(rows *sql.Rows) (RunSeries, error) {
		var r RunSeries
		return r, rows.Scan(&r.RunID, &r.Model, &r.Hardware, &r.PathLabel, &r.RuntimeVersion)
	})
}

// A FailedCheck is a truth check that runs of the lake fail.
type FailedCheck struct {
	Check string
	Runs  int
}

// FailedChecks returns the truth checks that runs fail, by the findings that the lake
// keeps: none where nothing was analysed.
func (d *DB) FailedChecks(ctx context.Context) ([]FailedCheck, error) {
	if !d.keeps(schemas.FindingsTable.Name) { // the runs that they are of need not be read, then
		return nil, nil
	}
	return ask(ctx, d, "failed_checks", nil, func(rows *sql.Rows) (FailedCheck, error) {
		var f FailedCheck
		return f, rows.Scan(&f.Check, &f.Runs)
	})
}

// keeps reports whether the lake has rows of a table of results.
func (d *DB) keeps(table string) bool {
	return slices.ContainsFunc(d.analyses, func(a *lake.Analysis) bool {
		return slices.ContainsFunc(a.Blocks, func(b lake.Block) bool { return b.Table == table })
	})
}

// Effective returns the manifests of the runs that the database shows.
func (d *DB) Effective() []*lake.Manifest { return d.effective }
