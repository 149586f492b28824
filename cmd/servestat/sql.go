package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/report/table"
	"github.com/servestat/servestat/schemas/lake"
)

const sqlLong = `Run one read-only SQL statement (DuckDB's dialect) over the lake. QUERY is the
statement; -f takes it from a file, - from stdin. Without any, on a terminal, a
prompt: \\? lists what it knows.

servestat schema says what tables, views, macros and columns there are and mean.
$name in a statement is a parameter: --param name=value gives its value.

A statement reads the lake, and nothing else: no file, network, extension or
setting. --timeout, --max-memory, --max-temp and --row-limit bound what it may
use; with --contained it runs in a process of its own under limits of the
operating system, which also end what the database engine does not stop by
itself. --explain-files says which blocks a statement read, and how many bytes.`

func (a *app) sqlCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sql [flags] [QUERY]",
		Short: "ask the lake anything, down to one token",
		Long:  sqlLong,
		Example: `  servestat sql "select runtime_version, max_concurrency, itl_mean_s from load_points order by all"
  servestat sql --format csv -o worst.csv "select * from requests order by ttft_ns desc limit 100"
  servestat sql --param v=0.20.0 "select count(*) from runs where runtime_version = $v"
  servestat sql --explain-files "select max(gap_ns) from tokens"
  servestat sql --contained --timeout 10s -f question.sql
  servestat sql --cookbook
  servestat sql --cookbook 3`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.sql(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.String("format", "", "table, csv, json, jsonl, markdown, parquet, arrow (default: table)")
	f.StringP("out", "o", "", "file to write to instead of stdout")
	f.StringP("file", "f", "", "file to take the statement from")
	f.Int("max-rows", 0, "rows that a table shows at most (default: 1000; -1: all)")
	f.StringArray("param", nil, "value of a parameter, name=value; may be repeated")
	f.Duration("timeout", 0, "longest that a statement may run (default: as long as it takes; with --contained 60s)")
	f.String("max-memory", engineMemory, "most memory that a statement may use")
	f.String("max-temp", "20GB", "most disk that a statement may spill to")
	f.Int64("row-limit", 0, "most rows of a result: more are an error (default: any number)")
	f.Int("threads", 0, "threads of a statement (default: one a core)")
	f.Bool("contained", false, "run the statement in a process of its own, under limits of the operating system")
	f.Bool("cookbook", false, "list questions that people ask; with a number N instead of a QUERY: answer it")
	f.Bool("explain-files", false, "instead of the result: which blocks were read, and how many bytes")
	return cmd
}

// An inquiry is how statements are asked.
type inquiry struct {
	format    table.Format
	out       string
	maxRows   int
	width     int
	params    map[string]string
	timeout   time.Duration
	limits    query.Limits
	contained bool
	files     bool // which blocks were read, instead of the result
}

func (a *app) inquiry() (*inquiry, error) {
	v := a.config
	q := &inquiry{
		format: table.Table, out: v.GetString("out"), maxRows: v.GetInt("max-rows"), width: width(a.stdout), params: map[string]string{},
		timeout: v.GetDuration("timeout"), contained: v.GetBool("contained"), files: v.GetBool("explain-files"),
		limits: query.Limits{Threads: v.GetInt("threads"), Rows: v.GetInt64("row-limit")},
	}
	var err error
	if name := v.GetString("format"); name != "" {
		if q.format, err = table.ParseFormat(name); err != nil {
			return nil, usagef("", "--format: %w", err)
		}
	}
	for flag, bytes := range map[string]*int64{"max-memory": &q.limits.Memory, "max-temp": &q.limits.Temp} {
		if *bytes, err = parseBytes(v.GetString(flag)); err != nil {
			return nil, usagef("--"+flag+" 512MB", "--%s: %w", flag, err)
		}
	}
	for _, p := range v.GetStringSlice("param") {
		name, value, ok := strings.Cut(p, "=")
		if name = strings.TrimPrefix(name, "$"); !ok || name == "" {
			return nil, usagef("--param version=0.20.0", "--param %q: want name=value", p)
		}
		q.params[name] = value
	}
	if q.contained && q.timeout == 0 {
		q.timeout = time.Minute
	}
	return q, nil
}

