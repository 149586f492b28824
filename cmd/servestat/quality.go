package main

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/markdown"
	"github.com/servestat/servestat/report/text"
)

const qualityLong = `Say whether the answers of servers are right, beside whether they are fast: tool
calls (C1 right, C2 recognised, C3 the same streamed and whole, C4 the same under
load, C5 not cut, C6 the parser's own errors, C9 valid calls a second), suites (C7:
BFCL, K2 vendor verifier, tau2, lm-eval), and, over all of it, C8: does it serve an
agent?

Shares have 95 % score intervals (Wilson). Of two selections, a baseline and a
candidate, items are compared pair by pair (McNemar's exact test); the chance of
any false "worse" among all tasks is 5 %. Items that flip are listed.

A selection is files or folders, or column=value joined by commas over the lake, or
nothing for all of it. Answers belong to the runs of the same server_start, or of the
same folder; suites that ran alone, to what their side-car or labels say.

Exit code: 0 nothing fails; 1 calls are wrong, or answers got worse; 2 that they did
not get worse could not be shown; 3 nothing was judged, or not the same things.`

func (a *app) qualityCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quality [flags] [SELECTION | BASELINE CANDIDATE]",
		Short: "are the answers right?",
		Long:  qualityLong,
		Example: `  servestat quality tool-calls/
  servestat quality bfcl/v0.11.0 bfcl/main
  servestat quality --lake lake runtime_version=0.19.0 runtime_version=0.20.0`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.quality(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.String("where", "", "SQL condition over runs")
	f.String("format", "text", "text, json (its schema is schemas/quality.schema.json) or markdown")
	f.StringArray("label", nil, "with files: identity of all of them, key=value; may be repeated")
	minValidFlag(cmd)
	qualityMarginFlag(cmd)
	return cmd
}

func minValidFlag(cmd *cobra.Command) {
	cmd.Flags().Float64("min-valid", 0.95, "share of tool calls that must be right")
}

func qualityMarginFlag(cmd *cobra.Command) {
	cmd.Flags().Float64("quality-margin", 0.05, "\"answers did not get worse\" must exclude a loss of this share of all items")
}

func (a *app) qualityOptions() (analyze.QualityOptions, error) {
	o := analyze.QualityOptions{MinValid: a.config.GetFloat64("min-valid"), Margin: a.config.GetFloat64("quality-margin")}
	if !isShare(o.MinValid) || !isShare(o.Margin) {
		return o, usagef("95 % is 0.95", "--min-valid %g and --quality-margin %g: want shares between 0 and 1", o.MinValid, o.Margin)
	}
	return o, nil
}

func isShare(v float64) bool { return v > 0 && v < 1 }

func (a *app) quality(ctx context.Context, args []string) error {
	format := a.config.GetString("format")
	if !slices.Contains([]string{"text", "json", "markdown"}, format) {
		return usagef("", "--format %s: want text, json or markdown", format)
	}
	opts, err := a.qualityOptions()
	if err != nil {
		return err
	}
	q, err := a.judgeAnswers(ctx, args, opts)
	if err != nil {
		return err
	}
	if len(q.Servers) == 0 {
		return invalidf("servestat ingest takes tool-call lines and the results of BFCL, the K2 vendor verifier, tau2 and lm-eval", "no judged answer is selected")
	}
	switch format {
	case "json":
		err = a.printJSON("servestat.quality/1", q)
	case "markdown":
		err = markdown.Quality(a.stdout, q)
	default:
		err = text.Quality(a.stdout, q)
	}
	if err != nil {
		return err
	}
	return qualityExit(q)
}

// judgeAnswers judges one selection, or two against each other.
func (a *app) judgeAnswers(ctx context.Context, args []string, opts analyze.QualityOptions) (q *analyze.Quality, err error) {
	if len(args) == 2 {
		if a.config.GetString("where") != "" {
			return nil, usagef("", "--where is for one selection")
		}
		return q, a.withSides(ctx, args[0], args[1], func(b, c side) error {
			q, err = analyze.JudgedAgainst(ctx, b.data, c.data, b.label, c.label, opts)
			return err
		})
	}
	selection := ""
	if len(args) == 1 {
		selection = args[0]
	}
	return q, a.withSelection(ctx, selection, func(d *analyze.Data) error {
		q, err = analyze.Judged(ctx, d, opts)
		return err
	})
}

// qualityExit is the worst of what was found.
func qualityExit(q *analyze.Quality) error {
	if slices.ContainsFunc(q.Servers, func(s analyze.Answering) bool { return s.Standing == analyze.Failed }) {
		return &exitError{code: exitRegression}
	}
	code := exitOK
	for _, p := range q.Pairs {
		switch p.Verdict {
		case analyze.Regressed:
			return &exitError{code: exitRegression}
		case analyze.NotComparable:
			code = exitInvalid
		case analyze.Inconclusive:
			code = max(code, exitInconclusive)
		}
	}
	if code != exitOK {
		return &exitError{code: code}
	}
	return nil
}

// printJSON writes a value's fields under the name of their form.
func (a *app) printJSON(schema string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return err
	}
	return writeJSON(a.stdout, schema, fields)
}
