package query

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ErrNotReadOnly is returned for what is not one SELECT or EXPLAIN.
var ErrNotReadOnly = errors.New("only one SELECT (or EXPLAIN, DESCRIBE, SUMMARIZE) statement is run here; write elsewhere with -o")

// A StatementError says what is wrong with a statement, and where.
type StatementError struct {
	Message   string
	Hint      string
	Statement string
	At        int // byte offset in Statement; negative where it is not known
}

// Error is the message, and the line with a caret under the place.
func (e *StatementError) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString("\n" + e.Hint)
	}
	if e.At < 0 || e.At > len(e.Statement) {
		return b.String()
	}
	before, line := e.Statement[:e.At], strings.Count(e.Statement[:e.At], "\n")+1
	from := strings.LastIndexByte(before, '\n') + 1
	whole, _, _ := strings.Cut(e.Statement[from:], "\n")
	head := fmt.Sprintf("LINE %d: ", line)
	// What is before the place is shown as far as it fits, so that the caret is on the same screen line.
	const most = 60
	shown := []rune(e.Statement[from:e.At])
	if len(shown) > most {
		shown = append([]rune("…"), shown[len(shown)-most:]...)
	}
	after := []rune(whole[e.At-from:])
	if len(after) > most {
		after = append(after[:most], '…')
	}
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(shown))
	fmt.Fprintf(&b, "\n\n%s%s%s\n%s%s^", head, string(shown), string(after), strings.Repeat(" ", len(head)), pad)
	return b.String()
}

var (
	// tableFunctions are those that make rows out of their arguments, or list the
	// catalogue without saying where the lake lies.
	tableFunctions = []string{
		"range", "generate_series", "unnest", "json_each", "json_tree", "repeat", "repeat_row", "histogram", "histogram_values",
		"duckdb_columns", "duckdb_functions", "duckdb_keywords", "duckdb_types", "pragma_table_info", "pragma_version",
	}
	// catalogueTables list what there is without its definition, which holds paths.
	catalogueTables = []string{"columns", "tables", "schemata"}
	// deniedFunctions tell settings, reach what other statements left, write, tell the
	// definitions of views, or plan a statement that nobody has looked at; the last
	// trusts what it is given.
	deniedFunctions = []string{
		"current_setting", "getenv", "getvariable", "nextval", "currval", "setseed", "write_log", "parse_duckdb_log_message",
		"pg_get_viewdef", "pg_get_constraintdef", "get_block_size", "json_serialize_plan", inSpansName,
	}
)

var explainHead = regexp.MustCompile(`(?is)^explain\s+(analyze\s+|\([^)]*\)\s*)*`)

// inner is where the statement begins that an EXPLAIN explains; 0 where there is
// none. EXPLAIN ANALYZE runs what it explains.
func inner(statement string) int {
	start := skipComments(statement)
	return start + len(explainHead.FindString(statement[start:]))
}

// skipComments returns where the first word of a statement begins.
func skipComments(s string) int {
	at := 0
	for {
		at += len(s[at:]) - len(strings.TrimLeft(s[at:], " \t\r\n"))
		switch rest := s[at:]; {
		case strings.HasPrefix(rest, "--"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				return len(s)
			}
			at += end + 1
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				return len(s)
			}
			at += end + 2
		default:
			return at
		}
	}
}

// check lets nothing pass but one SELECT over the lake's own tables, and returns its
// tree. The statement is read by DuckDB's own parser, so that both understand the same
// by it.
func (d *DB) check(ctx context.Context, statement string) (json.RawMessage, error) {
	start := inner(statement)
	var text string
	if err := d.db.QueryRowContext(ctx, "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", statement[start:]).Scan(&text); err != nil {
		return nil, clean(err)
	}
	var parsed struct {
		Error      bool              `json:"error"`
		Type       string            `json:"error_type"`
		Message    string            `json:"error_message"`
		Position   string            `json:"position"`
		Statements []json.RawMessage `json:"statements"`
	}
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		return nil, err
	}
	if parsed.Error {
		return nil, notParsed(statement, start, parsed.Type, parsed.Message, parsed.Position)
	}
	if len(parsed.Statements) != 1 {
		return nil, ErrNotReadOnly
	}
	var tree any
	if err := json.Unmarshal(parsed.Statements[0], &tree); err != nil {
		return nil, err
	}
	g := guard{db: d, statement: statement, start: start}
	return parsed.Statements[0], g.walk(ctx, tree, nil)
}

