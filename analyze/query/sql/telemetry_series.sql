-- Values over time of some uploads, by name, device and what tells series of one
-- key apart; rows of one moment lie side by side. The first GPU of another machine is
-- another. Temperatures are left out: on Xavier the rail GPU has a zone of the same
-- name.
SELECT upload_sha256, replace(name, 'vllm:', '') AS short_name, coalesce(labels->>'stat', '') AS stat,
       concat_ws(' of ', coalesce(device, ''), coalesce(labels->>'hostname', labels->>'Hostname', labels->>'endpoint_url')) AS part,
       epoch_ns(at_time) AS at_ns, value
FROM samples
WHERE upload_sha256 IN ({{uploads}}) AND replace(name, 'vllm:', '') IN ({{names}}) AND isfinite(value) AND at_time IS NOT NULL AND unit IS DISTINCT FROM 'C'
ORDER BY ALL;
