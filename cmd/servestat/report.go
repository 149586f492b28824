package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/report/github"
	"github.com/servestat/servestat/report/html"
	"github.com/servestat/servestat/report/markdown"
)

const reportLong = `Write a report: a folder with README.md, its plots as PNG, and report.json. It
reads on GitHub as it lies. The same lake gives the same bytes.

The exit code says whether the report was written; servestat compare judges.`

func (a *app) reportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report weekly|compare|sweep|run",
		Short: "write a report as Markdown and PNG",
		Long:  reportLong,
		Example: `  servestat report weekly --out report/
  servestat report compare runtime_version=0.19.0 runtime_version=0.20.0 --out report/
  servestat report sweep --where "runtime_version='0.20.0'"
  servestat report run 3f2a…`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("servestat report weekly", "report wants a kind: weekly, compare, sweep or run")
			}
			return usagef("", "no report %q: want weekly, compare, sweep or run", args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.weeklyCommand(), a.reportCompareCommand(), a.sweepCommand(), a.runCommand())
	for _, sub := range cmd.Commands() {
		sub.PreRunE = refuseEmpty
		f := sub.Flags()
		f.StringP("out", "o", "report", "folder to write into, or s3://bucket/prefix")
		f.Bool("html", false, "also report.html: the whole report in one file, to be mailed")
		f.Bool("residuals", false, "also pictures of what the fitted curves leave over")
		f.Bool("github", false, "in a GitHub workflow: append the page to the step's summary, and annotate on stderr")
		f.Int("max-bytes", 0, "cut README.md at a section to so many bytes, for a comment on a change")
	}
	return cmd
}

func (a *app) weeklyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "weekly",
		Short: "the newest version that ran in a week against the one before, per model and hardware",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if week := a.config.GetString("week"); week != "" {
				if err := analyze.CheckWeek(week); err != nil {
					return usagef("", "--week: %w", err)
				}
			}
			return a.reportFrom(cmd.Context(), analyze.LoadForWeek, a.config.GetString("where"), func(d *analyze.Data, opts analyze.CompareOptions) (*analyze.Result, error) {
				res, err := analyze.Weekly(cmd.Context(), d, analyze.WeeklyOptions{
					Week: a.config.GetString("week"), Baseline: a.config.GetString("baseline"), CompareOptions: opts,
					Asked: func() { debug.SetMemoryLimit(answeredMemory) },
				})
				if err != nil {
					return nil, usagef("", "%w", err)
				}
				return res, nil
			}, a.keepWeek)
		},
	}
	cmd.Flags().String("week", "", "ISO week, e.g. 2026-W47 (default: the newest that has runs)")
	cmd.Flags().Bool("index", false, "--out is a folder of weeks: write into its folder 2026-W47, and index.md over all weeks there")
	cmd.Flags().String("baseline", "", "runtime version to compare with (default: the newest older one)")
	cmd.Flags().String("where", "", "SQL condition over runs")
	comparisonFlags(cmd)
	engineFlags(cmd.Flags(), reportEngine)
	return cmd
}

// refuseEmpty refuses a flag that is given and says nothing: a variable of a script
// that is not set must not pass for the default.
func refuseEmpty(cmd *cobra.Command, _ []string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if empty := f.Value.String() == "" || f.Value.String() == "[]"; empty && err == nil {
			err = usagef("give it a value, or leave it out", "--%s is empty", f.Name)
		}
	})
	return err
}

// keepWeek keeps the results of a week that shows all there is. One that shows the
// curves of the gravest alone has not computed the others, which servestat analyze
// does.
func (a *app) keepWeek(ctx context.Context, db *query.DB, res *analyze.Result) {
	if res.SweepsLeft > 0 {
		a.term.detailf("results are not kept of a report with %s left out: servestat analyze keeps them", count(res.SweepsLeft, "group"))
		return
	}
	a.keepResults(ctx, db, res.Selection)
}

func (a *app) reportCompareCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compare BASELINE CANDIDATE",
		Short: "one comparison: two selections, or two folders of results",
		Args:  exactArgs(2, "BASELINE and CANDIDATE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkReportFlags(); err != nil {
				return err
			}
			opts, err := a.compareOptions()
			if err != nil {
				return err
			}
			return a.withSides(cmd.Context(), args[0], args[1], func(b, c side) error {
				opts.History, opts.Unread = b.history, map[analyze.Side]string{analyze.BaselineSide: b.unread, analyze.CandidateSide: c.unread}
				res, err := analyze.Compared(cmd.Context(), b.data, c.data, b.label, c.label, opts)
				if err != nil {
					return err
				}
				return a.writeReport(cmd.Context(), res)
			})
		},
	}
	comparisonFlags(cmd)
	cmd.Flags().StringArray("label", nil, "with folders: identity of both sides, key=value; may be repeated")
	engineFlags(cmd.Flags(), engineMemory)
	return cmd
}

