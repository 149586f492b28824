-- One row per run: our own numbers, recomputed from the raw times of its
-- completed requests. Latencies in seconds, throughputs per second. TPOT is
-- summed in integer picoseconds, so that the result does not depend on the
-- order of threads. Numbers that begin with steady_ are of the steady window.
--
-- column | unit | meaning | source
--   run_id | | run | runs
--   source_name | | the upload's name as it was given | runs
--   model | | model asked for | runs
--   hardware | | accelerator and host, as labelled | runs
--   path_label | | serving path: generic, tuned, … | runs
--   runtime | | serving runtime: vllm, sglang, … | runs
--   runtime_version | | version of the runtime | runs
--   server_start | | which start of the server it was measured on: the unit of replication | runs
--   repeat | | number of the repeat, as labelled | runs
--   max_concurrency | requests | most requests kept in flight: a setting | runs
--   request_rate | requests/s | offered load | runs
--   simulated | | the log was made by a simulator | runs
--   started_at | | client wall clock at the start, zone unknown | runs
--   detailed | | the upload carries per-request and per-chunk times | runs
--   requests | requests | requests of the run, without warm-up | requests
--   completed | requests | of these, completed | requests.status
--   failed | requests | of these, failed | requests.status
--   suspect | requests | of these, counted as completed by the tool though no chunk came | requests.status
--   ttft_mean_s | s | mean time to first token of completed requests | requests.ttft_ns
--   ttft_p50_s | s | its median | requests.ttft_ns
--   ttft_p99_s | s | its 99th percentile, linear (type 7) | requests.ttft_ns
--   itl_mean_s | s | mean gap between chunks of completed requests | tokens.gap_ns
--   itl_p50_s | s | its median | tokens.gap_ns
--   itl_p99_s | s | its 99th percentile, linear (type 7) | tokens.gap_ns
--   tpot_mean_s | s | mean over requests of (E2EL - TTFT) / (output tokens - 1) | requests
--   tpot_token_weighted_s | s | the same, every token counted once: all decoding time over all its tokens | requests
--   e2el_mean_s | s | mean end-to-end latency of completed requests | requests.e2el_ns
--   e2el_p50_s | s | its median | requests.e2el_ns
--   e2el_p99_s | s | its 99th percentile, linear (type 7) | requests.e2el_ns
--   duration_s | s | the tool's clock around the whole run, ramp and tail included | runs.duration_ns
--   request_throughput | requests/s | completed requests over the duration | requests, runs.duration_ns
--   output_throughput | tokens/s | output tokens of completed requests over the duration | requests, runs.duration_ns
--   total_token_throughput | tokens/s | input and output tokens of completed requests over the duration | requests, runs.duration_ns
--   concurrency | requests | time-weighted mean of completed requests in flight: a measurement | requests.e2el_ns over the span of the run
--   concurrency_from_starts | | the span is from start times; else it is the duration | requests.start_ns
--   output_tokens | tokens | output tokens of completed requests | requests
--   input_tokens | tokens | input tokens of completed requests | requests
--   gaps | gaps | chunk gaps of completed requests | tokens
--   steady_from_s | s | where the load is reached, since the run's first request | steady_windows.from_ns
--   steady_warm_s | s | where the steady window begins, after a cold start | steady_windows.warm_ns
--   steady_to_s | s | where it ends | steady_windows.to_ns
--   steady_mean_e2els | 1 | its length in mean E2ELs | steady_windows
--   most_in_flight | requests | most requests that were ever in flight | steady_windows
--   steady_cold_slowdown | 1 | how much slower the cold start was; NULL where there was none | steady_windows
--   steady_requests | requests | completed requests that started in it | requests
--   steady_ttft_p50_s | s | median TTFT of these | requests.ttft_ns
--   steady_e2el_p50_s | s | median E2EL of these | requests.e2el_ns
--   steady_tpot_mean_s | s | mean TPOT of these | requests
--   steady_itl_mean_s | s | mean chunk gap, by the share of each request's decoding that lies in the window | requests
--   steady_output_throughput | tokens/s | output tokens produced in it over its length | requests
--   steady_concurrency | requests | mean of completed requests in flight in it | requests
CREATE VIEW run_summary AS
WITH itl AS (
    SELECT t.run_id, count(*) AS gaps, avg(gap_ns) / 1e9 AS itl_mean,
           quantile_cont(gap_ns, 0.5) / 1e9 AS itl_p50, quantile_cont(gap_ns, 0.99) / 1e9 AS itl_p99
    FROM tokens t
    ANTI JOIN (SELECT run_id, request_idx FROM requests WHERE status <> 'ok') bad
      ON t.run_id = bad.run_id AND t.request_idx = bad.request_idx
    GROUP BY t.run_id
)
SELECT run_id, source_name, model, hardware, path_label, runtime, runtime_version, server_start, repeat,
       max_concurrency, request_rate, simulated, started_at, detailed, requests, completed, failed, suspect,
       ttft_mean_s, ttft_p50_s, ttft_p99_s,
       itl.itl_mean AS itl_mean_s, itl.itl_p50 AS itl_p50_s, itl.itl_p99 AS itl_p99_s,
       tpot_mean_s, tpot_token_weighted_s, e2el_mean_s, e2el_p50_s, e2el_p99_s, duration_s, request_throughput,
       output_throughput, total_token_throughput, concurrency, concurrency_from_starts, output_tokens, input_tokens,
       itl.gaps,
       steady_from_s, steady_warm_s, steady_to_s, steady_mean_e2els, most_in_flight, steady_cold_slowdown,
       steady_requests, steady_ttft_p50_s, steady_e2el_p50_s, steady_tpot_mean_s, steady_itl_mean_s,
       steady_output_throughput, steady_concurrency
FROM run_numbers LEFT JOIN itl USING (run_id);
