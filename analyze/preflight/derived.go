package preflight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// derived are the rules that no single line decides.
var derived = []Rule{
	{ID: "not_ready", Severity: Fail, Kind: "start", Number: "P20", Meaning: "The server did not become ready.", Do: "read the error that the finding names"},
	{ID: "died", Severity: Fail, Kind: "death", Number: "P20", Meaning: "The server died while it served. This is the first exception; the others are processes that notice.", Do: "leave out what was measured after it"},
	{ID: "log_incomplete", Severity: Warn, Kind: "start", Meaning: "The log does not hold the whole start of the server: that nothing is found in it proves nothing.", Do: "give the log from its beginning to \"Application startup complete.\""},
	{ID: "earlier_starts", Severity: Warn, Kind: "start", Meaning: "The server was started several times in this log.", Do: "give each start a log of its own; results measured on different starts are different runs"},
	{ID: "dummy_weights", Severity: Fail, Kind: "invalid", Meaning: "The weights are random: neither output nor lengths nor routing are the model's.", Do: "leave --load-format dummy out, or call the result what it is"},
	{ID: "backend_not_achieved", Severity: Fail, Kind: "fallback", Number: "P19", Meaning: "The server runs on another backend than was asked for.", Do: "find the line that says why, or ask for none and compare only at the same backend"},
	{ID: "prefix_caching_not_achieved", Severity: Fail, Kind: "fallback", Number: "P16", Meaning: "Prefix caching was asked for and is off. vLLM turns it off for some architectures without saying so.", Do: "compare only with runs without it"},
	{ID: "setting_not_achieved", Severity: Warn, Kind: "fallback", Number: "P21", Meaning: "The server made something else of a setting than was asked for.", Do: "compare by what was achieved"},
	{ID: "tools_not_enabled", Severity: Fail, Kind: "setting", Number: "P15", Meaning: "Tool calls are expected, and the server was not told to parse them: they come as text, with finish_reason stop.", Do: "give --enable-auto-tool-choice and the --tool-call-parser of the model's recipe"},
	{ID: "recipe_differs", Severity: Warn, Kind: "setting", Number: "P15", Meaning: "The server runs with another setting than the model's recipe.", Do: "follow the recipe, or say the difference beside the numbers"},
	{ID: "no_mtp_layers", Severity: Fail, Kind: "start", Number: "P3", Meaning: "The checkpoint has no layers for multi-token prediction: its config.json has no num_nextn_predict_layers.", Do: "leave --speculative-config out, or take a checkpoint of the family that has them"},
	{ID: "kv_holds_too_few", Severity: Fail, Kind: "setting", Number: "P22", Meaning: "The KV cache does not hold as many requests as are to run at a time: the others wait, or are thrown out and computed again.", Do: "lower the concurrency or --max-model-len, or give the KV cache more memory"},
	{ID: "more_unknown", Severity: Info, Kind: "serving", Meaning: "The log has more kinds of warnings and errors than are listed.", Do: "read the log"},
}

// derivedRule returns a rule of derived.
func derivedRule(id string) *Rule {
	i := slices.IndexFunc(derived, func(r Rule) bool { return r.ID == id })
	return &derived[i]
}

// derive finds what takes more than one line.
func (c *Checker) derive(r *Report) []Finding {
	s := c.start
	var out []Finding
	add := func(id string, line int64, text string, args ...any) {
		f := derivedRule(id).finding(nil)
		f.Line, f.Count, f.Text = line, 1, fmt.Sprintf(text, args...)
		out = append(out, *f)
	}
	switch {
	case r.State == NotReady:
		line, why := s.whyNotReady()
		add("not_ready", line, "%s", why)
	case r.State == Died && s.exception.line > 0:
		add("died", s.exception.line, "%s", firstLines(s.exception.value))
	case !r.Whole:
		add("log_incomplete", 0, "missing: %s", strings.Join(s.missing(), ", "))
	}
	if earlier := sum(c.ended); earlier > 0 {
		add("earlier_starts", 0, "%d earlier: %s", earlier, c.howEnded())
	}
	if format := s.known["engine_config.load_format"]; format.value == "dummy" {
		add("dummy_weights", format.line, "load_format=dummy")
	}
	if c.lacksMTP(s) {
		add("no_mtp_layers", s.exception.line, "%s", s.exception.value)
	}
	out = append(out, c.judgeSettings(r.Settings)...)
	if c.options.Tools || c.options.Recipe.expectsTools() {
		if s.last["tool_choice"] == nil && r.Whole {
			add("tools_not_enabled", 0, "no line says \"auto\" tool choice has been enabled")
		}
	}
	for _, d := range c.options.Recipe.differences(s) {
		add("recipe_differs", 0, "%s", d)
	}
	if text, line, few := c.holdsTooFew(); few {
		add("kv_holds_too_few", line, "%s", text)
	}
	if s.overflow > 0 {
		add("more_unknown", 0, "%d lines more", s.overflow)
	}
	return out
}

