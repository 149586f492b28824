-- What did the server last say of its load before the requests that waited longest?
SELECT r.model, r.runtime_version, r.max_concurrency, request_idx, round(ttft_ms, 1) AS ttft_ms, round(epoch(r.sent_at - e.at_time), 1) AS seconds_before,
       facts->>'running' AS running, facts->>'waiting' AS waiting, facts->>'gpu_kv_cache_usage_percent' AS kv_cache_percent
FROM (
    SELECT runs.*, request_idx, ms(ttft_ns) AS ttft_ms, started_at + to_microseconds(start_ns // 1000) AS sent_at
    FROM requests JOIN runs USING (run_id)
    WHERE status = 'ok' AND server_start IS NOT NULL
    ORDER BY ttft_ns DESC, run_id, request_idx LIMIT 5
) r ASOF JOIN (SELECT * FROM log_events WHERE kind = 'engine_stats' AND at_time IS NOT NULL) e
  ON r.server_start = e.server_start AND r.sent_at >= e.at_time
ORDER BY ttft_ms DESC, request_idx;
