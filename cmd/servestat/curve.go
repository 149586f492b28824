package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/report/plot"
	"github.com/servestat/servestat/report/text"
)

const curveLong = `Latency and throughput against concurrency, for every model, hardware and runtime
version that the selection holds: the load points with their intervals, fitted
curves (ITL affine in concurrency, throughput by the Universal Scalability Law)
with knee and peak, and the degradation factor.

An objective (--slo) is answered with the largest tested max concurrency at
which every run met it. Metrics: ttft_p50, ttft_p99, itl_mean, itl_p50, itl_p99,
tpot_mean, e2el_p50.`

func (a *app) curveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "curve [flags]",
		Short: "latency and throughput against concurrency",
		Long:  curveLong,
		Example: `  servestat curve --where "runtime_version='0.20.0'"
  servestat curve --slo "ttft_p99<500ms,itl_p99<50ms"
  servestat curve --format json --plot plots/`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.curve(cmd.Context()) },
	}
	f := cmd.Flags()
	f.String("where", "", "SQL condition over runs")
	f.String("slo", "", "objective, e.g. \"ttft_p99<500ms,itl_p99<50ms\"")
	f.String("format", "text", "text or json")
	f.String("plot", "", "folder to write PNGs into")
	return cmd
}

func (a *app) curve(ctx context.Context) error {
	asJSON, err := a.jsonFormat()
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
		sweeps, err = analyze.Sweeps(ctx, data)
		return err
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
	if dir := a.config.GetString("plot"); dir != "" {
		if err := a.plotSweeps(dir, sweeps); err != nil {
			return err
		}
	}
	if asJSON {
		return writeJSON(a.stdout, "servestat.curve/1", map[string]any{"sweeps": sweeps})
	}
	return text.Curves(a.stdout, sweeps)
}

func (a *app) plotSweeps(dir string, sweeps []analyze.Sweep) error {
	names, err := plot.WriteSweeps(dir, sweeps)
	for _, n := range names {
		a.term.infof("wrote %s", filepath.Join(dir, n))
	}
	return err
}
