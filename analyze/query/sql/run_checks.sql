-- What the truth checks look at besides a run's summary, for the chosen runs.
WITH chosen AS (SELECT run_id, duration_ns FROM runs WHERE {{where}}),
ok AS (
    SELECT r.*, start_ns = min(start_ns) OVER (PARTITION BY r.run_id) AS first
    FROM requests r JOIN chosen USING (run_id) WHERE status = 'ok'
), of_requests AS (
    SELECT run_id,
           avg(CAST(output_tokens = 1 AS INTEGER)) AS one_token,
           max(ttft_ns) FILTER (first) / nullif(quantile_cont(ttft_ns, 0.5), 0) AS first_ttft,
           sum(cached_tokens) / nullif(sum(input_tokens) FILTER (cached_tokens IS NOT NULL), 0) AS cached_share,
           avg(start_ns - scheduled_ns) / 1e9 AS dispatch_delay_s,
           avg(start_ns + e2el_ns - scheduled_ns) / 1e9 AS e2el_from_schedule_s
    FROM ok GROUP BY run_id
), gaps AS (
    SELECT run_id, bucket_ns(unnest(hist_bucket)) AS ns, unnest(hist_count) AS n, count
    FROM cells JOIN chosen USING (run_id) WHERE metric = 'itl'
), medians AS (
    SELECT run_id, min(ns) AS median
    FROM (SELECT run_id, ns, 2 * sum(n) OVER (PARTITION BY run_id ORDER BY ns) >= count AS half FROM gaps)
    WHERE half GROUP BY run_id
), of_gaps AS (
    SELECT run_id, CAST(coalesce(sum(n) FILTER (ns < 0.1 * median), 0) AS DOUBLE) / sum(n) AS crowded,
           CAST(coalesce(sum(n) FILTER (ns > 10 * median), 0) AS DOUBLE) / sum(n) AS stalled
    FROM gaps JOIN medians USING (run_id) GROUP BY run_id
), of_flight AS (
    SELECT run_id, sum(to_ns - from_ns) FILTER (in_flight = 0) AS empty_ns, max(to_ns) - min(from_ns) AS span_ns
    FROM in_flight JOIN chosen USING (run_id) GROUP BY run_id
)
SELECT run_id, one_token, first_ttft, cached_share, dispatch_delay_s, e2el_from_schedule_s, crowded, stalled,
       least(1, greatest(0, (coalesce(empty_ns, 0) + greatest(0, duration_ns - span_ns)) / duration_ns)) AS idle
FROM chosen JOIN of_requests USING (run_id) LEFT JOIN of_gaps USING (run_id) LEFT JOIN of_flight USING (run_id)
ORDER BY run_id;
