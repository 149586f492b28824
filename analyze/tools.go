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

// defaultMinValid is the share of tool calls that must be right where nobody says
// another: of twenty calls one may be wrong. Published servers lie on both sides of
// it: the K2 verifier's vendor at 100 %, generic paths of the same model at 73 to 96 %.
const defaultMinValid = 0.95

// malformed are the classes of calls that were made and are wrong.
var malformed = []string{"invalid_json", "unknown_tool", "unknown_argument", "missing_argument", "schema_invalid"}

// toolCalls are the answers of an answerSet that were to call tools.
type toolCalls struct {
	answers []query.JudgedAnswer
	classes map[string]int64
	total   *query.JudgedAnswer // schema_accuracy of a verifier's summary, where there are no items
	trigger *query.JudgedAnswer
	least   float64
}

func toolCallsOf(answers []query.JudgedAnswer, least float64) *toolCalls {
	t := &toolCalls{classes: map[string]int64{}, least: least}
	for i := range answers {
		a := &answers[i]
		switch {
		case a.Suite != "tool_calls" && a.Suite != "k2_vendor_verifier":
		case a.Item.Valid:
			t.answers = append(t.answers, *a)
			t.classes[a.Class.V]++
		case a.Metric == "schema_accuracy":
			t.total = a
		case a.Metric == "trigger":
			t.trigger = a
		}
	}
	return t
}

// share is the part of the answers that keep says to count that passed.
func (t *toolCalls) share(keep func(*query.JudgedAnswer) bool) quality.Share {
	var passed, of int64
	items := map[string]bool{}
	for i := range t.answers {
		a := &t.answers[i]
		if !a.Passed.Valid || !keep(a) {
			continue
		}
		of++
		items[a.Suite+" "+a.Task+" "+a.Item.V] = true
		if a.Passed.V {
			passed++
		}
	}
	return quality.Clustered(passed, of, int64(len(items)))
}

// made reports whether an answer made a call, right or wrong.
func made(a *query.JudgedAnswer) bool {
	return a.Passed.V || slices.Contains(malformed, a.Class.V)
}

// counts reports whether an answer says anything of the server's way with tools: it
// was not cut at its length, and the server did answer.
func counts(a *query.JudgedAnswer) bool {
	return a.Class.V != "truncated" && !isFault(a.Class.V)
}

// valid is the share of right answers among those that count, C8's number.
func (t *toolCalls) valid() (quality.Share, bool) {
	if s := t.share(counts); s.Items > 0 {
		return s, true
	}
	if t.total != nil && t.total.Items.V > 0 {
		return quality.NewShare(t.total.PassedItems.V, t.total.Items.V), true
	}
	return quality.Share{}, false
}

// standingOf is that of a share that has to reach something: it passes where its
// interval does, and fails where its interval does not reach that far.
func standingOf(s quality.Share, least float64) Standing {
	switch {
	case s.Lo >= least:
		return Passed
	case s.Hi < least:
		return Failed
	}
	return Warned
}

const noToolCalls = "no tool call was judged"

const howToJudge = "ingest a line of JSON for each request with its tools and its answer (servestat schema evals)"

func shareFigure(name string, s quality.Share) Figure {
	return Figure{Name: name, Unit: "1", Estimate: Estimate{Value: s.Value, Lo: s.Lo, Hi: s.Hi, HasInterval: true, Confidence: confidence, N: int(s.Items)}}
}

// rulings are C1 to C6 and C9.
func (t *toolCalls) rulings(set *answerSet, errors *parserErrors, margin float64) []Ruling {
	return []Ruling{t.validity(), t.triggers(), t.streams(), t.underLoad(margin), t.truncation(), errors.ruling(len(t.answers)), t.goodput()}
}

// validity is C1: of the calls that were made, how many are right.
func (t *toolCalls) validity() Ruling {
	const rule, name = "C1", "tool calls are right"
	s := t.share(made)
	if s.Items == 0 && t.total != nil && t.total.Items.V > 0 {
		s = quality.NewShare(t.total.PassedItems.V, t.total.Items.V)
	}
	if s.Items == 0 {
		return untested(rule, name, noToolCalls, howToJudge)
	}
	r := Ruling{
		Rule: rule, Name: name, Standing: standingOf(s, t.least), Figures: []Figure{shareFigure("schema accuracy", s)},
		Says: fmt.Sprintf("%s of the calls are right; %s %% are wanted", s, percentText(t.least)), Details: t.classList(malformed),
	}
	switch r.Standing {
	case Failed:
		r.Do = "look at the classes: invalid JSON and unknown names point to the parser, wrong arguments to the model or its quantization"
	case Warned:
		r.Do = fmt.Sprintf("ask more: %d answers cannot tell", s.Items)
	}
	return r
}

