package query

import (
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var benchTokens = flag.Int64("tokens", 4_000_000, "tokens that the benchmark of percentiles reads")

// versions and levels of the benchmark's runs: one block of tokens each.
const benchVersions, benchLevels = 2, 6

// benchDB is a database over synthetic blocks, flat and encoded like ours: gaps
// are log-normal with stalls, in nanoseconds.
func benchDB(b *testing.B) *DB {
	b.Helper()
	d, err := openEmpty(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	per := *benchTokens / (benchVersions * benchLevels)
	raw, err := sql.Open("duckdb", "")
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	put := func(name, statement string) {
		if _, err := raw.ExecContext(b.Context(), fmt.Sprintf("COPY (%s) TO '%s' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION V2, ROW_GROUP_SIZE 1000000)", statement, filepath.Join(d.tmp, name))); err != nil {
			b.Fatal(err)
		}
	}
	for i := range benchVersions * benchLevels {
		id := fmt.Sprintf("%032x", i)
		put("tokens-"+id+".parquet", fmt.Sprintf(`SELECT '%s' AS run_id, CAST(i // 500 AS INTEGER) AS request_idx, CAST(i %% 500 AS INTEGER) + 1 AS chunk_idx, CAST(NULL AS INTEGER) AS tokens,
			CAST(14e6 * exp(0.12 * sqrt(-2 * ln(1 - (hash(i) %% 1000003) / 1000003.0)) * cos(2 * pi() * (hash(i + 1) %% 1000003) / 1000003.0)) + CASE WHEN i %% 997 = 0 THEN 2e8 ELSE 0 END AS BIGINT) AS gap_ns
			FROM range(%d) t(i)`, id, per))
		put("requests-"+id+".parquet", fmt.Sprintf("SELECT '%s' AS run_id, CAST(i AS INTEGER) AS request_idx, 'ok' AS status FROM range(%d) t(i)", id, per/500+1))
		put("runs-"+id+".parquet", fmt.Sprintf("SELECT '%s' AS run_id, 'v%d' AS runtime_version, CAST(%d AS BIGINT) AS max_concurrency", id, i%benchVersions, 1<<(i/benchVersions)))
		put("cells-"+id+".parquet", fmt.Sprintf(`SELECT '%s' AS run_id, 'itl' AS metric, list(CAST(bucket AS INTEGER) ORDER BY bucket) AS hist_bucket, list(n ORDER BY bucket) AS hist_count, CAST(sum(n) AS BIGINT) AS count, CAST(sum(total) AS BIGINT) AS sum_ns, min(least) AS min_ns, max(most) AS max_ns
			FROM (SELECT gap_ns // CAST(pow(10, length(CAST(gap_ns AS VARCHAR)) - 3) AS BIGINT) + 900 * (length(CAST(gap_ns AS VARCHAR)) - 3) AS bucket, count(*) AS n, sum(gap_ns) AS total, min(gap_ns) AS least, max(gap_ns) AS most
			FROM read_parquet('%s') GROUP BY bucket)`, id, filepath.Join(d.tmp, "tokens-"+id+".parquet")))
	}
	for i, def := range d.made.definitions {
		switch def.Name {
		case "tokens", "requests", "runs", "cells":
			d.made.definitions[i].sql = fmt.Sprintf("CREATE VIEW %s AS SELECT * FROM read_parquet('%s/%s-*.parquet')", def.Name, d.tmp, def.Name)
		}
	}
	return d
}

// BenchmarkPercentiles asks for p50 and p99 of ITL by version and concurrency, in
// one run over the same data: by quantile_cont over the tokens, by the microsecond
// histogram over the same tokens, and from the histograms of cells.
//
//	go test ./analyze/query -run '^$' -bench Percentiles -tokens 100000000 -benchtime 3x
func BenchmarkPercentiles(b *testing.B) {
	d := benchDB(b)
	var base time.Duration
	for _, c := range []struct{ name, statement string }{
		{"quantile_cont", "SELECT runtime_version, max_concurrency, quantile_cont(gap_ns, [0.5, 0.99]) FROM tokens JOIN runs USING (run_id) GROUP BY ALL"},
		{"exact_percentiles", "SELECT * FROM exact_percentiles([0.5, 0.99], {version: runtime_version, max_concurrency: max_concurrency})"},
		{"cells", "SELECT key, p50_ms, p99_ms FROM distribution('itl', {version: runtime_version, max_concurrency: max_concurrency})"},
	} {
		b.Run(c.name, func(b *testing.B) {
			resetPeak()
			for b.Loop() {
				rows, err := d.Query(b.Context(), c.statement)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for rows.Next() {
					n++
				}
				if rows.Close(); n == 0 || rows.Err() != nil {
					b.Fatal(n, rows.Err())
				}
			}
			each := b.Elapsed() / time.Duration(b.N)
			if c.name == "quantile_cont" {
				base = each
			}
			b.ReportMetric(float64(*benchTokens)/each.Seconds()/1e6, "Mtok/s")
			b.ReportMetric(float64(base)/float64(each), "x-quantile_cont")
			b.ReportMetric(peakMiB(), "peak-MiB")
		})
	}
}

// resetPeak forgets the process's peak of resident memory, where the system can.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

func peakMiB() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kib float64
	fmt.Sscan(rest, &kib)
	return kib / 1024
}
