-- How far apart are server starts of the same version and load: the noise that a comparison must beat?
SELECT model, runtime_version, path_label, max_concurrency, count(*) AS runs, count(DISTINCT server_start) AS starts,
       round(1e3 * min(itl_mean_s), 2) AS least_ms, round(1e3 * max(itl_mean_s), 2) AS most_ms, round(stddev_samp(ln(itl_mean_s)), 4) AS log_sigma
FROM run_summary WHERE itl_mean_s > 0 AND runtime_version IS NOT NULL
GROUP BY ALL ORDER BY ALL;
