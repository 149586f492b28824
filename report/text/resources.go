package text

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

// Resources writes what runs took: energy by load point, memory, clocks, and what
// is not known and why.
func Resources(w io.Writer, r *analyze.Resources) error {
	return writeSections(w, ResourceSections(r))
}

// ResourceSections are what there is to say of resources; sections and columns of
// which nothing was recorded are left out.
func ResourceSections(r *analyze.Resources) []Section {
	var out []Section
	for _, s := range []Section{energy(r), runEnergy(r), serverMemory(r), memoryDrift(r), toolCalls(r), gpuClocks(r), notComputed(r)} {
		if !s.Empty() {
			s.trim()
			out = append(out, s)
		}
	}
	return out
}

// energy is what an output token took at each load point.
func energy(r *analyze.Resources) Section {
	s := Section{Title: "Energy and memory by load point", Head: []string{"model, version", "max concurrency", "runs", "J per output token", "power", "KV cache at most", "memory at most", "preemptions"}}
	for _, l := range r.Levels {
		s.Add(seriesName(l), fmt.Sprint(l.MaxConcurrency), fmt.Sprint(l.Runs), joules(l.PerOut), wattsText(l.Watts), shareText(l.KVMost), gib(l.MemoryMost), whole(l.Preemptions))
	}
	if n := r.Measured(); n > 0 {
		s.Said = append(s.Said, fmt.Sprintf("Energy of %d of %s: %s.", n, plural(r.Of, "run"), strings.Join(energySources(r), "; ")))
	}
	for _, run := range r.Runs {
		if run.Energy != nil {
			s.Note("%s", clockText(run.Energy))
		}
	}
	if text := meansText(r); text != "" {
		s.Said = append(s.Said, text)
	}
	const most = 4
	if len(s.Notes) > most {
		s.Notes = append(s.Notes[:most], fmt.Sprintf("… and %d more joins of clocks; --format json has them all", len(s.Notes)-most))
	}
	return s
}

