package analyze

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/quality"
	"github.com/servestat/servestat/analyze/query"
)

// A SuiteShare is how often the answers to a task passed, as far as they were asked
// alike.
type SuiteShare struct {
	Suite     string `json:"suite"`
	Task      string `json:"task"`
	Metric    string `json:"metric"`
	Condition string `json:"condition,omitempty"` // e.g. "streamed, 32 at a time", where it varies
	Share     Share  `json:"share"`
	// NotAnswers were cut at their length, or ended by a fault of the serving. They are
	// in no share.
	NotAnswers int64  `json:"not_answers,omitempty"`
	Note       string `json:"note,omitempty"` // what the number is not
}

// A Share is a part of answers, with its 95 % score interval (Wilson).
type Share struct {
	Passed int64   `json:"passed"`
	Of     int64   `json:"of"`
	Value  float64 `json:"value"`
	Lo     float64 `json:"lo"`
	Hi     float64 `json:"hi"`
}

func shareOf(s quality.Share) Share {
	return Share{Passed: s.Passed, Of: s.Items, Value: s.Value, Lo: s.Lo, Hi: s.Hi}
}

// String is 87.2 % [85.7, 88.6] (1856 of 2128); without counts where a suite gives
// none.
func (s Share) String() string {
	if s.Of == 0 {
		return fmt.Sprintf("%.1f %% [%.1f, %.1f]", 100*s.Value, 100*s.Lo, 100*s.Hi)
	}
	return quality.Share{Passed: s.Passed, Items: s.Of, Value: s.Value, Lo: s.Lo, Hi: s.Hi}.String()
}

// A QualityDiff is how two servers did on one task.
type QualityDiff struct {
	Suite      string   `json:"suite"`
	Task       string   `json:"task"`
	Metric     string   `json:"metric"`
	Condition  string   `json:"condition,omitempty"`
	Verdict    Verdict  `json:"verdict"`
	Baseline   Share    `json:"baseline"` // of the items that both answered
	Candidate  Share    `json:"candidate"`
	Difference Estimate `json:"difference"` // candidate - baseline
	P          float64  `json:"p"`
	PAdjusted  float64  `json:"p_adjusted"` // over all tasks (Holm): what the verdict rests on
	Margin     float64  `json:"margin"`     // loss that "not regressed" rules out
	Paired     bool     `json:"paired"`     // the same items on both sides: McNemar's exact test; else Fisher's
	Lost       []string `json:"lost,omitempty"`
	Won        []string `json:"won,omitempty"`
	OnlyOne    int      `json:"only_on_one_side,omitempty"` // items that are left out
	Refused    string   `json:"refused,omitempty"`          // why the two are not comparable
	Note       string   `json:"note,omitempty"`
}

// String says a difference with its numbers.
func (d QualityDiff) String() string {
	name := taskName(d.Suite, d.Task, d.Metric, d.Condition)
	if d.Refused != "" {
		return fmt.Sprintf("%s: not comparable: %s", name, d.Refused)
	}
	test := "McNemar"
	if !d.Paired {
		test = "Fisher, not paired"
	}
	text := fmt.Sprintf("%s: %s: %s to %s, %+.1f points [%+.1f, %+.1f], p = %s (%s)", name, d.Verdict, d.Baseline, d.Candidate,
		100*d.Difference.Value, 100*d.Difference.Lo, 100*d.Difference.Hi, pText(d.P), test)
	if d.Paired {
		text += fmt.Sprintf(", %d lost and %d won", len(d.Lost), len(d.Won))
	}
	if d.PAdjusted != d.P {
		text += ", adjusted p = " + pText(d.PAdjusted)
	}
	if d.Note != "" {
		text += "; " + d.Note
	}
	return text
}

// pText is a p-value with two digits.
func pText(p float64) string {
	if p < 1e-6 {
		return "<1e-06"
	}
	return fmt.Sprintf("%.2g", p)
}

