package analyze

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/servestat/servestat/analyze/preflight"
	"github.com/servestat/servestat/analyze/query"
)

// A PathReport sets two ways of serving a model side by side: the generic path,
// which anybody gets, and one that was tuned for the hardware.
type PathReport struct {
	Group      Group      `json:"group"`
	Generic    Arm        `json:"generic"`
	Tuned      Arm        `json:"tuned"`
	Comparison Comparison `json:"comparison"` // baseline: generic, candidate: tuned
	// Differs is everything that was recorded of both and is not the same.
	Differs []PathDifference `json:"differs,omitempty"`
	Equal   []string         `json:"equal,omitempty"`
	// Unknown was not recorded on both sides.
	Unknown     []string       `json:"not_recorded,omitempty"`
	Workload    string         `json:"workload"`    // are the prompts the same?
	Order       string         `json:"order"`       // who ran first?
	Attribution string         `json:"attribution"` // may a difference be put down to anything?
	Confounders []string       `json:"confounders,omitempty"`
	Fragility   *Fragility     `json:"fragility,omitempty"`
	Energy      []EnergyChange `json:"energy,omitempty"`
}

// A PathDifference is one thing in which the paths differ.
type PathDifference struct {
	Kind    string   `json:"kind"` // release, engine argument, environment, achieved, start-up log, label, workload
	Name    string   `json:"name"`
	Generic []string `json:"generic"`
	Tuned   []string `json:"tuned"`
}

// Fragility is how much depends on the path: the largest change of any metric at
// any level that is shown, or else the largest of all.
type Fragility struct {
	Metric         string   `json:"metric"`
	MaxConcurrency int64    `json:"max_concurrency,omitempty"` // 0: over the whole curve
	Ratio          Estimate `json:"ratio"`                     // tuned / generic
	Shown          bool     `json:"shown"`                     // its interval excludes no change
}

// EnergyChange is what an output token took on both paths at one level.
type EnergyChange struct {
	MaxConcurrency int64    `json:"max_concurrency"`
	Generic        Estimate `json:"generic_joules_per_output_token"`
	Tuned          Estimate `json:"tuned_joules_per_output_token"`
}

// Kinds of differences between paths.
const (
	diffRelease  = "release"
	diffArgument = "engine argument"
	diffEnv      = "environment"
	diffSetting  = "setting"
	diffMeaning  = "workload"
	diffLabel    = "label"
	diffAchieved = "achieved"
	diffLog      = "start-up log"
)

// ComparePaths compares two paths, one report a model and hardware. In what makes
// up the path (release, image, arguments, environment) they may differ: it is
// listed, and not refused. What is measured must be the same.
func ComparePaths(ctx context.Context, generic, tuned *Data, genericLabel, tunedLabel string, opts CompareOptions) ([]PathReport, error) {
	g, t := generic.withoutPath(), tuned.withoutPath()
	said, err := bothSaid(ctx, generic, tuned)
	if err != nil {
		return nil, err
	}
	took, err := FindResources(ctx, generic)
	if err != nil {
		return nil, err
	}
	tookTuned, err := FindResources(ctx, tuned)
	if err != nil {
		return nil, err
	}
	opts.Allow = slices.Concat(opts.Allow, pathAllowances(g.Runs, t.Runs))
	var out []PathReport
	for _, c := range Compare(g, t, genericLabel, tunedLabel, opts) {
		of := func(d *Data) []*Run {
			return d.Only(func(r *Run) bool {
				return compatible(r.Model.V, c.Group.Model) && compatible(r.Hardware.V, c.Group.Hardware)
			}).Runs
		}
		p := pathReport(c, of(g), of(t))
		p.addSaid(said)
		p.Energy = energyChanges(c.Group, took, tookTuned)
		p.attribute()
		out = append(out, p)
	}
	return out, nil
}

// withoutPath are the runs as if nobody had said which path they are of.
func (d *Data) withoutPath() *Data {
	out := &Data{Selection: d.Selection, db: d.db}
	for _, r := range d.Runs {
		plain, identity := *r, *r.RunIdentity
		identity.PathLabel = query.Text{}
		plain.RunIdentity = &identity
		out.Runs = append(out.Runs, &plain)
	}
	return out
}

