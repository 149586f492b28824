package analyze

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/quality"
	"github.com/servestat/servestat/analyze/query"
)

// QualityOptions say what is expected of answers. The zero value takes defaults.
type QualityOptions struct {
	MinValid float64 // share of tool calls that must be right; default 95 %
	Margin   float64 // loss that "not regressed" must exclude, as a share of all items; default 5 %
}

func (o QualityOptions) minValid() float64 {
	if o.MinValid == 0 {
		return defaultMinValid
	}
	return o.MinValid
}

// A Quality is how right the answers of servers are.
type Quality struct {
	Selection string        `json:"selection,omitempty"`
	Servers   []Answering   `json:"servers"`               // of one model, hardware, path and version each; of a comparison, the candidate's
	Pairs     []QualityPair `json:"comparisons,omitempty"` // a baseline against a candidate
}

// An Answering is how right the answers of servers are that are alike.
type Answering struct {
	Group    Group        `json:"group"`
	Version  string       `json:"runtime_version"`
	Label    string       `json:"label,omitempty"` // of the side, in a comparison
	Starts   int          `json:"servers"`         // server starts, or folders where no start is named
	Answers  int          `json:"answers"`         // judged ones and totals
	Standing Standing     `json:"standing"`        // C8's; where nobody called tools, the worst of the others
	Rulings  []Ruling     `json:"rulings"`
	Shares   []SuiteShare `json:"shares,omitempty"`
}

// A QualityPair is a baseline against a candidate, task by task.
type QualityPair struct {
	Group     Group         `json:"group"`
	Baseline  string        `json:"baseline"` // label of the side
	Candidate string        `json:"candidate"`
	Verdict   Verdict       `json:"verdict"`
	Sentence  string        `json:"sentence"`
	Diffs     []QualityDiff `json:"tasks,omitempty"`
}

// Judged says how right the answers of the servers of d are, one Answering a model,
// hardware, path and version.
func Judged(ctx context.Context, d *Data, opts QualityOptions) (*Quality, error) {
	k, err := d.know(ctx)
	if err != nil {
		return nil, err
	}
	q := &Quality{Selection: d.Selection, Servers: []Answering{}}
	for _, set := range k.answerSets(d, true) {
		if !set.hasAnswers() {
			continue
		}
		a, err := d.answering(ctx, set, opts)
		if err != nil {
			return nil, err
		}
		q.Servers = append(q.Servers, a)
	}
	return q, nil
}

// hasAnswers reports whether anything of a set was judged.
func (s *answerSet) hasAnswers() bool { return len(s.answers) > 0 || len(extractable(s.runs)) > 0 }

// JudgedAgainst compares how right the answers of two selections are. Sides that have
// one set of servers each are compared whatever they are called.
func JudgedAgainst(ctx context.Context, baseline, candidate *Data, baseLabel, candLabel string, opts QualityOptions) (*Quality, error) {
	b, err := baseline.know(ctx)
	if err != nil {
		return nil, err
	}
	c, err := candidate.know(ctx)
	if err != nil {
		return nil, err
	}
	q := &Quality{Servers: []Answering{}}
	before, after := b.answerSets(baseline, false), c.answerSets(candidate, false)
	for _, set := range after {
		if !set.hasAnswers() {
			continue
		}
		i := slices.IndexFunc(before, func(o *answerSet) bool { return o.setUp == set.setUp })
		if i < 0 {
			i = slices.IndexFunc(before, func(o *answerSet) bool { return o.alike(set.setUp) })
		}
		if i < 0 && len(before) == 1 && len(after) == 1 {
			i = 0
		}
		a, err := candidate.answering(ctx, set, opts)
		if err != nil {
			return nil, err
		}
		a.Label, a.Version = candLabel, versionOfSet(set)
		if i >= 0 && len(before[i].answers) > 0 {
			pair := pairOf(before[i].answers, set.answers, opts.Margin)
			pair.Group, pair.Baseline, pair.Candidate = set.Group, baseLabel, candLabel
			q.Pairs = append(q.Pairs, pair)
			a.replace(pair.ruling())
		}
		q.Servers = append(q.Servers, a)
	}
	return q, nil
}

// versionOfSet is the version of a set's runs where they are of one.
func versionOfSet(set *answerSet) string {
	if v := versionsOf(set.runs); len(v) == 1 && v[0] != unknownVersion {
		return v[0]
	}
	return set.version
}

// replace puts a ruling in the place of another about the same rule.
func (a *Answering) replace(r Ruling) {
	for i := range a.Rulings {
		if a.Rulings[i].Rule == r.Rule {
			a.Rulings[i] = r
		}
	}
	a.settle()
}

