package analyze

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/servestat/servestat/analyze/query"
)

// A serverSide is what the server said of itself during a run. What is not known
// is NaN; missing says why.
type serverSide struct {
	counted
	// Of the samples inside the run: requests running and waiting.
	inFlight float64 // mean; NaN below leastGauges samples
	most     float64
	// Who said so, and how its clock was joined with the client's.
	countedBy, seenBy string
	missing           string
}

// counted is what the counters rose by between the samples around a run: requests
// finished, tokens, means in s.
type counted struct {
	requests, outputTokens, inputTokens float64
	ttft, e2el                          float64
	cachedShare                         float64 // of the prompt tokens, found in the prefix cache
	wider                               float64 // s that the samples lie further apart than the run is long
	drafts                              draftCount
}

func uncounted() counted {
	nan := math.NaN()
	return counted{requests: nan, outputTokens: nan, inputTokens: nan, ttft: nan, e2el: nan, cachedShare: nan, wider: nan}
}

func noServerSide(why string) *serverSide {
	return &serverSide{counted: uncounted(), inFlight: math.NaN(), most: math.NaN(), missing: why}
}

const (
	// leastGauges is how many samples of a gauge make a mean.
	leastGauges = 3
	// coarse is how far a run may have begun and ended after its anchor: the date
	// of a result has a resolution of a second, and so has the start that is
	// computed from it.
	coarse = 2 * time.Second
	// zoneStep is what the offsets of all zones are multiples of, and zoneMost the
	// largest of them.
	zoneStep, zoneMost = 15 * time.Minute, 14 * time.Hour
)

// serverSides joins the runs with what was observed of their servers.
func serverSides(ctx context.Context, db *query.DB, where string, runs []query.RunIdentity) (map[string]*serverSide, error) {
	samples, err := db.ServerSamples(ctx, where)
	if err != nil {
		return nil, err
	}
	places, err := db.RunPlaces(ctx, where)
	if err != nil {
		return nil, err
	}
	at := map[string]query.RunPlace{}
	for _, p := range places {
		at[p.RunID] = p
	}
	windows := map[string][]window{}
	for i := range runs {
		p := at[runs[i].RunID]
		windows[p.Place] = append(windows[p.Place], windowOf(&runs[i]))
	}
	observed := seriesByPlace(samples)
	out := map[string]*serverSide{}
	for place, all := range windows {
		for i, side := range joinPlace(observed[place], all) {
			out[all[i].runID] = side
		}
	}
	return out, nil
}

// A window is when a run was measured, by the client's wall clock.
type window struct {
	runID     string
	known     bool // the run has an anchor
	start     time.Time
	length    time.Duration
	completed float64
	tokens    float64 // that the client counted
	// began is when it started to less than a second; zero where that is not known.
	began time.Time
	// east is how far its clock is ahead of UTC, where that is known.
	east *time.Duration
}

func windowOf(r *query.RunIdentity) window {
	w := window{runID: r.RunID, completed: float64(r.Completed.V), tokens: float64(r.OutputTokens.V)}
	if r.StartedAt.Valid && r.DurationS.Valid {
		w.known, w.start, w.length = true, r.StartedAt.Time, time.Duration(r.DurationS.V*float64(time.Second))
	}
	if r.Epoch {
		w.east = new(time.Duration)
		if w.known && r.EndedAt.Valid {
			w.began = r.EndedAt.Time.Add(-w.length)
		}
	} else if t, err := time.Parse("Z07:00", r.Labels["utc_offset"]); err == nil {
		_, seconds := t.Zone()
		east := time.Duration(seconds) * time.Second
		w.east = &east
	}
	return w
}

// A serverSeries is what one source said in one place, in order of time.
type serverSeries struct {
	source    string
	zoneKnown bool
	samples   []query.ServerSample
	timeless  bool // some samples have no time and are left out
}

// counts reports whether the series has counters, and not gauges alone.
func (s *serverSeries) counts() bool {
	return slices.ContainsFunc(s.samples, func(x query.ServerSample) bool { return x.Finished.Valid || x.OutputTokens.Valid })
}

// seriesByPlace groups samples, which come by place, source and zone.
func seriesByPlace(samples []query.ServerSample) map[string][]*serverSeries {
	out := map[string][]*serverSeries{}
	for _, x := range samples {
		all := out[x.Place]
		if n := len(all); n == 0 || all[n-1].source != x.Source || all[n-1].zoneKnown != x.ZoneKnown {
			all = append(all, &serverSeries{source: x.Source, zoneKnown: x.ZoneKnown})
			out[x.Place] = all
		}
		s := all[len(all)-1]
		if !x.At.Valid {
			s.timeless = true
			continue
		}
		s.samples = append(s.samples, x)
	}
	for _, all := range out {
		slices.SortStableFunc(all, func(a, b *serverSeries) int { return rank(a) - rank(b) })
	}
	return out
}

// rank puts sources that know most first.
func rank(s *serverSeries) int {
	if s.counts() {
		return 0
	}
	return 1
}