// pathAllowances are the factors that may differ because they make up a path.
func pathAllowances(generic, tuned []*Run) []string {
	out := []string{olderCandidate}
	for _, d := range fingerprint(generic, tuned).Differs {
		if d.kind == setting {
			out = append(out, d.Key)
		}
	}
	return out
}

// pathReport is what the runs themselves say.
func pathReport(c Comparison, generic, tuned []*Run) PathReport {
	p := PathReport{Group: c.Group, Generic: c.Baseline, Tuned: c.Candidate, Workload: sameWorkload(generic, tuned), Order: orderOf(generic, tuned)}
	// What was allowed is the subject here, and said as a difference.
	c.Allowed = slices.DeleteFunc(slices.Clone(c.Allowed), func(a string) bool { return !strings.Contains(a, "--allow T") })
	c.Warnings = slices.DeleteFunc(slices.Clone(c.Warnings), func(w string) bool {
		return strings.HasPrefix(w, "allowed: --allow") && !strings.Contains(w, "--allow T")
	})
	p.Comparison = c
	if len(generic) == 0 || len(tuned) == 0 {
		return p
	}
	fp := fingerprint(generic, tuned)
	p.Equal, p.Unknown = fp.Equal, fp.Unknown
	for _, d := range fp.Differs {
		name := d.Name
		for _, said := range []string{"the ", "engine argument ", "environment variable ", "label "} {
			name = strings.TrimPrefix(name, said)
		}
		p.Differs = append(p.Differs, PathDifference{Kind: kindOf(d), Name: name, Generic: d.Baseline, Tuned: d.Candidate})
	}
	p.Confounders = queues(c.Levels, generic, tuned)
	p.Fragility = fragilityOf(&c)
	return p
}

// kindOf says in words what a difference is of.
func kindOf(d FactorDiff) string {
	switch {
	case strings.HasPrefix(d.Key, "engine_args."):
		return diffArgument
	case strings.HasPrefix(d.Key, "env."):
		return diffEnv
	}
	return map[factorKind]string{meaning: diffMeaning, release: diffRelease, setting: diffSetting, label: diffLabel}[d.kind]
}

// queues names the levels at which one path queues and the other does not.
func queues(levels []int64, generic, tuned []*Run) []string {
	g, t := smallestBatch(generic), smallestBatch(tuned)
	var out []string
	for _, level := range levels {
		if g < t && level > g && level <= t || t < g && level > t && level <= g {
			name, most := "generic", g
			if t < g {
				name, most = "tuned", t
			}
			out = append(out, fmt.Sprintf("at max concurrency %d the %s path queues: its max_num_seqs is %d", level, name, most))
		}
	}
	return out
}

// smallestBatch is the least max_num_seqs of runs that recorded one.
func smallestBatch(runs []*Run) int64 {
	least := int64(math.MaxInt64)
	for _, r := range runs {
		if n, err := strconv.ParseInt(r.EngineArgs["max_num_seqs"], 10, 64); err == nil {
			least = min(least, n)
		}
	}
	return least
}

// sameWorkload says whether both paths were asked the same.
func sameWorkload(generic, tuned []*Run) string {
	digest := text(func(r *Run) query.Text { return r.WorkloadDigest })
	byLevel := func(runs []*Run) map[string]bool {
		out := map[string]bool{}
		for _, r := range runs {
			if d, ok := digest(r); ok {
				out[r.load()+" "+d] = true
			}
		}
		return out
	}
	g, t := byLevel(generic), byLevel(tuned)
	measured := func(runs []*Run) *arm { return newArm((&Data{Runs: runs}).Only((*Run).measured).Runs) }
	differs := workloadDiffers(measured(generic), measured(tuned))
	switch {
	case len(differs) > 0:
		return "same prompts: no, " + differs[0].sentence()
	case len(g) == 0 || len(t) == 0:
		return "same prompts: not known, for lengths were not recorded of both"
	case maps.Equal(g, t):
		return "same prompts: yes, as far as lengths tell"
	}
	return "same prompts: no, prompt and output lengths differ"
}

