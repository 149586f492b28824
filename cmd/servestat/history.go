package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/report/markdown"
	"github.com/servestat/servestat/report/text"
)

const historyLong = `Where metrics changed over versions and dates: for every model, hardware, metric
and max concurrency, the server starts in order, the steps in their level with the
interval that each lies in, how large it is, and what else was recorded to change
there (version, image, driver, engine arguments); slow drifts; and single starts
that stand apart, which are no change.

A series without a change shows one in 1 % of cases. Runs that a truth check
forbids to use, or of another workload, are listed and do not count.

The exit code says whether there was a history to look at; servestat compare
judges.`

func (a *app) historyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history [flags]",
		Short: "when did a metric change, and what else changed then?",
		Long:  historyLong,
		Example: `  servestat history --metric itl_mean,output_throughput
  servestat history --where "model='m' and max_concurrency=32" --format json
  servestat history --by version --format markdown`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.history(cmd.Context()) },
	}
	f := cmd.Flags()
	f.String("where", "", "SQL condition over runs")
	f.StringSlice("metric", nil, "only these, joined by commas: "+strings.Join(analyze.MeasureKeys(), ", "))
	f.String("by", "", "order of the runs, date or version (default: by date where that keeps versions in order)")
	f.String("format", "text", "text, json or markdown")
	return cmd
}

func (a *app) history(ctx context.Context) error {
	format, by := a.config.GetString("format"), a.config.GetString("by")
	if !slices.Contains([]string{"text", "json", "markdown"}, format) {
		return usagef("", "--format %s: want text, json or markdown", format)
	}
	if !slices.Contains([]string{"", "date", "version"}, by) {
		return usagef("", "--by %s: want date or version", by)
	}
	opts := analyze.HistoryOptions{Metrics: a.config.GetStringSlice("metric"), Order: analyze.Order(by)}
	if err := checkMetrics(opts.Metrics, analyze.MeasureKeys()); err != nil {
		return err
	}
	var hs []analyze.History
	err := a.withLake(ctx, func(db *query.DB) error {
		data, err := analyze.Load(ctx, db, a.config.GetString("where"))
		if err != nil {
			return badSelection(err)
		}
		hs, err = analyze.Histories(data, opts)
		return err
	})
	if err != nil {
		return err
	}
	if len(hs) == 0 {
		return invalidf("servestat sql \"select model, runtime_version, max_concurrency, detailed from runs\" shows what there is",
			"no run with per-token times at a max concurrency is selected")
	}
	switch format {
	case "json":
		return writeJSON(a.stdout, "servestat.history/1", map[string]any{"histories": hs})
	case "markdown":
		return markdown.WriteHistories(a.stdout, hs)
	}
	return text.Histories(a.stdout, hs)
}

// checkMetrics refuses metrics that there are not.
func checkMetrics(asked, known []string) error {
	for _, key := range asked {
		if !slices.Contains(known, key) {
			return usagef("", "--metric: no metric %q; there are %s", key, strings.Join(known, ", "))
		}
	}
	return nil
}
