package markdown

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/internal/specimen"
	"github.com/servestat/servestat/schemas/schematest"
)

func TestComment(t *testing.T) {
	var out bytes.Buffer
	if err := WriteComment(&out, []analyze.Comparison{specimen.Comparison(), specimen.Crossing(), specimen.Suspect(), specimen.Refused()}, 0); err != nil {
		t.Fatal(err)
	}
	schematest.Golden(t, "testdata/comment.golden.md", out.Bytes())
}

// A comment that GitHub refuses for its length says nothing at all. However small
// the room, the verdicts come first, no block is cut in two, and the cut is said.
func TestCommentIsBounded(t *testing.T) {
	cs := specimen.Many().Comparisons
	for _, most := range []int{10, 200, 1000, 5000, 60_000} {
		var out bytes.Buffer
		if err := WriteComment(&out, cs, most); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		if len(got) > most || !utf8.ValidString(got) {
			t.Errorf("at most %d bytes: %d, valid %v", most, len(got), utf8.ValidString(got))
		}
		if most >= 1000 && (!strings.HasPrefix(got, "**Regressed**") || !strings.HasSuffix(got, cutNote)) {
			t.Errorf("at most %d bytes:\n%s", most, got)
		}
		if strings.Count(got, "<details>") != strings.Count(got, "</details>") {
			t.Errorf("at most %d bytes: details are left open", most)
		}
	}
}
