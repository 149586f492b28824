package text

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/servestat/servestat/report/escape"
)

// A Section is a table with sentences around it, without the marks of any format:
// what stands in it is not escaped yet.
type Section struct {
	Title string
	Said  []string // before the table
	Head  []string
	Rows  [][]string
	Notes []string // after it
}

// Add adds a row.
func (s *Section) Add(cells ...string) { s.Rows = append(s.Rows, cells) }

// Note adds a sentence, once.
func (s *Section) Note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, n := range s.Notes {
		if n == text {
			return
		}
	}
	s.Notes = append(s.Notes, text)
}

// Empty reports whether there is nothing to say.
func (s *Section) Empty() bool { return len(s.Said)+len(s.Rows)+len(s.Notes) == 0 }

// trim leaves out columns of which no row has anything.
func (s *Section) trim() {
	for col := len(s.Head) - 1; col >= 0; col-- {
		if slices.ContainsFunc(s.Rows, func(r []string) bool { return r[col] != "" }) {
			continue
		}
		s.Head = slices.Delete(slices.Clone(s.Head), col, col+1)
		for i, r := range s.Rows {
			s.Rows[i] = slices.Delete(slices.Clone(r), col, col+1)
		}
	}
}

// writeSections writes sections one below the other.
func writeSections(w io.Writer, sections []Section) error {
	for i, s := range sections {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := s.write(w); err != nil {
			return err
		}
	}
	return nil
}

func (s *Section) write(w io.Writer) error {
	if s.Title != "" {
		fmt.Fprintf(w, "%s\n", escape.Line(s.Title))
	}
	for _, said := range s.Said {
		fmt.Fprintf(w, "  %s\n", escape.Line(said))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(s.Rows) > 0 {
		fmt.Fprintln(t, "  "+strings.Join(s.Head, "\t"))
	}
	for _, r := range s.Rows {
		cells := make([]string, len(r))
		for i, c := range r {
			cells[i] = escape.Line(c)
			if c == "" {
				cells[i] = "."
			}
		}
		fmt.Fprintln(t, "  "+strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, n := range s.Notes {
		fmt.Fprintf(w, "  %s\n", escape.Line(n))
	}
	return nil
}