// separated is how far the orders of two sides are apart, from 0, interleaved, to
// 1, all of one before all of the other, at which order is an effect of its own.
const separated = 0.5

// orderOf says which path ran first, and whether a machine that drifts would make
// them differ.
func orderOf(generic, tuned []*Run) string {
	type begun struct {
		at    int64
		tuned bool
	}
	var all []begun
	add := func(runs []*Run, tuned bool) {
		a := newArm(runs)
		for _, start := range a.starts {
			first := int64(math.MaxInt64)
			for _, atLevel := range a.cells[start] {
				for _, r := range atLevel {
					if r.StartedAt.Valid {
						first = min(first, r.StartedAt.Time.UnixNano())
					}
				}
			}
			if first != math.MaxInt64 {
				all = append(all, begun{first, tuned})
			}
		}
	}
	add(generic, false)
	add(tuned, true)
	pairs, before := 0, 0
	for _, g := range all {
		for _, t := range all {
			if !g.tuned && t.tuned {
				pairs++
				if g.at < t.at {
					before++
				}
			}
		}
	}
	if pairs == 0 {
		return "order: not known, for runs have no dates"
	}
	share := float64(before) / float64(pairs)
	switch first := "generic"; {
	case math.Abs(2*share-1) <= separated:
		return fmt.Sprintf("order: interleaved; generic starts ran before tuned ones in %d of %d pairs", before, pairs)
	default:
		if share < 0.5 {
			first = "tuned"
		}
		return fmt.Sprintf("order effect: the %s path ran first (in %d of %d pairs of starts), so that a machine that warms up or drifts looks like a difference of the paths: alternate them (A B B A)",
			first, max(before, pairs-before), pairs)
	}
}

// fragilityOf is the largest change that a comparison shows, or else the largest.
func fragilityOf(c *Comparison) *Fragility {
	var best *Fragility
	consider := func(metric string, level int64, e Estimate) {
		if !(e.Value > 0) || math.IsInf(e.Value, 0) {
			return
		}
		f := &Fragility{Metric: metric, MaxConcurrency: level, Ratio: e, Shown: e.HasInterval && (e.Lo > 1 || e.Hi < 1)}
		if best == nil || f.Shown && !best.Shown || f.Shown == best.Shown && math.Abs(math.Log(e.Value)) > math.Abs(math.Log(best.Ratio.Value)) {
			best = f
		}
	}
	for _, m := range c.Metrics {
		consider(m.Name, 0, m.Ratio)
		for _, cell := range m.Cells {
			consider(m.Name, cell.MaxConcurrency, cell.Ratio)
		}
	}
	return best
}

// sideSaid is what the logs of the servers of one path say.
type sideSaid struct {
	logs     int
	achieved map[string]map[string]bool // by setting
	findings map[string]preflight.Finding
}

// bothSaid judges the logs of both paths.
func bothSaid(ctx context.Context, generic, tuned *Data) (out [2]sideSaid, err error) {
	for i, d := range []*Data{generic, tuned} {
		if out[i], err = saidBy(ctx, d); err != nil {
			return out, err
		}
	}
	return out, nil
}

func saidBy(ctx context.Context, d *Data) (sideSaid, error) {
	s := sideSaid{achieved: map[string]map[string]bool{}, findings: map[string]preflight.Finding{}}
	if d.db == nil || len(d.Runs) == 0 {
		return s, nil
	}
	var checker *preflight.Checker
	upload := ""
	end := func() {
		if checker != nil {
			s.take(checker.Report())
		}
	}
	err := d.db.EachLogEvent(ctx, selectRuns(d.Runs), func(e *query.LoggedEvent) error {
		if checker == nil || e.Upload != upload {
			end()
			upload, checker = e.Upload, preflight.New(preflight.Options{})
		}
		checker.Add(&e.LogEvent)
		return nil
	})
	end()
	return s, err
}

