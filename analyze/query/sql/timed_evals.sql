-- Uploads of judged tool calls: when they were asked, and how many were right.
-- Times are UTC.
SELECT upload_sha256, min(source_name) AS source_name, min(server_start) AS server_start, count(passed) AS judged,
       count(*) FILTER (passed) AS valid, epoch_ns(min(started_at)) AS from_ns,
       epoch_ns(max(started_at + to_microseconds(coalesce(latency_ns, 0) // 1000))) AS to_ns, sum(output_tokens) AS output_tokens, min(model) AS model
FROM evals
WHERE suite = 'tool_calls' AND item IS NOT NULL
GROUP BY upload_sha256 ORDER BY upload_sha256;
