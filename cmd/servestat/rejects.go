package main

import (
	"bufio"
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/report/table"
	"github.com/servestat/servestat/schemas/lake"
)

const rejectsLong = `List what could not be used of the uploads in the lake: whole files, runs,
requests and members of archives, each with its place and the reason.

A row has the file as it was named to ingest, the run in it and the request, both
counted from 0, the offset in bytes of its decompressed text, the reason, what
can be done about it, and whether the run, or the whole file, was not used
(fatal). What does not apply is NULL.

Where an upload was taken in more than once, as after its labels changed, a
reject is listed once.`

func (a *app) rejectsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rejects [flags]",
		Short: "what could not be used, where and why",
		Long:  rejectsLong,
		Example: `  servestat rejects
  servestat rejects --upload results/run3.json
  servestat rejects --upload 3dded7f3 --format json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.rejects() },
	}
	f := cmd.Flags()
	f.String("upload", "", "of this upload only: its name, the folder or archive that it is in, or the beginning of its SHA-256")
	f.String("format", "", "table, csv, json, jsonl, markdown, parquet, arrow (default: table)")
	f.StringP("out", "o", "", "file to write to instead of stdout")
	f.Int("max-rows", 0, "rows that a table shows at most (default: 1000; -1: all)")
	return cmd
}

func (a *app) rejects() error {
	l, err := a.openLake()
	if err != nil {
		return err
	}
	receipts, err := l.Receipts()
	if err != nil {
		return err
	}
	upload := a.config.GetString("upload")
	if upload != "" {
		receipts = slices.DeleteFunc(receipts, func(r *lake.Receipt) bool { return !isUpload(r, upload) })
		if len(receipts) == 0 {
			return invalidf(`servestat sql "select distinct source_name, upload_sha256 from runs" lists those that gave runs`, "no upload in the lake is called %s", upload)
		}
	}
	return a.printRows(&rejectRows{rows: rejectsOf(receipts), next: -1})
}

// printRows writes rows to where --out and in what --format says.
func (a *app) printRows(rows table.Rows) error {
	format := table.Table
	var err error
	if name := a.config.GetString("format"); name != "" {
		if format, err = table.ParseFormat(name); err != nil {
			return usagef("", "--format: %w", err)
		}
	}
	write := func(w io.Writer) error {
		buffered := bufio.NewWriter(w)
		if _, err := table.Write(buffered, rows, format, table.Options{Width: width(a.stdout), MaxRows: a.config.GetInt("max-rows")}); err != nil {
			return err
		}
		return buffered.Flush()
	}
	switch out := a.config.GetString("out"); {
	case out != "":
		return writeFile(out, write)
	case format.Binary() && isTerminal(a.stdout):
		return usagef("-o rejects."+string(format), "%s is no text: it would garble the terminal", format)
	}
	return write(a.stdout)
}

// isUpload reports whether a receipt is of the upload that a person means.
func isUpload(r *lake.Receipt, upload string) bool {
	const enough = 6 // digits of a digest
	upload = strings.TrimSuffix(upload, "/")
	return r.SourceName == upload || strings.HasPrefix(r.SourceName, upload+"/") || strings.HasSuffix(r.SourceName, "/"+upload) ||
		len(upload) >= enough && strings.HasPrefix(r.UploadSHA256, upload)
}

// rejectedFile is the file that a reject is about. A member's name stays as it
// is: it may be rejected for the .. in it.
func rejectedFile(r *lake.Receipt, j lake.Reject) string {
	if j.Member == "" {
		return r.SourceName
	}
	return r.SourceName + "/" + j.Member
}

// A rejectRow is a row of the table; -1 stands for NULL.
type rejectRow struct {
	file           string
	run, request   int64
	offset         int64
	reason, hint   string
	fatal          bool
	upload, format string
}

// rejectsOf lists what receipts reject, by file and place.
func rejectsOf(receipts []*lake.Receipt) []rejectRow {
	var rows []rejectRow
	for _, r := range receipts {
		told := false // by a reject why the upload is quarantined
		for _, j := range r.Rejects {
			rows = append(rows, rejectRow{
				file: rejectedFile(r, j), run: int64(j.Run), request: int64(j.Request), offset: j.Offset,
				reason: j.Reason, hint: j.Hint, fatal: j.Fatal, upload: r.UploadSHA256, format: r.Format,
			})
			told = told || j.Fatal
		}
		if r.Quarantined != "" && !told {
			rows = append(rows, rejectRow{
				file: r.SourceName, run: -1, request: -1, offset: -1, reason: r.Quarantined, fatal: true, upload: r.UploadSHA256, format: r.Format,
			})
		}
	}
	slices.SortFunc(rows, func(a, b rejectRow) int {
		return cmp.Or(
			cmp.Compare(a.file, b.file), cmp.Compare(a.run, b.run), cmp.Compare(a.offset, b.offset), cmp.Compare(a.request, b.request),
			cmp.Compare(a.reason, b.reason), cmp.Compare(a.hint, b.hint), cmp.Compare(a.upload, b.upload))
	})
	return slices.Compact(rows)
}

// rejectRows makes rows what package table reads.
type rejectRows struct {
	rows []rejectRow
	next int
}

func (r *rejectRows) Columns() []table.Column {
	return []table.Column{
		{Name: "file", DatabaseType: "VARCHAR"}, {Name: "run", DatabaseType: "BIGINT"}, {Name: "request", DatabaseType: "BIGINT"},
		{Name: "byte_offset", DatabaseType: "BIGINT"}, {Name: "reason", DatabaseType: "VARCHAR"}, {Name: "hint", DatabaseType: "VARCHAR"},
		{Name: "fatal", DatabaseType: "BOOLEAN"}, {Name: "format", DatabaseType: "VARCHAR"}, {Name: "upload_sha256", DatabaseType: "VARCHAR"},
	}
}

func (r *rejectRows) Next() bool {
	r.next++
	return r.next < len(r.rows)
}

func (r *rejectRows) Values() []any {
	row := r.rows[r.next]
	return []any{
		row.file, orNull(row.run, -1), orNull(row.request, -1), orNull(row.offset, -1), row.reason,
		orNull(row.hint, ""), row.fatal, orNull(row.format, ""), row.upload,
	}
}

func (r *rejectRows) Err() error { return nil }

func orNull[T comparable](v, null T) any {
	if v == null {
		return nil
	}
	return v
}