// joinPlace gives each run what the series of its place say of it: the first that
// knows, and gauges from another where that has none.
func joinPlace(all []*serverSeries, windows []window) []*serverSide {
	out := make([]*serverSide, len(windows))
	for i, w := range windows {
		why := "samples of the run's server start: ingest /metrics scrapes or the server log with the results, and say server_start"
		if !w.known {
			why = "a wall-clock anchor: the result file has no date"
		}
		out[i] = noServerSide(why)
	}
	for _, s := range all {
		estimated, whyNot := s.offset(windows)
		for i, w := range windows {
			if !w.known {
				continue
			}
			offset, why := estimated, whyNot
			if s.zoneKnown && w.east != nil && len(s.samples) > 0 {
				offset, why = *w.east, ""
			}
			if why != "" {
				out[i].lacks(why)
				continue
			}
			out[i].fill(s.side(w, offset))
		}
	}
	return out
}

// lacks says why a source does not help, unless another does.
func (v *serverSide) lacks(why string) {
	if v.missing != "" {
		v.missing = why
	}
}

// fill takes over what v does not know yet.
func (v *serverSide) fill(o *serverSide) {
	if o.missing != "" {
		v.lacks(o.missing)
		return
	}
	v.missing = ""
	if math.IsNaN(v.outputTokens) {
		v.counted, v.countedBy = o.counted, o.countedBy
	}
	if math.IsNaN(v.most) {
		v.inFlight, v.most, v.seenBy = o.inFlight, o.most, o.seenBy
	}
}

// offset finds how far the runs' clock is ahead of the series', where nobody says:
// the one offset of a zone at which the runs lie inside the samples and the server
// finished their requests; why says what is missing where there is none.
func (s *serverSeries) offset(windows []window) (offset time.Duration, why string) {
	if len(s.samples) == 0 {
		return 0, "times in the samples: put a line with the time before each scrape"
	}
	var best []time.Duration
	most := 0
	for o := -zoneMost; o <= zoneMost; o += zoneStep {
		score := 0
		for _, w := range windows {
			if w.known {
				score += s.fits(w, o)
			}
		}
		switch {
		case score > most:
			best, most = []time.Duration{o}, score
		case score == most && score > 0:
			best = append(best, o)
		}
	}
	switch len(best) {
	case 0:
		return 0, "samples from the time of the run: those that there are lie outside, in every zone"
	case 1:
		return best[0], ""
	}
	return 0, fmt.Sprintf("the zone of the client's clock: %d offsets from that of the samples fit (%s); say utc_offset in servestat.yaml", len(best), offsets(best))
}

func offsets(all []time.Duration) string {
	const shown = 4
	var names []string
	for i, o := range all {
		if i == shown {
			names = append(names, "…")
			break
		}
		names = append(names, offsetName(o))
	}
	return strings.Join(names, ", ")
}

func offsetName(o time.Duration) string {
	return time.Unix(0, 0).In(time.FixedZone("", int(o/time.Second))).Format("-07:00")
}

// fits says how well a run fits at an offset: 0 where the samples do not cover it,
// 1 where they do, and 1000 more where they also agree that its requests came.
func (s *serverSeries) fits(w window, offset time.Duration) int {
	side := s.side(w, offset)
	switch {
	case side.missing != "":
		return 0
	case within(side.requests, w.completed), math.IsNaN(side.requests) && within(side.outputTokens, w.tokens),
		math.IsNaN(side.outputTokens) && side.most > 0:
		return 1001
	}
	return 1
}

// within reports whether a server that counted n could have made what the client
// saw, and little besides: a warm-up.
func within(n, seen float64) bool { return n >= seen && n <= 2*seen+16 }

// side is what the series says of a run whose clock is ahead by offset.
func (s *serverSeries) side(w window, offset time.Duration) *serverSide {
	v := noServerSide("samples from the time of the run")
	start := w.start.Add(-offset)
	end := start.Add(w.length)
	n := s.gauge(v, start.Add(coarse), end)
	if s.counts() {
		s.count(v, w, start, end)
	}
	if math.IsNaN(v.most) && math.IsNaN(v.outputTokens) {
		return v
	}
	v.missing = ""
	v.countedBy = sourceName(s.source)
	if offset != 0 {
		v.countedBy += fmt.Sprintf(", taking the client's clock to be %s from its", offsetName(offset))
	}
	v.seenBy = fmt.Sprintf("%d samples of %s", n, v.countedBy)
	if n == 1 {
		v.seenBy = "one sample of " + v.countedBy
	}
	return v
}

func sourceName(source string) string {
	return map[string]string{"prometheus": "/metrics", "server_log": "the server's log", "powertrace": "engine counters"}[source]
}

// gauge takes the requests on the server from the samples inside a run, and
// returns how many there are.
func (s *serverSeries) gauge(v *serverSide, from, to time.Time) (n int) {
	sum := 0.0
	for _, x := range s.samples[s.after(from):] {
		if x.At.Time.After(to) {
			break
		}
		if !x.Running.Valid || !x.Waiting.Valid {
			continue
		}
		load := x.Running.V + x.Waiting.V
		sum += load
		if n++; n == 1 || load > v.most {
			v.most = load
		}
	}
	if n >= leastGauges {
		v.inFlight = sum / float64(n)
	}
	return n
}

