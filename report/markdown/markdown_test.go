package markdown

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/internal/specimen"
	"github.com/servestat/servestat/schemas/schematest"
)

// A memory is a Folder that keeps files and the order in which they came.
type memory struct {
	files map[string][]byte
	order []string
	full  string // the file that there is no room for
}

func (m *memory) WriteFrom(name string, content io.WriterTo) error {
	if name == m.full {
		return errors.New("disk full")
	}
	var data bytes.Buffer
	if _, err := content.WriteTo(&data); err != nil {
		return err
	}
	if m.files == nil {
		m.files = map[string][]byte{}
	}
	m.files[name] = data.Bytes()
	m.order = append(m.order, name)
	return nil
}

func written(t *testing.T, res *analyze.Result) *memory {
	t.Helper()
	var m memory
	if err := WriteTo(&m, res); err != nil {
		t.Fatal(err)
	}
	return &m
}

// reportOf returns the report of one of the results; drawing takes time, so each is
// written once for all tests.
func reportOf(t *testing.T, name string) *memory {
	t.Helper()
	if reports[name] == nil {
		reports[name] = written(t, results[name]())
	}
	return reports[name]
}

var reports = map[string]*memory{}

// results are what the pages of the goldens are made of.
var results = map[string]func() *analyze.Result{
	"weekly":           specimen.Weekly,
	"compare":          specimen.Compare,
	"sweep":            specimen.Swept,
	"run":              specimen.OneRun,
	"empty":            specimen.Empty,
	"all_inconclusive": specimen.Undecided,
	"many":             specimen.Many,
	"hostile":          specimen.Hostile,
	"hostile_week":     specimen.HostileWeek,
	"empty_week":       specimen.EmptyWeek,
	"one_run_week":     specimen.OneRunWeek,
	"undecided_week":   specimen.UndecidedWeek,
	"all_regressed":    specimen.AllRegressed,
	"named_week":       specimen.NamedWeek,
}

// The weekly report is kept whole, as a folder that can be looked at: every file
// is compared, and no file is there that was not written.
func TestWeeklyFolder(t *testing.T) {
	const dir = "testdata/weekly"
	m := reportOf(t, "weekly")
	for name, data := range m.files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, ".png") {
			schematest.GoldenPNG(t, path, data)
			continue
		}
		schematest.Golden(t, path, data)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := m.files[e.Name()]; !ok && !strings.HasPrefix(e.Name(), ".got-") {
			t.Errorf("%s is in %s, but the report has no such file", e.Name(), dir)
		}
	}
}

// Each of these is a page that somebody has to read: look at a changed golden as
// a reader would before accepting it.
func TestPages(t *testing.T) {
	for name := range results {
		if name != "weekly" { // see TestWeeklyFolder
			schematest.Golden(t, "testdata/"+name+".golden.md", reportOf(t, name).files["README.md"])
		}
	}
}

// Of 200 comparisons the first page has the worst 20 in full, and the other pages
// are found from it.
func TestManyComparisons(t *testing.T) {
	m := reportOf(t, "many")
	page := string(m.files["README.md"])
	for _, want := range []string{
		"**2 of 200 comparisons regressed**; 3 cannot be compared, 195 did not regress.",
		"188 further comparisons, none of them graver than the last of these.",
		"[181 to 200](comparisons-10.md)",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("README.md does not say %q", want)
		}
	}
	if i, j := strings.Index(page, "checkpoint-057"), strings.Index(page, "checkpoint-000"); i < 0 || i > j {
		t.Errorf("the regressed checkpoint-057 is at %d, the fine checkpoint-000 at %d", i, j)
	}
	last := string(m.files["comparisons-10.md"])
	if !strings.Contains(last, `<a id="comparison-200"></a>`) || strings.Contains(last, `<a id="comparison-180"></a>`) {
		t.Error("comparisons-10.md does not hold comparisons 181 to 200")
	}
	if n := len(m.files); n != 5-3+9+2 { // 5 forests less 3 refused, 9 pages, README.md and report.json
		t.Errorf("%d files: %v", n, m.order)
	}
	schematest.Golden(t, "testdata/many.page_2.golden.md", m.files["comparisons-2.md"])
}

