-- What people always write, as macros.

-- The middle, in nanoseconds, of a histogram's bucket: see schemas.Histogram.
CREATE MACRO bucket_ns(b) AS CASE WHEN b < 1000 THEN CAST(b AS DOUBLE)
    ELSE (b - 900 * ((b - 100) // 900) + 0.5) * pow(10, (b - 100) // 900) - 0.5 END;

-- Which ISO week a time is in, as 2026-W47.
CREATE MACRO week_of(t) AS strftime(t, '%G-W%V');

-- Goodput of every run under service-level objectives in milliseconds: completed
-- requests that met all that are given, a second.
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
CREATE MACRO beside(server_start, source_name) AS
    coalesce('start ' || server_start, 'folder ' || regexp_extract(source_name, '^(.*/)?'));
