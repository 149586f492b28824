package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/report/junit"
	"github.com/servestat/servestat/report/markdown"
	"github.com/servestat/servestat/report/text"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

const compareLong = `Compare a candidate with a baseline: two folders (or files, several joined by
commas) of results, or two selections of runs in the lake, column=value joined by
commas. One verdict for each model and hardware that the baseline has, over TTFT,
ITL, TPOT, E2EL, throughput and the share of failed requests, at every max
concurrency and over all of them: improved, not regressed, regressed, inconclusive
or invalid.

One value a server start and metric counts: tokens and requests of one start are
not independent. Five starts a side see a change of about 3 % at the usual noise;
three give a weak verdict, fewer none. A single start is held against the starts
of its baseline and those in the lake that are like them, if they are ten or more,
and is at worst suspect.

The chance of any false "regressed" among all that is compared is 5 %.

Exit code: 0 no regression, and able to see one; 1 regression; 2 inconclusive, or
a suspect single run; 3 not comparable or invalid, with the reason.`

func (a *app) compareCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compare [flags] BASELINE CANDIDATE",
		Short: "one verdict: did the candidate get worse?",
		Long:  compareLong,
		Example: `  servestat compare old/ new/
  servestat compare --lake lake runtime_version=0.19.0 runtime_version=0.20.0
  servestat compare old/ new/ --format markdown > comment.md
  servestat compare old/ new/ --format junit > servestat.xml`,
		Args: exactArgs(2, "BASELINE and CANDIDATE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.compare(cmd.Context(), args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.String("format", "text", "text, json (its schema is schemas/compare.schema.json), markdown (for a comment on a change) or junit")
	f.Int("max-bytes", 60_000, "with --format markdown: at most this long, the details cut first; GitHub takes 65,536 characters")
	comparisonFlags(cmd)
	f.StringArray("label", nil, "with folders: identity of both sides, key=value; may be repeated")
	return cmd
}

func comparisonFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Float64("margin", 0.03, "\"not regressed\" must exclude a worsening by this share")
	f.Float64("margin-p99", 0.10, "the same for p99, which varies more")
	qualityMarginFlag(cmd)
	f.Float64("min-effect", 0.01, "a smaller worsening is not called a regression")
	f.StringSlice("metric", nil, "judge only these, joined by commas: "+strings.Join(analyze.MetricKeys(), ", "))
	f.StringArray("allow", nil, "compare in spite of this check or factor, e.g. T1 or engine_args.max_num_seqs; printed in the report; may be repeated")
}

func (a *app) compareOptions() (analyze.CompareOptions, error) {
	o := analyze.CompareOptions{
		Metrics: a.config.GetStringSlice("metric"), Allow: a.config.GetStringSlice("allow"), QualityMargin: a.config.GetFloat64("quality-margin"),
	}
	if !isShare(o.QualityMargin) {
		return o, usagef("5 % is 0.05", "--quality-margin %g: want a share between 0 and 1", o.QualityMargin)
	}
	for _, key := range o.Allow {
		if err := analyze.CheckAllow(key); err != nil {
			return o, usagef("", "--allow: %w", err)
		}
	}
	if err := checkMetrics(o.Metrics, analyze.MetricKeys()); err != nil {
		return o, err
	}
	var err error
	o.Thresholds, err = a.thresholds()
	return o, err
}

func (a *app) thresholds() (analyze.Thresholds, error) {
	t := analyze.Thresholds{Margin: a.config.GetFloat64("margin"), MarginP99: a.config.GetFloat64("margin-p99"), MinEffect: a.config.GetFloat64("min-effect")}
	for _, m := range []struct {
		flag  string
		value float64
	}{{"margin", t.Margin}, {"margin-p99", t.MarginP99}} {
		if !(t.MinEffect > 0 && t.MinEffect < m.value && m.value < 1) {
			return t, usagef("3 % is 0.03", "--min-effect %g and --%s %g: want 0 < min-effect < %s < 1", t.MinEffect, m.flag, m.value, m.flag)
		}
	}
	return t, nil
}