// A week on a thousand models shows the curves of few: how many it leaves out, and how
// to see them, is said where they would stand. report.json has a line a comparison.
func TestAWeekOfManyModels(t *testing.T) {
	res := specimen.Weekly()
	res.SweepsLeft = 980
	for range indented {
		res.Comparisons = append(res.Comparisons, specimen.Fine())
	}
	m := written(t, res)
	if want := "The curves of 980 further groups are left out. `servestat report sweep --where"; !strings.Contains(string(m.files["README.md"]), want) {
		t.Errorf("README.md does not say %q", want)
	}
	data := m.files["report.json"]
	var got struct{ Comparisons []any }
	if err := json.Unmarshal(data, &got); err != nil || len(got.Comparisons) != len(res.Comparisons) {
		t.Fatalf("%d comparisons, %v", len(got.Comparisons), err)
	}
	if n := bytes.Count(data, []byte("\n")); n < len(res.Comparisons) || n > 20*len(res.Comparisons) {
		t.Errorf("report.json has %d lines", n)
	}
}

// Where 200 comparisons regressed, and as many could not be made, the first screen
// still is one: the worst by name, the others counted.
func TestFirstScreenOf200Regressions(t *testing.T) {
	var buf bytes.Buffer
	if err := WritePage(&buf, specimen.AllRegressed()); err != nil {
		t.Fatal(err)
	}
	screen, _, ok := strings.Cut(buf.String(), "## Confirmed changes")
	if !ok {
		t.Fatal("the page has no confirmed changes")
	}
	if n := strings.Count(screen, "\n"); n > 75 {
		t.Errorf("%d lines before the first section", n)
	}
	for _, want := range []string{
		"**All 200 comparisons regressed.**", "188 further comparisons", "| all 20 | 200 | 0 | 0 | 0 | 0 |",
		"- 200 times: nothing to compare 0.20.2 with: no run of another known version. Of checkpoint-0, machine-21; ",
		"- Open in part: 200 of 200 comparisons, with 5 server starts a side",
	} {
		if !strings.Contains(screen, want) {
			t.Errorf("the first screen does not say %q", want)
		}
	}
}

// Where fourteen of sixteen comparisons have too few starts, the first screen says it
// once, with how many would do.
func TestFirstScreenOfAnUndecidedWeek(t *testing.T) {
	var buf bytes.Buffer
	if err := WritePage(&buf, specimen.UndecidedWeek()); err != nil {
		t.Fatal(err)
	}
	screen, _, ok := strings.Cut(buf.String(), "## Confirmed changes")
	if !ok {
		t.Fatal("the page has no confirmed changes")
	}
	for text, want := range map[string]int{
		"**No regression was found, but 14 of 16 comparisons are inconclusive**": 1,
		"Inconclusive: 14 of 16 comparisons, with 2 server starts a side":        1,
		"about 6 to 12 a side would settle them":                                 1,
		"could not be settled":                                                   0,
	} {
		if n := strings.Count(screen, text); n != want {
			t.Errorf("the first screen says %q %d times, want %d", text, n, want)
		}
	}
}

// The index lists the weeks that lie in folders of their own, the newest first,
// and leaves what is no weekly report alone.
func TestIndex(t *testing.T) {
	dir := t.TempDir()
	older := specimen.EmptyWeek()
	older.Week, older.Freshness = "2025-W01", nil
	for name, res := range map[string]*analyze.Result{"2025-W47": specimen.Weekly(), "2025-W01": older, "of a sweep": specimen.Empty()} {
		if err := Dir(filepath.Join(dir, name)).WriteFrom("report.json", asJSON{res}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "notes"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, IndexFile))
	if err != nil {
		t.Fatal(err)
	}
	schematest.Golden(t, "testdata/index.golden.md", data)
	if err := writeFile(Dir(filepath.Join(dir, "2025-W02")), "report.json", []byte("{")); err != nil {
		t.Fatal(err)
	}
	if err := WriteIndex(dir); err == nil || !strings.Contains(err.Error(), "2025-W02") {
		t.Errorf("a report that was cut short: %v", err)
	}
}

