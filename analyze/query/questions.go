package query

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
)

// Text, Number and Count are values that may be NULL.
type (
	Text   = sql.Null[string]
	Number = sql.Null[float64]
	Count  = sql.Null[int64]
)

// A RunSummary is our own numbers for one detailed run: latencies in seconds,
// throughputs per second.
type RunSummary struct {
	RunID                                 string
	Requests, Completed, Failed, Suspect  int64
	TTFTMean, ITLMean, TPOTMean, E2ELMean Number
	// By Harrell and Davis, from cells; where an older servestat wrote these, medians
	// are of requests and all else is missing.
	TTFTp50, TTFTp95, TTFTp99           Number
	ITLp50, ITLp95, ITLp99              Number
	E2ELp50, E2ELp95, E2ELp99           Number
	RequestThroughput, OutputThroughput Number
	TotalTokenThroughput, Concurrency   Number
	ConcurrencyFromStarts               bool
	InputTokens, OutputTokens, Gaps     Count
	// Of the steady window; missing where the log has no start times.
	SteadyFrom, SteadyWarm, SteadyTo Number // s since the run's origin; what is before Warm was a cold start
	SteadyE2ELs                      Number // its length in mean latencies
	SteadyColdSlowdown               Number // how much slower the cold start was
	SteadyRequests                   Count  // that started in it
	MostInFlight                     Count
	SteadyTTFTp50, SteadyE2ELp50     Number
	SteadyTPOTMean, SteadyITLMean    Number
	SteadyOutput, SteadyConcurrency  Number
}

// RunSummaries returns the summaries of the runs that satisfy the SQL condition
// where, by run id. Runs without per-request times have none.
func (d *DB) RunSummaries(ctx context.Context, where string) ([]RunSummary, error) {
	return ask(ctx, d, "run_summaries", condition(where), func(rows *sql.Rows) (RunSummary, error) {
		var s RunSummary
		err := scanNamed(rows, map[string]any{
			"run_id": &s.RunID, "requests": &s.Requests, "completed": &s.Completed, "failed": &s.Failed, "suspect": &s.Suspect,
			"ttft_mean_s": &s.TTFTMean, "ttft_hd_p50_s": &s.TTFTp50, "ttft_hd_p95_s": &s.TTFTp95, "ttft_hd_p99_s": &s.TTFTp99,
			"itl_mean_s": &s.ITLMean, "itl_hd_p50_s": &s.ITLp50, "itl_hd_p95_s": &s.ITLp95, "itl_hd_p99_s": &s.ITLp99, "tpot_mean_s": &s.TPOTMean,
			"e2el_mean_s": &s.E2ELMean, "e2el_hd_p50_s": &s.E2ELp50, "e2el_hd_p95_s": &s.E2ELp95, "e2el_hd_p99_s": &s.E2ELp99,
			"request_throughput": &s.RequestThroughput, "output_throughput": &s.OutputThroughput,
			"total_token_throughput": &s.TotalTokenThroughput, "concurrency": &s.Concurrency,
			"concurrency_from_starts": &s.ConcurrencyFromStarts,
			"input_tokens":            &s.InputTokens, "output_tokens": &s.OutputTokens, "gaps": &s.Gaps,
			"steady_from_s": &s.SteadyFrom, "steady_warm_s": &s.SteadyWarm, "steady_to_s": &s.SteadyTo, "steady_mean_e2els": &s.SteadyE2ELs,
			"steady_requests": &s.SteadyRequests, "steady_cold_slowdown": &s.SteadyColdSlowdown, "most_in_flight": &s.MostInFlight,
			"steady_ttft_hd_p50_s": &s.SteadyTTFTp50, "steady_e2el_hd_p50_s": &s.SteadyE2ELp50, "steady_tpot_mean_s": &s.SteadyTPOTMean,
			"steady_itl_mean_s": &s.SteadyITLMean, "steady_output_throughput": &s.SteadyOutput, "steady_concurrency": &s.SteadyConcurrency,
		})
		return s, err
	})
}

