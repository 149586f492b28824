package query

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	duckdb "github.com/marcboeker/go-duckdb/v2"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

//go:embed sql/*.sql
var files embed.FS

// views are created in this order; each may use those before it.
var views = []string{"token_times", "in_flight", "steady_windows", "run_steady", "run_numbers", "run_summary", "load_points"}

// A DB answers questions about one state of a lake.
type DB struct {
	db     *sql.DB
	tmp    string // where DuckDB may spill
	limits Limits
	made   made
	narrow bool // tables have the runs that statements need, and not all

	lake      *lake.Lake   // nil where there is none
	files     *lake.Reader // likewise
	seen      *lake.Snapshot
	effective []*lake.Manifest // that it is of
	analyses  []*lake.Analysis // that may be current
}

// Limits bound what a statement may use.
type Limits struct {
	Memory  int64 // bytes, as DuckDB counts them: it does not count all of it
	Temp    int64 // bytes spilled to disk
	Threads int   // 0: one a core
	Rows    int64 // of a result; 0: any number
}

// DefaultLimits are those of [Open].
var DefaultLimits = Limits{Memory: 2e9, Temp: 20e9}

// Open returns a database over what readers of l see now. What is published
// later is not in it.
func Open(ctx context.Context, l *lake.Lake) (*DB, error) {
	return openLogged(ctx, l, DefaultLimits, nil)
}

// OpenLimited is [Open] with other limits.
func OpenLimited(ctx context.Context, l *lake.Lake, limits Limits) (*DB, error) {
	return openLogged(ctx, l, limits, nil)
}

// OpenNarrow is OpenLimited for statements that people write: of each is found out which
// runs it can see, and no block that holds none of these is opened or fetched.
func OpenNarrow(ctx context.Context, l *lake.Lake, limits Limits) (*DB, error) {
	return openNarrow(ctx, l, limits, nil)
}

func openNarrow(ctx context.Context, l *lake.Lake, limits Limits, before []string) (*DB, error) {
	d, err := openLogged(ctx, l, limits, before)
	if err == nil {
		d.narrow = true
	}
	return d, err
}

// openLogged is OpenLimited with statements that run ahead of the lock.
func openLogged(ctx context.Context, l *lake.Lake, limits Limits, before []string) (*DB, error) {
	ms, err := l.Manifests()
	if err != nil {
		return nil, err
	}
	return openDB(ctx, l, lake.Effective(ms), limits, before)
}

// OpenRuns opens, within the same limits, a database over some of the runs that d has.
// A condition on the runs of a whole lake does the same and reads all of it: views that
// count by run do not hand conditions down.
func (d *DB) OpenRuns(ctx context.Context, l *lake.Lake, effective []*lake.Manifest) (*DB, error) {
	return openDB(ctx, l, effective, d.limits, nil)
}

// Of opens a database over some of the runs of d, within the same limits, without logs
// and telemetry. Close it. It has what numbers follow from: of runs and requests no texts
// but those that identify them.
//
// Note: the runs stand in a table that every view joins. As a list of constants in
// each, 4,000 of them took DuckDB two seconds to plan, and all of its memory. Of the
// small tables there are copies, by number of the run instead of its name: questions
// read each several times, and sort and join by run.
func (d *DB) Of(ctx context.Context, runs []string) (*DB, error) {
	wanted := make(map[string]bool, len(runs))
	for _, id := range runs {
		wanted[id] = true
	}
	part, err := openSeen(ctx, d.lake, d.seen.Holding(wanted), nil, d.limits, nil)
	if err != nil {
		return nil, err
	}
	ids := slices.Sorted(maps.Keys(wanted)) // so that the order of numbers is that of names
	if len(ids) == 0 {
		ids = []string{""} // an enumeration has one at least
	}
	names := quotedList(ids)
	for _, statement := range []string{
		"CREATE TYPE run AS ENUM (" + names + ")",
		"CREATE TABLE part AS SELECT unnest(CAST([" + names + "] AS VARCHAR[])) AS run_id",
	} {
		if _, err := part.db.ExecContext(ctx, statement); err != nil {
			return nil, errors.Join(clean(err), part.Close())
		}
	}
	for i, def := range part.made.definitions {
		part.made.definitions[i].sql = part.definitionOfPart(def, ids[0], ids[len(ids)-1])
	}
	return part, nil
}

// definitionOfPart is the statement that makes a definition in a database that [DB.Of]
// opens.
func (d *DB) definitionOfPart(def definition, first, last string) string {
	switch {
	case def.Name == "in_flight": // which summaries read twice, and checks once
		return strings.Replace(def.sql, "CREATE VIEW", "CREATE TABLE", 1)
	case def.measured == nil || lake.KeyColumn(def.Name) != "run_id":
		return def.sql
	}
	whole := strings.TrimPrefix(d.statementOf(def, allRuns), "CREATE VIEW "+def.Name+" AS ")
	of := " FROM (" + whole + ") WHERE run_id IN (SELECT run_id FROM part) AND run_id BETWEEN " + quote(first) + " AND " + quote(last)
	left := map[string][]string{
		"runs":     {"engine_args", "labels", "provenance", "reported", "extra", "notes"},
		"requests": {"error_class", "error", "finish_reason", "session"},
	}
	texts, small := left[def.Name]
	if !small {
		return "CREATE VIEW " + def.Name + " AS SELECT *" + of
	}
	columns := []string{"CAST(run_id AS run) AS run_id"}
	for _, c := range def.measured.Columns {
		if c.Name != "run_id" && !slices.Contains(texts, c.Name) {
			columns = append(columns, c.Name)
		}
	}
	return "CREATE TABLE " + def.Name + " AS SELECT " + strings.Join(columns, ", ") + of
}

