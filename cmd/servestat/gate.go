package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/junit"
	"github.com/servestat/servestat/report/markdown"
	"github.com/servestat/servestat/report/text"
)

const gateLong = `One verdict over a candidate, for CI. Its requirements, in this order: truth (no
truth check forbids its numbers), preflight (its servers' logs fail no rule), speed
(servestat compare), tools (servestat quality, C1 to C4 and C8), quality (C7: answers
no worse than the baseline's), and, where it speculates, canary (D1 to D10). The
first line is the first requirement that is not met, in plain words.

Truth and speed must be tested; what else must be, --require says. The rest is
UNTESTED where there is nothing to test it by, and does not fail.

Sides are folders (or files, several joined by commas), or column=value joined by
commas over the lake. Severities of preflight rules can be set in servestat.yaml.

Exit code: 0 met; 1 not met; 2 undecided, or a required one is untested; 3 the numbers
may not be used, or not be compared.`

func (a *app) gateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gate [flags] BASELINE CANDIDATE",
		Short: "may the candidate go out? one verdict over truth, preflight, speed and quality",
		Long:  gateLong,
		Example: `  servestat gate old/ new/
  servestat gate --lake lake --baseline runtime_version=0.19.0 runtime_version=0.20.0
  servestat gate --require tools,preflight --format junit old/ new/ > gate.xml`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if b := a.config.GetString("baseline"); b != "" && len(args) == 1 {
				args = []string{b, args[0]}
			}
			if len(args) != 2 {
				return usagef("servestat gate --help shows examples", "servestat gate wants BASELINE and CANDIDATE")
			}
			return a.gate(cmd.Context(), args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.String("format", "text", "text, json (its schema is schemas/gate.schema.json), markdown or junit")
	f.String("baseline", "", "the baseline, where only the candidate is given")
	f.StringSlice("require", nil, "must be tested, joined by commas: "+strings.Join(analyze.RequirementNames(), ", "))
	f.String("recipe", "", "what the model's recipe asks for, for the preflight")
	f.Int64("concurrency", 0, "requests that are to run at a time, for the preflight")
	f.Int64("tokens", 0, "tokens of each of them in all, for the preflight")
	f.Bool("tools", false, "tool calls are expected to work: the preflight asks for a parser, and tools is required")
	f.StringArray("label", nil, "with folders: identity of both sides, key=value; may be repeated")
	comparisonFlags(cmd)
	minValidFlag(cmd)
	return cmd
}

func (a *app) gate(ctx context.Context, baseline, candidate string) error {
	format := a.config.GetString("format")
	if !slices.Contains([]string{"text", "json", "markdown", "junit"}, format) {
		return usagef("", "--format %s: want text, json, markdown or junit", format)
	}
	opts, err := a.gateOptions()
	if err != nil {
		return err
	}
	var g *analyze.GateResult
	err = a.withSides(ctx, baseline, candidate, func(b, c side) (err error) {
		opts.History, opts.Unread = b.history, map[analyze.Side]string{analyze.BaselineSide: b.unread, analyze.CandidateSide: c.unread}
		g, err = analyze.Gated(ctx, b.data, c.data, b.label, c.label, opts)
		return err
	})
	if err != nil {
		return err
	}
	switch format {
	case "json":
		err = a.printJSON("servestat.gate/1", g)
	case "markdown":
		err = markdown.Gate(a.stdout, g)
	case "junit":
		err = junit.WriteGate(a.stdout, g)
	default:
		err = text.Gate(a.stdout, g)
	}
	if err != nil {
		return err
	}
	if g.Standing == analyze.Failed && g.Invalid {
		return &exitError{code: exitInvalid}
	}
	return standingExit(g.Standing)
}

func (a *app) gateOptions() (o analyze.GateOptions, err error) {
	if o.CompareOptions, err = a.compareOptions(); err != nil {
		return o, err
	}
	if o.QualityOptions, err = a.qualityOptions(); err != nil {
		return o, err
	}
	if o.Preflight, err = a.preflightOptions(); err != nil {
		return o, err
	}
	o.Require = a.config.GetStringSlice("require")
	for _, name := range o.Require {
		if !slices.Contains(analyze.RequirementNames(), name) {
			return o, usagef("", "--require %s: want %s", name, strings.Join(analyze.RequirementNames(), ", "))
		}
	}
	if o.Preflight.Tools {
		o.Require = append(o.Require, analyze.RequireTools)
	}
	return o, nil
}
