package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas/lake"
)

// corpus is the bundled selection of real vLLM runs; see its PROVENANCE.md.
const corpus = "testdata/demo/vllm"

// loadCorpus takes a part of the corpus into a lake and loads it.
func loadCorpus(t *testing.T, part string) *analyze.Data {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "lake")
	servestat(t, "ingest", "--quiet", "--lake", dir, filepath.Join(corpus, part))
	l, err := lake.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := query.Open(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	data, err := analyze.Load(t.Context(), db, "")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Twenty starts of one version with nothing changed between them, split at random
// into ten and ten: who says "regressed" cries wolf. At a family-wise 5 %, half of
// it to either side, fewer than 1 in 20 may.
func TestCalibrateRealStartsOfOneVersionAreNotARegression(t *testing.T) {
	data := loadCorpus(t, "baseline/0.20.2")
	var starts []string
	for _, r := range data.Runs {
		if !slices.Contains(starts, r.ServerStart.V) {
			starts = append(starts, r.ServerStart.V)
		}
	}
	if len(starts) < 20 {
		t.Fatalf("%d starts, want 20", len(starts))
	}
	rng := rand.New(rand.NewPCG(1, 1))
	const splits = 200
	verdicts := map[analyze.Verdict]int{}
	for range splits {
		rng.Shuffle(len(starts), func(i, j int) { starts[i], starts[j] = starts[j], starts[i] })
		side := func(of []string) *analyze.Data {
			return data.Only(func(r *analyze.Run) bool { return slices.Contains(of, r.ServerStart.V) })
		}
		for _, c := range analyze.Compare(side(starts[:10]), side(starts[10:20]), "a", "b", analyze.CompareOptions{}) {
			verdicts[c.Verdict]++
		}
	}
	for _, v := range []analyze.Verdict{analyze.NotRegressed, analyze.Inconclusive, analyze.Improved} {
		calibrate.Figure(fmt.Sprintf("real A/A starts of vLLM, %d splits of 10 and 10: %s", splits, v), float64(verdicts[v])/splits)
	}
	calibrate.Bar(t, fmt.Sprintf("real A/A starts of vLLM, %d splits of 10 and 10: regressed", splits), float64(verdicts[analyze.Regressed])/splits, calibrate.AtMost(0.05))
	if n := verdicts[analyze.NotComparable]; n > 0 {
		t.Errorf("%d splits were refused", n)
	}
}

// What was changed on purpose is found, with its sign.
func TestDeliberateChangesOfRealServersAreFound(t *testing.T) {
	for _, c := range []struct {
		group string
		code  int
		want  []string // parts of the answer
	}{
		{"neighbour", exitRegression, []string{"Regressed: ", "ITL mean +"}},
		{"max-num-seqs-4", exitRegression, []string{"Regressed: ", "TTFT p50 +", "under test: engine argument max_num_seqs differs: default in the baseline, 4 in the candidate"}},
	} {
		code, out := answers(t, "compare", "--quiet", filepath.Join(corpus, "baseline/0.20.2"), filepath.Join(corpus, c.group, "0.20.2"))
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d:\n%s", c.group, code, c.code, out)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: does not say %q:\n%s", c.group, want, out)
			}
		}
	}
	code, out := answers(t, "compare", "--quiet", filepath.Join(corpus, "baseline/0.20.2"), filepath.Join(corpus, "no-chunked-prefill/0.20.2"))
	if code == exitRegression || code >= exitInvalid {
		t.Errorf("no-chunked-prefill, of which no effect is known: exit code %d:\n%s", code, out)
	}
}
