-- One row per load point: how often it was run, and the range of what came out.
-- Medians over runs, for reading; comparisons use the runs themselves.
CREATE VIEW load_points AS
SELECT model, hardware, path_label, runtime, runtime_version, max_concurrency, request_rate,
       count(*) AS runs, count(DISTINCT server_start) AS server_starts,
       CAST(sum(requests) AS BIGINT) AS requests, CAST(sum(failed) AS BIGINT) AS failed,
       median(concurrency) AS concurrency,
       median(ttft_p50_s) AS ttft_p50_s, median(itl_mean_s) AS itl_mean_s, median(itl_p99_s) AS itl_p99_s,
       median(tpot_mean_s) AS tpot_mean_s, median(e2el_p50_s) AS e2el_p50_s,
       median(output_throughput) AS output_throughput
FROM run_summary
GROUP BY ALL;
