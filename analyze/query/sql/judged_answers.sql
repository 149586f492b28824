-- The judged answers and totals of the given places, in a stable order.
SELECT beside(server_start, source_name) AS place, source_name, suite, task, item, trial, metric, value, passed, class, passed_items, items, std_err,
       model, finish_reason, streaming, concurrency, temperature, started_at, latency_ns / 1e9 AS latency_s, answer, facts
FROM evals WHERE beside(server_start, source_name) IN ({{places}})
ORDER BY place, suite, task, metric, item, trial, concurrency, temperature, streaming, source_name, line;
