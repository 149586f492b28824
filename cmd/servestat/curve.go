package main

import (
	"context"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/report/markdown"
	"github.com/servestat/servestat/report/plot"
	"github.com/servestat/servestat/report/text"
)

const curveLong = `Latency and throughput against concurrency, for every model, hardware and runtime
version that the selection holds: the load points with their intervals, fitted
curves of ITL, TTFT and throughput with knee, onset of queueing and peak, the
degradation factor, what changed from one version's curve to the next, and which
load points trade throughput for latency best.

The model is chosen: the lowest AICc, unless a simpler one is as good; a
breakpoint has to pass a bootstrap test. Below six levels of concurrency only
curves of two parameters are fitted, below four none.

An objective (--slo) is answered with the largest tested max concurrency at
which every run met it, and with the largest concurrency within it by curves
fitted to its metrics. Metrics: ttft_p50, ttft_p99, itl_mean, itl_p50, itl_p99,
tpot_mean, e2el_p50. --at says what the curves are at a concurrency.`

func (a *app) curveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "curve [flags]",
		Short: "latency and throughput against concurrency",
		Long:  curveLong,
		Example: `  servestat curve --where "runtime_version='0.20.0'"
  servestat curve --slo "ttft_p99<500ms,itl_p99<50ms"
  servestat curve --at 12,24
  servestat curve --format json --plot plots/`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.curve(cmd.Context()) },
	}
	f := cmd.Flags()
	f.String("where", "", "SQL condition over runs")
	f.String("slo", "", "objective, e.g. \"ttft_p99<500ms,itl_p99<50ms\"")
	f.StringSlice("at", nil, "concurrencies to predict for, joined by commas")
	f.String("format", "text", "text, json or markdown")
	f.String("plot", "", "folder to write PNGs into")
	f.Bool("residuals", false, "with --plot: also what the fitted curves leave over")
	return cmd
}

func (a *app) curve(ctx context.Context) error {
	format := a.config.GetString("format")
	if format != "text" && format != "json" && format != "markdown" {
		return usagef("", "--format %s: want text, json or markdown", format)
	}
	dir := a.config.GetString("plot")
	if dir == "" && a.config.GetBool("residuals") {
		return usagef("servestat curve --plot plots/ --residuals", "--residuals draws pictures: say where with --plot")
	}
	at, err := concurrencies(a.config.GetStringSlice("at"))
	if err != nil {
		return err
	}
	var slo *analyze.SLO
	if s := a.config.GetString("slo"); s != "" {
		if slo, err = analyze.ParseSLO(s); err != nil {
			return usagef("", "--slo: %w", err)
		}
	}
	var sweeps []analyze.Sweep
	err = a.withLake(ctx, func(db *query.DB) error {
		data, err := analyze.Load(ctx, db, a.config.GetString("where"))
		if err != nil {
			return badSelection(err)
		}
		if sweeps, err = analyze.Sweeps(ctx, data); err != nil {
			return err
		}
		a.keepResults(ctx, db, a.config.GetString("where"))
		return nil
	})
	if err != nil {
		return err
	}
	if len(sweeps) == 0 {
		return invalidf("servestat sql \"select model, runtime_version, max_concurrency, detailed from runs\" shows what there is",
			"no run with per-token times at a max concurrency is selected")
	}
	if slo != nil {
		slo.Answer(sweeps)
	}
	analyze.Predict(sweeps, at)
	if dir != "" {
		if err := a.plotSweeps(dir, sweeps); err != nil {
			return err
		}
	}
	switch format {
	case "json":
		return writeJSON(a.stdout, "servestat.curve/1", map[string]any{"sweeps": sweeps})
	case "markdown":
		return markdown.WritePage(a.stdout, &analyze.Result{Kind: "sweep", Title: "Latency and throughput against concurrency", Sweeps: sweeps})
	}
	return text.Curves(a.stdout, sweeps)
}

func concurrencies(list []string) ([]float64, error) {
	var out []float64
	for _, s := range list {
		x, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || !(x > 0) || math.IsInf(x, 0) {
			return nil, usagef("", "--at %q: want concurrencies above 0, e.g. 12,24", s)
		}
		out = append(out, x)
	}
	return out, nil
}

func (a *app) plotSweeps(dir string, sweeps []analyze.Sweep) error {
	names, err := plot.WriteSweeps(dir, sweeps, a.config.GetBool("residuals"))
	for _, n := range names {
		a.term.infof("wrote %s", filepath.Join(dir, n))
	}
	return err
}