func notParsed(statement string, start int, kind, message, position string) error {
	if kind == "not implemented" {
		if strings.Contains(strings.ToLower(statement), "pivot") {
			return fmt.Errorf("%w; PIVOT needs its values here: ON column IN (…)", ErrNotReadOnly)
		}
		return ErrNotReadOnly
	}
	e := &StatementError{Message: message, Statement: statement, At: -1}
	var at int
	if _, err := fmt.Sscan(position, &at); err == nil {
		e.At = start + at
	}
	return e
}

// A guard looks at a statement's tree.
type guard struct {
	db        *DB
	statement string
	start     int // where the tree's statement begins
}

// A scope is the names that a statement defines itself, of those parts of it that may
// use them. What one part of a statement calls its own is elsewhere the name of a file,
// or of a table of the engine that tells where the lake lies.
type scope struct {
	name  string
	outer *scope
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.outer {
		if s.name == name {
			return true
		}
	}
	return false
}

// walk refuses what reaches beyond the lake. Children are visited in the order of
// their keys, so that of two faults the same one is told every time.
func (g *guard) walk(ctx context.Context, node any, in *scope) error {
	switch n := node.(type) {
	case []any:
		for _, e := range n {
			if err := g.walk(ctx, e, in); err != nil {
				return err
			}
		}
	case map[string]any:
		if err := g.judge(ctx, n, in); err != nil {
			return err
		}
		within, err := g.define(ctx, n, in)
		if err != nil {
			return err
		}
		keys := make([]string, 0, len(n))
		for k := range n {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if k == "cte_map" { // define went through it
				continue
			}
			if err := g.walk(ctx, n[k], g.visible(n, k, in, within)); err != nil {
				return err
			}
		}
	}
	return nil
}

// define goes through the common table expressions of a node, of which each sees those
// before it, and returns what the rest of the node sees.
func (g *guard) define(ctx context.Context, n map[string]any, in *scope) (*scope, error) {
	ctes, _ := n["cte_map"].(map[string]any)
	entries, _ := ctes["map"].([]any)
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		if err := g.walk(ctx, entry["value"], in); err != nil {
			return nil, err
		}
		in = &scope{lower(entry["key"]), in}
	}
	return in, nil
}

// visible is what a child of a node sees: of a recursive expression only the second
// part sees the expression itself, and the one that a node materializes sees those
// before it, which is looked at with the others.
func (g *guard) visible(n map[string]any, child string, in, within *scope) *scope {
	switch {
	case n["type"] == "RECURSIVE_CTE_NODE" && child == "right", n["type"] == "CTE_NODE" && child == "child":
		return &scope{lower(n["cte_name"]), within}
	case n["type"] == "CTE_NODE" && child == "query":
		before := in
		for _, name := range defined(n) {
			if name == lower(n["cte_name"]) {
				break
			}
			before = &scope{name, before}
		}
		return before
	}
	return within
}

// defined are the names of a node's common table expressions.
func defined(n map[string]any) (names []string) {
	ctes, _ := n["cte_map"].(map[string]any)
	entries, _ := ctes["map"].([]any)
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		names = append(names, lower(entry["key"]))
	}
	return names
}

func (g *guard) judge(ctx context.Context, n map[string]any, in *scope) error {
	switch n["type"] {
	case "BASE_TABLE":
		return g.table(ctx, n, in)
	case "TABLE_FUNCTION":
		f, _ := n["function"].(map[string]any)
		return g.tableFunction(ctx, f)
	case "SHOW_REF":
		if name := strings.Trim(lower(n["table_name"]), `"`); n["query"] == nil && !slices.Contains([]string{"tables", "__show_tables_expanded"}, name) {
			return g.refuse(n, "SHOW "+name+" is not allowed here", "SHOW TABLES, DESCRIBE and SUMMARIZE are")
		}
	case "FUNCTION":
		if name := lower(n["function_name"]); slices.Contains(deniedFunctions, name) {
			return g.refuse(n, "function "+name+" is not allowed here", "a statement reads the lake, and nothing else")
		}
	}
	return nil
}

