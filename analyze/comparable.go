package analyze

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/audit"
	"github.com/servestat/servestat/analyze/query"
)

// workloadTolerance is how far mean prompt or output lengths may be apart.
const workloadTolerance = 0.02

// checkComparable refuses what must not be compared, and names what differs or
// varies though nobody asked about it.
func checkComparable(c *Comparison, base, cand *arm, allowed allowances) {
	for side, a := range map[string]*arm{"baseline": base, "candidate": cand} {
		if len(a.runs) == 0 {
			c.Refusals = append(c.Refusals, "the "+side+" has no run with per-token times at a max concurrency")
		}
	}
	if len(c.Refusals) > 0 {
		slices.Sort(c.Refusals)
		return
	}
	c.Fingerprint = fingerprint(base.runs, cand.runs)
	for _, d := range c.Fingerprint.roles(allowed) {
		c.refuse(allowed, d.Key, d.sentence())
	}
	for _, d := range slices.Concat(workloadDiffers(base, cand), clocksDiffer(base, cand)) {
		c.refuse(allowed, d.Key, d.sentence())
	}
	c.Warnings = append(c.Warnings, clientsDiffer(base.runs, cand.runs)...)
	for side, a := range map[string]*arm{"baseline": base, "candidate": cand} {
		for _, residue := range variation(a.runs) {
			c.Warnings = append(c.Warnings, side+": "+residue)
		}
		for _, f := range (runSeries{runs: a.runs}).audit() {
			if f.Severity == audit.Fail || f.Severity == audit.Warn && f.Check == "warm repeats" {
				c.refuse(allowed, checkKey(f.Check), fmt.Sprintf("%s: %s: %s", side, f.Check, f.Message))
			}
		}
	}
	slices.Sort(c.Refusals)
	slices.Sort(c.Warnings)
}

// refuse ends the comparison, or, where the user allowed the factor or check,
// says in the report that it goes on in spite of it.
func (c *Comparison) refuse(allowed allowances, key, why string) {
	if allowed.has(key) {
		c.Allowed = append(c.Allowed, fmt.Sprintf("--allow %s: %s", key, why))
		return
	}
	c.Refusals = append(c.Refusals, why+" (--allow "+key+" compares all the same)")
}

// A Fingerprint is what two sides have in common, what differs, and what is not
// known: three different things.
type Fingerprint struct {
	Equal   []string     `json:"equal,omitempty"`
	Differs []FactorDiff `json:"differs,omitempty"`
	Unknown []string     `json:"unknown,omitempty"` // recorded on neither side, or on one only
}

// A FactorDiff is a factor in which the sides differ.
type FactorDiff struct {
	Key       string   `json:"factor"`
	Name      string   `json:"-"`
	Baseline  []string `json:"baseline"`
	Candidate []string `json:"candidate"`
	// Role is "under test" or "second factor"; a difference in what the numbers
	// mean is "never comparable".
	Role string `json:"role"`
	kind factorKind
}

func (d FactorDiff) sentence() string {
	text := fmt.Sprintf("%s differs: %s in the baseline, %s in the candidate", d.Name, list(d.Baseline), list(d.Candidate))
	if d.Role == secondFactor {
		text = "a second factor: " + text
	}
	return text
}

const (
	underTest       = "under test"
	secondFactor    = "second factor"
	neverComparable = "never comparable"
)

// A factorKind says what a difference in a factor does to a comparison.
type factorKind int

const (
	meaning factorKind = iota // changes what the numbers mean
	release                   // is the release under test, of which several names may change at once
	setting                   // is one thing of the set-up: under test where it is the only one
	label                     // is what somebody called the runs, and changes nothing by itself
)

// A factor is something about a run that can differ.
type factor struct {
	key, name string
	kind      factorKind
	value     func(*Run) (string, bool)
}

// factors of a run besides its group and its engine arguments.
var factors = []factor{
	{"backend", "the request backend", meaning, text(func(r *Run) query.Text { return r.Backend })},
	{"dataset", "the dataset", meaning, text(func(r *Run) query.Text { return r.Dataset })},
	{"client", "the client", meaning, func(r *Run) (string, bool) {
		if r.Dialect == "rust" {
			return r.Producer + " (Rust)", true
		}
		return r.Producer, true
	}},
	{"gap_kind", "what a gap is", meaning, text(func(r *Run) query.Text { return r.GapKind })},
	{"simulated", "being simulated", meaning, func(r *Run) (string, bool) {
		if r.Simulated.V {
			return "simulated", true
		}
		return "measured", true
	}},
	{"runtime", "the runtime", release, text(func(r *Run) query.Text { return r.Runtime })},
	{"runtime_version", "the runtime version", release, text(func(r *Run) query.Text { return r.RuntimeVersion })},
	{"runtime_commit", "the runtime's commit", release, text(func(r *Run) query.Text { return r.RuntimeCommit })},
	{"image", "the image", release, text(func(r *Run) query.Text { return r.Image })},
	{"tokenizer", "the tokenizer", setting, text(func(r *Run) query.Text { return r.Tokenizer })},
	{"burstiness", "burstiness", setting, func(r *Run) (string, bool) { return fmt.Sprint(r.Burstiness.V), r.Burstiness.Valid }},
}

