package query

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

// Which runs a statement can see is found out before the blocks of its tables are
// opened, or fetched from a bucket: its conditions are asked of the table runs first,
// and of the other tables only the blocks of the runs that satisfy them are read. The
// engine by itself opens every block, and hands no condition down into the views that
// count by run.
//
// A relation of a FROM clause is narrowed by the conditions of WHERE that speak of its
// run, directly or over joins on run_id. What is not understood narrows nothing.

// A runSet is some of the runs of a lake.
type runSet struct {
	all bool
	ids map[string]bool
}

var allRuns = &runSet{all: true}

func (s *runSet) has(run string) bool { return s.all || s.ids[run] }

func (s *runSet) covers(o *runSet) bool {
	if s.all || o.all {
		return s.all
	}
	for id := range o.ids {
		if !s.ids[id] {
			return false
		}
	}
	return true
}

// with is the runs of either.
func (s *runSet) with(o *runSet) *runSet {
	if s == nil || o.all {
		return o
	}
	if s.all {
		return s
	}
	both := &runSet{ids: map[string]bool{}}
	for _, ids := range []map[string]bool{s.ids, o.ids} {
		for id := range ids {
			both.ids[id] = true
		}
	}
	return both
}

// ofRun are relations whose rows follow from the rows of one run each, with the columns
// that say of a row what runs says of its run. Those without run_id follow from all runs
// with the same values in these columns.
var ofRun = func() map[string][]string {
	identity := []string{"run_id", "source_name", "model", "hardware", "path_label", "runtime", "runtime_version", "server_start", "repeat",
		"max_concurrency", "request_rate", "simulated", "started_at", "detailed"}
	of := map[string][]string{
		"run_numbers": identity, "run_summary": identity,
		"load_points": {"model", "hardware", "path_label", "runtime", "runtime_version", "max_concurrency", "request_rate"},
	}
	for _, name := range []string{"token_times", "in_flight", "steady_windows", "run_steady", "gap_histogram", "steady_window", "goodput", "peak_throughput"} {
		of[name] = []string{"run_id"}
	}
	for _, t := range schemas.MeasuredTables() {
		if lake.KeyColumn(t.Name) == "run_id" {
			of[t.Name] = []string{"run_id"}
		}
	}
	of[schemas.RunsTable.Name] = nil
	for _, c := range schemas.RunsTable.Columns {
		of[schemas.RunsTable.Name] = append(of[schemas.RunsTable.Name], c.Name)
	}
	return of
}()

// steadyFunctions may stand in a condition that is asked twice: they give the same for
// the same.
var steadyFunctions = []string{
	"~~", "!~~", "~~*", "!~~*", "lower", "upper", "starts_with", "prefix", "suffix", "contains", "substring", "substr", "left", "right", "trim", "replace",
	"regexp_matches", "regexp_full_match", "concat", "||", "strftime", "date_trunc", "date_part", "year", "month", "day", "dayname", "hour", "week_of", "coalesce", "ifnull",
	"->", "->>", "json_extract", "json_extract_string", "list_value", "list_contains", "abs", "round", "floor", "ceil", "+", "-", "*", "/", "//", "%", "beside",
}

// A source is a relation in a FROM clause.
type source struct {
	alias   string
	name    string   // empty: nothing is known of it
	columns []string // that are of its run
	group   *group
	outer   bool // on the side of a join whose rows may be missing: its columns say nothing
	of      any  // a condition on runs that is one of its arguments
}

// A group is sources whose run_id is the same in every row.
type group struct{ sources []*source }

// scope says of which runs each table is needed. Tables that it does not name are not read.
func (d *DB) scope(ctx context.Context, tree []byte, params map[string]string) map[string]*runSet {
	var statement any
	decoder := json.NewDecoder(strings.NewReader(string(tree)))
	decoder.UseNumber() // positions are larger than a float holds
	if err := decoder.Decode(&statement); err != nil {
		return nil
	}
	s := &scoper{ctx: ctx, db: d, params: params, ctes: guardedNames(statement), needed: map[string]*runSet{}}
	s.walk(statement)
	if s.lost {
		return nil
	}
	return s.needed
}