// take takes in a log. Of a server that did not start nothing is achieved.
func (s *sideSaid) take(r *preflight.Report) {
	s.logs++
	for _, set := range r.Settings {
		if set.Achieved == "" || !r.Whole {
			continue
		}
		if s.achieved[set.Name] == nil {
			s.achieved[set.Name] = map[string]bool{}
		}
		s.achieved[set.Name][set.Achieved] = true
	}
	for _, f := range r.Findings {
		if f.Severity != preflight.Info && f.Rule != "earlier_starts" {
			s.findings[f.Rule] = f
		}
	}
}

// addSaid adds in what the logs of the two paths differ.
func (p *PathReport) addSaid(said [2]sideSaid) {
	g, t := said[0], said[1]
	if g.logs == 0 || t.logs == 0 {
		p.Unknown = append(p.Unknown, "what the servers achieved (no server log of both paths)")
		return
	}
	names := slices.Sorted(maps.Keys(g.achieved))
	for _, name := range slices.Sorted(maps.Keys(t.achieved)) {
		if g.achieved[name] == nil {
			names = append(names, name)
		}
	}
	for _, name := range names {
		a, b := slices.Sorted(maps.Keys(g.achieved[name])), slices.Sorted(maps.Keys(t.achieved[name]))
		switch {
		case len(a) == 0 || len(b) == 0:
			p.Unknown = append(p.Unknown, "achieved "+name)
		case slices.Equal(a, b):
			p.Equal = append(p.Equal, "achieved "+name)
		default:
			p.Differs = append(p.Differs, PathDifference{Kind: diffAchieved, Name: name, Generic: a, Tuned: b})
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(g.findings)) {
		if _, both := t.findings[rule]; !both {
			p.addFinding(g.findings[rule], []string{"yes"}, []string{"no"})
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(t.findings)) {
		if _, both := g.findings[rule]; !both {
			p.addFinding(t.findings[rule], []string{"no"}, []string{"yes"})
		}
	}
}

func (p *PathReport) addFinding(f preflight.Finding, generic, tuned []string) {
	name := strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", f.Severity, f.Number, f.Rule)), " ")
	p.Differs = append(p.Differs, PathDifference{Kind: diffLog, Name: name, Generic: generic, Tuned: tuned})
}

// attribute says what a difference between the paths may be put down to: to the one
// thing that was set otherwise, if it is one. What the servers made of it follows
// from that, and stands beside it. Of several, none is named.
func (p *PathReport) attribute() {
	var set, came []string
	for _, d := range p.Differs {
		switch d.Kind {
		case diffLabel, diffMeaning:
		case diffAchieved, diffLog:
			came = append(came, d.Kind+" "+d.Name)
		default:
			set = append(set, d.Kind+" "+d.Name)
		}
	}
	switch {
	case p.Comparison.Verdict == NotComparable:
		p.Attribution = "nothing can be attributed: the paths cannot be compared"
	case len(set) == 0 && len(came) == 0:
		p.Attribution = "nothing that is recorded differs but the label: what is not recorded may"
	case len(set) == 0:
		p.Attribution = "cannot be attributed: nothing that was set differs, and yet the servers made something else of it: " + list(came)
	case len(set) == 1:
		p.Attribution = "one thing was set otherwise, " + set[0] + ": a difference may be put down to it, as far as the records go"
		if len(came) > 0 {
			p.Attribution += "; with it came " + list(came)
		}
	default:
		p.Attribution = fmt.Sprintf("cannot be attributed: %d things were set otherwise, and none of them alone; the paths as they are were compared. To find a cause, vary one at a time", len(set))
		p.Confounders = slices.Concat(p.Confounders, set, came)
	}
}

// energyChanges pairs what an output token took at each level.
func energyChanges(g Group, generic, tuned *Resources) []EnergyChange {
	if generic == nil || tuned == nil {
		return nil
	}
	var out []EnergyChange
	for _, b := range generic.Levels {
		for _, c := range tuned.Levels {
			if b.MaxConcurrency == c.MaxConcurrency && compatible(b.Group.Model, g.Model) && compatible(c.Group.Model, g.Model) && b.PerOut.Value > 0 && c.PerOut.Value > 0 {
				out = append(out, EnergyChange{b.MaxConcurrency, b.PerOut, c.PerOut})
			}
		}
	}
	return out
}
