package analyze

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/servestat/servestat/analyze/power"
	"github.com/servestat/servestat/analyze/quality"
	"github.com/servestat/servestat/analyze/query"
)

// Resources are what runs took of the machine: energy, memory, clocks.
type Resources struct {
	Of      int             `json:"of"`               // runs that were asked about
	Runs    []RunResources  `json:"runs"`             // those of which anything is known, or could not be known for a reason
	Levels  []ResourceLevel `json:"levels,omitempty"` // one a group, version and max concurrency
	Servers []ServerMemory  `json:"servers,omitempty"`
	Drifts  []Drifting      `json:"drifts,omitempty"`
	Calls   []CallEnergy    `json:"tool_calls,omitempty"`
}

// RunResources are what one run took.
type RunResources struct {
	RunID          string        `json:"run_id"`
	Source         string        `json:"source"`
	Group          Group         `json:"group"`
	Version        string        `json:"version"`
	Load           string        `json:"load"`
	MaxConcurrency int64         `json:"max_concurrency,omitempty"`
	Start          string        `json:"server_start,omitempty"`
	Energy         *Energy       `json:"energy,omitempty"`
	NoEnergy       string        `json:"no_energy,omitempty"` // why there is none
	KV             *Gauge        `json:"kv_cache_usage,omitempty"`
	Preemptions    *float64      `json:"preemptions,omitempty"`
	Memory         *Gauge        `json:"memory_used,omitempty"`
	MemoryTotal    *float64      `json:"memory_total_bytes,omitempty"`
	Clocks         *ClockUse     `json:"gpu_clocks,omitempty"`
	NoClocks       string        `json:"no_gpu_clocks,omitempty"`
	Limits         []ClockLimit  `json:"gpu_clock_limits,omitempty"` // the worst first
	Over           *ResourceOver `json:"-"`                          // of a single run, for a picture
}

// An Energy is what a run took, by the trapezoid rule over samples of power.
type Energy struct {
	Scope   string   `json:"scope"` // board input, compute domains, GPU
	Rails   []string `json:"rails"` // that were added up
	Source  string   `json:"source"`
	Joules  Estimate `json:"joules"` // interval: of the samples and of the clocks
	Watts   float64  `json:"watts"`
	Idle    *float64 `json:"idle_watts,omitempty"` // of the samples just before and after
	Above   *float64 `json:"joules_above_idle,omitempty"`
	Tokens  int64    `json:"output_tokens"`
	PerOut  Estimate `json:"joules_per_output_token"`
	AboveBy *float64 `json:"joules_above_idle_per_output_token,omitempty"`
	// Coverage is the share of the run that samples cover.
	Coverage float64 `json:"coverage"`
	CadenceS float64 `json:"cadence_s"`
	Samples  int     `json:"samples"`
	// MeanS is the time before it that each reading may be the mean of. The trapezoid
	// then misses some of both ends of the run.
	MeanS float64 `json:"reading_mean_s,omitempty"`
	Clock Clock   `json:"clock"`
}

// A Clock says how telemetry was joined with runs.
type Clock struct {
	OffsetS float64  `json:"offset_s"` // of the run's clock ahead of the telemetry's
	ShiftS  *float64 `json:"shift_s,omitempty"`
	WithinS *float64 `json:"within_s,omitempty"`
	How     string   `json:"how"`
}

// A Gauge is a value over the time of a run.
type Gauge struct {
	Mean    float64 `json:"mean"`
	Most    float64 `json:"most"`
	Samples int     `json:"samples"`
	Source  string  `json:"source"`
}

// ClockUse is how a GPU's clock held up while the run loaded it.
type ClockUse struct {
	MedianHz float64 `json:"median_hz"`
	TopHz    float64 `json:"top_hz"`
	Ratio    float64 `json:"ratio"`
	Stuck    bool    `json:"stuck"`
	Reason   string  `json:"reason,omitempty"`
	// Capped: the GPU was at its power cap for half of the run or more, so that a low
	// clock is not a stuck one.
	Capped bool `json:"at_power_cap,omitempty"`
}

// A ClockLimit is what held a GPU's clock down, by what its driver says: of several
// GPUs the one that it held most.
type ClockLimit struct {
	Reason string  `json:"reason"`
	Share  float64 `json:"share"` // of the samples of the run
	Fault  bool    `json:"fault"` // heat or supply, and no setting
}

// A ResourceLevel summarises the runs of one load point: the geometric mean over
// server starts.
type ResourceLevel struct {
	Side           Side     `json:"side,omitempty"` // of a comparison
	Group          Group    `json:"group"`
	Version        string   `json:"version"`
	MaxConcurrency int64    `json:"max_concurrency"`
	Runs           int      `json:"runs"`
	PerOut         Estimate `json:"joules_per_output_token"`
	Watts          Estimate `json:"watts"`
	KVMost         *float64 `json:"kv_cache_usage_most,omitempty"`
	MemoryMost     *float64 `json:"memory_used_most_bytes,omitempty"`
	Preemptions    *float64 `json:"preemptions,omitempty"`
}

