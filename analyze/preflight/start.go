package preflight

import (
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas"
)

// Kinds of events, as ingest/serverlog calls them.
const (
	kindVersion   = "version"
	kindArguments = "engine_args"
	kindConfig    = "engine_config"
	kindReady     = "ready"
	kindShutdown  = "shutdown"
	kindStats     = "engine_stats"
	kindSpec      = "spec_decode"
	kindUsage     = "usage_error"
	kindException = "exception"
)

// A start is one start of a server, as far as it was read.
type start struct {
	findings  []*Finding
	byRule    map[string]*Finding
	lines     map[string]*Line             // unknown ones, by place and wording
	overflow  int                          // unknown ones beyond those
	last      map[string]*schemas.LogEvent // the latest event of a kind
	known     map[string]said              // facts by kind and name, the first that the log says
	backends  map[string][]said            // achieved ones by kind, each once
	events    int
	ready     bool
	stopped   bool
	dead      bool
	served    bool   // the engine reported of its work
	cause     string // of a failure, where an exception says it
	exception said   // the first
	end       said   // the latest event
	peak      peak
}

// said is what a line of the log says.
type said struct {
	value string
	line  int64
}

func newStart() *start {
	return &start{
		byRule: map[string]*Finding{}, lines: map[string]*Line{}, last: map[string]*schemas.LogEvent{},
		known: map[string]said{}, backends: map[string][]said{},
	}
}

// begun reports whether anything of this start was read.
func (s *start) begun() bool { return s.events > 0 }

// whole reports whether the log holds the start from the engine's configuration
// to its readiness.
func (s *start) whole() bool { return s.last[kindConfig] != nil && s.isReady() }

// isReady reports whether the server was ready. A log without the lines of its web
// server shows it by reports of its work.
func (s *start) isReady() bool { return s.ready || s.served && s.last[kindConfig] != nil }

// isLoading reports whether the server is still starting.
func (s *start) isLoading() bool {
	return !s.ready && !s.served && s.last["engine_init"] == nil && s.last["jit_monitor"] == nil
}

// isNext reports whether an event announces the next start: a banner, arguments or
// a configuration when this start has got further than that.
func (s *start) isNext(e *schemas.LogEvent) bool {
	if !s.begun() {
		return false
	}
	switch e.Kind.V {
	case kindVersion, kindArguments:
		return s.last[kindConfig] != nil || s.stopped || s.exception.line > 0 || e.Kind.V == kindArguments && s.last[kindArguments] != nil
	case kindConfig:
		// Engines of one start each say it, before any of them is ready.
		return s.ready || s.stopped || s.exception.line > 0
	}
	return false
}

// learn takes in what an event says of the server.
func (s *start) learn(e *schemas.LogEvent) {
	s.events++
	s.end = said{firstLines(e.Message), e.Line}
	kind := e.Kind.V
	switch kind {
	case "":
		return
	case kindStats:
		s.served = true
		s.peak.add(e.Facts)
		return
	case kindSpec:
		s.peak.speculated(e.Facts)
		return
	}
	for name, value := range e.Facts {
		if key := kind + "." + name; s.known[key].line == 0 {
			s.known[key] = said{value, e.Line}
		}
	}
	switch kind {
	case kindReady:
		s.ready = true
	case kindShutdown:
		s.stopped = true
	case kindException, kindUsage:
		s.fail(e)
	}
	if backend := e.Facts["backend"]; backend != "" && e.Facts["for"] == "" {
		s.achieve(kind, said{backend, e.Line})
	}
	if e.Facts["exception"] != "" {
		s.fail(e)
	}
	s.last[kind] = e
}

// achieve keeps a backend that the server chose, once.
func (s *start) achieve(kind string, backend said) {
	const most = 8
	all := s.backends[kind]
	if len(all) < most && !slices.ContainsFunc(all, func(b said) bool { return b.value == backend.value }) {
		s.backends[kind] = append(all, backend)
	}
}

// fail takes in an exception. The first of a start is its root cause, the later
// ones are processes that notice.
func (s *start) fail(e *schemas.LogEvent) {
	if s.stopped {
		return // of a process that dies because the server was told to stop
	}
	if s.cause == "" {
		s.cause = e.Facts["cause"]
	}
	if s.exception.line > 0 {
		return
	}
	text := e.Facts["error"]
	if text == "" {
		text = e.Facts["complaint"]
	}
	if name := e.Facts["exception"]; name != "" {
		text = strings.TrimSuffix(name+": "+text, ": ")
	}
	if text == "" {
		text = firstLines(e.Message)
	}
	s.exception = said{text, e.Line}
}

// found keeps what a rule says of an event. Further lines of one rule are counted.
func (s *start) found(r *Rule, e *schemas.LogEvent) {
	severity := r.Severity
	switch {
	case r.Kind == "death" && s.stopped:
		severity = Info // processes that die because the server was told to stop
	case r.Kind == "death":
		s.dead = true
	case r.Loading != "" && s.isLoading():
		severity = r.Loading
	}
	if f, ok := s.byRule[r.ID]; ok {
		f.Count++
		if severity.rank() < f.Severity.rank() {
			f.Severity = severity
		}
		return
	}
	f := r.finding(e)
	f.Severity = severity
	s.byRule[r.ID] = f
	s.findings = append(s.findings, f)
}

// maxUnknown bounds the unknown lines that are listed.
const maxUnknown = 200

// unknown keeps a warning or an error that no rule knows.
func (s *start) unknown(e *schemas.LogEvent) {
	level := e.Level.V
	if level != "WARNING" && level != "ERROR" && level != "CRITICAL" {
		return
	}
	key := level + " " + e.Source.V + " " + wording(e.Message)
	if l, ok := s.lines[key]; ok {
		l.Count++
		return
	}
	if len(s.lines) >= maxUnknown {
		s.overflow++
		return
	}
	s.lines[key] = &Line{Line: e.Line, Level: level, Code: e.Source.V, Text: firstLines(e.Message), Count: 1}
}

// wording returns a message without its figures, so that those that differ in them
// alone are one.
func wording(message string) string {
	const enough = 120
	message = message[:min(len(message), enough)]
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, message)
}

// unknownLines lists them in the order of the log.
func (s *start) unknownLines() []Line {
	out := make([]Line, 0, len(s.lines))
	for _, l := range s.lines {
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b Line) int { return int(a.Line - b.Line) })
	return out
}

// States of a server.
const (
	Ready    = "ready"
	NotReady = "not ready"
	Died     = "died"
	Stopped  = "stopped"
	Unseen   = "unknown"
)

// state says what became of the server.
func (s *start) state() string {
	switch {
	case s.dead && (s.ready || s.served):
		return Died
	case s.isReady() && s.stopped:
		return Stopped
	case s.isReady():
		return Ready
	case s.served:
		return Unseen // the log begins later than the server
	case s.begun():
		return NotReady
	}
	return Unseen
}
