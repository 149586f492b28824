package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/ingest/llmd"
)

const exportLong = `Write runs of the lake in a form that other programs read: --format llmd is the
Benchmark Report of llm-d, version 0.2, in YAML, one a run.

RUN is a run id or the beginning of it, or column=value joined by commas; with
none, --where selects, or all runs are written. The numbers are those recomputed
from raw times over the whole run, so a run without per-request times cannot be
written.

With -o DIR each run is a file in that folder, called by its id. On stdout they
are documents of one stream.`

func (a *app) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export [flags] [RUN...]",
		Short: "write runs as Benchmark Reports of llm-d",
		Long:  exportLong,
		Example: `  servestat export 5b6bda3c > report.yaml
  servestat export -o reports runtime_version=0.20.0,max_concurrency=8
  servestat export -o reports --where "started_at >= '2026-11-16'"`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.export(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.String("format", "llmd", "llmd")
	f.String("where", "", "SQL condition over runs")
	f.StringP("out", "o", "-", "folder to write to, - for stdout")
	return cmd
}

func (a *app) export(ctx context.Context, selected []string) error {
	if f := a.config.GetString("format"); f != "llmd" {
		return usagef("", "--format %s: want llmd", f)
	}
	where, err := runsCondition(selected, a.config.GetString("where"))
	if err != nil {
		return err
	}
	return a.withLake(ctx, func(db *query.DB) error {
		reports, left, err := benchmarkReports(ctx, db, where)
		if err != nil {
			return badSelection(err)
		}
		for _, name := range left {
			a.term.warnf("%s has no per-request times: it is left out", name)
		}
		if len(reports) == 0 {
			return invalidf(`servestat sql "select run_id, source_name from runs where detailed" lists them`, "no run with per-request times is selected")
		}
		return a.writeReports(reports)
	})
}

// runsCondition is the SQL condition for the runs that a person names.
func runsCondition(selected []string, where string) (string, error) {
	if where != "" && len(selected) > 0 {
		return "", usagef("", "want runs or --where, not both")
	}
	var any []string
	for _, s := range selected {
		condition, err := query.RunPrefix(s)
		if strings.Contains(s, "=") {
			condition, err = query.Selector(s)
		}
		if err != nil {
			return "", usagef(`servestat sql "select run_id, source_name from runs" lists them`, "%w", err)
		}
		any = append(any, "("+condition+")")
	}
	if len(any) > 0 {
		return strings.Join(any, " OR "), nil
	}
	return where, nil
}