// ServerMemory is what a server's log says of its memory.
type ServerMemory struct {
	Log      string   `json:"log"`
	Weights  *float64 `json:"weights_gib,omitempty"`
	KV       *float64 `json:"kv_cache_gib,omitempty"`
	KVTokens *float64 `json:"kv_cache_tokens,omitempty"`
	Graphs   *float64 `json:"graphs_gib,omitempty"`
	Holds    *float64 `json:"requests_of_full_context,omitempty"`
}

// A Drifting is the slope of memory over the runs of a recording.
type Drifting struct {
	What        string   `json:"what"`
	Source      string   `json:"source"`
	PerHour     Estimate `json:"bytes_per_hour"`
	WatchedS    float64  `json:"watched_s"`
	Significant bool     `json:"significant"`
	Reason      string   `json:"reason,omitempty"` // why it is not
}

// CallEnergy is what judged tool calls took.
type CallEnergy struct {
	Source     string   `json:"source"`
	Model      string   `json:"model,omitempty"`
	Judged     int64    `json:"judged"`
	Valid      int64    `json:"valid"`
	Share      Estimate `json:"valid_share"` // Wilson's interval
	Joules     *float64 `json:"joules,omitempty"`
	PerValid   Estimate `json:"joules_per_valid_call"`
	PerSecond  *float64 `json:"valid_calls_per_s,omitempty"`
	NoEnergy   string   `json:"no_energy,omitempty"`
	EnergyFrom string   `json:"energy_from,omitempty"`
}

// ResourceOver is what a run took over time, in seconds since it began.
type ResourceOver struct {
	Scope     string
	Power, KV []TimedValue
	Length    float64
}

// A TimedValue is a value at a time.
type TimedValue struct{ At, Value float64 }

// Names of samples.
var (
	// nvidia-smi prints clocks.current.sm of what it is asked for as clocks.sm; who
	// writes the header himself writes either.
	clockNames = []string{"clocks.current.sm", "clocks.sm", "clocks.current.graphics", "clocks.gr", "DCGM_FI_DEV_SM_CLOCK", "SMCLK", "pclk", "GR3D_FREQ", "GR3D"}
	loadNames  = []string{"utilization.gpu", "DCGM_FI_DEV_GPU_UTIL", "GPUTL", "sm", "GR3D_FREQ", "GR3D"}
	usedNames  = []string{"memory.used", "DCGM_FI_DEV_FB_USED", "FBUSD", "fb", "nvidia_memory_used", "amd_memory_used", "gpu_memory_used", "RAM"}
	totalNames = []string{"memory.total", "RAM"}
	kvNames    = []string{"kv_cache_usage_perc", "gpu_cache_usage_perc", "GPU KV cache usage"}
	lostNames  = []string{"num_preemptions_total", "num_preemptions"}
)

// What is missing of a run of which nothing was recorded.
const (
	noPower  = "no samples of power of this run: ingest tegrastats, nvidia-smi or dcgm with the results"
	noClocks = "no samples of the GPU's clock"
)

// FindResources returns what the runs of d took, nil where nothing was recorded
// of it.
func FindResources(ctx context.Context, d *Data) (*Resources, error) {
	if d.db == nil || len(d.Runs) == 0 {
		return nil, nil
	}
	names := slices.Concat(power.Names(), power.LimitNames(), clockNames, loadNames, usedNames, totalNames, kvNames, lostNames)
	all, err := recordings(ctx, d.db, d.Runs, names)
	if err != nil {
		return nil, err
	}
	if err := addNeighbours(ctx, d.db, all); err != nil {
		return nil, err
	}
	f := &finder{byRun: map[string]*RunResources{}, runs: d.Runs}
	for _, r := range d.Runs {
		f.byRun[r.RunID] = &RunResources{
			RunID: r.RunID, Source: r.SourceName, Group: r.group(), Version: r.version(), Load: r.load(), MaxConcurrency: r.MaxConcurrency.V, Start: r.ServerStart.V,
			NoEnergy: noPower, NoClocks: noClocks,
		}
	}
	f.tops = topClocks(all)
	for _, rec := range byWorth(all) {
		f.take(rec)
	}
	if f.Servers, err = serverMemories(ctx, d); err != nil {
		return nil, err
	}
	if err := f.calls(ctx, d, all); err != nil {
		return nil, err
	}
	return f.found(), nil
}

