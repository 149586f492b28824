package query

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	duckdb "github.com/marcboeker/go-duckdb/v2"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

//go:embed sql/*.sql
var files embed.FS

// views are created in this order; each may use those before it.
var views = []string{"token_times", "in_flight", "steady_windows", "run_steady", "run_summary", "load_points"}

// A DB answers questions about one state of a lake.
type DB struct {
	db  *sql.DB
	tmp string // where DuckDB may spill

	effective []*lake.Manifest
}

// Open returns a database over what readers of l see now. What is published
// later is not in it.
func Open(ctx context.Context, l *lake.Lake) (*DB, error) {
	ms, err := l.Manifests()
	if err != nil {
		return nil, err
	}
	return OpenRuns(ctx, l, lake.Effective(ms))
}

// OpenRuns is [Open] for some of the runs that readers see. A condition on the runs
// of a whole lake does the same and reads all of it: views that count by run do not
// hand conditions down.
func OpenRuns(ctx context.Context, l *lake.Lake, effective []*lake.Manifest) (*DB, error) {
	tmp, err := os.MkdirTemp("", "servestat-sql-")
	if err != nil {
		return nil, err
	}
	d := &DB{tmp: tmp, effective: effective}
	if err := d.open(ctx, l, d.effective); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *DB) open(ctx context.Context, l *lake.Lake, ms []*lake.Manifest) error {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return err
	}
	d.db = sql.OpenDB(connector)
	for _, t := range schemas.MeasuredTables() {
		if _, err := d.db.ExecContext(ctx, tableView(l, t, ms)); err != nil {
			return fmt.Errorf("view %s: %w", t.Name, err)
		}
	}
	if err := d.openResults(ctx, l, ms); err != nil {
		return err
	}
	for _, v := range append(views, "macros") {
		if _, err := d.db.ExecContext(ctx, text(v)); err != nil {
			return fmt.Errorf("view %s: %w", v, err)
		}
	}
	return d.lockDown(ctx, l)
}

// lockDown leaves nothing to a statement but the lake's own blocks.
func (d *DB) lockDown(ctx context.Context, l *lake.Lake) error {
	root, err := filepath.Abs(l.Dir())
	if err != nil {
		return err
	}
	for _, set := range []string{
		"SET memory_limit = '2GB'",
		"SET parquet_metadata_cache = true", // views read the same blocks several times
		"SET temp_directory = " + quote(d.tmp),
		"SET max_temp_directory_size = '20GB'",
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allowed_directories = [" + quote(root+"/blocks/") + ", " + quote(root+"/results/") + "]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	} {
		if _, err := d.db.ExecContext(ctx, set); err != nil {
			return fmt.Errorf("%s: %w", set, err)
		}
	}
	return nil
}

// Close ends the database.
func (d *DB) Close() error {
	var err error
	if d.db != nil {
		err = d.db.Close()
	}
	return errors.Join(err, os.RemoveAll(d.tmp))
}

// tableView is the statement that makes a table's view over its blocks.
func tableView(l *lake.Lake, t schemas.TableInfo, ms []*lake.Manifest) string {
	var paths []string
	for _, m := range ms {
		for _, b := range m.Blocks {
			if b.Table != t.Name {
				continue
			}
			if abs, err := filepath.Abs(l.Path(b.Name)); err == nil {
				paths = append(paths, quote(literalGlob(abs)))
			}
		}
	}
	return viewOver(t, paths)
}

// viewOver is the statement that makes a table's view over quoted paths. Columns
// are found by field id: those that older blocks lack read as NULL, and those
// that newer ones have beyond ours are left out.
func viewOver(t schemas.TableInfo, paths []string) string {
	var empty, names, byID []string
	lists := false
	for _, c := range t.Columns {
		lists = lists || c.Type == schemas.Int32List || c.Type == schemas.Int64List
		names = append(names, c.Name)
		empty = append(empty, fmt.Sprintf("CAST(NULL AS %s) AS %s", c.Type.SQL(), c.Name))
		byID = append(byID, fmt.Sprintf("%d: {name: '%s', type: '%s', default_value: NULL}", c.ID, c.Name, c.Type.SQL()))
	}
	view := "CREATE VIEW " + t.Name + " AS SELECT "
	if len(paths) == 0 {
		return view + strings.Join(empty, ", ") + " WHERE false"
	}
	columns := ", schema = MAP {" + strings.Join(byID, ", ") + "}"
	if lists { // DuckDB finds no list by field id: all of it would read as NULL
		columns = ", union_by_name = true"
	}
	return view + strings.Join(names, ", ") + " FROM read_parquet([" + strings.Join(paths, ", ") + "], hive_partitioning = false" + columns + ")"
}

// literalGlob makes DuckDB take a path for what it is: it would expand patterns.
func literalGlob(path string) string {
	return strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(path)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func text(name string) string {
	b, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic("query: " + err.Error()) // the files are compiled in
	}
	return string(b)
}

// ErrNotReadOnly is returned for a statement that is not one SELECT or EXPLAIN.
var ErrNotReadOnly = errors.New("only one SELECT (or EXPLAIN, DESCRIBE, SUMMARIZE) statement is run here; write elsewhere with -o")

// Query runs one read-only statement.
func (d *DB) Query(ctx context.Context, statement string) (*Rows, error) {
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if err := conn.Raw(func(c any) error { return readOnly(c, statement) }); err != nil {
		conn.Close()
		return nil, err
	}
	rows, err := conn.QueryContext(ctx, statement)
	if err != nil {
		conn.Close()
		return nil, clean(err)
	}
	return &Rows{Rows: rows, conn: conn}, nil
}

// readOnly prepares the statement, which runs nothing, to see what it is.
func readOnly(c any, statement string) error {
	// Prepare refuses more than one statement. Its variant with a context would
	// run all but the last.
	stmt, err := c.(driver.Conn).Prepare(strings.TrimRight(strings.TrimSpace(statement), "; \n\t"))
	if err != nil {
		if strings.Contains(err.Error(), "PrepareContext") {
			return ErrNotReadOnly
		}
		return clean(err)
	}
	defer stmt.Close()
	kind, err := stmt.(*duckdb.Stmt).StatementType()
	if err != nil {
		return err
	}
	if kind != duckdb.STATEMENT_TYPE_SELECT && kind != duckdb.STATEMENT_TYPE_EXPLAIN {
		return ErrNotReadOnly
	}
	return nil
}

// clean drops the driver's wrapping around what DuckDB says.
func clean(err error) error {
	var de *duckdb.Error
	if errors.As(err, &de) {
		return errors.New(de.Msg)
	}
	return err
}

// Rows are the rows of a result. Close them.
type Rows struct {
	*sql.Rows
	conn *sql.Conn
}

// Close ends the query.
func (r *Rows) Close() error { return errors.Join(r.Rows.Close(), r.conn.Close()) }

// all reads the rows of one of our own questions into T by column name.
func ask[T any](ctx context.Context, d *DB, name string, replace map[string]string, scan func(*sql.Rows) (T, error)) ([]T, error) {
	statement := text(name)
	for k, v := range replace {
		statement = strings.ReplaceAll(statement, "{{"+k+"}}", v)
	}
	rows, err := d.Query(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows.Rows)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
