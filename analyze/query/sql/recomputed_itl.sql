-- The part of recomputed.sql that reads tokens.
UNION ALL SELECT t.run_id, 'itl', 1e6, gap_ns FROM tokens t JOIN ok ON t.run_id = ok.run_id AND t.request_idx = ok.request_idx
