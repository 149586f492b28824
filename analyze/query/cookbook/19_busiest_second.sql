-- What is the most that a server ever gave in one second?
SELECT runtime_version, max_concurrency, round(max(peak_tokens_per_s)) AS peak_tokens_per_s, round(median(output_throughput), 1) AS mean_tokens_per_s
FROM peak_throughput() JOIN run_summary USING (run_id)
WHERE runtime = 'vllm' AND source_name NOT LIKE '%no-chunked-prefill%'
GROUP BY ALL ORDER BY ALL;
