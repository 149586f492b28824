package markdown

import (
	"fmt"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/scale"
)

// sweep is the section of the i-th sweep.
func (r *report) sweep(p *page, i int) {
	s := r.sweeps[i]
	p.heading(3, fmt.Sprintf("curves-%d", i+1), subject(s.Group))
	var facts []string
	for k := range s.Series {
		facts = append(facts, seriesFacts(&s.Series[k])...)
	}
	p.bullets(facts)
	if len(s.Warnings) > 0 {
		p.block("Not alike in all runs, though treated as alike:")
		p.bullets(capped(proses(s.Warnings), 20, " in [report.json](report.json)"))
	}
	for _, key := range r.drawn[i] {
		r.picture(p, key)
	}
	loadPoints(p, s)
	fits(p, s)
	curveChanges(p, s)
}

// curveChanges lists what differs between the curves of consecutive versions.
func curveChanges(p *page, s analyze.Sweep) {
	t := table{"lllrl", []string{"curve", "quantity", "from, to", "change", ""}, nil}
	for _, c := range s.Changes {
		change := prose(c.Note)
		if c.Ratio.HasInterval {
			change = scale.ChangeWithInterval(number(c.Ratio))
		}
		verdict := "no change shown"
		if c.Changed {
			verdict = "**changed**"
		}
		t.add(prose(metricName(c.Metric)), prose(c.Quantity)+": "+prose(c.Meaning), version(c.Baseline)+", "+version(c.Candidate), change, verdict)
	}
	if len(t.rows) > 0 {
		p.text("**What changed in the curves**; intervals hold together for all quantities of a curve")
		p.table(t)
	}
}

// seriesFacts are the sentences about one version: how it degrades, which
// objectives it meets, what qualifies all of its numbers.
func seriesFacts(s *analyze.Series) []string {
	name := version(s.Version)
	if s.Simulated {
		name += " (simulated)"
	}
	var facts []string
	if d := degradationInWords(s); d != "" {
		facts = append(facts, fmt.Sprintf("%s: %s.%s", name, d, sentences(s.Degradation.Value.Notes)))
	}
	for _, o := range s.Objectives {
		facts = append(facts, fmt.Sprintf("%s: objective %s", name, sentence(o.Sentence)))
	}
	for _, n := range s.Notes {
		facts = append(facts, fmt.Sprintf("%s: %s", name, sentence(n)))
	}
	return facts
}

// sentences appends remarks to a sentence.
func sentences(remarks []string) string {
	var b strings.Builder
	for _, s := range remarks {
		b.WriteString(" " + capital(sentence(s)))
	}
	return b.String()
}

// degradationInWords names both ends of the factor, so that nobody has to
// believe the factor alone: "ITL(32)/ITL(1) = 4.65× [4.61, 4.69], 65.9 ms / 14.2
// ms, 5 server starts".
func degradationInWords(s *analyze.Series) string {
	d := s.Degradation
	if d == nil {
		return ""
	}
	u := scale.For("s", number(d.Numerator), number(d.Denominator))
	return fmt.Sprintf("ITL(%s)/ITL(%s) = %s, %s / %s, %s", asked(d.ToLevel), asked(d.FromLevel), scale.FactorWithInterval(number(d.Value)),
		u.FormatWithUnit(number(d.Numerator)), u.FormatWithUnit(number(d.Denominator)), starts(s.Starts, s.StartsKnown))
}

// columns of the load-point tables.
var columns = []struct {
	name, unit string
	of         func(*analyze.Level) analyze.Estimate
}{
	{"TTFT p50", "s", func(l *analyze.Level) analyze.Estimate { return l.TTFTp50 }},
	{"TTFT p99", "s", func(l *analyze.Level) analyze.Estimate { return l.TTFTp99 }},
	{"ITL mean", "s", func(l *analyze.Level) analyze.Estimate { return l.ITLMean }},
	{"ITL p99", "s", func(l *analyze.Level) analyze.Estimate { return l.ITLp99 }},
	{"TPOT mean", "s", func(l *analyze.Level) analyze.Estimate { return l.TPOTMean }},
	{"E2EL p50", "s", func(l *analyze.Level) analyze.Estimate { return l.E2ELp50 }},
	{"output", "tokens/s", func(l *analyze.Level) analyze.Estimate { return l.Output }},
}

// loadPoints has a table a version. All of them share their units, so that
// versions can be compared by eye.
func loadPoints(p *page, s analyze.Sweep) {
	units := make([]scale.Unit, len(columns))
	for i, c := range columns {
		var all []scale.Number
		for k := range s.Series {
			for j := range s.Series[k].Levels {
				all = append(all, number(c.of(&s.Series[k].Levels[j])))
			}
		}
		units[i] = scale.For(c.unit, all...)
	}
	for k := range s.Series {
		series := &s.Series[k]
		if len(series.Levels) == 0 {
			p.block("%s: no run could be placed on a curve.", capital(version(series.Version)))
			continue
		}
		p.block("**%s**: %s, %s", capital(version(series.Version)), plural(len(series.Points), "run"), starts(series.Starts, series.StartsKnown))
		loadPointTable(p, series, units)
		if series.SQL != "" {
			p.details("The SQL of this table", func(p *page) {
				p.text("Seconds and tokens per second. Intervals are Student's, of the logarithms of the starts.")
				p.text(strings.TrimSuffix(escape.Fence("sql", series.SQL), "\n"))
			})
		}
	}
}