func (g *guard) table(ctx context.Context, n map[string]any, in *scope) error {
	name, schema := lower(n["table_name"]), lower(n["schema_name"])
	if schema == "information_schema" {
		if slices.Contains(catalogueTables, name) {
			return nil
		}
		return g.refuse(n, "information_schema."+name+" is not allowed here", "there are columns, tables and schemata")
	}
	if lower(n["catalog_name"]) == "" && (schema == "" || schema == "main") {
		if schema == "" && in.has(name) {
			return nil
		}
		for _, def := range g.db.made.definitions {
			if def.Name == name && (def.Kind == TableKind || def.Kind == ViewKind) {
				return nil
			}
		}
	}
	message := fmt.Sprintf("there is no table %v", n["table_name"])
	if strings.ContainsAny(name, "./:*") {
		return g.refuse(n, message, "files cannot be read here: servestat ingest takes them into the lake")
	}
	return g.refuse(n, message, g.nearest(ctx, name, TableKind, ViewKind))
}

func (g *guard) tableFunction(ctx context.Context, f map[string]any) error {
	name := lower(f["function_name"])
	if slices.Contains(tableFunctions, name) {
		return nil
	}
	for _, def := range g.db.made.definitions {
		if def.Name == name && def.Kind == TableMacroKind {
			return nil
		}
	}
	return g.refuse(f, "table function "+name+" is not allowed here", g.nearest(ctx, name, TableMacroKind))
}

// nearest suggests the relation whose name is most like a mistyped one.
func (g *guard) nearest(ctx context.Context, name string, kinds ...Kind) string {
	var names []string
	for _, def := range g.db.made.definitions {
		if slices.Contains(kinds, def.Kind) {
			names = append(names, quote(def.Name))
		}
	}
	var best string
	var distance int
	err := g.db.db.QueryRowContext(ctx, "SELECT name, damerau_levenshtein(name, ?) AS d FROM (SELECT unnest(["+strings.Join(names, ", ")+"]) AS name) ORDER BY d, name", name).Scan(&best, &distance)
	if err != nil || distance > 1+len(name)/3 {
		return "servestat schema lists what there is"
	}
	return "did you mean " + best + "?"
}

func (g *guard) refuse(n map[string]any, message, hint string) error {
	e := &StatementError{Message: message, Hint: hint, Statement: g.statement, At: -1}
	if at, ok := n["query_location"].(float64); ok && at < float64(len(g.statement)) {
		e.At = g.start + int(at)
	}
	return e
}

func lower(v any) string {
	s, _ := v.(string)
	return strings.ToLower(s)
}

// Query runs one read-only statement.
func (d *DB) Query(ctx context.Context, statement string) (*Rows, error) {
	return d.QueryWith(ctx, statement, nil)
}

// ErrTooManyRows is returned by a result of more rows than its limit.
var ErrTooManyRows = errors.New("the result has more rows than are allowed: add LIMIT, or allow more")

// QueryWith runs one read-only statement whose parameters ($name) have the values
// of params, given as text.
func (d *DB) QueryWith(ctx context.Context, statement string, params map[string]string) (*Rows, error) {
	tree, err := d.check(ctx, statement)
	if err != nil {
		return nil, err
	}
	var scope map[string]*runSet
	if d.narrow {
		scope = d.scope(ctx, tree, params)
	}
	if err := d.make(ctx, statement, scope); err != nil {
		return nil, err
	}
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := d.run(ctx, conn, statement, params)
	if err != nil && strings.Contains(err.Error(), "Catalog Error") {
		// Once everything is made, DuckDB knows the names to suggest.
		if made := d.make(ctx, "show tables", nil); made == nil {
			rows, err = d.run(ctx, conn, statement, params)
		}
	}
	if err != nil {
		conn.Close()
		return nil, clean(err)
	}
	return &Rows{Rows: rows, conn: conn, most: d.limits.Rows}, nil
}

func (d *DB) run(ctx context.Context, conn *sql.Conn, statement string, params map[string]string) (*sql.Rows, error) {
	args, err := bind(conn, statement, params)
	if err != nil {
		return nil, err
	}
	if d.limits.Rows > 0 && inner(statement) == skipComments(statement) {
		// One more than is allowed, and the engine need not make the rest.
		statement = fmt.Sprintf("SELECT * FROM (%s\n) LIMIT %d", strings.TrimRight(strings.TrimSpace(statement), "; \t\r\n"), d.limits.Rows+1)
	}
	return conn.QueryContext(ctx, statement, args...)
}
