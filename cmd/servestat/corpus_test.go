package main

import (
	"encoding/json"
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
	splits := calibrate.Replicates(20, 200)
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
		calibrate.Figure(fmt.Sprintf("real A/A starts of vLLM, %d splits of 10 and 10: %s", splits, v), float64(verdicts[v])/float64(splits))
	}
	calibrate.Bar(t, fmt.Sprintf("real A/A starts of vLLM, %d splits of 10 and 10: regressed", splits), float64(verdicts[analyze.Regressed])/float64(splits), calibrate.AtMost(0.05).Share(splits))
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

// slowest is the request of each server start that waited longest for its first
// token, with what the server's log says of that time: a recipe to copy.
const slowest = `WITH slow AS (
	SELECT server_start, max_concurrency, request_idx, ttft_ns,
	       started_at + to_microseconds(start_ns // 1000) AS sent, started_at + to_microseconds((start_ns + e2el_ns) // 1000) AS done
	FROM requests JOIN runs USING (run_id)
	WHERE status = 'ok' QUALIFY row_number() OVER (PARTITION BY server_start ORDER BY ttft_ns DESC, request_idx) = 1
)
SELECT server_start, max_concurrency AS c, request_idx AS request, ttft_ns // 1000000 AS ttft_ms, kind, facts->>'running' AS running, facts->>'waiting' AS waiting
FROM slow JOIN log_events USING (server_start)
WHERE at_time BETWEEN sent - INTERVAL 2 SECONDS AND done + INTERVAL 2 SECONDS
ORDER BY ALL`

// With four slots for sixteen users, the server says why the slowest request was
// slow: twelve wait, four run. With a neighbour on the core, nobody waits: all
// sixteen run, slowly. A date is good to a second, so two are allowed around it.
func TestSlowRequestBesideItsServersLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lake")
	servestat(t, "ingest", "--quiet", "--lake", dir, filepath.Join(corpus, "max-num-seqs-4"), filepath.Join(corpus, "neighbour"))
	got := servestat(t, "sql", "--lake", dir, "--format", "csv", slowest)
	want := `server_start,c,request,ttft_ms,kind,running,waiting
max-num-seqs-4-0.20.2-start03,16,13,1541,engine_stats,4,12
max-num-seqs-4-0.20.2-start04,16,45,2004,engine_stats,4,12
max-num-seqs-4-0.20.2-start05,16,82,2259,engine_stats,4,8
neighbour-0.20.2-start02,16,36,384,engine_stats,16,0
`
	if got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
}

// Of six starts /metrics was scraped around every level. On all thirty runs the
// server's counters agree with the client's sums to the token, but for the two
// requests with which the client warms up; and the client, which shares a core
// with the server, sees a first token up to a quarter later than the server.
func TestServersOfTheCorpusCountAsTheirClients(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lake")
	servestat(t, "ingest", "--quiet", "--lake", dir, corpus)
	_, out := answers(t, "audit", "--lake", dir, "--format", "json")
	var audited struct {
		Runs []struct {
			Source string
			Checks []struct{ Check, Verdict, Message string }
		}
	}
	if err := json.Unmarshal([]byte(out), &audited); err != nil {
		t.Fatal(err)
	}
	answered := map[string]int{}
	for _, r := range audited.Runs {
		for _, c := range r.Checks {
			name, _, _ := strings.Cut(c.Check, " ")
			if !slices.Contains([]string{"T5", "T12", "T15", "client"}, name) {
				continue
			}
			answered[name+" "+c.Verdict]++
			if name == "T5" && strings.Contains(c.Message, "the server counted") {
				answered["T5 by the server"]++
				if !strings.Contains(c.Message, "(48 each), the client") || !strings.HasSuffix(c.Message, "(48 each)") {
					t.Errorf("%s: %s", r.Source, c.Message)
				}
			}
		}
	}
	// T15 is answered by the log too, where one of its lines, ten seconds apart,
	// lies inside the run.
	want := map[string]int{
		"T5 OK": 220, "T5 by the server": 30, "T12 OK": 30, "T12 not computable": 190,
		"T15 OK": 138, "T15 not computable": 82, "client OK": 2, "client WARN": 28, "client not computable": 190,
	}
	if fmt.Sprint(answered) != fmt.Sprint(want) {
		t.Errorf("answers are %v\nwant %v", answered, want)
	}
}