// byWorth puts recordings first that name a server start: they are of no others.
func byWorth(all []*recording) []*recording {
	out := slices.Clone(all)
	slices.SortStableFunc(out, func(a, b *recording) int {
		named := map[bool]int{true: 0, false: 1}
		return cmp.Or(named[a.ServerStart.Valid]-named[b.ServerStart.Valid], strings.Compare(a.SourceName, b.SourceName))
	})
	return out
}

// A finder gathers what recordings say of runs.
type finder struct {
	Resources
	runs  []*Run
	byRun map[string]*RunResources
	tops  map[string]float64 // the highest clock that was seen on a kind of hardware
	any   bool
}

// found are the resources, in the order of the runs; nil where there are none.
func (f *finder) found() *Resources {
	if !f.any && len(f.Calls) == 0 && !slices.ContainsFunc(f.Servers, ServerMemory.known) {
		return nil
	}
	f.Of, f.Runs = len(f.runs), []RunResources{}
	for _, r := range f.runs {
		if told := f.byRun[r.RunID]; told.known() {
			f.Runs = append(f.Runs, *told)
		}
	}
	f.Levels = levelsOf(f.runs, f.byRun)
	return &f.Resources
}

// known reports whether there is anything to tell of a run.
func (r *RunResources) known() bool {
	return r.Energy != nil || r.KV != nil || r.Memory != nil || r.Clocks != nil || r.Limits != nil || r.Preemptions != nil || r.NoEnergy != noPower || r.NoClocks != noClocks
}

// take adds what one recording says.
func (f *finder) take(rec *recording) {
	f.energies(rec)
	f.gauges(rec)
	for _, r := range rec.runs {
		f.clocks(rec, r)
		f.limits(rec, r)
	}
}

// watts is the power of a recording, what it is of and how its clock is joined.
type watts struct {
	scope   power.Scope
	samples []power.Sample
	join    clockJoin
	busy    [][2]int64 // when runs went on
}

