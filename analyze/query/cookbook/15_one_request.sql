-- Where did one request spend its time: the longest gaps of the one that waited longest for its first token?
WITH worst AS (
    SELECT run_id, request_idx, start_ns, ttft_ns FROM requests
    WHERE status = 'ok' AND start_ns IS NOT NULL AND chunks > 5
    ORDER BY ttft_ns DESC, run_id, request_idx LIMIT 1
)
SELECT model, runtime_version, max_concurrency, w.request_idx, round(ms(ttft_ns), 2) AS ttft_ms, chunk_idx,
       round(ms(at_ns - start_ns), 2) AS since_sent_ms, round(ms(gap_ns), 2) AS gap_ms
FROM worst w JOIN token_times t ON t.run_id = w.run_id AND t.request_idx = w.request_idx JOIN runs ON runs.run_id = w.run_id
ORDER BY gap_ns DESC, chunk_idx LIMIT 5;
