package analyze

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/preflight"
	"github.com/servestat/servestat/analyze/quality"
	"github.com/servestat/servestat/analyze/query"
)

// ruled is the answer to a rule of canaryRules, by its number.
func ruled(number int, standing Standing, says string, args ...any) Ruling {
	return Ruling{Rule: fmt.Sprintf("D%d", number), Name: canaryRules[number-1], Standing: standing, Says: fmt.Sprintf(says, args...)}
}

func unruled(number int, why, do string) Ruling {
	return untested(fmt.Sprintf("D%d", number), canaryRules[number-1], why, do)
}

// startUp is D1: did the server accept the method, and does it run it.
func (t *trial) startUp() Ruling {
	logs := logsOf(t.servers)
	for _, l := range logs {
		if why, rejected := l.rejected(); rejected {
			r := ruled(1, Failed, "REJECTED: %s", why)
			r.Details, r.Do = []string{l.name}, "leave the method out, or take a checkpoint and a version that have it"
			return r
		}
	}
	if len(logs) == 0 {
		return t.startedWithoutLog()
	}
	warned, ready := []string{}, []string{}
	for _, l := range logs {
		if l.report.State == preflight.NotReady || l.report.State == preflight.Died {
			r := ruled(1, Failed, "the server is %s: %s", l.report.State, cmp.Or(l.exception, "its log does not say why"))
			r.Details, r.Do = []string{l.name}, "read the log; servestat preflight judges it"
			return r
		}
		for _, f := range l.report.Findings {
			if f.Severity != preflight.Info && aboutSpeculation(&f) && !slices.Contains(warned, f.Meaning) {
				warned = append(warned, f.Meaning)
			}
		}
		if l.ready.After(l.begun) && !l.begun.IsZero() {
			ready = append(ready, fmt.Sprintf("%.0f s", l.ready.Sub(l.begun).Seconds()))
		}
	}
	starts := 0
	for _, l := range logs {
		starts += l.report.Starts
	}
	r := ruled(1, Passed, "ACCEPTED on %s", howMany(starts, "start"))
	if len(ready) > 0 {
		r.Says += ", ready after " + list(ready)
	}
	if achieved := achievedMethod(logs); achieved != "" {
		r.Says += "; the engine runs " + achieved
	} else {
		r.Standing = Warned
		warned = append(warned, "no log holds the engine's configuration, so it is not known that the method is on")
	}
	if len(warned) > 0 {
		r.Standing, r.Details = Warned, warned
	}
	return r
}

// aboutSpeculation reports whether a finding is about the method, and not about the
// server as a whole.
func aboutSpeculation(f *preflight.Finding) bool {
	return slices.Contains([]string{"P4", "P5", "P18"}, f.Number) || strings.HasPrefix(f.Rule, "spec_") || strings.Contains(f.Text, "speculative")
}

// startedWithoutLog is D1 by what the server did.
func (t *trial) startedWithoutLog() Ruling {
	runs := t.runs()
	if len(runs) == 0 {
		return unruled(1, "no log of a start with it", "ingest the server's log, whether it started or not")
	}
	if drafted := t.counted().drafted; drafted > 0 {
		return ruled(1, Passed, "ACCEPTED: %.0f tokens were drafted while requests were answered; there is no log of the start", drafted)
	}
	r := ruled(1, Warned, "requests were answered, and nothing shows that the method was on")
	r.Do = "ingest the server's log"
	return r
}

func logsOf(servers []*watchedServer) []*watchedLog {
	var out []*watchedLog
	for _, s := range servers {
		out = append(out, s.logs...)
	}
	return out
}

// rejected says why a start with the method came to nothing, if it did because of it.
func (l *watchedLog) rejected() (why string, ok bool) {
	noLayers := false
	for _, f := range l.report.Findings {
		noLayers = noLayers || f.Rule == "no_mtp_layers"
	}
	for _, f := range l.report.Findings {
		if f.Rule == "bad_spec_method" || f.Number == "P3" {
			why, ok = cmp.Or(l.exception, f.Text), true
			break
		}
	}
	if set, known := l.speculation(); known && set.Standing == preflight.Differs {
		ok = true
		why = cmp.Or(why, fmt.Sprintf("asked for %s, achieved %s", set.Asked, set.Achieved))
	}
	if ok && noLayers {
		why += "; the checkpoint's config.json has no num_nextn_predict_layers: it has no layers for multi-token prediction"
	}
	return why, ok
}

