-- How much slower is the first request of a run than the rest?
SELECT model, runtime_version, max_concurrency, count(*) AS runs, round(median(first_ttft / rest_ttft), 2) AS first_over_median
FROM (
    SELECT run_id, max(ttft_ns) FILTER (request_idx = 0) AS first_ttft, median(ttft_ns) FILTER (request_idx > 0) AS rest_ttft
    FROM requests WHERE status = 'ok' GROUP BY run_id
) JOIN runs USING (run_id)
WHERE runtime_version IS NOT NULL
GROUP BY ALL ORDER BY ALL;