// power adds up the rails and GPUs of a recording, in every way that may be, the best
// first.
func (r *recording) power() []watts {
	var names []string
	for k := range r.series {
		if k.stat == "" {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	scopes, err := power.ChooseAll(slices.Compact(names))
	if err != nil {
		return nil
	}
	var out []watts
	for _, scope := range scopes {
		var rails [][]power.Sample
		for _, name := range scope.Rails {
			rails = append(rails, r.of(name, "")...)
		}
		out = append(out, watts{scope: scope, samples: sum(rails)})
	}
	return out
}

// energies integrates the power of a recording over its runs.
func (f *finder) energies(rec *recording) {
	if rec.mixed {
		f.refuse(rec, mixedGPUs)
	}
	for _, w := range rec.power() {
		f.any = true
		w.join = rec.joined(w)
		w.busy = rec.busy(w)
		for _, r := range rec.runs {
			f.energy(rec, w, r)
		}
	}
}

// refuse says why a recording gives no energy of its runs.
func (f *finder) refuse(rec *recording, why string) {
	f.any = true
	for _, r := range rec.runs {
		if out := f.byRun[r.RunID]; out.Energy == nil {
			out.NoEnergy = path.Base(rec.SourceName) + ": " + why
		}
	}
}

// energy integrates power over a run, where that was not done in a better way.
func (f *finder) energy(rec *recording, w watts, r *Run) {
	out := f.byRun[r.RunID]
	if out.Energy != nil {
		return
	}
	e, err := rec.energy(w, r)
	if err != nil {
		out.NoEnergy = path.Base(rec.SourceName) + ": " + err.Error()
		return
	}
	out.Energy, out.NoEnergy = e, ""
	if len(f.runs) == 1 {
		w.addOver(out, r)
	}
}

// joined aligns a recording by all its runs: where one of them can be joined, so
// can the clocks.
func (r *recording) joined(w watts) clockJoin {
	for _, run := range r.runs {
		if j := r.join(run.window(), w.samples); j.refused == "" && !w.scope.Counter {
			return r.align(j, w.samples)
		}
	}
	return clockJoin{}
}

// on is a run's window by the clock of the samples of power.
func (w watts) on(r *Run, j clockJoin) (from, to int64) {
	from, to = r.window().on(j.offset)
	return from - int64(w.join.shift), to - int64(w.join.shift)
}

func (r *recording) energy(w watts, run *Run) (*Energy, error) {
	j := r.join(run.window(), w.samples)
	if why := cmp.Or(j.refused, w.join.refused); why != "" {
		return nil, errors.New(why)
	}
	from, to := w.on(run, j)
	e, err := w.integrate(from, to)
	if err != nil {
		return nil, err
	}
	out := &Energy{
		Scope: w.scope.Name, Rails: w.scope.Rails, Source: r.SourceName, Watts: e.Watts, Coverage: e.Coverage, CadenceS: e.Cadence.Seconds(), Samples: e.Samples,
		Joules: Estimate{Value: e.Joules, Lo: e.Lo, Hi: e.Hi, HasInterval: true, Confidence: confidence, N: 1},
		Clock:  Clock{OffsetS: (j.offset + w.join.shift).Seconds(), How: j.how},
	}
	out.MeanS = w.scope.ReadingMean(run.Hardware.V).Seconds()
	if w.join.known {
		within := w.join.within + run.anchorWithin()
		out.Clock.ShiftS, out.Clock.WithinS = number(w.join.shift.Seconds()), number(within.Seconds())
		w.widen(&out.Joules, from, to, int64(within))
	}
	if idle, ok := r.idle(w, from, to); ok {
		out.Idle = &idle
		out.Above = number(e.Joules - idle*float64(to-from)/1e9)
	}
	out.perToken(run)
	return out, nil
}

// integrate is the energy between two moments: by the counters where the samples
// count joules.
func (w watts) integrate(from, to int64) (power.Energy, error) {
	if w.scope.Counter {
		return power.Counter(w.samples, from, to)
	}
	return power.Integrate(w.samples, from, to)
}

// anchorWithin is what the beginning of a run is known within: the date of a result
// is in whole seconds, unless its times are seconds since 1970.
func (r *Run) anchorWithin() time.Duration {
	if r.Epoch {
		return 0
	}
	return time.Second / 2
}

// widen lets an interval hold what the energy is where the clocks are as far off
// as they may be.
func (w watts) widen(e *Estimate, from, to, within int64) {
	for _, by := range []int64{-within, within} {
		if moved, err := w.integrate(from+by, to+by); err == nil {
			e.Lo, e.Hi = min(e.Lo, moved.Joules), max(e.Hi, moved.Joules)
		}
	}
}

// The idle power of a run is that of the samples near it, at least a little away
// from it and from every other run.
const (
	idleWithin = int64(15 * time.Second)
	idleAway   = int64(1500 * time.Millisecond)
	leastIdle  = 3
)

func (r *recording) idle(w watts, from, to int64) (float64, bool) {
	if w.scope.Counter {
		return 0, false
	}
	total, n := 0.0, 0
	for _, s := range around(w.samples, from, to) {
		near := s.At > from-idleWithin && s.At < from-idleAway || s.At > to+idleAway && s.At < to+idleWithin
		if near && !slices.ContainsFunc(w.busy, func(b [2]int64) bool { return s.At > b[0]-idleAway && s.At < b[1]+idleAway }) {
			total += s.Value
			n++
		}
	}
	return total / float64(n), n >= leastIdle
}

// busy are the windows of all runs of a recording, by the clock of its power.
func (r *recording) busy(w watts) (out [][2]int64) {
	for _, run := range r.all() {
		win := run.window()
		if !win.known {
			continue
		}
		j := clockJoin{}
		if r.ZoneKnown && win.east != nil {
			j.offset = *win.east
		}
		from, to := w.on(run, j)
		out = append(out, [2]int64{from, to})
	}
	return out
}

// perToken divides by the output tokens of a run.
func (e *Energy) perToken(r *Run) {
	e.PerOut = missing("the run's output tokens are not known")
	if r.Sum == nil || !(r.Sum.OutputTokens.V > 0) {
		return
	}
	n := float64(r.Sum.OutputTokens.V)
	e.Tokens = r.Sum.OutputTokens.V
	e.PerOut = Estimate{Value: e.Joules.Value / n, Lo: e.Joules.Lo / n, Hi: e.Joules.Hi / n, HasInterval: true, Confidence: confidence, N: 1}
	if e.Above != nil {
		e.AboveBy = number(*e.Above / n)
	}
}

// over is what is known of a run over its time.
func (r *RunResources) over(run *Run) *ResourceOver {
	if r.Over == nil {
		r.Over = &ResourceOver{Length: run.window().length.Seconds()}
	}
	return r.Over
}

// addOver adds the power of a run over its time; of a counter there is none.
func (w watts) addOver(out *RunResources, r *Run) {
	if w.scope.Counter {
		return
	}
	from, to := w.on(r, clockJoin{offset: w.join.offset})
	over := out.over(r)
	over.Scope, over.Power = w.scope.Name, timed(w.samples, from, to)
}

// timed are the samples of a stretch, and a little on either side.
func timed(all []power.Sample, from, to int64) []TimedValue {
	side := max((to-from)/20, int64(5*time.Second))
	var out []TimedValue
	for _, s := range all {
		if s.At >= from-side && s.At <= to+side {
			out = append(out, TimedValue{float64(s.At-from) / 1e9, s.Value})
		}
	}
	return out
}

// gauges takes what a recording says of the KV cache and of memory.
func (f *finder) gauges(rec *recording) {
	_, kv := rec.first("", kvNames...)
	_, lost := rec.first("", lostNames...)
	name, used := rec.first("", usedNames...)
	_, total := rec.first("", totalNames...)
	if len(used) == 0 { // tegrastats tells used and total apart
		name, used = rec.first("used", usedNames...)
		_, total = rec.first("total", totalNames...)
	}
	f.any = f.any || len(kv)+len(used) > 0
	for _, r := range rec.runs {
		out := f.byRun[r.RunID]
		if out.KV == nil && len(kv) > 0 {
			out.KV = rec.gauge(sum(kv), r)
			if out.KV != nil {
				out.KV.Mean, out.KV.Most = out.KV.Mean/float64(len(kv)), out.KV.Most/float64(len(kv))
				if len(f.runs) == 1 {
					from, to := r.window().on(rec.join(r.window(), kv[0]).offset)
					out.over(r).KV = timed(kv[0], from, to)
				}
			}
		}
		if out.Preemptions == nil && len(lost) > 0 {
			out.Preemptions = rec.rise(sum(lost), r)
		}
		if out.Memory == nil && len(used) > 0 {
			out.Memory = rec.gauge(sum(used), r)
			if g := rec.gauge(sum(total), r); g != nil {
				out.MemoryTotal = &g.Most
			}
		}
	}
	if len(used) > 0 {
		f.drift(rec, name, sum(used))
	}
}

// gauge is a series over a run; nil where no sample is of it.
func (r *recording) gauge(all []power.Sample, run *Run) *Gauge {
	j := r.join(run.window(), all)
	if j.refused != "" || j.doubtful || len(all) == 0 {
		return nil
	}
	from, to := run.window().on(j.offset)
	g := Gauge{Most: math.Inf(-1), Source: r.SourceName}
	for _, s := range all {
		if s.At >= from && s.At <= to {
			g.Mean += s.Value
			g.Most = max(g.Most, s.Value)
			g.Samples++
		}
	}
	if g.Samples == 0 {
		return nil
	}
	g.Mean /= float64(g.Samples)
	return &g
}

// rise is what a counter rose by over a run; nil where it was not read before and
// after, or fell.
func (r *recording) rise(all []power.Sample, run *Run) *float64 {
	j := r.join(run.window(), all)
	if j.refused != "" || j.doubtful {
		return nil
	}
	from, to := run.window().on(j.offset)
	before, after := math.NaN(), math.NaN()
	for _, s := range all {
		if s.At <= from {
			before = s.Value
		}
		if s.At >= to && math.IsNaN(after) {
			after = s.Value
		}
	}
	if !(after >= before) {
		return nil
	}
	return number(after - before)
}

// drift is the slope of memory over the runs of a recording.
func (f *finder) drift(rec *recording, name string, used []power.Sample) {
	var from, to int64
	for _, r := range rec.runs {
		j := rec.join(r.window(), used)
		if j.refused != "" || j.doubtful {
			continue
		}
		a, b := r.window().on(j.offset)
		if from == 0 || a < from {
			from = a
		}
		to = max(to, b)
	}
	during := during(used, from, to)
	d, err := power.FindDrift(during)
	if err != nil {
		return
	}
	f.Drifts = append(f.Drifts, Drifting{
		What: strings.TrimSuffix(name, ".used") + " used", Source: rec.SourceName, WatchedS: float64(during[len(during)-1].At-during[0].At) / 1e9, Significant: d.Significant, Reason: d.Reason,
		PerHour: Estimate{Value: d.PerHour, Lo: d.Lo, Hi: d.Hi, HasInterval: true, Confidence: confidence, N: len(during)},
	})
}

// clocks judges the GPUs' clocks under the load of a run, the worst of them.
func (f *finder) clocks(rec *recording, r *Run) {
	out := f.byRun[r.RunID]
	c, err := rec.clocks(r, f.tops)
	switch {
	case err != nil:
		if out.Clocks == nil && !errors.Is(err, errNoClocks) {
			out.NoClocks = err.Error()
		}
		return
	case out.Clocks == nil || c.Ratio < out.Clocks.Ratio:
		out.Clocks, out.NoClocks, f.any = c, "", true
	}
}

// errNoClocks says that a recording is of something else.
var errNoClocks = errors.New(noClocks)

// topClocks returns the highest clock that was seen on each kind of hardware.
func topClocks(all []*recording) map[string]float64 {
	out := map[string]float64{}
	for _, rec := range all {
		for _, c := range rec.firstOf(clockNames, "frequency") {
			for _, r := range rec.runs {
				out[r.Hardware.V] = max(out[r.Hardware.V], highest(c))
			}
		}
	}
	return out
}

// limits takes what held the clocks of GPUs down.
func (f *finder) limits(rec *recording, r *Run) {
	out := f.byRun[r.RunID]
	for _, l := range rec.limits(r) {
		f.any = true
		same := slices.IndexFunc(out.Limits, func(o ClockLimit) bool { return o.Reason == l.Reason })
		if same < 0 {
			out.Limits = append(out.Limits, ClockLimit(l))
			continue
		}
		out.Limits[same].Share = max(out.Limits[same].Share, l.Share)
	}
	slices.SortStableFunc(out.Limits, func(a, b ClockLimit) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Reason, b.Reason))
	})
}

