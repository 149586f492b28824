-- How many tokens the chunks of the chosen runs carried. The first token comes from
-- the prompt; every chunk behind it is one step of decoding, if nothing bundles them.
-- Means are summed in millionths, as integers, so that they do not depend on the
-- order of threads.
SELECT run_id, count(*) AS answers, CAST(sum(output_tokens - 1) AS BIGINT) AS tokens, CAST(sum(chunks - 1) AS BIGINT) AS chunks,
       CAST(sum(millionths) AS DOUBLE) / 1e6 / count(*) AS by_request,
       CASE WHEN count(*) > 1 THEN sqrt(greatest(0, (CAST(sum(millionths * millionths) AS DOUBLE) / 1e12
           - CAST(sum(millionths) AS DOUBLE) * CAST(sum(millionths) AS DOUBLE) / 1e12 / count(*)) / (count(*) - 1) / count(*))) END AS std_err
FROM (
    SELECT r.*, CAST(round(1e6 * (output_tokens - 1) / (chunks - 1)) AS HUGEINT) AS millionths
    FROM requests r JOIN (SELECT run_id FROM runs WHERE {{where}}) USING (run_id)
    WHERE status = 'ok' AND output_tokens > 1 AND chunks > 1
)
GROUP BY run_id ORDER BY run_id;
