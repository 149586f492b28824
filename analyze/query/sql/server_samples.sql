-- What servers and their logs say of the server starts of the chosen runs: one
-- row a start (or, where a run names none, a folder), upload and moment, engines
-- and label sets added up. Values are summed in millionths, as integers, so that
-- the sums do not depend on the order of threads. vLLM 0.8 and 0.9 count the
-- prefix cache by two names, sometimes both: their ratio is the same.
WITH chosen AS (
    SELECT DISTINCT beside(server_start, source_name) AS place FROM runs WHERE {{where}}
), seen AS (
    SELECT beside(server_start, source_name) AS place, upload_sha256, source, at_time, zone_known, replace(name, 'vllm:', '') AS name,
           TRY_CAST(json_extract_string(labels, '$.position') AS INTEGER) AS position,
           CAST(sum(CAST(round(1e6 * value) AS HUGEINT)) AS HUGEINT) AS millionths
    FROM samples
    WHERE isfinite(value) AND replace(name, 'vllm:', '') IN (
        'num_requests_running', 'num_requests_waiting', 'Running', 'Waiting', 'request_success_total', 'generation_tokens_total', 'prompt_tokens_total',
        'time_to_first_token_seconds_sum', 'time_to_first_token_seconds_count', 'e2e_request_latency_seconds_sum', 'e2e_request_latency_seconds_count',
        'prefix_cache_queries_total', 'prefix_cache_hits_total', 'gpu_prefix_cache_queries_total', 'gpu_prefix_cache_hits_total',
        'spec_decode_num_drafts_total', 'spec_decode_num_draft_tokens_total', 'spec_decode_num_accepted_tokens_total', 'spec_decode_num_accepted_tokens_per_pos_total')
    GROUP BY ALL
)
SELECT place, source, at_time, zone_known,
       CAST(sum(millionths) FILTER (name IN ('num_requests_running', 'Running')) AS DOUBLE) / 1e6 AS running,
       CAST(sum(millionths) FILTER (name IN ('num_requests_waiting', 'Waiting')) AS DOUBLE) / 1e6 AS waiting,
       CAST(sum(millionths) FILTER (name = 'request_success_total') AS DOUBLE) / 1e6 AS finished,
       CAST(sum(millionths) FILTER (name = 'generation_tokens_total') AS DOUBLE) / 1e6 AS output_tokens,
       CAST(sum(millionths) FILTER (name = 'prompt_tokens_total') AS DOUBLE) / 1e6 AS input_tokens,
       CAST(sum(millionths) FILTER (name = 'time_to_first_token_seconds_sum') AS DOUBLE) / 1e6 AS ttft_sum_s,
       CAST(sum(millionths) FILTER (name = 'time_to_first_token_seconds_count') AS DOUBLE) / 1e6 AS ttft_count,
       CAST(sum(millionths) FILTER (name = 'e2e_request_latency_seconds_sum') AS DOUBLE) / 1e6 AS e2el_sum_s,
       CAST(sum(millionths) FILTER (name = 'e2e_request_latency_seconds_count') AS DOUBLE) / 1e6 AS e2el_count,
       CAST(sum(millionths) FILTER (name IN ('prefix_cache_queries_total', 'gpu_prefix_cache_queries_total')) AS DOUBLE) / 1e6 AS cache_queries,
       CAST(sum(millionths) FILTER (name IN ('prefix_cache_hits_total', 'gpu_prefix_cache_hits_total')) AS DOUBLE) / 1e6 AS cache_hits,
       CAST(sum(millionths) FILTER (name = 'spec_decode_num_drafts_total') AS DOUBLE) / 1e6 AS drafts,
       CAST(sum(millionths) FILTER (name = 'spec_decode_num_draft_tokens_total') AS DOUBLE) / 1e6 AS drafted,
       CAST(sum(millionths) FILTER (name = 'spec_decode_num_accepted_tokens_total') AS DOUBLE) / 1e6 AS accepted,
       string_agg(CAST(CAST(millionths / 1e6 AS BIGINT) AS VARCHAR), ' ' ORDER BY position) FILTER (name = 'spec_decode_num_accepted_tokens_per_pos_total') AS accepted_at
FROM seen JOIN chosen USING (place)
GROUP BY place, source, upload_sha256, at_time, zone_known
ORDER BY place, source, zone_known, at_time, upload_sha256;
