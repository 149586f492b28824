-- The numbers of the chosen runs, in a stable order. No token is read.
SELECT s.* FROM run_numbers s
JOIN (SELECT run_id FROM runs WHERE {{where}}) chosen USING (run_id)
ORDER BY s.run_id;
