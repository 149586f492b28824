-- Does the tool's own p99 TTFT agree with the one that is recomputed?
SELECT producer, runtime_version, count(*) AS runs, max(abs(CAST(reported->>'p99_ttft_ms' AS DOUBLE) / (1e3 * ttft_p99_s) - 1)) < 1e-6 AS the_same
FROM runs JOIN (SELECT run_id, ttft_p99_s FROM run_summary) USING (run_id)
WHERE reported->>'p99_ttft_ms' IS NOT NULL AND ttft_p99_s > 0
GROUP BY ALL ORDER BY ALL;
