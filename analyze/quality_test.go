package analyze

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/query"
)

// asked is n answers to n items, of which the first so many are of a class; "" is
// right, "none" calls nothing and is not judged.
func asked(n int, classes map[string]int, bend func(i int, a *query.JudgedAnswer)) []query.JudgedAnswer {
	var wrong []string
	for _, class := range []string{"invalid_json", "unknown_tool", "missing_argument", "unknown_argument", "schema_invalid", "markup_in_content", "no_call", "truncated", "http_error", "none"} {
		for range classes[class] {
			wrong = append(wrong, class)
		}
	}
	out := make([]query.JudgedAnswer, n)
	for i := range out {
		a := &out[i]
		*a = query.JudgedAnswer{Place: "start s1", Suite: "tool_calls", Task: "tool_calls", Metric: "pass", Item: text0(fmt.Sprintf("item %03d", i)), Answer: text0("same")}
		a.Passed.Valid, a.Passed.V = true, i >= len(wrong)
		if i < len(wrong) {
			a.Class = text0(wrong[i])
			a.Passed.Valid = wrong[i] != "none"
		}
		if bend != nil {
			bend(i, a)
		}
	}
	return out
}

func text0(s string) query.Text { return query.Text{V: s, Valid: true} }

func count0(n int64) query.Count { return query.Count{V: n, Valid: true} }

func streamed(on bool) func(int, *query.JudgedAnswer) {
	return func(_ int, a *query.JudgedAnswer) { a.Streaming.V, a.Streaming.Valid = on, true }
}

func load(c int64) func(int, *query.JudgedAnswer) {
	return func(_ int, a *query.JudgedAnswer) { a.Concurrency = count0(c) }
}

