-- What failed, and how?
SELECT producer, status, error_class, n AS requests, round(100 * n / sum(n) OVER (PARTITION BY producer), 1) AS percent
FROM (SELECT producer, status, error_class, count(*) AS n FROM requests JOIN runs USING (run_id) GROUP BY ALL)
ORDER BY ALL;
