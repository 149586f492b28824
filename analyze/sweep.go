package analyze

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/servestat/servestat/analyze/audit"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas"
)

// Sweeps returns the curves of d: one Sweep a group, one series a runtime
// version, oldest first. Runs that cannot be placed on a curve are not in it.
func Sweeps(ctx context.Context, d *Data) ([]Sweep, error) {
	gaps, err := d.db.ITLDistribution(ctx, d.Selection)
	if err != nil {
		return nil, err
	}
	placed := d.Only((*Run).onCurve)
	groups := byGroup(placed.Runs)
	var out []Sweep
	for _, g := range sortedGroups(groups) {
		out = append(out, Sweep{Group: g})
	}
	onAllCores(len(out), func(i int) { out[i].fill(groups[out[i].Group], gaps) })
	return out, nil
}

// onAllCores does n things that do not depend on each other.
func onAllCores(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	wg.Wait()
}

// fill makes the series of the sweep's group.
func (s *Sweep) fill(all []*Run, gaps []query.GapBucket) {
	for _, version := range versionsOf(all) {
		runs := ofVersion(all, version)
		series := newSeries(version, runs)
		series.ITL = distributions(gaps, s.Group, version, series.Levels)
		s.Series = append(s.Series, series)
		for _, residue := range variation(runs) {
			s.Warnings = append(s.Warnings, version+": "+residue)
		}
	}
	s.CurvesSQL = s.curvesStatement()
	s.Changes, s.Pareto = curveChanges(s.Series), pareto(s.Series)
}

// versionsOf lists the runtime versions of runs, oldest first.
func versionsOf(runs []*Run) []string {
	versions := valuesOf(runs, func(r *Run) (string, bool) { return r.version(), true })
	slices.SortFunc(versions, compareVersions)
	return versions
}

func ofVersion(runs []*Run, version string) []*Run {
	var out []*Run
	for _, r := range runs {
		if r.version() == version {
			out = append(out, r)
		}
	}
	return out
}

// compareVersions orders 0.9.2 before 0.19.0, 0.20.0rc1 before 0.20.0, and that
// before 0.20.0+cu128 (PEP 440, as far as releases of runtimes need it).
func compareVersions(a, b string) int {
	aPublic, aLocal, _ := strings.Cut(a, "+")
	bPublic, bLocal, _ := strings.Cut(b, "+")
	return cmp.Or(comparePublic(aPublic, bPublic), strings.Compare(aLocal, bLocal), strings.Compare(a, b))
}

func comparePublic(a, b string) int {
	as, bs := versionParts(a), versionParts(b)
	for i := range max(len(as), len(bs)) {
		if c := compareParts(part(as, i), part(bs, i)); c != 0 {
			return c
		}
	}
	return 0
}

func part(parts []string, i int) string {
	if i < len(parts) {
		return parts[i]
	}
	return ""
}

// compareParts orders numbers by value; a word (rc, dev) comes before the end of
// a version, and the end before post and before a number.
func compareParts(a, b string) int {
	rank := func(s string) (kind, n int) {
		switch s {
		case "":
			return 1, 0
		case "post":
			return 2, 0
		}
		if n, err := strconv.Atoi(s); err == nil {
			return 3, n
		}
		return 0, 0
	}
	ka, na := rank(a)
	kb, nb := rank(b)
	return cmp.Or(cmp.Compare(ka, kb), cmp.Compare(na, nb), strings.Compare(a, b))
}

// versionParts splits a version into runs of digits and runs of letters.
func versionParts(v string) []string {
	var parts []string
	kind := func(r byte) int {
		switch {
		case r >= '0' && r <= '9':
			return 1
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			return 2
		}
		return 0
	}
	for i := 0; i < len(v); {
		j, k := i, kind(v[i])
		for j < len(v) && kind(v[j]) == k {
			j++
		}
		if k != 0 {
			parts = append(parts, v[i:j])
		}
		i = j
	}
	return parts
}

func newSeries(version string, runs []*Run) Series {
	window, sets := inSteadyWindow(runs)
	runs = sets[0]
	a := newArm(runs)
	s := Series{Version: version, Starts: len(a.starts), StartsKnown: a.startsKnown, Window: window}
	for _, r := range runs {
		s.Simulated = s.Simulated || r.Simulated.V
		s.Points = append(s.Points, newPoint(r))
	}
	for _, level := range a.levels() {
		s.Levels = append(s.Levels, newLevel(a, level))
	}
	s.SQL = levelsStatement(a, window)
	s.Degradation = degradation(a)
	s.fitted = fits(s.Points)
	for _, f := range s.fitted {
		s.Fits = append(s.Fits, f.Fit)
	}
	if window == Steady {
		s.Notes = append(s.Notes, "means and medians are of the steady window of each run: ramp, drain and a cold start are outside; p99s are of whole runs")
	}
	if !a.startsKnown {
		s.Notes = append(s.Notes, "server starts are not recorded: repeats count as replicates")
	}
	return s
}

func newPoint(r *Run) Point {
	s := r.Sum
	return Point{
		RunID: r.RunID, Source: r.SourceName, Start: r.ServerStart.V, MaxConcurrency: r.MaxConcurrency.V,
		Concurrency: orNaN(s.Concurrency), TTFTp50: orNaN(s.TTFTp50), TTFTp99: orNaN(s.TTFTp99),
		ITLMean: orNaN(s.ITLMean), ITLp50: orNaN(s.ITLp50), ITLp99: orNaN(s.ITLp99), TPOTMean: orNaN(s.TPOTMean),
		E2ELp50: orNaN(s.E2ELp50), Output: orNaN(s.OutputThroughput), RequestsPerS: orNaN(s.RequestThroughput),
		Requests: s.Requests, Failed: s.Failed,
	}
}