func percentText(share float64) string { return fmt.Sprintf("%.4g", 100*share) }

// classList counts answers by class, in the order given.
func (t *toolCalls) classList(classes []string) []string {
	var out []string
	for _, c := range classes {
		if n := t.classes[c]; n > 0 {
			out = append(out, fmt.Sprintf("%s: %d", c, n))
		}
	}
	return out
}

// triggers is C2: are calls recognised as such.
func (t *toolCalls) triggers() Ruling {
	const rule, name = "C2", "calls are recognised"
	if len(t.answers) == 0 {
		if t.trigger == nil || t.trigger.Items.V == 0 {
			return untested(rule, name, noToolCalls, howToJudge)
		}
		s := quality.NewShare(t.trigger.PassedItems.V, t.trigger.Items.V)
		return Ruling{Rule: rule, Name: name, Standing: Passed, Figures: []Figure{shareFigure("trigger rate", s)},
			Says: fmt.Sprintf("%s of the answers ended in a call; how many should have is not said", s)}
	}
	n, leaked, none, calls := int64(len(t.answers)), t.classes["markup_in_content"], t.classes["no_call"], int64(0)
	for i := range t.answers {
		if made(&t.answers[i]) {
			calls++
		}
	}
	s := quality.NewShare(calls, n)
	r := Ruling{Rule: rule, Name: name, Standing: Passed, Figures: []Figure{shareFigure("trigger rate", s)}, Details: t.finishReasons()}
	r.Says = fmt.Sprintf("%d of %d answers made a call; %d have the markup of one in their text, %d made none though one was required", calls, n, leaked, none)
	lost := quality.NewShare(leaked+none, n)
	switch {
	case calls == 0 && n >= 10:
		r.Standing = Failed
		r.Says = fmt.Sprintf("never emitted tool_calls (0 of %d): the parser is not effective", n)
		if leaked > 0 {
			r.Says += fmt.Sprintf("; %d answers have the markup of a call in their text", leaked)
		}
		r.Do = "give --enable-auto-tool-choice and the --tool-call-parser of the model's recipe"
	case lost.Lo > 1-t.least:
		r.Standing, r.Do = Failed, "look for the wrong --tool-call-parser, or a reasoning parser that swallows calls"
	case leaked+none > 0:
		r.Standing, r.Do = Warned, "read these answers: a client does not see their calls"
	}
	return r
}

// finishReasons counts them, the most frequent first. They decide nothing.
func (t *toolCalls) finishReasons() []string {
	count := map[string]int{}
	for _, a := range t.answers {
		count[cmp.Or(a.Finish.V, "not recorded")]++
	}
	names := slices.SortedFunc(maps.Keys(count), func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("finish_reason %s: %d", name, count[name])
	}
	return names
}

// streams is C3: a streamed answer is the same as one that is not.
func (t *toolCalls) streams() Ruling {
	const rule, name = "C3", "streaming changes nothing"
	type question struct {
		task, item, temperature string
		trial, concurrency      int64
	}
	type pair struct{ streamed, whole *query.JudgedAnswer }
	pairs := map[question]*pair{}
	for i := range t.answers {
		a := &t.answers[i]
		if !a.Streaming.Valid || !counts(a) {
			continue
		}
		q := question{a.Suite + " " + a.Task, a.Item.V, conditionOf(a).temperature, a.Trial.V, a.Concurrency.V}
		if pairs[q] == nil {
			pairs[q] = &pair{}
		}
		if a.Streaming.V {
			pairs[q].streamed = a
		} else {
			pairs[q].whole = a
		}
	}
	n, other := 0, []string{}
	was, now := map[string]bool{}, map[string]bool{}
	for q, p := range pairs {
		if p.streamed == nil || p.whole == nil {
			continue
		}
		n++
		if p.streamed.Answer.V != p.whole.Answer.V || p.streamed.Passed != p.whole.Passed {
			other = append(other, q.item)
		}
		id := fmt.Sprint(q)
		was[id], now[id] = p.whole.Passed.V, p.streamed.Passed.V
	}
	if n == 0 {
		return untested(rule, name, "no item was asked both with stream and without", "ask the same items both ways: parsers have two code paths")
	}
	slices.Sort(other)
	d := quality.Paired(was, now)
	r := Ruling{
		Rule: rule, Name: name, Standing: Passed, Details: slices.Compact(other),
		Says:    fmt.Sprintf("%d of %d answers differ; right: %s whole, %s streamed", len(other), n, d.Baseline, d.Candidate),
		Figures: []Figure{shareFigure("answers that differ", quality.NewShare(int64(len(other)), int64(n)))},
	}
	switch {
	case d.P < 1-confidence && d.Candidate.Value < d.Baseline.Value:
		r.Standing, r.Do = Failed, "streamed calls are lost: look at the parser's streaming path, and at the order of its fragments"
		r.Says += ", p = " + pText(d.P) + " (McNemar)"
	case len(other) > 0:
		r.Standing, r.Do = Warned, "read the answers that differ; above T=0, and across batches, some differ by themselves"
	}
	return r
}

