package serverlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/servestat/servestat/schemas"
)

// ParserVersion names this parser in what it produced.
const ParserVersion = "serverlog/1"

// Source is the source of the samples that periodic lines give.
const Source = "server_log"

// maxQueue bounds the records that wait for the end of an event before them.
const maxQueue = 128

// A Reader reads the events of a log. See the package documentation.
type Reader struct {
	lines *lineReader
	next  func() *row
	file  string
	clock clock

	queue []entry          // records in the order of the log
	open  map[string]*open // events that may go on, by the process that writes them
	cur   schemas.Record
	begun bool
	done  bool
	err   error

	eventsOnly bool

	// What lines have in common is worked out once.
	names     factNames
	processes map[string]process
	sources   map[string]string
}

// An entry is a record that waits for its turn, or an event that may go on.
type entry struct {
	record schemas.Record
	open   *open
}

// An open is an event whose lines may not all have come.
type open struct {
	event *schemas.LogEvent
	text  message
	first string // how its first line begins
	procs string // the processes that write it
	stamp string // of vLLM's logger
	// Of a traceback that no logger formatted, only the form tells where it ends.
	bare bool
	tail bool // bare, and its last line has come but for what may be chained to it
	over bool // no more lines are taken
}

// NewReader returns a reader of the log r, which positions call name.
func NewReader(r io.Reader, name string) *Reader {
	out := &Reader{
		lines: newLineReader(r), file: name, open: map[string]*open{},
		names: factNames{}, processes: map[string]process{}, sources: map[string]string{},
	}
	var w row
	out.next = func() *row {
		w.read(out.lines)
		return &w
	}
	return out
}

// Near tells the reader about when the log was written. It decides the year of
// times in a log that holds no date with a year; without it their events have no
// time. It must be called before Scan.
func (r *Reader) Near(t time.Time) {
	r.clock.near = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// EventsOnly leaves out samples. It must be called before Scan.
func (r *Reader) EventsOnly() { r.eventsOnly = true }

// Scan reads the next record: a [*schemas.LogEvent], a [*schemas.Sample] or a
// [*schemas.Reject]. It returns false at the end and where the log cannot be
// read; Err tells the two apart.
func (r *Reader) Scan() bool {
	r.begin()
	for {
		if len(r.queue) > 0 && (r.queue[0].open == nil || r.queue[0].open.over || len(r.queue) > maxQueue || r.done) {
			r.pop()
			return true
		}
		if r.done {
			return false
		}
		r.read()
	}
}

// Record returns the record that Scan read. It is the caller's.
func (r *Reader) Record() schemas.Record { return r.cur }

// Err returns the error of the underlying reader, if there was one.
func (r *Reader) Err() error { return r.err }

// begin looks at the beginning of the log.
func (r *Reader) begin() {
	if r.begun {
		return
	}
	r.begun = true
	head, _ := r.lines.r.Peek(headSize) // a fault comes again when the log is read
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		r.push(&schemas.Reject{At: r.pos(0), Reason: "the log is UTF-16 and not UTF-8", Hint: "convert it: iconv -f UTF-16 -t UTF-8", Fatal: true})
		r.done = true
		return
	}
	r.clock.learn(head)
}

// pop makes the first record of the queue the current one.
func (r *Reader) pop() {
	first := r.queue[0]
	r.queue = r.queue[1:]
	r.cur = first.record
	if o := first.open; o != nil {
		o.finish()
		if r.open[o.procs] == o {
			delete(r.open, o.procs)
		}
	}
}

func (r *Reader) push(record schemas.Record) {
	r.queue = append(r.queue, entry{record: record})
}

func (r *Reader) pos(offset int64) schemas.Pos {
	return schemas.Pos{File: r.file, Offset: offset, Request: -1}
}

// read takes in one line.
func (r *Reader) read() {
	w := r.next()
	if w.err != nil {
		r.done = true
		if !errors.Is(w.err, io.EOF) {
			r.err = fmt.Errorf("%s: byte %d: %w", r.file, w.at, w.err)
		}
		return
	}
	if w.cut {
		r.push(&schemas.Reject{At: r.pos(w.at), Reason: fmt.Sprintf("a line of more than %d bytes, of which the rest was not read", maxLine)})
	}
	switch {
	case w.logged:
		r.logged(w)
	case len(w.text) > 0:
		r.other(w)
	}
}

// logged takes in a line of vLLM's logger.
func (r *Reader) logged(w *row) {
	if len(r.open) > 0 && r.continues(w) || w.chatter {
		return
	}
	if w.figures.kind != "" {
		r.periodic(w)
		return
	}
	kind := w.kind
	if !w.loud && kind == "" {
		if !isNotice(w.said) {
			return
		}
		kind = kindNotice
	}
	e := r.event(w)
	e.Kind, e.Facts = some(kind), bound(w.facts)
	if w.repeats != "" {
		addFact(e, "repeats", w.repeats)
	}
	if w.loud {
		r.opened(e, &w.line, w.said)
	} else {
		e.Message = shorten(w.said)
		r.push(e)
	}
	if kind == kindArguments && !wholeArguments(w.said) {
		r.push(&schemas.Reject{At: e.At, Reason: "the arguments are cut short"})
	}
}

