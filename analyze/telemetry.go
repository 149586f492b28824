package analyze

import (
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/servestat/servestat/analyze/power"
	"github.com/servestat/servestat/analyze/query"
)

// A recording is what one upload says over time of the machine or the engine.
type recording struct {
	query.TelemetryUpload
	series map[seriesKey][]power.Sample // by the clock of the recording
	runs   []*Run                       // that were asked about and that it may be of, in order of time
	others []*Run                       // of the lake besides: what a machine does may be theirs
	// mixed: series were left out, for they are of several GPUs that nothing tells
	// apart.
	mixed bool
}

// all are the runs that a recording may be of.
func (r *recording) all() []*Run { return slices.Concat(r.runs, r.others) }

// A seriesKey names a series within a recording.
type seriesKey struct{ name, device, stat string }

// recordings reads the samples that have one of the names and may be of the runs:
// of their server start, or, where a recording names none because it goes over
// several, of the folder that the runs lie in or below.
func recordings(ctx context.Context, db *query.DB, runs []*Run, names []string) ([]*recording, error) {
	uploads, err := db.TelemetryUploads(ctx, names)
	if err != nil {
		return nil, err
	}
	find := finding(runs)
	var out []*recording
	var ids []string
	byID := map[string]*recording{}
	for _, u := range uploads {
		r := &recording{TelemetryUpload: u, series: map[seriesKey][]power.Sample{}, runs: inOrder(find.of(u.ServerStart, u.SourceName))}
		if len(r.runs) > 0 {
			out, ids, byID[u.Upload] = append(out, r), append(ids, u.Upload), r
		}
	}
	crowded := map[string]int{} // moments at which a query without devices has several rows
	err = db.TelemetryValues(ctx, ids, names, func(v *query.TelemetryValue) error {
		key := seriesKey{v.Name, v.Device, v.Stat}
		series := byID[v.Upload].series
		series[key] = append(series[key], power.Sample{At: v.At, Value: v.Value})
		if v.Device == "" && v.Rows > 1 {
			crowded[v.Upload]++
		}
		return nil
	})
	for _, r := range out {
		r.leaveOutMixed(crowded[r.Upload])
	}
	return out, err
}

// mixedGPUs is why a query of nvidia-smi over several GPUs says nothing.
const mixedGPUs = "rows of several GPUs that nothing tells apart: add index or uuid to --query-gpu"

// leaveOutMixed leaves out what nvidia-smi says of several GPUs without saying of
// which: the mean over GPUs would pass for one of them, and its energy for all.
func (r *recording) leaveOutMixed(crowded int) {
	const few = 2 // a clock that was set back
	if r.Source != "nvidia-smi" {
		return
	}
	for key, samples := range r.series {
		if key.device == "" && (crowded > few || power.Mixed(samples)) {
			delete(r.series, key)
			r.mixed = true
		}
	}
}

// addNeighbours adds the runs that were not asked about. Of them it is known when
// they were, and what was asked of them.
func addNeighbours(ctx context.Context, db *query.DB, all []*recording) error {
	var where []string
	asked := map[string]bool{}
	for _, rec := range all {
		condition := "starts_with(source_name, " + sqlText(path.Dir(rec.SourceName)+"/") + ")"
		if rec.ServerStart.Valid {
			condition = "server_start = " + sqlText(rec.ServerStart.V)
		}
		if !slices.Contains(where, condition) {
			where = append(where, condition)
		}
		for _, r := range rec.runs {
			asked[r.RunID] = true
		}
	}
	if len(where) == 0 {
		return nil
	}
	ids, err := db.RunIdentities(ctx, strings.Join(where, " OR "))
	if err != nil {
		return err
	}
	var others []*Run
	for _, id := range ids {
		if !asked[id.RunID] {
			others = append(others, &Run{RunIdentity: &id})
		}
	}
	find := finding(others)
	for _, rec := range all {
		rec.others = inOrder(find.of(rec.ServerStart, rec.SourceName))
	}
	return nil
}

func sqlText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// A runFinder finds the runs that an upload is about.
type runFinder struct {
	runs    []*Run
	byStart map[string][]*Run
}

