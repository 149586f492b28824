package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/report/table"
)

const schemaLong = `Print the data dictionary: what servestat sql knows. Without TABLE, one line for
every table, view and macro; with one, its columns: type, unit, meaning and where
the values come from. No lake is needed.

With --format markdown or json and no TABLE, all of it: the data dictionary page.`

func (a *app) schemaCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema [flags] [TABLE]",
		Short: "the data dictionary: tables, views, macros, and what their columns mean",
		Long:  schemaLong,
		Example: `  servestat schema
  servestat schema run_summary
  servestat schema --format markdown -o dictionary.md`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := query.Catalogue(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) == 1 {
				if all, err = only(all, args[0], "servestat schema"); err != nil {
					return err
				}
			}
			return a.schema(all, len(args) == 1)
		},
	}
	f := cmd.Flags()
	f.String("format", "text", "text, json or markdown")
	f.StringP("out", "o", "", "file to write to instead of stdout")
	return cmd
}

// only picks a relation by its name, as an argument of a command.
func only(all []query.Relation, name, command string) ([]query.Relation, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "()"))
	best, distance := "", 4
	for _, r := range all {
		if r.Name == name {
			return []query.Relation{r}, nil
		}
		if d := editDistance(r.Name, name); d < distance {
			best, distance = r.Name, d
		}
	}
	hint := command + " lists what there is"
	if best != "" {
		hint = "did you mean: " + command + " " + best
	}
	return nil, usagef(hint, "there is no table, view or macro %q", name)
}

func (a *app) schema(all []query.Relation, one bool) error {
	write := func(w io.Writer) error { return writeRelations(w, all, one, width(a.stdout)) }
	switch format := a.config.GetString("format"); format {
	case "json":
		write = func(w io.Writer) error { return writeRelationsJSON(w, all) }
	case "markdown":
		write = func(w io.Writer) error { return query.WriteDictionary(w, all) }
	case "text":
	default:
		return usagef("", "--format %s: want text, json or markdown", format)
	}
	if out := a.config.GetString("out"); out != "" {
		return writeFile(out, write)
	}
	return write(a.stdout)
}

// writeRelations writes for the terminal: one relation whole, or a line for each.
func writeRelations(w io.Writer, all []query.Relation, one bool, width int) error {
	if one {
		return writeRelation(w, all[0], width)
	}
	rows := &values{columns: textColumns("name", "kind", "what it holds")}
	for _, r := range all {
		name := r.Name
		if r.Usage != "" {
			name = r.Usage
		}
		rows.rows = append(rows.rows, []any{name, string(r.Kind), firstSentence(r.Doc)})
	}
	_, err := table.Write(w, rows, table.Table, table.Options{Width: width, MaxRows: -1})
	return err
}

func writeRelation(w io.Writer, r query.Relation, width int) error {
	var b bytes.Buffer
	name := r.Name
	if r.Usage != "" {
		name = r.Usage
	}
	fmt.Fprintf(&b, "%s %s\n%s\n", r.Kind, name, r.Doc)
	if r.Example != "" {
		fmt.Fprintf(&b, "\n  %s\n", r.Example)
	}
	if len(r.Columns) > 0 {
		rows := &values{columns: textColumns("column", "type", "unit", "meaning", "source")}
		for _, c := range r.Columns {
			rows.rows = append(rows.rows, []any{c.Name, c.Type, c.Unit, c.Doc, c.Source})
		}
		if _, err := table.Write(&b, rows, table.Table, table.Options{Width: width, MaxRows: -1}); err != nil {
			return err
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// schemaJSON names the form of the json format. A field may be added to it; a
// change of meaning is a new number.
const schemaJSON = "servestat.schema/1"

func writeRelationsJSON(w io.Writer, all []query.Relation) error {
	type column struct {
		Name    string `json:"name"`
		Type    string `json:"type"`
		Unit    string `json:"unit,omitempty"`
		Meaning string `json:"meaning"`
		Source  string `json:"source"`
		NotNull bool   `json:"not_null"`
	}
	type relation struct {
		Name    string   `json:"name"`
		Kind    string   `json:"kind"`
		Meaning string   `json:"meaning"`
		Usage   string   `json:"usage,omitempty"`
		Example string   `json:"example,omitempty"`
		Columns []column `json:"columns,omitempty"`
	}
	page := struct {
		Schema    string     `json:"schema"`
		Relations []relation `json:"relations"`
	}{Schema: schemaJSON}
	for _, r := range all {
		out := relation{Name: r.Name, Kind: string(r.Kind), Meaning: r.Doc, Usage: r.Usage, Example: r.Example}
		for _, c := range r.Columns {
			out.Columns = append(out.Columns, column{c.Name, c.Type, c.Unit, c.Doc, c.Source, c.Required})
		}
		page.Relations = append(page.Relations, out)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(page)
}

// values are rows that are there already, for package table.
type values struct {
	columns []table.Column
	rows    [][]any
	next    int
}

func (v *values) Columns() []table.Column { return v.columns }
func (v *values) Values() []any           { return v.rows[v.next-1] }
func (v *values) Err() error              { return nil }

func (v *values) Next() bool {
	v.next++
	return v.next <= len(v.rows)
}

// textColumns are columns of text.
func textColumns(names ...string) []table.Column {
	out := make([]table.Column, len(names))
	for i, name := range names {
		out[i] = table.Column{Name: name, DatabaseType: "VARCHAR"}
	}
	return out
}
