-- How many joules did an output token take?
-- As the clocks stand: of a run of seconds, one second between them counts, and
-- servestat resources, which aligns them, says otherwise.
WITH power AS (
    SELECT upload_sha256, source_name, server_start, at_time, sum(value) AS watts
    FROM samples
    WHERE unit = 'W' AND name IN ('VDD_GPU', 'VDD_CPU_SOC_MSS', 'power.draw') AND (labels->>'stat') IS NULL -- one way of adding up
    GROUP BY ALL
), pieces AS (
    SELECT *, (watts + lag(watts) OVER by_time) / 2 AS mean_watts, epoch(at_time - lag(at_time) OVER by_time) AS seconds
    FROM power WINDOW by_time AS (PARTITION BY upload_sha256 ORDER BY at_time)
), taken AS (
    SELECT run_id, any_value(model) AS model, any_value(max_concurrency) AS max_concurrency,
           sum(mean_watts * seconds) / sum(seconds) * any_value(duration_ns / 1e9) / any_value(output_tokens) AS joules_per_token
    FROM runs r JOIN pieces p
      ON (p.server_start = r.server_start OR p.server_start IS NULL AND starts_with(r.source_name, regexp_extract(p.source_name, '^(.*/)?')))
     AND p.at_time - to_seconds(p.seconds / 2) BETWEEN r.started_at AND r.started_at + to_microseconds(r.duration_ns // 1000)
    GROUP BY run_id
)
SELECT model, max_concurrency, count(*) AS runs, round(median(joules_per_token), 3) AS joules_per_output_token
FROM taken GROUP BY ALL ORDER BY ALL;
