package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

const analyzeLong = `Bring the results that the lake keeps up to date with its runs: findings (what
every truth check answers), curves (what fitted curves say), verdicts (each version
against the one before it) and changepoints (what changed over versions and dates),
tables that servestat sql and anything that reads Parquet can ask.

The unit of work is a series, the runs of one model, hardware, path and runtime
version; a comparison of two; or the history of one model, hardware and path. Its
results are found by a digest of the runs that they follow from, so that a unit
whose runs have not changed is not analysed again. It says how many there are and
how many were reused.

servestat curve and servestat report weekly keep findings and curves in the same
way, if the lake can be written to; a week of more than 20 groups does not.`

func (a *app) analyzeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "analyze [flags]",
		Short: "bring kept results up to date: findings, curves, verdicts, changepoints",
		Long:  analyzeLong,
		Example: `  servestat analyze
  servestat analyze --where "runtime_version='0.20.0'"
  servestat sql "select check_name, verdict, count(*) from findings group by all"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.analyze(cmd.Context()) },
	}
	cmd.Flags().String("where", "", "SQL condition over runs: only what has such a run")
	cmd.Flags().String("format", "text", "text or json")
	engineFlags(cmd.Flags(), engineMemory)
	return cmd
}

func (a *app) analyze(ctx context.Context) error {
	asJSON, err := a.jsonFormat()
	if err != nil {
		return err
	}
	var done analyze.Updated
	err = a.withLake(ctx, func(db *query.DB) error {
		where := a.config.GetString("where")
		if where != "" {
			if _, err := db.RunSeries(ctx, where); err != nil {
				return badSelection(err)
			}
		}
		done, err = a.update(ctx, db, where, schemas.AnalysisKinds())
		return err
	})
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(a.stdout, "servestat.analyze/1", map[string]any{"units": done.Units, "reused": done.Reused, "computed": done.Computed})
	}
	_, err = fmt.Fprintf(a.stdout, "analyze: %s, %d reused\n", count(done.Units, "unit"), done.Reused)
	return err
}

func (a *app) update(ctx context.Context, db *query.DB, where string, kinds []schemas.AnalysisKind) (analyze.Updated, error) {
	l, err := a.openLake()
	if err != nil {
		return analyze.Updated{}, err
	}
	return analyze.Update(ctx, l, db, analyze.UpdateOptions{Where: where, Kinds: kinds, Progress: func(done, of int) {
		a.term.detailf("%d of %d analyses done", done, of)
	}})
}

// keepResults publishes the results of a command that answers from the same runs.
// The answer does not depend on it: where it cannot be done, the command goes on,
// and says so unless the lake is simply not this user's to write to.
func (a *app) keepResults(ctx context.Context, db *query.DB, where string) {
	done, err := a.update(ctx, db, where, []schemas.AnalysisKind{schemas.SeriesAnalysis})
	switch {
	case err == nil:
		a.term.detailf("analyze: %s, %d reused", count(done.Units, "unit"), done.Reused)
	case ctx.Err() != nil:
	case lake.ReadOnly(err):
		a.term.detailf("results are not kept: %v", err)
	default:
		a.term.warnf("results are not kept: %v", err)
	}
}

// spoken lists the kinds of analyses whose tables a statement speaks of.
func spoken(statement string) []schemas.AnalysisKind {
	var out []schemas.AnalysisKind
	for _, kind := range schemas.AnalysisKinds() {
		if regexp.MustCompile(`(?i)\b(` + strings.Join(kind.Tables, "|") + `)\b`).MatchString(statement) {
			out = append(out, kind)
		}
	}
	return out
}

// warnOfOldResults says so where a statement speaks of results of analyses and not
// all of the lake is analysed.
func (a *app) warnOfOldResults(ctx context.Context, db *query.DB, statement string) error {
	kinds := spoken(statement)
	if len(kinds) == 0 {
		return nil
	}
	l, err := a.openLake()
	if err != nil {
		return err
	}
	waiting, of, err := analyze.Waiting(ctx, l, db, kinds)
	if err != nil {
		return err
	}
	if waiting > 0 {
		a.term.warnf("%d of %d analyses are not of the runs as they are now: servestat analyze brings them up to date", waiting, of)
	}
	return nil
}

// measured are the relations whose rows are numbers of runs.
var measured = regexp.MustCompile(`(?i)\b(run_summary|load_points|run_steady|steady_windows|requests|tokens|token_times|cells|in_flight|curves|verdicts|changepoints)\b`)

// footnote says on stderr which truth checks runs of the lake fail, where a statement
// asks for numbers of runs and the lake keeps findings: the same marks that a table
// or a report carries beside such numbers.
func (a *app) footnote(ctx context.Context, db *query.DB, statement string) error {
	if a.term.quiet || !measured.MatchString(statement) {
		return nil
	}
	failed, err := db.FailedChecks(ctx)
	if err != nil {
		return err
	}
	for _, f := range failed {
		a.term.warnf("%s: FAIL for %s of this lake, whose numbers must not be used: the table findings says which and why", f.Check, count(f.Runs, "run"))
	}
	return nil
}
