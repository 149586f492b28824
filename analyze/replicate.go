package analyze

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"unique"

	"github.com/servestat/servestat/analyze/sample"
)

// p95Floor and p99Floor are the least numbers of independent values for a percentile
// with a two-sided 95 % order-statistic interval; fewer, and it is little but the
// maximum.
const (
	p95Floor = 72
	p99Floor = 368
)

// confidence is the level of every interval.
const confidence = 0.95

// An arm is the runs of one side or one version, folded into replicates: for
// each server start and level, the runs measured there.
type arm struct {
	runs        []*Run
	starts      []string // replicate keys, in order
	startsKnown bool
	cells       map[string]map[int64][]*Run // start -> max concurrency -> runs
}

// newArm folds runs, all of them closed-loop and usable, into replicates. Where
// starts are not recorded, the k-th repeat of every level counts as replicate k.
func newArm(runs []*Run) *arm {
	a := &arm{runs: runs, startsKnown: len(runs) > 0, cells: map[string]map[int64][]*Run{}}
	for _, r := range runs {
		a.startsKnown = a.startsKnown && r.ServerStart.Valid
	}
	seen := map[int64]int{}
	for _, r := range inOrder(runs) {
		level := r.MaxConcurrency.V
		seen[level]++
		key := fmt.Sprintf("repeat %d", seen[level])
		if a.startsKnown {
			key = r.ServerStart.V
		}
		if a.cells[key] == nil {
			a.cells[key] = map[int64][]*Run{}
			a.starts = append(a.starts, key)
		}
		a.cells[key][level] = append(a.cells[key][level], r)
	}
	return a
}

// inOrder sorts runs by time, then by name.
func inOrder(runs []*Run) []*Run {
	out := slices.Clone(runs)
	slices.SortStableFunc(out, func(a, b *Run) int {
		return cmp.Or(a.StartedAt.Time.Compare(b.StartedAt.Time), cmp.Compare(a.SourceName, b.SourceName), cmp.Compare(a.RunID, b.RunID))
	})
	return out
}

// levels are the max concurrencies that any replicate ran, ascending.
func (a *arm) levels() []int64 {
	set := map[int64]bool{}
	for _, byLevel := range a.cells {
		for level := range byLevel {
			set[level] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// at returns a measure at one level, one value a replicate, and which replicate
// each is of. Runs that share a start and a level are folded by geometric mean.
func (a *arm) at(level int64, m func(*Run) (float64, bool)) (values []float64, starts []string) {
	for _, start := range a.starts {
		if v, ok := fold(a.cells[start][level], m); ok {
			values = append(values, v)
			starts = append(starts, start)
		}
	}
	return values, starts
}

// over returns a measure over a set of levels, one value a replicate: the
// geometric mean over the levels. A replicate that lacks one is left out.
func (a *arm) over(levels []int64, m func(*Run) (float64, bool)) (values []float64) {
	for _, start := range a.starts {
		sum := 0.0
		for _, level := range levels {
			v, ok := fold(a.cells[start][level], m)
			if !ok {
				sum = math.NaN()
				break
			}
			sum += math.Log(v)
		}
		if !math.IsNaN(sum) {
			values = append(values, math.Exp(sum/float64(len(levels))))
		}
	}
	return values
}

// fold is the geometric mean of a measure over runs; false where any lacks it.
func fold(runs []*Run, m func(*Run) (float64, bool)) (float64, bool) {
	if len(runs) == 0 {
		return 0, false
	}
	sum := 0.0
	for _, r := range runs {
		v, ok := m(r)
		if !ok {
			return 0, false
		}
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(runs))), true
}

// estimate is the geometric mean of one value a replicate, with its t interval
// on logs.
func estimate(values []float64) Estimate {
	g, err := sample.GeometricMean(values, confidence)
	if err != nil {
		return missing(err.Error())
	}
	e := Estimate{Value: g.Value, N: g.N}
	return withInterval(e, g.CI, g.Warnings)
}

func withInterval(e Estimate, ci sample.Interval, warnings []sample.Warning) Estimate {
	if !math.IsInf(ci.Low, 0) && !math.IsInf(ci.High, 0) && !math.IsNaN(ci.Low) && !math.IsNaN(ci.High) && ci.Level > 0 {
		e.Lo, e.Hi, e.HasInterval, e.Confidence = ci.Low, ci.High, true, ci.Level
	}
	for _, w := range warnings {
		e.Notes = append(e.Notes, unique.Make(w.Text).Value())
	}
	return e
}

// missing is an estimate that could not be made.
func missing(why string) Estimate {
	e := Estimate{Value: math.NaN()}
	if why != "" {
		e.Notes = []string{why}
	}
	return e
}
