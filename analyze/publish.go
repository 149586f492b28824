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
	// Kinds are the kinds of analyses to do; empty: all.
	Kinds []schemas.AnalysisKind
	// Progress is told how many of the units are done.
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

// Update brings the tables findings, curves, verdicts and changepoints of the lake
// up to date with what db shows of it. A unit of work is a series, the runs of one
// model, hardware, path and runtime version; the comparison of a version with the
// one before it; or the history of one model, hardware and path. Its results are
// found by a digest of all they follow from, so that a new run has its own series,
// comparisons and history analysed and nothing else, and that two processes that do
// the same at once end in the same bytes. Telemetry, logs and judged answers count
// as what results follow from as soon as they may be of one of the runs.
//
// Results are published unit by unit: what an interrupted Update had done, the next
// one finds.
func Update(ctx context.Context, l *lake.Lake, db *query.DB, opts UpdateOptions) (Updated, error) {
	units, err := unitsOf(ctx, db, opts.Where, opts.Kinds)
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

// publishBatch analyses unit by unit what was loaded.
func publishBatch(ctx context.Context, session *lake.Session, data *Data, batch []*unit, published func()) error {
	for _, s := range batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.publish(ctx, session, data, s); err != nil {
			return fmt.Errorf("results of %s: %w", s.name, err)
		}
		published()
	}
	return nil
}

// Waiting counts the units of some kinds that [Update] would analyse, and all there
// are.
func Waiting(ctx context.Context, l *lake.Lake, db *query.DB, kinds []schemas.AnalysisKind) (waiting, of int, err error) {
	units, err := unitsOf(ctx, db, "", kinds)
	if err != nil {
		return 0, 0, err
	}
	left, err := notDone(l, units)
	return len(left), len(units), err
}

// notDone are the units whose results are not in the lake.
func notDone(l *lake.Lake, units []*unit) ([]*unit, error) {
	names := make([]string, len(units))
	for i, s := range units {
		names[i] = s.Name()
	}
	done, err := l.HasAll(names)
	if err != nil {
		return nil, err
	}
	var out []*unit
	for i, s := range units {
		if !done[i] {
			out = append(out, s)
		}
	}
	return out, nil
}

// A unit is a unit of work.
type unit struct {
	lake.Analysis
	name    string // for people
	runs    []string
	publish func(context.Context, *lake.Session, *Data, *unit) error
}

func newUnit(kind schemas.AnalysisKind, name string, publish func(context.Context, *lake.Session, *Data, *unit) error) *unit {
	return &unit{Analysis: lake.Analysis{Kind: kind.Name, Version: kind.Version}, name: name, publish: publish}
}

// of adds the runs of a series to what the unit is of.
func (u *unit) of(s *series) {
	u.runs = append(u.runs, s.runs...)
	u.Inputs = append(u.Inputs, s.inputs...)
	for _, name := range s.beside {
		if !slices.Contains(u.Beside, name) {
			u.Beside = append(u.Beside, name)
		}
	}
}

// unitsOf lists the units of some kinds that hold a run that satisfies where.
func unitsOf(ctx context.Context, db *query.DB, where string, kinds []schemas.AnalysisKind) ([]*unit, error) {
	all, chosen, err := seriesOfLake(ctx, db, where)
	if err != nil {
		return nil, err
	}
	if len(kinds) == 0 {
		kinds = schemas.AnalysisKinds()
	}
	var units []*unit
	for _, kind := range kinds {
		switch kind.Name {
		case schemas.SeriesAnalysis.Name:
			units = append(units, seriesUnits(all, chosen)...)
		case schemas.ComparisonAnalysis.Name:
			units = append(units, comparisonUnits(all, chosen)...)
		case schemas.HistoryAnalysis.Name:
			units = append(units, historyUnits(all, chosen)...)
		}
	}
	return units, nil
}

// A series is the runs of one model, hardware, path and runtime version.
type series struct {
	id     schemas.SeriesID
	runs   []string
	inputs []string // names of their manifests
	beside []string // names of the manifests of what was observed beside them
}

func (s *series) group() Group {
	return Group{Model: s.id.Model.V, Hardware: s.id.Hardware.V, Path: s.id.PathLabel.V}
}

// version is the runtime version as people read it.
func (s *series) version() string {
	return (&Run{RunIdentity: &query.RunIdentity{RuntimeVersion: textOf(s.id.RuntimeVersion)}}).version()
}