// Whatever the labels hold, every row of a table has as many cells as its head.
func TestTablesAreRectangular(t *testing.T) {
	for name := range results {
		tables := 0
		for file, data := range reportOf(t, name).files {
			if !strings.HasSuffix(file, ".md") {
				continue
			}
			width := 0
			for i, line := range strings.Split(string(data), "\n") {
				if !strings.HasPrefix(line, "|") {
					width = 0
					continue
				}
				n := cells(line)
				if width == 0 {
					width = n
					tables++
				}
				if n != width {
					t.Errorf("%s: %s, line %d has %d cells, its head %d: %s", name, file, i+1, n, width, line)
				}
			}
		}
		if tables == 0 && name != "empty" {
			t.Errorf("%s: no table was checked", name)
		}
	}
}

// cells counts the cells of a row as GitHub does: a pipe after an odd number of
// backslashes is text.
func cells(row string) int {
	n := 0
	for i := range len(row) {
		backslashes := len(row[:i]) - len(strings.TrimRight(row[:i], `\`))
		if row[i] == '|' && backslashes%2 == 0 {
			n++
		}
	}
	return n - 1
}

var link = regexp.MustCompile(`\]\(([^)]*)\)`)

// Every link and picture of a page leads to a file of the report or to an anchor
// in one, and nowhere else, whatever the labels hold.
func TestLinksLeadSomewhere(t *testing.T) {
	for name := range results {
		m := reportOf(t, name)
		links := 0
		for file, data := range m.files {
			if !strings.HasSuffix(file, ".md") {
				continue
			}
			data = outsideCode(data)
			for _, found := range link.FindAllSubmatchIndex(data, -1) {
				if data[found[0]-1] == '\\' { // an escaped bracket
					continue
				}
				links++
				target := string(data[found[2]:found[3]])
				path, anchor, _ := strings.Cut(target, "#")
				if path == "" {
					path = file
				}
				page, ok := m.files[path]
				if !ok || anchor != "" && !bytes.Contains(page, []byte(`<a id="`+anchor+`"></a>`)) {
					t.Errorf("%s: %s links to %s, which is not there", name, file, target)
				}
			}
		}
		if links == 0 {
			t.Errorf("%s: no link was checked", name)
		}
	}
}

// The labels of the hostile report leave no raw control character, tag or
// backtick run behind that a reader or a terminal would act on.
func TestHostileLabels(t *testing.T) {
	for _, name := range []string{"hostile", "hostile_week"} {
		checkHostile(t, reportOf(t, name))
	}
}

func checkHostile(t *testing.T, m *memory) {
	for file, data := range m.files {
		if !strings.HasSuffix(file, ".md") {
			continue
		}
		data = outsideCode(data)
		for _, bad := range []string{"\x1b", "<script", "](http"} {
			for _, at := range indices(string(data), bad) {
				if at == 0 || data[at-1] != '\\' {
					t.Errorf("%s: %q stands unescaped: …%s…", file, bad, data[max(0, at-30):at+len(bad)])
				}
			}
		}
		for line := range strings.SplitSeq(string(data), "\n") {
			if strings.HasPrefix(line, "# not a heading") {
				t.Errorf("%s: a label began a line", file)
			}
		}
	}
}

// outsideCode drops fenced blocks, in which nothing means anything. One ends with
// as many backticks as it began with.
func outsideCode(page []byte) []byte {
	var out []string
	fence := ""
	for line := range strings.SplitSeq(string(page), "\n") {
		ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence == "" && len(ticks) >= 3:
			fence = ticks
		case fence != "" && line == fence:
			fence = ""
		case fence == "":
			out = append(out, line)
		}
	}
	return []byte(strings.Join(out, "\n"))
}

func indices(s, sub string) []int {
	var out []int
	for i := 0; ; {
		k := strings.Index(s[i:], sub)
		if k < 0 {
			return out
		}
		out = append(out, i+k)
		i += k + len(sub)
	}
}

// Twice the same result, twice the same bytes, in the same order, README.md last.
func TestDeterministic(t *testing.T) {
	a, b := reportOf(t, "weekly"), written(t, specimen.Weekly())
	if !slices.Equal(a.order, b.order) || !maps.EqualFunc(a.files, b.files, bytes.Equal) {
		t.Error("two reports of one result differ")
	}
	if last := a.order[len(a.order)-1]; last != "README.md" {
		t.Errorf("the last file written is %s", last)
	}
}

// report.json is the result under the name of its schema; what could not be had
// is null, and even an infinite deviation does not keep it from being written.
func TestReportJSON(t *testing.T) {
	var got struct {
		Schema      string
		Kind        string
		Comparisons []struct{ Verdict string }
		Sweeps      []struct {
			Series []struct {
				Levels []struct {
					TTFTp99 struct{ Value *float64 } `json:"ttft_p99_s"`
				}
			}
		}
		Agreement []struct {
			MaxDev float64 `json:"max_relative_deviation"`
		}
	}
	for name := range results {
		if err := json.Unmarshal(reportOf(t, name).files["report.json"], &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Schema != "servestat.report/1" {
			t.Errorf("%s: schema %q", name, got.Schema)
		}
	}
	if err := json.Unmarshal(reportOf(t, "weekly").files["report.json"], &got); err != nil {
		t.Fatal(err)
	}
	if got.Kind != "weekly" || got.Comparisons[1].Verdict != "regressed" { // in the order of the result
		t.Errorf("kind %q, comparisons %v", got.Kind, got.Comparisons)
	}
	if v := got.Sweeps[0].Series[0].Levels[0].TTFTp99.Value; v != nil {
		t.Errorf("a p99 that could not be had is %v", *v)
	}
}

// A picture that cannot be drawn leaves its reason in its place; the others, and
// the page, are written.
func TestPictureThatCannotBeDrawn(t *testing.T) {
	res := specimen.Compare()
	res.Sweeps[0].Series[1].Points[2].ITLMean = math.Inf(1)
	m := written(t, res)
	if _, ok := m.files["sweep-1-itl.png"]; ok {
		t.Error("a picture with a number that is infinite was drawn")
	}
	want := "*Not drawn: series 0.20.2: run 0.20.2-c01-s3, c=1: ITL mean is +Inf.*"
	if page := string(m.files["README.md"]); !strings.Contains(page, want) {
		t.Errorf("the page does not say %q", want)
	}
	if _, ok := m.files["sweep-1-ttft.png"]; !ok {
		t.Error("the next picture is missing")
	}
}

// Where a file cannot be written the error says so, and no README.md refers to
// what is missing.
func TestFolderThatIsFull(t *testing.T) {
	for _, name := range []string{"comparison-1-forest.png", "sweep-1-itl.png", "report.json", "README.md"} {
		m := memory{full: name}
		if err := WriteTo(&m, specimen.Compare()); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("no room for %s: error %v", name, err)
		}
		if _, ok := m.files["README.md"]; ok {
			t.Errorf("no room for %s, and README.md was written", name)
		}
	}
}

// A page for a comment on a change is the first page without pictures.
func TestWritePage(t *testing.T) {
	var buf bytes.Buffer
	if err := WritePage(&buf, specimen.Compare()); err != nil {
		t.Fatal(err)
	}
	if page := buf.String(); !strings.Contains(page, "**Regressed**") || strings.Contains(page, ".png") {
		t.Errorf("the page lacks its verdict, or has pictures:\n%s", page)
	}
}

// On disk a file is replaced whole, readable by others, and nothing temporary
// stays behind, also when it cannot be replaced.
func TestDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for _, text := range []string{"old", "new"} {
		if err := writeFile(Dir(dir), "README.md", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil || string(data) != "new" {
		t.Errorf("the file holds %q, %v", data, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "README.md")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "report.json", "in the way"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(Dir(dir), "report.json", nil); err == nil || !strings.Contains(err.Error(), "report.json") {
		t.Errorf("a file over a folder: error %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v, %v; want README.md and report.json alone", entries, err)
	}
}

func TestShell(t *testing.T) {
	for in, want := range map[string]string{
		"runtime_version=0.19.0": "runtime_version=0.19.0",
		"a = 'b'":                `"a = 'b'"`,
		`a = "$(rm -rf ~)"`:      `'a = "$(rm -rf ~)"'`,
		"it's `x`":               `'it'\''s ` + "`x`'",
		"":                       `""`,
	} {
		if got := shell(in); got != want {
			t.Errorf("shell(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestDeviationIsNeverPrintedAsNone(t *testing.T) {
	for d, want := range map[float64]string{1.4e-6: "1.4 in a million", 0.0246: "2.5 %", math.Inf(1): "reported 0"} {
		if got := deviation(d); got != want {
			t.Errorf("deviation %g prints as %q, want %q", d, got, want)
		}
	}
}
