-- Which truth checks runs fail, by the findings that the lake keeps.
SELECT check_name, count(DISTINCT run_id)
FROM findings
WHERE verdict = 'FAIL' AND run_id IS NOT NULL
GROUP BY check_name
ORDER BY check_name