func (a *app) compare(ctx context.Context, baseline, candidate string) error {
	format := a.config.GetString("format")
	if !slices.Contains([]string{"text", "json", "markdown", "junit"}, format) {
		return usagef("", "--format %s: want text, json, markdown or junit", format)
	}
	opts, err := a.compareOptions()
	if err != nil {
		return err
	}
	var comparisons []analyze.Comparison
	err = a.withSides(ctx, baseline, candidate, func(b, c side) error {
		opts.History, opts.Unread = b.history, map[analyze.Side]string{analyze.BaselineSide: b.unread, analyze.CandidateSide: c.unread}
		comparisons = analyze.Compare(b.data, c.data, b.label, c.label, opts)
		return nil
	})
	if err != nil {
		return err
	}
	switch format {
	case "json":
		err = writeJSON(a.stdout, "servestat.compare/1", map[string]any{"verdict": worst(comparisons), "comparisons": comparisons})
	case "markdown":
		err = markdown.WriteComment(a.stdout, comparisons, a.config.GetInt("max-bytes"))
	case "junit":
		err = junit.Write(a.stdout, comparisons)
	default:
		err = text.Comparisons(a.stdout, comparisons)
	}
	if err != nil {
		return err
	}
	return verdictExit(worst(comparisons))
}

// worst is the verdict that decides over several comparisons.
func worst(cs []analyze.Comparison) analyze.Verdict {
	has := map[analyze.Verdict]bool{}
	for _, c := range cs {
		has[c.Verdict] = true
	}
	for _, v := range []analyze.Verdict{
		analyze.Regressed, analyze.NotComparable, analyze.Invalid, analyze.Suspect, analyze.Inconclusive, analyze.Improved,
	} {
		if has[v] {
			return v
		}
	}
	return analyze.NotRegressed
}

func verdictExit(v analyze.Verdict) error {
	switch v {
	case analyze.Regressed:
		return &exitError{code: exitRegression}
	case analyze.Improved, analyze.NotRegressed:
		return nil
	case analyze.Inconclusive, analyze.Suspect:
		return &exitError{code: exitInconclusive}
	}
	return &exitError{code: exitInvalid}
}

// A side is one side of a comparison.
type side struct {
	label   string
	data    *analyze.Data
	history *analyze.Data // that a single run may be held against; nil where there is none
	unread  string        // which of its files could not be read
}

// withSides loads both sides, from the lake where they are selectors, from lakes
// of their own where they are files, and calls do while they are open.
func (a *app) withSides(ctx context.Context, baseline, candidate string, do func(b, c side) error) error {
	bFiles, cFiles := isFiles(baseline), isFiles(candidate)
	switch {
	case bFiles && cFiles:
		return a.withFiles(ctx, baseline, func(b side) error {
			return a.withFiles(ctx, candidate, func(c side) error {
				b.label, c.label = toldApart(b.label, c.label)
				return do(b, c)
			})
		})
	case bFiles != cFiles:
		other := candidate
		if cFiles {
			other = baseline
		}
		return usagef(cmp.Or(noSuchFile(other), "ingest the files, or give folders for both"),
			"%q and %q: want two paths that exist, or two selectors column=value", baseline, candidate)
	}
	for _, s := range []string{baseline, candidate} {
		if _, err := query.Selector(s); err != nil {
			return usagef(noSuchFile(s), "%w", err)
		}
	}
	return a.withLake(ctx, func(db *query.DB) error {
		b, err := selectSide(ctx, db, baseline)
		if err != nil {
			return err
		}
		c, err := selectSide(ctx, db, candidate)
		if err != nil {
			return err
		}
		if b.history, err = analyze.HistoryOf(ctx, db, b.data, c.data); err != nil {
			return err
		}
		return do(b, c)
	})
}

