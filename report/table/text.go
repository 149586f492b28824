package table

import (
	"bufio"
	"strings"

	"github.com/servestat/servestat/report/escape"
)

// A csvWriter writes RFC 4180 with a head line. Lines end in LF, as other tools
// on a Unix write and expect them.
type csvWriter struct {
	w       *bufio.Writer
	columns []column
}

func (c *csvWriter) head() error {
	names := make([]string, len(c.columns))
	for i, col := range c.columns {
		names[i] = quoteCSV(col.Name)
	}
	return c.line(names)
}

func (c *csvWriter) row(values []any) error {
	fields := make([]string, len(values))
	for i, v := range values {
		if v != nil {
			fields[i] = quoteCSV(c.columns[i].format(v))
		}
	}
	if len(fields) == 1 && fields[0] == "" {
		fields[0] = `""` // an empty line is no record
	}
	return c.line(fields)
}

func (c *csvWriter) line(fields []string) error {
	_, err := c.w.WriteString(strings.Join(fields, ",") + "\n")
	return err
}

func (c *csvWriter) close() error { return nil }

// quoteCSV quotes what must be, and the empty text, which is not NULL.
func quoteCSV(s string) string {
	if s != "" && !strings.ContainsAny(s, ",\"\r\n") && s[0] != ' ' && s[len(s)-1] != ' ' {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// A markdownWriter writes a GitHub table. It streams: columns are not padded.
type markdownWriter struct {
	w       *bufio.Writer
	columns []column
}

func (m *markdownWriter) head() error {
	names, rule := make([]string, len(m.columns)), make([]string, len(m.columns))
	for i, c := range m.columns {
		names[i], rule[i] = escape.Cell(c.Name), ":--"
		if c.numeric() {
			rule[i] = "--:"
		}
	}
	if err := m.line(names); err != nil {
		return err
	}
	return m.line(rule)
}

func (m *markdownWriter) row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = null
		if v != nil {
			cells[i] = escape.Cell(m.columns[i].format(v))
		}
	}
	return m.line(cells)
}

func (m *markdownWriter) line(cells []string) error {
	_, err := m.w.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	return err
}

func (m *markdownWriter) close() error { return nil }
