package main

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/schemas/simulate"
)

const simulateLong = `Simulate benchmark runs of a server with continuous batching and write what vLLM
would have written: result files with per-token times, a server log, and a
servestat.yaml, per version. The same flags give the same bytes.

A decode step with n running sequences takes --itl-base + n x --itl-slope. Each
run<k>.json of every level ran on server start k. Every file says that it is
simulated.`

func (a *app) simulateCommand() *cobra.Command {
	s := simulate.DefaultSweep()
	var out, preset string
	var changes []string
	cmd := &cobra.Command{
		Use:   "simulate --out DIR [flags]",
		Short: "write simulated vLLM logs with known truth",
		Long:  simulateLong,
		Example: `  servestat simulate --out logs --versions 0.19.0,0.20.0 --change '0.20.0:itl=+5%'
  servestat simulate --out article --preset jetson-thor-article
  servestat simulate --out aa --change '' --runs 10 --stall-rate 0.08`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return usagef("servestat simulate --out logs", "simulate wants --out DIR")
			}
			if preset != "" {
				return a.simulatePreset(cmd.Context(), out, preset, s.Gzip)
			}
			var err error
			if s.Changes, err = parseChanges(changes, s.Changes, cmd.Flags().Changed("change")); err != nil {
				return usagef("", "%w", err)
			}
			return a.simulate(cmd.Context(), out, s)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "out", "o", "", "folder to write into")
	f.StringVar(&preset, "preset", "", "a named data set instead: "+strings.Join(presetNames(), ", "))
	f.Uint64Var(&s.Seed, "seed", s.Seed, "seed of all randomness")
	f.StringSliceVar(&s.Versions, "versions", s.Versions, "runtime versions")
	f.IntSliceVar(&s.Concurrency, "concurrency", s.Concurrency, "max concurrency levels")
	f.IntVar(&s.Runs, "runs", s.Runs, "server starts of each version")
	f.IntVar(&s.RequestsPerUser, "requests-per-user", s.RequestsPerUser, "a level c sends c times as many requests")
	f.StringVar(&s.Model, "model", s.Model, "model name")
	f.StringVar(&s.Hardware, "hardware", s.Hardware, "hardware name")
	f.Float64Var(&s.RequestRate, "request-rate", s.RequestRate, "Poisson arrivals a second; 0 offers all at once, up to the concurrency")
	f.IntVar(&s.InputLen, "input-len", s.InputLen, "prompt tokens")
	f.IntVar(&s.OutputLen, "output-len", s.OutputLen, "output tokens")
	f.Float64Var(&s.OutputLenSpread, "output-len-spread", s.OutputLenSpread, "output lengths vary by this share, uniformly")
	f.DurationVar(&s.ITLBase, "itl-base", s.ITLBase, "decode step: base")
	f.DurationVar(&s.ITLSlope, "itl-slope", s.ITLSlope, "decode step: for each running sequence")
	f.DurationVar(&s.TTFTBase, "ttft-base", s.TTFTBase, "prefill: base")
	f.DurationVar(&s.TTFTSlope, "ttft-slope", s.TTFTSlope, "prefill: for each other request in a slot")
	f.IntVar(&s.Slots, "slots", s.Slots, "sequences that the server runs at once")
	f.Float64Var(&s.RunCV, "run-cv", s.RunCV, "coefficient of variation from run to run")
	f.Float64Var(&s.StallRate, "stall-rate", s.StallRate, "probability that a whole server start is slow")
	f.Float64Var(&s.StallFactor, "stall-factor", s.StallFactor, "how slow it is then")
	f.Float64Var(&s.GapJitter, "gap-jitter", s.GapJitter, "coefficient of variation of one decode step")
	f.Float64Var(&s.Warmup, "warmup", s.Warmup, "the first wave of a run takes longer by this share")
	f.Float64Var(&s.PrefillInterference, "prefill-interference", s.PrefillInterference, "a decode step takes longer by this share for each prefill beside it")
	f.Float64Var(&s.FailureRate, "failure-rate", s.FailureRate, "probability that a request fails")
	f.StringArrayVar(&changes, "change", nil, "make a version differ, VERSION:PARAMETER=PERCENT%, PARAMETER one of itl, base, slope, ttft; may be repeated")
	f.BoolVar(&s.Gzip, "gzip", s.Gzip, "write run<k>.json.gz")
	return cmd
}

func presetNames() []string {
	var names []string
	for _, p := range simulate.Presets() {
		names = append(names, p.Name)
	}
	return names
}

func parseChanges(texts []string, otherwise []simulate.Change, given bool) ([]simulate.Change, error) {
	if !given {
		return otherwise, nil
	}
	var out []simulate.Change
	for _, text := range texts {
		if text == "" { // --change '' makes all versions alike
			continue
		}
		c, err := simulate.ParseChange(text)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func (a *app) simulate(ctx context.Context, dir string, s simulate.Sweep) error {
	if math.IsNaN(s.RequestRate) || s.RequestRate < 0 {
		return usagef("", "--request-rate %v: want a rate above 0, or 0 for all at once", s.RequestRate)
	}
	if err := s.Validate(); err != nil {
		return usagef("", "%w", err)
	}
	if err := s.Write(ctx, dir, a.counting("simulate", s.RunFiles())); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s: %s of %s, simulated\n", dir, count(s.RunFiles(), "run"), count(len(s.Versions), "version"))
	return nil
}

func (a *app) simulatePreset(ctx context.Context, dir, name string, gzip bool) error {
	p, err := simulate.PresetByName(name)
	if err != nil {
		return usagef("", "%w", err)
	}
	for i := range p.Parts {
		p.Parts[i].Sweep.Gzip = p.Parts[i].Sweep.Gzip || gzip
	}
	if err := p.Write(ctx, dir, a.counting("simulate", p.RunFiles())); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s: %s, simulated: %s\n", dir, count(p.RunFiles(), "run"), p.Text)
	return nil
}

// counting shows progress in files.
func (a *app) counting(what string, total int) func(done, total int) {
	if !a.term.progress {
		return nil
	}
	p := a.term.bar(what, int64(total))
	last := 0
	return func(done, total int) {
		p.add(int64(done - last))
		last = done
		if done == total {
			p.end()
		}
	}
}