// toldApart are two paths without the folders that both begin with: what is cut of a
// long label is its end, which is where they differ.
func toldApart(baseline, candidate string) (string, string) {
	for !strings.Contains(baseline+candidate, ",") {
		b, restB, okB := strings.Cut(baseline, "/")
		c, restC, okC := strings.Cut(candidate, "/")
		if !okB || !okC || b != c {
			break
		}
		baseline, candidate = restB, restC
	}
	return baseline, candidate
}

// selectSide loads the runs of a selector. A key that is neither a column nor a
// label of any run is a slip of the pen, and not an empty selection.
func selectSide(ctx context.Context, db *query.DB, selector string) (side, error) {
	data, err := analyze.Select(ctx, db, selector)
	if err != nil {
		return side{}, badSelection(err)
	}
	if unknown := query.Labels(selector); len(data.Runs) == 0 && len(unknown) > 0 {
		return side{}, usagef(nearColumn(unknown[0]), "no run has a column or a label %q", unknown[0])
	}
	return side{label: selector, data: data}, nil
}

func nearColumn(name string) string {
	best, bestDistance := "", 4
	for _, c := range schemas.RunsTable.Columns {
		if d := editDistance(c.Name, name); d < bestDistance {
			best, bestDistance = c.Name, d
		}
	}
	if best == "" {
		return "servestat sql \"describe runs\" lists the columns"
	}
	return "did you mean " + best
}

func noSuchFile(s string) string {
	if strings.Contains(s, "=") {
		return ""
	}
	return "there is no file or folder " + s
}

// badSelection marks an error of DuckDB over a user's condition as the user's.
func badSelection(err error) error {
	return usagef("servestat sql \"describe runs\" lists the columns", "selection: %w", err)
}

// isFiles reports whether every path of a list exists or is a pattern.
func isFiles(list string) bool {
	for _, p := range splitPaths(list) {
		if matches, err := filepath.Glob(p); err != nil || len(matches) == 0 {
			if _, err := os.Stat(p); err != nil {
				return false
			}
		}
	}
	return true
}

// splitPaths splits a list of paths at commas, unless it is the name of a file
// itself.
func splitPaths(list string) []string {
	if _, err := os.Stat(list); err == nil {
		return []string{list}
	}
	return strings.Split(list, ",")
}

// withFiles takes files into a lake that lives as long as do.
func (a *app) withFiles(ctx context.Context, list string, do func(side) error) (err error) {
	dir, err := os.MkdirTemp("", "servestat-compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := lake.CreateTemporary(filepath.Join(dir, "lake"))
	if err != nil {
		return err
	}
	labels, err := parseLabels(a.config.GetStringSlice("label"))
	if err != nil {
		return err
	}
	t, err := a.ingestInto(ctx, l, splitPaths(list), ingest.Options{Labels: labels}, nil)
	if err != nil {
		return err
	}
	if err := t.verdict(false); err != nil {
		return invalidf("", "%s: nothing in it can be compared", list)
	}
	limits, err := a.engine()
	if err != nil {
		return err
	}
	db, err := query.OpenLimited(ctx, l, limits)
	if err != nil {
		return err
	}
	defer db.Close()
	data, err := analyze.Load(ctx, db, "")
	if err != nil {
		return err
	}
	s := side{label: strings.TrimRight(list, "/"), data: data}
	if t.quarantined > 0 {
		s.unread = fmt.Sprintf("%d of %d files could not be read", t.quarantined, t.uploads)
	}
	return do(s)
}

// withLake opens the lake for the time of do.
func (a *app) withLake(ctx context.Context, do func(*query.DB) error) error {
	limits, err := a.engine()
	if err != nil {
		return err
	}
	l, err := a.openLake()
	if err != nil {
		return err
	}
	db, err := query.OpenLimited(ctx, l, limits)
	if err != nil {
		return err
	}
	defer db.Close()
	return do(db)
}

// writeJSON writes fields as one indented JSON object that names its schema.
func writeJSON(w io.Writer, schema string, fields map[string]any) error {
	fields["schema"] = schema
	out, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", out)
	return err
}
