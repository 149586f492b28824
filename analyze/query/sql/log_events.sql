-- What the logs of the servers of the chosen runs say, log by log and line by line.
-- A log that names no start, for it holds several, is of the runs below its folder.
-- One of a start on which nothing was measured is of the runs beside its folder: it
-- says why there are none.
WITH chosen AS (
    SELECT DISTINCT server_start, beside(NULL, source_name) AS folder FROM runs WHERE {{where}}
), logs AS (
    SELECT DISTINCT upload_sha256, server_start, beside(NULL, source_name) AS folder FROM log_events
), measured AS (
    SELECT DISTINCT server_start, beside(NULL, source_name) AS folder FROM runs
), idle AS (
    SELECT upload_sha256, regexp_extract(folder, '^(.*/)[^/]+/$', 1) AS around
    FROM logs ANTI JOIN measured ON logs.server_start = measured.server_start OR starts_with(measured.folder, logs.folder)
), wanted AS (
    SELECT upload_sha256
    FROM logs JOIN chosen
      ON logs.server_start = chosen.server_start
      OR logs.server_start IS NULL AND (logs.folder = chosen.folder OR logs.folder <> 'folder ' AND starts_with(chosen.folder, logs.folder))
    UNION
    SELECT upload_sha256 FROM idle JOIN chosen ON around NOT IN ('', 'folder ') AND starts_with(chosen.folder, around)
)
SELECT beside(server_start, source_name) AS place, upload_sha256, source_name, line, at_time, process, pid, level, code, message, kind, facts, server
FROM log_events SEMI JOIN wanted USING (upload_sha256)
ORDER BY upload_sha256, line;
