package text

import (
	"bytes"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/internal/specimen"
	"github.com/servestat/servestat/schemas/schematest"
)

func TestComparison(t *testing.T) {
	var out bytes.Buffer
	if err := Comparisons(&out, []analyze.Comparison{specimen.Comparison(), specimen.Fine()}); err != nil {
		t.Fatal(err)
	}
	schematest.Golden(t, "testdata/comparison.golden.txt", out.Bytes())
}

func TestCurves(t *testing.T) {
	sweep := analyze.Sweep{Group: specimen.Group, Series: []analyze.Series{specimen.Baseline(), specimen.Candidate()}, Warnings: []string{"runs vary in seed: 1, 2"}}
	slo, err := analyze.ParseSLO("itl_mean<40ms")
	if err != nil {
		t.Fatal(err)
	}
	sweeps := []analyze.Sweep{sweep}
	slo.Answer(sweeps)
	var out bytes.Buffer
	if err := Curves(&out, sweeps); err != nil {
		t.Fatal(err)
	}
	schematest.Golden(t, "testdata/curves.golden.txt", out.Bytes())
}

// Labels come from uploads: none may move the cursor or fake a line.
func TestLabelsCannotCommandTheTerminal(t *testing.T) {
	evil := "x\x1b[2J\rNot regressed\n"
	c := specimen.Comparison()
	c.Group.Model, c.Sentence, c.Baseline.Label, c.Warnings = evil, evil, evil, []string{evil}
	s := specimen.Baseline()
	s.Version, s.Notes = evil, []string{evil}
	var out bytes.Buffer
	if err := Comparisons(&out, []analyze.Comparison{c}); err != nil {
		t.Fatal(err)
	}
	if err := Curves(&out, []analyze.Sweep{{Group: analyze.Group{Model: evil}, Series: []analyze.Series{s}, Warnings: []string{evil}}}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\r") {
		t.Errorf("control characters come through:\n%q", out.String())
	}
}
