-- Where did one request spend its time?
SELECT chunk_idx, ms(at_ns - r.start_ns) AS since_sent_ms, ms(gap_ns) AS gap_ms
FROM token_times t JOIN requests r USING (run_id, request_idx)
WHERE (run_id, request_idx) = (SELECT (run_id, request_idx) FROM requests JOIN runs USING (run_id) WHERE runtime = 'vllm' AND max_concurrency = 16 ORDER BY ttft_ns DESC, run_id LIMIT 1)
ORDER BY gap_ns DESC LIMIT 5;
