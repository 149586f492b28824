-- What is the most that a server ever gave in one second?
SELECT model, runtime_version, path_label, max_concurrency, round(max(peak_tokens_per_s)) AS peak_tokens_per_s, round(median(output_throughput), 1) AS mean_tokens_per_s
FROM peak_throughput() JOIN run_summary USING (run_id)
WHERE runtime_version IS NOT NULL
GROUP BY ALL ORDER BY ALL;
