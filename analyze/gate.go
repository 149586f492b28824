package analyze

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/audit"
	"github.com/servestat/servestat/analyze/preflight"
)

// GateOptions say what a candidate must meet.
type GateOptions struct {
	CompareOptions
	QualityOptions
	Preflight preflight.Options
	// Require names requirements that must have been tested, besides truth and speed.
	Require []string
}

// Requirements of a gate, in the order in which they are asked.
const (
	RequireTruth     = "truth"
	RequirePreflight = "preflight"
	RequireSpeed     = "speed"
	RequireTools     = "tools"
	RequireQuality   = "quality"
	RequireCanary    = "canary"
)

// RequirementNames lists them.
func RequirementNames() []string {
	return []string{RequireTruth, RequirePreflight, RequireSpeed, RequireTools, RequireQuality, RequireCanary}
}

// A GateResult is the one verdict over a candidate: what it must meet, and the first
// thing that it does not.
type GateResult struct {
	Baseline     string        `json:"baseline"` // label of the side
	Candidate    string        `json:"candidate"`
	Standing     Standing      `json:"standing"` // UNTESTED: nothing failed, and something is open
	Headline     string        `json:"headline"` // the first unmet requirement, in words
	Invalid      bool          `json:"invalid"`  // it fails for want of numbers that may be used
	Requirements []Requirement `json:"requirements"`
	Comparisons  []Comparison  `json:"comparisons,omitempty"`
	Quality      *Quality      `json:"quality,omitempty"`
	Canary       *Canary       `json:"canary,omitempty"`
	Preflight    []LogFinding  `json:"preflight,omitempty"`
}

// A Requirement is something that a candidate must meet.
type Requirement struct {
	Name     string   `json:"name"` // truth, preflight, speed, tools, quality, canary
	Asks     string   `json:"asks"`
	Standing Standing `json:"standing"`
	Verdict  Verdict  `json:"verdict,omitempty"` // where it rests on a comparison
	Says     string   `json:"says"`
	Do       string   `json:"do,omitempty"`
	Required bool     `json:"required"` // not to be tested leaves the gate open
	Invalid  bool     `json:"invalid,omitempty"`
}

// open reports whether a requirement that counts was not settled.
func (r Requirement) open() bool {
	return r.Required && (r.Standing == Untested || r.Verdict == Inconclusive || r.Verdict == Suspect)
}

// Gated asks of a candidate whether its numbers may be used, its server is fit, it is
// no slower than the baseline, its answers are right and no worse, and, where it
// speculates, whether that holds.
func Gated(ctx context.Context, baseline, candidate *Data, baseLabel, candLabel string, opts GateOptions) (*GateResult, error) {
	g := &GateResult{Baseline: baseLabel, Candidate: candLabel}
	var err error
	if g.Preflight, err = candidate.preflightsOfAll(ctx, opts.Preflight); err != nil {
		return nil, err
	}
	g.Comparisons = Compare(baseline, candidate, baseLabel, candLabel, opts.CompareOptions)
	if g.Quality, err = JudgedAgainst(ctx, baseline, candidate, baseLabel, candLabel, opts.QualityOptions); err != nil {
		return nil, err
	}
	if g.Canary, err = Canaried(ctx, CanaryOptions{CompareOptions: opts.CompareOptions, QualityOptions: opts.QualityOptions, Model: opts.Preflight.Model}, candidate, baseline); err != nil {
		return nil, err
	}
	speed := speedRequirement(g.Comparisons)
	g.Requirements = []Requirement{
		truthRequirement(candidate, opts.Allow), preflightRequirement(g.Preflight), speed, toolsRequirement(g.Quality, speed), qualityRequirement(g.Quality),
	}
	if len(g.Canary.Cells) > 0 {
		g.Requirements = append(g.Requirements, canaryRequirement(g.Canary))
	}
	for i := range g.Requirements {
		r := &g.Requirements[i]
		r.Required = r.Name == RequireTruth || r.Name == RequireSpeed || slices.Contains(opts.Require, r.Name)
	}
	g.conclude()
	return g, nil
}

