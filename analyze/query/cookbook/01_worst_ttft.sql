-- Which requests waited longest for their first token, and what else was in flight then?
SELECT runtime_version, max_concurrency, server_start, request_idx, round(ms(ttft_ns), 1) AS ttft_ms, r.input_tokens,
       (SELECT count(*) FROM requests o
        WHERE o.run_id = r.run_id AND o.request_idx <> r.request_idx AND o.start_ns <= r.start_ns AND o.start_ns + o.e2el_ns > r.start_ns) AS in_flight
FROM requests r JOIN runs USING (run_id)
WHERE status = 'ok' AND runtime = 'vllm'
ORDER BY ttft_ns DESC, server_start, request_idx LIMIT 5;