// limits are what held the clock of any GPU of a recording down during a run.
func (r *recording) limits(run *Run) (out []power.Limit) {
	for _, name := range power.LimitNames() {
		for _, samples := range r.of(name, "") {
			out = append(out, r.limitsBy(run, name, samples)...)
		}
	}
	return out
}

// limitsBy are what held a clock down during a run, by one series.
func (r *recording) limitsBy(run *Run, name string, samples []power.Sample) []power.Limit {
	j := r.join(run.window(), samples)
	if j.refused != "" || j.doubtful {
		return nil
	}
	from, to := run.window().on(j.offset)
	return power.FindLimits(name, during(samples, from, to))
}

// clocksOf judges the clocks of runs by all recordings of them, for the audit.
func clocksOf(ctx context.Context, db *query.DB, runs []*Run) (map[string]*RunResources, error) {
	all, err := recordings(ctx, db, runs, slices.Concat(clockNames, loadNames, power.LimitNames()))
	if err != nil {
		return nil, err
	}
	f := &finder{byRun: map[string]*RunResources{}, tops: topClocks(all)}
	for _, r := range runs {
		f.byRun[r.RunID] = &RunResources{}
	}
	for _, rec := range all {
		for _, r := range rec.runs {
			f.clocks(rec, r)
			f.limits(rec, r)
		}
	}
	return f.byRun, nil
}

