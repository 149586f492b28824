package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/report/text"
)

const planLong = `What a comparison of two versions can see with the server starts that there are,
and how many more see a smaller change. How much starts vary is taken from the
runs in the lake, pooled over versions, or given as --cv.

A change is seen if it is called regressed with probability 0.8, although every
metric at every level is tested with it; "alone" is for a comparison of nothing
else. "Starts to clear" is how many show "not regressed" where nothing changed.`

func (a *app) planCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan [flags]",
		Short: "what could have been seen, and how many more runs see a smaller change",
		Long:  planLong,
		Example: `  servestat plan --effect 0.02
  servestat plan --where "model='m'" --metric ttft_p99,itl_mean --runs 8
  servestat plan --cv 0.0113 --runs 5 --effect 0.02`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.plan(cmd.Context()) },
	}
	f := cmd.Flags()
	f.Float64("effect", 0.02, "the worsening that is to be seen, as a share")
	f.Int("runs", 0, "server starts of each version (default: as many as the newest version has; 5 with --cv)")
	f.Float64("cv", 0, "run-to-run coefficient of variation, as a share, in place of what the lake shows")
	f.Int("tests", 0, "in the family (default: as many as a comparison makes; 1 with --cv)")
	f.String("where", "", "SQL condition over runs")
	f.StringSlice("metric", nil, "only these, joined by commas: "+strings.Join(analyze.MeasureKeys(), ", "))
	f.Float64("margin", 0.03, "\"not regressed\" must exclude a worsening by this share")
	f.Float64("margin-p99", 0.10, "the same for p99")
	f.Float64("min-effect", 0.01, "a smaller worsening is not called a regression")
	f.String("format", "text", "text or json")
	return cmd
}

func (a *app) plan(ctx context.Context) error {
	asJSON, err := a.jsonFormat()
	if err != nil {
		return err
	}
	opts, err := a.planOptions()
	if err != nil {
		return err
	}
	plans, err := a.plans(ctx, opts)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(a.stdout, "servestat.plan/1", map[string]any{"plans": plans})
	}
	return text.Plans(a.stdout, plans)
}

func (a *app) planOptions() (analyze.PlanOptions, error) {
	o := analyze.PlanOptions{Effect: a.config.GetFloat64("effect"), Runs: a.config.GetInt("runs"), Tests: a.config.GetInt("tests"), Metrics: a.config.GetStringSlice("metric")}
	var err error
	if o.Thresholds, err = a.thresholds(); err != nil {
		return o, err
	}
	if !(o.Effect > 0 && o.Effect < 10) || o.Runs < 0 || o.Tests < 0 {
		return o, usagef("2 % is 0.02", "--effect %g, --runs %d, --tests %d: want an effect above 0, and no negative numbers", o.Effect, o.Runs, o.Tests)
	}
	return o, checkMetrics(o.Metrics, analyze.MeasureKeys())
}

func (a *app) plans(ctx context.Context, opts analyze.PlanOptions) ([]analyze.Plan, error) {
	if a.config.IsSet("cv") && a.config.GetFloat64("cv") != 0 {
		cv := a.config.GetFloat64("cv")
		if !(cv > 0 && cv < 1) {
			return nil, usagef("1 % is 0.01", "--cv %g: want a share above 0 and below 1", cv)
		}
		if opts.Runs == 0 {
			opts.Runs = 5
		}
		p, err := analyze.PlanFor(cv, opts)
		return []analyze.Plan{p}, err
	}
	var plans []analyze.Plan
	err := a.withLake(ctx, func(db *query.DB) error {
		data, err := analyze.Load(ctx, db, a.config.GetString("where"))
		if err != nil {
			return badSelection(err)
		}
		plans, err = analyze.Plans(data, opts)
		return err
	})
	if err == nil && len(plans) == 0 {
		err = invalidf("servestat plan --cv 0.01 --runs 5 plans without runs",
			"no version with two server starts or more is selected: how much starts vary is not known")
	}
	return plans, err
}
