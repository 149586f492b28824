package analyze

import (
	"fmt"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/query"
)

// A clientChange is a version from which numbers of vLLM's own benchmark client mean
// something else under the same name.
type clientChange struct {
	version string
	what    string
	// matters reports whether the numbers of runs before and since show it, or may.
	matters func(before, since []*Run) bool
}

// clientChanges of the Python client, oldest first.
var clientChanges = []clientChange{
	{"0.11.1", "its random data set asks for answers of full length (ignore_eos), which ended before where the model ended them", func(before, since []*Run) bool {
		return !otherDataset(before) && !otherDataset(since) && lengthsDiffer(before, since, meanOutput)
	}},
	{"0.15.0", "it leaves the temperature to the server, and asked for 0 before", func(before, since []*Run) bool {
		b, c := valuesOf(before, temperatureText), valuesOf(since, temperatureText)
		return len(b) == 0 || len(c) == 0 || !slices.Equal(b, c)
	}},
	{"0.20.0", "prompt tokens are the server's count, and were that of its own tokenizer before", func(before, since []*Run) bool {
		return lengthsDiffer(before, since, meanInput)
	}},
}

func temperatureText(r *Run) (string, bool) {
	v, ok := r.temperature()
	return fmt.Sprint(v), ok
}

// otherDataset reports whether all runs name a data set that is not random.
func otherDataset(runs []*Run) bool {
	for _, r := range runs {
		if !r.Dataset.Valid || strings.HasPrefix(r.Dataset.V, "random") {
			return false
		}
	}
	return true
}

// lengthsDiffer compares mean lengths level by level.
func lengthsDiffer(before, since []*Run, mean func([]*Run) float64) bool {
	of := func(runs []*Run) map[query.Count][]*Run {
		out := map[query.Count][]*Run{}
		for _, r := range runs {
			if r.Sum != nil {
				out[r.MaxConcurrency] = append(out[r.MaxConcurrency], r)
			}
		}
		return out
	}
	b, s := of(before), of(since)
	for level := range b {
		if x, y := mean(b[level]), mean(s[level]); x != y && x > 0 && y > 0 {
			return true
		}
	}
	return false
}

// clientBounds are the version from which, and before which, the client was that wrote
// a result of vllm bench: a result does not name it, and its keys came and went. Where
// the server's version lies between, it is that, for images have both. ok is false
// for other clients.
func (r *Run) clientBounds() (from, before string, ok bool) {
	if r.Producer != "vllm" || r.Bench != "serve" {
		return "", "", false
	}
	switch r.Dialect {
	case "script-legacy":
		from, before = "0", "0.7.0"
	case "script":
		from, before = "0", "0.10.2"
	case "cli":
		from, before = "0.8.0", "0.11.0"
	case "cli+backend":
		if from, before = "0.11.0", "0.17.0"; r.Reported.Get("rtfx") != "" {
			from, before = "0.17.0", ""
		}
	default: // the Rust client, which counts as it always did, and what cannot be told
		return "", "", false
	}
	version := r.RuntimeVersion.V
	if r.Runtime.Valid && r.Runtime.V != "vllm" || !strings.HasPrefix(strings.TrimLeft(version, "0123456789"), ".") {
		return from, before, true
	}
	if compareVersions(version, from) >= 0 && (before == "" || compareVersions(version, before) < 0) {
		return version, version + ".post0", true // that one
	}
	return from, before, true
}

// hasClientChange reports whether a run's client has a change, and whether that can be
// told.
func (r *Run) hasClientChange(c clientChange) (since, known bool) {
	from, before, ok := r.clientBounds()
	switch {
	case !ok:
		return false, false
	case compareVersions(from, c.version) >= 0:
		return true, true
	case before != "" && compareVersions(before, c.version) <= 0:
		return false, true
	}
	return false, false
}

// sentence says what changed.
func (c clientChange) sentence() string {
	return fmt.Sprintf("from v%s on %s", c.version, c.what)
}

// byClient are the runs whose client lacks a change, and those whose has it.
func byClient(c clientChange, runs []*Run) (before, since []*Run) {
	for _, r := range runs {
		switch has, known := r.hasClientChange(c); {
		case known && has:
			since = append(since, r)
		case known:
			before = append(before, r)
		}
	}
	return before, since
}

// clientsDiffer says what changed in vLLM's client between the two sides of a
// comparison.
func clientsDiffer(base, cand []*Run) []string {
	var out []string
	for _, c := range clientChanges {
		oldBase, newBase := byClient(c, base)
		oldCand, newCand := byClient(c, cand)
		for _, d := range []struct {
			before, since []*Run
			sides         string
		}{
			{oldBase, newCand, "the baseline's client is of before, the candidate's is not"},
			{oldCand, newBase, "the candidate's client is of before, the baseline's is not"},
		} {
			if len(d.before) > 0 && len(d.since) > 0 && c.matters(d.before, d.since) {
				out = append(out, fmt.Sprintf("vllm bench: %s: %s", c.sentence(), d.sides))
			}
		}
	}
	return out
}

// clientSides says for each change of the client that lies between some of runs on
// which side each run is.
func clientSides(runs []*Run) map[*Run]map[string]bool {
	out := map[*Run]map[string]bool{}
	for _, c := range clientChanges {
		before, since := byClient(c, runs)
		if len(before) == 0 || len(since) == 0 || !c.matters(before, since) {
			continue
		}
		for has, side := range map[bool][]*Run{false: before, true: since} {
			for _, r := range side {
				if out[r] == nil {
					out[r] = map[string]bool{}
				}
				out[r][c.sentence()] = has
			}
		}
	}
	return out
}

// swapsE2EL reports whether the tool's mean and median E2EL stand for each other:
// benchmark_serving.py had total_token_throughput from v0.6.0 on, and always a
// burstiness from v0.6.4 on, when it was mended.
func (r *Run) swapsE2EL() bool {
	return r.Producer == "vllm" && (r.Dialect == "script" || r.Dialect == "script-legacy") && !r.Burstiness.Valid &&
		r.Reported.Get("total_token_throughput") != "" && r.Reported.Get("mean_e2el_ms") != "" && r.Reported.Get("median_e2el_ms") != ""
}