func loadPointTable(p *page, s *analyze.Series, units []scale.Unit) {
	t := table{"rrr", []string{"asked", "achieved", "runs"}, nil}
	for i, c := range columns {
		t.align += "r"
		t.head = append(t.head, units[i].Heading(c.name))
	}
	failed := slices.ContainsFunc(s.Levels, func(l analyze.Level) bool { return l.Failed > 0 })
	if failed {
		t.align += "r"
		t.head = append(t.head, "failed")
	}
	var notes footnotes
	for j := range s.Levels {
		l := &s.Levels[j]
		row := []string{
			asked(l.MaxConcurrency) + notes.mark(l.Notes...),
			scale.Unit{}.Format(scale.Bare(l.Concurrency.Value)) + notes.mark(l.Concurrency.Notes...),
			scale.Count(int64(l.Runs)),
		}
		for i, c := range columns {
			e := c.of(l)
			row = append(row, units[i].FormatSpread(number(e))+notes.mark(e.Notes...))
		}
		if failed {
			row = append(row, fmt.Sprintf("%s / %s", scale.Count(l.Failed), scale.Count(l.Requests)))
		}
		t.add(row...)
	}
	p.table(t)
	notes.write(p)
	if failed {
		p.block("Latencies are those of completed requests: the failed ones are in none of them.")
	}
}

// fits lists what was fitted, a column a version, so that versions can be
// compared by eye; then what was not, with the reason.
func fits(p *page, s analyze.Sweep) {
	var rows fitTable
	var formulas, refused []string
	for k := range s.Series {
		for i := range s.Series[k].Fits {
			f := &s.Series[k].Fits[i]
			if f.Refused != "" {
				refused = append(refused, fmt.Sprintf("%s, %s: no fit: %s", prose(metricName(f.Metric)), version(s.Series[k].Version), sentence(f.Refused)))
				continue
			}
			formulas = append(formulas, fmt.Sprintf("%s, %s: %s", prose(metricName(f.Metric)), code(f.Model), escape.Code(f.Formula)))
			rows.add(f, k, len(s.Series))
		}
	}
	if len(formulas)+len(refused) == 0 {
		return
	}
	p.text("**Fits**, to one point a run, at the concurrency that was achieved")
	slices.Sort(formulas)
	p.bullets(append(slices.Compact(formulas), refused...))
	rows.write(p, s)
	if s.CurvesSQL != "" {
		p.details("The SQL of these fits", func(p *page) {
			p.text("`servestat analyze` keeps what was fitted to all runs of a version. Times in seconds. Where this report has not all of them, there is no row: [report.json](report.json) has its fits, and what changed in the curves.")
			p.text(strings.TrimSuffix(escape.Fence("sql", s.CurvesSQL), "\n"))
		})
	}
}

// A fitTable has a row for each quantity of each model, and a cell for each
// series.
type fitTable struct {
	keys  []string // in order of appearance
	rows  map[string][]string
	notes footnotes
}

// add fills in what the fit of the k-th of n series found.
func (t *fitTable) add(f *analyze.Fit, k, n int) {
	qualified := t.notes.mark(f.Warnings...) // of the fit as a whole: at its first line
	for _, q := range slices.Concat(f.Params, f.Derived) {
		key := f.Metric + " " + f.Model + " " + q.Name
		if t.rows[key] == nil {
			if t.rows == nil {
				t.rows = map[string][]string{}
			}
			t.keys = append(t.keys, key)
			row := []string{prose(metricName(f.Metric)), code(q.Name)}
			row = append(row, slices.Repeat([]string{"–"}, n)...)
			t.rows[key] = append(row, prose(q.Meaning))
		}
		t.rows[key][2+k] = quantity(q) + t.notes.mark(q.Value.Notes...) + qualified
		qualified = ""
	}
}

func (t *fitTable) write(p *page, s analyze.Sweep) {
	out := table{"ll" + strings.Repeat("r", len(s.Series)) + "l", []string{"fit", "quantity"}, nil}
	for k := range s.Series {
		out.head = append(out.head, version(s.Series[k].Version))
	}
	out.head = append(out.head, "meaning")
	slices.SortStableFunc(t.keys, func(a, b string) int {
		return strings.Compare(firstWord(a), firstWord(b)) // metrics together
	})
	for _, key := range t.keys {
		out.add(t.rows[key]...)
	}
	p.table(out)
	t.notes.write(p)
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

// quantity prints a parameter with its interval and its unit, or the words that
// stand in its place.
func quantity(q analyze.Param) string {
	if q.Text != "" {
		return prose(q.Text)
	}
	n := number(q.Value)
	u := scale.For(q.Unit, n)
	s := u.FormatEnds(n)
	if s == scale.Missing || u.Symbol == "" {
		return s
	}
	return s + " " + u.Symbol
}
