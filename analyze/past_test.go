package analyze

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/query"
)

// nights is a nightly benchmark: one start a night at two levels, from one night
// on slower by a factor, with the driver that came then.
func nights(n, change int, factor float64) (d *Data, runs []*Run) {
	d = &Data{}
	rng := rand.New(rand.NewPCG(1, 2))
	first := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	for i := range n {
		luck, driver, f := 1+0.005*rng.NormFloat64(), "550.54.15", 1.0
		if i >= change {
			driver, f = "560.28.03", factor
		}
		for _, level := range []int64{1, 8} {
			r := run("1", fmt.Sprintf("night-%02d", i), level, 0.01*luck*f)
			r.StartedAt = sql.NullTime{Time: first.AddDate(0, 0, i), Valid: true}
			r.Labels = map[string]string{"driver": driver, "operator": fmt.Sprint("shift ", i%3)}
			r.Sum.Gaps, r.Checks = query.Count{V: 792, Valid: true}, nil
			d.Runs = append(d.Runs, r)
		}
	}
	return d, d.Runs
}

func histories(t *testing.T, d *Data) []History {
	t.Helper()
	hs, err := Histories(d, HistoryOptions{Metrics: []string{"itl_mean"}})
	if err != nil {
		t.Fatal(err)
	}
	return hs
}

func TestHistoryFindsAStepAndWhatElseChanged(t *testing.T) {
	d, _ := nights(40, 24, 1.05)
	hs := histories(t, d)
	if len(hs) != 2 {
		t.Fatalf("%d series, want one a level", len(hs))
	}
	for _, h := range hs {
		if len(h.ChangePoints) != 1 || h.Order != ByDate || len(h.Levels) != 2 || !h.Discovery {
			t.Fatalf("%s at %d: %+v", h.Name, h.MaxConcurrency, h.ChangePoints)
		}
		c := h.ChangePoints[0]
		if c.Verdict != Regressed || c.Earliest.Time.After(c.At.Time) || c.Latest.Time.Before(c.At.Time) || !(c.Ratio.Lo < 1.05 && 1.05 < c.Ratio.Hi) {
			t.Errorf("%+v", c)
		}
		if c.At.Start != "night-24" {
			t.Errorf("at %s, want night-24", c.At.Start)
		}
		if len(c.Changed) != 1 || c.Changed[0].String() != "labels.driver: 550.54.15 → 560.28.03" {
			t.Errorf("what else changed: %v, want the driver and not who was on shift", c.Changed)
		}
	}
}

// One slow start is said, and is no change; a run whose audit failed is not even
// part of the level that others are compared with.
func TestSpikesAndSpoiledRunsAreNoChange(t *testing.T) {
	d, runs := nights(40, 40, 1)
	for _, r := range runs {
		switch r.ServerStart.V {
		case "night-12":
			r.Sum.ITLMean.V *= 1.36
		case "night-20", "night-21", "night-22", "night-23":
			r.Sum.Concurrency.V *= 0.5 // never reached what was asked for
			r.Sum.ITLMean.V *= 2
			r.check()
		}
	}
	for _, h := range histories(t, d) {
		if len(h.ChangePoints)+len(h.Drifts) > 0 {
			t.Errorf("%+v %+v", h.ChangePoints, h.Drifts)
		}
		if len(h.Spikes) != 1 || h.Spikes[0].At.Start != "night-12" {
			t.Errorf("spikes %+v", h.Spikes)
		}
		excluded := 0
		for _, p := range h.Points {
			if strings.HasPrefix(p.Excluded, "audit failed: T1") {
				excluded++
			}
		}
		if excluded != 4 || len(h.Points) != 40 {
			t.Errorf("%d of %d points left out", excluded, len(h.Points))
		}
	}
}

// Versions that were measured turn by turn on one day stand in the order of
// versions: in that of time they would alternate, and no step could be seen.
func TestInterleavedVersionsAreOrderedByVersion(t *testing.T) {
	d, runs := nights(24, 99, 1)
	for i, r := range runs {
		if i/2%2 == 1 {
			r.RuntimeVersion.V = "2"
			r.Sum.ITLMean.V *= 1.05
		}
	}
	slices.Reverse(d.Runs)
	for _, h := range histories(t, d) {
		if h.Order != ByVersion || len(h.ChangePoints) != 1 || h.ChangePoints[0].At.Version != "2" || h.ChangePoints[0].Previous.Version != "1" {
			t.Errorf("by %s: %+v", h.Order, h.ChangePoints)
		}
	}
}

