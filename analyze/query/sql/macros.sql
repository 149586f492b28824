-- What people always write, as macros. The comment above each is its entry in
-- the dictionary, and its example is run by a test.

-- Nanoseconds as milliseconds.
-- Example: SELECT ms(max(gap_ns)) FROM tokens
CREATE MACRO ms(ns) AS ns / 1e6;

-- TTFT of a row of requests, in milliseconds.
-- Example: SELECT max(ttft_ms(r)) FROM requests r
CREATE MACRO ttft_ms(r) AS struct_extract(r, 'ttft_ns') / 1e6;

-- End-to-end latency of a row of requests, in milliseconds.
-- Example: SELECT max(e2el_ms(r)) FROM requests r
CREATE MACRO e2el_ms(r) AS struct_extract(r, 'e2el_ns') / 1e6;

-- TPOT of a row of requests, in milliseconds: (E2EL - TTFT) / (output tokens - 1),
-- NULL where there are not two tokens.
-- Example: SELECT avg(tpot_ms(r)) FROM requests r WHERE status = 'ok'
CREATE MACRO tpot_ms(r) AS (struct_extract(r, 'e2el_ns') - struct_extract(r, 'ttft_ns')) / 1e6
    / CASE WHEN struct_extract(r, 'output_tokens') > 1 THEN struct_extract(r, 'output_tokens') - 1 END;

