-- Which requests waited longest for their first token, and how many others were in flight when they were sent?
WITH worst AS (
    SELECT run_id, request_idx, start_ns, ttft_ns, input_tokens FROM requests
    WHERE status = 'ok' AND start_ns IS NOT NULL
    ORDER BY ttft_ns DESC, run_id, request_idx LIMIT 5
)
SELECT model, runtime_version, max_concurrency, server_start, w.request_idx, round(ms(w.ttft_ns), 1) AS ttft_ms, w.input_tokens,
       count(o.request_idx) AS in_flight
FROM worst w JOIN runs USING (run_id)
LEFT JOIN requests o ON o.run_id = w.run_id AND o.request_idx <> w.request_idx AND o.start_ns <= w.start_ns AND o.start_ns + o.e2el_ns > w.start_ns
GROUP BY ALL ORDER BY ttft_ms DESC, server_start, w.request_idx;
