package html

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/internal/specimen"
	"github.com/servestat/servestat/report/markdown"
	"github.com/servestat/servestat/schemas/schematest"
)

func dot(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 2))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func rendered(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := fstest.MapFS{"dot.png": {Data: dot(t)}}
	for name, content := range files {
		folder[name] = &fstest.MapFile{Data: []byte(content)}
	}
	page, err := render(context.Background(), folder)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// A small report with all that ours have: a heading with an anchor, a table, a
// picture, a folded section, further pages, and links to all of them.
func TestPage(t *testing.T) {
	page := rendered(t, map[string]string{
		"README.md": "# Report of `0.19.0` & \\*more\\*\n\n<a id=\"curves\"></a>\n\n## Curves\n\n" +
			"See [the comparison](comparisons-2.md#comparison-51), [the page](comparisons-2.md), [above](#curves), [the data](report.json) and [the web](https://example.org/a?b=1).\n\n" +
			"| metric | change |\n|:--|--:|\n| ITL ¹ | +4.0 % |\n\n¹ one<br>\n² two\n\n![ITL \\[ms\\] \"quoted\"](dot.png)\n\n" +
			"<details>\n<summary>More</summary>\n\n- an item\n\n</details>\n",
		"comparisons-2.md": "# Comparisons 51 to 60\n\n<a id=\"comparison-51\"></a>\n\n### 51.\n\n[The report](README.md)\n",
	})
	_, body, _ := strings.Cut(page, "<body>")
	schematest.Golden(t, "testdata/page.golden.html", []byte(body))
	if !strings.Contains(page, "<title>Report of 0.19.0 &amp; *more*</title>") {
		t.Errorf("the title of %s", page[:600])
	}
}

// An upload that got past the escaping of the Markdown gets no further: no script,
// no handler, no frame, no address but the web's, no file from outside the folder.
func TestHostile(t *testing.T) {
	page := rendered(t, map[string]string{"README.md": strings.Join([]string{
		"# <script>alert(1)</script>", "<script>alert(1)</script>", "text <img src=x onerror=alert(1)> text", "<a id=\"x\" onclick=\"alert(1)\">",
		"<iframe src=\"https://evil.example\"></iframe>", "[a](javascript:alert(1))", "[b](<data:text/html,x>)", "[c](vbscript:x)", "[d](//evil.example)",
		"<javascript:alert(1)>", "![e](https://evil.example/e.png)", "![f](../secret.png)", "![g](javascript:alert(1))", "![\"><script>](dot.png)",
		"<details open ontoggle=alert(1)>", "<style>body{display:none}</style>", "</main></body>", "<!-- ", "-->", "https://evil.example/plain",
	}, "\n\n")})
	_, body, _ := strings.Cut(page, "<main>")
	for _, tag := range regexp.MustCompile(`<[a-zA-Z!/][^>]*>`).FindAllString(body, -1) {
		if !regexp.MustCompile(`^</?(article|h1|p|a|em|img|span|details|main|body|html)\b`).MatchString(tag) || regexp.MustCompile(`\son\w+=|javascript:|vbscript:|evil\.example`).MatchString(tag) {
			t.Errorf("the page has %s", tag)
		}
	}
	if n := strings.Count(page, "</main>"); n != 1 {
		t.Errorf("%d ends of the page", n)
	}
}

// Every report of the specimens becomes a file that refers to nothing outside it.
func TestReports(t *testing.T) {
	outside := regexp.MustCompile(`(src|href)="([^"#d]|d[^a])[^"]*"`)
	ids := regexp.MustCompile(`\bid="([^"]+)"`)
	for name, res := range specimens() {
		dir := t.TempDir()
		if err := markdown.Write(dir, res); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(context.Background(), dir); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		page, err := os.ReadFile(filepath.Join(dir, File))
		if err != nil {
			t.Fatal(err)
		}
		if out := outside.FindAll(page, -1); out != nil {
			t.Errorf("%s refers to %q", name, out)
		}
		known := map[string]bool{}
		for _, m := range ids.FindAllSubmatch(page, -1) {
			known[string(m[1])] = true
		}
		for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllSubmatch(page, -1) {
			if !known[string(m[1])] {
				t.Errorf("%s: a link leads to #%s, which is not there", name, m[1])
			}
		}
		again, err := Render(context.Background(), dir)
		if err != nil || !bytes.Equal(page, again) {
			t.Errorf("%s: rendered twice it differs, %v", name, err)
		}
		if rest, _ := filepath.Glob(filepath.Join(dir, ".tmp-*")); rest != nil {
			t.Errorf("%s left %v", name, rest)
		}
	}
}

// A folder that is no report says so.
func TestNoReport(t *testing.T) {
	if _, err := Render(context.Background(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "README.md") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := render(context.Background(), fstest.MapFS{"README.md": {Data: []byte("![a](gone.png)")}}); err == nil || !strings.Contains(err.Error(), "gone.png") {
		t.Errorf("a picture that is gone: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := render(ctx, fstest.MapFS{"README.md": {Data: []byte("# A")}}); err == nil {
		t.Error("an interrupted rendering went on")
	}
}

func specimens() map[string]*analyze.Result {
	return map[string]*analyze.Result{
		"weekly": specimen.Weekly(), "empty": specimen.Empty(), "run": specimen.OneRun(), "many": specimen.Many(), "hostile": specimen.Hostile(),
	}
}
