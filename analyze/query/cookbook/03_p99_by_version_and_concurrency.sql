-- How do the median and the p99 of the gaps grow with concurrency, version by version?
SELECT key.*, n AS gaps, round(p50_ms, 2) AS p50_ms, round(p99_ms, 2) AS p99_ms, round(max_ms, 2) AS max_ms
FROM distribution('itl', {model: model, version: runtime_version, path_label: path_label, max_concurrency: max_concurrency})
WHERE key.version IS NOT NULL ORDER BY ALL;