// parseBytes reads 512MB, 2GB, 1.5GiB or a plain number of bytes.
func parseBytes(text string) (int64, error) {
	number := strings.TrimRight(text, "kKMGTiB ")
	factor, ok := map[string]float64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}[strings.ToUpper(strings.TrimSpace(text[len(number):]))]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || n <= 0 || n*factor > 1<<60 {
		return 0, fmt.Errorf("%q is no size such as 512MB", text)
	}
	return int64(n * factor), nil
}

func (a *app) sql(ctx context.Context, args []string) error {
	q, err := a.inquiry()
	if err != nil {
		return err
	}
	if len(args) == 0 && a.config.GetString("file") == "" && !a.config.GetBool("cookbook") && isTerminal(a.stdin) && isTerminal(a.stdout) {
		return a.prompt(q)
	}
	if a.config.GetBool("cookbook") {
		if len(args) == 0 {
			return a.listCookbook(q)
		}
		recipe, err := recipe(args[0])
		if err != nil {
			return err
		}
		args = []string{recipe.SQL}
	}
	statement, err := a.statement(args)
	if err != nil {
		return err
	}
	if q.format.Binary() && q.out == "" && isTerminal(a.stdout) {
		return usagef("-o result."+string(q.format), "%s is no text: it would garble the terminal", q.format)
	}
	if q.out == "" {
		return a.answer(ctx, q, statement, a.stdout)
	}
	return writeFile(q.out, func(w io.Writer) error { return a.answer(ctx, q, statement, w) })
}

func (a *app) listCookbook(q *inquiry) error {
	rows := &values{columns: append([]table.Column{{Name: "n", DatabaseType: "BIGINT"}}, textColumns("question")...)}
	for i, r := range query.Cookbook() {
		rows.rows = append(rows.rows, []any{int64(i + 1), r.Question})
	}
	_, err := table.Write(a.stdout, rows, q.format, table.Options{Width: q.width, MaxRows: -1})
	return err
}

func recipe(number string) (query.Recipe, error) {
	all := query.Cookbook()
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(all) {
		return query.Recipe{}, usagef("servestat sql --cookbook lists the questions", "--cookbook %s: want a number from 1 to %d", number, len(all))
	}
	return all[n-1], nil
}

// answer runs one statement and writes its result.
func (a *app) answer(ctx context.Context, q *inquiry, statement string, w io.Writer) error {
	if q.contained && !confined() {
		return a.contain(ctx, q, statement, w)
	}
	if err := confine(q); err != nil {
		return err
	}
	l, err := a.openLake()
	if err != nil {
		return err
	}
	if q.files {
		return a.answerFiles(ctx, q, l, statement, w)
	}
	db, err := query.OpenNarrow(ctx, l, q.limits)
	if err != nil {
		return err
	}
	defer db.Close()
	a.adviseCompaction(db)
	return a.ask(ctx, q, db, statement, w)
}

// adviseCompaction says that the lake lies in very many small files.
func (a *app) adviseCompaction(db *query.DB) {
	if blocks, bytes, scattered := db.Scattered(); scattered {
		a.term.hintf("the lake is %d blocks of %s on average: servestat lake compact makes it quicker, and smaller in memory", blocks, bytesText(uint64(bytes)/uint64(blocks)))
	}
}

// ask runs a statement on an open database.
func (a *app) ask(ctx context.Context, q *inquiry, db *query.DB, statement string, w io.Writer) error {
	if q.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, q.timeout)
		defer cancel()
	}
	if err := a.warnOfOldResults(ctx, db, statement); err != nil {
		return q.late(ctx, err)
	}
	rows, err := db.QueryWith(ctx, statement, q.params)
	if err != nil {
		return q.late(ctx, err)
	}
	defer rows.Close()
	if err := writeRows(w, rows, q); err != nil {
		return q.late(ctx, err)
	}
	return q.late(ctx, a.footnote(ctx, db, statement))
}

// late says that it was the deadline that ended a statement.
func (q *inquiry) late(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return usagef("--timeout allows more", "the statement ran longer than %v", q.timeout)
	}
	return err
}

