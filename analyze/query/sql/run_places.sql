-- Where each of the chosen runs meets what was observed of its server.
SELECT run_id, beside(server_start, source_name) AS place FROM runs WHERE {{where}} ORDER BY run_id;
