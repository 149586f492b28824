-- What is known of the chosen runs, summary-only ones included.
SELECT run_id, source_name, producer, dialect, bench, backend, detailed, model, tokenizer, hardware, path_label,
       runtime, runtime_version, image, server_start, repeat, dataset, seed, simulated,
       max_concurrency, request_rate, burstiness, num_prompts, requests, completed, failed, suspect,
       input_tokens, output_tokens, workload_digest, started_at, ended_at, duration_ns / 1e9 AS duration_s,
       engine_args, labels, provenance, reported, extra, notes, runtime_commit, producer_version, gap_kind, truncated, ramp_up,
       coalesce(clock = 'epoch', false) AS epoch
FROM runs WHERE {{where}}
ORDER BY model, hardware, path_label, runtime_version, max_concurrency, server_start, repeat, run_id;
