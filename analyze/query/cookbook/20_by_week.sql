-- What was measured in which week?
SELECT week_of(started_at) AS week, producer, model, count(*) AS runs, sum(requests) AS requests
FROM runs WHERE started_at IS NOT NULL AND detailed
GROUP BY ALL ORDER BY ALL;