// clocks judges the clocks of a recording under the load of a run, by the clock
// that its hardware is labelled with (max_clock_mhz), or else by the highest that
// was seen on such hardware.
func (r *recording) clocks(run *Run, tops map[string]float64) (*ClockUse, error) {
	clocks, loads := r.firstOf(clockNames, "frequency"), r.firstOf(loadNames, "load")
	switch {
	case len(clocks) == 0 && r.mixed:
		return nil, errors.New(mixedGPUs)
	case len(clocks) == 0:
		return nil, errNoClocks
	case len(loads) == 0:
		return nil, errors.New("the GPU's load was not recorded, so it is not known when its clock counts")
	}
	var worst *ClockUse
	var err error
	for i, c := range clocks {
		load := loads[min(i, len(loads)-1)]
		j := r.join(run.window(), c)
		if j.refused != "" || j.doubtful {
			return nil, errors.New(cmp.Or(j.refused, j.how))
		}
		from, to := run.window().on(j.offset)
		top := run.numericLabel("max_clock_mhz") * 1e6
		if math.IsNaN(top) {
			top = tops[run.Hardware.V]
		}
		var found power.Clocks
		if found, err = power.CheckClocks(during(c, from, to), load, top); err != nil {
			continue
		}
		if worst == nil || found.Ratio < worst.Ratio {
			worst = &ClockUse{MedianHz: found.Median, TopHz: found.Top, Ratio: found.Ratio, Stuck: found.Stuck, Reason: found.Reason}
			if worst.Capped = r.capped(run, i, len(clocks)); worst.Capped {
				worst.Stuck, worst.Reason = false, ""
			}
		}
	}
	if worst == nil {
		return nil, err
	}
	return worst, nil
}

// capped reports whether the driver says that one of so many GPUs was at its power cap
// for half of a run or more.
func (r *recording) capped(run *Run, gpu, gpus int) bool {
	for _, name := range power.LimitNames() {
		all := r.of(name, "")
		if len(all) != gpus { // it is not known which is which
			continue
		}
		for _, l := range r.limitsBy(run, name, all[gpu]) {
			if l.Reason == power.PowerCap && l.Share >= 0.5 {
				return true
			}
		}
	}
	return false
}

// firstOf is first, for names of which some have a stat and some have none.
func (r *recording) firstOf(names []string, stat string) [][]power.Sample {
	for _, n := range names {
		for _, s := range []string{"", stat} {
			if all := r.of(n, s); len(all) > 0 {
				return all
			}
		}
	}
	return nil
}

func during(all []power.Sample, from, to int64) []power.Sample {
	return slices.DeleteFunc(slices.Clone(all), func(s power.Sample) bool { return s.At < from || s.At > to })
}

func highest(all []power.Sample) float64 {
	top := 0.0
	for _, s := range all {
		top = max(top, s.Value)
	}
	return top
}