func (l *watchedLog) speculation() (preflight.Setting, bool) {
	i := slices.IndexFunc(l.report.Settings, func(s preflight.Setting) bool { return s.Name == "speculative method" })
	if i < 0 {
		return preflight.Setting{}, false
	}
	return l.report.Settings[i], true
}

func achievedMethod(logs []*watchedLog) string {
	for _, l := range logs {
		if set, ok := l.speculation(); ok && set.Achieved != "" && set.Achieved != "none" {
			return set.Achieved
		}
	}
	return ""
}

// throughput is D2: with the method against without, on the same set-up. It may help
// at one load and hurt at another.
func (t *trial) throughput() Ruling {
	if len(t.runs()) == 0 {
		return unruled(2, "no run with it", "measure with and without it, in turns, at every concurrency")
	}
	if t.result == nil {
		return unruled(2, "no run without it on the same set-up", "measure without it on the same checkpoint, image, GPU, version and flags")
	}
	c := t.result
	r := ruled(2, Warned, "")
	r.Verdict = c.Verdict
	if len(c.Refusals) > 0 {
		r.Standing, r.Says = Untested, "not comparable: "+strings.Join(c.Refusals, "; ")
		return r
	}
	var helps, hurts, open []string
	i := slices.IndexFunc(c.Metrics, func(m MetricDiff) bool { return m.Metric == "output_throughput" })
	if i < 0 {
		r.Says, r.Standing = c.Sentence, Untested
		return r
	}
	for _, cell := range c.Metrics[i].Cells {
		level := fmt.Sprint(cell.MaxConcurrency)
		r.Details = append(r.Details, fmt.Sprintf("c=%s: output throughput %s, %s", level, changeText(cell.Ratio), cell.Verdict))
		r.Figures = append(r.Figures, Figure{Name: "output throughput with it over without, c=" + level, Unit: "1", Estimate: cell.Ratio})
		switch cell.Verdict {
		case Improved:
			helps = append(helps, level)
		case Regressed:
			hurts = append(hurts, level)
		case Inconclusive, Suspect:
			open = append(open, level)
		}
	}
	var parts []string
	for _, p := range []struct {
		word   string
		levels []string
	}{{"helps at c=", helps}, {"hurts at c=", hurts}, {"undecided at c=", open}} {
		if len(p.levels) > 0 {
			parts = append(parts, p.word+list(p.levels))
		}
	}
	r.Says = fmt.Sprintf("%s; output throughput over all levels %s", cmp.Or(strings.Join(parts, ", "), "changes nothing"), changeText(c.Metrics[i].Ratio))
	if c.Verdict != c.Metrics[i].Verdict {
		r.Says += "; " + strings.TrimSuffix(c.Sentence, ".")
	}
	switch c.Verdict {
	case Improved:
		r.Standing = Passed
	case Regressed:
		r.Standing, r.Do = Failed, "use it below the concurrency at which it hurts, or not at all"
	case NotRegressed:
		r.Do = "it costs nothing and shows no gain: leave it out"
	default:
		r.Do = "measure more server starts with and without it"
	}
	return r
}

// changeText is a ratio as a change, with its interval where it has one.
func changeText(e Estimate) string {
	if math.IsNaN(e.Value) {
		return "not known"
	}
	if !e.HasInterval {
		return fmt.Sprintf("%+.1f %%", 100*(e.Value-1))
	}
	return fmt.Sprintf("%+.1f %% [%+.1f, %+.1f]", 100*(e.Value-1), 100*(e.Lo-1), 100*(e.Hi-1))
}

// A draftCount is what servers counted while runs were made.
type draftCount struct {
	drafts, drafted, accepted float64
	at                        []float64 // accepted at each position of a draft
}

// counted adds up what the servers counted during the runs: as the benchmark's client
// read it, or else by the scrapes of /metrics around them.
func (t *trial) counted() draftCount {
	var d draftCount
	for _, r := range t.runs() {
		d = d.add(r.drafts())
	}
	return d
}

