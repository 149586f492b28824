-- One row per run with start times: its numbers inside the steady window, after
-- the cold start. Requests that started in it give TTFT, E2EL and TPOT. Tokens
-- and gaps count by the share of a request's decoding time, from its first chunk
-- to its last, that lies inside; a first token counts where it came.
--
-- column | unit | meaning | source
--   run_id | | run | steady_windows
--   steady_from_s | s | where the load is reached, since the run's first request | steady_windows.from_ns
--   steady_warm_s | s | where the steady window begins, after a cold start | steady_windows.warm_ns
--   steady_to_s | s | where it ends | steady_windows.to_ns
--   steady_mean_e2els | 1 | its length in mean E2ELs | steady_windows
--   most_in_flight | requests | most requests that were ever in flight | steady_windows
--   steady_cold_slowdown | 1 | how much slower the cold start was; NULL where there was none | steady_windows
--   steady_requests | requests | completed requests that started in it | requests
--   steady_ttft_p50_s | s | median TTFT of these | requests.ttft_ns
--   steady_e2el_p50_s | s | median E2EL of these | requests.e2el_ns
--   steady_ttft_hd_p50_s | s | the same by Harrell and Davis | requests.ttft_ns
--   steady_e2el_hd_p50_s | s | the same by Harrell and Davis | requests.e2el_ns
--   steady_tpot_mean_s | s | mean TPOT of these | requests
--   steady_itl_mean_s | s | mean chunk gap, by the share of each request's decoding that lies in the window | requests
--   steady_output_throughput | tokens/s | output tokens produced in it over its length | requests
--   steady_concurrency | requests | mean of completed requests in flight in it | requests
CREATE VIEW run_steady AS
WITH cut AS (
    SELECT r.run_id, w.warm_ns, w.to_ns, w.from_ns, w.mean_e2els, w.most_in_flight, w.cold_slowdown, start_ns, ttft_ns, e2el_ns, input_tokens, output_tokens,
           chunks, e2el_ns - ttft_ns AS decoding,
           greatest(0, least(start_ns + e2el_ns, w.to_ns) - greatest(start_ns + ttft_ns, w.warm_ns)) AS inside,
           start_ns >= w.warm_ns AND start_ns < w.to_ns AS starts_inside,
           start_ns + ttft_ns >= w.warm_ns AND start_ns + ttft_ns < w.to_ns AS first_inside,
           greatest(0, least(start_ns + e2el_ns, w.to_ns) - greatest(start_ns, w.warm_ns)) AS present
    FROM requests r JOIN steady_windows w USING (run_id)
    WHERE status = 'ok' AND ttft_ns IS NOT NULL AND e2el_ns IS NOT NULL
), ranked AS (
    SELECT run_id, ttft_ns, e2el_ns, count(*) OVER run AS n,
           row_number() OVER (run ORDER BY ttft_ns) AS i, row_number() OVER (run ORDER BY e2el_ns) AS j
    FROM cut WHERE starts_inside WINDOW run AS (PARTITION BY run_id)
), strip AS (
    SELECT n, unnest(range(greatest(1, n // 2 - reach), least(n, n // 2 + 1 + reach) + 1)) AS i
    FROM (SELECT DISTINCT n, CAST(3.5 * sqrt(n) AS BIGINT) AS reach FROM ranked)
), density AS (
    -- How much of Beta((n+1)/2, (n+1)/2) lies between (i-1)/n and i/n, which is what
    -- the i-th of n values counts (Harrell & Davis 1982), by Gauss and Legendre at
    -- five points, made to add up to one. The strips that are left out hold 1e-11 of it.
    SELECT n, i, list_sum(list_transform(
        [{x: 0.046910077030668004, w: 0.11846344252809454}, {x: 0.23076534494715845, w: 0.23931433524968324}, {x: 0.5, w: 0.28444444444444444},
         {x: 0.7692346550528415, w: 0.23931433524968324}, {x: 0.953089922969332, w: 0.11846344252809454}],
        lambda g: g.w / n * exp(lgamma(n + 1.0) - 2 * lgamma((n + 1) / 2.0) + (n - 1) / 2.0 * ln((i - g.x) / n * (1 - (i - g.x) / n))))) AS w
    FROM strip
), weight AS MATERIALIZED (
    SELECT n, i, w / sum(w) OVER (PARTITION BY n ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS w FROM density
), ttft AS (
    -- Summed in femtoseconds, so that the result does not depend on the order of threads.
    SELECT run_id, sum(CAST(round(1e6 * ttft_ns * w) AS HUGEINT)) / 1e15 AS median FROM ranked JOIN weight USING (n, i) GROUP BY run_id
), e2el AS (
    SELECT run_id, sum(CAST(round(1e6 * e2el_ns * w) AS HUGEINT)) / 1e15 AS median FROM ranked JOIN weight ON weight.n = ranked.n AND weight.i = j GROUP BY run_id
), number AS (
    SELECT run_id, any_value(from_ns) / 1e9 AS steady_from_s, any_value(warm_ns) / 1e9 AS steady_warm_s, any_value(to_ns) / 1e9 AS steady_to_s,
           any_value(mean_e2els) AS steady_mean_e2els, any_value(most_in_flight) AS most_in_flight, any_value(cold_slowdown) AS steady_cold_slowdown,
           count_if(starts_inside) AS steady_requests,
           quantile_cont(ttft_ns, 0.5) FILTER (starts_inside) / 1e9 AS steady_ttft_p50_s,
           quantile_cont(e2el_ns, 0.5) FILTER (starts_inside) / 1e9 AS steady_e2el_p50_s,
           avg(CAST(round(decoding * 1e3 / nullif(output_tokens - 1, 0)) AS BIGINT)) FILTER (starts_inside AND output_tokens > 1) / 1e12 AS steady_tpot_mean_s,
           -- In micro-gaps, so that the sum is of integers and the same on every machine.
           1e6 * sum(inside) / nullif(sum(CASE WHEN decoding > 0 THEN CAST(round(1e6 * (chunks - 1) * (inside / decoding)) AS BIGINT) ELSE 0 END), 0) / 1e9 AS steady_itl_mean_s,
           sum(CAST(first_inside AS BIGINT) * 1000000 + CASE WHEN decoding > 0 THEN CAST(round(1e6 * (output_tokens - 1) * (inside / decoding)) AS BIGINT) ELSE 0 END)
             / 1e6 / (any_value(to_ns - warm_ns) / 1e9) AS steady_output_throughput,
           sum(present) / any_value(to_ns - warm_ns) AS steady_concurrency
    FROM cut
    GROUP BY run_id
)
SELECT run_id, steady_from_s, steady_warm_s, steady_to_s, steady_mean_e2els, most_in_flight, steady_cold_slowdown, steady_requests,
       steady_ttft_p50_s, steady_e2el_p50_s, ttft.median AS steady_ttft_hd_p50_s, e2el.median AS steady_e2el_hd_p50_s,
       steady_tpot_mean_s, steady_itl_mean_s, steady_output_throughput, steady_concurrency
FROM number LEFT JOIN ttft USING (run_id) LEFT JOIN e2el USING (run_id);
