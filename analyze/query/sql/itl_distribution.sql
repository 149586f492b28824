-- How chunk gaps are distributed at each load point, from the cells' histograms:
-- one row per non-empty bucket. For pictures; exact to three digits.
SELECT model, hardware, path_label, runtime_version, max_concurrency, bucket, CAST(sum(n) AS BIGINT) AS n
FROM (
    SELECT runs.*, unnest(hist_bucket) AS bucket, unnest(hist_count) AS n
    FROM cells JOIN runs USING (run_id)
    WHERE metric = 'itl' AND {{where}}
)
GROUP BY ALL
ORDER BY ALL;
