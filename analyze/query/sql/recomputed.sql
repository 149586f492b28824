-- The statistics that benchmark tools report, from our records: mean, population
-- standard deviation and linear (type 7) percentiles, per run and metric, in
-- milliseconds. Sums of integers are exact, whatever the order: nanoseconds, and
-- for TPOT picoseconds.
WITH chosen AS (SELECT run_id FROM runs WHERE {{where}}),
ok AS (SELECT r.* FROM requests r JOIN chosen USING (run_id) WHERE r.status = 'ok'),
v AS (
    SELECT run_id, 'ttft' AS metric, 1e6 AS per_ms, ttft_ns AS v FROM ok
    UNION ALL SELECT run_id, 'e2el', 1e6, e2el_ns FROM ok
    UNION ALL SELECT run_id, 'tpot', 1e9, CAST(round((e2el_ns - ttft_ns) * 1e3 / nullif(output_tokens - 1, 0)) AS BIGINT) FROM ok WHERE output_tokens > 1
    {{itl}}
)
SELECT run_id, metric, count(v) AS n,
       avg(v) / any_value(per_ms) AS mean_ms,
       sqrt(CAST(count(v) * sum(CAST(v AS HUGEINT) * v) - sum(v) * sum(v) AS DOUBLE)) / count(v) / any_value(per_ms) AS std_ms,
       list_transform(quantile_cont(v, {{percentiles}}), q -> q / any_value(per_ms)) AS percentiles_ms
FROM v WHERE v IS NOT NULL
GROUP BY run_id, metric
ORDER BY run_id, metric;
