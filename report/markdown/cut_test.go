package markdown

import (
	"bytes"
	"strings"
	"testing"

	"github.com/servestat/servestat/report/internal/specimen"
)

const cutPage = `# Report

The answer.

A second block.

<a id="one"></a>

## One

text

` + "```\n# no heading\n\n## neither\n```" + `

<details>
<summary>more</summary>

## inside

</details>

## Two

more text
`

// A page is cut before a heading and its anchor, never inside code or what is
// folded away, and says how much is missing.
func TestCut(t *testing.T) {
	filler := strings.Repeat("Words that make a section long. ", 12)
	page := strings.NewReplacer("\ntext\n", "\n"+filler+"text\n", "more text", filler+"more text", "A second block.", filler+"A second block.").Replace(cutPage)
	const note = 105 // bytes, at most
	upTo := func(s string) int { return strings.Index(page, s) + note }
	for _, c := range []struct {
		max  int
		last string // the last line before the note
		note string
	}{
		{len(page), "more text", ""},
		{len(page) - 1, "</details>", "1 section is missing"},
		{upTo("## Two"), "</details>", "1 section is missing"},
		{upTo("## inside"), "A second block.", "2 sections are missing"},
		{upTo("# no heading"), "A second block.", "2 sections are missing"},
		{upTo("A second block."), "The answer.", "2 sections are missing"},
	} {
		got, err := Cut([]byte(page), c.max)
		if err != nil {
			t.Errorf("%d bytes: %v", c.max, err)
			continue
		}
		if len(got) > c.max {
			t.Errorf("%d bytes: got %d", c.max, len(got))
		}
		kept, note, cut := strings.Cut(string(got), "\n---\n")
		if lines := strings.Split(strings.TrimSpace(kept), "\n"); !strings.HasSuffix(lines[len(lines)-1], c.last) || cut != (c.note != "") || !strings.Contains(note, c.note) {
			t.Errorf("%d bytes: got\n%s\nwant it to end with %q and a note with %q", c.max, got, c.last, c.note)
		}
	}
	if _, err := Cut([]byte(page), 20); err == nil {
		t.Error("20 bytes have no room, and there was no error")
	}
}

// A report for a comment keeps its first screen at GitHub's 65,536 characters and
// far below; every length in between gives a page that is short enough.
func TestCutReport(t *testing.T) {
	page := newReport(specimen.Weekly()).firstPage()
	for max := len(page) + 1; max > 1500; max -= 97 {
		got, err := Cut(page, max)
		if err != nil {
			continue // the first block alone is longer
		}
		if len(got) > max || !bytes.HasPrefix(page, bytes.SplitN(got, []byte("\n---\n\n**Cut here**"), 2)[0]) {
			t.Fatalf("%d bytes: got %d that are no beginning of the page", max, len(got))
		}
	}
	if got, err := Cut(page, 4000); err != nil || !bytes.Contains(got, []byte("Regressed")) && !bytes.Contains(got, []byte("regressed")) {
		t.Errorf("4,000 bytes do not hold the answer: %v\n%s", err, got)
	}
}
