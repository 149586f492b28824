package analyze

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/servestat/servestat/analyze/audit"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas"
)

// auditRun checks a run: by our own numbers where it has raw times, otherwise by
// those that its tool reported.
func auditRun(r *Run) []audit.Finding {
	if r.Bench != "serve" {
		return nil
	}
	in := audit.NewRun()
	in.ClosedLoop, in.Truncated, in.Synthetic = r.closedLoop(), r.Truncated.V, r.GapKind.V == string(schemas.Synthetic)
	in.Requests, in.Completed, in.Failed, in.Suspect = or(r.Requests, -1), or(r.Completed, -1), or(r.Failed, -1), or(r.Suspect, -1)
	in.Prompts = or(r.NumPrompts, -1)
	if r.MaxConcurrency.Valid {
		in.MaxConcurrency = float64(r.MaxConcurrency.V)
	}
	in.BytesPerToken, in.MemoryBandwidth = r.numericLabel("bytes_per_token"), r.numericLabel("memory_bandwidth")
	in.ZeroStatistics, in.SwappedE2EL = r.zeroStatistics(), r.swapsE2EL()
	if r.Sum != nil {
		fillMeasured(&in, r.Sum)
	} else {
		fillReported(&in, r)
	}
	if r.Checks != nil {
		fillChecks(&in, r.Checks)
	}
	in.CachedShare = r.cachedShare()
	if r.server != nil {
		fillServer(&in, r.server)
	}
	if c := r.clocks; c != nil {
		in.ClockRatio, in.ClockMedian, in.ClockTop, in.ClockCapped = c.Ratio, c.MedianHz, c.TopHz, c.Capped
	}
	for _, l := range r.limits {
		in.ClockLimits = append(in.ClockLimits, audit.ClockLimit(l))
	}
	return audit.Check(in)
}

// check keeps what auditRun finds wrong.
func (r *Run) check() { r.fired = audit.Fired(auditRun(r)) }

func fillServer(in *audit.Run, s *serverSide) {
	in.ServerRequests, in.ServerTokens, in.ServerPrompt, in.ServerTTFT, in.ServerE2EL = s.requests, s.outputTokens, s.inputTokens, s.ttft, s.e2el
	in.ServerInFlight, in.ServerMost, in.ServerWider = s.inFlight, s.most, s.wider
	in.CountedBy, in.SeenBy, in.ServerMissing = s.countedBy, s.seenBy, s.missing
}

// cachedShare is the share of the prompt tokens that came from the prefix cache,
// by the responses or else by the server's counters; NaN where neither says.
func (r *Run) cachedShare() float64 {
	if r.Checks != nil && r.Checks.CachedShare.Valid {
		return r.Checks.CachedShare.V
	}
	if r.server != nil {
		return r.server.cachedShare
	}
	return math.NaN()
}

