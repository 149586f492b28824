package query

import (
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	duckdb "github.com/marcboeker/go-duckdb/v2"

	"github.com/servestat/servestat/schemas/quantile"
)

// A flight is a request as the views see it; times in ns.
type flight struct {
	run               string
	start, ttft, e2el int64
	tokens            int64
	status            string
}

// over returns a database whose requests are flights, with the views of names.
func over(t *testing.T, flights []flight, names ...string) *sql.DB {
	t.Helper()
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	var rows []string
	for i, f := range flights {
		status := f.status
		if status == "" {
			status = "ok"
		}
		rows = append(rows, fmt.Sprintf("('%s', %d, %d, %d, %d, %d, %d, %d, '%s')", f.run, i, f.start, f.ttft, f.e2el, 10, f.tokens, f.tokens, status))
	}
	statements := []string{"CREATE TABLE requests AS SELECT * FROM (VALUES " + strings.Join(rows, ",") +
		") v(run_id, request_idx, start_ns, ttft_ns, e2el_ns, input_tokens, output_tokens, chunks, status)"}
	for _, name := range names {
		statements = append(statements, text(name))
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%v in %.300s", err, s)
		}
	}
	return db
}

// closedLoop is a client that keeps c requests in flight until prompts are used
// up. A request of n tokens takes ttft + (n-1) itl; lengths are uniform from 0.2
// to 1.8 times the mean.
func closedLoop(rng *rand.Rand, run string, c, prompts int, mean float64, ttft, itl, turnaround int64) []flight {
	free := make([]int64, c)
	var out []flight
	for range prompts {
		slot := 0
		for s := range free {
			if free[s] < free[slot] {
				slot = s
			}
		}
		n := int64(math.Round(mean * (0.2 + 1.6*rng.Float64())))
		f := flight{run: run, start: free[slot], ttft: ttft, e2el: ttft + (n-1)*itl, tokens: n}
		free[slot] = f.start + f.e2el + turnaround
		out = append(out, f)
	}
	return out
}

// The whole clock counts the drain, in which ever fewer requests run: with two
// prompts a user it is a fifth too low. The steady window is not.
func TestSteadyThroughputIsTrueWhereTheWholeClockIsNot(t *testing.T) {
	const c, mean, ttft, itl, turnaround = 16, 200, 50e6, 20e6, 1e6
	truth := c * mean / ((ttft + (mean-1)*itl + turnaround) / 1e9)
	for _, k := range []int{2, 4, 10} {
		rng := rand.New(rand.NewPCG(1, uint64(k)))
		var flights []flight
		const reps = 20
		for r := range reps {
			flights = append(flights, closedLoop(rng, fmt.Sprintf("run%d", r), c, k*c, mean, ttft, itl, turnaround)...)
		}
		db := over(t, flights, "in_flight", "steady_windows", "run_steady")
		var steady, whole, itlMean float64
		err := db.QueryRow(`SELECT avg(steady_output_throughput), avg(x), avg(steady_itl_mean_s) FROM run_steady
			JOIN (SELECT run_id, sum(output_tokens) / (max(start_ns + e2el_ns) / 1e9) AS x FROM requests GROUP BY run_id) USING (run_id)`).Scan(&steady, &whole, &itlMean)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("k=%d: steady %+.2f %%, whole clock %+.1f %%", k, 100*(steady/truth-1), 100*(whole/truth-1))
		if math.Abs(steady/truth-1) > 0.01 {
			t.Errorf("k=%d: steady throughput is %.2f %% off the truth, want 1 %%", k, 100*(steady/truth-1))
		}
		if k == 2 && whole/truth-1 > -0.15 {
			t.Errorf("k=2: the whole clock is only %.1f %% off: the case shows nothing", 100*(whole/truth-1))
		}
		if math.Abs(itlMean-itl/1e9) > 1e-9 {
			t.Errorf("k=%d: ITL %v s, want %v", k, itlMean, itl/1e9)
		}
	}
}