// repeated is what Ray puts behind a line that many workers wrote.
var repeated = regexp.MustCompile(` \[repeated (\d+)x across cluster\].*$`)

// cutRepeats cuts off how often Ray says that a line came, and returns it.
func cutRepeats(text string) (message, repeats string) {
	if !strings.Contains(text, "x across cluster]") {
		return text, ""
	}
	m := repeated.FindStringSubmatchIndex(text)
	if m == nil {
		return text, ""
	}
	return text[:m[0]], text[m[2]:m[3]]
}

// bound shortens what is too long in facts.
func bound(facts map[string]string) map[string]string {
	for name, value := range facts {
		if len(value) > maxMessage {
			facts[name] = shorten(value)
		}
	}
	return facts
}

// isChatter reports whether an INFO line is of the kinds that are most frequent
// and of no use; prompts are in some of them.
func isChatter(message []byte) bool {
	for _, words := range [...]string{"Received request", "Added request", "Finished request", "Route: "} {
		if len(message) >= len(words) && string(message[:len(words)]) == words {
			return true
		}
	}
	return false
}

// periodic turns the figures of a periodic line into samples. A line for every
// step is no event as well, for there may be millions.
func (r *Reader) periodic(w *row) {
	e, p := r.event(w), &w.figures
	if p.kind != kindIteration {
		e.Message, e.Kind, e.Facts = shorten(string(w.line.message)), some(p.kind), p.facts(r.names)
		r.push(e)
	}
	if r.eventsOnly {
		return
	}
	if w.open { // half a figure looks like a figure
		r.push(&schemas.Reject{At: e.At, Reason: "the last line has no end: it may be cut short, and its figures are left out"})
		return
	}
	clock, zone := e.Time, false
	if f, ok := parseFront(w.line.lead); ok && f.zone {
		clock, zone = schemas.Some(f.time), true
	}
	for i := range p.values {
		if v := &p.values[i]; v.readable {
			s := v.sample()
			s.At, s.Line, s.Time, s.Zone = e.At, w.number, clock, zone
			if p.engine != "" {
				s.Device = schemas.Some("engine " + engineIndex(p.engine))
			} else if p.total != "" {
				s.Device = schemas.Some(p.total + " engines")
			}
			r.push(&s)
		}
	}
	if name, found := p.unreadable(); found || len(p.values) > maxValues {
		r.push(&schemas.Reject{At: e.At, Reason: fmt.Sprintf("a periodic line whose figure %q has no number or no name, or that holds too many", name)})
	}
}

// engineIndex writes 003 as /metrics does: 3.
func engineIndex(digits string) string {
	if trimmed := strings.TrimLeft(digits, "0"); trimmed != "" {
		return trimmed
	}
	return "0"
}

// event begins the event of a line.
func (r *Reader) event(w *row) *schemas.LogEvent {
	l := &w.line
	e := &schemas.LogEvent{At: r.pos(w.at), Line: w.number, Level: schemas.Some(l.level), Source: schemas.Some(r.source(l.source))}
	r.setProcess(e, l.procs)
	front, ok := parseFront(l.lead)
	e.Time = r.clock.resolve(l.stamp, front, ok)
	e.UTC = front.instant()
	return e
}

// opened queues an event that may go on, in place of what its process wrote before.
func (r *Reader) opened(e *schemas.LogEvent, l *line, text string) {
	procs := string(l.procs)
	r.close(procs)
	o := &open{event: e, procs: procs, stamp: string(l.stamp), first: text[:min(len(text), 16)], bare: l.level == ""}
	o.text.add(text)
	r.open[procs] = o
	r.queue = append(r.queue, entry{record: e, open: o})
}

// close ends the event that a process has begun.
func (r *Reader) close(procs string) {
	if o := r.open[procs]; o != nil {
		o.over = true
		delete(r.open, procs)
	}
}

// continues adds a line of vLLM's logger to the event that its process has begun
// and returns true, where it is part of the same call: a message of several
// lines, such as a traceback, is logged with the same prefix on each. It ends
// the event where the line is not.
//
// Two calls in one second from one place look alike. They are told apart by how
// they begin: two messages of one format do so with the same words.
func (r *Reader) continues(w *row) bool {
	l := &w.line
	o := r.open[string(l.procs)]
	if o == nil {
		return false
	}
	e := o.event
	same := !o.over && !o.bare && e.Level.V == l.level && e.Source.V == string(l.source) && o.stamp == string(l.stamp)
	again := len(l.message) > 0 && bytes.HasPrefix(l.message, []byte(o.first)) && !bytes.HasPrefix(l.message, []byte(traceback))
	if !same || again {
		r.close(string(l.procs))
		return false
	}
	o.text.add(w.whole)
	return true
}

