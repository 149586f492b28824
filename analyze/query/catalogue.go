package query

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

// A Kind says what a relation is.
type Kind string

// The kinds of relations. A macro that gives a table stands in FROM, with
// parentheses; one that gives a value stands wherever an expression does.
const (
	TableKind      Kind = "table"
	ViewKind       Kind = "view"
	MacroKind      Kind = "macro"
	TableMacroKind Kind = "table macro"
)

// A Relation is a table, a view or a macro of the lake, with what its columns mean.
type Relation struct {
	Name    string
	Kind    Kind
	Doc     string
	Usage   string // of a macro: its name with its parameters
	Example string // of a macro: a statement that uses it
	Columns []RelationColumn
}

// A RelationColumn is one column of a table or view.
type RelationColumn struct {
	Name, Type, Unit, Doc, Source string
	Required                      bool // never NULL; of views it is not known
}

// A definition is a relation and the statement that makes it. Definitions are
// made when a statement first names them: the blocks of a table that nobody asks
// for are never opened.
type definition struct {
	Relation
	sql   string   // empty of a measured table, where it follows from the runs that are asked for
	blank string   // the same with no rows; empty where it is the same
	needs []string // every word of sql, among them the relations that it uses

	measured *schemas.TableInfo
}

// catalogue lists all definitions, each after those that it uses.
func catalogue(local *lake.Reader, as []*lake.Analysis) []definition {
	var all []definition
	for _, t := range schemas.MeasuredTables() {
		all = append(all, definition{Relation: tableRelation(t), blank: viewOver(t, nil, 0), measured: &t})
	}
	for _, t := range schemas.ResultTables() {
		all = append(all, definition{Relation: tableRelation(t), sql: resultView(local, t, as), blank: viewOver(t, nil, 0), needs: []string{schemas.RunsTable.Name}})
	}
	for _, v := range views {
		doc, columns := viewDoc(text(v))
		all = append(all, definition{Relation: Relation{Name: v, Kind: ViewKind, Doc: doc, Columns: columns}, sql: text(v), needs: words(code(text(v)))})
	}
	return append(all, macros()...)
}

func tableRelation(t schemas.TableInfo) Relation {
	r := Relation{Name: t.Name, Kind: TableKind, Doc: "One row per " + t.RowPer + ". " + t.Doc}
	for _, c := range t.Columns {
		r.Columns = append(r.Columns, RelationColumn{Name: c.Name, Type: c.Type.SQL(), Unit: c.Unit, Doc: c.Doc, Source: t.Source(c.Name), Required: c.Required})
	}
	return r
}

// viewDoc reads the comment at the head of a view's file: prose, and after the
// line "-- column | unit | meaning | source" one line a column.
func viewDoc(text string) (doc string, columns []RelationColumn) {
	var prose []string
	inColumns := false
	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), "--")
		if !ok {
			break
		}
		if comment = strings.TrimSpace(comment); strings.HasPrefix(comment, "column |") {
			inColumns = true
			continue
		}
		if !inColumns {
			prose = append(prose, comment)
			continue
		}
		part := strings.Split(comment, "|")
		for i := range part {
			part[i] = strings.TrimSpace(part[i])
		}
		if len(part) != 4 {
			panic("query: no line about a column: " + comment) // the files are compiled in
		}
		columns = append(columns, RelationColumn{Name: part[0], Unit: part[1], Doc: part[2], Source: part[3]})
	}
	return paragraphs(prose), columns
}

// paragraphs joins lines to paragraphs, one a line; an empty one begins another.
func paragraphs(lines []string) string {
	var all []string
	for paragraph := range strings.SplitSeq(strings.Join(lines, "\n"), "\n\n") {
		all = append(all, strings.ReplaceAll(strings.TrimSpace(paragraph), "\n", " "))
	}
	return strings.TrimSpace(strings.Join(all, "\n"))
}

var macroHead = regexp.MustCompile(`(?s)^CREATE MACRO (\w+)(\(.*?\)) AS\s+(TABLE\b)?`)

