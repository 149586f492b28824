package analyze

import "github.com/servestat/servestat/analyze/query"

// A Window says over which part of a run its numbers are taken.
type Window string

// The windows. See schemas on the steady window.
const (
	Steady   Window = "steady" // where the load was what was asked for: no ramp, no drain, no cold start
	WholeRun Window = "whole run"
)

// leastSteadyE2ELs is how many mean latencies a steady window must last to
// stand for a run; in a shorter one, few requests both begin and end.
const leastSteadyE2ELs = 1

// inSteadyWindow returns runs with the numbers of their steady windows in place
// of those of the whole runs, where every one of sets has such windows:
// otherwise numbers of different meaning would stand beside each other.
func inSteadyWindow(sets ...[]*Run) (Window, [][]*Run) {
	for _, runs := range sets {
		for _, r := range runs {
			if !r.hasSteadyWindow() {
				return WholeRun, sets
			}
		}
	}
	out := make([][]*Run, len(sets))
	for i, runs := range sets {
		for _, r := range runs {
			steady := *r
			steady.Sum = steadySummary(*r.Sum)
			out[i] = append(out[i], &steady)
		}
	}
	return Steady, out
}

func (r *Run) hasSteadyWindow() bool {
	return r.Sum != nil && r.Sum.SteadyE2ELs.Valid && r.Sum.SteadyE2ELs.V >= leastSteadyE2ELs &&
		r.Sum.SteadyTTFTp50.Valid && r.Sum.SteadyOutput.Valid
}

// steadySummary is s with the numbers of its steady window. Tails stay those of
// the whole run, which has the more requests.
func steadySummary(s query.RunSummary) *query.RunSummary {
	s.TTFTp50, s.E2ELp50, s.TPOTMean, s.ITLMean = s.SteadyTTFTp50, s.SteadyE2ELp50, s.SteadyTPOTMean, s.SteadyITLMean
	s.OutputThroughput, s.Concurrency = s.SteadyOutput, s.SteadyConcurrency
	return &s
}