// conclude finds the first requirement that is not met.
func (g *GateResult) conclude() {
	first := func(is func(Requirement) bool) *Requirement {
		if i := slices.IndexFunc(g.Requirements, is); i >= 0 {
			return &g.Requirements[i]
		}
		return nil
	}
	failed := first(func(r Requirement) bool { return r.Standing == Failed })
	open := first(Requirement.open)
	met, untested := 0, 0
	for _, r := range g.Requirements {
		switch r.Standing {
		case Passed, Warned:
			met++
		case Untested:
			untested++
		}
	}
	switch {
	case failed != nil:
		g.Standing, g.Headline = Failed, fmt.Sprintf("gate failed: %s: %s", failed.Name, failed.Says)
		g.Invalid = !slices.ContainsFunc(g.Requirements, func(r Requirement) bool { return r.Standing == Failed && !r.Invalid })
	case open != nil:
		g.Standing, g.Headline = Untested, fmt.Sprintf("gate undecided: %s: %s", open.Name, open.Says)
	default:
		g.Standing, g.Headline = Passed, fmt.Sprintf("gate passed: %s met", howMany(met, "requirement"))
		if untested > 0 {
			g.Headline += fmt.Sprintf(", %d UNTESTED", untested)
		}
	}
}

// truthRequirement asks whether the candidate's numbers may be used.
func truthRequirement(d *Data, allow allowances) Requirement {
	r := Requirement{Name: RequireTruth, Asks: "no truth check forbids the candidate's numbers", Standing: Passed}
	failed, warned, seen := []string{}, 0, map[string]bool{}
	for _, f := range Findings(d) {
		switch {
		case allow.has(checkKey(f.Check)):
		case f.Verdict == string(audit.Fail):
			if !seen[f.Check] {
				failed = append(failed, fmt.Sprintf("%s: %s: %s", f.Subject, f.Check, f.Message))
			}
			seen[f.Check] = true
		default:
			warned++
		}
	}
	switch {
	case len(d.Runs) == 0:
		r.Standing, r.Says, r.Do = Untested, "the candidate has no run", "measure it"
	case len(failed) > 0:
		r.Standing, r.Invalid, r.Says, r.Do = Failed, true, strings.Join(failed, "; "), "servestat audit says what to do about each"
	case warned > 0:
		r.Standing, r.Says = Warned, fmt.Sprintf("%s, %s", howMany(len(d.Runs), "run"), howMany(warned, "warning"))
	default:
		r.Says = howMany(len(d.Runs), "run")
	}
	return r
}

// preflightsOfAll judges the logs of the servers of d, those that made no run too: a
// candidate that does not start has nothing else.
func (d *Data) preflightsOfAll(ctx context.Context, options preflight.Options) ([]LogFinding, error) {
	k, err := d.know(ctx)
	if err != nil || len(k.servers) == 0 {
		return nil, err
	}
	logs := logReader{at: map[string]int{}, options: options}
	if err := d.db.EachEventOf(ctx, slices.Sorted(maps.Keys(k.servers)), logs.take); err != nil {
		return nil, err
	}
	found := logs.findings()
	if len(found) == 0 && logs.n > 0 {
		found = []LogFinding{{Severity: preflight.Info, Rule: "clean", Meaning: "nothing in the logs fails or warns", Of: logs.n}}
	}
	return found, nil
}

func preflightRequirement(found []LogFinding) Requirement {
	r := Requirement{Name: RequirePreflight, Asks: "the servers' logs fail no rule"}
	if len(found) == 0 {
		r.Standing, r.Says, r.Do = Untested, "no log of a server", "ingest the servers' logs beside the results"
		return r
	}
	n := map[preflight.Severity]int{}
	for _, f := range found {
		n[f.Severity]++
	}
	r.Standing, r.Says = Passed, fmt.Sprintf("%s, none fails", howMany(found[0].Of, "log"))
	switch worst := found[0]; worst.Severity {
	case preflight.Fail:
		r.Standing, r.Do = Failed, worst.Do
		r.Says = fmt.Sprintf("%s (%s, in %d of %s)", strings.TrimSuffix(worst.Meaning, "."), strings.TrimSpace(worst.Number+" "+worst.Rule), len(worst.Logs), howMany(worst.Of, "log"))
		if n[preflight.Fail] > 1 {
			r.Says += fmt.Sprintf(", and %s more", howMany(n[preflight.Fail]-1, "rule"))
		}
	case preflight.Warn:
		r.Standing, r.Says = Warned, fmt.Sprintf("%s, %s", howMany(worst.Of, "log"), howMany(n[preflight.Warn], "warning"))
	}
	return r
}

