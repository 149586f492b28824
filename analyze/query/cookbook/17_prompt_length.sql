-- Does TTFT grow with the prompt?
SELECT runtime_version, 16 * (requests.input_tokens // 16) AS from_tokens, count(*) AS requests, round(ms(median(ttft_ns)), 1) AS ttft_p50_ms
FROM requests JOIN runs USING (run_id)
WHERE runtime = 'vllm' AND max_concurrency = 1 AND status = 'ok'
GROUP BY ALL ORDER BY ALL;
