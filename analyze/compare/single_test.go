package compare

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/calibrate"
)

// singlePair holds one run against one other, with the variation of a history: the
// test whose type I error and power statistics.md gives. Single uses the mean of the
// history instead of the other run, and sees more.
func singlePair(history []float64, baseline, candidate float64, better Better, opts Options) Outlook {
	return outlook(history, []float64{baseline}, []float64{candidate}, better, opts)
}

func TestASingleRunIsAtWorstSuspect(t *testing.T) {
	history := []float64{100, 101, 99, 100.5, 99.5, 100.2, 98.9, 101.2, 100.3, 99.8}
	for _, c := range []struct {
		run    float64
		better Better
		want   Verdict
	}{
		{100, Lower, Inconclusive}, {105, Lower, Suspect}, {1000, Lower, Suspect}, {95, Lower, Inconclusive},
		{95, Higher, Suspect}, {105, Higher, Inconclusive},
	} {
		o := Single(history, c.run, c.better, Options{})
		if o.Verdict != c.want || o.Err != nil || o.DF != 9 {
			t.Errorf("%g, %s: %+v", c.run, c.better, o)
		}
		if pair := singlePair(history, 100, c.run, c.better, Options{}); pair.Verdict != c.want {
			t.Errorf("pair %g, %s: %+v", c.run, c.better, pair)
		}
	}
	wantNear(t, "prediction", Single(history, 105, Lower, Options{}).Ratio.CI.Level, 0.95, 0)
}

// Nine comparable runs, or none, leave even a run ten times as slow without a
// word.
func TestWithoutAHistoryASingleRunSaysNothing(t *testing.T) {
	for n := range HistoryRuns {
		for _, o := range []Outlook{
			Single(ramp(n, 100), 1000, Lower, Options{}),
			singlePair(ramp(n, 100), 100, 1000, Lower, Options{}),
		} {
			if o.Verdict != Inconclusive || !math.IsNaN(o.P) || len(o.Warnings) != 1 || o.Warnings[0].Code != NoHistory {
				t.Errorf("%d runs: %+v", n, o)
			}
		}
	}
	same := Single(slices.Repeat([]float64{5}, 20), 6, Lower, Options{})
	if same.Verdict != Inconclusive || same.Warnings[0].Code != NoVariation {
		t.Errorf("%+v", same)
	}
}

func TestASingleRunThatCannotBeComparedIsInvalid(t *testing.T) {
	ok := ramp(12, 100)
	for _, o := range []Outlook{
		Single(ok, math.NaN(), Lower, Options{}), Single(ok, -1, Lower, Options{}), Single(ok, 1, "", Options{}),
		Single(append(ok, 0), 1, Lower, Options{}), singlePair(ok, math.Inf(1), 1, Lower, Options{}), Single(ok, 1, Lower, Options{Alpha: 7}),
	} {
		if o.Verdict != Invalid || o.Err == nil {
			t.Errorf("%+v", o)
		}
	}
}

// statistics.md, section 0: 5.0 % type I, power 0.42 at +3 % and 0.83 at +5 %
// with 20 degrees of freedom.
func TestCalibrateSingle(t *testing.T) {
	reps := calibrate.Replicates(2000, 20_000)
	opts := Options{DeltaMin: 1e-9}
	rate := func(effect float64, differs func(Outlook) bool) float64 {
		rng := rand.New(rand.NewPCG(21, 21))
		var hits float64
		for range reps {
			history := draw(rng, 21, 100, normal)
			if differs(singlePair(history, 100*normal(rng), 100*effect*normal(rng), Lower, opts)) {
				hits++
			}
		}
		return hits / float64(reps)
	}
	rejected := func(o Outlook) bool { return o.P <= 0.05 }
	suspect := func(o Outlook) bool { return o.Verdict == Suspect }
	calibrate.Bar(t, "single run with 21 runs of history: type I", rate(1, rejected), calibrate.Between(0.04, 0.06).Share(reps))
	calibrate.Bar(t, "single run with 21 runs of history: power at +3 %", rate(1.03, suspect), calibrate.Between(0.39, 0.45).Share(reps))
	calibrate.Bar(t, "single run with 21 runs of history: power at +5 %", rate(1.05, suspect), calibrate.Between(0.80, 0.86).Share(reps))
}

// The guard on the API: what of this package's exported surface could carry a
// variance from within a run into a verdict? Functions that return something
// with a Verdict take only values of runs, one for each server start, and the
// types that they take have no field for a variance, an error or a number of
// requests. Who adds one has to change this list, and to argue.
func TestNoPathFromWithinARunToAVerdict(t *testing.T) {
	files := source(t)
	verdicts := map[string]bool{"Result": true, "Judgement": true, "MetricJudgement": true, "LevelResult": true, "Outlook": true, "Stalls": true, "Verdict": true}
	allowed := map[string]string{
		"Judge":    "Sweep, Options",
		"JudgeAll": "[]Sweep, Options",
		"Single":   "[]float64, float64, Better, Options",
	}
	fields := map[string]string{
		"Sweep":   "Name Levels Metrics Baseline Candidate",
		"Start":   "Values",
		"Metric":  "Name Better Kind Margin DeltaMin",
		"Options": "Alpha DeltaMin Margin Seed",
	}
	seen := 0
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch d := n.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.IsExported() && returns(d, verdicts) {
					seen++
					if got := parameters(d); got != allowed[d.Name.Name] {
						t.Errorf("%s(%s) returns a verdict: allowed is (%s)", d.Name.Name, got, allowed[d.Name.Name])
					}
				}
				return false
			case *ast.TypeSpec:
				if want, ok := fields[d.Name.Name]; ok {
					seen++
					if got := fieldNames(d); got != want {
						t.Errorf("%s has fields %s, allowed are %s", d.Name.Name, got, want)
					}
				}
			}
			return true
		})
	}
	if seen != len(allowed)+len(fields) {
		t.Errorf("%d of %d declarations seen", seen, len(allowed)+len(fields))
	}
}

func source(t *testing.T) []*ast.File {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

func typeText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.ArrayType:
		return "[]" + typeText(e.Elt)
	case *ast.StarExpr:
		return "*" + typeText(e.X)
	}
	return fmt.Sprintf("%T", e)
}

func parameters(d *ast.FuncDecl) string {
	var types []string
	for _, p := range d.Type.Params.List {
		for range max(1, len(p.Names)) {
			types = append(types, typeText(p.Type))
		}
	}
	return strings.Join(types, ", ")
}

func returns(d *ast.FuncDecl, types map[string]bool) bool {
	return d.Type.Results != nil && slices.ContainsFunc(d.Type.Results.List, func(f *ast.Field) bool {
		return types[strings.TrimLeft(typeText(f.Type), "[]*")]
	})
}

func fieldNames(d *ast.TypeSpec) string {
	var names []string
	for _, f := range d.Type.(*ast.StructType).Fields.List {
		for _, n := range f.Names {
			names = append(names, n.Name)
		}
	}
	return strings.Join(names, " ")
}