// subject selects the series; without its version, all of its group.
func (s *series) subject(version bool) lake.Subject {
	of := lake.Subject{}
	for i, value := range []schemas.Opt[string]{s.id.Model, s.id.Hardware, s.id.PathLabel, s.id.RuntimeVersion} {
		if schemas.SeriesColumns[i] == "runtime_version" && !version {
			continue
		}
		of[schemas.SeriesColumns[i]] = nil
		if value.OK {
			of[schemas.SeriesColumns[i]] = &value.V
		}
	}
	return of
}

// sameGroup reports whether two series differ in their version alone.
func (s *series) sameGroup(o *series) bool {
	return s.id.Model == o.id.Model && s.id.Hardware == o.id.Hardware && s.id.PathLabel == o.id.PathLabel
}

// seriesOfLake lists all series, and those that hold a run that satisfies where.
func seriesOfLake(ctx context.Context, db *query.DB, where string) (all []*series, chosen map[*series]bool, err error) {
	wanted, err := db.RunSeries(ctx, where)
	if err != nil {
		return nil, nil, err
	}
	runs := wanted
	if where != "" {
		if runs, err = db.RunSeries(ctx, ""); err != nil {
			return nil, nil, err
		}
	}
	manifests, observed := map[string]*lake.Manifest{}, newObservations(db.Effective())
	for _, m := range db.Effective() {
		manifests[m.RunID] = m
	}
	at := map[schemas.SeriesID]*series{}
	for _, r := range runs {
		id := seriesOf(r)
		m, ok := manifests[r.RunID]
		if !ok {
			return nil, nil, fmt.Errorf("run %s has no manifest", r.RunID)
		}
		s := at[id]
		if s == nil {
			s = &series{id: id}
			at[id] = s
			all = append(all, s)
		}
		s.runs = append(s.runs, r.RunID)
		s.inputs = append(s.inputs, m.Name())
		for _, name := range observed.beside(m) {
			if !slices.Contains(s.beside, name) {
				s.beside = append(s.beside, name)
			}
		}
	}
	chosen = map[*series]bool{}
	for _, r := range wanted {
		chosen[at[seriesOf(r)]] = true
	}
	return all, chosen, nil
}

// seriesUnits are the series, each by itself.
func seriesUnits(all []*series, chosen map[*series]bool) []*unit {
	var units []*unit
	for _, s := range all {
		if !chosen[s] {
			continue
		}
		u := newUnit(schemas.SeriesAnalysis, fmt.Sprintf("%s, %s", s.group(), s.version()), func(ctx context.Context, session *lake.Session, d *Data, u *unit) error {
			return publishSeries(ctx, session, d, u, s.id)
		})
		u.Of = []lake.Subject{s.subject(true)}
		u.of(s)
		units = append(units, u)
	}
	return units
}

// comparisonUnits are the versions of a group against the ones before them.
func comparisonUnits(all []*series, chosen map[*series]bool) []*unit {
	var units []*unit
	for _, group := range groupsOf(all) {
		for i, candidate := range group[1:] {
			baseline := group[i]
			if !chosen[baseline] && !chosen[candidate] {
				continue
			}
			name := fmt.Sprintf("%s, %s against %s", candidate.group(), candidate.version(), baseline.version())
			u := newUnit(schemas.ComparisonAnalysis, name, func(_ context.Context, session *lake.Session, d *Data, u *unit) error {
				return publishComparison(session, d, u, baseline, candidate)
			})
			u.Of = []lake.Subject{baseline.subject(true), candidate.subject(true)}
			u.of(baseline)
			u.of(candidate)
			units = append(units, u)
		}
	}
	return units
}

// historyUnits are the groups over their versions and dates.
func historyUnits(all []*series, chosen map[*series]bool) []*unit {
	var units []*unit
	for _, group := range groupsOf(all) {
		if !slices.ContainsFunc(group, func(s *series) bool { return chosen[s] }) {
			continue
		}
		first := group[0]
		u := newUnit(schemas.HistoryAnalysis, "history of "+first.group().String(), func(_ context.Context, session *lake.Session, d *Data, u *unit) error {
			return publishHistory(session, d, u, first.id)
		})
		u.Of = []lake.Subject{first.subject(false)}
		for _, s := range group {
			u.of(s)
		}
		units = append(units, u)
	}
	return units
}

