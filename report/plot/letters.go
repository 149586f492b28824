package plot

import (
	"fmt"
	"strings"
	"sync"

	"golang.org/x/image/font/sfnt"
	"gonum.org/v1/plot/font"

	"github.com/servestat/servestat/report/escape"
)

// maxName is the longest name, in runes, that a picture prints.
const maxName = 60

// printable is text from an upload as it may stand in a picture.
func printable(s string) string { return shortName(s, maxName) }

// shortName is printable of at most n runes.
func shortName(s string, n int) string { return escape.Cut(drawable(escape.Line(s)), n) }

// faces holds the one face whose letters are looked up; sfnt's buffer is not for
// two at a time.
var faces = struct {
	sync.Mutex
	buf sfnt.Buffer
}{}

// drawable returns s with the letters that the bundled font lacks as their code
// points. As empty boxes, two names of equal length could not be told apart.
func drawable(s string) string {
	faces.Lock()
	defer faces.Unlock()
	face := font.DefaultCache.Lookup(style(labelSize, ink).Font, labelSize).Face
	var b strings.Builder
	for _, r := range s {
		if i, err := face.GlyphIndex(&faces.buf, r); err != nil || i == 0 {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
