-- Values over time of some uploads, by name, device and what tells series of one
-- key apart. Instances of a GPU repeat what the GPU says, so one of them counts.
SELECT upload_sha256, replace(name, 'vllm:', '') AS short_name, coalesce(device, '') AS part, coalesce(labels->>'stat', '') AS stat,
       epoch_ns(at_time) AS at_ns, max(value) AS value
FROM samples
WHERE upload_sha256 IN ({{uploads}}) AND replace(name, 'vllm:', '') IN ({{names}}) AND isfinite(value) AND at_time IS NOT NULL
GROUP BY ALL
ORDER BY ALL;
