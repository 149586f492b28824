package analyze

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/servestat/servestat/analyze/preflight"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas/checkpoint"
)

// CanaryOptions say what is expected of speculative decoding.
type CanaryOptions struct {
	CompareOptions
	QualityOptions
	Model *checkpoint.Config // of the checkpoint; nil: as it lay beside the servers' logs
}

// A Canary is what is known of speculative decoding: a cell for each set-up and
// method. Support is not transitive: a method that works for one checkpoint, image,
// GPU, version and set of flags says nothing of another.
type Canary struct {
	Selection string       `json:"selection,omitempty"`
	Standing  Standing     `json:"standing"` // over the cells that are current
	Cells     []CanaryCell `json:"cells"`
}

// A CanarySetup is what a result is valid for, and for nothing else.
type CanarySetup struct {
	Model      string   `json:"model"`
	Hardware   string   `json:"hardware"`
	Path       string   `json:"path,omitempty"`
	Checkpoint string   `json:"checkpoint"`
	Image      string   `json:"image"`
	Runtime    string   `json:"runtime"`
	Version    string   `json:"runtime_version"`
	Flags      []string `json:"flags"` // engine arguments and environment, without the speculation itself
}

// A CanaryCell is one method on one set-up, with the answers to D1 to D10.
type CanaryCell struct {
	Setup    CanarySetup `json:"setup"`
	Method   string      `json:"method"`
	Standing Standing    `json:"standing"`
	// Current: the set-up is the newest that ran on its hardware. Results of others
	// have expired.
	Current bool        `json:"current"`
	Expired []string    `json:"expired,omitempty"`    // what is no longer as it was when this was tested
	Tested  string      `json:"tested,omitempty"`     // day of the newest evidence
	Runs    int         `json:"runs"`                 // with the method
	Against int         `json:"baseline_runs"`        // without it, on the same set-up
	Open    []string    `json:"undecided,omitempty"`  // rules that were tested and not settled
	Missing []string    `json:"untested,omitempty"`   // rules that were not
	Rulings []Ruling    `json:"rulings"`              // D1 to D10
	Grid    []GridCell  `json:"grid,omitempty"`       // D10
	Compare *Comparison `json:"comparison,omitempty"` // D2's
}

// A GridCell is one way to use a server with the method.
type GridCell struct {
	Load        string   `json:"load"`        // c=1, c>=8
	Temperature string   `json:"temperature"` // T=0, T>0
	Tools       string   `json:"tools"`       // none, whole, streamed
	Standing    Standing `json:"standing"`
	Says        string   `json:"says"`
}

// key is what must be equal.
func (s CanarySetup) key() string { return fmt.Sprintf("%q", s) }

// differences names what differs between two set-ups, the older first.
func (s CanarySetup) differences(now CanarySetup) []string {
	var out []string
	for _, c := range []struct{ name, was, is string }{
		{"model", s.Model, now.Model}, {"hardware", s.Hardware, now.Hardware}, {"path", s.Path, now.Path}, {"checkpoint", s.Checkpoint, now.Checkpoint},
		{"image", s.Image, now.Image}, {"runtime", s.Runtime, now.Runtime}, {"version", s.Version, now.Version},
	} {
		if c.was != c.is {
			out = append(out, fmt.Sprintf("%s changed: %s to %s", c.name, orUnrecorded(c.was), orUnrecorded(c.is)))
		}
	}
	was, is := flagMap(s.Flags), flagMap(now.Flags)
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was[name] != is[name] {
			out = append(out, fmt.Sprintf("flag %s changed: %s to %s", name, cmp.Or(was[name], "default"), cmp.Or(is[name], "default")))
		}
	}
	return out
}

func flagMap(flags []string) map[string]string {
	out := map[string]string{}
	for _, f := range flags {
		name, value, _ := strings.Cut(f, "=")
		out[name] = value
	}
	return out
}

func orUnrecorded(s string) string { return cmp.Or(s, "not recorded") }

