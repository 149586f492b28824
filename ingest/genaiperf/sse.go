package genaiperf

import (
	"strings"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
)

// chunks returns the times of the responses that carry text, in order.
func (q *request) chunks(u *jsonrun.Upload, i int, at int64) []int64 {
	if q.bad {
		return nil
	}
	if len(q.responses) != len(q.stamps) {
		u.Reject(at, i, "response_outputs has %d entries, expected %d as in response_timestamps", len(q.responses), len(q.stamps))
		q.bad = true
		return nil
	}
	if !q.hasTexts {
		q.join()
	}
	for k, stamp := range q.stamps {
		if q.hasTexts && q.texts[k] || !q.hasTexts && q.readEvents(q.responses[k]) {
			q.chunkStamps = append(q.chunkStamps, stamp)
		}
	}
	before := q.start
	for _, stamp := range q.chunkStamps {
		if stamp < before {
			u.Reject(at, i, "the times of its responses do not rise from its timestamp")
			q.bad = true
			return nil
		}
		before = stamp
	}
	return q.chunkStamps
}

// join puts what is no event, but the rest of one, to the response before it.
func (q *request) join() {
	for k := len(q.responses) - 1; k > 0; k-- {
		text := q.responses[k]
		if text == "" || !mayContinue(text) {
			continue
		}
		cut := strings.Index(text, "data: ")
		if cut < 0 {
			cut = len(text)
		}
		q.responses[k-1] += text[:cut]
		q.responses[k] = text[cut:]
	}
}

// mayContinue reports whether text begins in the middle of an event.
func mayContinue(text string) bool {
	for _, field := range []string{"data:", "event:", "id:", "retry:", ":"} {
		if strings.HasPrefix(text, field) {
			return false
		}
	}
	return strings.TrimSpace(text) != ""
}

// readEvents reports whether one of the events of a response carries text. It
// takes in usage and errors.
func (q *request) readEvents(response string) bool {
	text := false
	for _, event := range strings.Split(response, "\n\n") {
		for _, line := range strings.Split(event, "\n") {
			data, isData := strings.CutPrefix(strings.TrimSpace(line), "data:")
			switch {
			case isData:
				text = q.readData(strings.TrimSpace(data)) || text
			case strings.HasPrefix(line, "event:") && strings.Contains(line, "error"):
				q.fail(strings.ReplaceAll(event, "\n", " "))
			case strings.HasPrefix(line, "{"): // an answer that is no stream
				text = q.readData(line) || text
			}
		}
	}
	return text
}

func (q *request) fail(message string) {
	if q.failure == "" {
		q.failure = failures.Line(message)
	}
}

// readData reads the JSON of an event.
func (q *request) readData(data string) bool {
	if !strings.HasPrefix(data, "{") {
		return false // [DONE]
	}
	s := jsonscan.NewScanner(strings.NewReader(data), jsonscan.Options{Buffer: min(len(data), jsonscan.DefaultBuffer)})
	text := false
	each(s, func(key string) {
		switch key {
		case "choices":
			text = hasText(s) || text
		case "usage":
			q.readUsage(s)
		case "error":
			if s.Peek() == jsonscan.Null {
				s.Skip()
				return
			}
			message, err := s.Raw(nil, 4096)
			if err == nil {
				q.fail(string(message))
			}
		case "generated_text", "text_output":
			text = nonEmptyString(s) || text
		default:
			s.Skip()
		}
	})
	return text
}

// each calls read for every key of the object that comes next; read consumes
// the value. What is no object is skipped.
func each(s *jsonscan.Scanner, read func(key string)) {
	if s.Peek() != jsonscan.Object {
		s.Skip()
		return
	}
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		read(string(key))
	}
}

// hasText reports whether one of the choices that come next carries text.
func hasText(s *jsonscan.Scanner) bool {
	text := false
	if s.Peek() != jsonscan.Array {
		s.Skip()
		return false
	}
	s.Array()
	for s.Next() {
		each(s, func(key string) {
			switch key {
			case "text":
				text = nonEmptyString(s) || text
			case "delta", "message":
				each(s, func(key string) {
					switch key {
					case "content", "reasoning_content", "reasoning":
						text = nonEmptyString(s) || text
					default:
						s.Skip()
					}
				})
			default:
				s.Skip()
			}
		})
	}
	return text
}

func nonEmptyString(s *jsonscan.Scanner) bool {
	if s.Peek() != jsonscan.String {
		s.Skip()
		return false
	}
	text, err := s.Text(nil)
	return err != nil || len(text) > 0 // one that is too long is not empty
}

// readUsage takes in the server's count, which may come with every event: the
// last one stands.
func (q *request) readUsage(s *jsonscan.Scanner) {
	count := func(to *int64) {
		if n, err := s.Int64(); err == nil && n >= 0 {
			*to = n
		}
	}
	each(s, func(key string) {
		switch key {
		case "prompt_tokens":
			count(&q.input)
		case "completion_tokens":
			count(&q.output)
		case "prompt_tokens_details", "completion_tokens_details":
			each(s, func(key string) {
				switch key {
				case "cached_tokens":
					count(&q.cached)
				case "reasoning_tokens":
					count(&q.reasoning)
				default:
					s.Skip()
				}
			})
		default:
			s.Skip()
		}
	})
}

// modelOf takes the name of the model from the payload of a request.
func modelOf(payload []byte) string {
	s := jsonscan.NewScanner(strings.NewReader(string(payload)), jsonscan.Options{Buffer: min(len(payload)+1, jsonscan.DefaultBuffer)})
	name := ""
	if !s.More() {
		return ""
	}
	each(s, func(key string) {
		if key != "model" || s.Peek() != jsonscan.String {
			s.Skip()
			return
		}
		text, _ := s.Text(nil)
		name = string(text)
	})
	return name
}
