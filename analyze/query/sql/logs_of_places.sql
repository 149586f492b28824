-- What the logs of the given places say, log by log and line by line.
SELECT beside(server_start, source_name) AS place, upload_sha256, source_name, line, at_time, process, pid, level, code, message, kind, facts, server
FROM log_events WHERE beside(server_start, source_name) IN ({{places}})
ORDER BY place, upload_sha256, line;
