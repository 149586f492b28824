-- Every chunk after the first with its absolute time since the run's origin.
--
-- column | unit | meaning | source
--   run_id | | run of the chunk | tokens
--   request_idx | | request of the chunk | tokens
--   chunk_idx | | position in the request; the first chunk, whose time is the TTFT, has 0 and no row | tokens
--   gap_ns | ns | time since the chunk before | tokens
--   tokens | tokens | tokens that the chunk carried; NULL where the log does not say | tokens
--   at_ns | ns | when it came, since the run's first request; NULL where the log has no start times | requests.start_ns + ttft_ns + the gaps so far
CREATE VIEW token_times AS
SELECT t.run_id, t.request_idx, t.chunk_idx, t.gap_ns, t.tokens,
       r.start_ns + r.ttft_ns
         + sum(t.gap_ns) OVER (PARTITION BY t.run_id, t.request_idx ORDER BY t.chunk_idx) AS at_ns
FROM tokens t JOIN requests r USING (run_id, request_idx);