func finding(runs []*Run) runFinder {
	f := runFinder{runs, map[string][]*Run{}}
	for _, r := range runs {
		if r.ServerStart.Valid {
			f.byStart[r.ServerStart.V] = append(f.byStart[r.ServerStart.V], r)
		}
	}
	return f
}

// of are the runs on a server start, or, where an upload names none, those in its
// folder or below it.
func (f runFinder) of(start query.Text, source string) []*Run {
	if start.Valid {
		return f.byStart[start.V]
	}
	var out []*Run
	for _, r := range f.runs {
		if below(r.SourceName, source) {
			out = append(out, r)
		}
	}
	return out
}

// below reports whether a file lies in the folder of another, or below it. Of what
// lies in no folder nothing is below.
func below(name, other string) bool {
	folder := path.Dir(other)
	return path.Dir(name) == folder || folder != "." && folder != "/" && strings.HasPrefix(name, folder+"/")
}

// of returns the series of a name and a stat, by device in order.
func (r *recording) of(name, stat string) (out [][]power.Sample) {
	var devices []string
	for k := range r.series {
		if k.name == name && k.stat == stat {
			devices = append(devices, k.device)
		}
	}
	slices.Sort(devices)
	for _, d := range devices {
		out = append(out, r.series[seriesKey{name, d, stat}])
	}
	return out
}

// first returns the series of the first of some names that there is.
func (r *recording) first(stat string, names ...string) (name string, series [][]power.Sample) {
	for _, n := range names {
		if s := r.of(n, stat); len(s) > 0 {
			return n, s
		}
	}
	return "", nil
}

// sum adds up the devices of a series.
func sum(series [][]power.Sample) []power.Sample {
	if len(series) == 1 {
		return series[0]
	}
	return power.Add(series, int64(10*time.Second))
}

// A clockJoin says how the clock of a recording is joined with that of a run.
type clockJoin struct {
	offset  time.Duration // of the run's clock ahead of the recording's
	how     string
	refused string // why they cannot be joined
	// Doubtful: one of the clocks says its zone and the other does not. Unless power
	// follows the load as they stand, they are not joined.
	doubtful bool
	// Of the alignment with the load: what was added to the offset, and what it is
	// known within. Known is false where power does not follow the load.
	shift, within time.Duration
	known         bool
}

// sayOffset is what to do about a clock without a zone.
const sayOffset = "say utc_offset (servestat.yaml beside the telemetry and the results, or --label utc_offset=+02:00)"

// alignWithin bounds how far two clocks of one machine, and stamps of whole
// seconds, are apart: more is another zone, or another clock.
const alignWithin = 10 * time.Second

// join joins a recording's clock with that of a run by what both say of their
// zones, and nothing else. Where one says its zone and the other does not, or
// where they then do not overlap, they are not joined: an hour more or less is
// never guessed.
func (r *recording) join(w window, samples []power.Sample) clockJoin {
	j := clockJoin{}
	switch {
	case !w.known:
		j.refused = "the run has no wall-clock anchor: its result file has no date"
		return j
	case r.ZoneKnown && w.east != nil:
		j.offset, j.how = *w.east, "both clocks say their zone"
	case r.Source == serverLog:
		j = r.joinLog(w, samples)
		return j
	case !r.ZoneKnown && w.east == nil:
		j.how = "neither clock says a zone: taken to be of one machine"
	case r.ZoneKnown:
		j.how, j.doubtful = "the telemetry is in UTC, the run's clock says no zone", true
	default:
		j.how, j.doubtful = "the run's clock is in UTC, the telemetry says no zone", true
	}
	from, to := w.on(j.offset)
	known := r.ZoneKnown && w.east != nil
	if err := power.Overlap(samples, from, to, known); err != nil {
		j.refused = err.Error()
		if !known {
			j.refused += "; " + sayOffset
		}
	}
	return j
}

// serverLog is the source of samples that a server's log gives.
const serverLog = "server_log"

