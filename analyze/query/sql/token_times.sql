-- Every chunk after the first with its absolute time since the run's origin.
CREATE VIEW token_times AS
SELECT t.run_id, t.request_idx, t.chunk_idx, t.gap_ns, t.tokens,
       r.start_ns + r.ttft_ns
         + sum(t.gap_ns) OVER (PARTITION BY t.run_id, t.request_idx ORDER BY t.chunk_idx) AS at_ns
FROM tokens t JOIN requests r USING (run_id, request_idx);
