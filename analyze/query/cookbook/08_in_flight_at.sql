-- How many requests were in flight two seconds into each run?
SELECT model, runtime_version, max_concurrency, min(in_flight) AS least, max(in_flight) AS most, count(*) AS runs
FROM in_flight JOIN runs USING (run_id)
WHERE runtime_version IS NOT NULL AND from_ns <= 2e9 AND to_ns > 2e9
GROUP BY ALL ORDER BY ALL;