// levelsOf summarises runs by group, version and level.
func levelsOf(runs []*Run, byRun map[string]*RunResources) []ResourceLevel {
	placed := slices.DeleteFunc(slices.Clone(runs), func(r *Run) bool { return !r.closedLoop() || r.Sum == nil })
	groups := byGroup(placed)
	var out []ResourceLevel
	for _, g := range sortedGroups(groups) {
		for _, version := range versionsOf(groups[g]) {
			a := newArm(ofVersion(groups[g], version))
			for _, level := range a.levels() {
				l := ResourceLevel{Group: g, Version: version, MaxConcurrency: level, Runs: len(a.atLevel(level))}
				if l.fill(a, level, byRun) {
					out = append(out, l)
				}
			}
		}
	}
	return out
}

// fill takes in the runs of a level, and reports whether they say anything.
func (l *ResourceLevel) fill(a *arm, level int64, byRun map[string]*RunResources) bool {
	perOut, _ := a.at(level, func(r *Run) (float64, bool) { return byRun[r.RunID].perOut() })
	mean, _ := a.at(level, func(r *Run) (float64, bool) { return byRun[r.RunID].watts() })
	l.PerOut, l.Watts = estimate(perOut), estimate(mean)
	l.PerOut.widen(a, level, byRun)
	for _, r := range a.atLevel(level) {
		res := byRun[r.RunID]
		if res.KV != nil {
			l.KVMost = most(l.KVMost, res.KV.Most)
		}
		if res.Memory != nil {
			l.MemoryMost = most(l.MemoryMost, res.Memory.Most)
		}
		if res.Preemptions != nil {
			l.Preemptions = most(l.Preemptions, *res.Preemptions)
		}
	}
	return len(perOut) > 0 || l.KVMost != nil || l.MemoryMost != nil
}

// widen lets an interval over starts hold what the clocks leave open as well: they
// are off alike in all runs, so that the spread of the runs does not show it.
func (e *Estimate) widen(a *arm, level int64, byRun map[string]*RunResources) {
	if !e.HasInterval {
		return
	}
	for _, end := range []func(Estimate) float64{func(e Estimate) float64 { return e.Lo }, func(e Estimate) float64 { return e.Hi }} {
		values, _ := a.at(level, func(r *Run) (float64, bool) {
			res := byRun[r.RunID]
			if _, ok := res.perOut(); !ok {
				return 0, false
			}
			return end(res.Energy.PerOut), end(res.Energy.PerOut) > 0
		})
		if v := estimate(values).Value; !math.IsNaN(v) {
			e.Lo, e.Hi = min(e.Lo, v), max(e.Hi, v)
		}
	}
}

func most(a *float64, b float64) *float64 {
	if a == nil || b > *a {
		return &b
	}
	return a
}

func (r *RunResources) perOut() (float64, bool) {
	if r.Energy == nil {
		return 0, false
	}
	return r.Energy.PerOut.Value, r.Energy.PerOut.Value > 0
}

func (r *RunResources) watts() (float64, bool) {
	if r.Energy == nil {
		return 0, false
	}
	return r.Energy.Watts, r.Energy.Watts > 0
}

// serverMemories are what the logs of the servers say of their memory.
func serverMemories(ctx context.Context, d *Data) ([]ServerMemory, error) {
	var out []ServerMemory
	at := map[string]int{}
	err := d.db.EachLogEvent(ctx, selectRuns(d.Runs), func(e *query.LoggedEvent) error {
		i, ok := at[e.Upload]
		if !ok {
			i = len(out)
			at[e.Upload] = i
			out = append(out, ServerMemory{Log: e.SourceName})
		}
		out[i].take(e.Kind.V, e.Facts)
		return nil
	})
	out = slices.DeleteFunc(out, func(s ServerMemory) bool { return !s.known() })
	slices.SortStableFunc(out, func(a, b ServerMemory) int { return strings.Compare(a.Log, b.Log) })
	return out, err
}

// take takes in a line of a server's log.
func (s *ServerMemory) take(kind string, facts map[string]string) {
	set := func(into **float64, name string) {
		if v := parseNumber(facts[name]); v != nil {
			*into = v
		}
	}
	switch kind {
	case "weights":
		set(&s.Weights, "weights_gib")
	case "kv_cache":
		set(&s.KV, "available_gib")
		set(&s.KVTokens, "tokens")
		set(&s.Holds, "max_concurrency")
	case "graph_capture":
		set(&s.Graphs, "gib")
	case "memory":
		set(&s.Weights, "weights_gib")
	}
}

func (s ServerMemory) known() bool {
	return s.Weights != nil || s.KV != nil || s.KVTokens != nil || s.Graphs != nil
}

func parseNumber(text string) *float64 {
	var v float64
	if n, err := fmt.Sscanf(text, "%g", &v); n != 1 || err != nil {
		return nil
	}
	return number(v)
}

