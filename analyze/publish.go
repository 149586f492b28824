package analyze

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/columnar"
	"github.com/servestat/servestat/schemas/lake"
)

// UpdateOptions say what to bring up to date.
type UpdateOptions struct {
	// Where is a SQL condition over runs: series with such a run are brought up to
	// date, each of them whole. Empty: all.
	Where string
	// Progress is told how many of the series are done.
	Progress func(done, of int)
}

// Updated says what [Update] did.
type Updated struct {
	Units    int `json:"units"`
	Reused   int `json:"reused"`   // whose runs have not changed
	Computed int `json:"computed"` // and published
}

// batchRuns bounds how many runs are in memory at a time, and is how much work an
// interruption can cost.
const batchRuns = 500

// Update brings the tables findings and curves of the lake up to date with what db
// shows of it. A unit of work is a series: the runs of one model, hardware, path
// and runtime version. Its results are found by a digest of all they follow from,
// so that a new run has its own series analysed and no other, and that two
// processes that do the same at once end in the same bytes.
//
// Results are published series by series: what an interrupted Update had done, the
// next one finds.
func Update(ctx context.Context, l *lake.Lake, db *query.DB, opts UpdateOptions) (Updated, error) {
	units, err := seriesUnits(ctx, db, opts.Where)
	if err != nil {
		return Updated{}, err
	}
	waiting, err := notDone(l, units)
	u := Updated{Units: len(units), Reused: len(units) - len(waiting)}
	if err != nil || len(waiting) == 0 {
		return u, err
	}
	session, err := l.Begin()
	if err != nil {
		return u, err
	}
	defer session.Close()
	for _, batch := range batches(waiting) {
		data, done, err := loadBatch(ctx, l, db, batch)
		if err != nil {
			return u, err
		}
		err = publishBatch(ctx, session, data, batch, func() {
			u.Computed++
			if opts.Progress != nil {
				opts.Progress(u.Reused+u.Computed, u.Units)
			}
		})
		if err := errors.Join(err, done()); err != nil {
			return u, err
		}
	}
	return u, nil
}

// publishBatch analyses series by series what was loaded.
func publishBatch(ctx context.Context, session *lake.Session, data *Data, batch []*seriesUnit, published func()) error {
	for _, s := range batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := publishSeries(session, data, s); err != nil {
			return fmt.Errorf("results of %s: %w", s, err)
		}
		published()
	}
	return nil
}

// Waiting counts the series that [Update] would analyse, and all there are.
func Waiting(ctx context.Context, l *lake.Lake, db *query.DB) (waiting, of int, err error) {
	units, err := seriesUnits(ctx, db, "")
	if err != nil {
		return 0, 0, err
	}
	left, err := notDone(l, units)
	return len(left), len(units), err
}

// notDone are the units whose results are not in the lake.
func notDone(l *lake.Lake, units []*seriesUnit) ([]*seriesUnit, error) {
	var out []*seriesUnit
	for _, s := range units {
		done, err := l.Has(s.Name())
		if err != nil {
			return nil, err
		}
		if !done {
			out = append(out, s)
		}
	}
	return out, nil
}

// A seriesUnit is a series as a unit of work.
type seriesUnit struct {
	lake.Analysis
	id   schemas.SeriesID
	runs []string
}

func (s *seriesUnit) String() string {
	g := Group{Model: s.id.Model.V, Hardware: s.id.Hardware.V, Path: s.id.PathLabel.V}
	return fmt.Sprintf("%s, %s", g, (&Run{RunIdentity: query.RunIdentity{RuntimeVersion: textOf(s.id.RuntimeVersion)}}).version())
}

// seriesUnits lists the series that hold a run that satisfies where.
func seriesUnits(ctx context.Context, db *query.DB, where string) ([]*seriesUnit, error) {
	wanted, err := db.RunSeries(ctx, where)
	if err != nil {
		return nil, err
	}
	all := wanted
	if where != "" {
		if all, err = db.RunSeries(ctx, ""); err != nil {
			return nil, err
		}
	}
	manifests := map[string]string{}
	for _, m := range db.Effective() {
		manifests[m.RunID] = m.Name()
	}
	chosen := map[schemas.SeriesID]bool{}
	for _, r := range wanted {
		chosen[seriesOf(r)] = true
	}
	var units []*seriesUnit
	at := map[schemas.SeriesID]*seriesUnit{}
	for _, r := range all {
		id := seriesOf(r)
		if !chosen[id] {
			continue
		}
		name, ok := manifests[r.RunID]
		if !ok {
			return nil, fmt.Errorf("run %s has no manifest", r.RunID)
		}
		s := at[id]
		if s == nil {
			s = newSeriesUnit(id)
			at[id] = s
			units = append(units, s)
		}
		s.runs = append(s.runs, r.RunID)
		s.Inputs = append(s.Inputs, name)
	}
	return units, nil
}

