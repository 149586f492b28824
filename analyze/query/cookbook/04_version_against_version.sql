-- What changed from one version to another at equal load: median over server starts, and their range?
SELECT max_concurrency,
       round(1e3 * median(itl_mean_s) FILTER (runtime_version = '0.19.1'), 2) AS itl_0_19_ms,
       round(1e3 * median(itl_mean_s) FILTER (runtime_version = '0.32.0'), 2) AS itl_0_32_ms,
       round(median(itl_mean_s) FILTER (runtime_version = '0.32.0') / median(itl_mean_s) FILTER (runtime_version = '0.19.1') - 1, 3) AS change,
       round(max(itl_mean_s) FILTER (runtime_version = '0.19.1') / min(itl_mean_s) FILTER (runtime_version = '0.19.1') - 1, 3) AS range_0_19
FROM run_summary WHERE runtime = 'vllm' AND path_label IS NULL
GROUP BY ALL ORDER BY ALL;