// allFactors are the factors, and the engine arguments and environment variables
// (labels env.NAME) that any of runs recorded.
func allFactors(runs []*Run) []factor {
	out := slices.Concat(factors, []factor{cachedFactor(runs)}, argFactors(runs))
	names := map[string]bool{}
	for _, r := range runs {
		for k := range r.Labels {
			if strings.HasPrefix(k, "env.") {
				names[k] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, factor{name, "environment variable " + strings.TrimPrefix(name, "env."), setting, func(r *Run) (string, bool) {
			v, ok := r.Labels[name]
			if !ok {
				v = "unset"
			}
			return v, true
		}})
	}
	return out
}

// sameShare is how far apart shares of cached prompt tokens may be and count as
// one: chance moves them.
const sameShare = 0.1

// cachedFactor is the share of cached prompt tokens. Shares are grouped where
// there is a gap between them, and not at fixed marks: 9 % and 11 % are alike.
func cachedFactor(runs []*Run) factor {
	var shares []float64
	for _, r := range runs {
		if v := r.cachedShare(); !math.IsNaN(v) {
			shares = append(shares, v)
		}
	}
	slices.Sort(shares)
	name := map[float64]string{}
	for from, i := 0, 1; i <= len(shares); i++ {
		if i < len(shares) && shares[i]-shares[i-1] <= sameShare {
			continue
		}
		for _, v := range shares[from:i] {
			name[v] = percents(shares[from], shares[i-1])
		}
		from = i
	}
	return factor{"prefix_cache", "the share of cached prompt tokens", meaning, func(r *Run) (string, bool) {
		s, ok := name[r.cachedShare()]
		return s, ok
	}}
}

func percents(from, to float64) string {
	a, b := fmt.Sprintf("%.0f", 100*from), fmt.Sprintf("%.0f %%", 100*to)
	if a+" %" == b {
		return b
	}
	return a + "–" + b
}

// argFactors are the engine arguments that any run recorded.
func argFactors(runs []*Run) []factor {
	names := map[string]bool{}
	for _, r := range runs {
		for k := range r.EngineArgs {
			names[k] = true
		}
	}
	var out []factor
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if placeArgs[name] {
			continue
		}
		out = append(out, factor{"engine_args." + name, "engine argument " + name, setting, func(r *Run) (string, bool) {
			if r.EngineArgs == nil {
				return "", false
			}
			v, ok := r.EngineArgs[name]
			if !ok {
				v = "default"
			}
			return v, true
		}})
	}
	return out
}

// placeArgs say where a server listens or logs, and change no number.
var placeArgs = map[string]bool{
	"host": true, "port": true, "uds": true, "served_model_name": true, "api_key": true, "root_path": true,
	"disable_log_stats": true, "disable_log_requests": true, "enable_log_requests": true, "uvicorn_log_level": true, "log_config_file": true,
}

func fingerprint(base, cand []*Run) *Fingerprint {
	fp := &Fingerprint{}
	for _, f := range allFactors(slices.Concat(base, cand)) {
		b, d := valuesOf(base, f.value), valuesOf(cand, f.value)
		switch {
		case len(b) == 0 || len(d) == 0:
			fp.Unknown = append(fp.Unknown, f.key)
		case slices.Equal(b, d):
			fp.Equal = append(fp.Equal, f.key)
		default:
			fp.Differs = append(fp.Differs, FactorDiff{Key: f.key, Name: f.name, Baseline: b, Candidate: d, kind: f.kind})
		}
	}
	for _, f := range labelFactors(slices.Concat(base, cand)) {
		if b, d := valuesOf(base, f.value), valuesOf(cand, f.value); len(b) == 1 && len(d) == 1 && b[0] != d[0] {
			fp.Differs = append(fp.Differs, FactorDiff{Key: f.key, Name: f.name, Baseline: b, Candidate: d, kind: f.kind})
		}
	}
	return fp
}

// labelFactors are the free labels of runs.
func labelFactors(runs []*Run) []factor {
	names := map[string]bool{}
	for _, r := range runs {
		for k := range r.Labels {
			if !strings.HasPrefix(k, "env.") {
				names[k] = true
			}
		}
	}
	var out []factor
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, factor{"labels." + name, "label " + name, label, func(r *Run) (string, bool) { v, ok := r.Labels[name]; return v, ok }})
	}
	return out
}

// roles decides what each difference is, and returns those that forbid the
// comparison. A release is compared with another with everything else equal; one
// setting with another where the release is the same.
func (fp *Fingerprint) roles(allowed allowances) []FactorDiff {
	releases, settings := 0, 0
	for _, d := range fp.Differs {
		switch {
		case d.kind == release:
			releases++
		case d.kind == setting && !allowed.has(d.Key):
			settings++
		}
	}
	var out []FactorDiff
	for i := range fp.Differs {
		d := &fp.Differs[i]
		switch {
		case d.kind == release, d.kind == label, d.kind == setting && releases == 0 && settings <= 1 && !allowed.has(d.Key):
			d.Role = underTest
			continue
		case d.kind == setting:
			d.Role = secondFactor
		default:
			d.Role = neverComparable
		}
		out = append(out, *d)
	}
	return out
}