// traceback is how Python's report of an exception begins.
const traceback = "Traceback (most recent call last):"

// other takes in a line that is not of vLLM's logger.
func (r *Reader) other(w *row) {
	lead, procs, text := cutFront(w.text)
	text = bytes.TrimRight(text, " ")
	if len(r.open) > 0 && r.goesOn(procs, text) {
		return
	}
	f, ok := foreign{message: string(text)}, beginsTraceback(text)
	if !ok {
		if f, ok = parseForeign(text); !ok {
			return
		}
	}
	l := line{procs: procs}
	e := &schemas.LogEvent{At: r.pos(w.at), Line: w.number, Level: some(f.level), Source: some(f.source), Kind: some(f.kind), Facts: f.facts}
	r.setProcess(e, procs)
	front, ok := parseFront(lead)
	if e.Time = r.clock.translate(front, ok); f.stamp != "" {
		e.Time = r.clock.resolve([]byte(f.stamp), front, ok)
	}
	message := redact(f.message)
	if beginsTraceback(text) {
		r.opened(e, &l, message)
		return
	}
	e.Message = shorten(message)
	r.push(e)
}

// beginsTraceback reports whether a line begins Python's report of an exception,
// or of a group of them.
func beginsTraceback(text []byte) bool {
	text = bytes.TrimLeft(text, " +|")
	return bytes.HasPrefix(text, []byte(traceback)) || bytes.HasPrefix(text, []byte("Exception Group "+traceback))
}

// goesOn adds a line that no logger formatted to the traceback that its process
// has begun, and returns true, where it is part of it: everything up to the first
// line that is not indented, which names the exception; then the indented lines
// of its message, and exceptions chained to it.
func (r *Reader) goesOn(procs, text []byte) bool {
	o := r.open[string(procs)]
	switch {
	case o == nil || o.over:
		return false
	case !o.bare:
		// Some captures break this warning in two.
		if o.event.Kind.V != kindDefaultConfig || !bytes.HasPrefix(bytes.TrimLeft(text, " "), []byte("Config file not found")) {
			return false
		}
	case len(text) == 0 || text[0] == ' ' || text[0] == '\t':
	case isChained(text):
		o.tail = false
	case o.tail:
		r.close(string(procs))
		return false
	default:
		o.tail = true
	}
	o.text.add(redact(string(text)))
	return true
}

// isChained reports whether a line announces another exception.
func isChained(text []byte) bool {
	for _, words := range [...]string{traceback, "During handling of the above exception", "The above exception was the direct cause"} {
		if bytes.HasPrefix(text, []byte(words)) {
			return true
		}
	}
	return false
}

// finish completes an event: its text, and what an exception says.
func (o *open) finish() {
	o.over = true
	e := o.event
	e.Message = o.text.String()
	if e.Kind.V == kindDefaultConfig && e.Facts["file"] == "" {
		_, facts := state(strings.ReplaceAll(e.Message, "\n", " "))
		maps.Copy(e.Facts, facts)
	}
	if !o.text.traceback {
		return
	}
	if !e.Kind.OK {
		e.Kind = schemas.Some(kindException)
	}
	if name, words, _ := strings.Cut(o.text.exception, ": "); name != "" {
		addFact(e, "exception", name[strings.LastIndexByte(name, '.')+1:])
		if words != "" {
			addFact(e, "error", words)
		}
	}
	if e.Facts == nil {
		e.Facts = map[string]string{}
	}
	if o.text.root != o.text.exception {
		e.Facts["root"] = o.text.root
	}
	addCause(o.text.root+"\n"+o.text.exception+"\n"+e.Message, e.Facts)
}

func addFact(e *schemas.LogEvent, name, value string) {
	if e.Facts == nil {
		e.Facts = map[string]string{}
	}
	e.Facts[name] = value
}

func some(text string) schemas.Opt[string] {
	if text == "" {
		return schemas.Opt[string]{}
	}
	return schemas.Some(text)
}

// source is the place in the code that a line names.
func (r *Reader) source(text []byte) string {
	if s, ok := r.sources[string(text)]; ok {
		return s
	}
	s := string(text)
	if len(r.sources) < maxNames {
		r.sources[s] = s
	}
	return s
}

// A process is one that writes lines.
type process struct {
	name schemas.Opt[string]
	pid  schemas.Opt[int64]
}

// setProcess says which process wrote a line.
func (r *Reader) setProcess(e *schemas.LogEvent, procs []byte) {
	p, ok := r.processes[string(procs)]
	if !ok {
		name, pid := (&line{procs: procs}).process()
		p.name = some(name)
		if n, err := strconv.ParseInt(pid, 10, 64); err == nil {
			p.pid = schemas.Some(n)
		}
		if len(r.processes) < maxNames {
			r.processes[string(procs)] = p
		}
	}
	e.Process, e.PID = p.name, p.pid
}
