-- What does each level of load give and cost: throughput against latency?
SELECT runtime_version, max_concurrency, round(output_throughput, 1) AS tokens_per_s, round(1e3 * ttft_p50_s, 1) AS ttft_p50_ms,
       round(1e3 * tpot_mean_s, 2) AS tpot_ms, round(output_throughput / max_concurrency, 1) AS tokens_per_s_per_user
FROM load_points WHERE runtime = 'vllm' ORDER BY ALL;