// judgeSettings says which settings came out otherwise than asked for.
func (c *Checker) judgeSettings(all []Setting) []Finding {
	var out []Finding
	for _, set := range all {
		if set.Standing != Differs || set.Achieved == rejected { // whose exception says more
			continue
		}
		id := "setting_not_achieved"
		switch {
		case strings.HasSuffix(set.Name, "backend"):
			id = "backend_not_achieved"
		case set.Name == settingPrefixCaching && set.Achieved == "off":
			id = "prefix_caching_not_achieved"
		}
		f := derivedRule(id).finding(nil)
		f.Line, f.Count = set.Line, 1
		f.Text = fmt.Sprintf("%s: asked for %s, achieved %s", set.Name, set.Asked, set.Achieved)
		f.Fields = map[string]string{"setting": set.Name, "asked": set.Asked, "achieved": set.Achieved}
		out = append(out, *f)
	}
	return out
}

// whyNotReady names the first thing that went wrong, or where the log ends.
func (s *start) whyNotReady() (line int64, why string) {
	if s.exception.line == 0 {
		return s.end.line, "the log ends without an error, and without a line that says that the server is ready: it was killed, or is still starting; the last line that matters is: " + s.end.value
	}
	why = firstLines(s.exception.value)
	if s.cause != "" {
		why = s.cause + ": " + why
	}
	return s.exception.line, why
}

// missing lists what a whole log would hold.
func (s *start) missing() []string {
	var out []string
	if s.last[kindConfig] == nil {
		out = append(out, "the engine's configuration")
	}
	if !s.isReady() {
		out = append(out, "\"Application startup complete.\"")
	}
	return out
}

// howEnded says how earlier starts ended, in a fixed order.
func (c *Checker) howEnded() string {
	var parts []string
	for _, state := range []string{NotReady, Died, Ready, Stopped, Unseen} {
		if n := c.ended[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

// holdsTooFew reports whether the KV cache holds fewer requests than are to run.
// What the log says is for requests as long as the context; for shorter ones the
// cache's tokens are divided.
func (c *Checker) holdsTooFew() (text string, line int64, few bool) {
	s, want := c.start, c.options.Concurrency
	if want == 0 {
		return "", 0, false
	}
	tokens, each := s.figure("kv_cache.tokens"), float64(c.options.Tokens)
	holds := s.known["kv_cache.max_concurrency"]
	n := s.figure("kv_cache.max_concurrency")
	length := s.known["kv_cache.tokens_per_request"].value
	if each > 0 && tokens > 0 {
		n, length, holds = tokens/each, strconv.FormatInt(c.options.Tokens, 10), s.known["kv_cache.tokens"]
	}
	if n == 0 || n >= float64(want) {
		return "", 0, false
	}
	return fmt.Sprintf("the KV cache holds %.2f requests of %s tokens, and %d are to run at a time", n, length, want), holds.line, true
}

// figure returns a fact as a number; 0 where it is missing or none.
func (s *start) figure(key string) float64 {
	v, err := strconv.ParseFloat(s.known[key].value, 64)
	if err != nil {
		return 0
	}
	return v
}

// lacksMTP reports whether the server refused multi-token prediction and the
// checkpoint has no layers for it. Other methods need none.
func (c *Checker) lacksMTP(s *start) bool {
	if c.options.Model == nil || c.options.Model.MTPLayers > 0 || s.cause != "spec_rejected" {
		return false
	}
	return strings.Contains(s.exception.value, "mtp") || strings.Contains(s.exception.value, "num_nextn_predict_layers")
}
