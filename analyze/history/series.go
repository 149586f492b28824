package history

import (
	"fmt"
	"math"
	"time"
)

// Run is one server start, reduced to one number.
type Run struct {
	ID    string
	Time  time.Time // when it was measured, or its build made; zero if unknown
	Block string    // the build or day it belongs to; empty: it stands alone
	Value float64   // the run's summary: positive, lower or higher may be better

	// Excluded says why the run must not count, such as "audit failed: achieved
	// concurrency 12 of 64"; it stays in the list. Empty: the run counts.
	Excluded string

	// Attributes is what is known of the run, such as "driver": "560.28.03". An
	// empty value is an unknown one.
	Attributes map[string]string
}

// Series is the history of one metric, in the order of versions or dates.
// Consecutive runs with the same Block are one block. A day without runs is no
// gap to fill: order matters to change points, and time to drifts.
type Series struct {
	Name string
	Runs []Run
}

// Exclusion is a run that was left out, with the reason.
type Exclusion struct {
	Index  int
	Reason string
}

// history is what is analysed of a Series: the runs that count.
type history struct {
	at     []int     // position -> index in Series.Runs
	logs   []float64 // by position
	first  []bool    // by position: the run is the first of its block
	weeks  []float64 // by position, from the first run; nil without dates
	blocks int
}

// newHistory checks a series and takes the runs that count out of it.
func newHistory(s Series) (history, []Exclusion, error) {
	var h history
	var out []Exclusion
	dated := true
	for i, r := range s.Runs {
		if r.Excluded != "" {
			out = append(out, Exclusion{i, r.Excluded})
			continue
		}
		if !(r.Value > 0) || math.IsInf(r.Value, 1) {
			return history{}, nil, fmt.Errorf("history: %s: run %d %s: value %v is not positive and finite: exclude the run and say why", s.Name, i, r.ID, r.Value)
		}
		if err := h.inOrder(s, r, i); err != nil {
			return history{}, nil, err
		}
		h.add(s, r, i)
		dated = dated && !r.Time.IsZero()
	}
	if dated && len(h.at) > 0 {
		h.weeks = weeks(s, h.at)
	}
	return h, out, nil
}

// inOrder refuses a run that is older than the one before it.
func (h *history) inOrder(s Series, r Run, i int) error {
	if len(h.at) == 0 {
		return nil
	}
	before := s.Runs[h.at[len(h.at)-1]]
	if !r.Time.IsZero() && r.Time.Before(before.Time) {
		return fmt.Errorf("history: %s: run %d %s of %s stands after one of %s: sort the runs", s.Name, i, r.ID, r.Time.Format(time.RFC3339), before.Time.Format(time.RFC3339))
	}
	return nil
}

func (h *history) add(s Series, r Run, i int) {
	first := len(h.at) == 0 || r.Block == "" || r.Block != s.Runs[h.at[len(h.at)-1]].Block
	if first {
		h.blocks++
	}
	h.at = append(h.at, i)
	h.logs = append(h.logs, math.Log(r.Value))
	h.first = append(h.first, first)
}

func weeks(s Series, at []int) []float64 {
	start := s.Runs[at[0]].Time
	ws := make([]float64, len(at))
	for i, j := range at {
		ws[i] = s.Runs[j].Time.Sub(start).Hours() / (7 * 24)
	}
	return ws
}

// axis is where each run stands in time, for drifts: in weeks, or without dates
// by its number.
func (h history) axis() []float64 {
	if h.weeks != nil {
		return h.weeks
	}
	xs := make([]float64, len(h.at))
	for i := range xs {
		xs[i] = float64(i)
	}
	return xs
}

// countBlocks returns the number of blocks that the runs [lo, hi) belong to.
func (h history) countBlocks(lo, hi int) int {
	n := 0
	for i := lo; i < hi; i++ {
		if h.first[i] || i == lo {
			n++
		}
	}
	return n
}