func text(field func(*Run) query.Text) func(*Run) (string, bool) {
	return func(r *Run) (string, bool) { t := field(r); return t.V, t.Valid }
}

// valuesOf are the values of a factor over runs, sorted, each once.
func valuesOf(runs []*Run, value func(*Run) (string, bool)) []string {
	set := map[string]bool{}
	for _, r := range runs {
		if v, ok := value(r); ok {
			set[v] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// variation says what varies inside runs that are treated as alike.
func variation(runs []*Run) []string {
	var out []string
	for _, f := range allFactors(runs) {
		if v := valuesOf(runs, f.value); len(v) > 1 {
			out = append(out, fmt.Sprintf("runs vary in %s: %s", strings.TrimPrefix(f.name, "the "), list(v)))
		}
	}
	return out
}

// workloadDiffers compares prompt and output lengths level by level.
func workloadDiffers(base, cand *arm) []FactorDiff {
	var out []FactorDiff
	for _, level := range base.levels() {
		for _, l := range []struct {
			key, name string
			mean      func([]*Run) float64
		}{{"input_length", "mean prompt length", meanInput}, {"output_length", "mean output length", meanOutput}} {
			b, d := l.mean(base.atLevel(level)), l.mean(cand.atLevel(level))
			if math.Abs(b-d) > workloadTolerance*math.Max(b, d) {
				out = append(out, FactorDiff{
					Key: l.key, Name: fmt.Sprintf("%s at max concurrency %d", l.name, level), Role: neverComparable,
					Baseline: []string{fmt.Sprintf("%.1f tokens", b)}, Candidate: []string{fmt.Sprintf("%.1f tokens", d)},
				})
			}
		}
	}
	return out
}

// clockTolerance is how far the GPUs' clocks under load may be apart.
const clockTolerance = 0.1

// clocksDiffer compares the GPUs' clocks under load, level by level. A clock that
// was stuck in all runs of one side shows nowhere else.
func clocksDiffer(base, cand *arm) []FactorDiff {
	for _, level := range base.levels() {
		b, d := meanClock(base.atLevel(level)), meanClock(cand.atLevel(level))
		if math.Abs(b-d) > clockTolerance*math.Max(b, d) {
			return []FactorDiff{{
				Key: "clocks", Name: fmt.Sprintf("the GPU's clock under load at max concurrency %d", level), Role: neverComparable,
				Baseline: []string{fmt.Sprintf("%.0f MHz", b/1e6)}, Candidate: []string{fmt.Sprintf("%.0f MHz", d/1e6)},
			}}
		}
	}
	return nil
}

// meanClock is the mean over runs; NaN, which is no difference, where one is not
// known.
func meanClock(runs []*Run) float64 {
	total := 0.0
	for _, r := range runs {
		if r.clocks == nil {
			return math.NaN()
		}
		total += r.clocks.MedianHz
	}
	return total / float64(len(runs))
}

func (a *arm) atLevel(level int64) []*Run {
	var out []*Run
	for _, start := range a.starts {
		out = append(out, a.cells[start][level]...)
	}
	return out
}

func meanInput(runs []*Run) float64 {
	return meanLength(runs, func(r *Run) query.Count { return r.Sum.InputTokens })
}

func meanOutput(runs []*Run) float64 {
	return meanLength(runs, func(r *Run) query.Count { return r.Sum.OutputTokens })
}

// meanLength is tokens a completed request; NaN, which is no difference, where
// it is not known.
func meanLength(runs []*Run, tokens func(*Run) query.Count) float64 {
	sum, n := int64(0), int64(0)
	for _, r := range runs {
		if t := tokens(r); t.Valid {
			sum, n = sum+t.V, n+r.Sum.Completed
		}
	}
	return float64(sum) / float64(n)
}

// list joins values for a sentence, and cuts a long list.
func list(values []string) string {
	const most = 5
	if len(values) > most {
		return strings.Join(values[:most], ", ") + fmt.Sprintf(" and %d more", len(values)-most)
	}
	return strings.Join(values, ", ")
}

// whatIsCompared says what is under test, what the numbers are of, and what is not known
// to be equal.
func whatIsCompared(c *Comparison) []string {
	var out []string
	for _, d := range c.Fingerprint.Differs {
		if d.Role == underTest {
			out = append(out, "under test: "+d.sentence())
		}
	}
	if len(out) == 0 {
		out = append(out, "no recorded difference is under test: what is not recorded may differ")
	}
	if c.Window == Steady {
		out = append(out, "means, and medians of TTFT and E2EL, are of the steady window of each run: ramp, drain and a cold start are outside")
	} else {
		out = append(out, "means and medians are of whole runs, ramp and drain included: not every run has start times")
	}
	if len(c.Fingerprint.Unknown) > 0 {
		out = append(out, "not recorded on both sides, so not known to be equal: "+strings.Join(c.Fingerprint.Unknown, ", "))
	}
	return out
}