// meansText says what the trapezoid misses of short runs where each reading is the
// mean of the time before it: half of that time at either end, at most.
func meansText(r *analyze.Resources) string {
	const matters = 0.01
	n, missed, mean := 0, 0.0, 0.0
	for _, run := range r.Runs {
		e := run.Energy
		if e == nil || !(e.MeanS > 0) {
			continue
		}
		if share := e.MeanS / 2 / (e.Joules.Value / e.Watts); share >= matters {
			n++
			missed, mean = max(missed, share), max(mean, e.MeanS)
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("In %s of less than %.0f s the trapezoid misses up to %s at the ends, for each reading may be the mean of the %s before it. Record power.draw.instant or DCGM's energy counter, or run longer.",
		plural(n, "run"), mean/2/matters, scale.Percent(missed), seconds(mean))
}

func seconds(v float64) string {
	if v == 1 {
		return "second"
	}
	return fmt.Sprintf("%.3g s", v)
}

// energySources names what was added up, where it is from and how much of the runs
// it covers.
func energySources(r *analyze.Resources) []string {
	type source struct{ scope, rails, file string }
	var order []source
	covered, cadence := map[source]float64{}, map[source]float64{}
	for _, run := range r.Runs {
		if e := run.Energy; e != nil {
			key := source{e.Scope, strings.Join(e.Rails, " + "), path.Base(e.Source)}
			if _, ok := covered[key]; !ok {
				order = append(order, key)
				covered[key] = 1
			}
			covered[key], cadence[key] = min(covered[key], e.Coverage), max(cadence[key], e.CadenceS)
		}
	}
	var out []string
	for _, k := range order {
		out = append(out, fmt.Sprintf("%s (%s) of %s, a sample every %.3g s, which covers %s of a run at least", k.scope, k.rails, k.file, cadence[k], scale.Percent(covered[k])))
	}
	return out
}

// clockText says how telemetry and run were joined.
func clockText(e *analyze.Energy) string {
	text := "clock: " + e.Clock.How
	if e.Clock.WithinS == nil {
		return text + "; power does not tell how far they are apart, so the intervals are those of the samples alone"
	}
	return text + fmt.Sprintf("; power follows the load best at a shift of %s s, known within %.3g s, which the intervals hold", signed(*e.Clock.ShiftS), *e.Clock.WithinS)
}

func signed(v float64) string {
	if v == 0 {
		return "0"
	}
	return fmt.Sprintf("%+.3g", v)
}

// runEnergy is the energy of single runs, where there are few.
func runEnergy(r *analyze.Resources) Section {
	s := Section{Title: "Energy by run", Head: []string{"run", "load", "energy", "power", "idle", "above idle", "J per output token", "above idle", "coverage"}}
	const few = 6
	if r.Measured() > few {
		return Section{}
	}
	for _, run := range r.Runs {
		e := run.Energy
		if e == nil {
			continue
		}
		s.Add(run.Source, run.Load, joules(e.Joules)+" J", fmt.Sprintf("%.4g W", e.Watts), watt(e.Idle), joule(e.Above), joules(e.PerOut), plain(e.AboveBy), scale.Percent(e.Coverage))
	}
	return s
}

func serverMemory(r *analyze.Resources) Section {
	s := Section{Title: "Memory of the servers, by their logs", Head: []string{"log", "weights", "KV cache", "KV cache tokens", "requests of full context", "graphs"}}
	count := map[string]int{}
	for _, m := range r.Servers {
		row := []string{gibText(m.Weights), gibText(m.KV), whole(m.KVTokens), plain(m.Holds), gibText(m.Graphs)}
		alike := strings.Join(row, "\t")
		if count[alike]++; count[alike] == 1 {
			s.Add(append([]string{m.Log}, row...)...)
		}
	}
	for i, row := range s.Rows { // logs that say the same are one row
		if n := count[strings.Join(row[1:], "\t")]; n > 1 {
			s.Rows[i][0] += fmt.Sprintf(", and %d alike", n-1)
		}
	}
	return s
}

func memoryDrift(r *analyze.Resources) Section {
	s := Section{Title: "Does memory drift?", Head: []string{"what", "file", "slope", "watched", "verdict"}}
	for _, d := range r.Drifts {
		verdict := "drifts"
		if !d.Significant {
			verdict = "slope not significant: " + d.Reason
		}
		const mib = 1 << 20
		s.Add(d.What, path.Base(d.Source), fmt.Sprintf("%+.3g MiB/h [%+.3g, %+.3g]", d.PerHour.Value/mib, d.PerHour.Lo/mib, d.PerHour.Hi/mib), duration(d.WatchedS), verdict)
	}
	return s
}

func toolCalls(r *analyze.Resources) Section {
	s := Section{Title: "Tool calls", Head: []string{"file", "valid", "share, 95 % by Wilson", "valid calls per s", "J per valid call"}}
	for _, c := range r.Calls {
		s.Add(c.Source, fmt.Sprintf("%d of %d", c.Valid, c.Judged), fmt.Sprintf("%s [%s, %s]", scale.Percent(c.Share.Value), scale.Percent(c.Share.Lo), scale.Percent(c.Share.Hi)), plain(c.PerSecond), joules(c.PerValid))
		if c.NoEnergy != "" {
			s.Note("%s: energy per valid call not computed: %s", path.Base(c.Source), c.NoEnergy)
		}
	}
	return s
}

// gpuClocks are the clocks that are not what they should be; where all are, one
// sentence.
func gpuClocks(r *analyze.Resources) Section {
	s := Section{Title: "GPU clocks under load", Head: []string{"run", "load", "median", "possible", "verdict"}}
	known, worst := 0, 1.0
	for _, run := range r.Runs {
		c := run.Clocks
		if c == nil {
			continue
		}
		known++
		worst = min(worst, c.Ratio)
		if c.Stuck {
			s.Add(run.Source, run.Load, mhz(c.MedianHz), mhz(c.TopHz), "run invalid for comparison: "+c.Reason)
		}
	}
	if known > 0 {
		s.Said = append(s.Said, fmt.Sprintf("Known of %d of %s; the lowest is %.2f of what is possible.", known, plural(r.Of, "run"), worst))
	}
	s.Said = append(s.Said, clockLimits(r)...)
	return s
}

// clockLimits says what held clocks down, in the order of the runs that it held
// most.
func clockLimits(r *analyze.Resources) []string {
	type held struct {
		analyze.ClockLimit
		runs int
	}
	var all []*held
	for _, run := range r.Runs {
		for _, l := range run.Limits {
			i := slices.IndexFunc(all, func(h *held) bool { return h.Reason == l.Reason })
			if i < 0 {
				i, all = len(all), append(all, &held{ClockLimit: l})
			}
			all[i].Share = max(all[i].Share, l.Share)
			all[i].runs++
		}
	}
	slices.SortStableFunc(all, func(a, b *held) int { return cmp.Compare(b.Share, a.Share) })
	var out []string
	for _, h := range all {
		out = append(out, fmt.Sprintf("Held down by %s in %d of %s, in the worst in %s of the samples.", h.Reason, h.runs, plural(r.Of, "run"), scale.Percent(h.Share)))
	}
	return out
}

// notComputed says what is not known, and what would make it known.
func notComputed(r *analyze.Resources) Section {
	s := Section{Title: "Not computed"}
	if !r.HasPower() {
		s.Note("energy and GPU clocks, for lack of samples of power and clocks: ingest tegrastats, nvidia-smi or dcgm with the results")
		return s
	}
	count := func(why string, of func(analyze.RunResources) string) int {
		n := 0
		for _, run := range r.Runs {
			if of(run) == why {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		what string
		of   func(analyze.RunResources) string
	}{
		{"energy", func(r analyze.RunResources) string { return r.NoEnergy }},
		{"GPU clocks", func(r analyze.RunResources) string { return r.NoClocks }},
	} {
		var seen []string
		for _, run := range r.Runs {
			if why := c.of(run); why != "" && !slices.Contains(seen, why) {
				seen = append(seen, why)
				s.Note("%s of %s: %s", c.what, plural(count(why, c.of), "run"), why)
			}
		}
	}
	return s
}

func seriesName(l analyze.ResourceLevel) string {
	return strings.Join(slices.DeleteFunc([]string{l.Group.Model, l.Group.Path, l.Version, string(l.Side)}, func(s string) bool { return s == "" }), ", ")
}

// joules is a value with its interval, in the digits that it supports.
func joules(e analyze.Estimate) string {
	if !(e.Value > 0) {
		return ""
	}
	if !e.HasInterval {
		return scale.Unit{}.Format(scale.Bare(e.Value))
	}
	return scale.Unit{}.FormatEnds(scale.Within(e.Value, e.Lo, e.Hi))
}

func wattsText(e analyze.Estimate) string {
	if !(e.Value > 0) {
		return ""
	}
	return scale.Unit{}.Format(scale.Within(e.Value, e.Lo, e.Hi)) + " W"
}

func watt(v *float64) string { return with(v, "%.4g W") }

func joule(v *float64) string { return with(v, "%.4g J") }

func plain(v *float64) string { return with(v, "%.4g") }

func gibText(v *float64) string { return with(v, "%.4g GiB") }

func whole(v *float64) string { return with(v, "%.0f") }

func with(v *float64, format string) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf(format, *v)
}

// plural counts things.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return scale.Count(int64(n)) + " " + what + "s"
}

func shareText(v *float64) string {
	if v == nil {
		return ""
	}
	return scale.Percent(*v)
}

func gib(v *float64) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf("%.4g GiB", *v/(1<<30))
}

func mhz(hz float64) string { return fmt.Sprintf("%.0f MHz", hz/1e6) }

func duration(s float64) string {
	if s < 7200 {
		return fmt.Sprintf("%.0f min", s/60)
	}
	return fmt.Sprintf("%.1f h", s/3600)
}
