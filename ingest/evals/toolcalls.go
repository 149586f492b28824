package evals

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// Classes of what went wrong with a tool call. The first that applies counts.
const (
	classHTTP      = "http_error"
	classTruncated = "truncated"
	classMarkup    = "markup_in_content"
	classNoCall    = "no_call"
	classJSON      = "invalid_json"
	classTool      = "unknown_tool"
	classUnknown   = "unknown_argument"
	classMissing   = "missing_argument"
	classSchema    = "schema_invalid"
)

// classBadSchema says that a call could not be judged: the request's schema is none.
const classBadSchema = "schema_unusable"

// toolCalls reads a line for each request.
type toolCalls struct {
	schemas map[string]*parameters // by their text: a suite offers the same tools again and again
}

func (*toolCalls) lines() bool { return true }

// A toolLine is a line of tool calls.
type toolLine struct {
	ID          json.RawMessage   `json:"id"`
	Trial       *int64            `json:"trial"`
	Task        string            `json:"task"`
	Request     toolRequest       `json:"request"`
	Response    json.RawMessage   `json:"response"`
	Chunks      []json.RawMessage `json:"chunks"`
	Status      int64             `json:"status"`
	Concurrency *int64            `json:"concurrency"`
	Start       *float64          `json:"start"`
	Latency     *float64          `json:"latency_s"`
}

type toolRequest struct {
	Model       string          `json:"model"`
	Tools       []tool          `json:"tools"`
	Choice      json.RawMessage `json:"tool_choice"`
	Stream      bool            `json:"stream"`
	Temperature *float64        `json:"temperature"`
}

type tool struct {
	Function struct {
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"`
	} `json:"function"`
}

func (t *toolCalls) read(r *Reader, text []byte) {
	var l toolLine
	if !r.decode(text, &l) {
		return
	}
	answer, err := answerOf(l.Response, l.Chunks)
	if err != nil {
		r.reject("the response of %s: %v", quoted(idOf(l.ID)), err)
		return
	}
	task := l.Task
	if task == "" {
		task = "tool_calls"
	}
	e := schemas.Eval{
		Suite: "tool_calls", Task: task, Metric: "pass", Model: text1(l.Request.Model),
		Streaming: schemas.Some(l.Request.Stream || len(l.Chunks) > 0), Facts: map[string]string{},
	}
	if id := idOf(l.ID); id != "" {
		e.Item = schemas.Some(id)
	} else {
		e.Item = schemas.Some("line " + strconv.FormatInt(r.line, 10))
	}
	e.Trial, e.Concurrency, e.Temperature = opt(l.Trial), opt(l.Concurrency), opt(l.Request.Temperature)
	if l.Start != nil {
		if sec, frac := math.Modf(*l.Start); sec > 0 && sec < 1<<33 {
			e.Start = schemas.Some(time.Unix(int64(sec), int64(frac*1e9)).UTC())
		}
	}
	e.Latency = nanos(l.Latency)
	answer.describe(&e)
	t.judge(&l, answer, &e)
	r.eval(e)
}

// An answer is what a server said, whole.
type answer struct {
	Content   string
	Reasoning string
	Finish    string
	Calls     []call
	Error     string
	Input     schemas.Opt[int64]
	Output    schemas.Opt[int64]
}

// A call is one tool call.
type call struct{ Name, Arguments string }

