package aiperf

import (
	"bytes"
	"errors"
	"math"

	"github.com/servestat/servestat/ingest/jsonscan"
)

// A rawLine is what a raw record has in place of metrics: when each message of
// the response came, and what it said.
type rawLine struct {
	start        int64   // of the request, on the clock of the messages
	times        []int64 // of the content messages
	counts       []int64 // of completion tokens up to and with each, where the server says
	answer       int64   // time of the first that is no reasoning
	last         int64   // time of the last message of any kind
	whole        bool    // a response in one piece, not a stream
	finish       string
	model        string
	usage        usage
	text, nested []byte
}

// A usage is what the server says it counted.
type usage struct{ input, output, reasoning, cached int64 }

func (r *rawLine) reset() {
	*r = rawLine{
		start: missing, answer: missing, last: missing, times: r.times[:0], counts: r.counts[:0], text: r.text[:0],
		usage: usage{missing, missing, missing, missing},
	}
}

func (l *line) readPayload(s *jsonscan.Scanner, key, path string) {
	if key == "model" {
		l.raw.model = l.string(s, path)
		return
	}
	l.sum.AddNext(s, path)
}

// readResponses reads the messages of a response, in the order in which they came.
func (l *line) readResponses(s *jsonscan.Scanner) {
	if kind := s.Peek(); kind != jsonscan.Array {
		if kind != jsonscan.Null {
			l.fault(s.Offset(), "responses is %s, expected a list of messages", kind)
		}
		s.Skip()
		return
	}
	s.Array()
	for s.Next() {
		if kind := s.Peek(); kind != jsonscan.Object {
			l.fault(s.Offset(), "responses: found %s, expected a message", kind)
			s.Skip()
			continue
		}
		l.readMessage(s)
	}
}

// readMessage reads {"perf_ns": …, "packets": […]}, or the text of a response
// in one piece.
func (l *line) readMessage(s *jsonscan.Scanner) {
	at := s.Offset()
	time := missing
	var m message
	m.usage = usage{missing, missing, missing, missing}
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		switch string(key) {
		case "perf_ns":
			time = l.integer(s, "responses.perf_ns")
		case "packets":
			l.readPackets(s, &m)
		case "text":
			l.raw.whole = true
			l.readPacket(s, &m)
		default:
			l.sum.AddNext(s, "responses."+string(key))
		}
	}
	if s.Err() == nil {
		l.addMessage(at, time, &m)
	}
}

func (l *line) readPackets(s *jsonscan.Scanner, m *message) {
	if s.Peek() != jsonscan.Array {
		l.sum.AddNext(s, "responses.packets")
		return
	}
	s.Array()
	for s.Next() {
		if s.Peek() != jsonscan.Object {
			l.sum.AddNext(s, "responses.packets")
			continue
		}
		s.Object()
		for key, ok := s.Key(); ok; key, ok = s.Key() {
			if string(key) == "value" && s.Peek() == jsonscan.String {
				l.readPacket(s, m)
				continue
			}
			l.sum.AddNext(s, "responses.packets."+string(key))
		}
	}
}

// readPacket reads a string that may hold a JSON object.
func (l *line) readPacket(s *jsonscan.Scanner, m *message) {
	if s.Peek() != jsonscan.String {
		l.sum.AddNext(s, "responses.packet")
		return
	}
	text, err := s.Text(l.raw.nested[:0])
	var long *jsonscan.ValueError
	if errors.As(err, &long) {
		l.fault(long.Offset, "responses: found %s, expected a message, %s", long.Text, long.Want)
		return
	}
	l.raw.nested = text
	l.sum.AddText("responses.packet", text)
	if bytes.HasPrefix(text, []byte("{")) {
		m.read(jsonscan.NewScanner(bytes.NewReader(text), jsonscan.Options{Buffer: len(text)}))
	}
}

// addMessage takes in a message that came at a time.
func (l *line) addMessage(at, time int64, m *message) {
	r := &l.raw
	if m.finish != "" {
		r.finish = m.finish
	}
	for _, v := range []struct {
		into *int64
		from int64
	}{{&r.usage.input, m.usage.input}, {&r.usage.output, m.usage.output}, {&r.usage.reasoning, m.usage.reasoning}, {&r.usage.cached, m.usage.cached}} {
		*v.into = first(v.from, *v.into)
	}
	if time == missing {
		l.fault(at, "responses: a message without its time, perf_ns")
		return
	}
	if r.last != missing && time < r.last {
		l.fault(at, "responses: a message came %d ns before the one before it", r.last-time)
		return
	}
	r.last = time
	if !m.content && !m.reasoning {
		return
	}
	r.times = append(r.times, time)
	r.counts = append(r.counts, m.usage.output)
	if m.content && r.answer == missing {
		r.answer = time
	}
}