// groupsOf puts the series of one model, hardware and path together, the oldest
// version first. What version a run is of is not known of some: such a series is
// in no order, and comes last.
func groupsOf(all []*series) [][]*series {
	var groups [][]*series
	for _, s := range all {
		i := slices.IndexFunc(groups, func(g []*series) bool { return g[0].sameGroup(s) })
		if i < 0 {
			groups = append(groups, []*series{s})
			continue
		}
		groups[i] = append(groups[i], s)
	}
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b *series) int {
			if a.id.RuntimeVersion.OK != b.id.RuntimeVersion.OK {
				return map[bool]int{true: -1, false: 1}[a.id.RuntimeVersion.OK]
			}
			return compareVersions(a.version(), b.version())
		})
	}
	return groups
}

func seriesOf(r query.RunSeries) schemas.SeriesID {
	opt := func(t query.Text) schemas.Opt[string] { return schemas.Opt[string]{V: t.V, OK: t.Valid} }
	return schemas.SeriesID{Model: opt(r.Model), Hardware: opt(r.Hardware), PathLabel: opt(r.PathLabel), RuntimeVersion: opt(r.RuntimeVersion)}
}

func textOf(o schemas.Opt[string]) query.Text { return query.Text{V: o.V, Valid: o.OK} }

// batches groups units so that each has about batchRuns runs. A unit beside whose
// runs something was observed is one of its own: the highest clock of a GPU is
// looked for in all that is loaded, and results follow from their own runs only.
func batches(units []*unit) [][]*unit {
	var out [][]*unit
	runs := batchRuns
	for _, u := range units {
		if runs >= batchRuns || len(u.Beside) > 0 {
			out, runs = append(out, nil), 0
		}
		out[len(out)-1] = append(out[len(out)-1], u)
		if runs += len(u.runs); len(u.Beside) > 0 {
			runs = batchRuns
		}
	}
	return out
}

// loadBatch reads the runs of some units, and nothing else of the lake. Call done
// when the data are no longer needed.
func loadBatch(ctx context.Context, l *lake.Lake, db *query.DB, batch []*unit) (data *Data, done func() error, err error) {
	wanted := map[string]bool{}
	for _, u := range batch {
		for _, name := range slices.Concat(u.Inputs, u.Beside) {
			wanted[name] = true
		}
	}
	var ms []*lake.Manifest
	for _, m := range db.Effective() {
		if wanted[m.Name()] {
			ms = append(ms, m)
		}
	}
	part, err := db.OpenRuns(ctx, l, ms)
	if err != nil {
		return nil, nil, err
	}
	if data, err = Load(ctx, part, ""); err != nil {
		return nil, nil, errors.Join(err, part.Close())
	}
	return data, part.Close, nil
}

// mine are the runs of a unit.
func (u *unit) mine(data *Data, runs []string) *Data {
	of := map[string]bool{}
	for _, id := range runs {
		of[id] = true
	}
	return data.Only(func(r *Run) bool { return of[r.RunID] })
}

// publishSeries analyses one series: blocks first, then what commits them.
func publishSeries(ctx context.Context, session *lake.Session, data *Data, u *unit, id schemas.SeriesID) error {
	mine := u.mine(data, u.runs)
	findings, curves := findingRows(id, mine), curveRows(id, mine)
	if len(u.Beside) > 0 {
		more, err := serverRows(ctx, id, mine)
		if err != nil {
			return err
		}
		findings = append(findings, more...)
	}
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

// publishComparison sets a version against the one before it.
func publishComparison(session *lake.Session, data *Data, u *unit, baseline, candidate *series) error {
	rows := verdictRows(u.mine(data, baseline.runs), u.mine(data, candidate.runs), baseline, candidate)
	key := u.Key()
	for _, r := range rows {
		r.Analysis = key
	}
	if err := publishRows(session, &u.Analysis, schemas.VerdictsTable, rows); err != nil {
		return err
	}
	_, err := session.CommitAnalysis(&u.Analysis)
	return err
}

// publishHistory looks for changes over versions and dates.
func publishHistory(session *lake.Session, data *Data, u *unit, id schemas.SeriesID) error {
	rows, err := changePointRows(u.mine(data, u.runs), id)
	if err != nil {
		return err
	}
	key := u.Key()
	for _, r := range rows {
		r.Analysis = key
	}
	if err := publishRows(session, &u.Analysis, schemas.ChangePointsTable, rows); err != nil {
		return err
	}
	_, err = session.CommitAnalysis(&u.Analysis)
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
