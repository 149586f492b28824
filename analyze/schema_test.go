package analyze

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/servestat/servestat/analyze/preflight"
	"github.com/servestat/servestat/schemas/schematest"
)

// The schemas of what `--format json` prints are made from the types, their
// comments and which numbers may be null; -update writes them.
func TestJSONSchemasAreThoseOfTheTypes(t *testing.T) {
	for name, root := range jsonRoots {
		out, err := json.MarshalIndent(newSchemaMaker(t).root(name, root), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		schematest.Golden(t, schemaFile(name), append(out, '\n'))
	}
}

// What is printed satisfies its schema, with and without numbers.
func TestOutputSatisfiesItsJSONSchema(t *testing.T) {
	b, c := arms(6, 1.05)
	compared := Compare(b, c, "1", "2", CompareOptions{})
	few, other := arms(2, 1.05)
	compared = append(compared, Compare(few, other, "1", "2", CompareOptions{})...)
	compared = append(compared, Compare(b, &Data{}, "1", "2", CompareOptions{})...)
	compared[0].Metrics[0].Crossing = &Crossing{Worse: []int64{1}, Better: []int64{8}}
	past, _ := nights(40, 20, 1.1)
	histories, err := Histories(past, HistoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	plans, err := Plans(past, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, doc := range map[string]any{
		"compare": map[string]any{"schema": "servestat.compare/1", "verdict": Regressed, "comparisons": compared},
		"history": map[string]any{"schema": "servestat.history/1", "histories": histories},
		"plan":    map[string]any{"schema": "servestat.plan/1", "plans": plans},
		"quality": withSchema(t, "servestat.quality/1", someQuality()),
	} {
		schema := jsonschema.NewCompiler().MustCompile(schemaFile(name))
		raw, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "compare" {
			delete(value.(map[string]any)["comparisons"].([]any)[0].(map[string]any), "verdict")
			if schema.Validate(value) == nil {
				t.Error("a comparison without a verdict satisfies the schema")
			}
		}
	}
}

// withSchema is what a command prints of a value: its fields, and the name of their
// form.
func withSchema(t *testing.T, name string, value any) map[string]any {
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	fields["schema"] = name
	return fields
}

func schemaFile(name string) string { return filepath.Join("..", "schemas", name+".schema.json") }

// jsonRoots are what the commands print, beside the name of the schema.
var jsonRoots = map[string]any{
	"compare": struct {
		Verdict     Verdict      `json:"verdict"`
		Comparisons []Comparison `json:"comparisons"`
	}{},
	"history": struct {
		Histories []History `json:"histories"`
	}{},
	"plan": struct {
		Plans []Plan `json:"plans"`
	}{},
	"quality": Quality{},
	"canary":  Canary{},
	"gate":    GateResult{},
}

// A schemaMaker turns types into JSON Schema (draft 2020-12).
type schemaMaker struct {
	t    *testing.T
	defs map[string]any
	docs map[string]string // by type, and by type.field
}

func newSchemaMaker(t *testing.T) *schemaMaker {
	m := &schemaMaker{t: t, defs: map[string]any{}, docs: map[string]string{}}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f, src, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, m.read)
	}
	return m
}

// read keeps the comments of types and their fields.
func (m *schemaMaker) read(n ast.Node) bool {
	decl, ok := n.(*ast.GenDecl)
	if !ok || decl.Tok != token.TYPE {
		return true
	}
	for _, spec := range decl.Specs {
		s := spec.(*ast.TypeSpec)
		m.docs[s.Name.Name] = oneLine(decl.Doc.Text())
		if st, ok := s.Type.(*ast.StructType); ok {
			for _, f := range st.Fields.List {
				for _, name := range f.Names {
					m.docs[s.Name.Name+"."+name.Name] = oneLine(f.Doc.Text() + " " + f.Comment.Text())
				}
			}
		}
	}
	return true
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (m *schemaMaker) root(name string, root any) map[string]any {
	top := m.object(reflect.TypeOf(root))
	top["properties"].(map[string]any)["schema"] = map[string]any{"const": "servestat." + name + "/1"}
	top["required"] = append(top["required"].([]string), "schema")
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "servestat " + name + " --format json"
	top["$defs"] = m.defs
	return top
}

// of is the schema of a type; what is a struct with a name is defined once.
func (m *schemaMaker) of(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[Verdict]():
		return map[string]any{"enum": []Verdict{Regressed, NotRegressed, Improved, Inconclusive, Suspect, Invalid, NotComparable}}
	case t == reflect.TypeFor[Standing]():
		return map[string]any{"enum": []Standing{Passed, Failed, Warned, Untested}}
	case t == reflect.TypeFor[preflight.Severity]():
		return map[string]any{"enum": []preflight.Severity{preflight.Fail, preflight.Warn, preflight.Info}}
	case t.Kind() == reflect.Pointer:
		return m.of(t.Elem())
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": m.of(t.Elem())}
	case t.Kind() == reflect.Struct:
		if _, known := m.defs[t.Name()]; !known {
			m.defs[t.Name()] = nil // for types that hold themselves
			m.defs[t.Name()] = m.object(t)
		}
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	}
	kind := map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number"}[t.Kind()]
	if kind == "" {
		m.t.Fatalf("no JSON for %v", t)
	}
	return map[string]any{"type": kind}
}

func (m *schemaMaker) object(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	m.fields(t, t, properties, &required)
	out := map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	if doc := m.docs[t.Name()]; doc != "" && t.Name() != "" {
		out["description"] = doc
	}
	return out
}

func (m *schemaMaker) fields(owner, t reflect.Type, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			m.fields(owner, f.Type, properties, required)
			continue
		case !f.IsExported() || name == "-":
			continue
		}
		p := m.of(f.Type)
		if m.nullable(owner, name) {
			p = map[string]any{"type": []string{"number", "null"}}
		}
		if doc := m.docs[t.Name()+"."+f.Name]; doc != "" {
			p["description"] = doc
		} else if t.Name() != "" && m.docs[t.Name()] == "" {
			m.t.Errorf("%s.%s has no comment", t.Name(), f.Name)
		}
		if _, twice := properties[name]; twice {
			continue
		}
		properties[name] = p
		if !strings.Contains(rest, "omit") {
			*required = append(*required, name)
		}
	}
}

// nullable reports whether a number of a type that could not be had is printed as
// null: it prints a value in which it is NaN, and looks.
func (m *schemaMaker) nullable(t reflect.Type, name string) bool {
	v := reflect.New(t).Elem()
	if !setNaN(v, name) {
		return false
	}
	raw, err := json.Marshal(v.Interface())
	if err != nil {
		return false // NaN here would be a bug
	}
	var printed map[string]any
	if err := json.Unmarshal(raw, &printed); err != nil {
		m.t.Fatal(err)
	}
	value, there := printed[name]
	return there && value == nil
}

// setNaN sets the number that is printed under a name, if there is one.
func setNaN(v reflect.Value, name string) bool {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); {
		case !f.IsExported():
		case tag == name && f.Type.Kind() == reflect.Float64:
			v.Field(i).SetFloat(math.NaN())
			return true
		case tag == name:
			return false
		case f.Anonymous && tag == "" && setNaN(v.Field(i), name):
			return true
		}
	}
	return false
}
