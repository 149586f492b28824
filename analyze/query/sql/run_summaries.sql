-- The numbers of the chosen runs, in a stable order. No token is read.
SELECT s.* EXCLUDE (source_name, model, hardware, path_label, runtime, runtime_version, server_start, repeat, max_concurrency, request_rate,
                    simulated, started_at, detailed, duration_s, ttft_p50_s, ttft_p99_s, e2el_p50_s, e2el_p99_s, steady_ttft_p50_s, steady_e2el_p50_s)
FROM run_numbers s
JOIN (SELECT run_id FROM runs WHERE {{where}}) chosen USING (run_id)
ORDER BY s.run_id;