// guardedNames are all names that a statement defines itself, wherever they hold.
func guardedNames(tree any) map[string]bool {
	names := map[string]bool{}
	collect(tree, names)
	return names
}

func collect(node any, names map[string]bool) {
	switch n := node.(type) {
	case []any:
		for _, e := range n {
			collect(e, names)
		}
	case map[string]any:
		for _, name := range defined(n) {
			names[name] = true
		}
		if n["type"] == "RECURSIVE_CTE_NODE" || n["type"] == "CTE_NODE" {
			names[lower(n["cte_name"])] = true
		}
		for _, e := range n {
			collect(e, names)
		}
	}
}

type scoper struct {
	ctx    context.Context
	db     *DB
	params map[string]string
	ctes   map[string]bool
	needed map[string]*runSet
	lost   bool // something lists relations, and all of them may be meant
}

// walk finds every FROM clause, and every relation besides.
func (s *scoper) walk(node any) {
	switch n := node.(type) {
	case []any:
		for _, e := range n {
			s.walk(e)
		}
	case map[string]any:
		switch n["type"] {
		case "SELECT_NODE":
			s.selected(n)
			return
		case "SHOW_REF":
			s.lost = true
		case "BASE_TABLE", "TABLE_FUNCTION":
			s.need(s.sourceOf(n), allRuns)
		}
		for _, e := range n {
			s.walk(e)
		}
	}
}

// selected narrows the relations of one SELECT, and goes on with what is inside it.
func (s *scoper) selected(n map[string]any) {
	var sources []*source
	known := n["sample"] == nil && s.from(n["from_table"], false, &sources)
	var conditions []any
	conjuncts(n["where_clause"], &conditions)
	if known {
		for _, c := range conditions {
			if l, r := s.equated(c, sources); l != nil {
				merge(l, r)
			}
		}
	}
	found := map[*group]*runSet{}
	for _, src := range sources {
		set := allRuns
		switch {
		case src.of != nil:
			set = s.candidates([]any{s.condition(src.of, []*source{{alias: "runs", columns: ofRun["runs"]}})})
		case known && len(src.columns) > 0:
			if found[src.group] == nil {
				found[src.group] = s.satisfying(conditions, src.group, sources)
			}
			set = found[src.group]
		}
		s.need(src, set)
	}
	for key, e := range n {
		if key == "from_table" {
			s.inside(e)
			continue
		}
		s.walk(e)
	}
}

// inside walks what a FROM clause holds besides its relations.
func (s *scoper) inside(from any) {
	n, ok := from.(map[string]any)
	if !ok {
		return
	}
	switch n["type"] {
	case "BASE_TABLE":
	case "JOIN":
		s.inside(n["left"])
		s.inside(n["right"])
		s.walk(n["condition"])
	case "TABLE_FUNCTION":
		s.walk(n["function"])
	default:
		s.walk(n)
	}
}

// from lists the relations of a FROM clause, and reports whether its joins are
// understood.
func (s *scoper) from(node any, outer bool, into *[]*source) bool {
	n, ok := node.(map[string]any)
	if !ok {
		return true
	}
	if n["type"] != "JOIN" {
		src := s.sourceOf(n)
		src.outer = outer
		*into = append(*into, src)
		return true
	}
	from := len(*into)
	known := s.from(n["left"], outer, into)
	middle := len(*into)
	inner := n["join_type"] == "INNER"
	known = s.from(n["right"], outer || !inner, into) && known
	left, right := (*into)[from:middle:middle], (*into)[middle:]
	using, _ := n["using_columns"].([]any)
	if l, r := keyed(left), keyed(right); slices.Contains(using, any("run_id")) && len(l) > 0 && len(r) > 0 {
		known = known && oneGroup(l) && oneGroup(r)
		merge(l[0], r[0])
	}
	var conditions []any
	conjuncts(n["condition"], &conditions)
	for _, c := range conditions {
		// What an outer join asks of its left side alone, its rows need not satisfy.
		if l, r := s.equated(c, (*into)[from:]); l != nil && (inner || slices.Contains(left, l) != slices.Contains(left, r)) {
			merge(l, r)
		}
	}
	return known && slices.Contains([]any{"INNER", "LEFT", "SEMI", "ANTI"}, n["join_type"]) && slices.Contains([]any{"REGULAR", "CROSS"}, n["ref_type"])
}

