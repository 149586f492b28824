-- One row per run: what runs are compared by, and all else that is known of them
-- without reading a token: of requests recomputed, of chunk gaps from cells.
-- Latencies in seconds, throughputs per second. TPOT is summed in integer
-- picoseconds, so that the result does not depend on the order of threads. Numbers
-- that begin with steady_ are of the steady window. Percentiles by Harrell and Davis
-- weigh all values and so vary less from run to run than those between two of them.
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
--   gaps | gaps | chunk gaps of completed requests | cells
--   itl_mean_s | s | mean gap between chunks of completed requests | cells.sum_ns, count
--   ttft_hd_p50_s | s | median of TTFT by Harrell and Davis; its linear one (type 7) where an older servestat wrote the cells | cells.p50_ns
--   ttft_hd_p95_s | s | 95th percentile, likewise | cells.p95_ns
--   ttft_hd_p99_s | s | 99th percentile, likewise | cells.p99_ns
--   itl_hd_p50_s | s | median gap between chunks by Harrell and Davis | cells.p50_ns
--   itl_hd_p95_s | s | 95th percentile, likewise | cells.p95_ns
--   itl_hd_p99_s | s | 99th percentile, likewise | cells.p99_ns
--   e2el_hd_p50_s | s | median of E2EL by Harrell and Davis, or as with TTFT | cells.p50_ns
--   e2el_hd_p95_s | s | 95th percentile, likewise | cells.p95_ns
--   e2el_hd_p99_s | s | 99th percentile, likewise | cells.p99_ns
--   steady_from_s | s | where the load is reached, since the run's first request | steady_windows.from_ns
--   steady_warm_s | s | where the steady window begins, after a cold start | steady_windows.warm_ns
--   steady_to_s | s | where it ends | steady_windows.to_ns
--   steady_mean_e2els | 1 | its length in mean E2ELs | steady_windows
--   most_in_flight | requests | most requests that were ever in flight | steady_windows
--   steady_cold_slowdown | 1 | how much slower the cold start was; NULL where there was none | steady_windows
--   steady_requests | requests | completed requests that started in it | requests
--   steady_ttft_p50_s | s | median TTFT of these | requests.ttft_ns
--   steady_e2el_p50_s | s | median E2EL of these | requests.e2el_ns
--   steady_ttft_hd_p50_s | s | the same by Harrell and Davis | requests.ttft_ns
--   steady_e2el_hd_p50_s | s | the same by Harrell and Davis | requests.e2el_ns
--   steady_tpot_mean_s | s | mean TPOT of these | requests
--   steady_itl_mean_s | s | mean chunk gap, by the share of each request's decoding that lies in the window | requests
--   steady_output_throughput | tokens/s | output tokens produced in it over its length | requests
--   steady_concurrency | requests | mean of completed requests in flight in it | requests
CREATE VIEW run_numbers AS
WITH req AS (
    SELECT run_id,
           count(*) FILTER (status <> 'warmup') AS requests,
           count(*) FILTER (status = 'ok') AS completed,
           count(*) FILTER (status = 'failed') AS failed,
           count(*) FILTER (status = 'suspect') AS suspect,
           avg(ttft_ns) FILTER (status = 'ok') / 1e9 AS ttft_mean,
           quantile_cont(ttft_ns, 0.5) FILTER (status = 'ok') / 1e9 AS ttft_p50,
           quantile_cont(ttft_ns, 0.99) FILTER (status = 'ok') / 1e9 AS ttft_p99,
           avg(e2el_ns) FILTER (status = 'ok') / 1e9 AS e2el_mean,
           quantile_cont(e2el_ns, 0.5) FILTER (status = 'ok') / 1e9 AS e2el_p50,
           quantile_cont(e2el_ns, 0.99) FILTER (status = 'ok') / 1e9 AS e2el_p99,
           avg(CAST(round((e2el_ns - ttft_ns) * 1e3 / nullif(output_tokens - 1, 0)) AS BIGINT))
             FILTER (status = 'ok' AND output_tokens > 1) / 1e12 AS tpot_mean,
           CAST(sum(e2el_ns - ttft_ns) FILTER (status = 'ok' AND output_tokens > 1) AS DOUBLE)
             / sum(output_tokens - 1) FILTER (status = 'ok' AND output_tokens > 1 AND e2el_ns IS NOT NULL AND ttft_ns IS NOT NULL) / 1e9 AS tpot_token_weighted,
           sum(output_tokens) FILTER (status = 'ok') AS output_tokens,
           sum(input_tokens) FILTER (status = 'ok') AS input_tokens,
           -- A request whose end is not known is in flight for an unknown time: it adds nothing.
           sum(e2el_ns) FILTER (status = 'ok') AS busy_ns,
           max(start_ns + e2el_ns) FILTER (status = 'ok') - min(start_ns) FILTER (status = 'ok') AS span_ns
    FROM requests GROUP BY run_id
), of_cells AS (
    SELECT run_id,
           any_value(count) FILTER (metric = 'itl') AS gaps,
           any_value(CAST(sum_ns AS DOUBLE) / count / 1e9) FILTER (metric = 'itl') AS itl_mean_s,
           any_value(p50_ns / 1e9) FILTER (metric = 'ttft') AS ttft_hd_p50, any_value(p50_ns / 1e9) FILTER (metric = 'e2el') AS e2el_hd_p50,
           any_value(p95_ns / 1e9) FILTER (metric = 'ttft') AS ttft_hd_p95_s, any_value(p99_ns / 1e9) FILTER (metric = 'ttft') AS ttft_hd_p99_s,
           any_value(p50_ns / 1e9) FILTER (metric = 'itl') AS itl_hd_p50_s,
           any_value(p95_ns / 1e9) FILTER (metric = 'itl') AS itl_hd_p95_s, any_value(p99_ns / 1e9) FILTER (metric = 'itl') AS itl_hd_p99_s,
           any_value(p95_ns / 1e9) FILTER (metric = 'e2el') AS e2el_hd_p95_s, any_value(p99_ns / 1e9) FILTER (metric = 'e2el') AS e2el_hd_p99_s
    FROM cells GROUP BY run_id
)
SELECT runs.run_id, source_name, model, hardware, path_label, runtime, runtime_version, server_start, repeat,
       max_concurrency, request_rate, simulated, started_at, detailed,
       req.requests, req.completed, req.failed, req.suspect,
       ttft_mean AS ttft_mean_s, ttft_p50 AS ttft_p50_s, ttft_p99 AS ttft_p99_s,
       tpot_mean AS tpot_mean_s, tpot_token_weighted AS tpot_token_weighted_s,
       e2el_mean AS e2el_mean_s, e2el_p50 AS e2el_p50_s, e2el_p99 AS e2el_p99_s,
       duration_ns / 1e9 AS duration_s,
       req.completed / (duration_ns / 1e9) AS request_throughput,
       CAST(req.output_tokens AS DOUBLE) / (duration_ns / 1e9) AS output_throughput,
       CAST(req.input_tokens + req.output_tokens AS DOUBLE) / (duration_ns / 1e9) AS total_token_throughput,
       CAST(busy_ns AS DOUBLE) / coalesce(span_ns, duration_ns) AS concurrency,
       span_ns IS NOT NULL AS concurrency_from_starts,
       CAST(req.output_tokens AS BIGINT) AS output_tokens, CAST(req.input_tokens AS BIGINT) AS input_tokens,
       gaps, itl_mean_s, coalesce(ttft_hd_p50, ttft_p50) AS ttft_hd_p50_s, ttft_hd_p95_s, ttft_hd_p99_s, itl_hd_p50_s, itl_hd_p95_s, itl_hd_p99_s,
       coalesce(e2el_hd_p50, e2el_p50) AS e2el_hd_p50_s, e2el_hd_p95_s, e2el_hd_p99_s,
       run_steady.* EXCLUDE (run_id)
FROM runs JOIN req USING (run_id) LEFT JOIN of_cells USING (run_id) LEFT JOIN run_steady USING (run_id);
