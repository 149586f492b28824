package analyze

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/servestat/servestat/analyze/query"
)

// A trial is one method on one set-up, with everything that was observed of it.
type trial struct {
	setup   CanarySetup
	method  string
	servers []*watchedServer
	without []*watchedServer // on the same set-up

	drafts   []query.Draft
	silences []query.Silence
	result   *Comparison // with the method against without
	restored *Comparison // after it against before
	noBefore bool
	noAfter  bool
}

// A watch is a canary while it is made.
type watch struct {
	opts    CanaryOptions
	servers []*watchedServer
	trials  []*trial
	current map[Group]*watchedServer // the newest server of each model, hardware and path
}

func newWatch(servers []*watchedServer, opts CanaryOptions) *watch {
	w := &watch{opts: opts, servers: servers, current: map[Group]*watchedServer{}}
	adopt(servers)
	at := map[string]*trial{}
	for _, s := range servers {
		g := s.group()
		if newest := w.current[g]; len(s.runs)+len(s.logs) > 0 && (newest == nil || s.newerThan(newest)) {
			w.current[g] = s
		}
		if s.method == "" {
			continue
		}
		key := s.setup.key() + s.method
		if at[key] == nil {
			at[key] = &trial{setup: s.setup, method: s.method}
			w.trials = append(w.trials, at[key])
		}
		at[key].servers = append(at[key].servers, s)
	}
	for _, t := range w.trials {
		for _, s := range servers {
			if s.method == "" && s.setup.key() == t.setup.key() {
				t.without = append(t.without, s)
			}
		}
	}
	return w
}

// adopt completes what is not recorded of servers without runs from the only servers
// with runs that they can be of: a log does not say its GPU.
func adopt(servers []*watchedServer) {
	for _, s := range servers {
		if len(s.runs) > 0 {
			continue
		}
		fits := map[string]CanarySetup{}
		for _, o := range servers {
			if len(o.runs) > 0 && s.setup.fits(o.setup) {
				fits[o.setup.key()] = o.setup
			}
		}
		if len(fits) == 1 {
			for _, setup := range fits {
				s.setup = setup
			}
		}
	}
}

// fits reports whether a set-up differs from another in nothing but what is not
// recorded of it.
func (s CanarySetup) fits(o CanarySetup) bool {
	sameModel := compatible(s.Model, o.Model) || s.Checkpoint != "" && s.Checkpoint == o.Checkpoint
	return sameModel && compatible(s.Hardware, o.Hardware) && compatible(s.Path, o.Path) && compatible(s.Checkpoint, o.Checkpoint) &&
		compatible(s.Image, o.Image) && compatible(s.Runtime, o.Runtime) && compatible(s.Version, o.Version) &&
		(len(s.Flags) == 0 || slices.Equal(s.Flags, o.Flags))
}

func (s *watchedServer) group() Group {
	return Group{Model: s.setup.Model, Hardware: s.setup.Hardware, Path: s.setup.Path}
}

// newerThan orders servers by time; where one has none, by version.
func (s *watchedServer) newerThan(o *watchedServer) bool {
	if !s.last.IsZero() && !o.last.IsZero() && !s.last.Equal(o.last) {
		return s.last.After(o.last)
	}
	return compareVersions(s.setup.Version, o.setup.Version) > 0
}

func (t *trial) runs() []*Run { return runsOf(t.servers) }

func runsOf(servers []*watchedServer) []*Run {
	var out []*Run
	for _, s := range servers {
		out = append(out, s.runs...)
	}
	return out
}

func answersOfServers(servers []*watchedServer) []query.JudgedAnswer {
	var out []query.JudgedAnswer
	for _, s := range servers {
		out = append(out, s.answers...)
	}
	return out
}

// last is the day of the newest evidence.
func (t *trial) last() string {
	var newest time.Time
	for _, s := range t.servers {
		if s.last.After(newest) {
			newest = s.last
		}
	}
	if newest.IsZero() {
		return ""
	}
	return newest.Format(time.DateOnly)
}

// evidence reads what only the requests and tokens of a trial's runs say.
func (w *watch) evidence(ctx context.Context, t *trial) error {
	for _, s := range t.servers {
		if len(s.runs) == 0 {
			continue
		}
		drafts, err := s.db.Drafts(ctx, selectRuns(s.runs))
		if err != nil {
			return err
		}
		silences, err := s.db.Silences(ctx, selectRuns(s.runs), longestSilence)
		if err != nil {
			return err
		}
		t.drafts, t.silences = append(t.drafts, drafts...), append(t.silences, silences...)
	}
	return nil
}

// compare makes the comparisons of all trials: those of one kind are one family.
func (w *watch) compare() {
	w.family(func(t *trial) (b, c []*Run) { return runsOf(t.without), t.runs() },
		func(t *trial) (string, string) { return "without speculation", t.method }, func(t *trial, c *Comparison) { t.result = c })
	w.family(func(t *trial) (b, c []*Run) {
		b, c = t.aroundIt()
		t.noBefore, t.noAfter = len(b) == 0, len(c) == 0
		return b, c
	}, func(*trial) (string, string) { return "before it", "after it" }, func(t *trial, c *Comparison) { t.restored = c })
}