// A RunIdentity is what is known of a run besides its times.
type RunIdentity struct {
	RunID, SourceName, Producer, Dialect, Bench    string
	Detailed                                       bool
	Backend, Model, Tokenizer, Hardware, PathLabel Text
	Runtime, RuntimeVersion, Image, ServerStart    Text
	Dataset, WorkloadDigest                        Text
	Repeat, Seed, MaxConcurrency, NumPrompts       Count
	Requests, Completed, Failed, Suspect           Count
	InputTokens, OutputTokens                      Count
	Simulated                                      sql.Null[bool]
	RequestRate, Burstiness, DurationS             Number
	StartedAt, EndedAt                             sql.NullTime
	EngineArgs, Labels, Provenance                 map[string]string
	Reported, Extra                                Object
	Notes                                          []string
	RuntimeCommit, ProducerVersion, GapKind        Text
	RampUp                                         Text
	Truncated                                      sql.Null[bool]
	Epoch                                          bool // its times are seconds since 1970, so its wall clock is UTC
}

// RunIdentities returns the runs that satisfy the SQL condition where, in a
// stable order: by model, hardware, path, version, load and start. Runs that say the
// same share their EngineArgs, Labels and Provenance: they are to be read only.
func (d *DB) RunIdentities(ctx context.Context, where string) ([]RunIdentity, error) {
	seen := map[string]map[string]string{}
	return ask(ctx, d, "run_identities", condition(where), func(rows *sql.Rows) (RunIdentity, error) { return scanIdentity(rows, seen) })
}

func scanIdentity(rows *sql.Rows, seen map[string]map[string]string) (RunIdentity, error) {
	var r RunIdentity
	var args, labels, provenance, reported, extra, notes Text
	err := scanNamed(rows, map[string]any{
		"run_id": &r.RunID, "source_name": &r.SourceName, "producer": &r.Producer, "dialect": &r.Dialect, "bench": &r.Bench,
		"backend": &r.Backend, "detailed": &r.Detailed, "model": &r.Model, "tokenizer": &r.Tokenizer, "hardware": &r.Hardware,
		"path_label": &r.PathLabel, "runtime": &r.Runtime, "runtime_version": &r.RuntimeVersion, "image": &r.Image,
		"server_start": &r.ServerStart, "repeat": &r.Repeat, "dataset": &r.Dataset, "seed": &r.Seed, "simulated": &r.Simulated,
		"max_concurrency": &r.MaxConcurrency, "request_rate": &r.RequestRate, "burstiness": &r.Burstiness,
		"num_prompts": &r.NumPrompts, "requests": &r.Requests, "completed": &r.Completed, "failed": &r.Failed, "suspect": &r.Suspect,
		"input_tokens": &r.InputTokens, "output_tokens": &r.OutputTokens, "workload_digest": &r.WorkloadDigest,
		"started_at": &r.StartedAt, "ended_at": &r.EndedAt, "duration_s": &r.DurationS,
		"engine_args": &args, "labels": &labels, "provenance": &provenance, "reported": &reported, "extra": &extra, "notes": &notes,
		"runtime_commit": &r.RuntimeCommit, "producer_version": &r.ProducerVersion, "gap_kind": &r.GapKind, "ramp_up": &r.RampUp, "truncated": &r.Truncated, "epoch": &r.Epoch,
	})
	if err != nil {
		return r, err
	}
	for _, j := range []struct {
		text Text
		into *map[string]string
	}{{args, &r.EngineArgs}, {labels, &r.Labels}, {provenance, &r.Provenance}} {
		if err := sharedMap(j.text, j.into, seen); err != nil {
			return r, fmt.Errorf("run %s: %w", r.RunID, err)
		}
	}
	for _, j := range []struct {
		text Text
		into *Object
	}{{reported, &r.Reported}, {extra, &r.Extra}} {
		if !j.text.Valid {
			continue
		}
		if *j.into, err = ParseObject(j.text.V); err != nil {
			return r, fmt.Errorf("run %s: %w", r.RunID, err)
		}
	}
	if !notes.Valid {
		return r, nil
	}
	if err := json.Unmarshal([]byte(notes.V), &r.Notes); err != nil {
		return r, fmt.Errorf("run %s: %w", r.RunID, err)
	}
	return r, nil
}

// sharedMap decodes an object, once for all that are the same.
func sharedMap(object Text, into *map[string]string, seen map[string]map[string]string) error {
	if !object.Valid {
		return nil
	}
	if *into = seen[object.V]; *into != nil {
		return nil
	}
	err := json.Unmarshal([]byte(object.V), into)
	seen[object.V] = *into
	return err
}

// RunChecks are what the truth checks look at besides a run's summary.
type RunChecks struct {
	RunID                       string
	OneToken                    Number // share of requests
	FirstTTFT                   Number // of the first request, over the median
	CachedShare                 Number
	DispatchDelay, FromSchedule Number // s
	Crowded, Stalled            Number // shares of the gaps below a tenth of, above ten times their median
	Idle                        Number // share of the run
}

