-- When did decoding stall: chunk gaps of more than five times their run's median, by tenths of the run?
WITH medians AS (SELECT run_id, median(gap_ns) AS typical FROM tokens GROUP BY run_id)
SELECT runtime_version, least(9, 10 * at_ns // duration_ns) AS tenth, count(*) AS gaps, count_if(gap_ns > 5 * typical) AS stalls,
       round(ms(max(gap_ns)), 1) AS worst_ms
FROM token_times JOIN runs USING (run_id) JOIN medians USING (run_id)
WHERE runtime = 'vllm' AND max_concurrency = 16
GROUP BY ALL ORDER BY ALL;