func (w *watch) family(sides func(*trial) (b, c []*Run), labels func(*trial) (string, string), take func(*trial, *Comparison)) {
	var f family
	var of []*trial
	for _, t := range w.trials {
		b, c := sides(t)
		if len(b) == 0 || len(c) == 0 {
			continue
		}
		before, after := labels(t)
		was := len(f)
		f.add(&Data{Runs: b}, &Data{Runs: c}, before, after, w.opts.CompareOptions)
		for range len(f) - was {
			of = append(of, t)
		}
	}
	judged := f.judge(w.opts.CompareOptions)
	for i := range judged {
		take(of[i], &judged[i])
	}
}

// aroundIt are the runs without the method that were made before the first with it,
// and after the last.
func (t *trial) aroundIt() (before, after []*Run) {
	var first, last time.Time
	for _, r := range t.runs() {
		if !r.StartedAt.Valid {
			return nil, nil
		}
		if first.IsZero() || r.StartedAt.Time.Before(first) {
			first = r.StartedAt.Time
		}
		if r.StartedAt.Time.After(last) {
			last = r.StartedAt.Time
		}
	}
	for _, r := range runsOf(t.without) {
		switch {
		case !r.StartedAt.Valid:
		case r.StartedAt.Time.Before(first):
			before = append(before, r)
		case r.StartedAt.Time.After(last):
			after = append(after, r)
		}
	}
	return before, after
}

// cell answers all rules about a trial.
func (w *watch) cell(t *trial) CanaryCell {
	c := CanaryCell{Setup: t.setup, Method: t.method, Tested: t.last(), Runs: len(t.runs()), Against: len(runsOf(t.without)), Compare: t.result}
	newest := w.current[Group{t.setup.Model, t.setup.Hardware, t.setup.Path}]
	c.Current = newest == nil || newest.setup.key() == t.setup.key()
	if !c.Current {
		c.Expired = t.setup.differences(newest.setup)
	}
	c.Grid = t.grid(w.opts)
	c.Rulings = []Ruling{
		t.startUp(), t.throughput(), t.acceptance(), t.bundles(), t.outputQuality(w.opts), t.parsers(w.opts), t.rollback(), expiry(&c), t.hangs(), gridRuling(c.Grid),
	}
	c.settle(t)
	return c
}

// mustKnow are the rules without which a method is not tested.
var mustKnow = []string{"D1", "D2", "D3", "D4", "D5", "D6", "D7"}

func (c *CanaryCell) settle(t *trial) {
	c.Standing = worstStanding(slices.DeleteFunc(slices.Clone(c.Rulings), func(r Ruling) bool { return r.Rule == "D8" }))
	for _, r := range c.Rulings {
		if r.Standing == Untested && slices.Contains(mustKnow, r.Rule) {
			c.Missing = append(c.Missing, r.Rule)
		}
		if r.Verdict == Inconclusive || r.Verdict == Suspect {
			c.Open = append(c.Open, r.Rule)
		}
	}
	if c.Standing == Passed && len(c.Missing) > 0 {
		c.Standing = Untested
	}
}

// neverTested are the cells of current set-ups in which a method was not tried that
// was tried elsewhere with the model.
func (w *watch) neverTested() []CanaryCell {
	var out []CanaryCell
	groups := slices.SortedFunc(maps.Keys(w.current), func(a, b Group) int { return strings.Compare(a.String(), b.String()) })
	for _, g := range groups {
		now := w.current[g].setup
		methods := map[string]*trial{}
		tested := map[string]bool{}
		for _, t := range w.trials {
			if t.setup.Model != g.Model {
				continue
			}
			if t.setup.key() == now.key() {
				tested[t.method] = true
			}
			if o := methods[t.method]; o == nil || t.last() > o.last() {
				methods[t.method] = t
			}
		}
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			if !tested[method] {
				out = append(out, untestedCell(now, methods[method]))
			}
		}
	}
	return out
}

func untestedCell(now CanarySetup, elsewhere *trial) CanaryCell {
	c := CanaryCell{Setup: now, Method: elsewhere.method, Standing: Untested, Current: true}
	why := "not tested on this set-up"
	for i, name := range canaryRules {
		c.Rulings = append(c.Rulings, untested(fmt.Sprintf("D%d", i+1), name, why, "run the canary here"))
	}
	changed := elsewhere.setup.differences(now)
	c.Rulings[7].Says = fmt.Sprintf("canary stale: tested %s, and since then %s", cmp.Or(elsewhere.last(), "without a date"), strings.Join(changed, "; "))
	c.Missing = mustKnow
	return c
}

// canaryRules are the names of D1 to D10.
var canaryRules = []string{
	"start-up", "throughput", "acceptance", "chunks and tokens", "output quality", "parser compatibility", "rollback", "still valid", "no hangs", "ways of use",
}

// number of a tool's summary; false where it has none.
func reported(r *Run, key string) (float64, bool) {
	return numberIn(r.Reported, key)
}

func numberIn(o query.Object, key string) (float64, bool) {
	v, err := strconv.ParseFloat(o.Get(key), 64)
	return v, err == nil
}

// speculated takes in a line of a log about the last interval.
func (l *watchedLog) speculated(facts map[string]string) {
	figure := func(name string) float64 {
		v, err := strconv.ParseFloat(facts[name], 64)
		if err != nil {
			return math.NaN()
		}
		return v
	}
	accepted, drafted := figure("accepted"), figure("drafted")
	if accepted >= 0 && drafted > 0 {
		l.accepted, l.drafted = l.accepted+accepted, l.drafted+drafted
		l.rates = append(l.rates, accepted/drafted)
	}
	if length := figure("mean_acceptance_length"); length > 0 {
		l.lengths = append(l.lengths, length)
	}
}
