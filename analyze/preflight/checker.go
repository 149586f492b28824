package preflight

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/checkpoint"
)

// Options say what is expected of a server.
type Options struct {
	// Severities replace those of rules, by their id.
	Severities map[string]Severity
	Model      *checkpoint.Config
	Recipe     *Recipe // what the model's recipe says
	// Concurrency and Tokens are what the server is to hold: so many requests at a
	// time, each of so many tokens in all. Zero: not said; Tokens is then what the
	// log gives a concurrency for.
	Concurrency int64
	Tokens      int64
	Tools       bool // tool calls are expected to work
}

// A Checker reads the events of one log, in order. What it keeps does not grow
// with the log.
type Checker struct {
	options Options
	rules   *index
	start   *start
	ended   map[string]int // how earlier starts ended
}

// New returns a Checker.
func New(options Options) *Checker {
	c := &Checker{options: options, rules: newIndex(rules()), ended: map[string]int{}}
	c.begin()
	return c
}

// begin goes on to the next start of the server.
func (c *Checker) begin() {
	if c.start != nil {
		c.ended[c.start.state()]++
	}
	c.start = newStart()
}

// Add takes in the next event of the log.
func (c *Checker) Add(e *schemas.LogEvent) {
	if c.start.isNext(e) {
		c.begin()
	}
	c.start.learn(e)
	if isPeriodic(e.Kind.V) {
		return // a line every ten seconds, of figures alone
	}
	about := c.rules.about(e.Message)
	for _, r := range about {
		c.start.found(r, e)
	}
	if len(about) == 0 {
		c.start.unknown(e)
	}
}

func isPeriodic(kind string) bool { return kind == kindStats || kind == kindSpec }

// Report judges what was read.
func (c *Checker) Report() *Report {
	s := c.start
	r := &Report{
		State: s.state(), Whole: s.whole(), Starts: sum(c.ended), Findings: []Finding{},
		Settings: s.settings(), Facts: s.facts(), Unknown: s.unknownLines(),
	}
	if s.begun() {
		r.Starts++
	}
	for _, f := range s.findings {
		r.Findings = append(r.Findings, *f)
	}
	r.Findings = append(r.Findings, c.derive(r)...)
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return c.severity(f) == Off })
	r.Verdict = Info
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Severity = c.severity(*f)
		if f.Severity.rank() < r.Verdict.rank() {
			r.Verdict = f.Severity
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(a.Line, b.Line), strings.Compare(a.Rule, b.Rule))
	})
	return r
}

// severity returns that of a finding, as the options have it.
func (c *Checker) severity(f Finding) Severity {
	if s, ok := c.options.Severities[f.Rule]; ok {
		return s
	}
	return f.Severity
}

func sum(counts map[string]int) int {
	n := 0
	for _, count := range counts {
		n += count
	}
	return n
}

// finding returns what a rule has found.
func (r *Rule) finding(e *schemas.LogEvent) *Finding {
	f := &Finding{
		Rule: r.ID, Number: r.Number, Kind: r.Kind, Severity: r.Severity, Meaning: r.Meaning, Do: r.Do, Refs: r.Refs,
	}
	if e == nil {
		return f
	}
	f.Line, f.Count, f.Text = e.Line, 1, lineAt(e.Message, r.find(e.Message))
	if e.Kind.V != kindConfig && e.Kind.V != kindArguments { // which are the server's, and not the finding's
		f.Fields = maps.Clone(e.Facts)
	}
	return f
}

// lineAt returns the line of a message that a byte is on. A message may be a
// traceback of fifty.
func lineAt(message string, at int) string {
	from := strings.LastIndexByte(message[:at], '\n') + 1
	line, _, _ := strings.Cut(message[from:], "\n")
	return firstLines(line)
}

// maxText bounds the text of a finding, in bytes.
const maxText = 400

// firstLines returns as much of a message as a person wants to read.
func firstLines(message string) string {
	message = strings.TrimSpace(message)
	if len(message) <= maxText {
		return message
	}
	return strings.ToValidUTF8(message[:maxText], "") + "…"
}
