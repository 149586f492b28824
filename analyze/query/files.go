package query

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

// A BlockRead says how much of a block a statement read.
type BlockRead struct {
	Table, Block string
	Runs         int64 // runs that the block holds rows of
	Bytes        int64 // its size
	Read         int64 // bytes read, footers included; a part that is read twice counts twice
	Reads        int64
}

// Files runs a statement, drops its result, and says what it read of every block
// of the tables that it names: by table and block, those that it never opened too.
// The bytes are those that DuckDB asks the file system for.
func Files(ctx context.Context, l *lake.Lake, limits Limits, statement string, params map[string]string) ([]BlockRead, error) {
	d, err := openNarrow(ctx, l, limits, []string{"SET enable_external_file_cache = false", "CALL enable_logging('FileSystem', level := 'trace')"})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	rows, err := d.QueryWith(ctx, statement, params)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
	}
	if err := rows.Err(); err != nil {
		rows.Close()
		return nil, err
	}
	if err := rows.Close(); err != nil {
		return nil, err
	}
	read, err := d.reads(ctx)
	if err != nil {
		return nil, err
	}
	return d.blocks(read), nil
}

// reads sums what was read by path.
func (d *DB) reads(ctx context.Context) (map[string][2]int64, error) {
	rows, err := d.db.QueryContext(ctx, "SELECT path, CAST(sum(bytes) AS BIGINT), count(*) FROM duckdb_logs_parsed('FileSystem') WHERE op = 'READ' GROUP BY path")
	if err != nil {
		return nil, fmt.Errorf("what was read: %w", clean(err))
	}
	defer rows.Close()
	read := map[string][2]int64{}
	for rows.Next() {
		var path string
		var bytes, n int64
		if err := rows.Scan(&path, &bytes, &n); err != nil {
			return nil, err
		}
		read[filepath.Base(path)] = [2]int64{bytes, n}
	}
	return read, rows.Err()
}

// blocks lists the blocks of the tables that were made, with what was read of them.
func (d *DB) blocks(read map[string][2]int64) []BlockRead {
	at := map[string]int{}
	var out []BlockRead
	add := func(b lake.Block, runs int) {
		if !d.made.done[b.Table] {
			return
		}
		i, known := at[b.Name]
		if !known {
			i = len(out)
			at[b.Name] = i
			r := read[filepath.Base(b.Name)]
			out = append(out, BlockRead{Table: b.Table, Block: b.Name, Bytes: b.Bytes, Read: r[0], Reads: r[1]})
		}
		out[i].Runs += int64(runs)
	}
	for _, t := range schemas.MeasuredTables() {
		for _, f := range d.seen.Files(t.Name) {
			add(f.Block, len(f.Live()))
		}
	}
	for _, a := range d.analyses {
		for _, b := range a.Blocks {
			add(b, len(a.Inputs))
		}
	}
	slices.SortFunc(out, func(a, b BlockRead) int { return strings.Compare(a.Table+"\x00"+a.Block, b.Table+"\x00"+b.Block) })
	return out
}
