-- How many requests were in flight, over time: one row per stretch between two
-- events. A request counts from its start to its last chunk; one whose end is not
-- known counts nowhere, and one of the warm-up is before the run.
--
-- column | unit | meaning | source
--   run_id | | run | requests
--   from_ns | ns | begin of the stretch, since the run's first request | starts and ends of requests
--   to_ns | ns | end of the stretch | starts and ends of requests
--   in_flight | requests | requests in flight all through the stretch | starts less ends so far
CREATE VIEW in_flight AS
WITH events AS (
    SELECT run_id, start_ns AS at_ns, 1 AS step FROM requests WHERE start_ns IS NOT NULL AND e2el_ns IS NOT NULL AND status <> 'warmup'
    UNION ALL
    SELECT run_id, start_ns + e2el_ns, -1 FROM requests WHERE start_ns IS NOT NULL AND e2el_ns IS NOT NULL AND status <> 'warmup'
), steps AS (
    SELECT run_id, at_ns, sum(step) AS step FROM events GROUP BY run_id, at_ns
)
SELECT run_id, at_ns AS from_ns, lead(at_ns) OVER by_time AS to_ns, CAST(sum(step) OVER by_time AS BIGINT) AS in_flight
FROM steps
WINDOW by_time AS (PARTITION BY run_id ORDER BY at_ns)
QUALIFY to_ns IS NOT NULL;
