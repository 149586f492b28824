-- The uploads that hold samples of some names, with what joins them with runs.
SELECT upload_sha256, min(source_name) AS source_name, min(server_start) AS server_start, min(source) AS source, bool_and(zone_known) AS zone_known
FROM samples WHERE replace(name, 'vllm:', '') IN ({{names}}) AND unit IS DISTINCT FROM 'C' GROUP BY upload_sha256 ORDER BY upload_sha256;
