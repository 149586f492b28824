package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/report/markdown"
	"github.com/servestat/servestat/report/text"
)

const auditLong = `Say whether the numbers of runs can be true and mean what they seem to mean:
every truth check (T1 achieved concurrency, T2 throughput identity, …) with its
formula's values, OK, WARN, FAIL, or not computable and for lack of what; and
every number that a tool reported beside the one recomputed from raw times.

The selection is files or folders, or column=value joined by commas over the
lake, or nothing for all of it.

Exit code: 0 no check failed; 3 one did: the numbers that it is about must not
be used.`

func (a *app) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit [flags] [SELECTION]",
		Short: "may these numbers be trusted?",
		Long:  auditLong,
		Example: `  servestat audit results/
  servestat audit --lake lake runtime_version=0.20.0
  servestat audit --where "max_concurrency >= 64" --format markdown > audit.md`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			selection := ""
			if len(args) == 1 {
				selection = args[0]
			}
			return a.audit(cmd.Context(), selection)
		},
	}
	f := cmd.Flags()
	f.String("where", "", "SQL condition over runs")
	f.String("format", "text", "text, json or markdown")
	f.StringArray("label", nil, "with files: identity of all of them, key=value; may be repeated")
	return cmd
}

func (a *app) audit(ctx context.Context, selection string) error {
	format := a.config.GetString("format")
	if format != "text" && format != "json" && format != "markdown" {
		return usagef("", "--format %s: want text, json or markdown", format)
	}
	var result *analyze.Audit
	err := a.withSelection(ctx, selection, func(d *analyze.Data) (err error) {
		result, err = analyze.Audited(ctx, d)
		return err
	})
	if err != nil {
		return err
	}
	if result.Totals.Runs == 0 {
		return invalidf("servestat sql \"select model, runtime_version, max_concurrency from runs\" shows what there is", "no run is selected")
	}
	switch format {
	case "json":
		err = a.printJSON("servestat.audit/1", result)
	case "markdown":
		err = markdown.Audit(a.stdout, result)
	default:
		err = text.Audit(a.stdout, result)
	}
	if err != nil {
		return err
	}
	if result.Failed() > 0 {
		return &exitError{code: exitInvalid}
	}
	return nil
}

// withSelection loads what a selection names: files, a selector over the lake,
// or, where it is empty, what --where leaves of the lake.
func (a *app) withSelection(ctx context.Context, selection string, do func(*analyze.Data) error) error {
	where := a.config.GetString("where")
	if selection != "" && isFiles(selection) {
		if where != "" {
			return usagef("", "--where selects runs of the lake: leave it out with files")
		}
		return a.withFiles(ctx, selection, func(s side) error { return do(s.data) })
	}
	if selection != "" {
		if where != "" {
			return usagef("", "want a selection or --where, not both")
		}
		if _, err := query.Selector(selection); err != nil {
			return usagef(noSuchFile(selection), "%w", err)
		}
	}
	return a.withLake(ctx, func(db *query.DB) error {
		if selection == "" {
			d, err := analyze.Load(ctx, db, where)
			if err != nil {
				return badSelection(err)
			}
			return do(d)
		}
		s, err := selectSide(ctx, db, selection)
		if err != nil {
			return err
		}
		return do(s.data)
	})
}
