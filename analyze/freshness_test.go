package analyze

import (
	"database/sql"
	"strings"
	"testing"
	"time"
)

// ran is a run of a model on a day.
func ran(model, day string) *Run {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	r := run("1", model+" "+day, 1, 0.01)
	r.Model.V, r.Model.Valid = model, true
	r.StartedAt = sql.NullTime{Time: at.Add(2 * time.Hour), Valid: true}
	return r
}

// week draws a week's days: a number of runs, x where they are missing, - where none
// was usual, and a blank for what is still to come.
func week(f Freshness) string {
	var b strings.Builder
	for _, n := range f.Days {
		switch {
		case n.Runs > 0:
			b.WriteByte(byte('0' + n.Runs))
		case n.Missing:
			b.WriteByte('x')
		case n.Ahead:
			b.WriteByte(' ')
		default:
			b.WriteByte('-')
		}
	}
	return b.String()
}

// Days with no data passed silently for a dashboard that nobody looked at twice
// (test-infra#7830). A night is missing where the group used to run on that day of
// the week, and only once somebody ran on it or later: else it is still to come.
func TestFreshnessSaysWhichNightsAreMissing(t *testing.T) {
	const monday, of = "2026-11-16", "2026-W47"
	for _, c := range []struct {
		name string
		days []string // of model a
		also []string // of model b
		want string   // of model a
		last string
	}{
		{"every night as usual", []string{"2026-11-09", monday, monday}, nil, "2      ", "2026-11-09"},
		{"Monday missing, Tuesday ran", []string{"2026-11-09", "2026-11-10", "2026-11-17"}, nil, "x1     ", "2026-11-10"},
		{"nobody ran on Tuesday or later", []string{"2026-11-10", monday}, nil, "1      ", "2026-11-10"},
		{"another model ran on Wednesday", []string{"2026-11-10", monday}, []string{"2026-11-18"}, "1x-    ", "2026-11-10"},
		{"a habit of four weeks ago counts", []string{"2026-10-19", "2026-11-17"}, nil, "x1     ", "2026-10-19"},
		{"one of five weeks ago does not", []string{"2026-10-12", "2026-11-17"}, nil, "-1     ", "2026-10-12"},
		{"all of the week missing", []string{"2026-11-13"}, []string{"2026-11-22"}, "----x--", "2026-11-13"},
		{"a new model has no habit", []string{"2026-11-18"}, nil, "--1    ", ""},
	} {
		d := &Data{}
		for _, day := range c.days {
			d.Runs = append(d.Runs, ran("a", day))
		}
		for _, day := range c.also {
			d.Runs = append(d.Runs, ran("b", day))
		}
		found := freshness(d, of)
		if len(found) == 0 || found[0].Group.Model != "a" {
			t.Errorf("%s: nothing is said of model a", c.name)
			continue
		}
		if got := week(found[0]); got != c.want || found[0].Last != c.last || found[0].Days[0].Date != monday {
			t.Errorf("%s: %q from %s, last before %q; want %q, %q", c.name, got, found[0].Days[0].Date, found[0].Last, c.want, c.last)
		}
	}
}

// A group that neither ran nor used to run has no line: a model that was dropped in
// spring is not missing in autumn.
func TestFreshnessForgets(t *testing.T) {
	d := &Data{Runs: []*Run{ran("dropped", "2026-03-02"), ran("a", "2026-11-16")}}
	if found := freshness(d, "2026-W47"); len(found) != 1 || found[0].Group.Model != "a" {
		t.Errorf("%+v", found)
	}
	if found := freshness(d, "(no run has a date)"); found != nil {
		t.Errorf("of no week: %+v", found)
	}
}
