package main

import (
	"context"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/markdown"
	"github.com/servestat/servestat/report/text"
	"github.com/servestat/servestat/schemas/checkpoint"
)

const canaryLong = `Say of every speculative method that ran, or was to run, whether it may be used, for
exactly one checkpoint, image, GPU, runtime version and set of flags: D1 start-up,
D2 throughput at each concurrency against the same set-up without it, D3 acceptance
(each estimator by its name), D4 chunks and tokens, D5 output quality, D6 parser
compatibility, D7 rollback, D8 whether the result is still valid, D9 hangs, D10 the
ways of use. What nobody tested is UNTESTED.

The newest set-up that ran on a piece of hardware is the one of now: results of
others have expired, and say what changed. A method is told by --speculative-config in
the server's log, or by a label speculative_method. Measure before it, with it and
after it, each start of the server with its own server_start.

A selection is files or folders, or column=value joined by commas over the lake, or
nothing for all of it. --config takes the checkpoint's config.json.

Exit code: 0 every method on the set-ups of now passed; 1 one failed; 2 something is
untested or undecided; 3 nothing speculative is selected.`

func (a *app) canaryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "canary [flags] [SELECTION]",
		Short: "may speculative decoding be used here?",
		Long:  canaryLong,
		Example: `  servestat canary results/
  servestat canary --lake lake model=nemotron-3-nano --config model/config.json
  servestat canary --format markdown > canary.md`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			selection := ""
			if len(args) == 1 {
				selection = args[0]
			}
			return a.canary(cmd.Context(), selection)
		},
	}
	f := cmd.Flags()
	f.String("where", "", "SQL condition over runs")
	f.String("format", "text", "text, json (its schema is schemas/canary.schema.json) or markdown")
	f.StringArray("label", nil, "with files: identity of all of them, key=value; may be repeated")
	comparisonFlags(cmd)
	minValidFlag(cmd)
	return cmd
}

func (a *app) canary(ctx context.Context, selection string) error {
	format := a.config.GetString("format")
	if !slices.Contains([]string{"text", "json", "markdown"}, format) {
		return usagef("", "--format %s: want text, json or markdown", format)
	}
	opts, err := a.canaryOptions()
	if err != nil {
		return err
	}
	var c *analyze.Canary
	err = a.withSelection(ctx, selection, func(d *analyze.Data) (err error) {
		c, err = analyze.Canaried(ctx, opts, d)
		return err
	})
	if err != nil {
		return err
	}
	if len(c.Cells) == 0 {
		return invalidf("ingest the log of a start with --speculative-config, or label runs with speculative_method=…", "no server with speculative decoding is selected")
	}
	switch format {
	case "json":
		err = a.printJSON("servestat.canary/1", c)
	case "markdown":
		err = markdown.Canary(a.stdout, c)
	default:
		err = text.Canary(a.stdout, c)
	}
	if err != nil {
		return err
	}
	return standingExit(c.Standing)
}

// standingExit turns what was found into an exit code.
func standingExit(s analyze.Standing) error {
	switch s {
	case analyze.Failed:
		return &exitError{code: exitRegression}
	case analyze.Untested:
		return &exitError{code: exitInconclusive}
	}
	return nil
}

func (a *app) canaryOptions() (o analyze.CanaryOptions, err error) {
	if o.CompareOptions, err = a.compareOptions(); err != nil {
		return o, err
	}
	if o.QualityOptions, err = a.qualityOptions(); err != nil {
		return o, err
	}
	o.Model, err = a.checkpointConfig()
	return o, err
}

// checkpointConfig reads a checkpoint's config.json where --config names one, which is
// told from a configuration of servestat by its name.
func (a *app) checkpointConfig() (model *checkpoint.Config, err error) {
	name := a.config.GetString("config")
	if filepath.Ext(name) != ".json" {
		return nil, nil
	}
	err = withFile(name, func(r io.Reader) (err error) {
		model, err = checkpoint.Read(r)
		return err
	})
	return model, err
}
