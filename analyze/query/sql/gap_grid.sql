-- The chunk gaps of a run, counted in a grid of when they ended and, on a
-- logarithmic scale, how long they were: the middle of each cell with its count.
-- Gaps of zero have a row of their own.
WITH gap AS (
    SELECT at_ns / 1e9 AS at_s, gap_ns / 1e9 AS gap_s FROM token_times WHERE ({{where}}) AND at_ns IS NOT NULL
), bounds AS (
    SELECT min(at_s) AS from_s, max(at_s) AS to_s, min(gap_s) FILTER (gap_s > 0) AS shortest_s, max(gap_s) AS longest_s FROM gap
), cell AS (
    SELECT least({{columns}} - 1, CAST(floor({{columns}} * (at_s - from_s) / nullif(to_s - from_s, 0)) AS BIGINT)) AS col,
           CASE WHEN gap_s > 0 THEN least({{rows}} - 1, CAST(floor({{rows}} * ln(gap_s / shortest_s) / nullif(ln(longest_s / shortest_s), 0)) AS BIGINT)) END AS band,
           count(*) AS n
    FROM gap, bounds GROUP BY ALL
)
SELECT from_s, to_s, shortest_s, longest_s, from_s + (col + 0.5) / {{columns}} * (to_s - from_s) AS at_s,
       coalesce(shortest_s * pow(longest_s / shortest_s, (band + 0.5) / {{rows}}), 0) AS gap_s, n
FROM cell, bounds
WHERE col IS NOT NULL AND shortest_s < longest_s
ORDER BY col, band NULLS FIRST;
