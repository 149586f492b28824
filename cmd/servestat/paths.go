package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/markdown"
	"github.com/servestat/servestat/report/text"
)

const pathsLong = `Set two ways of serving one model side by side: the generic path, which anybody
gets, and the one that was tuned for the hardware. The delta tells how fragile the
deployment is.

Everything recorded that differs is listed: release, image, engine arguments,
environment, backends achieved, what the start-up logs warn of. That these differ
is what a path is, and no reason to refuse. The workload and the client must be
the same. Where more than one thing differs, no difference is put down to any of
them.

GENERIC and TUNED are folders of results, or selections of runs in the lake, such
as path=generic and path=tuned.

Exit code: 0 the tuned path is not worse, and this could have been seen; 1 it is
worse; 2 inconclusive; 3 not comparable, with the reason.`

func (a *app) pathsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "paths [flags] GENERIC TUNED",
		Short: "the generic serving path against the tuned one",
		Long:  pathsLong,
		Example: `  servestat paths generic/ tuned/
  servestat paths --lake lake path=generic path=tuned --format markdown`,
		Args: exactArgs(2, "GENERIC and TUNED"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.paths(cmd.Context(), args[0], args[1])
		},
	}
	cmd.Flags().String("format", "text", "text, json or markdown")
	comparisonFlags(cmd)
	cmd.Flags().StringArray("label", nil, "with folders: identity of both sides, key=value; may be repeated")
	return cmd
}

func (a *app) paths(ctx context.Context, generic, tuned string) error {
	write, err := a.pathsFormat()
	if err != nil {
		return err
	}
	opts, err := a.compareOptions()
	if err != nil {
		return err
	}
	var reports []analyze.PathReport
	err = a.withSides(ctx, generic, tuned, func(g, t side) (err error) {
		opts.Unread = map[analyze.Side]string{analyze.BaselineSide: g.unread, analyze.CandidateSide: t.unread}
		reports, err = analyze.ComparePaths(ctx, g.data, t.data, g.label, t.label, opts)
		return err
	})
	if err != nil {
		return err
	}
	if err := write(a.stdout, reports); err != nil {
		return err
	}
	comparisons := make([]analyze.Comparison, len(reports))
	for i, r := range reports {
		comparisons[i] = r.Comparison
	}
	return verdictExit(worst(comparisons))
}

// pathsFormat returns what writes the reports in the format that was asked for.
func (a *app) pathsFormat() (func(io.Writer, []analyze.PathReport) error, error) {
	switch format := a.config.GetString("format"); format {
	case "text":
		return text.Paths, nil
	case "markdown":
		return markdown.Paths, nil
	case "json":
		return func(w io.Writer, reports []analyze.PathReport) error {
			return writeJSON(w, "servestat.paths/1", map[string]any{"paths": reports})
		}, nil
	default:
		return nil, usagef("", "--format %s: want text, json or markdown", format)
	}
}
