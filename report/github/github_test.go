package github

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/internal/specimen"
	"github.com/servestat/servestat/schemas/schematest"
)

func annotated(t *testing.T, res *analyze.Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := Annotate(&b, res); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A week with a regression, a group that cannot be compared and failed checks.
func TestAnnotate(t *testing.T) {
	schematest.Golden(t, "testdata/weekly.golden.txt", []byte(annotated(t, specimen.Weekly())))
}

// A name from an upload that looks like a workflow command stays in its line: it
// could otherwise set an environment variable of later steps.
func TestNamesAreNoCommands(t *testing.T) {
	c := specimen.Comparison()
	c.Verdict = analyze.Regressed
	c.Candidate.Label = "v1,title=x::\n::set-env name=PATH::/tmp"
	c.Sentence = "100 % worse\r\n::add-mask::secret"
	got := annotated(t, &analyze.Result{Comparisons: []analyze.Comparison{c}})
	if n := strings.Count(got, "\n"); n != 1 || !strings.HasPrefix(got, "::error title=") {
		t.Errorf("%d lines:\n%s", n, got)
	}
	title, _, _ := strings.Cut(strings.TrimPrefix(got, "::error title="), "::")
	if strings.ContainsAny(title, ",:") || !strings.Contains(got, "100 %25 worse") {
		t.Errorf("not escaped: %s", got)
	}
}

// GitHub shows ten of a kind: of 200 regressions nine are named and the rest counted.
func TestManyAnnotations(t *testing.T) {
	res := &analyze.Result{}
	for i := range 200 {
		c := specimen.Comparison()
		c.Group.Model, c.Verdict = fmt.Sprintf("model-%d", i), analyze.Regressed
		res.Comparisons = append(res.Comparisons, c)
	}
	lines := strings.Split(strings.TrimSpace(annotated(t, res)), "\n")
	if len(lines) != 10 || !strings.Contains(lines[9], "and 191 more") {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

// The summary grows by a page, and is never longer than GitHub takes.
func TestAppendSummary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary.md")
	for range 2 {
		if err := AppendSummary(path, []byte("# A\n\ntext\n")); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(path); string(got) != "# A\n\ntext\n\n# A\n\ntext\n" {
		t.Errorf("the summary is %q", got)
	}
	section := "\n## More\n\n" + strings.Repeat("text ", 20_000) + "\n"
	if err := AppendSummary(path, []byte("# Big\n\nThe answer.\n"+strings.Repeat(section, 20))); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || len(got) > MaxSummary || !bytes.Contains(got, []byte("10 sections are missing")) {
		t.Errorf("%d bytes, ends with %q, %v", len(got), got[len(got)-150:], err)
	}
	if err := AppendSummary("", nil); err == nil || !strings.Contains(err.Error(), "GITHUB_STEP_SUMMARY") {
		t.Errorf("without a summary: %v", err)
	}
}
