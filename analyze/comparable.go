package analyze

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/query"
)

// workloadTolerance is how far mean prompt or output lengths may be apart.
const workloadTolerance = 0.02

// checkComparable refuses what must not be compared, and names what differs or
// varies though nobody asked about it.
func checkComparable(c *Comparison, base, cand *arm) {
	for side, a := range map[string]*arm{"baseline": base, "candidate": cand} {
		if len(a.runs) == 0 {
			c.Refusals = append(c.Refusals, "the "+side+" has no run with per-token times at a max concurrency")
		}
	}
	if len(c.Refusals) > 0 {
		slices.Sort(c.Refusals)
		return
	}
	for _, f := range mustAgree {
		b, d := valuesOf(base.runs, f.value), valuesOf(cand.runs, f.value)
		if len(b) > 0 && len(d) > 0 && !slices.Equal(b, d) {
			c.Refusals = append(c.Refusals, fmt.Sprintf("%s differs: %s in the baseline, %s in the candidate", f.name, list(b), list(d)))
		}
	}
	c.Refusals = append(c.Refusals, workloadDiffers(base, cand)...)
	c.Warnings = append(c.Warnings, engineArgsDiffer(base, cand)...)
	for side, a := range map[string]*arm{"baseline": base, "candidate": cand} {
		for _, residue := range variation(a.runs) {
			c.Warnings = append(c.Warnings, side+": "+residue)
		}
	}
	slices.Sort(c.Warnings)
}

// A factor is something about a run that can differ.
type factor struct {
	name  string
	value func(*Run) (string, bool)
}

// mustAgree are factors in which two sides may not differ, whatever is tested:
// they change what the numbers mean.
var mustAgree = []factor{
	{"the request backend", text(func(r *Run) query.Text { return r.Backend })},
	{"the dataset", text(func(r *Run) query.Text { return r.Dataset })},
	{"being simulated", func(r *Run) (string, bool) {
		if r.Simulated.V {
			return "simulated", true
		}
		return "measured", true
	}},
}

// mayVary are factors that should be the same in all runs of a side.
var mayVary = []factor{
	{"runtime", text(func(r *Run) query.Text { return r.Runtime })},
	{"runtime_version", text(func(r *Run) query.Text { return r.RuntimeVersion })},
	{"image", text(func(r *Run) query.Text { return r.Image })},
	{"tokenizer", text(func(r *Run) query.Text { return r.Tokenizer })},
	{"burstiness", func(r *Run) (string, bool) { return fmt.Sprint(r.Burstiness.V), r.Burstiness.Valid }},
	{"seed", func(r *Run) (string, bool) { return fmt.Sprint(r.Seed.V), r.Seed.Valid }},
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
	for _, f := range mayVary {
		if v := valuesOf(runs, f.value); len(v) > 1 {
			out = append(out, fmt.Sprintf("runs vary in %s: %s", f.name, list(v)))
		}
	}
	for _, arg := range argNames(runs) {
		if v := valuesOf(runs, arg.value); len(v) > 1 {
			out = append(out, fmt.Sprintf("runs vary in engine argument %s: %s", arg.name, list(v)))
		}
	}
	return out
}

// argNames are the engine arguments that any run recorded.
func argNames(runs []*Run) []factor {
	names := map[string]bool{}
	for _, r := range runs {
		for k := range r.EngineArgs {
			names[k] = true
		}
	}
	var out []factor
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, factor{name, func(r *Run) (string, bool) {
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

// engineArgsDiffer names the engine arguments that differ between the sides:
// each is a second factor besides the one under test.
func engineArgsDiffer(base, cand *arm) []string {
	var out []string
	for _, arg := range argNames(append(slices.Clone(base.runs), cand.runs...)) {
		b, d := valuesOf(base.runs, arg.value), valuesOf(cand.runs, arg.value)
		if len(b) > 0 && len(d) > 0 && !slices.Equal(b, d) {
			out = append(out, fmt.Sprintf("engine argument %s differs: %s in the baseline, %s in the candidate", arg.name, list(b), list(d)))
		}
	}
	return out
}

// workloadDiffers compares prompt and output lengths level by level.
func workloadDiffers(base, cand *arm) []string {
	var out []string
	for _, level := range base.levels() {
		for _, l := range []struct {
			name string
			mean func([]*Run) float64
		}{{"mean prompt length", meanInput}, {"mean output length", meanOutput}} {
			b, d := l.mean(base.atLevel(level)), l.mean(cand.atLevel(level))
			if math.Abs(b-d) > workloadTolerance*math.Max(b, d) {
				out = append(out, fmt.Sprintf("%s at max concurrency %d differs: %.1f tokens in the baseline, %.1f in the candidate", l.name, level, b, d))
			}
		}
	}
	return out
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
