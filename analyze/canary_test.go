package analyze

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/preflight"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas"
)

// A try is a canary in the making: starts without the method, with it, and without
// it again, a day apart.
type tryOut struct {
	before, with, after float64 // time of everything, at each
	starts              int
	bend                func(stage string, s *watchedServer)
}

const mtp = "{'method': 'mtp', 'num_speculative_tokens': 1}"

// servers makes them. Speculation doubles what a chunk carries.
func (o tryOut) servers() []*watchedServer {
	if o.starts == 0 {
		o.starts = 6
	}
	var out []*watchedServer
	for day, stage := range []string{"before", "with", "after"} {
		factor := []float64{o.before, o.with, o.after}[day]
		if factor == 0 {
			continue
		}
		for i := range o.starts {
			name := fmt.Sprintf("%s-%d", stage, i)
			s := &watchedServer{place: "start " + name}
			for _, level := range []int64{1, 32} {
				r := run("0.20.2", name, level, 0.01*factor*(1+0.004*float64(i%3-1)))
				r.StartedAt.Valid, r.StartedAt.Time = true, time.Date(2026, 11, 16+day, 1, i, 0, 0, time.UTC)
				r.EngineArgs = map[string]string{"model": "nvidia/nano", "max_num_seqs": "64", "port": "8000"}
				r.Image = text0("vllm@sha256:aa")
				if stage == "with" {
					r.EngineArgs["speculative_config"] = mtp
				}
				s.runs = append(s.runs, r)
			}
			if o.bend != nil {
				o.bend(stage, s)
			}
			s.identify(nil)
			out = append(out, s)
		}
	}
	return out
}

// watched makes the cells of servers.
func cellsOf(servers []*watchedServer, evidence func(*trial)) []CanaryCell {
	w := newWatch(servers, CanaryOptions{})
	for _, t := range w.trials {
		if evidence != nil {
			evidence(t)
		}
	}
	w.compare()
	var cells []CanaryCell
	for _, t := range w.trials {
		cells = append(cells, w.cell(t))
	}
	return append(cells, w.neverTested()...)
}

// logOf is a log of a server with these lines, which are events of a kind with facts.
func logOf(events ...schemas.LogEvent) *watchedLog {
	l := &watchedLog{name: "server.log"}
	checker := preflight.New(preflight.Options{})
	for i := range events {
		e := &query.LoggedEvent{LogEvent: events[i]}
		e.Line = int64(i + 1)
		checker.Add(&e.LogEvent)
		l.add(e)
	}
	l.report = checker.Report()
	return l
}

func event(kind, message string, facts map[string]string) schemas.LogEvent {
	return schemas.LogEvent{Kind: schemas.Some(kind), Message: message, Facts: facts, Level: schemas.Some("INFO")}
}

var (
	asksMTP = event("engine_args", "non-default args", map[string]string{"model": "nvidia/nano", "speculative_config": mtp})
	runsMTP = event("engine_config", "Initializing a V1 LLM engine", map[string]string{"version": "0.20.2", "speculative_config.method": "mtp"})
	isReady = event("ready", "Application startup complete.", nil)
)

// scraped drafts, as /metrics before and after a run has them.
func scraped(d draftCount) func(string, *watchedServer) {
	return func(stage string, s *watchedServer) {
		for _, r := range s.runs {
			if stage == "with" {
				r.server = noServerSide("")
				r.server.drafts = d
			}
		}
	}
}

// counted drafts, as the benchmark's client reports them.
func counters(drafts, drafted, accepted int) func(string, *watchedServer) {
	return func(stage string, s *watchedServer) {
		for _, r := range s.runs {
			if stage == "with" {
				r.Reported = reportedBy(fmt.Sprintf(`{"spec_decode_accepted_tokens": %d, "spec_decode_draft_tokens": %d, "spec_decode_num_drafts": %d}`, accepted, drafted, drafts))
			}
		}
	}
}