// Of returns the ruling about a rule.
func (c *CanaryCell) Of(rule string) Ruling {
	i := slices.IndexFunc(c.Rulings, func(r Ruling) bool { return r.Rule == rule })
	if i < 0 {
		return Ruling{Rule: rule, Standing: Untested}
	}
	return c.Rulings[i]
}

// speculative are the arguments that turn speculation on, new and old.
var speculative = []string{"speculative_config", "speculative_model", "num_speculative_tokens", "speculative_draft_tensor_parallel_size", "ngram_prompt_lookup_max", "ngram_prompt_lookup_min"}

// notFlags are arguments that are told elsewhere.
var notFlags = []string{"model", "model_tag", "revision", "served_model_name", "tokenizer"}

// flagsOf are the engine arguments and environment variables of a set-up.
func flagsOf(args, labels map[string]string) []string {
	out := []string{}
	for name, value := range args {
		if !slices.Contains(speculative, name) && !slices.Contains(notFlags, name) && !placeArgs[name] {
			out = append(out, name+"="+value)
		}
	}
	for name, value := range labels {
		if strings.HasPrefix(name, "env.") {
			out = append(out, name+"="+value)
		}
	}
	slices.Sort(out)
	return out
}

// checkpointOf names the weights: as somebody labelled them, or by their place and
// revision.
func checkpointOf(args, labels map[string]string) string {
	if name := cmp.Or(labels["checkpoint"], labels["checkpoint_sha256"]); name != "" {
		return name
	}
	name, revision := cmp.Or(args["model"], args["model_tag"]), args["revision"]
	if revision != "" && revision != "None" {
		return name + "@" + revision
	}
	return name
}

const unnamedMethod = "method not recorded"

// methodOfArgs is the speculative method that arguments ask for, with its settings;
// empty where they ask for none.
func methodOfArgs(args map[string]string) string {
	config := args["speculative_config"]
	if config == "None" || config == "" {
		if model := args["speculative_model"]; model != "" && model != "None" {
			return strings.TrimSpace("draft model " + model + " " + tokensText(args["num_speculative_tokens"]))
		}
		return ""
	}
	fields := map[string]any{}
	text := strings.NewReplacer("'", `"`, "True", "true", "False", "false", "None", "null").Replace(config)
	if json.Unmarshal([]byte(text), &fields) != nil {
		return oneSpace(config)
	}
	method, _ := fields["method"].(string)
	parts := []string{cmp.Or(method, "draft model")}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "method" && fields[name] != nil {
			parts = append(parts, fmt.Sprintf("%s=%v", name, fields[name]))
		}
	}
	return strings.Join(parts, " ")
}

func tokensText(n string) string {
	if n == "" {
		return ""
	}
	return "num_speculative_tokens=" + n
}

func oneSpace(s string) string { return strings.Join(strings.Fields(s), " ") }

// method is the speculative method of a run; empty where there is none.
func (r *Run) method() string {
	if m := methodOfArgs(r.EngineArgs); m != "" {
		return m
	}
	if m := r.Labels["speculative_method"]; m != "" && m != "none" {
		return m
	}
	if r.Reported.Get("spec_decode_num_drafts") != "" || r.drafts().drafts > 0 {
		return unnamedMethod
	}
	return ""
}

func (r *Run) canarySetup() CanarySetup {
	return CanarySetup{
		Model: r.Model.V, Hardware: r.Hardware.V, Path: r.PathLabel.V, Image: r.Image.V, Runtime: r.Runtime.V, Version: r.RuntimeVersion.V,
		Checkpoint: checkpointOf(r.EngineArgs, r.Labels), Flags: flagsOf(r.EngineArgs, r.Labels),
	}
}

// A watchedLog is a server's log: what its rules say, and what it says of
// speculation.
type watchedLog struct {
	name           string
	report         *preflight.Report
	args           map[string]string
	begun, ready   time.Time
	exception      string
	accepted       float64 // tokens, by its lines every ten seconds
	drafted        float64
	rates, lengths []float64
	last           time.Time
}