// numericLabel is a label that is a number, NaN where it is none.
func (r *Run) numericLabel(name string) float64 {
	v, err := strconv.ParseFloat(r.Labels[name], 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// zeroStatistics are the latencies that the tool printed as 0.0 though nothing
// can have been measured: no request completed, or no gap.
func (r *Run) zeroStatistics() []string {
	var out []string
	for key, value := range r.Reported.All() {
		if !strings.HasPrefix(key, "mean_") || !strings.HasSuffix(key, "_ms") {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil && v == 0 {
			out = append(out, key)
		}
	}
	return out
}

func fillMeasured(in *audit.Run, s *query.RunSummary) {
	in.Requests, in.Completed, in.Failed, in.Suspect, in.Gaps = s.Requests, s.Completed, s.Failed, s.Suspect, or(s.Gaps, -1)
	in.OutputThroughput, in.TTFT, in.TPOT = orNaN(s.OutputThroughput), orNaN(s.TTFTMean), orNaN(s.TPOTMean)
	in.OutputLen = math.NaN()
	if s.OutputTokens.Valid && s.Completed > 0 {
		in.OutputLen = float64(s.OutputTokens.V) / float64(s.Completed)
	}
	if s.InputTokens.Valid && s.Completed > 0 {
		in.InputLen = float64(s.InputTokens.V) / float64(s.Completed)
	}
	in.MostInFlight = math.NaN()
	if s.MostInFlight.Valid {
		in.MostInFlight = float64(s.MostInFlight.V)
	}
	in.Concurrency, in.SteadyLoad, in.SteadyE2ELs = orNaN(s.Concurrency), orNaN(s.SteadyConcurrency), orNaN(s.SteadyE2ELs)
	in.ColdStart, in.ColdSlowdown = orNaN(s.SteadyWarm)-orNaN(s.SteadyFrom), orNaN(s.SteadyColdSlowdown)
	in.ITL, in.ITLMedian, in.ITLp99, in.E2EL = orNaN(s.ITLMean), orNaN(s.ITLp50), orNaN(s.ITLp99), orNaN(s.E2ELMean)
}

func fillChecks(in *audit.Run, c *query.RunChecks) {
	in.OneToken, in.FirstTTFT = orNaN(c.OneToken), orNaN(c.FirstTTFT)
	in.DispatchDelay, in.FromSchedule, in.Crowded, in.Idle = orNaN(c.DispatchDelay), orNaN(c.FromSchedule), orNaN(c.Crowded), orNaN(c.Idle)
}

// fillReported takes the tool's own averages. A 0.0 latency means that there was
// none.
func fillReported(in *audit.Run, r *Run) {
	in.OutputThroughput, in.TTFT, in.TPOT = r.reported("output_throughput"), r.reported("mean_ttft_ms")/1e3, r.reported("mean_tpot_ms")/1e3
	in.OutputLen = r.reported("total_output_tokens") / r.reported("completed")
	in.Concurrency = in.OutputThroughput / in.OutputLen * (in.TTFT + (in.OutputLen-1)*in.TPOT)
}

// reported returns a number of the tool's own summary; NaN where there is none,
// or a zero that stands for none.
func (r *Run) reported(key string) float64 {
	v, ok := reported(r, key)
	if !ok || v == 0 {
		return math.NaN()
	}
	return v
}

func or(c query.Count, otherwise int64) int64 {
	if !c.Valid {
		return otherwise
	}
	return c.V
}

func orNaN(n query.Number) float64 {
	if !n.Valid {
		return math.NaN()
	}
	return n.V
}

// Findings returns what the truth checks found, one line for the runs of a load
// point that a check fired for alike, and then what they found in runs side by
// side.
func Findings(d *Data) []Finding { return findings(d, d.auditedSeries()) }

func findings(d *Data, series []auditedSeries) []Finding {
	out := findingsOf(d, func(r *Run) []audit.Finding { return r.fired })
	for _, s := range slices.Concat(series, audited(d.reportedSeries())) {
		for _, f := range audit.Fired(s.found) {
			out = append(out, s.finding(f))
		}
	}
	return out
}

// findingsOf gathers what of finds in each run: one Finding a check, answer and
// series, which names the load points that it is of.
func findingsOf(d *Data, of func(*Run) []audit.Finding) []Finding {
	var out []Finding
	type finding struct {
		check    string
		severity audit.Severity
		subject  string
	}
	at := map[finding]int{}
	loads := map[int][]string{}
	for _, r := range d.Runs {
		for _, f := range of(r) {
			alike := finding{f.Check, f.Severity, r.subject()}
			i, ok := at[alike]
			if !ok {
				i = len(out)
				at[alike] = i
				out = append(out, Finding{Check: f.Check, Verdict: string(f.Severity), Subject: alike.subject, Message: r.load() + ": " + f.Message, Do: f.Do})
			}
			out[i].RunIDs = append(out[i].RunIDs, r.RunID)
			if !slices.Contains(loads[i], r.load()) {
				loads[i] = append(loads[i], r.load())
			}
		}
	}
	for i := range out {
		if n := len(out[i].RunIDs); n > 1 {
			out[i].Message += fmt.Sprintf(" (this of run %s; %d runs alike at %s)", out[i].RunIDs[0], n, list(loads[i]))
		}
	}
	return out
}

// subject names the series of a run in words.
func (r *Run) subject() string {
	var parts []string
	for _, p := range []query.Text{r.Model, r.Hardware} {
		if p.Valid {
			parts = append(parts, p.V)
		}
	}
	if r.RuntimeVersion.Valid {
		parts = append(parts, strings.TrimSpace(r.Runtime.V+" "+r.RuntimeVersion.V))
	}
	if !r.Detailed {
		parts = append(parts, "summary only")
	}
	if len(parts) == 0 {
		return r.SourceName
	}
	return strings.Join(parts, ", ")
}

// runSeries are the closed-loop runs of one version in one group, whose levels
// make a curve.
type runSeries struct {
	group   Group
	version string
	runs    []*Run
}

func (d *Data) series() []runSeries {
	return d.seriesOf(func(r *Run) bool { return r.measured() && r.closedLoop() })
}

// reportedSeries are the rows that carry only what their tool said: two of one level
// that contradict each other are found without a log.
func (d *Data) reportedSeries() []runSeries {
	return d.seriesOf(func(r *Run) bool { return r.Bench == "serve" && !r.Detailed && r.MaxConcurrency.Valid })
}

func (d *Data) seriesOf(keep func(*Run) bool) []runSeries {
	groups := byGroup(d.Only(keep).Runs)
	var out []runSeries
	for _, g := range sortedGroups(groups) {
		for _, version := range versionsOf(groups[g]) {
			out = append(out, runSeries{g, version, ofVersion(groups[g], version)})
		}
	}
	return out
}

// An auditedSeries is one with what the checks of runs side by side found.
type auditedSeries struct {
	runSeries
	found []audit.Finding
}

func (d *Data) auditedSeries() []auditedSeries { return audited(d.series()) }

func audited(series []runSeries) []auditedSeries {
	out := make([]auditedSeries, len(series))
	onAllCores(len(series), func(i int) { out[i] = auditedSeries{series[i], series[i].audit()} })
	return out
}

// audit asks the checks of runs side by side.
func (s runSeries) audit() []audit.Finding {
	members := make([]audit.Member, 0, len(s.runs))
	clients := clientSides(s.runs)
	for i, r := range inOrder(s.runs) {
		m := audit.Member{
			Name: r.SourceName, Start: r.ServerStart.V, Level: float64(r.MaxConcurrency.V), Order: i, Workload: r.WorkloadDigest.V, Dataset: r.Dataset.V,
			InputLen: math.NaN(), OutputLen: math.NaN(), CacheOff: cacheIsOff(r.EngineArgs), Client: clients[r],
		}
		r.fillMember(&m)
		members = append(members, m)
	}
	return audit.CheckGroup(members)
}

// fillMember takes the latencies and the throughput of a run: of its steady window,
// of the whole of it, or as its tool has them.
func (r *Run) fillMember(m *audit.Member) {
	if r.Sum == nil {
		m.TTFT, m.TPOT, m.OutputThroughput = r.reported("median_ttft_ms")/1e3, r.reported("mean_tpot_ms")/1e3, r.reported("output_throughput")
		return
	}
	m.InputLen, m.OutputLen = meanInput([]*Run{r}), meanOutput([]*Run{r})
	m.TTFT, m.TPOT, m.OutputThroughput = orNaN(r.Sum.TTFTp50), orNaN(r.Sum.TPOTMean), orNaN(r.Sum.OutputThroughput)
	if r.hasSteadyWindow() {
		m.TPOT, m.OutputThroughput = orNaN(r.Sum.SteadyTPOTMean), orNaN(r.Sum.SteadyOutput)
	}
}

// cacheIsOff reports whether the server's arguments switch prefix caching off.
func cacheIsOff(args map[string]string) bool {
	_, no := args["no_enable_prefix_caching"]
	v, said := args["enable_prefix_caching"]
	return no || said && strings.EqualFold(v, "false")
}

func (s runSeries) finding(f audit.Finding) Finding {
	ids := make([]string, len(s.runs))
	for i, r := range s.runs {
		ids[i] = r.RunID
	}
	subject := fmt.Sprintf("%s, %s, all levels", s.group, s.version)
	if !s.runs[0].Detailed {
		subject += ", summaries only"
	}
	return Finding{
		Check: f.Check, Verdict: string(f.Severity), Subject: subject,
		Message: f.Message, Do: f.Do, RunIDs: ids,
	}
}
