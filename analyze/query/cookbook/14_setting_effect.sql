-- What did one setting do: chunked prefill on and off, same version and equal load?
SELECT model, runtime_version, max_concurrency, coalesce(engine_args->>'enable_chunked_prefill', 'not set') AS chunked_prefill, count(*) AS runs,
       round(1e3 * median(ttft_p99_s), 1) AS ttft_p99_ms, round(1e3 * median(itl_p99_s), 1) AS itl_p99_ms
FROM run_summary JOIN (SELECT run_id, engine_args FROM runs) USING (run_id)
WHERE engine_args IS NOT NULL
GROUP BY ALL ORDER BY ALL;