// chunked is what requests say of a run: tokens a chunk over all, and by request.
func chunked(tokens, chunks int64, byRequest float64) func(*trial) {
	return func(t *trial) {
		t.drafts = []query.Draft{{Answers: 100, Tokens: tokens, Chunks: chunks, ByRequest: query.Number{V: byRequest, Valid: true}, StdErr: query.Number{V: 0.02, Valid: true}}}
	}
}

func answering(with, without func() []query.JudgedAnswer) func(string, *watchedServer) {
	done := map[string]bool{}
	return func(stage string, s *watchedServer) {
		switch {
		case done[stage]:
		case stage == "with":
			s.answers = with()
		case stage == "before" && without != nil:
			s.answers = without()
		}
		done[stage] = true
	}
}

func tools(n int, wrong map[string]int, bend func(int, *query.JudgedAnswer)) func() []query.JudgedAnswer {
	return func() []query.JudgedAnswer { return asked(n, wrong, bend) }
}

func greedy(digest string) func(int, *query.JudgedAnswer) {
	return func(i int, a *query.JudgedAnswer) {
		a.Temperature = query.Number{V: 0, Valid: true}
		if i < 10 {
			a.Answer = text0(digest)
		}
	}
}

// Every rule, met and not met.
func TestCanaryRules(t *testing.T) {
	passing := func(name string, n, fail int) func() []query.JudgedAnswer {
		return func() []query.JudgedAnswer { return suite(name, n, func(i int) bool { return i < fail }) }
	}
	withLog := func(log *watchedLog) func(string, *watchedServer) {
		return func(stage string, s *watchedServer) {
			if stage == "with" {
				s.logs = append(s.logs, log)
			}
		}
	}
	for _, c := range []struct {
		rule, story string
		try         tryOut
		evidence    func(*trial)
		want        Standing
		says        string
	}{
		{"D1", "asked for and running", tryOut{before: 1, with: 0.8, bend: withLog(logOf(asksMTP, runsMTP, isReady))}, nil, Passed, "ACCEPTED on 6 starts; the engine runs mtp"},
		{"D1", "the checkpoint has no such layers", tryOut{before: 1, with: 0.8, bend: withLog(logOf(asksMTP, schemas.LogEvent{
			Message: "NotImplementedError: Unsupported speculative method: 'mtp'", Level: schemas.Some("ERROR"), Kind: schemas.Some("exception"),
			Facts: map[string]string{"exception": "NotImplementedError", "error": "Unsupported speculative method: 'mtp'", "cause": "spec_rejected"},
		}))}, nil, Failed, "REJECTED: NotImplementedError: Unsupported speculative method: 'mtp'"},
		{"D1", "asked for, and the engine runs without", tryOut{before: 1, with: 0.8, bend: withLog(logOf(asksMTP, event("engine_config", "Initializing", map[string]string{"version": "0.20.2", "speculative_config": "None"}), isReady))}, nil, Failed, "asked for mtp, achieved none"},
		{"D1", "no log, and drafts were counted", tryOut{before: 1, with: 0.8, bend: counters(100, 300, 200)}, nil, Passed, "tokens were drafted"},
		{"D1", "no log, and nothing shows it", tryOut{before: 1, with: 0.8}, nil, Warned, "nothing shows that the method was on"},

		{"D2", "a fifth faster everywhere", tryOut{before: 1, with: 0.8}, nil, Passed, "helps at c=1, 32; output throughput over all levels +25.0 %"},
		{"D2", "vllm#47047: it changes sign", tryOut{before: 1, with: 1, bend: func(stage string, s *watchedServer) {
			if stage == "with" {
				s.runs[0] = bent(s.runs[0], 0.8)
				s.runs[1] = bent(s.runs[1], 1.2)
			}
		}}, nil, Failed, "helps at c=1, hurts at c=32"},
		{"D2", "it changes nothing", tryOut{before: 1, with: 1}, nil, Warned, "changes nothing"},
		{"D2", "one start of a side", tryOut{before: 1, with: 0.8, starts: 1}, nil, Warned, "undecided at c=1, 32"},
		{"D2", "never measured without it", tryOut{with: 0.8}, nil, Untested, "no run without it on the same set-up"},
		{"D2", "measured without it on another image: that is another set-up", tryOut{before: 1, with: 0.8, bend: func(stage string, s *watchedServer) {
			for _, r := range s.runs {
				if stage == "before" {
					r.Image = text0("vllm@sha256:bb")
				}
			}
		}}, nil, Untested, "no run without it on the same set-up"},

		{"D3", "trap 105: two estimators, each by its name", tryOut{before: 1, with: 0.8, bend: counters(1000, 3000, 2181)}, chunked(3181, 1000, 2.99), Passed,
			"token-weighted, accepted / drafted tokens of the servers' counters during the runs: 0.727"},
		{"D3", "and the other", tryOut{before: 1, with: 0.8, bend: counters(1000, 3000, 2181)}, chunked(3181, 1000, 2.99), Passed, "request-weighted, the same as a share of the drafted tokens: 0.663"},
		{"D3", "only the server counted", tryOut{before: 1, with: 0.8, bend: counters(1000, 3000, 2181)}, nil, Warned, "only one of token-weighted and request-weighted is known"},
		{"D3", "scrapes of /metrics counted, and the client did not", tryOut{before: 1, with: 0.8, bend: scraped(draftCount{drafts: 1000, drafted: 3000, accepted: 2181, at: []float64{900, 701, 580}})},
			chunked(3181, 1000, 2.99), Passed, "token-weighted, accepted / drafted tokens of the servers' counters during the runs: 0.727"},
		{"D3", "by position", tryOut{before: 1, with: 0.8, bend: scraped(draftCount{drafts: 1000, drafted: 3000, accepted: 2181, at: []float64{900, 701, 580}})},
			chunked(3181, 1000, 2.99), Passed, "accepted by position of the draft, of all drafts: 0.900, 0.701, 0.580"},
		{"D3", "nothing is ever accepted", tryOut{before: 1, with: 0.8, bend: counters(1000, 3000, 0)}, chunked(1000, 1000, 1), Failed, "0.000"},
		{"D3", "nobody counted", tryOut{before: 1, with: 0.8}, nil, Untested, "neither the results nor the log"},

		{"D4", "a step is a chunk of 1.8 tokens", tryOut{before: 1, with: 0.8, bend: counters(1000, 1000, 800)}, chunked(1800, 1000, 1.8), Passed, "ITL not comparable: tokens/chunk = 1.80; TPOT is compared"},
		{"D4", "trap 80: a parser holds chunks back", tryOut{before: 1, with: 0.8, bend: counters(1000, 1000, 800)}, chunked(9000, 1000, 9), Warned, "the server made 1.80 tokens a step, so chunks are not steps"},
		{"D4", "not known", tryOut{before: 1, with: 0.8}, nil, Untested, "no answer came in chunks"},

		{"D5", "as good as without", tryOut{before: 1, with: 0.8, bend: answering(passing("tau2", 400, 100), passing("tau2", 400, 100))}, nil, Passed, "not regressed"},
		{"D5", "it answers worse", tryOut{before: 1, with: 0.8, bend: answering(passing("tau2", 400, 160), passing("tau2", 400, 100))}, nil, Failed, "60 lost and 0 won"},
		{"D5", "greedy answers that differ are said, and prove nothing", tryOut{before: 1, with: 0.8, bend: answering(tools(100, nil, greedy("other")), tools(100, nil, greedy("same")))}, nil, Warned, "greedy answers that differ: 10.0 % [5.5, 17.4] (10 of 100)"},
		{"D5", "no suite", tryOut{before: 1, with: 0.8}, nil, Untested, "no suite"},

		{"D6", "calls are as right as without it", tryOut{before: 1, with: 0.8, bend: answering(tools(200, nil, nil), tools(200, nil, nil))}, nil, Passed, "not regressed"},
		{"D6", "vllm#40875: half of the calls are corrupt", tryOut{before: 1, with: 0.8, bend: answering(tools(200, map[string]int{"invalid_json": 100}, nil), tools(200, nil, nil))}, nil, Failed, "100 lost and 0 won"},
		{"D6", "vllm#41967: only where it is streamed", tryOut{before: 1, with: 0.8, bend: answering(func() []query.JudgedAnswer {
			return both(asked(100, map[string]int{"missing_argument": 30}, streamed(true)), asked(100, nil, streamed(false)))
		}, nil)}, nil, Failed, "C3 FAIL: 30 of 100 answers differ"},
		{"D6", "none was judged", tryOut{before: 1, with: 0.8}, nil, Untested, "no tool call"},

		{"D7", "everything is as before", tryOut{before: 1, with: 0.8, after: 1}, nil, Passed, "restored: yes (delta +0.0 %"},
		{"D7", "something of it is left", tryOut{before: 1, with: 0.8, after: 1.2}, nil, Failed, "restored: no (delta -16.7 %"},
		{"D7", "the process that ran with it still runs", tryOut{before: 1, with: 0.8, after: 1, bend: func(stage string, s *watchedServer) {
			for _, r := range s.runs {
				if stage == "after" {
					r.ServerStart = text0(strings.Replace(r.ServerStart.V, "after", "with", 1))
				}
			}
		}}, nil, Failed, "the process was not replaced"},
		{"D7", "never taken out again", tryOut{before: 1, with: 0.8}, nil, Untested, "no run without it after"},

		{"D8", "the set-up of now", tryOut{before: 1, with: 0.8, after: 1}, nil, Passed, "current"},
		{"D8", "the image was exchanged since", tryOut{before: 1, with: 0.8, after: 1, bend: func(stage string, s *watchedServer) {
			for _, r := range s.runs {
				if stage == "after" {
					r.Image = text0("vllm@sha256:bb")
				}
			}
		}}, nil, Failed, "canary stale: image changed: vllm@sha256:aa to vllm@sha256:bb"},
		{"D8", "a flag", tryOut{before: 1, with: 0.8, after: 1, bend: func(stage string, s *watchedServer) {
			for _, r := range s.runs {
				if stage == "after" {
					r.EngineArgs["max_num_seqs"] = "8"
				}
			}
		}}, nil, Failed, "flag max_num_seqs changed: 64 to 8"},
		{"D8", "the version, and the checkpoint", tryOut{before: 1, with: 0.8, after: 1, bend: func(stage string, s *watchedServer) {
			for _, r := range s.runs {
				if stage == "after" {
					r.RuntimeVersion, r.EngineArgs["revision"] = text0("0.21.0"), "abc"
				}
			}
		}}, nil, Failed, "checkpoint changed: nvidia/nano to nvidia/nano@abc; version changed: 0.20.2 to 0.21.0"},
		{"D8", "a port is no set-up", tryOut{before: 1, with: 0.8, after: 1, bend: func(stage string, s *watchedServer) {
			for _, r := range s.runs {
				r.EngineArgs["port"] = stage
			}
		}}, nil, Passed, "current"},

		{"D9", "chunks came all the time", tryOut{before: 1, with: 0.8}, nil, Passed, "no stretch of 10 s"},
		{"D9", "nothing came for 61 s", tryOut{before: 1, with: 0.8}, func(t *trial) {
			t.silences = []query.Silence{{RunID: t.runs()[1].RunID, From: 12, S: 61}}
		}, Failed, "nothing came for 61.0 s from 12.0 s on"},
		{"D9", "vllm#41402: the log says it", tryOut{before: 1, with: 0.8, bend: withLog(logOf(asksMTP, runsMTP, isReady, schemas.LogEvent{
			Message: "No available shared memory broadcast block found in 60 seconds.", Level: schemas.Some("INFO"),
		}))}, nil, Failed, "No available shared memory broadcast block"},

		{"D10", "every way of use", tryOut{before: 1, with: 0.8, bend: func(stage string, s *watchedServer) {
			if stage != "with" || s.place != "start with-0" {
				return
			}
			for i, heat := range []float64{0, 0.7} {
				r := s.runs[i]
				r.Labels = map[string]string{"temperature": fmt.Sprint(heat)}
				other, identity := *r, *r.RunIdentity
				other.RunIdentity = &identity
				other.MaxConcurrency = s.runs[1-i].MaxConcurrency
				s.runs = append(s.runs, &other)
				for _, c := range []int64{1, 32} {
					for _, on := range []bool{true, false} {
						s.answers = append(s.answers, asked(200, nil, func(j int, a *query.JudgedAnswer) {
							streamed(on)(j, a)
							load(c)(j, a)
							a.Temperature = query.Number{V: heat, Valid: true}
						})...)
					}
				}
			}
		}}, nil, Passed, "12 of 12 cells of load x temperature x tools tested, 0 failed, 0 UNTESTED"},
		{"D10", "hot, streamed and under load it breaks, and the rest is not known", tryOut{before: 1, with: 0.8, bend: answering(tools(200, map[string]int{"invalid_json": 100}, func(i int, a *query.JudgedAnswer) {
			streamed(true)(i, a)
			load(32)(i, a)
			a.Temperature = query.Number{V: 0.7, Valid: true}
		}), nil)}, nil, Failed, "1 of 12 cells of load x temperature x tools tested, 1 failed, 11 UNTESTED"},
		{"D10", "nothing of it", tryOut{before: 1, with: 0.8}, nil, Untested, "no cell"},
	} {
		cells := cellsOf(c.try.servers(), c.evidence)
		if len(cells) == 0 {
			t.Errorf("%s, %s: no cell", c.rule, c.story)
			continue
		}
		got := cells[0].Of(c.rule)
		if got.Standing != c.want || !strings.Contains(strings.Join(append(got.Details, got.Says), "; "), c.says) {
			t.Errorf("%s, %s: %s %q, want %s %q", c.rule, c.story, got.Standing, got.Says, c.want, c.says)
		}
		if (got.Standing == Failed || got.Standing == Untested) && got.Do == "" {
			t.Errorf("%s, %s: does not say what to do", c.rule, c.story)
		}
	}
}

