package plot

import (
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/scale"
)

// An AuditMatrix is what truth checks said of subjects: runs, load points, or
// groups of them. [MatrixOf] makes one of an audit.
type AuditMatrix struct {
	Title  string
	Checks []string // rows, in order of presentation
	// Columns are what was checked, worst answers first or in any order of their
	// own.
	Columns []AuditColumn
	Foot    []string
}

// An AuditColumn is one subject with its answers, one a check of the matrix: OK,
// WARN, FAIL, not computable, or empty where the check was not asked.
type AuditColumn struct {
	Name    string
	Answers []string
}

// The answers of a check.
const (
	answerOK      = "OK"
	answerWarn    = "WARN"
	answerFail    = "FAIL"
	notComputable = "not computable"
)

// badness orders answers; the worst of several stands for all.
func badness(answer string) int {
	return slices.Index([]string{"", notComputable, answerOK, answerWarn, answerFail}, answer)
}

const (
	mostColumns = 36
	matrixRow   = 20
	mostHeading = 150 // length of a column's heading
)

// MatrixOf turns an audit into a matrix: a column for each subject (runs of one
// subject together: the worst answer of each check), those with FAIL first.
// Checks that were computable nowhere are left out and counted.
func MatrixOf(a *analyze.Audit) AuditMatrix {
	m := AuditMatrix{Title: "Truth checks", Foot: []string{plural(a.Totals.Runs, "run")}}
	row := map[string]int{}
	never := 0
	for _, c := range a.Checks {
		if c.OK+c.Warn+c.Fail == 0 {
			never++
			continue
		}
		row[c.Check] = len(m.Checks)
		m.Checks = append(m.Checks, c.Check)
	}
	if never > 0 {
		m.Foot = append(m.Foot, plural(never, "check")+" not computable for any run: not drawn")
	}
	at := map[string]int{}
	for _, r := range slices.Concat(a.Runs, a.Series) {
		if _, ok := at[r.Subject]; !ok {
			at[r.Subject] = len(m.Columns)
			m.Columns = append(m.Columns, AuditColumn{r.Subject, make([]string, len(m.Checks))})
		}
		col := m.Columns[at[r.Subject]]
		for _, answer := range r.Checks {
			if i, ok := row[answer.Check]; ok && badness(answer.Verdict) > badness(col.Answers[i]) {
				col.Answers[i] = answer.Verdict
			}
		}
	}
	slices.SortStableFunc(m.Columns, func(a, b AuditColumn) int { return cmp.Compare(b.worst(), a.worst()) })
	return m
}

// worst weighs a column: any FAIL before any number of WARNs.
func (c AuditColumn) worst() int {
	sum := 0
	for _, a := range c.Answers {
		switch a {
		case answerFail:
			sum += 1000
		case answerWarn:
			sum++
		}
	}
	return sum
}

// Figure draws the matrix: a row a check, a column a subject, each answer a shape
// of its own. Of more than 36 subjects the first are drawn.
func (m AuditMatrix) Figure() (Figure, error) {
	if len(m.Checks) == 0 || len(m.Columns) == 0 {
		return Figure{}, errors.New("no truth check was computable")
	}
	for _, c := range m.Columns {
		if len(c.Answers) != len(m.Checks) {
			return Figure{}, fmt.Errorf("%s has %d answers of %d checks", printable(c.Name), len(c.Answers), len(m.Checks))
		}
		for i, a := range c.Answers {
			if badness(a) < 0 {
				return Figure{}, fmt.Errorf("%s: check %s: no answer is called %q", printable(c.Name), printable(m.Checks[i]), a)
			}
		}
	}
	alt := m.alt()
	foot := slices.Clone(m.Foot)
	if left := len(m.Columns) - mostColumns; left > 0 {
		foot = append(foot, fmt.Sprintf("%d further subjects are not drawn", left))
		m.Columns = m.Columns[:mostColumns]
	}
	names, common := shared(m.Columns)
	f := frame{title: printable(m.Title), subject: drawable(common), foot: foot}
	return Figure{
		Title: f.title, Alt: alt, height: 104 + headingHeight(names) + vg.Length(len(m.Checks))*matrixRow,
		draw: func(c draw.Canvas) { m.draw(f.draw(c), names) },
	}, nil
}

// headingHeight is the room that the columns' headings need, which lean by half a
// right angle.
func headingHeight(names []string) vg.Length {
	return (min(longest(names), mostHeading)+2*smallSize)*math.Sqrt2/2 + 14
}

func longest(names []string) vg.Length {
	w := vg.Length(0)
	for _, n := range names {
		w = max(w, style(smallSize, ink).Width(n))
	}
	return w
}

// shared splits the columns' names into what all have in common, which needs to
// be said once, and the rest.
func shared(columns []AuditColumn) (names []string, common string) {
	var all [][]string
	for _, c := range columns {
		all = append(all, strings.Split(c.Name, ", "))
	}
	isCommon := func(part string) bool {
		for _, parts := range all {
			if !slices.Contains(parts, part) {
				return false
			}
		}
		return len(all) > 1
	}
	var same []string
	for i, parts := range all {
		var own []string
		for _, p := range parts {
			if !isCommon(p) {
				own = append(own, p)
			} else if i == 0 {
				same = append(same, p)
			}
		}
		name := strings.Join(own, ", ")
		if name == "" {
			name = parts[len(parts)-1]
		}
		names = append(names, shortName(name, 26))
	}
	return names, escape.Line(strings.Join(same, ", "))
}