// answerFiles says which blocks a statement read.
func (a *app) answerFiles(ctx context.Context, q *inquiry, l *lake.Lake, statement string, w io.Writer) error {
	touched, err := query.Files(ctx, l, q.limits, statement, q.params)
	if err != nil {
		return err
	}
	var read, size, n int64
	rows := &values{columns: []table.Column{
		{Name: "table", DatabaseType: "VARCHAR"}, {Name: "block", DatabaseType: "VARCHAR"}, {Name: "runs", DatabaseType: "BIGINT"},
		{Name: "bytes", DatabaseType: "BIGINT"}, {Name: "bytes_read", DatabaseType: "BIGINT"}, {Name: "reads", DatabaseType: "BIGINT"},
	}}
	for _, f := range touched {
		size += f.Bytes
		read += f.Read
		if f.Reads > 0 {
			n++
			rows.rows = append(rows.rows, []any{f.Table, f.Block, f.Runs, f.Bytes, f.Read, f.Reads})
		}
	}
	buffered := bufio.NewWriter(w)
	if _, err := table.Write(buffered, rows, q.format, table.Options{Width: q.width, MaxRows: q.maxRows}); err != nil {
		return err
	}
	a.term.infof("read %d of %d bytes, in %d of %s", read, size, n, count(len(touched), "block"))
	return buffered.Flush()
}

// statement returns the SQL text from where it was given.
func (a *app) statement(args []string) (string, error) {
	file := a.config.GetString("file")
	switch {
	case file != "" && len(args) > 0, len(args) > 1:
		return "", usagef("put the statement in quotes", "sql wants one QUERY, or -f FILE, got more")
	case file != "":
		text, err := os.ReadFile(file)
		return string(text), err
	case len(args) == 0:
		return "", usagef(`servestat sql "select * from load_points"`, "sql wants a QUERY, or -f FILE")
	case args[0] == "-":
		text, err := io.ReadAll(a.stdin)
		return string(text), err
	}
	return args[0], nil
}

func writeRows(w io.Writer, rows *query.Rows, q *inquiry) error {
	r, err := newResultRows(rows)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(w)
	if q.format == table.Table && r.isPlan() {
		if err := writePlan(buffered, r); err != nil {
			return err
		}
		return buffered.Flush()
	}
	if _, err := table.Write(buffered, r, q.format, table.Options{Width: q.width, MaxRows: q.maxRows}); err != nil {
		return err
	}
	return buffered.Flush()
}

// isPlan reports whether the rows are the engine's drawings of a plan, as EXPLAIN
// gives them.
func (r *resultRows) isPlan() bool {
	return len(r.columns) == 2 && r.columns[0] == table.Column{Name: "explain_key", DatabaseType: "VARCHAR"} && r.columns[1] == table.Column{Name: "explain_value", DatabaseType: "VARCHAR"}
}

// writePlan writes drawings as they are: a table would have each on one line.
func writePlan(w io.Writer, r *resultRows) error {
	for r.Next() {
		if text, ok := r.values[1].(string); ok {
			if _, err := fmt.Fprintln(w, printable(strings.TrimRight(text, "\n"))); err != nil {
				return err
			}
		}
	}
	return r.Err()
}

// resultRows makes the rows of a query what package table reads.
type resultRows struct {
	rows    *query.Rows
	columns []table.Column
	values  []any
	into    []any
	err     error
}

func newResultRows(rows *query.Rows) (*resultRows, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	r := &resultRows{rows: rows, values: make([]any, len(types))}
	for i, t := range types {
		r.columns = append(r.columns, table.Column{Name: t.Name(), DatabaseType: t.DatabaseTypeName()})
		r.into = append(r.into, &r.values[i])
	}
	return r, nil
}

func (r *resultRows) Columns() []table.Column { return r.columns }
func (r *resultRows) Values() []any           { return r.values }

func (r *resultRows) Next() bool {
	if r.err != nil || !r.rows.Next() {
		return false
	}
	clear(r.values)
	r.err = r.rows.Scan(r.into...)
	return r.err == nil
}

func (r *resultRows) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.rows.Err()
}

// writeFile writes a file whole or not at all.
func writeFile(name string, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+strings.TrimPrefix(filepath.Base(name), ".")+"-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := write(tmp); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.Rename(tmp.Name(), name)
}