// underLoad is C4: as many calls are right at the largest load as at the least.
func (t *toolCalls) underLoad(margin float64) Ruling {
	const rule, name = "C4", "load changes nothing"
	byLoad := map[string]map[int64][]query.JudgedAnswer{} // by temperature
	for _, a := range t.answers {
		if !a.Concurrency.Valid || !counts(&a) {
			continue
		}
		heat := conditionOf(&a).temperature
		if byLoad[heat] == nil {
			byLoad[heat] = map[int64][]query.JudgedAnswer{}
		}
		load := a.Concurrency.V
		a.Concurrency = query.Count{} // the only thing that may differ
		byLoad[heat][load] = append(byLoad[heat][load], a)
	}
	r := Ruling{Rule: rule, Name: name, Standing: Untested}
	var diffs []QualityDiff
	var between [][2]int64
	for _, heat := range slices.Sorted(maps.Keys(byLoad)) {
		loads := slices.Sorted(maps.Keys(byLoad[heat]))
		if len(loads) < 2 {
			continue
		}
		least, most := loads[0], loads[len(loads)-1]
		for _, d := range compareAnswers(byLoad[heat][least], byLoad[heat][most], margin) {
			d.Condition = strings.Trim(heat+", "+d.Condition, ", ")
			diffs, between = append(diffs, d), append(between, [2]int64{least, most})
		}
	}
	if len(diffs) == 0 {
		return untested(rule, name, "no item was asked at two loads", "ask the same items one at a time and at the largest concurrency")
	}
	for i, p := range quality.Holm(pValues(diffs)) {
		diffs[i].settle(p)
	}
	r.Standing, r.Verdict = standingOfDiffs(diffs), diffsVerdict(diffs)
	for i, d := range diffs {
		r.Details = append(r.Details, fmt.Sprintf("%d against %d at a time: %s", between[i][1], between[i][0], d))
		r.Figures = append(r.Figures, Figure{Name: fmt.Sprintf("%s, %d less %d at a time", taskName(d.Suite, d.Task, d.Metric, d.Condition), between[i][1], between[i][0]), Unit: "1", Estimate: d.Difference})
	}
	worst := slices.IndexFunc(diffs, func(d QualityDiff) bool { return d.Verdict == diffsVerdict(diffs) })
	r.Says = r.Details[worst]
	if r.Standing == Failed {
		r.Do = "find the concurrency up to which calls are right, and what is shared above it: batching, the KV cache, speculation"
	}
	return r
}

func pValues(diffs []QualityDiff) []float64 {
	out := make([]float64, len(diffs))
	for i, d := range diffs {
		out[i] = d.P
		if math.IsNaN(d.P) {
			out[i] = 1
		}
	}
	return out
}

// diffsVerdict is the verdict that decides over several tasks.
func diffsVerdict(diffs []QualityDiff) Verdict {
	for _, v := range []Verdict{Regressed, NotComparable, Inconclusive, Improved} {
		if slices.ContainsFunc(diffs, func(d QualityDiff) bool { return d.Verdict == v }) {
			return v
		}
	}
	return NotRegressed
}

func standingOfDiffs(diffs []QualityDiff) Standing {
	if len(diffs) == 0 {
		return Untested
	}
	switch diffsVerdict(diffs) {
	case Regressed:
		return Failed
	case NotComparable, Inconclusive:
		return Warned
	}
	return Passed
}

// truncation is C5: answers that ended at their length before their call did. They
// are no fault of a parser, and in no other number.
func (t *toolCalls) truncation() Ruling {
	const rule, name = "C5", "answers are not cut"
	if len(t.answers) == 0 {
		return untested(rule, name, noToolCalls, howToJudge)
	}
	s := quality.NewShare(t.classes["truncated"], int64(len(t.answers)))
	r := Ruling{
		Rule: rule, Name: name, Standing: Passed, Figures: []Figure{shareFigure("answers cut at their length", s)},
		Says: fmt.Sprintf("%s ended at their length before the call did", s),
	}
	if s.Passed > 0 {
		r.Standing, r.Do = Warned, "raise max_tokens: reasoning comes before the call. They count in no other number"
	}
	return r
}