// openEmpty returns a database over no lake: every table is empty.
func openEmpty(ctx context.Context) (*DB, error) {
	return openDB(ctx, nil, nil, DefaultLimits, nil)
}

func openDB(ctx context.Context, l *lake.Lake, effective []*lake.Manifest, limits Limits, before []string) (*DB, error) {
	var all []*lake.Analysis
	seen := &lake.Snapshot{}
	if l != nil {
		var err error
		if all, err = l.Analyses(); err != nil {
			return nil, err
		}
		if seen, err = l.SnapshotOf(effective); err != nil {
			return nil, err
		}
	}
	return openSeen(ctx, l, seen, candidates(all, effective), limits, before)
}

// openSeen opens a database over what readers saw.
func openSeen(ctx context.Context, l *lake.Lake, seen *lake.Snapshot, analyses []*lake.Analysis, limits Limits, before []string) (*DB, error) {
	d := &DB{lake: l, limits: limits, seen: seen, effective: seen.Manifests, analyses: analyses}
	err := d.begin(l)
	if err == nil {
		d.made = made{definitions: catalogue(d.files, d.analyses), done: map[string]bool{}, blank: map[string]bool{}, runs: map[string]*runSet{}}
		err = d.start(ctx, before)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// begin makes the folders that the database uses.
func (d *DB) begin(l *lake.Lake) (err error) {
	if d.tmp, err = os.MkdirTemp("", "servestat-sql-"); err != nil || l == nil {
		return err
	}
	d.files, err = l.Reader()
	return err
}

func (d *DB) start(ctx context.Context, before []string) error {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return err
	}
	d.db = sql.OpenDB(connector)
	for _, statement := range before {
		if _, err := d.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, clean(err))
		}
	}
	if err := registerInSpans(ctx, d.db); err != nil {
		return err
	}
	return d.lockDown(ctx)
}

// lockDown leaves nothing to a statement but the lake's own blocks.
func (d *DB) lockDown(ctx context.Context) error {
	root := d.tmp // where no lake is, nothing is there to read
	if d.files != nil {
		var err error
		if root, err = filepath.Abs(d.files.Dir()); err != nil {
			return err
		}
	}
	threads := d.limits.Threads
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	// Views read the same blocks several times, and what is said of a block is kept, but
	// not of thousands: no limit counts it.
	kept := []string{"SET parquet_metadata_cache = true"}
	if _, _, scattered := d.Scattered(); scattered {
		kept = []string{"SET enable_external_file_cache = false"}
	}
	for _, set := range append(kept,
		fmt.Sprintf("SET memory_limit = '%dB'", d.limits.Memory),
		fmt.Sprintf("SET threads = %d", threads),
		"SET temp_directory = "+quote(d.tmp),
		fmt.Sprintf("SET max_temp_directory_size = '%dB'", d.limits.Temp),
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allowed_directories = ["+quote(root+"/blocks/")+", "+quote(root+"/results/")+"]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	) {
		if _, err := d.db.ExecContext(ctx, set); err != nil {
			return fmt.Errorf("%s: %w", set, err)
		}
	}
	return nil
}

// Scattered reports whether what is asked of the whole lake opens so many small blocks
// that merging them would tell: each takes the time of a file in every table that a
// statement reads, and memory that no limit counts.
func (d *DB) Scattered() (blocks int, bytes int64, scattered bool) {
	for _, t := range schemas.MeasuredTables() {
		for _, f := range d.seen.Files(t.Name) {
			blocks, bytes = blocks+1, bytes+f.Bytes
		}
	}
	return blocks, bytes, blocks >= 2000 && bytes/int64(blocks) < 1<<20
}

// Close ends the database.
func (d *DB) Close() error {
	var err error
	if d.db != nil {
		err = d.db.Close()
	}
	if d.files != nil {
		err = errors.Join(err, d.files.Close())
	}
	return errors.Join(err, os.RemoveAll(d.tmp))
}

// tableView is the statement that makes a table's view over its blocks.
func tableView(local *lake.Reader, t schemas.TableInfo, seen []*lake.File) string {
	var whole, selects []string
	var rows int64
	for _, f := range seen {
		abs, err := filepath.Abs(local.Path(f.Name))
		if err != nil {
			abs = local.Path(f.Name)
		}
		path := quote(literalGlob(abs))
		if len(f.Without) == 0 {
			whole, rows = append(whole, path), rows+f.Rows
			continue
		}
		selects = append(selects, selectBlocks(t, []string{path}, f.Rows)+" WHERE "+only(t, f))
	}
	if len(whole) > 0 || len(selects) == 0 {
		selects = append(selects, selectBlocks(t, whole, rows))
	}
	return "CREATE VIEW " + t.Name + " AS " + strings.Join(selects, " UNION ALL ")
}