func newSeriesUnit(id schemas.SeriesID) *seriesUnit {
	kind := schemas.SeriesAnalysis
	of := lake.Subject{}
	for i, value := range []schemas.Opt[string]{id.Model, id.Hardware, id.PathLabel, id.RuntimeVersion} {
		of[schemas.SeriesColumns[i]] = nil
		if value.OK {
			of[schemas.SeriesColumns[i]] = &value.V
		}
	}
	return &seriesUnit{Analysis: lake.Analysis{Kind: kind.Name, Version: kind.Version, Of: []lake.Subject{of}}, id: id}
}

func seriesOf(r query.RunSeries) schemas.SeriesID {
	opt := func(t query.Text) schemas.Opt[string] { return schemas.Opt[string]{V: t.V, OK: t.Valid} }
	return schemas.SeriesID{Model: opt(r.Model), Hardware: opt(r.Hardware), PathLabel: opt(r.PathLabel), RuntimeVersion: opt(r.RuntimeVersion)}
}

func textOf(o schemas.Opt[string]) query.Text { return query.Text{V: o.V, Valid: o.OK} }

// batches groups units so that each has about batchRuns runs.
func batches(units []*seriesUnit) [][]*seriesUnit {
	var out [][]*seriesUnit
	runs := batchRuns
	for _, u := range units {
		if runs >= batchRuns {
			out, runs = append(out, nil), 0
		}
		out[len(out)-1] = append(out[len(out)-1], u)
		runs += len(u.runs)
	}
	return out
}

// loadBatch reads the runs of some series, and nothing else of the lake. Call done
// when the data are no longer needed.
func loadBatch(ctx context.Context, l *lake.Lake, db *query.DB, batch []*seriesUnit) (data *Data, done func() error, err error) {
	wanted := map[string]bool{}
	for _, u := range batch {
		for _, name := range u.Inputs {
			wanted[name] = true
		}
	}
	var ms []*lake.Manifest
	for _, m := range db.Effective() {
		if wanted[m.Name()] {
			ms = append(ms, m)
		}
	}
	part, err := query.OpenRuns(ctx, l, ms)
	if err != nil {
		return nil, nil, err
	}
	if data, err = Load(ctx, part, ""); err != nil {
		return nil, nil, errors.Join(err, part.Close())
	}
	return data, part.Close, nil
}

// publishSeries analyses one series: blocks first, then what commits them.
func publishSeries(session *lake.Session, data *Data, u *seriesUnit) error {
	of := map[string]bool{}
	for _, id := range u.runs {
		of[id] = true
	}
	mine := data.Only(func(r *Run) bool { return of[r.RunID] })
	findings, curves := findingRows(u.id, mine), curveRows(u.id, mine)
	key := u.Key()
	for _, r := range findings {
		r.Analysis = key
	}
	for _, r := range curves {
		r.Analysis = key
	}
	if err := publishRows(session, &u.Analysis, schemas.FindingsTable, findings); err != nil {
		return err
	}
	if err := publishRows(session, &u.Analysis, schemas.CurvesTable, curves); err != nil {
		return err
	}
	_, err := session.CommitAnalysis(&u.Analysis)
	return err
}

// publishRows publishes the rows that an analysis has for a table, if it has any.
func publishRows[T any](s *lake.Session, a *lake.Analysis, t *schemas.Table[T], rows []*T) error {
	if len(rows) == 0 {
		return nil
	}
	blob, err := s.Create()
	if err != nil {
		return err
	}
	defer blob.Discard()
	n, err := columnar.WriteTable(blob, t, iter.Seq[*T](slices.Values(rows)))
	if err != nil {
		return fmt.Errorf("table %s: %w", t.Name, err)
	}
	sha := blob.SHA256()
	b := lake.Block{Table: t.Name, Name: lake.ResultName(t.Name, sha), SHA256: sha, Bytes: blob.Size(), Rows: n}
	if _, err := blob.Publish(b.Name); err != nil {
		return err
	}
	a.Blocks = append(a.Blocks, b)
	return nil
}
