package audit

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// A Member is one run among those that are read side by side: one model on one
// piece of hardware and one runtime version, at several levels, repeated.
type Member struct {
	Name             string // for messages
	Start            string // server start; empty where not recorded
	Level            float64
	Order            int // in time, from 0
	Workload         string
	Dataset          string
	InputLen         float64 // means over requests
	OutputLen        float64
	TTFT, TPOT       float64
	OutputThroughput float64
	CacheOff         bool // the server was started without prefix caching
	// Client says of each change in the benchmark client between some of the members
	// whether this one's has it. What cannot be told is not in it.
	Client map[string]bool
}

// A groupCheck is a definition and how runs side by side are asked.
type groupCheck struct {
	Definition
	ask func([]Member) Finding
}

var groupChecks = []groupCheck{
	{Definition{"T8 baseline sanity", "do runs of the same level agree?", "largest throughput / smallest, at one level", "WARN above 1.25, FAIL above 2", "two runs of a level"}, agreeing},
	{Definition{"T10 monotonicity", "does TPOT rise with concurrency?", "TPOT(c) / TPOT at the level before", "WARN below 0.95: an outlier, or the server changed state", "two levels"}, monotone},
	{Definition{"T16 mixed workloads", "is it one curve?", "dataset, mean prompt and output length over the levels", "WARN where they differ by 2 %", "two levels"}, mixed},
	{Definition{"output-length drift", "do repeats make the same work?", "mean output length over the runs of a level", "WARN where it differs by 2 %", "two runs of a level"}, lengthDrift},
	{Definition{"repeats on one start", "is every run a replicate?", "runs of a level on one server start", "WARN from two: they count as one", "server starts"}, sameStart},
	{Definition{"one client", "did one version of the client measure them?", "", "WARN where numbers of one name mean two things in the versions that did", "results of vllm bench"}, oneClient},
	{Definition{"warm repeats", "did a repeat find its prompts in the cache?", "TTFT of a repeat on the same start / of its first run", "WARN below 0.8", "two runs of the same prompts on one start"}, warmRepeats},
}

// CheckGroup asks every group check.
func CheckGroup(members []Member) []Finding {
	out := make([]Finding, len(groupChecks))
	for i, c := range groupChecks {
		out[i] = c.ask(members)
		out[i].Check = c.Check
		if out[i].Severity == NotComputable && out[i].Missing == "" {
			out[i].Missing = c.Needs
		}
	}
	return out
}

// oneClient: a result of vllm bench does not name the version of the client, and a
// server may well be measured from another image.
func oneClient(members []Member) Finding {
	before, all := map[string]int{}, map[string]bool{}
	for _, m := range members {
		for change, has := range m.Client {
			if all[change] = true; !has {
				before[change]++
			}
		}
	}
	switch {
	case len(members) == 0:
		return unknown("")
	case len(all) == 0:
		return fine("no change of the client lies between them")
	}
	var what []string
	for _, change := range slices.Sorted(maps.Keys(all)) {
		what = append(what, fmt.Sprintf("%s; %d of %d are of before", change, before[change], len(members)))
	}
	return Finding{
		Severity: Warn, Message: "clients of different versions measured them: " + strings.Join(what, "; "),
		Do: "measure all of them with one version of the client, or compare only what did not change",
	}
}

// byLevel returns the members of each level, levels ascending.
func byLevel(members []Member) [][]Member {
	sorted := slices.Clone(members)
	slices.SortStableFunc(sorted, func(a, b Member) int {
		switch {
		case a.Level < b.Level:
			return -1
		case a.Level > b.Level:
			return 1
		}
		return a.Order - b.Order
	})
	var out [][]Member
	for i, m := range sorted {
		if i == 0 || m.Level != sorted[i-1].Level {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], m)
	}
	return out
}

// spread returns the members with the least and the greatest value, of those
// that have one.
func spread(members []Member, value func(Member) float64) (least, most Member, ok bool) {
	n := 0
	for _, m := range members {
		v := value(m)
		if !known(v) || v <= 0 {
			continue
		}
		if n++; n == 1 || v < value(least) {
			least = m
		}
		if n == 1 || v > value(most) {
			most = m
		}
	}
	return least, most, n > 1
}

func throughput(m Member) float64 { return m.OutputThroughput }
func outputLen(m Member) float64  { return m.OutputLen }
func inputLen(m Member) float64   { return m.InputLen }

func agreeing(members []Member) Finding {
	worst, f, any := 1.0, Finding{}, false
	for _, level := range byLevel(members) {
		least, most, ok := spread(level, throughput)
		if !ok {
			continue
		}
		any = true
		if ratio := throughput(most) / throughput(least); ratio > worst {
			worst = ratio
			f.Message = fmt.Sprintf("at max concurrency %.0f, %s has %.4g tokens/s and %s %.4g: %.2f times as much",
				least.Level, most.Name, throughput(most), least.Name, throughput(least), ratio)
		}
	}
	switch {
	case !any:
		return unknown("")
	case worst <= 1.25:
		return fine("runs of a level are within %.0f %%", 100*(worst-1))
	case worst > 2:
		f.Severity = Fail
	default:
		f.Severity = Warn
	}
	f.Do = "one of them is no measurement of this level: which one is the baseline decides what the comparison says"
	return f
}

