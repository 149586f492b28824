-- How many tokens does a chunk carry: what speculation and buffering do to ITL?
SELECT producer, t.tokens AS tokens_in_chunk, count(*) AS chunks, round(ms(median(gap_ns)), 2) AS gap_p50_ms,
       round(ms(median(gap_ns)) / nullif(t.tokens, 0), 2) AS per_token_ms
FROM tokens t JOIN runs USING (run_id)
WHERE t.tokens IS NOT NULL
GROUP BY producer, t.tokens ORDER BY ALL;