// A watchedServer is a place with what is known of it.
type watchedServer struct {
	db      *query.DB
	place   string
	setup   CanarySetup
	method  string
	runs    []*Run
	logs    []*watchedLog
	answers []query.JudgedAnswer
	last    time.Time // newest evidence
}

// Canaried asks D1 to D10 about every speculative method that ran, or was to run, on
// the servers of some selections, of which one may be the baseline of another.
func Canaried(ctx context.Context, opts CanaryOptions, parts ...*Data) (*Canary, error) {
	var servers []*watchedServer
	for _, d := range parts {
		more, err := d.watched(ctx, opts)
		if err != nil {
			return nil, err
		}
		for _, s := range more {
			if !slices.ContainsFunc(servers, func(o *watchedServer) bool { return o.place == s.place && o.method == s.method && o.db == s.db }) {
				servers = append(servers, s)
			}
		}
	}
	w := newWatch(servers, opts)
	for _, t := range w.trials {
		if err := w.evidence(ctx, t); err != nil {
			return nil, err
		}
	}
	w.compare()
	c := &Canary{Cells: []CanaryCell{}}
	if len(parts) == 1 {
		c.Selection = parts[0].Selection
	}
	for _, t := range w.trials {
		c.Cells = append(c.Cells, w.cell(t))
	}
	c.Cells = append(c.Cells, w.neverTested()...)
	slices.SortStableFunc(c.Cells, func(a, b CanaryCell) int {
		return cmp.Or(cmp.Compare(a.Setup.Model, b.Setup.Model), cmp.Compare(a.Setup.Hardware, b.Setup.Hardware), cmp.Compare(a.Setup.Path, b.Setup.Path),
			currentFirst(a, b), compareVersions(b.Setup.Version, a.Setup.Version), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Setup.key(), b.Setup.key()))
	})
	c.Standing = c.standing()
	return c, nil
}

func currentFirst(a, b CanaryCell) int {
	switch {
	case a.Current == b.Current:
		return 0
	case a.Current:
		return -1
	}
	return 1
}

// standing is the worst of the current cells. What was not tested, or not settled,
// is not passed.
func (c *Canary) standing() Standing {
	worst := Passed
	any := false
	for i := range c.Cells {
		cell := &c.Cells[i]
		if !cell.Current {
			continue
		}
		any = true
		switch {
		case cell.Standing == Failed:
			return Failed
		case len(cell.Open)+len(cell.Missing) > 0:
			worst = Untested
		case cell.Standing == Warned && worst == Passed:
			worst = Warned
		}
	}
	if !any {
		return Untested
	}
	return worst
}

// watched are the servers of d with their runs, logs and answers.
func (d *Data) watched(ctx context.Context, opts CanaryOptions) ([]*watchedServer, error) {
	k, err := d.know(ctx)
	if err != nil {
		return nil, err
	}
	at := map[string]*watchedServer{}
	get := func(place string) *watchedServer {
		if at[place] == nil {
			at[place] = &watchedServer{db: d.db, place: place}
		}
		return at[place]
	}
	for _, r := range d.Runs {
		s := get(k.places[r.RunID])
		s.runs = append(s.runs, r)
	}
	var places []string // of runs that are not asked about, the logs are not either
	for _, place := range slices.Sorted(maps.Keys(k.servers)) {
		if !k.servers[place].HasRuns || at[place] != nil {
			places = append(places, place)
		}
	}
	for _, a := range k.answers {
		if slices.Contains(places, a.Place) {
			s := get(a.Place)
			s.answers = append(s.answers, a)
		}
	}
	reader := &logWatcher{get: get, options: preflight.Options{Model: opts.Model}}
	if err := d.db.EachEventOf(ctx, places, reader.take); err != nil {
		return nil, err
	}
	reader.close()
	var out []*watchedServer
	for _, place := range slices.Sorted(maps.Keys(at)) {
		for _, s := range at[place].apart() {
			s.identify(k.servers[place])
			out = append(out, s)
		}
	}
	return out, nil
}

