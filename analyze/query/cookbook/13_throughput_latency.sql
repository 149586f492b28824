-- What does each level of load give and cost: throughput against latency?
SELECT model, runtime_version, path_label, max_concurrency, round(output_throughput, 1) AS tokens_per_s, round(1e3 * ttft_p50_s, 1) AS ttft_p50_ms,
       round(1e3 * tpot_mean_s, 2) AS tpot_ms, round(output_throughput / max_concurrency, 1) AS tokens_per_s_per_user
FROM load_points WHERE max_concurrency IS NOT NULL AND runtime_version IS NOT NULL ORDER BY ALL;