func newLevel(a *arm, level int64) Level {
	of := func(value func(*query.RunSummary) query.Number) Estimate {
		values, _ := a.at(level, func(r *Run) (float64, bool) {
			v := value(r.Sum)
			return v.V, v.Valid && v.V > 0
		})
		if len(values) == 0 {
			return missing("")
		}
		return estimate(values)
	}
	l := Level{
		MaxConcurrency: level,
		Concurrency:    of(func(s *query.RunSummary) query.Number { return s.Concurrency }),
		TTFTp50:        of(func(s *query.RunSummary) query.Number { return s.TTFTp50 }),
		TTFTp99:        of(func(s *query.RunSummary) query.Number { return s.TTFTp99 }),
		ITLMean:        of(func(s *query.RunSummary) query.Number { return s.ITLMean }),
		ITLp99:         of(func(s *query.RunSummary) query.Number { return s.ITLp99 }),
		TPOTMean:       of(func(s *query.RunSummary) query.Number { return s.TPOTMean }),
		E2ELp50:        of(func(s *query.RunSummary) query.Number { return s.E2ELp50 }),
		Output:         of(func(s *query.RunSummary) query.Number { return s.OutputThroughput }),
	}
	l.Concurrency.Notes = nil // it is a setting that was reached: equal values are no surprise
	fewest := int64(math.MaxInt64)
	for _, r := range a.atLevel(level) {
		l.Runs++
		l.Requests += r.Sum.Requests
		l.Failed += r.Sum.Failed
		fewest = min(fewest, r.Sum.Completed)
		l.addAuditNotes(r)
	}
	if fewest < p99Floor {
		l.TTFTp99 = missing(fmt.Sprintf("a p99 of TTFT needs >= %d completed requests in each run", p99Floor))
	}
	if l.Concurrency.Value < 0.95*float64(level) {
		l.Notes = append(l.Notes, fmt.Sprintf("asked %d, achieved %.1f", level, l.Concurrency.Value))
	}
	return l
}

// qualifies says which numbers of a level the finding of a check qualifies, and
// in which words where the finding's own are of one run.
var qualifies = map[string]struct {
	of   func(*Level) []*Estimate
	note string
}{
	audit.TokensPerChunk: {
		func(l *Level) []*Estimate { return []*Estimate{&l.ITLMean, &l.ITLp99} },
		"a chunk carries several tokens: a gap is no time between tokens, see TPOT",
	},
	"T5 counted tokens": {
		func(l *Level) []*Estimate { return []*Estimate{&l.TPOTMean, &l.Output} },
		"chunks and counted tokens do not agree, see the truth checks",
	},
	"failed requests": {
		func(l *Level) []*Estimate {
			return []*Estimate{&l.TTFTp50, &l.TTFTp99, &l.ITLMean, &l.ITLp99, &l.TPOTMean, &l.E2ELp50}
		},
		"requests failed; latencies are of the others",
	},
	"suspect requests": {
		func(l *Level) []*Estimate { return []*Estimate{&l.TTFTp50, &l.TTFTp99, &l.E2ELp50} },
		"some requests count as completed though no chunk came; they are left out",
	},
	"prefix cache": {
		func(l *Level) []*Estimate { return []*Estimate{&l.TTFTp50, &l.TTFTp99} },
		"prompt tokens came from the prefix cache",
	},
	"coordinated omission": {
		func(l *Level) []*Estimate { return []*Estimate{&l.TTFTp50, &l.TTFTp99, &l.E2ELp50} },
		"requests were sent late: counted from the schedule it is longer",
	},
	"truncated log": {
		func(l *Level) []*Estimate { return []*Estimate{&l.Output, &l.TTFTp99, &l.ITLp99} },
		"an upload was cut short: the slowest requests may be missing",
	},
}

// addAuditNotes attaches what the truth checks found to the numbers it is about.
func (l *Level) addAuditNotes(r *Run) {
	for _, f := range r.fired {
		q, ok := qualifies[f.Check]
		if !ok {
			continue
		}
		for _, e := range q.of(l) {
			e.addNote(q.note)
		}
	}
}

func (e *Estimate) addNote(text string) {
	if !slices.Contains(e.Notes, text) {
		e.Notes = append(e.Notes, text)
	}
}

// distributions turns the histograms of a series' lowest and highest level into
// cumulative curves.
func distributions(gaps []query.GapBucket, g Group, version string, levels []Level) []ECDF {
	if len(levels) == 0 {
		return nil
	}
	ends := []int64{levels[0].MaxConcurrency}
	if last := levels[len(levels)-1].MaxConcurrency; last != ends[0] {
		ends = append(ends, last)
	}
	var out []ECDF
	for _, level := range ends {
		e := ECDF{MaxConcurrency: level}
		var counts []int64
		for _, b := range gaps {
			v := unknownVersion
			if b.RuntimeVersion.Valid {
				v = b.RuntimeVersion.V
			}
			if (Group{b.Model.V, b.Hardware.V, b.PathLabel.V}) != g || v != version || b.MaxConcurrency.V != level {
				continue
			}
			_, hi := schemas.HistogramBounds(b.Bucket)
			e.X = append(e.X, float64(hi)/1e9)
			counts = append(counts, b.N)
			e.N += b.N
		}
		sum := int64(0)
		for _, n := range counts {
			sum += n
			e.P = append(e.P, float64(sum)/float64(e.N))
		}
		if e.N > 0 {
			out = append(out, e)
		}
	}
	return out
}
