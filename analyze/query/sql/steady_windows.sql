-- The steady window of a run: the longest stretch with at least 0.9 of the most
-- requests that were ever in flight, so that ramp and drain are outside (the rule
-- of sglang#30918). A dip below that ends within a tenth of the mean E2EL is the
-- client's turn-around between two requests, and ends no stretch.
--
-- A start-up that was cold is cut off as well: with the TPOTs of the requests
-- that started in the window in batches of five, MSER-5 (White 1997: the cut d
-- that minimises the squared standard error of the mean of what is left, at most
-- half of it) says where, and it counts only where what is cut was at least a
-- tenth slower than the rest. warm_ns is where the window begins after that.
--
-- column | unit | meaning | source
--   run_id | | run | in_flight
--   from_ns | ns | where the load is reached, since the run's first request | in_flight
--   to_ns | ns | where it falls | in_flight
--   warm_ns | ns | where the window begins once a cold start is cut off; equals from_ns where there was none | TPOTs of requests in order of their start
--   first_ns | ns | first start of a request | in_flight
--   last_ns | ns | last end of a request | in_flight
--   most_in_flight | requests | most requests that were ever in flight | in_flight
--   mean_e2els | 1 | length of the window in mean E2ELs of completed requests | warm_ns, to_ns, requests.e2el_ns
--   cold_slowdown | 1 | mean TPOT of what was cut off over that of the rest; NULL where nothing was | TPOTs of requests
CREATE VIEW steady_windows AS
WITH whole AS (
    SELECT run_id, max(in_flight) AS most, min(from_ns) AS first_ns, max(to_ns) AS last_ns FROM in_flight GROUP BY run_id
), lengths AS (
    SELECT run_id, avg(e2el_ns) FILTER (status = 'ok') AS e2el FROM requests GROUP BY run_id
), marked AS (
    SELECT run_id, from_ns, to_ns, in_flight >= 0.9 * most AS laden, first_ns, last_ns, e2el
    FROM in_flight JOIN whole USING (run_id) JOIN lengths USING (run_id)
), numbered AS (
    SELECT *, count_if(changes) OVER (PARTITION BY run_id ORDER BY from_ns) AS stretch
    FROM (SELECT *, laden IS DISTINCT FROM lag(laden) OVER (PARTITION BY run_id ORDER BY from_ns) AS changes FROM marked)
), stretches AS (
    SELECT run_id, stretch, any_value(laden) AS laden, min(from_ns) AS from_ns, max(to_ns) AS to_ns,
           any_value(first_ns) AS first_ns, any_value(last_ns) AS last_ns, any_value(e2el) AS e2el
    FROM numbered GROUP BY run_id, stretch
), bridged AS (
    SELECT *, laden OR (from_ns > first_ns AND to_ns < last_ns AND to_ns - from_ns < 0.1 * e2el) AS counts FROM stretches
), joined AS (
    SELECT run_id, grp, min(from_ns) AS from_ns, max(to_ns) AS to_ns
    FROM (
        SELECT *, count_if(NOT counts) OVER (PARTITION BY run_id ORDER BY from_ns) AS grp FROM bridged
    )
    WHERE counts
    GROUP BY run_id, grp
), longest AS (
    SELECT run_id, from_ns, to_ns FROM joined
    QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY to_ns - from_ns DESC, from_ns) = 1
), batches AS (
    SELECT run_id, batch, min(start_ns) AS start_ns, sum(tpot_ps) AS tpot_ps, count(*) AS n
    FROM (
        SELECT r.run_id, start_ns, CAST(round((e2el_ns - ttft_ns) * 1e3 / nullif(output_tokens - 1, 0)) AS BIGINT) AS tpot_ps,
               (row_number() OVER (PARTITION BY r.run_id ORDER BY start_ns, e2el_ns, ttft_ns, request_idx) - 1) // 5 AS batch
        FROM requests r JOIN longest w ON r.run_id = w.run_id AND start_ns >= from_ns AND start_ns < to_ns
        WHERE status = 'ok' AND output_tokens > 1
    )
    GROUP BY run_id, batch
), suffixes AS (
    SELECT run_id, batch, start_ns,
           count(*) OVER rest AS remaining, count(*) OVER (PARTITION BY run_id) AS batches,
           CAST(sum(CAST(tpot_ps AS HUGEINT)) OVER rest AS DOUBLE) AS total,
           CAST(sum(CAST(tpot_ps AS HUGEINT) * tpot_ps) OVER rest AS DOUBLE) AS squares,
           CAST(sum(CAST(tpot_ps AS HUGEINT)) OVER (PARTITION BY run_id) AS DOUBLE) AS everything
    FROM batches WHERE n = 5
    WINDOW rest AS (PARTITION BY run_id ORDER BY batch ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
), cuts AS (
    SELECT run_id, start_ns AS warm_ns, (everything - total) / (batches - remaining) / (total / remaining) AS cold_slowdown
    FROM (
        SELECT * FROM suffixes WHERE batch <= batches // 2
        QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY (squares - total * total / remaining) / remaining / remaining, batch) = 1
    )
    WHERE batch > 0 AND (everything - total) / (batches - remaining) >= 1.1 * total / remaining
)
SELECT longest.run_id, from_ns, to_ns, coalesce(warm_ns, from_ns) AS warm_ns,
       first_ns, last_ns, most AS most_in_flight,
       (to_ns - coalesce(warm_ns, from_ns)) / e2el AS mean_e2els, cold_slowdown
FROM longest JOIN whole USING (run_id) JOIN lengths USING (run_id) LEFT JOIN cuts USING (run_id);