// finishRaw works out from messages what AIPerf does for its metrics.
func (l *line) finishRaw() {
	r := &l.raw
	l.usageInput, l.usageOutput = r.usage.input, r.usage.output
	l.usageReasoning, l.cached = r.usage.reasoning, r.usage.cached
	n := len(r.times)
	if n == 0 {
		return
	}
	if r.start == missing || r.times[0] < r.start {
		l.fault(l.at, "start_perf_ns: want the time of the request, before that of its response")
		return
	}
	l.e2el = r.times[n-1] - r.start
	if r.whole {
		return // no chunk, and no first one
	}
	l.ttft = r.times[0] - r.start
	if r.answer != missing {
		l.answer = r.answer - r.start
	}
	l.chunks = int64(n)
	for i := 1; i < n; i++ {
		l.gaps = append(l.gaps, r.times[i]-r.times[i-1])
	}
	l.countTokens()
}

// countTokens finds how many tokens each chunk carried, where the server sent
// its count with every one.
func (l *line) countTokens() {
	before := int64(0)
	for i, n := range l.raw.counts {
		carried := n - before
		if n == missing || carried < 0 || carried > math.MaxInt32 {
			l.tokens = l.tokens[:0]
			return
		}
		if before = n; i > 0 {
			l.tokens = append(l.tokens, int32(carried))
		}
	}
}

// A message is what one piece of a response says. It is content if it carries
// text of the answer or a call of a tool; a role alone is none.
type message struct {
	content, reasoning bool
	finish             string
	usage              usage
	kind               string // of an event of the responses API
	delta              bool   // it has a text of its own, whose nature kind tells
}

// read reads a message in the words of OpenAI's completions, chat completions or
// responses. A message that is no JSON says nothing.
func (m *message) read(s *jsonscan.Scanner) {
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		switch string(key) {
		case "choices":
			m.readChoices(s)
		case "usage":
			m.readUsage(s)
		case "response": // the closing event of the responses API
			members(s, func(key string) {
				if key == "usage" {
					m.readUsage(s)
					return
				}
				s.Skip()
			})
		case "type":
			m.kind = text(s)
		case "delta":
			if s.Peek() == jsonscan.Object {
				m.readDelta(s)
				continue
			}
			m.delta = m.delta || text(s) != ""
		default:
			s.Skip()
		}
	}
	if m.delta && bytes.Contains([]byte(m.kind), []byte("reasoning")) {
		m.reasoning = true
	} else if m.delta {
		m.content = true
	}
}

// readChoices looks at the first choice, as AIPerf does.
func (m *message) readChoices(s *jsonscan.Scanner) {
	if s.Peek() != jsonscan.Array {
		s.Skip()
		return
	}
	s.Array()
	for i := 0; s.Next(); i++ {
		if i > 0 {
			s.Skip()
			continue
		}
		members(s, func(key string) {
			switch key {
			case "delta", "message":
				m.readDelta(s)
			case "text":
				m.content = text(s) != "" || m.content
			case "finish_reason":
				m.finish = text(s)
			default:
				s.Skip()
			}
		})
	}
}

func (m *message) readDelta(s *jsonscan.Scanner) {
	members(s, func(key string) {
		switch key {
		case "content", "text", "refusal", "partial_json":
			m.content = text(s) != "" || m.content
		case "reasoning_content", "reasoning", "thinking":
			m.reasoning = text(s) != "" || m.reasoning
		case "tool_calls":
			if s.Peek() != jsonscan.Array {
				s.Skip()
				return
			}
			s.Array()
			for s.Next() {
				m.content = true
				s.Skip()
			}
		default:
			s.Skip()
		}
	})
}

func (m *message) readUsage(s *jsonscan.Scanner) {
	u := &m.usage
	members(s, func(key string) {
		switch key {
		case "prompt_tokens", "input_tokens":
			u.input = count(s)
		case "completion_tokens", "output_tokens":
			u.output = count(s)
		case "prompt_tokens_details", "input_tokens_details", "completion_tokens_details", "output_tokens_details":
			members(s, func(key string) {
				switch key {
				case "cached_tokens":
					u.cached = count(s)
				case "reasoning_tokens":
					u.reasoning = count(s)
				default:
					s.Skip()
				}
			})
		default:
			s.Skip()
		}
	})
}

// members hands the keys of the object that comes next to member, which
// consumes their values. Anything else is skipped.
func members(s *jsonscan.Scanner, member func(key string)) {
	if s.Peek() != jsonscan.Object {
		s.Skip()
		return
	}
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		member(string(key))
	}
}

// text consumes the next value and returns it if it is a string.
func text(s *jsonscan.Scanner) string {
	if s.Peek() != jsonscan.String {
		s.Skip()
		return ""
	}
	out, _ := s.Text(nil)
	return string(out)
}

// count consumes the next value and returns it if it is a number of tokens.
func count(s *jsonscan.Scanner) int64 {
	if s.Peek() != jsonscan.Number {
		s.Skip()
		return missing
	}
	v, err := s.Int64()
	if err != nil || v < 0 {
		return missing
	}
	return v
}
