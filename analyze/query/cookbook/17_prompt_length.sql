-- Does TTFT grow with the prompt: one request at a time, by powers of two of its length?
SELECT model, runtime_version, CAST(pow(2, floor(log2(requests.input_tokens))) AS BIGINT) AS from_tokens, count(*) AS requests,
       round(avg(requests.input_tokens), 1) AS mean_tokens, round(ms(median(ttft_ns)), 1) AS ttft_p50_ms
FROM requests JOIN runs USING (run_id)
WHERE max_concurrency = 1 AND status = 'ok' AND requests.input_tokens > 0
GROUP BY ALL ORDER BY ALL;
