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

// openResults makes the views over what analyses found in the effective runs.
func (d *DB) openResults(ctx context.Context, l *lake.Lake, effective []*lake.Manifest) error {
	all, err := l.Analyses()
	if err != nil {
		return err
	}
	as := candidates(all, effective)
	statements := []string{"CREATE SCHEMA internal", analysesTable(as), text("series"), text("current_analyses")}
	for _, t := range schemas.ResultTables() {
		statements = append(statements, resultView(l, t, as))
	}
	for _, s := range statements {
		if _, err := d.db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("results: %w in %.200s", err, s)
		}
	}
	return nil
}

// candidates leaves out analyses by other code than this, and those with a run
// that readers no longer see. Whether runs came since, SQL knows.
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
	for _, a := range all {
		gone := func(name string) bool { return !seen[name] }
		if v, ok := version[a.Kind]; ok && v == a.Version && !slices.ContainsFunc(a.Inputs, gone) {
			out = append(out, a)
		}
	}
	return out
}

// analysesTable has one row per analysis and subject.
func analysesTable(as []*lake.Analysis) string {
	var columns, rows []string
	for _, c := range schemas.SeriesColumns {
		columns = append(columns, c+" VARCHAR", "any_"+c+" BOOLEAN")
	}
	for _, a := range as {
		for _, subject := range a.Of {
			row := []string{quote(a.Key()), quote(a.Kind), fmt.Sprint(len(a.Inputs))}
			for _, c := range schemas.SeriesColumns {
				value, named := subject[c]
				text := "NULL"
				if value != nil {
					text = quote(*value)
				}
				row = append(row, text, fmt.Sprint(!named))
			}
			rows = append(rows, "("+strings.Join(row, ", ")+")")
		}
	}
	table := "CREATE TABLE internal.analyses (analysis VARCHAR, kind VARCHAR, inputs BIGINT, " + strings.Join(columns, ", ") + ")"
	if len(rows) > 0 {
		table += "; INSERT INTO internal.analyses VALUES " + strings.Join(rows, ", ")
	}
	return table
}

// resultView is the statement that makes a table's view over the results of
// analyses, of which it shows the current ones.
func resultView(l *lake.Lake, t schemas.TableInfo, as []*lake.Analysis) string {
	var paths []string
	for _, a := range as {
		for _, b := range a.Blocks {
			if abs, err := filepath.Abs(l.Path(b.Name)); err == nil && b.Table == t.Name {
				paths = append(paths, quote(literalGlob(abs)))
			}
		}
	}
	view := viewOver(t, paths)
	if len(paths) == 0 {
		return view
	}
	return view + " SEMI JOIN internal.current_analyses USING (analysis)"
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

// Effective returns the manifests of the runs that the database shows.
func (d *DB) Effective() []*lake.Manifest { return d.effective }

// NotAnalysed counts the series of the lake, and those of them whose results of a
// kind of analysis are not there or not current.
func (d *DB) NotAnalysed(ctx context.Context, kind schemas.AnalysisKind) (waiting, series int64, err error) {
	type counts struct{ series, waiting int64 }
	rows, err := ask(ctx, d, "series_not_analysed", map[string]string{"kind": quote(kind.Name)}, func(rows *sql.Rows) (counts, error) {
		var c counts
		return c, rows.Scan(&c.series, &c.waiting)
	})
	if err != nil || len(rows) != 1 {
		return 0, 0, err
	}
	return rows[0].waiting, rows[0].series, nil
}