// goodput is C9: right calls a second, by load, from the first question to the last
// answer.
func (t *toolCalls) goodput() Ruling {
	const rule, name = "C9", "goodput of valid calls"
	type window struct {
		from, to float64
		right    int64
	}
	at := map[string]map[int64]*window{}
	for _, a := range t.answers {
		if !a.StartedAt.Valid || !a.Latency.Valid {
			continue
		}
		start := float64(a.StartedAt.Time.UnixNano()) / 1e9
		if at[a.Place] == nil {
			at[a.Place] = map[int64]*window{}
		}
		w := at[a.Place][a.Concurrency.V]
		if w == nil {
			w = &window{from: start, to: start}
			at[a.Place][a.Concurrency.V] = w
		}
		w.from, w.to = min(w.from, start), max(w.to, start+a.Latency.V)
		if a.Passed.V {
			w.right++
		}
	}
	rates := map[int64][]float64{}
	for _, place := range slices.Sorted(maps.Keys(at)) {
		for load, w := range at[place] {
			if w.to > w.from {
				rates[load] = append(rates[load], float64(w.right)/(w.to-w.from))
			}
		}
	}
	if len(rates) == 0 {
		return untested(rule, name, "no answer has the time at which it was asked and how long it took", "write start (seconds since 1970) and latency_s into each line")
	}
	r := Ruling{Rule: rule, Name: name, Standing: Passed}
	var parts []string
	for _, load := range slices.Sorted(maps.Keys(rates)) {
		mean := 0.0
		for _, v := range rates[load] {
			mean += v / float64(len(rates[load]))
		}
		label := "load not recorded"
		if load > 0 {
			label = fmt.Sprintf("%d at a time", load)
		}
		parts = append(parts, fmt.Sprintf("%.3g valid calls/s with %s", mean, label))
		r.Figures = append(r.Figures, Figure{Name: "valid calls, " + label, Unit: "calls/s", Estimate: Estimate{Value: mean, N: len(rates[load])}})
	}
	r.Says = strings.Join(parts, ", ")
	return r
}

// agentModel is C8: whatever its speed, a server whose tool calls are wrong serves
// no agent.
func (t *toolCalls) agentModel(rulings []Ruling) Ruling {
	const rule, name = "C8", "serves an agent"
	s, ok := t.valid()
	if !ok {
		return untested(rule, name, noToolCalls, howToJudge)
	}
	r := Ruling{Rule: rule, Name: name, Standing: standingOf(s, t.least), Figures: []Figure{shareFigure("valid answers", s)}}
	r.Says = fmt.Sprintf("%s of the answers that were not cut are right; %s %% are wanted", s, percentText(t.least))
	var broken []string
	for _, other := range rulings {
		if other.Standing == Failed && slices.Contains([]string{"C1", "C2", "C3", "C4"}, other.Rule) {
			r.Standing = Failed
			broken = append(broken, other.Rule+" "+other.Name)
		}
	}
	if r.Standing == Failed {
		r.Says = "NOT AN AGENT MODEL: " + r.Says
		if len(broken) > 0 {
			r.Says += "; not met: " + strings.Join(broken, ", ")
		}
		r.Do = "do not serve agents with it as it is"
	}
	return r
}

// parserErrors counts what servers log when a parser fails on an answer: HTTP is 200
// all the same, and the call is in the text.
type parserErrors struct {
	logs   map[string]bool
	errors int
	first  string
}

// parserFailed are vLLM's words for it, of all its parsers.
var parserFailed = []string{"Error in extracting tool call from response", "Error trying to handle streaming tool call", "Error in extract_tool_calls"}

func (p *parserErrors) add(e *query.LoggedEvent) {
	p.logs[e.Upload] = true
	for _, text := range parserFailed {
		if strings.Contains(e.Message, text) {
			p.errors++
			if p.first == "" {
				p.first = fmt.Sprintf("%s line %d", e.SourceName, e.Line)
			}
			return
		}
	}
}

// ruling is C6.
func (p *parserErrors) ruling(answers int) Ruling {
	const rule, name = "C6", "the server's parser does not fail"
	if len(p.logs) == 0 {
		return untested(rule, name, "no log of the servers that answered", "ingest the server's log beside the answers, with the same server_start")
	}
	r := Ruling{Rule: rule, Name: name, Standing: Passed, Says: fmt.Sprintf("no such error in %d logs", len(p.logs))}
	if p.errors == 0 {
		return r
	}
	r.Standing, r.Do = Warned, "read the traceback at the first of them: the answer went out with status 200 and its call in the text"
	r.Says = fmt.Sprintf("the parser failed %d times, first at %s", p.errors, p.first)
	if answers > 0 {
		rate := 1000 * float64(p.errors) / float64(answers)
		r.Says += fmt.Sprintf("; %.3g for 1,000 judged answers, though others may have been answered too", rate)
		r.Figures = []Figure{{Name: "parser errors for 1,000 judged answers", Unit: "1", Estimate: Estimate{Value: rate, N: answers}}}
	}
	return r
}
