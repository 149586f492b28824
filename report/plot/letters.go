package plot

import (
	"fmt"
	"hash/fnv"
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

// fewLetters is how many letters in a row that the font lacks are spelled out.
const fewLetters = 2

// drawable returns s with the letters that the bundled font lacks as their code
// points: as empty boxes, two names of equal length could not be told apart. Of many
// in a row, such as a name in Chinese, the first is spelled, and a digest tells the
// row from others; the page around the picture has the name itself.
func drawable(s string) string {
	faces.Lock()
	defer faces.Unlock()
	face := font.DefaultCache.Lookup(style(labelSize, ink).Font, labelSize).Face
	var b strings.Builder
	var lacking []rune
	spell := func() {
		for i, r := range lacking {
			if i == 1 && len(lacking) > fewLetters {
				h := fnv.New32a()
				h.Write([]byte(string(lacking)))
				fmt.Fprintf(&b, "…%04x", h.Sum32()&0xffff)
				break
			}
			fmt.Fprintf(&b, "U+%04X", r)
		}
		lacking = lacking[:0]
	}
	for _, r := range s {
		if i, err := face.GlyphIndex(&faces.buf, r); err != nil || i == 0 {
			lacking = append(lacking, r)
			continue
		}
		spell()
		b.WriteRune(r)
	}
	spell()
	return b.String()
}
