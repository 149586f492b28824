-- One row per load point: how often it was run, and what came out. Medians over its
-- runs, for reading; comparisons use the runs themselves.
--
-- column | unit | meaning | source
--   model | | model asked for | runs
--   hardware | | accelerator and host, as labelled | runs
--   path_label | | serving path: generic, tuned, … | runs
--   runtime | | serving runtime | runs
--   runtime_version | | version of the runtime | runs
--   max_concurrency | requests | most requests kept in flight: a setting | runs
--   request_rate | requests/s | offered load | runs
--   runs | runs | how many runs there are of it | run_summary
--   server_starts | | on how many server starts | run_summary
--   requests | requests | requests of all its runs | run_summary
--   failed | requests | failed ones among them | run_summary
--   concurrency | requests | median over its runs of the achieved concurrency | run_summary
--   ttft_p50_s | s | median over its runs of the median TTFT | run_summary
--   itl_mean_s | s | median over its runs of the mean chunk gap | run_summary
--   itl_p99_s | s | median over its runs of the 99th percentile of chunk gaps | run_summary
--   tpot_mean_s | s | median over its runs of the mean TPOT | run_summary
--   e2el_p50_s | s | median over its runs of the median E2EL | run_summary
--   output_throughput | tokens/s | median over its runs of the output throughput | run_summary
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