// taskName names a task with its metric and condition, where they say anything.
func taskName(suite, task, metric, condition string) string {
	parts := []string{suite}
	if task != suite {
		parts = append(parts, task)
	}
	if metric != "pass" && metric != "accuracy" {
		parts = append(parts, metric)
	}
	name := strings.Join(parts, " ")
	if condition != "" {
		name += " (" + condition + ")"
	}
	return name
}

// A taskKey tells apart what is compared apart.
type taskKey struct{ suite, task, metric string }

// A condition is how an item was asked.
type condition struct {
	streaming   string // "", streamed, whole
	concurrency int64  // 0: not recorded
	temperature string
}

func conditionOf(a *query.JudgedAnswer) condition {
	c := condition{concurrency: a.Concurrency.V}
	if a.Streaming.Valid {
		c.streaming = "whole"
		if a.Streaming.V {
			c.streaming = "streamed"
		}
	}
	if a.Temperature.Valid {
		c.temperature = fmt.Sprintf("T=%g", a.Temperature.V)
	}
	return c
}

func (c condition) compare(o condition) int {
	return cmp.Or(cmp.Compare(c.concurrency, o.concurrency), cmp.Compare(c.temperature, o.temperature), cmp.Compare(c.streaming, o.streaming))
}

// words names what of a condition varies among others.
func (c condition) words(among []condition) string {
	varies := func(of func(condition) string) string {
		for _, o := range among {
			if of(o) != of(c) {
				return of(c)
			}
		}
		return ""
	}
	load := func(c condition) string {
		if c.concurrency == 0 {
			return "load not recorded"
		}
		return fmt.Sprintf("%d at a time", c.concurrency)
	}
	var parts []string
	for _, of := range []func(condition) string{load, func(c condition) string { return cmp.Or(c.temperature, "T not recorded") },
		func(c condition) string { return cmp.Or(c.streaming, "streaming not recorded") }} {
		if text := varies(of); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}

// A taskResult is what one side answered to a task under one condition.
type taskResult struct {
	key        taskKey
	condition  condition
	items      map[string][]bool
	notAnswers int64 // cut at their length, or ended by a fault of the serving
	failures   []string
	listed     bool // failures are listed and the rest passed
	total      *query.JudgedAnswer
}

// taskResults sorts answers into tasks and conditions, in a stable order.
func taskResults(answers []query.JudgedAnswer) []*taskResult {
	type id struct {
		taskKey
		condition
	}
	all := map[id]*taskResult{}
	get := func(key taskKey, c condition) *taskResult {
		if all[id{key, c}] == nil {
			all[id{key, c}] = &taskResult{key: key, condition: c, items: map[string][]bool{}}
		}
		return all[id{key, c}]
	}
	for i := range answers {
		a := &answers[i]
		key := taskKey{a.Suite, a.Task, a.Metric}
		switch {
		case a.Suite == "bfcl":
			get(taskKey{a.Suite, a.Task, "pass"}, condition{}).addBFCL(a)
		case !a.Item.Valid:
			get(key, condition{}).total = a
		case !counts(a):
			get(key, conditionOf(a)).notAnswers++
		case a.Passed.Valid:
			r := get(key, conditionOf(a))
			r.items[a.Item.V] = append(r.items[a.Item.V], a.Passed.V)
		}
	}
	out := slices.Collect(maps.Values(all))
	slices.SortFunc(out, func(a, b *taskResult) int {
		return cmp.Or(cmp.Compare(a.key.suite, b.key.suite), cmp.Compare(a.key.task, b.key.task), cmp.Compare(a.key.metric, b.key.metric), a.condition.compare(b.condition))
	})
	return out
}

// isFault reports whether an answer ended by a fault of the serving, so that it says
// nothing of what would have been answered.
func isFault(class string) bool {
	return slices.Contains([]string{"http_error", "infrastructure_error", "timeout", "unexpected_error"}, class)
}

// addBFCL takes in a line of its files: the total with the failures, and what was
// answered.
func (r *taskResult) addBFCL(a *query.JudgedAnswer) {
	switch {
	case !a.Item.Valid:
		r.total, r.listed = a, true
	case a.Passed.Valid && !a.Passed.V:
		if !slices.Contains(r.failures, a.Item.V) {
			r.failures = append(r.failures, a.Item.V)
		}
	}
}

// share is how much of a task passed; false where nothing was judged.
func (r *taskResult) share() (quality.Share, bool) {
	if len(r.items) > 0 {
		var passed, answers int64
		for _, item := range r.items {
			for _, ok := range item {
				answers++
				if ok {
					passed++
				}
			}
		}
		return quality.Clustered(passed, answers, int64(len(r.items))), true
	}
	t := r.total
	switch {
	case t == nil:
		return quality.Share{}, false
	case t.PassedItems.Valid && t.Items.Valid && t.Items.V > 0:
		return quality.NewShare(t.PassedItems.V, t.Items.V), true
	case t.Value.Valid && t.StdErr.Valid && t.Value.V >= 0 && t.Value.V <= 1:
		half := 1.959963984540054 * t.StdErr.V
		return quality.Share{Value: t.Value.V, Lo: max(0, t.Value.V-half), Hi: min(1, t.Value.V+half)}, true
	}
	return quality.Share{}, false
}

// suiteShares are the shares of all tasks.
func suiteShares(answers []query.JudgedAnswer) []SuiteShare {
	results := withoutTotals(taskResults(answers))
	var out []SuiteShare
	for _, r := range results {
		if s, ok := r.share(); ok {
			out = append(out, SuiteShare{
				Suite: r.key.suite, Task: r.key.task, Metric: r.key.metric, Condition: r.condition.words(conditionsOf(results, r.key)),
				Share: shareOf(s), NotAnswers: r.notAnswers, Note: uniformNote(s),
			})
		}
	}
	return out
}

// uniformNote says what a share of exactly nothing is worth.
func uniformNote(s quality.Share) string {
	if s.Items >= 20 && s.Passed == 0 {
		return "not one passed: look at the harness before the server"
	}
	return ""
}

// withoutTotals leaves out totals of tasks of which the items are there.
func withoutTotals(results []*taskResult) []*taskResult {
	items := map[taskKey]bool{}
	for _, r := range results {
		if len(r.items) > 0 {
			items[r.key] = true
		}
	}
	return slices.DeleteFunc(results, func(r *taskResult) bool { return len(r.items) == 0 && items[r.key] && r.notAnswers == 0 })
}

func conditionsOf(results []*taskResult, key taskKey) []condition {
	var out []condition
	for _, r := range results {
		if r.key == key {
			out = append(out, r.condition)
		}
	}
	return out
}

// defaultQualityMargin is the loss, of all items, that "not regressed" rules out where
// nobody says another. Of 200 items of which a quarter flips by luck, an interval of
// a paired difference reaches about 7 points; of 400, 5.
const defaultQualityMargin = 0.05

// compareAnswers compares two servers task by task. The chance of any false
// "regressed" among them is 5 %.
func compareAnswers(baseline, candidate []query.JudgedAnswer, margin float64) []QualityDiff {
	if margin == 0 {
		margin = defaultQualityMargin
	}
	base, cand := withoutTotals(taskResults(baseline)), withoutTotals(taskResults(candidate))
	var out []QualityDiff
	var ps []float64
	var tested []int
	for _, b := range base {
		i := slices.IndexFunc(cand, func(c *taskResult) bool { return c.key == b.key && c.condition == b.condition })
		if i < 0 {
			continue
		}
		d, ok := b.against(cand[i])
		if !ok {
			continue
		}
		d.Condition, d.Margin = b.condition.words(conditionsOf(base, b.key)), margin
		if d.Refused == "" {
			ps, tested = append(ps, d.P), append(tested, len(out))
		}
		out = append(out, d)
	}
	for i, p := range quality.Holm(ps) {
		out[tested[i]].settle(p)
	}
	return out
}

// settle gives the verdict, with a p-value that holds over all tasks.
func (d *QualityDiff) settle(p float64) {
	if d.Refused != "" {
		return
	}
	d.PAdjusted = p
	switch {
	case d.Note != "":
		d.Verdict = Inconclusive
	case p < 1-confidence && d.Difference.Value < 0:
		d.Verdict = Regressed
	case p < 1-confidence && d.Difference.Value > 0:
		d.Verdict = Improved
	case d.Difference.Lo > -d.Margin:
		d.Verdict = NotRegressed
	default:
		d.Verdict = Inconclusive
	}
}

// against compares two sides of a task; false where one of them has nothing to
// compare.
func (r *taskResult) against(c *taskResult) (QualityDiff, bool) {
	out := QualityDiff{Suite: r.key.suite, Task: r.key.task, Metric: r.key.metric, P: math.NaN(), PAdjusted: math.NaN()}
	bs, okB := r.share()
	cs, okC := c.share()
	if !okB || !okC {
		return out, false
	}
	if why := r.differs(c); why != "" {
		out.Refused, out.Verdict, out.Baseline, out.Candidate, out.Difference = why, NotComparable, shareOf(bs), shareOf(cs), missing(why)
		return out, true
	}
	var d quality.Difference
	switch {
	case len(r.items) > 0 && len(c.items) > 0:
		d = quality.Repeated(r.items, c.items)
	case r.listed && c.listed && bs.Items == cs.Items && len(r.failures) == int(bs.Items-bs.Passed) && len(c.failures) == int(cs.Items-cs.Passed):
		d = quality.FailuresOnly(r.failures, c.failures, bs.Items)
	case bs.Items > 0 && cs.Items > 0:
		d = quality.Unpaired(bs, cs)
	default:
		d = byStdErr(bs, cs)
	}
	if d.Baseline.Items == 0 && len(r.items) > 0 {
		out.Refused, out.Verdict, out.Difference = "no item is on both sides", NotComparable, missing("")
		return out, true
	}
	out.Baseline, out.Candidate, out.P, out.Paired = shareOf(d.Baseline), shareOf(d.Candidate), d.P, !d.NotPaired
	out.Lost, out.Won, out.OnlyOne = d.Lost, d.Won, d.OnlyOne
	out.Difference = Estimate{
		Value: d.Candidate.Value - d.Baseline.Value, Lo: d.Lo, Hi: d.Hi, HasInterval: true, Confidence: confidence, N: int(min(d.Baseline.Items, d.Candidate.Items)),
	}
	if d.Uniform && d.Baseline.Value == 0 {
		out.Note = "nothing passes on either side: that says something of the harness, and nothing of the servers"
	}
	return out, true
}

// byStdErr compares two scores of which nothing but the standard errors is known.
func byStdErr(b, c quality.Share) quality.Difference {
	se := math.Hypot(b.Hi-b.Lo, c.Hi-c.Lo) / (2 * 1.959963984540054)
	d, p := c.Value-b.Value, 1.0
	if se > 0 {
		p = math.Erfc(math.Abs(d) / se / math.Sqrt2)
	}
	return quality.Difference{Baseline: b, Candidate: c, P: p, Lo: d - 1.959963984540054*se, Hi: d + 1.959963984540054*se, NotPaired: true}
}

// mustAgree are the facts of lm-eval that two results must share.
var mustAgree = []string{"task_hash", "chat_template_sha", "system_instruction_sha", "n-shot"}

// differs says why two results of a task are of different questions.
func (r *taskResult) differs(c *taskResult) string {
	if r.total == nil || c.total == nil {
		return ""
	}
	for _, key := range mustAgree {
		if x, y := r.total.Facts[key], c.total.Facts[key]; x != "" && y != "" && x != y {
			return fmt.Sprintf("%s differs: %s in the baseline, %s in the candidate", key, x, y)
		}
	}
	if r.key.suite == "lm_eval" && r.total.Items.Valid && c.total.Items.Valid && r.total.Items.V != c.total.Items.V {
		return fmt.Sprintf("the number of questions differs: %d in the baseline, %d in the candidate", r.total.Items.V, c.total.Items.V)
	}
	return ""
}