// joinLog joins the clock of a server's log, which never says a zone: as it stands
// where all runs lie inside the log, or else at the only offset between zones at
// which they do.
func (r *recording) joinLog(w window, samples []power.Sample) clockJoin {
	j := clockJoin{how: "the server's log says no zone: taken to be of the client's machine"}
	if len(samples) == 0 || r.inside(0, samples) {
		return j
	}
	var fits []time.Duration
	for o := -zoneMost; o <= zoneMost; o += zoneStep {
		if r.inside(o, samples) {
			fits = append(fits, o)
		}
	}
	if len(fits) != 1 {
		j.refused = "the runs do not lie inside the server's log: " + sayOffset
		return j
	}
	j.offset, j.how = fits[0], "the only offset between zones at which the runs lie inside the server's log"
	return j
}

// inside reports whether all runs with a date lie inside the samples, with an
// interval of statistics to spare.
func (r *recording) inside(offset time.Duration, samples []power.Sample) bool {
	const spare = int64(20 * time.Second)
	dated := 0
	for _, run := range r.all() {
		w := run.window()
		if !w.known {
			continue
		}
		dated++
		from, to := w.on(offset)
		if from < samples[0].At-spare || to > samples[len(samples)-1].At+spare {
			return false
		}
	}
	return dated > 0
}

// on is a run's window by the clock of a recording, ns since 1970.
func (w window) on(offset time.Duration) (from, to int64) {
	start := w.start.Add(-offset)
	return start.UnixNano(), start.Add(w.length).UnixNano()
}

// window is when the run was measured.
func (r *Run) window() window { return windowOf(r.RunIdentity) }

// load is how many requests the runs of a recording had in flight, by its clock,
// as far as the runs say: each its mean over its whole length, and between them
// none. It is on a logarithmic scale, for power rises the less the more there are.
func (r *recording) load(offset time.Duration) []power.Sample {
	var out []power.Sample
	for _, run := range inOrder(r.all()) {
		if w := run.window(); w.known {
			from, to := w.on(offset)
			out = append(out, power.Sample{At: from, Value: math.Log1p(run.meanLoad())}, power.Sample{At: to, Value: 0})
		}
	}
	return out
}

// meanLoad is the requests that a run had in flight, or else was to have.
func (r *Run) meanLoad() float64 {
	if r.Sum != nil && r.Sum.Concurrency.Valid {
		return r.Sum.Concurrency.V
	}
	return float64(max(r.MaxConcurrency.V, 1))
}

// align moves a recording's clock to where power follows the load best, by a few
// seconds at most. Where it follows it at a shift that is one between zones, and
// not as the clocks stand, they are not joined.
func (r *recording) align(j clockJoin, watts []power.Sample) clockJoin {
	load := r.load(j.offset)
	if len(load) == 0 {
		return j
	}
	near, err := power.Align(around(watts, load[0].At, load[len(load)-1].At), load, alignWithin)
	if err == nil {
		j.known, j.shift, j.within = true, near.By, near.Within
		return j
	}
	if by, ok := otherZone(watts, load); ok {
		j.refused = fmt.Sprintf("power does not follow the load as the clocks stand, and does if the telemetry's is %s off; it is not guessed: %s", by, sayOffset)
	} else if j.doubtful {
		j.refused = j.how + ", and power does not tell by how much they are apart: " + sayOffset
	}
	return j
}

// around are the samples of a stretch and a minute on either side: what a machine
// does at other times says nothing of the runs.
func around(all []power.Sample, from, to int64) []power.Sample {
	const side = int64(time.Minute)
	var out []power.Sample
	for _, s := range all {
		if s.At >= from-side && s.At <= to+side {
			out = append(out, s)
		}
	}
	return out
}

// surely is the correlation of power and load at which another zone is named.
const surely = 0.8

// otherZone looks for the offset between zones at which power follows the load.
func otherZone(watts, load []power.Sample) (by time.Duration, ok bool) {
	best := surely
	for o := -zoneMost; o <= zoneMost; o += zoneStep {
		from, to := load[0].At-int64(o), load[len(load)-1].At-int64(o)
		near := around(watts, from, to)
		for i := range near {
			near[i].At += int64(o)
		}
		if s, err := power.Align(near, load, 0); err == nil && s.R > best {
			best, by, ok = s.R, o, true
		}
	}
	return by, ok
}