// RunChecks returns them for the detailed runs that satisfy where, by run id.
func (d *DB) RunChecks(ctx context.Context, where string) ([]RunChecks, error) {
	return ask(ctx, d, "run_checks", condition(where), func(rows *sql.Rows) (RunChecks, error) {
		var c RunChecks
		err := scanNamed(rows, map[string]any{
			"run_id": &c.RunID, "one_token": &c.OneToken, "first_ttft": &c.FirstTTFT,
			"cached_share": &c.CachedShare, "dispatch_delay_s": &c.DispatchDelay, "e2el_from_schedule_s": &c.FromSchedule,
			"crowded": &c.Crowded, "stalled": &c.Stalled, "idle": &c.Idle,
		})
		return c, err
	})
}

// Recomputed are the statistics of one run and metric that tools report, from
// our records, in milliseconds.
type Recomputed struct {
	RunID, Metric string
	N             int64
	Mean, Std     float64
	Percentiles   []float64 // at the levels that were asked for
}

// Recomputed returns, for the runs that satisfy where, mean, standard deviation
// and the given percentiles (0 to 100) of TTFT, ITL, TPOT and E2EL.
func (d *DB) Recomputed(ctx context.Context, where string, percentiles []float64) ([]Recomputed, error) {
	return d.recomputed(ctx, where, percentiles, text("recomputed_itl"))
}

// RecomputedOfRequests is [DB.Recomputed] of TTFT, TPOT and E2EL: it reads no token.
func (d *DB) RecomputedOfRequests(ctx context.Context, where string, percentiles []float64) ([]Recomputed, error) {
	return d.recomputed(ctx, where, percentiles, "")
}

func (d *DB) recomputed(ctx context.Context, where string, percentiles []float64, itl string) ([]Recomputed, error) {
	levels := make([]string, len(percentiles))
	for i, p := range percentiles {
		levels[i] = fmt.Sprintf("%.17g", p/100)
	}
	replace := condition(where)
	replace["itl"] = itl
	replace["percentiles"] = "[" + strings.Join(levels, ", ") + "]"
	return ask(ctx, d, "recomputed", replace, func(rows *sql.Rows) (Recomputed, error) {
		var r Recomputed
		var list any
		if err := rows.Scan(&r.RunID, &r.Metric, &r.N, &r.Mean, &r.Std, &list); err != nil {
			return r, err
		}
		values, ok := list.([]any)
		if !ok {
			return r, fmt.Errorf("percentiles came as %T", list)
		}
		for _, v := range values {
			r.Percentiles = append(r.Percentiles, v.(float64))
		}
		return r, nil
	})
}

// A GapBucket is one bucket of the distribution of chunk gaps at a load point.
type GapBucket struct {
	Model, Hardware, PathLabel, RuntimeVersion Text
	MaxConcurrency                             Count
	Bucket                                     int32 // see schemas.Histogram
	N                                          int64
}

// ITLDistribution returns the chunk gaps of the runs that satisfy where, by load
// point and ascending bucket.
func (d *DB) ITLDistribution(ctx context.Context, where string) ([]GapBucket, error) {
	return ask(ctx, d, "itl_distribution", condition(where), func(rows *sql.Rows) (GapBucket, error) {
		var b GapBucket
		err := rows.Scan(&b.Model, &b.Hardware, &b.PathLabel, &b.RuntimeVersion, &b.MaxConcurrency, &b.Bucket, &b.N)
		return b, err
	})
}

func condition(where string) map[string]string {
	if strings.TrimSpace(where) == "" {
		where = "true"
	}
	return map[string]string{"where": "(" + where + "\n)"} // the newline ends a -- comment in it
}

// scanNamed scans the current row into the destinations named after its columns.
// A column without a destination is passed over.
func scanNamed(rows *sql.Rows, into map[string]any) error {
	cols, err := rows.Columns()
	if err != nil {
		return err
	}
	dest := make([]any, len(cols))
	found := 0
	for i, c := range cols {
		if d, ok := into[c]; ok {
			dest[i] = d
			found++
			continue
		}
		dest[i] = new(any)
	}
	if found != len(into) {
		return fmt.Errorf("%d of %d wanted columns are in the result %v", found, len(into), cols)
	}
	return rows.Scan(dest...)
}