func (a *app) writeReports(reports []llmd.Report) error {
	dir := a.config.GetString("out")
	for i, r := range reports {
		var text bytes.Buffer
		if err := llmd.Export(&text, r); err != nil {
			return fmt.Errorf("run %s: %w", r.UID, err)
		}
		if dir == "" || dir == "-" {
			if i > 0 {
				fmt.Fprintln(a.stdout, "---")
			}
			if _, err := a.stdout.Write(text.Bytes()); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		name := filepath.Join(dir, r.UID+".yaml")
		err := writeFile(name, func(w io.Writer) error {
			_, err := w.Write(text.Bytes())
			return err
		})
		if err != nil {
			return err
		}
		fmt.Fprintln(a.stdout, name)
	}
	return nil
}

// reportLevels are the percentiles of a Benchmark Report, least and most included.
var reportLevels = []float64{0, 0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 100}

// benchmarkReports makes the reports of the runs that satisfy where, and names
// those that have no times to make one of.
func benchmarkReports(ctx context.Context, db *query.DB, where string) (reports []llmd.Report, left []string, err error) {
	runs, err := db.RunIdentities(ctx, where)
	if err != nil {
		return nil, nil, err
	}
	summaries, err := db.RunSummaries(ctx, where)
	if err != nil {
		return nil, nil, err
	}
	recomputed, err := db.Recomputed(ctx, where, reportLevels)
	if err != nil {
		return nil, nil, err
	}
	byRun := map[string]query.RunSummary{}
	for _, s := range summaries {
		byRun[s.RunID] = s
	}
	metrics := map[[2]string]*llmd.Statistics{}
	for _, m := range recomputed {
		metrics[[2]string{m.RunID, m.Metric}] = statisticsOf(m)
	}
	for _, run := range runs {
		s, ok := byRun[run.RunID]
		if !ok {
			left = append(left, run.SourceName)
			continue
		}
		r := reportOf(run, s)
		r.Latency = llmd.Latency{
			TimeToFirstToken:   metrics[[2]string{run.RunID, "ttft"}],
			TimePerOutputToken: metrics[[2]string{run.RunID, "tpot"}],
			InterTokenLatency:  metrics[[2]string{run.RunID, "itl"}],
			RequestLatency:     metrics[[2]string{run.RunID, "e2el"}],
		}
		if run.GapKind.V == "synthetic" { // made up by the tool
			r.Latency.InterTokenLatency = nil
		}
		reports = append(reports, r)
	}
	return reports, left, nil
}

// statisticsOf gives what was recomputed in milliseconds in seconds.
func statisticsOf(m query.Recomputed) *llmd.Statistics {
	at := func(level float64) *float64 {
		seconds := m.Percentiles[slices.Index(reportLevels, level)] / 1e3
		return &seconds
	}
	std := m.Std / 1e3
	return &llmd.Statistics{
		Mean: m.Mean / 1e3, StdDev: &std, Min: at(0), P0P1: at(0.1), P1: at(1), P5: at(5), P10: at(10), P25: at(25), P50: at(50),
		P75: at(75), P90: at(90), P95: at(95), P99: at(99), P99P9: at(99.9), Max: at(100),
	}
}

func reportOf(run query.RunIdentity, s query.RunSummary) llmd.Report {
	r := llmd.Report{
		UID: run.RunID, Description: run.SourceName,
		Requests: llmd.Requests{Total: s.Requests, Failures: s.Failed, Incomplete: s.Suspect},
		Throughput: llmd.Throughput{
			OutputTokens: rate(s.OutputThroughput), TotalTokens: rate(s.TotalTokenThroughput), Requests: rate(s.RequestThroughput),
		},
		Engine: engineOf(run), Load: loadOf(run, s),
	}
	if s.OutputThroughput.Valid && s.TotalTokenThroughput.Valid {
		r.Throughput.InputTokens = &llmd.Statistics{Mean: s.TotalTokenThroughput.V - s.OutputThroughput.V}
	}
	if s.Completed > 0 && s.InputTokens.Valid {
		r.Requests.InputLength = &llmd.Statistics{Mean: float64(s.InputTokens.V) / float64(s.Completed)}
	}
	if s.Completed > 0 && s.OutputTokens.Valid {
		r.Requests.OutputLength = &llmd.Statistics{Mean: float64(s.OutputTokens.V) / float64(s.Completed)}
	}
	if run.DurationS.Valid {
		r.Duration = time.Duration(run.DurationS.V*1e9 + 0.5)
	}
	if run.StartedAt.Valid {
		r.Start, r.End = run.StartedAt.Time, run.StartedAt.Time.Add(r.Duration)
	}
	if run.Simulated.V {
		r.Keywords = []string{"simulated"}
	}
	return r
}

func rate(n query.Number) *llmd.Statistics {
	if !n.Valid {
		return nil
	}
	return &llmd.Statistics{Mean: n.V}
}

// engineOf says what was run, where that is known. Arguments that a server did
// not log are at their defaults, and those of parallelism are 1; where none were
// recorded at all, nothing is known of it.
func engineOf(run query.RunIdentity) *llmd.Engine {
	if !run.Runtime.Valid {
		return nil
	}
	e := &llmd.Engine{
		ConfigID: configID(run), Tool: run.Runtime.V, Version: run.RuntimeVersion.V, Model: run.Model.V, Accelerator: run.Hardware.V,
		Args: run.EngineArgs,
	}
	if len(run.EngineArgs) == 0 {
		return e
	}
	size := func(arg string) int {
		n, err := strconv.Atoi(run.EngineArgs[arg])
		if err != nil {
			return 1
		}
		return max(n, 1)
	}
	e.Parallelism = llmd.Parallelism{
		Tensor: size("tensor_parallel_size"), Pipeline: size("pipeline_parallel_size"), Data: size("data_parallel_size"), Expert: 1,
	}
	e.Accelerators = e.Parallelism.Tensor * e.Parallelism.Pipeline * e.Parallelism.Data
	return e
}

// configID is the same for servers of one version that were started alike.
func configID(run query.RunIdentity) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %q\n", run.Runtime.V, run.RuntimeVersion.V, run.RuntimeCommit.V, run.Image.V, run.Model.V)
	for _, k := range slices.Sorted(maps.Keys(run.EngineArgs)) {
		fmt.Fprintf(h, "%q %q\n", k, run.EngineArgs[k])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func loadOf(run query.RunIdentity, s query.RunSummary) *llmd.Load {
	l := &llmd.Load{
		Tool: run.Producer, Version: run.ProducerVersion.V, RequestRate: run.RequestRate.V, Concurrency: int(run.MaxConcurrency.V),
	}
	if s.Completed > 0 {
		l.InputLength, l.OutputLength = float64(s.InputTokens.V)/float64(s.Completed), float64(s.OutputTokens.V)/float64(s.Completed)
	}
	return l
}
