package junit

import (
	"bytes"
	"encoding/xml"
	"testing"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/internal/specimen"
	"github.com/servestat/servestat/schemas/schematest"
)

func TestJUnit(t *testing.T) {
	out := written(t, specimen.Comparison(), specimen.Crossing(), specimen.Suspect(), specimen.Refused(), specimen.Undecided().Comparisons[0])
	schematest.Golden(t, "testdata/junit.golden.xml", out)
}

// What a CI system counts is what there is.
func TestCountsAreOfTheCases(t *testing.T) {
	var all suites
	if err := xml.Unmarshal(written(t, specimen.Comparison(), specimen.Suspect(), specimen.Refused(), specimen.Fine()), &all); err != nil {
		t.Fatal(err)
	}
	var cases, failures, errors, skipped int
	for _, s := range all.Suites {
		for _, c := range s.Cases {
			cases++
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				errors++
			}
			if c.Skipped != nil {
				skipped++
			}
		}
	}
	if all.Tests != cases || all.Failures != failures || all.Errors != errors || all.Skipped != skipped || failures == 0 || errors != 1 || skipped == 0 {
		t.Errorf("%d tests, %d failures, %d errors, %d skipped; the cases are %d, %d, %d, %d",
			all.Tests, all.Failures, all.Errors, all.Skipped, cases, failures, errors, skipped)
	}
}

// Labels come from uploads, and XML has characters that no escape makes legal.
func TestHostileLabelsAreLegalXML(t *testing.T) {
	c := specimen.Hostile().Comparisons[0]
	c.Refusals = []string{"\x00\x1b<&>]]>\xff"}
	var all suites
	if err := xml.Unmarshal(written(t, c, specimen.Hostile().Comparisons[0]), &all); err != nil {
		t.Fatal(err)
	}
}

func written(t *testing.T, cs ...analyze.Comparison) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, cs); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
