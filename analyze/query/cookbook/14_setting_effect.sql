-- What did one setting do: chunked prefill on and off at equal load?
SELECT max_concurrency, labels->>'flags' AS flags, count(*) AS runs, round(1e3 * median(ttft_p99_s), 1) AS ttft_p99_ms, round(1e3 * median(itl_p99_s), 1) AS itl_p99_ms
FROM run_summary JOIN (SELECT run_id, labels FROM runs) USING (run_id)
WHERE runtime_version IN ('0.20.2', '0.32.0')
GROUP BY ALL ORDER BY ALL;
