-- When did decoding stall: chunk gaps of more than five times their run's median, by tenths of the run?
WITH medians AS (SELECT run_id, median(gap_ns) AS typical FROM tokens GROUP BY run_id), gaps AS (
    SELECT model, runtime_version, max_concurrency, gap_ns, gap_ns > 5 * typical AS stall, least(9, 10 * at_ns // duration_ns) AS tenth
    FROM token_times JOIN runs USING (run_id) JOIN medians USING (run_id)
    WHERE at_ns IS NOT NULL AND runtime_version IS NOT NULL
)
SELECT model, runtime_version, max_concurrency, count(*) AS gaps, count_if(stall) AS stalls, round(ms(max(gap_ns)), 1) AS worst_ms,
       [count_if(stall AND tenth = 0), count_if(stall AND tenth = 1), count_if(stall AND tenth = 2), count_if(stall AND tenth = 3), count_if(stall AND tenth = 4),
        count_if(stall AND tenth = 5), count_if(stall AND tenth = 6), count_if(stall AND tenth = 7), count_if(stall AND tenth = 8), count_if(stall AND tenth = 9)] AS stalls_by_tenth
FROM gaps GROUP BY ALL ORDER BY ALL;