func both(parts ...[]query.JudgedAnswer) []query.JudgedAnswer {
	var out []query.JudgedAnswer
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// Every rule about tool calls, with answers that it is met by and answers that it is
// not.
func TestToolRules(t *testing.T) {
	for _, c := range []struct {
		rule, story string
		answers     []query.JudgedAnswer
		log         []string
		want        Standing
		says        string
	}{
		{"C1", "two hundred calls, all right", asked(200, nil, nil), nil, Passed, "100.0 % [98.1, 100.0] (200 of 200)"},
		{"C1", "an eighth of them is wrong: the generic path of K2", asked(200, map[string]int{"schema_invalid": 20, "invalid_json": 6}, nil), nil, Failed, "87.0 % [81.6, 91.0] (174 of 200)"},
		{"C1", "twenty that are all right show no 95 %", asked(20, nil, nil), nil, Warned, "100.0 % [83.9, 100.0]"},
		{"C1", "an answer that was cut is not invalid JSON", asked(200, map[string]int{"truncated": 50}, nil), nil, Passed, "(150 of 150)"},
		{"C1", "nobody called anything", asked(20, map[string]int{"none": 20}, nil), nil, Untested, "no tool call"},

		{"C2", "calls are recognised", asked(200, nil, nil), nil, Passed, "200 of 200 answers made a call"},
		{"C2", "the wrong parser: the call is described in the text, finish_reason is stop, never tool_calls", asked(200, map[string]int{"markup_in_content": 150, "none": 50}, nil), nil, Failed, "never emitted tool_calls (0 of 200): the parser is not effective; 150 answers"},
		{"C2", "TensorRT-LLM#13684: </think> is missing now and then, and 2 to 8 % of the calls are lost", asked(200, map[string]int{"markup_in_content": 6}, nil), nil, Warned, "6 have the markup"},
		{"C2", "one in five is lost", asked(200, map[string]int{"no_call": 40}, nil), nil, Failed, "40 made none though one was required"},

		{"C3", "both ways the same", both(asked(40, nil, streamed(true)), asked(40, nil, streamed(false))), nil, Passed, "0 of 40 answers differ"},
		{"C3", "vllm#41967: the first arguments are dropped where the answer is streamed", both(asked(40, map[string]int{"missing_argument": 12}, streamed(true)), asked(40, nil, streamed(false))), nil, Failed, "12 of 40 answers differ"},
		{"C3", "one differs: no proof, and worth a look", both(asked(40, map[string]int{"invalid_json": 1}, streamed(true)), asked(40, nil, streamed(false))), nil, Warned, "1 of 40"},
		{"C3", "asked one way only", asked(40, nil, streamed(true)), nil, Untested, "both with stream and without"},

		{"C4", "the same under load", both(asked(200, nil, load(1)), asked(200, nil, load(32))), nil, Passed, "not regressed"},
		{"C4", "vllm#40875: under load calls are mangled", both(asked(200, nil, load(1)), asked(200, map[string]int{"invalid_json": 40}, load(32))), nil, Failed, "32 against 1 at a time: tool_calls: regressed"},
		{"C4", "ten items can tell nothing", both(asked(10, nil, load(1)), asked(10, nil, load(32))), nil, Warned, "inconclusive"},
		{"C4", "one load", asked(200, nil, load(1)), nil, Untested, "two loads"},

		{"C5", "none was cut", asked(100, nil, nil), nil, Passed, "0.0 %"},
		{"C5", "reasoning ate the budget", asked(100, map[string]int{"truncated": 30}, nil), nil, Warned, "30.0 % [21.9, 39.6] (30 of 100)"},

		{"C6", "a quiet log", asked(100, nil, nil), []string{"Application startup complete."}, Passed, "no such error in 1 logs"},
		{"C6", "the parser fails, and HTTP says 200", asked(100, nil, nil), []string{"Error in extracting tool call from response.\nTraceback", "Error in extracting tool call from response."}, Warned, "failed 2 times, first at server.log line 1; 20 for 1,000"},
		{"C6", "no log", asked(100, nil, nil), nil, Untested, "no log"},

		{"C8", "all right", asked(200, nil, nil), nil, Passed, "100.0 %"},
		{"C8", "streams fast, breaks JSON", asked(200, map[string]int{"invalid_json": 60}, nil), nil, Failed, "NOT AN AGENT MODEL: 70.0 % [63.3, 75.9] (140 of 200)"},
		{"C8", "each call that is made is right, and most are never made", asked(200, map[string]int{"no_call": 120}, nil), nil, Failed, "not met: C2 calls are recognised"},
		{"C8", "right alone, wrong under load", both(asked(200, nil, load(1)), asked(200, map[string]int{"invalid_json": 12}, load(32))), nil, Failed, "C4 load changes nothing"},

		{"C9", "a hundred right calls in a hundred seconds", asked(100, nil, func(i int, a *query.JudgedAnswer) {
			a.StartedAt.Valid, a.StartedAt.Time = true, time.Unix(1_800_000_000+int64(i), 0)
			a.Latency = query.Number{V: 1, Valid: true}
		}), nil, Passed, "1 valid calls/s"},
		{"C9", "no times", asked(100, nil, nil), nil, Untested, "no answer has the time"},
	} {
		errors := &parserErrors{logs: map[string]bool{}}
		for i, line := range c.log {
			e := &query.LoggedEvent{Upload: "log", SourceName: "server.log"}
			e.Line, e.Message = int64(i+1), line
			errors.add(e)
		}
		tools := toolCallsOf(c.answers, defaultMinValid)
		rulings := tools.rulings(&answerSet{}, errors, 0)
		a := Answering{Rulings: append(rulings, tools.agentModel(rulings))}
		got := a.Of(c.rule)
		if got.Standing != c.want || !strings.Contains(got.Says, c.says) {
			t.Errorf("%s, %s: %s %q, want %s %q", c.rule, c.story, got.Standing, got.Says, c.want, c.says)
		}
		if (got.Standing == Failed || got.Standing == Untested) && got.Do == "" {
			t.Errorf("%s, %s: does not say what to do", c.rule, c.story)
		}
	}
}

// suite is the result of a suite whose items are numbered; failed says which fail.
func suite(name string, n int, failed func(i int) bool) []query.JudgedAnswer {
	out := make([]query.JudgedAnswer, n)
	for i := range out {
		out[i] = query.JudgedAnswer{Suite: name, Task: "task", Metric: "pass", Item: text0(fmt.Sprint(i))}
		out[i].Passed.Valid, out[i].Passed.V = true, !failed(i)
	}
	return out
}

// C7: two servers on the same items.
func TestSuitesAreCompared(t *testing.T) {
	hash := func(sha string, value float64) []query.JudgedAnswer {
		return []query.JudgedAnswer{{Suite: "lm_eval", Task: "gsm8k", Metric: "exact_match", Value: query.Number{V: value, Valid: true},
			StdErr: query.Number{V: 0.01, Valid: true}, Facts: map[string]string{"chat_template_sha": sha}}}
	}
	total := func(passed, of int64) []query.JudgedAnswer {
		return []query.JudgedAnswer{{Suite: "k2_vendor_verifier", Task: "tool_calls", Metric: "schema_accuracy", PassedItems: count0(passed), Items: count0(of)}}
	}
	for _, c := range []struct {
		story               string
		baseline, candidate []query.JudgedAnswer
		want                Verdict
		says                string
	}{
		{"the same", suite("tau2", 400, func(i int) bool { return i%4 == 0 }), suite("tau2", 400, func(i int) bool { return i%4 == 0 }), NotRegressed, "0 lost and 0 won"},
		{"a quarter of the items flips by luck, and nothing is shown either way: the series of BFCL",
			suite("bfcl-like", 200, func(i int) bool { return i < 117 }), suite("bfcl-like", 200, func(i int) bool { return i < 117-24 || i >= 117 && i < 117+25 || false }), Inconclusive, "p = 1 "},
		{"thirty lost", suite("tau2", 200, func(int) bool { return false }), suite("tau2", 200, func(i int) bool { return i < 30 }), Regressed, "30 lost and 0 won"},
		{"thirty won", suite("tau2", 200, func(i int) bool { return i < 30 }), suite("tau2", 200, func(int) bool { return false }), Improved, "0 lost and 30 won"},
		{"nothing passes anywhere: a harness's verdict", suite("bfcl-like", 200, func(int) bool { return true }), suite("bfcl-like", 200, func(int) bool { return true }), Inconclusive, "nothing of the servers"},
		{"another chat template asks another question", hash("a", 0.8), hash("b", 0.7), NotComparable, "chat_template_sha differs: a in the baseline, b in the candidate"},
		{"the same template, five standard errors less", hash("a", 0.8), hash("a", 0.7), Regressed, "not paired"},
		{"K2: the vendor and the generic path, totals alone", total(1958, 1958), total(1856, 2128), Regressed, "100.0 % [99.8, 100.0] (1958 of 1958) to 87.2 % [85.7, 88.6] (1856 of 2128)"},
		{"no task in common", suite("tau2", 10, func(int) bool { return false }), suite("other", 10, func(int) bool { return false }), NotComparable, "no task that both sides answered"},
	} {
		p := pairOf(c.baseline, c.candidate, 0)
		if p.Verdict != c.want || !strings.Contains(p.Sentence, c.says) {
			t.Errorf("%s: %s %q, want %s %q", c.story, p.Verdict, p.Sentence, c.want, c.says)
		}
	}
}

// Twenty tasks of which none changed: the chance of a false "regressed" is over all
// of them.
func TestTasksAreOneFamily(t *testing.T) {
	var b, c []query.JudgedAnswer
	for task := range 20 {
		for _, a := range suite("tau2", 40, func(i int) bool { return false }) {
			a.Task = fmt.Sprint(task)
			b = append(b, a)
		}
		for _, a := range suite("tau2", 40, func(i int) bool { return task == 0 && i < 6 }) { // p = 0.031 alone
			a.Task = fmt.Sprint(task)
			c = append(c, a)
		}
	}
	if p := pairOf(b, c, 0); p.Verdict == Regressed {
		t.Errorf("%s", p.Sentence)
	}
}

// someQuality has everything that can be printed, what was refused too.
func someQuality() *Quality {
	tools := toolCallsOf(both(asked(40, nil, load(1)), asked(40, map[string]int{"invalid_json": 20}, load(8))), defaultMinValid)
	pair := pairOf(suite("tau2", 20, func(i int) bool { return i < 3 }), suite("tau2", 20, func(i int) bool { return i < 9 }), 0)
	refused := pair
	refused.Diffs = []QualityDiff{{Verdict: NotComparable, Refused: "other questions", Difference: missing(""), P: math.NaN(), PAdjusted: math.NaN()}}
	a := Answering{Rulings: tools.rulings(&answerSet{}, &parserErrors{}, 0), Shares: suiteShares(tools.answers)}
	a.settle()
	return &Quality{Servers: []Answering{a}, Pairs: []QualityPair{pair, refused}}
}
