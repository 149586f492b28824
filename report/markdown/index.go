package markdown

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/scale"
)

// IndexFile is the name of the page over weekly reports.
const IndexFile = "index.md"

// WriteIndex writes a page over the weekly reports that lie in folders of dir, the
// newest first: a line a week with its verdicts. Folders without a weekly report
// are left alone.
func WriteIndex(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var weeks []indexed
	for _, e := range slices.Backward(entries) {
		if !e.IsDir() {
			continue
		}
		w, err := readWeek(filepath.Join(dir, e.Name(), "report.json"))
		if err != nil {
			return err
		}
		if w.Week == e.Name() {
			weeks = append(weeks, w)
		}
	}
	var p page
	index(&p, weeks)
	return writeFile(Dir(dir), IndexFile, p.buf.Bytes())
}

// An indexed week is what the index says of a report.
type indexed struct {
	Schema      string
	Kind        string
	Week        string
	Totals      analyze.Totals
	Comparisons []struct {
		Verdict analyze.Verdict
		Group   analyze.Group
	}
	Freshness []analyze.Freshness
}

// readWeek reads a weekly report; of anything else it returns none.
func readWeek(path string) (indexed, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return indexed{}, nil
	}
	if err != nil {
		return indexed{}, err
	}
	var w indexed
	if err := json.Unmarshal(data, &w); err != nil {
		return indexed{}, fmt.Errorf("%s: %w: it is no report of servestat; move it out of the way, or write the report of that week again", path, err)
	}
	if w.Schema != Schema || w.Kind != "weekly" {
		return indexed{}, nil
	}
	return w, nil
}

// index is the page over weeks, the newest first.
func index(p *page, weeks []indexed) {
	p.heading(1, "", "Weekly regression reports")
	if len(weeks) == 0 {
		p.text("There is none yet.")
		return
	}
	p.block("The newest, [%s](%s/README.md): **%s**.", weeks[0].Week, weeks[0].Week, weeks[0].verdict())
	t := table{"lllrrr", []string{"week", "verdict", "regressed", "comparisons", "runs", "days without runs"}, nil}
	for _, w := range weeks {
		t.add(fmt.Sprintf("[%s](%s/README.md)", w.Week, w.Week), w.verdict(), strings.Join(capped(w.regressed(), mostAlike, ""), "<br>"),
			scale.Count(int64(len(w.Comparisons))), scale.Count(int64(w.Totals.Runs)), scale.Count(int64(w.missing())))
	}
	p.table(t)
}

// verdict is the week in a few words.
func (w indexed) verdict() string {
	if w.Totals.Runs == 0 {
		return "no runs"
	}
	var parts []string
	for _, v := range []analyze.Verdict{
		analyze.Regressed, analyze.NotComparable, analyze.Invalid, analyze.Suspect, analyze.Inconclusive, analyze.Improved, analyze.NotRegressed,
	} {
		n := 0
		for _, c := range w.Comparisons {
			if c.Verdict == v {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", scale.Count(int64(n)), v))
		}
	}
	if len(parts) == 0 {
		return "nothing to compare"
	}
	return strings.Join(parts, ", ")
}

// regressed names the groups that regressed.
func (w indexed) regressed() []string {
	var out []string
	for _, c := range w.Comparisons {
		if c.Verdict == analyze.Regressed {
			out = append(out, subject(c.Group))
		}
	}
	return out
}

func (w indexed) missing() int {
	n := 0
	for _, f := range w.Freshness {
		n += len(missingDays(f))
	}
	return n
}
