-- Do requests whose prompt was in the prefix cache get their first token sooner?
SELECT producer, model, cached_tokens > 0 AS cached, count(*) AS requests, round(avg(cached_tokens / requests.input_tokens), 3) AS share_of_prompt,
       round(ms(median(ttft_ns)), 1) AS ttft_p50_ms
FROM requests JOIN runs USING (run_id)
WHERE cached_tokens IS NOT NULL AND status = 'ok'
GROUP BY ALL ORDER BY ALL;
