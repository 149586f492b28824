-- Was the asked concurrency ever reached, and for how long?
SELECT runtime_version, max_concurrency, round(median(concurrency), 2) AS achieved, min(most_in_flight) AS most_in_flight,
       round(median((steady_to_s - steady_warm_s) / duration_s), 2) AS steady_share
FROM run_summary WHERE runtime = 'vllm'
GROUP BY ALL ORDER BY ALL;