func (a *app) sweepCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "the curves of all models, hardware and versions",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reportFrom(cmd.Context(), analyze.Load, a.config.GetString("where"), func(d *analyze.Data, _ analyze.CompareOptions) (*analyze.Result, error) {
				return analyze.Swept(cmd.Context(), d)
			})
		},
	}
	cmd.Flags().String("where", "", "SQL condition over runs")
	comparisonFlags(cmd)
	engineFlags(cmd.Flags(), reportEngine)
	return cmd
}

func (a *app) runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run RUN",
		Short: "one run; RUN is its id or the beginning of it",
		Args:  exactArgs(1, "a run id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			where, err := query.RunPrefix(args[0])
			if err != nil {
				return usagef("servestat sql \"select run_id, source_name from runs\" lists them", "%w", err)
			}
			return a.reportFrom(cmd.Context(), analyze.Load, where, func(d *analyze.Data, _ analyze.CompareOptions) (*analyze.Result, error) {
				if len(d.Runs) != 1 {
					return nil, invalidf("servestat sql \"select run_id, source_name from runs\" lists them", "%s are called %s…", count(len(d.Runs), "run"), args[0])
				}
				return analyze.OneRun(cmd.Context(), d)
			})
		},
	}
	comparisonFlags(cmd)
	engineFlags(cmd.Flags(), reportEngine)
	return cmd
}

// reportFrom loads a selection from the lake, makes a result of it and writes it,
// and then does what else there is to do.
func (a *app) reportFrom(ctx context.Context, load func(context.Context, *query.DB, string) (*analyze.Data, error), where string, make func(*analyze.Data, analyze.CompareOptions) (*analyze.Result, error),
	then ...func(context.Context, *query.DB, *analyze.Result)) error {
	if err := a.checkReportFlags(); err != nil {
		return err
	}
	opts, err := a.compareOptions()
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(reportMemory)
	return a.withLake(ctx, func(db *query.DB) error {
		data, err := load(ctx, db, where)
		if err != nil {
			return badSelection(err)
		}
		res, err := make(data, opts)
		if err != nil {
			return err
		}
		if err := a.writeReport(ctx, res); err != nil {
			return err
		}
		for _, do := range then {
			do(ctx, db, res)
		}
		return nil
	})
}

func (a *app) writeReport(ctx context.Context, res *analyze.Result) (err error) {
	indexed := res.Kind == "weekly" && a.config.GetBool("index")
	if indexed && res.Week == "" {
		return invalidf("leave --index out", "--index: no run has a date, so the report is of no week")
	}
	out, err := a.outAt(ctx, a.config.GetString("out"), indexed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	week := ""
	if indexed {
		week = res.Week
	}
	dir := filepath.Join(out.dir, week)
	options := markdown.Options{Residuals: a.config.GetBool("residuals"), MaxBytes: a.config.GetInt("max-bytes")}
	if err := options.Write(dir, res); err != nil {
		return err
	}
	written := []string{out.shown(week, "README.md")}
	if a.config.GetBool("html") {
		if err := html.WriteFile(ctx, dir); err != nil {
			return err
		}
		written = append(written, out.shown(week, html.File))
	}
	if indexed {
		if err := markdown.WriteIndex(out.dir); err != nil {
			return err
		}
		written = append(written, out.shown(markdown.IndexFile))
	}
	if err := out.publish(ctx); err != nil {
		return err
	}
	for _, name := range written {
		fmt.Fprintln(a.stdout, name)
	}
	if a.config.GetBool("github") {
		return a.tellGitHub(res)
	}
	return nil
}

// tellGitHub appends the first page to the step's summary, where pictures cannot
// be shown, and annotates. Annotations go to stderr: stdout may be captured, and
// GitHub reads both.
func (a *app) tellGitHub(res *analyze.Result) error {
	var page bytes.Buffer
	if err := markdown.WritePage(&page, res); err != nil {
		return err
	}
	if err := github.AppendSummary(os.Getenv("GITHUB_STEP_SUMMARY"), page.Bytes()); err != nil {
		return fmt.Errorf("the step's summary: %w", err)
	}
	return github.Annotate(a.stderr, res)
}

// checkReportFlags refuses, before anything is computed, what could not be done
// afterwards.
func (a *app) checkReportFlags() error {
	if n := a.config.GetInt("max-bytes"); n != 0 && n < leastBytes {
		return usagef("GitHub takes comments of 65536 characters", "--max-bytes %d: want at least %d, or nothing is left of a report", n, leastBytes)
	}
	if a.config.GetBool("github") && os.Getenv("GITHUB_STEP_SUMMARY") == "" {
		return usagef("leave --github out", "--github: GITHUB_STEP_SUMMARY is not set, so this is no step of a GitHub workflow")
	}
	return nil
}

// reportMemory is how much the runs of a report may take before garbage is collected
// more often than it doubles, while the database has its own memory, and answeredMemory
// once it has given that back: a week on a thousand models and machines stays in half a
// gibibyte, and most of its time is not spent on collecting.
const (
	reportMemory   = 180 << 20
	answeredMemory = 350 << 20
)

// leastBytes holds the first screen of a report.
const leastBytes = 4096
