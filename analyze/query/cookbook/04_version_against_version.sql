-- What changed from each version to the one measured after it, at equal load, and how far apart are the runs of one version?
WITH by_version AS (
    SELECT model, hardware, path_label, max_concurrency, runtime_version, min(started_at) AS since, count(*) AS runs,
           median(itl_mean_s) AS itl_s, max(itl_mean_s) / min(itl_mean_s) - 1 AS itl_range
    FROM run_summary WHERE itl_mean_s IS NOT NULL AND runtime_version IS NOT NULL GROUP BY ALL
), pairs AS (
    SELECT *, lag(runtime_version) OVER earlier AS baseline, lag(itl_s) OVER earlier AS baseline_itl_s, lag(itl_range) OVER earlier AS baseline_range
    FROM by_version WINDOW earlier AS (PARTITION BY model, hardware, path_label, max_concurrency ORDER BY since, runtime_version)
)
SELECT model, max_concurrency, baseline, runtime_version AS candidate, round(1e3 * baseline_itl_s, 2) AS baseline_itl_ms, round(1e3 * itl_s, 2) AS candidate_itl_ms,
       round(itl_s / baseline_itl_s - 1, 3) AS change, round(baseline_range, 3) AS range_of_baseline
FROM pairs WHERE baseline IS NOT NULL ORDER BY ALL;