// bent is a run in which everything takes other times.
func bent(r *Run, factor float64) *Run {
	out := run(r.RuntimeVersion.V, r.ServerStart.V, r.MaxConcurrency.V, factor*0.01)
	out.StartedAt, out.EngineArgs, out.Image = r.StartedAt, r.EngineArgs, r.Image
	return out
}

// A result belongs to its cell. On the set-up of now nothing was tested, and that is
// what is said, with what changed since somebody did.
func TestAnExpiredCanaryLeavesTheSetUpOfNowUntested(t *testing.T) {
	cells := cellsOf(tryOut{before: 1, with: 0.8, after: 1, bend: func(stage string, s *watchedServer) {
		for _, r := range s.runs {
			if stage == "after" {
				r.Image, r.RuntimeVersion = text0("vllm@sha256:bb"), text0("0.21.0")
			}
		}
	}}.servers(), nil)
	if len(cells) != 2 || cells[0].Current || !cells[1].Current || cells[1].Standing != Untested {
		t.Fatalf("%+v", cells)
	}
	if got := cells[1].Of("D8").Says; got != "canary stale: tested 2026-11-17, and since then image changed: vllm@sha256:aa to vllm@sha256:bb; version changed: 0.20.2 to 0.21.0" {
		t.Error(got)
	}
	for _, r := range cells[1].Rulings {
		if r.Standing != Untested {
			t.Errorf("%s is %s", r.Rule, r.Standing)
		}
	}
	c := Canary{Cells: cells}
	if c.standing() != Untested {
		t.Errorf("the canary is %s", c.standing())
	}
}

