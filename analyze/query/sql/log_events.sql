-- What the logs of the servers of the chosen runs say, log by log and line by line.
WITH chosen AS (
    SELECT DISTINCT beside(server_start, source_name) AS place FROM runs WHERE {{where}}
)
SELECT place, upload_sha256, source_name, line, at_time, process, pid, level, code, message, kind, facts
FROM (SELECT *, beside(server_start, source_name) AS place FROM log_events) JOIN chosen USING (place)
ORDER BY upload_sha256, line;
