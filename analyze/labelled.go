package analyze

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/quality"
	"github.com/servestat/servestat/analyze/query"
)

// brokenOutput is what a start of a baseline is left out for, and a comparison may be
// allowed in spite of.
const brokenOutput = "broken_output"

// LostQuality reports whether the candidate's answers are worse than the baseline's,
// beyond doubt, whatever its speed.
func (c *Comparison) LostQuality() bool { return c.Quality != nil && c.Quality.Verdict == Regressed }

// withQuality qualifies a verdict over performance.
func (c *Comparison) withQuality() string {
	if !c.LostQuality() {
		return ""
	}
	return ", with a loss of quality"
}

// aboutQuality says what became of the answers.
func (c *Comparison) aboutQuality() string {
	if !c.LostQuality() {
		return ""
	}
	return " Answers: " + c.Quality.Sentence + "."
}

// label says beside the speed whether answers got worse: a server that is faster
// because it answers worse is none that is faster.
func (c *contest) label(p pair) {
	if c.knownBase == nil || c.knownCand == nil {
		return
	}
	before, after := c.knownBase.answersOf(p.baseline), c.knownCand.answersOf(p.candidate)
	if len(before) == 0 || len(after) == 0 {
		return
	}
	pair := pairOf(before, after, c.opts.QualityMargin)
	if len(pair.Diffs) == 0 {
		return
	}
	pair.Group, pair.Baseline, pair.Candidate = c.Group, c.Baseline.Label, c.Candidate.Label
	c.Quality = &pair
}

// unbroken are the runs of a baseline without those of starts whose output was broken.
// What is fast because it answers nonsense is no baseline: three nights of it made a
// regression of 12 % of a candidate that was right (vllm-omni#6032).
func (c *contest) unbroken(p pair) []*Run {
	broken := brokenPlaces(p, c.knownBase, c.knownCand)
	if len(broken) == 0 {
		return p.baseline
	}
	var out []*Run
	left := map[string]int{}
	for _, r := range p.baseline {
		place := c.knownBase.places[r.RunID]
		if broken[place] == "" || allowances(c.opts.Allow).has(brokenOutput) {
			out = append(out, r)
		}
		if broken[place] != "" {
			left[place]++
		}
	}
	for _, place := range slices.Sorted(maps.Keys(left)) {
		why := fmt.Sprintf("the answers of %s were broken: %s", place, broken[place])
		if allowances(c.opts.Allow).has(brokenOutput) {
			c.Allowed = append(c.Allowed, "--allow "+brokenOutput+": baseline: "+why)
			continue
		}
		c.Broken = append(c.Broken, place)
		c.Warnings = append(c.Warnings, fmt.Sprintf("baseline: left out %s: %s", howMany(left[place], "run"), why))
	}
	return out
}

// brokenPlaces are the places of a baseline whose answers passed at most half as often
// as the best of either side shows to be possible, beyond doubt: the upper end of the
// one interval is below half of the lower end of the other.
func brokenPlaces(p pair, base, cand *knowledge) map[string]string {
	if base == nil || cand == nil {
		return nil
	}
	shares, best := base.sharesByPlace(p.baseline), map[taskKey]quality.Share{}
	for _, side := range []map[string]map[taskKey]quality.Share{shares, cand.sharesByPlace(p.candidate)} {
		for _, byTask := range side {
			for key, s := range byTask {
				if s.Lo > best[key].Lo {
					best[key] = s
				}
			}
		}
	}
	out := map[string]string{}
	for place, byTask := range shares {
		var why []string
		for key, s := range byTask {
			if s.Hi < best[key].Lo/2 {
				why = append(why, fmt.Sprintf("%s: %s, where the best start has %s", taskName(key.suite, key.task, key.metric, ""), s, best[key]))
			}
		}
		if len(why) > 0 {
			slices.Sort(why)
			out[place] = strings.Join(why, "; ")
		}
	}
	return out
}

// A taskCount counts what passed of a task on one server.
type taskCount struct {
	passed, of int64
	items      map[string]bool
}

// sharesByPlace is how much of each task passed on each of the servers of runs.
// Totals count where there are no items.
func (k *knowledge) sharesByPlace(runs []*Run) map[string]map[taskKey]quality.Share {
	counts := map[string]map[taskKey]*taskCount{}
	for _, r := range runs {
		counts[k.places[r.RunID]] = map[taskKey]*taskCount{}
	}
	for _, a := range k.answers {
		at, ok := counts[a.Place]
		if !ok || a.Item.Valid && (!a.Passed.Valid || a.Suite == "bfcl" || a.Class.V == "truncated" || isFault(a.Class.V)) {
			continue
		}
		key := taskKey{a.Suite, a.Task, a.Metric}
		if at[key] == nil {
			at[key] = &taskCount{items: map[string]bool{}}
		}
		at[key].add(a)
	}
	out := map[string]map[taskKey]quality.Share{}
	for place, byTask := range counts {
		out[place] = map[taskKey]quality.Share{}
		for key, n := range byTask {
			if n.of > 0 {
				out[place][key] = quality.Clustered(n.passed, n.of, int64(len(n.items)))
			}
		}
	}
	return out
}

func (n *taskCount) add(a query.JudgedAnswer) {
	switch {
	case a.Item.Valid:
		if len(n.items) == 0 {
			n.passed, n.of = 0, 0
		}
		n.items[a.Item.V] = true
		n.of++
		if a.Passed.V {
			n.passed++
		}
	case len(n.items) == 0 && a.PassedItems.Valid && a.Items.Valid:
		n.passed, n.of = a.PassedItems.V, a.Items.V
	}
}

// judgeAnswers adds what was judged of the servers that made the runs of d.
func (res *Result) judgeAnswers(ctx context.Context, d *Data) error {
	known := d.answered()
	if known == nil {
		return nil
	}
	q := &Quality{Servers: []Answering{}}
	for _, set := range known.of(d.Runs).answerSets(d, true) {
		if len(set.runs) == 0 || len(set.answers) == 0 {
			continue
		}
		a, err := d.answering(ctx, set, QualityOptions{})
		if err != nil {
			return err
		}
		q.Servers = append(q.Servers, a)
	}
	if len(q.Servers) > 0 {
		res.Quality = q
	}
	return nil
}

// of is what is known of the servers of runs alone, and of those without runs that
// are theirs.
func (k *knowledge) of(runs []*Run) *knowledge {
	out := &knowledge{read: true, servers: map[string]*query.Server{}, places: k.places, answers: k.answersOf(runs)}
	for _, a := range out.answers {
		out.servers[a.Place] = k.servers[a.Place]
	}
	return out
}

// watchSpeculation adds the canary of what is known, where any of the runs of d
// speculates.
func (res *Result) watchSpeculation(ctx context.Context, opts CompareOptions, d *Data, known ...*Data) (err error) {
	if d.db == nil || !slices.ContainsFunc(d.Runs, func(r *Run) bool { return r.method() != "" }) {
		return nil
	}
	res.Canary, err = Canaried(ctx, CanaryOptions{CompareOptions: opts}, known...)
	return err
}
