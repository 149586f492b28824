-- Was the asked concurrency ever reached, and for how long?
SELECT model, runtime_version, path_label, max_concurrency, round(median(concurrency), 2) AS achieved, min(most_in_flight) AS most_in_flight,
       round(median((steady_to_s - steady_warm_s) / duration_s), 2) AS steady_share
FROM run_summary WHERE max_concurrency IS NOT NULL AND runtime_version IS NOT NULL
GROUP BY ALL ORDER BY ALL;
