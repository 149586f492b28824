-- The longest stretch of each chosen run in which an answer was being made, its first
-- chunk there and its last to come, and no chunk of any answer came. A stretch that
-- is long shows as a gap of some answer, so only these are looked into.
WITH chosen AS (SELECT run_id FROM runs WHERE {{where}}),
long_gaps AS (
    SELECT run_id, CAST(at_ns - gap_ns AS BIGINT) AS from_ns, CAST(at_ns AS BIGINT) AS to_ns
    FROM token_times JOIN chosen USING (run_id) WHERE gap_ns >= {{least_ns}} AND at_ns IS NOT NULL
), came AS (
    SELECT run_id, CAST(at_ns AS BIGINT) AS at_ns FROM token_times WHERE run_id IN (SELECT run_id FROM long_gaps) AND at_ns IS NOT NULL
    UNION
    SELECT run_id, start_ns + ttft_ns FROM requests WHERE run_id IN (SELECT run_id FROM long_gaps) AND start_ns IS NOT NULL AND ttft_ns IS NOT NULL
), stretches AS (
    SELECT run_id, at_ns AS from_ns, lead(at_ns) OVER (PARTITION BY run_id ORDER BY at_ns) AS to_ns FROM came
), silent AS (
    SELECT DISTINCT s.run_id, s.from_ns, s.to_ns - s.from_ns AS ns
    FROM stretches s JOIN long_gaps g ON s.run_id = g.run_id AND s.from_ns >= g.from_ns AND s.to_ns <= g.to_ns
    WHERE s.to_ns - s.from_ns >= {{least_ns}}
)
SELECT run_id, min(from_ns) / 1e9 AS from_s, ns / 1e9 AS silence_s
FROM silent WHERE (run_id, ns) IN (SELECT (run_id, max(ns)) FROM silent GROUP BY run_id)
GROUP BY run_id, ns ORDER BY run_id;