func (s *scoper) sourceOf(n map[string]any) *source {
	src := &source{alias: lower(n["alias"])}
	src.group = &group{sources: []*source{src}}
	aliased, _ := n["column_name_alias"].([]any)
	if len(aliased) > 0 || n["sample"] != nil || n["at_clause"] != nil {
		aliased = []any{nil}
	}
	switch n["type"] {
	case "BASE_TABLE":
		if src.name = lower(n["table_name"]); s.ctes[src.name] { // which may be one of the statement's own
			aliased = []any{nil}
		}
	case "TABLE_FUNCTION":
		f, _ := n["function"].(map[string]any)
		src.name = lower(f["function_name"])
		arguments, _ := f["children"].([]any)
		for _, a := range arguments {
			if argument, ok := a.(map[string]any); ok && lower(argument["alias"]) == "of_runs" && src.name == "exact_percentiles" {
				src.of = argument
			}
		}
	}
	if src.alias == "" {
		src.alias = src.name
	}
	if len(aliased) == 0 {
		src.columns = ofRun[src.name]
	}
	return src
}

// need notes that a relation is read, for some runs.
func (s *scoper) need(src *source, set *runSet) {
	if src.name == "" {
		return
	}
	tables := map[string]bool{src.name: true}
	for _, def := range slices.Backward(s.db.made.definitions) { // what one uses comes after it
		if !tables[def.Name] {
			continue
		}
		for _, w := range def.needs {
			tables[w] = true
		}
		if def.Kind == TableKind {
			s.needed[def.Name] = s.needed[def.Name].with(set)
		}
	}
}

// equated are the two sides of a condition x.run_id = y.run_id.
func (s *scoper) equated(condition any, sources []*source) (left, right *source) {
	c, ok := condition.(map[string]any)
	if !ok || c["type"] != "COMPARE_EQUAL" {
		return nil, nil
	}
	left, l := s.owner(c["left"], sources)
	right, r := s.owner(c["right"], sources)
	if l != "run_id" || r != "run_id" {
		return nil, nil
	}
	return left, right
}

func oneGroup(sources []*source) bool {
	return !slices.ContainsFunc(sources, func(s *source) bool { return s.group != sources[0].group })
}

// keyed are the sources that have a run_id.
func keyed(sources []*source) []*source {
	var out []*source
	for _, s := range sources {
		if slices.Contains(s.columns, "run_id") {
			out = append(out, s)
		}
	}
	return out
}

func merge(sources ...*source) {
	one := &group{}
	for _, s := range sources {
		for _, member := range s.group.sources {
			if !slices.Contains(one.sources, member) {
				one.sources = append(one.sources, member)
			}
		}
	}
	for _, s := range one.sources {
		s.group = one
	}
}

// owner returns the source that a column is of, where it is one of its run. A name
// without a source is the one source's that has it; where something is among them of
// which nothing is known, it may be that one's.
func (s *scoper) owner(node any, sources []*source) (*source, string) {
	n, ok := node.(map[string]any)
	if !ok || n["type"] != "COLUMN_REF" {
		return nil, ""
	}
	names, _ := n["column_names"].([]any)
	if len(names) == 0 || len(names) > 2 {
		return nil, ""
	}
	column := lower(names[len(names)-1])
	for _, src := range sources {
		if len(names) == 2 && src.alias != lower(names[0]) {
			continue
		}
		if len(names) == 1 && src.columns == nil {
			return nil, ""
		}
	}
	for _, src := range sources {
		if (len(names) == 1 || src.alias == lower(names[0])) && slices.Contains(src.columns, column) {
			return src, column
		}
	}
	return nil, ""
}

func conjuncts(node any, into *[]any) {
	n, ok := node.(map[string]any)
	if !ok {
		return
	}
	if n["type"] != "CONJUNCTION_AND" {
		*into = append(*into, n)
		return
	}
	children, _ := n["children"].([]any)
	for _, c := range children {
		conjuncts(c, into)
	}
}

