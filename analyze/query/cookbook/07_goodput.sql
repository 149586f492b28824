-- How many requests a second meet TTFT <= 100 ms and TPOT <= 30 ms?
SELECT model, runtime_version, path_label, max_concurrency, round(median(goodput), 2) AS goodput_per_s, round(median(good_share), 3) AS share
FROM goodput(ttft_ms := 100, tpot_ms := 30) JOIN runs USING (run_id)
WHERE runtime_version IS NOT NULL
GROUP BY ALL ORDER BY ALL;