-- The middle, in nanoseconds, of a histogram's bucket: see schemas.Histogram.
-- Example: SELECT bucket_ns(unnest(hist_bucket)) AS ns, unnest(hist_count) AS n FROM cells WHERE metric = 'itl'
CREATE MACRO bucket_ns(b) AS CASE WHEN b < 1000 THEN CAST(b AS DOUBLE)
    ELSE (b - 900 * ((b - 100) // 900) + 0.5) * pow(10, (b - 100) // 900) - 0.5 END;

-- The least nanosecond of a histogram's bucket: see schemas.Histogram.
-- Example: SELECT bucket_least_ns(unnest(hist_bucket)) AS from_ns, unnest(hist_count) AS n FROM cells WHERE metric = 'itl'
CREATE MACRO bucket_least_ns(b) AS CASE WHEN b < 1 THEN -9223372036854775807 WHEN b < 1000 THEN CAST(b AS BIGINT)
    ELSE (b - 900 * ((b - 100) // 900)) * CAST(pow(10, (b - 100) // 900) AS BIGINT) END;

-- The percentile p (0 to 1) of a metric (ttft, itl, tpot, e2el), pooled over the
-- runs of each group: the least value that a share p of all do not exceed, from the
-- histograms of cells. No token is read, and it is within 0.5 % of the exact value. What groups is an expression over the columns of
-- runs, or a struct of several; it comes back as "key".
-- Example: SELECT key.*, ms FROM percentile('itl', 0.99, {version: runtime_version, max_concurrency: max_concurrency}) ORDER BY ALL
CREATE MACRO percentile(of_metric, p, grouped_by) AS TABLE
    SELECT key, any_value(total) AS n, min(bucket_ns(bucket)) / 1e6 AS ms
    FROM (
        SELECT key, bucket, sum(n) OVER (PARTITION BY key ORDER BY bucket) AS so_far, sum(n) OVER (PARTITION BY key) AS total
        FROM (
            SELECT key, bucket, sum(n) AS n
            FROM (
                SELECT grouped_by AS key, unnest(hist_bucket) AS bucket, unnest(hist_count) AS n
                FROM cells JOIN runs USING (run_id) WHERE cells.metric = of_metric
            )
            GROUP BY key, bucket
        )
    )
    WHERE so_far >= p * total
    GROUP BY key;

-- The distribution of a metric over the runs of each group, in milliseconds, from
-- the histograms of cells: count, mean, least and greatest value are exact, the
-- percentiles within 0.5 %.
-- Example: SELECT key AS version, n, p50_ms, p99_ms FROM distribution('ttft', runtime_version) ORDER BY ALL
CREATE MACRO distribution(of_metric, grouped_by) AS TABLE
    SELECT key, n, mean_ms, min_ms, p50_ms, p90_ms, p95_ms, p99_ms, max_ms
    FROM (
        SELECT key,
               min(bucket_ns(bucket)) FILTER (so_far >= 0.50 * total) / 1e6 AS p50_ms,
               min(bucket_ns(bucket)) FILTER (so_far >= 0.90 * total) / 1e6 AS p90_ms,
               min(bucket_ns(bucket)) FILTER (so_far >= 0.95 * total) / 1e6 AS p95_ms,
               min(bucket_ns(bucket)) FILTER (so_far >= 0.99 * total) / 1e6 AS p99_ms
        FROM (
            SELECT key, bucket, sum(n) OVER (PARTITION BY key ORDER BY bucket) AS so_far, sum(n) OVER (PARTITION BY key) AS total
            FROM (
                SELECT key, bucket, sum(n) AS n
                FROM (
                    SELECT grouped_by AS key, unnest(hist_bucket) AS bucket, unnest(hist_count) AS n
                    FROM cells JOIN runs USING (run_id) WHERE cells.metric = of_metric
                )
                GROUP BY key, bucket
            )
        )
        GROUP BY key
    ) JOIN (
        SELECT grouped_by AS key, CAST(sum(count) AS BIGINT) AS n, CAST(sum(sum_ns) AS DOUBLE) / sum(count) / 1e6 AS mean_ms,
               min(min_ns) / 1e6 AS min_ms, max(max_ns) / 1e6 AS max_ms
        FROM cells JOIN runs USING (run_id) WHERE cells.metric = of_metric GROUP BY ALL
    ) USING (key);

-- Chunk gaps of completed requests as an integer histogram: how many of each run
-- lasted how many microseconds. Histograms merge by adding, and percentiles of them
-- are exact to the microsecond: several times faster than quantile_cont over tokens,
-- in little memory.
-- Example: SELECT us, sum(n) AS n FROM gap_histogram() GROUP BY us ORDER BY us
CREATE MACRO gap_histogram() AS TABLE
    SELECT run_id, us, CAST(sum(n) AS BIGINT) AS n
    FROM (
        SELECT run_id, gap_ns // 1000 AS us, count(*) AS n FROM tokens GROUP BY ALL
        UNION ALL
        SELECT t.run_id, gap_ns // 1000, -count(*)
        FROM tokens t JOIN requests r ON t.run_id = r.run_id AND t.request_idx = r.request_idx WHERE r.status <> 'ok' GROUP BY ALL
    )
    GROUP BY ALL HAVING sum(n) > 0;

-- Percentiles (a list, 0 to 1) of the chunk gaps of completed requests, pooled over
-- the runs of each group: linear between two gaps (type 7, as quantile_cont), and
-- exact to the microsecond. The histograms of cells say how many gaps lie below the
-- ones that are sought, so that only those near them are looked at among the tokens:
-- several times faster than quantile_cont, in little memory. One row for each group
-- and percentile. of_runs is a condition on the runs that count.
-- Example: SELECT key AS version, p, us / 1e3 AS ms FROM exact_percentiles([0.5, 0.99], runtime_version, of_runs := max_concurrency = 2) ORDER BY ALL
CREATE MACRO exact_percentiles(ps, grouped_by, of_runs := true) AS TABLE
    WITH member AS (
        SELECT run_id, hash(run_id) AS run, key, dense_rank() OVER (ORDER BY key) AS k FROM (SELECT run_id, grouped_by AS key FROM runs WHERE of_runs)
    ), bucket AS (
        SELECT k, bucket, sum(n) OVER (PARTITION BY k ORDER BY bucket) AS so_far, sum(n) OVER (PARTITION BY k) AS total
        FROM (
            SELECT k, bucket, sum(n) AS n
            FROM (SELECT k, unnest(hist_bucket) AS bucket, unnest(hist_count) AS n FROM cells JOIN member USING (run_id) WHERE cells.metric = 'itl')
            GROUP BY k, bucket
        )
    ), span AS MATERIALIZED (
        -- The gaps of rank floor(h) and ceil(h), from 0, are in these buckets and in none between.
        SELECT k, p, any_value(total) AS total, any_value(h) AS h,
               coalesce(max(so_far) FILTER (so_far <= floor(h)), 0) AS before, min(so_far) FILTER (so_far > ceil(h)) AS up_to,
               bucket_least_ns(min(bucket) FILTER (so_far > floor(h))) AS least, bucket_least_ns(min(bucket) FILTER (so_far > ceil(h)) + 1) - 1 AS most
        FROM (SELECT *, p * (total - 1) AS h FROM bucket, (SELECT DISTINCT CAST(unnest(ps) AS DOUBLE) AS p)) GROUP BY k, p
    ), sought AS (
        SELECT unhex(string_agg(lpad(hex(run), 16, '0') || lpad(hex(least), 16, '0') || lpad(hex(most), 16, '0'), '' ORDER BY run)) AS spans
        FROM span JOIN member USING (k)
    ), found AS (
        -- Below 100 us, a microsecond may be in several buckets.
        SELECT run, CASE WHEN gap_ns < 100000 THEN gap_ns ELSE gap_ns // 1000 * 1000 END AS at_ns, count(*) AS n
        FROM (SELECT hash(run_id) AS run, request_idx, gap_ns FROM tokens) near SEMI JOIN sought ON in_spans(run, gap_ns, spans)
        ANTI JOIN (SELECT hash(run_id) AS run, request_idx FROM requests WHERE status <> 'ok') USING (run, request_idx)
        GROUP BY ALL
    ), ranked AS (
        SELECT k, p, h, total, up_to, at_ns, before + sum(n) OVER (PARTITION BY k, p ORDER BY at_ns) AS so_far
        FROM (SELECT k, at_ns, sum(n) AS n FROM found JOIN member USING (run) GROUP BY k, at_ns) JOIN span USING (k)
        WHERE at_ns BETWEEN least AND most
    )
    SELECT key, p, n, (lower + (upper - lower) * (h - floor(h))) / 1e3 AS us
    FROM (
        SELECT k, p, any_value(CAST(total AS BIGINT)) AS n, any_value(h) AS h,
               CASE WHEN max(so_far) = any_value(up_to) THEN min(at_ns) FILTER (so_far > floor(h))
                    ELSE error('the tokens of the lake are not those that its cells count: servestat lake check') END AS lower,
               min(at_ns) FILTER (so_far > ceil(h)) AS upper
        FROM ranked GROUP BY k, p
    ) JOIN (SELECT DISTINCT k, key FROM member) USING (k);

-- The completed requests that started inside the steady window of their run: ramp,
-- drain and a cold start are outside.
-- Example: SELECT run_id, median(ttft_ms(r)) FROM steady_window() r GROUP BY run_id
CREATE MACRO steady_window() AS TABLE
    SELECT requests.* FROM requests JOIN steady_windows USING (run_id)
    WHERE status = 'ok' AND start_ns >= warm_ns AND start_ns < to_ns;

-- Which ISO week a time is in, as 2026-W47.
-- Example: SELECT week_of(started_at), count(*) FROM runs GROUP BY ALL
CREATE MACRO week_of(t) AS strftime(t, '%G-W%V');

-- Goodput of every run under service-level objectives in milliseconds: completed
-- requests that met all that are given, a second.
-- Example: SELECT * FROM goodput(ttft_ms := 200, tpot_ms := 50)
CREATE MACRO goodput(ttft_ms := NULL, tpot_ms := NULL, e2el_ms := NULL) AS TABLE
    SELECT run_id, count_if(good) / (any_value(duration_ns) / 1e9) AS goodput, avg(CAST(good AS INTEGER)) AS good_share
    FROM (
        SELECT r.run_id, duration_ns, status = 'ok'
               AND (ttft_ms IS NULL OR ttft_ns <= ttft_ms * 1e6)
               AND (e2el_ms IS NULL OR e2el_ns <= e2el_ms * 1e6)
               AND (tpot_ms IS NULL OR CASE WHEN r.output_tokens > 1 THEN (e2el_ns - ttft_ns) / nullif(r.output_tokens - 1, 0) ELSE 0 END <= tpot_ms * 1e6) IS TRUE AS good
        FROM requests r JOIN runs USING (run_id) WHERE status <> 'warmup'
    )
    GROUP BY run_id;

-- The busiest second of every run: the most output tokens in any window of one
-- second that ends with a chunk, sliding, not binned. A chunk counts the tokens
-- that it carried, or its request's tokens over its chunks.
-- Example: SELECT * FROM peak_throughput()
CREATE MACRO peak_throughput(seconds := 1) AS TABLE
    SELECT run_id, max(tokens) / seconds AS peak_tokens_per_s
    FROM (
        SELECT run_id, sum(tokens) OVER (PARTITION BY run_id ORDER BY at_ns RANGE BETWEEN CAST(seconds * 1e9 AS BIGINT) - 1 PRECEDING AND CURRENT ROW) AS tokens
        FROM (
            SELECT run_id, at_ns, coalesce(t.tokens, r.output_tokens / nullif(r.chunks, 0)) AS tokens
            FROM token_times t JOIN requests r USING (run_id, request_idx) WHERE status = 'ok' AND at_ns IS NOT NULL
            UNION ALL
            SELECT run_id, start_ns + ttft_ns, output_tokens / nullif(chunks, 0) FROM requests WHERE status = 'ok' AND start_ns IS NOT NULL
        )
    )
    GROUP BY run_id;

-- What a run and what was observed of its server have in common: the server
-- start, or where none is named, the folder.
-- Example: SELECT beside(server_start, source_name) AS place, count(*) FROM runs GROUP BY ALL
CREATE MACRO beside(server_start, source_name) AS
    coalesce('start ' || server_start, 'folder ' || regexp_extract(source_name, '^(.*/)?'));