// satisfying returns the runs that satisfy the conditions on a group.
func (s *scoper) satisfying(conditions []any, g *group, sources []*source) *runSet {
	var of []any
	for _, c := range conditions {
		of = append(of, s.condition(c, sources, g.sources...))
	}
	return s.candidates(of)
}

// condition is a condition on runs alone, or nil where one says something else as well:
// of the sources of a group, or of the only one.
func (s *scoper) condition(node any, sources []*source, of ...*source) any {
	if len(of) == 0 {
		of = sources
	}
	c := &conditioner{scoper: s, sources: sources, of: of}
	out := c.copy(node)
	if c.other || !c.speaks {
		return nil
	}
	return out
}

// A conditioner copies a condition so that it can be asked of the table runs alone.
type conditioner struct {
	*scoper
	sources, of []*source
	speaks      bool // of a run
	other       bool // of something else, too
}

func (c *conditioner) copy(node any) any {
	switch n := node.(type) {
	case []any:
		out := make([]any, len(n))
		for i, e := range n {
			out[i] = c.copy(e)
		}
		return out
	case map[string]any:
		return c.copyNode(n)
	}
	return node
}

func (c *conditioner) copyNode(n map[string]any) any {
	switch n["class"] {
	case "COLUMN_REF":
		src, column := c.owner(n, c.sources)
		if src == nil || src.outer || !slices.Contains(c.of, src) {
			c.other = true
			return nil
		}
		c.speaks = true
		return map[string]any{"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "query_location": json.Number("0"), "column_names": []any{column}}
	case "FUNCTION":
		if !slices.Contains(steadyFunctions, lower(n["function_name"])) {
			c.other = true
			return nil
		}
	case "SUBQUERY":
		c.subquery(n)
	case nil, "CONSTANT", "PARAMETER", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN", "CAST", "CASE":
	default:
		c.other = true
		return nil
	}
	out := make(map[string]any, len(n))
	for k, v := range n {
		if n["class"] == "SUBQUERY" && k == "subquery" {
			out[k] = v // as it is: it speaks of the table runs
			continue
		}
		out[k] = c.copy(v)
	}
	return out
}

// subquery lets those pass that read the table runs and nothing else, not even a column
// of what is around them.
func (c *conditioner) subquery(n map[string]any) {
	inner, _ := n["subquery"].(map[string]any)
	node, _ := inner["node"].(map[string]any)
	if node["type"] != "SELECT_NODE" || node["sample"] != nil {
		c.other = true
		return
	}
	from, _ := node["from_table"].(map[string]any)
	src := c.sourceOf(from)
	if from["type"] != "BASE_TABLE" || src.name != schemas.RunsTable.Name || len(src.columns) == 0 {
		c.other = true
		return
	}
	alone := &conditioner{scoper: c.scoper, sources: []*source{src}, of: []*source{src}}
	for _, key := range []string{"select_list", "where_clause", "group_expressions", "having", "qualify"} {
		alone.aggregates(node[key])
	}
	modifiers, _ := node["modifiers"].([]any)
	ctes, _ := node["cte_map"].(map[string]any)
	named, _ := ctes["map"].([]any)
	c.other = c.other || alone.other || len(modifiers) > 0 || len(named) > 0
}

// aggregates is copy for what may hold min and max as well.
func (c *conditioner) aggregates(node any) {
	switch n := node.(type) {
	case []any:
		for _, e := range n {
			c.aggregates(e)
		}
	case map[string]any:
		if n["class"] == "FUNCTION" && slices.Contains([]string{"min", "max"}, lower(n["function_name"])) && n["filter"] == nil {
			c.aggregates(n["children"])
			return
		}
		c.copyNode(n)
	}
}

// candidates asks which runs satisfy conditions on runs. What cannot be asked narrows nothing.
func (s *scoper) candidates(conditions []any) *runSet {
	conditions = slices.DeleteFunc(conditions, func(c any) bool { return c == nil })
	if len(conditions) == 0 {
		return allRuns
	}
	var where any = conditions[0]
	if len(conditions) > 1 {
		where = map[string]any{"class": "CONJUNCTION", "type": "CONJUNCTION_AND", "alias": "", "query_location": json.Number("0"), "children": conditions}
	}
	ids, err := s.db.runsWhere(s.ctx, where, s.params)
	if err != nil {
		return allRuns
	}
	return &runSet{ids: ids}
}

// runsWhere returns the ids of the runs that satisfy a condition, given as a tree.
func (d *DB) runsWhere(ctx context.Context, where any, params map[string]string) (map[string]bool, error) {
	names := map[string]bool{}
	of := map[string]string{}
	visit(where, func(n map[string]any) {
		switch n["class"] {
		case "COLUMN_REF":
			for _, name := range n["column_names"].([]any) {
				names[lower(name)] = true
			}
		case "SUBQUERY":
			names[schemas.RunsTable.Name] = true
		case "PARAMETER":
			name, _ := n["identifier"].(string)
			of[name] = params[name]
		}
	})
	from := schemas.RunsTable.Name
	if len(names) == 1 && names["run_id"] { // which the manifests know
		from = d.knownRuns()
	} else if err := d.make(ctx, from, map[string]*runSet{from: allRuns}); err != nil {
		return nil, err
	}
	statement, err := d.withWhere(ctx, "SELECT run_id FROM "+from+" WHERE true", where)
	if err != nil {
		return nil, err
	}
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	args, err := bind(conn, statement, of)
	if err != nil {
		return nil, err
	}
	rows, err := conn.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	ids := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids[id] = true
	}
	return ids, rows.Err()
}

