package analyze

import (
	"context"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/servestat/servestat/analyze/query"
)

// agreementTolerance is how close our number and the tool's must be to be called
// equal, relative, besides the rounding of the file.
const agreementTolerance = 1e-6

var statisticKey = regexp.MustCompile(`^(mean|median|std|p([0-9]+(?:\.[0-9]+)?))_(ttft|tpot|itl|e2el)_ms$`)

// Agree sets every number of the tools' own summaries beside ours.
func Agree(ctx context.Context, d *Data) ([]Agreement, error) {
	levels := d.percentileLevels()
	ours := make(map[recomputedKey]query.Recomputed, 4*len(d.Runs))
	err := d.inParts(ctx, func(db *query.DB, where string) error {
		rows, err := db.Recomputed(ctx, where, levels)
		for _, v := range rows {
			ours[recomputedKey{v.RunID, v.Metric}] = v
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return d.agree(levels, func(r *Run, metric string) (query.Recomputed, bool) {
		v, ok := ours[recomputedKey{r.RunID, metric}]
		return v, ok
	}), nil
}

type recomputedKey struct{ run, metric string }

// agreeOnRequests is [Agree] without what takes every token, the standard deviation
// and percentiles of ITL, of runs that [LoadForWeek] loaded.
func (d *Data) agreeOnRequests() []Agreement {
	return d.agree(d.levels, func(r *Run, metric string) (query.Recomputed, bool) {
		i := slices.IndexFunc(r.recomputed, func(v query.Recomputed) bool { return v.Metric == metric })
		if i < 0 {
			return query.Recomputed{}, false
		}
		return r.recomputed[i], true
	})
}

// agree sets what the tools say beside what is recomputed of them.
func (d *Data) agree(levels []float64, ours recomputedOf) []Agreement {
	t := agreementTable{levels: levels, ours: ours, statistics: map[string]statistic{}, byKey: map[string]*Agreement{}}
	for _, r := range d.Runs {
		t.addRun(r)
	}
	return t.rows()
}

// A recomputedOf returns what was recomputed of a metric of a run.
type recomputedOf func(r *Run, metric string) (query.Recomputed, bool)

// percentileLevels are the percentiles that any run's tool reported, and the
// median, ascending.
func (d *Data) percentileLevels() []float64 {
	levels := map[float64]bool{50: true}
	seen := map[string]bool{}
	for _, r := range d.Runs {
		for key := range r.Reported.All() {
			if seen[key] {
				continue
			}
			seen[key] = true
			if m := statisticKey.FindStringSubmatch(key); m != nil && m[2] != "" {
				if p, err := strconv.ParseFloat(m[2], 64); err == nil && p >= 0 && p <= 100 {
					levels[p] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(levels))
}

// A statistic is what a key of a tool's summary is of.
type statistic struct {
	metric string // empty: none
	of     string // mean, std, or a percentile
	level  int    // which of the levels it is, for a percentile; -1: none of them
}

// statisticOf reads a key, which may be mean_ttft_ms.
func statisticOf(key string, levels []float64) statistic {
	m := statisticKey.FindStringSubmatch(key)
	if m == nil {
		return statistic{}
	}
	s := statistic{metric: m[3], of: m[1], level: -1}
	if m[1] == "median" {
		m[2] = "50"
	}
	if p, err := strconv.ParseFloat(m[2], 64); err == nil {
		s.level = slices.Index(levels, p)
	}
	return s
}

// recomputed returns our value of a key of the tool's summary.
func (t *agreementTable) recomputed(r *Run, key string) (float64, bool) {
	s := r.Sum
	switch key {
	case "completed":
		return float64(s.Completed + s.Suspect), true
	case "total_input_tokens":
		return float64(s.InputTokens.V), s.InputTokens.Valid
	case "total_output_tokens":
		return float64(s.OutputTokens.V), s.OutputTokens.Valid
	case "request_throughput":
		return s.RequestThroughput.V, s.RequestThroughput.Valid
	case "output_throughput":
		return s.OutputThroughput.V, s.OutputThroughput.Valid
	case "total_token_throughput":
		return s.TotalTokenThroughput.V, s.TotalTokenThroughput.Valid
	}
	if key == "mean_itl_ms" {
		return 1e3 * s.ITLMean.V, s.ITLMean.Valid
	}
	stat := t.statistic(key)
	v, ok := t.ours(r, stat.metric)
	switch {
	case !ok:
		return 0, false
	case stat.of == "mean":
		return v.Mean, true
	case stat.of == "std":
		return v.Std, true
	case stat.level < 0 || stat.level >= len(v.Percentiles):
		return 0, false
	}
	return v.Percentiles[stat.level], true
}

// An agreementTable gathers comparisons by key.
type agreementTable struct {
	levels     []float64 // percentiles that are recomputed
	ours       recomputedOf
	statistics map[string]statistic
	byKey      map[string]*Agreement
	order      []string
}

// statistic is that of a key, which is read once: every run has the same.
func (t *agreementTable) statistic(key string) statistic {
	s, known := t.statistics[key]
	if !known {
		s = statisticOf(key, t.levels)
		t.statistics[key] = s
	}
	return s
}

// addRun adds what a run's tool says, with our numbers of the same.
func (t *agreementTable) addRun(r *Run) {
	if r.Sum == nil || r.Sum.Completed == 0 || r.Bench != "serve" {
		return
	}
	for key, value := range r.Reported.All() {
		if our, ok := t.recomputed(r, key); ok {
			t.add(r, key, value, our)
		}
	}
}

func (t *agreementTable) add(r *Run, key, value string, our float64) {
	theirs, rounding, ok := reportedNumber(value)
	if !ok {
		return
	}
	a := t.byKey[key]
	if a == nil {
		a = &Agreement{Key: key}
		t.byKey[key] = a
		t.order = append(t.order, key)
	}
	a.Compared++
	off := math.Abs(our-theirs) - rounding
	if off <= agreementTolerance*math.Max(math.Abs(theirs), math.Abs(our)) {
		a.Equal++
		return
	}
	a.MaxDev = math.Max(a.MaxDev, math.Abs(our-theirs)/math.Abs(theirs))
	a.Why = joinOnce(a.Why, r.whyDifferent(key, our-theirs))
	a.Where = joinOnce(a.Where, r.SourceName)
}

// reportedNumber reads a number as the file has it, and half a unit of its last
// digit: a value printed as 14.32 may have been 14.318. Shortest representations
// of binary floats, which have 15 digits or more, were not rounded.
func reportedNumber(raw string) (v, rounding float64, ok bool) {
	v, err := strconv.ParseFloat(raw, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, 0, false
	}
	_, decimals, found := strings.Cut(raw, ".")
	if !found || strings.ContainsAny(decimals, "eE") || len(strings.Trim(raw, "-0.")) >= 15 {
		return v, 0, true
	}
	return v, 0.5 * math.Pow10(-len(decimals)), true
}

// twoReadings bounds, in milliseconds, what lies between two readings of the
// clock that a client makes one after the other.
const twoReadings = 0.01

// whyDifferent explains why we may be off this run's tool by so much on key.
func (r *Run) whyDifferent(key string, off float64) string {
	usesEnd := strings.Contains(key, "tpot") || strings.Contains(key, "e2el")
	switch {
	case r.swapsE2EL() && (key == "mean_e2el_ms" || key == "median_e2el_ms"):
		return "vLLM v0.6.0 to v0.6.3: the tool's mean and median of E2EL stand for each other"
	case r.Suspect.V > 0:
		return fmt.Sprintf("the tool counts %d requests that never got a chunk as 0 ms", r.Suspect.V)
	case usesEnd && strings.Contains(r.Backend.V, "chat"):
		return "chat streams: the tool's clock runs on to the final usage chunk, which carries no content"
	case usesEnd && r.Dialect == "script-legacy":
		return "before v0.7.0 the tool's clock ran on to the end of the stream ([DONE])"
	case usesEnd && math.Abs(off) <= twoReadings:
		return "the client reads its clock twice at the first chunk, so that TTFT + the gaps is longer than its latency by the moment between"
	}
	return "no known reason: the file may have been edited, or another tool wrote it"
}

// joinOnce adds text to a list unless it is in it; a long list is cut.
func joinOnce(list, text string) string {
	const limit = 400
	switch {
	case list == "":
		return text
	case strings.Contains(list, text) || strings.HasSuffix(list, "…"):
		return list
	case len(list) > limit:
		return list + "; …"
	}
	return list + "; " + text
}

// rows are the keys, counts first, then throughputs, then the statistics by
// metric.
func (t *agreementTable) rows() []Agreement {
	slices.SortStableFunc(t.order, func(a, b string) int {
		if c := keyRank(a) - keyRank(b); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	out := make([]Agreement, len(t.order))
	for i, k := range t.order {
		out[i] = *t.byKey[k]
	}
	return out
}

func keyRank(key string) int {
	for i, part := range []string{"completed", "total_input_tokens", "total_output_tokens", "throughput", "ttft", "itl", "tpot", "e2el"} {
		if strings.Contains(key, part) {
			return i
		}
	}
	return math.MaxInt32
}
