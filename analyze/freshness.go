package analyze

import "time"

// A Freshness says on which days of a week a group has runs, and on which it has
// none though it used to.
type Freshness struct {
	Group Group   `json:"group"`
	Days  []Night `json:"days"`           // Monday to Sunday
	Last  string  `json:"last,omitempty"` // day of its last run before the week
}

// A Night is a day of a week, by the clients' clocks.
type Night struct {
	Date string `json:"date"`
	Runs int    `json:"runs"`
	// Missing is true where the group has no run, had one on this day of the week
	// in the four weeks before, and others have runs on this day or later.
	Missing bool `json:"missing"`
	// Ahead is true where no run of any group is of this day or later: the week is
	// not over, or nothing ran any more.
	Ahead bool `json:"ahead,omitempty"`
}

// weeksBefore is how far back a habit is looked for.
const weeksBefore = 4

// freshness is that of every group that ran in a week or in the four before it.
func freshness(d *Data, week string) []Freshness {
	if !isWeek(week) {
		return nil
	}
	monday := mondayOf(week)
	var newest time.Time
	for _, r := range d.Runs {
		if r.StartedAt.Valid && r.StartedAt.Time.After(newest) {
			newest = r.StartedAt.Time
		}
	}
	var out []Freshness
	groups := byGroup(d.Only(func(r *Run) bool { return r.StartedAt.Valid }).Runs)
	for _, g := range sortedGroups(groups) {
		if f, ok := freshnessOf(groups[g], monday, newest); ok {
			f.Group = g
			out = append(out, f)
		}
	}
	return out
}

// freshnessOf counts the runs of a group by day; false where it has none in the
// week and none in the weeks before.
func freshnessOf(runs []*Run, monday, newest time.Time) (Freshness, bool) {
	f := Freshness{Days: make([]Night, 7)}
	var habit [7]bool
	recent := false
	for _, r := range runs {
		at := r.StartedAt.Time
		day := dayOf(at)
		back := int(monday.Sub(day).Hours()) / 24 // days before Monday
		switch {
		case back <= 0 && back > -7:
			f.Days[-back].Runs++
			recent = true
		case back > 0 && back <= 7*weeksBefore:
			habit[(7*weeksBefore-back)%7] = true
			recent = true
			fallthrough
		case back > 0:
			f.Last = max(f.Last, day.Format(time.DateOnly))
		}
	}
	for i := range f.Days {
		n := &f.Days[i]
		day := monday.AddDate(0, 0, i)
		n.Date = day.Format(time.DateOnly)
		n.Ahead = day.After(newest)
		n.Missing = n.Runs == 0 && habit[i] && !n.Ahead
	}
	return f, recent
}

func dayOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}