func monotone(members []Member) Finding {
	levels := byLevel(members)
	worst, f, last, lastLevel := 1.0, Finding{}, math.NaN(), 0.0
	pairs := 0
	for _, level := range levels {
		tpot := medianOf(level, func(m Member) float64 { return m.TPOT })
		if !known(tpot) {
			continue
		}
		if known(last) {
			pairs++
			if ratio := tpot / last; ratio < worst {
				worst = ratio
				f.Message = fmt.Sprintf("TPOT falls from %.4g ms at max concurrency %.0f to %.4g ms at %.0f", 1e3*last, lastLevel, 1e3*tpot, level[0].Level)
			}
		}
		last, lastLevel = tpot, level[0].Level
	}
	switch {
	case pairs == 0:
		return unknown("")
	case worst >= 0.95:
		return fine("TPOT does not fall with concurrency")
	}
	f.Severity = Warn
	f.Do = "the lower level may be an outlier or measured before the server was warm; a fitted curve averages over it"
	return f
}

func medianOf(members []Member, value func(Member) float64) float64 {
	var v []float64
	for _, m := range members {
		if x := value(m); known(x) {
			v = append(v, x)
		}
	}
	if len(v) == 0 {
		return math.NaN()
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func mixed(members []Member) Finding {
	levels := byLevel(members)
	if len(levels) < 2 {
		return unknown("")
	}
	var what []string
	datasets := map[string]bool{}
	for _, m := range members {
		if m.Dataset != "" {
			datasets[m.Dataset] = true
		}
	}
	if len(datasets) > 1 {
		what = append(what, fmt.Sprintf("%d datasets", len(datasets)))
	}
	for _, l := range []struct {
		name  string
		value func(Member) float64
	}{{"prompt", inputLen}, {"output", outputLen}} {
		var means []Member
		for _, level := range levels {
			mean := medianOf(level, l.value)
			means = append(means, Member{Level: level[0].Level, InputLen: mean, OutputLen: mean})
		}
		least, most, ok := spread(means, l.value)
		if ok && l.value(most) > 1.02*l.value(least) {
			what = append(what, fmt.Sprintf("mean %s length from %.4g tokens at max concurrency %.0f to %.4g at %.0f", l.name, l.value(least), least.Level, l.value(most), most.Level))
		}
	}
	if len(what) == 0 {
		return fine("dataset and lengths are the same at all levels")
	}
	return Finding{
		Severity: Warn, Message: "the levels differ in more than concurrency: " + strings.Join(what, "; "),
		Do: "a curve over them mixes the effect of load with that of the work; measure all levels with one workload",
	}
}

func lengthDrift(members []Member) Finding {
	worst, f, any := 1.0, Finding{}, false
	for _, level := range byLevel(members) {
		least, most, ok := spread(level, outputLen)
		if !ok {
			continue
		}
		any = true
		if ratio := outputLen(most) / outputLen(least); ratio > worst {
			worst = ratio
			f.Message = fmt.Sprintf("at max concurrency %.0f, mean output length is %.4g tokens in %s and %.4g in %s", least.Level, outputLen(least), least.Name, outputLen(most), most.Name)
		}
	}
	switch {
	case !any:
		return unknown("")
	case worst <= 1.02:
		return fine("output lengths are within 2 %%")
	}
	f.Severity, f.Do = Warn, "force the length (--ignore-eos), or compare per token and never requests/s"
	return f
}

func sameStart(members []Member) Finding {
	most, f, any := 1, Finding{}, false
	for _, level := range byLevel(members) {
		n := map[string]int{}
		for _, m := range level {
			if m.Start == "" {
				continue
			}
			any = true
			if n[m.Start]++; n[m.Start] > most {
				most = n[m.Start]
				f.Message = fmt.Sprintf("%d runs at max concurrency %.0f share the server start %s", most, m.Level, m.Start)
			}
		}
	}
	switch {
	case !any:
		return unknown("")
	case most == 1:
		return fine("every run of a level has a server start of its own")
	}
	f.Severity, f.Do = Warn, "they count as one replicate; restart the server for each repeat"
	return f
}

func warmRepeats(members []Member) Finding {
	first := map[string]Member{}
	worst, f, any := 1.0, Finding{}, false
	inTime := slices.Clone(members)
	slices.SortStableFunc(inTime, func(a, b Member) int { return a.Order - b.Order })
	for _, m := range inTime {
		if m.Start == "" || m.Workload == "" || m.CacheOff || !known(m.TTFT) {
			continue
		}
		key := fmt.Sprint(m.Start, m.Level, m.Workload)
		f0, seen := first[key]
		if !seen {
			first[key] = m
			continue
		}
		any = true
		if ratio := m.TTFT / f0.TTFT; ratio < worst {
			worst = ratio
			f.Message = fmt.Sprintf("%s repeats the prompts of %s on one server start, and its TTFT is %.2f of it (%.4g ms after %.4g ms)", m.Name, f0.Name, ratio, 1e3*m.TTFT, 1e3*f0.TTFT)
		}
	}
	switch {
	case !any:
		return unknown("")
	case worst >= 0.8:
		return fine("repeats of the same prompts are as slow as their first run")
	}
	f.Severity, f.Do = Warn, "the prefix cache answered: use a new seed for each repeat, or --no-enable-prefix-caching (vllm#52884, #54227)"
	return f
}