// answering judges a set of answers by C1 to C9.
func (d *Data) answering(ctx context.Context, set *answerSet, opts QualityOptions) (Answering, error) {
	errors := &parserErrors{logs: map[string]bool{}}
	if err := d.db.EachEventOf(ctx, set.places, func(e *query.LoggedEvent) error { errors.add(e); return nil }); err != nil {
		return Answering{}, err
	}
	a := Answering{Group: set.Group, Version: set.version, Starts: len(set.places), Answers: len(set.answers), Shares: append(suiteShares(set.answers), extractable(set.runs)...)}
	t := toolCallsOf(set.answers, opts.minValid())
	a.Rulings = t.rulings(set, errors, opts.Margin)
	a.Rulings = append(a.Rulings, suiteRuling(a.Shares), t.agentModel(a.Rulings))
	slices.SortFunc(a.Rulings, func(x, y Ruling) int { return strings.Compare(x.Rule, y.Rule) })
	a.settle()
	return a, nil
}

// settle gives the standing over all rules.
func (a *Answering) settle() {
	a.Standing = worstStanding(a.Rulings)
	for _, r := range a.Rulings {
		if r.Rule == "C8" && r.Standing != Untested && a.Standing != Failed {
			a.Standing = r.Standing
		}
	}
}

// Of returns the ruling about a rule.
func (a *Answering) Of(rule string) Ruling {
	i := slices.IndexFunc(a.Rulings, func(r Ruling) bool { return r.Rule == rule })
	if i < 0 {
		return Ruling{Rule: rule, Standing: Untested}
	}
	return a.Rulings[i]
}

// suiteRuling is C7 where there is nothing to compare with.
func suiteRuling(shares []SuiteShare) Ruling {
	r := untested("C7", "suites against a baseline", "there is no baseline", "servestat quality BASELINE CANDIDATE compares item by item")
	for _, s := range shares {
		line := taskName(s.Suite, s.Task, s.Metric, s.Condition) + ": " + s.Share.String()
		if s.NotAnswers > 0 {
			line += fmt.Sprintf("; %d more were cut, or ended by a fault of the serving", s.NotAnswers)
		}
		if s.Note != "" {
			line += "; " + s.Note
		}
		r.Details = append(r.Details, line)
	}
	return r
}

// extractable is what the structured-output benchmark of vLLM calls correct_rate(%):
// after deleting all blanks, some {…} in the answer can be parsed. A server that
// answers {} has 100 % (vllm#55441). It is kept, under a name that says what it is.
func extractable(runs []*Run) []SuiteShare {
	var passed, of int64
	for _, r := range runs {
		percent, ok := reported(r, "correct_rate(%)")
		if !ok || !r.Completed.Valid {
			continue
		}
		of += r.Completed.V
		passed += int64(percent/100*float64(r.Completed.V) + 0.5)
	}
	if of == 0 {
		return nil
	}
	return []SuiteShare{{
		Suite: "structured output", Task: "correct_rate(%)", Metric: "JSON-extractable", Share: shareOf(quality.NewShare(passed, of)),
		Note: "JSON-extractable, not valid: an answer of {} counts, and no schema is looked at",
	}}
}

// pairOf compares two sides.
func pairOf(baseline, candidate []query.JudgedAnswer, margin float64) QualityPair {
	p := QualityPair{Diffs: compareAnswers(baseline, candidate, margin)}
	if len(p.Diffs) == 0 {
		p.Verdict, p.Sentence = NotComparable, "no task that both sides answered"
		return p
	}
	p.Verdict = diffsVerdict(p.Diffs)
	var told []string
	for _, d := range p.Diffs {
		if d.Verdict == p.Verdict {
			told = append(told, d.String())
		}
	}
	p.Sentence = strings.Join(told, "; ")
	return p
}

// ruling is C7 of a pair.
func (p *QualityPair) ruling() Ruling {
	r := Ruling{Rule: "C7", Name: "suites against a baseline", Standing: standingOfDiffs(p.Diffs), Verdict: p.Verdict, Says: p.Sentence}
	for _, d := range p.Diffs {
		if len(p.Diffs) > 1 { // one is what has been said
			r.Details = append(r.Details, d.String())
		}
		if len(d.Lost) > 0 {
			r.Details = append(r.Details, "lost: "+list(d.Lost))
		}
		if len(d.Won) > 0 {
			r.Details = append(r.Details, "won: "+list(d.Won))
		}
		r.Figures = append(r.Figures, Figure{Name: taskName(d.Suite, d.Task, d.Metric, d.Condition) + ", candidate less baseline", Unit: "1", Estimate: d.Difference})
	}
	if r.Standing == Failed {
		r.Do = "read the items that were lost before looking at any speed"
	}
	return r
}
