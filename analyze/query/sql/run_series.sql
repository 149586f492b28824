-- The series that each chosen run is of, in a stable order.
SELECT run_id, model, hardware, path_label, runtime_version FROM runs WHERE {{where}}
ORDER BY model, hardware, path_label, runtime_version, run_id;