// withWhere is a statement with a condition in place of its own.
func (d *DB) withWhere(ctx context.Context, statement string, where any) (string, error) {
	var text string
	if err := d.db.QueryRowContext(ctx, "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", statement).Scan(&text); err != nil {
		return "", err
	}
	var parsed map[string]any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&parsed); err != nil {
		return "", err
	}
	all, _ := parsed["statements"].([]any)
	if len(all) != 1 {
		return "", fmt.Errorf("%s: it is %d statements", statement, len(all))
	}
	of := all[0].(map[string]any)
	of["node"].(map[string]any)["where_clause"] = where
	number := 0
	named := []any{}
	visit(where, func(n map[string]any) {
		if n["class"] == "PARAMETER" {
			number++
			named = append(named, map[string]any{"key": n["identifier"], "value": number})
		}
	})
	of["named_param_map"] = named
	tree, err := json.Marshal(parsed)
	if err != nil {
		return "", err
	}
	err = d.db.QueryRowContext(ctx, "SELECT json_deserialize_sql(CAST(? AS JSON))", string(tree)).Scan(&statement)
	return statement, err
}

// knownRuns is a relation of the ids of all runs.
func (d *DB) knownRuns() string {
	ids := make([]string, len(d.effective))
	for i, m := range d.effective {
		ids[i] = quote(m.RunID)
	}
	return "(SELECT unnest(CAST([" + strings.Join(ids, ", ") + "] AS VARCHAR[])) AS run_id) runs"
}

// visit calls do for every object of a tree.
func visit(node any, do func(map[string]any)) {
	switch n := node.(type) {
	case []any:
		for _, e := range n {
			visit(e, do)
		}
	case map[string]any:
		do(n)
		for _, e := range n {
			visit(e, do)
		}
	}
}

// Narrowed reports whether a table lacks the rows of runs that no statement so far can
// see.
func (d *DB) Narrowed() bool {
	d.made.Lock()
	defer d.made.Unlock()
	for name, runs := range d.made.runs {
		if len(narrowed(d.seen.Files(name), name, runs)) < len(d.seen.Files(name)) {
			return true
		}
	}
	return false
}

// mostNamed is how many runs a view names of a block of more; beyond that it gives all
// rows of the block, of which the statement's own condition leaves out the rest.
const mostNamed = 64

// narrowed are the files of a table that hold rows of some runs.
func narrowed(files []*lake.File, table string, to *runSet) []*lake.File {
	if to.all || lake.KeyColumn(table) != "run_id" {
		return files
	}
	var out []*lake.File
	for _, f := range files {
		n := f.Narrowed(to.has)
		switch {
		case n == nil:
		case len(n.Live()) <= mostNamed:
			out = append(out, n)
		default:
			out = append(out, f)
		}
	}
	return out
}
