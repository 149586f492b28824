-- One row per run: our own numbers, recomputed from the raw times of its
-- completed requests. Latencies in seconds, throughputs per second. TPOT is
-- summed in integer picoseconds, so that the result does not depend on the
-- order of threads. Numbers that begin with steady_ are of the steady window.
CREATE VIEW run_summary AS
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
), itl AS (
    SELECT t.run_id, count(*) AS gaps, avg(gap_ns) / 1e9 AS itl_mean,
           quantile_cont(gap_ns, 0.5) / 1e9 AS itl_p50, quantile_cont(gap_ns, 0.99) / 1e9 AS itl_p99
    FROM tokens t
    ANTI JOIN (SELECT run_id, request_idx FROM requests WHERE status <> 'ok') bad
      ON t.run_id = bad.run_id AND t.request_idx = bad.request_idx
    GROUP BY t.run_id
)
SELECT runs.run_id, source_name, model, hardware, path_label, runtime, runtime_version, server_start, repeat,
       max_concurrency, request_rate, simulated, started_at, detailed,
       req.requests, req.completed, req.failed, req.suspect,
       ttft_mean AS ttft_mean_s, ttft_p50 AS ttft_p50_s, ttft_p99 AS ttft_p99_s,
       itl_mean AS itl_mean_s, itl_p50 AS itl_p50_s, itl_p99 AS itl_p99_s,
       tpot_mean AS tpot_mean_s, tpot_token_weighted AS tpot_token_weighted_s,
       e2el_mean AS e2el_mean_s, e2el_p50 AS e2el_p50_s, e2el_p99 AS e2el_p99_s,
       duration_ns / 1e9 AS duration_s,
       req.completed / (duration_ns / 1e9) AS request_throughput,
       CAST(req.output_tokens AS DOUBLE) / (duration_ns / 1e9) AS output_throughput,
       CAST(req.input_tokens + req.output_tokens AS DOUBLE) / (duration_ns / 1e9) AS total_token_throughput,
       CAST(busy_ns AS DOUBLE) / coalesce(span_ns, duration_ns) AS concurrency,
       span_ns IS NOT NULL AS concurrency_from_starts,
       CAST(req.output_tokens AS BIGINT) AS output_tokens, CAST(req.input_tokens AS BIGINT) AS input_tokens,
       itl.gaps,
       run_steady.* EXCLUDE (run_id)
FROM runs JOIN req USING (run_id) LEFT JOIN itl USING (run_id) LEFT JOIN run_steady USING (run_id);
