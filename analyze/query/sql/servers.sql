-- The servers of a selection that have logs or judged answers: one row a place,
-- which is a server start or, where none is named, a folder. Those of runs that
-- satisfy the condition, and those of no run at all of which what is recorded
-- satisfies it: a server that did not start has a log and no run.
WITH of_runs AS (
    SELECT beside(server_start, source_name) AS place, bool_or({{where}}) AS chosen FROM runs GROUP BY ALL
), said AS (
    SELECT beside(server_start, source_name) AS place, server_start, source_name, server, NULL AS version, NULL AS model FROM evals
    UNION ALL
    SELECT beside(server_start, source_name), server_start, source_name, server,
           CASE WHEN kind IN ('version', 'engine_config') THEN facts->>'version' END,
           CASE WHEN kind IN ('version', 'engine_config', 'engine_args') THEN coalesce(facts->>'served_model_name', facts->>'model') END
    FROM log_events
), places AS (
    SELECT place, max(server_start) AS server_start, min(source_name) AS source_name, max(server) AS server, max(version) AS version, max(model) AS model
    FROM said GROUP BY place
), as_runs AS (
    SELECT * FROM runs WHERE false
    UNION ALL BY NAME
    SELECT server_start, source_name, server AS labels, coalesce(server->>'model', model) AS model, server->>'hardware' AS hardware,
           server->>'runtime' AS runtime, coalesce(server->>'runtime_version', version) AS runtime_version, server->>'runtime_commit' AS runtime_commit,
           server->>'image' AS image, server->>'path_label' AS path_label, server->>'tokenizer' AS tokenizer
    FROM places WHERE place NOT IN (SELECT place FROM of_runs)
)
SELECT place, server, version, model, true AS has_runs FROM places JOIN of_runs USING (place) WHERE chosen
UNION ALL
SELECT place, server, version, model, false FROM places
JOIN (SELECT beside(server_start, source_name) AS place FROM as_runs WHERE {{where}}) USING (place)
ORDER BY place;
