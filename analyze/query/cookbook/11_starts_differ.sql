-- How far apart are server starts of the same version and load: the noise that a comparison must beat?
SELECT runtime_version, max_concurrency, count(*) AS starts, round(1e3 * min(itl_mean_s), 2) AS least_ms, round(1e3 * max(itl_mean_s), 2) AS most_ms,
       round(stddev_samp(ln(itl_mean_s)), 4) AS log_sigma
FROM run_summary WHERE runtime = 'vllm' AND source_name NOT LIKE '%no-chunked-prefill%'
GROUP BY ALL ORDER BY ALL;
