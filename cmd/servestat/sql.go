package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/report/table"
)

const sqlLong = `Run one read-only SQL statement (DuckDB's dialect) over the lake. QUERY is the
statement; -f takes it from a file, - from stdin.

Tables: runs, requests, tokens (one row a chunk gap), cells; what servestat
analyze found: findings, curves. Views: run_summary (our numbers, one row a
run), load_points, token_times. "describe runs" lists the columns of a table.`

func (a *app) sqlCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sql [flags] QUERY",
		Short: "ask the lake anything, down to one token",
		Long:  sqlLong,
		Example: `  servestat sql "select runtime_version, max_concurrency, itl_mean_s from load_points order by all"
  servestat sql --format csv -o worst.csv "select * from requests order by ttft_ns desc limit 100"
  servestat sql --format parquet -o gaps.parquet "select * from tokens join runs using (run_id)"
  servestat sql -f question.sql`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.sql(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.String("format", "", "table, csv, json, jsonl, markdown, parquet, arrow (default: table)")
	f.StringP("out", "o", "", "file to write to instead of stdout")
	f.StringP("file", "f", "", "file to take the statement from")
	f.Int("max-rows", 0, "rows that a table shows at most (default: 1000; -1: all)")
	return cmd
}

func (a *app) sql(ctx context.Context, args []string) error {
	statement, err := a.statement(args)
	if err != nil {
		return err
	}
	format := table.Table
	if name := a.config.GetString("format"); name != "" {
		if format, err = table.ParseFormat(name); err != nil {
			return usagef("", "--format: %w", err)
		}
	}
	out := a.config.GetString("out")
	if format.Binary() && out == "" && isTerminal(a.stdout) {
		return usagef("-o result."+string(format), "%s is no text: it would garble the terminal", format)
	}
	return a.withLake(ctx, func(db *query.DB) error {
		if err := a.warnOfOldResults(ctx, db, statement); err != nil {
			return err
		}
		rows, err := db.Query(ctx, statement)
		if err != nil {
			return err
		}
		defer rows.Close()
		if out == "" {
			return a.writeRows(a.stdout, rows, format)
		}
		return writeFile(out, func(w io.Writer) error { return a.writeRows(w, rows, format) })
	})
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

func (a *app) writeRows(w io.Writer, rows *query.Rows, format table.Format) error {
	r, err := newResultRows(rows)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(w)
	if _, err := table.Write(buffered, r, format, table.Options{Width: width(a.stdout), MaxRows: a.config.GetInt("max-rows")}); err != nil {
		return err
	}
	return buffered.Flush()
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