// only is the condition on the rows of a compacted block that count: not those of
// runs that were superseded since, or are not asked for.
func only(t schemas.TableInfo, f *lake.File) string {
	keys, in := f.Without, " NOT IN ("
	if len(f.Live()) < len(keys) { // which row groups' statistics can answer
		keys, in = nil, " IN ("
		for _, p := range f.Live() {
			keys = append(keys, p.Key)
		}
	}
	return lake.KeyColumn(t.Name) + in + quotedList(keys) + ")"
}

// viewOver is the statement that makes a table's view over quoted paths.
func viewOver(t schemas.TableInfo, paths []string, rows int64) string {
	return "CREATE VIEW " + t.Name + " AS " + selectBlocks(t, paths, rows)
}

// selectBlocks is the rows of the blocks at quoted paths. Columns are found by field
// id: those that older blocks lack read as NULL, and those that newer ones have
// beyond ours are left out. How many rows there are DuckDB does not find out by
// itself where it is told the columns: it would put the tokens into the hash table
// of a join with runs.
func selectBlocks(t schemas.TableInfo, paths []string, rows int64) string {
	var empty, names, byID []string
	lists := false
	for _, c := range t.Columns {
		lists = lists || c.Type == schemas.Int32List || c.Type == schemas.Int64List
		names = append(names, c.Name)
		empty = append(empty, fmt.Sprintf("CAST(NULL AS %s) AS %s", c.Type.SQL(), c.Name))
		byID = append(byID, fmt.Sprintf("%d: {name: '%s', type: '%s', default_value: NULL}", c.ID, c.Name, c.Type.SQL()))
	}
	if len(paths) == 0 {
		return "SELECT " + strings.Join(empty, ", ") + " WHERE false"
	}
	list, columns, known := strings.Join(paths, ", "), strings.Join(names, ", "), fmt.Sprintf(", explicit_cardinality = %d", max(rows, 1))
	if lists { // DuckDB finds no list by field id: all of it would read as NULL. What no block has is NULL of its type.
		return "SELECT " + columns + " FROM (SELECT * FROM read_parquet([" + list + "], hive_partitioning = false, union_by_name = true" + known + ")" +
			" UNION ALL BY NAME SELECT " + strings.Join(empty, ", ") + " WHERE false)"
	}
	return "SELECT " + columns + " FROM read_parquet([" + list + "], hive_partitioning = false, schema = MAP {" + strings.Join(byID, ", ") + "}" + known + ")"
}

// literalGlob makes DuckDB take a path for what it is: it would expand patterns.
func literalGlob(path string) string { return noPattern.Replace(path) }

var noPattern = strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]")

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func text(name string) string {
	b, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic("query: " + err.Error()) // the files are compiled in
	}
	return string(b)
}

// clean drops the driver's wrapping around what DuckDB says, and its advice to change settings.
func clean(err error) error {
	var de *duckdb.Error
	if errors.As(err, &de) {
		message, _, _ := strings.Cut(de.Msg, "\n\nPossible solutions:") // settings, which are not to be had here
		return errors.New(message)
	}
	return err
}

// Rows are the rows of a result. Close them.
type Rows struct {
	*sql.Rows
	conn *sql.Conn
	most int64 // rows; 0: any number
	n    int64
	err  error
}

// Next is that of [sql.Rows], and ends with [ErrTooManyRows] after the most rows
// that are allowed.
func (r *Rows) Next() bool {
	if r.err != nil || !r.Rows.Next() {
		return false
	}
	if r.n++; r.most > 0 && r.n > r.most {
		r.err = ErrTooManyRows
		return false
	}
	return true
}

// Err returns what ended the rows early.
func (r *Rows) Err() error {
	if r.err != nil {
		return r.err
	}
	return clean(r.Rows.Err())
}

// Close ends the query.
func (r *Rows) Close() error { return errors.Join(r.Rows.Close(), r.conn.Close()) }

// ask reads the rows of one of our own questions into T by column name.
func ask[T any](ctx context.Context, d *DB, name string, replace map[string]string, scan func(*sql.Rows) (T, error)) ([]T, error) {
	var out []T
	err := each(ctx, d, name, replace, func(rows *sql.Rows) error {
		v, err := scan(rows)
		out = append(out, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// each hands on the rows of one of our own questions.
func each(ctx context.Context, d *DB, name string, replace map[string]string, take func(*sql.Rows) error) error {
	statement := text(name)
	for k, v := range replace {
		statement = strings.ReplaceAll(statement, "{{"+k+"}}", v)
	}
	rows, err := d.Query(ctx, statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := take(rows.Rows); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return rows.Err()
}