func (m AuditMatrix) draw(c draw.Canvas, names []string) {
	sty := style(labelSize-0.5, ink)
	drawKeyRows(c, matrixKey(m)) // at the left, where a narrow matrix is
	left := vg.Length(0)
	for _, check := range m.Checks {
		left = max(left, sty.Width(shortName(check, 34)))
	}
	left += c.Min.X + 14
	// The headings lean to the right and need room there.
	w := min((c.Max.X-left-70)/vg.Length(len(m.Columns)), 34)
	top := c.Min.Y + vg.Length(len(m.Checks))*matrixRow
	for i, check := range m.Checks {
		y := top - (vg.Length(i)+1)*matrixRow
		if i%2 == 0 {
			fillBox(c, blockZone, c.Min.X, y, left+w*vg.Length(len(m.Columns)), y+matrixRow)
		}
		c.FillText(sty, vg.Point{X: c.Min.X + 2, Y: y + 5}, shortName(check, 34))
		for k, col := range m.Columns {
			drawAnswer(c, col.Answers[i], vg.Point{X: left + w*(vg.Length(k)+0.5), Y: y + matrixRow/2})
		}
	}
	head := aligned(style(smallSize, softInk), text.XCenter, text.YBottom)
	if longest(names) > w-4 {
		head.XAlign, head.Rotation = text.XLeft, math.Pi/4
	}
	for k := range m.Columns {
		at := vg.Point{X: left + w*(vg.Length(k)+0.5), Y: top + 5}
		c.FillText(head, at, fit(style(smallSize, softInk), names[k], mostHeading))
	}
}

var (
	okInk   = color.RGBA{0x00, 0x72, 0x53, 0xff}
	warnInk = color.RGBA{0xe6, 0x9f, 0x00, 0xff}
	failInk = color.RGBA{0xb2, 0x32, 0x00, 0xff}
)

// drawAnswer draws a dot, a triangle with its sign, a square with a cross, or a
// dash; nothing where nothing was asked.
func drawAnswer(c draw.Canvas, answer string, at vg.Point) {
	switch answer {
	case answerOK:
		fillDot(c, okInk, at, 3)
	case answerWarn:
		c.SetColor(warnInk)
		c.Fill(polygon(vg.Point{X: at.X, Y: at.Y - 1}, 8, [][2]float64{{0, 1}, {-1, -0.75}, {1, -0.75}}))
		sign := aligned(bold(style(9, ink)), text.XCenter, text.YCenter)
		c.FillText(sign, vg.Point{X: at.X, Y: at.Y - 2}, "!")
	case answerFail:
		fillBox(c, failInk, at.X-7, at.Y-7, at.X+7, at.Y+7)
		cross := draw.LineStyle{Color: color.White, Width: 2}
		c.StrokeLine2(cross, at.X-3.5, at.Y-3.5, at.X+3.5, at.Y+3.5)
		c.StrokeLine2(cross, at.X-3.5, at.Y+3.5, at.X+3.5, at.Y-3.5)
	case notComputable:
		c.StrokeLine2(draw.LineStyle{Color: frameInk, Width: 1.2}, at.X-3, at.Y, at.X+3, at.Y)
	}
}

func matrixKey(m AuditMatrix) []keyEntry {
	var key []keyEntry
	for _, answer := range []string{answerOK, answerWarn, answerFail, notComputable} {
		n := 0
		for _, c := range m.Columns {
			for _, a := range c.Answers {
				if a == answer {
					n++
				}
			}
		}
		if n > 0 {
			key = append(key, keyEntry{func(c draw.Canvas, at vg.Point) {
				drawAnswer(c, answer, vg.Point{X: at.X + keyWidth - 8, Y: at.Y})
			}, fmt.Sprintf("%s (%s)", answer, scale.Count(int64(n)))})
		}
	}
	return key
}

// alt counts the answers and names the checks that failed or warned.
func (m AuditMatrix) alt() string {
	var failed, warned []string
	for i, check := range m.Checks {
		fails, warns := 0, 0
		for _, c := range m.Columns {
			switch c.Answers[i] {
			case answerFail:
				fails++
			case answerWarn:
				warns++
			}
		}
		if fails > 0 {
			failed = append(failed, fmt.Sprintf("%s (%d)", printable(check), fails))
		}
		if warns > 0 {
			warned = append(warned, fmt.Sprintf("%s (%d)", printable(check), warns))
		}
	}
	words := fmt.Sprintf("%s: %s of %s", printable(m.Title), plural(len(m.Checks), "check"), plural(len(m.Columns), "subject"))
	if len(failed) > 0 {
		words += "; failed: " + strings.Join(failed, ", ")
	}
	if len(warned) > 0 {
		words += "; warned: " + strings.Join(warned, ", ")
	}
	if len(failed)+len(warned) == 0 {
		words += "; none fails or warns"
	}
	return words + "."
}
