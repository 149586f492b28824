package schemas

import (
	"fmt"
	"io"
	"strings"
)

// WriteFormat writes the page FORMAT.md: every table with its columns.
func WriteFormat(w io.Writer) error {
	var b strings.Builder
	b.WriteString(formatIntro)
	for _, t := range Tables() {
		fmt.Fprintf(&b, "\n## %s\n\nOne row per %s. %s\n\n", t.Name, t.RowPer, t.Doc)
		b.WriteString("| id | column | type | unit | NULL | meaning | source |\n|---:|---|---|---|---|---|---|\n")
		for _, c := range t.Columns {
			null := "may be"
			if c.Required {
				null = "never"
			}
			fmt.Fprintf(&b, "| %d | `%s` | %s | %s | %s | %s | %s |\n", c.ID, c.Name, c.Type, c.Unit, null, c.Doc, t.Source(c.Name))
		}
	}
	b.WriteString("\n## Metrics\n\n| id | version | name | unit | better | one value per | formula | needs |\n|---|---:|---|---|---|---|---|---|\n")
	for _, m := range Metrics {
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s | %s | %s | %s | %s |\n", m.ID, m.Version, m.Name, m.Unit, m.Better, m.Per, m.Formula, m.Needs)
	}
	b.WriteString("\nOther tools' names for these, and where they differ:\n\n| ours | tool | its name | the same | how it differs |\n|---|---|---|---|---|\n")
	for _, m := range Metrics {
		for _, c := range m.Cousins {
			same := "no"
			if c.Same {
				same = "yes"
			}
			fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s |\n", m.ID, c.Tool, c.Name, same, c.Note)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const formatIntro = `# The tables

<!-- Generated from the definitions in this package by go test ./schemas -update. Do not edit. -->

Tables are Parquet files (blocks) in a lake; [the lake's layout](lake/doc.go) says where they lie and how they are
published. A column's id is its Parquet field id: it names the column for ever and is never used again. Tables only
gain columns. A reader must ignore columns that it does not know, and read a column that a file lacks as NULL.

Stored times are integer nanoseconds; what was not recorded is NULL, never zero. Times of day are the client's wall
clock without a zone. JSON columns hold one JSON text with sorted keys.

To turn a request and its gaps back into the times of its chunks: the first chunk came at ` + "`start_ns + ttft_ns`" + `, chunk *j* at
that plus the sum of ` + "`gap_ns`" + ` over chunk_idx 1 to *j* (the view ` + "`token_times`" + ` does it).
`
