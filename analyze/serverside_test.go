package analyze

import (
	"database/sql"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/query"
)

func at(clock string) time.Time {
	t, err := time.Parse("15:04:05.000", clock)
	if err != nil {
		panic(err)
	}
	return t.AddDate(2026, 10, 21)
}

func some(v float64) query.Number { return query.Number{V: v, Valid: true} }

// scrape is a sample of /metrics: n requests of 10 tokens were finished by then,
// each with a TTFT of 50 ms and an E2EL of 500 ms.
func scrape(clock string, n, running float64) query.ServerSample {
	return query.ServerSample{
		Place: "start s", Source: "prometheus", At: sql.NullTime{Time: at(clock), Valid: true}, ZoneKnown: true,
		Running: some(running), Waiting: some(0), Finished: some(n), OutputTokens: some(10 * n), InputTokens: some(20 * n),
		TTFTSum: some(0.05 * n), TTFTCount: some(n), E2ELSum: some(0.5 * n), E2ELCount: some(n),
	}
}

// logged is a sample of a server's log, which has no zone.
func logged(clock string, running, waiting float64) query.ServerSample {
	return query.ServerSample{Place: "start s", Source: "server_log", At: sql.NullTime{Time: at(clock), Valid: true}, Running: some(running), Waiting: some(waiting)}
}

// A client measures 40 requests from 12:00:00 on, for 20 s. Its clock says so, to
// the second, and not in which zone.
func measured(clock string) window {
	return window{runID: "r", known: true, start: at(clock), length: 20 * time.Second, completed: 40, tokens: 400}
}

