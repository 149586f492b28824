package lake

import (
	"os"
	"strings"
	"testing"
)

func analysis() *Analysis {
	m := "m"
	return &Analysis{Kind: "series", Version: "1", Of: []Subject{{"model": &m, "hardware": nil}}, Inputs: []string{"manifests/v1/b.json", "manifests/v1/a.json"}}
}

// All that results follow from is in the key, and nothing else: not the order in
// which runs arrived, not the results.
func TestAnalysisKeyIsOfAllThatResultsFollowFrom(t *testing.T) {
	key := analysis().Key()
	for name, change := range map[string]func(*Analysis){
		"kind":       func(a *Analysis) { a.Kind = "comparison" },
		"version":    func(a *Analysis) { a.Version = "2" },
		"options":    func(a *Analysis) { a.Options = map[string]string{"margin": "0.05"} },
		"subject":    func(a *Analysis) { a.Of[0]["hardware"] = a.Of[0]["model"] },
		"any column": func(a *Analysis) { delete(a.Of[0], "hardware") },
		"more runs":  func(a *Analysis) { a.Inputs = append(a.Inputs, "manifests/v1/c.json") },
		"corrected":  func(a *Analysis) { a.Inputs[0] = "manifests/v1/b-r1.json" },
	} {
		if a := analysis(); func() bool { change(a); return a.Key() == key }() {
			t.Errorf("%s: the key is the same", name)
		}
	}
	a := analysis()
	a.Inputs[0], a.Inputs[1] = a.Inputs[1], a.Inputs[0]
	a.Blocks = []Block{{Name: "x"}}
	if a.Key() != key {
		t.Error("the key depends on the order of the runs, or on the results")
	}
}

func TestAnalysisCommitsOnlyPublishedBlocks(t *testing.T) {
	l := newLake(t)
	s := begin(t, l)
	a := analysis()
	a.Blocks = []Block{{Table: "curves", Name: ResultName("curves", "abc")}}
	if _, err := s.CommitAnalysis(a); err == nil || !strings.Contains(err.Error(), "not published") {
		t.Errorf("commit over a missing block: %v", err)
	}
	if _, err := s.Put(a.Blocks[0].Name, []byte("rows")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if created, err := s.CommitAnalysis(a); err != nil || created != want {
			t.Errorf("created %v, %v; want %v", created, err, want)
		}
	}
	as, err := l.Analyses()
	if err != nil || len(as) != 1 || as[0].Key() != a.Key() || as[0].Blocks[0].Name != a.Blocks[0].Name {
		t.Errorf("%+v, %v", as, err)
	}
}

// An analysis under another's name would be taken for it.
func TestAnalysisUnderAWrongNameIsNamed(t *testing.T) {
	l := newLake(t)
	s := begin(t, l)
	a := analysis()
	if _, err := s.CommitAnalysis(a); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(l.Path(a.Name()), l.Path("analyses/v1/other.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Analyses(); err == nil || !strings.Contains(err.Error(), "other.json") {
		t.Errorf("%v", err)
	}
}
