-- Do later turns of a conversation start faster?
SELECT producer, turn, count(*) AS requests, round(avg(requests.input_tokens), 1) AS input_tokens, round(ms(median(ttft_ns)), 1) AS ttft_p50_ms
FROM requests JOIN runs USING (run_id)
WHERE session IS NOT NULL
GROUP BY ALL ORDER BY ALL;