func TestServersSideOfARun(t *testing.T) {
	kolkata := 5*time.Hour + 30*time.Minute
	dense := func(from, to string, every time.Duration, rate float64, busyFrom, busyTo string) []query.ServerSample {
		var out []query.ServerSample
		for t := at(from); !t.After(at(to)); t = t.Add(every) {
			busy := min(max(0, t.Sub(at(busyFrom)).Seconds()), at(busyTo).Sub(at(busyFrom)).Seconds())
			s := scrape("12:00:00.000", math.Floor(rate*busy), 0)
			if t.After(at(busyFrom)) && t.Before(at(busyTo)) {
				s.Running = some(4)
			}
			s.At.Time = t
			out = append(out, s)
		}
		return out
	}
	for _, c := range []struct {
		story   string
		samples []query.ServerSample
		window  window
		// what is found of requests, most in flight and their mean; NaN: nothing
		requests, most, mean float64
		says                 string
	}{
		{
			"a scrape before and one after: the counters' difference is the run, with a warm-up of two requests",
			[]query.ServerSample{scrape("11:59:59.300", 100, 0), scrape("12:00:21.700", 142, 0)}, measured("12:00:00.000"),
			42, math.NaN(), math.NaN(), "/metrics",
		},
		{
			"the date of a result is coarse: the scrape before the run is a second behind what the date makes its start",
			[]query.ServerSample{scrape("12:00:01.400", 100, 0), scrape("12:00:21.700", 142, 0)}, measured("12:00:00.000"),
			42, math.NaN(), math.NaN(), "",
		},
		{
			"and where there is an earlier one too, of before another run, the closer one counts",
			[]query.ServerSample{scrape("11:59:55.000", 60, 0), scrape("12:00:01.400", 100, 0), scrape("12:00:21.700", 142, 0)}, measured("12:00:00.000"),
			42, math.NaN(), math.NaN(), "",
		},
		{
			"the scrapes began inside the run: what they lack is not the client's fault",
			[]query.ServerSample{scrape("12:00:01.400", 103, 4), scrape("12:00:10.000", 120, 4), scrape("12:00:21.700", 140, 0)}, measured("12:00:00.000"),
			math.NaN(), 4, math.NaN(), "one sample",
		},
		{
			// AIPerf's Parquet file has nothing of before and after.
			"samples that begin and end with the benchmark, whose clock is no coarse one: they are around it",
			[]query.ServerSample{scrape("12:00:00.590", 0, 0), scrape("12:00:01.000", 1, 4), scrape("12:00:10.000", 20, 4), scrape("12:00:20.640", 42, 0)},
			func() window {
				w := measured("12:00:00.000")
				w.began, w.east = at("12:00:00.600"), new(time.Duration)
				return w
			}(),
			42, 4, math.NaN(), "one sample",
		},
		{
			"and where the server was started again between them, they do not count",
			[]query.ServerSample{scrape("12:00:00.590", 0, 0), scrape("12:00:05.000", 90, 4), scrape("12:00:10.000", 2, 4), scrape("12:00:20.640", 42, 0)},
			func() window {
				w := measured("12:00:00.000")
				w.began, w.east = at("12:00:00.600"), new(time.Duration)
				return w
			}(),
			math.NaN(), 4, math.NaN(), "2 samples",
		},
		{
			"scraped every second: nothing of the run's beginning and end is cut off, and the gauge has a mean",
			dense("11:59:00.000", "12:01:30.000", time.Second, 2, "12:00:00.500", "12:00:20.500"), measured("12:00:00.000"),
			40, 4, 4, "19 samples",
		},
		{
			"a client in Kolkata: the scrapes are UTC, and only +05:30 puts the run between them",
			[]query.ServerSample{scrape("11:59:59.300", 100, 0), scrape("12:00:21.700", 142, 0)}, measured("17:30:00.000"),
			42, math.NaN(), math.NaN(), "taking the client's clock to be +05:30 from its",
		},
		{
			"the same, with the zone said",
			[]query.ServerSample{scrape("11:59:59.300", 100, 0), scrape("12:00:21.700", 142, 0)},
			func() window { w := measured("17:30:00.000"); w.east = &kolkata; return w }(),
			42, math.NaN(), math.NaN(), "+05:30",
		},
		{
			"scraped for an hour with the same load every quarter: the zone is anybody's guess, and none is made",
			[]query.ServerSample{scrape("11:44:59.000", 0, 0), scrape("11:45:22.000", 40, 0), scrape("11:59:59.000", 40, 0), scrape("12:00:22.000", 80, 0), scrape("12:14:59.000", 80, 0), scrape("12:15:22.000", 120, 0)},
			measured("12:00:00.000"), math.NaN(), math.NaN(), math.NaN(), "the zone of the client's clock: 3 offsets",
		},
		{
			"scraped for hours, and only once were there as many requests: the counters tell the zone",
			[]query.ServerSample{scrape("10:59:59.000", 0, 0), scrape("11:00:22.000", 3, 0), scrape("11:59:59.000", 3, 0), scrape("12:00:22.000", 45, 0), scrape("12:59:59.000", 45, 0), scrape("13:00:22.000", 50, 0)},
			measured("12:00:00.000"), 42, math.NaN(), math.NaN(), "",
		},
		{
			"samples of another day",
			[]query.ServerSample{scrape("12:00:00.000", 0, 0)}, func() window { w := measured("12:00:00.000"); w.start = w.start.AddDate(0, 0, 3); return w }(),
			math.NaN(), math.NaN(), math.NaN(), "outside, in every zone",
		},
		{
			"a server that was started again between the scrapes counts from zero",
			[]query.ServerSample{scrape("11:59:59.300", 1000, 0), scrape("12:00:21.700", 20, 0)}, measured("12:00:00.000"),
			math.NaN(), math.NaN(), math.NaN(), "outside, in every zone",
		},
		{
			"the log alone: what ran, every ten seconds, by a clock without a zone",
			[]query.ServerSample{logged("11:59:50.000", 0, 0), logged("12:00:05.000", 4, 3), logged("12:00:15.000", 4, 0), logged("12:00:25.000", 0, 0)}, measured("12:00:00.000"),
			math.NaN(), 7, math.NaN(), "2 samples of the server's log",
		},
		{
			"scrapes for the counters, the log for what ran between them",
			[]query.ServerSample{scrape("11:59:59.300", 100, 0), scrape("12:00:21.700", 142, 0), logged("12:00:05.000", 5, 0)}, measured("12:00:00.000"),
			42, 5, math.NaN(), "one sample of the server's log",
		},
		{
			"scrapes saved without their time",
			[]query.ServerSample{{Place: "start s", Source: "prometheus", Finished: some(1)}}, measured("12:00:00.000"),
			math.NaN(), math.NaN(), math.NaN(), "times in the samples",
		},
		{"a result without a date", []query.ServerSample{scrape("11:59:59.300", 100, 0)}, window{runID: "r"}, math.NaN(), math.NaN(), math.NaN(), "a wall-clock anchor"},
		{"nothing was observed", nil, measured("12:00:00.000"), math.NaN(), math.NaN(), math.NaN(), "samples of the run's server start"},
	} {
		got := joinPlace(seriesByPlace(c.samples)["start s"], []window{c.window})[0]
		if !same(got.requests, c.requests) || !same(got.most, c.most) || !same(got.inFlight, c.mean) {
			t.Errorf("%s: %v requests, at most %v in flight, mean %v; want %v, %v, %v", c.story, got.requests, got.most, got.inFlight, c.requests, c.most, c.mean)
		}
		if said := got.missing + "; " + got.countedBy + "; " + got.seenBy; !strings.Contains(said, c.says) {
			t.Errorf("%s: says %q, not %q", c.story, said, c.says)
		}
		if (got.missing == "") == (math.IsNaN(c.requests) && math.IsNaN(c.most)) {
			t.Errorf("%s: missing %q", c.story, got.missing)
		}
		if !math.IsNaN(got.requests) && (!same(got.outputTokens, 10*got.requests) || !same(got.inputTokens, 20*got.requests) ||
			math.Abs(got.ttft-0.05) > 1e-9 || math.Abs(got.e2el-0.5) > 1e-9) {
			t.Errorf("%s: %+v", c.story, got)
		}
	}
}

