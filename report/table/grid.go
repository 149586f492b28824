package table

import (
	"bufio"
	"fmt"

	pretty "github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/servestat/servestat/report/escape"
	"github.com/servestat/servestat/report/scale"
)

// minColumn is the width below which a column of text is not cut.
const minColumn = 10

// A grid writes a table with lines, for a terminal. It keeps the rows that it
// shows, because the width of a column is known only at the end.
type grid struct {
	w       *bufio.Writer
	columns []column
	options Options
	cells   [][]string
	rows    int64
}

func newGrid(w *bufio.Writer, columns []column, o Options) *grid {
	if o.MaxRows == 0 {
		o.MaxRows = DefaultMaxRows
	}
	return &grid{w: w, columns: columns, options: o}
}

func (g *grid) head() error { return nil }

func (g *grid) row(values []any) error {
	g.rows++
	if g.options.MaxRows >= 0 && len(g.cells) >= g.options.MaxRows {
		return nil
	}
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = null
		if v != nil {
			cells[i] = escape.Line(g.columns[i].format(v))
		}
	}
	g.cells = append(g.cells, cells)
	return nil
}

func (g *grid) close() error {
	widths := g.widths()
	t := pretty.NewWriter()
	t.SetStyle(g.style())
	t.AppendHeader(g.cut(g.names(), widths))
	for _, cells := range g.cells {
		t.AppendRow(g.cut(cells, widths))
	}
	configs := make([]pretty.ColumnConfig, len(g.columns))
	for i, c := range g.columns {
		configs[i] = pretty.ColumnConfig{Number: i + 1, Align: text.AlignLeft, AlignHeader: text.AlignLeft}
		if c.numeric() {
			configs[i].Align, configs[i].AlignHeader = text.AlignRight, text.AlignRight
		}
	}
	t.SetColumnConfigs(configs)
	if _, err := fmt.Fprintln(g.w, t.Render()); err != nil {
		return err
	}
	if left := g.rows - int64(len(g.cells)); left > 0 {
		_, err := fmt.Fprintf(g.w, "%s of %s rows; another format writes all of them\n", scale.Count(int64(len(g.cells))), scale.Count(g.rows))
		return err
	}
	return nil
}

// style is light lines, names as they are, and a row that is too wide even so
// ends in an ellipsis.
func (g *grid) style() pretty.Style {
	s := pretty.StyleLight
	s.Format.Header = text.FormatDefault
	s.Box.UnfinishedRow = "…"
	s.Size.WidthMax = max(g.options.Width, 0)
	return s
}

func (g *grid) names() []string {
	names := make([]string, len(g.columns))
	for i, c := range g.columns {
		names[i] = escape.Line(c.Name)
	}
	return names
}

// widths returns how wide each column may be: as wide as its content, unless the
// table would be wider than the terminal. Then columns of text give way, the
// widest first. Numbers are never cut: half a number is another number.
func (g *grid) widths() []int {
	widths := make([]int, len(g.columns))
	for _, row := range append([][]string{g.names()}, g.cells...) {
		for i, cell := range row {
			widths[i] = max(widths[i], text.StringWidth(cell))
		}
	}
	if g.options.Width <= 0 {
		return widths
	}
	excess := 3*len(widths) + 1 - g.options.Width
	for _, w := range widths {
		excess += w
	}
	for ; excess > 0; excess-- {
		i := g.widestText(widths)
		if i < 0 {
			break
		}
		widths[i]--
	}
	return widths
}

// widestText returns the widest column that may be cut; -1 where there is none.
func (g *grid) widestText(widths []int) int {
	widest := -1
	for i, c := range g.columns {
		if !c.numeric() && widths[i] > minColumn && (widest < 0 || widths[i] > widths[widest]) {
			widest = i
		}
	}
	return widest
}

// cut shortens what is wider than its column with an ellipsis.
func (g *grid) cut(cells []string, widths []int) pretty.Row {
	row := make(pretty.Row, len(cells))
	for i, cell := range cells {
		if text.StringWidth(cell) > widths[i] {
			cell = text.Trim(cell, widths[i]-1) + "…"
		}
		row[i] = cell
	}
	return row
}