// speedRequirement asks for a comparison that did not regress, and could have seen it.
func speedRequirement(cs []Comparison) Requirement {
	r := Requirement{Name: RequireSpeed, Asks: "no slower than the baseline, and able to see it"}
	for _, v := range []Verdict{Regressed, NotComparable, Invalid, Suspect, Inconclusive, Improved, NotRegressed} {
		i := slices.IndexFunc(cs, func(c Comparison) bool { return c.Verdict == v })
		if i < 0 {
			continue
		}
		r.Verdict, r.Says = v, strings.TrimSuffix(cs[i].Sentence, ".")
		break
	}
	switch r.Verdict {
	case Regressed:
		r.Standing, r.Do = Failed, "servestat compare shows where along the curve"
	case NotComparable, Invalid:
		r.Standing, r.Invalid, r.Do = Failed, true, "servestat compare says which --allow would compare all the same"
	case Suspect, Inconclusive:
		r.Standing, r.Do = Warned, "measure more server starts"
	case "":
		r.Standing, r.Says = Untested, "nothing was compared"
	default:
		r.Standing = Passed
	}
	return r
}

// brokenHow says in plain words what is wrong with tool calls.
var brokenHow = []struct{ rule, words string }{
	{"C1", "breaks JSON"}, {"C2", "loses tool calls"}, {"C3", "breaks tool calls when they are streamed"}, {"C4", "breaks tool calls under load"},
}

// toolsRequirement asks whether the candidate serves an agent. A model that streams
// fast and breaks JSON does not.
func toolsRequirement(q *Quality, speed Requirement) Requirement {
	r := Requirement{Name: RequireTools, Asks: "tool calls are right (C1 to C4, C8)", Standing: Untested, Says: noToolCalls, Do: howToJudge}
	for i := range q.Servers {
		a := &q.Servers[i]
		verdict := a.Of("C8")
		if verdict.Standing == Untested {
			continue
		}
		rank := func(s Standing) int { return slices.Index([]Standing{Failed, Warned, Passed, Untested}, s) }
		if rank(verdict.Standing) >= rank(r.Standing) {
			continue
		}
		r.Standing, r.Says, r.Do = verdict.Standing, verdict.Says, verdict.Do
		if verdict.Standing == Failed {
			r.Says = a.brokenTools(speed) + ": not an agent model: " + strings.TrimPrefix(verdict.Says, "NOT AN AGENT MODEL: ")
		}
	}
	return r
}

func (a *Answering) brokenTools(speed Requirement) string {
	how := "its tool calls are wrong"
	for _, b := range brokenHow {
		if a.Of(b.rule).Standing == Failed {
			how = b.words
			break
		}
	}
	if speed.Standing == Passed {
		return "streams fast but " + how
	}
	return how
}

// qualityRequirement asks whether answers are as good as the baseline's.
func qualityRequirement(q *Quality) Requirement {
	r := Requirement{Name: RequireQuality, Asks: "answers no worse than the baseline's (C7)"}
	for _, v := range []Verdict{Regressed, NotComparable, Inconclusive, Improved, NotRegressed} {
		i := slices.IndexFunc(q.Pairs, func(p QualityPair) bool { return p.Verdict == v })
		if i < 0 {
			continue
		}
		r.Verdict, r.Says = v, q.Pairs[i].Sentence
		break
	}
	switch r.Verdict {
	case Regressed:
		r.Standing, r.Do = Failed, "read the items that were lost: servestat quality lists them"
	case NotComparable:
		r.Standing, r.Verdict = Untested, ""
	case Inconclusive:
		r.Standing, r.Do = Warned, "ask more items"
	case "":
		r.Standing, r.Says, r.Do = Untested, "no suite was answered on both sides", "run a suite on both: tool calls, BFCL, tau2, lm-eval"
	default:
		r.Standing = Passed
	}
	return r
}

// canaryRequirement asks whether speculation does what it should.
func canaryRequirement(c *Canary) Requirement {
	r := Requirement{Name: RequireCanary, Asks: "speculative decoding passes its canary (D1 to D10)", Standing: Untested, Says: "no method on the set-ups of now"}
	missing := 0
	for i := range c.Cells {
		cell := &c.Cells[i]
		if !cell.Current {
			continue
		}
		missing = max(missing, len(cell.Missing))
		for _, ruling := range cell.Rulings {
			if ruling.Standing == Failed {
				r.Standing, r.Says, r.Do = Failed, fmt.Sprintf("%s: %s %s: %s", cell.Method, ruling.Rule, ruling.Name, ruling.Says), ruling.Do
				return r
			}
		}
		if cell.Of("D1").Standing != Untested {
			r.Standing, r.Says = Passed, cell.Method+": "+cell.Of("D1").Says
		}
	}
	if r.Standing == Passed && missing > 0 {
		r.Standing, r.Says = Warned, fmt.Sprintf("%s; %d of its rules are UNTESTED", r.Says, missing)
	}
	return r
}