// Hand-drawn runs, one case each, in seconds.
func TestSteadyWindow(t *testing.T) {
	const s = 1e9
	three := func(starts ...float64) (out []flight) {
		for _, at := range starts {
			out = append(out, flight{start: int64(at * s), ttft: s / 10, e2el: 10 * s, tokens: 100})
		}
		return out
	}
	for _, c := range []struct {
		name         string
		flights      []flight
		from, to     float64
		concurrently float64
	}{
		{"one request is its own window", three(0), 0, 10, 1},
		{"ramp and drain are outside", three(0, 1, 2), 2, 10, 3},
		{"a short dip is a turn-around", three(0, 0, 10.5, 10.5, 21, 21), 0, 31, 2 * 60.0 / 62},
		{"a long dip ends the stretch, and the longest counts", three(0, 0, 10.5, 10.5, 25, 25), 0, 20.5, 2 * 20.0 / 20.5},
		{"a warm-up is before the run", append(three(10, 10), flight{start: 0, ttft: s, e2el: 9 * s, tokens: 5, status: "warmup"}), 10, 20, 2},
		{"a failed request that ended was in flight", append(three(0, 0), flight{start: 0, ttft: s, e2el: 10 * s, status: "failed"}), 0, 10, 2},
	} {
		db := over(t, c.flights, "in_flight", "steady_windows", "run_steady")
		var from, to, concurrency float64
		if err := db.QueryRow("SELECT steady_from_s, steady_to_s, steady_concurrency FROM run_steady").Scan(&from, &to, &concurrency); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if from != c.from || to != c.to || math.Abs(concurrency-c.concurrently) > 1e-9 {
			t.Errorf("%s: window %v to %v s with %v in flight, want %v to %v with %v", c.name, from, to, concurrency, c.from, c.to, c.concurrently)
		}
	}
}

