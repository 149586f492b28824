-- The summaries of the chosen runs, in a stable order.
SELECT s.* FROM run_summary s
JOIN (SELECT run_id FROM runs WHERE {{where}}) chosen USING (run_id)
ORDER BY s.run_id;
