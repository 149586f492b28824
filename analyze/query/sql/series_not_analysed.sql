-- How many series there are, and how many have no current results.
SELECT count(*) AS series, count(*) FILTER (current IS NULL) AS waiting
FROM (
    SELECT s.model, s.hardware, s.path_label, s.runtime_version, any_value(c.analysis) AS current
    FROM internal.series s
    LEFT JOIN (SELECT * FROM internal.analyses WHERE kind = {{kind}} AND analysis IN (SELECT analysis FROM internal.current_analyses)) c
      ON s.model IS NOT DISTINCT FROM c.model AND s.hardware IS NOT DISTINCT FROM c.hardware
     AND s.path_label IS NOT DISTINCT FROM c.path_label AND s.runtime_version IS NOT DISTINCT FROM c.runtime_version
    GROUP BY ALL
);