// Support is not transitive: what works on one GPU is UNTESTED on another.
func TestAnotherGPUIsUntested(t *testing.T) {
	servers := tryOut{before: 1, with: 0.8, after: 1}.servers()
	other := &watchedServer{place: "start thor"}
	r := run("0.20.2", "thor", 1, 0.02)
	r.Hardware, r.EngineArgs = text0("Thor"), map[string]string{"model": "nvidia/nano", "max_num_seqs": "64"}
	r.StartedAt.Valid, r.StartedAt.Time = true, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	other.runs = []*Run{r}
	other.identify(nil)
	cells := cellsOf(append(servers, other), nil)
	if len(cells) != 2 || cells[0].Setup.Hardware != "h" || !cells[0].Current || cells[1].Setup.Hardware != "Thor" || cells[1].Standing != Untested {
		t.Fatalf("%+v", cells)
	}
	if !strings.Contains(cells[1].Of("D8").Says, "hardware changed: h to Thor") {
		t.Error(cells[1].Of("D8").Says)
	}
}

// Arguments say the method as vLLM prints them, and as older ones were.
func TestMethodOfArguments(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"speculative_config", mtp, "mtp num_speculative_tokens=1"},
		{"speculative_config", `{"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_max": 3}`, "ngram num_speculative_tokens=3 prompt_lookup_max=3"},
		{"speculative_config", "{'model': 'small/llama', 'num_speculative_tokens': 5}", "draft model model=small/llama num_speculative_tokens=5"},
		{"speculative_config", "None", ""},
		{"speculative_config", "SpeculativeConfig(method='eagle')", "SpeculativeConfig(method='eagle')"},
		{"speculative_model", "[ngram]", "draft model [ngram]"},
		{"max_num_seqs", "64", ""},
	} {
		if got := methodOfArgs(map[string]string{c.name: c.value}); got != c.want {
			t.Errorf("%s=%s is %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

// A log names no GPU: its start belongs to the only set-up of runs that it can be of,
// and to none where there are two.
func TestALogIsOfTheOnlySetUpThatItCanBe(t *testing.T) {
	rejected := func() *watchedServer {
		return &watchedServer{place: "start rejected", method: "mtp", setup: CanarySetup{Checkpoint: "nvidia/nano", Runtime: "", Version: "0.20.2", Flags: []string{"max_num_seqs=64"}}}
	}
	servers := append(tryOut{before: 1}.servers(), rejected())
	adopt(servers)
	if got := servers[len(servers)-1].setup; got.Hardware != "h" || got.Image != "vllm@sha256:aa" {
		t.Errorf("%+v", got)
	}
	two := append(servers[:len(servers)-1:len(servers)-1], rejected())
	for _, r := range two[0].runs {
		r.Hardware = text0("Thor")
	}
	two[0].identify(nil)
	adopt(two)
	if got := two[len(two)-1].setup; got.Hardware != "" {
		t.Errorf("%+v", got)
	}
}

// The same server_start in two side-cars, as the same template makes it: what ran with
// the method and what ran without were one server, of which all runs were "with it".
func TestServersOfOneNameAreToldApart(t *testing.T) {
	with, without := map[string]string{"speculative_config": mtp}, map[string]string{"speculative_config": "None"}
	run := func(args map[string]string) *Run {
		return &Run{RunIdentity: &query.RunIdentity{EngineArgs: args}, server: noServerSide("")}
	}
	s := &watchedServer{
		place: "start1", runs: []*Run{run(with), run(without), run(with)},
		logs:    []*watchedLog{{name: "off/server.log", args: without}, {name: "mtp/server.log", args: with}},
		answers: suite("c7", 3, func(int) bool { return false }),
	}
	apart := s.apart()
	if len(apart) != 2 || len(apart[0].runs) != 1 || len(apart[1].runs) != 2 || apart[0].logs[0].name != "off/server.log" || apart[1].logs[0].name != "mtp/server.log" {
		t.Fatalf("%+v", apart)
	}
	if len(apart[0].answers)+len(apart[1].answers) > 0 {
		t.Error("answers are put down to one of two")
	}
	if s.runs = s.runs[:1]; len(s.apart()) != 1 || s.apart()[0] != s {
		t.Error("one method, one server")
	}
}