// calls adds what judged tool calls took: the energy from the first to the last
// of an upload, and how many of them were right.
func (f *finder) calls(ctx context.Context, d *Data, all []*recording) error {
	uploads, err := d.db.JudgedCallUploads(ctx)
	if err != nil {
		return err
	}
	find := finding(d.Runs)
	for _, u := range uploads {
		beside := func(r *Run) bool { return below(r.SourceName, u.SourceName) }
		if u.Judged == 0 || len(find.of(u.ServerStart, u.SourceName)) == 0 && !slices.ContainsFunc(d.Runs, beside) {
			continue
		}
		lo, hi := quality.Wilson(u.Valid, u.Judged)
		c := CallEnergy{
			Source: u.SourceName, Model: u.Model.V, Judged: u.Judged, Valid: u.Valid,
			Share:    Estimate{Value: float64(u.Valid) / float64(u.Judged), Lo: lo, Hi: hi, HasInterval: true, Confidence: confidence, N: int(u.Judged)},
			PerValid: missing(""),
		}
		c.measure(u, all)
		f.Calls = append(f.Calls, c)
	}
	slices.SortStableFunc(f.Calls, func(a, b CallEnergy) int { return strings.Compare(a.Source, b.Source) })
	return nil
}

// measure integrates power over the calls of an upload.
func (c *CallEnergy) measure(u query.JudgedCalls, all []*recording) {
	if !u.From.Valid || u.To.V <= u.From.V {
		c.NoEnergy = "the calls have no times (start and latency_s of a line)"
		return
	}
	seconds := float64(u.To.V-u.From.V) / 1e9
	c.PerSecond = number(float64(u.Valid) / seconds)
	c.NoEnergy = "no samples of power of these calls"
	for _, rec := range byWorth(all) {
		if !(rec.ServerStart.Valid && rec.ServerStart == u.ServerStart || !rec.ServerStart.Valid && below(u.SourceName, rec.SourceName)) {
			continue
		}
		if !rec.ZoneKnown {
			c.NoEnergy = "the calls have their times in UTC, the telemetry says no zone: " + sayOffset
			continue
		}
		for _, w := range rec.power() {
			e, err := w.integrate(u.From.V, u.To.V)
			if err != nil {
				c.NoEnergy = err.Error()
				continue
			}
			c.took(e, float64(u.Valid), w.scope.Name+" of "+rec.SourceName)
			return
		}
	}
}

// took says what the calls took, of which so many were valid.
func (c *CallEnergy) took(e power.Energy, valid float64, from string) {
	c.Joules, c.NoEnergy, c.EnergyFrom = number(e.Joules), "", from
	if valid > 0 {
		c.PerValid = Estimate{Value: e.Joules / valid, Lo: e.Lo / valid, Hi: e.Hi / valid, HasInterval: true, Confidence: confidence, N: 1}
	}
}

// Refused reports whether there is power that could be joined with no run at all.
func (r *Resources) Refused() bool {
	return r.Measured() == 0 && slices.ContainsFunc(r.Runs, func(r RunResources) bool { return r.NoEnergy != noPower })
}

// Measured counts the runs whose energy is known.
func (r *Resources) Measured() int {
	n := 0
	for _, run := range r.Runs {
		if run.Energy != nil {
			n++
		}
	}
	return n
}

// Any reports whether anything is known of any run.
func (r *Resources) Any() bool {
	return len(r.Servers)+len(r.Drifts)+len(r.Calls) > 0 || slices.ContainsFunc(r.Runs, func(r RunResources) bool {
		return r.Energy != nil || r.KV != nil || r.Memory != nil || r.Clocks != nil || r.Limits != nil
	})
}

// HasPower reports whether there are samples of power of any run.
func (r *Resources) HasPower() bool { return r.Measured() > 0 || r.Refused() }

// Stuck are the runs whose GPU clock makes them not comparable.
func (r *Resources) Stuck() []RunResources {
	var out []RunResources
	for _, run := range r.Runs {
		if run.Clocks != nil && run.Clocks.Stuck {
			out = append(out, run)
		}
	}
	return out
}

// on says that the resources are those of one side of a comparison.
func (r *Resources) on(s Side) {
	if r == nil {
		return
	}
	for i := range r.Levels {
		r.Levels[i].Side = s
	}
}

// with are the resources of two parts of a report, either of which may have none.
func (r *Resources) with(o *Resources) *Resources {
	switch {
	case r == nil:
		return o
	case o == nil:
		return r
	}
	return &Resources{
		Of: r.Of + o.Of, Runs: slices.Concat(r.Runs, o.Runs), Levels: slices.Concat(r.Levels, o.Levels), Servers: slices.Concat(r.Servers, o.Servers),
		Drifts: slices.Concat(r.Drifts, o.Drifts), Calls: slices.Concat(r.Calls, o.Calls),
	}
}
