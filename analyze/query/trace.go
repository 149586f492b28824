package query

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
)

// A RequestTrace is one request's way through a run, in seconds since its origin.
type RequestTrace struct {
	Start           float64
	FirstChunk, End Number
	Failed          bool
}

// RequestTraces returns the requests with start times of the runs that satisfy
// where, in order of their start.
func (d *DB) RequestTraces(ctx context.Context, where string) ([]RequestTrace, error) {
	return ask(ctx, d, "run_requests", condition(where), func(rows *sql.Rows) (RequestTrace, error) {
		var r RequestTrace
		err := scanNamed(rows, map[string]any{"start_s": &r.Start, "first_chunk_s": &r.FirstChunk, "end_s": &r.End, "failed": &r.Failed})
		return r, err
	})
}

// A GapCell is the middle of a cell of a grid over chunk gaps, by when they ended
// and how long they were, with how many fall into it and the bounds of the grid,
// all in seconds. A gap of zero has no place on the grid: Gap is 0.
type GapCell struct {
	From, To, Shortest, Longest float64
	At, Gap                     float64
	N                           int64
}

// GapGrid counts the chunk gaps of the runs that satisfy where in a grid. What it
// returns does not grow with their number.
func (d *DB) GapGrid(ctx context.Context, where string, columns, rows int) ([]GapCell, error) {
	replace := condition(where)
	maps.Copy(replace, map[string]string{"columns": fmt.Sprint(columns), "rows": fmt.Sprint(rows)})
	return ask(ctx, d, "gap_grid", replace, func(r *sql.Rows) (GapCell, error) {
		var c GapCell
		err := scanNamed(r, map[string]any{
			"from_s": &c.From, "to_s": &c.To, "shortest_s": &c.Shortest, "longest_s": &c.Longest, "at_s": &c.At, "gap_s": &c.Gap, "n": &c.N,
		})
		return c, err
	})
}