// message is a message of a response, or a delta of one.
type message struct {
	Content   json.RawMessage `json:"content"`
	Reasoning string          `json:"reasoning"`
	Thinking  string          `json:"reasoning_content"` // as older versions call it
	Calls     []struct {
		Index    *int `json:"index"`
		Function struct {
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

type response struct {
	Choices []struct {
		Message message `json:"message"`
		Delta   message `json:"delta"`
		Finish  *string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Input  int64 `json:"prompt_tokens"`
		Output int64 `json:"completion_tokens"`
	} `json:"usage"`
	Error  json.RawMessage `json:"error"`
	Object string          `json:"object"`
}

// maxCalls bounds the calls of one answer.
const maxCalls = 1024

// answerOf puts an answer together. Fragments of a call carry its index: they come
// in order for one call and interleaved for several.
func answerOf(whole json.RawMessage, chunks []json.RawMessage) (*answer, error) {
	a := &answer{}
	if len(chunks) == 0 {
		if len(whole) == 0 || string(whole) == "null" {
			return nil, fmt.Errorf("there is neither response nor chunks")
		}
		chunks = []json.RawMessage{whole}
	}
	for _, text := range chunks {
		var r response
		if err := jsonscan.Decode(text, &r); err != nil {
			var fault *jsonscan.SyntaxError
			if errors.As(err, &fault) { // its place is inside the answer
				err = errors.New(fault.Msg)
			}
			return nil, err
		}
		if err := a.add(&r); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *answer) add(r *response) error {
	if len(r.Error) > 0 && string(r.Error) != "null" || r.Object == "error" {
		a.Error = string(r.Error)
	}
	if r.Usage != nil {
		a.Input, a.Output = schemas.Some(r.Usage.Input), schemas.Some(r.Usage.Output)
	}
	if len(r.Choices) == 0 {
		return nil
	}
	c := r.Choices[0]
	if c.Finish != nil {
		a.Finish = *c.Finish
	}
	for _, m := range []message{c.Message, c.Delta} {
		a.Content += contentOf(m.Content)
		a.Reasoning += m.Reasoning + m.Thinking
		for i, f := range m.Calls {
			at := len(a.Calls)
			if f.Index != nil {
				at = *f.Index
			} else if i < len(a.Calls) && len(c.Delta.Calls) > 0 {
				at = i
			}
			if at < 0 || at >= maxCalls {
				return fmt.Errorf("a call of index %d", at)
			}
			for len(a.Calls) <= at {
				a.Calls = append(a.Calls, call{})
			}
			a.Calls[at].Name += f.Function.Name
			a.Calls[at].Arguments += argumentsOf(f.Function.Arguments)
		}
	}
	return nil
}

// contentOf returns the text of a message, which may come in parts.
func contentOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return ""
	}
	for _, p := range parts {
		text += p.Text
	}
	return text
}

// argumentsOf returns arguments as text. The protocol has a string; some servers
// send the object itself.
func argumentsOf(raw json.RawMessage) string {
	var text string
	if len(raw) == 0 || json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// describe says of an answer what is no judgement.
func (a *answer) describe(e *schemas.Eval) {
	e.Finish, e.Input, e.Output = text1(a.Finish), a.Input, a.Output
	e.Facts["calls"] = strconv.Itoa(len(a.Calls))
	if digest := a.digest(); digest != "" {
		e.Answer = schemas.Some(digest)
	}
}

// digest identifies what was called, whatever the order of keys and the white space.
func (a *answer) digest() string {
	if len(a.Calls) == 0 {
		return ""
	}
	h := sha256.New()
	for _, c := range a.Calls {
		var v any
		arguments := []byte(c.Arguments)
		if json.Unmarshal(arguments, &v) == nil {
			arguments, _ = json.Marshal(v) // sorts keys
		}
		fmt.Fprintf(h, "%q %q\n", c.Name, arguments)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// markup is what a model writes when it calls a tool and no parser takes it out.
var markup = []string{"<tool_call>", "</tool_call>", "<function=", "<|tool_call", "[TOOL_CALLS]", "<｜tool▁call", "<|python_tag|>", "</think>"}

// leaked returns the markup that is left in a text.
func leaked(text string) string {
	for _, m := range markup {
		if strings.Contains(text, m) {
			return m
		}
	}
	return ""
}

// judge decides whether an answer's calls are right.
func (t *toolCalls) judge(l *toolLine, a *answer, e *schemas.Eval) {
	fail := func(class, why string) {
		e.Passed, e.Class, e.Value = schemas.Some(false), schemas.Some(class), schemas.Some(0.0)
		if why != "" {
			e.Facts["why"] = cut(why)
		}
	}
	left := leaked(a.Content)
	if left != "" {
		e.Facts["markup"] = left
	}
	switch {
	case l.Status >= 400 || a.Error != "":
		fail(classHTTP, strings.TrimSpace(fmt.Sprint(l.Status, " ", a.Error)))
		return
	case a.Finish == "length":
		fail(classTruncated, "")
		return
	case left != "" && left != "</think>":
		fail(classMarkup, left)
		return
	case len(a.Calls) == 0 && l.isRequired():
		fail(classNoCall, "finish_reason "+a.Finish)
		return
	case len(a.Calls) == 0:
		return // nothing to judge
	}
	for _, c := range a.Calls {
		class, why := t.check(l.Request.Tools, c)
		if class != "" {
			fail(class, why)
		}
		if class == classBadSchema {
			e.Passed, e.Value = schemas.Opt[bool]{}, schemas.Opt[float64]{}
		}
		if class != "" {
			return
		}
	}
	e.Passed, e.Value = schemas.Some(true), schemas.Some(1.0)
}

// isRequired reports whether the request says that a call has to be made.
func (l *toolLine) isRequired() bool {
	choice := bytes.TrimSpace(l.Request.Choice)
	return string(choice) == `"required"` || len(choice) > 0 && choice[0] == '{'
}

// check judges one call.
func (t *toolCalls) check(tools []tool, c call) (class, why string) {
	i := slices.IndexFunc(tools, func(t tool) bool { return t.Function.Name == c.Name })
	if i < 0 {
		return classTool, c.Name
	}
	arguments, err := jsonschema.UnmarshalJSON(strings.NewReader(c.Arguments))
	if err != nil {
		return classJSON, c.Name + ": " + err.Error()
	}
	text := tools[i].Function.Parameters
	if len(text) == 0 || string(text) == "null" {
		return "", "" // a tool without parameters takes anything
	}
	p := t.parameters(text)
	if p.err != nil {
		return classBadSchema, c.Name + ": " + reason(p.err)
	}
	if err := p.schema.Validate(arguments); err != nil {
		return classOf(err), c.Name + ": " + reason(err)
	}
	if object, ok := arguments.(map[string]any); ok && p.known != nil {
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if !slices.Contains(p.known, name) {
				return classUnknown, c.Name + ": " + name
			}
		}
	}
	return "", ""
}

// parameters are what a tool takes.
type parameters struct {
	schema *jsonschema.Schema
	known  []string // arguments; nil where the schema says itself whether others may come
	err    error
}

// maxSchemas bounds the schemas that are remembered.
const maxSchemas = 1024

func (t *toolCalls) parameters(text json.RawMessage) *parameters {
	if p, ok := t.schemas[string(text)]; ok {
		return p
	}
	if t.schemas == nil || len(t.schemas) >= maxSchemas {
		t.schemas = map[string]*parameters{}
	}
	p := newParameters(text)
	t.schemas[string(text)] = p
	return p
}

// resource is what a schema is called, which is no file.
const resource = "request:///parameters"

// newParameters makes a schema usable. References outside of it are not followed.
func newParameters(text json.RawMessage) *parameters {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return &parameters{err: err}
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	if err := c.AddResource(resource, doc); err != nil {
		return &parameters{err: err}
	}
	schema, err := c.Compile(resource)
	if err != nil {
		return &parameters{err: err}
	}
	object, _ := doc.(map[string]any)
	properties, ok := object["properties"].(map[string]any)
	if _, said := object["additionalProperties"]; said || !ok {
		return &parameters{schema: schema}
	}
	return &parameters{schema: schema, known: slices.AppendSeq(make([]string, 0, len(properties)), maps.Keys(properties))}
}

// noLoader keeps a schema from reading files or the network.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a schema refers to %s, which is not followed", url)
}

// classOf names what a schema does not accept.
func classOf(err error) string {
	invalid, ok := err.(*jsonschema.ValidationError)
	if !ok {
		return classSchema
	}
	inOrder(invalid)
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	switch invalid.ErrorKind.(type) {
	case *kind.Required:
		return classMissing
	case *kind.AdditionalProperties:
		return classUnknown
	}
	return classSchema
}

// inOrder sorts what a validator says: it goes through maps, in any order.
func inOrder(invalid *jsonschema.ValidationError) {
	if extra, ok := invalid.ErrorKind.(*kind.AdditionalProperties); ok {
		slices.Sort(extra.Properties)
	}
	for _, cause := range invalid.Causes {
		inOrder(cause)
	}
	slices.SortStableFunc(invalid.Causes, func(a, b *jsonschema.ValidationError) int { return strings.Compare(a.Error(), b.Error()) })
}

// reason is what a schema's compiler or validator says, without the name of the
// schema in its first line.
func reason(err error) string {
	first, rest, ok := strings.Cut(err.Error(), "\n")
	if !ok {
		rest = first
	}
	return oneLine(rest)
}

// idOf returns an id as text: a string as it is, a number as it is written.
func idOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	if string(raw) == "null" {
		return ""
	}
	return string(raw)
}

func text1(s string) schemas.Opt[string] {
	if s == "" {
		return schemas.Opt[string]{}
	}
	return schemas.Some(s)
}

func opt[T any](v *T) schemas.Opt[T] {
	if v == nil {
		return schemas.Opt[T]{}
	}
	return schemas.Some(*v)
}

// nanos turns seconds into nanoseconds; what is no duration is missing.
func nanos(seconds *float64) schemas.Opt[int64] {
	if seconds == nil || !(math.Abs(*seconds) < 1e9) {
		return schemas.Opt[int64]{}
	}
	return schemas.Some(int64(math.Round(*seconds * 1e9)))
}

// maxFact bounds a detail, in bytes.
const maxFact = 400

func cut(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxFact {
		s = strings.ToValidUTF8(s[:maxFact], "") + "…"
	}
	return s
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func quoted(s string) string { return strconv.Quote(cut(s)) }