// Runs of one start share their client's clock: the zone that one of them leaves
// open, another settles.
func TestRunsOfAStartShareTheirClock(t *testing.T) {
	samples := []query.ServerSample{
		scrape("11:44:59.000", 0, 0), scrape("11:45:22.000", 40, 0),
		scrape("11:59:59.000", 40, 0), scrape("12:00:22.000", 80, 0), scrape("12:01:22.000", 120, 0),
	}
	first, second := measured("12:00:00.000"), measured("12:01:01.000")
	got := joinPlace(seriesByPlace(samples)["start s"], []window{first, second})
	for i, want := range []float64{40, 40} {
		if got[i].requests != want {
			t.Errorf("run %d: %v requests, want %v: %s", i, got[i].requests, want, got[i].missing)
		}
	}
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// Speculation by scrapes of /metrics, as of vLLM 0.20 with drafts of three tokens: what
// the counters rose by over the run, by position too, and not what they stood at. A
// server that was restarted in between counts from nothing.
func TestDraftsOfScrapes(t *testing.T) {
	counting := func(clock string, n, drafts float64, at string) query.ServerSample {
		s := scrape(clock, n, 0)
		s.Drafts, s.Drafted, s.Accepted, s.AcceptedAt = some(drafts), some(3*drafts), some(1.5*drafts), query.Text{V: at, Valid: at != ""}
		return s
	}
	before := counting("11:59:58.000", 100, 1000, "900 400 200")
	for _, c := range []struct {
		story   string
		between []query.ServerSample
		want    draftCount
	}{
		{"as it should be", nil, draftCount{drafts: 200, drafted: 600, accepted: 300, at: []float64{180, 80, 40}}},
		{"restarted, and past where it was before", []query.ServerSample{counting("12:00:05.000", 3, 4, "3 2 1")}, draftCount{}},
	} {
		s := &serverSeries{source: "prometheus", zoneKnown: true, samples: append([]query.ServerSample{before}, c.between...)}
		s.samples = append(s.samples, counting("12:00:23.000", 140, 1200, "1080 480 240"))
		side := s.side(measured("12:00:00.000"), 0)
		if !reflect.DeepEqual(side.drafts, c.want) {
			t.Errorf("%s: %+v, want %+v", c.story, side.drafts, c.want)
		}
	}
	twice := draftCount{drafts: 1, at: []float64{1}}.add(draftCount{drafts: 3, drafted: 6, accepted: 3, at: []float64{2, 1}})
	if got := twice.byPosition(); got != "0.750, 0.250" {
		t.Errorf("over two runs: %s", got)
	}
}
