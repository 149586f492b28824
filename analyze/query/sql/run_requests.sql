-- The requests of a run with start times, in seconds since its origin.
SELECT start_ns / 1e9 AS start_s, (start_ns + ttft_ns) / 1e9 AS first_chunk_s, (start_ns + e2el_ns) / 1e9 AS end_s, status = 'failed' AS failed
FROM requests WHERE ({{where}}) AND start_ns IS NOT NULL AND status <> 'warmup'
ORDER BY start_ns, request_idx;