func TestSlowDriftIsFound(t *testing.T) {
	d, runs := nights(42, 99, 1)
	for i, r := range runs {
		r.Sum.ITLMean.V *= 1 + 0.01*float64(i/2)/7 // 1 % a week
	}
	for _, h := range histories(t, d) {
		if len(h.Drifts) != 1 || h.Drifts[0].Verdict != Regressed || h.Drifts[0].Unit != "week" {
			t.Errorf("%+v", h.Drifts)
		}
	}
}

// A run of another length is another workload.
func TestOtherWorkloadsDoNotCount(t *testing.T) {
	d, runs := nights(30, 99, 1)
	runs[10].Sum.OutputTokens.V *= 3
	h := histories(t, d)[0]
	if len(h.Points) != 30 || !strings.Contains(h.Points[5].Excluded, "another workload: mean output length") {
		t.Errorf("%+v", h.Points[5])
	}
}

// One run of a candidate is at worst suspect, and only against ten starts.
func TestOneRunIsHeldAgainstItsHistory(t *testing.T) {
	for _, c := range []struct {
		past   int
		factor float64
		want   Verdict
	}{{14, 1.10, Suspect}, {14, 1, Inconclusive}, {14, 0.8, Inconclusive}, {9, 2, Inconclusive}} {
		b, _ := nights(c.past, 99, 1)
		one := &Data{}
		for _, level := range []int64{1, 8} {
			r := run("2", "new", level, 0.01*c.factor)
			r.Sum.Gaps = query.Count{V: 792, Valid: true}
			one.Runs = append(one.Runs, r)
		}
		got := Compare(b, one, "1", "2", CompareOptions{})[0]
		if got.Verdict != c.want || (got.History > 0) != (c.past >= 10) {
			t.Errorf("%d starts of history, factor %g: %s (history %d)", c.past, c.factor, got.Sentence, got.History)
		}
	}
}

// The history may be in the lake and not among what was selected.
func TestHistoryOfTheLakeIsOfWhatIsAlike(t *testing.T) {
	lake, _ := nights(20, 99, 1)
	baseline := lake.Only(func(r *Run) bool { return r.ServerStart.V == "night-00" })
	one := &Data{}
	for _, level := range []int64{1, 8} {
		r := run("2", "new", level, 0.011)
		r.Sum.Gaps = query.Count{V: 792, Valid: true}
		one.Runs = append(one.Runs, r)
	}
	if got := Compare(baseline, one, "1", "2", CompareOptions{History: lake})[0]; got.Verdict != Suspect || got.History != 20 {
		t.Errorf("%s (history %d)", got.Sentence, got.History)
	}
	for _, r := range lake.Runs[10:] { // of 20 nights 15 had another engine argument
		r.EngineArgs = map[string]string{"max_num_seqs": "8"}
	}
	for _, r := range lake.Runs[:10] {
		r.EngineArgs = map[string]string{"max_num_seqs": "64"}
	}
	for _, r := range one.Runs {
		r.EngineArgs = map[string]string{"max_num_seqs": "64"}
	}
	if got := Compare(baseline, one, "1", "2", CompareOptions{History: lake})[0]; got.Verdict != Inconclusive || got.History != 0 {
		t.Errorf("%s (history %d)", got.Sentence, got.History)
	}
}

// All groups of a report are one family: what a model shows is weighed against
// how many were looked at.
func TestGroupsAreOneFamily(t *testing.T) {
	b, c := arms(6, 1.05)
	alone := Compare(b, c, "1", "2", CompareOptions{})[0].Gate.Tests
	for i := range 9 {
		more, other := arms(6, 1)
		for _, r := range append(more.Runs, other.Runs...) {
			r.Model.V = fmt.Sprint("model ", i)
			r.RunID += r.Model.V
		}
		b.Runs, c.Runs = append(b.Runs, more.Runs...), append(c.Runs, other.Runs...)
	}
	if all := Compare(b, c, "1", "2", CompareOptions{}); all[0].Gate.Tests != 10*alone || len(all) != 10 {
		t.Errorf("%d tests in ten comparisons, %d in one", all[0].Gate.Tests, alone)
	}
}
