package analyze

import (
	"context"
	"math"

	"github.com/servestat/servestat/analyze/query"
)

// A Trace is what a single run did over time, in seconds since its origin; NaN is
// a time that was not recorded.
type Trace struct {
	RunID          string
	Group          Group
	Version        string
	MaxConcurrency int64 // 0: no limit
	Simulated      bool
	SteadyFrom     float64
	SteadyTo       float64
	Requests       []TracedRequest
	Gaps           []GapCell // chunk gaps, counted in a grid of GapColumns by GapRows
}

// A TracedRequest is one request's way through the run.
type TracedRequest struct {
	Start, FirstChunk, End float64
	Failed                 bool
}

// The grid of chunk gaps: columns of time, rows of length on a logarithmic scale.
const (
	GapColumns = 160
	GapRows    = 150
)

// trace reads what a run did; nil where its log has no start times.
func (d *Data) trace(ctx context.Context, r *Run) (*Trace, error) {
	where := selectRuns([]*Run{r})
	requests, err := d.db.RequestTraces(ctx, where)
	if err != nil || len(requests) == 0 {
		return nil, err
	}
	t := &Trace{
		RunID: r.RunID, Group: r.group(), Version: r.version(), MaxConcurrency: r.MaxConcurrency.V, Simulated: r.Simulated.V,
		SteadyFrom: math.NaN(), SteadyTo: math.NaN(),
	}
	if r.Sum != nil && r.Sum.SteadyWarm.Valid && r.Sum.SteadyTo.Valid {
		t.SteadyFrom, t.SteadyTo = r.Sum.SteadyWarm.V, r.Sum.SteadyTo.V
	}
	for _, q := range requests {
		t.Requests = append(t.Requests, TracedRequest{q.Start, orNaN(q.FirstChunk), orNaN(q.End), q.Failed})
	}
	t.Gaps, err = d.db.GapGrid(ctx, where, GapColumns, GapRows)
	return t, err
}

// A GapCell is a cell of the grid with how many chunk gaps fall into it.
type GapCell = query.GapCell