// after is the index of the first sample at t or later.
func (s *serverSeries) after(t time.Time) int {
	i, _ := slices.BinarySearchFunc(s.samples, t, func(x query.ServerSample, t time.Time) int { return x.At.Time.Compare(t) })
	return i
}

// count takes what the counters rose by between the samples around a run: the
// closest pair between which the server finished as many requests and made as
// many tokens as the client saw, or else the widest. For the anchor is coarse, a
// sample just inside may be the one that was taken before the run. Where it is not
// coarse, the samples right before and behind the run come first.
func (s *serverSeries) count(v *serverSide, w window, start, end time.Time) {
	if !w.began.IsZero() {
		from := w.began.Add(start.Sub(w.start)) // by the clock of the samples
		b, a := s.after(from)-1, s.after(from.Add(w.length))
		if b >= 0 && a < len(s.samples) && !s.restarted(b, a) && s.rise(v, &s.samples[b], &s.samples[a], w) {
			return
		}
	}
	late, early := s.after(start.Add(coarse))-1, s.after(start.Add(-time.Second))-1
	soon, later := s.after(end), s.after(end.Add(coarse+time.Second))
	for _, pair := range [][2]int{{late, soon}, {late, later}, {early, soon}, {early, later}} {
		b, a := pair[0], pair[1]
		if b < 0 || a >= len(s.samples) || b >= a || s.restarted(b, a) {
			continue
		}
		if s.rise(v, &s.samples[b], &s.samples[a], w) {
			return
		}
	}
	if early < 0 && late >= 0 && s.samples[late].At.Time.After(start) {
		// They began inside the run, and what they lack says nothing of the client.
		v.counted = uncounted()
	}
}

// restarted reports whether the server began to count anew between two samples: what
// the later has more than the earlier is then not what came in between.
func (s *serverSeries) restarted(from, to int) bool {
	for i := from; i < to; i++ {
		if orNaN(s.samples[i+1].OutputTokens) < orNaN(s.samples[i].OutputTokens) {
			return true
		}
	}
	return false
}

// rise fills v with the difference between two samples, and reports whether it
// holds the whole run.
func (s *serverSeries) rise(v *serverSide, before, after *query.ServerSample, w window) bool {
	requests, tokens := orNaN(after.Finished)-orNaN(before.Finished), orNaN(after.OutputTokens)-orNaN(before.OutputTokens)
	if requests < 0 || !(tokens >= 0) {
		return false
	}
	v.requests, v.outputTokens = requests, tokens
	v.inputTokens = orNaN(after.InputTokens) - orNaN(before.InputTokens)
	v.ttft = (orNaN(after.TTFTSum) - orNaN(before.TTFTSum)) / (orNaN(after.TTFTCount) - orNaN(before.TTFTCount))
	v.e2el = (orNaN(after.E2ELSum) - orNaN(before.E2ELSum)) / (orNaN(after.E2ELCount) - orNaN(before.E2ELCount))
	v.cachedShare = (orNaN(after.CacheHits) - orNaN(before.CacheHits)) / (orNaN(after.CacheQueries) - orNaN(before.CacheQueries))
	v.wider = after.At.Time.Sub(before.At.Time).Seconds() - w.length.Seconds()
	v.drafts = draftsOf(after).less(draftsOf(before))
	return !(requests < w.completed) && tokens >= w.tokens
}

// draftsOf are a server's counters of speculative decoding.
func draftsOf(s *query.ServerSample) draftCount {
	d := draftCount{drafts: s.Drafts.V, drafted: s.Drafted.V, accepted: s.Accepted.V}
	for _, n := range strings.Fields(s.AcceptedAt.V) {
		v, err := strconv.ParseFloat(n, 64)
		if err != nil {
			return d
		}
		d.at = append(d.at, v)
	}
	return d
}

// less is what counters rose by. Those that fell are of another start of the server,
// and say nothing.
func (d draftCount) less(before draftCount) draftCount {
	out := draftCount{drafts: d.drafts - before.drafts, drafted: d.drafted - before.drafted, accepted: d.accepted - before.accepted, at: slices.Clone(d.at)}
	for i := range min(len(out.at), len(before.at)) {
		out.at[i] -= before.at[i]
	}
	fell := func(n float64) bool { return n < 0 }
	if fell(out.drafts) || fell(out.drafted) || fell(out.accepted) || slices.ContainsFunc(out.at, fell) {
		return draftCount{}
	}
	return out
}

// add adds up what several runs drafted.
func (d draftCount) add(o draftCount) draftCount {
	sum := draftCount{drafts: d.drafts + o.drafts, drafted: d.drafted + o.drafted, accepted: d.accepted + o.accepted, at: slices.Clone(d.at)}
	for i, n := range o.at {
		if i == len(sum.at) {
			sum.at = append(sum.at, 0)
		}
		sum.at[i] += n
	}
	return sum
}
