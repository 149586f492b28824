package markdown

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/plot"
)

// Schema names the form of report.json. A field may be added to it; a change of
// meaning is a new number.
const Schema = "servestat.report/1"

const (
	// perPage is how many comparisons, and how many sweeps, one page holds.
	perPage = 20
	// pictured is how many of them have pictures in a week: the gravest. Further ones
	// have their numbers, and a command that draws them.
	pictured = 5
)

// withPictures is how many comparisons, and how many sweeps, have pictures.
func (r *report) withPictures() int {
	if r.Kind == "weekly" {
		return pictured
	}
	return perPage
}

// Write writes the report of res into the folder dir. Pictures and pages that an
// earlier report left there and this one does not have are removed, so that the
// folder holds one report.
func Write(dir string, res *analyze.Result) error { return Options{}.Write(dir, res) }

// WriteTo writes the report of res into f.
func WriteTo(f Folder, res *analyze.Result) error { return Options{}.WriteTo(f, res) }

// Options are what a report may have besides.
type Options struct {
	Residuals bool // pictures of what the fitted curves leave over
	// MaxBytes cuts README.md at a section, as [Cut] does; 0 leaves it whole.
	MaxBytes int
}

// Write is the function Write, with these options.
func (o Options) Write(dir string, res *analyze.Result) error {
	f := &replacing{Dir: Dir(dir), written: map[string]bool{}}
	if err := o.WriteTo(f, res); err != nil {
		return err
	}
	return f.removeOld()
}

// WriteTo is the function WriteTo, with these options.
func (o Options) WriteTo(f Folder, res *analyze.Result) error {
	r := newReport(res)
	r.Options = o
	if err := r.draw(f); err != nil {
		return err
	}
	for _, p := range r.furtherPages() {
		if err := writeFile(f, p.name, p.data); err != nil {
			return err
		}
	}
	if err := f.WriteFrom("report.json", asJSON{res}); err != nil {
		return err
	}
	page := r.firstPage()
	if o.MaxBytes > 0 {
		var err error
		if page, err = Cut(page, o.MaxBytes); err != nil {
			return err
		}
	}
	return writeFile(f, "README.md", page)
}

// WritePage writes the first page of the report alone, without pictures: for a
// comment on a change, or a job's summary. Its links to the other files of the
// report lead somewhere only beside them.
func WritePage(w io.Writer, res *analyze.Result) error {
	_, err := w.Write(newReport(res).firstPage())
	return err
}

// A report is a result in order of presentation.
type report struct {
	*analyze.Result
	Options
	comparisons []analyze.Comparison // the worst first
	sweeps      []analyze.Sweep      // in the order of the comparisons, then the others
	pictures    map[string]picture   // by what they show, see figureOf
	drawn       map[int][]string     // of each sweep, the keys of its pictures in order
	figures     []*figure            // to be drawn
}

// A picture is a file of the report, or the reason why it was not drawn.
type picture struct {
	file, alt string
	err       error
}

func newReport(res *analyze.Result) *report {
	r := &report{Result: res, comparisons: slices.Clone(res.Comparisons), pictures: map[string]picture{}, drawn: map[int][]string{}}
	slices.SortStableFunc(r.comparisons, func(a, b analyze.Comparison) int { return cmp.Compare(a.Verdict.Gravity(), b.Verdict.Gravity()) })
	r.sweeps = slices.Clone(res.Sweeps)
	slices.SortStableFunc(r.sweeps, func(a, b analyze.Sweep) int { return cmp.Compare(r.place(a.Group), r.place(b.Group)) })
	return r
}

// place is the position of the first comparison of a group.
func (r *report) place(g analyze.Group) int {
	i := slices.IndexFunc(r.comparisons, func(c analyze.Comparison) bool { return c.Group == g })
	if i < 0 {
		return len(r.comparisons)
	}
	return i
}

// draw writes the pictures of the first page. One that cannot be drawn leaves
// its reason to be printed in its place; one that cannot be written is an error.
func (r *report) draw(f Folder) error {
	r.collect()
	return r.encode(f)
}

// collect makes the figures, in the order of the page.
func (r *report) collect() {
	for i := range min(len(r.comparisons), r.withPictures()) {
		if len(r.comparisons[i].Metrics) == 0 {
			continue
		}
		fig, err := plot.Forest(r.comparisons[i])
		r.add(figureOf("comparison", i, "forest"), fig, err)
	}
	r.addHistories()
	r.addRun()
	r.addResources()
	if r.Checks != nil && len(r.Checks.Runs) > 0 {
		fig, err := plot.MatrixOf(r.Checks).Figure()
		r.add(checksPicture, fig, err)
	}
	for i := range min(len(r.sweeps), r.withPictures()) {
		figures := plot.OfSweep(r.sweeps[i])
		if r.Residuals {
			figures = append(figures, plot.ResidualsOfSweep(r.sweeps[i])...)
		}
		for _, fig := range figures {
			if fig.AgainstConcurrency && !isCurve(r.sweeps[i]) {
				continue // a picture of one point says less than the table
			}
			r.drawn[i] = append(r.drawn[i], figureOf("sweep", i, fig.Name))
			r.add(figureOf("sweep", i, fig.Name), fig.Figure, fig.Err)
		}
	}
}

// checksPicture is the picture of what the truth checks say.
const checksPicture = "truth-checks"