// macros reads macros.sql: each macro with the comment above it, which ends in an
// example.
func macros() []definition {
	var all []definition
	for _, part := range strings.Split(text("macros"), ";\n") {
		var prose []string
		var example string
		for line := range strings.Lines(part) {
			comment, ok := strings.CutPrefix(line, "--")
			if !ok {
				if strings.TrimSpace(line) == "" { // what came before is not about the macro
					prose = nil
				}
				continue
			}
			comment = strings.TrimSpace(comment)
			if e, ok := strings.CutPrefix(comment, "Example: "); ok {
				example = e
				continue
			}
			prose = append(prose, comment)
		}
		statement := strings.TrimSpace(code(part))
		if statement == "" {
			continue
		}
		head := macroHead.FindStringSubmatch(statement)
		if head == nil {
			panic("query: no macro: " + statement) // the files are compiled in
		}
		kind := MacroKind
		if head[3] != "" {
			kind = TableMacroKind
		}
		all = append(all, definition{
			Relation: Relation{Name: head[1], Kind: kind, Doc: paragraphs(prose), Usage: head[1] + head[2], Example: example},
			sql:      statement, needs: words(statement),
		})
	}
	return all
}

// code is a file of ours without its comments. No text in it holds two hyphens.
func code(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		before, _, commented := strings.Cut(line, "--")
		b.WriteString(before)
		if commented {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

var word = regexp.MustCompile(`[A-Za-z_][A-Za-z_0-9]*`)

// words returns every name in a text, lower case.
func words(text string) []string { return word.FindAllString(strings.ToLower(text), -1) }

// made tells which definitions the database has by now.
type made struct {
	sync.Mutex
	definitions []definition
	done        map[string]bool
	blank       map[string]bool    // made, without rows
	runs        map[string]*runSet // of the tables that are made: the runs that they have
}

// listing are words of statements that list what there is.
var listing = []string{"show", "tables", "information_schema", "duckdb_columns", "duckdb_tables", "duckdb_views", "duckdb_functions"}

// make creates the relations that a statement may name. A word is a name wherever
// it stands: one too many costs a little time. Of a statement that lists what there
// is, the tables that it does not name have no rows yet.
//
// scope says of which runs tables are needed; nil, of all. A table that an earlier
// statement needed for others gets more rows and loses none.
func (d *DB) make(ctx context.Context, statement string, scope map[string]*runSet) error {
	d.made.Lock()
	defer d.made.Unlock()
	wanted, listed := d.named(statement)
	for _, def := range wanted {
		runs := d.needed(def, scope)
		if d.made.done[def.Name] && (def.measured == nil || d.made.runs[def.Name].covers(runs)) {
			continue
		}
		runs = d.made.runs[def.Name].with(runs)
		if err := d.fetch(ctx, def, runs); err != nil {
			return err
		}
		if err := d.create(ctx, def, d.statementOf(def, runs)); err != nil {
			return err
		}
		d.made.done[def.Name], d.made.blank[def.Name], d.made.runs[def.Name] = true, false, runs
	}
	for _, def := range listed {
		if err := d.create(ctx, def, cmp.Or(def.blank, def.sql)); err != nil {
			return err
		}
		d.made.done[def.Name], d.made.blank[def.Name] = def.blank == "", true
	}
	return nil
}

// needed is of which runs a statement of this scope needs a definition.
func (d *DB) needed(def definition, scope map[string]*runSet) *runSet {
	if scope == nil || def.measured == nil {
		return allRuns
	}
	return cmp.Or(scope[def.Name], &runSet{})
}

// statementOf is the statement that makes a definition, for some runs.
func (d *DB) statementOf(def definition, runs *runSet) string {
	if def.sql != "" {
		return def.sql
	}
	return tableView(d.files, *def.measured, narrowed(d.seen.Files(def.Name), def.Name, runs))
}

func (d *DB) create(ctx context.Context, def definition, statement string) error {
	if d.made.blank[def.Name] || d.made.done[def.Name] {
		statement = strings.Replace(statement, "CREATE ", "CREATE OR REPLACE ", 1)
	}
	if _, err := d.db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s %s: %w", def.Kind, def.Name, clean(err))
	}
	return nil
}

// named returns the definitions to make for a statement, each after those that it
// uses: what it may name, and what it lists besides.
func (d *DB) named(statement string) (wanted, listed []definition) {
	named := map[string]bool{}
	all := false
	for _, w := range words(statement) {
		named[w] = true
		all = all || slices.Contains(listing, w)
	}
	// Backwards, what a definition uses comes after it.
	for _, def := range slices.Backward(d.made.definitions) {
		if !named[def.Name] {
			continue
		}
		for _, w := range def.needs {
			named[w] = true
		}
	}
	for _, def := range d.made.definitions {
		switch {
		case named[def.Name]:
			wanted = append(wanted, def)
		case d.made.done[def.Name]:
		case all && !d.made.blank[def.Name]:
			listed = append(listed, def)
		}
	}
	return wanted, listed
}

// fetch makes the blocks of a table local that hold some runs.
func (d *DB) fetch(ctx context.Context, def definition, runs *runSet) error {
	if d.files == nil || def.Kind != TableKind {
		return nil
	}
	var names []string
	for _, f := range narrowed(d.seen.Files(def.Name), def.Name, runs) {
		names = append(names, f.Name)
	}
	for _, a := range d.analyses {
		for _, b := range a.Blocks {
			if b.Table == def.Name {
				names = append(names, b.Name)
			}
		}
	}
	return d.files.Fetch(ctx, names...)
}

// Stage makes a folder that is a lake of its own, and answers one statement as l
// does, and [DB.FailedChecks]: for a process that cannot reach l. Close what it returns
// when that is done.
func Stage(ctx context.Context, l *lake.Lake, statement string, params map[string]string) (dir string, done func() error, err error) {
	d, err := OpenNarrow(ctx, l, DefaultLimits)
	if err != nil {
		return "", nil, err
	}
	if err = d.stage(ctx, statement, params); err == nil {
		err = d.files.Mirror(ctx)
	}
	if err != nil {
		d.Close()
		return "", nil, err
	}
	return d.files.Dir(), d.Close, nil
}

// stage makes what a statement reads local. What is wrong with it, whoever asks it
// will be told.
func (d *DB) stage(ctx context.Context, statement string, params map[string]string) error {
	tree, err := d.check(ctx, statement)
	if err != nil {
		return nil
	}
	if err := d.fetchFor(ctx, statement, d.scope(ctx, tree, params)); err != nil || !d.keeps(schemas.FindingsTable.Name) {
		return err
	}
	return d.fetchFor(ctx, text("failed_checks"), nil) // which is asked besides
}

func (d *DB) fetchFor(ctx context.Context, statement string, scope map[string]*runSet) error {
	wanted, _ := d.named(statement)
	for _, def := range wanted {
		if err := d.fetch(ctx, def, d.needed(def, scope)); err != nil {
			return err
		}
	}
	return nil
}

// Catalogue describes every table, view and macro that a lake has, as this
// version of servestat makes them. It needs no lake.
func Catalogue(ctx context.Context) ([]Relation, error) {
	d, err := openEmpty(ctx)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := d.make(ctx, "show tables", nil); err != nil {
		return nil, err
	}
	var all []Relation
	for _, def := range d.made.definitions {
		r := def.Relation
		if r.Kind == ViewKind {
			if r.Columns, err = d.typed(ctx, r); err != nil {
				return nil, err
			}
		}
		all = append(all, r)
	}
	return all, nil
}

// typed returns a view's columns as the database has them, with their documents.
func (d *DB) typed(ctx context.Context, r Relation) ([]RelationColumn, error) {
	rows, err := d.db.QueryContext(ctx, "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = ? ORDER BY ordinal_position", r.Name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []RelationColumn
	for rows.Next() {
		var name, dataType string
		if err := rows.Scan(&name, &dataType); err != nil {
			return nil, err
		}
		c := RelationColumn{Name: name}
		if i := slices.IndexFunc(r.Columns, func(c RelationColumn) bool { return c.Name == name }); i >= 0 {
			c = r.Columns[i]
		}
		c.Type = dataType
		out = append(out, c)
	}
	return out, rows.Err()
}

// Relations describes what the database has, without types of views' columns: for
// completion and suggestions.
func (d *DB) Relations() []Relation {
	var all []Relation
	for _, def := range d.made.definitions {
		all = append(all, def.Relation)
	}
	return all
}