// The area under the in-flight curve is the sum of the requests' latencies.
func TestInFlightConservesTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	flights := closedLoop(rng, "a", 5, 40, 100, 30e6, 11e6, 2e6)
	flights = append(flights, closedLoop(rng, "b", 3, 50, 20, 3e6, 7e6, 0)...)
	rng.Shuffle(len(flights), func(i, j int) { flights[i], flights[j] = flights[j], flights[i] })
	db := over(t, flights, "in_flight")
	rows, err := db.Query(`SELECT run_id, CAST(area AS BIGINT), CAST(sum(e2el_ns) AS BIGINT) FROM (SELECT run_id, sum(in_flight * (to_ns - from_ns)) AS area FROM in_flight GROUP BY run_id)
		JOIN requests USING (run_id) GROUP BY run_id, area ORDER BY run_id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	runs := 0
	for rows.Next() {
		var run string
		var area, sum int64
		if err := rows.Scan(&run, &area, &sum); err != nil {
			t.Fatal(err)
		}
		if runs++; area != sum {
			t.Errorf("run %s: area under the curve %d ns, sum of E2EL %d ns", run, area, sum)
		}
	}
	if runs != 2 {
		t.Errorf("%d runs, want 2", runs)
	}
}

// A cold engine is slow at first (58 against 83 tokens/s in minefield#37): the
// slow start is cut off. A run whose speed only varies is not cut.
func TestColdStartIsCutOff(t *testing.T) {
	const c, itl = 4, 20e6
	for _, test := range []struct {
		name string
		slow int // the first requests that are 1.4 times slower
		cut  bool
	}{{"cold", 20, true}, {"warm", 0, false}} {
		rng := rand.New(rand.NewPCG(3, 3))
		var flights []flight
		free := make([]int64, c)
		for i := range 120 {
			slot := i % c
			step := int64(itl * (1 + 0.03*rng.NormFloat64()))
			if i < test.slow {
				step = int64(1.4 * itl)
			}
			f := flight{start: free[slot], ttft: 50e6, e2el: 50e6 + 99*step, tokens: 100}
			free[slot] += f.e2el
			flights = append(flights, f)
		}
		db := over(t, flights, "in_flight", "steady_windows", "run_steady")
		var from, warm, steady float64
		if err := db.QueryRow("SELECT steady_from_s, steady_warm_s, steady_itl_mean_s FROM run_steady").Scan(&from, &warm, &steady); err != nil {
			t.Fatal(err)
		}
		if (warm > from) != test.cut {
			t.Errorf("%s: window from %v s, warm from %v s", test.name, from, warm)
		}
		if math.Abs(steady/(itl/1e9)-1) > 0.01 {
			t.Errorf("%s: steady ITL %v s, want %v", test.name, steady, itl/1e9)
		}
	}
}

// In which order a file lists its requests is nothing that a number may depend on.
func TestOrderOfRequestsChangesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 1))
	flights := closedLoop(rng, "a", 6, 60, 50, 30e6, 11e6, 2e6)
	for i := range flights { // every request at its own pace
		flights[i].e2el += rng.Int64N(5e7)
	}
	row := func() string {
		var out string
		if err := over(t, flights, "in_flight", "steady_windows", "run_steady").QueryRow("SELECT CAST(run_steady AS VARCHAR) FROM run_steady").Scan(&out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := row()
	for range 5 {
		rng.Shuffle(len(flights), func(i, j int) { flights[i], flights[j] = flights[j], flights[i] })
		if got := row(); got != want {
			t.Errorf("shuffled: %s\nwant      %s", got, want)
		}
	}
}

// The medians that runs are compared by are Harrell and Davis's, also where SQL
// computes them: of what started in the window, and of nothing else.
func TestSteadyMediansAreHarrellAndDavis(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	var flights []flight
	ttfts, e2els := map[string][]int64{}, map[string][]int64{}
	for _, n := range []int{1, 2, 3, 4, 5, 8, 73, 500, 5000} {
		run := fmt.Sprintf("run%d", n)
		for i := range n {
			f := flight{run: run, start: int64(100 + i), ttft: 1e6 + int64(1e9*rng.ExpFloat64())}
			f.e2el = f.ttft + int64(1e9*rng.Float64())
			flights, ttfts[run], e2els[run] = append(flights, f), append(ttfts[run], f.ttft), append(e2els[run], f.e2el)
		}
		flights = append(flights, // too early, too late, and not completed
			flight{run: run, start: 99, ttft: 1, e2el: 2}, flight{run: run, start: 6000, ttft: 1, e2el: 2},
			flight{run: run, start: 100, ttft: 1, e2el: 2, status: "failed"})
	}
	db := over(t, flights)
	for _, s := range []string{"CREATE TABLE steady_windows AS SELECT DISTINCT run_id, 100 AS from_ns, 100 AS warm_ns, 6000 AS to_ns, 1.0 AS mean_e2els, 1 AS most_in_flight, NULL::DOUBLE AS cold_slowdown FROM requests", text("run_steady")} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	want := func(ns []int64) float64 {
		var values []float64
		var upto []int64
		for i, v := range slices.Sorted(slices.Values(ns)) {
			values, upto = append(values, float64(v)), append(upto, int64(i+1))
		}
		return quantile.HarrellDavis(values, upto, 0.5) / 1e9
	}
	for run := range ttfts {
		var ttft, e2el float64
		if err := db.QueryRow("SELECT steady_ttft_hd_p50_s, steady_e2el_hd_p50_s FROM run_steady WHERE run_id = ?", run).Scan(&ttft, &e2el); err != nil {
			t.Fatal(err)
		}
		// Five points integrate the density of few values, a root at either end, less well.
		within := 1e-7
		if len(ttfts[run]) < 8 {
			within = 1e-4
		}
		for name, c := range map[string][2]float64{"TTFT": {ttft, want(ttfts[run])}, "E2EL": {e2el, want(e2els[run])}} {
			if math.Abs(c[0]/c[1]-1) > within {
				t.Errorf("%s of %s: %.12f s, Harrell and Davis say %.12f s", name, run, c[0], c[1])
			}
		}
	}
}