func (r *Run) drafts() draftCount {
	n, ok := reported(r, "spec_decode_num_drafts")
	if !ok {
		if r.server == nil {
			return draftCount{}
		}
		return r.server.drafts
	}
	d := draftCount{drafts: n}
	d.drafted, _ = reported(r, "spec_decode_draft_tokens")
	d.accepted, _ = reported(r, "spec_decode_accepted_tokens")
	var rates []float64
	if json.Unmarshal([]byte(r.Reported.Get("spec_decode_per_position_acceptance_rates")), &rates) == nil {
		for _, rate := range rates {
			d.at = append(d.at, rate*n)
		}
	}
	return d
}

// byPosition says which share of the drafts had their token of each position
// accepted: it falls from one to the next, and shows how long drafts should be.
func (d draftCount) byPosition() string {
	rates := make([]string, len(d.at))
	for i, n := range d.at {
		rates[i] = fmt.Sprintf("%.3f", n/d.drafts)
	}
	return strings.Join(rates, ", ")
}

// acceptance is D3. Estimators differ on the same data, 72.7 % and 66.4 % (trap 105 of
// the serving minefield), so each stands under its name.
func (t *trial) acceptance() Ruling {
	if len(t.runs())+len(logsOf(t.servers)) == 0 {
		return unruled(3, "no run with it", "measure with it")
	}
	server, perDraft := t.counted(), math.NaN()
	r := ruled(3, Passed, "")
	var parts []string
	say := func(name, unit, format string, e Estimate) {
		parts = append(parts, fmt.Sprintf("%s: "+format, name, e.Value))
		r.Figures = append(r.Figures, Figure{Name: name, Unit: unit, Estimate: e})
	}
	byToken, byRequest := false, false
	if server.drafted > 0 {
		perDraft = server.drafted / server.drafts
		byToken = true
		say("token-weighted, accepted / drafted tokens of the servers' counters during the runs", "1", "%.3f", Estimate{Value: server.accepted / server.drafted, N: int(server.drafted)})
		say("tokens a step, 1 + accepted / drafts", "tokens", "%.2f", Estimate{Value: 1 + server.accepted/server.drafts, N: int(server.drafts)})
	}
	var accepted, drafted float64
	var rates []float64
	for _, l := range logsOf(t.servers) {
		accepted, drafted, rates = accepted+l.accepted, drafted+l.drafted, append(rates, l.rates...)
	}
	if drafted > 0 {
		byToken = true
		say("token-weighted, over all lines of the log", "1", "%.3f", Estimate{Value: accepted / drafted, N: int(drafted)})
		say("mean of the log's intervals, whatever came in them", "1", "%.3f", Estimate{Value: mean(rates), N: len(rates)})
	}
	if answers, tokens, se := t.byRequest(); answers > 0 {
		byRequest = true
		e := Estimate{Value: tokens, N: int(answers)}
		if !math.IsNaN(se) {
			e.Lo, e.Hi, e.HasInterval, e.Confidence = tokens-1.959963984540054*se, tokens+1.959963984540054*se, true, confidence
		}
		say("request-weighted, mean over answers of tokens a chunk", "tokens", "%.2f", e)
		if perDraft > 0 {
			say("request-weighted, the same as a share of the drafted tokens", "1", "%.3f", Estimate{Value: (tokens - 1) / perDraft, N: int(answers)})
		}
	}
	r.Says = strings.Join(parts, "; ")
	switch {
	case len(parts) == 0:
		return unruled(3, "neither the results nor the log count drafts, and no answer came in chunks", "measure with vLLM's own client, which reads the server's counters, or ingest the log, or a scrape of /metrics before and after")
	case server.drafted > 0 && server.accepted == 0:
		r.Standing, r.Do = Failed, "nothing that was drafted was accepted: the drafts cost time and give nothing"
	case !byToken || !byRequest:
		r.Standing = Warned
		r.Says += "; only one of token-weighted and request-weighted is known"
	}
	if server.drafted > 0 && len(server.at) > 0 {
		r.Details = append(r.Details, "accepted by position of the draft, of all drafts: "+server.byPosition())
	}
	if server.drafted > 0 {
		r.Details = append(r.Details, "the servers' counters count whatever they answered during a run, other clients' requests too")
	}
	return r
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// byRequest is the mean over answers of tokens a chunk, with its standard error over
// runs pooled.
func (t *trial) byRequest() (answers int64, tokens, stdErr float64) {
	var sum, variance float64
	for _, d := range t.drafts {
		if !d.ByRequest.Valid {
			continue
		}
		answers += d.Answers
		sum += float64(d.Answers) * d.ByRequest.V
		if d.StdErr.Valid {
			variance += square(float64(d.Answers) * d.StdErr.V)
		} else {
			variance = math.NaN()
		}
	}
	return answers, sum / float64(answers), math.Sqrt(variance) / float64(answers)
}

func square(v float64) float64 { return v * v }

// tokensPerChunk is that of all answers together; 0 where it is not known.
func (t *trial) tokensPerChunk() float64 {
	var tokens, chunks int64
	for _, d := range t.drafts {
		tokens, chunks = tokens+d.Tokens, chunks+d.Chunks
	}
	if chunks == 0 {
		return 0
	}
	return float64(tokens) / float64(chunks)
}

// bundles is D4: an ITL is the time between chunks, and a chunk is not a token.
func (t *trial) bundles() Ruling {
	per := t.tokensPerChunk()
	if per == 0 {
		return unruled(4, "no answer came in chunks whose tokens are counted", "measure with --save-detailed")
	}
	figure := Figure{Name: "tokens a chunk", Unit: "tokens", Estimate: Estimate{Value: per, N: len(t.drafts)}}
	r := ruled(4, Passed, "a chunk is a token (%.2f tokens a chunk): ITL may be compared", per)
	if per > 1.1 {
		r.Says = fmt.Sprintf("ITL not comparable: tokens/chunk = %.2f; TPOT is compared", per)
	}
	r.Figures = []Figure{figure}
	server := t.counted()
	if server.drafts == 0 {
		return r
	}
	step := 1 + server.accepted/server.drafts
	r.Figures = append(r.Figures, Figure{Name: "tokens a step, by the server", Unit: "tokens", Estimate: Estimate{Value: step, N: int(server.drafts)}})
	if math.Abs(per/step-1) > 0.1 {
		r.Standing = Warned
		r.Says += fmt.Sprintf("; the server made %.2f tokens a step, so chunks are not steps", step)
		r.Do = "look for a parser, a proxy or a stream interval that holds chunks back: then TTFT and ITL are theirs"
	}
	return r
}

// outputQuality is D5: are the answers as good as without it.
func (t *trial) outputQuality(opts CanaryOptions) Ruling {
	with, without := answersOfServers(t.servers), answersOfServers(t.without)
	r := ruled(5, Passed, "")
	suites := compareAnswers(withoutTools(without), withoutTools(with), opts.QualityOptions.Margin)
	var parts []string
	for _, d := range suites {
		r.Details = append(r.Details, d.String())
		if len(d.Lost) > 0 {
			r.Details = append(r.Details, "lost: "+list(d.Lost))
		}
		r.Figures = append(r.Figures, Figure{Name: taskName(d.Suite, d.Task, d.Metric, d.Condition) + ", with it less without", Unit: "1", Estimate: d.Difference})
	}
	if len(suites) > 0 {
		r.Verdict = diffsVerdict(suites)
		r.Standing = standingOfDiffs(suites)
		i := slices.IndexFunc(suites, func(d QualityDiff) bool { return d.Verdict == r.Verdict })
		parts = append(parts, suites[max(i, 0)].String())
	}
	if n, other := greedyDiffer(without, with); n > 0 {
		s := quality.NewShare(other, n)
		parts = append(parts, fmt.Sprintf("greedy answers that differ: %s; restarts alone make some differ", s))
		r.Figures = append(r.Figures, shareFigure("greedy answers that differ", s))
		if len(suites) == 0 {
			r.Standing = Warned
			if other == 0 {
				r.Standing = Passed
			}
		}
	}
	if len(parts) == 0 {
		return unruled(5, "no suite was answered both with it and without, on this set-up", "run the same suite on both: BFCL, lm-eval with samples, tau2")
	}
	r.Says = strings.Join(parts, "; ")
	if r.Standing == Failed {
		r.Do = "do not use it: speculation must not change what is answered"
	}
	return r
}

func isToolSuite(a *query.JudgedAnswer) bool {
	return a.Suite == "tool_calls" || a.Suite == "k2_vendor_verifier"
}

func withoutTools(all []query.JudgedAnswer) []query.JudgedAnswer {
	return slices.DeleteFunc(slices.Clone(all), func(a query.JudgedAnswer) bool { return isToolSuite(&a) })
}

func onlyTools(all []query.JudgedAnswer) []query.JudgedAnswer {
	return slices.DeleteFunc(slices.Clone(all), func(a query.JudgedAnswer) bool { return !isToolSuite(&a) })
}

// greedyDiffer counts the answers at temperature 0 that both sides gave, and those of
// them that are not the same.
func greedyDiffer(without, with []query.JudgedAnswer) (n, other int64) {
	type question struct {
		suite, task, item string
		condition
	}
	was := map[question]string{}
	greedy := func(a *query.JudgedAnswer) bool {
		return a.Item.Valid && a.Answer.Valid && a.Temperature.Valid && a.Temperature.V == 0
	}
	for i := range without {
		if a := &without[i]; greedy(a) {
			was[question{a.Suite, a.Task, a.Item.V, conditionOf(a)}] = a.Answer.V
		}
	}
	for i := range with {
		a := &with[i]
		if !greedy(a) {
			continue
		}
		before, ok := was[question{a.Suite, a.Task, a.Item.V, conditionOf(a)}]
		if !ok {
			continue
		}
		n++
		if a.Answer.V != before {
			other++
		}
	}
	return n, other
}

// parsers is D6: are tool calls still recognised, whole and streamed.
func (t *trial) parsers(opts CanaryOptions) Ruling {
	with, without := onlyTools(answersOfServers(t.servers)), onlyTools(answersOfServers(t.without))
	if len(with) == 0 {
		return unruled(6, "no tool call was judged with it", howToJudge)
	}
	diffs := compareAnswers(without, with, opts.QualityOptions.Margin)
	tools := toolCallsOf(with, opts.minValid())
	r := ruled(6, Passed, "")
	var parts []string
	if len(diffs) > 0 {
		r.Verdict, r.Standing = diffsVerdict(diffs), standingOfDiffs(diffs)
		for _, d := range diffs {
			r.Details = append(r.Details, d.String())
			r.Figures = append(r.Figures, Figure{Name: taskName(d.Suite, d.Task, d.Metric, d.Condition) + ", with it less without", Unit: "1", Estimate: d.Difference})
		}
		i := slices.IndexFunc(diffs, func(d QualityDiff) bool { return d.Verdict == r.Verdict })
		parts = append(parts, diffs[max(i, 0)].String())
	}
	for _, own := range []Ruling{tools.validity(), tools.triggers(), tools.streams()} {
		parts = append(parts, own.Rule+" "+string(own.Standing)+": "+own.Says)
		if own.Standing == Failed {
			r.Standing, r.Do = Failed, own.Do
		}
	}
	if len(diffs) == 0 {
		parts = append(parts, "the same items were not asked without it")
		if r.Standing == Passed {
			r.Standing = Warned
		}
	}
	r.Says = strings.Join(parts, "; ")
	if r.Standing == Failed && r.Do == "" {
		r.Do = "do not serve tools with it: see the issues of the version (vllm#35800, #41967, #56077, #40875)"
	}
	return r
}

// rollback is D7: without it again, is everything as before.
func (t *trial) rollback() Ruling {
	switch {
	case len(t.runs()) == 0:
		return unruled(7, "no run with it, and so nothing to take back", "measure before, with, and after it")
	case t.restored == nil && t.noAfter:
		return unruled(7, "no run without it after those with it", "take it out again, and measure once more")
	case t.restored == nil && t.noBefore:
		return unruled(7, "no run without it before those with it", "measure before, with, and after it")
	case t.restored == nil:
		return unruled(7, "no times, or no runs without it", "measure before, with, and after it")
	}
	c := t.restored
	r := ruled(7, Warned, "")
	r.Verdict = c.Verdict
	if len(c.Refusals) > 0 {
		r.Standing, r.Says = Untested, "not comparable: "+strings.Join(c.Refusals, "; ")
		return r
	}
	delta := "not known"
	if i := slices.IndexFunc(c.Metrics, func(m MetricDiff) bool { return m.Metric == "output_throughput" }); i >= 0 {
		delta = changeText(c.Metrics[i].Ratio)
		r.Figures = []Figure{{Name: "output throughput after it over before it", Unit: "1", Estimate: c.Metrics[i].Ratio}}
	}
	replaced := t.replaced()
	switch {
	case c.Verdict == Regressed:
		r.Standing, r.Do = Failed, "something of it is left: compare the flags and the process that runs"
		r.Says = fmt.Sprintf("restored: no (delta %s): %s", delta, strings.TrimSuffix(c.Sentence, "."))
	case c.Verdict == NotRegressed || c.Verdict == Improved:
		r.Standing = Passed
		r.Says = fmt.Sprintf("restored: yes (delta %s)", delta)
	default:
		r.Says = fmt.Sprintf("restored: undecided (delta %s)", delta)
		r.Do = "measure more server starts after it"
	}
	switch replaced {
	case "yes":
		r.Says += "; on another server start"
	case "no":
		r.Standing, r.Do = Failed, "start the server again: the process that ran with it still runs"
		r.Says += "; and the process was not replaced: runs after it name its server start"
	default:
		r.Says += "; that the process was replaced is not known, for server starts are not recorded"
		if r.Standing == Passed {
			r.Standing = Warned
		}
	}
	return r
}

// replaced reports whether the runs after the method are on other starts than those
// with it: yes, no, or unknown.
func (t *trial) replaced() string {
	_, after := t.aroundIt()
	with := map[string]bool{}
	for _, r := range t.runs() {
		if !r.ServerStart.Valid {
			return "unknown"
		}
		with[r.ServerStart.V] = true
	}
	for _, r := range after {
		switch {
		case !r.ServerStart.Valid:
			return "unknown"
		case with[r.ServerStart.V]:
			return "no"
		}
	}
	return "yes"
}

// expiry is D8: a result is of what it was measured on.
func expiry(c *CanaryCell) Ruling {
	if c.Current {
		return ruled(8, Passed, "current: the newest set-up of this model on this hardware")
	}
	r := ruled(8, Failed, "canary stale: %s", strings.Join(c.Expired, "; "))
	r.Details, r.Do = c.Expired, "run the canary again on the set-up of now"
	return r
}

// longestSilence is how long, in seconds, no chunk may come while an answer is being
// made: a decoding step takes milliseconds, vLLM itself complains after sixty seconds.
const longestSilence = 10

// hangs is D9: stretches in which nothing came, and the log's word for it.
func (t *trial) hangs() Ruling {
	var said []string
	logs := logsOf(t.servers)
	for _, l := range logs {
		for _, f := range l.report.Findings {
			if f.Number == "P17" {
				said = append(said, fmt.Sprintf("%s line %d: %s", l.name, f.Line, f.Text))
			}
		}
	}
	byID := map[string]*Run{}
	measured := 0
	for _, r := range t.runs() {
		byID[r.RunID] = r
		if r.Detailed {
			measured++
		}
	}
	for _, s := range t.silences {
		r := byID[s.RunID]
		said = append(said, fmt.Sprintf("%s (%s): nothing came for %.1f s from %.1f s on, while answers were being made", r.SourceName, r.load(), s.S, s.From))
	}
	if measured == 0 && len(said) == 0 {
		return unruled(9, "no run with times of its chunks", "measure with --save-detailed")
	}
	if len(said) > 0 {
		r := ruled(9, Failed, "%s", said[0])
		r.Details, r.Do = said, "see vllm#41402: some methods hang above concurrency 1 only"
		return r
	}
	return ruled(9, Passed, "in %s no stretch of %d s without a chunk while an answer was being made", howMany(measured, "run"), longestSilence)
}

// manyAtATime is from where on a load counts as one of many.
const manyAtATime = 8

// grid is D10: {c=1, c>=8} x {T=0, T>0} x {no tools, whole, streamed}.
func (t *trial) grid(opts CanaryOptions) []GridCell {
	with, without := onlyTools(answersOfServers(t.servers)), onlyTools(answersOfServers(t.without))
	if len(t.runs())+len(with) == 0 {
		return nil
	}
	var out []GridCell
	for _, many := range []bool{false, true} {
		for _, hot := range []bool{false, true} {
			for _, tools := range []string{"none", "whole", "streamed"} {
				cell := GridCell{Load: "c=1", Temperature: "T=0", Tools: tools, Standing: Untested, Says: "UNTESTED"}
				if many {
					cell.Load = fmt.Sprintf("c>=%d", manyAtATime)
				}
				if hot {
					cell.Temperature = "T>0"
				}
				if tools == "none" {
					cell.fromRuns(t.runs(), many, hot)
				} else {
					keep := func(a query.JudgedAnswer) bool { return inGrid(&a, many, hot, tools == "streamed") }
					cell.fromAnswers(filtered(with, keep), filtered(without, keep), opts)
				}
				out = append(out, cell)
			}
		}
	}
	return out
}

func filtered(all []query.JudgedAnswer, keep func(query.JudgedAnswer) bool) []query.JudgedAnswer {
	var out []query.JudgedAnswer
	for _, a := range all {
		if keep(a) {
			out = append(out, a)
		}
	}
	return out
}

func inGrid(a *query.JudgedAnswer, many, hot, streamed bool) bool {
	load := a.Concurrency.Valid && (a.Concurrency.V == 1 && !many || a.Concurrency.V >= manyAtATime && many)
	return load && a.Temperature.Valid && (a.Temperature.V > 0) == hot && a.Streaming.Valid && a.Streaming.V == streamed
}

// fromRuns is the cell of benchmark runs: a run whose temperature is not recorded is
// in none.
func (c *GridCell) fromRuns(runs []*Run, many, hot bool) {
	n, failed := 0, int64(0)
	for _, r := range runs {
		heat, ok := r.temperature()
		level := r.MaxConcurrency
		if !ok || !level.Valid || (heat > 0) != hot || !(level.V == 1 && !many || level.V >= manyAtATime && many) {
			continue
		}
		n++
		failed += r.Failed.V
	}
	switch {
	case n == 0:
	case failed > 0:
		c.Standing, c.Says = Warned, fmt.Sprintf("%s, %s failed", howMany(n, "run"), howMany(int(failed), "request"))
	default:
		c.Standing, c.Says = Passed, howMany(n, "run")
	}
}

// temperature is that of a run's requests, where it was recorded.
func (r *Run) temperature() (float64, bool) {
	var v float64
	if text, ok := r.Labels["temperature"]; ok {
		_, err := fmt.Sscan(text, &v)
		return v, err == nil
	}
	return reportedOrExtra(r, "temperature")
}

func reportedOrExtra(r *Run, key string) (float64, bool) {
	if v, ok := reported(r, key); ok {
		return v, true
	}
	return numberIn(r.Extra, key)
}

// fromAnswers is the cell of tool calls: against those without the method where there
// are some, and against what is wanted of them.
func (c *GridCell) fromAnswers(with, without []query.JudgedAnswer, opts CanaryOptions) {
	s, ok := toolCallsOf(with, opts.minValid()).valid()
	if !ok {
		return
	}
	c.Standing, c.Says = standingOf(s, opts.minValid()), s.String()
	if diffs := compareAnswers(without, with, opts.QualityOptions.Margin); len(diffs) > 0 {
		switch v := diffsVerdict(diffs); v {
		case Regressed:
			c.Standing, c.Says = Failed, c.Says+", worse than without"
		case NotRegressed, Improved:
			c.Says += ", not worse than without"
		}
	}
}

// gridRuling is D10 over its cells.
func gridRuling(grid []GridCell) Ruling {
	n := map[Standing]int{}
	for _, c := range grid {
		n[c.Standing]++
	}
	if len(grid) == n[Untested] {
		return unruled(10, "no cell of load x temperature x tools was tested", "say the temperature of runs with a label, and ask tool calls at c=1 and c>=8, T=0 and T>0, streamed and not")
	}
	r := ruled(10, Passed, "%d of %d cells of load x temperature x tools tested, %d failed, %d UNTESTED", len(grid)-n[Untested], len(grid), n[Failed], n[Untested])
	switch {
	case n[Failed] > 0:
		r.Standing, r.Do = Failed, "use it only in the ways that passed"
	case n[Warned]+n[Untested] > 0:
		r.Standing = Warned
	}
	return r
}

// howMany is a number of things: 1 run, 2 runs.
func howMany(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