// apart are the servers that go by one server_start, as the same template in two
// side-cars makes it: one that runs another method is another. Which of them answered
// what cannot be told.
func (s *watchedServer) apart() []*watchedServer {
	of := map[string]*watchedServer{}
	for _, r := range s.runs {
		m := r.method()
		if of[m] == nil {
			of[m] = &watchedServer{db: s.db, place: s.place}
		}
		of[m].runs = append(of[m].runs, r)
	}
	if len(of) < 2 {
		return []*watchedServer{s}
	}
	for _, l := range s.logs {
		if o := of[methodOfArgs(l.args)]; o != nil {
			o.logs = append(o.logs, l)
		}
	}
	var all []*watchedServer
	for _, m := range slices.Sorted(maps.Keys(of)) {
		all = append(all, of[m])
	}
	return all
}

// identify says what a server is: as its runs say, or else its log and what lay
// around it.
func (s *watchedServer) identify(known *query.Server) {
	for _, r := range s.runs {
		if s.method == "" {
			s.method = r.method()
		}
		if r.StartedAt.Valid && r.StartedAt.Time.After(s.last) {
			s.last = r.StartedAt.Time
		}
	}
	byLog := s.last.IsZero() // clients' clocks and servers' are not the same
	for _, l := range s.logs {
		if byLog && l.last.After(s.last) {
			s.last = l.last
		}
	}
	if len(s.runs) > 0 {
		s.setup = s.runs[0].canarySetup()
		return
	}
	var args map[string]string
	for _, l := range s.logs {
		if len(l.args) > 0 {
			args = l.args
		}
	}
	s.method = methodOfArgs(args)
	if known == nil {
		return
	}
	own := said(known)
	s.setup = CanarySetup{
		Model: own.Model, Hardware: own.Hardware, Path: own.Path, Image: known.Said["image"], Runtime: cmp.Or(known.Said["runtime"], "vllm"),
		Version: own.version, Checkpoint: checkpointOf(args, known.Said), Flags: flagsOf(args, known.Said),
	}
	if s.method == "" && known.Said["speculative_method"] != "none" {
		s.method = known.Said["speculative_method"]
	}
}

// A logWatcher reads the logs of places, one after the other.
type logWatcher struct {
	get     func(place string) *watchedServer
	options preflight.Options
	upload  string
	place   string
	checker *preflight.Checker
	log     *watchedLog
}

func (l *logWatcher) take(e *query.LoggedEvent) error {
	if l.log == nil || e.Upload != l.upload || e.Place != l.place {
		l.close()
		l.upload, l.place, l.checker, l.log = e.Upload, e.Place, preflight.New(withCheckpoint(l.options, e)), &watchedLog{name: e.SourceName}
	}
	l.checker.Add(&e.LogEvent)
	l.log.add(e)
	return nil
}

func (l *logWatcher) close() {
	if l.log == nil {
		return
	}
	l.log.report = l.checker.Report()
	s := l.get(l.place)
	s.logs = append(s.logs, l.log)
	l.log = nil
}

// add takes in a line.
func (l *watchedLog) add(e *query.LoggedEvent) {
	if e.Time.OK {
		if l.begun.IsZero() {
			l.begun = e.Time.V
		}
		l.last = e.Time.V
	}
	switch e.Kind.V {
	case "engine_args":
		l.args = e.Facts
	case "ready":
		if e.Time.OK && l.ready.IsZero() {
			l.ready = e.Time.V
		}
	case "spec_decode":
		l.speculated(e.Facts)
	}
	if name := e.Facts["exception"]; name != "" && l.exception == "" {
		l.exception = oneSpace(name + ": " + e.Facts["error"])
	}
}