// addHistories adds what changed over versions and dates, a picture a comparison
// that confirms a change.
func (r *report) addHistories() {
	for i := range min(len(r.comparisons), r.withPictures()) {
		hs := r.historiesOf(r.comparisons[i])
		if len(hs) == 0 {
			continue
		}
		fig, err := strips(r.comparisons[i], hs)
		r.add(figureOf("comparison", i, "history"), fig, err)
	}
}

// isCurve reports whether any series of a sweep has two levels.
func isCurve(s analyze.Sweep) bool {
	return slices.ContainsFunc(s.Series, func(s analyze.Series) bool { return len(s.Levels) > 1 })
}

// figureOf names the picture of a kind of the i-th comparison or sweep. No name
// from an upload is in it.
func figureOf(of string, i int, kind string) string { return fmt.Sprintf("%s-%d-%s", of, i+1, kind) }

// A figure is to be drawn under a key.
type figure struct {
	key string
	plot.Figure
	png bytes.Buffer
	err error
}

// add notes a figure, or why there is none.
func (r *report) add(key string, fig plot.Figure, err error) {
	r.figures = append(r.figures, &figure{key: key, Figure: fig, err: err})
}

// encode draws the figures on all cores, as many at a time, and writes them in their
// order.
func (r *report) encode(f Folder) error {
	for batch := range slices.Chunk(r.figures, max(1, runtime.GOMAXPROCS(0))) {
		var wg sync.WaitGroup
		for _, fig := range batch {
			if fig.err == nil {
				wg.Go(func() { fig.err = fig.WritePNG(&fig.png) })
			}
		}
		wg.Wait()
		for _, fig := range batch {
			if fig.err != nil {
				r.pictures[fig.key] = picture{err: fig.err}
				continue
			}
			r.pictures[fig.key] = picture{file: fig.key + ".png", alt: fig.Alt}
			if err := f.WriteFrom(fig.key+".png", &fig.png); err != nil {
				return err
			}
		}
	}
	r.figures = nil
	return nil
}

// picture adds a picture to a page, or says why there is none. Pages beyond the
// first have none.
func (r *report) picture(p *page, key string) {
	pic, ok := r.pictures[key]
	switch {
	case !ok:
		return
	case pic.err != nil:
		p.block("*Not drawn: %s.*", prose(pic.err.Error()))
	default:
		p.block("![%s](%s)", escape.Alt(pic.alt), pic.file)
	}
}

// A file is a page of the report, written.
type file struct {
	name string
	data []byte
}

// firstPage is README.md.
func (r *report) firstPage() []byte {
	var p page
	r.summary(&p)
	if r.Kind == "weekly" {
		r.confirmedChanges(&p)
	} else if len(r.comparisons) > 0 {
		p.heading(2, "comparisons", "Comparisons")
		methods(&p, r.comparisons[:min(len(r.comparisons), perPage)])
		for i := range min(len(r.comparisons), perPage) {
			r.comparison(&p, i)
			r.evidence(&p, r.comparisons[i])
		}
	}
	r.overTime(&p)
	if len(r.sweeps) > 0 {
		p.heading(2, "curves", "Curves")
		r.curvesLeft(&p)
		for i := range min(len(r.sweeps), perPage) {
			r.sweep(&p, i)
		}
		r.morePages(&p, "curves", len(r.sweeps))
	}
	r.resources(&p)
	r.changePoints(&p)
	r.unconfirmed(&p)
	r.findings(&p)
	r.preflights(&p)
	r.quality(&p)
	r.canary(&p)
	r.freshness(&p)
	r.agreement(&p)
	r.data(&p)
	r.definitions(&p)
	r.reproduce(&p)
	return p.buf.Bytes()
}

// furtherPages are the pages that hold what the first does not.
func (r *report) furtherPages() []file {
	var out []file
	for from := perPage; from < len(r.comparisons); from += perPage {
		var p page
		to := min(from+perPage, len(r.comparisons))
		p.block("# Comparisons %d to %d of %d", from+1, to, len(r.comparisons))
		p.block("[The report](README.md) begins with the worst of them.")
		p.table(r.comparisonTable(from, to))
		methods(&p, r.comparisons[from:to])
		for i := from; i < to; i++ {
			r.comparison(&p, i)
			r.told(&p, i)
		}
		out = append(out, file{pageName("comparisons", from), p.buf.Bytes()})
	}
	for from := perPage; from < len(r.sweeps); from += perPage {
		var p page
		to := min(from+perPage, len(r.sweeps))
		p.block("# Curves %d to %d of %d", from+1, to, len(r.sweeps))
		p.block("[The report](README.md) has the others, and pictures.")
		for i := from; i < to; i++ {
			r.sweep(&p, i)
		}
		out = append(out, file{pageName("curves", from), p.buf.Bytes()})
	}
	return out
}

// pageName is the file that holds the i-th comparison or sweep.
func pageName(of string, i int) string {
	if i < perPage {
		return "README.md"
	}
	return fmt.Sprintf("%s-%d.md", of, i/perPage+1)
}

// linkTo is the address of the i-th comparison, from any page.
func linkTo(i int) string {
	if i < perPage {
		return fmt.Sprintf("#comparison-%d", i+1)
	}
	return fmt.Sprintf("%s#comparison-%d", pageName("comparisons", i), i+1)
}

// morePages links the pages that go on where this one stops.
func (r *report) morePages(p *page, of string, n int) {
	var links []string
	for from := perPage; from < n; from += perPage {
		links = append(links, fmt.Sprintf("[%d to %d](%s)", from+1, min(from+perPage, n), pageName(of, from)))
	}
	if len(links) > 0 {
		p.block("More %s, without pictures: %s.", of, listed(links))
	}
}
